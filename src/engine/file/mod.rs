//! The store's one file: a head that says what lies where, the journal's region, and behind it redb's image.
//!
//! ```text
//! 0            head, a copy of it at 4,096
//! 8,192        the journal's region
//! image        redb's file, as it would be alone
//! ```
//!
//! A store without a journal is redb's file alone, from byte 0.

mod create;
mod folder;
mod guarded;
mod head;
mod image;
mod known;
mod medium;
mod overlay;
mod own_tables;
mod redb_pages;
mod room;
mod through;

pub(crate) use create::{Target, create};
pub(crate) use folder::{Folder, holder};
pub(crate) use guarded::Guarded;
pub(crate) use head::{Head, Kind, SECTOR};
pub(crate) use image::Image;
pub(crate) use medium::Medium;
pub(crate) use overlay::Overlay;
pub(crate) use room::Room;
