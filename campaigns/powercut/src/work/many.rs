//! Stores one after another, each made or put in its place in another way, opened, and given a few commits.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use execstore::Store;
use execstore::attachments::NewAttachment;
use execstore::redb::TableDefinition;

use super::content::{Ticks, builder, verified, whole};
use super::steady::equal;
use super::steps::{Sure, operation};
use super::{Found, Job, Mode, Outcome, leftovers};
use crate::acks::Acks;
use crate::dice::Dice;

/// Operations of each store: that it is put there and opened, then commits.
const EACH: u64 = 6;
/// Operations that a store has before it is put in its place.
const BEFORE: u64 = 3;
const STORES: u64 = 40;
const BEHIND: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("behind the free pages");

/// The `nth` store of a job.
struct Nth<'a> {
    job: &'a Job,
    nth: u64,
    way: u64,
    path: PathBuf,
}

impl<'a> Nth<'a> {
    fn new(job: &'a Job, nth: u64) -> Self {
        let way = Dice::at(job.seed, nth).roll(8);
        // Some in a folder of their own, just made.
        let own = way == 3 && job.mode != Mode::Overlay;
        let name = if own { format!("own-{nth}/node.redb") } else { format!("{nth}.redb") };
        Self { job, nth, way, path: job.folder.join(name) }
    }

    /// Where it is made before it is put in its place.
    fn elsewhere(&self) -> PathBuf {
        self.job.folder.join("elsewhere").join(format!("{}.redb", self.nth))
    }

    /// How many operations it has when it is opened for the first time.
    fn before(&self) -> u64 {
        if self.job.mode == Mode::Create { 1 } else { BEFORE }
    }

    fn has_older(&self) -> bool {
        matches!((self.job.mode, self.way), (Mode::Moved, 1 | 2 | 4 | 6) | (Mode::Copied, 1))
    }

    /// Puts it there, and opens it.
    fn place(&self, ticks: &Ticks) -> Outcome<Store> {
        let builder = builder(self.job, ticks);
        ticks.set(0);
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        if self.job.mode == Mode::Create {
            let made = match self.way {
                0..4 => builder.create_new(&self.path),
                4 | 5 => builder.open_or_create(&self.path),
                // In a file that is there and empty.
                _ => {
                    File::create(&self.path)?;
                    builder.open_or_create(&self.path)
                }
            };
            return Ok(made?);
        }
        if self.has_older() {
            builder.create_new(&self.path)?.close()?;
        }
        let beside = self.path.with_extension("new");
        let elsewhere = self.elsewhere();
        match (self.job.mode, self.way) {
            // A backup, say: written in full and synced, so that commits allocate nothing either.
            (Mode::Moved, way) => {
                let from = if way == 2 { beside } else { elsewhere.with_extension("new") };
                let open = prepare(self.job, &elsewhere)?;
                if way == 4 {
                    // As a kill would leave it, or a snapshot.
                    copy(&elsewhere, &from, true)?;
                    open.close()?;
                } else {
                    open.close()?;
                    copy(&elsewhere, &from, true)?;
                }
                match way {
                    7 => fs::hard_link(from, &self.path)?,
                    _ => fs::rename(from, &self.path)?,
                }
            }
            (Mode::Copied, 4) => {
                let open = prepare(self.job, &elsewhere)?;
                copy(&elsewhere, &self.path, false)?;
                open.close()?;
            }
            (Mode::Copied, way) => {
                prepare(self.job, &elsewhere)?.close()?;
                match way {
                    1 => {
                        copy(&elsewhere, &beside, false)?;
                        fs::rename(&beside, &self.path)?;
                    }
                    2 => fs::write(&self.path, fs::read(&elsewhere)?)?,
                    _ => copy(&elsewhere, &self.path, false)?,
                }
            }
            _ => {}
        }
        Ok(match (self.job.mode, self.way) {
            // By a name relative to the folder.
            (Mode::Moved | Mode::Copied, 5) => {
                std::env::set_current_dir(&self.job.folder)?;
                builder.open(self.path.file_name().unwrap_or_default())?
            }
            // By a link in another folder.
            (Mode::Moved | Mode::Copied, 6) => {
                let link = elsewhere.with_extension("link");
                std::os::unix::fs::symlink(&self.path, &link)?;
                builder.open(link)?
            }
            _ => builder.open(&self.path)?,
        })
    }

    /// Looks at what is left of it. Gives how many operations were found.
    fn check(&self, acknowledged: u64, begun: u64) -> Outcome<u64> {
        let promised = acknowledged > 0;
        if !self.path.exists() {
            let lower = self.job.mode == Mode::Overlay;
            return if promised || lower { Err("the file is not there".into()) } else { Ok(0) };
        }
        let ticks = Ticks::default();
        let builder = builder(self.job, &ticks);
        let in_empty_file = self.job.mode == Mode::Create && self.way >= 6 && !promised;
        let opened =
            if in_empty_file { builder.open_or_create(&self.path) } else { builder.open(&self.path) };
        let found = opened.map_err(Into::into).and_then(|store| {
            verified(&store)?;
            whole(&store)
        });
        let found = match found {
            Ok(found) => found,
            // A copy that nobody has synced, and nothing was acknowledged in it.
            Err(_) if self.job.mode == Mode::Copied && !promised => return Ok(0),
            // With a journal such a file says that it is unfinished, and is made again.
            Err(_) if in_empty_file && !self.job.journal => return Ok(0),
            Err(error) => return Err(error),
        };
        let least = if promised { self.before() - 1 + acknowledged } else { self.before() };
        let most = self.before() - 1 + begun.max(1);
        if equal(self.job, Mode::Single, &found, least..=most)?.is_some() {
            return Ok(acknowledged);
        }
        match equal(self.job, Mode::Single, &found, 1..=least)? {
            Some(1) if self.has_older() && !promised => Ok(0),
            Some(older) => {
                Err(format!("the store after {older} operations instead of at least {least}").into())
            }
            None => Err(format!("the store after no number of operations from {least} to {most}").into()),
        }
    }
}

/// A store with a few operations, and with free pages, so that commits do not make its file grow at once: whoever
/// writes into a file that grows has the file system record more than that, names among it.
fn prepare(job: &Job, path: &Path) -> Outcome<Store> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let ticks = Ticks::default();
    let store = builder(job, &ticks).create_new(path)?;
    for number in 1..BEFORE {
        ticks.set(number);
        operation(&store, Mode::Single, job.seed, number)?;
        if number == 1 {
            store.write(|w| {
                Ok(w.put_attachment("a0", NewAttachment::bytes("filler", vec![9; 900_000])).map(drop)?)
            })?;
        }
    }
    // Behind the free pages, so that closing does not cut them off.
    let txn = store.begin_write()?;
    txn.enter_redb().open_table(BEHIND)?.insert(0, [7; 300_000].as_slice())?;
    txn.writer()?.delete_attachment("a0", "filler")?;
    txn.commit()?;
    Ok(store)
}

/// What `cp` does; or a backup, which writes it in full and syncs it.
fn copy(from: &Path, to: &Path, in_full: bool) -> Outcome<()> {
    if !in_full {
        fs::copy(from, to)?;
        return Ok(());
    }
    fs::write(to, fs::read(from)?)?;
    File::open(to)?.sync_all()?;
    if let Some(folder) = to.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The stores of the lower layer, all alike.
pub fn prepare_lower(job: &Job) -> Outcome<()> {
    let first = job.folder.join("0.redb");
    prepare(job, &first)?.close()?;
    for nth in 1..STORES {
        fs::copy(&first, job.folder.join(format!("{nth}.redb")))?;
    }
    Ok(())
}

pub fn work(job: &Job, acks: &Acks) -> Outcome<()> {
    for nth in 0..STORES {
        let ticks = Ticks::default();
        let done = nth * EACH;
        acks.begin(0, done + 1)?;
        let store = Nth::new(job, nth);
        let before = store.before();
        let store = store.place(&ticks)?;
        if job.mode == Mode::Create {
            acks.acknowledge(0, done + 1)?;
        }
        for more in 1..EACH {
            let number = before - 1 + more;
            ticks.set(number);
            acks.begin(0, done + more + 1)?;
            if operation(&store, Mode::Single, job.seed, number)? == Sure::Durable {
                acks.acknowledge(0, done + more + 1)?;
            }
        }
        // What was lazy is durable after that.
        store.close()?;
        acks.acknowledge(0, done + EACH)?;
    }
    Ok(())
}

pub fn check(job: &Job, acknowledged: u64, begun: u64) -> Outcome<Found> {
    let mut found = Found::default();
    let last = begun.saturating_sub(1) / EACH;
    let current = (acknowledged / EACH).saturating_sub(3);
    // Those in the making, the few before them, and one of long ago.
    let long_ago = Dice::at(job.seed, acknowledged).roll(current.max(1));
    let looked_at = (current..=last).chain((current > 0).then_some(long_ago));
    for nth in looked_at {
        let of = |count: u64| count.saturating_sub(nth * EACH).min(EACH);
        let store = Nth::new(job, nth);
        found.checked += store
            .check(of(acknowledged), of(begun))
            .map_err(|error| format!("store {nth}, put there in way {}: {error}", store.way))?;
    }
    let wanted = |name: &str| {
        let stem = name.strip_suffix(".redb").or(name.strip_suffix(".new"));
        stem.is_some_and(|stem| stem.parse::<u64>().is_ok())
    };
    found.leftovers = leftovers(&job.folder, wanted)?;
    Ok(found)
}
