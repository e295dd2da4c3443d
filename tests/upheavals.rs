//! A store under load, whose process forks, whose file and folder get other names, whose disk is full and has room again: what was
//! acknowledged is there, and nothing else.
//!
//! A program of its own: a child of a fork has whatever locks other threads hold at that moment, those that the standard library
//! takes where a thread begins or ends among them, and no other test may begin or end one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{fmt, fs, io, thread};

use execstore::error::{CommitError, OpenError, StorageError};
use execstore::{Builder, Error, Json, NewEvent, NewExecution, Readable, Store, Update, Writer};
use fork::{Fork, fork};

use support::dice::Dice;
use support::forks::{Stop, check_ended};
use support::mounted::{Mounted, is_full};

/// What happens to it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Forks,
    Links,
    Renames,
    FullDisk,
}

const MIB: u64 = 1024 * 1024;

/// Executions with their revisions and events.
type Rows = BTreeMap<String, (u64, u64)>;

/// What a writer was told is there; and what there is as well if a commit came to stay of which it was told that nobody knows.
#[derive(Clone, Default)]
struct Told(Rows, Option<Rows>);

/// Where the file is: the names change.
struct Place {
    root: PathBuf,
    folder: PathBuf,
    file: PathBuf,
    names: u64,
}

impl Place {
    fn new(root: &Path) -> Self {
        let folder = root.join("0");
        fs::create_dir(&folder).unwrap();
        Self { root: root.into(), file: folder.join("0"), folder, names: 0 }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        self.names.to_string()
    }
}

fn is_poisoned(error: &Error) -> bool {
    matches!(
        error,
        Error::Storage(StorageError::Poisoned { .. })
            | Error::Commit(CommitError::RolledBack(StorageError::Poisoned { .. }))
    )
}

/// One operation of a writer, in one of the ways there are to write. `rows` become what there is if it is done.
fn operate(store: &Store, writer: u64, nth: u64, rows: &mut Rows) -> Result<(), Error> {
    let new = format!("{writer}-{nth}");
    let gone = rows.keys().next().cloned().filter(|_| nth % 5 == 4);
    let last = nth.checked_sub(1).map(|nth| format!("{writer}-{nth}"));
    let updated = last.filter(|last| rows.contains_key(last) && Some(last) != gone.as_ref());
    rows.insert(new.clone(), (1, 1));
    if let Some((revision, events)) = updated.as_ref().and_then(|updated| rows.get_mut(updated)) {
        (*revision, *events) = (*revision + 1, *events + 1);
    }
    if let Some(gone) = &gone {
        rows.remove(gone);
    }
    let work = move |w: &mut Writer<'_>| -> Result<(), Error> {
        let payload = Json::from_text(&format!("\"{}\"", "x".repeat(3_000))).unwrap();
        w.create(NewExecution::new("j").id(&new).payload(payload).event(NewEvent::new("created")))?;
        if let Some(gone) = &gone {
            w.delete(gone)?;
        }
        if let Some(updated) = &updated {
            let update = Update::new().message("updated");
            w.update(updated, update.event(NewEvent::new("updated")))?;
        }
        Ok(())
    };
    match writer {
        0 => store.write(work)?,
        1 => store.batch(work)?,
        _ => {
            let txn = store.begin_write()?;
            let done = work(&mut txn.writer()?);
            match done {
                Ok(()) => txn.commit()?,
                Err(error) => {
                    txn.abort()?;
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Writes until it is stopped, or the store stops writing.
fn write(store: &Store, writer: u64, told: &mut Told, round: &Round, stop: &AtomicBool, tried: &AtomicU64) {
    for nth in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let mut rows = told.0.clone();
        match operate(store, writer, nth, &mut rows) {
            Ok(()) => told.0 = rows,
            Err(error) if round.is_full_disk() && is_full(&error) => {}
            Err(Error::Commit(CommitError::Unknown(_))) if round.may_stop() => {
                told.1 = Some(rows);
                return;
            }
            Err(error) if round.may_stop() && is_poisoned(&error) => return,
            Err(error) => panic!("{round}: {error:?}"),
        }
        tried.fetch_add(1, Ordering::SeqCst);
    }
}

/// Exactly what the writers were told is there.
fn check(store: &Store, told: &[Told], round: &Round) {
    let r = store.begin_read().unwrap();
    for (writer, Told(sure, else_)) in told.iter().enumerate() {
        let mut found = Rows::new();
        for execution in r.by_job("j").unwrap() {
            let execution = execution.unwrap();
            if execution.id.as_str().starts_with(&format!("{writer}-")) {
                let events = r.events(&execution.id, ..).unwrap().count() as u64;
                found.insert(execution.id.to_string(), (execution.revision.get(), events));
            }
        }
        assert!(
            found == *sure || Some(&found) == else_.as_ref(),
            "{round}: {found:?}, not {sure:?} or {else_:?}"
        );
    }
    drop(r);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{round}: {report}");
}

/// A child that has a part of the store and ends.
fn fork_once(store: &Store, dice: &mut Dice) {
    let (txn, other) = (store.begin_read().unwrap(), store.clone());
    let calls = dice.roll(2) == 0;
    match fork().unwrap() {
        Fork::Child => {
            let refused = !calls || (other.begin_read().is_err() && other.begin_write().is_err());
            drop((txn, other));
            support::forks::end(i32::from(!refused))
        }
        Fork::Parent(pid) => check_ended(pid),
    }
}

fn refused_as_open(path: &Path) {
    let error = Store::open(path).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyOpen { .. }), "{error:?}");
}

fn link_once(place: &mut Place, dice: &mut Dice) {
    let name = place.name();
    let name = place.folder.join(name);
    match dice.roll(2) {
        0 => {
            symlink(&place.file, &name).unwrap();
            refused_as_open(&name);
            fs::remove_file(&name).unwrap();
        }
        _ => {
            fs::hard_link(&place.file, &name).unwrap();
            refused_as_open(&name);
            fs::remove_file(&place.file).unwrap();
            place.file = name;
        }
    }
}

fn rename_once(place: &mut Place, dice: &mut Dice) {
    let name = place.name();
    let old = place.file.clone();
    match dice.roll(3) {
        0 => {
            let folder = place.root.join(name);
            fs::rename(&place.folder, &folder).unwrap();
            place.file = folder.join(place.file.file_name().unwrap());
            place.folder = folder;
        }
        1 => {
            place.file = place.folder.join(name);
            fs::rename(&old, &place.file).unwrap();
        }
        _ => {
            // Another store where it was.
            place.file = place.folder.join(name);
            fs::rename(&old, &place.file).unwrap();
            let other = Store::create_new(&old).unwrap();
            other.write(|w| Ok(w.create(NewExecution::new("other"))?)).unwrap();
            drop(other);
            fs::remove_file(&old).unwrap();
        }
    }
}

/// Others take what the disk has, or give it back; where there is a reserve, less than that at a time.
fn fill_once(round: &Round, place: &Place, dice: &mut Dice) {
    let filler = place.root.join("filler");
    if dice.roll(3) == 0 {
        let _ = fs::remove_file(filler);
        return;
    }
    let mut file = fs::File::options().append(true).create(true).open(filler).unwrap();
    let some = vec![1; 64 * 1024 * (1 + dice.roll(4) as usize)];
    let all = round.may_stop() && dice.roll(2) == 0;
    while io::Write::write(&mut file, &some).is_ok_and(|written| written > 0) && all {}
}

/// What is drawn for a round.
struct Round {
    kind: Kind,
    seed: u64,
    journal: bool,
    journal_size: u64,
    reserve: u64,
}

impl Round {
    fn new(kind: Kind, seed: u64) -> Self {
        let mut dice = Dice::new(!seed);
        let reserve = [0, 2 * MIB][dice.roll(2) as usize];
        Self { kind, seed, journal: dice.roll(4) > 0, journal_size: (64 * 1024) << dice.roll(5), reserve }
    }

    fn builder(&self) -> Builder {
        let mut builder = Store::builder();
        builder.set_journal(self.journal).set_journal_size(self.journal_size).set_removal_step(4);
        if self.is_full_disk() {
            builder.set_reserve(self.reserve);
        }
        builder
    }

    fn is_full_disk(&self) -> bool {
        matches!(self.kind, Kind::FullDisk)
    }

    /// Without a reserve others may take the last of the disk within a commit.
    fn may_stop(&self) -> bool {
        self.is_full_disk() && self.reserve == 0
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, seed, journal, journal_size, reserve } = self;
        write!(f, "{kind:?}, seed {seed}, journal {journal} of {journal_size}, reserve {reserve}")
    }
}

fn run(round: &Round) {
    let mut dice = Dice::new(round.seed);
    let builder = round.builder();
    let tmpfs = round.is_full_disk().then(|| Mounted::new("tmpfs", (8 + dice.roll(8)) * MIB));
    if let Some(None) = tmpfs {
        println!("skipped: no tmpfs can be mounted here");
        return;
    }
    let (tmpfs, folder) = (tmpfs.flatten(), tempfile::tempdir().unwrap());
    let mut place = Place::new(tmpfs.as_ref().map_or(folder.path(), Mounted::path));
    let store = builder.create_new(&place.file).unwrap();
    let told: Vec<Mutex<Told>> = (0..3).map(|_| Mutex::default()).collect();
    let (stop, tried) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        let writers: Vec<_> = (0..)
            .zip(&told)
            .map(|(writer, told)| {
                let (store, stop, tried) = (&store, &stop, &tried);
                scope.spawn(move || write(store, writer, &mut told.lock().unwrap(), round, stop, tried))
            })
            .collect();
        for _ in 0..4 + dice.roll(12) {
            let until = tried.load(Ordering::SeqCst) + 1 + dice.roll(30);
            while tried.load(Ordering::SeqCst) < until && !writers.iter().any(|writer| writer.is_finished()) {
                thread::yield_now();
            }
            match round.kind {
                Kind::Forks => fork_once(&store, &mut dice),
                Kind::Links => link_once(&mut place, &mut dice),
                Kind::Renames => rename_once(&mut place, &mut dice),
                Kind::FullDisk => fill_once(round, &place, &mut dice),
            }
        }
    });
    let told: Vec<Told> = told.into_iter().map(|told| told.into_inner().unwrap()).collect();
    let sound = store.health().is_sound();
    assert!(sound || round.may_stop(), "{round}");
    if sound {
        assert!(told.iter().all(|told| told.1.is_none()), "{round}");
        check(&store, &told, round);
    }
    leave(store, &place, &told, &mut dice, round);
}

/// What the process leaves when it is killed now, and what when it closes the store.
fn leave(store: Store, place: &Place, told: &[Told], dice: &mut Dice, round: &Round) {
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    support::copy::copy_at_once(&place.file, &copy);
    match dice.roll(2) {
        0 => drop(store),
        // On a full disk, or after it, the error says so; nothing is lost by it.
        _ => assert!(store.close().is_ok() || round.is_full_disk(), "{round}"),
    }
    let _ = fs::remove_file(place.root.join("filler"));
    for path in [&copy, &place.file] {
        let store = round.builder().open(path).unwrap_or_else(|error| panic!("{round}: {error}"));
        check(&store, told, round);
    }
    let left = fs::read_dir(&place.folder).unwrap().count();
    assert_eq!(left, 1, "{round}: something lies beside the file");
}

#[test]
fn what_was_acknowledged_is_there_whatever_happens_to_process_file_and_disk() {
    let rounds = std::env::var("EXECSTORE_UPHEAVALS").map_or(24, |text| text.parse().unwrap());
    let seed = std::env::var("EXECSTORE_SEED").map_or(20_261_127, |text| text.parse().unwrap());
    println!("EXECSTORE_SEED={seed}");
    // One after another: a child has the locks of all the files that are open.
    for nth in 0..rounds {
        let kind = [Kind::Forks, Kind::Links, Kind::Renames, Kind::FullDisk][nth as usize % 4];
        run(&Round::new(kind, Dice::new(seed ^ nth).next()));
    }
}
