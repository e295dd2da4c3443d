//! Pages that find their way to the disk by themselves, in any order, as they do when the system needs memory or time has passed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::os::fd::AsRawFd;

use super::Job;
use crate::dice::Dice;

/// Has a thread write back parts of the files, without a flush, for as long as the process lives.
pub fn write_back(job: &Job) {
    let (folder, mut dice) = (job.folder.clone(), Dice::at(job.seed, 0x7061_6765));
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_micros(500 + dice.roll(10_000)));
            let files = files(&folder);
            let Some(path) = files.get(dice.roll(files.len() as u64) as usize) else { continue };
            // It may be gone by now.
            let Ok(file) = File::open(path) else { continue };
            let len = file.metadata().map_or(0, |found| found.len());
            let from = dice.roll(len) & !4095;
            let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
            let _ = posix_fadvise(file.as_raw_fd(), from as i64, 4096 * dice.spread(256) as i64, advice);
        }
    });
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            Ok(kind) if kind.is_dir() && entry.file_name() != "lost+found" => {
                files.extend(
                    fs::read_dir(entry.path()).into_iter().flatten().flatten().map(|entry| entry.path()),
                );
            }
            _ => {}
        }
    }
    files
}
