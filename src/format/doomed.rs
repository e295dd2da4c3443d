//! The encoding of what was deleted and still has rows that wait to be removed.

use super::{Reader, Reason, Writer, check_frame, finish_frame, state_of, state_row};

/// Rows that nobody can reach any more, and that go a few at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doomed {
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

impl Doomed {
    /// A whole blob.
    pub(crate) fn whole_blob(blob: u64) -> Self {
        Doomed::Blob { blob, start: 0, end: u64::MAX }
    }

    /// Its row in the table `doomed`.
    pub(crate) fn row(&self) -> [u8; 9] {
        match *self {
            Doomed::Execution(number) => state_row(EXECUTION, number),
            Doomed::Blob { blob, .. } => state_row(BLOB, blob),
            Doomed::Log { .. } => Self::log_row(),
        }
    }

    /// The row of the trimmed entries of the change log.
    pub(crate) fn log_row() -> [u8; 9] {
        state_row(LOG, 0)
    }

    /// What one row says that stands for both.
    pub(crate) fn and(self, more: Doomed) -> Doomed {
        match (self, more) {
            (Doomed::Blob { blob, start, end }, Doomed::Blob { start: other, end: another, .. }) => {
                Doomed::Blob { blob, start: start.min(other), end: end.max(another) }
            }
            (Doomed::Log { first, last }, Doomed::Log { first: other, last: another }) => {
                Doomed::Log { first: first.min(other), last: last.max(another) }
            }
            (_, more) => more,
        }
    }
}

/// Encodes a row of the table `doomed`.
pub(crate) fn encode_doomed(table: u8, key: &[u8], doomed: &Doomed, out: &mut Vec<u8>) {
    let mut w = Writer::frame(out);
    let (first, last) = match *doomed {
        Doomed::Execution(_) => (0, 0),
        Doomed::Blob { start, end, .. } => (start, end),
        Doomed::Log { first, last } => (first, last),
    };
    w.number(first);
    w.number(last);
    finish_frame(table, key, out);
}

/// Decodes a row of the table `doomed`.
pub(crate) fn decode_doomed(table: u8, key: &[u8], value: &[u8]) -> Result<Doomed, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let (first, last) = (r.number()?, r.number()?);
    r.end()?;
    let (kind, number) = state_of(key.try_into().map_err(|_| "the key has not nine bytes")?);
    match kind {
        EXECUTION => Ok(Doomed::Execution(number)),
        BLOB => Ok(Doomed::Blob { blob: number, start: first, end: last }),
        LOG => Ok(Doomed::Log { first, last }),
        other => Err(format!("there is no kind {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_comes_back_as_it_was_and_joins_what_is_like_it() {
        let log = Doomed::Log { first: 3, last: 9 };
        let part = Doomed::Blob { blob: 5, start: 10, end: 20 };
        for doomed in [Doomed::Execution(7), part, Doomed::whole_blob(5), log] {
            let (key, mut out) = (doomed.row(), Vec::new());
            encode_doomed(24, &key, &doomed, &mut out);
            assert_eq!(decode_doomed(24, &key, &out), Ok(doomed));
            assert!(decode_doomed(24, &[9; 9], &out).is_err());
        }
        assert_eq!(
            part.and(Doomed::Blob { blob: 5, start: 4, end: 15 }),
            Doomed::Blob { blob: 5, start: 4, end: 20 }
        );
        assert_eq!(log.and(Doomed::Log { first: 10, last: 12 }), Doomed::Log { first: 3, last: 12 });
        assert_eq!(part.row(), Doomed::whole_blob(5).row());
    }
}
