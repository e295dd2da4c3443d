//! How a write transaction becomes durable: through the journal where that is possible, else through redb.

use redb::{Durability, WriteTransaction};

use crate::error::{CommitError, StorageError};
use crate::redo::Redo;
use crate::shared::Shared;
use crate::tables::{finish, roll_back, shield};

/// Commits. `entered`: the transaction may hold writes that the redo does not.
pub(crate) fn commit(
    shared: &Shared,
    txn: WriteTransaction,
    redo: Redo,
    entered: bool,
    durable: bool,
) -> Result<(), CommitError> {
    if redo.failed {
        // An operation was half done when the storage failed.
        shared.poison();
        roll_back(txn);
        return Err(CommitError::RolledBack(StorageError::Poisoned));
    }
    if redo.is_empty() && !entered {
        roll_back(txn);
        return Ok(());
    }
    shared.forget_snapshot();
    let result = match shared.journal() {
        None => plain(txn, durable),
        Some(mut journal) => match (&mut *journal, redo.versions, entered || redo.overflowed) {
            (None, ..) => {
                roll_back(txn);
                return Err(CommitError::RolledBack(StorageError::Closed));
            }
            (Some(journal), Some((from, to)), false) if journal.takes(from, &redo.body) => {
                match journal.append(from, to, &redo.body, !durable) {
                    Ok(()) => visible_only(txn),
                    Err(error) => {
                        // The record may be whole on the disk, although the sync failed.
                        roll_back(txn);
                        Err(CommitError::Unknown(error))
                    }
                }
            }
            (Some(journal), ..) => journal.checkpoint(&shared.context, txn),
        },
    };
    shared.forget_snapshot();
    if result.is_err() {
        shared.poison();
    }
    result
}

fn plain(mut txn: WriteTransaction, durable: bool) -> Result<(), CommitError> {
    let durability = if durable { Durability::Immediate } else { Durability::None };
    let set = shield(|| txn.set_durability(durability));
    set.map_err(CommitError::RolledBack)?;
    finish(txn)
}

/// The journal holds the transaction: redb only has to show it.
fn visible_only(mut txn: WriteTransaction) -> Result<(), CommitError> {
    shield(|| txn.set_durability(Durability::None)).map_err(CommitError::Unknown)?;
    shield(|| txn.commit()).map_err(CommitError::Unknown)
}
