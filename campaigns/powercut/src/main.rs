//! Power cuts on real file systems: what was acknowledged is there, nothing is there by halves, and the file has its name.
//!
//! A worker writes to a store on ext4, xfs or btrfs, mounted from a disk that keeps apart what was not flushed. At a random
//! moment a copy of the disk is made in which any part of that is lost. The copy is mounted, and the store opened and compared with
//! what the worker had been told before. See docs/development.md.

#[cfg(target_os = "linux")]
mod acks;
#[cfg(target_os = "linux")]
mod campaign;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod dice;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod fs;
#[cfg(target_os = "linux")]
mod fuse;
#[cfg(target_os = "linux")]
mod mount;
#[cfg(target_os = "linux")]
mod round;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod work;

#[cfg(target_os = "linux")]
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(child::main(&args).unwrap_or_else(|| campaign::main(&args)));
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the campaign of power cuts needs Linux");
    std::process::exit(2);
}
