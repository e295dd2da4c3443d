//! Writes a plan through the store's operations, some hundred to a transaction.

use execstore::error::WriteError;
use execstore::{Error, Expect, Readable, Store, Update, Writer};

use super::plan::Source;
use super::record::{Event, Record, Step};
use super::states::SCHEDULED;
use super::strings::{Case, Field};

/// Operations in one transaction.
const BATCH: usize = 256;

/// One operation.
#[derive(Clone, Copy)]
pub enum Op<'p> {
    /// To create a run under the id of another, which must be refused.
    Duplicate {
        record: &'p Record,
        taken: &'p str,
    },
    Create(&'p Record),
    Step {
        record: &'p Record,
        step: &'p Step,
        /// The state and the revision that the execution must have.
        state: &'p str,
        revision: u64,
    },
    Case(&'p Case),
}

/// The operations that write these files, in order.
pub fn operations(sources: &[Source]) -> Vec<Op<'_>> {
    let mut ops = Vec::new();
    for source in sources {
        for record in &source.records {
            ops.extend(record.taken.as_deref().map(|taken| Op::Duplicate { record, taken }));
            ops.push(Op::Create(record));
            let (mut state, mut revision) = (SCHEDULED, 1);
            for step in &record.steps {
                ops.push(Op::Step { record, step, state, revision });
                if let Some(change) = &step.change {
                    (state, revision) = (change.to, revision + 1);
                }
            }
        }
        ops.extend(source.cases.iter().map(Op::Case));
    }
    ops
}

/// Writes them. Returns what did not go as it should.
pub fn write(store: &Store, ops: &[Op<'_>]) -> Result<Vec<String>, Error> {
    let mut mismatches = Vec::new();
    for batch in ops.chunks(BATCH) {
        store.write(|w| {
            for op in batch {
                match apply(w, op) {
                    Ok(()) => {}
                    Err(Wrong::Store(WriteError::Storage(error))) => return Err(error.into()),
                    Err(Wrong::Store(error)) => mismatches.push(format!("{}: {error}", op.id())),
                    Err(Wrong::Answer(what)) => mismatches.push(format!("{}: {what}", op.id())),
                }
            }
            Ok(())
        })?;
    }
    Ok(mismatches)
}

enum Wrong {
    Store(WriteError),
    Answer(String),
}

impl<E: Into<WriteError>> From<E> for Wrong {
    fn from(error: E) -> Self {
        Wrong::Store(error.into())
    }
}

impl Op<'_> {
    fn id(&self) -> &str {
        match self {
            Op::Duplicate { record, .. } | Op::Create(record) | Op::Step { record, .. } => &record.id,
            Op::Case(case) => &case.record.id,
        }
    }
}

fn apply(w: &mut Writer<'_>, op: &Op<'_>) -> Result<(), Wrong> {
    match *op {
        Op::Duplicate { record, taken } => {
            let head = w.log().head()?;
            match w.create(record.to_new().id(taken).events(events(&record.first))) {
                Err(WriteError::AlreadyExists { id }) if id == *taken && w.log().head()? == head => Ok(()),
                other => Err(Wrong::Answer(format!("{taken} was not refused as taken: {other:?}"))),
            }
        }
        Op::Create(record) => {
            w.create(record.to_new().events(events(&record.first)))?;
            Ok(())
        }
        Op::Step { record, step, state, revision } => {
            let expect = Expect::new().state(state).revision(revision);
            let events = events(&step.events);
            match &step.change {
                Some(change) => {
                    let update = Update::to(change.to).message(&change.message);
                    w.update(&record.id, update.expect(expect.clone()).events(events.to_vec()))?;
                }
                None => drop(w.append_events_if(&record.id, &expect, events.to_vec())?),
            }
            Ok(())
        }
        Op::Case(case) => try_case(w, case),
    }
}

fn try_case(w: &mut Writer<'_>, case: &Case) -> Result<(), Wrong> {
    let before = (w.log().head()?, w.log().checkpoint(&case.text)?);
    let result = match case.field {
        Field::Checkpoint => w.set_checkpoint(&case.text, case.nth.into()),
        _ => w.create(case.record.to_new().events(events(&case.record.first))).map(drop),
    };
    match (case.refusal, result) {
        (None, result) => Ok(result?),
        (Some(refusal), Err(error)) if refusal.is(&error) => {
            if (w.log().head()?, w.log().checkpoint(&case.text)?) == before {
                Ok(())
            } else {
                Err(Wrong::Answer("it was refused and left a trace".into()))
            }
        }
        (Some(refusal), result) => Err(Wrong::Answer(format!("expected {refusal:?}, got {result:?}"))),
    }
}

fn events(events: &[Event]) -> Vec<execstore::NewEvent> {
    events.iter().map(Event::to_new).collect()
}
