//! Rows of a bucket: written, read in order, refused.

use execstore::buckets::{BucketRow, key, parse_key};
use execstore::error::{InputError, WriteError};
use execstore::limits::{MAX_BUCKET_KEY, MAX_BUCKET_VALUE, MAX_NAME};
use execstore::{Error, Readable, Store};

use crate::Engine;

fn row(key: &str, value: &str) -> BucketRow {
    BucketRow { key: key.into(), value: value.into() }
}

fn put_all(store: &Store, bucket: &str, keys: &[&str]) {
    store
        .write(|w| {
            let mut bucket = w.open_bucket(bucket)?;
            keys.iter().try_for_each(|key| bucket.put(key, key.to_uppercase()).map(drop))?;
            Ok(())
        })
        .unwrap();
}

pub fn rows_come_in_the_order_of_their_keys_from_both_ends(engine: &dyn Engine) {
    let mut store = engine.store();
    put_all(&store, "b", &["m", "", "b", "zz", "ba", "z", "\u{ff}"]);
    put_all(&store, "a", &["x"]);
    put_all(&store, "c", &["x"]);
    for reopened in [false, true] {
        if reopened {
            store.reopen();
        }
        let r = store.begin_read().unwrap();
        let b = r.bucket("b").unwrap();
        let keys: Vec<_> = b.iter().unwrap().map(|row| row.unwrap().key).collect();
        let expected: Vec<&[u8]> = vec![b"", b"b", b"ba", b"m", b"z", b"zz", "\u{ff}".as_bytes()];
        assert_eq!(keys, expected);
        let mut reversed: Vec<_> = b.iter().unwrap().rev().map(|row| row.unwrap().key).collect();
        reversed.reverse();
        assert_eq!(reversed, expected);
        assert_eq!((b.len(), b.is_empty(), b.exists()), (7, false, true));
        assert_eq!(b.first().unwrap(), Some(row("", "")));
        assert_eq!(b.last().unwrap().unwrap().key, "\u{ff}".as_bytes());
        assert_eq!(b.get("ba").unwrap().as_deref(), Some(&b"BA"[..]));
        assert_eq!((b.get("bb").unwrap(), b.contains_key("zz").unwrap()), (None, true));
        let found = |rows: execstore::List<'_, BucketRow>| -> Vec<String> {
            rows.map(|row| String::from_utf8(row.unwrap().key).unwrap()).collect()
        };
        assert_eq!(found(b.range("b".."z").unwrap()), ["b", "ba", "m"]);
        assert_eq!(found(b.range("b"..="z").unwrap()), ["b", "ba", "m", "z"]);
        assert_eq!(found(b.range("n"..).unwrap()), ["z", "zz", "\u{ff}"]);
        assert_eq!(found(b.range(..="b").unwrap()), ["", "b"]);
        assert_eq!(found(b.with_prefix("b").unwrap()), ["b", "ba"]);
        assert_eq!(found(b.with_prefix("").unwrap()).len(), 7);
        assert_eq!(found(b.with_prefix([0xff]).unwrap()), [""; 0]);
        // What ends before it begins is empty.
        let (late, early) = ("z", "b");
        assert_eq!(found(b.range(late..early).unwrap()), [""; 0]);
        assert_eq!(found(b.range(early..early).unwrap()), [""; 0]);
        assert_eq!(found(b.range(early..=early).unwrap()), ["b"]);
    }
}

pub fn a_bucket_that_is_not_there_reads_as_an_empty_one(engine: &dyn Engine) {
    let store = engine.store();
    let r = store.begin_read().unwrap();
    let b = r.bucket("b").unwrap();
    assert_eq!((b.exists(), b.len(), b.sequence()), (false, 0, 0));
    assert_eq!((b.get("k").unwrap(), b.first().unwrap(), b.last().unwrap()), (None, None, None));
    assert_eq!((b.iter().unwrap().count(), b.buckets().unwrap().count()), (0, 0));
    assert!(!b.bucket("c").unwrap().exists() && r.buckets().unwrap().next().is_none());
    assert!(!store.write(|w| Ok(w.delete_bucket("b")?)).unwrap());
    store.write(|w| Ok(w.open_bucket("b")?.len())).unwrap();
    let r = store.begin_read().unwrap();
    assert!(r.bucket("b").unwrap().exists() && r.bucket("b").unwrap().is_empty());
}

pub fn what_was_there_is_told(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            let mut b = w.open_bucket("b")?;
            assert!(b.put("k", "1")? && !b.put("k", "2")?);
            assert_eq!((b.len(), b.get("k")?.as_deref()), (1, Some(&b"2"[..])));
            assert!(!b.delete("none")? && b.take("none")?.is_none());
            assert_eq!(b.take("k")?.as_deref(), Some(&b"2"[..]));
            assert!(b.is_empty() && b.pop_first()?.is_none() && b.pop_last()?.is_none());
            for k in ["b", "a", "c"] {
                b.put(k, k)?;
            }
            assert_eq!((b.pop_first()?, b.pop_last()?), (Some(row("a", "a")), Some(row("c", "c"))));
            b.put("a", "again")?;
            assert_eq!((b.first()?, b.last()?), (Some(row("a", "again")), Some(row("b", "b"))));
            assert!(b.delete("a")? && !b.delete("a")?);
            assert_eq!(b.iter()?.count(), 1);
            Ok(())
        })
        .unwrap();
}

pub fn what_breaks_a_limit_is_refused_without_a_trace(engine: &dyn Engine) {
    let store = engine.store();
    put_all(&store, "b", &["k"]);
    let version = || store.read(|r| Ok((r.log().head()?, r.bucket("b")?.len()))).unwrap();
    let before = version();
    let (long_key, long_value) = (vec![1; MAX_BUCKET_KEY + 1], vec![1; MAX_BUCKET_VALUE + 1]);
    for (key, value) in [(&long_key[..], &b""[..]), (b"k", &long_value)] {
        let refused = store.write(|w| Ok(w.open_bucket("b")?.put(key, value)?));
        assert!(matches!(refused, Err(Error::Input(InputError::TooLarge { .. }))), "{refused:?}");
    }
    for name in ["", &"x".repeat(MAX_NAME + 1)] {
        let refused = store.write(|w| Ok(w.open_bucket(name)?.len()));
        assert!(matches!(refused, Err(Error::Input(_))), "{refused:?}");
    }
    store
        .write(|w| {
            let refused = w.open_bucket("b")?.put(&long_key, "");
            assert!(matches!(refused, Err(WriteError::Input(_))), "{refused:?}");
            Ok(())
        })
        .unwrap();
    assert_eq!(version(), before);
    // What is just within them is taken.
    let (key, value, name) = (vec![2; MAX_BUCKET_KEY], vec![3; MAX_BUCKET_VALUE], "x".repeat(MAX_NAME));
    store.write(|w| Ok(w.open_bucket(&name)?.put(&key, &value)?)).unwrap();
    let crashed = store.crash_copy();
    let r = crashed.begin_read().unwrap();
    assert_eq!(r.bucket(&name).unwrap().get(&key).unwrap(), Some(value));
}

pub fn keys_of_parts_sort_as_their_parts(engine: &dyn Engine) {
    let store = engine.store();
    let all = [("a", -5_i64), ("a", 3), ("a\0b", 0), ("ab", i64::MIN), ("b", i64::MAX)];
    store
        .write(|w| {
            let mut b = w.open_bucket("b")?;
            for parts in all.iter().rev() {
                b.put(key(parts), "")?;
            }
            Ok(())
        })
        .unwrap();
    let r = store.begin_read().unwrap();
    let b = r.bucket("b").unwrap();
    let parts = |rows: execstore::List<'_, BucketRow>| -> Vec<(String, i64)> {
        rows.map(|row| parse_key(row.unwrap().key).unwrap()).collect()
    };
    assert_eq!(parts(b.iter().unwrap()), all.map(|(text, number)| (text.to_owned(), number)));
    assert_eq!(parts(b.with_prefix(key(&"a")).unwrap()).len(), 2);
    assert_eq!(parts(b.range(key(&("a", 0_i64))..key(&("b", 0_i64))).unwrap()).len(), 3);
}

pub fn names_are_listed_and_buckets_lie_in_others(engine: &dyn Engine) {
    let mut store = engine.store();
    store
        .write(|w| {
            for name in ["tenants", "queue", "Ω"] {
                w.open_bucket(name)?;
            }
            let mut tenants = w.open_bucket("tenants")?;
            for tenant in ["b", "a"] {
                let mut tenant = tenants.open_bucket(tenant)?;
                tenant.put("k", "of the tenant")?;
                tenant.open_bucket("locks")?.put("k", "of the locks")?;
            }
            tenants.put("k", "of all")?;
            Ok(())
        })
        .unwrap();
    store.reopen();
    let r = store.begin_read().unwrap();
    let names = |list: execstore::List<'_, execstore::Text>| -> Vec<String> {
        list.map(|name| name.unwrap().to_string()).collect()
    };
    assert_eq!(names(r.buckets().unwrap()), ["queue", "tenants", "Ω"]);
    let tenants = r.bucket("tenants").unwrap();
    assert_eq!(names(tenants.buckets().unwrap()), ["a", "b"]);
    assert_eq!((tenants.len(), tenants.get("k").unwrap().as_deref()), (1, Some(&b"of all"[..])));
    let locks = tenants.bucket("b").unwrap().bucket("locks").unwrap();
    assert_eq!(locks.get("k").unwrap().as_deref(), Some(&b"of the locks"[..]));
    assert!(!r.bucket("locks").unwrap().exists(), "a name is one of its bucket");
}
