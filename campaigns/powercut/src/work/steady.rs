//! One store and one thread: after a cut it is the store after some whole number of operations.

use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use execstore::{Readable, Store};

use super::content::{Ticks, builder, verified, whole};
use super::steps::{Sure, operation};
use super::{Found, Job, Mode, Outcome, leftovers};
use crate::acks::Acks;
use crate::dice::Dice;

fn path(job: &Job) -> PathBuf {
    job.folder.join("node.redb")
}

fn most(mode: Mode) -> u64 {
    match mode {
        Mode::Large => 60,
        _ => 600,
    }
}

pub fn work(job: &Job, acks: &Acks, from: u64) -> Outcome<()> {
    let ticks = Ticks::default();
    let builder = builder(job, &ticks);
    let mut store = None;
    for number in from..most(job.mode) {
        ticks.set(number);
        acks.begin(0, number + 1)?;
        let sure = if number == 0 {
            store = Some(builder.create_new(path(job))?);
            Sure::Durable
        } else {
            let store = match &mut store {
                Some(store) => store,
                none => none.insert(builder.open(path(job))?),
            };
            operation(store, job.mode, job.seed, number)?
        };
        if sure == Sure::Durable {
            acks.acknowledge(0, number + 1)?;
        }
        let mut dice = Dice::at(job.seed, number ^ 0x5eed_0000);
        if job.mode == Mode::Reopen && dice.roll(3) == 0 {
            match dice.roll(3) {
                // What was lazy is durable after that.
                0 => {
                    if let Some(store) = store.take() {
                        store.close()?;
                    }
                    acks.acknowledge(0, number + 1)?;
                }
                1 => {
                    drop(store.take());
                    acks.acknowledge(0, number + 1)?;
                }
                // As if it were killed. What was lazy may be gone with it.
                _ if sure == Sure::Durable => return Err(anew(number + 1)?.into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Begins this very program anew, in the same process: nothing is dropped, and everything let go of.
fn anew(from: u64) -> Outcome<std::io::Error> {
    let mut args: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(last) = args.last_mut() {
        *last = from.to_string().into();
    }
    Ok(Command::new(std::env::current_exe()?).args(args).exec())
}

pub fn check(job: &Job, acknowledged: u64, begun: u64) -> Outcome<Found> {
    let leftovers = leftovers(&job.folder, |name| name == "node.redb")?;
    if !path(job).exists() {
        if acknowledged > 0 {
            return Err(format!("no file, and {acknowledged} operations were acknowledged").into());
        }
        return Ok(Found { leftovers, ..Found::default() });
    }
    let ticks = Ticks::default();
    ticks.set(begun);
    let read_only = if acknowledged.is_multiple_of(2) { Some(read_only(job, &ticks)?) } else { None };
    let store = builder(job, &ticks).open(path(job))?;
    verified(&store)?;
    let found = whole(&store)?;
    if read_only.is_some_and(|text| text != found) {
        return Err("opened read-only it is another store".into());
    }
    let next = which(job, &found, acknowledged, begun)?;
    if job.seed.wrapping_add(acknowledged).is_multiple_of(3) {
        // It can be written to, closed and opened again.
        store.write(|w| Ok(w.set_checkpoint("after the cut", w.log().head()?)?))?;
        let after = whole(&store)?;
        store.close()?;
        let store = builder(job, &ticks).open(path(job))?;
        verified(&store)?;
        if whole(&store)? != after {
            return Err("closed and opened again, it is another store".into());
        }
    }
    Ok(Found { checked: acknowledged, next, leftovers })
}

/// What is found by opening it read-only, which writes nothing.
fn read_only(job: &Job, ticks: &Ticks) -> Outcome<String> {
    let before = fs::read(path(job))?;
    let store =
        builder(job, ticks).open_read_only(path(job)).map_err(|error| format!("read-only: {error}"))?;
    verified(&store)?;
    let text = whole(&store)?;
    drop(store);
    if fs::read(path(job))? != before {
        return Err("opening it read-only has changed the file".into());
    }
    Ok(text)
}

/// After how many operations it is the store that was found.
fn which(job: &Job, found: &str, acknowledged: u64, begun: u64) -> Outcome<u64> {
    if let Some(number) = equal(job, job.mode, found, acknowledged.max(1)..=begun)? {
        return Ok(number);
    }
    Err(match equal(job, job.mode, found, 1..=acknowledged)? {
        Some(older) => format!("the store after {older} operations, and {acknowledged} were acknowledged"),
        None => {
            let mut last = String::new();
            states(job, job.mode, begun, |_, store| {
                last = whole(store)?;
                Ok(false)
            })?;
            format!(
                "the store after no number of operations ({acknowledged} acknowledged, {begun} begun); {}",
                difference(found, &last)
            )
        }
    }
    .into())
}

/// Which of these numbers of operations give the store that was found.
pub fn equal(job: &Job, mode: Mode, found: &str, numbers: RangeInclusive<u64>) -> Outcome<Option<u64>> {
    let mut equal = None;
    states(job, mode, *numbers.end(), |number, store| {
        if numbers.contains(&number) && whole(store)? == found {
            equal = Some(number);
        }
        Ok(equal.is_some())
    })?;
    Ok(equal)
}

/// The same operations in memory: looked at after the first, the creation, and after each one more, until told to stop.
fn states(
    job: &Job,
    mode: Mode,
    most: u64,
    mut stop: impl FnMut(u64, &Store) -> Outcome<bool>,
) -> Outcome<()> {
    let ticks = Ticks::default();
    let mirror = builder(job, &ticks).in_memory()?;
    for number in 1..=most {
        if stop(number, &mirror)? || number == most {
            break;
        }
        ticks.set(number);
        operation(&mirror, mode, job.seed, number)?;
    }
    Ok(())
}

fn difference(found: &str, wanted: &str) -> String {
    let mut pairs = found.lines().zip(wanted.lines());
    let cut = |line: &str| line.chars().take(300).collect::<String>();
    match pairs.find(|(found, wanted)| found != wanted) {
        Some((found, wanted)) => format!("found `{}`, after the last `{}`", cut(found), cut(wanted)),
        None => format!("{} lines instead of {}", found.lines().count(), wanted.lines().count()),
    }
}
