//! The journal: where single commits become durable in one sequential write.
//!
//! A durable redb commit scatters a dozen pages over the file and waits for all of them. The journal takes
//! the same transaction as one run of bytes in a region of the store's file, and redb commits it
//! without waiting. Whenever the region is full a durable redb commit (a *checkpoint*) makes the image whole
//! again, and the journal starts over, in a new round. After a crash the records that the image does not hold yet are done
//! again. It knows neither tables nor values: a record is the bytes of `Tables::redo` between two versions.
//!
//! Invariants:
//! - A record is durable before its transaction is visible to anybody.
//! - Records are chained by the store's version. What the image holds already is skipped; a gap is damage.
//! - The image names the round whose records continue it, and a sector that begins the round was durable before: a region
//!   that was lost, or is older than the image, is noticed.
//! - Each place is written once in a round. So a sector of an earlier round, or of none, was not written yet in this one.

mod record;

use std::io;
use std::sync::Arc;

use record::{Found, Owner, Sector, Versions, WHOLE, find, frame, header, next_round, sector, sectors_of};

use crate::engine::file::{Head, Medium, SECTOR};
use crate::model::error::{StorageError, is_full};
use crate::storage::MAX_REDO;

/// The sectors at the beginning of the region that say which round is being written, each in turn; records
/// begin behind them.
const SLOTS: u64 = 8;

/// A journal in its region.
pub(crate) struct Journal {
    medium: Arc<Medium>,
    id: u64,
    /// Where the area of the records begins on the medium, and how many sectors it has.
    area: u64,
    sectors: u64,
    slots: u64,
    round: u32,
    /// The sector of the area that the next record goes to.
    position: u64,
    /// The store's version after the last record or checkpoint; `None` until a round has begun.
    version: Option<u64>,
    /// The version up to which everything is durable.
    durable: u64,
    /// The version that the flushes which were begun lead to.
    synced: u64,
    /// The sector that begins the next round is durable.
    prepared: bool,
    /// Records that were taken in and not written, one behind the other, and the sector that the first of them goes to.
    pending: Vec<u8>,
    pending_at: u64,
    /// Something was written that no sync has covered since.
    unsynced: bool,
}

/// Records on their way to the disk.
#[must_use]
pub(crate) struct Flush {
    medium: Arc<Medium>,
    offset: u64,
    bytes: Vec<u8>,
    /// More than its own range has to be synced.
    whole: bool,
    prepares: bool,
    to: u64,
}

impl Flush {
    /// Writes and syncs, without the journal, which takes in what comes meanwhile.
    pub(crate) fn run(&self) -> io::Result<()> {
        if !self.whole {
            return self.medium.write_through(self.offset, &self.bytes);
        }
        self.medium.write(self.offset, &self.bytes)?;
        self.medium.sync_data()
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, round, position, .. } = self;
        f.debug_struct("Journal").field("id", id).field("round", round).field("position", position).finish()
    }
}

/// How a journal was done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// The version after the last record.
    pub(crate) reached: u64,
    /// Where the next record would go, if nothing of this round lies behind.
    end: Option<u64>,
}

/// Why a journal could not be done again to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The storage failed.
    Storage(StorageError),
    /// What was written once cannot be read: the records up to this version could be.
    Damaged { reached: u64, reason: String },
}

impl From<StorageError> for Broken {
    fn from(error: StorageError) -> Self {
        Broken::Storage(error)
    }
}

impl Journal {
    /// The journal of a file with this head, the image of which names this round.
    pub(crate) fn new(medium: Arc<Medium>, head: &Head, round: u32) -> Self {
        let (slots, len) = head.region();
        Self {
            medium,
            id: head.id,
            area: slots + SLOTS * SECTOR,
            sectors: len / SECTOR - SLOTS,
            slots,
            round,
            position: 0,
            version: None,
            durable: 0,
            synced: 0,
            prepared: false,
            pending: Vec::new(),
            pending_at: 0,
            unsynced: false,
        }
    }

    pub(crate) fn round(&self) -> u32 {
        self.round
    }

    /// Reads the records that follow `version` in the chain and passes each to `redo`.
    pub(crate) fn replay(
        &self,
        version: u64,
        mut redo: impl FnMut(&[u8]) -> Result<(), StorageError>,
    ) -> Result<Replayed, Broken> {
        let owner = Owner { id: self.id, round: self.round };
        let slot = u64::from(self.round % 2);
        let mut bytes = [0; WHOLE];
        self.on(|medium| medium.read(self.slots + slot * SECTOR, &mut bytes))?;
        let broken = |reached, reason| Broken::Damaged { reached, reason };
        if !matches!(sector(owner, slot, &bytes), Sector::Ours { starts: true, .. }) {
            let reason =
                "the journal of the last checkpoint is not there; it was lost, or is older than the rest";
            return Err(broken(version, reason.into()));
        }
        // Hardly more than 64 MiB: no head is taken that says otherwise.
        let mut area = vec![0; (self.sectors * SECTOR) as usize];
        self.on(|medium| medium.read(self.area, &mut area))?;
        let (mut reached, mut place) = (version, 0);
        loop {
            match find(owner, place, &area) {
                Found::Record { versions, body, sectors } => {
                    if versions.from == reached {
                        redo(&body)?;
                        reached = versions.to;
                    } else if versions.to > reached {
                        // The image has neither all of this record nor what comes before it.
                        let Versions { from, to, .. } = versions;
                        let reason = format!("record {from}..{to} does not follow version {reached}");
                        return Err(broken(reached, reason));
                    }
                    place += sectors;
                }
                Found::Damaged { sector } => {
                    let reason = format!("sector {sector} of the journal is damaged");
                    return Err(broken(reached, reason));
                }
                Found::End => break,
            }
        }
        match self.later(owner, place, &area, reached) {
            Some(later) => {
                let reason = format!(
                    "a record before version {} is missing, and one after it was acknowledged",
                    later.from
                );
                Err(broken(reached, reason))
            }
            None => Ok(Replayed { reached, end: self.is_free(owner, place, &area).then_some(place) }),
        }
    }

    /// Nothing of this round lies behind the end, where it could be taken for what comes next.
    fn is_free(&self, owner: Owner, end: u64, area: &[u8]) -> bool {
        let mut sectors = (0..).zip(area.as_chunks::<WHOLE>().0).skip(end as usize);
        sectors.all(|(place, bytes)| sector(owner, place, bytes) == Sector::Free)
    }

    /// A record behind the end, written after something that is missing had become durable.
    fn later(&self, owner: Owner, end: u64, area: &[u8], reached: u64) -> Option<Versions> {
        let sectors = (0..).zip(area.as_chunks::<WHOLE>().0);
        sectors.skip(end as usize).find_map(|(place, bytes)| match sector(owner, place, bytes) {
            Sector::Ours { starts: true, data } => {
                header(data).map(|(_, versions)| versions).filter(|versions| versions.durable > reached)
            }
            _ => None,
        })
    }

    /// `true` if this transaction can become durable here: it follows the last record, and there is room.
    pub(crate) fn takes(&self, from: u64, body: &[u8]) -> bool {
        self.version == Some(from)
            && body.len() <= MAX_REDO
            && self.position + sectors_of(body.len()) <= self.sectors
    }

    /// Takes a record in, to be written with the next [`Flush`]. A `lazy` one is written now, if nothing before it has to be synced first: it
    /// outlives the process.
    pub(crate) fn push(&mut self, from: u64, to: u64, body: &[u8], lazy: bool) -> Result<(), StorageError> {
        let lazy = lazy && self.pending.is_empty();
        let owner = Owner { id: self.id, round: self.round };
        let versions = Versions { from, to, durable: self.durable };
        if self.pending.is_empty() {
            self.pending_at = self.position;
        }
        frame(owner, self.position, versions, body, &mut self.pending);
        self.position += sectors_of(body.len());
        self.version = Some(to);
        if lazy {
            let written = self.medium.write(self.area + self.pending_at * SECTOR, &self.pending);
            self.pending.clear();
            self.unsynced = true;
            written.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// What has to be written and synced for everything that was taken in to be durable; `None` if it is already. One at a time.
    pub(crate) fn flush(&mut self) -> Option<Flush> {
        let to = self.version.filter(|version| *version > self.durable)?;
        self.synced = to;
        // Half-way through the region, one sync is for the next round, too. An error says no more than that it has to be written again.
        let prepares =
            !self.prepared && self.position > self.sectors / 2 && self.write_round(Medium::write).is_ok();
        Some(Flush {
            medium: self.medium.clone(),
            offset: self.area + self.pending_at * SECTOR,
            bytes: std::mem::take(&mut self.pending),
            // What was written without a sync becomes durable with this, or it cannot be read after a crash.
            whole: std::mem::take(&mut self.unsynced) || prepares,
            prepares,
            to,
        })
    }

    /// The version that the flushes which were begun lead to.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// How a flush went.
    pub(crate) fn flushed(&mut self, flush: Flush, written: io::Result<()>) -> Result<u64, StorageError> {
        if let Err(error) = written {
            return Err(self.failed(error));
        }
        if self.pending.is_empty() {
            // Its room, for the next one.
            (self.pending, self.pending_at) = (flush.bytes, self.position);
            self.pending.clear();
        }
        self.durable = flush.to;
        self.prepared |= flush.prepares;
        Ok(flush.to)
    }

    /// What is there of the records that could not be written must not be taken for the beginning of the next one: another round
    /// has to begin.
    fn failed(&mut self, error: io::Error) -> StorageError {
        self.version = None;
        match is_full(&error) {
            true => StorageError::OutOfSpace { free: None, reserve: 0 },
            false => StorageError::Journal(error.into()),
        }
    }

    /// Takes a record in, and unless `lazy` waits until it is durable.
    #[cfg(test)]
    fn append(&mut self, from: u64, to: u64, body: &[u8], lazy: bool) -> Result<(), StorageError> {
        self.push(from, to, body, lazy)?;
        if lazy {
            return Ok(());
        }
        let flush = self.flush().unwrap();
        let written = flush.run();
        self.flushed(flush, written).map(drop)
    }

    /// The round that the image is about to name. The sector that begins it is durable before: after a crash redb may take a commit that it had
    /// not synced yet, if all of it is there.
    pub(crate) fn prepare_round(&mut self) -> Result<u32, StorageError> {
        if !self.prepared {
            self.write_round(Medium::write_through)?;
            self.prepared = true;
        }
        Ok(next_round(self.round))
    }

    /// Writes the sector that begins the next round. Its slot holds the round before this one, which nobody needs.
    fn write_round(
        &self,
        write: impl FnOnce(&Medium, u64, &[u8]) -> io::Result<()>,
    ) -> Result<(), StorageError> {
        let round = next_round(self.round);
        let (slot, mut bytes) = (u64::from(round % 2), Vec::new());
        let none = Versions { from: 0, to: 0, durable: 0 };
        frame(Owner { id: self.id, round }, slot, none, &[], &mut bytes);
        self.on(|medium| write(medium, self.slots + slot * SECTOR, &bytes))
    }

    /// The image holds everything up to this version, and names this round: start over.
    pub(crate) fn begin_round(&mut self, round: u32, version: u64) {
        self.round = round;
        self.prepared = false;
        self.position = 0;
        // What was taken in and not written is in the image by now.
        self.pending.clear();
        self.unsynced = false;
        self.version = Some(version);
        self.durable = version;
    }

    /// Goes on with the round that was done again; `false` if something of it lies behind the end. What was read may be in the system's
    /// memory alone, if it was only the process that ended: it is durable before anybody sees it.
    pub(crate) fn resume(&mut self, done: Replayed) -> Result<bool, StorageError> {
        let Some(end) = done.end else { return Ok(false) };
        self.on(Medium::sync_data)?;
        self.position = end;
        self.version = Some(done.reached);
        self.durable = done.reached;
        Ok(true)
    }

    fn on<T>(&self, act: impl FnOnce(&Medium) -> io::Result<T>) -> Result<T, StorageError> {
        act(&self.medium).map_err(|error| StorageError::Journal(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const HEAD: Head = Head { id: 9, image: 128 * 1024 };

    fn medium() -> Arc<Medium> {
        let storage = InMemoryBackend::new();
        storage.set_len(HEAD.image).unwrap();
        Medium::foreign(Box::new(storage))
    }

    /// A journal whose first round continues this version.
    fn begun(medium: &Arc<Medium>, version: u64) -> Journal {
        let mut journal = Journal::new(medium.clone(), &HEAD, 0);
        let round = journal.prepare_round().unwrap();
        journal.begin_round(round, version);
        journal
    }

    fn replayed(medium: &Arc<Medium>, round: u32, version: u64) -> Result<(u64, Vec<Vec<u8>>), Broken> {
        let mut bodies = Vec::new();
        let reached = Journal::new(medium.clone(), &HEAD, round).replay(version, |body| {
            bodies.push(body.to_vec());
            Ok(())
        })?;
        Ok((reached.reached, bodies))
    }

    /// Up to where the records could be read, of a journal that is damaged.
    fn broken_at(medium: &Arc<Medium>, round: u32, version: u64) -> u64 {
        match replayed(medium, round, version) {
            Err(Broken::Damaged { reached, .. }) => reached,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_come_back_from_any_version_of_the_chain() {
        let medium = medium();
        let mut journal = Journal::new(medium.clone(), &HEAD, 0);
        assert!(!journal.takes(5, b"x"), "no round has begun yet");
        let round = journal.prepare_round().unwrap();
        journal.begin_round(round, 5);
        for (from, to) in [(5, 6), (6, 9), (9, 10)] {
            assert!(journal.takes(from, b"x"));
            journal.append(from, to, format!("{from}-{to}").as_bytes(), false).unwrap();
        }
        assert!(!journal.takes(9, b"x"), "it does not follow");
        let all = vec![b"5-6".to_vec(), b"6-9".into(), b"9-10".into()];
        assert_eq!(replayed(&medium, 1, 5).unwrap(), (10, all));
        assert_eq!(replayed(&medium, 1, 9).unwrap(), (10, vec![b"9-10".into()]));
        assert_eq!(replayed(&medium, 1, 10).unwrap(), (10, vec![]));
        assert_eq!(broken_at(&medium, 1, 4), 4, "what leads from 4 to 5 is missing");
        assert_eq!(broken_at(&medium, 1, 7), 7, "7 is inside a record");
    }

    #[test]
    fn an_earlier_round_behind_the_present_one_is_not_replayed() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        for version in 0..5 {
            journal.append(version, version + 1, &[b'o'; 600], false).unwrap();
        }
        let round = journal.prepare_round().unwrap();
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, 5, "the image does not name the new round yet");
        journal.begin_round(round, 5);
        assert_eq!(replayed(&medium, 2, 5).unwrap(), (5, vec![]));
        journal.append(5, 6, b"new", false).unwrap();
        assert_eq!(replayed(&medium, 2, 5).unwrap(), (6, vec![b"new".into()]));
    }

    #[test]
    fn a_record_that_a_crash_left_behind_does_not_continue_a_later_round() {
        let medium = medium();
        let mut journal = begun(&medium, 5);
        journal.append(5, 6, b"lost", true).unwrap();
        journal.append(6, 7, b"stale", true).unwrap();
        // The crash: of the two, only the second reached the disk. Nobody was told of either.
        medium.write(journal.area, &[0; WHOLE]).unwrap();
        assert_eq!(replayed(&medium, 1, 5).unwrap(), (5, vec![]));
        let round = journal.prepare_round().unwrap();
        journal.begin_round(round, 5);
        journal.append(5, 6, b"lost", false).unwrap();
        assert_eq!(replayed(&medium, 2, 5).unwrap(), (6, vec![b"lost".into()]));
    }

    #[test]
    fn a_record_behind_some_that_nobody_waited_for_is_synced_with_them() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        let mut is_alone = |from: u64, to: u64| {
            journal.push(from, to, b"waited for", false).unwrap();
            let flush = journal.flush().unwrap();
            let (written, whole) = (flush.run(), flush.whole);
            journal.flushed(flush, written).unwrap();
            journal.push(to, to + 1, b"lazy", true).unwrap();
            !whole
        };
        assert!(is_alone(0, 1));
        assert!(!is_alone(2, 3), "its own range is not enough");
    }

    #[test]
    fn the_next_round_is_prepared_with_a_record_and_does_not_disturb_this_one() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        let mut version = 0;
        while !journal.prepared {
            assert!(journal.takes(version, &[7; 3_000]));
            journal.append(version, version + 1, &[7; 3_000], false).unwrap();
            version += 1;
        }
        assert!(
            journal.position > journal.sectors / 2 && journal.takes(version, b"x"),
            "well before it is full"
        );
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, version);
        let round = journal.prepare_round().unwrap();
        assert_eq!(round, 2);
        journal.begin_round(round, version);
        journal.append(version, version + 1, b"new", false).unwrap();
        assert_eq!(replayed(&medium, 2, version).unwrap(), (version + 1, vec![b"new".to_vec()]));
        assert!(!journal.prepared, "the third has a sector of its own");
    }

    #[test]
    fn a_journal_that_was_left_open_goes_on_unless_something_lies_behind_its_end() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        for version in 0..3 {
            journal.append(version, version + 1, b"x", false).unwrap();
        }
        for (stale, resumes) in [(false, true), (true, false)] {
            let mut next = Journal::new(medium.clone(), &HEAD, 1);
            if stale {
                // Two that were never acknowledged, the first of which was lost.
                let mut ended = Journal::new(medium.clone(), &HEAD, 1);
                let done = ended.replay(0, |_| Ok(())).unwrap();
                assert!(ended.resume(done).unwrap());
                ended.append(4, 5, b"lost", true).unwrap();
                ended.append(5, 6, b"stale", true).unwrap();
                let lost = ended.area + (ended.position - 2) * SECTOR;
                medium.write(lost, &[0; WHOLE]).unwrap();
            }
            let done = next.replay(0, |_| Ok(())).unwrap();
            assert_eq!(next.resume(done).unwrap(), resumes);
            if resumes {
                next.append(3, 4, b"more", false).unwrap();
            }
            assert_eq!(replayed(&medium, 1, 0).unwrap().0, 4);
        }
    }

    #[test]
    fn a_torn_end_is_nothing_and_damage_anywhere_is_told() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        journal.append(0, 1, b"whole", false).unwrap();
        let last = journal.area + journal.position * SECTOR;
        journal.append(1, 2, &[b't'; 2_000], false).unwrap();
        for sector in 0..5 {
            let (at, mut old) = (last + sector * SECTOR, [0; WHOLE]);
            medium.read(at, &mut old).unwrap();
            medium.write(at, &[0; WHOLE]).unwrap();
            assert_eq!(replayed(&medium, 1, 0).unwrap().0, 1, "sector {sector} was not written");
            let mut flipped = old;
            flipped[100] ^= 1;
            medium.write(at, &flipped).unwrap();
            assert_eq!(broken_at(&medium, 1, 0), 1, "sector {sector} was altered");
            medium.write(at, &old).unwrap();
        }
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, 2);
    }

    #[test]
    fn a_hole_before_an_acknowledged_record_is_told() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        for version in 0..5 {
            journal.append(version, version + 1, b"x", false).unwrap();
        }
        medium.write(journal.area + SECTOR, &[0; WHOLE]).unwrap();
        assert_eq!(broken_at(&medium, 1, 0), 1);
        // The last that is there says that the one in the hole was durable; the hole alone says nothing.
        for sector in 2..5 {
            medium.write(journal.area + sector * SECTOR, &[0; WHOLE]).unwrap();
        }
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, 1);
    }

    #[test]
    fn a_region_that_was_lost_or_put_back_is_told() {
        let medium = medium();
        let mut journal = begun(&medium, 3);
        journal.append(3, 4, b"x", false).unwrap();
        let mut older = vec![0; (HEAD.image - journal.slots) as usize];
        medium.read(journal.slots, &mut older).unwrap();
        let round = journal.prepare_round().unwrap();
        journal.begin_round(round, 4);
        journal.append(4, 5, b"y", false).unwrap();
        assert_eq!(replayed(&medium, 2, 4).unwrap().0, 5);
        for wrong in [older, vec![0; (HEAD.image - journal.slots) as usize]] {
            medium.write(journal.slots, &wrong).unwrap();
            assert_eq!(broken_at(&medium, 2, 4), 4);
        }
    }

    #[test]
    fn what_does_not_fit_into_the_rest_of_the_region_is_not_taken() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        let mut version = 0;
        while journal.takes(version, &[7; 3_000]) {
            journal.append(version, version + 1, &[7; 3_000], true).unwrap();
            version += 1;
        }
        assert_eq!(version, (120 * 1024 / 512 - SLOTS) / sectors_of(3_000));
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, version);
    }

    /// Bytes, and what a power cut would leave of them: what was there at the last sync.
    #[derive(Debug, Default)]
    struct Volatile {
        now: InMemoryBackend,
        synced: Arc<Mutex<Vec<u8>>>,
        /// How many bytes of a write there is room for.
        room: Arc<AtomicUsize>,
    }

    impl StorageBackend for Volatile {
        fn len(&self) -> io::Result<u64> {
            self.now.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.now.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.now.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            let mut bytes = vec![0; usize::try_from(self.now.len()?).unwrap()];
            self.now.read(0, &mut bytes)?;
            *self.synced.lock().unwrap() = bytes;
            Ok(())
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            match self.room.load(Ordering::SeqCst) {
                room if room < data.len() => {
                    self.now.write(offset, &data[..room])?;
                    Err(io::ErrorKind::StorageFull.into())
                }
                _ => self.now.write(offset, data),
            }
        }
    }

    /// A medium, the bytes that a power cut would leave of it, and how much room there is for a write.
    fn volatile() -> (Arc<Medium>, impl Fn() -> Arc<Medium>, Arc<AtomicUsize>) {
        let storage = Volatile { room: Arc::new(usize::MAX.into()), ..Volatile::default() };
        let (synced, room) = (storage.synced.clone(), storage.room.clone());
        storage.set_len(HEAD.image).unwrap();
        let after_a_power_cut = move || {
            let (left, bytes) = (InMemoryBackend::new(), synced.lock().unwrap());
            left.set_len(bytes.len() as u64).unwrap();
            left.write(0, &bytes).unwrap();
            Medium::foreign(Box::new(left))
        };
        (Medium::foreign(Box::new(storage)), after_a_power_cut, room)
    }

    #[test]
    fn what_is_waited_for_is_on_the_disk_with_what_was_not() {
        let (medium, after_a_power_cut, _) = volatile();
        let mut journal = begun(&medium, 0);
        journal.append(0, 1, b"waited for", false).unwrap();
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, 1);
        journal.append(1, 2, b"not", true).unwrap();
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, 1);
        journal.append(2, 3, b"waited for", false).unwrap();
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, 3);
    }

    #[test]
    fn what_a_process_left_unsynced_is_on_the_disk_before_the_next_one_shows_it() {
        let (medium, after_a_power_cut, _) = volatile();
        let mut journal = begun(&medium, 0);
        journal.append(0, 1, b"not waited for", true).unwrap();
        // The process ends. What it wrote is in the system's memory.
        let mut next = Journal::new(medium.clone(), &HEAD, 1);
        let done = next.replay(0, |_| Ok(())).unwrap();
        assert_eq!(done.reached, 1);
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, 0);
        assert!(next.resume(done).unwrap());
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, 1);
    }

    #[test]
    fn nothing_follows_a_record_that_was_written_in_part() {
        let (medium, _, room) = volatile();
        let mut journal = begun(&medium, 0);
        journal.append(0, 1, b"whole", false).unwrap();
        // Two sectors of it.
        room.store(1_024, Ordering::SeqCst);
        let refused = journal.append(1, 2, &[b'p'; 5_000], false);
        assert!(matches!(refused, Err(StorageError::OutOfSpace { .. })), "{refused:?}");
        room.store(usize::MAX, Ordering::SeqCst);
        // Its place was written in this round.
        assert!(!journal.takes(1, b"x"));
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, 1);
        let round = journal.prepare_round().unwrap();
        journal.begin_round(round, 1);
        journal.append(1, 2, b"next", false).unwrap();
        assert_eq!(replayed(&medium, 2, 1).unwrap(), (2, vec![b"next".to_vec()]));
    }
}
