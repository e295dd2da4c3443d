//! The checks of a tamper-evident store: the chain of the log, what it says of events and payloads, the sum over all rows.

use super::checks::Verifier;
use crate::format::Totals;
use crate::format::schema::Tag;
use crate::model::change::Change;
use crate::model::error::{ReadError, StorageError};
use crate::model::hash::Hash;
use crate::model::integrity::{Content, change_hash, genesis};
use crate::storage::{Source, StoredExecution};

/// Where a walk through the log is in its chain.
pub(super) struct Chain {
    /// The last trimmed entry: those before it may be there still, and are not in the chain any more.
    trimmed: u64,
    /// The hash that the next entry must have of the one before it, if that can be known.
    expected: Option<Hash>,
}

impl Chain {
    pub(super) fn new(totals: &Totals) -> Self {
        Self { trimmed: totals.trimmed, expected: totals.seal.as_ref().map(|seal| seal.anchor) }
    }

    /// An entry cannot be read.
    pub(super) fn is_broken(&mut self) {
        self.expected = None;
    }
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn seal(&mut self) -> Result<(), ReadError> {
        let meta = self.tables.meta();
        let Some(Some(Ok(meta))) = self.row(Tag::Meta, meta)? else {
            self.problem(Tag::Meta, "the record is missing");
            return Ok(());
        };
        match &self.totals.seal {
            Some(seal) => {
                if self.totals.trimmed == 0 && seal.anchor != genesis(meta.store_id) {
                    self.problem(Tag::Totals, "the chain does not begin with this store");
                }
                if self.sum != seal.sum {
                    let what = "the sum over all rows is another: rows were altered, added or removed";
                    self.problem(Tag::Totals, what);
                }
                if !meta.sealed {
                    self.problem(Tag::Meta, "it does not say that the store is tamper-evident");
                }
            }
            None if meta.sealed => self.problem(Tag::Totals, "the chain and the sum are missing"),
            None => {}
        }
        Ok(())
    }

    /// Each entry has the hash of the one before it, and says what came with it.
    pub(super) fn chained(&mut self, change: &Change, chain: &mut Chain) -> Result<(), StorageError> {
        let seq = change.seq;
        if self.totals.seal.is_none() || seq.0 <= chain.trimmed {
            return Ok(());
        }
        let Some(link) = &change.link else {
            self.problem(Tag::Changes, format!("{seq} has no hash"));
            chain.is_broken();
            return Ok(());
        };
        if chain.expected.is_some_and(|expected| expected != link.previous) {
            self.problem(Tag::Changes, format!("{seq} has not the hash of the entry before it"));
        }
        chain.expected = Some(change_hash(seq.0, &change.entry(), link));
        if self.content(change)?.is_some_and(|content| content != link.content) {
            let what = format!("{seq}: its events or its payload are not those that came with it");
            self.problem(Tag::Changes, what);
        }
        Ok(())
    }

    pub(super) fn end_of_chain(&mut self, chain: &Chain) {
        let head = self.totals.seal.as_ref().map(|seal| seal.head);
        if chain.expected.is_some() && chain.expected != head {
            self.problem(Tag::Totals, "the last entry of the log has not the hash of the head");
        }
    }

    /// The digest of what came with a change, as far as it is still there: events go with their execution.
    fn content(&self, change: &Change) -> Result<Option<Hash>, StorageError> {
        let mut content = Content::new();
        let Some(of) = change.of_execution() else { return Ok(Some(content.finish())) };
        if let Some(events) = change.events() {
            let seqs = events.start().0..=events.end().0;
            let mut found = 0;
            for event in self.tables.event_rows(of.number, seqs)? {
                match event {
                    Ok(event) => {
                        content.event(event.details.as_str(), &event.message, &event.topic, event.time)
                    }
                    Err(ReadError::Storage(error)) => return Err(error),
                    Err(_) => return Ok(None),
                }
                found += 1;
            }
            if found != of.new_events {
                return Ok(None);
            }
        }
        if change.payload_changed() {
            let version = of.payload_version;
            let stored = match self.tables.payload(of.number, version) {
                Ok(Some(payload)) => Some(payload),
                Ok(None) => match self.tables.execution(of.number, self.lifecycle) {
                    Ok(Some(StoredExecution { payload, payload_version, .. }))
                        if payload_version == version =>
                    {
                        payload
                    }
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
}
