//! The tasks of executions as plain values, and the reports of them that may come late.

use execstore::tasks::{Task, TaskState, TaskUpdate};
use execstore::{Json, Late, Reported, Timestamp};

use crate::model::Model;
use crate::records::is_terminal;
use crate::side_data::{Act, agreed, json};
use crate::wants::check_name;
use crate::writes::Writes;

pub const TASK_STATES: [TaskState; 4] =
    [TaskState::Running, TaskState::Finished, TaskState::Failed, TaskState::Skipped];

#[derive(Clone, Debug, PartialEq)]
pub struct TaskRec {
    pub name: String,
    pub state: TaskState,
    pub attempts: u64,
    started: i64,
    ended: Option<i64>,
    value: Option<String>,
    error: Option<String>,
}

impl TaskRec {
    pub fn of(task: &Task) -> Self {
        Self {
            name: task.name.to_string(),
            state: task.state,
            attempts: task.attempts,
            started: task.started_at.as_nanos(),
            ended: task.ended_at.map(Timestamp::as_nanos),
            value: task.value.as_ref().map(|json| json.as_str().to_owned()),
            error: task.error.as_ref().map(ToString::to_string),
        }
    }
}

/// What is said of one.
#[derive(Debug)]
struct Said {
    name: String,
    state: TaskState,
    attempt: Option<u64>,
    at: Option<i64>,
    value: Option<String>,
    error: Option<String>,
}

impl Said {
    fn of(act: &Act, now: i64) -> Self {
        let size = act.size;
        let state = TASK_STATES[usize::from(size % 4)];
        Self {
            name: act.name().into(),
            state,
            attempt: [None, None, Some(1), Some(2)][usize::from(size / 64)],
            at: (size & 8 != 0).then_some(now.saturating_sub(i64::from(size % 7))),
            value: (size & 16 != 0).then(|| json(size & 48).as_str().to_owned()),
            error: (state == TaskState::Failed).then(|| "why".into()),
        }
    }

    fn update(&self) -> TaskUpdate {
        let name = self.name.as_str();
        let mut update = match self.state {
            TaskState::Running => TaskUpdate::started(name),
            TaskState::Finished => TaskUpdate::finished(name),
            TaskState::Failed => TaskUpdate::failed(name, self.error.as_deref().unwrap()),
            _ => TaskUpdate::skipped(name),
        };
        if let Some(attempt) = self.attempt {
            update = update.attempt(attempt);
        }
        if let Some(at) = self.at {
            update = update.at(Timestamp::from_nanos(at));
        }
        match &self.value {
            Some(value) => update.value(Json::from_text(value).unwrap()),
            None => update,
        }
    }

    /// The task as it is then, or why this comes late.
    fn of_task(&self, known: Option<&TaskRec>, now: i64) -> Result<TaskRec, Late> {
        let starts = self.state == TaskState::Running;
        let anew = |attempts: u64| TaskRec {
            name: self.name.clone(),
            state: self.state,
            attempts,
            started: self.at.unwrap_or(now),
            ended: (!starts).then_some(self.at.unwrap_or(now)),
            value: self.value.clone(),
            error: self.error.clone(),
        };
        let Some(rec) = known else {
            let first = u64::from(self.state != TaskState::Skipped);
            return Ok(anew(self.attempt.unwrap_or(first)));
        };
        match self.attempt {
            Some(reported) if reported < rec.attempts => {
                return Err(Late::OlderAttempt { reported, known: rec.attempts });
            }
            Some(attempt) if attempt > rec.attempts => return Ok(anew(attempt)),
            _ => {}
        }
        // A start that is told once more is no older than what came after it.
        let same_start = starts && self.at == Some(rec.started);
        let last = rec.ended.unwrap_or(rec.started);
        if let Some(reported) = self.at.filter(|at| *at < last && !same_start) {
            let [reported, known] = [reported, last].map(Timestamp::from_nanos);
            return Err(Late::OlderTime { reported, known });
        }
        if starts && self.attempt.is_none() && !same_start {
            return Ok(anew(rec.attempts + 1));
        }
        let says_more = self.value.is_some() && self.value != rec.value;
        match (starts, rec.ended) {
            (true, None) if says_more => Ok(TaskRec { value: self.value.clone(), ..rec.clone() }),
            (false, None) => Ok(TaskRec {
                started: rec.started,
                ended: Some(self.at.unwrap_or(now.max(rec.started))),
                value: self.value.clone().or(rec.value.clone()),
                ..anew(rec.attempts)
            }),
            _ if !says_more && (starts || (self.state, &self.error) == (rec.state, &rec.error)) => {
                Err(Late::Repeated)
            }
            _ => Err(Late::Ended { state: rec.state.to_string().into() }),
        }
    }
}

/// Says what became of a task, to the store and to the model.
pub fn put(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, now: i64) {
    let (want, said) = (act.want(model, id), Said::of(act, now));
    let (expect, update) = (want.expect(), said.update());
    let found = w.act(
        |w| w.expect(id, &expect).and_then(|_| w.put_task(id, update.clone())),
        |store| store.put_task_if(id, &expect, update.clone()),
    );
    let expected = model.expected(id, &want).and_then(|found| {
        check_name("task name", &said.name)?;
        Ok(found)
    });
    let Some((found, (number, rec))) = agreed(act, found, expected) else { return };
    let beside = model.beside(number);
    let known = beside.rec(&said.name);
    let mut outcome = said.of_task(known.map(|(rec, _)| rec), now);
    if outcome.is_ok() && said.state == TaskState::Running && is_terminal(&rec.state) {
        outcome = Err(Late::ExecutionEnded { state: rec.state.as_str().into() });
    }
    match (found, outcome) {
        (Reported::Applied(task), Ok(rec)) => {
            assert_eq!(TaskRec::of(&task), rec, "{said:?} of {known:?}");
            std::sync::Arc::make_mut(model.beside.entry(number).or_default()).set_task(rec, task);
            model.version += 1;
        }
        (Reported::Ignored { why, current }, Err(expected)) => {
            assert_eq!(why, expected, "{said:?} of {known:?}");
            assert_eq!(current.as_ref(), known.map(|(_, task)| task), "{said:?}");
        }
        (found, expected) => panic!("{said:?} of {known:?}: {found:?}, expected {expected:?}"),
    }
}
