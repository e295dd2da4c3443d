//! The tables of a transaction, each opened when it is first used, and what has to know all of them. Made from the list in
//! `format/schema.rs`.

use std::sync::OnceLock;

use redb::{Key, TableDefinition};

use super::calls::catch_panics;
use super::source::Source;
use crate::format::Table;
use crate::format::schema::{Bytes, Number, Pair, StateRow, Tag, Value, table, tables};
use crate::model::error::StorageError;

/// A table, once it is needed.
pub(crate) struct Slot<S: Source, K: Key + 'static> {
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

    /// Calls with the table, to write to it.
    pub(super) fn write<T>(
        &mut self,
        source: &S,
        call: impl FnOnce(&mut S::Table<K>) -> Result<T, redb::StorageError>,
    ) -> Result<T, StorageError> {
        source.process().check()?;
        if let Some(table) = self.table.get_mut() {
            return catch_panics(|| call(table));
        }
        let mut table = catch_panics(|| source.open(self.definition))?;
        let result = catch_panics(|| call(&mut table));
        self.table = OnceLock::from(table);
        result
    }
}

/// Where a table is in a transaction, and its keys as redb takes them.
pub(crate) trait Stored: Table {
    type RedbKey: Key;

    fn slot<S: Source>(slots: &Slots<S>) -> &Slot<S, Self::RedbKey>;

    fn slot_mut<S: Source>(slots: &mut Slots<S>) -> &mut Slot<S, Self::RedbKey>;

    fn lend(key: &Self::Key) -> <Self::RedbKey as redb::Value>::SelfType<'_>;

    fn lent<'k>(key: <Self::RedbKey as redb::Value>::SelfType<'k>) -> &'k Self::Key;
}

macro_rules! slots {
    ($($(#[$doc:meta])+ $tag:ident = $number:literal, $name:ident: $key:ident, $summed:ident;)+) => {
        /// One for each table.
        pub(crate) struct Slots<S: Source> {
            $($(#[$doc])+ pub(super) $name: Slot<S, &'static $key>,)+
        }

        impl<S: Source> Slots<S> {
            pub(super) const fn new() -> Self {
                Self { $($name: Slot::new(Tag::$tag),)+ }
            }
        }

        $(
            impl Stored for table::$tag {
                type RedbKey = &'static $key;

                #[inline]
                fn slot<S: Source>(slots: &Slots<S>) -> &Slot<S, Self::RedbKey> {
                    &slots.$name
                }

                #[inline]
                fn slot_mut<S: Source>(slots: &mut Slots<S>) -> &mut Slot<S, Self::RedbKey> {
                    &mut slots.$name
                }

                #[inline]
                fn lend(key: &$key) -> &$key {
                    key
                }

                #[inline]
                fn lent<'k>(key: <Self::RedbKey as redb::Value>::SelfType<'k>) -> &'k $key {
                    key
                }
            }
        )+
    };
}
tables!(slots);

macro_rules! choose {
    ([$chosen:expr, $call:ident] $($(#[$doc:meta])+ $tag:ident = $number:literal, $name:ident: $key:ident, $summed:ident;)+) => {
        match $chosen {
            $(Tag::$tag => $call!($tag),)+
        }
    };
}
pub(super) use choose;

/// For what knows a table by its tag alone, with `choose` and `tables` in scope: calls a macro of the place with the table's type.
macro_rules! on_table {
    ($tag:expr, $call:ident) => {
        tables!(choose [$tag, $call])
    };
}
pub(super) use on_table;

/// A key made of its bytes; `None` if they are not as many as its table's keys have.
pub(super) trait FromBytes {
    fn of(bytes: &[u8]) -> Option<&Self>;
}

impl FromBytes for [u8] {
    fn of(bytes: &[u8]) -> Option<&[u8]> {
        Some(bytes)
    }
}

impl<const N: usize> FromBytes for [u8; N] {
    fn of(bytes: &[u8]) -> Option<&[u8; N]> {
        bytes.try_into().ok()
    }
}
