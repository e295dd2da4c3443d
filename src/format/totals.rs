//! The encoding of the store's totals: one row that every write transaction replaces.

use super::schema::table;
use super::{Reader, Reason, Row, Span, Table, Writer, encode, open};
use crate::model::hash::{Hash, Sum, row_hash};
use crate::model::integrity::Seal;
use crate::model::part::part;
use crate::model::time::Timestamp;

/// Counters and heads of the whole store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Counts the operations that were ever written. The journal's records are chained by it.
    pub(crate) version: u64,
    /// The last sequence number of the change log. Survives the trimming of the log.
    pub(crate) head: u64,
    /// The last sequence number that was trimmed from the change log; 0 if none was.
    pub(crate) trimmed: u64,
    /// The last number that an execution was given. Never given again.
    pub(crate) last_number: u64,
    /// How many executions are in each state, by the state's code.
    pub(crate) counts: Vec<u64>,
    /// How many of them are in another namespace than the default one, by the state's code.
    pub(crate) named: Vec<u64>,
    /// The times of creation in the block of the last number.
    pub(crate) created: Span,
    /// The times of modification in the block of the head.
    pub(crate) modified: Span,
    /// How many links lead to an id that nobody has had since they were made.
    pub(crate) unmet: u64,
    /// How many rows the table `removals` has.
    pub(crate) waiting: u64,
    /// The latest time that the clock ever gave for an entry of the change log.
    pub(crate) latest: Option<Timestamp>,
    /// In a tamper-evident store.
    pub(crate) seal: Option<Seal>,
}

impl Totals {
    /// How many executions there are.
    pub(crate) fn executions(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn count(&self, state: u8) -> u64 {
        self.counts.get(usize::from(state)).copied().unwrap_or(0)
    }

    pub(crate) fn set_count(&mut self, state: u8, count: u64) {
        change_count(&mut self.counts, state, |_| count);
    }
}

/// Changes the counter of a state among counts by its code; what is not there counts 0.
pub(crate) fn change_count(counts: &mut Vec<u64>, state: u8, change: impl FnOnce(u64) -> u64) {
    let place = usize::from(state);
    if counts.len() <= place {
        counts.resize(place + 1, 0);
    }
    if let Some(slot) = counts.get_mut(place) {
        *slot = change(*slot);
    }
}

/// `true` if nothing is counted.
pub(crate) fn all_zero(counts: &[u64]) -> bool {
    counts.iter().all(|count| *count == 0)
}

/// The counts up to the last that is not 0.
pub(crate) fn without_zeros(counts: &[u64]) -> &[u64] {
    let mut counts = counts;
    while let [before @ .., 0] = counts {
        counts = before;
    }
    counts
}

/// The row, as bytes without its frame.
fn body_of(totals: &Totals, out: &mut Vec<u8>) {
    let start = out.len();
    let mut w = Writer::append(out);
    w.number(totals.version);
    w.number(totals.head);
    w.number(totals.trimmed);
    w.number(totals.last_number);
    counts_to(&totals.counts, &mut w);
    counts_to(&totals.named, &mut w);
    totals.created.encode(&mut w);
    totals.modified.encode(&mut w);
    w.number(totals.unmet);
    w.number(totals.waiting);
    w.byte(u8::from(totals.latest.is_some()));
    totals.latest.into_iter().for_each(|time| w.time(time));
    w.byte(u8::from(totals.seal.is_some()));
    if let Some(seal) = &totals.seal {
        w.rest(&seal.head);
        w.rest(&seal.anchor);
        seal.sum.0.into_iter().for_each(|limb| w.fixed(limb));
        let own = own_hash(part(out.as_slice(), start..));
        Writer::append(out).rest(&own);
    }
}

/// The totals hold the sum over all other rows; their own hash is the last of them.
fn own_hash(body: &[u8]) -> Hash {
    row_hash(u8::MAX, b"totals", body)
}

/// The hash over the totals of a tamper-evident store, which hold the sum over its rows.
pub(crate) fn fingerprint(totals: &Totals) -> Option<Hash> {
    let mut body = Vec::new();
    body_of(totals, &mut body);
    totals.seal.and(body.last_chunk::<32>().copied())
}

impl Row for table::Totals {
    type New<'a> = &'a Totals;
    type Value<'v> = Totals;

    fn write(totals: &Totals, w: &mut Writer<'_>) {
        w.through(|out| body_of(totals, out));
    }

    fn read(_: &[u8], r: &mut Reader<'_>) -> Result<Totals, Reason> {
        let body = r.ahead();
        let (version, head, trimmed, last_number) = (r.number()?, r.number()?, r.number()?, r.number()?);
        let counts = counts_from(r)?;
        let named = counts_from(r)?;
        let (created, modified) = (Span::decode(r)?, Span::decode(r)?);
        let (unmet, waiting) = (r.number()?, r.number()?);
        let latest = if r.byte()? == 0 { None } else { Some(r.time()?) };
        let seal = match r.byte()? {
            0 => None,
            _ => {
                let (head, anchor) = (r.hash()?, r.hash()?);
                let sum = Sum([r.fixed()?, r.fixed()?, r.fixed()?, r.fixed()?]);
                let before =
                    body.len().checked_sub(32).and_then(|len| body.get(..len)).ok_or("it is too short")?;
                if r.hash()? != own_hash(before) {
                    return Err("the hash of the totals is wrong".into());
                }
                Some(Seal { head, anchor, sum })
            }
        };
        Ok(Totals {
            version,
            head,
            trimmed,
            last_number,
            counts,
            named,
            created,
            modified,
            unmet,
            waiting,
            latest,
            seal,
        })
    }
}
/// Encodes how many executions there are of something, by the code of their state.
pub(crate) fn encode_counts<T: Table>(key: &T::Key, counts: &[u64], out: &mut Vec<u8>) {
    encode::<T>(key, out, |w| counts_to(without_zeros(counts), w));
}

/// Decodes such counts.
pub(crate) fn decode_counts<T: Table>(key: &T::Key, value: &[u8]) -> Result<Vec<u64>, Reason> {
    let mut r = open::<T>(key, value)?;
    let counts = counts_from(&mut r)?;
    r.end()?;
    Ok(counts)
}

fn counts_to(counts: &[u64], w: &mut Writer<'_>) {
    w.number(counts.len() as u64);
    counts.iter().for_each(|count| w.number(*count));
}

fn counts_from(r: &mut Reader<'_>) -> Result<Vec<u64>, Reason> {
    (0..r.number()?).map(|_| r.number()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::schema::table;

    /// One row for the same counts, whatever states there were on the way to them.
    #[test]
    fn counters_are_written_up_to_the_last_that_is_not_zero() {
        let row = |counts: &[u64]| {
            let mut out = Vec::new();
            encode_counts::<table::LabelCounts>(b"k=v", counts, &mut out);
            out
        };
        for (counts, least) in [(&[2, 0, 0][..], &[2][..]), (&[0, 3, 0], &[0, 3]), (&[1, 0, 5], &[1, 0, 5])] {
            assert_eq!(row(counts), row(least));
            assert_eq!(decode_counts::<table::LabelCounts>(b"k=v", &row(counts)), Ok(least.to_vec()));
        }
    }
}
