//! Every kind of row, gone, added or altered, is found and named; and what is clean is walked through once.

use std::sync::Arc;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, StorageBackend};

use super::checks::Verifier;
use super::sums::Group;
use super::{VerifyProblem, VerifyReport};
use crate::Json;
use crate::attachments::NewAttachment;
use crate::engine::file::{Image, Medium};
use crate::format::schema::{Bytes, Number, Pair, StateRow, Tag, tables};
use crate::format::{EncodedHeader, FRAME, PayloadPlace, finish_frame};
use crate::model::events::NewEvent;
use crate::model::execution::{Header, NewExecution, Update};
use crate::model::id::ChangeSeq;
use crate::model::outputs::OutputCap;
use crate::model::query::Query;
use crate::model::row_id::RowId;
use crate::model::tasks::TaskUpdate;
use crate::model::time::Timestamp;
use crate::model::visits::Visits;
use crate::read::View;
use crate::storage::{Live, Snapshot, Tables, counted};
use crate::store::Store;

/// A store with rows in every table, many of which have more pages than one.
fn database(sealed: bool) -> Arc<Database> {
    database_on(InMemoryBackend::new(), 1 << 30, sealed)
}

fn database_on(backend: impl StorageBackend, cache: usize, sealed: bool) -> Arc<Database> {
    let db = Arc::new(redb::Builder::new().set_cache_size(cache).create_with_backend(backend).unwrap());
    let mut builder = Store::builder();
    builder.set_removal_step(20).set_tamper_evident(sealed);
    let store = builder.attach(db.clone()).unwrap();
    let json = |bytes: usize| Json::from_text(&format!("\"{}\"", "x".repeat(bytes))).unwrap();
    store
        .write(|w| {
            for n in 0..400_u64 {
                let id = format!("e{n}");
                let mut new =
                    NewExecution::new(format!("j{}", n / 4)).id(&id).label("n", (n % 7).to_string());
                new = new.payload(json(if n % 9 == 0 { 1_500 } else { 20 }));
                if n % 3 > 0 {
                    new = new.parent(format!("e{}", n - n % 3)).previous(format!("e{}", n - 1));
                    new = new.namespace(format!("n{}", n % 11));
                }
                w.create(new.event(NewEvent::new("a")).event(NewEvent::new("b")))?;
                if n % 2 == 0 {
                    let update = Update::to("Failed").payload(json(n as usize * 3));
                    w.update(&id, update.event(NewEvent::new("c")))?;
                }
            }
            w.create(NewExecution::new("j").id("busy").parent("nobody"))?;
            for n in 0..700 {
                w.update("busy", Update::new().message(n.to_string()))?;
            }
            for n in 0..30 {
                let id = format!("e{}", n * 3);
                w.put_attachment(&id, NewAttachment::bytes("k", vec![7; 100_000]))?;
                w.append_output(&id, "o", vec![7; 9_000])?;
                w.cap_output(&id, "p", OutputCap::Tail(1_000))?;
                (0..9).try_for_each(|_| w.append_output(&id, "p", vec![7; 5_000]).map(drop))?;
                w.put_task(&id, TaskUpdate::started("n"))?;
                w.put_task(&id, TaskUpdate::started("m"))?;
                w.put_task(&id, TaskUpdate::finished("n"))?;
                w.add_visits(&id, Visits { count: 3, last: Timestamp::from_nanos(9) })?;
            }
            w.set_checkpoint("reader", ChangeSeq(900))?;
            w.set_checkpoint("another", ChangeSeq(800))?;
            w.trim_changes(ChangeSeq(250))?;
            let mut own = w.open_bucket("own")?;
            own.set_logged(true)?;
            own.open_bucket("inner-0")?.set_logged(true)?;
            for n in 0..300_u64 {
                own.put(format!("row-{n}"), [7; 40])?;
                own.open_bucket(format!("inner-{n}"))?.put("key", "value")?;
            }
            // Deleted attempts, over which the next ones are tied.
            for n in [31, 34, 301, 304] {
                w.delete(format!("e{n}"))?;
            }
            Ok(())
        })
        .unwrap();
    store.maintain().unwrap();
    let progress = |_: &_| std::ops::ControlFlow::Break(());
    for name in ["b", "c"] {
        store.bulk(Query::new()).name(name).batch(1).on_progress(progress).update(Update::new()).unwrap();
    }
    // What is left of these waits to be removed.
    store
        .write(|w| {
            w.delete("e69")?;
            w.open_bucket("own")?.delete_bucket("inner-9")?;
            w.open_bucket("own")?.put("last", "row")?;
            Ok(w.trim_changes(ChangeSeq(300))?)
        })
        .unwrap();
    db
}

fn check(db: &Arc<Database>) -> VerifyReport {
    Store::attach(db.clone()).unwrap().verify().unwrap()
}

fn rows(db: &Database, tag: Tag) -> Vec<(Vec<u8>, Vec<u8>)> {
    let tables = Tables::new(Snapshot::here(db.begin_read().unwrap()));
    let mut rows = Vec::new();
    let walked = tables
        .walk_any(tag, &mut |row| {
            let (key, value) = row.unwrap();
            rows.push((key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
    assert!(walked.is_whole());
    rows
}

fn put(db: &Database, tag: Tag, key: &[u8], value: Option<&[u8]>) {
    let txn = db.begin_write().unwrap();
    {
        let mut tables = Tables::new(Live::here(&txn));
        assert!(value.is_some() || tables.has_any(tag, key).unwrap());
        tables.redo_row(tag, key, value).unwrap();
    }
    txn.commit().unwrap();
}

/// The value, its checksum put right.
fn framed(tag: Tag, key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    finish_frame(tag, key, &mut value);
    value
}

/// Another key, which sorts among those of the table and belongs to nobody.
fn other_key(tag: Tag, key: &[u8]) -> Vec<u8> {
    let mut other = key.to_vec();
    let is_text = matches!(
        tag,
        Tag::Ids
            | Tag::LabelCounts
            | Tag::Attachments
            | Tag::Outputs
            | Tag::TaskNames
            | Tag::Namespaces
            | Tag::Buckets
            | Tag::BucketRows
    );
    let from_end = if is_text { 1 } else { 8 };
    let at = other.len() - from_end;
    *other.get_mut(at).unwrap() ^= 0x40;
    other
}

/// In which table the lack of a row shows; nowhere if nothing says that it must be there.
fn shows_in(tag: Tag) -> Vec<Tag> {
    match tag {
        Tag::Meta | Tag::Totals | Tag::Checkpoints | Tag::BulkProgress | Tag::Visits => vec![],
        Tag::Executions => vec![Tag::Ids],
        // It is missed by an entry of the log, or where there is none by the record.
        Tag::Payloads => vec![Tag::Changes, Tag::Payloads],
        Tag::Attachments | Tag::Outputs => vec![Tag::Chunks],
        Tag::Tasks => vec![Tag::TaskNames],
        Tag::TaskNames => vec![Tag::Tasks],
        Tag::Buckets => vec![Tag::Buckets, Tag::BucketRows],
        tag => vec![tag],
    }
}

#[test]
fn every_row_that_is_gone_added_or_altered_is_named() {
    let db = database(false);
    let clean = check(&db);
    assert!(clean.is_clean(), "{clean}");
    for tag in Tag::ALL.into_iter().filter(|tag| !matches!(tag, Tag::Meta | Tag::Totals)) {
        let rows = rows(&db, tag);
        assert!(!rows.is_empty(), "{tag:?} has no rows");
        for (key, value) in [rows.first(), rows.get(rows.len() / 2), rows.last()].into_iter().flatten() {
            let is_named = |what: &str, tables: &[Tag]| {
                let report = check(&db);
                let named = |table: &Tag| report.problems.iter().any(|problem| problem.table == table.name());
                assert!(
                    tables.iter().any(named),
                    "{tag:?}, {what}, key {key:02x?}, not told of {tables:?}: {report}"
                );
            };
            let tables = shows_in(tag);
            if !tables.is_empty() {
                put(&db, tag, key, None);
                is_named("gone", &tables);
            }
            if !matches!(tag, Tag::TimeBlocks | Tag::Checkpoints | Tag::BulkProgress) {
                let other = other_key(tag, key);
                put(&db, tag, key, Some(value));
                put(&db, tag, &other, Some(&framed(tag, &other, value.clone())));
                is_named("added", &[tag]);
                put(&db, tag, &other, None);
            }
            let mut altered = value.clone();
            *altered.last_mut().unwrap() ^= 1;
            put(&db, tag, key, Some(&altered));
            is_named("altered", &[tag]);
            if matches!(
                tag,
                Tag::Ids
                    | Tag::Links
                    | Tag::LastChanges
                    | Tag::TaskNames
                    | Tag::LabelCounts
                    | Tag::Namespaces
            ) {
                let mut altered = value.clone();
                *altered.get_mut(FRAME).unwrap() ^= 1;
                put(&db, tag, key, Some(&framed(tag, key, altered)));
                is_named("altered, with its checksum right", &[tag, Tag::Tasks]);
            }
            put(&db, tag, key, Some(value));
        }
    }
    assert_eq!(check(&db), clean);
}

#[test]
fn what_is_clean_is_walked_through_once() {
    for sealed in [false, true] {
        let db = database(sealed);
        let store = Store::attach(db.clone()).unwrap();
        let r = store.begin_read().unwrap();
        let totals = r.totals().unwrap();
        let lifecycle = &r.settings().lifecycle;
        let mut verifier = Verifier::new(r.tables(), lifecycle, &totals, VerifyReport::default());
        let (read, result) = counted::rows(|| {
            // As it does, but on one thread.
            verifier.removals()?;
            let mut other = verifier.other();
            verifier.walk_records()?;
            other.walk_history()?;
            verifier.join(other);
            verifier.compare()
        });
        result.unwrap();
        assert_eq!(verifier.report, store.verify().unwrap());
        assert!(verifier.report.is_clean(), "{}", verifier.report);
        assert_eq!(verifier.searched, 0);
        let rows: u64 = Tag::ALL.into_iter().map(|tag| rows(&db, tag).len() as u64).sum();
        // With two look-ups for each page, those that links and what lies beside records ask for, and of a sealed log its contents.
        let most = if sealed { rows * 7 / 4 } else { rows * 3 / 2 };
        assert!(read < most, "{read} reads for {rows} rows");

        verifier.sums.doubt(Group::Jobs, 7_u64);
        verifier.nothing_unnamed();
        assert_eq!(
            verifier.report.problem_count, 1,
            "a sum that differs is told of even if nothing is found"
        );
    }
}

macro_rules! widths {
    ($($(#[$doc:meta])+ $tag:ident = $number:literal, $name:ident: $key:ident, $summed:ident;)+) => {
        /// How long the keys of a table are, if all are of one length.
        fn width(tag: Tag) -> Option<usize> {
            match tag {
                $(Tag::$tag => <&'static $key as redb::Value>::fixed_width(),)+
            }
        }
    };
}
tables!(widths);

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The rows of a leaf of redb's, if these bytes begin with one whose keys have this width.
fn leaf(bytes: &[u8], width: Option<usize>) -> Option<Rows> {
    let [1, _, n @ ..] = *bytes.first_chunk::<4>()? else { return None };
    let n = usize::from(u16::from_le_bytes(n));
    let lists = if width.is_none() { 2 } else { 1 };
    let listed = |which: usize| {
        let at = bytes.get(4 + 4 * which..)?.first_chunk().copied()?;
        usize::try_from(u32::from_le_bytes(at)).ok()
    };
    let first = 4 + 4 * n * lists;
    let key = |which: usize| match width {
        Some(width) => Some(first + width * which),
        None => which.checked_sub(1).map_or(Some(first), listed),
    };
    let value = |which: usize| which.checked_sub(1).map_or(key(n), |which| listed(which + n * (lists - 1)));
    let row = |which| {
        Some((
            bytes.get(key(which)?..key(which + 1)?)?.to_vec(),
            bytes.get(value(which)?..value(which + 1)?)?.to_vec(),
        ))
    };
    (0..n).map(row).collect()
}

/// A leaf of these rows, as redb writes it.
fn leaf_of(rows: &[(Vec<u8>, Vec<u8>)], width: Option<usize>) -> Vec<u8> {
    let lists = if width.is_none() { 2 } else { 1 };
    let (mut bytes, mut end) = (vec![1, 0], 4 + 4 * rows.len() * lists);
    bytes.extend((rows.len() as u16).to_le_bytes());
    let (keys, values): (Vec<_>, Vec<_>) = rows.iter().cloned().unzip();
    for (parts, is_listed) in [(&keys, width.is_none()), (&values, true)] {
        for part in parts {
            end += part.len();
            bytes.extend((end as u32).to_le_bytes().into_iter().filter(|_| is_listed));
        }
    }
    [bytes, keys.concat(), values.concat()].concat()
}

/// What is left of the page is sound, such as what lay there before a write that was lost.
#[test]
fn rows_that_a_page_hides_are_missed_in_every_table() {
    // Its bytes are changed under the database.
    let backend = Medium::foreign(Box::new(InMemoryBackend::new()));
    // Each page is read from the backend each time.
    let db = database_on(Image::kept(backend.clone(), 0), 0, false);
    let mut whole = vec![0; backend.len().unwrap() as usize];
    backend.read(0, &mut whole).unwrap();
    assert!(check(&db).is_clean());
    for tag in Tag::ALL.into_iter().filter(|tag| !matches!(tag, Tag::Meta | Tag::Totals)) {
        let rows = rows(&db, tag);
        let last = rows.last().unwrap();
        let mut hidden = 0;
        for at in (0..whole.len()).step_by(4096) {
            // In its page now, and in those where it was before.
            let Some(mut leaf) = leaf(&whole[at..], width(tag)).filter(|leaf| leaf.last() == Some(last))
            else {
                continue;
            };
            leaf.pop();
            backend.write(at as u64, &leaf_of(&leaf, width(tag))).unwrap();
            hidden += 1;
        }
        assert!(hidden > 0, "{tag:?}");
        if rows.len() == 1 {
            // redb takes a page without rows for impossible.
            let noticed = !Store::attach(db.clone()).unwrap().verify().is_ok_and(|report| report.is_clean());
            assert!(noticed, "{tag:?}");
            backend.write(0, &whole).unwrap();
            continue;
        }
        let report = check(&db);
        let what = format!("{} rows can be read, not {}", rows.len() - 1, rows.len());
        let is_told = |problem: &VerifyProblem| problem.table == tag.name() && problem.what == what;
        assert!(report.problems.iter().any(is_told), "{tag:?}: {report}");
        backend.write(0, &whole).unwrap();
    }
    assert!(check(&db).is_clean());
}

/// Each of these is said of the record itself, whatever else does not agree with it any more.
#[test]
fn a_record_that_contradicts_itself_is_named() {
    let backend = redb::backends::InMemoryBackend::new();
    let db = Arc::new(redb::Builder::new().create_with_backend(backend).unwrap());
    let store = Store::attach(db.clone()).unwrap();
    for (id, end) in [("open", None), ("ended", Some("Failed"))] {
        store.create(NewExecution::new("j").id(id)).unwrap();
        end.into_iter().for_each(|end| drop(store.update(id, Update::to(end)).unwrap()));
    }
    let lifecycle = store.lifecycle().clone();
    drop(store);
    type Change = fn(&mut Header);
    let cases: [(RowId, &str, Change); 3] = [
        (RowId(1), "the completed time does not fit its state", |header| {
            header.completed_at = Some(header.modified_at)
        }),
        (RowId(2), "the completed time does not fit its state", |header| header.completed_at = None),
        (RowId(2), "it was modified before it was created", |header| {
            header.modified_at = Timestamp::from_nanos(1)
        }),
    ];
    for (number, reason, change) in cases {
        let tables = Tables::new(Snapshot::here(db.begin_read().unwrap()));
        let found = tables.execution(number, &lifecycle).unwrap().unwrap();
        let mut header = (*found.header).clone();
        change(&mut header);
        let key = number.to_be_bytes();
        let whole = rows(&db, Tag::Executions).into_iter().find(|(found, _)| **found == key).unwrap();
        let payload = found.payload.unwrap();
        let txn = db.begin_write().unwrap();
        let versions = (found.payload_version, found.last_change);
        let place = PayloadPlace::Inline(payload.as_str());
        Tables::new(Live::here(&txn))
            .put_execution(number, &EncodedHeader::of(&header), versions, place)
            .unwrap();
        txn.commit().unwrap();
        let report = check(&db);
        assert!(
            report.problems.iter().any(|problem| problem.to_string().contains(reason)),
            "{reason}: {report}"
        );
        put(&db, Tag::Executions, &key, Some(&whole.1));
        assert!(check(&db).is_clean());
    }
}
