//! A store is one file: whatever is done to a file is done to the whole store, and what its journal lost is told.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use support::image;

use execstore::error::{BatchError, OpenError, StorageError};
use execstore::redb::{Database, TableDefinition};
use execstore::status::JournalLoss;
use execstore::{Builder, Error, Readable, Store};
use support::contents::contents;
use support::image::{RECORDS, REGION, SECTOR, image_offset, written};
use support::{TestStore, create};

fn entries(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The bytes of a store that was left by a crash, after so many commits, the heads after each and what it held.
fn crashed(commits: usize) -> (Vec<u8>, String) {
    let store = TestStore::new();
    for n in 0..commits {
        create(&store, &format!("e{n}"));
    }
    (std::fs::read(store.path()).unwrap(), contents(&store))
}

fn open_bytes(bytes: &[u8]) -> (tempfile::TempDir, Result<Store, OpenError>) {
    open_with(&Store::builder(), bytes)
}

fn open_with(builder: &Builder, bytes: &[u8]) -> (tempfile::TempDir, Result<Store, OpenError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    std::fs::write(&path, bytes).unwrap();
    let opened = builder.open(&path);
    if opened.is_err() {
        assert!(std::fs::read(&path).unwrap() == bytes, "a refused file was changed");
    }
    assert_eq!(entries(folder.path()), ["s"]);
    (folder, opened)
}

fn loss_of(opened: Result<Store, OpenError>) -> JournalLoss {
    match opened {
        Err(OpenError::JournalDamaged { loss, .. }) => loss,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_ever_lies_beside_the_file() {
    let mut store = TestStore::new();
    create(&store, "e");
    assert_eq!(entries(store.folder()), ["store.redb"]);
    let copy = store.crash_copy();
    assert_eq!(entries(copy.folder()), ["store.redb"]);
    store.reopen();
    let before = contents(&store);
    let path = store.path();
    let folder = store.into_folder();
    assert_eq!(entries(folder.path()), ["store.redb"]);
    // Whatever it is called, and wherever it lies.
    let moved = folder.path().join("moved");
    std::fs::rename(&path, &moved).unwrap();
    assert_eq!(contents(&Store::open(&moved).unwrap()), before);
}

#[test]
fn a_users_file_of_any_name_beside_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("report-journal"), "precious").unwrap();
    symlink(at("target"), at("report.new")).unwrap();
    std::fs::write(at("target"), "precious too").unwrap();
    let store = Store::create_new(at("report")).unwrap();
    create(&store, "e");
    store.close().unwrap();
    assert_eq!(entries(folder.path()), ["report", "report-journal", "report.new", "target"]);
    assert_eq!(std::fs::read(at("report-journal")).unwrap(), b"precious");
    assert_eq!(std::fs::read(at("target")).unwrap(), b"precious too");
}

#[test]
fn a_file_moved_aside_after_a_crash_and_another_in_its_place_do_not_know_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (bytes, before) = crashed(50);
    std::fs::write(at("aside"), &bytes).unwrap();
    let new = Store::builder().open_or_create(at("s")).unwrap();
    new.close().unwrap();
    assert_eq!(contents(&Store::open(at("aside")).unwrap()), before);
}

#[test]
fn renames_of_the_file_and_of_its_folder_while_it_is_open_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    std::fs::create_dir(&old).unwrap();
    let store = Store::create_new(old.join("s")).unwrap();
    create(&store, "e0");
    std::fs::rename(&old, &new).unwrap();
    // Another store at the old place.
    std::fs::create_dir(&old).unwrap();
    let other = Store::create_new(old.join("s")).unwrap();
    create(&other, "x");
    create(&store, "e1");
    std::fs::rename(new.join("s"), new.join("t")).unwrap();
    create(&store, "e2");
    let before = contents(&store);
    store.close().unwrap();
    create(&other, "y");
    let left = std::fs::read(old.join("s")).unwrap();
    let (_folder, opened) = open_bytes(&left);
    assert_eq!(contents(&opened.unwrap()), contents(&other));
    assert_eq!(contents(&Store::open(new.join("t")).unwrap()), before);
}

#[test]
fn a_file_that_was_replaced_while_it_was_open_keeps_both_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let first = Store::create_new(&path).unwrap();
    create(&first, "e");
    let (bytes, before) = crashed(3);
    std::fs::write(folder.path().join("other"), &bytes).unwrap();
    std::fs::rename(folder.path().join("other"), &path).unwrap();
    let second = Store::open(&path).unwrap();
    for n in 0..200 {
        create(&first, &format!("a{n}"));
        create(&second, &format!("b{n}"));
    }
    drop(first);
    let copy = std::fs::read(&path).unwrap();
    let (_folder, opened) = open_bytes(&copy);
    let opened = opened.unwrap();
    assert_eq!(contents(&opened), contents(&second));
    assert!(contents(&opened) != before && opened.read(|r| Ok(r.get("a1")?)).unwrap().is_none());
}

#[test]
fn links_lead_to_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (bytes, before) = crashed(3);
    std::fs::write(at("real"), &bytes).unwrap();
    symlink(at("real"), at("soft")).unwrap();
    std::fs::hard_link(at("real"), at("hard")).unwrap();
    for name in ["soft", "hard", "real"] {
        let store = Store::open(at(name)).unwrap();
        assert_eq!(contents(&store), before, "{name}");
        for other in ["soft", "hard", "real"] {
            let error = Store::open(at(other)).unwrap_err();
            assert!(matches!(error, OpenError::AlreadyOpen { .. }), "{name}, then {other}: {error:?}");
        }
        std::fs::write(at("crash"), std::fs::read(at("real")).unwrap()).unwrap();
        assert_eq!(contents(&Store::open(at("crash")).unwrap()), before);
    }
    symlink(at("nowhere"), at("dangling")).unwrap();
    for opened in [Store::open(at("dangling")), Store::builder().open_or_create(at("dangling"))] {
        let error = opened.unwrap_err();
        assert!(!at("nowhere").exists(), "{error}");
    }
}

#[test]
fn mode_and_owner_are_those_that_were_asked_for_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [0o600, 0o640, 0o660] {
        let path = folder.path().join(format!("{mode:o}"));
        let store = Store::builder().set_mode(mode).create_new(&path).unwrap();
        create(&store, "e");
        let found = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found(), mode);
        drop(store);
        create(&Store::open(&path).unwrap(), "f");
        assert_eq!(found(), mode);
    }
    // Giving away what is one's own to oneself is allowed to everybody.
    let path = folder.path().join("own");
    drop(Store::builder().set_owner(None, None).create_new(&path).unwrap());
    assert!(Store::open(&path).is_ok());
}

#[test]
fn a_file_that_is_empty_gets_a_store_and_keeps_its_mode_and_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for journal in [true, false] {
        std::fs::write(at("s"), "").unwrap();
        std::fs::set_permissions(at("s"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::hard_link(at("s"), at("other")).unwrap();
        let error = Store::open(at("s")).unwrap_err();
        assert!(matches!(error, OpenError::Empty { .. }), "{error:?}");
        let store = Store::builder().set_journal(journal).open_or_create(at("s")).unwrap();
        create(&store, "e");
        drop(store);
        assert_eq!(std::fs::metadata(at("s")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(Store::open(at("other")).unwrap().read(|r| Ok(r.get("e")?)).unwrap().is_some());
        std::fs::remove_file(at("s")).unwrap();
        std::fs::remove_file(at("other")).unwrap();
    }
}

#[test]
fn a_store_whose_making_in_an_empty_file_was_ended_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let whole = {
        let store = TestStore::new();
        let path = store.path();
        let _folder = store.into_folder();
        std::fs::read(path).unwrap()
    };
    // The head is written last. What stands there before says that the rest is not to be relied on.
    let mut unfinished = whole.clone();
    for place in [0, 4096] {
        unfinished[place..place + SECTOR].fill(0);
    }
    unfinished[..12].copy_from_slice(b"execstore\x1a..");
    std::fs::write(&path, &unfinished).unwrap();
    assert!(matches!(Store::open(&path).unwrap_err(), OpenError::Empty { .. }));
    let store = Store::builder().open_or_create(&path).unwrap();
    create(&store, "e");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn a_new_store_is_small() {
    let folder = tempfile::tempdir().unwrap();
    let len = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
    drop(Store::create_new(folder.path().join("with")).unwrap());
    drop(Store::builder().set_journal(false).create_new(folder.path().join("without")).unwrap());
    drop(Store::builder().set_journal_size(0).create_new(folder.path().join("least")).unwrap());
    assert!(len("with") <= 7 * 1024 * 1024, "{}", len("with"));
    assert!(len("without") < 512 * 1024 && len("least") < 512 * 1024, "{} {}", len("without"), len("least"));
}

#[test]
fn a_journal_of_any_size_loses_nothing() {
    for size in [0, 300_000, 8 * 1024 * 1024] {
        let store = TestStore::with(Store::builder().set_journal_size(size));
        for n in 0..400 {
            create(&store, &format!("e{n}"));
        }
        let before = contents(&store);
        assert!(contents(&store.crash_copy()) == before, "{size}");
    }
}

#[test]
fn a_torn_end_is_nothing_and_each_commit_is_there_whole_or_not() {
    let (bytes, _) = crashed(8);
    let sectors = written(&bytes);
    assert!(sectors >= 7, "{sectors}");
    let mut heads = Vec::new();
    for kept in 0..=sectors {
        let mut torn = bytes.clone();
        torn[RECORDS + kept * SECTOR..RECORDS + sectors * SECTOR].fill(0);
        let (_folder, opened) = open_bytes(&torn);
        let store = opened.unwrap();
        assert!(store.verify().unwrap().is_clean());
        let head = store.read(|r| Ok(r.log().head()?)).unwrap().get();
        let found = store.begin_read().unwrap().by_job("j").unwrap().count();
        assert_eq!(found as u64, head, "whole transactions only");
        create(&store, "goes on");
        heads.push(head);
    }
    assert!(heads.is_sorted() && heads[0] == 1 && heads.last() == Some(&8), "{heads:?}");
}

#[test]
fn damage_anywhere_in_the_journal_is_told_with_what_is_lost_and_has_two_ways_out() {
    let (bytes, before) = crashed(50);
    let sectors = written(&bytes);
    let mut heads = Vec::new();
    for sector in 0..sectors {
        let mut damaged = bytes.clone();
        damaged[RECORDS + sector * SECTOR + (sector * 37) % SECTOR] ^= 1 << (sector % 8);
        let (_folder, opened) = open_bytes(&damaged);
        let text = opened.as_ref().unwrap_err().to_string();
        let loss = loss_of(opened);
        for part in ["Builder::open_at_checkpoint", "Builder::accept_loss", &loss.to_string()] {
            assert!(text.contains(part), "{text}");
        }
        heads.push(loss.after().get());

        // The last checkpoint, to be read.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, &damaged).unwrap();
        loss_of(Store::builder().open_read_only(&path));
        let old = Store::builder().open_at_checkpoint(&path).unwrap();
        assert!(old.read(|r| Ok(r.log().head()?)).unwrap() <= loss.after());
        assert!(old.verify().unwrap().is_clean());
        drop(old);
        assert!(std::fs::read(&path).unwrap() == damaged, "reading has changed it");

        // Another loss is not this one.
        let mut other = Store::builder();
        other.accept_loss("loss-0000000000000001-1-1-1".parse().unwrap());
        loss_of(other.open(&path));
        // The loss by name.
        let mut builder = Store::builder();
        builder.accept_loss(loss.to_string().parse().unwrap());
        let store = builder.open(&path).unwrap();
        assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap(), loss.after());
        assert!(store.verify().unwrap().is_clean());
        create(&store, "goes on");
        drop(store);
        assert_eq!(
            Store::open(&path).unwrap().read(|r| Ok(r.log().head()?)).unwrap().get(),
            loss.after().get() + 1
        );
    }
    assert!(heads.is_sorted() && heads[0] == 1 && heads.last() == Some(&49), "{heads:?}");
    let (_folder, opened) = open_bytes(&bytes);
    assert_eq!(contents(&opened.unwrap()), before);
}

#[test]
fn a_bit_that_flipped_behind_the_last_record_loses_nothing_and_opens() {
    let (bytes, before) = crashed(20);
    let sectors = written(&bytes);
    for (place, bit) in (sectors..sectors + 4).zip([0, 3, 5, 7]) {
        let mut flipped = bytes.clone();
        flipped[RECORDS + place * SECTOR + place * 41 % SECTOR] ^= 1 << bit;
        let (folder, opened) = open_bytes(&flipped);
        let store = opened.unwrap();
        assert!(contents(&store) == before, "sector {place}");
        create(&store, "goes on");
        // Without a clean end, again.
        let copy = folder.path().join("copy");
        std::fs::copy(folder.path().join("s"), &copy).unwrap();
        let again = Store::open(&copy).unwrap();
        assert!(contents(&again) == contents(&store));
        assert!(again.verify().unwrap().is_clean());
    }
    // Two bits of one sector: nothing says that there was no record.
    let mut damaged = bytes.clone();
    damaged[RECORDS + sectors * SECTOR + 7] ^= 1;
    damaged[RECORDS + sectors * SECTOR + 300] ^= 1;
    assert_eq!(loss_of(open_bytes(&damaged).1).after().get(), 20);
}

#[test]
fn an_accepted_loss_makes_another_incarnation() {
    let (mut bytes, _) = crashed(10);
    let (_folder, opened) = open_bytes(&bytes);
    let incarnation = opened.unwrap().begin_read().unwrap().incarnation();
    bytes[RECORDS + 100] ^= 1;
    let loss = loss_of(open_bytes(&bytes).1);
    let mut builder = Store::builder();
    builder.accept_loss(loss);
    let (_folder, opened) = open_with(&builder, &bytes);
    assert_ne!(opened.unwrap().begin_read().unwrap().incarnation(), incarnation);
}

#[test]
fn a_journal_that_was_lost_or_put_back_from_an_older_copy_is_told() {
    let store = TestStore::with(Store::builder().set_journal_size(0));
    create(&store, "e0");
    let older = std::fs::read(store.path()).unwrap();
    for n in 1..600 {
        create(&store, &format!("e{n}"));
    }
    let bytes = std::fs::read(store.path()).unwrap();
    let image = image_offset(&bytes);
    for (what, region) in [("lost", vec![0; image - REGION]), ("older", older[REGION..image].to_vec())] {
        let mut wrong = bytes.clone();
        wrong[REGION..image].copy_from_slice(&region);
        let (_folder, opened) = open_bytes(&wrong);
        let loss = loss_of(opened);
        assert!(loss.after().get() > 1, "{what}");
    }
    // A hole that ends before an acknowledged record.
    let half = ((image - REGION) / SECTOR - 8) / 2 * SECTOR;
    let holes = [RECORDS, RECORDS + half].map(|at| {
        let mut hole = bytes.clone();
        hole[at..at + SECTOR].fill(0);
        match open_bytes(&hole) {
            // The image has all that was in this half.
            (_folder, Ok(opened)) => assert_eq!(contents(&opened), contents(&store)),
            (_folder, refused) => return Some(loss_of(refused)),
        }
        None
    });
    assert!(holes.iter().any(Option::is_some));
}

#[test]
fn a_head_is_read_from_its_copy_and_without_both_nothing_is_touched() {
    let (bytes, before) = crashed(3);
    for (first, second, good) in [(true, false, true), (false, true, true), (true, true, false)] {
        let mut damaged = bytes.clone();
        damaged[30] ^= u8::from(first);
        damaged[4096 + 30] ^= u8::from(second);
        let (_folder, opened) = open_bytes(&damaged);
        match good {
            true => assert_eq!(contents(&opened.unwrap()), before),
            false => assert!(matches!(opened.unwrap_err(), OpenError::Damaged { .. })),
        }
    }
}

#[test]
fn a_file_without_its_database_is_damage_and_no_new_store() {
    let (bytes, _) = crashed(3);
    let image = image_offset(&bytes);
    for len in [image, image + 8, image - 1, 9000] {
        let (_folder, opened) = open_bytes(&bytes[..len]);
        let error = opened.unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{len}: {error:?}");
    }
    let mut zeros = bytes.clone();
    zeros[image..].fill(0);
    assert!(matches!(open_bytes(&zeros).1.unwrap_err(), OpenError::Damaged { .. }));
}

#[test]
fn the_image_of_another_file_is_refused() {
    let (one, _) = crashed(3);
    let (two, _) = crashed(3);
    let image = image_offset(&one);
    assert_eq!(image, image_offset(&two));
    let mixed = [&one[..image], &two[image..]].concat();
    let error = open_bytes(&mixed).1.unwrap_err();
    assert!(error.to_string().contains("do not belong together"), "{error}");
}

#[test]
fn a_newer_format_in_the_head_is_refused() {
    let (mut bytes, _) = crashed(1);
    for place in [0, 4096] {
        bytes[place + 12] = 2;
        bytes[place + 200] = 7;
    }
    let error = open_bytes(&bytes).1.unwrap_err();
    assert!(matches!(error, OpenError::Format { found: 2, supported: 1 }), "{error:?}");
}

#[test]
fn the_inside_of_a_file_can_be_attached_once_it_is_closed() {
    let mut store = TestStore::new();
    create(&store, "e");
    let copy = store.crash_copy();
    let crashed = tempfile::tempdir().unwrap();
    let path = crashed.path().join("image");
    let bytes = std::fs::read(store.path()).unwrap();
    std::fs::write(&path, &bytes[image_offset(&bytes)..]).unwrap();
    let error = Store::attach(Arc::new(Database::open(&path).unwrap())).unwrap_err();
    assert!(matches!(error, OpenError::JournalPending), "{error:?}");
    store.reopen();
    let (path, before) = (store.path(), contents(&store));
    let folder = store.into_folder();
    let attached = Store::attach(Arc::new(image::database(&path))).unwrap();
    assert_eq!(contents(&attached), before);
    drop((attached, folder, copy));
}

#[test]
fn a_store_without_a_journal_is_a_redb_file_and_one_with_it_can_do_without() {
    let without = TestStore::with(Store::builder().set_journal(false));
    create(&without, "e");
    assert_eq!(&std::fs::read(without.path()).unwrap()[..4], b"redb");
    assert_eq!(contents(&without.crash_copy()), contents(&without));
    let (bytes, before) = crashed(3);
    let mut builder = Store::builder();
    builder.set_journal(false);
    let (folder, opened) = open_with(&builder, &bytes);
    let store = opened.unwrap();
    assert_eq!(contents(&store), before);
    create(&store, "f");
    let after = std::fs::read(folder.path().join("s")).unwrap();
    assert!(
        after[RECORDS..image_offset(&after)] == bytes[RECORDS..image_offset(&bytes)],
        "it wrote a record"
    );
    let (_folder, copy) = open_bytes(&after);
    assert_eq!(contents(&copy.unwrap()), contents(&store));
}

#[test]
fn a_closed_file_is_read_without_its_journal() {
    let store = TestStore::new();
    create(&store, "e");
    let before = contents(&store);
    let path = store.path();
    let _folder = store.into_folder();
    let mut bytes = std::fs::read(&path).unwrap();
    let image = image_offset(&bytes);
    bytes[REGION..image].fill(0xaa);
    let (_folder, opened) = open_bytes(&bytes);
    assert_eq!(contents(&opened.unwrap()), before);
}

#[test]
fn a_file_that_lies_about_its_size_costs_no_memory() {
    let (bytes, before) = crashed(2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    std::fs::write(&path, &bytes).unwrap();
    // A hole of a terabyte behind the end.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    if let Ok(store) = Store::open(&path) {
        assert_eq!(contents(&store), before);
    }
}

#[test]
fn writing_to_a_store_that_is_read_only_says_so() {
    let (bytes, before) = crashed(5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    std::fs::write(&path, &bytes).unwrap();
    let one = Store::builder().open_read_only(&path).unwrap();
    let two = Store::builder().open_read_only(&path).unwrap();
    for store in [&one, &two] {
        assert_eq!(contents(store), before);
        assert!(store.verify().unwrap().is_clean());
        let refused = store.write(|w| Ok(w.delete("e0")?)).unwrap_err();
        assert!(matches!(refused, Error::Storage(StorageError::ReadOnly { .. })), "{refused:?}");
        assert!(store.submit(|w| Ok(w.delete("e0")?)).refused());
        assert!(store.maintain().is_err() || store.maintain().is_ok_and(|done| done.trimmed == 0));
    }
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyOpen { .. }), "{error:?}");
    drop(one);
    two.close().unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes, "reading has changed it");
    let writer = Store::open(&path).unwrap();
    assert_eq!(contents(&writer), before);
    let error = Store::builder().open_read_only(&path).unwrap_err();
    assert!(matches!(error, OpenError::AlreadyOpen { .. }), "{error:?}");
}

#[test]
fn a_write_past_a_read_only_store_is_an_error_and_no_silent_loss() {
    let (bytes, before) = crashed(5);
    for end in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        std::fs::write(&path, &bytes).unwrap();
        let store = Store::builder().open_read_only(&path).unwrap();
        let txn = store.share_database().begin_write().unwrap();
        txn.open_table(TableDefinition::<u8, u8>::new("own")).unwrap().insert(1, 2).unwrap();
        let error = txn.commit().unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error:?}");
        match end {
            true => store.close().unwrap(),
            false => drop(store),
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "it was written to");
        assert_eq!(contents(&Store::builder().open_read_only(&path).unwrap()), before);
    }
}

/// A write that was submitted is refused at once, or when it is waited for.
trait Refused {
    fn refused(self) -> bool;
}

impl<T> Refused for Result<execstore::group_commit::Pending<T>, BatchError> {
    fn refused(self) -> bool {
        self.is_err() || self.is_ok_and(|pending| pending.wait().is_err())
    }
}

#[test]
fn a_read_only_file_in_a_read_only_folder_can_be_read_after_a_crash() {
    let (bytes, before) = crashed(5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    std::fs::write(&path, &bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let store = Store::builder().open_read_only(&path).unwrap();
    assert_eq!(contents(&store), before);
    drop(store);
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(std::fs::read(&path).unwrap() == bytes);
    assert_eq!(entries(folder.path()), ["s"]);
    // A store without a journal too.
    let without = TestStore::with(Store::builder().set_journal(false));
    create(&without, "e");
    let copy = folder.path().join("plain");
    let bytes = std::fs::read(without.path()).unwrap();
    std::fs::write(&copy, &bytes).unwrap();
    assert_eq!(contents(&Store::builder().open_read_only(&copy).unwrap()), contents(&without));
    assert!(std::fs::read(&copy).unwrap() == bytes);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let (link, target) = (folder.path().join("link"), folder.path().join("nowhere"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let builder = Store::builder();
    let each = [
        builder.open(&link),
        builder.create_new(&link),
        builder.open_or_create(&link),
        builder.open_read_only(&link),
        builder.open_at_checkpoint(&link),
    ];
    for opened in each {
        let Err(OpenError::DanglingLink { path, target: named }) = opened else { panic!("{opened:?}") };
        assert_eq!((path, named), (link.clone(), target.clone()));
    }
    assert!(!target.exists() && builder.compact(&link).is_err());
    // Once there is a store by that name, it is a link like any other.
    builder.create_new(&target).unwrap().close().unwrap();
    builder.open(&link).unwrap().close().unwrap();
}
