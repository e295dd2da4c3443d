//! The example `node` as its users meet it: run for real, killed for real, and its store looked into.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use execstore::{Event, Execution, Query, Readable, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The program, which cargo builds before it runs the tests.
fn node() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let node = profile.join("examples/node");
    assert!(node.exists(), "{} is missing: run `cargo build --example node`", node.display());
    node
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(node());
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn run_jobs(folder: &Path, jobs: &Value) -> Output {
    fs::write(folder.join("jobs.json"), jobs.to_string()).unwrap();
    let output = run(folder, &["--jobs", "jobs.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    output
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn all(store: &Store) -> Vec<Execution> {
    let page = store.begin_read().unwrap().page(&Query::new().oldest_first().limit(10_000)).unwrap();
    assert!(page.damaged.is_empty() && page.next.is_none());
    page.executions
}

fn get(store: &Store, id: &str) -> Execution {
    let found = store.begin_read().unwrap().get(id).unwrap();
    found.unwrap_or_else(|| panic!("{id} is missing"))
}

fn events(store: &Store, id: &str) -> Vec<Event> {
    let view = store.begin_read().unwrap();
    view.events(id, ..).unwrap().collect::<Result<_, _>>().unwrap()
}

fn result(execution: &Execution) -> Value {
    execution.payload::<Value>().unwrap()["result"].clone()
}

fn assert_clean(store: &Store) {
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_built_in_jobs_run_to_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &[]);
    assert_eq!(first.status.code(), Some(0), "{}", err(&first));
    let text = out(&first);
    for part in [
        "jobs: 13 added, 0 known already",
        "start hello/1 (running ",
        "end bad-exit/1 Failed: exit code 3, ",
        "; again as bad-exit/2 (running ",
        "done 17 of 17",
        "\njob                   attempt  state ",
        "hello from a child process",
        "\ncounts: Completed 8, Failed 9\n",
        "\nhead of the change log: ",
        " 0 problems\n",
        "exit code is 0, whatever became of the jobs",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }

    let path = folder.path().join("node.redb");
    let store = Store::open(&path).unwrap();
    assert_clean(&store);
    let executions = all(&store);
    assert_eq!(executions.len(), 17);
    assert!(executions.iter().all(|e| e.state.is_terminal()));
    let jobs: BTreeSet<_> = executions.iter().map(|e| e.job_id.as_str()).collect();
    assert_eq!(jobs.len(), 13);

    let states = |id: &str| -> Vec<String> {
        let view = store.begin_read().unwrap();
        let changes = view.changes(..).unwrap().map(Result::unwrap);
        let of_id = changes.filter(|change| *change.execution_id() == id);
        let mut states: Vec<_> = of_id.map(|c| c.state_after().unwrap().to_string()).collect();
        states.dedup();
        states
    };
    let completed = ["New", "BidAccepted", "Running", "Publishing", "Completed"];
    assert_eq!(states("hello/1"), completed);
    assert_eq!(states("bad-exit/1"), ["New", "BidAccepted", "Running", "Failed"]);
    let topics: Vec<_> = events(&store, "hello/1").into_iter().map(|e| e.topic).collect();
    let expected = ["created", "claimed", "running", "started", "ended", "published"];
    assert_eq!(topics, expected);

    assert_eq!(result(&get(&store, "hello/1"))["stdout"], "hello from a child process\n");
    let bad = result(&get(&store, "bad-exit/2"));
    assert_eq!(
        (&bad["exit_code"], &bad["stdout"], &bad["stderr"]),
        (&json!(3), &json!("partial\n"), &json!("went wrong\n"))
    );
    assert_eq!(result(&get(&store, "signal/1"))["signal"], 15);
    let slow = result(&get(&store, "too-slow/2"));
    assert_eq!(slow["timed_out"], true);
    assert!(slow["duration_ms"].as_u64().unwrap() < 10_000, "{slow}");
    assert!(result(&get(&store, "no-program/1"))["error"].is_string());
    let flaky = get(&store, "flaky/3");
    assert_eq!(flaky.state, "Completed");
    assert_eq!(flaky.labels["attempt"], "3");
    assert_eq!(flaky.previous.as_ref().unwrap(), &"flaky/2");
    assert_eq!(get(&store, "flaky/2").previous.as_ref().unwrap(), &"flaky/1");
    let head = store.begin_read().unwrap().head().unwrap();
    drop(store);

    // Again on the same store: there is nothing to do.
    let second = run(folder.path(), &[]);
    assert_eq!(second.status.code(), Some(0), "{}", err(&second));
    assert!(out(&second).contains("jobs: 0 added, 13 known already"));
    assert!(!out(&second).contains("start "));
    let store = Store::open(&path).unwrap();
    assert_eq!(store.begin_read().unwrap().head().unwrap(), head);
}

/// A node that runs, and the lines that it prints.
struct Started {
    child: Child,
    lines: Receiver<String>,
}

impl Started {
    fn new(folder: &Path, args: &[&str]) -> Self {
        let mut child = command(folder, args).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                send.send(line.unwrap()).ok();
            }
        });
        Self { child, lines }
    }

    /// Kills it once it has printed this many lines and `pause` has passed. Gives every line it printed.
    fn kill_after(mut self, lines: usize, pause: Duration) -> Vec<String> {
        let mut seen: Vec<String> = self.lines.iter().take(lines).collect();
        thread::sleep(pause);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // Up to the end of the pipe: a line that was printed before the kill is there.
        seen.extend(self.lines.iter());
        seen
    }
}

/// The store as the kill left it, copied, so that the node itself gets to recover the original.
fn crash_copy(path: &Path) -> Option<(TempDir, Store)> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.redb");
    fs::copy(path, &copy).ok()?;
    let journal = |path: &Path| PathBuf::from(format!("{}-journal", path.display()));
    if journal(path).exists() {
        fs::copy(journal(path), journal(&copy)).unwrap();
    }
    let store = Store::open(&copy).unwrap();
    Some((folder, store))
}

/// Checks that everything the node said it had done is in the store.
fn check_acknowledged(store: &Store, lines: &[String], jobs: usize) {
    for line in lines {
        let words: Vec<_> = line.split([' ', ':']).collect();
        match words.as_slice() {
            ["jobs", "", added, "added,", ..] => {
                let first = all(store).into_iter().filter(|e| e.previous.is_none());
                assert_eq!(first.count(), jobs, "after {line:?}");
                assert!(*added == "0" || added.parse() == Ok(jobs), "{line:?}");
            }
            ["start", id, ..] => {
                let state = &get(store, id).state;
                assert!(!["New", "BidAccepted"].contains(&state.as_str()), "{line:?} but {state}");
            }
            ["end", id, state, ..] => {
                let execution = get(store, id);
                assert_eq!(execution.state, *state, "{line:?}");
                assert!(result(&execution)["duration_ms"].is_u64(), "{line:?}");
            }
            ["lost", id, ..] => {
                let execution = get(store, id);
                assert_eq!(execution.state, "Failed", "{line:?}");
                assert_eq!(execution.labels["lost"], "yes", "{line:?}");
            }
            _ => {}
        }
        if let Some((_, again)) = line.split_once("again as ") {
            let retry = get(store, again.split(' ').next().unwrap());
            let of = line.split([' ', ':']).nth(1).unwrap();
            assert_eq!(retry.previous.as_ref().unwrap(), &of, "{line:?}");
        }
    }
}

#[test]
fn a_killed_node_loses_nothing_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.redb");
    let jobs: Vec<_> = (0..40)
        .map(|n| match n % 4 {
            0 => json!({"id": format!("fail-{n}"), "program": "false", "max_attempts": 2}),
            1 => json!({"id": format!("echo-{n}"), "program": "echo", "args": [n.to_string()]}),
            _ => json!({"id": format!("sleep-{n}"), "program": "sleep", "args": ["0.08"]}),
        })
        .collect();
    fs::write(folder.path().join("jobs.json"), json!(jobs).to_string()).unwrap();
    let args = ["--jobs", "jobs.json", "--workers", "3"];

    let mut printed = Vec::new();
    // What each kill left alive.
    let mut lost: BTreeMap<String, String> = BTreeMap::new();
    // At times from the start, at once after a line, and a little later.
    let moments = [(0, 3), (0, 25), (1, 0), (2, 1), (3, 0), (6, 4), (9, 0), (12, 13), (15, 2), (20, 40)];
    for (lines, pause) in moments {
        let node = Started::new(folder.path(), &args);
        printed.extend(node.kill_after(lines, Duration::from_millis(pause)));
        let Some((_copy, store)) = crash_copy(&path) else {
            assert!(printed.is_empty(), "lines were printed without a store");
            continue;
        };
        assert_clean(&store);
        check_acknowledged(&store, &printed, jobs.len());
        for execution in store.begin_read().unwrap().live().unwrap() {
            let execution = execution.unwrap();
            lost.insert(execution.id.to_string(), execution.state.to_string());
        }
    }
    assert!(lost.len() >= 5, "too few were live when it was killed: {lost:?}");

    let last = run(folder.path(), &args);
    assert_eq!(last.status.code(), Some(0), "{}", err(&last));
    printed.extend(out(&last).lines().map(str::to_owned));

    let store = Store::open(&path).unwrap();
    assert_clean(&store);
    check_acknowledged(&store, &printed, jobs.len());
    let executions = all(&store);
    assert!(executions.iter().all(|e| e.state.is_terminal()));
    for (id, state) in &lost {
        let execution = get(&store, id);
        assert_eq!(execution.state, "Failed", "{id}");
        let event = events(&store, id).pop().unwrap();
        assert_eq!(event.topic, "recovery", "{id}");
        assert_eq!(event.message, "the node stopped while this was running");
        assert_eq!(event.details.parse::<Value>().unwrap()["state"], **state);
        let after = executions.iter().filter(|e| e.previous.as_ref() == Some(&execution.id));
        assert_eq!(after.count(), 1, "{id} has one successor");
    }
    let recovered = executions.iter().filter(|e| e.labels.contains_key("lost"));
    assert_eq!(recovered.count(), lost.len(), "no other one was failed by a start");
    // A stop of the node uses up no attempt.
    for job in &jobs {
        let of_job =
            |e: &&Execution| e.job_id == *job["id"].as_str().unwrap() && !e.labels.contains_key("lost");
        let states: Vec<_> = executions.iter().filter(of_job).map(|e| e.state.to_string()).collect();
        let expected: &[&str] =
            if job["program"] == "false" { &["Failed", "Failed"] } else { &["Completed"] };
        assert_eq!(states, expected, "{job}");
    }
}

#[test]
fn a_bad_job_file_is_named_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    for (text, place, reason) in [
        ("[\n  {\"id\": \"a\",\n   \"program\" \"ls\"}]", "line 3, column 14", "expected `:`"),
        ("[", "line 1, column 1", "EOF"),
        ("", "line 1, column 0", "EOF"),
        ("{\"id\": \"a\"}", "line 1, column 0", "expected a sequence"),
        ("[]\n]", "line 2, column 1", "trailing characters"),
        (
            "[{\"id\": \"a\", \"program\": \"ls\"},\n  {\"id\": \"b\", \"programm\": \"ls\"}]",
            "line 2, column 24: jobs[1]",
            "unknown field `programm`",
        ),
        (
            "[\n {\"id\": \"a\",\n  \"program\": \"ls\",\n  \"args\": \"-l\"}]",
            "line 4, column 14: jobs[0]",
            "invalid type: string \"-l\", expected a sequence",
        ),
        ("[{\"id\": \"a\"}]", "jobs[0]", "missing field `program`"),
        ("[7]", "line 1, column 2: jobs[0]", "invalid type: integer `7`"),
        (
            "[\n  {\"id\": \"a\", \"program\": \"\"}]",
            "line 2, column 3: jobs[0]",
            "field `program`: it is empty",
        ),
        (
            "[{\"id\": \"a\", \"program\": \"ls\", \"max_attempts\": 0}]",
            "line 1, column 2: jobs[0]",
            "field `max_attempts`: it must be 1 to 100, not 0",
        ),
        ("[{\"id\": \"a\", \"program\": \"ls\", \"timeout_ms\": 0}]", "jobs[0]", "field `timeout_ms`"),
        ("[{\"id\": \" a\", \"program\": \"ls\"}]", "jobs[0]", "field `id`"),
        (
            "[{\"id\": \"a\", \"program\": \"ls\"},\n {\"id\": \"a\", \"program\": \"ls\"}]",
            "line 2, column 2: jobs[1]",
            "field `id`: \"a\" is the id of jobs[0] already",
        ),
    ] {
        fs::write(folder.path().join("bad.json"), text).unwrap();
        let output = run(folder.path(), &["--jobs", "bad.json"]);
        let message = err(&output);
        assert_eq!(output.status.code(), Some(1), "{text}: {message}");
        assert!(message.starts_with("node: bad.json, line "), "{text}: {message}");
        assert!(message.contains(place), "{text}: {message}");
        assert!(message.contains(reason), "{text}: {message}");
    }
    let output = run(folder.path(), &["--jobs", "none.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("none.json: cannot be read: "), "{}", err(&output));
    assert!(!folder.path().join("node.redb").exists(), "no store was made");
}

#[test]
fn a_bad_command_line_shows_the_usage() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["--workers", "0"][..],
        &["--workers", "many"],
        &["--workers"],
        &["--store", ""],
        &["--speed", "9"],
        &["jobs.json"],
    ] {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(err(&output).contains(args[0]), "{args:?}: {}", err(&output));
        assert!(err(&output).contains("Usage: node "), "{args:?}");
    }
    let help = run(folder.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("Usage: node "));
}

#[test]
fn a_store_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _store = Store::create(folder.path().join("mine.redb")).unwrap();
    let output = run(folder.path(), &["--store", "mine.redb"]);
    assert_eq!(output.status.code(), Some(1));
    let message = err(&output);
    assert!(message.contains("mine.redb is in use: another process"), "{message}");
    assert!(!out(&output).contains("start "));

    fs::write(folder.path().join("text.redb"), "not a database at all").unwrap();
    let output = run(folder.path(), &["--store", "text.redb"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("is not a redb database"), "{}", err(&output));
}

#[test]
fn much_output_is_read_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    let sh = |script: &str| json!(["-c", script]);
    let output = run_jobs(
        folder.path(),
        &json!([
            {"id": "both", "program": "sh",
             "args": sh("yes | head -c 1000000 >&2; yes | head -c 2000000; exit 4")},
            {"id": "exact", "program": "sh", "args": sh("yes | head -c 4096")},
            {"id": "wide", "program": "sh", "args": sh("printf x; yes é | tr -d '\\n' | head -c 8000")},
            {"id": "binary", "program": "printf", "args": ["\\000\\377\\033[31m"]},
            {"id": "endless", "program": "yes", "timeout_ms": 300},
        ]),
    );
    assert!(!out(&output).contains('\u{1b}'), "the table is plain text");
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    assert_clean(&store);
    let text = |id: &str, what: &str| result(&get(&store, id))[what].as_str().unwrap().to_owned();
    let head = "y\n".repeat(2048);
    assert_eq!(text("both/1", "stdout"), format!("{head}\n[1995904 bytes cut]"));
    assert_eq!(text("both/1", "stderr"), format!("{head}\n[995904 bytes cut]"));
    assert_eq!(result(&get(&store, "both/1"))["exit_code"], 4);
    assert_eq!(text("exact/1", "stdout"), head);
    // 1 + 2 * 2047 bytes are whole characters; the next character would be cut in two.
    let wide = format!("x{}\n[3906 bytes cut]", "é".repeat(2047));
    assert_eq!(text("wide/1", "stdout"), wide);
    assert_eq!(text("binary/1", "stdout"), "\0\u{fffd}\u{1b}[31m");
    let endless = result(&get(&store, "endless/1"));
    assert_eq!((&endless["timed_out"], &endless["signal"]), (&json!(true), &json!(9)));
    assert!(text("endless/1", "stdout").ends_with(" bytes cut]"));
}

#[test]
fn a_grandchild_does_not_hold_the_node_up() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    run_jobs(
        folder.path(),
        &json!([
            {"id": "leaves", "program": "sh", "args": ["-c", "sleep 15 & echo done"]},
            {"id": "slow", "program": "sh", "args": ["-c", "sleep 15; true"], "timeout_ms": 200},
        ]),
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    let leaves = get(&store, "leaves/1");
    assert_eq!(leaves.state, "Completed");
    let stdout = result(&leaves)["stdout"].as_str().unwrap().to_owned();
    assert!(stdout.starts_with("done\n\n[still open"), "{stdout}");
    assert_eq!(get(&store, "slow/1").state, "Failed");
}

#[test]
fn new_jobs_run_and_known_ones_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    run_jobs(folder.path(), &json!([{"id": "a", "program": "true"}]));
    let second =
        run_jobs(folder.path(), &json!([{"id": "a", "program": "false"}, {"id": "b", "program": "true"}]));
    assert!(out(&second).contains("jobs: 1 added, 1 known already"));
    assert!(err(&second).contains("job \"a\" is in the store with another specification"));
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    let ids: Vec<_> = all(&store).iter().map(|e| format!("{} {}", e.id, e.state)).collect();
    assert_eq!(ids, ["a/1 Completed", "b/1 Completed"]);
}
