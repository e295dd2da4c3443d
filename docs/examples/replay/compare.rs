//! Compares records of the store with what was read from the files again, field by field.

use std::fmt::Debug;

use execstore::error::ReadError;
use execstore::{DesiredState, Execution, Readable};

use super::record::{Event, Record};
use super::states;

/// What differs between an execution of the store and the record that it should be. Empty if nothing does.
pub fn differences(reader: &impl Readable, expected: &Record) -> Result<Vec<String>, ReadError> {
    let mut found = Found { id: &expected.id, differences: Vec::new() };
    let Some(actual) = reader.get(&expected.id)? else {
        found.differences.push(format!("{}: it is missing", expected.id));
        return Ok(found.differences);
    };
    found.record(&actual, expected);
    let mut planned = expected.events();
    for (event, seq) in reader.events(&expected.id, ..)?.zip(1..) {
        let event = event?;
        found.same("event number", event.seq.get(), seq);
        let (topic, message) = (event.topic.into(), event.message.into());
        let actual = Event { topic, message, time: event.time, details: event.details };
        found.same(&format!("event {seq}"), Some(&actual), planned.next());
    }
    found.same("event after the last", None, planned.next());
    Ok(found.differences)
}

struct Found<'a> {
    id: &'a str,
    differences: Vec<String>,
}

impl Found<'_> {
    fn same<T: PartialEq + Debug>(&mut self, what: &str, actual: T, expected: T) {
        if actual != expected {
            let difference = format!("{}: {what}: {actual:?}, not {expected:?}", self.id);
            self.differences.push(difference.chars().take(500).collect());
        }
    }

    fn record(&mut self, actual: &Execution, expected: &Record) {
        let link = |part: &Option<execstore::ExecutionId>| part.as_ref().map(String::from);
        self.same("id", actual.id.as_str(), &expected.id);
        self.same("job", actual.job_id.as_str(), &expected.job);
        self.same("namespace", actual.namespace.as_str(), expected.namespace.as_str());
        self.same("name", actual.name.as_deref(), expected.name.as_deref());
        self.same("node id", actual.node_id.as_deref(), expected.node_id.as_deref());
        self.same("state", actual.state.as_str(), expected.state());
        self.same("message", actual.message.as_deref(), expected.last_message());
        self.same("desired state", actual.desired, DesiredState::Pending);
        self.same("parent", link(&actual.parent), expected.parent.clone());
        self.same("previous", link(&actual.previous), expected.previous.clone());
        self.same("labels", &actual.labels, &expected.labels);
        self.same("revision", actual.revision.get(), expected.revision());
        self.same("events", actual.event_count, expected.events().count() as u64);
        self.same("payload", actual.payload_json().as_str(), expected.payload.as_str());
        let ended = actual.completed_at.is_some();
        self.same("ended", ended, states::is_terminal(expected.state()));
        self.same("modified before it was created", actual.modified_at < actual.created_at, false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Move, Step};
    use super::*;
    use execstore::{Json, Store, Timestamp};

    fn record() -> Record {
        let event = |nanos| Event {
            topic: "t".into(),
            message: "m".into(),
            time: Timestamp::from_nanos(nanos),
            details: Json::from_text("{\"a\": 1.0}").unwrap(),
        };
        Record {
            id: "e".into(),
            job: "j".into(),
            namespace: "n".into(),
            labels: [("k".into(), "v".into())].into(),
            payload: Json::from_text("[1]").unwrap(),
            first: vec![event(2)],
            steps: vec![Step {
                change: Some(Move { to: states::RUNNING, message: "begun".into() }),
                events: vec![event(1)],
            }],
            ..Record::default()
        }
    }

    fn event_of(record: &mut Record) -> &mut Event {
        &mut record.steps[0].events[0]
    }

    /// A change of the record, and the words that report it.
    type Case = (fn(&mut Record), &'static str);

    #[test]
    fn whatever_differs_is_reported() {
        let store = Store::builder().set_lifecycle(states::lifecycle().unwrap()).in_memory().unwrap();
        let sources = [super::super::plan::Source { records: vec![record()], ..Default::default() }];
        let wrong = super::super::write::write(&store, &super::super::write::operations(&sources)).unwrap();
        assert!(wrong.is_empty(), "{wrong:?}");
        let reader = store.begin_read().unwrap();
        assert_eq!(differences(&reader, &record()).unwrap(), Vec::<String>::new());
        let cases: [Case; 14] = [
            (|r| r.id = "x".into(), "missing"),
            (|r| r.job = "x".into(), "job"),
            (|r| r.namespace = "x".into(), "namespace"),
            (|r| r.name = Some("x".into()), "name"),
            (|r| r.node_id = Some(String::new()), "node id"),
            (|r| r.parent = Some("x".into()), "parent"),
            (|r| r.previous = Some("x".into()), "previous"),
            (|r| r.labels.clear(), "labels"),
            (|r| r.payload = Json::from_text("[1 ]").unwrap(), "payload"),
            (|r| drop(r.steps.pop()), "state"),
            (|r| r.first.clear(), "event 1"),
            (|r| event_of(r).time = Timestamp::from_nanos(2), "event 2"),
            (|r| event_of(r).details = Json::from_text("{\"a\": 1.00}").unwrap(), "event 2"),
            (|r| r.first.extend_from_within(..), "event after the last"),
        ];
        for (change, what) in cases {
            let mut changed = record();
            change(&mut changed);
            let found = differences(&reader, &changed).unwrap();
            assert!(found.iter().any(|line| line.contains(what)), "{what}: {found:?}");
        }
    }
}
