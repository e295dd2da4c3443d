//! The checks of the caller's own rows: each lies in a bucket, and each bucket in one that there is.

use std::collections::HashMap;
use std::ops::RangeBounds;

use super::checks::{Verifier, hex};
use crate::format::schema::{Tag, table};
use crate::format::{BucketRecord, bucket_of, bucket_row, decode};
use crate::model::error::StorageError;
use crate::model::row_id::BucketId;
use crate::storage::Source;

/// A bucket of the directory, and what its rows have shown.
struct Known {
    parent: BucketId,
    name: String,
    record: BucketRecord,
    seen: u64,
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn buckets(&mut self) -> Result<(), StorageError> {
        let mut known = self.directory()?;
        self.parents(&known);
        let tag = Tag::BucketRows;
        self.walk::<table::BucketRows>(|verifier, key, value| {
            verifier.report.bucket_rows += 1;
            if let Err(reason) = decode::<table::BucketRows>(key, value) {
                verifier.damaged(tag, key, reason);
            }
            let Ok(found) = bucket_row(key) else {
                verifier.problem(tag, format!("key {}: it is too short", hex(key)));
                return Ok(());
            };
            match known.get_mut(&found.0) {
                Some(bucket) => {
                    bucket.seen += 1;
                    if !RangeBounds::<[u8]>::contains(&bucket.record.ends(), found.1) {
                        verifier
                            .problem(tag, format!("key {}: it lies beyond the ends of its bucket", hex(key)));
                    }
                }
                None if verifier.waiting.buckets.contains(&found.0) => {}
                None => verifier.problem(tag, format!("key {}: it has no bucket", hex(key))),
            }
            Ok(())
        })?;
        for (id, bucket) in known {
            if bucket.seen != bucket.record.rows && !self.waiting.buckets.contains(&id) {
                let what = format!("{:?} has {} rows, not {}", bucket.name, bucket.seen, bucket.record.rows);
                self.problem(tag, what);
            }
        }
        Ok(())
    }

    fn directory(&mut self) -> Result<HashMap<BucketId, Known>, StorageError> {
        let (mut known, tag) = (HashMap::new(), Tag::Buckets);
        self.walk::<table::Buckets>(|verifier, key, value| {
            verifier.report.buckets += 1;
            match bucket_of(key).and_then(|place| Ok((place, decode::<table::Buckets>(key, value)?))) {
                Err(reason) => verifier.damaged(tag, key, reason),
                Ok(((parent, name), record)) => {
                    let id = record.id;
                    let bucket = Known { parent, name: name.to_string(), record, seen: 0 };
                    if known.insert(id, bucket).is_some() || id == BucketId::ROOT {
                        verifier.problem(tag, format!("key {}: it has the number of another", hex(key)));
                    }
                }
            }
            Ok(())
        })?;
        Ok(known)
    }

    /// Each lies in one that there is, or that was deleted; then it goes with it.
    fn parents(&mut self, known: &HashMap<BucketId, Known>) {
        for (id, bucket) in known {
            // However deep, it ends: numbers rise from a bucket to those in it.
            let mut way = (*id, bucket);
            loop {
                let (own, Known { parent, name, .. }) = way;
                if self.waiting.buckets.contains(parent) {
                    self.waiting.buckets.insert(*id);
                    break;
                }
                if *parent == BucketId::ROOT {
                    break;
                }
                match known.get(parent).filter(|_| *parent < own) {
                    Some(above) => {
                        let logs = bucket.record.logged || bucket.record.logged_within;
                        if logs && !above.record.logged_within {
                            let above = &above.name;
                            let what =
                                format!("{above:?} does not say that one in it is logged: {:?}", bucket.name);
                            self.problem(Tag::Buckets, what);
                        }
                        way = (*parent, above);
                    }
                    None => {
                        self.problem(Tag::Buckets, format!("{name:?} lies in a bucket that there is not"));
                        break;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redb::ReadableDatabase;

    use crate::Store;
    use crate::format::BucketRecord;
    use crate::model::row_id::BucketId;
    use crate::storage::{Live, Snapshot, Tables};

    /// Its deletion would not be in the log.
    #[test]
    fn one_that_does_not_say_that_a_bucket_in_it_is_logged_is_named() {
        let backend = redb::backends::InMemoryBackend::new();
        let db = Arc::new(redb::Builder::new().create_with_backend(backend).unwrap());
        let store = Store::attach(db.clone()).unwrap();
        store
            .write(|w| {
                let mut outer = w.open_bucket("outer")?;
                Ok(outer.open_bucket("middle")?.open_bucket("inner")?.set_logged(true)?)
            })
            .unwrap();
        assert!(store.verify().unwrap().is_clean());
        drop(store);
        let record = {
            let tables = Tables::new(Snapshot::here(db.begin_read().unwrap()));
            tables.bucket(BucketId::ROOT, "outer").unwrap().unwrap()
        };
        assert!(record.logged_within && !record.logged);
        let txn = db.begin_write().unwrap();
        let altered = BucketRecord { logged_within: false, ..record };
        Tables::new(Live::here(&txn)).put_bucket(BucketId::ROOT, "outer", &altered).unwrap();
        txn.commit().unwrap();
        let report = Store::attach(db).unwrap().verify().unwrap();
        assert!(report.to_string().contains("\"outer\" does not say that one in it is logged"), "{report}");
    }
}
