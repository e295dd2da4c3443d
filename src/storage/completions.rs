//! The table `completions`: the executions that have ended, by the time of that.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables};
use crate::format::schema::table;
use crate::format::{completed_of, completed_row, decode};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;
use crate::model::time::Timestamp;

impl<S: Source> Tables<S> {
    /// The executions that ended between two places in the order of completion.
    pub(crate) fn completion_rows(
        &self,
        places: RangeInclusive<(Timestamp, RowId)>,
    ) -> Result<
        impl DoubleEndedIterator<Item = Result<(Timestamp, RowId), ReadError>> + use<'_, S>,
        StorageError,
    > {
        let key = |place: &(Timestamp, RowId)| completed_row(place.0, place.1);
        let (low, high) = (key(places.start()), key(places.end()));
        self.range::<table::Completions, _, _>(&low, &high, |key: &[u8; 16], value: &[u8]| {
            decode::<table::Completions>(key, value).map(|()| completed_of(key))
        })
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_completion(&mut self, at: Timestamp, number: RowId) -> Result<(), StorageError> {
        self.put::<table::Completions>(&completed_row(at, number), ())
    }

    pub(crate) fn remove_completion(&mut self, at: Timestamp, number: RowId) -> Result<bool, StorageError> {
        self.remove::<table::Completions>(&completed_row(at, number))
    }
}
