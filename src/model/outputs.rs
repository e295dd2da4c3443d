//! Append-only streams of bytes of an execution: what is kept of them under a cap. Pure.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::model::json::form::{form, is_default};
use crate::model::limits::{InputError, check_name};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// How much of an output stream is kept: see [`Writer::cap_output`](crate::Writer::cap_output).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "CapForm", from = "CapForm")]
pub enum OutputCap {
    /// Keep everything. The default.
    #[default]
    All,
    /// Keep the first N bytes.
    Head(u64),
    /// Keep the last N bytes.
    Tail(u64),
    /// Keep a number of bytes at each end.
    Both {
        /// How many of the first bytes are kept.
        head: u64,
        /// How many of the last bytes are kept.
        tail: u64,
    },
}

impl OutputCap {
    /// How many bytes of the beginning and of the end are kept.
    fn ends(self) -> (u64, u64) {
        match self {
            OutputCap::All => (u64::MAX, u64::MAX),
            OutputCap::Head(head) => (head, 0),
            OutputCap::Tail(tail) => (0, tail),
            OutputCap::Both { head, tail } => (head, tail),
        }
    }
}

/// An output stream of an execution, without its bytes.
///
/// Offsets count every byte that was ever appended, including dropped ones, so an offset keeps its meaning forever.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// Its name within the execution, `stdout` for instance.
    pub name: Text,
    /// How many bytes were ever appended.
    pub length: u64,
    /// How much of it is kept.
    pub cap: OutputCap,
    /// When bytes were last appended.
    pub modified_at: Timestamp,
    /// The bytes before this offset are kept, and those from `tail_start` on.
    pub(crate) head_end: u64,
    pub(crate) tail_start: u64,
}

impl Output {
    pub(crate) fn new(name: Text, now: Timestamp) -> Self {
        Self { name, length: 0, cap: OutputCap::All, modified_at: now, head_end: 0, tail_start: 0 }
    }

    /// The offsets of the bytes that were dropped; `None` if all of them are kept.
    pub fn dropped(&self) -> Option<Range<u64>> {
        (self.head_end < self.tail_start).then_some(self.head_end..self.tail_start)
    }

    /// How many bytes are kept.
    pub fn kept(&self) -> u64 {
        self.length - (self.tail_start - self.head_end)
    }

    /// The part that is dropped once the stream has this length under this cap: it only grows.
    pub(crate) fn grown(&self, length: u64, cap: OutputCap) -> Self {
        let (head, tail) = cap.ends();
        // Empty if the ends meet: then the cap drops nothing.
        let beyond = head..length.saturating_sub(tail);
        let (head_end, tail_start) = match self.dropped() {
            Some(dropped) if beyond.is_empty() => (dropped.start, dropped.end),
            // What was dropped stays so, and nothing is kept between two dropped parts.
            Some(dropped) => (dropped.start.min(beyond.start), dropped.end.max(beyond.end)),
            // Nothing was ever dropped: 0 and 0.
            None if beyond.is_empty() => (0, 0),
            None => (beyond.start, beyond.end),
        };
        Self { length, cap, head_end, tail_start, ..self.clone() }
    }
}

/// A piece of an output stream: see [`Outputs::read`](crate::outputs::Outputs::read).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PartForm")]
#[non_exhaustive]
pub struct OutputPart {
    /// Where the bytes begin.
    #[serde(with = "crate::model::json::count")]
    pub offset: u64,
    /// How many bytes before them, from the offset that was asked for, were dropped.
    #[serde(skip_serializing_if = "is_default", with = "crate::model::json::count")]
    pub dropped: u64,
    /// The bytes. Empty at the end of the stream.
    #[serde(rename = "base64", with = "crate::model::json::base64")]
    pub bytes: Vec<u8>,
}

impl OutputPart {
    /// The offset at which to continue reading.
    pub fn next(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// The JSON of a cap: how much is kept at either end, without members if all of it is.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CapForm {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    head: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    tail: Option<u64>,
}

impl From<OutputCap> for CapForm {
    fn from(cap: OutputCap) -> Self {
        let (head, tail) = cap.ends();
        match cap {
            OutputCap::All => Self { head: None, tail: None },
            _ => Self { head: Some(head), tail: Some(tail) },
        }
    }
}

impl From<CapForm> for OutputCap {
    fn from(form: CapForm) -> Self {
        match (form.head, form.tail) {
            (None, None) => OutputCap::All,
            (Some(head), None | Some(0)) => OutputCap::Head(head),
            (None | Some(0), Some(tail)) => OutputCap::Tail(tail),
            (Some(head), Some(tail)) => OutputCap::Both { head, tail },
        }
    }
}

/// The JSON of an output stream.
#[derive(Serialize, Deserialize)]
struct OutputForm {
    name: Text,
    #[serde(with = "crate::model::json::count")]
    length: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    head: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    tail: Option<u64>,
    modified_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dropped: Option<Dropped>,
}

#[derive(Serialize, Deserialize)]
struct Dropped {
    #[serde(with = "crate::model::json::count")]
    from: u64,
    #[serde(with = "crate::model::json::count")]
    to: u64,
}

form!(Output as OutputForm);

impl From<&Output> for OutputForm {
    fn from(output: &Output) -> Self {
        let CapForm { head, tail } = output.cap.into();
        let dropped = output.dropped().map(|dropped| Dropped { from: dropped.start, to: dropped.end });
        let Output { name, length, modified_at, .. } = output;
        Self { name: name.clone(), length: *length, head, tail, modified_at: *modified_at, dropped }
    }
}

impl TryFrom<OutputForm> for Output {
    type Error = InputError;

    fn try_from(form: OutputForm) -> Result<Self, InputError> {
        let OutputForm { name, length, head, tail, modified_at, dropped } = form;
        check_name("output name", &name)?;
        let cap = OutputCap::from(CapForm { head, tail });
        let (head_end, tail_start) = dropped.as_ref().map_or((0, 0), |dropped| (dropped.from, dropped.to));
        let output = Self { name, length, cap, modified_at, head_end, tail_start };
        let is_right = dropped.is_none() || head_end < tail_start && tail_start <= length;
        // What is beyond the cap was dropped.
        if !is_right || output.grown(length, cap) != output {
            let reason = format!("what is dropped of {length} bytes is missing, or cannot be right");
            return Err(InputError::Invalid { what: "output", reason });
        }
        Ok(output)
    }
}

/// The JSON of a part of a stream.
#[derive(Deserialize)]
struct PartForm {
    #[serde(with = "crate::model::json::count")]
    offset: u64,
    #[serde(default, with = "crate::model::json::count")]
    dropped: u64,
    #[serde(rename = "base64", with = "crate::model::json::base64")]
    bytes: Vec<u8>,
}

impl TryFrom<PartForm> for OutputPart {
    type Error = InputError;

    fn try_from(form: PartForm) -> Result<Self, InputError> {
        let PartForm { offset, dropped, bytes } = form;
        if dropped > offset || offset.checked_add(bytes.len() as u64).is_none() {
            let reason = format!("{dropped} bytes before and {} bytes from {offset}", bytes.len());
            return Err(InputError::Invalid { what: "part of an output", reason });
        }
        Ok(Self { offset, dropped, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept, byte by byte, under a cap that may change: a byte that was dropped never comes back.
    #[test]
    fn what_is_kept_is_the_head_and_the_tail() {
        let caps = [
            OutputCap::All,
            OutputCap::Head(5),
            OutputCap::Tail(5),
            OutputCap::Tail(0),
            OutputCap::Both { head: 3, tail: 4 },
            // Wider than what is there when it comes.
            OutputCap::Head(20),
            OutputCap::Both { head: 9, tail: 9 },
        ];
        for first in caps {
            for second in caps {
                let mut output = Output::new("o".into(), Timestamp::default());
                let mut kept = vec![];
                for length in 1..30 {
                    let cap = if length < 12 { first } else { second };
                    output = output.grown(length, cap);
                    kept.push(true);
                    let (head, tail) = cap.ends();
                    for (offset, kept) in (0..).zip(&mut kept) {
                        *kept &= offset < head || offset >= length.saturating_sub(tail);
                    }
                    let dropped = output.dropped().unwrap_or(0..0);
                    let found: Vec<_> = (0..length).map(|offset| !dropped.contains(&offset)).collect();
                    // One gap: once a byte is gone, what lies between two gaps goes too.
                    let first_gone = kept.iter().position(|kept| !kept).unwrap_or(kept.len());
                    let last_gone = kept.iter().rposition(|kept| !kept).map_or(0, |last| last + 1);
                    let expected: Vec<_> =
                        (0..kept.len()).map(|at| at < first_gone || at >= last_gone).collect();
                    assert_eq!(found, expected, "{first:?} then {second:?} at {length}");
                    assert_eq!(output.kept(), found.iter().filter(|kept| **kept).count() as u64);
                }
            }
        }
    }
}
