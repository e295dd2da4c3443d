//! Who writes: a writer within a transaction, or the store, each of whose own methods is a transaction.

use execstore::error::WriteError;
use execstore::{Error, Store, Writer};

pub trait Writes {
    /// Does the first within a transaction, or the second, which is the same, by a method of the store.
    fn act<T>(
        &mut self,
        within: impl FnOnce(&mut Writer<'_>) -> Result<T, WriteError>,
        alone: impl FnOnce(&Store) -> Result<T, Error>,
    ) -> Result<T, WriteError>;
}

impl Writes for Writer<'_> {
    fn act<T>(
        &mut self,
        within: impl FnOnce(&mut Writer<'_>) -> Result<T, WriteError>,
        _: impl FnOnce(&Store) -> Result<T, Error>,
    ) -> Result<T, WriteError> {
        within(self)
    }
}

impl Writes for Store {
    fn act<T>(
        &mut self,
        _: impl FnOnce(&mut Writer<'_>) -> Result<T, WriteError>,
        alone: impl FnOnce(&Store) -> Result<T, Error>,
    ) -> Result<T, WriteError> {
        alone(self).map_err(|error| match error {
            Error::Write(refused) => refused,
            Error::Input(refused) => refused.into(),
            Error::Position(refused) => refused.into(),
            Error::Damaged(damage) => damage.into(),
            other => panic!("{other}"),
        })
    }
}
