//! The journal: where single commits become durable in one sequential write.
//!
//! A durable redb commit scatters a dozen pages over the file and waits for all of them. The journal takes
//! the same transaction as one run of bytes in a file of its own, `<store>-journal`, and redb commits it
//! without waiting. Every few megabytes a durable redb commit (a *checkpoint*) makes the store's file whole
//! again, and the journal starts over. After a crash the records that the file does not hold yet are done
//! again. It knows neither tables nor values: a record is the bytes of `Tables::redo` between two versions.
//!
//! Invariants:
//! - A record is durable before its transaction is visible to anybody.
//! - Records are chained by the store's version. What the file holds already is skipped; a gap ends replay.
//! - The file's meta record names the journal from before its first record until a clean close.

mod record;

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use record::{Header, RECORD_HEADER, SECTOR, frame_record, parse_record};

use crate::error::StorageError;
use crate::tables::MAX_REDO;

/// Journals start over at this size. Measured: a checkpoint then costs a few microseconds for each operation
/// in between, and replaying a full journal takes a few tens of milliseconds.
pub(crate) const CAPACITY: u64 = 8 * 1024 * 1024;
/// The file grows by this much, written with zeros, so that a sync has no metadata to write.
const CHUNK: u64 = 1024 * 1024;

/// A journal that is being written.
pub(crate) struct Journal {
    medium: Box<dyn StorageBackend>,
    id: u64,
    /// Drawn anew each time that the journal starts over, so that a record of an earlier round that a crash
    /// left behind the present ones can never continue them.
    round: u64,
    /// Where the next record goes.
    position: u64,
    /// How much of the medium has been written at least once.
    allocated: u64,
    /// The store's version after the last record or checkpoint; `None` until a checkpoint under this
    /// journal's id.
    version: Option<u64>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("id", &self.id).field("position", &self.position).finish()
    }
}

impl Journal {
    /// Begins a journal. It takes records after the first checkpoint that names its id.
    pub(crate) fn create(
        medium: Box<dyn StorageBackend>,
        store_id: u128,
        id: u64,
    ) -> Result<Self, StorageError> {
        let mut journal = Self::at_start(medium, id);
        let header = Header { store_id, id }.encode();
        if journal.len()? < SECTOR {
            journal.on(|medium| medium.set_len(SECTOR))?;
        }
        journal.on(|medium| medium.write(0, &header))?;
        journal.on(|medium| medium.sync_data())?;
        journal.allocated = SECTOR;
        Ok(journal)
    }

    /// Opens the journal of this store and id, if the medium holds it.
    pub(crate) fn open(
        medium: Box<dyn StorageBackend>,
        store_id: u128,
        id: u64,
    ) -> Result<Option<Self>, StorageError> {
        let mut journal = Self::at_start(medium, id);
        let len = journal.len()?;
        if len < SECTOR {
            return Ok(None);
        }
        let mut header = vec![0; SECTOR as usize];
        journal.on(|medium| medium.read(0, &mut header))?;
        journal.allocated = len;
        Ok((Header::decode(&header) == Some(Header { store_id, id })).then_some(journal))
    }

    fn at_start(medium: Box<dyn StorageBackend>, id: u64) -> Self {
        Self { medium, id, round: 0, position: SECTOR, allocated: 0, version: None, buffer: Vec::new() }
    }

    /// The journal's own number, as the meta record names it.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Reads the records that follow `version` in the chain and passes each to `redo`. Gives the version
    /// after the last one.
    pub(crate) fn replay(
        &mut self,
        version: u64,
        mut redo: impl FnMut(&[u8]) -> Result<(), StorageError>,
    ) -> Result<u64, StorageError> {
        let len = self.len()?;
        let mut content = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.on(|medium| medium.read(0, &mut content))?;
        let mut rest = content.get(SECTOR as usize..).unwrap_or_default();
        let mut reached = version;
        let mut chain: Option<(u64, u64)> = None;
        while let Some(record) = parse_record(rest, self.id) {
            // Records of earlier rounds may lie behind those of this one.
            if chain.is_some_and(|chain| chain != (record.round, record.from)) {
                break;
            }
            chain = Some((record.round, record.to));
            if record.from == reached {
                redo(record.body)?;
                reached = record.to;
            } else if record.to > reached {
                // The file has neither all of this record nor what comes before it.
                let text = format!("record {}..{} does not follow version {reached}", record.from, record.to);
                return Err(journal_error(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            rest = rest.get(record.len..).unwrap_or_default();
        }
        Ok(reached)
    }

    /// `true` if this transaction can become durable here: it follows the last record, and there is room.
    pub(crate) fn takes(&self, from: u64, body: &[u8]) -> bool {
        self.version == Some(from)
            && body.len() <= MAX_REDO
            && self.position + (RECORD_HEADER + body.len()) as u64 + SECTOR <= CAPACITY
    }

    /// Writes a record, and unless `lazy` waits until it is durable.
    pub(crate) fn append(&mut self, from: u64, to: u64, body: &[u8], lazy: bool) -> Result<(), StorageError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        frame_record(self.id, self.round, from, to, body, &mut buffer);
        let end = self.position + buffer.len() as u64;
        while self.allocated < end {
            let grown =
                self.allocated.next_multiple_of(CHUNK).max(self.allocated + 1).next_multiple_of(CHUNK);
            let zeros = vec![0; usize::try_from(grown - self.allocated).unwrap_or(0)];
            if self.len()? < grown {
                self.on(|medium| medium.set_len(grown))?;
            }
            self.on(|medium| medium.write(self.allocated, &zeros))?;
            self.allocated = grown;
        }
        self.on(|medium| medium.write(self.position, &buffer))?;
        if !lazy {
            self.on(|medium| medium.sync_data())?;
        }
        self.position = end;
        self.version = Some(to);
        self.buffer = buffer;
        Ok(())
    }

    /// The file holds everything up to this version, and names this journal: start over.
    pub(crate) fn checkpointed(&mut self, version: u64) {
        self.round = uuid::Uuid::new_v4().as_u64_pair().0;
        self.position = SECTOR;
        self.version = Some(version);
    }

    fn len(&self) -> Result<u64, StorageError> {
        self.on(|medium| medium.len())
    }

    fn on<T>(&self, act: impl FnOnce(&dyn StorageBackend) -> io::Result<T>) -> Result<T, StorageError> {
        act(&*self.medium).map_err(journal_error)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Nothing is lost if this fails: it only releases the file.
        let _ = self.medium.close();
    }
}

fn journal_error(error: io::Error) -> StorageError {
    StorageError::Journal(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    /// A medium whose bytes outlive the journal on it.
    #[derive(Clone, Debug, Default)]
    struct Shared(Arc<InMemoryBackend>);

    impl StorageBackend for Shared {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }

    fn replayed(medium: &Shared, version: u64) -> Result<(u64, Vec<Vec<u8>>), StorageError> {
        let mut journal = Journal::open(Box::new(medium.clone()), 7, 9).unwrap().unwrap();
        let mut bodies = Vec::new();
        let reached = journal.replay(version, |body| {
            bodies.push(body.to_vec());
            Ok(())
        })?;
        Ok((reached, bodies))
    }

    #[test]
    fn records_come_back_from_any_version_of_the_chain() {
        let medium = Shared::default();
        let mut journal = Journal::create(Box::new(medium.clone()), 7, 9).unwrap();
        assert!(!journal.takes(5, b"x"), "no checkpoint names it yet");
        journal.checkpointed(5);
        for (from, to) in [(5, 6), (6, 9), (9, 10)] {
            assert!(journal.takes(from, b"x"));
            journal.append(from, to, format!("{from}-{to}").as_bytes(), false).unwrap();
        }
        assert!(!journal.takes(9, b"x"), "it does not follow");
        assert_eq!(replayed(&medium, 5).unwrap(), (10, vec![b"5-6".into(), b"6-9".into(), b"9-10".into()]));
        assert_eq!(replayed(&medium, 9).unwrap(), (10, vec![b"9-10".into()]));
        assert_eq!(replayed(&medium, 10).unwrap(), (10, vec![]));
        assert_eq!(replayed(&medium, 99).unwrap(), (99, vec![]));
        assert!(replayed(&medium, 4).is_err(), "what leads from 4 to 5 is missing");
        assert!(replayed(&medium, 7).is_err(), "7 is inside a record");
    }

    #[test]
    fn an_earlier_round_behind_the_present_one_is_not_replayed() {
        let medium = Shared::default();
        let mut journal = Journal::create(Box::new(medium.clone()), 7, 9).unwrap();
        journal.checkpointed(0);
        for version in 0..5 {
            journal.append(version, version + 1, &[b'o'; 600], false).unwrap();
        }
        journal.checkpointed(5);
        journal.append(5, 6, b"new", false).unwrap();
        assert_eq!(replayed(&medium, 5).unwrap(), (6, vec![b"new".into()]));
    }

    #[test]
    fn a_record_that_a_crash_left_behind_does_not_continue_a_later_round() {
        let medium = Shared::default();
        let mut journal = Journal::create(Box::new(medium.clone()), 7, 9).unwrap();
        journal.checkpointed(5);
        journal.append(5, 6, b"lost", true).unwrap();
        journal.append(6, 7, b"stale", true).unwrap();
        // The crash: of the two, only the second reached the disk. Recovery ends at 5.
        medium.write(SECTOR, &[0; 512]).unwrap();
        assert_eq!(replayed(&medium, 5).unwrap(), (5, vec![]));
        let mut journal = Journal::open(Box::new(medium.clone()), 7, 9).unwrap().unwrap();
        journal.checkpointed(5);
        journal.append(5, 6, b"lost", false).unwrap();
        assert_eq!(replayed(&medium, 5).unwrap(), (6, vec![b"lost".into()]));
    }

    #[test]
    fn a_torn_record_ends_the_chain() {
        let medium = Shared::default();
        let mut journal = Journal::create(Box::new(medium.clone()), 7, 9).unwrap();
        journal.checkpointed(0);
        journal.append(0, 1, b"whole", false).unwrap();
        let torn = journal.position;
        journal.append(1, 2, &[b't'; 2_000], false).unwrap();
        for byte in [0, 9, 40, 1_000, 2_000] {
            let mut old = [0];
            medium.read(torn + byte, &mut old).unwrap();
            medium.write(torn + byte, &[old[0] ^ 1]).unwrap();
            assert_eq!(replayed(&medium, 0).unwrap().0, 1, "byte {byte}");
            medium.write(torn + byte, &old).unwrap();
        }
        assert_eq!(replayed(&medium, 0).unwrap().0, 2);
    }

    #[test]
    fn another_stores_journal_is_not_opened() {
        let medium = Shared::default();
        Journal::create(Box::new(medium.clone()), 7, 9).unwrap();
        assert!(Journal::open(Box::new(medium.clone()), 8, 9).unwrap().is_none());
        assert!(Journal::open(Box::new(medium.clone()), 7, 8).unwrap().is_none());
        assert!(Journal::open(Box::new(Shared::default()), 7, 9).unwrap().is_none());
    }
}
