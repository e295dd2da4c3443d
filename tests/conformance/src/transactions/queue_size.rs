//! What waits for the group commit is bounded by bytes beside its number.

use execstore::error::BatchError;
use execstore::options::GroupCommitOptions;
use execstore::{NewExecution, Readable, Store};

use crate::Engine;

pub fn what_waits_holds_no_more_than_the_queue_may(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_group_commit(GroupCommitOptions::new().max_queue_bytes(10_000));
    let store = engine.store_with(&builder);
    let held = store.begin_write().unwrap();
    let submit = |bytes: usize| {
        let value = vec![7_u8; bytes];
        store
            .group_commit()
            .bytes(bytes)
            .refuse_when_full()
            .submit(move |w| Ok(w.create(NewExecution::new("j").name(value.len().to_string()))?))
    };
    let pending: Vec<_> = (0..3).map(|_| submit(3_000).unwrap()).collect();
    for bytes in [3_000, 1_001, 1_000_000] {
        let refused = submit(bytes);
        let Err(BatchError::QueueTooLarge { waiting: 9_000, bytes: more, maximum: 10_000 }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(more, bytes);
    }
    // Who would wait for room waits for this thread.
    let waits = store.group_commit().bytes(3_000).submit(|w| Ok(w.create(NewExecution::new("j"))?));
    assert!(matches!(waits, Err(BatchError::Reentrant(_))), "{waits:?}");
    let last = submit(1_000).unwrap();
    std::thread::scope(|scope| {
        let waits = scope
            .spawn(|| store.group_commit().bytes(9_000).submit(|w| Ok(w.create(NewExecution::new("j"))?)));
        drop(held);
        waits.join().unwrap().unwrap().wait().unwrap();
    });
    pending.into_iter().chain([last]).for_each(|pending| drop(pending.wait().unwrap()));
    // What is larger by itself goes alone.
    submit(1_000_000).unwrap().wait().unwrap();
    assert_eq!(store.read(|r| Ok(r.count("New")?)).unwrap(), 6);
}
