//! Rows of buckets and executions change together, or not at all.

use execstore::{Error, NewExecution, Readable, Store, Update};

use crate::Engine;

fn len(store: &Store) -> (u64, usize) {
    store
        .read(|r| {
            let b = r.bucket("b")?;
            Ok((b.len(), b.iter()?.count()))
        })
        .unwrap()
}

pub fn they_commit_with_executions_in_every_kind_of_transaction(engine: &dyn Engine) {
    let store = engine.store();
    store.create(NewExecution::new("j").id("e").state("Running")).unwrap();
    store
        .write(|w| {
            w.open_bucket("b")?.put("write", "")?;
            Ok(w.update("e", Update::new().message("write"))?)
        })
        .unwrap();
    store.batch(|w| Ok(w.open_bucket("b")?.put("batch", "")?)).unwrap();
    store.submit(|w| Ok(w.open_bucket("b")?.put("submit", "")?)).unwrap().wait().unwrap();
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().open_bucket("b").unwrap().put("handle", "").unwrap();
    txn.writer().unwrap().open_bucket("b").unwrap().put("again", "").unwrap();
    txn.commit().unwrap();
    assert_eq!(len(&store), (5, 5));
    assert_eq!(len(&store.crash_copy()), (5, 5));
}

pub fn what_is_rolled_back_leaves_nothing(engine: &dyn Engine) {
    let store = engine.store();
    store.write(|w| Ok(w.open_bucket("b")?.put("k", "v")?)).unwrap();
    let refused = store.write(|w| {
        let mut b = w.open_bucket("b")?;
        b.put("other", "")?;
        b.delete("k")?;
        b.next_sequence()?;
        w.open_bucket("new")?.put("k", "")?;
        Err::<(), _>(Error::caller("no"))
    });
    assert!(matches!(refused, Err(Error::Caller(_))));
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().delete_bucket("b").unwrap();
    txn.abort().unwrap();
    let r = store.begin_read().unwrap();
    let b = r.bucket("b").unwrap();
    assert_eq!((b.len(), b.sequence(), b.get("k").unwrap().as_deref()), (1, 0, Some(&b"v"[..])));
    assert!(!r.bucket("new").unwrap().exists());
}

/// Of the members of a group commit one fails, and one panics.
pub fn a_member_of_a_group_that_fails_takes_its_own_rows_along_alone(engine: &dyn Engine) {
    let store = engine.store();
    let mut pending = Vec::new();
    for n in 0..60_u64 {
        let put = store.submit(move |w| {
            let mut queue = w.open_bucket("b")?;
            let place = queue.next_sequence()?;
            queue.put(place.to_be_bytes(), n.to_be_bytes())?;
            w.open_bucket(format!("own-{n}"))?;
            match n % 3 {
                0 => Ok(place),
                1 => Err(Error::caller("refused")),
                _ => panic!("of the closure"),
            }
        });
        pending.push(put.unwrap());
    }
    let done = pending.into_iter().map(|one| one.wait()).filter(Result::is_ok).count();
    assert_eq!(done, 20);
    let r = store.begin_read().unwrap();
    let b = r.bucket("b").unwrap();
    let rows: Vec<_> = b.iter().unwrap().map(Result::unwrap).collect();
    let values: Vec<_> =
        rows.iter().map(|row| u64::from_be_bytes(row.value[..].try_into().unwrap())).collect();
    assert_eq!(values, (0..60).step_by(3).collect::<Vec<_>>(), "in order, each once");
    assert_eq!((b.len(), b.sequence(), r.buckets().unwrap().count()), (20, 20, 21));
}

pub fn a_writer_sees_its_own_rows_and_readers_do_not_yet(engine: &dyn Engine) {
    let store = engine.store();
    store.write(|w| Ok(w.open_bucket("b")?.put("a", "")?)).unwrap();
    let before = store.begin_read().unwrap();
    let txn = store.begin_write().unwrap();
    let mut w = txn.writer().unwrap();
    w.open_bucket("b").unwrap().put("b", "").unwrap();
    assert_eq!((w.bucket("b").unwrap().len(), w.bucket("b").unwrap().iter().unwrap().count()), (2, 2));
    assert_eq!(len(&store), (1, 1));
    drop(w);
    txn.commit().unwrap();
    assert_eq!(len(&store), (2, 2));
    assert_eq!(before.bucket("b").unwrap().iter().unwrap().count(), 1);
}
