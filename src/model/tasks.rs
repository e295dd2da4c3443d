//! The tasks or operators within an execution. Pure.

use serde::{Deserialize, Serialize};

use crate::model::json::Json;
use crate::model::json::form::{given, request};
use crate::model::limits::{
    InputError, LongTexts, MAX_EVENT, MAX_MESSAGE, check_len, check_name, check_size, check_text,
};
use crate::model::report::Late;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskState {
    /// It has been started.
    Running,
    /// It ended successfully.
    Finished,
    /// It ended with an error.
    Failed,
    /// It will not run.
    Skipped,
}

impl TaskState {
    pub(crate) const ALL: [TaskState; 4] =
        [TaskState::Running, TaskState::Finished, TaskState::Failed, TaskState::Skipped];
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            TaskState::Running => "running",
            TaskState::Finished => "finished",
            TaskState::Failed => "failed",
            TaskState::Skipped => "skipped",
        })
    }
}

/// A task within an execution: see [`Writer::put_task`](crate::Writer::put_task).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TaskForm")]
#[non_exhaustive]
pub struct Task {
    /// Its name within the execution.
    pub name: Text,
    /// Its state.
    pub state: TaskState,
    /// How often it was started, or the number of the last attempt if the reports name one; 0 if it never was.
    #[serde(with = "crate::model::json::count")]
    pub attempts: u64,
    /// When it was last started; when it was skipped, if it never was.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its result so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Text>,
}

request! {
    /// An update to a task.
    ///
    /// ```
    /// use execstore::tasks::{TaskState, TaskUpdate};
    /// use execstore::{Json, NewExecution, Readable, Store};
    ///
    /// # let store = Store::in_memory()?;
    /// let rows = Json::from_text("{\"rows\": 7}")?;
    /// store.write(|w| {
    ///     w.create(NewExecution::new("flow").id("e"))?;
    ///     w.put_task("e", TaskUpdate::started("load"))?;
    ///     w.put_task("e", TaskUpdate::finished("load").value(rows))?;
    ///     w.put_task("e", TaskUpdate::started("sum"))?;
    ///     w.put_task("e", TaskUpdate::failed("sum", "not a number"))?;
    ///     Ok(())
    /// })?;
    /// let r = store.begin_read()?;
    /// let progress = r.tasks("e").progress()?;
    /// assert_eq!((progress.finished, progress.failed, progress.running), (1, 1, 0));
    /// for task in r.tasks("e").list()? {
    ///     println!("{} {}", task?.name, TaskState::Finished); // in the order of their first start
    /// }
    /// # Ok::<(), execstore::Error>(())
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    #[must_use]
    pub struct TaskUpdate {
        pub(crate) name: Text,
        pub(crate) state: TaskState,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(crate) value: Option<Json>,
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(crate) error: Option<Text>,
        #[serde(rename = "time", default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub(crate) at: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
        pub(crate) attempt: Option<u64>,
    }
}

impl TaskUpdate {
    /// It was started, possibly again. With a [value](Self::value) it also reports progress: name the attempt then, so that it
    /// does not count as another start.
    pub fn started(name: impl AsRef<str>) -> Self {
        Self::new(Text::from(name.as_ref()), TaskState::Running)
    }

    /// It ended successfully.
    pub fn finished(name: impl AsRef<str>) -> Self {
        Self::new(Text::from(name.as_ref()), TaskState::Finished)
    }

    /// It ended with an error, of at most 64 KiB: a longer one is cut, unless the store was opened to
    /// [refuse](crate::options::LongTexts::Refuse) it.
    pub fn failed(name: impl AsRef<str>, error: impl AsRef<str>) -> Self {
        Self {
            error: Some(Text::from(error.as_ref())),
            ..Self::new(Text::from(name.as_ref()), TaskState::Failed)
        }
    }

    /// It will not run.
    pub fn skipped(name: impl AsRef<str>) -> Self {
        Self::new(Text::from(name.as_ref()), TaskState::Skipped)
    }

    fn new(name: Text, state: TaskState) -> Self {
        Self { name, state, value: None, error: None, at: None, attempt: None }
    }

    /// Its result so far, at most 1 MiB. Store larger ones as [attachments](crate::Writer::put_attachment).
    pub fn value(mut self, value: impl Into<Json>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// The attempt that reports, from 1. A report from an attempt before the last known one is ignored. So is one from the last
    /// attempt that says what is already known, or that contradicts its known end. Without a number, a start is a new attempt, and
    /// everything else belongs to the last one.
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// When it happened, by the reporter's clock; now by default. A time before the last one known for the same attempt, or for
    /// the task if no attempt is named, makes the report late.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// Makes the error fit.
    pub(crate) fn fit_texts(&mut self, long: LongTexts) {
        self.error.as_mut().into_iter().for_each(|text| long.fit(text, MAX_MESSAGE));
    }

    /// A long error is cut when it is stored, or refused, as the store was told.
    fn check_read(&self) -> Result<(), InputError> {
        if self.error.is_some() != (self.state == TaskState::Failed) {
            let reason = "a task that failed has one, and no other".into();
            return Err(InputError::Invalid { what: "task error", reason });
        }
        Self { error: None, ..self.clone() }.check()
    }

    pub(crate) fn check(&self) -> Result<(), InputError> {
        check_name("task name", &self.name)?;
        check_len("task error", self.error.as_deref().unwrap_or_default(), MAX_MESSAGE)?;
        self.value.as_ref().map_or(Ok(()), |value| check_text("task value", value))?;
        check_size("task value", self.value.as_ref().map_or(0, |value| value.as_str().len()), MAX_EVENT)
    }

    /// The task as it is then, or why the report is late.
    pub(crate) fn apply(self, before: Option<&Task>, now: Timestamp) -> Result<Task, Late> {
        let (starts, time) = (self.state == TaskState::Running, self.at.unwrap_or(now));
        let first = u64::from(self.state != TaskState::Skipped);
        let Some(before) = before else {
            let attempts = self.attempt.unwrap_or(first);
            return Ok(self.task(attempts, None, time));
        };
        let known = before.ended_at.unwrap_or(before.started_at);
        let attempts = match self.attempt {
            Some(reported) if reported < before.attempts => {
                return Err(Late::OlderAttempt { reported, known: before.attempts });
            }
            Some(reported) if reported > before.attempts => {
                return Ok(self.task(reported, None, time));
            }
            // A start that is the known one, or that names none, so that it is another.
            Some(_) => before.attempts,
            None if starts && self.at != Some(before.started_at) => before.attempts.saturating_add(1),
            None => before.attempts,
        };
        if let Some(reported) = self.at.filter(|at| *at < known && !(starts && *at == before.started_at)) {
            return Err(Late::OlderTime { reported, known });
        }
        if attempts > before.attempts {
            return Ok(self.task(attempts, None, time));
        }
        let says_more = |value: &Json| before.value.as_ref() != Some(value);
        if starts && before.state == TaskState::Running && self.value.as_ref().is_some_and(says_more) {
            return Ok(Task { value: self.value, ..before.clone() });
        }
        if before.state != TaskState::Running || starts {
            let same = self.state == before.state && self.error == before.error;
            return match (starts || same) && !self.value.as_ref().is_some_and(says_more) {
                true => Err(Late::Repeated),
                false => Err(Late::Ended { state: before.state.to_string().into() }),
            };
        }
        // The reporter's clock decides; without one an end is not before its start.
        let at = self.at.unwrap_or_else(|| now.max(before.started_at));
        Ok(self.task(attempts, Some(before), at))
    }

    fn task(self, attempts: u64, running: Option<&Task>, at: Timestamp) -> Task {
        let ended = self.state != TaskState::Running;
        Task {
            name: self.name,
            state: self.state,
            attempts,
            started_at: running.map_or(at, |running| running.started_at),
            ended_at: ended.then_some(at),
            value: self.value.or_else(|| running.and_then(|running| running.value.clone())),
            error: self.error,
        }
    }
}

/// How many tasks of an execution are in each state: see [`Tasks::progress`](crate::tasks::Tasks::progress).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Tasks that were started and have not ended.
    #[serde(with = "crate::model::json::count")]
    pub running: u64,
    /// Tasks that ended successfully.
    #[serde(with = "crate::model::json::count")]
    pub finished: u64,
    /// Tasks that ended with an error.
    #[serde(with = "crate::model::json::count")]
    pub failed: u64,
    /// Tasks that will not run.
    #[serde(with = "crate::model::json::count")]
    pub skipped: u64,
}

impl Progress {
    /// That of an execution without tasks.
    pub(crate) const NONE: Self = Self { running: 0, finished: 0, failed: 0, skipped: 0 };

    /// All tasks.
    pub fn total(&self) -> u64 {
        TaskState::ALL.into_iter().map(|state| self.of(state)).fold(0, u64::saturating_add)
    }

    /// How many tasks are in a state.
    pub fn of(&self, state: TaskState) -> u64 {
        let mut copy = *self;
        *copy.slot(state)
    }

    pub(crate) fn slot(&mut self, state: TaskState) -> &mut u64 {
        match state {
            TaskState::Running => &mut self.running,
            TaskState::Finished => &mut self.finished,
            TaskState::Failed => &mut self.failed,
            TaskState::Skipped => &mut self.skipped,
        }
    }
}

/// The JSON of a task.
#[derive(Deserialize)]
struct TaskForm {
    name: Text,
    state: TaskState,
    #[serde(with = "crate::model::json::count")]
    attempts: u64,
    started_at: Timestamp,
    #[serde(default)]
    ended_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "given")]
    value: Option<Json>,
    #[serde(default)]
    error: Option<Text>,
}

impl TryFrom<TaskForm> for Task {
    type Error = InputError;

    fn try_from(form: TaskForm) -> Result<Self, InputError> {
        let TaskForm { name, state, attempts, started_at, ended_at, value, error } = form;
        let update = TaskUpdate { value, error, ..TaskUpdate::new(name, state) };
        update.check()?;
        if ended_at.is_some() != (state != TaskState::Running) {
            let reason =
                format!("one that is {state} {}", if ended_at.is_some() { "has an end" } else { "has none" });
            return Err(InputError::Invalid { what: "end of a task", reason });
        }
        let TaskUpdate { name, state, value, error, .. } = update;
        Ok(Self { name, state, attempts, started_at, ended_at, value, error })
    }
}
