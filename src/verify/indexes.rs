//! The walks through the index tables: what they have, for the sums that the records' walk began. What differs is searched for.

use std::collections::HashMap;
use std::fmt::Debug;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::Tag;
use crate::format::{
    LinkKind, Reason, Span, TimeKind, completed_row, decode_counts, decode_nothing, decode_number,
    decode_time_block, job_row, label_row, link_row, number_at_end, state_of, state_row,
};
use crate::model::error::{ReadError, StorageError};
use crate::model::execution::Header;
use crate::model::lifecycle::Lifecycle;
use crate::storage::Source;

pub(super) const INDEXES: [Tag; 6] =
    [Tag::Jobs, Tag::States, Tag::Labels, Tag::Links, Tag::Completions, Tag::LastChanges];

/// Reads the counter in a row: of this table, with this key and value.
type Decode<C> = fn(u8, &[u8], &[u8]) -> Result<C, Reason>;

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
    let number = header.incarnation.0;
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

/// The execution that a row of an index is of.
pub(super) fn number_of_row(tag: Tag, key: &[u8], value: &[u8]) -> Result<u64, String> {
    match tag {
        Tag::LastChanges => decode_number(tag as u8, key, value),
        _ => decode_nothing(tag as u8, key, value).and_then(|()| number_at_end(key)),
    }
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn ids(&mut self) -> Result<(), StorageError> {
        let tag = Tag::Ids;
        self.walk(tag, |verifier, key, value| {
            match decode_number(tag as u8, key, value) {
                Ok(number) => verifier.sums.find(Group::Ids, number, &[key, &number.to_be_bytes()]),
                Err(reason) => verifier.problem(tag, format!("key {}: {reason}", hex(key))),
            }
            Ok(())
        })
    }

    pub(super) fn indexes(&mut self) -> Result<(), StorageError> {
        for tag in [Tag::Jobs, Tag::States, Tag::Labels, Tag::Completions, Tag::LastChanges] {
            self.walk(tag, |verifier, key, value| {
                verifier.index_row(tag, key, value);
                Ok(())
            })?;
        }
        self.links()?;
        self.label_counts()
    }

    fn index_row(&mut self, tag: Tag, key: &[u8], value: &[u8]) {
        if tag == Tag::Jobs && number_at_end(key) == Ok(0) {
            return self.counters_of(Group::JobCounts, key, value);
        }
        self.indexed.find_row(tag);
        match number_of_row(tag, key, value) {
            Ok(number) => self.sums.find(group_of(tag), number, &[key, &number.to_be_bytes()]),
            Err(reason) => self.problem(tag, format!("key {}: {reason}", hex(key))),
        }
    }

    fn label_counts(&mut self) -> Result<(), StorageError> {
        let tag = Tag::LabelCounts;
        self.walk(tag, |verifier, key, value| {
            match decode_counts(tag as u8, key, value) {
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
    pub(super) fn search_counters<C: Debug + Default>(
        &mut self,
        group: Group,
        mut counted: HashMap<Vec<u8>, C>,
        decode: Decode<C>,
        agree: fn(&C, &C) -> bool,
    ) -> Result<(), StorageError> {
        let tag = group.tag();
        self.again(tag, |verifier, key, value| {
            if !verifier.is_counter_in_question(group, key) {
                return Ok(());
            }
            let counted = counted.remove(key).unwrap_or_default();
            if let Ok(kept) = decode(tag as u8, key, value)
                && !agree(&kept, &counted)
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
        self.walk(Tag::TimeBlocks, |verifier, key, value| {
            let (code, block) = key.try_into().map(state_of).unwrap_or_default();
            let Some(kind) = kinds.into_iter().find(|kind| *kind as u8 == code) else { return Ok(()) };
            match decode_time_block(Tag::TimeBlocks as u8, key, value) {
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
