//! The output of a child in the store: two streams beside its execution, which grow while it runs.

use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;
use std::time::{Duration, Instant};

use execstore::error::{ReadError, WriteError};
use execstore::outputs::OutputCap;
use execstore::{Error, ExecutionId, Readable, Store, Writer};
use serde::{Deserialize, Serialize};

use crate::capture::{Capture, NAMES};

/// What is kept of each stream: how it begins and how it ends.
const CAP: OutputCap = OutputCap::Both { head: 16 * 1024, tail: 48 * 1024 };
/// What came is stored once it is so many bytes, or has waited so long.
const ENOUGH: usize = 8 * 1024;
const SOON: Duration = Duration::from_millis(50);
/// No more than this is taken into memory at a time.
const MOST: usize = 1024 * 1024;
/// How long an output may stay open after the child has ended. What the child started may hold it.
const GRACE: Duration = Duration::from_millis(500);
/// How much of its end is in the record, in bytes.
const TAIL: usize = 1024;

/// Begins both streams. Belongs into the transaction in which the execution begins to run.
pub fn begin(w: &mut Writer<'_>, id: &ExecutionId) -> Result<(), WriteError> {
    NAMES.iter().try_for_each(|name| w.cap_output(id, name, CAP).map(drop))
}

/// The way of a child's output into the store.
pub struct Streams<'s> {
    store: &'s Store,
    id: ExecutionId,
    capture: Capture,
    /// What is not in the store yet, by stream.
    waiting: BTreeMap<&'static str, Vec<u8>>,
    bytes: usize,
    since: Option<Instant>,
}

impl<'s> Streams<'s> {
    pub fn new(store: &'s Store, id: &ExecutionId, capture: Capture) -> Self {
        Self { store, id: id.clone(), capture, waiting: BTreeMap::new(), bytes: 0, since: None }
    }

    /// Waits for output, at most this long, and stores what there is once it is enough or has waited enough.
    pub fn pass_on(&mut self, wait: Duration) -> Result<(), Error> {
        let mut more = self.take(wait);
        while more && self.bytes < MOST {
            more = self.take(Duration::ZERO);
        }
        let waited = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        if self.bytes >= ENOUGH || waited >= SOON { self.store_waiting() } else { Ok(()) }
    }

    /// Stores the rest once the child has ended, and says what there is.
    pub fn end(&mut self) -> Result<BTreeMap<String, Captured>, Error> {
        let until = Instant::now() + GRACE;
        while !self.capture.open().is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.take(left);
            // A child leaves less than this, so no commit uses up the time; what outlives it may write more.
            if self.bytes >= MOST {
                self.store_waiting()?;
            }
        }
        self.store_waiting()?;
        let mut captured = self.store.read(|r| Ok(captured(r, &self.id)?))?;
        for (name, captured) in &mut captured {
            captured.still_open = self.capture.open().contains(&name.as_str());
        }
        Ok(captured)
    }

    fn take(&mut self, wait: Duration) -> bool {
        let Some(piece) = self.capture.next(wait) else { return false };
        self.bytes += piece.bytes.len();
        self.since.get_or_insert_with(Instant::now);
        self.waiting.entry(piece.name).or_default().extend(piece.bytes);
        true
    }

    /// Both streams in one go, which shares its commit with whatever else is written at the time.
    fn store_waiting(&mut self) -> Result<(), Error> {
        if self.bytes == 0 {
            return Ok(());
        }
        (self.bytes, self.since) = (0, None);
        let (id, waiting) = (self.id.clone(), mem::take(&mut self.waiting));
        self.store.batch(move |w| {
            Ok(waiting.iter().try_for_each(|(name, bytes)| w.append_output(&id, name, bytes).map(drop))?)
        })
    }
}

/// What became of an output, as the record tells it. The bytes themselves are in the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Captured {
    /// How many bytes came.
    pub length: u64,
    /// The offsets of those that were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Range<u64>>,
    /// The end of it, as text.
    pub tail: String,
    /// The child had ended, and something held its output open.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub still_open: bool,
}

/// What the streams of an execution hold.
pub fn captured(view: &impl Readable, id: &ExecutionId) -> Result<BTreeMap<String, Captured>, ReadError> {
    let mut all = BTreeMap::new();
    for output in view.outputs(id).list()? {
        let output = output?;
        let from = output.length.saturating_sub(TAIL as u64);
        let part = view.outputs(id).read(&output.name, from, TAIL)?.unwrap_or_default();
        let tail = text(&part.bytes, from > 0);
        let (length, dropped) = (output.length, output.dropped());
        all.insert(output.name.into(), Captured { length, dropped, tail, still_open: false });
    }
    Ok(all)
}

/// Bytes for people to read, without the half of a character that a cut before them left.
fn text(bytes: &[u8], is_cut: bool) -> String {
    let half = |byte: &&u8| is_cut && (**byte & 0xC0) == 0x80;
    let skip = bytes.iter().take(3).take_while(half).count();
    String::from_utf8_lossy(bytes.get(skip..).unwrap_or_default()).into_owned()
}

/// The first line that says something, of the output or else of the errors.
pub fn first_line(view: &impl Readable, id: &ExecutionId) -> Result<Option<String>, ReadError> {
    for name in NAMES {
        let part = view.outputs(id).read(name, 0, TAIL)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&part.bytes).into_owned();
        if let Some(line) = text.lines().find(|line| !line.trim().is_empty()) {
            return Ok(Some(line.to_owned()));
        }
    }
    Ok(None)
}
