//! The keys of the tables. Numbers are big-endian, so that keys sort as their numbers do.

use std::ops::Deref;

use super::Reason;
use super::wire::canonical_uuid;
use crate::limits::MAX_ID;

/// A key on the stack: an id's form with a number behind it at most.
pub(crate) struct IdKey {
    bytes: [u8; MAX_ID + 10],
    len: usize,
}

impl IdKey {
    fn empty() -> Self {
        Self { bytes: [0; MAX_ID + 10], len: 0 }
    }

    fn push(&mut self, more: &[u8]) {
        let end = self.len + more.len();
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(more);
            self.len = end;
        }
    }

    /// The key of an id in the table `ids`: 1 and the 16 bytes of a UUID in canonical spelling, or 2 and the
    /// text. What cannot be an id gives a key that no row has.
    pub(crate) fn of(id: &str) -> Self {
        let mut key = Self::empty();
        match canonical_uuid(id) {
            Some(uuid) => {
                key.push(&[1]);
                key.push(uuid.as_bytes());
            }
            None if id.len() <= MAX_ID && !id.bytes().any(|byte| byte < b' ') => {
                key.push(&[2]);
                key.push(id.as_bytes());
            }
            None => key.push(&[3]),
        }
        key
    }
}

impl Deref for IdKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The rows of a job in the table `jobs` begin with this: the id's form, ended by a zero byte where it has
/// no fixed length. Ids have no control characters, so no job's rows lie among another's.
fn job_prefix(job: &str) -> IdKey {
    let mut key = IdKey::of(job);
    if key.first() != Some(&1) {
        key.push(&[0]);
    }
    key
}

/// The row of an execution under its job.
pub(crate) fn job_row(job: &str, number: u64) -> IdKey {
    let mut key = job_prefix(job);
    key.push(&number.to_be_bytes());
    key
}

/// The first key that a job can have.
pub(crate) fn job_start(job: &str) -> IdKey {
    job_row(job, 0)
}

/// The last key that a job can have.
pub(crate) fn job_end(job: &str) -> IdKey {
    job_row(job, u64::MAX)
}

/// The execution's number in a row of the table `jobs`.
pub(crate) fn job_number(key: &[u8]) -> Result<u64, Reason> {
    let number = key.last_chunk::<8>().ok_or("the key is too short")?;
    Ok(u64::from_be_bytes(*number))
}

/// The row of an execution under its state.
pub(crate) fn state_row(state: u8, number: u64) -> [u8; 9] {
    let mut key = [state; 9];
    if let Some(room) = key.last_chunk_mut::<8>() {
        *room = number.to_be_bytes();
    }
    key
}

/// State and number of a row of the table `states`.
pub(crate) fn state_of(key: &[u8; 9]) -> (u8, u64) {
    let [state, number @ ..] = *key;
    (state, u64::from_be_bytes(number))
}

/// A key of two numbers: an execution's number, then an event's place or a payload's version.
pub(crate) fn pair(first: u64, second: u64) -> [u8; 16] {
    ((u128::from(first) << 64) | u128::from(second)).to_be_bytes()
}

/// The two numbers of such a key.
pub(crate) fn pair_of(key: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_be_bytes(*key);
    ((both >> 64) as u64, both as u64)
}

/// The number of a key of one number.
pub(crate) fn number_of(key: &[u8; 8]) -> u64 {
    u64::from_be_bytes(*key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_the_longest_ids() {
        let long = "x".repeat(MAX_ID);
        assert_eq!(IdKey::of(&long).len(), MAX_ID + 1);
        assert_eq!(job_row(&long, 7).len(), MAX_ID + 10);
        assert_eq!(job_number(&job_row(&long, 7)).unwrap(), 7);
        assert_eq!(&*IdKey::of(&"x".repeat(MAX_ID + 1)), [3]);
        assert_eq!(&*IdKey::of("a\0"), [3], "else it would lie among the rows of the job a");
    }

    #[test]
    fn keys_sort_as_what_they_hold() {
        assert!(state_row(1, u64::MAX) < state_row(2, 0));
        assert!(pair(1, u64::MAX) < pair(2, 0));
        assert_eq!(pair_of(&pair(3, 4)), (3, 4));
        assert_eq!(state_of(&state_row(3, 4)), (3, 4));
        assert!(*job_end("a") < *job_start("a!"));
        assert!(*job_start("a") < *job_end("a"));
    }
}
