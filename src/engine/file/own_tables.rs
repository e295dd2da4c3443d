//! The lists of tables and redb's own tables, looked through before redb commits anything: the lists of the pages that it may free, and the state of
//! its allocator.
//!
//! Unless it opens a file that was left in the middle of a commit, redb trusts their pages. Its next commit panics over a damaged list, and once
//! more in a destructor (`ExtractIf`) while that unwinds, which ends the process; with a damaged allocator state it gives away pages that are in
//! use. Of the other tables the roots are noted: their pages are the rest of the file, and are looked at when redb reads them.

use std::io;

use super::known::{Kind, Known, Tree};
use super::redb_pages::{HEADER, Header, Named, PAGE, children, tables};
use crate::model::error::DamagedPage;

/// A page to be looked at.
struct Next {
    page: Named,
    tree: usize,
    is_list: bool,
}

/// What is known of an image of so many bytes at its opening, and the damaged pages of redb's own tables and of the list of all others; nothing
/// where redb checks all pages by itself. What a damaged page names is not followed, so every number that is was written by redb.
///
/// One page is in memory at a time, and the names of those to come. An error is one of reading.
pub(super) fn look(
    len: u64,
    read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<(Known, Vec<DamagedPage>)> {
    let mut damaged = Vec::new();
    if len < HEADER as u64 {
        return Ok((Known::default(), damaged));
    }
    let mut first = [0; HEADER];
    read(0, &mut first)?;
    let Some(header) = Header::of(&first) else { return Ok((Known::default(), damaged)) };
    let mut known = Known::of(header);
    let lists = [(header.others, Tree::list()), (Some(header.own), Tree::list_of_own())];
    let lists = lists.into_iter().filter_map(|(root, tree)| Some((root?, known.add(tree)?)));
    let mut next: Vec<_> = lists.map(|(page, tree)| Next { page, tree, is_list: true }).collect();
    let mut bytes = Vec::new();
    // No page is a page of two trees: so the walk ends, whatever there is.
    let mut left = len / PAGE;
    while let Some(Next { page, tree: number, is_list }) = next.pop() {
        let Some(tree) = known.tree(number).cloned() else { continue };
        known.name(number, page);
        let (start, size) = header.place(page).unwrap_or((0, PAGE));
        let inside = start >= PAGE && start.saturating_add(size) <= len && left > 0;
        let whole = match usize::try_from(size) {
            Ok(size) if inside => {
                left -= 1;
                bytes.resize(size, 0);
                read(start, &mut bytes)?;
                page.is(&bytes, tree.widths)
            }
            _ => false,
        };
        if !whole {
            damaged.push(tree.damaged((start, size)));
            continue;
        }
        next.extend(children(&bytes).map(|page| Next { page, tree: number, is_list }));
        if !is_list {
            continue;
        }
        for (name, widths, page) in tables(&bytes) {
            let Some(table) = known.add(tree.table(name, widths)) else { continue };
            match tree.kind {
                Kind::Own => next.push(Next { page, tree: table, is_list: false }),
                _ => known.name(table, page),
            }
        }
    }
    Ok((known, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::{Database, ReadableDatabase, TableDefinition};
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

    fn commit(db: &Database, write: impl FnOnce(&mut redb::Table<'_, u64, &[u8]>)) {
        let mut txn = db.begin_write().unwrap();
        write(&mut txn.open_table(ROWS).unwrap());
        txn.set_quick_repair(true);
        txn.commit().unwrap();
    }

    /// A database new, at work, with long lists of what will be free, with a savepoint, and after each close.
    fn images() -> Vec<(&'static str, Vec<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d");
        let open = || Database::create(&path).unwrap();
        let mut images = Vec::new();
        let mut look = |what| images.push((what, std::fs::read(&path).unwrap()));
        drop(open());
        look("new");
        let db = open();
        for round in 0..2 {
            commit(&db, |rows| {
                for n in 0..3_000 {
                    rows.insert(n * (round + 1), [round as u8; 300].as_slice()).unwrap();
                }
            });
            look("at work");
        }
        let reader = db.begin_read().unwrap();
        for left in [5, 3, 2] {
            commit(&db, |rows| rows.retain(|key, _| key % left != 1).unwrap());
            look("while somebody reads");
        }
        drop(reader);
        let txn = db.begin_write().unwrap();
        txn.persistent_savepoint().unwrap();
        txn.commit().unwrap();
        commit(&db, |rows| drop(rows.insert(1, [7; 9_000].as_slice()).unwrap()));
        look("with a savepoint");
        drop(db);
        look("closed");
        drop(open());
        look("closed again");
        images
    }

    /// The damaged pages of an image, and the places of the pages that were read.
    fn walk(bytes: &[u8]) -> (Vec<DamagedPage>, Vec<(usize, usize)>) {
        let read = RefCell::new(Vec::new());
        let found = look(bytes.len() as u64, |at, out| {
            read.borrow_mut().push((at as usize, out.len()));
            out.copy_from_slice(&bytes[at as usize..at as usize + out.len()]);
            Ok(())
        });
        let mut pages = read.into_inner();
        if bytes.len() >= HEADER {
            assert_eq!(pages.remove(0), (0, HEADER));
        }
        (found.unwrap().1, pages)
    }

    #[test]
    fn a_sound_database_has_no_damaged_pages_whatever_it_is_doing() {
        let mut branches = 0;
        for (what, bytes) in images() {
            let (found, pages) = walk(&bytes);
            assert!(found.is_empty(), "{what}: {found:?}");
            assert!(what == "new" || pages.len() > 2, "{what}: {pages:?}");
            branches += pages.iter().filter(|(start, _)| bytes[*start] == 2).count();
        }
        assert!(branches > 0, "every tree was one leaf");
    }

    #[test]
    fn each_damaged_page_is_found_and_named() {
        let mut tables = BTreeSet::new();
        for (what, mut bytes) in images() {
            for (start, len) in walk(&bytes).1 {
                // The smallest has 12 bytes: its kind, how many entries it has, and the entries.
                for at in 0..12 {
                    bytes[start + at] ^= 1 << (at % 8);
                    let found = walk(&bytes).0;
                    bytes[start + at] ^= 1 << (at % 8);
                    let [page] = &*found else { panic!("{what}, {at} of {start}: {found:?}") };
                    assert_eq!((page.start, page.len), (start as u64, len as u64), "{what}, {at}");
                    tables.insert(page.part.clone());
                }
            }
        }
        let own = [
            "allocator_state",
            "data_pages_allocated",
            "data_pages_unreachable",
            "next_savepoint_id",
            "of tables",
            "persistent_savepoints",
            "system_pages_unreachable",
        ];
        let known = own.map(|name| format!("redb's own table {name}")).into_iter();
        let known: Vec<_> = known.chain(["the list of tables".to_owned()]).collect();
        assert_eq!(tables.into_iter().collect::<Vec<_>>(), known);
    }

    #[test]
    fn noise_is_walked_to_its_end() {
        let mut lot = 88_172_645_463_325_252_u64;
        let mut roll = |most: usize| {
            lot ^= lot << 13;
            lot ^= lot >> 7;
            lot ^= lot << 17;
            lot as usize % most
        };
        for (what, bytes) in images() {
            let pages = walk(&bytes).1;
            for _ in 0..50 {
                let mut noisy = bytes.clone();
                let (start, len) = match roll(pages.len() + 1) {
                    0 => (0, HEADER),
                    page => pages[page - 1],
                };
                for _ in 0..=roll(64) {
                    noisy[start + roll(len)] = roll(256) as u8;
                }
                if roll(4) == 0 {
                    noisy.truncate(roll(bytes.len()));
                }
                assert!(walk(&noisy).1.len() <= pages.len(), "{what}");
            }
        }
    }
}
