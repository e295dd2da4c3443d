//! The checks of the index tables: each row belongs to a record, and each record has its rows.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::lasts::LastChanges;
use crate::codec::{
    LinkKind, Span, SpanKind, Totals, block_of, completed_row, decode_counts, decode_link, decode_nothing,
    decode_number, job_row, label, label_row, link_row, number_at_end, state_row,
};
use crate::error::{ReadError, StorageError};
use crate::lifecycle::Lifecycle;
use crate::schema::Tag;
use crate::tables::{Found, Source};
use crate::time::Timestamp;

const INDEXES: [Tag; 6] = [Tag::Jobs, Tag::States, Tag::Labels, Tag::Links, Tag::Completed, Tag::Settled];

/// What the records say that the index tables must hold.
pub(super) struct Indexed {
    rows: HashMap<Tag, u64>,
    labels: HashMap<Vec<u8>, Vec<u64>>,
    /// The times in each block, as far as there are executions.
    spans: HashMap<(u8, u64), Span>,
    current: [Span; 2],
    blocks: [u64; 2],
    /// Links to an id that nobody has had since.
    pub(super) unmet: u64,
    pub(super) lasts: LastChanges,
}

impl Indexed {
    pub(super) fn new(totals: &Totals) -> Self {
        Self {
            rows: HashMap::new(),
            labels: HashMap::new(),
            spans: HashMap::new(),
            current: [totals.created, totals.modified],
            blocks: [block_of(totals.last_number), block_of(totals.head)],
            unmet: 0,
            lasts: LastChanges::default(),
        }
    }

    pub(super) fn expect_row(&mut self, tag: Tag) {
        *self.rows.entry(tag).or_default() += 1;
    }

    fn time(&mut self, kind: SpanKind, number: u64, time: Timestamp) {
        self.spans.entry((kind as u8, block_of(number))).or_default().extend(time);
    }
}

/// The index rows that an execution must have.
fn rows_of(found: &Found, lifecycle: &Lifecycle, swept: u64) -> Vec<(Tag, Vec<u8>)> {
    let (header, number) = (&found.header, found.number);
    let code = lifecycle.code(header.state.as_str()).unwrap_or(u8::MAX);
    let mut rows = vec![
        (Tag::Jobs, job_row(header.job_id.as_str(), number).to_vec()),
        (Tag::States, state_row(code, number).to_vec()),
    ];
    rows.extend(header.labels.iter().map(|(key, value)| (Tag::Labels, label_row(key, value, code, number))));
    for (kind, target) in [(LinkKind::Parent, &header.parent), (LinkKind::Previous, &header.previous)] {
        rows.extend(target.iter().map(|id| (Tag::Links, link_row(kind, id.as_str(), number).to_vec())));
    }
    rows.extend(header.completed_at.map(|at| (Tag::Completed, completed_row(at, number).to_vec())));
    if found.last_change <= swept {
        rows.push((Tag::Settled, found.last_change.to_be_bytes().to_vec()));
    }
    rows
}

impl<S: Source> Verifier<'_, S> {
    /// The index rows of a record are there.
    pub(super) fn index_rows(&mut self, found: &Found) -> Result<(), StorageError> {
        let header = &found.header;
        for (tag, key) in rows_of(found, self.lifecycle, self.waiting.swept) {
            self.indexed.expect_row(tag);
            if !self.tables.has_row(tag, &key)? {
                self.problem(tag, format!("{}: it has no row", header.id));
            }
        }
        self.links_of(found)?;
        let code = self.lifecycle.code(header.state.as_str()).unwrap_or(u8::MAX);
        for (key, value) in &header.labels {
            let counts = self.indexed.labels.entry(label(key, value)).or_default();
            let place = usize::from(code);
            counts.resize(counts.len().max(place + 1), 0);
            if let Some(count) = counts.get_mut(place) {
                *count += 1;
            }
        }
        self.indexed.time(SpanKind::Executions, found.number, header.created_at);
        self.indexed.time(SpanKind::Changes, found.last_change, header.modified_at);
        if found.last_change > self.waiting.swept {
            self.indexed.lasts.add(found.last_change);
        }
        Ok(())
    }

    /// No index has rows that no record accounts for.
    pub(super) fn indexes(&mut self) -> Result<(), ReadError> {
        for tag in INDEXES {
            self.index(tag)?;
        }
        self.label_counts()
    }

    fn index(&mut self, tag: Tag) -> Result<(), ReadError> {
        let mut rows = 0;
        for row in self.tables.raw(tag)? {
            let Some((key, value)) = self.row(tag, row)? else {
                continue;
            };
            self.reachable(tag, &key)?;
            rows += 1;
            let number = match tag {
                Tag::Settled => decode_number(tag as u8, &key, &value),
                Tag::Links => decode_link(tag as u8, &key, &value).and_then(|_| number_at_end(&key)),
                _ => decode_nothing(tag as u8, &key, &value).and_then(|()| number_at_end(&key)),
            };
            let number = match number {
                Ok(number) => number,
                Err(reason) => {
                    self.problem(tag, format!("key {}: {reason}", hex(&key)));
                    continue;
                }
            };
            let found = self.tables.execution(number, self.lifecycle);
            let found = self.row(tag, found)?.flatten();
            let tie = found.as_ref().filter(|_| tag == Tag::Links).and_then(|found| self.tie_of(found));
            let expected = found.map(|found| rows_of(&found, self.lifecycle, self.waiting.swept));
            if tie.as_ref() != Some(&key) && !expected.unwrap_or_default().contains(&(tag, key.clone())) {
                self.problem(tag, format!("key {}: no execution has this row", hex(&key)));
            }
        }
        let expected = self.indexed.rows.get(&tag).copied().unwrap_or(0);
        if rows != expected {
            self.problem(tag, format!("{rows} rows, not {expected}"));
        }
        Ok(())
    }

    fn label_counts(&mut self) -> Result<(), ReadError> {
        let tag = Tag::LabelCounts;
        let mut expected = std::mem::take(&mut self.indexed.labels);
        for row in self.tables.raw(tag)? {
            let Some((key, value)) = self.row(tag, row)? else {
                continue;
            };
            self.reachable(tag, &key)?;
            let counted = expected.remove(&key).unwrap_or_default();
            match decode_counts(tag as u8, &key, &value) {
                Err(reason) => self.problem(tag, format!("key {}: {reason}", hex(&key))),
                Ok(kept) if without_zeros(&kept) != without_zeros(&counted) => {
                    self.problem(tag, format!("key {}: {kept:?}, not {counted:?}", hex(&key)));
                }
                Ok(_) => {}
            }
        }
        for key in expected.into_keys() {
            self.problem(tag, format!("key {}: the row is missing", hex(&key)));
        }
        Ok(())
    }

    /// Each block's span covers the times in it.
    pub(super) fn spans(&mut self) -> Result<(), ReadError> {
        let mut expected = std::mem::take(&mut self.indexed.spans);
        let (current, blocks) = (self.indexed.current, self.indexed.blocks);
        let mut check = |verifier: &mut Self, kind: SpanKind, block: u64, span: &Span| {
            let Some(found) = expected.remove(&(kind as u8, block)) else { return };
            if !span.covers(found.least) || !span.covers(found.greatest) {
                verifier
                    .problem(Tag::Spans, format!("{kind:?}, block {block}: a time lies outside its span"));
            }
        };
        let kinds = [SpanKind::Executions, SpanKind::Changes];
        for ((kind, span), block) in kinds.into_iter().zip(current).zip(blocks) {
            check(self, kind, block, &span);
            for row in self.tables.span_rows(kind)? {
                let Some((block, span)) = self.row(Tag::Spans, row)? else {
                    continue;
                };
                self.reachable(Tag::Spans, &crate::codec::span_row(kind, block))?;
                check(self, kind, block, &span);
            }
        }
        for (kind, block) in expected.into_keys() {
            self.problem(Tag::Spans, format!("kind {kind}, block {block}: it has no span"));
        }
        Ok(())
    }
}

fn without_zeros(counts: &[u64]) -> &[u64] {
    let len = counts.iter().rposition(|count| *count != 0).map_or(0, |last| last + 1);
    counts.get(..len).unwrap_or_default()
}
