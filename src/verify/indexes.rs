//! The walks through the index tables: what they have, for the sums that the records' walk began. What differs is searched for.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::{Bytes, Tag, table};
use crate::format::{
    LinkKind, Reason, Span, Table, TimeKind, completed_row, decode, decode_counts, job_row, kind_of,
    label_row, link_row, number_at_end, state_row, without_zeros,
};
use crate::model::error::{ReadError, StorageError};
use crate::model::execution::Header;
use crate::model::lifecycle::Lifecycle;
use crate::model::row_id::RowId;
use crate::storage::{Source, Stored};

/// A table whose rows the records determine, each of which names an execution.
pub(super) trait Index: Stored {
    /// The execution that a row is of.
    fn number(key: &Self::Key, value: &[u8]) -> Result<RowId, Reason>;
}

macro_rules! indexes {
    ($($table:ident),+) => {$(
        impl Index for table::$table {
            fn number(key: &Self::Key, value: &[u8]) -> Result<RowId, Reason> {
                decode::<Self>(key, value).and_then(|()| number_at_end(key))
            }
        }
    )+};
}
indexes!(Jobs, States, Labels, Completions);

impl Index for table::Links {
    fn number(key: &[u8], value: &[u8]) -> Result<RowId, Reason> {
        decode::<Self>(key, value).and_then(|_| number_at_end(key))
    }
}

impl Index for table::LastChanges {
    fn number(key: &[u8; 8], value: &[u8]) -> Result<RowId, Reason> {
        decode::<Self>(key, value)
    }
}

pub(super) fn group_of(tag: Tag) -> Group {
    match tag {
        Tag::Jobs => Group::Jobs,
        Tag::States => Group::States,
        Tag::Labels => Group::Labels,
        Tag::Links => Group::Links,
        Tag::Completions => Group::Completed,
        _ => Group::Settled,
    }
}

/// The index rows that an execution must have, but for the one that ties it over deleted attempts.
pub(super) fn rows_of(
    header: &Header,
    last_change: u64,
    (lifecycle, swept): (&Lifecycle, u64),
    row: &mut dyn FnMut(Tag, &[u8]),
) {
    let number = RowId::of(header);
    let code = header.state.code();
    let group = lifecycle.group(code);
    row(Tag::Jobs, &job_row(header.job_id.as_str(), number));
    row(Tag::States, &state_row(code, number));
    for (key, value) in &header.labels {
        row(Tag::Labels, &label_row(key, value, group, number));
    }
    for (kind, target) in [(LinkKind::Parent, &header.parent), (LinkKind::Previous, &header.previous)] {
        if let Some(id) = target {
            row(Tag::Links, &link_row(kind, id.as_str(), number));
        }
    }
    if let Some(at) = header.completed_at {
        row(Tag::Completions, &completed_row(at, number));
    }
    if last_change <= swept {
        row(Tag::LastChanges, &last_change.to_be_bytes());
    }
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn ids(&mut self) -> Result<(), StorageError> {
        let tag = Tag::Ids;
        self.walk::<table::Ids>(|verifier, key, value| {
            match decode::<table::Ids>(key, value) {
                Ok(number) => verifier.sums.find(Group::Ids, number, &[key, &number.to_be_bytes()]),
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
            }
            Ok(())
        })
    }

    pub(super) fn indexes(&mut self) -> Result<(), StorageError> {
        self.walk::<table::Jobs>(|verifier, key, value| {
            match number_at_end(key) {
                Ok(RowId::NONE) => verifier.counters_of::<table::Jobs>(Group::JobCounts, key, value),
                _ => verifier.index_row::<table::Jobs>(key, value),
            }
            Ok(())
        })?;
        self.index::<table::States>()?;
        self.index::<table::Labels>()?;
        self.index::<table::Completions>()?;
        self.index::<table::LastChanges>()?;
        self.links()?;
        self.label_counts()
    }

    fn index<T: Index>(&mut self) -> Result<(), StorageError> {
        self.walk::<T>(|verifier, key, value| {
            verifier.index_row::<T>(key, value);
            Ok(())
        })
    }

    fn index_row<T: Index>(&mut self, key: &T::Key, value: &[u8]) {
        self.indexed.find_row(T::TAG);
        let bytes = key.as_ref();
        match T::number(key, value) {
            Ok(number) => self.sums.find(group_of(T::TAG), number, &[bytes, &number.to_be_bytes()]),
            Err(reason) => self.problem(T::TAG, format!("key {}: {reason}", hex(bytes))),
        }
    }

    fn label_counts(&mut self) -> Result<(), StorageError> {
        let tag = Tag::LabelCounts;
        self.walk::<table::LabelCounts>(|verifier, key, value| {
            match decode_counts::<table::LabelCounts>(key, value) {
                Ok(kept) => {
                    for (code, count) in (0u8..).zip(kept) {
                        verifier.counter(Group::LabelCounts, key, &[key, &[code]], count);
                    }
                }
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
            }
            Ok(())
        })
    }

    /// A counter says that something is there so many times.
    pub(super) fn counter(&mut self, group: Group, text: &[u8], thing: &[&[u8]], count: u64) {
        let of = self.sums.of_text(text);
        if count > self.report.executions {
            self.sums.doubt(group, of);
        }
        self.sums.find_many(group, of, thing, count);
    }

    /// `true` if the sums that the counter of a label or a namespace is in differ.
    pub(super) fn is_counter_in_question(&self, group: Group, text: &[u8]) -> bool {
        self.sums.differ(group, self.sums.of_text(text))
    }

    /// Which counters of a table in question are not what was counted.
    pub(super) fn search_counters<T: Stored + Table<Key = Bytes>>(
        &mut self,
        group: Group,
        mut counted: HashMap<Vec<u8>, Vec<u64>>,
    ) -> Result<(), StorageError> {
        let tag = group.tag();
        self.again::<T>(|verifier, key, value| {
            if !verifier.is_counter_in_question(group, key) {
                return Ok(());
            }
            #[expect(clippy::disallowed_methods, reason = "what was not counted counts nothing")]
            let counted = counted.remove(key).unwrap_or_default();
            if let Ok(kept) = decode_counts::<T>(key, value)
                && without_zeros(&kept) != without_zeros(&counted)
            {
                verifier.problem(tag, format!("key {}: {kept:?}, not {counted:?}", hex(key)));
            }
            Ok(())
        })?;
        for key in counted.into_keys() {
            self.problem(tag, format!("key {}: the row is missing", hex(&key)));
        }
        Ok(())
    }

    /// Each block's span covers the times in it.
    pub(super) fn spans(&mut self) -> Result<(), ReadError> {
        let mut expected = std::mem::take(&mut self.indexed.spans);
        let (current, blocks) = (self.indexed.current, self.indexed.blocks);
        let mut check = |verifier: &mut Self, kind: TimeKind, block: u64, span: &Span| {
            let Some(found) = expected.remove(&(kind as u8, block)) else { return };
            if !span.covers(found.least) || !span.covers(found.greatest) {
                verifier.problem(
                    Tag::TimeBlocks,
                    format!("{kind:?}, block {block}: a time lies outside its span"),
                );
            }
        };
        let kinds = [TimeKind::Executions, TimeKind::Changes];
        for ((kind, span), block) in kinds.into_iter().zip(current).zip(blocks) {
            check(self, kind, block, &span);
        }
        self.walk::<table::TimeBlocks>(|verifier, key, value| {
            let (code, block) = kind_of(key);
            let Some(kind) = kinds.into_iter().find(|kind| *kind as u8 == code) else { return Ok(()) };
            match decode::<table::TimeBlocks>(key, value) {
                Ok(span) => check(verifier, kind, block, &span),
                Err(reason) => verifier.damaged(Tag::TimeBlocks, key, reason),
            }
            Ok(())
        })?;
        for (kind, block) in expected.into_keys() {
            self.problem(Tag::TimeBlocks, format!("kind {kind}, block {block}: it has no span"));
        }
        Ok(())
    }
}
