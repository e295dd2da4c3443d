//! The table `links`: the kind of a link, the id that it names and the number of who has it, to where it leads.

use std::ops::RangeInclusive;

use super::{Live, Source, Tables, damaged};
use crate::format::schema::{Tag, table};
use crate::format::{LinkKind, LinkTo, decode, link_prefix, link_row, number_at_end};
use crate::model::error::{ReadError, StorageError};
use crate::model::row_id::RowId;

impl<S: Source> Tables<S> {
    /// Where the link of an execution leads that names this id.
    pub(crate) fn link(&self, kind: LinkKind, id: &str, number: RowId) -> Result<LinkTo, ReadError> {
        let key = link_row(kind, id, number);
        let found = self.get::<table::Links, _>(&key)?;
        found.ok_or_else(|| damaged(Tag::Links, &key, "the row is missing").into())
    }

    /// Those of a range of numbers that have a link to this id, and where it leads.
    pub(crate) fn link_rows(
        &self,
        kind: LinkKind,
        id: &str,
        numbers: &RangeInclusive<RowId>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(RowId, LinkTo), ReadError>> + use<'_, S>, StorageError>
    {
        let prefix = link_prefix(kind, id);
        let key = |number: &RowId| [&*prefix, &number.to_be_bytes()].concat();
        let (low, high) = (key(numbers.start()), key(numbers.end()));
        self.range::<table::Links, _, _>(&low, &high, |key: &[u8], value: &[u8]| {
            let to = decode::<table::Links>(key, value)?;
            Ok((number_at_end(key)?, to))
        })
    }

    /// Those of a range of numbers whose link of this id leads to the execution of a number, or wherever.
    pub(crate) fn linked_to(
        &self,
        kind: LinkKind,
        id: &str,
        target: Option<RowId>,
        numbers: &RangeInclusive<RowId>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<RowId, ReadError>> + use<'_, S>, StorageError> {
        Ok(self.link_rows(kind, id, numbers)?.filter_map(move |row| match row {
            Ok((number, to)) => target.is_none_or(|target| target == to.target).then_some(Ok(number)),
            Err(error) => Some(Err(error)),
        }))
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_link(
        &mut self,
        kind: LinkKind,
        id: &str,
        number: RowId,
        to: &LinkTo,
    ) -> Result<(), StorageError> {
        self.put::<table::Links>(&link_row(kind, id, number), to)
    }

    pub(crate) fn remove_link(
        &mut self,
        kind: LinkKind,
        id: &str,
        number: RowId,
    ) -> Result<bool, StorageError> {
        self.remove::<table::Links>(&link_row(kind, id, number))
    }
}
