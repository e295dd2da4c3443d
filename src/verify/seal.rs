//! The checks of a tamper-evident store: the chain of the log, what it says of events and payloads, the sum over all rows.

use super::checks::Verifier;
use crate::change::Change;
use crate::codec::Totals;
use crate::error::{ReadError, StorageError};
use crate::schema::Tag;
use crate::seal::{Content, Hash, Seal, Sum, change_hash, genesis, row_hash};
use crate::tables::{Found, Source};

impl<S: Source> Verifier<'_, S> {
    pub(super) fn seal(&mut self, totals: &Totals) -> Result<(), ReadError> {
        let meta = self.tables.meta();
        let Some(Some(Ok(meta))) = self.row(Tag::Meta, meta)? else {
            self.problem(Tag::Meta, "the record is missing");
            return Ok(());
        };
        match &totals.seal {
            Some(seal) => {
                if totals.trimmed == 0 && seal.anchor != genesis(meta.store_id) {
                    self.problem(Tag::Totals, "the chain does not begin with this store");
                }
                self.chain(totals, seal)?;
                self.sum(seal)?;
            }
            None if meta.sealed => self.problem(Tag::Totals, "the chain and the sum are missing"),
            None => {}
        }
        if totals.seal.is_some() && !meta.sealed {
            self.problem(Tag::Meta, "it does not say that the store is tamper-evident");
        }
        Ok(())
    }

    /// Each entry has the hash of the one before it, and says what came with it.
    fn chain(&mut self, totals: &Totals, seal: &Seal) -> Result<(), ReadError> {
        let mut expected = Some(seal.anchor);
        for row in self.tables.change_rows(totals.trimmed + 1..=u64::MAX, self.lifecycle)? {
            let Some(change) = self.row(Tag::Changes, row)? else {
                expected = None;
                continue;
            };
            let seq = change.seq;
            let Some(link) = &change.link else {
                self.problem(Tag::Changes, format!("{seq} has no hash"));
                expected = None;
                continue;
            };
            if expected.is_some_and(|expected| expected != link.previous) {
                self.problem(Tag::Changes, format!("{seq} has not the hash of the entry before it"));
            }
            expected = Some(change_hash(seq.0, &change.entry(), link));
            if self.content(&change)?.is_some_and(|content| content != link.content) {
                self.problem(
                    Tag::Changes,
                    format!("{seq}: its events or its payload are not those that came with it"),
                );
            }
        }
        if expected.is_some_and(|hash| hash != seal.head) {
            self.problem(Tag::Totals, "the last entry of the log has not the hash of the head");
        }
        Ok(())
    }

    /// The digest of what came with a change, as far as it is still there: events go with their execution.
    fn content(&self, change: &Change) -> Result<Option<Hash>, StorageError> {
        let mut content = Content::new();
        if let Some(events) = change.events() {
            let seqs = events.start().0..=events.end().0;
            let mut found = 0;
            for event in self.tables.event_rows(change.number, seqs)? {
                match event {
                    Ok(event) => {
                        content.event(event.details.as_str(), &event.message, &event.topic, event.time)
                    }
                    Err(ReadError::Storage(error)) => return Err(error),
                    Err(_) => return Ok(None),
                }
                found += 1;
            }
            if found != change.new_events {
                return Ok(None);
            }
        }
        if change.payload_changed() {
            let version = change.payload_version;
            let stored = match self.tables.payload(change.number, version) {
                Ok(Some(payload)) => Some(payload),
                Ok(None) => match self.tables.execution(change.number, self.lifecycle) {
                    Ok(Some(Found { payload, payload_version, .. })) if payload_version == version => payload,
                    Err(ReadError::Storage(error)) => return Err(error),
                    _ => None,
                },
                Err(ReadError::Storage(error)) => return Err(error),
                Err(_) => None,
            };
            match stored {
                Some(payload) => content.payload(payload.as_str()),
                None => return Ok(None),
            }
        }
        Ok(Some(content.finish()))
    }

    /// The rows are those that were written.
    fn sum(&mut self, seal: &Seal) -> Result<(), ReadError> {
        let mut sum = Sum::default();
        for tag in Tag::ALL.into_iter().filter(|tag| tag.is_summed()) {
            for row in self.tables.raw(tag)? {
                if let Some((key, value)) = self.row(tag, row)? {
                    sum.add(row_hash(tag as u8, &key, &value));
                }
            }
        }
        if sum != seal.sum {
            self.problem(
                Tag::Totals,
                "the sum over all rows is another: rows were altered, added or removed",
            );
        }
        Ok(())
    }
}
