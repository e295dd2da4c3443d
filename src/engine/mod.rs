//! What the handles of one open store share: the file, the journal, the commit, who waits for what.

pub(crate) mod applied;
pub(crate) mod background;
pub(crate) mod commit;
pub(crate) mod core;
pub(crate) mod database;
pub(crate) mod doorbell;
pub(crate) mod file;
pub(crate) mod flush;
pub(crate) mod flusher;
pub(crate) mod grounds;
pub(crate) mod journal;
pub(crate) mod journaling;
pub(crate) mod packing;
pub(crate) mod recent;
pub(crate) mod sync_line;
pub(crate) mod visible;
pub(crate) mod write_lock;
