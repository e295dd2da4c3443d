//! Crashes between any two acts on the disk: what was acknowledged is there, and nothing by halves.

use std::sync::atomic::{AtomicI64, Ordering};

use execstore::redb::Durability;
use execstore::{ChangeSeq, Error, Json, NewExecution, Readable, Store, Timestamp, Update};

use support::content::{Digest, digest};
use support::dice::Dice;
use support::disk::{Crash, Recorded};
use support::workload::{STEPS, Sure, large, step, step_apart};

fn wanted() -> usize {
    std::env::var("EXECSTORE_CRASH_IMAGES").map_or(1_500, |text| text.parse().unwrap())
}

fn seed() -> u64 {
    let seed = std::env::var("EXECSTORE_SEED").map_or(20_260_101, |text| text.parse().unwrap());
    println!("EXECSTORE_SEED={seed}");
    seed
}

fn open(disk: &Recorded) -> Store {
    let ticks = AtomicI64::new(1);
    Store::builder()
        .set_cache_size(8 * 1024 * 1024)
        // So that most of what is deleted goes in steps.
        .set_removal_step(4)
        .set_clock(move || Timestamp::from_nanos(ticks.fetch_add(1, Ordering::Relaxed)))
        .create_file_with_backend(disk.disk())
        .unwrap()
}

/// A state that was acknowledged.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// How many acts had been done.
    at: usize,
    digest: Digest,
    sure: Sure,
}

/// What happened: the acts, and the states that were acknowledged between them.
struct History {
    crash: Crash,
    /// After how many acts crashes are looked for.
    from: usize,
    marks: Vec<Mark>,
}

/// Records work. The store's own creation comes before.
fn record(disk: &Recorded, steps: usize, work: impl Fn(&Store, usize) -> Result<Sure, Error>) -> History {
    let start = disk.image();
    let before = disk.acts();
    let store = open(disk);
    let mut marks = vec![Mark { at: 0, digest: digest(&store).unwrap(), sure: Sure::Durable }];
    for nth in 0..steps {
        let sure = work(&store, nth).unwrap();
        marks.push(Mark { at: disk.acts() - before, digest: digest(&store).unwrap(), sure });
    }
    drop(store);
    History { crash: Crash::new(disk.log().split_off(before), start), from: 0, marks }
}

/// Records work that nobody reads, so that redb commits as rarely as it may. The states are those of a twin that is read after each step.
/// Every seventh step somebody does read: what was seen then is not taken back.
fn record_unread(
    disk: &Recorded,
    steps: usize,
    work: impl Fn(&Store, usize) -> Result<Sure, Error>,
) -> History {
    let twin = record(&Recorded::new(disk.image()), steps, &work);
    let start = disk.image();
    let before = disk.acts();
    let store = open(disk);
    let mut marks = vec![twin.marks[0]];
    for nth in 0..steps {
        let sure = work(&store, nth).unwrap();
        let digest = twin.marks[nth + 1].digest;
        if nth % 7 == 6 {
            assert_eq!(support::content::digest(&store).unwrap(), digest, "what a reader sees");
        }
        marks.push(Mark { at: disk.acts() - before, digest, sure });
    }
    drop(store);
    History { crash: Crash::new(disk.log().split_off(before), start), from: 0, marks }
}

/// Two MiB with what lies before the journal, as by default; and so little that it starts over every few commits.
const SIZES: [u64; 2] = [2048 * 1024 - BEFORE, 128 * 1024 - BEFORE];

/// What lies before the journal.
const BEFORE: u64 = 8192;

/// A store that was created and closed.
fn created(journal: u64) -> Recorded {
    let disk = Recorded::default();
    let mut builder = Store::builder();
    drop(builder.set_journal_size(journal).create_file_with_backend(disk.disk()).unwrap());
    Recorded::new(disk.image())
}

impl History {
    /// What may be found after a crash at this point: from the last durable state to the one in the making.
    fn allowed(&self, at: usize) -> &[Mark] {
        let done = self.marks.iter().take_while(|mark| mark.at <= at).count();
        let durable = self.marks[..done].iter().rposition(|mark| mark.sure == Sure::Durable).unwrap();
        &self.marks[durable..self.marks.len().min(done + 1)]
    }

    /// Random crash points, in order, with a random image of each.
    fn random(
        &mut self,
        journal: u64,
        images: usize,
        dice: &mut Dice,
        mut check: impl FnMut(&History, usize, Recorded, &mut Dice),
    ) {
        let len = (self.crash.len() - self.from) as u64;
        let mut points: Vec<_> = (0..images).map(|_| self.from + dice.roll(len + 1) as usize).collect();
        points.sort_unstable();
        for at in points {
            self.crash.advance(at);
            let mode = dice.roll(7);
            let lot = dice.next();
            let in_journal =
                |nth| self.crash.offset(nth).is_some_and(|offset| (offset as u64) < BEFORE + journal);
            let image = self.crash.image(|nth, sector| match mode {
                0 => false,
                1 => true,
                2 => in_journal(nth),
                3 => !in_journal(nth),
                4 => Dice::new(lot ^ nth as u64).roll(8) > 0,
                5 => Dice::new(lot ^ nth as u64).roll(2) > 0,
                _ => Dice::new(lot ^ nth as u64 ^ ((sector as u64) << 20)).roll(2) > 0,
            });
            check(self, at, Recorded::new(image), dice);
        }
    }
}

/// Opens what a crash left: it is whole, one of the allowed states, and can be used.
fn check(allowed: &[Mark], disk: &Recorded, context: &str) -> Digest {
    let store = open(disk);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{context}: {report}");
    let found = digest(&store).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(allowed.iter().any(|mark| mark.digest == found), "{context}: {found:?} is none of {allowed:?}");
    store.write(|w| Ok(w.create(NewExecution::new("after").id("after"))?)).unwrap();
    let after = digest(&store).unwrap();
    drop(store);
    let store = open(disk);
    assert_eq!(digest(&store).unwrap(), after, "{context}: after a clean close");
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{context}, after a clean close: {report}");
    found
}

#[test]
fn crashes_while_redb_has_committed_nothing_for_long_leave_an_acknowledged_state() {
    let mut dice = Dice::new(seed());
    for (journal, images) in SIZES.into_iter().zip([wanted() * 2 / 10, wanted() * 2 / 10]) {
        let disk = created(journal);
        let mut history =
            record_unread(&disk, 4 * STEPS, |store, nth| step_apart(store, nth / STEPS, nth % STEPS));
        history.random(journal, images, &mut dice, |history, at, image, _| {
            check(history.allowed(at), &image, &format!("after {at} acts"));
        });
    }
}

#[test]
fn crashes_between_small_commits_leave_an_acknowledged_state() {
    let mut dice = Dice::new(seed());
    for (journal, images) in SIZES.into_iter().zip([wanted() * 2 / 10, wanted() * 6 / 10]) {
        let disk = created(journal);
        let mut history = record(&disk, 4 * STEPS, |store, nth| step(store, nth / STEPS, nth % STEPS));
        history.random(journal, images, &mut dice, |history, at, disk, _| {
            check(
                history.allowed(at),
                &disk,
                &format!("a journal of {journal} bytes, crash after {at} acts"),
            );
        });
    }
}

#[test]
fn crashes_while_the_journal_starts_over_leave_an_acknowledged_state() {
    let mut dice = Dice::new(seed() ^ 1);
    let disk = created(SIZES[0]);
    let mut history = record(&disk, 18, large);
    history.random(SIZES[0], wanted() / 100, &mut dice, |history, at, disk, _| {
        check(history.allowed(at), &disk, &format!("crash after {at} acts"));
    });
}

#[test]
fn crashes_while_a_close_makes_the_file_small_leave_everything() {
    const EXECUTIONS: u64 = 4_000;
    let mut dice = Dice::new(seed() ^ 3);
    let disk = created(SIZES[0]);
    let store = open(&disk);
    let ids: Vec<_> = (0..EXECUTIONS).map(|n| n.to_string()).collect();
    for some in ids.chunks(500) {
        let payload = Json::from_text(&format!("\"{}\"", "x".repeat(900))).unwrap();
        let new = |id: &String| NewExecution::new("j").id(id).payload(payload.clone()).label("l", id);
        store.write(|w| Ok(some.iter().try_for_each(|id| w.create(new(id)).map(drop))?)).unwrap();
    }
    drop(store);
    let start = disk.image();
    let disk = Recorded::new(start.clone());
    let store = open(&disk);
    for some in ids.chunks(300) {
        let mut gone = some.iter().filter(|id| !id.ends_with('7'));
        store.write(|w| Ok(gone.try_for_each(|id| w.delete(id).map(drop))?)).unwrap();
    }
    store.maintain().unwrap();
    let ChangeSeq(head) = store.begin_read().unwrap().log().head().unwrap();
    store.write(|w| Ok(w.trim_changes(ChangeSeq(head - 1))?)).unwrap();
    let (close, before) = (disk.acts(), disk.image().len());
    drop(store);
    // What lies behind the journal, which stays as long as it is.
    let [before, after] = [before, disk.image().len()].map(|len| len as u64 - BEFORE - SIZES[0]);
    assert!(after * 2 < before, "{before} bytes became {after}");
    // Of a copy: a database that was lent to somebody is not made small.
    let digest = digest(&open(&Recorded::new(disk.image()))).unwrap();
    let marks = vec![Mark { at: 0, digest, sure: Sure::Durable }];
    let mut history = History { crash: Crash::new(disk.log(), start), from: close, marks };
    history.random(SIZES[0], wanted() / 15, &mut dice, |history, at, disk, _| {
        check(history.allowed(at), &disk, &format!("crash after {} acts of the close", at - history.from));
    });
}

#[test]
fn a_crash_during_recovery_or_soon_after_leaves_an_acknowledged_state() {
    let mut dice = Dice::new(seed() ^ 2);
    let disk = created(SIZES[1]);
    let mut history = record(&disk, 2 * STEPS, |store, nth| step(store, nth / STEPS, nth % STEPS));
    history.random(SIZES[1], wanted() / 30, &mut dice, |history, at, disk, dice| {
        // Recovery itself, then work of the same kind.
        let images = disk.image();
        let mut second = record(&disk, 5, |store, nth| match nth {
            0 => lazily(store, "anew"),
            nth => step(store, 90, [0, 1, 5, 6][nth - 1]),
        });
        assert!(history.allowed(at).iter().any(|mark| mark.digest == second.marks[0].digest));
        assert!(images != disk.image());
        second.random(SIZES[1], 6, dice, |second, again, disk, _| {
            let context = format!("crash after {at} acts, and after {again} more");
            check(second.allowed(again), &disk, &context);
        });
    });
}

/// An update without a sync, of the newest execution that can have one.
fn lazily(store: &Store, text: &str) -> Result<Sure, Error> {
    let mut txn = store.begin_write()?;
    txn.set_durability(Durability::None);
    {
        let mut w = txn.writer()?;
        let page = w.query(&execstore::Query::new().limit(1)).page()?;
        match page.executions.first() {
            Some(newest) => w.update(&newest.id, Update::new().message(text)).map(drop)?,
            None => w.create(NewExecution::new("lazy").id("lazy")).map(drop)?,
        }
    }
    txn.commit()?;
    Ok(Sure::Lazy)
}

#[test]
fn every_subset_of_the_writes_of_a_commit_leaves_an_acknowledged_state() {
    let disk = created(SIZES[0]);
    let mut history = record(&disk, STEPS, |store, nth| step(store, 0, nth));
    let mut images = 0;
    let most = if wanted() > 10_000 { 12 } else { 6 };
    for at in 0..=history.crash.len() {
        history.crash.advance(at);
        let uncertain = history.crash.uncertain();
        // The points between two syncs have the same subsets as the last of them, and fewer.
        if uncertain > most || !history.crash.syncs_next() {
            continue;
        }
        for subset in 0..1u32 << uncertain {
            let image = history.crash.image(|nth, _| subset >> nth & 1 == 1);
            let context = format!("crash after {at} acts, subset {subset:b}");
            check(history.allowed(at), &Recorded::new(image), &context);
            images += 1;
        }
    }
    assert!(images > 20, "{images} images");
}

#[test]
fn a_commit_that_a_crash_lost_does_not_come_back_after_the_next_one() {
    let disk = created(SIZES[0]);
    let files = disk.image();
    let image = {
        let store = open(&disk);
        store.write(|w| Ok(w.create(NewExecution::new("j").id("e"))?)).unwrap();
        // The first records of the journal: neither is synced.
        let before = disk.acts();
        for text in ["lost", "kept"] {
            lazily(&store, text).unwrap();
        }
        let log = disk.log();
        assert!(log.len() > before + 1);
        let mut crash = Crash::new(log, files);
        crash.advance(crash.len());
        let last = crash.uncertain() - 1;
        // The record before the last is lost.
        crash.image(|nth, _| nth + 1 != last)
    };
    let disk = Recorded::new(image);
    let store = open(&disk);
    let found = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    assert_eq!(found.message, None, "a later commit without the earlier one");
    store.write(|w| Ok(w.update("e", Update::new().message("anew"))?)).unwrap();
    let expected = digest(&store).unwrap();
    // A crash now: everything of before is on the disk.
    let again = Recorded::new(disk.image());
    let store = open(&again);
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().message.as_deref(), Some("anew"));
    assert_eq!(digest(&store).unwrap(), expected);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
}
