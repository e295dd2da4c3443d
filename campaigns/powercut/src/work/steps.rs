//! One commit after another, of every kind, each determined by its number.

use execstore::attachments::NewAttachment;
use execstore::outputs::OutputCap;
use execstore::redb::Durability;
use execstore::tasks::TaskUpdate;
use execstore::{ChangeSeq, Json, NewEvent, NewExecution, Query, Readable, Store, Update, Writer};

use super::content::OWN;
use super::{Mode, Outcome};
use crate::dice::Dice;

/// Whether a commit is durable once it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    Durable,
    /// `Durability::None`.
    Lazy,
}

/// The operation of this number, from 1: number 0 is the creation of the store.
pub fn operation(store: &Store, mode: Mode, seed: u64, number: u64) -> Outcome<Sure> {
    let number = number.saturating_sub(1);
    match mode {
        Mode::Large => large(store, number),
        Mode::Trim => {
            // Two commits that fill the log for one that trims or deletes.
            let round = number / 8;
            let step = [0, 1, 17, 12, 16, 18, 4, 19][(number % 8) as usize];
            commit(store, seed, round, step)
        }
        _ => commit(store, seed, number / 20, number % 20),
    }
}

fn filled(bytes: u64) -> Outcome<Json> {
    Ok(Json::from_text(&format!("{{\"fill\":\"{}\"}}", "x".repeat(bytes as usize)))?)
}

/// One commit, the `step`-th of a round. Every round has executions of its own.
fn commit(store: &Store, seed: u64, round: u64, step: u64) -> Outcome<Sure> {
    let (a, b) = (format!("a{round}"), format!("b{round}"));
    let job = format!("job{round}");
    let event = |topic: &str| [NewEvent::new(topic).message("what happened")];
    let size = Dice::at(seed, round * 20 + step).spread(4_000);
    match step {
        0 => {
            let new = NewExecution::new(&job).id(&a).label("k", "v").payload(filled(size)?);
            store.write(|w| Ok(w.create(new.events(event("created")))?))?;
        }
        1 => {
            store.write(|w| {
                w.update(&a, Update::to("BidAccepted").message("m").events(event("bid")))?;
                let mut queue = w.open_bucket("queue")?;
                let place = queue.next_sequence()?;
                Ok(queue.put(place.to_be_bytes(), &a)?)
            })?;
        }
        2 => return lazy(store, |w| Ok(w.update(&a, Update::to("Running")).map(drop)?)),
        3 => {
            return lazy(store, |w| {
                w.append_events(&a, event("log"))?;
                Ok(w.open_bucket("queue")?.put("lazy", round.to_string()).map(drop)?)
            });
        }
        4 => {
            let update = Update::new().payload(filled(size)?);
            store.write(|w| {
                w.update(&a, update.events(event("progress")))?;
                let mut outer = w.open_bucket("outer")?;
                let mut logged = outer.open_bucket("logged")?;
                logged.set_logged(true)?;
                logged.put((round % 7).to_be_bytes(), vec![round as u8; size as usize])?;
                // Now and then all of them go, and begin again.
                if round % 11 == 10 { Ok(w.delete_bucket("outer")?) } else { Ok(false) }
            })?;
        }
        5 => {
            // A table of the caller's own in the same transaction: committed by redb.
            let txn = store.begin_write()?;
            txn.writer()?.create(NewExecution::new(&job).id(&b).previous(&a))?;
            txn.enter_redb().open_table(OWN)?.insert(round, 1)?;
            txn.commit()?;
        }
        6 | 7 => {
            let update = Update::new().message(format!("message {step}"));
            return lazy(store, |w| Ok(w.update(&b, update).map(drop)?));
        }
        8 => store.write(|w| {
            let head = w.log().head()?.get();
            Ok(w.set_checkpoint("reader", ChangeSeq(head.saturating_sub(15)))?)
        })?,
        9 => {
            let txn = store.share_database().begin_write()?;
            let receipt = {
                let mut w = store.join(&txn)?;
                w.update(&a, Update::new().message("joined").events(event("joined")))?;
                w.finish()
            };
            txn.open_table(OWN)?.insert(1_000_000 + round, 2)?;
            txn.commit()?;
            store.notify(receipt);
        }
        10 => {
            let (c, merged) = (format!("c{round}"), filled(20)?);
            store.write(|w| {
                w.update(&b, Update::to("Cancelled").merge_payload(merged))?;
                w.create(NewExecution::new(&job).id(c).state("Running").events(event("retry")))?;
                w.delete(&b)?;
                Ok(w.set_checkpoint("other", ChangeSeq(w.log().head()?.get().saturating_sub(20)))?)
            })?;
        }
        11 => store.write(|w| Ok(w.delete_checkpoint("other").map(drop)?))?,
        12 => store.write(|w| {
            w.put_attachment(&a, NewAttachment::bytes("small", vec![round as u8; 200]))?;
            w.put_attachment(&a, NewAttachment::bytes("large", vec![1; 70_000]))?;
            Ok(w.put_task(&a, TaskUpdate::started("node")).map(drop)?)
        })?,
        13 => {
            return lazy(store, |w| {
                w.cap_output(&a, "stdout", OutputCap::Tail(3_000))?;
                Ok(w.append_output(&a, "stdout", vec![2; 2_500]).map(drop)?)
            });
        }
        14 => store.write(|w| {
            w.update(&a, Update::new().message("replaced"))?;
            w.put_attachment_from(&a, "large", "a/b", &mut vec![3; 150_000].as_slice())?;
            Ok(w.append_output(&a, "stdout", vec![4; 6_000]).map(drop)?)
        })?,
        15 => store.write(|w| {
            w.put_task(&a, TaskUpdate::finished("node"))?;
            Ok(w.delete_attachment(&a, "small").map(drop)?)
        })?,
        16 => {
            let merged = Json::from_text(r#"{"more":{"n":1}}"#)?;
            let update = Update::new().merge_payload(merged).message("merged");
            store.write(|w| {
                w.update(&a, update.events(event("merged")))?;
                Ok(w.open_bucket("queue")?.pop_first().map(drop)?)
            })?;
        }
        17 => store.write(|w| {
            let head = w.log().head()?.get();
            Ok(w.trim_changes(ChangeSeq(head.saturating_sub(20))).map(drop)?)
        })?,
        18 => {
            // In one transaction, since there are few.
            let old = format!("job{}", round.saturating_sub(2));
            if round >= 2 {
                store.bulk(Query::new().job(old)).delete()?;
            }
        }
        _ => drop(store.maintain()?),
    }
    Ok(Sure::Durable)
}

fn lazy(store: &Store, write: impl FnOnce(&mut Writer<'_>) -> Outcome<()>) -> Outcome<Sure> {
    let mut txn = store.begin_write()?;
    txn.set_durability(Durability::None);
    write(&mut txn.writer()?)?;
    txn.commit()?;
    Ok(Sure::Lazy)
}

/// Large values, so that the journal is filled and starts over; some do not fit into it at all.
fn large(store: &Store, number: u64) -> Outcome<Sure> {
    let bytes = [600_000, 30, 850_000, 900_000, 1_000, 1_040_000][(number % 6) as usize];
    let id = format!("large{number}");
    if number % 12 == 9 && number > 12 {
        let value = &mut vec![number as u8; 1_500_000];
        store.write(|w| {
            w.put_attachment_from("large1", "value", "a/b", &mut value.as_slice())?;
            Ok(w.update("large1", Update::new().message(&id))?)
        })?;
    } else {
        let payload = filled(if number % 12 == 10 { 1_500_000 } else { bytes })?;
        let old = format!("large{}", number.saturating_sub(7));
        store.write(|w| {
            if number > 9 && w.get(&old)?.is_some() {
                w.delete(&old)?;
            }
            if number % 12 == 11 {
                // The payloads of what was deleted are in the log until then.
                w.trim_changes(w.log().head()?)?;
            }
            // More rows than one transaction removes, when its turn comes.
            let many = if number % 6 == 4 { 1_500 } else { 1 };
            let events: Vec<_> =
                (0..many).map(|nth| NewEvent::new("large").message(nth.to_string())).collect();
            Ok(w.create(NewExecution::new("large").id(&id).payload(payload).events(events.to_vec()))?)
        })?;
    }
    Ok(Sure::Durable)
}
