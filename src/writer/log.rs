//! Checkpoints: positions in the change log, by name.

use super::Writer;
use crate::error::WriteError;
use crate::id::ChangeSeq;
use crate::limits::check_name;
use crate::reader::Readable;

/// # Checkpoints
impl Writer<'_> {
    /// Saves a position in the change log under a name of 1 to 256 bytes: at most the head of the log, and not back to before what was
    /// trimmed, since nobody could go on from there. One that is behind already may come nearer.
    pub fn set_checkpoint(&mut self, name: impl AsRef<str>, seq: ChangeSeq) -> Result<(), WriteError> {
        let name = name.as_ref();
        check_name("checkpoint name", name)?;
        if seq.0 > self.totals.head {
            return Err(WriteError::CheckpointBeyondHead { seq: seq.0, head: self.totals.head });
        }
        if seq.0 < self.totals.trimmed && self.checkpoint(name)?.is_none_or(|saved| seq < saved) {
            return Err(WriteError::CheckpointTrimmed { seq: seq.0, oldest: self.totals.trimmed + 1 });
        }
        self.storing(|w| {
            w.tables.put_checkpoint(name, seq)?;
            w.put_totals()
        })
    }

    /// Forgets a checkpoint; `false` if there was none of this name.
    pub fn delete_checkpoint(&mut self, name: impl AsRef<str>) -> Result<bool, WriteError> {
        if self.checkpoint(&name)?.is_none() {
            return Ok(false);
        }
        self.storing(|w| {
            w.tables.remove_checkpoint(name.as_ref())?;
            w.put_totals()
        })?;
        Ok(true)
    }
}
