//! Odd strings through every text field: each string in each field, in an execution of its own.
//!
//! What the limits refuse must be refused with the error that is documented for it, and leave no trace.

use std::collections::BTreeSet;

use execstore::error::{InputError, WriteError};
use execstore::{Json, limits};

use super::record::{Event, Record};

/// Where a string is put.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field {
    Id,
    Job,
    Parent,
    Previous,
    Namespace,
    Name,
    NodeId,
    Message,
    LabelKey,
    LabelValue,
    Payload,
    EventTopic,
    EventMessage,
    EventDetails,
    Checkpoint,
}

const FIELDS: [Field; 15] = [
    Field::Id,
    Field::Job,
    Field::Parent,
    Field::Previous,
    Field::Namespace,
    Field::Name,
    Field::NodeId,
    Field::Message,
    Field::LabelKey,
    Field::LabelValue,
    Field::Payload,
    Field::EventTopic,
    Field::EventMessage,
    Field::EventDetails,
    Field::Checkpoint,
];

/// One string in one field. For [`Field::Checkpoint`] the text and `nth` are the checkpoint, else the record
/// is what is created.
#[derive(Clone, Debug)]
pub struct Case {
    pub text: String,
    pub nth: u64,
    pub field: Field,
    pub record: Record,
    /// Whether the limits refuse it.
    pub refusal: Option<Refusal>,
}

impl Case {
    pub fn is_checkpoint(&self) -> bool {
        self.field == Field::Checkpoint
    }
}

/// The documented reasons to refuse a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    TooLarge { actual: usize, maximum: usize },
    NotAnId,
}

impl Refusal {
    /// Whether this is the error that was to be expected.
    pub fn is(self, error: &WriteError) -> bool {
        match (self, error) {
            (
                Refusal::TooLarge { actual, maximum },
                WriteError::Input(InputError::TooLarge { actual: a, maximum: m, .. }),
            ) => (actual, maximum) == (*a, *m),
            (Refusal::NotAnId, WriteError::Input(InputError::Invalid { .. })) => true,
            _ => false,
        }
    }
}

/// The strings of a file: its lines, but for comments, empty lines and what is in `seen` already.
pub fn read(text: &str, seen: &mut BTreeSet<String>) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for line in text.split('\n') {
        if line.is_empty() || line.starts_with('#') || !seen.insert(line.to_owned()) {
            continue;
        }
        let nth = seen.len() as u64;
        for field in FIELDS {
            let record = record(line, nth, field).map_err(|error| error.to_string())?;
            cases.push(Case { text: line.to_owned(), nth, field, record, refusal: refusal(line, field) });
        }
    }
    Ok(cases)
}

fn record(text: &str, nth: u64, field: Field) -> Result<Record, serde_json::Error> {
    let quoted = Json::from_serialize(text)?;
    let mut record = Record {
        id: format!("string/{nth}/{field:?}"),
        job: "odd strings".into(),
        namespace: "strings".into(),
        ..Record::default()
    };
    let mut event = Event {
        topic: "string".into(),
        message: String::new(),
        time: Default::default(),
        details: Json::from_text("{}")?,
    };
    let text = text.to_owned();
    match field {
        Field::Id => record.id = text,
        Field::Job => record.job = text,
        Field::Parent => record.parent = Some(text),
        Field::Previous => record.previous = Some(text),
        Field::Namespace => record.namespace = text,
        Field::Name => record.name = Some(text),
        Field::NodeId => record.node_id = Some(text),
        Field::Message => record.message = Some(text),
        Field::LabelKey => drop(record.labels.insert(text.into(), "a value".into())),
        Field::LabelValue => drop(record.labels.insert("a key".into(), text.into())),
        Field::Payload => record.payload = quoted,
        Field::EventTopic => event.topic = text,
        Field::EventMessage => event.message = text,
        Field::EventDetails => event.details = Json::from_text(&format!("{{{quoted}:{quoted}}}"))?,
        Field::Checkpoint => {}
    }
    record.first.push(event);
    Ok(record)
}

/// What the documentation of the limits says of a text that is not empty.
fn refusal(text: &str, field: Field) -> Option<Refusal> {
    let is_id = matches!(field, Field::Id | Field::Job | Field::Parent | Field::Previous);
    let maximum = match field {
        _ if is_id => limits::MAX_ID,
        Field::LabelKey => limits::MAX_LABEL_KEY,
        Field::LabelValue => limits::MAX_LABEL_VALUE,
        Field::Message | Field::EventMessage => limits::MAX_MESSAGE,
        Field::Payload => limits::DEFAULT_MAX_PAYLOAD,
        Field::EventDetails => limits::MAX_EVENT,
        _ => limits::MAX_NAME,
    };
    let actual = text.len();
    if actual > maximum {
        return Some(Refusal::TooLarge { actual, maximum });
    }
    let odd = text.chars().any(char::is_control) || text.trim() != text;
    (is_id && odd).then_some(Refusal::NotAnId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_string_goes_through_each_field_once() {
        let cases = read("# no\n\nx\nx\n y\n", &mut BTreeSet::new()).unwrap();
        assert_eq!(cases.len(), 2 * FIELDS.len());
        let refused = cases.iter().filter(|case| case.refusal.is_some()).count();
        assert_eq!(refused, 4);
    }
}
