//! Operations on whatever a query finds, and what a store of plain maps makes of them.

use execstore::error::WriteError;
use execstore::{ExecutionId, Timestamp};

use crate::dice::Dice;
use crate::edits::{edit, events, state};
use crate::model::Model;
use crate::queries::{Asked, ask};
use crate::records::Rec;
use crate::reports::Manner;
use crate::side_data::agreed;
use crate::wants::want;
use crate::writes::Writes;

/// Where the times begin that a clock which is right can have given.
const TIMES_BEGIN: i64 = 1_735_689_600_000_000_000;

/// One of them. It is a transaction of its own, or several.
#[derive(Clone, Debug)]
pub struct Many {
    pub query: u16,
    pub want: u16,
    /// It deletes what it finds.
    pub deletes: bool,
    pub state: u8,
    pub edits: u16,
    pub events: u8,
    pub manner: u16,
}

/// Does it in the store and in the model, and compares what they tell. Within a transaction there is none.
pub fn run(w: &mut impl Writes, model: &mut Model, many: &Many, now: i64) {
    let mut dice = Dice::new(many.query.into());
    let mut asked = ask(&mut dice, model).in_creation_order();
    // Most find somebody.
    for _ in 0..20 {
        if !asked.by_links && model.records.values().any(|rec| asked.keeps(rec)) || dice.roll(10) == 0 {
            break;
        }
        asked = ask(&mut dice, model).in_creation_order();
    }
    if asked.by_links {
        return;
    }
    let first = model.records.values().find(|rec| asked.keeps(rec)).cloned();
    let want = want(model, first.as_ref().map_or("nobody", |rec| &rec.id), many.want);
    let manner = Manner::of(many.manner, first.as_deref(), now);
    // A merge spells payloads in a way of its own.
    let edits = if many.edits >> 14 == 2 { many.edits & 0x3fff } else { many.edits };
    let (update, mut amend) = edit(edits, 3, (many.state < 13).then(|| state(many.state)));
    let update = manner.add_to(update);
    amend.reporting = (manner.says != Default::default()).then_some(manner.says);
    let (evs, new_events) = events(many.events);
    let limit = (dice.roll(2) == 0).then(|| 1 + dice.roll(2));
    let query = match limit {
        Some(limit) => asked.query.clone().limit(limit as usize),
        None => asked.query.clone(),
    };
    let found = w.act(
        |_| Ok(None),
        |store| {
            let bulk = store.bulk(query.clone()).expecting(want.expect());
            let bulk = bulk.batch(1 + dice.roll(4) as usize);
            match many.deletes {
                true => bulk.delete(),
                false => bulk.update(update.clone().events(new_events.to_vec())),
            }
            .map(Some)
        },
    );
    if let Ok(None) = found {
        return;
    }
    let Some((Some(report), ())) = agreed(many, found, want.check()) else { return };
    let matching: Vec<_> = model
        .records
        .iter()
        .filter(|(_, rec)| asked.keeps(rec))
        .map(|(number, rec)| (*number, rec.clone()))
        .collect();
    let (mut refusals, mut looked_at) = (Vec::new(), 0);
    for (number, rec) in &matching {
        if limit == Some(looked_at - refusals.len() as u64) {
            break;
        }
        looked_at += 1;
        let done = doubt(&asked, rec, now).and_then(|()| match many.deletes {
            true => model.delete(&rec.id, &want, now).map(drop),
            false => {
                model.expected(&rec.id, &want)?;
                model.update_as(*number, (**rec).clone(), &amend, &evs, now).map(drop)
            }
        });
        refusals.extend(done.err().map(|refusal| refusal.to_string()));
    }
    let refused = refusals.len() as u64;
    assert_eq!(
        (report.found, report.changed, report.refused),
        (looked_at, looked_at - refused, refused),
        "{many:?}"
    );
    assert_eq!(report.first_refusal.as_ref(), refusals.first(), "{many:?}");
    let last = matching.iter().take(looked_at as usize).next_back();
    assert_eq!(report.last.map(|id| id.to_string()), last.map(|(_, rec)| rec.id.clone()));
    assert!(report.damaged.is_none() && !report.stopped);
}

/// Who is found since a time is past must be as old as that: it is not known to be if that time cannot be right, or was before the
/// store's own last one.
fn doubt(asked: &Asked, rec: &Rec, now: i64) -> Result<(), WriteError> {
    let times =
        [("created", Some(rec.created)), ("modified", Some(rec.modified)), ("completed", rec.completed)];
    for (latest, (what, time)) in asked.latest.into_iter().zip(times) {
        let (Some(latest), Some(time)) = (latest, time) else { continue };
        let can_be = |time: i64| time <= now && (time >= TIMES_BEGIN || now < TIMES_BEGIN);
        let mut known =
            [Some(time), rec.not_before].into_iter().flatten().filter(|time| can_be(*time)).peekable();
        let is_past = known.peek().is_some() && known.all(|time| time <= latest);
        if latest < now && !is_past {
            let id = ExecutionId::new(&rec.id).unwrap();
            return Err(WriteError::DoubtfulTime { id, what, time: Timestamp::from_nanos(time) });
        }
    }
    Ok(())
}
