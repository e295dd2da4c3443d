//! Work for a store that uses every operation and every kind of transaction, one small commit after another.

use execstore::attachments::NewAttachment;
use execstore::error::WriteError;
use execstore::outputs::OutputCap;
use execstore::redb::Durability;
use execstore::tasks::TaskUpdate;
use execstore::{ChangeSeq, Error, Json, NewEvent, NewExecution, Receipt, Store, Update, Writer};

use crate::content::OWN;

/// How sure a commit is once it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sure {
    Durable,
    /// `Durability::None`.
    Lazy,
}

pub const STEPS: usize = 16;

fn filled(bytes: usize) -> Json {
    Json::from_text(&format!("{{\"fill\":\"{}\"}}", "x".repeat(bytes))).unwrap()
}

/// One commit, the `step`-th of a round. Every round has executions of its own.
pub fn step(store: &Store, round: usize, step: usize) -> Result<Sure, Error> {
    let (a, b) = (format!("a{round}"), format!("b{round}"));
    let job = format!("job{}", round / 2);
    let event = |topic: &str| [NewEvent::new(topic).message("what happened")];
    match step {
        0 => {
            let new = NewExecution::new(&job).id(&a).label("k", "v").payload(filled(1_500));
            store.write(|w| Ok(w.create(new.events(event("created")))?))?;
        }
        1 => {
            store
                .write(|w| Ok(w.update(&a, Update::to("BidAccepted").message("m").events(event("bid")))?))?;
        }
        2 => {
            return lazy(store, |w| w.update(&a, Update::to("Running")).map(drop));
        }
        3 => {
            return lazy(store, |w| {
                w.append_events(&a, event("log"))?;
                w.open_bucket("index")?.put(&a, &job).map(drop)
            });
        }
        4 => {
            store
                .write(|w| Ok(w.update(&a, Update::new().payload(filled(300)).events(event("progress")))?))?;
        }
        5 => {
            let txn = store.begin_write()?;
            {
                let mut w = txn.writer()?;
                w.create(NewExecution::new(&job).id(&b).previous(&a))?;
                let mut own = txn.enter_redb().open_table(OWN).map_err(storage)?;
                own.insert(round as u64, 1).map_err(storage)?;
            }
            txn.commit()?;
        }
        // The first ones after a commit by redb, so at the journal's beginning.
        6 => {
            return lazy(store, |w| w.update(&b, Update::new().message("one")).map(drop));
        }
        7 => {
            return lazy(store, |w| w.update(&b, Update::new().message("two")).map(drop));
        }
        8 => store.write(|w| {
            w.set_checkpoint("reader", ChangeSeq(round as u64))?;
            let mut queue = w.open_bucket("queue")?;
            queue.set_logged(round % 3 < 2)?;
            for _ in 0..3 {
                let place = queue.next_sequence()?;
                queue.put(place.to_be_bytes(), vec![round as u8; 300])?;
            }
            queue.pop_first()?;
            let mut own = queue.open_bucket(format!("own-{round}"))?;
            own.set_logged(round.is_multiple_of(2))?;
            (0..9).try_for_each(|n| own.put([n], [n; 50]).map(drop))?;
            Ok(())
        })?,
        9 => {
            let receipt = joined(store, round, &a)?;
            store.notify(receipt);
        }
        10 => {
            store.write(|w| {
                w.update(&b, Update::to("Cancelled").merge_payload(filled(20)))?;
                w.create(
                    NewExecution::new(&job).id(format!("c{round}")).state("Running").events(event("retry")),
                )?;
                w.delete(&b)?;
                Ok(w.set_checkpoint("other", ChangeSeq(2))?)
            })?;
        }
        11 => {
            store.write(|w| {
                w.delete_checkpoint("other")?;
                let mut queue = w.open_bucket("queue")?;
                queue.delete_bucket(format!("own-{}", round.saturating_sub(1)))?;
                Ok(queue.pop_first()?)
            })?;
        }
        // What lies beside the record: values of one chunk and of several, replaced in one transaction with an update.
        12 => {
            store.write(|w| {
                w.put_attachment(&a, NewAttachment::bytes("small", vec![round as u8; 200]))?;
                w.put_attachment(&a, NewAttachment::bytes("large", vec![1; 70_000]))?;
                Ok(w.put_task(&a, TaskUpdate::started("task"))?)
            })?;
        }
        13 => {
            return lazy(store, |w| {
                w.cap_output(&a, "stdout", OutputCap::Tail(3_000))?;
                w.append_output(&a, "stdout", vec![2; 2_500]).map(drop)
            });
        }
        14 => {
            store.write(|w| {
                w.update(&a, Update::new().message("replaced"))?;
                w.put_attachment_from(&a, "large", "a/b", &mut vec![3; 150_000].as_slice())?;
                Ok(w.append_output(&a, "stdout", vec![4; 6_000])?)
            })?;
        }
        _ => {
            store.write(|w| {
                w.put_task(&a, TaskUpdate::finished("task"))?;
                Ok(w.delete_attachment(&a, "small")?)
            })?;
        }
    }
    Ok(Sure::Durable)
}

/// The same without a transaction of the caller's on the database, so that redb's own stays open from one of the store's to the next. Every
/// third is preceded by one that writes and then fails.
pub fn step_apart(store: &Store, round: usize, nth: usize) -> Result<Sure, Error> {
    let a = format!("a{round}");
    if nth % 3 == 1 {
        let failed = store.write(|w| {
            w.update(&a, Update::new().message("not to be"))?;
            w.create(NewExecution::new("gone").id("gone").payload(filled(2_000)))?;
            w.append_output(&a, "gone", vec![5; 3_000])?;
            Ok(w.create(NewExecution::new("gone").id("gone"))?)
        });
        assert!(failed.is_err(), "an id twice");
    }
    if nth == 9 {
        store.write(|w| Ok(w.update(&a, Update::to("Completed").event(NewEvent::new("done")))?))?;
        return Ok(Sure::Durable);
    }
    step(store, round, nth)
}

fn lazy(store: &Store, write: impl FnOnce(&mut Writer<'_>) -> Result<(), WriteError>) -> Result<Sure, Error> {
    let mut txn = store.begin_write()?;
    txn.set_durability(Durability::None);
    write(&mut txn.writer()?)?;
    txn.commit()?;
    Ok(Sure::Lazy)
}

fn joined(store: &Store, round: usize, id: &str) -> Result<Receipt, Error> {
    let txn = store.share_database().begin_write().map_err(storage)?;
    let receipt = {
        let mut w = store.join(&txn)?;
        w.update(id, Update::to("Completed").event(NewEvent::new("done")))?;
        w.finish()
    };
    txn.open_table(OWN).map_err(storage)?.insert(1_000 + round as u64, 2).map_err(storage)?;
    txn.commit().map_err(|error| execstore::error::CommitError::Unknown(error.into()))?;
    Ok(receipt)
}

fn storage(error: impl Into<execstore::error::StorageError>) -> Error {
    Error::Storage(error.into())
}

/// Large payloads, so that the journal is filled and starts over; the last does not fit into it at all.
pub fn large(store: &Store, nth: usize) -> Result<Sure, Error> {
    let bytes = [600_000, 30, 850_000, 900_000, 1_000, 1_040_000][nth % 6];
    let id = format!("large{nth}");
    let new = NewExecution::new("large").id(&id).payload(filled(bytes));
    if nth == 9 || nth == 13 {
        // More than the journal takes, and then something else in its place.
        let value = &mut vec![nth as u8; 2_500_000 - 100_000 * nth];
        store.write(|w| {
            w.put_attachment_from("large0", "value", "a/b", &mut value.as_slice())?;
            Ok(w.update("large0", Update::new().message(id))?)
        })?;
    } else if nth == 16 {
        store.write(|w| Ok(w.create(new.payload(filled(1_500_000)))?))?;
    } else {
        store.write(|w| Ok(w.create(new.event(NewEvent::new("large")))?))?;
    }
    Ok(Sure::Durable)
}
