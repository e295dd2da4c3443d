//! One execution as it is to be in the store, whatever kind of file it came from.

use execstore::{ExecutionId, JobId, Json, Labels, NewEvent, NewExecution, Timestamp, limits};

use super::states::SCHEDULED;

/// One event of its history.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub topic: String,
    pub message: String,
    pub time: Timestamp,
    pub details: Json,
}

impl Event {
    pub fn to_new(&self) -> NewEvent {
        NewEvent::new(&self.topic).message(&self.message).at(self.time).details(self.details.clone())
    }
}

/// A change of state, and the message that says why.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    pub to: &'static str,
    pub message: String,
}

/// One operation after the creation: an update if there is a move, else events that are appended.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub change: Option<Move>,
    pub events: Vec<Event>,
}

/// An execution, with the operations that write it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub id: String,
    /// The recorded id, if another file has it already: to create it again must be refused.
    pub taken: Option<String>,
    pub job: String,
    pub namespace: String,
    pub name: Option<String>,
    pub node_id: Option<String>,
    /// The message that it is created with; a move sets another.
    pub message: Option<String>,
    pub parent: Option<String>,
    pub previous: Option<String>,
    pub labels: Labels,
    pub payload: Json,
    /// The events that it is created with, in `Scheduled`.
    pub first: Vec<Event>,
    pub steps: Vec<Step>,
}

impl Record {
    pub fn to_new(&self) -> NewExecution {
        let mut new = NewExecution::new(&self.job)
            .id(&self.id)
            .namespace(&self.namespace)
            .state(SCHEDULED)
            .labels(&self.labels)
            .payload(self.payload.clone());
        if let Some(name) = &self.name {
            new = new.name(name);
        }
        if let Some(node_id) = &self.node_id {
            new = new.node_id(node_id);
        }
        if let Some(message) = &self.message {
            new = new.message(message);
        }
        if let Some(parent) = &self.parent {
            new = new.parent(parent);
        }
        if let Some(previous) = &self.previous {
            new = new.previous(previous);
        }
        new
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        let later = self.steps.iter().flat_map(|step| &step.events);
        self.first.iter().chain(later)
    }

    fn moves(&self) -> impl DoubleEndedIterator<Item = &Move> {
        self.steps.iter().filter_map(|step| step.change.as_ref())
    }

    /// The state that it ends in.
    pub fn state(&self) -> &str {
        self.moves().next_back().map_or(SCHEDULED, |change| change.to)
    }

    /// The message that it ends with.
    pub fn last_message(&self) -> Option<&str> {
        let moved = self.moves().next_back().map(|change| change.message.as_str());
        moved.or(self.message.as_deref())
    }

    pub fn revision(&self) -> u64 {
        1 + self.moves().count() as u64
    }

    /// Why the store would refuse it, before anything of its file is written.
    pub fn check(&self) -> Result<(), String> {
        let ids = [Some(&self.id), self.parent.as_ref(), self.previous.as_ref()];
        for id in ids.into_iter().flatten() {
            ExecutionId::new(id).map_err(|error| format!("the id {id:?}: {error}"))?;
        }
        if [&self.parent, &self.previous].into_iter().flatten().any(|link| *link == self.id) {
            return Err(format!("{} has a link to itself", self.id));
        }
        JobId::new(&self.job).map_err(|error| format!("the job {:?}: {error}", self.job))?;
        if self.payload.as_str().len() > limits::DEFAULT_MAX_PAYLOAD {
            return Err(format!("the payload of {} is larger than the store takes", self.id));
        }
        for (event, nth) in self.events().zip(1..) {
            let size = event.topic.len() + event.message.len() + event.details.as_str().len();
            if event.topic.len() > limits::MAX_NAME || size > limits::MAX_EVENT {
                return Err(format!("event {nth} of {} is larger than the store takes", self.id));
            }
        }
        Ok(())
    }
}

/// The text, if it is within a limit of the store in bytes.
pub fn within(text: &str, maximum: usize) -> Option<String> {
    (text.len() <= maximum).then(|| text.to_owned())
}

/// A name that leaves room in an id for what is added to it, and has nothing that an id refuses.
pub fn short(name: &str) -> String {
    let mut short: String = name.chars().filter(|c| !c.is_control()).collect();
    while short.len() > 48 {
        short.pop();
    }
    short.trim().to_owned()
}
