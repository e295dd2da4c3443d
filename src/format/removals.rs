//! The encoding of what was deleted and still has rows that wait to be removed.

use super::schema::table;
use super::{Reader, Reason, Row, Writer, kind_of, kind_row};
use crate::model::row_id::{BlobId, BucketId, RowId};

/// Rows that nobody can reach any more, and that go a few at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Everything that an execution of this number had, but its record.
    Execution(RowId),
    /// The chunks of a blob that lie wholly in a range of offsets.
    Blob { blob: BlobId, start: u64, end: u64 },
    /// What a bucket had: the buckets in it, and its rows.
    Bucket(BucketId),
    /// Trimmed entries of the change log, the first and the last.
    Log { first: u64, last: u64 },
}

const EXECUTION: u8 = 1;
const BLOB: u8 = 2;
const LOG: u8 = 3;
const BUCKET: u8 = 4;

impl Removal {
    /// A whole blob.
    pub(crate) fn whole_blob(blob: BlobId) -> Self {
        Removal::Blob { blob, start: 0, end: u64::MAX }
    }

    /// Its row in the table `removals`.
    pub(crate) fn row(&self) -> [u8; 9] {
        match *self {
            Removal::Execution(number) => kind_row(EXECUTION, number.0),
            Removal::Blob { blob, .. } => kind_row(BLOB, blob.0),
            Removal::Bucket(bucket) => kind_row(BUCKET, bucket.0),
            Removal::Log { .. } => Self::log_row(),
        }
    }

    /// The row of the trimmed entries of the change log.
    pub(crate) fn log_row() -> [u8; 9] {
        kind_row(LOG, 0)
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

impl Row for table::Removals {
    type New<'a> = &'a Removal;
    type Value<'v> = Removal;

    fn write(removal: &Removal, w: &mut Writer<'_>) {
        let (first, last) = match *removal {
            Removal::Execution(_) | Removal::Bucket(_) => (0, 0),
            Removal::Blob { start, end, .. } => (start, end),
            Removal::Log { first, last } => (first, last),
        };
        w.number(first);
        w.number(last);
    }

    fn read(key: &[u8; 9], r: &mut Reader<'_>) -> Result<Removal, Reason> {
        let (first, last) = (r.number()?, r.number()?);
        let (kind, number) = kind_of(key);
        match kind {
            EXECUTION => Ok(Removal::Execution(RowId(number))),
            BLOB => Ok(Removal::Blob { blob: BlobId(number), start: first, end: last }),
            BUCKET => Ok(Removal::Bucket(BucketId(number))),
            LOG => Ok(Removal::Log { first, last }),
            other => Err(format!("there is no kind {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, encode};

    #[test]
    fn what_waits_comes_back_as_it_was_and_joins_what_is_like_it() {
        let log = Removal::Log { first: 3, last: 9 };
        let part = Removal::Blob { blob: BlobId(5), start: 10, end: 20 };
        for removal in [
            Removal::Execution(RowId(7)),
            Removal::Bucket(BucketId(3)),
            part,
            Removal::whole_blob(BlobId(5)),
            log,
        ] {
            let (key, mut out) = (removal.row(), Vec::new());
            encode::<table::Removals>(&key, &mut out, |w| table::Removals::write(&removal, w));
            assert_eq!(decode::<table::Removals>(&key, &out), Ok(removal));
            assert!(decode::<table::Removals>(&[9; 9], &out).is_err());
        }
        assert_eq!(
            part.and(Removal::Blob { blob: BlobId(5), start: 4, end: 15 }),
            Removal::Blob { blob: BlobId(5), start: 4, end: 20 }
        );
        assert_eq!(log.and(Removal::Log { first: 10, last: 12 }), Removal::Log { first: 3, last: 12 });
        assert_eq!(part.row(), Removal::whole_blob(BlobId(5)).row());
    }
}
