//! Checkpoints: positions in the change log, by name.

use super::Writer;
use crate::model::bookmark::{trimmed, within};
use crate::model::error::WriteError;
use crate::model::id::ChangeSeq;
use crate::model::limits::check_name;
use crate::readable::Readable;

/// # Checkpoints
impl Writer<'_> {
    /// Saves a position in the change log under a name of 1 to 256 bytes: at most the head of the log, and not back to before what was
    /// trimmed, since nobody could go on from there. One that is behind already may come nearer.
    pub fn set_checkpoint(&mut self, name: impl AsRef<str>, seq: ChangeSeq) -> Result<(), WriteError> {
        let name = name.as_ref();
        check_name("checkpoint name", name)?;
        within(seq.0, self.settings.incarnation, self.totals.head)?;
        if seq.0 < self.totals.trimmed && self.log().checkpoint(name)?.is_none_or(|saved| seq < saved) {
            return Err(trimmed(seq.0 + 1, self.totals.trimmed).into());
        }
        Ok(self.storing(|w| {
            w.tables.put_checkpoint(name, seq)?;
            w.put_totals()
        })?)
    }

    /// Moves a checkpoint if it is where it is expected to be; `None`: if there is none of this name. Else
    /// [`WriteError::CheckpointMoved`], with where it is.
    pub fn set_checkpoint_if(
        &mut self,
        name: impl AsRef<str>,
        expected: Option<ChangeSeq>,
        seq: ChangeSeq,
    ) -> Result<(), WriteError> {
        self.check_checkpoint(name.as_ref(), expected)?;
        self.set_checkpoint(name, seq)
    }

    /// Forgets a checkpoint if it is where it is expected to be, else as above.
    pub fn delete_checkpoint_if(
        &mut self,
        name: impl AsRef<str>,
        expected: ChangeSeq,
    ) -> Result<(), WriteError> {
        self.check_checkpoint(name.as_ref(), Some(expected))?;
        self.delete_checkpoint(name).map(drop)
    }

    fn check_checkpoint(&self, name: &str, expected: Option<ChangeSeq>) -> Result<(), WriteError> {
        check_name("checkpoint name", name)?;
        let found = self.log().checkpoint(name)?;
        if found == expected {
            return Ok(());
        }
        Err(WriteError::CheckpointMoved { name: name.to_owned(), expected, found })
    }

    /// Forgets a checkpoint; `false` if there was none of this name.
    pub fn delete_checkpoint(&mut self, name: impl AsRef<str>) -> Result<bool, WriteError> {
        if self.log().checkpoint(&name)?.is_none() {
            return Ok(false);
        }
        self.storing(|w| {
            w.tables.remove_checkpoint(name.as_ref())?;
            w.put_totals()
        })?;
        Ok(true)
    }
}
