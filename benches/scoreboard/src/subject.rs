//! What every subject must do. Reading gives the subject's own record, decoded as far as the others' are.

use std::any::Any;
use std::fs::Metadata;
use std::path::Path;

use crate::record::{Entry, Event, Record, State};
use crate::workload::Op;

/// The page cache of every subject, which is execstore's default. LMDB has none of its own: it reads the system's, which all others have
/// besides.
pub const CACHE: usize = 128 * 1024 * 1024;

/// What takes and gives rows, in the order in which they came.
pub trait Queue: Sync {
    fn put(&self, row: &[u8]);
    fn take(&self) -> Option<Vec<u8>>;
}

pub trait Subject: Send + Sync + Sized {
    const NAME: &'static str;
    /// The subject is there for the shared commits only.
    const SHARES_ALONE: bool = false;

    // What these are made into is for the checks of the answers, never inside a measurement.
    /// An execution: every field of the header as a value of its own, the payload as text.
    type Row: Into<Record>;
    type Event: Into<Event>;
    /// An entry of the change log, with the header after the change decoded.
    type Entry: Into<Entry>;
    type Cursor;

    /// Opens what is in the folder, or makes it.
    fn open(folder: &Path) -> Self;

    /// Does these operations in one transaction, which is durable when this returns.
    fn write(&self, ops: Vec<Op>);

    /// Does one operation, which is durable when this returns and may have shared its commit with others.
    fn share(&self, op: Op) {
        self.write(vec![op]);
    }

    fn get(&self, id: &str) -> Option<Self::Row>;

    fn by_job(&self, job: &str, each: impl FnMut(Self::Row));

    /// The executions in live states, oldest first.
    fn live(&self, each: impl FnMut(Self::Row));

    fn count(&self, state: State) -> u64;

    /// The count as the subject's own statements keep it, where that is not what `count` reads.
    fn counter(&self, _state: State) -> Option<u64> {
        None
    }

    /// A page, newest first, and where the next one begins.
    fn page(&self, after: Option<&Self::Cursor>, limit: usize) -> (Vec<Self::Row>, Option<Self::Cursor>);

    /// A page by its offset, where the subject can do that.
    fn page_at(&self, _offset: usize, _limit: usize) -> Option<Vec<Self::Row>> {
        None
    }

    fn events(&self, id: &str, each: impl FnMut(Self::Event));

    /// The change log from its start to its end.
    fn log(&self, each: impl FnMut(Self::Entry));

    /// The subject answers queries by label and state.
    const QUERIES: bool = false;

    /// The newest executions of a label in a state.
    fn labelled_page(&self, _value: &str, _state: State, _limit: usize) -> Vec<Self::Row> {
        unreachable!("{}", Self::NAME)
    }

    /// The newest execution of a label.
    fn latest(&self, _value: &str) -> Option<Self::Row> {
        unreachable!("{}", Self::NAME)
    }

    fn count_labelled(&self, _value: &str, _state: State) -> u64 {
        unreachable!("{}", Self::NAME)
    }

    /// Follows the parents up to the root, decoding each header. Gives how many there were.
    fn trace(&self, _id: &str) -> u64 {
        unreachable!("{}", Self::NAME)
    }

    /// Deletes the executions of a label, in durable transactions of 500.
    fn delete_labelled(&self, _value: &str) {
        unreachable!("{}", Self::NAME)
    }

    /// The subject keeps values, outputs and nodes beside its executions.
    const SIDE_DATA: bool = false;

    /// Puts a value beside an execution, in a durable transaction.
    fn put_value(&self, _id: &str, _key: &str, _value: &[u8]) {
        unreachable!("{}", Self::NAME)
    }

    fn value(&self, _id: &str, _key: &str) -> Vec<u8> {
        unreachable!("{}", Self::NAME)
    }

    /// Puts a value, which is durable when this returns and may have shared its commit with others.
    fn share_value(&self, id: &str, key: &str, value: &[u8]) {
        self.put_value(id, key, value);
    }

    /// Appends to an output; the same.
    fn append(&self, _id: &str, _name: &str, _bytes: &[u8]) {
        unreachable!("{}", Self::NAME)
    }

    fn output(&self, _id: &str, _name: &str) -> Vec<u8> {
        unreachable!("{}", Self::NAME)
    }

    /// Starts nodes within an execution.
    fn start_nodes(&self, _id: &str, _names: &[String]) {
        unreachable!("{}", Self::NAME)
    }

    /// This attempt of a node has ended well, with a value; durable when this returns. Panics unless it was written.
    fn end_node(&self, _id: &str, _name: &str, _attempt: u64, _value: &str) {
        unreachable!("{}", Self::NAME)
    }

    /// How many nodes have ended.
    fn ended_nodes(&self, _id: &str) -> u64 {
        unreachable!("{}", Self::NAME)
    }

    /// The attempts of all nodes of an execution.
    fn node_attempts(&self, _id: &str) -> u64 {
        unreachable!("{}", Self::NAME)
    }

    /// The same as `open`, with tamper evidence, where there is such a thing.
    fn open_tamper_evident(_folder: &Path) -> Option<Self> {
        None
    }

    /// The same as `open`; each operation writes a row of the caller's own too, where there are some.
    fn open_with_rows(_folder: &Path) -> Option<Self> {
        None
    }

    /// A queue in the folder, where somebody has made one.
    fn queue(_folder: &Path) -> Option<Box<dyn Queue>> {
        None
    }

    /// The same as `open`, without a journal of the subject's own, where that can be chosen.
    fn open_plain(_folder: &Path) -> Option<Self> {
        None
    }

    /// The subject deletes executions one by one, and forgets its change log.
    const DELETES: bool = false;

    /// Deletes these in one durable transaction.
    fn delete(&self, _ids: Vec<String>) {
        unreachable!("{}", Self::NAME)
    }

    /// Removes all entries of the change log.
    fn forget_log(&self) {
        unreachable!("{}", Self::NAME)
    }

    /// From append to the follower, in microseconds, in order of size, where the subject has followers.
    fn follow(&self, _samples: u64) -> Option<Vec<f64>> {
        None
    }

    /// From commit to delivery, in microseconds, in order of size, where the subject delivers.
    fn delivery(&self, _samples: u64, _loaded: bool) -> Option<Vec<f64>> {
        None
    }

    /// A get does not wait for whoever writes because of how the subject was built here, as one connection for all would.
    const READS_BESIDE: bool = true;

    /// A write transaction that was begun; `None` if there is no such thing.
    fn begin_write(&self) -> Option<impl Sized> {
        None::<()>
    }

    /// So many consumers of the change log, until what this gives is dropped; `None` if there is no such thing.
    fn follow_log(&self, _consumers: u64) -> Option<Box<dyn Any>> {
        None
    }

    /// Checks everything that it can.
    fn verify(&self) -> bool {
        false
    }

    fn close(self) {}

    /// Makes the closed store in the folder as small as it can be; `false` if there is no such thing.
    fn compact(_folder: &Path) -> bool {
        false
    }
}

/// The files in a folder and below.
pub fn files(folder: &Path) -> Box<dyn Iterator<Item = std::fs::Metadata>> {
    let entries = std::fs::read_dir(folder).unwrap();
    Box::new(entries.flat_map(|entry| {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { files(&entry.path()) } else { Box::new(std::iter::once(metadata)) }
    }))
}

/// The sum over the files of a folder.
pub fn bytes(folder: &Path, of: fn(&Metadata) -> u64) -> f64 {
    files(folder).map(|file| of(&file)).sum::<u64>() as f64
}
