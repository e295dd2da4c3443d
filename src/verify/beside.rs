//! The checks of what lies beside the records: it belongs to an execution, its bytes are all there, its sums are right.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use crate::codec::{
    OutputRow, Value, decode_attachment, decode_bulk, decode_chunk, decode_node, decode_number,
    decode_output, decode_progress, pair_of,
};
use crate::error::ReadError;
use crate::progress::Progress;
use crate::schema::Tag;
use crate::tables::{Source, decode_visits};

/// Who has a blob: the size of an attachment, or the row of an output.
enum Owner {
    Attachment(u64),
    Output(Box<OutputRow>),
    /// What was deleted: some of the chunks are gone.
    Deleted,
}

/// What the chunks of a blob have shown so far.
#[derive(Default)]
struct Seen {
    /// Where the last chunk began, and ended.
    start: u64,
    end: u64,
    chunks: u64,
    /// Bytes that should be kept and are not there.
    gap: Option<u64>,
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn beside(&mut self) -> Result<(), ReadError> {
        let mut owners = HashMap::new();
        self.attachments(&mut owners)?;
        self.outputs(&mut owners)?;
        self.chunks(owners)?;
        self.nodes()?;
        self.visits()?;
        self.bulks()
    }

    fn bulks(&mut self) -> Result<(), ReadError> {
        for row in self.tables.raw(Tag::Bulks)? {
            let Some((key, value)) = self.row(Tag::Bulks, row)? else { continue };
            self.reachable(Tag::Bulks, &key)?;
            if let Err(reason) = decode_bulk(Tag::Bulks as u8, &key, &value) {
                self.problem(Tag::Bulks, format!("key {}: {reason}", hex(&key)));
            }
        }
        Ok(())
    }

    fn visits(&mut self) -> Result<(), ReadError> {
        for row in self.tables.raw(Tag::Visits)? {
            let Some((key, value)) = self.row(Tag::Visits, row)? else { continue };
            self.reachable(Tag::Visits, &key)?;
            self.of_execution(Tag::Visits, &key);
            if let Err(reason) = decode_visits(&key, &value) {
                self.problem(Tag::Visits, format!("key {}: {reason}", hex(&key)));
            }
        }
        Ok(())
    }

    /// The number that a row beside an execution begins with, which must be that of an execution.
    fn of_execution(&mut self, tag: Tag, key: &[u8]) -> u64 {
        let number = key.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
        if !self.is_known(number) && !self.waiting.execution(number) {
            self.problem(tag, format!("key {}: it has no execution", hex(key)));
        }
        number
    }

    fn own(&mut self, tag: Tag, key: &[u8], blob: u64, owner: Owner, owners: &mut HashMap<u64, Owner>) {
        if owners.insert(blob, owner).is_some() {
            self.problem(tag, format!("key {}: blob {blob} belongs to another", hex(key)));
        }
    }

    fn attachments(&mut self, owners: &mut HashMap<u64, Owner>) -> Result<(), ReadError> {
        let tag = Tag::Attachments;
        for row in self.tables.raw(tag)? {
            let Some((key, value)) = self.row(tag, row)? else { continue };
            self.reachable(tag, &key)?;
            self.report.attachments += 1;
            let number = self.of_execution(tag, &key);
            match decode_attachment(tag as u8, &key, &value) {
                Err(reason) => self.problem(tag, format!("key {}: {reason}", hex(&key))),
                Ok((attachment, Value::Blob(blob))) => {
                    let owner = match self.waiting.execution(number) {
                        true => Owner::Deleted,
                        false => Owner::Attachment(attachment.size),
                    };
                    self.own(tag, &key, blob, owner, owners);
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn outputs(&mut self, owners: &mut HashMap<u64, Owner>) -> Result<(), ReadError> {
        let tag = Tag::Outputs;
        for row in self.tables.raw(tag)? {
            let Some((key, value)) = self.row(tag, row)? else { continue };
            self.reachable(tag, &key)?;
            self.report.outputs += 1;
            let number = self.of_execution(tag, &key);
            match decode_output(tag as u8, &key, &value) {
                Err(reason) => self.problem(tag, format!("key {}: {reason}", hex(&key))),
                Ok(row) => {
                    let blob = row.blob;
                    let owner = match self.waiting.execution(number) {
                        true => Owner::Deleted,
                        false => Owner::Output(Box::new(row)),
                    };
                    self.own(tag, &key, blob, owner, owners);
                }
            }
        }
        Ok(())
    }

    /// Every chunk belongs to a blob, and has bytes of it that are kept; and each blob has all of its bytes.
    fn chunks(&mut self, owners: HashMap<u64, Owner>) -> Result<(), ReadError> {
        let tag = Tag::Chunks;
        let mut seen: HashMap<u64, Seen> = HashMap::new();
        for row in self.tables.raw(tag)? {
            let Some((key, value)) = self.row(tag, row)? else { continue };
            self.reachable(tag, &key)?;
            let (blob, start) = key.as_slice().try_into().map(pair_of).unwrap_or_default();
            let len = match decode_chunk(tag as u8, &key, &value) {
                Ok(bytes) => bytes.len() as u64,
                Err(reason) => {
                    self.problem(tag, format!("key {}: {reason}", hex(&key)));
                    continue;
                }
            };
            let end = start.saturating_add(len);
            let seen = seen.entry(blob).or_default();
            let overlaps = start < seen.end;
            match owners.get(&blob) {
                None if self.waiting.chunk(blob, &(start..end)) => {}
                None => self.problem(tag, format!("key {}: blob {blob} belongs to nothing", hex(&key))),
                Some(Owner::Deleted) => {}
                Some(Owner::Output(row)) => {
                    let dropped = row.output.dropped().unwrap_or(0..0);
                    let waits = self.waiting.chunk(blob, &(start..end));
                    if dropped.start <= start && end <= dropped.end && !waits {
                        self.problem(tag, format!("key {}: all of it was dropped", hex(&key)));
                    }
                    // The first byte behind the last chunk that is kept.
                    let next = if dropped.contains(&seen.end) { dropped.end } else { seen.end };
                    if start > next {
                        seen.gap.get_or_insert(next);
                    }
                }
                Some(Owner::Attachment(_)) if start > seen.end => drop(seen.gap.get_or_insert(seen.end)),
                Some(Owner::Attachment(_)) => {}
            }
            if overlaps || len == 0 {
                self.problem(tag, format!("key {}: it begins before the last one ends", hex(&key)));
            }
            (seen.start, seen.end) = (start, end);
            seen.chunks += 1;
        }
        let mut wrong: Vec<(u64, String)> = Vec::new();
        for (blob, owner) in owners {
            let seen = seen.remove(&blob).unwrap_or_default();
            if let Some(offset) = seen.gap {
                wrong.push((blob, format!("bytes from {offset} on are missing")));
            }
            let end = match owner {
                Owner::Deleted => continue,
                Owner::Attachment(size) => {
                    if seen.end > size {
                        wrong.push((blob, format!("it ends at {}, not {size}", seen.end)));
                    }
                    size
                }
                Owner::Output(row) => {
                    let last = (row.last_start, row.last_start + row.last_len);
                    if row.last_len > 0 && last != (seen.start, seen.end) {
                        wrong.push((blob, format!("its last chunk is not {}..{}", last.0, last.1)));
                    }
                    let output = &row.output;
                    if output.tail_start == output.length { output.head_end } else { output.length }
                }
            };
            // A chunk of the head may reach into the dropped part.
            if seen.end < end {
                wrong.push((blob, format!("it ends at {}, not {end}", seen.end)));
            }
        }
        wrong.sort_unstable();
        wrong.into_iter().for_each(|(blob, what)| self.problem(tag, format!("blob {blob}: {what}")));
        Ok(())
    }

    fn nodes(&mut self) -> Result<(), ReadError> {
        // How many names each execution has, less the nodes that have them.
        let mut unused: HashMap<u64, i64> = HashMap::new();
        for row in self.tables.raw(Tag::NodeNames)? {
            let Some((key, value)) = self.row(Tag::NodeNames, row)? else { continue };
            self.reachable(Tag::NodeNames, &key)?;
            let number = self.of_execution(Tag::NodeNames, &key);
            let waits = self.waiting.execution(number);
            match decode_number(Tag::NodeNames as u8, &key, &value) {
                Err(reason) => self.problem(Tag::NodeNames, format!("key {}: {reason}", hex(&key))),
                Ok(_) if waits => {}
                Ok(_) => *unused.entry(number).or_default() += 1,
            }
        }
        let mut counted: HashMap<u64, Progress> = HashMap::new();
        for row in self.tables.raw(Tag::Nodes)? {
            let Some((key, value)) = self.row(Tag::Nodes, row)? else { continue };
            self.reachable(Tag::Nodes, &key)?;
            self.report.nodes += 1;
            let number = self.of_execution(Tag::Nodes, &key);
            let (_, place) = key.as_slice().try_into().map(pair_of).unwrap_or_default();
            match decode_node(Tag::Nodes as u8, &key, &value) {
                Err(reason) => self.problem(Tag::Nodes, format!("key {}: {reason}", hex(&key))),
                Ok(_) if self.waiting.execution(number) => {}
                Ok(node) => {
                    let counted = counted.entry(number).or_default();
                    *counted.slot(node.state) += 1;
                    let expected = counted.total();
                    let named = self.tables.node_place(number, &node.name);
                    if place != expected || self.row(Tag::NodeNames, named)?.flatten() != Some(place) {
                        self.problem(Tag::Nodes, format!("key {}: place or name are not its own", hex(&key)));
                    }
                    *unused.entry(number).or_default() -= 1;
                }
            }
        }
        for (number, unused) in unused.into_iter().filter(|(_, unused)| *unused != 0) {
            let what = format!("execution number {number}: {unused} more names than nodes");
            self.problem(Tag::NodeNames, what);
        }
        for row in self.tables.raw(Tag::Progress)? {
            let Some((key, value)) = self.row(Tag::Progress, row)? else { continue };
            self.reachable(Tag::Progress, &key)?;
            let number = self.of_execution(Tag::Progress, &key);
            match decode_progress(Tag::Progress as u8, &key, &value) {
                Err(reason) => self.problem(Tag::Progress, format!("key {}: {reason}", hex(&key))),
                Ok(_) if self.waiting.execution(number) => {}
                Ok(kept) if counted.remove(&number) != Some(kept) => {
                    self.problem(Tag::Progress, format!("key {}: its sums are wrong", hex(&key)));
                }
                Ok(_) => {}
            }
        }
        for number in counted.into_keys() {
            self.problem(Tag::Progress, format!("execution number {number}: it has no row"));
        }
        Ok(())
    }
}
