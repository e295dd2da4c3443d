//! The tables of a transaction, each opened when it is first used, and what has to know all of them. Made from the list in
//! `format/schema.rs`.

use std::sync::OnceLock;

use redb::{Key, TableDefinition};

use super::source::Source;
use super::{bad_redo, catch_panics};
use crate::format::schema::{Bytes, Number, Pair, StateRow, Tag, Value, tables};
use crate::model::error::StorageError;

/// A table, once it is needed.
pub(super) struct Slot<S: Source, K: Key + 'static> {
    pub(super) definition: TableDefinition<'static, K, Value>,
    pub(super) table: OnceLock<S::Table<K>>,
}

impl<S: Source, K: Key + 'static> Slot<S, K> {
    const fn new(tag: Tag) -> Self {
        Self { definition: TableDefinition::new(tag.name()), table: OnceLock::new() }
    }

    /// Everything that is read or written passes here: a transaction of the parent's is none of a child's.
    pub(super) fn get(&self, source: &S) -> Result<&S::Table<K>, StorageError> {
        source.process().check()?;
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        let table = catch_panics(|| source.open(self.definition))?;
        Ok(self.table.get_or_init(|| table))
    }

    /// The same, to write to it.
    pub(super) fn get_mut(&mut self, source: &S) -> Result<&mut S::Table<K>, StorageError> {
        self.get(source)?;
        self.table.get_mut().ok_or_else(bad_redo)
    }
}

macro_rules! slots {
    ($($(#[$doc:meta])+ $tag:ident = $number:literal, $name:ident: $key:ident, $summed:ident;)+) => {
        /// One for each table.
        pub(super) struct Slots<S: Source> {
            $($(#[$doc])+ pub(super) $name: Slot<S, $key>,)+
        }

        impl<S: Source> Slots<S> {
            pub(super) const fn new() -> Self {
                Self { $($name: Slot::new(Tag::$tag),)+ }
            }
        }
    };
}
tables!(slots);

macro_rules! choose {
    ([$chosen:expr, $call:ident] $($(#[$doc:meta])+ $tag:ident = $number:literal, $name:ident: $key:ident, $summed:ident;)+) => {
        match $chosen {
            $(Tag::$tag => $call!($name, $key),)+
        }
    };
}
pub(super) use choose;

/// For what knows a table by its tag alone, with `choose` and `tables` in scope: calls a macro of the place with the slot's name and the type of the table's keys.
macro_rules! on_table {
    ($tag:expr, $call:ident) => {
        tables!(choose [$tag, $call])
    };
}
pub(super) use on_table;

/// A key made of its bytes.
pub(super) trait FromBytes: Key + 'static {
    fn of(bytes: &[u8]) -> Result<Self::SelfType<'_>, StorageError>;
}

impl FromBytes for Bytes {
    fn of(bytes: &[u8]) -> Result<&[u8], StorageError> {
        Ok(bytes)
    }
}

impl<const N: usize> FromBytes for &'static [u8; N] {
    fn of(bytes: &[u8]) -> Result<&[u8; N], StorageError> {
        super::fixed(bytes)
    }
}
