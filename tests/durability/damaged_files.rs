//! Damaged files: opening one never panics, and gives an error or a store that is sound.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use execstore::{Expect, NewEvent, NewExecution, Readable, Store, Update};
use support::{TestStore, big_payload};

/// The bytes of a store that was closed, with a little of everything.
fn bytes() -> Vec<u8> {
    let store = TestStore::new();
    for n in 0..40 {
        store
            .write(|w| {
                let id = n.to_string();
                w.create(
                    NewExecution::new("j").id(&id).payload(big_payload(n * 100)),
                    &[NewEvent::new("t")],
                )?;
                w.update(&id, &Expect::any(), Update::to("Failed"), &[])
            })
            .unwrap();
    }
    let path = store.path();
    let _folder = store.into_folder();
    std::fs::read(path).unwrap()
}

/// Opens, reads, writes and closes: `true` if the store opened.
fn try_open(path: &Path, content: &[u8]) -> bool {
    std::fs::write(path, content).unwrap();
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let store = match Store::open(path) {
            Ok(store) => store,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        if let Ok(report) = store.verify() {
            assert!(report.is_clean(), "it opened, and is not sound: {report}");
        }
        let _ = store.write(|w| w.create(NewExecution::new("j"), &[]));
        let _ = store.read(|r| r.live().map(Iterator::count));
        true
    }));
    opened.unwrap_or_else(|_| panic!("{} panicked", path.display()))
}

#[test]
fn a_truncated_file_is_an_error_or_a_good_store() {
    let whole = bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    assert!(try_open(&path, &whole));
    let mut lengths: Vec<_> = (0..24).map(|n| whole.len() * n / 24).collect();
    lengths.extend([1, 8, 9, 10, 63, 64, 65, 320, 511, 512, 513, 4095, 4096, 4097, 8192, whole.len() - 1]);
    for len in lengths {
        let opened = try_open(&path, &whole[..len]);
        assert!(!opened || len > 4096, "opened with {len} of {} bytes", whole.len());
    }
}

#[test]
fn a_flipped_byte_in_the_header_is_an_error_or_a_good_store() {
    let whole = bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for place in 0..320 {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        let opened = try_open(&path, &flipped);
        assert!(!opened || place >= 9 || whole.starts_with(b"execstore"), "opened without its magic number");
    }
}

#[test]
fn a_page_of_noise_is_an_error_and_no_panic() {
    let whole = bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    for page in 1..(whole.len() / 4096).min(60) {
        let mut noisy = whole.clone();
        let mut state = page as u64;
        for byte in &mut noisy[page * 4096..(page + 1) * 4096] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        std::fs::write(&path, &noisy).unwrap();
        let survived = catch_unwind(AssertUnwindSafe(|| {
            let Ok(store) = Store::open(&path) else { return };
            // A noisy page is found, or it was a free one.
            let _ = store.verify();
            let Ok(reader) = store.begin_read() else { return };
            for n in 0..40 {
                let _ = reader.get(n.to_string());
                let _ = reader.events(n.to_string(), ..).map(Iterator::count);
            }
            let _ = reader.by_job("j").map(Iterator::count);
            let _ = reader.log().range(..).map(Iterator::count);
            let _ = reader.counts();
        }));
        assert!(survived.is_ok(), "page {page} panicked");
    }
}
