//! What the pages of an image must hold: by their parents, which name their checksums, or because redb wrote them since it was opened.
//!
//! A word for each page of 4 KiB that was named or written, so a five hundredth of what was touched of the file.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::redb_pages::{Header, Named, PAGE, Widths, children};
use crate::model::error::DamagedPage;

/// Words are kept in pieces of so many: for 2 MiB of the file.
const PIECE: u64 = 512;
/// So many bits of a word are of the checksum. The others say whose it is.
const SUM_BITS: u32 = 54;
const SUM: u64 = (1 << SUM_BITS) - 1;
/// Nobody has named the page or written to it.
const UNKNOWN: u64 = 0;
/// The checksum is of all the bytes that were written.
const WRITTEN: u64 = 1;
/// The first of the numbers of trees: the checksum is of the bytes in use, as the parent has it.
const FIRST_TREE: u64 = 2;

/// What a page is a part of.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) kind: Kind,
    name: String,
    pub(super) widths: Widths,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The list of redb's own tables, and those.
    Own,
    /// The list of all other tables.
    List,
    /// A table of the store's.
    Ours,
    /// A table of somebody else's in the same file.
    Theirs,
}

impl Tree {
    pub(super) fn list_of_own() -> Self {
        Self { kind: Kind::Own, name: "of tables".to_owned(), widths: Widths::default() }
    }

    pub(super) fn list() -> Self {
        Self { kind: Kind::List, name: String::new(), widths: Widths::default() }
    }

    /// A table that this list names.
    pub(super) fn table(&self, name: String, widths: Widths) -> Self {
        let kind = match self.kind {
            Kind::Own => Kind::Own,
            _ if name.starts_with("execstore/") => Kind::Ours,
            _ => Kind::Theirs,
        };
        Self { kind, name, widths }
    }

    pub(super) fn damaged(&self, (start, len): (u64, u64)) -> DamagedPage {
        let part = match self.kind {
            Kind::Own => format!("redb's own table {}", self.name),
            Kind::List => "the list of tables".to_owned(),
            Kind::Ours | Kind::Theirs => format!("the table {}", self.name),
        };
        DamagedPage { part, start, len }
    }
}

/// What is known of the pages of an image.
#[derive(Debug, Default)]
pub(super) struct Known {
    header: Option<Header>,
    trees: Vec<Tree>,
    words: BTreeMap<u64, Box<[u64]>>,
}

/// What was read, held against what is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What was written; or nothing is known, and from now on this.
    Sound,
    /// Not what redb wrote since it was opened.
    Changed,
    /// Not what the parent in a tree of this number names.
    Damaged(usize),
}

impl Known {
    /// Of an image with this header.
    pub(super) fn of(header: Header) -> Self {
        Self { header: Some(header), ..Self::default() }
    }

    /// The number of a tree, by which its pages are named; `None` if there are too many. Then its pages are not known.
    pub(super) fn add(&mut self, tree: Tree) -> Option<usize> {
        let number = self.trees.len();
        if number as u64 >= (1 << (u64::BITS - SUM_BITS)) - FIRST_TREE {
            return None;
        }
        self.trees.push(tree);
        Some(number)
    }

    pub(super) fn tree(&self, number: usize) -> Option<&Tree> {
        self.trees.get(number)
    }

    /// A page of a tree is to hold this.
    pub(super) fn name(&mut self, tree: usize, page: Named) {
        let place = self.header.and_then(|header| header.place(page));
        if let Some((start, _)) = place {
            self.set(start, FIRST_TREE + tree as u64, page.sum());
        }
    }

    /// These bytes are a page of a tree, and sound: so are the pages that it names, if they hold that.
    pub(super) fn name_children(&mut self, tree: usize, bytes: &[u8]) {
        for child in children(bytes) {
            self.name(tree, child);
        }
    }

    /// The pages that these bytes name, and their places, if there is such a place; else one where no page is.
    pub(super) fn children(&self, bytes: &[u8]) -> Vec<(Named, (u64, u64))> {
        let place = |page| self.header.and_then(|header| header.place(page)).unwrap_or((0, 0));
        children(bytes).map(|page| (page, place(page))).collect()
    }

    /// A page was written.
    pub(super) fn written(&mut self, start: u64, bytes: &[u8]) {
        self.set(start, WRITTEN, xxh3_64(bytes));
    }

    /// What was read in the place of a page.
    pub(super) fn read(&mut self, start: u64, bytes: &[u8]) -> Found {
        let word = self.word(start);
        match word >> SUM_BITS {
            UNKNOWN => {
                self.written(start, bytes);
                Found::Sound
            }
            WRITTEN if word & SUM == xxh3_64(bytes) & SUM => Found::Sound,
            WRITTEN => Found::Changed,
            tree => {
                let number = (tree - FIRST_TREE) as usize;
                let found = self.trees.get(number).and_then(|tree| Named::sum_of(bytes, tree.widths));
                if found.map(|sum| sum & SUM) != Some(word & SUM) {
                    return Found::Damaged(number);
                }
                self.name_children(number, bytes);
                Found::Sound
            }
        }
    }

    fn word(&self, start: u64) -> u64 {
        let page = start / PAGE;
        let piece = self.words.get(&(page / PIECE));
        piece.and_then(|piece| piece.get((page % PIECE) as usize)).copied().unwrap_or(UNKNOWN)
    }

    fn set(&mut self, start: u64, whose: u64, sum: u64) {
        let page = start / PAGE;
        let piece = self.words.entry(page / PIECE).or_insert_with(|| vec![UNKNOWN; PIECE as usize].into());
        if let Some(word) = piece.get_mut((page % PIECE) as usize) {
            *word = whose << SUM_BITS | sum & SUM;
        }
    }
}
