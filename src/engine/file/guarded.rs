//! The storage that redb sees, with every page that redb reads held against what must be in it: no damaged page that names others gets to redb.
//!
//! redb takes each page that it reads for what it once wrote. Led back by a damaged one to a page that it is about to change, it panics, and
//! once more while that unwinds, which ends the process.

use std::io;
use std::ops::Bound;
use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use redb::{BackendError, StorageBackend};

use super::known::{Found, Kind, Known};
use super::overlay::Shut;
use super::own_tables::look;
use super::redb_pages::{Named, PAGE, Widths, is_leaf, is_leaf_with_rows};
use crate::model::error::DamagedPage;

/// A storage, and what is known of the pages on it.
#[derive(Debug)]
pub(crate) struct Guarded<B> {
    below: B,
    /// For somebody who only reads: damaged pages are handed on once nothing is written in memory any more, so that what can be saved is.
    only_read: Option<Shut>,
    seen: OnceLock<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    known: Mutex<Known>,
    /// Damage for which the image is not opened at all.
    refused: Option<DamagedPage>,
}

impl Seen {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: StorageBackend> Guarded<B> {
    /// For somebody who writes.
    pub(crate) fn new(below: B) -> Self {
        Self { below, only_read: None, seen: OnceLock::new() }
    }

    /// For somebody who reads, with what redb and the journal write kept in memory, until that is shut.
    pub(crate) fn only_read(below: B, until: Shut) -> Self {
        Self { only_read: Some(until), ..Self::new(below) }
    }

    /// The first read of all is redb's, of its header, when it has its locks and has written nothing; an error of it ends the opening.
    fn seen(&self) -> io::Result<&Seen> {
        if let Some(seen) = self.seen.get() {
            return Ok(seen);
        }
        let (known, damaged) = look(self.below.len()?, |offset, out| self.below.read(offset, out))?;
        let refused = damaged.into_iter().next().filter(|_| self.only_read.is_none());
        Ok(self.seen.get_or_init(|| Seen { known: Mutex::new(known), refused }))
    }

    /// What is written to before it is read is a new image.
    fn is_written(&self) -> &Seen {
        self.seen.get_or_init(Seen::default)
    }

    /// Refuses a page that would have redb panic, or write where it must not. A damaged leaf names nothing: its sound rows can be read, and
    /// whoever reads the others notices, because each has a checksum. But one that says that it has none would hide them all.
    fn check(&self, seen: &Seen, start: u64, bytes: &[u8]) -> io::Result<()> {
        let mut known = seen.known();
        let place = (start, bytes.len() as u64);
        let tree = match known.read(start, bytes) {
            Found::Sound => return Ok(()),
            Found::Changed if is_leaf_with_rows(bytes) => return Ok(()),
            Found::Changed => return refuse(written_since(place), false),
            Found::Damaged(tree) => tree,
        };
        let Some(of) = known.tree(tree).cloned() else { return Ok(()) };
        let children = known.children(bytes);
        drop(known);
        let is_read = self.only_read.as_ref();
        let tolerated = match of.kind {
            Kind::Own => false,
            Kind::List if is_read.is_none() => false,
            _ if is_leaf_with_rows(bytes) => true,
            _ => is_read.is_some_and(Shut::is_shut) && self.leads_down(children, of.widths)?,
        };
        if tolerated { Ok(()) } else { refuse(of.damaged(place), of.kind == Kind::Ours) }
    }

    /// Whether none of the pages that a damaged one names leads back to it: each is a leaf, or a branch that is what it is named for, as are those
    /// that it names. Of some walks redb does not count how deep they are, and a circle would fill the stack.
    fn leads_down(&self, children: Vec<(Named, (u64, u64))>, widths: Widths) -> io::Result<bool> {
        let len = self.below.len()?;
        let mut bytes = Vec::new();
        for (child, (start, size)) in children {
            let inside = start >= PAGE && start.saturating_add(size) <= len;
            let Some(size) = usize::try_from(size).ok().filter(|_| inside) else { return Ok(false) };
            bytes.resize(size, 0);
            self.below.read(start, &mut bytes)?;
            if !is_leaf(&bytes) && !child.is(&bytes, widths) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// redb takes an error for the end of its storage: nothing more could be read, not what is sound either. So where nothing is locked it learns nothing,
/// and the refusal unwinds through it to [`catch_panics`](crate::storage::catch_panics), which every call for the store's tables goes
/// through. redb holds no lock while it reads a page that was there before and is none of its own; while it commits, and in destructors, it does.
fn refuse(page: DamagedPage, is_caught: bool) -> io::Result<()> {
    if is_caught && cfg!(panic = "unwind") && !std::thread::panicking() {
        resume_unwind(Box::new(page));
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, page))
}

fn written_since((start, len): (u64, u64)) -> DamagedPage {
    DamagedPage { part: "a table that was written since the file was opened".to_owned(), start, len }
}

type Edge = Bound<u64>;

impl<B: StorageBackend> StorageBackend for Guarded<B> {
    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let seen = self.seen()?;
        if let Some(page) = &seen.refused {
            return refuse(page.clone(), false);
        }
        self.below.read(offset, out)?;
        // Before the first page is the header.
        if offset < PAGE { Ok(()) } else { self.check(seen, offset, out) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.is_written();
        self.below.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.below.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let seen = self.is_written();
        self.below.write(offset, data)?;
        if offset >= PAGE {
            seen.known().written(offset, data);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.below.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.below.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Edge, end: Edge) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Edge, end: Edge) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::file::Overlay;
    use crate::model::error::StorageError;
    use crate::storage::catch_panics;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableDatabase, TableDefinition};

    const OURS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("execstore/ours");
    const THEIRS: TableDefinition<'_, &str, u64> = TableDefinition::new("theirs");

    /// The image of a database that was closed.
    fn image() -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let db = Database::create(file.path()).unwrap();
        let txn = db.begin_write().unwrap();
        for n in 0..500 {
            txn.open_table(OURS).unwrap().insert(n, [n as u8; 90].as_slice()).unwrap();
            txn.open_table(THEIRS).unwrap().insert(&*format!("a key {n} of some length"), n).unwrap();
        }
        txn.commit().unwrap();
        drop(db);
        std::fs::read(file.path()).unwrap()
    }

    fn storage(bytes: &[u8]) -> InMemoryBackend {
        let storage = InMemoryBackend::new();
        storage.set_len(bytes.len() as u64).unwrap();
        storage.write(0, bytes).unwrap();
        storage
    }

    /// What a read of a page says.
    #[derive(Debug, PartialEq, Eq)]
    enum Said {
        Nothing,
        Error(String),
        Thrown(String),
    }

    fn read<B: StorageBackend>(guarded: &Guarded<B>, start: usize) -> Said {
        let read =
            catch_panics(|| Ok::<_, StorageError>(guarded.read(start as u64, &mut [0; PAGE as usize])));
        match read {
            Ok(Ok(())) => Said::Nothing,
            Ok(Err(error)) => {
                Said::Error(error.get_ref().unwrap().downcast_ref::<DamagedPage>().unwrap().part.clone())
            }
            Err(StorageError::DamagedPage(page)) => {
                assert_eq!((page.start, page.len), (start as u64, PAGE));
                Said::Thrown(page.part)
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// The pages that a walk through both tables reads, in its order: each parent before its children.
    fn pages(bytes: &[u8]) -> Vec<usize> {
        #[derive(Debug)]
        struct Noting(InMemoryBackend, std::sync::Arc<Mutex<Vec<usize>>>);

        impl StorageBackend for Noting {
            fn len(&self) -> io::Result<u64> {
                self.0.len()
            }
            fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
                self.1.lock().unwrap().push(offset as usize);
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

        let noted = std::sync::Arc::default();
        let storage = Noting(storage(bytes), std::sync::Arc::clone(&noted));
        let db = redb::Builder::new().set_cache_size(0).create_with_backend(storage).unwrap();
        noted.lock().unwrap().clear();
        let txn = db.begin_read().unwrap();
        for n in 0..500 {
            txn.open_table(OURS).unwrap().get(n).unwrap().unwrap();
            txn.open_table(THEIRS).unwrap().get(&*format!("a key {n} of some length")).unwrap().unwrap();
        }
        let mut seen = std::collections::BTreeSet::new();
        noted.lock().unwrap().iter().copied().filter(|page| seen.insert(*page)).collect()
    }

    #[test]
    fn a_damaged_page_that_names_others_is_refused_and_a_leaf_is_not() {
        let bytes = image();
        let pages = pages(&bytes);
        let mut said = std::collections::BTreeMap::new();
        for damaged in &pages {
            let mut bytes = bytes.clone();
            bytes[damaged + 9] ^= 4;
            let guarded = Guarded::new(storage(&bytes));
            let overlay = Overlay::new(storage(&bytes)).unwrap();
            let shut = overlay.to_shut();
            let reading = Guarded::only_read(overlay, shut.clone());
            shut.shut();
            for page in &pages {
                assert_eq!(read(&reading, *page), Said::Nothing, "whoever only reads gets what there is");
                match read(&guarded, *page) {
                    Said::Nothing => {}
                    other if bytes[*damaged] == 2 => {
                        assert!(page == damaged || other == Said::Error("the list of tables".to_owned()));
                        *said.entry(format!("{other:?}")).or_insert(0) += 1;
                    }
                    other => assert_eq!(other, Said::Error("the list of tables".to_owned()), "{page}"),
                }
            }
        }
        let expected = [r#"Error("the table theirs")"#, r#"Thrown("the table execstore/ours")"#];
        assert!(said.keys().eq(expected), "{said:?}");
    }

    #[test]
    fn a_leaf_that_says_it_has_no_rows_is_refused() {
        let bytes = image();
        // As redb reads them: each is named by one that was read before.
        let pages = pages(&bytes);
        let leaves: Vec<_> = pages.iter().copied().filter(|start| bytes[*start] == 1).collect();
        assert!(leaves.len() > 2);
        for start in leaves {
            let mut bytes = bytes.clone();
            bytes[start + 2..start + 4].fill(0);
            let guarded = Guarded::new(storage(&bytes));
            let said: Vec<_> = pages.iter().map(|page| (*page, read(&guarded, *page))).collect();
            assert!(
                said.iter().any(|(page, said)| *page == start && *said != Said::Nothing),
                "{start}: {said:?}"
            );
        }
    }

    #[test]
    fn a_page_that_leads_back_is_refused_to_whoever_only_reads() {
        let bytes = image();
        let mut circles = 0;
        for start in pages(&bytes).into_iter().filter(|start| bytes[*start] == 2) {
            let named = usize::from(u16::from_le_bytes([bytes[start + 2], bytes[start + 3]])) + 1;
            for to in 0..bytes.len() / PAGE as usize {
                let mut bytes = bytes.clone();
                bytes[start + 8 + 16 * named..][..8].copy_from_slice(&(to as u64).to_le_bytes());
                let (known, _) = look(bytes.len() as u64, |at, out| storage(&bytes).read(at, out)).unwrap();
                let first = known.children(&bytes[start..start + PAGE as usize])[0].1;
                if first.0 == start as u64 {
                    let overlay = Overlay::new(storage(&bytes)).unwrap();
                    let shut = overlay.to_shut();
                    let reading = Guarded::only_read(overlay, shut.clone());
                    shut.shut();
                    assert_ne!(read(&reading, start), Said::Nothing);
                    circles += 1;
                }
            }
        }
        assert_eq!(circles, 2, "one for each table");
    }

    #[test]
    fn what_was_written_is_known_too() {
        let guarded = Guarded::new(InMemoryBackend::new());
        guarded.set_len(4 * PAGE).unwrap();
        let page = |kind: u8| [kind; PAGE as usize];
        for kind in [2, 1, 2] {
            guarded.write(PAGE, &page(kind)).unwrap();
            assert_eq!(read(&guarded, PAGE as usize), Said::Nothing);
        }
        guarded.below.write(PAGE + 700, &[0]).unwrap();
        let lost = Said::Error("a table that was written since the file was opened".to_owned());
        assert_eq!(read(&guarded, PAGE as usize), lost);
        guarded.write(PAGE, &page(1)).unwrap();
        guarded.below.write(PAGE + 700, &[0]).unwrap();
        assert_eq!(read(&guarded, PAGE as usize), Said::Nothing, "a leaf");
        // What nobody has named is believed, but not that it changes by itself.
        guarded.below.write(2 * PAGE, &page(2)).unwrap();
        assert_eq!(read(&guarded, 2 * PAGE as usize), Said::Nothing);
        guarded.below.write(2 * PAGE + 700, &[0]).unwrap();
        assert_eq!(read(&guarded, 2 * PAGE as usize), lost);
    }

    #[test]
    fn nothing_is_thrown_while_something_unwinds() {
        struct Reads<'a>(&'a Guarded<InMemoryBackend>, usize, &'a mut Option<Said>);

        impl Drop for Reads<'_> {
            fn drop(&mut self) {
                *self.2 = Some(match self.0.read(self.1 as u64, &mut [0; PAGE as usize]) {
                    Ok(()) => Said::Nothing,
                    Err(error) => Said::Error(error.to_string()),
                });
            }
        }

        let mut bytes = image();
        let pages = pages(&bytes);
        let thrown = |bytes: &[u8]| {
            let guarded = Guarded::new(storage(bytes));
            let of_ours = |page: &&usize| matches!(read(&guarded, **page), Said::Thrown(_));
            pages.iter().find(of_ours).copied()
        };
        let root = pages.iter().find(|page| {
            bytes[**page + 9] ^= 4;
            let is_ours = thrown(&bytes).is_some();
            bytes[**page + 9] ^= 4;
            is_ours
        });
        let root = *root.unwrap();
        bytes[root + 9] ^= 4;
        let guarded = Guarded::new(storage(&bytes));
        let mut said = None;
        let unwound = catch_panics(|| {
            let _reads = Reads(&guarded, root, &mut said);
            std::panic::resume_unwind(Box::new("something else"));
            #[allow(unreachable_code)]
            Ok::<(), StorageError>(())
        });
        assert!(unwound.is_err() && matches!(said, Some(Said::Error(_))), "{said:?}");
    }
}
