//! Tamper evidence: whatever is altered, reordered, added or removed is found, with its checksum put right.

use std::collections::BTreeMap;
use std::sync::Arc;

use execstore::attachments::NewAttachment;
use execstore::error::{LogProofError, OpenError};
use execstore::integrity::LogProof;
use execstore::outputs::OutputCap;
use execstore::redb::{self, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use execstore::tasks::TaskUpdate;
use execstore::{ChangeSeq, Json, NewEvent, NewExecution, Query, Readable, Store, Update};
use support::dice::Dice;
use support::{TestStore, ticking_clock};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

/// Up to where the log is trimmed.
const TRIMMED: u64 = 2_015;

/// A history with something in every table.
fn fill(store: &Store) {
    // More changes than one block of times has.
    store
        .write(|w| {
            w.create(NewExecution::new("busy").id("busy"))?;
            Ok((0..1_990)
                .try_for_each(|n| w.update("busy", Update::new().message(n.to_string())).map(drop))?)
        })
        .unwrap();
    for n in 0..30u64 {
        let id = format!("e{n}");
        let payload = json(&format!("{{\"n\": {n}, \"fill\": \"{}\"}}", "x".repeat(n as usize * 70)));
        let mut new =
            NewExecution::new(format!("j{}", n / 3)).id(&id).label("k", (n % 4).to_string()).payload(payload);
        if n % 3 > 0 {
            new = new.parent(format!("e{}", n - 1)).previous(format!("e{}", n - n % 3));
            new = new.namespace(format!("n{}", n % 5));
        }
        store
            .write(|w| Ok(w.create(new.event(NewEvent::new("a").message(&id)).event(NewEvent::new("b")))?))
            .unwrap();
        for to in ["BidAccepted", "Running", "Publishing", "Completed"].iter().take(n as usize % 5) {
            let update = Update::to(to).merge_payload(json("{\"to\": 1}")).message(*to);
            store.update(&id, update.event(NewEvent::new(*to).details(json("{\"d\": [1]}")))).unwrap();
        }
        store.put_attachment(&id, NewAttachment::bytes("small", vec![1; n as usize])).unwrap();
        store.put_task(&id, TaskUpdate::started("one")).unwrap();
        store.put_task(&id, TaskUpdate::finished("two").value(json("[1]"))).unwrap();
        if n % 7 == 0 {
            store.put_attachment(&id, NewAttachment::bytes("large", vec![2; 70_000])).unwrap();
            store.cap_output(&id, "stdout", OutputCap::Tail(5_000)).unwrap();
            store.append_output(&id, "stdout", vec![3; 7_000]).unwrap();
        }
    }
    let visits = store.track_visits();
    (0..30).for_each(|n| visits.visit(format!("e{}", n / 2)));
    visits.flush().unwrap();
    for n in [4, 9, 20] {
        store.delete(format!("e{n}")).unwrap();
    }
    store.write(|w| Ok(w.set_checkpoint("reader", ChangeSeq(TRIMMED + 25))?)).unwrap();
    store.write(|w| Ok(w.trim_changes(ChangeSeq(TRIMMED - 5))?)).unwrap();
    store.maintain().unwrap();
    store
        .bulk(Query::new().state("New"))
        .name("stopped")
        .batch(1)
        .on_progress(|_| std::ops::ControlFlow::Break(()))
        .update(Update::new().message("bulk"))
        .unwrap();
    // Rows that wait to be removed, of each kind: nothing is written after them.
    let events: Vec<_> = (0..600).map(|_| NewEvent::new("t")).collect();
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("gone").events(events))?;
            w.put_task("gone", TaskUpdate::started("one"))?;
            w.put_attachment("gone", NewAttachment::bytes("large", vec![2; 70_000]))?;
            w.delete("gone")?;
            w.put_attachment("e0", NewAttachment::bytes("large", vec![3; 70_000]))?;
            w.cap_output("e0", "stdout", OutputCap::Tail(10)).map(drop)?;
            let mut own = w.open_bucket("own")?;
            own.set_logged(true)?;
            for n in 0..40_u8 {
                own.put([n], [n; 60])?;
                own.open_bucket(format!("inner-{n}"))?.put("k", [n])?;
            }
            own.delete_bucket("inner-7")?;
            Ok(w.trim_changes(ChangeSeq(TRIMMED))?)
        })
        .unwrap();
}

const TABLES: [(&str, usize); 29] = [
    ("meta", 0),
    ("totals", 0),
    ("ids", 0),
    ("executions", 8),
    ("payloads", 16),
    ("events", 16),
    ("jobs", 0),
    ("states", 9),
    ("changes", 8),
    ("checkpoints", 0),
    ("labels", 0),
    ("label_counts", 0),
    ("links", 0),
    ("completions", 16),
    ("last_changes", 8),
    ("time_blocks", 9),
    ("bulk_progress", 0),
    ("attachments", 0),
    ("outputs", 0),
    ("chunks", 16),
    ("tasks", 16),
    ("task_names", 0),
    ("task_counts", 8),
    ("visits", 8),
    ("removals", 9),
    ("last_change_bits", 8),
    ("namespaces", 0),
    ("buckets", 0),
    ("bucket_rows", 0),
];

/// Opens a table, whatever its keys are, and does something with it that takes and gives bytes.
macro_rules! table {
    ($txn:expr, $tag:expr, |$table:ident| $body:expr) => {{
        let (name, width) = TABLES[$tag];
        let name = format!("execstore/{name}");
        macro_rules! keyed {
            ($key:ty) => {{
                let $table = $txn.open_table(TableDefinition::<$key, &[u8]>::new(&name)).unwrap();
                $body
            }};
        }
        match width {
            8 => keyed!(&[u8; 8]),
            9 => keyed!(&[u8; 9]),
            16 => keyed!(&[u8; 16]),
            _ => keyed!(&[u8]),
        }
    }};
}

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

fn rows(db: &Database, tag: usize) -> Rows {
    let txn = db.begin_read().unwrap();
    table!(txn, tag, |table| table
        .iter()
        .unwrap()
        .map(|row| row.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())).unwrap())
        .collect())
}

fn put_in<K: redb::Key + 'static>(
    txn: &redb::WriteTransaction,
    name: &str,
    rows: &[(Vec<u8>, Option<Vec<u8>>)],
    key: for<'a> fn(&'a [u8]) -> K::SelfType<'a>,
) {
    let mut table = txn.open_table(TableDefinition::<K, &[u8]>::new(name)).unwrap();
    for (bytes, value) in rows {
        match value {
            Some(value) => drop(table.insert(key(bytes), value.as_slice()).unwrap()),
            None => drop(table.remove(key(bytes)).unwrap()),
        }
    }
}

/// Sets or removes rows, without waiting for the disk.
fn put(db: &Database, tag: usize, rows: &[(Vec<u8>, Option<Vec<u8>>)]) {
    let mut txn = db.begin_write().unwrap();
    txn.set_durability(Durability::None).unwrap();
    let name = format!("execstore/{}", TABLES[tag].0);
    match TABLES[tag].1 {
        8 => put_in::<&[u8; 8]>(&txn, &name, rows, |key| key.try_into().unwrap()),
        9 => put_in::<&[u8; 9]>(&txn, &name, rows, |key| key.try_into().unwrap()),
        16 => put_in::<&[u8; 16]>(&txn, &name, rows, |key| key.try_into().unwrap()),
        _ => put_in::<&[u8]>(&txn, &name, rows, |key| key),
    }
    txn.commit().unwrap();
}

/// The value under another key, or with another body, its checksum put right.
fn framed(tag: usize, key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let sum = xxh3_64(&value[8..]) ^ xxh3_64_with_seed(key, tag as u64);
    value[..8].copy_from_slice(&sum.to_le_bytes());
    value
}

fn database(sealed: bool) -> Arc<Database> {
    let backend = redb::backends::InMemoryBackend::new();
    let db = Arc::new(redb::Builder::new().create_with_backend(backend).unwrap());
    let mut builder = Store::builder();
    builder.set_removal_step(500);
    let store = builder.set_tamper_evident(sealed).set_clock(ticking_clock()).attach(db.clone()).unwrap();
    fill(&store);
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    db
}

/// What an alteration did: the rows that it changed as they were before, in one table.
type Undo = (usize, Vec<(Vec<u8>, Option<Vec<u8>>)>);

/// One alteration, by its number alone; `None` if it would change nothing.
fn alter(db: &Database, all: &[Rows], case: u64) -> Option<(String, Undo)> {
    let mut dice = Dice::new(case);
    let tag = dice.roll(TABLES.len() as u64) as usize;
    let rows = &all[tag];
    let pick = |dice: &mut Dice| {
        let place = dice.roll(rows.len() as u64) as usize;
        rows.iter().nth(place).map(|(key, value)| (key.clone(), value.clone())).unwrap()
    };
    let (key, value) = pick(&mut dice);
    let (name, _) = TABLES[tag];
    let body = value.len() - 9;
    let (what, changes) = match dice.roll(10) {
        0 if rows.len() > 1 => (format!("{name}: a row is gone"), vec![(key, None)]),
        1 if rows.len() > 1 => {
            let (other, another) = pick(&mut dice);
            if value[8..] == another[8..] {
                return None;
            }
            let one = framed(tag, &key, another);
            let two = framed(tag, &other, value);
            (format!("{name}: two values are exchanged"), vec![(key, Some(one)), (other, Some(two))])
        }
        2 if name != "meta" && name != "totals" => {
            // A key that sorts where rows of this table are.
            let mut other = key.clone();
            let last = other.len() - 1;
            other[last] ^= 1 << dice.roll(7);
            if std::str::from_utf8(&other).is_err() && TABLES[tag].1 == 0 || rows.contains_key(&other) {
                return None;
            }
            let value = framed(tag, &other, value);
            (format!("{name}: a row is added"), vec![(other, Some(value))])
        }
        _ if body == 0 => return None,
        3 => {
            let mut longer = value;
            longer.push(dice.next() as u8);
            (format!("{name}: a byte more"), vec![(key.clone(), Some(framed(tag, &key, longer)))])
        }
        _ => {
            let mut changed = value;
            let at = 9 + dice.roll(body as u64) as usize;
            changed[at] ^= 1 + dice.roll(255) as u8;
            (
                format!("{name}: byte {at} of {}", body + 9),
                vec![(key.clone(), Some(framed(tag, &key, changed)))],
            )
        }
    };
    let undo = changes.iter().map(|(key, _)| (key.clone(), rows.get(key).cloned())).collect();
    put(db, tag, &changes);
    Some((what, (tag, undo)))
}

#[test]
fn every_alteration_is_found_with_its_checksum_put_right() {
    let cases: u64 =
        std::env::var("EXECSTORE_TAMPER_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let seed: u64 = std::env::var("EXECSTORE_SEED").map_or(0, |text| text.parse().unwrap());
    // Two halves on two threads: each has a database of its own.
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                let db = database(true);
                let all: Vec<Rows> = (0..TABLES.len()).map(|tag| rows(&db, tag)).collect();
                for (rows, (name, _)) in all.iter().zip(TABLES) {
                    assert!(!rows.is_empty(), "{name} has no rows");
                }
                let mut altered = 0;
                for case in (0..).map(|n| n * 2 + half + (seed << 32)) {
                    let Some((what, (tag, undo))) = alter(&db, &all, case) else { continue };
                    // Opened anew, as a reader of the file would.
                    let found = match Store::attach(db.clone()) {
                        Ok(store) => store.verify().map_or(true, |report| !report.is_clean()),
                        Err(_) => true,
                    };
                    assert!(found, "case {case}: {what}");
                    put(&db, tag, &undo);
                    altered += 1;
                    if altered * 2 >= cases {
                        break;
                    }
                }
                let report = Store::attach(db).unwrap().verify().unwrap();
                assert!(report.is_clean(), "{report}");
            });
        }
    });
}

fn exported(store: &Store) -> String {
    let mut log = Vec::new();
    store.begin_read().unwrap().log().export(.., &mut log).unwrap();
    String::from_utf8(log).unwrap()
}

#[test]
fn an_exported_log_proves_that_nothing_was_changed() {
    let store = TestStore::with(Store::builder().set_tamper_evident(true));
    fill(&store);
    let log = exported(&store);
    let r = store.begin_read().unwrap();
    let (head, anchor) = (r.log().chain_head().unwrap().unwrap(), r.log().chain_anchor().unwrap().unwrap());
    let proof = LogProof::check(log.as_bytes()).unwrap();
    assert_eq!((proof.head, proof.after), (head, anchor));
    assert_eq!((head.seq, anchor.seq), (r.log().head().unwrap(), ChangeSeq(TRIMMED)));

    let lines: Vec<&str> = log.lines().collect();
    let check = |lines: &[&str]| LogProof::check(lines.join("\n").as_bytes());
    let is_wrong = |lines: &[&str]| matches!(check(lines), Err(LogProofError::Line { .. }));
    let mut dice = Dice::new(7);
    for _ in 0..500 {
        let at = dice.roll(lines.len() as u64 - 1) as usize;
        let mut changed = lines.clone();
        match dice.roll(4) {
            0 if at > 0 => drop(changed.remove(at)),
            1 => changed.swap(at, at + 1),
            2 => changed.insert(at, lines[at]),
            _ => {
                // A digit or letter becomes another one.
                let mut bytes = lines[at].as_bytes().to_vec();
                let place = dice.roll(bytes.len() as u64) as usize;
                if !bytes[place].is_ascii_alphanumeric() {
                    continue;
                }
                bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
                let line = String::from_utf8(bytes).unwrap();
                let mut lines = lines.clone();
                lines[at] = &line;
                assert!(is_wrong(&lines), "{line}");
                continue;
            }
        }
        assert!(is_wrong(&changed));
    }
    // Lines that are right, of another log.
    let other = TestStore::with(Store::builder().set_tamper_evident(true));
    fill(&other);
    let others = exported(&other);
    for (at, line) in others.lines().enumerate().take(lines.len() - 1).step_by(10) {
        let mut changed = lines.clone();
        changed[at] = line;
        assert!(is_wrong(&changed), "line {at}");
    }
    // What is missing at the ends shows in the ends.
    assert_ne!(check(&lines[1..]).unwrap().after, anchor);
    assert_ne!(check(&lines[..lines.len() - 1]).unwrap().head, head);
    assert!(matches!(check(&[]), Err(LogProofError::Empty)));
}

#[test]
fn the_chain_goes_on_over_trims_and_openings() {
    let mut store = TestStore::with(Store::builder().set_tamper_evident(true));
    fill(&store);
    let before = LogProof::check(exported(&store).as_bytes()).unwrap();
    store.reopen();
    store.write(|w| Ok(w.delete_checkpoint("reader")?)).unwrap();
    let head = store.read(|r| Ok(r.log().head()?)).unwrap();
    store.write(|w| Ok(w.trim_changes(head)?)).unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!(r.log().chain_anchor().unwrap(), r.log().chain_head().unwrap());
    assert_eq!(r.log().chain_head().unwrap().unwrap(), before.head);
    drop(r);
    store.update("e0", Update::new().message("on")).unwrap();
    store.reopen();
    let after = LogProof::check(exported(&store).as_bytes()).unwrap();
    assert_eq!(after.after, before.head);
    // Chosen at creation: another setting changes nothing.
    let folder = store.into_folder();
    let path = folder.path().join("store.redb");
    let plain = folder.path().join("plain.redb");
    drop(Store::create_new(&plain).unwrap());
    let refused = Store::builder().set_tamper_evident(true).open(&plain);
    assert!(matches!(refused, Err(OpenError::NotTamperEvident)));
    let store = Store::builder().set_tamper_evident(false).open(&path).unwrap();
    assert!(store.read(|r| Ok(r.log().chain_head()?)).unwrap().is_some());
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn the_fingerprint_changes_with_whatever_is_written() {
    let mut store = TestStore::with(Store::builder().set_tamper_evident(true));
    let mut seen = std::collections::BTreeSet::new();
    let mut fingerprint =
        |store: &Store| seen.insert(store.read(|r| Ok(r.log().fingerprint()?)).unwrap().unwrap());
    assert!(fingerprint(&store));
    let steps: [fn(&Store); 6] = [
        |store| drop(store.create(NewExecution::new("j").id("e")).unwrap()),
        |store| drop(store.put_attachment("e", NewAttachment::bytes("k", "v")).unwrap()),
        |store| drop(store.append_output("e", "o", "x").unwrap()),
        |store| drop(store.put_task("e", TaskUpdate::started("n")).unwrap()),
        |store| store.write(|w| Ok(w.set_checkpoint("c", ChangeSeq(1))?)).unwrap(),
        |store| drop(store.delete("e").unwrap()),
    ];
    for step in steps {
        step(&store);
        assert!(fingerprint(&store));
        let before = store.read(|r| Ok(r.log().fingerprint()?)).unwrap();
        store.reopen();
        assert_eq!(
            store.read(|r| Ok(r.log().fingerprint()?)).unwrap(),
            before,
            "what does not change what is kept does not change it"
        );
        // A writer has its own.
        store.write(|w| Ok(w.log().fingerprint().map(|own| assert_eq!(own, before))?)).unwrap();
    }
    assert_eq!(TestStore::new().read(|r| Ok(r.log().fingerprint()?)).unwrap(), None);
}

/// Taken out of the two rows that say so, it is missed in the entries of the log.
#[test]
fn tamper_evidence_cannot_be_taken_away_unseen() {
    let (sealed, plain) = (database(true), database(false));
    let meta = rows(&plain, 0).into_iter().map(|(key, value)| (key, Some(value))).collect::<Vec<_>>();
    put(&sealed, 0, &meta);
    let totals = rows(&plain, 1).into_iter().map(|(key, value)| (key, Some(value))).collect::<Vec<_>>();
    put(&sealed, 1, &totals);
    let report = Store::attach(sealed).unwrap().verify().unwrap();
    assert!(report.problems.iter().any(|problem| problem.what.contains("not tamper-evident")), "{report}");
}

/// The entry behind the part that is trimmed is damaged: the anchor is that of the last one that goes.
#[test]
fn a_damaged_entry_does_not_stop_the_trimming() {
    let db = database(true);
    let store = Store::attach(db.clone()).unwrap();
    store.write(|w| Ok(w.delete_checkpoint("reader")?)).unwrap();
    let damaged = TRIMMED + 11;
    let key = damaged.to_be_bytes().to_vec();
    put(&db, 8, &[(key, Some(vec![7; 40]))]);
    let oldest = |store: &Store| store.read(|r| Ok(r.log().oldest()?)).unwrap().get();
    store.write(|w| Ok(w.trim_changes(ChangeSeq(damaged - 1))?)).unwrap();
    assert_eq!(oldest(&store), damaged);
    store.write(|w| Ok(w.trim_changes(ChangeSeq(damaged))?)).unwrap();
    assert_eq!(oldest(&store), damaged + 1);
    let proof = LogProof::check(exported(&store).as_bytes()).unwrap();
    assert_eq!(proof.after, store.read(|r| Ok(r.log().chain_anchor()?)).unwrap().unwrap());
}

#[test]
fn a_store_without_it_has_no_chain() {
    let store = TestStore::new();
    fill(&store);
    let r = store.begin_read().unwrap();
    assert_eq!((r.log().chain_head().unwrap(), r.log().chain_anchor().unwrap()), (None, None));
    let log = exported(&store);
    assert!(log.lines().count() > 50 && !log.contains("hash"));
    assert!(matches!(LogProof::check(log.as_bytes()), Err(LogProofError::Line { line: 1, .. })));
}

/// The campaign can fail: without the evidence much goes unseen.
#[test]
fn without_it_alterations_go_unseen() {
    let db = database(false);
    let all: Vec<Rows> = (0..TABLES.len()).map(|tag| rows(&db, tag)).collect();
    let unseen = (0..300).filter_map(|case| alter(&db, &all, case)).filter(|(_, (tag, undo))| {
        let store = Store::attach(db.clone());
        let clean = store.is_ok_and(|store| store.verify().is_ok_and(|report| report.is_clean()));
        put(&db, *tag, undo);
        clean
    });
    assert!(unseen.count() > 20);
}
