//! Attachments: put, get, replaced, listed, streamed, summed up, deleted with their execution.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use execstore::attachments::{AttachmentKind, NewAttachment};
use execstore::error::{InputError, WriteError};
use execstore::options::GroupCommitOptions;
use execstore::{Error, ExecutionId, Json, NewExecution, Query, ReadTxn, Readable, Store, Update, Writer};

use crate::Engine;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn keys(r: &ReadTxn, id: &str, prefix: &str) -> Vec<String> {
    r.attachments(id).with_prefix(prefix).unwrap().map(|row| row.unwrap().key.into()).collect()
}

/// Around the sizes where a value leaves its row, and where chunks begin.
const SIZES: [usize; 9] = [0, 1, 1024, 1025, 65_279, 65_280, 65_281, 130_560, 200_000];

pub fn values_of_every_size_come_back(engine: &dyn Engine) {
    let mut store = engine.store();
    store.create(new("e")).unwrap();
    for len in SIZES {
        let (put, streamed) = (format!("put/{len}"), format!("streamed/{len}"));
        let attachment = store.put_attachment("e", NewAttachment::bytes(put.as_str(), bytes(len))).unwrap();
        assert_eq!((attachment.size, attachment.kind), (len as u64, AttachmentKind::Bytes));
        let from = &mut Cursor::new(bytes(len));
        store.write(|w| Ok(w.put_attachment_from("e", streamed.as_str(), "a/b", from)?)).unwrap();
    }
    store.reopen();
    let r = store.begin_read().unwrap();
    for len in SIZES {
        for way in ["put", "streamed"] {
            let key = format!("{way}/{len}");
            assert_eq!(r.attachments("e").get(&key).unwrap().unwrap().size, len as u64);
            assert!(r.attachments("e").bytes(&key).unwrap().unwrap() == bytes(len), "{key}");
            let mut from = r.attachments("e").open(&key).unwrap().unwrap();
            let mut read = Vec::new();
            assert_eq!(from.read_to_end(&mut read).unwrap(), len);
            assert!(read == bytes(len), "{key}");
        }
    }
    assert_eq!(keys(&r, "e", "put/").len(), SIZES.len());
    assert_eq!(keys(&r, "e", "").len(), 2 * SIZES.len());
    assert_eq!(
        (r.attachments("e").get("x").unwrap(), r.attachments("nobody").bytes("x").unwrap()),
        (None, None)
    );
    assert!(keys(&r, "nobody", "").is_empty());
}

pub fn a_value_is_read_from_any_place(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    let whole = bytes(150_000);
    store.put_attachment("e", NewAttachment::bytes("k", whole.clone())).unwrap();
    let r = store.begin_read().unwrap();
    let mut from = r.attachments("e").open("k").unwrap().unwrap();
    for offset in [149_999, 0, 65_280, 65_279, 70_000, 150_000, 1 << 40] {
        assert_eq!(from.seek(SeekFrom::Start(offset)).unwrap(), offset);
        let mut read = Vec::new();
        from.by_ref().take(100).read_to_end(&mut read).unwrap();
        let start = whole.len().min(offset as usize);
        assert!(read == whole[start..whole.len().min(start + 100)], "{offset}");
    }
    assert_eq!(from.seek(SeekFrom::End(-5)).unwrap(), 149_995);
    assert_eq!(from.seek(SeekFrom::Current(-5)).unwrap(), 149_990);
    assert!(from.seek(SeekFrom::Current(-200_000)).is_err());
    // Of a URI it is the text that is read, whatever the size of what it leads to.
    store.put_attachment("e", NewAttachment::uri("u", "s3://b/k").size(1 << 40)).unwrap();
    let r = store.begin_read().unwrap();
    let mut from = r.attachments("e").open("u").unwrap().unwrap();
    assert_eq!(from.seek(SeekFrom::End(-3)).unwrap(), 5);
    let mut read = String::new();
    from.read_to_string(&mut read).unwrap();
    assert_eq!(read, "b/k");
}

pub fn a_value_is_replaced_together_with_an_update_or_not_at_all(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    let sizes = [10, 100_000, 70_000, 0, 5_000, 5_000];
    for pair in sizes.windows(2) {
        store.put_attachment("e", NewAttachment::bytes("k", bytes(pair[0]))).unwrap();
        let before = store.begin_read().unwrap();
        let replace = |w: &mut execstore::Writer<'_>| {
            w.update("e", Update::new().message("replaced"))?;
            Ok(w.put_attachment("e", NewAttachment::bytes("k", vec![9; pair[1]]))?)
        };
        let failed: Result<(), Error> = store.write(|w| {
            replace(w)?;
            assert!(w.attachments("e").bytes("k").unwrap().unwrap() == vec![9; pair[1]]);
            Err(WriteError::NotFound { id: ExecutionId::new("enough").unwrap() }.into())
        });
        assert!(failed.is_err());
        assert_eq!(before.get("e").unwrap(), store.read(|r| Ok(r.get("e")?)).unwrap());
        let now = store.read(|r| Ok(r.attachments("e").bytes("k")?)).unwrap().unwrap();
        assert!(now == bytes(pair[0]));
        store.write(replace).unwrap();
        // Who began before still reads the old value.
        assert!(before.attachments("e").bytes("k").unwrap().unwrap() == bytes(pair[0]));
        let now = store.read(|r| Ok(r.attachments("e").bytes("k")?)).unwrap().unwrap();
        assert!(now == vec![9; pair[1]]);
    }
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().revision.get(), sizes.len() as u64);
}

pub fn attachments_leave_the_record_and_the_log_alone_and_go_with_their_execution(engine: &dyn Engine) {
    let store = engine.store();
    let created = store.create(new("e")).unwrap();
    store.create(new("f")).unwrap();
    for id in ["e", "f"] {
        for len in [10, 100_000] {
            store.put_attachment(id, NewAttachment::bytes(len.to_string(), bytes(len))).unwrap();
        }
    }
    let head = store.read(|r| Ok(r.log().head()?)).unwrap();
    assert_eq!((store.read(|r| Ok(r.get("e")?)).unwrap().unwrap(), head.get()), (created, 2));
    assert!(store.write(|w| Ok(w.delete_attachment("f", "100000")?)).unwrap());
    assert!(!store.write(|w| Ok(w.delete_attachment("f", "100000")?)).unwrap());
    store.delete("e").unwrap();
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.attachments, 1);
    // Another execution of the same id has nothing of the first.
    store.create(new("e")).unwrap();
    assert!(keys(&store.begin_read().unwrap(), "e", "").is_empty());
}

pub fn sizes_are_summed_up_over_a_query(engine: &dyn Engine) {
    let store = engine.store();
    for (id, job, owner) in [("a", "j", "ada"), ("b", "j", "bob"), ("c", "k", "ada")] {
        store.create(NewExecution::new(job).id(id).label("owner", owner)).unwrap();
        store.put_attachment(id, NewAttachment::bytes("x", bytes(100_000))).unwrap();
        store.put_attachment(id, NewAttachment::json("y", Json::from_text("[1]").unwrap())).unwrap();
        store.put_attachment(id, NewAttachment::uri("z", "s3://b/k").size(1 << 40)).unwrap();
    }
    let r = store.begin_read().unwrap();
    for (query, executions) in [
        (Query::new(), 3),
        (Query::new().job("j"), 2),
        (Query::new().label("owner", "ada"), 2),
        (Query::new().label("owner", "bob").job("j"), 1),
        (Query::new().job("nothing"), 0),
        (Query::new().limit(1), 1),
    ] {
        let usage = r.query(&query).attachment_usage().unwrap();
        assert_eq!(usage.attachments, 3 * executions, "{query:?}");
        assert_eq!((usage.stored, usage.named), (100_003 * executions, executions << 40));
        assert_eq!(usage.bytes(), usage.stored + usage.named);
    }
    assert_eq!(r.attachments("a").bytes("z").unwrap().unwrap(), b"s3://b/k");
    let json = r.attachments("a").get("y").unwrap().unwrap();
    assert_eq!((json.kind, json.content_type.as_str()), (AttachmentKind::Json, "application/json"));
}

fn is_refused(result: Result<impl Sized, Error>, wanted: fn(&WriteError) -> bool) -> bool {
    matches!(&result, Err(Error::Write(error)) if wanted(error))
}

pub fn what_breaks_a_limit_is_refused_without_a_trace(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    let put = |id: &str, new: NewAttachment| store.put_attachment(id, new);
    let long = "x".repeat(257);
    assert!(is_refused(put("nobody", NewAttachment::bytes("k", "v")), |e| matches!(
        e,
        WriteError::NotFound { .. }
    )));
    let empty = put("e", NewAttachment::bytes("", "v"));
    assert!(
        matches!(empty, Err(Error::Input(InputError::Invalid { what: "attachment key", .. }))),
        "{empty:?}"
    );
    for (new, what) in [
        (NewAttachment::bytes(long.as_str(), "v"), "attachment key"),
        (NewAttachment::bytes("k", "v").content_type(long.as_str()), "content type"),
        (NewAttachment::uri("k", "x".repeat(8 * 1024 + 1)), "URI"),
    ] {
        let error = put("e", new).unwrap_err().to_string();
        assert!(error.starts_with(what), "{error}");
    }
    for len in [0, 1_024, 1_025, 8 * 1024] {
        for size in [0, 7, 1 << 40] {
            put("e", NewAttachment::uri("k", "x".repeat(len)).size(size)).unwrap();
            let r = store.begin_read().unwrap();
            assert_eq!(r.attachments("e").get("k").unwrap().unwrap().size, size);
            assert_eq!(r.attachments("e").bytes("k").unwrap().unwrap().len(), len);
            let mut read = Vec::new();
            r.attachments("e").open("k").unwrap().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read.len(), len);
            assert!(store.verify().unwrap().is_clean());
        }
    }
    assert!(put("e", NewAttachment::bytes(&long[..256], "v")).is_ok());
}

/// Gives some bytes, then fails or panics.
struct Broken(usize, bool);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            assert!(!self.1, "on purpose");
            return Err(std::io::Error::other("on purpose"));
        }
        let many = buffer.len().min(self.0);
        buffer[..many].fill(1);
        self.0 -= many;
        Ok(many)
    }
}

pub fn a_source_that_fails_leaves_nothing_behind(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    store.put_attachment("e", NewAttachment::bytes("k", bytes(3))).unwrap();
    for len in [0, 10, 70_000, 500_000] {
        for panics in [false, true] {
            let txn = store.begin_write().unwrap();
            {
                let mut w = txn.writer().unwrap();
                let result = catch_unwind(AssertUnwindSafe(|| {
                    w.put_attachment_from("e", "k", "a/b", &mut Broken(len, panics))
                }));
                match result {
                    Err(_) => assert!(panics),
                    Ok(result) => assert!(matches!(result, Err(WriteError::Source(_))) && !panics),
                }
                assert_eq!(w.attachments("e").bytes("k").unwrap().unwrap(), bytes(3));
                // The transaction can go on.
                w.put_attachment("e", NewAttachment::bytes("other", bytes(len))).unwrap();
            }
            txn.commit().unwrap();
            let report = store.verify().unwrap();
            assert!(report.is_clean(), "{report}");
            assert_eq!(store.read(|r| Ok(r.attachments("e").bytes("k")?)).unwrap().unwrap(), bytes(3));
        }
    }
}

/// A source is read once, whatever becomes of the other closures of its commit.
pub fn a_source_is_read_once_in_the_group_commit(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_group_commit(GroupCommitOptions::new().max_delay(Duration::from_secs(3_600)).max_members(3));
    let store = engine.store_with(&builder);
    store.create(new("e")).unwrap();
    for len in [100, 100_000] {
        let key = len.to_string();
        let mut source = Cursor::new(bytes(len));
        let put = move |w: &mut Writer<'_>| Ok(w.put_attachment_from("e", &key, "a/b", &mut source)?);
        let before = store.submit(put).unwrap();
        let fails = store.submit(|w| {
            w.put_attachment("e", NewAttachment::bytes("gone", bytes(7)))?;
            Ok(w.create(NewExecution::new("j").id("e"))?)
        });
        let after = store.submit(|w| Ok(w.update("e", Update::new().message("after"))?)).unwrap();
        assert_eq!(before.wait().unwrap().size, len as u64);
        assert!(fails.unwrap().wait().is_err());
        after.wait().unwrap();
        let r = store.begin_read().unwrap();
        assert_eq!(r.attachments("e").bytes(len.to_string()).unwrap().unwrap(), bytes(len));
        assert_eq!(r.attachments("e").get("gone").unwrap(), None);
    }
}

pub fn a_large_value_goes_through_without_the_journal(engine: &dyn Engine) {
    let store = engine.store();
    store.create(new("e")).unwrap();
    let len = 5_000_000;
    let from = &mut std::io::repeat(7).take(len);
    store.write(|w| Ok(w.put_attachment_from("e", "k", "a/b", from)?)).unwrap();
    // And small ones after it, which the journal takes.
    store.update("e", Update::new().message("after")).unwrap();
    let copy = store.crash_copy();
    for store in [&store, &copy] as [&Store; 2] {
        let r = store.begin_read().unwrap();
        assert_eq!(r.get("e").unwrap().unwrap().message.as_deref(), Some("after"));
        let mut read = 0;
        let mut from = r.attachments("e").open("k").unwrap().unwrap();
        let mut buffer = vec![0; 100_000];
        loop {
            match from.read(&mut buffer).unwrap() {
                0 => break,
                many => {
                    assert!(buffer[..many].iter().all(|byte| *byte == 7));
                    read += many as u64;
                }
            }
        }
        assert_eq!(read, len);
    }
}

pub fn a_slow_source_keeps_no_writer_waiting(engine: &dyn Engine) {
    /// Gives its bytes only once somebody else has written.
    struct Slow(Store, usize);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.1 == 3 {
                return Ok(0);
            }
            let (store, id) = (self.0.clone(), format!("meanwhile-{}", self.1));
            let other = std::thread::spawn(move || store.write(|w| Ok(w.create(new(&id))?)));
            other.join().unwrap().unwrap();
            self.1 += 1;
            out.fill(self.1 as u8);
            Ok(out.len())
        }
    }

    let mut builder = Store::builder();
    // It would be an error after this, if it waited.
    builder.set_write_limit(std::time::Duration::from_secs(20));
    let store = engine.store_with(&builder);
    store.create(new("e")).unwrap();
    let put = store.put_attachment_from("e", "slow", "x", &mut Slow(Store::clone(&store), 0)).unwrap();
    assert!(put.size > 0);
    assert_eq!(store.read(|r| Ok(r.count("New")?)).unwrap(), 4);
    // A source that fails leaves nothing.
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no more"))
        }
    }
    let failed = store.put_attachment_from("e", "broken", "x", &mut Broken).unwrap_err();
    assert!(matches!(failed, Error::Write(WriteError::Source(_))), "{failed:?}");
    assert!(store.begin_read().unwrap().attachments("e").get("broken").unwrap().is_none());
}
