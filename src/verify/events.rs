//! The checks of the events: they are numbered from 1 to the number that their execution has.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::{Tag, table};
use crate::format::{check_event, place_of};
use crate::model::error::StorageError;
use crate::model::row_id::RowId;
use crate::storage::Source;

impl<S: Source> Verifier<'_, S> {
    pub(super) fn events(&mut self) -> Result<(), StorageError> {
        let tag = Tag::Events;
        // The execution of the last row, and that row's number.
        let mut last = (RowId::NONE, 0);
        self.walk::<table::Events>(|verifier, key, value| {
            verifier.report.events += 1;
            let (number, seq) = place_of(key);
            if let Err(reason) = check_event(key, value) {
                verifier.problem(tag, format!("key {}: {reason}", hex(key)));
            }
            if number != last.0 {
                verifier.end_of_events(last);
                last = (number, 0);
            }
            let expected = last.1.saturating_add(1);
            if seq != expected && !verifier.waiting.execution(number) && verifier.is_execution(number)? {
                verifier.problem(tag, format!("key {}: number {expected} was expected", hex(key)));
            }
            last.1 = seq;
            Ok(())
        })?;
        self.end_of_events(last);
        Ok(())
    }

    fn end_of_events(&mut self, (number, seen): (RowId, u64)) {
        if seen > 0 && !self.waiting.execution(number) {
            self.sums.find(Group::Events, number, &[&number.to_be_bytes(), &seen.to_be_bytes()]);
        }
    }

    /// Which executions have other events than they should, and which events have no execution.
    pub(super) fn search_events(&mut self) -> Result<(), StorageError> {
        if self.sums.agree(Group::Events) {
            return Ok(());
        }
        let tag = Tag::Events;
        // How many there should be, and the last one that there is.
        let mut known: HashMap<RowId, (u64, u64)> = HashMap::new();
        self.records_again(|verifier, record| {
            let number = record.number();
            if verifier.sums.differ(Group::Events, number) {
                known.insert(number, (record.header.event_count, 0));
            }
            Ok(())
        })?;
        self.again::<table::Events>(|verifier, key, _| {
            let (number, seq) = place_of(key);
            if !verifier.sums.differ(Group::Events, number) || verifier.waiting.execution(number) {
                return Ok(());
            }
            match known.get_mut(&number) {
                Some((_, seen)) => *seen = seq,
                None => verifier.problem(tag, format!("key {}: it has no execution", hex(key))),
            }
            Ok(())
        })?;
        for (number, (events, seen)) in known.into_iter().filter(|(_, (events, seen))| events != seen) {
            self.problem(tag, format!("execution number {number}: {seen} events, not {events}"));
        }
        Ok(())
    }
}
