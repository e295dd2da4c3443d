//! Buckets whose rows are in the change log.

use super::Writer;
use super::buckets::{BucketMut, Place};
use crate::format::BucketRecord;
use crate::model::entry::{BucketEntry, RowEntry};
use crate::model::error::{StorageError, WriteError};
use crate::model::row_id::BucketId;

/// # In the change log
impl BucketMut<'_, '_> {
    /// Says whether changes of the bucket's rows are in the change log from now on, in order with those of executions: each put and
    /// each removal of a row is an entry of its own, [with the value](crate::buckets::RowChange), and so is the deletion of the bucket
    /// or of one that it lies in. Kept until it is said otherwise.
    ///
    /// What was in it before is not in the log: whoever wants a copy of the rows reads them once. Those of buckets in it are, if it is
    /// said of them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use execstore::watch::WatchFrom;
    /// # use execstore::{ChangeKind, Filter, Store};
    /// # let store = Store::in_memory()?;
    /// store.write(|w| Ok(w.open_bucket("settings")?.set_logged(true)?))?;
    /// let mut watcher = store.watch(WatchFrom::Latest, Filter::new().bucket("settings"))?;
    /// store.write(|w| Ok(w.open_bucket("settings")?.put("colour", "blue")?))?;
    /// let changes = watcher.next_batch(100, Duration::from_secs(1))?;
    /// let row = changes[0].row().unwrap();
    /// assert_eq!((changes[0].kind(), row.key.as_slice()), (ChangeKind::RowPut, &b"colour"[..]));
    /// assert_eq!((row.value.as_deref(), row.was_there), (Some(&b"blue"[..]), false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_logged(&mut self, logged: bool) -> Result<(), WriteError> {
        if self.record.logged == logged {
            return Ok(());
        }
        self.writer.needs_room()?;
        let after = BucketRecord { logged, ..self.record.clone() };
        if logged {
            self.mark_way()?;
        }
        self.store(after, None, |_, _| Ok(()))
    }

    /// `true` if changes of the bucket's rows are in the change log.
    pub fn is_logged(&self) -> bool {
        self.record.logged
    }

    /// The deletion of what the bucket lies in is to be logged, too: so that is marked, and need not look for what lies within.
    fn mark_way(&mut self) -> Result<(), WriteError> {
        let (mut id, mut marked) = (BucketId::ROOT, Vec::new());
        for name in &self.parent.path {
            let Some(record) = self.writer.tables.bucket(id, name)? else { break };
            let above = std::mem::replace(&mut id, record.id);
            if !record.logged_within {
                marked.push((above, name, BucketRecord { logged_within: true, ..record }));
            }
        }
        self.writer.storing(|w| {
            for (above, name, record) in marked {
                w.tables.put_bucket(above, name, &record)?;
                // Handles that are open know the rest of it.
                w.logged_within.push(record.id);
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Writer<'_> {
    /// Writes the entry of a bucket to the change log; without a row that of its deletion.
    pub(super) fn log_in_bucket(
        &mut self,
        parent: &Place,
        name: &str,
        row: Option<RowEntry<'_>>,
    ) -> Result<(), StorageError> {
        let path: Vec<_> = parent.path.iter().cloned().chain([name.into()]).collect();
        self.log_bucket(BucketEntry { time: self.settings.clock.now(), not_before: None, path: &path, row })
    }
}
