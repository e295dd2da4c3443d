//! What a verification holds does not grow with the store.

use std::path::Path;

use execstore::{Builder, NewEvent, NewExecution, Store, Update};
use support::children::child;

const EXECUTIONS: u64 = 40_000;

/// A figure of this process in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const FILE: &str = "EXECSTORE_VERIFY_FILE";

fn builder() -> Builder {
    let mut builder = Store::builder();
    // Room for the inner pages, but not for the store.
    builder.set_cache_size(1024 * 1024);
    builder
}

/// Labels of their own, links, events and an entry of the log for each: whatever would be kept for each execution takes some MiB.
fn make(path: &Path) {
    let store = builder().create_new(path).unwrap();
    for first in (0..EXECUTIONS).step_by(4_000) {
        store
            .write(|w| {
                for n in first..first + 4_000 {
                    let id = format!("e{n}");
                    let new =
                        NewExecution::new("j").id(&id).label("own", n.to_string()).parent(format!("p{n}"));
                    w.create(new.event(NewEvent::new("created")))?;
                    if n % 4 == 0 {
                        w.update(&id, Update::to("Failed"))?;
                    }
                }
                Ok(())
            })
            .unwrap();
    }
    store.close().unwrap();
}

/// In a process of its own, in which nothing was freed before that the verification could take.
#[test]
#[ignore = "the child of the test below"]
fn child_that_verifies() {
    let Ok(file) = std::env::var(FILE) else { return };
    let store = builder().open(file).unwrap();
    let before = status("VmRSS");
    let report = store.verify().unwrap();
    assert!(report.is_clean() && report.executions == EXECUTIONS, "{report}");
    println!("\nGROWN {}", status("VmHWM").saturating_sub(before));
}

#[test]
fn a_verification_holds_nothing_for_each_execution() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    make(&path);
    let output = child(module_path!(), "child_that_verifies").env(FILE, &path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let grown = text.lines().find_map(|line| line.strip_prefix("GROWN "));
    let grown: u64 = grown.unwrap_or_else(|| panic!("{output:?}")).parse().unwrap();
    // The page cache, twice; the sums; the stack of a thread.
    assert!(grown < 4 * 1024, "{grown} KiB");
}
