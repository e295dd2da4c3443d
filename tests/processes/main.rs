//! Several processes: forks, kills, processes without threads, and a store under upheavals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[cfg(target_os = "linux")]
mod fork;
#[cfg(unix)]
mod kill;
mod threadless;
#[cfg(target_os = "linux")]
mod upheavals;
