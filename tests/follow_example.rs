//! The example `follow`: run for real, killed for real, and nothing is left out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use execstore::{Readable, Store};

/// The program, which cargo builds before it runs the tests.
fn follow() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let follow = test.parent().unwrap().parent().unwrap().join("examples/follow");
    assert!(follow.exists(), "{} is missing: run `cargo build --example follow`", follow.display());
    follow
}

fn start(folder: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(follow());
    command.current_dir(folder).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The number at the beginning of a line.
fn number(line: &str) -> u64 {
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn it_goes_on_where_it_was_killed_and_leaves_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for kill_after in [7, 60, 25] {
        let mut child = start(folder.path(), &["--jobs", "200"]);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (mut last, mut line) = (None, String::new());
        // What was printed before the kill is still to be read after it.
        for shown in 0.. {
            if shown == kill_after {
                child.kill().unwrap();
            }
            line.clear();
            out.read_line(&mut line).unwrap();
            // A line that the kill cut short is not one.
            if !line.ends_with('\n') {
                break;
            }
            let number = number(&line);
            assert!(last.is_none_or(|last| number == last + 1), "{number} after {last:?}");
            last = Some(number);
            seen.insert(number);
        }
        child.wait().unwrap();
    }
    let output = start(folder.path(), &["--jobs", "3"]).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    seen.extend(String::from_utf8(output.stdout).unwrap().lines().map(number));
    let store = Store::open(folder.path().join("follow.redb")).unwrap();
    let head = store.read(|r| r.head()).unwrap();
    let saved = store.read(|r| r.checkpoint("follow")).unwrap();
    assert_eq!(saved, Some(head));
    let missing: Vec<_> = (1..=head.get()).filter(|n| !seen.contains(n)).collect();
    assert!(missing.is_empty(), "{missing:?} of {head}");
    assert!(store.verify().unwrap().is_clean());
}

#[test]
fn filters_and_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let output = start(folder.path(), &["--jobs", "5", "--state", "Failed"]).wait_with_output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains("Running -> Failed"), "{out}");
    for args in [&["--state", "Faild"][..], &["--jobs"], &["--jobs", "x"], &["--what", "x"]] {
        let output = start(folder.path(), args).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}
