//! Compares the change log with the operations that were asked for, one entry for each.

use std::collections::HashMap;

use execstore::error::ReadError;
use execstore::{ChangeKind, ChangeSeq, Header, Readable, Revision};

use super::record::{Event, Record};
use super::states::SCHEDULED;
use super::write::Op;

/// What one entry of the log should say.
struct Expected<'p> {
    kind: ChangeKind,
    record: &'p Record,
    revision: u64,
    before: Option<&'p str>,
    after: &'p str,
    events: &'p [Event],
}

/// The changes that an operation makes: one, or none if it was to be refused.
fn expected<'p>(op: &Op<'p>) -> Option<Expected<'p>> {
    let created = |record: &'p Record| Expected {
        kind: ChangeKind::Created,
        record,
        revision: 1,
        before: None,
        after: SCHEDULED,
        events: &record.first,
    };
    match *op {
        Op::Duplicate { .. } => None,
        Op::Create(record) => Some(created(record)),
        Op::Case(case) if case.is_checkpoint() || case.refusal.is_some() => None,
        Op::Case(case) => Some(created(&case.record)),
        Op::Step { record, step, state, revision } => {
            let moved = step.change.as_ref();
            Some(Expected {
                kind: moved.map_or(ChangeKind::EventsAppended, |_| ChangeKind::Updated),
                record,
                revision: revision + u64::from(moved.is_some()),
                before: Some(state),
                after: moved.map_or(state, |change| change.to),
                events: &step.events,
            })
        }
    }
}

/// What is wrong with the log.
pub fn check(reader: &impl Readable, ops: &[Op<'_>]) -> Result<Vec<String>, ReadError> {
    let mut wrong = Vec::new();
    let mut log = reader.log().range(..)?;
    // The last header of each execution that the log has shown.
    let mut headers: HashMap<&str, Header> = HashMap::new();
    let mut seq = 0;
    for op in ops.iter().filter_map(expected) {
        seq += 1;
        let id = op.record.id.as_str();
        let Some(change) = log.next().transpose()? else {
            wrong.push(format!("change {seq} of {id} is missing"));
            break;
        };
        let last = headers.get(id).map_or(0, |header| header.event_count);
        let events = change.events();
        let events = events.map(|events| (events.start().get(), events.end().get()));
        let new = op.events.len() as u64;
        let payload = reader.log().payload_after(&change)?;
        let checks = [
            ("number", change.seq() == ChangeSeq(seq)),
            ("kind", change.kind() == op.kind),
            ("execution", change.execution_id().is_some_and(|found| *found == *id)),
            ("job", change.job_id().is_some_and(|job| *job == *op.record.job)),
            ("revision", change.revision() == Some(Revision(op.revision))),
            ("state before", change.state_before().map(|s| s.as_str()) == op.before),
            ("state after", change.state_after().is_some_and(|s| *s == *op.after)),
            ("events", events == (new > 0).then_some((last + 1, last + new))),
            ("header before", change.before().as_ref() == headers.get(id)),
            ("payload", payload.as_ref() == Some(&op.record.payload)),
            ("payload change", change.payload_changed() == op.before.is_none()),
        ];
        for (what, _) in checks.iter().filter(|(_, right)| !right) {
            wrong.push(format!("change {seq} of {id}: the {what} is another"));
        }
        headers.extend(change.after().map(|header| (id, header.clone())));
    }
    if log.next().is_some() || reader.log().head()? != ChangeSeq(seq) {
        wrong.push(format!("the log does not end with change {seq}"));
    }
    for (id, header) in headers {
        if reader.get(id)?.map(|execution| execution.into_header()).as_ref() != Some(&header) {
            wrong.push(format!("{id} is not as its last change left it"));
        }
    }
    Ok(wrong)
}
