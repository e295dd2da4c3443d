//! What the file keeps: crashes, recovery, damage, errors of the disk, opening and closing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod closing;
mod crash;
mod damage;
mod damaged_branches;
mod damaged_files;
mod file_size;
mod full_disk;
mod io_errors;
#[cfg(unix)]
mod one_file;
mod opening;
mod recovery;
mod unreadable;
#[cfg(target_os = "linux")]
mod verify_memory;
