//! The operations of the model test, as small numbers that shrink well, and what they mean.

use std::fmt::Debug;

use execstore::error::WriteError;
use execstore::{ChangeSeq, Execution, Header, Readable, Writer};

use crate::buckets;
use crate::bulks::Many;
use crate::dice::Dice;
use crate::edits::{creation, edit, events, state};
use crate::model::Model;
use crate::records::{Rec, STATES};
use crate::reports::Manner;
use crate::side_data::Act;
use crate::wants::want;
use crate::writes::Writes;

/// What is written in a transaction.
#[derive(Clone, Debug)]
pub enum Op {
    Create {
        id: u8,
        job: u8,
        state: u8,
        parts: u8,
        payload: u8,
        events: u8,
        attempt: u8,
    },
    /// `manner` says whether it is a report: see [`Manner`].
    Update {
        id: u8,
        want: u16,
        state: u8,
        edits: u16,
        payload: u8,
        events: u8,
        manner: u16,
    },
    Append {
        id: u8,
        want: u16,
        events: u8,
    },
    Delete {
        id: u8,
        want: u16,
    },
    SetCheckpoint {
        name: u8,
        seq: u8,
        expected: u8,
    },
    DeleteCheckpoint {
        name: u8,
        expected: u8,
    },
    Trim {
        seq: u8,
    },
    Beside(Act),
    /// Some of them on the caller's own rows, by this seed.
    Buckets(u64),
    Many(Many),
}

/// An id: of four fixed ones, or of what is there; often of the same two, so that more than one thing happens to them.
fn pick(model: &Model, id: u8) -> String {
    let among = if id < 10 { model.records.len().min(2) } else { model.records.len() };
    match model.records.values().nth(id as usize % among.max(1)) {
        Some(rec) if id >= 4 => rec.id.clone(),
        _ => format!("e{}", id % 8),
    }
}

/// Where a checkpoint is expected, if it is: where it is, or elsewhere.
fn expected_at(model: &Model, name: &str, kind: u8) -> Option<Option<u64>> {
    let found = model.checkpoints.get(name).copied();
    [None, Some(found), Some(Some(found.unwrap_or(0) + 1)), Some(None)][usize::from(kind % 4)]
}

fn same<T: Debug + PartialEq>(
    what: &Op,
    found: Result<T, WriteError>,
    expected: Result<T, WriteError>,
) -> Option<T> {
    match (found, expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found, expected, "{what:?}");
            Some(found)
        }
        (found, expected) => {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{what:?}");
            None
        }
    }
}

/// Does an operation in the store and in the model, and compares what they give. Returns the ids it touched.
pub fn perform(w: &mut impl Writes, model: &mut Model, op: &Op, now: i64) -> Vec<String> {
    let rec = |result: Result<Execution, WriteError>| result.map(|execution| Rec::of(&execution));
    match op {
        Op::Create { id, job, state: first, parts, payload: kind, events: list, attempt } => {
            let (evs, new_events) = events(*list);
            let (mut new, mut expected) = creation(*id, *job, *first, *parts, *kind);
            if *attempt > 0 {
                (new, expected.attempt) = (new.attempt((*attempt).into()), (*attempt).into());
            }
            let found = rec(w.act(
                |w| w.create(new.clone().events(new_events.to_vec())),
                |store| store.create(new.clone().events(new_events.to_vec())),
            ));
            let expected = match &found {
                // An id that the store made up.
                Ok(made) if expected.id == "?" => {
                    assert!(made.id.len() == 36 && model.get(&made.id).is_none());
                    Rec { id: made.id.clone(), ..expected }
                }
                _ => expected,
            };
            let id = expected.id.clone();
            same(op, found, model.create(expected, &evs, now));
            vec![id]
        }
        Op::Update { .. } => vec![update(w, model, op, now)],
        Op::Append { id, want: kind, events: list } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let (expect, (evs, new_events)) = (want.expect(), events(*list));
            let found = w.act(
                |w| w.append_events_if(&id, &expect, new_events.to_vec()),
                |store| store.append_events_if(&id, &expect, new_events.to_vec()),
            );
            let found = found.map(|header| now_is(w, &header));
            same(op, found, model.append(&id, &want, &evs, now));
            vec![id]
        }
        Op::Delete { id, want: kind } => {
            let id = pick(model, *id);
            let want = want(model, &id, *kind);
            let expect = want.expect();
            let last = within(w, |w| Ok(w.get(&id)?)).unwrap();
            let found = w.act(|w| w.delete_if(&id, &expect), |store| store.delete_if(&id, &expect));
            let found = found.map(|header| whole(&header, last.as_ref()));
            same(op, found, model.delete(&id, &want, now));
            vec![id]
        }
        Op::SetCheckpoint { name, seq, expected } => {
            let name = ["", "a", "b", "c"][*name as usize % 4];
            let seq = u64::from(*seq) * (model.log.len() as u64 + 1) / 200;
            let at = expected_at(model, name, *expected);
            let found = within(w, |w| match at {
                Some(at) => w.set_checkpoint_if(name, at.map(ChangeSeq), ChangeSeq(seq)),
                None => w.set_checkpoint(name, ChangeSeq(seq)),
            });
            let met = at.map_or(Ok(()), |at| model.check_checkpoint(name, at));
            let incarnation = within(w, |w| Ok(w.log().bookmark(ChangeSeq(0))?.incarnation())).unwrap();
            same(op, found, met.and_then(|()| model.set_checkpoint(name, seq, incarnation)));
            vec![]
        }
        Op::DeleteCheckpoint { name, expected } => {
            let name = ["", "a", "b", "c"][*name as usize % 4];
            // Nobody expects that there is none, and deletes it.
            let at = expected_at(model, name, *expected).flatten();
            let found = within(w, |w| match at {
                Some(at) => w.delete_checkpoint_if(name, ChangeSeq(at)).map(|()| true),
                None => w.delete_checkpoint(name),
            });
            let met = at.map_or(Ok(()), |at| model.check_checkpoint(name, Some(at)));
            same(op, found, met.map(|()| model.delete_checkpoint(name)));
            vec![]
        }
        Op::Beside(act) => {
            let id = pick(model, act.id);
            crate::side_data::act(w, model, &id, act, now);
            vec![id]
        }
        Op::Buckets(seed) => {
            let plain = model.buckets.clone();
            let after = within(w, |w| {
                let (mut after, mut log) = (plain.clone(), Vec::new());
                buckets::acts(w, &mut after, &mut log, &mut Dice::new(*seed));
                Ok((after, log))
            });
            let (after, log) = after.unwrap();
            // Some do nothing, as on a bucket that is empty.
            model.version += u64::from(after != model.buckets || !log.is_empty());
            model.log_buckets(log, now);
            model.buckets = after;
            vec![]
        }
        Op::Many(many) => {
            crate::bulks::run(w, model, many, now);
            vec![]
        }
        Op::Trim { seq } => {
            let seq = u64::from(*seq) * (model.log.len() as u64 + 1) / 200;
            same(op, within(w, |w| w.trim_changes(ChangeSeq(seq))), Ok(model.trim(seq)));
            vec![]
        }
    }
}

/// For what the store has no method of its own.
fn within<T>(
    w: &mut impl Writes,
    act: impl Fn(&mut Writer<'_>) -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    w.act(&act, |store| store.write(|w| Ok(act(w)?)))
}

/// The record of a header that an operation gave, which must be the one that there is now.
fn now_is(w: &mut impl Writes, header: &Header) -> Rec {
    whole(header, within(w, |w| Ok(w.get(&header.id)?)).unwrap().as_ref())
}

/// The record that a header is of.
fn whole(header: &Header, execution: Option<&Execution>) -> Rec {
    let execution = execution.unwrap();
    assert_eq!(header, execution.header());
    Rec::of(execution)
}

/// An update, or a report. Gives the id.
fn update(w: &mut impl Writes, model: &mut Model, op: &Op, now: i64) -> String {
    let Op::Update { id, want: kind, state: to, edits, payload, events: list, manner } = op else {
        unreachable!()
    };
    let id = pick(model, *id);
    let (want, manner) = (want(model, &id, *kind), Manner::of(*manner, model.get(&id), now));
    let (expect, (evs, new_events)) = (want.expect(), events(*list));
    let mut to = (*to < 13).then(|| state(*to));
    if manner.same_state {
        to = model.get(&id).and_then(|rec| STATES.iter().map(|row| row.0).find(|name| *name == rec.state));
    }
    let (edits, payload) = if manner.little { (*edits & 3, 1) } else { (*edits, *payload) };
    let (update, mut amend) = edit(edits, payload, to);
    let update = manner.add_to(update);
    amend.reporting = manner.is_report().then_some(manner.says);
    let mut found = match manner.by_report {
        true => w
            .act(
                |w| w.report(&id, update.clone().expect(expect.clone()).events(new_events.to_vec())),
                |store| store.report(&id, update.clone().expect(expect.clone()).events(new_events.to_vec())),
            )
            .map(|reported| (reported.why_ignored().cloned(), reported.into_current().unwrap())),
        false => w
            .act(
                |w| w.update(&id, update.clone().expect(expect.clone()).events(new_events.to_vec())),
                |store| store.update(&id, update.clone().expect(expect.clone()).events(new_events.to_vec())),
            )
            .map(|header| (None, header)),
    }
    .map(|(why, header)| (why, now_is(w, &header)));
    let mut expected = match manner.by_report {
        true => model.report(&id, &want, &amend, &evs, now),
        false => model.update(&id, &want, &amend, &evs, now).map(|after| (None, after)),
    };
    if amend.patch.is_some()
        && let (Ok((None, found)), Ok((None, expected))) = (&mut found, &mut expected)
    {
        let value = |rec: &Rec| serde_json::from_str::<serde_json::Value>(&rec.payload).unwrap();
        assert_eq!(value(found), value(expected), "{op:?}");
        model.respell(&id, &found.payload);
        expected.payload = found.payload.clone();
    }
    same(op, found, expected);
    id
}
