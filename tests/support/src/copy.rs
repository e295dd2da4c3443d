//! A store's file as a crash of the process would leave it.

use std::fs;
use std::path::Path;

/// Copies a file as it was at one moment, although threads of the store may write to it meanwhile: what removes deleted rows does. A
/// copy of two moments is no crash: it may have the end of a checkpoint without its beginning.
pub fn copy_at_once(from: &Path, to: &Path) {
    let mut before = fs::read(from).unwrap();
    loop {
        let after = fs::read(from).unwrap();
        if after == before {
            return fs::write(to, after).unwrap();
        }
        before = after;
    }
}
