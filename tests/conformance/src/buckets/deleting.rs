//! Buckets that are deleted, with everything in them.

use execstore::{Builder, Readable, Store};

use crate::Engine;

fn in_steps(rows: u64) -> Builder {
    let mut settings = Store::builder();
    settings.set_removal_step(rows);
    settings
}

pub fn a_deleted_bucket_is_gone_at_once_and_its_rows_go_in_steps(engine: &dyn Engine) {
    for step in [1, 7, 100_000] {
        let store = engine.store_with(&in_steps(step));
        store
            .write(|w| {
                let mut b = w.open_bucket("b")?;
                for n in 0..200_u64 {
                    b.put(n.to_be_bytes(), "x")?;
                }
                let mut inner = b.open_bucket("inner")?;
                inner.put("k", "v")?;
                inner.open_bucket("innermost")?.put("k", "v")?;
                w.open_bucket("c")?.put("kept", "v")?;
                Ok(())
            })
            .unwrap();
        let old = store.begin_read().unwrap();
        assert!(store.write(|w| Ok(w.delete_bucket("b")?)).unwrap());
        let r = store.begin_read().unwrap();
        assert!(
            !r.bucket("b").unwrap().exists() && !r.bucket("b").unwrap().bucket("inner").unwrap().exists()
        );
        assert_eq!(
            old.bucket("b").unwrap().iter().unwrap().count(),
            200,
            "who reads from before has it still"
        );
        drop((r, old));
        // Another of the name has nothing of it, however much of that still waits.
        store.write(|w| Ok(w.open_bucket("b")?.put("new", "v")?)).unwrap();
        let crashed = store.crash_copy();
        for store in [&*crashed, &*store] {
            let waits = store.verify().unwrap();
            assert!(waits.is_clean(), "{step}: {waits}");
            let r = store.begin_read().unwrap();
            let b = r.bucket("b").unwrap();
            assert_eq!((b.len(), b.iter().unwrap().count(), b.buckets().unwrap().count()), (1, 1, 0));
            drop(r);
            store.maintain().unwrap();
            let report = store.verify().unwrap();
            assert!(report.is_clean(), "{step}: {report}");
            assert_eq!((report.waiting, report.buckets, report.bucket_rows), (0, 2, 2), "{step}");
        }
    }
}

pub fn a_bucket_within_another_is_deleted_alone(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            let mut b = w.open_bucket("b")?;
            b.put("k", "v")?;
            b.open_bucket("inner")?.put("k", "v")?;
            assert!(b.delete_bucket("inner")? && !b.delete_bucket("inner")?);
            assert_eq!((b.len(), b.open_bucket("inner")?.len()), (1, 0));
            Ok(())
        })
        .unwrap();
    let report = store.verify().unwrap();
    assert_eq!((report.buckets, report.bucket_rows), (2, 1), "{report}");
}

pub fn many_buckets_in_one_go_with_it(engine: &dyn Engine) {
    let store = engine.store_with(&in_steps(16));
    for chunk in 0..5 {
        store
            .write(|w| {
                let mut tenants = w.open_bucket("tenants")?;
                for n in 0..100 {
                    tenants.open_bucket(format!("{chunk}-{n}"))?.put("k", "v")?;
                }
                Ok(())
            })
            .unwrap();
    }
    store.write(|w| Ok(w.delete_bucket("tenants")?)).unwrap();
    assert!(store.verify().unwrap().is_clean());
    store.maintain().unwrap();
    let report = store.verify().unwrap();
    assert_eq!((report.waiting, report.buckets, report.bucket_rows), (0, 0, 0), "{report}");
}
