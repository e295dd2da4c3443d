//! The tables `nodes`, `node_names` and `progress`: what runs within an execution.

use redb::ReadableTable;

use super::{Live, Rows, Source, Tables, damaged, look_up, shield};
use crate::format::schema::{Pair, Tag};
use crate::format::{
    decode_node, decode_number, decode_progress, encode_node, encode_number, encode_progress, name_row, pair,
};
use crate::model::error::{ReadError, StorageError};
use crate::model::progress::{Node, Progress};

impl<S: Source> Tables<S> {
    /// The place of a node among those of its execution.
    pub(crate) fn node_place(&self, number: u64, name: &str) -> Result<Option<u64>, ReadError> {
        let key = name_row(number, name);
        let table = self.node_names.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_number(Tag::NodeNames as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::NodeNames, &key, reason))?)
    }

    pub(crate) fn node(&self, number: u64, place: u64) -> Result<Option<Node>, ReadError> {
        let key = pair(number, place);
        let table = self.nodes.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_node(Tag::Nodes as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Nodes, &key, reason))?)
    }

    /// Those of one execution, in the order of their places.
    pub(crate) fn node_rows(
        &self,
        number: u64,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Node, ReadError>> + use<'_, S>, StorageError> {
        let (start, end) = (pair(number, 0), pair(number, u64::MAX));
        let table = self.nodes.get(&self.source)?;
        let range = shield(|| table.range::<&[u8; 16]>(&start..=&end))?;
        Ok(Rows::<Pair, _>::new(range, Tag::Nodes, &start, Some(&end), |key, value| {
            decode_node(Tag::Nodes as u8, key, value)
                .map_err(|reason| damaged(Tag::Nodes, key, reason).into())
        }))
    }

    pub(crate) fn progress(&self, number: u64) -> Result<Option<Progress>, ReadError> {
        let key = number.to_be_bytes();
        let table = self.progress.get(&self.source)?;
        let found = look_up(table, &key, |value| decode_progress(Tag::Progress as u8, &key, value))?;
        Ok(found.transpose().map_err(|reason| damaged(Tag::Progress, &key, reason))?)
    }
}

impl Tables<Live<'_>> {
    pub(crate) fn put_node(&mut self, number: u64, place: u64, node: &Node) -> Result<(), StorageError> {
        self.put(Tag::Nodes, &pair(number, place), |table, key, out| encode_node(table, key, node, out))
    }

    pub(crate) fn put_node_place(&mut self, number: u64, name: &str, place: u64) -> Result<(), StorageError> {
        self.put(Tag::NodeNames, &name_row(number, name), |table, key, out| {
            encode_number(table, key, place, out)
        })
    }

    pub(crate) fn put_progress(&mut self, number: u64, progress: &Progress) -> Result<(), StorageError> {
        self.put(Tag::Progress, &number.to_be_bytes(), |table, key, out| {
            encode_progress(table, key, progress, out)
        })
    }

    pub(crate) fn remove_progress(&mut self, number: u64) -> Result<bool, StorageError> {
        self.remove(Tag::Progress, &number.to_be_bytes())
    }
}
