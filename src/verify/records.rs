//! The walk through the records: what each of them says that the other tables must have.

use super::checks::Verifier;
use super::indexes::{group_of, rows_of};
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{
    IdKey, PayloadPlace, Record, TimeKind, decode_record, header_bytes, job_counts_row, label, payload_row,
};
use crate::model::error::StorageError;
use crate::model::row_id::{PayloadVersion, RowId};
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    pub(super) fn records(&mut self) -> Result<(), StorageError> {
        let (tag, lifecycle) = (Tag::Executions, self.lifecycle);
        let mut scratch = Vec::new();
        self.walk::<table::Executions>(|verifier, key, value| {
            match decode_record(key, value, lifecycle) {
                Ok(record) => verifier.record(&record, &mut scratch),
                Err(reason) => verifier.damaged(tag, key, reason),
            }
            Ok(())
        })
    }

    /// Each record once more; those that cannot be read were told of.
    pub(super) fn records_again(
        &mut self,
        mut visit: impl FnMut(&mut Self, &Record<'_>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let lifecycle = self.lifecycle;
        self.again::<table::Executions>(|verifier, key, value| match decode_record(key, value, lifecycle) {
            Ok(record) => visit(verifier, &record),
            Err(_) => Ok(()),
        })
    }

    fn record(&mut self, record: &Record<'_>, scratch: &mut Vec<u8>) {
        let (header, swept) = (&record.header, self.waiting.swept);
        let (id, number) = (&header.id, record.number());
        self.report.executions += 1;
        if self.waiting.execution(number) {
            self.problem(Tag::Removals, format!("{id}: it is there, and its rows wait to be removed"));
        }
        if number.0 > self.totals.last_number {
            self.problem(Tag::Executions, format!("{id}: number {number} was never given"));
        }
        if header.modified_at < header.created_at {
            self.problem(Tag::Executions, format!("{id}: it was modified before it was created"));
        }
        if header.completed_at.is_some() != header.state.is_terminal() {
            self.problem(Tag::Executions, format!("{id}: the completed time does not fit its state"));
        }
        let code = header.state.code();
        self.counts.set_count(code, self.counts.count(code) + 1);

        for (key, value) in &header.labels {
            let label = label(key, value);
            self.sums.expect(Group::LabelCounts, self.sums.of_text(&label), &[&label, &[code]]);
        }
        let job = job_counts_row(header.job_id.as_str());
        self.sums.expect(Group::JobCounts, self.sums.of_text(&job), &[&job, &[code]]);
        self.namespace(&header.namespace, code);
        let bytes = number.to_be_bytes();
        self.sums.expect(Group::Ids, number, &[&IdKey::of(id.as_str()), &bytes]);
        let (sums, indexed) = (&mut self.sums, &mut self.indexed);
        rows_of(header, record.last_change, (self.lifecycle, swept), &mut |tag, key| {
            indexed.expect_row(tag);
            sums.expect(group_of(tag), number, &[key, &bytes]);
        });
        self.indexed.time(TimeKind::Executions, number.0, header.created_at);
        self.indexed.time(TimeKind::Changes, record.last_change, header.modified_at);
        if header.event_count > 0 {
            self.sums.expect(Group::Events, number, &[&bytes, &header.event_count.to_be_bytes()]);
        }
        let payload = payload_row(number, record.payload_version);
        if record.last_change > swept {
            self.indexed.last_change_bits.set(record.last_change);
            header_bytes(header, scratch);
            let left = left(record.last_change, record.payload_version);
            self.sums.expect(Group::Log, number, &[&bytes, &left, scratch]);
        } else {
            // No entry is left that names its payload, and none may begin with it.
            self.sums.expect(Group::Payloads, number, &[&payload]);
            self.begin(number);
        }
        if matches!(record.payload, PayloadPlace::Inline(_)) {
            self.sums.find(Group::Payloads, number, &[&payload]);
        }
    }

    /// What is known of an execution begins here, which it does once.
    pub(super) fn begin(&mut self, number: RowId) {
        if !self.begun.set(number.0) {
            self.sums.doubt(Group::Log, number);
        }
    }
}

/// What a change left: itself, and the payload from then on.
pub(super) fn left(change: u64, version: PayloadVersion) -> [u8; 16] {
    ((u128::from(change) << 64) | u128::from(version.0)).to_be_bytes()
}
