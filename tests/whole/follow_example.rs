//! The example `follow`: run for real, killed for real, and nothing is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use execstore::outputs::OutputCap;
use execstore::{NewExecution, Query, Readable, Store};

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

/// Runs it to its end, which must be a good one.
fn run(folder: &Path, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = start(folder, args).wait_with_output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// What one run printed.
#[derive(Default)]
struct Seen {
    last: Option<u64>,
    /// Up to where the output of each execution was shown.
    shown: BTreeMap<String, u64>,
    ended: BTreeSet<String>,
    numbers: BTreeSet<u64>,
    /// Pieces of output: the execution, the offset, the text.
    pieces: Vec<(String, u64, String)>,
}

impl Seen {
    /// Takes a line, which must go on from those before it.
    fn line(&mut self, line: &str) {
        let Some(output) = line.strip_prefix("     |  ") else {
            let words: Vec<_> = line.split_whitespace().collect();
            let number = words[0].parse().unwrap();
            assert!(self.last.is_none_or(|last| number == last + 1), "{number} after {:?}", self.last);
            self.last = Some(number);
            self.numbers.insert(number);
            if ["Completed,", "Failed,"].contains(words.get(5).unwrap_or(&"")) {
                self.ended.insert(words[2].to_owned());
            }
            return;
        };
        let (id, rest) = output.split_once(" @").unwrap();
        let (offset, text) = rest.split_once("  ").unwrap();
        let offset = offset.parse().unwrap();
        assert!(!self.ended.contains(id), "{line:?} after the end");
        // The first one may be further on: what is before it was shown by an earlier run.
        let shown = self.shown.insert(id.to_owned(), offset + text.len() as u64 + 1);
        assert!(shown.is_none_or(|shown| shown == offset), "{line:?} after {shown:?}");
        self.pieces.push((id.to_owned(), offset, text.to_owned()));
    }
}

#[test]
fn it_goes_on_where_it_was_killed_and_leaves_nothing_out() {
    let folder = tempfile::tempdir().unwrap();
    let (mut numbers, mut pieces) = (BTreeSet::new(), BTreeSet::new());
    for kill_after in [7, 90, 38] {
        let mut child = start(folder.path(), &["--jobs", "200"]);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (mut seen, mut line) = (Seen::default(), String::new());
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
            seen.line(line.trim_end());
        }
        child.wait().unwrap();
        numbers.extend(seen.numbers);
        pieces.extend(seen.pieces);
    }
    let mut seen = Seen::default();
    run(folder.path(), &["--jobs", "3"]).lines().for_each(|line| seen.line(line));
    numbers.extend(seen.numbers);
    pieces.extend(seen.pieces);
    let store = Store::open(folder.path().join("follow.redb")).unwrap();
    let r = store.begin_read().unwrap();
    let head = r.log().head().unwrap();
    assert_eq!(r.log().checkpoint("follow").unwrap(), Some(head));
    let missing: Vec<_> = (1..=head.get()).filter(|n| !numbers.contains(n)).collect();
    assert!(missing.is_empty(), "{missing:?} of {head}");

    // All that was written was shown, and nothing else; what the kills left alive is no exception.
    let mut written = BTreeSet::new();
    let executions = r.query(&Query::new()).rows().unwrap().map(Result::unwrap);
    for execution in executions.filter(|e| e.state != "New") {
        assert!(execution.state.is_terminal(), "{}", execution.id);
        let Some(part) = r.outputs(&execution.id).read("stdout", 0, 1 << 20).unwrap() else { continue };
        let mut offset = 0;
        for line in String::from_utf8(part.bytes).unwrap().lines() {
            written.insert((execution.id.to_string(), offset, line.to_owned()));
            offset += line.len() as u64 + 1;
        }
    }
    assert!(written.len() > 30);
    assert_eq!(pieces, written);
    drop(r);
    assert!(store.verify().unwrap().is_clean());
}

/// Starts it with a job that gets no further than the first part of its output, waits until that is shown, and
/// kills it. Gives the line.
fn shown_before_the_end(folder: &Path, pause: Duration) -> String {
    let mut child = start(folder, &["--jobs", "1", "--pause", "3600000"]);
    let out = BufReader::new(child.stdout.take().unwrap());
    let (send, lines) = mpsc::channel();
    let reader = thread::spawn(move || out.lines().for_each(|line| drop(send.send(line.unwrap()))));
    let found = loop {
        match lines.recv_timeout(Duration::from_secs(20)) {
            Ok(line) if line.ends_with("@0  part 1 of 3 is done") => break line,
            Ok(_) => {}
            Err(_) => {
                child.kill().unwrap();
                panic!("the output is not shown while its execution runs");
            }
        }
    };
    thread::sleep(pause);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    found
}

#[test]
fn output_is_shown_while_its_execution_runs_and_not_again() {
    // The position is saved after the line is printed, and it is not known when: so with more and more time.
    for pause in [50, 200, 1_000, 5_000] {
        let folder = tempfile::tempdir().unwrap();
        let line = shown_before_the_end(folder.path(), Duration::from_millis(pause));
        // What is written while nobody looks is seen later.
        let id = line.split_whitespace().nth(1).unwrap();
        let store = Store::open(folder.path().join("follow.redb")).unwrap();
        store.append_output(id, "stdout", "meanwhile\n").unwrap();
        store.close().unwrap();
        let after = run(folder.path(), &["--jobs", "0"]);
        assert!(after.contains("Running -> Failed"), "what was left is ended: {after}");
        assert!(after.contains(&format!("|  {id} @20  meanwhile\n")), "{after}");
        if !after.contains(&line) {
            assert_eq!(after.matches('|').count(), 1, "{after}");
            return;
        }
    }
    panic!("what was shown was always shown again");
}

#[test]
fn any_bytes_are_shown_and_what_was_dropped_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_new(folder.path().join("follow.redb")).unwrap();
    for id in ["e", "deleted"] {
        store.create(NewExecution::new("j").id(id).state("Running")).unwrap();
        store.cap_output(id, "log", OutputCap::Both { head: 8, tail: 6 }).unwrap();
        store.append_output(id, "log", b"a\xFF\x1B[2Jb\nmuch that is not kept\nlast\n").unwrap();
    }
    store.delete("deleted").unwrap();
    store.close().unwrap();
    let args = ["--jobs", "0", "--output", "log"];
    let lines: Vec<_> = run(folder.path(), &args).lines().map(str::to_owned).collect();
    let output: Vec<_> = lines.iter().filter(|line| line.contains('|')).map(String::as_str).collect();
    let expected = [
        "     |  e @0  a\u{fffd} [2Jb",
        "     |  e @8  21 bytes are gone",
        "     |  e @29  ",
        "     |  e @30  last",
    ];
    assert_eq!((output.as_slice(), lines.len()), (&expected[..], 7), "{lines:#?}");
    assert_eq!(run(folder.path(), &args), "", "nothing twice");
}

#[test]
fn filters_and_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(folder.path(), &["--jobs", "5", "--state", "Failed"]);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert!(lines[..3].iter().all(|line| line.contains("|  job-4/4 @")), "{out}");
    assert!(lines[3].contains("Running -> Failed"), "{out}");
    let quiet = ["--jobs", "0", "--state", "Failed", "--name", "quiet", "--output", "none"];
    assert_eq!(run(folder.path(), &quiet), format!("{}\n", lines[3]));
    for args in [
        &["--state", "Faild"][..],
        &["--jobs"],
        &["--jobs", "x"],
        &["--pause", "-1"],
        &["--output", ""],
        &["--what", "x"],
    ] {
        let output = start(folder.path(), args).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
}
