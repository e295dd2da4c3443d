//! The encoding of the store's totals: one row that every write transaction replaces.

use super::{Reader, Reason, Writer, check_frame, finish_frame};

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
}

impl Totals {
    pub(crate) fn count(&self, state: u8) -> u64 {
        self.counts.get(usize::from(state)).copied().unwrap_or(0)
    }

    pub(crate) fn set_count(&mut self, state: u8, count: u64) {
        let place = usize::from(state);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        if let Some(slot) = self.counts.get_mut(place) {
            *slot = count;
        }
    }
}

/// Encodes the totals.
pub(crate) fn encode_totals(table: u8, key: &[u8], totals: &Totals, out: &mut Vec<u8>) {
    let mut w = Writer::frame(out);
    w.number(totals.version);
    w.number(totals.head);
    w.number(totals.trimmed);
    w.number(totals.last_number);
    w.number(totals.counts.len() as u64);
    totals.counts.iter().for_each(|count| w.number(*count));
    finish_frame(table, key, out);
}

/// Decodes the totals.
pub(crate) fn decode_totals(table: u8, key: &[u8], value: &[u8]) -> Result<Totals, Reason> {
    let mut r = Reader::new(check_frame(table, key, value)?);
    let (version, head, trimmed, last_number) = (r.number()?, r.number()?, r.number()?, r.number()?);
    let counts = (0..r.number()?).map(|_| r.number()).collect::<Result<_, _>>()?;
    r.end()?;
    Ok(Totals { version, head, trimmed, last_number, counts })
}
