//! The walk through the log: it has no gaps up to its head, each entry begins where the one before it for the same execution
//! ended, and the last one ends at the record. And the walk through the payloads that its entries name.

use super::checks::Verifier;
use super::integrity::Chain;
use super::records::left;
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{decode_change, header_bytes, number_of, open, payload_of, payload_row};
use crate::model::change::{About, ChangeKind, OfExecution};
use crate::model::error::StorageError;
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    pub(super) fn log(&mut self) -> Result<(), StorageError> {
        let (tag, lifecycle) = (Tag::Changes, self.lifecycle);
        let mut expected = self.waiting.swept.saturating_add(1);
        let (mut chain, mut scratch) = (Chain::new(self.totals), Vec::new());
        self.walk::<table::Changes>(|verifier, key, value| {
            let seq = number_of(key);
            let change = match decode_change(key, value, lifecycle) {
                Ok(change) => change,
                Err(reason) => {
                    verifier.damaged(tag, key, reason);
                    expected = expected.saturating_add(1);
                    chain.is_broken();
                    return Ok(());
                }
            };
            verifier.report.changes += 1;
            if expected != seq {
                verifier.problem(tag, format!("{seq} follows a gap"));
            }
            expected = seq.saturating_add(1);
            if change.link.is_some() && verifier.totals.seal.is_none() {
                verifier.problem(tag, format!("{seq} has a hash, and the store is not tamper-evident"));
            }
            verifier.chained(&change, &mut chain)?;
            if let About::Execution(of) = change.about {
                verifier.change((seq, change.kind), of, &mut scratch);
            }
            Ok(())
        })?;
        if expected != self.totals.head.saturating_add(1) {
            self.problem(tag, format!("the log does not end at its head, {}", self.totals.head));
        }
        self.end_of_chain(&chain);
        Ok(())
    }

    /// What the entry left is what the next one begins with, or the record; and what it begins with is what the one before it left.
    fn change(&mut self, (seq, kind): (u64, ChangeKind), of: OfExecution, scratch: &mut Vec<u8>) {
        let (number, follows) = (of.number, of.follows);
        let (version, version_before) = (of.payload_version, of.payload_version_before());
        let bytes = number.to_be_bytes();
        if kind != ChangeKind::Deleted {
            header_bytes(&of.header, scratch);
            self.sums.find(Group::Log, number, &[&bytes, &left(seq, version), scratch]);
        }
        // Each payload is named once: by the first entry, and by the one that it came with.
        if version != version_before {
            self.sums.expect(Group::Payloads, number, &[&payload_row(number, version)]);
        }
        if follows <= self.waiting.swept {
            self.sums.expect(Group::Payloads, number, &[&payload_row(number, version_before)]);
            self.begin(number);
        } else if kind != ChangeKind::Created {
            header_bytes(&of.undo.apply(*of.header), scratch);
            self.sums.expect(Group::Log, number, &[&bytes, &left(follows, version_before), scratch]);
        } else {
            self.sums.doubt(Group::Log, number);
        }
    }

    pub(super) fn payloads(&mut self) -> Result<(), StorageError> {
        self.walk::<table::Payloads>(|verifier, key, value| {
            verifier.report.payloads += 1;
            // Not as a value, which would be a copy.
            if let Err(reason) = open::<table::Payloads>(key, value).and_then(|mut r| r.rest().map(drop)) {
                verifier.damaged(Tag::Payloads, key, reason);
            }
            let (number, _) = payload_of(key);
            verifier.sums.find(Group::Payloads, number, &[key]);
            Ok(())
        })
    }
}
