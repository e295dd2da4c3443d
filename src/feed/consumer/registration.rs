//! The checkpoint of a consumer, which holds the change log back from the moment it is there.

use std::sync::Arc;

use crate::engine::core::Engine;
use crate::feed::watch::{WatchFrom, position_of};
use crate::model::error::Error;
use crate::model::id::ChangeSeq;
use crate::readable::Readable;
use crate::txn::WriteTxn;

/// A consumer's checkpoint. One that is new goes again unless the consumer is started.
pub(super) struct Registration {
    engine: Arc<Engine>,
    name: String,
    position: ChangeSeq,
    fresh: bool,
}

impl Registration {
    /// After which change the consumer begins.
    pub(super) fn position(&self) -> ChangeSeq {
        self.position
    }

    /// The consumer runs.
    pub(super) fn keep(mut self) {
        self.fresh = false;
    }

    fn take_back(&self) -> Result<(), Error> {
        let txn = WriteTxn::new(self.engine.clone(), "the registration of a consumer")?;
        txn.writer()?.delete_checkpoint(&self.name)?;
        Ok(txn.commit()?)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.fresh {
            // The error that kept the consumer from starting is the one to tell.
            let _ = self.take_back();
        }
    }
}

/// The position that a consumer of this name begins at, saved from now on.
pub(super) fn register(engine: &Arc<Engine>, name: &str, start: &WatchFrom) -> Result<Registration, Error> {
    let txn = WriteTxn::new(engine.clone(), "the registration of a consumer")?;
    let mut fresh = false;
    let position = {
        let mut writer = txn.writer()?;
        if let Some(saved) = writer.log().checkpoint(name)? {
            saved
        } else {
            fresh = true;
            let position = ChangeSeq(position_of(&writer, start)?);
            writer.set_checkpoint(name, position)?;
            position
        }
    };
    txn.commit()?;
    Ok(Registration { engine: engine.clone(), name: name.to_owned(), position, fresh })
}
