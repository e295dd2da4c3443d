//! A full disk: an error of its own, of the transaction that needed room alone; everything else goes on.

use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use execstore::options::LogRetention;
use execstore::redb::StorageBackend;
use execstore::{Json, NewExecution, Readable, Store};

use support::memory::Memory;
use support::mounted::{Mounted, is_full};

const MIB: u64 = 1024 * 1024;

/// A storage that does not grow beyond its quota.
#[derive(Clone, Debug)]
struct Quota {
    memory: Memory,
    bytes: Arc<AtomicU64>,
}

impl Quota {
    fn new(bytes: u64) -> Self {
        Self { memory: Memory::default(), bytes: Arc::new(AtomicU64::new(bytes)) }
    }

    fn check(&self, end: u64) -> io::Result<()> {
        match end <= self.bytes.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }
}

impl StorageBackend for Quota {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(len)?;
        self.memory.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset + data.len() as u64)?;
        self.memory.write(offset, data)
    }
}

fn payload() -> Json {
    Json::from_text(&format!("\"{}\"", "x".repeat(20_000))).unwrap()
}

/// Creates executions until there is no room. Gives how many there are.
fn fill(store: &Store, from: usize) -> usize {
    for n in from.. {
        let new = NewExecution::new("j").id(format!("e{n}")).payload(payload());
        if let Err(error) = store.write(|w| Ok(w.create(new)?)) {
            assert!(is_full(&error), "after {n}: {error:?}");
            assert!(error.to_string().contains("nothing of the transaction happened"), "{error}");
            return n;
        }
        assert!(n < 100_000, "it never fills up");
    }
    unreachable!()
}

/// What is there: so many, each whole, and nothing else.
fn check(store: &Store, ids: impl Iterator<Item = usize> + Clone) {
    let r = store.begin_read().unwrap();
    assert_eq!(r.by_job("j").unwrap().count(), ids.clone().count());
    for n in ids {
        let found = r.get(format!("e{n}")).unwrap().unwrap();
        assert_eq!(*found.payload_json(), payload());
    }
    drop(r);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn what_needs_room_is_refused_and_the_rest_goes_on_under_a_quota() {
    for journal in [true, false] {
        let disk = Quota::new(4 * MIB);
        let mut builder = Store::builder();
        builder.set_journal_size(0).set_log_retention(LogRetention::new().max_count(1));
        let open = || match journal {
            true => builder.create_file_with_backend(disk.clone()).unwrap(),
            false => builder.create_with_backend(disk.clone()).unwrap(),
        };
        let store = open();
        let held = store.begin_read().unwrap();
        let many = fill(&store, 0);
        assert!(many > 20, "{many}");
        for _ in 0..3 {
            assert_eq!(fill(&store, many), many, "the next one that needs room");
            check(&store, 0..many);
        }
        assert_eq!(held.by_job("j").unwrap().count(), 0, "a reader that was open");
        drop(held);
        // Whatever is let go of now is let go of; with a journal it can be made durable in any case.
        let mut kept = 0;
        for n in 0..10 {
            match store.write(|w| Ok(w.delete(format!("e{n}"))?)) {
                Ok(_) => kept = n + 1,
                Err(error) => {
                    assert!(!journal && is_full(&error), "{error:?}");
                    break;
                }
            }
        }
        check(&store, kept..many);
        store.close().unwrap();
        // Opened on the full disk, deletes and trims make room, and the room is used.
        let store = open();
        check(&store, kept..many);
        for n in kept..many / 2 {
            store.write(|w| Ok(w.delete(format!("e{n}"))?)).unwrap();
        }
        store.maintain().unwrap();
        check(&store, many / 2..many);
        // Without a journal the room is free at once. With one, what it alone has made durable needs some room of its own first, of
        // which a quota leaves none.
        let more = fill(&store, many);
        assert!(journal || more > many, "{more} and {many}");
        check(&store, many / 2..more);
        // A larger disk: it goes on without being opened again.
        disk.bytes.store(64 * MIB, Ordering::SeqCst);
        for n in more..more + 20 {
            let new = NewExecution::new("j").id(format!("e{n}")).payload(payload());
            store.write(|w| Ok(w.create(new)?)).unwrap();
        }
        check(&store, many / 2..more + 20);
        drop(store);
        check(&open(), many / 2..more + 20);
    }
}

#[test]
fn a_transaction_that_is_larger_than_the_disk_leaves_nothing() {
    for journal in [true, false] {
        let disk = Quota::new(4 * MIB);
        let mut builder = Store::builder();
        builder.set_journal_size(0).set_cache_size(256 * 1024);
        let store = match journal {
            true => builder.create_file_with_backend(disk.clone()).unwrap(),
            false => builder.create_with_backend(disk.clone()).unwrap(),
        };
        store.write(|w| Ok(w.create(NewExecution::new("j").id("e0").payload(payload()))?)).unwrap();
        let error = store
            .write(|w| {
                let mut source = io::repeat(7);
                Ok(w.put_attachment_from("e0", "big", "x", &mut io::Read::take(&mut source, 100 * MIB))?)
            })
            .unwrap_err();
        assert!(is_full(&error), "{error:?}");
        check(&store, 0..1);
        assert!(store.begin_read().unwrap().attachments("e0").list().unwrap().next().is_none());
    }
}

#[test]
fn a_real_disk_that_is_full_keeps_a_reserve_for_what_makes_room() {
    for kind in ["tmpfs", "ext4"] {
        let Some(disk) = Mounted::new(kind, 64 * MIB) else {
            println!("skipped: no {kind} can be mounted here");
            continue;
        };
        let path = disk.path().join("s");
        // With the default reserve nothing fits on so small a disk, and that is said.
        let mut builder = Store::builder();
        builder.set_journal_size(2 * MIB);
        let store = builder.create_new(&path).unwrap();
        assert_eq!(fill(&store, 0), 0);
        store.close().unwrap();
        builder.set_reserve(24 * MIB);
        let store = builder.open(&path).unwrap();
        let many = fill(&store, 0);
        assert!(many > 100, "{kind}: {many}");
        check(&store, 0..many);
        store.write(|w| Ok(w.delete("e0")?)).unwrap();
        drop(store);
        // Others fill the rest.
        let rest = vec![1; MIB as usize];
        let mut filler = std::fs::File::create(disk.path().join("filler")).unwrap();
        while io::Write::write(&mut filler, &rest).is_ok_and(|written| written > 0) {}
        let store = builder.open(&path).unwrap();
        check(&store, 1..many);
        // Where the file's end has no place on the disk yet, even a deletion may need some: as much as a commit that brings the
        // database up to date, which is less than the reserve.
        let filled = filler.metadata().unwrap().len();
        assert!(filled >= 10 * MIB, "{kind}: {filled}");
        filler.set_len(filled - 10 * MIB).unwrap();
        store.write(|w| Ok(w.delete("e1")?)).unwrap();
        // Nothing is to be under way while others take the last of it.
        drop(store);
        let store = builder.open(&path).unwrap();
        while io::Write::write(&mut filler, &rest).is_ok_and(|written| written > 0) {}
        store.close().unwrap();
        let reader = builder.open_read_only(&path).unwrap();
        check(&reader, 2..many);
        drop(reader);
        drop(filler);
        std::fs::remove_file(disk.path().join("filler")).unwrap();
        let store = builder.open(&path).unwrap();
        for n in 2..many / 2 {
            store.write(|w| Ok(w.delete(format!("e{n}"))?)).unwrap();
        }
        check(&store, many / 2..many);
    }
}

/// Whatever the reserve is, and with none: a disk that is full is told of before redb has begun to write.
#[test]
fn a_real_disk_that_is_full_is_told_of_in_time_without_a_reserve() {
    for (journal, reserve) in [(true, 0), (false, 0), (true, 64 * 1024), (false, 64 * 1024)] {
        let Some(disk) = Mounted::new("tmpfs", 10 * MIB) else {
            println!("skipped: no tmpfs can be mounted here");
            return;
        };
        let path = disk.path().join("s");
        let mut builder = Store::builder();
        builder.set_reserve(reserve).set_journal(journal);
        let store = builder.create_new(&path).unwrap();
        let many = fill(&store, 0);
        assert!(many > 50, "{journal} {reserve}: {many}");
        assert!(store.health().is_sound());
        check(&store, 0..many);
        // As a crash leaves it, on the full disk: opened, as long as it is to be read, and on a larger one.
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("s");
        std::fs::copy(&path, &copy).unwrap();
        check(&builder.open(&copy).unwrap(), 0..many);
        assert_eq!(fill(&store, many), many);
        store.close().unwrap();
        let store = builder.open(&path).unwrap();
        check(&store, 0..many);
        match store.write(|w| Ok(w.delete("e0")?)) {
            Ok(_) => check(&store, 1..many),
            Err(error) => {
                assert!(is_full(&error), "{error:?}");
                check(&store, 0..many);
            }
        }
        assert!(store.health().is_sound());
        store.close().unwrap();
        // A larger disk: it goes on.
        let size = format!("remount,size={}", 64 * MIB);
        assert!(Command::new("mount").args(["-o", &size]).arg(disk.path()).status().unwrap().success());
        let store = builder.open(&path).unwrap();
        for n in many..many + 20 {
            let new = NewExecution::new("j").id(format!("e{n}")).payload(payload());
            store.write(|w| Ok(w.create(new)?)).unwrap();
        }
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "{report}");
    }
}
