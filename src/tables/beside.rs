//! Every row beside one execution, whatever is in it.

use redb::ReadableTable;

use super::{Live, Rows, Tables, shield};
use crate::codec::{name_row, pair};
use crate::error::{ReadError, StorageError};
use crate::schema::{Bytes, Pair, Tag};

impl Tables<Live<'_>> {
    /// The rows of an execution in the table `attachments`, `outputs`, `node_names` or `nodes`, damaged ones too.
    pub(crate) fn rows_beside<T>(
        &self,
        tag: Tag,
        number: u64,
        row: fn(&[u8], &[u8]) -> T,
    ) -> Result<Vec<T>, StorageError> {
        if tag == Tag::Nodes {
            let (start, end) = (pair(number, 0), pair(number, u64::MAX));
            let table = self.nodes.get(&self.source)?;
            let range = shield(|| table.range::<&[u8; 16]>(&start..=&end))?;
            let rows = Rows::<Pair, _>::new(range, tag, &start, Some(&end), |key, value| Ok(row(key, value)));
            return sound(rows);
        }
        let start = name_row(number, "");
        let end = [start.as_slice(), &[0xff]].concat();
        let table = match tag {
            Tag::Attachments => self.attachments.get(&self.source)?,
            Tag::Outputs => self.outputs.get(&self.source)?,
            _ => self.node_names.get(&self.source)?,
        };
        let range = shield(|| table.range::<&[u8]>(start.as_slice()..=end.as_slice()))?;
        let rows = Rows::<Bytes, _>::new(range, tag, &start, Some(&end), |key, value| Ok(row(key, value)));
        sound(rows)
    }

    /// Where the chunks of a blob begin that begin in a range of offsets, and how long they are.
    pub(crate) fn chunk_spans(
        &self,
        blob: u64,
        offsets: std::ops::Range<u64>,
    ) -> Result<Vec<(u64, u64)>, StorageError> {
        let (start, end) = (pair(blob, offsets.start), pair(blob, offsets.end));
        let table = self.chunks.get(&self.source)?;
        let range = shield(|| table.range::<&[u8; 16]>(&start..&end))?;
        let span = |key: &[u8], value: &[u8]| {
            let offset = crate::codec::pair_of(super::fixed(key)?).1;
            Ok((offset, value.len().saturating_sub(crate::codec::FRAME) as u64))
        };
        sound(Rows::<Pair, _>::new(range, Tag::Chunks, &start, Some(&end), span))
    }
}

/// The rows that lie where they should. Those that do not are left where they are: what is read here is to be removed, and
/// damage must not keep the rest from going.
fn sound<T>(rows: impl Iterator<Item = Result<T, ReadError>>) -> Result<Vec<T>, StorageError> {
    let mut sound = Vec::new();
    for row in rows {
        match row {
            Ok(row) => sound.push(row),
            Err(ReadError::Storage(error)) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(sound)
}
