//! The encoding of what was deleted and still has rows that wait to be removed.

use super::{Reader, Reason, Writer, check_frame, finish_frame, state_of, state_row};

/// Rows that nobody can reach any more, and that go a few at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Everything that an execution of this number had, but its record.
    Execution(u64),
    /// The chunks of a blob that lie wholly in a range of offsets.
    Blob { blob: u64, start: u64, end: u64 },
    /// Trimmed entries of the change log, the first and the last.
    Log { first: u64, last: u64 },
}

const EXECUTION: u8 = 1;
const BLOB: u8 = 2;
const LOG: u8 = 3;

impl Removal {
    /// A whole blob.
    pub(crate) fn whole_blob(blob: u64) -> Self {
        Removal::Blob { blob, start: 0, end: u64::MAX }
    }

    /// Its row in the table `removals`.
    pub(crate) fn row(&self) -> [u8; 9] {
        match *self {
            Removal::Execution(number) => state_row(EXECUTION, number),
            Removal::Blob { blob, .. } => state_row(BLOB, blob),
            Removal::Log { .. } => Self::log_row(),
        }
    }

    /// The row of the trimmed entries of the change log.
    pub(crate) fn log_row() -> [u8; 9] {
        state_row(LOG, 0)
    }

    /// What one row says that stands for both.
    pub(crate) fn and(self, more: Removal) -> Removal {
        match (self, more) {
            (Removal::Blob { blob, start, end }, Removal::Blob { start: other, end: another, .. }) => {
                Removal::Blob { blob, start: start.min(other), end: end.max(another) }
            }
            (Removal::Log { first, last }, Removal::Log { first: other, last: another }) => {
                Removal::Log { first: first.min(other), last: last.max(another) }
            }
            (_, more) => more,
        }
    }
}

/// Encodes a row of the table `removals`.
pub(crate) fn encode_removal(table: u8, key: &[u8], removal: &Removal, out: &mut Vec<u8>) {
    let mut w = Writer::frame(out);
    let (first, last) = match *removal {
        Removal::Execution(_) => (0, 0),
        Removal::Blob { start, end, .. } => (start, end),
        Removal::Log { first, last } => (first, last),
    };
    w.number(first);
    w.number(last);
    finish_frame(table, key, out);
}

/// Decodes a row of the table `removals`.
pub(crate) fn decode_removal(table: u8, key: &[u8], value: &[u8]) -> Result<Removal, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let (first, last) = (r.number()?, r.number()?);
    r.end()?;
    let (kind, number) = state_of(key.try_into().map_err(|_| "the key has not nine bytes")?);
    match kind {
        EXECUTION => Ok(Removal::Execution(number)),
        BLOB => Ok(Removal::Blob { blob: number, start: first, end: last }),
        LOG => Ok(Removal::Log { first, last }),
        other => Err(format!("there is no kind {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_back_as_it_was_and_joins_what_is_like_it() {
        let log = Removal::Log { first: 3, last: 9 };
        let part = Removal::Blob { blob: 5, start: 10, end: 20 };
        for removal in [Removal::Execution(7), part, Removal::whole_blob(5), log] {
            let (key, mut out) = (removal.row(), Vec::new());
            encode_removal(24, &key, &removal, &mut out);
            assert_eq!(decode_removal(24, &key, &out), Ok(removal));
            assert!(decode_removal(24, &[9; 9], &out).is_err());
        }
        assert_eq!(
            part.and(Removal::Blob { blob: 5, start: 4, end: 15 }),
            Removal::Blob { blob: 5, start: 4, end: 20 }
        );
        assert_eq!(log.and(Removal::Log { first: 10, last: 12 }), Removal::Log { first: 3, last: 12 });
        assert_eq!(part.row(), Removal::whole_blob(5).row());
    }
}
