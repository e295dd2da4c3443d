//! Making a file small that has become far larger than what is in it: tables whose pages have become half empty are written anew, then redb
//! moves all pages to the front.

use std::time::{Duration, Instant};

use redb::{Database, ReadTransaction, ReadableDatabase, TableHandle};

use crate::format::schema::Tag;
use crate::model::error::StorageError;
use crate::storage::settings::Space;
use crate::storage::{Live, SPARE, Snapshot, Tables, catch_panics, clear_spare, commit_whole, roll_back};

/// How much may be done to make a file small.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// So many bytes may the pages have that are left in the end. A shorter file is moved in any case.
    left: u64,
    /// For looking at the tables and writing some anew.
    time: Duration,
}

impl Effort {
    /// What a close does. redb moves pages in about a dozen rounds and looks at all that are in use in each, which takes five seconds for 256 MiB
    /// where they do not fit into the page cache, and half a second for 77 MiB where they do.
    pub(crate) const CLOSE: Self = Self { left: 256 << 20, time: Duration::from_secs(3) };

    /// What somebody does who asks for it.
    pub(crate) const ALL: Self = Self { left: u64::MAX, time: Duration::MAX };
}

/// Makes the file of a database small that nobody else uses; `true` if anything was gained. It is whole after each of the commits. `len` is
/// how long it is now.
pub(crate) fn make_small(
    db: &mut Database,
    len: u64,
    effort: Effort,
    space: Option<&dyn Space>,
) -> Result<bool, StorageError> {
    let began = Instant::now();
    let in_time = || began.elapsed() < effort.time;
    let is_short = len <= effort.left;
    let mut gained = clear(db)?;
    let loose = look(db, is_short, effort.left, &in_time)?;
    let is_little = loose.is_some();
    for table in loose.into_iter().flatten() {
        gained |= write_anew(db, &table, &in_time, space)?;
    }
    if is_short || (is_little && in_time()) {
        gained |= catch_panics(|| db.compact().map_err(redb::Error::from))?;
    }
    Ok(gained)
}

/// Removes what lies in the place where tables are written anew. The store leaves nothing there.
fn clear(db: &Database) -> Result<bool, StorageError> {
    let txn = catch_panics(|| db.begin_write())?;
    match clear_spare(&txn) {
        Ok(true) => commit_whole(txn).map(|()| true),
        found => {
            roll_back(txn);
            found
        }
    }
}

/// A table that is worth to be written anew.
struct Loose {
    tag: Tag,
    rows: u64,
    /// What its pages will take.
    packed: u64,
}

/// Looks for tables that are worth to be written anew. `None` if what is in the file takes more than `most`, or cannot be known because there are
/// tables of somebody else's in a long one; if it took too much time; and if anything is damaged, which then stays as it is.
fn look(
    db: &Database,
    is_short: bool,
    most: u64,
    in_time: &dyn Fn() -> bool,
) -> Result<Option<Vec<Loose>>, StorageError> {
    let txn = catch_panics(|| db.begin_read())?;
    if !is_short && has_strangers(&txn)? {
        return Ok(None);
    }
    let tables = Tables::new(Snapshot::here(txn));
    let (mut left, mut all) = (most, Vec::new());
    for tag in Tag::ALL {
        let (mut weight, mut rows, mut ends) = (Weight::default(), 0_u64, false);
        let walked = tables.walk_any(tag, &mut |row| {
            rows += 1;
            ends = match row {
                Ok((key, value)) => {
                    weight.add((key.len() + value.len()) as u64);
                    weight.bytes() > left || (rows % CHECKED == 0 && !in_time())
                }
                Err(_) => true,
            };
            // Only to end the walk.
            if ends { Err(StorageError::Busy) } else { Ok(()) }
        });
        if ends {
            return Ok(None);
        }
        if !walked?.is_whole() {
            return Ok(None);
        }
        let (_, stats) = tables.stats(tag)?;
        let packed = weight.bytes();
        left -= packed;
        let taken = stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes();
        if taken > packed / 4 * 5 + NEGLIGIBLE {
            all.push(Loose { tag, rows, packed });
        }
    }
    Ok(Some(all))
}

/// The clock is looked at every so many rows.
const CHECKED: u64 = 1 << 8;

/// What a table may waste.
const NEGLIGIBLE: u64 = 64 << 10;

/// Somebody has put tables of his own into the file: nobody knows how large those are.
fn has_strangers(txn: &ReadTransaction) -> Result<bool, StorageError> {
    catch_panics(|| {
        let is_ours = |name: &str| name == SPARE || Tag::ALL.iter().any(|tag| tag.name() == name);
        let strange = txn.list_tables()?.any(|table| !is_ours(table.name()));
        Ok::<_, redb::StorageError>(strange || txn.list_multimap_tables()?.next().is_some())
    })
}

/// Writes a table anew in a durable transaction of its own; `false` if it stays as it is, because time is over, there is no room, or it is not
/// what it seemed.
fn write_anew(
    db: &Database,
    table: &Loose,
    in_time: &dyn Fn() -> bool,
    space: Option<&dyn Space>,
) -> Result<bool, StorageError> {
    let has_room = || space.is_none_or(|space| space.to_commit().is_ok());
    let txn = catch_panics(|| db.begin_write())?;
    let done =
        Tables::new(Live::here(&txn)).write_anew(table.tag, table.rows, CHECKED, &|| in_time() && has_room());
    let can_commit = space.is_none_or(|space| space.to_flush(table.packed).is_ok());
    match done {
        Ok(true) if can_commit => commit_whole(txn).map(|()| true),
        done => {
            roll_back(txn);
            done.map(|_| false)
        }
    }
}

/// What the rows of a table take when their pages are filled in their order.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    /// The bytes of pages that are full.
    full: u64,
    /// Of the page that is being filled.
    filled: u64,
}

/// redb's pages, and about what it adds to a row.
const PAGE: u64 = 4096;
const ADDED: u64 = 8;

impl Weight {
    fn add(&mut self, row: u64) {
        if self.filled + row + ADDED > PAGE {
            self.full += self.filled.next_power_of_two().max(PAGE);
            self.filled = 0;
        }
        self.filled += row + ADDED;
    }

    fn bytes(&self) -> u64 {
        self.full + self.filled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use redb::{Database, ReadableDatabase};

    use super::{Effort, make_small};
    use crate::format::schema::Tag;
    use crate::model::error::{Damage, StorageError};
    use crate::model::execution::NewExecution;
    use crate::storage::settings::Space;
    use crate::storage::{Snapshot, Tables};
    use crate::store::Store;

    /// A store from which nine of ten executions were deleted.
    fn thinned() -> Database {
        let backend = redb::backends::InMemoryBackend::new();
        let db = Arc::new(redb::Builder::new().create_with_backend(backend).unwrap());
        let store = Store::builder().attach(db.clone()).unwrap();
        store
            .write(|w| {
                Ok((0..10_000).try_for_each(|n: u64| {
                    let new = NewExecution::new("j").id(n.to_string()).message("x".repeat(300));
                    w.create(new).map(drop)
                })?)
            })
            .unwrap();
        store
            .write(|w| {
                let mut gone = (0..10_000_u64).filter(|n| n % 10 > 0);
                Ok(gone.try_for_each(|n| w.delete(n.to_string()).map(drop))?)
            })
            .unwrap();
        store.maintain().unwrap();
        store.close().unwrap();
        Arc::into_inner(db).unwrap()
    }

    /// The pages of the records, and every row of the file.
    fn found(db: &Database) -> (u64, Vec<Vec<u8>>) {
        let tables = Tables::new(Snapshot::here(db.begin_read().unwrap()));
        let (_, stats) = tables.stats(Tag::Executions).unwrap();
        let mut rows = Vec::new();
        for tag in Tag::ALL {
            let visit = &mut |row: Result<(&[u8], &[u8]), Damage>| {
                let (key, value) = row.unwrap();
                rows.push([&[tag.byte()], key, value].concat());
                Ok(())
            };
            assert!(tables.walk_any(tag, visit).unwrap().is_whole());
        }
        (stats.leaf_pages(), rows)
    }

    /// Room that there is none of.
    struct Full {
        to_write: bool,
        to_commit: bool,
    }

    impl Full {
        fn unless(is_free: bool) -> Result<(), StorageError> {
            if is_free { Ok(()) } else { Err(StorageError::OutOfSpace { free: Some(0), reserve: 0 }) }
        }
    }

    impl Space for Full {
        fn for_more(&self, _: u64) -> Result<(), StorageError> {
            Self::unless(false)
        }

        fn to_commit(&self) -> Result<(), StorageError> {
            Self::unless(self.to_write)
        }

        fn to_flush(&self, _: u64) -> Result<(), StorageError> {
            Self::unless(self.to_commit)
        }

        fn to_checkpoint(&self, _: u64) -> Result<(), StorageError> {
            Self::unless(false)
        }

        fn is_unknown(&self) -> bool {
            false
        }

        fn has_failed(&self) -> bool {
            false
        }

        fn file_len(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn half_empty_tables_are_written_anew_with_the_same_rows() {
        let mut db = thinned();
        let (pages, rows) = found(&db);
        assert!(make_small(&mut db, u64::MAX, Effort::CLOSE, None).unwrap());
        let (packed, same) = found(&db);
        assert!(packed * 3 / 2 < pages, "{pages} pages became {packed}");
        assert_eq!(same, rows);
        assert!(!make_small(&mut db, u64::MAX, Effort::ALL, None).unwrap(), "there was more to gain");
    }

    #[test]
    fn without_time_or_room_or_with_too_much_in_it_a_long_file_stays_as_it_is() {
        let refused = [
            (Effort { time: Duration::ZERO, ..Effort::CLOSE }, None),
            (Effort { left: 500_000, ..Effort::CLOSE }, None),
            (Effort::CLOSE, Some(Full { to_write: false, to_commit: true })),
            (Effort::CLOSE, Some(Full { to_write: true, to_commit: false })),
        ];
        let mut db = thinned();
        let before = found(&db);
        for (effort, space) in refused {
            make_small(&mut db, u64::MAX, effort, space.as_ref().map(|space| space as &dyn Space)).unwrap();
            assert_eq!(found(&db).0, before.0, "{effort:?}");
        }
        assert!(found(&db) == before);
    }

    #[test]
    fn a_long_file_with_tables_of_somebody_elses_stays_as_it_is() {
        let mut db = thinned();
        let txn = db.begin_write().unwrap();
        let theirs = redb::TableDefinition::<u64, u64>::new("theirs");
        txn.open_table(theirs).unwrap().insert(1, 2).unwrap();
        txn.commit().unwrap();
        let (pages, _) = found(&db);
        assert!(!make_small(&mut db, u64::MAX, Effort::CLOSE, None).unwrap());
        assert_eq!(found(&db).0, pages);
        // How much can be in a short one is known.
        assert!(make_small(&mut db, 1 << 20, Effort::CLOSE, None).unwrap());
        assert!(found(&db).0 < pages);
    }
}
