//! Executions that a log tells of line by line: one line begins them, another ends them.

use std::collections::HashMap;

use super::record::{Event, Move, Record, Step};
use super::states::{RUNNING, is_terminal};

/// Those that have begun, in that order.
#[derive(Default)]
pub struct Begun {
    records: Vec<Record>,
    places: HashMap<String, usize>,
}

impl Begun {
    pub fn has(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    pub fn add(&mut self, record: Record) -> Result<(), String> {
        if self.places.insert(record.id.clone(), self.records.len()).is_some() {
            return Err(format!("{} begins twice", record.id));
        }
        self.records.push(record);
        Ok(())
    }

    pub fn first(&mut self) -> Option<&mut Record> {
        self.records.first_mut()
    }

    /// A change of state with the event that tells of it. What has ended does not change any more: then it is an
    /// event alone.
    pub fn change(&mut self, id: &str, to: Option<&'static str>, event: Event) -> Result<(), String> {
        let place = self.places.get(id).and_then(|place| self.records.get_mut(*place));
        let record = place.ok_or_else(|| format!("{id} has not begun"))?;
        let again = is_terminal(record.state()) || to == Some(RUNNING) && record.state() == RUNNING;
        let change = to.filter(|_| !again).map(|to| Move { to, message: event.topic.clone() });
        record.steps.push(Step { change, events: vec![event] });
        Ok(())
    }

    pub fn into_records(self) -> Vec<Record> {
        self.records
    }
}
