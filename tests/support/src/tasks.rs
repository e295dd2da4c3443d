//! The nodes of executions as plain values, and the reports of them that may come late.

use execstore::{Json, Late, Node, NodeState, NodeUpdate, Reported, Timestamp};

use crate::besides::{Act, agreed, json};
use crate::model::Model;
use crate::records::is_terminal;
use crate::wants::check_name;
use crate::writes::Writes;

pub const NODE_STATES: [NodeState; 4] =
    [NodeState::Running, NodeState::Finished, NodeState::Failed, NodeState::Skipped];

#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub name: String,
    pub state: NodeState,
    pub attempts: u64,
    started: i64,
    ended: Option<i64>,
    value: Option<String>,
    error: Option<String>,
}

impl Task {
    pub fn of(node: &Node) -> Self {
        Self {
            name: node.name.to_string(),
            state: node.state,
            attempts: node.attempts,
            started: node.started_at.as_nanos(),
            ended: node.ended_at.map(Timestamp::as_nanos),
            value: node.value.as_ref().map(|json| json.as_str().to_owned()),
            error: node.error.as_ref().map(ToString::to_string),
        }
    }
}

/// What is said of one.
#[derive(Debug)]
struct Said {
    name: String,
    state: NodeState,
    attempt: Option<u64>,
    at: Option<i64>,
    value: Option<String>,
    error: Option<String>,
}

impl Said {
    fn of(act: &Act, now: i64) -> Self {
        let size = act.size;
        let state = NODE_STATES[usize::from(size % 4)];
        Self {
            name: act.name().into(),
            state,
            attempt: [None, None, Some(1), Some(2)][usize::from(size / 64)],
            at: (size & 8 != 0).then_some(now.saturating_sub(i64::from(size % 7))),
            value: (size & 16 != 0).then(|| json(size & 48).as_str().to_owned()),
            error: (state == NodeState::Failed).then(|| "why".into()),
        }
    }

    fn update(&self) -> NodeUpdate {
        let name = self.name.as_str();
        let mut update = match self.state {
            NodeState::Running => NodeUpdate::started(name),
            NodeState::Finished => NodeUpdate::finished(name),
            NodeState::Failed => NodeUpdate::failed(name, self.error.as_deref().unwrap()),
            _ => NodeUpdate::skipped(name),
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

    /// The node as it is then, or why this comes late.
    fn of_task(&self, known: Option<&Task>, now: i64) -> Result<Task, Late> {
        let starts = self.state == NodeState::Running;
        let anew = |attempts: u64| Task {
            name: self.name.clone(),
            state: self.state,
            attempts,
            started: self.at.unwrap_or(now),
            ended: (!starts).then_some(self.at.unwrap_or(now)),
            value: self.value.clone(),
            error: self.error.clone(),
        };
        let Some(task) = known else {
            let first = u64::from(self.state != NodeState::Skipped);
            return Ok(anew(self.attempt.unwrap_or(first)));
        };
        match self.attempt {
            Some(reported) if reported < task.attempts => {
                return Err(Late::OlderAttempt { reported, known: task.attempts });
            }
            Some(attempt) if attempt > task.attempts => return Ok(anew(attempt)),
            _ => {}
        }
        // A start that is told once more is no older than what came after it.
        let same_start = starts && self.at == Some(task.started);
        let last = task.ended.unwrap_or(task.started);
        if let Some(reported) = self.at.filter(|at| *at < last && !same_start) {
            let [reported, known] = [reported, last].map(Timestamp::from_nanos);
            return Err(Late::OlderTime { reported, known });
        }
        if starts && self.attempt.is_none() && !same_start {
            return Ok(anew(task.attempts + 1));
        }
        let says_more = self.value.is_some() && self.value != task.value;
        match (starts, task.ended) {
            (true, None) if says_more => Ok(Task { value: self.value.clone(), ..task.clone() }),
            (false, None) => Ok(Task {
                started: task.started,
                ended: Some(self.at.unwrap_or(now.max(task.started))),
                value: self.value.clone().or(task.value.clone()),
                ..anew(task.attempts)
            }),
            _ if !says_more && (starts || (self.state, &self.error) == (task.state, &task.error)) => {
                Err(Late::Repeated)
            }
            _ => Err(Late::Ended { state: task.state.to_string().into() }),
        }
    }
}

/// Says what became of a node, to the store and to the model.
pub fn put(w: &mut impl Writes, model: &mut Model, id: &str, act: &Act, now: i64) {
    let (want, said) = (act.want(model, id), Said::of(act, now));
    let (expect, update) = (want.expect(), said.update());
    let found = w.act(
        |w| w.expect(id, &expect).and_then(|_| w.put_node(id, update.clone())),
        |store| store.put_node_if(id, &expect, update.clone()),
    );
    let expected = model.expected(id, &want).and_then(|found| {
        check_name("node name", &said.name)?;
        Ok(found)
    });
    let Some((found, (number, rec))) = agreed(act, found, expected) else { return };
    let beside = model.beside(number);
    let known = beside.task(&said.name);
    let mut outcome = said.of_task(known.map(|(task, _)| task), now);
    if outcome.is_ok() && said.state == NodeState::Running && is_terminal(&rec.state) {
        outcome = Err(Late::ExecutionEnded { state: rec.state.as_str().into() });
    }
    match (found, outcome) {
        (Reported::Applied(node), Ok(task)) => {
            assert_eq!(Task::of(&node), task, "{said:?} of {known:?}");
            std::sync::Arc::make_mut(model.beside.entry(number).or_default()).set_task(task, node);
            model.version += 1;
        }
        (Reported::Ignored { why, current }, Err(expected)) => {
            assert_eq!(why, expected, "{said:?} of {known:?}");
            assert_eq!(current.as_ref(), known.map(|(_, node)| node), "{said:?}");
        }
        (found, expected) => panic!("{said:?} of {known:?}: {found:?}, expected {expected:?}"),
    }
}
