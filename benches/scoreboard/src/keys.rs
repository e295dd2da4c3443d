//! The keys of the bare engines: text, made so that a range of them is an index.

use crate::record::{Entry, Header, Record, State, now};
use crate::workload::{Op, Step};

/// Rows of the job index: `<job>/<id>`. The range of a job ends before `<job>0`.
pub fn job(header: &Header) -> String {
    format!("{}/{}", header.job_id, header.id)
}

/// Rows of the state index: `<code>/<id>`.
pub fn state(state: State, id: &str) -> String {
    format!("{:02}/{id}", state.code())
}

pub fn event(id: &str, seq: u64) -> String {
    format!("{id}/{seq:08x}")
}

/// The keys that begin with `prefix` and a slash: from the first text to before the second.
pub fn below(prefix: &str) -> (String, String) {
    (format!("{prefix}/"), format!("{prefix}0"))
}

pub fn below_state(state: State) -> (String, String) {
    below(&format!("{:02}", state.code()))
}

/// The id in a row of the job or of the state index.
pub fn id_in(key: &str) -> &str {
    key.split_once('/').unwrap().1
}

/// The counts by state, and the head of the change log after them: one row.
pub type Totals = [u64; State::ALL.len() + 1];
pub const HEAD: usize = State::ALL.len();

/// What one operation writes, worked out from the stored record.
pub struct Outcome {
    pub record: Record,
    pub before: Option<State>,
    pub events: Vec<crate::record::Event>,
    pub entry: Entry,
}

impl Outcome {
    pub fn of(op: Op, totals: &mut Totals, stored: impl FnOnce(&str) -> Option<Record>) -> Self {
        let now = now();
        let (record, before, events) = match op {
            Op::Create(mut record, events) => {
                assert!(stored(&record.header.id).is_none());
                (record.header.created_at, record.header.modified_at) = (now, now);
                (record, None, events)
            }
            Op::Update(step) => {
                let mut record = stored(&step.id).unwrap();
                let before = record.header.state;
                step.apply(&mut record.header, now);
                let Step { events, .. } = step;
                (record, Some(before), events)
            }
            Op::Replace(replacement) => {
                let mut record = stored(&replacement.id).unwrap();
                replacement.apply(&mut record.header, now);
                record.payload = replacement.payload;
                let state = record.header.state;
                (record, Some(state), Vec::new())
            }
        };
        if let Some(before) = before {
            totals[before.code()] -= 1;
        }
        totals[record.header.state.code()] += 1;
        totals[HEAD] += 1;
        let last = record.header.event_count;
        let (first_event, last_event) = match events.len() as u64 {
            0 => (0, 0),
            new => (last - new + 1, last),
        };
        let entry = Entry {
            seq: totals[HEAD],
            time: now,
            before,
            first_event,
            last_event,
            header: record.header.clone(),
        };
        Self { record, before, events, entry }
    }
}
