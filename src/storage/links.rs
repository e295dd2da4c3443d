//! The table `links`: the kind of a link, the id that it names and the number of who has it, to where it leads.

use std::ops::RangeInclusive;

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, catch_panics, damaged, look_up};
use crate::format::schema::{Bytes, Tag};
use crate::format::{LinkKind, LinkTo, decode_link, encode_link, link_prefix, link_row, number_at_end};
use crate::model::error::{ReadError, StorageError};

impl<S: Source> Tables<S> {
    /// Where the link of an execution leads that names this id.
    pub(crate) fn link(&self, kind: LinkKind, id: &str, number: u64) -> Result<LinkTo, ReadError> {
        let key = link_row(kind, id, number);
        let table = self.slots.links.get(&self.source)?;
        let found = look_up(table, &*key, |value| decode_link(Tag::Links as u8, &key, value))?;
        let found = found.ok_or_else(|| damaged(Tag::Links, &key, "the row is missing"))?;
        Ok(found.map_err(|reason| damaged(Tag::Links, &key, reason))?)
    }

    /// Those of a range of numbers that have a link to this id, and where it leads.
    pub(crate) fn link_rows(
        &self,
        kind: LinkKind,
        id: &str,
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<(u64, LinkTo), ReadError>> + use<'_, S>, StorageError>
    {
        let prefix = link_prefix(kind, id);
        let key = |number: &u64| [&*prefix, &number.to_be_bytes()].concat();
        let (start, end) = (key(numbers.start()), key(numbers.end()));
        let table = self.slots.links.get(&self.source)?;
        let range = catch_panics(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
        Ok(Rows::<Bytes, _>::new(range, Tag::Links, &start, Some(&end), |key, value| {
            decode_link(Tag::Links as u8, key, value)
                .and_then(|to| Ok((number_at_end(key)?, to)))
                .map_err(|reason| damaged(Tag::Links, key, reason).into())
        }))
    }

    /// Those of a range of numbers whose link of this id leads to the execution of a number, or wherever.
    pub(crate) fn linked_to(
        &self,
        kind: LinkKind,
        id: &str,
        target: Option<u64>,
        numbers: &RangeInclusive<u64>,
    ) -> Result<impl DoubleEndedIterator<Item = Result<u64, ReadError>> + use<'_, S>, StorageError> {
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
        number: u64,
        to: &LinkTo,
    ) -> Result<(), StorageError> {
        self.put(Tag::Links, &link_row(kind, id, number), |table, key, out| encode_link(table, key, to, out))
    }

    pub(crate) fn remove_link(
        &mut self,
        kind: LinkKind,
        id: &str,
        number: u64,
    ) -> Result<bool, StorageError> {
        self.remove(Tag::Links, &link_row(kind, id, number))
    }
}
