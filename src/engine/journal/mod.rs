//! The journal: where single commits become durable in one sequential write.
//!
//! A durable redb commit scatters a dozen pages over the file and waits for all of them. The journal takes
//! the same transaction as one run of bytes in a region of the store's file. The region has two halves, and the records
//! of a *round* lie in one of them. When it is full the next round goes on in the other one, and meanwhile a durable redb
//! commit (a *checkpoint*) takes what is in the first over into the image. After a crash the records that the image does not
//! hold yet are done again. It knows neither tables nor values: a record is the bytes of `Tables::redo` between two versions.
//!
//! Invariants:
//! - A record is durable before its transaction is visible to anybody.
//! - Records are chained by the store's version. What the image holds already is skipped; a gap is damage.
//! - The image names the round whose records continue it, and a sector that begins the round was durable before: a region
//!   that was lost, or is older than the image, is noticed.
//! - The round that is written is the one that the image names or the next, so no half is written to that is still needed.
//! - Each place is written once in a round. So a sector of an earlier round, or of none, was not written yet in this one.

mod record;

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use record::{
    Area, Found, Owner, Sector, Versions, WHOLE, find, frame, header, next_round, sector, sectors_of,
};

use crate::engine::file::{Head, Medium, SECTOR};
use crate::model::error::{StorageError, is_full};
use crate::storage::MAX_REDO;

/// The sectors at the beginning of the region that say which rounds have begun, each in turn; records begin behind them.
const SLOTS: u64 = 8;

/// A journal in its region.
pub(crate) struct Journal {
    medium: Arc<Medium>,
    id: u64,
    /// Where the area of the records begins on the medium, and how many sectors each half of it has.
    area: u64,
    sectors: u64,
    slots: u64,
    /// The round that the image names.
    named: u32,
    /// The one that is written: that, or the next.
    round: u32,
    /// The sector of its half that the next record goes to.
    position: u64,
    /// The store's version after the last record or checkpoint; `None` until a round has begun.
    version: Option<u64>,
    /// The version up to which everything is durable.
    durable: u64,
    /// The version that the flushes which were begun lead to.
    synced: u64,
    /// The version after the last record of the round before, as long as the image does not name this one.
    ended: u64,
    /// Records that were taken in and not written, one behind the other, and where the first of them goes.
    pending: Run,
    /// The same of the round before.
    before: Run,
    /// Something was written that no sync has covered since.
    unsynced: bool,
    /// The halves as they were read, until the journal goes on: opening looks through them before it does them again.
    read: RefCell<[Option<Arc<Vec<u8>>>; 2]>,
}

/// Bytes for a place on the medium.
#[derive(Debug, Default)]
struct Run {
    offset: u64,
    bytes: Vec<u8>,
}

/// Records on their way to the disk.
#[must_use]
pub(crate) struct Flush {
    medium: Arc<Medium>,
    before: Run,
    run: Run,
    /// More than its own range has to be synced.
    whole: bool,
    to: u64,
}

impl Flush {
    /// Writes and syncs, without the journal, which takes in what comes meanwhile.
    pub(crate) fn run(&self) -> io::Result<()> {
        let Self { medium, before, run, whole, .. } = self;
        if !before.bytes.is_empty() {
            medium.write(before.offset, &before.bytes)?;
        }
        if !whole && before.bytes.is_empty() {
            return medium.write_through(run.offset, &run.bytes);
        }
        medium.write(run.offset, &run.bytes)?;
        medium.sync_data()
    }
}

/// A sector that is to begin a round.
#[must_use]
pub(crate) struct Beginning {
    medium: Arc<Medium>,
    sector: Run,
    pub(crate) round: u32,
}

impl Beginning {
    /// Writes it, durably: after a crash redb may take a commit that it had not synced yet, if all of it is there.
    pub(crate) fn run(&self) -> Result<(), StorageError> {
        let written = self.medium.write_through(self.sector.offset, &self.sector.bytes);
        written.map_err(|error| StorageError::Journal(error.into()))
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
    /// The round of the last record, and where the next would go, if nothing of that round or a later one lies behind.
    end: Option<(u32, u64)>,
}

/// What became of one round.
struct Half {
    reached: u64,
    /// The sector of its half behind the last record.
    place: u64,
    /// Something of it is there.
    begun: bool,
    /// Nothing of it lies behind the last record.
    is_whole: bool,
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
            sectors: (len / SECTOR - SLOTS) / 2,
            slots,
            named: round,
            round,
            position: 0,
            version: None,
            durable: 0,
            synced: 0,
            ended: 0,
            pending: Run::default(),
            before: Run::default(),
            unsynced: false,
            read: RefCell::default(),
        }
    }

    /// The sector of the area that a round's half begins with.
    fn half(&self, round: u32) -> u64 {
        u64::from(round.wrapping_sub(1) % 2) * self.sectors
    }

    fn owner(&self, round: u32) -> Owner {
        Owner { id: self.id, round }
    }

    /// The one that the image names.
    pub(crate) fn named_round(&self) -> u32 {
        self.named
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
        let round = self.named;
        let slot = u64::from(round) % SLOTS;
        let mut bytes = [0; WHOLE];
        self.on(|medium| medium.read(self.slots + slot * SECTOR, &mut bytes))?;
        if !matches!(sector(self.owner(round), slot, &bytes), Sector::Ours { starts: true, .. }) {
            let reason =
                "the journal of the last checkpoint is not there; it was lost, or is older than the rest";
            return Err(Broken::Damaged { reached: version, reason: reason.into() });
        }
        let first = self.replay_round(round, version, &mut redo)?;
        let second = self.replay_round(next_round(round), first.reached, &mut redo)?;
        let end = match (first.is_whole, second.begun) {
            (_, true) => second.is_whole.then_some((next_round(round), second.place)),
            (true, false) => Some((round, first.place)),
            (false, false) => None,
        };
        Ok(Replayed { reached: second.reached, end })
    }

    /// The same of one round.
    fn replay_round(
        &self,
        round: u32,
        version: u64,
        redo: &mut impl FnMut(&[u8]) -> Result<(), StorageError>,
    ) -> Result<Half, Broken> {
        let (owner, start) = (self.owner(round), self.half(round));
        let half = self.bytes_of(start)?;
        let area = Area { start, bytes: &half };
        let broken = |reached, reason| Err(Broken::Damaged { reached, reason });
        let (mut reached, mut place) = (version, start);
        loop {
            match find(owner, place, area) {
                Found::Record { versions, body, sectors } => {
                    if versions.from == reached {
                        redo(&body)?;
                        reached = versions.to;
                    } else if versions.to > reached {
                        if round != self.named && place == start && versions.durable <= reached {
                            // It follows one that never became durable, and so nobody was told of either.
                            break;
                        }
                        // The image has neither all of this record nor what comes before it.
                        let Versions { from, to, .. } = versions;
                        let reason = format!("record {from}..{to} does not follow version {reached}");
                        return broken(reached, reason);
                    }
                    place += sectors;
                }
                Found::Damaged { sector } => {
                    return broken(reached, format!("sector {sector} of the journal is damaged"));
                }
                Found::End => break,
            }
        }
        let sectors = || area.from(place).map(|(place, bytes)| sector(owner, place, bytes));
        // A record behind the end, written after something that is missing had become durable.
        let later = sectors().find_map(|sector| match sector {
            Sector::Ours { starts: true, data } => {
                header(data).map(|(_, versions)| versions).filter(|versions| versions.durable > reached)
            }
            _ => None,
        });
        if let Some(later) = later {
            let reason = format!(
                "a record before version {} is missing, and one after it was acknowledged",
                later.from
            );
            return broken(reached, reason);
        }
        // Or it could be taken for what comes next.
        let is_whole = sectors().all(|sector| sector == Sector::Free);
        Ok(Half { reached, place: place - start, begun: place > start || !is_whole, is_whole })
    }

    /// The half that begins with a sector of the area.
    fn bytes_of(&self, start: u64) -> Result<Arc<Vec<u8>>, StorageError> {
        let [first, second] = &mut *self.read.borrow_mut();
        let read = if start == 0 { first } else { second };
        if let Some(read) = read {
            return Ok(read.clone());
        }
        // Hardly more than 64 MiB: no head is taken that says otherwise.
        let mut half = vec![0; (self.sectors * SECTOR) as usize];
        self.on(|medium| medium.read(self.area + start * SECTOR, &mut half))?;
        Ok(read.insert(Arc::new(half)).clone())
    }

    /// `true` if this transaction can become durable here: it follows the last record, and there is room, in the next round if not in
    /// this one.
    pub(crate) fn takes(&self, from: u64, body: &[u8]) -> bool {
        self.fits(from, body) && (self.has_room(body) || self.named == self.round)
    }

    /// The same once the image names this round.
    pub(crate) fn fits(&self, from: u64, body: &[u8]) -> bool {
        self.version == Some(from) && body.len() <= MAX_REDO && sectors_of(body.len()) <= self.sectors
    }

    fn has_room(&self, body: &[u8]) -> bool {
        self.position + sectors_of(body.len()) <= self.sectors
    }

    /// The version that the image must have to name this round, unless it does already.
    pub(crate) fn waits_for(&self) -> Option<u64> {
        (self.named != self.round).then_some(self.ended)
    }

    /// Takes a record in, to be written with the next [`Flush`]. A `lazy` one is written now, if nothing before it has to be synced first: it
    /// outlives the process.
    pub(crate) fn push(&mut self, from: u64, to: u64, body: &[u8], lazy: bool) -> Result<(), StorageError> {
        if !self.has_room(body) {
            self.turn_over(from);
        }
        let lazy = lazy && self.pending.bytes.is_empty() && self.before.bytes.is_empty();
        let versions = Versions { from, to, durable: self.durable };
        let place = self.half(self.round) + self.position;
        if self.pending.bytes.is_empty() {
            self.pending.offset = self.area + place * SECTOR;
        }
        frame(self.owner(self.round), place, versions, body, &mut self.pending.bytes);
        self.position += sectors_of(body.len());
        self.version = Some(to);
        if lazy {
            let written = self.medium.write(self.pending.offset, &self.pending.bytes);
            self.pending.bytes.clear();
            self.unsynced = true;
            written.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Goes on in the other half.
    fn turn_over(&mut self, version: u64) {
        self.round = next_round(self.round);
        self.position = 0;
        self.ended = version;
        self.before = std::mem::take(&mut self.pending);
    }

    /// What has to be written and synced for everything that was taken in to be durable; `None` if it is already. One at a time.
    pub(crate) fn flush(&mut self) -> Option<Flush> {
        let to = self.version.filter(|version| *version > self.durable)?;
        self.synced = to;
        Some(Flush {
            medium: self.medium.clone(),
            before: std::mem::take(&mut self.before),
            run: std::mem::take(&mut self.pending),
            // What was written without a sync becomes durable with this, or it cannot be read after a crash.
            whole: std::mem::take(&mut self.unsynced),
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
        if self.pending.bytes.is_empty() {
            // Its room, for the next one.
            self.pending = flush.run;
            self.pending.bytes.clear();
        }
        self.durable = self.durable.max(flush.to);
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

    /// What begins the round that is written, if the image does not name it. It has to be on the disk before the image does.
    pub(crate) fn unnamed(&self) -> Option<Beginning> {
        (self.named != self.round).then(|| self.beginning(self.round))
    }

    /// What begins the next round, for a commit that takes everything over.
    pub(crate) fn next(&self) -> Beginning {
        self.beginning(next_round(self.round))
    }

    /// What begins the one after that. Of the next one there may be something, of what was not done again.
    pub(crate) fn after_next(&self) -> Beginning {
        self.beginning(next_round(next_round(self.round)))
    }

    fn beginning(&self, round: u32) -> Beginning {
        let (slot, mut bytes) = (u64::from(round) % SLOTS, Vec::new());
        frame(self.owner(round), slot, Versions { from: 0, to: 0, durable: 0 }, &[], &mut bytes);
        let sector = Run { offset: self.slots + slot * SECTOR, bytes };
        Beginning { medium: self.medium.clone(), sector, round }
    }

    /// The image holds everything up to this version, and names this round: start over.
    pub(crate) fn begin_round(&mut self, round: u32, version: u64) {
        self.read.take();
        (self.named, self.round) = (round, round);
        self.position = 0;
        // What was taken in and not written is in the image by now.
        self.pending.bytes.clear();
        self.before.bytes.clear();
        self.unsynced = false;
        self.version = Some(version);
        self.durable = version;
    }

    /// The image names this round, and has what came before it. Nothing if another one has begun meanwhile.
    pub(crate) fn named(&mut self, round: u32) {
        if self.round == round {
            self.named = round;
        }
    }

    /// Goes on with the round that was done again; `false` if something lies behind the end. What was read may be in the system's
    /// memory alone, if it was only the process that ended: it is durable before anybody sees it.
    pub(crate) fn resume(&mut self, done: Replayed) -> Result<bool, StorageError> {
        let Some((round, end)) = done.end else { return Ok(false) };
        self.read.take();
        self.on(Medium::sync_data)?;
        (self.round, self.position) = (round, end);
        self.version = Some(done.reached);
        // What was done again redb has, so that the image need not wait for anything to name the round.
        (self.durable, self.synced, self.ended) = (done.reached, done.reached, 0);
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

    /// The image names the next round, which continues this version.
    fn begin(journal: &mut Journal, version: u64) {
        let beginning = journal.next();
        beginning.run().unwrap();
        journal.begin_round(beginning.round, version);
    }

    /// A journal whose first round continues this version.
    fn begun(medium: &Arc<Medium>, version: u64) -> Journal {
        let mut journal = Journal::new(medium.clone(), &HEAD, 0);
        begin(&mut journal, version);
        journal
    }

    /// Fills what there is of room, with records of so many bytes. Gives the version after.
    fn fill(journal: &mut Journal, mut version: u64, body: &[u8]) -> u64 {
        while journal.takes(version, body) {
            journal.append(version, version + 1, body, false).unwrap();
            version += 1;
        }
        version
    }

    /// The image has got what the round before ended with.
    fn name(journal: &mut Journal) {
        let beginning = journal.unnamed().unwrap();
        beginning.run().unwrap();
        journal.named(beginning.round);
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
        begin(&mut journal, 5);
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
        let beginning = journal.next();
        beginning.run().unwrap();
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, 5, "the image does not name the new round yet");
        journal.begin_round(beginning.round, 5);
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
        medium.write(journal.area + journal.half(1) * SECTOR, &[0; WHOLE]).unwrap();
        assert_eq!(replayed(&medium, 1, 5).unwrap(), (5, vec![]));
        begin(&mut journal, 5);
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
    fn a_full_round_goes_on_in_the_other_half_until_that_is_full_too() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        let body = [7; 3_000];
        let each = journal.sectors / sectors_of(body.len());
        let full = fill(&mut journal, 0, &body);
        assert_eq!((full, journal.waits_for()), (2 * each, Some(each)));
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, full, "the image names the first");
        assert_eq!(replayed(&medium, 1, each + 1).unwrap().0, full, "it may have some of the second");
        assert!(journal.fits(full, &body) && !journal.takes(full, &body));
        name(&mut journal);
        assert_eq!(replayed(&medium, 2, each).unwrap().0, full);
        let more = fill(&mut journal, full, &body);
        assert_eq!((more, journal.waits_for()), (3 * each, Some(full)));
        assert_eq!(replayed(&medium, 2, each).unwrap().0, more, "the third took the place of the first");
        assert_eq!(broken_at(&medium, 1, 0), 0, "which is gone");
    }

    #[test]
    fn a_commit_that_takes_everything_over_begins_another_round_whatever_is_asked_for_meanwhile() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        let full = fill(&mut journal, 0, &[7; 3_000]);
        let asked = journal.unnamed().unwrap();
        begin(&mut journal, full);
        journal.named(asked.round);
        assert_eq!((journal.named, journal.round), (3, 3));
        journal.append(full, full + 1, b"new", false).unwrap();
        assert_eq!(replayed(&medium, 3, full).unwrap(), (full + 1, vec![b"new".to_vec()]));
    }

    /// Records of the round before that are on their way go with those of the next, and in one sync.
    #[test]
    fn a_flush_covers_both_halves() {
        let (medium, after_a_power_cut, _) = volatile();
        let mut journal = begun(&medium, 0);
        let body = [7; 3_000];
        let each = journal.sectors / sectors_of(body.len());
        for version in 0..each + 1 {
            journal.push(version, version + 1, &body, false).unwrap();
        }
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, 0);
        let flush = journal.flush().unwrap();
        let written = flush.run();
        assert_eq!(journal.flushed(flush, written).unwrap(), each + 1);
        assert_eq!(replayed(&after_a_power_cut(), 1, 0).unwrap().0, each + 1);
    }

    /// The last record of the first round, and one of the next, none of them acknowledged, of which the first was lost.
    #[test]
    fn what_follows_a_record_that_was_lost_with_it_is_nothing_and_is_not_written_over() {
        for acknowledged in [false, true] {
            let medium = medium();
            let mut journal = begun(&medium, 0);
            let body = [7; 3_000];
            let each = journal.sectors / sectors_of(body.len());
            for version in 0..each - 1 {
                journal.append(version, version + 1, &body, false).unwrap();
            }
            let lost = journal.area + (journal.half(1) + journal.position) * SECTOR;
            journal.append(each - 1, each, &body, !acknowledged).unwrap();
            journal.append(each, each + 1, &body, true).unwrap();
            medium.write(lost, &[0; WHOLE]).unwrap();
            if acknowledged {
                assert_eq!(broken_at(&medium, 1, 0), each - 1);
                continue;
            }
            let mut next = Journal::new(medium.clone(), &HEAD, 1);
            let done = next.replay(0, |_| Ok(())).unwrap();
            assert_eq!((done.reached, done.end), (each - 1, None));
            assert!(!next.resume(done).unwrap());
            let beginning = next.after_next();
            beginning.run().unwrap();
            assert_eq!(replayed(&medium, 1, 0).unwrap().0, each - 1, "until the image names the new round");
            next.begin_round(beginning.round, each - 1);
            next.append(each - 1, each, b"new", false).unwrap();
            assert_eq!(replayed(&medium, 3, each - 1).unwrap(), (each, vec![b"new".to_vec()]));
        }
    }

    #[test]
    fn a_journal_that_was_left_open_in_its_second_half_goes_on_there() {
        let medium = medium();
        let mut journal = begun(&medium, 0);
        let body = [7; 3_000];
        let each = journal.sectors / sectors_of(body.len());
        for version in 0..each + 2 {
            journal.append(version, version + 1, &body, false).unwrap();
        }
        let mut next = Journal::new(medium.clone(), &HEAD, 1);
        let done = next.replay(0, |_| Ok(())).unwrap();
        assert!(next.resume(done).unwrap());
        assert_eq!(next.waits_for(), Some(0), "redb has what was done again");
        let full = fill(&mut next, each + 2, &body);
        assert_eq!(full, 2 * each);
        assert_eq!(replayed(&medium, 1, 0).unwrap().0, full);
        name(&mut next);
        assert_eq!(replayed(&medium, 2, each).unwrap().0, full);
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
                let lost = ended.area + (ended.half(1) + ended.position - 2) * SECTOR;
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
        let last = journal.area + (journal.half(1) + journal.position) * SECTOR;
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
        let first = journal.area + journal.half(1) * SECTOR;
        medium.write(first + SECTOR, &[0; WHOLE]).unwrap();
        assert_eq!(broken_at(&medium, 1, 0), 1);
        // The last that is there says that the one in the hole was durable; the hole alone says nothing.
        for sector in 2..5 {
            medium.write(first + sector * SECTOR, &[0; WHOLE]).unwrap();
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
        begin(&mut journal, 4);
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
        let each = (120 * 1024 / 512 - SLOTS) / 2 / sectors_of(3_000);
        assert_eq!(version, 2 * each);
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
        begin(&mut journal, 1);
        journal.append(1, 2, b"next", false).unwrap();
        assert_eq!(replayed(&medium, 2, 1).unwrap(), (2, vec![b"next".to_vec()]));
    }
}
