//! The group commit: each thread's part is what it is after some whole number of that thread's operations.

use std::collections::VecDeque;
use std::path::PathBuf;

use execstore::attachments::NewAttachment;
use execstore::error::WriteError;
use execstore::group_commit::Pending;
use execstore::tasks::TaskUpdate;
use execstore::{Json, NewEvent, NewExecution, Store, Update, Writer};

use super::content::{Ticks, builder, of_job, verified};
use super::{Found, Job, Outcome, leftovers};
use crate::acks::Acks;
use crate::dice::Dice;

const THREADS: u64 = 8;
const MOST: u64 = 120;

fn path(job: &Job) -> PathBuf {
    job.folder.join("node.redb")
}

fn name(thread: u64) -> String {
    format!("thread{thread}")
}

/// The operation of this number of a thread; all of it in one transaction.
fn operation(w: &mut Writer<'_>, seed: u64, thread: u64, number: u64) -> Result<(), WriteError> {
    let round = number / 6;
    let id = |round: u64| format!("t{thread}-{round}");
    let size = Dice::at(seed, thread << 32 | number).spread(3_000) as usize;
    let events = [NewEvent::new("step").message(number.to_string())];
    let bytes = || vec![number as u8; size];
    match number % 6 {
        0 => {
            let payload = Json::from_text(&format!("{{\"fill\":\"{}\"}}", "x".repeat(size)));
            let new = NewExecution::new(name(thread)).id(id(round)).label("thread", thread.to_string());
            w.create(new.payload(payload.unwrap_or_default()).events(events))?;
        }
        1 => {
            w.update(id(round), Update::to("BidAccepted").message("m").events(events))?;
            w.open_bucket(name(thread))?.put(number.to_be_bytes(), bytes())?;
        }
        2 => {
            w.put_attachment(id(round), NewAttachment::bytes("value", bytes()))?;
            w.put_task(id(round), TaskUpdate::started("node"))?;
            w.append_events(id(round), events)?;
        }
        3 => {
            w.update(id(round), Update::to("Running").events(events))?;
            w.append_output(id(round), "stdout", bytes())?;
        }
        4 => {
            w.put_attachment(id(round), NewAttachment::bytes("large", vec![number as u8; 40_000]))?;
            w.put_attachment(id(round), NewAttachment::bytes("value", bytes()))?;
            w.append_output(id(round), "stdout", bytes())?;
        }
        _ => {
            w.update(id(round), Update::to("Completed").message(number.to_string()).events(events))?;
            w.put_task(id(round), TaskUpdate::finished("node"))?;
            if round >= 2 {
                w.open_bucket(name(thread))?.pop_first()?;
                w.delete(id(round - 2))?;
            }
        }
    }
    Ok(())
}

pub fn work(job: &Job, acks: &Acks) -> Outcome<()> {
    acks.begin(0, 1)?;
    let store = builder(job, &Ticks::default()).create_new(path(job))?;
    acks.acknowledge(0, 1)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS)
            .map(|thread| {
                scope.spawn({
                    let store = &store;
                    move || one(store, job, acks, thread)
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })
}

fn one(store: &Store, job: &Job, acks: &Acks, thread: u64) -> Outcome<()> {
    let slot = thread as usize;
    let seed = job.seed;
    let mut waiting: VecDeque<(u64, Pending<()>)> = VecDeque::new();
    for number in 0..MOST {
        let way = Dice::at(seed, number << 8 | thread).roll(4);
        let most = if way == 0 { 3 } else { 0 };
        while waiting.len() > most {
            if let Some((done, pending)) = waiting.pop_front() {
                pending.wait()?;
                acks.acknowledge(slot, done)?;
            }
        }
        acks.begin(slot, number + 1)?;
        let write = move |w: &mut Writer<'_>| Ok(operation(w, seed, thread, number)?);
        match way {
            0 => waiting.push_back((number + 1, store.submit(write)?)),
            1 => {
                store.write(write)?;
                acks.acknowledge(slot, number + 1)?;
            }
            _ => {
                store.batch(write)?;
                acks.acknowledge(slot, number + 1)?;
            }
        }
    }
    for (done, pending) in waiting {
        pending.wait()?;
        acks.acknowledge(slot, done)?;
    }
    Ok(())
}

pub fn check(job: &Job, acknowledged: &[u64], begun: &[u64]) -> Outcome<Found> {
    let leftovers = leftovers(&job.folder, |name| name == "node.redb")?;
    if !path(job).exists() {
        let lost = acknowledged[0] > 0;
        return if lost { Err("no file".into()) } else { Ok(Found { leftovers, ..Found::default() }) };
    }
    let store = builder(job, &Ticks::default()).open(path(job))?;
    verified(&store)?;
    for thread in 1..=THREADS {
        let (least, most) = (acknowledged[thread as usize], begun[thread as usize]);
        let found = of_job(&store, &name(thread))?;
        let mirror = builder(job, &Ticks::default()).in_memory()?;
        let mut equal = None;
        for number in 0..=most {
            if of_job(&mirror, &name(thread))? == found {
                equal = Some(number);
                if number >= least {
                    break;
                }
            }
            if number < most {
                mirror.write(|w| Ok(operation(w, job.seed, thread, number)?))?;
            }
        }
        match equal {
            Some(number) if number >= least => {}
            Some(number) => {
                let text = format!("thread {thread}: {number} operations, and {least} were acknowledged");
                return Err(text.into());
            }
            None => {
                let text =
                    format!("thread {thread}: no number of operations ({least} to {most}) gives:\n{found}");
                return Err(text.into());
            }
        }
    }
    Ok(Found { checked: acknowledged.iter().sum(), leftovers, next: 0 })
}
