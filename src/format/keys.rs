//! The keys of the tables. Numbers are big-endian, so that keys sort as their numbers do.

use std::ops::Deref;

use uuid::Uuid;

use super::Reason;
use super::wire::canonical_uuid;
use crate::model::limits::MAX_ID;
use crate::model::part::part;
use crate::model::row_id::{BlobId, PayloadVersion, RowId};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// A key on the stack: an id's form, with a byte before it and a number behind it at most.
pub(crate) struct IdKey {
    bytes: [u8; MAX_ID + 11],
    len: usize,
}

impl IdKey {
    fn empty() -> Self {
        Self { bytes: [0; MAX_ID + 11], len: 0 }
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
        key.push_id(id);
        key
    }

    /// `true` if it is a UUID's, whose length is fixed.
    fn push_id(&mut self, id: &str) -> bool {
        match canonical_uuid(id) {
            Some(uuid) => {
                self.push(&[1]);
                self.push(uuid.as_bytes());
                return true;
            }
            None if id.len() <= MAX_ID && !id.bytes().any(|byte| byte < b' ') => {
                self.push(&[2]);
                self.push(id.as_bytes());
            }
            None => self.push(&[3]),
        }
        false
    }

    /// Ends an id in the middle of a key with a zero byte where it has no fixed length. Ids have no control
    /// characters, so no id's rows lie among another's.
    fn push_ended(&mut self, id: &str) {
        if !self.push_id(id) {
            self.push(&[0]);
        }
    }
}

impl Deref for IdKey {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        part(self.bytes.as_slice(), ..self.len)
    }
}

/// Where the ids that begin so lie in the table `ids`: texts, and UUIDs if it can be the beginning of one.
pub(crate) fn id_ranges(prefix: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = [&[2], prefix.as_bytes()].concat();
    // No text has this byte.
    let text_end = [text.as_slice(), &[0xff]].concat();
    let mut ranges = vec![(text, text_end)];
    let fill = |with: &str| {
        let whole: String = prefix.chars().chain(with.chars().skip(prefix.chars().count())).collect();
        canonical_uuid(&whole).map(|uuid| [&[1], uuid.as_bytes().as_slice()].concat())
    };
    let least = fill("00000000-0000-0000-0000-000000000000");
    ranges.extend(least.zip(fill("ffffffff-ffff-ffff-ffff-ffffffffffff")));
    ranges
}

/// The rows of a job in the table `jobs` begin with this.
pub(crate) fn job_prefix(job: &str) -> IdKey {
    let mut key = IdKey::empty();
    key.push_ended(job);
    key
}

/// The row of a job's counters, before those of its executions: their numbers begin at 1.
pub(crate) fn job_counts_row(job: &str) -> IdKey {
    job_row(job, RowId::NONE)
}

/// The job that a row of the table `jobs` is of, and what all of its rows begin with.
pub(crate) fn job_of_row(key: &[u8]) -> Result<(Text, &[u8]), Reason> {
    let prefix = key.len().checked_sub(8).and_then(|len| key.get(..len)).ok_or("it has no number")?;
    let job = match prefix {
        [1, uuid @ ..] => {
            let uuid = Uuid::from_slice(uuid).map_err(|e| e.to_string())?;
            let mut text = [0; 36];
            Text::from(&*uuid.hyphenated().encode_lower(&mut text))
        }
        [2, text @ .., 0] => Text::from(std::str::from_utf8(text).map_err(|e| e.to_string())?),
        _ => return Err("it has no job".into()),
    };
    Ok((job, prefix))
}

/// The row of an execution under its job.
pub(crate) fn job_row(job: &str, number: RowId) -> IdKey {
    let mut key = job_prefix(job);
    key.push(&number.to_be_bytes());
    key
}

/// The number at the end of a row of an index.
pub(crate) fn number_at_end(key: &[u8]) -> Result<RowId, Reason> {
    let number = key.last_chunk::<8>().ok_or("the key is too short")?;
    Ok(RowId(u64::from_be_bytes(*number)))
}

/// What a link between executions means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Parent = 1,
    Previous = 2,
    /// From an attempt over those before it that were deleted to the nearest one that is not.
    Over = 3,
}

impl LinkKind {
    /// Those that callers make.
    pub(crate) const BOTH: [LinkKind; 2] = [LinkKind::Parent, LinkKind::Previous];
}

/// The rows of those that have a link to an execution begin with this.
pub(crate) fn link_prefix(kind: LinkKind, target: &str) -> IdKey {
    let mut key = IdKey::empty();
    key.push(&[kind as u8]);
    key.push_ended(target);
    key
}

/// The row of an execution that has a link.
pub(crate) fn link_row(kind: LinkKind, target: &str, number: RowId) -> IdKey {
    let mut key = link_prefix(kind, target);
    key.push(&number.to_be_bytes());
    key
}

/// The id that such a row names, in the form of the table `ids`.
pub(crate) fn linked_id(row: &[u8]) -> &[u8] {
    // A row that is too short names nobody.
    let id = row.get(1..row.len().saturating_sub(8)).unwrap_or(&[]);
    // A UUID has a fixed length; a text is ended.
    if id.first() == Some(&2) { id.strip_suffix(&[0]).unwrap_or(id) } else { id }
}

/// The rows of a label's key in the table `label_counts` begin with this: its length and its text.
#[expect(
    clippy::disallowed_methods,
    reason = "a longer key is refused before it is stored, and is found nowhere"
)]
pub(crate) fn label_key(key: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(key.len() + 64);
    row.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
    row.extend_from_slice(key.as_bytes());
    row
}

/// A label's row in the table `label_counts`: its key, then its value's length in two bytes and its text.
#[expect(
    clippy::disallowed_methods,
    reason = "a longer value is refused before it is stored, and is found nowhere"
)]
pub(crate) fn label(key: &str, value: &str) -> Vec<u8> {
    let mut row = label_key(key);
    row.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
    row.extend_from_slice(value.as_bytes());
    row
}

/// Where the rows of a label's key lie in that table, or those behind a value: both ends are included.
pub(crate) fn label_values_span(key: &str, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let start = match after {
        Some(after) => [label(key, after).as_slice(), &[0]].concat(),
        None => label_key(key),
    };
    // No value is that long.
    (start, [label_key(key).as_slice(), &[0xff]].concat())
}

/// The value of a label in such a row.
pub(crate) fn label_value(row: &[u8]) -> Result<&str, Reason> {
    let short = "the key is too short";
    let (len, rest) = row.split_first().ok_or(short)?;
    let value = rest.get(usize::from(*len) + 2..).ok_or(short)?;
    std::str::from_utf8(value).map_err(|e| format!("a label is not UTF-8: {e}"))
}

/// The rows of a label and a group of states in the table `labels` begin with this: see `Lifecycle::group`.
pub(crate) fn label_prefix(key: &str, value: &str, group: u8) -> Vec<u8> {
    let mut row = label(key, value);
    row.push(group);
    row
}

/// The row of an execution under a label and the group of its state.
pub(crate) fn label_row(key: &str, value: &str, group: u8, number: RowId) -> Vec<u8> {
    let mut row = label_prefix(key, value, group);
    row.extend_from_slice(&number.to_be_bytes());
    row
}

/// The row of an execution under the time of its end.
pub(crate) fn completed_row(at: Timestamp, number: RowId) -> [u8; 16] {
    // With the sign turned over, times before 1970 sort before those after.
    pair(at.as_nanos().cast_unsigned() ^ (1 << 63), number.0)
}

/// Time and number of such a row.
pub(crate) fn completed_of(key: &[u8; 16]) -> (Timestamp, RowId) {
    let (time, number) = pair_of(key);
    (Timestamp::from_nanos((time ^ (1 << 63)).cast_signed()), RowId(number))
}

/// The row of an execution under its state.
pub(crate) fn state_row(state: u8, number: RowId) -> [u8; 9] {
    kind_row(state, number.0)
}

/// State and number of a row of the table `states`.
pub(crate) fn state_of(key: &[u8; 9]) -> (u8, RowId) {
    let (state, number) = kind_of(key);
    (state, RowId(number))
}

/// A key of a kind and a number.
pub(crate) fn kind_row(kind: u8, number: u64) -> [u8; 9] {
    let mut key = [kind; 9];
    if let Some(room) = key.last_chunk_mut::<8>() {
        *room = number.to_be_bytes();
    }
    key
}

/// Kind and number of such a key.
pub(crate) fn kind_of(key: &[u8; 9]) -> (u8, u64) {
    let [kind, number @ ..] = *key;
    (kind, u64::from_be_bytes(number))
}

/// The row of an event, by its sequence number, or of a task, by its place.
pub(crate) fn place_row(number: RowId, place: u64) -> [u8; 16] {
    pair(number.0, place)
}

/// The execution and the place of such a row.
pub(crate) fn place_of(key: &[u8; 16]) -> (RowId, u64) {
    let (number, place) = pair_of(key);
    (RowId(number), place)
}

/// The row of a payload.
pub(crate) fn payload_row(number: RowId, version: PayloadVersion) -> [u8; 16] {
    pair(number.0, version.0)
}

/// The execution and the version of such a row.
pub(crate) fn payload_of(key: &[u8; 16]) -> (RowId, PayloadVersion) {
    let (number, version) = pair_of(key);
    (RowId(number), PayloadVersion(version))
}

/// The row of the part of a blob that begins at an offset.
pub(crate) fn chunk_row(blob: BlobId, offset: u64) -> [u8; 16] {
    pair(blob.0, offset)
}

/// The blob and the offset of such a row.
pub(crate) fn chunk_of(key: &[u8; 16]) -> (BlobId, u64) {
    let (blob, offset) = pair_of(key);
    (BlobId(blob), offset)
}

/// A key of two numbers.
fn pair(first: u64, second: u64) -> [u8; 16] {
    ((u128::from(first) << 64) | u128::from(second)).to_be_bytes()
}

/// The two numbers of such a key.
fn pair_of(key: &[u8; 16]) -> (u64, u64) {
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
        assert_eq!(job_row(&long, RowId(7)).len(), MAX_ID + 10);
        assert_eq!(number_at_end(&job_row(&long, RowId(7))).unwrap(), RowId(7));
        assert_eq!(link_row(LinkKind::Previous, &long, RowId(7)).len(), MAX_ID + 11);
        let uuid = "0192f0c1-2345-7678-9abc-def012345678";
        for id in ["a", long.as_str(), uuid] {
            assert_eq!(linked_id(&link_row(LinkKind::Parent, id, RowId(2 << 56))), &*IdKey::of(id), "{id}");
        }
        assert_eq!(&*IdKey::of(&"x".repeat(MAX_ID + 1)), [3]);
        assert_eq!(&*IdKey::of("a\0"), [3], "else it would lie among the rows of the job a");
    }

    #[test]
    fn ids_that_begin_alike_lie_together() {
        let ids =
            ["0", "01890a5d", "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5dx", "é", "01890A5D", "ab"];
        for prefix in
            ["", "0", "01890a5d", "01890a5d-", "01890a5d-a", "01890a5d-ac96-774b-bcce-b302099a8057", "01890A"]
        {
            let ranges = id_ranges(prefix);
            for id in ids {
                let key = IdKey::of(id).to_vec();
                let inside = ranges.iter().any(|(start, end)| (start..=end).contains(&&key));
                assert_eq!(inside, id.starts_with(prefix), "{prefix} {id}");
            }
        }
        assert!(id_ranges("01890a5d-ac96-774b-bcce-b302099a80570").len() == 1, "no UUID is that long");
    }

    #[test]
    fn keys_sort_as_what_they_hold() {
        assert!(state_row(1, RowId::MAX) < state_row(2, RowId(0)));
        assert!(pair(1, u64::MAX) < pair(2, 0));
        assert_eq!(pair_of(&pair(3, 4)), (3, 4));
        assert_eq!(state_of(&state_row(3, RowId(4))), (3, RowId(4)));
        assert!(*job_row("a", RowId::MAX) < *job_row("a!", RowId(0)));
        let at = Timestamp::from_nanos;
        let times = [i64::MIN, -1, 0, 1, i64::MAX].map(|time| completed_row(at(time), RowId(5)));
        assert!(times.is_sorted());
        assert_eq!(completed_of(&completed_row(at(-7), RowId(5))), (at(-7), RowId(5)));
        assert_eq!(label_value(&label("k\0", "v\0é")).unwrap(), "v\0é");
        assert!(
            label_row("a", "bc", 9, RowId::MAX) < label_row("ab", "c", 0, RowId(0)),
            "no label lies in another"
        );
    }
}
