//! The example `node` as its users meet it: run for real, killed for real, and its store looked into.

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
    let page = store.begin_read().unwrap().query(&Query::new().oldest_first().limit(10_000)).page().unwrap();
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

/// All that is kept of an output stream, and where something is missing in between.
fn stream(store: &Store, id: &str, name: &str) -> (Vec<u8>, Option<std::ops::Range<u64>>) {
    let view = store.begin_read().unwrap();
    let output = view.outputs(id).get(name).unwrap().unwrap_or_else(|| panic!("{id} has no {name}"));
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < output.length {
        let part = view.outputs(id).read(name, at, 10_000).unwrap().unwrap();
        bytes.extend_from_slice(&part.bytes);
        at = part.next();
    }
    (bytes, output.dropped())
}

/// The text of a stream of which nothing was dropped.
fn whole(store: &Store, id: &str, name: &str) -> String {
    let (bytes, dropped) = stream(store, id, name);
    assert_eq!(dropped, None, "{id} {name}");
    String::from_utf8(bytes).unwrap()
}

fn sh(script: &str) -> Value {
    json!(["-c", script])
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
        let changes = view.log().range(..).unwrap().map(Result::unwrap);
        let of_id = changes.filter(|change| *change.execution_id().unwrap() == id);
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

    let hello = result(&get(&store, "hello/1"));
    let (none, some) = (json!({"length": 0, "tail": ""}), "hello from a child process\n");
    assert_eq!(hello["outputs"], json!({"stderr": none, "stdout": {"length": 27, "tail": some}}));
    assert_eq!(whole(&store, "hello/1", "stdout"), some);
    let bad = result(&get(&store, "bad-exit/2"));
    assert_eq!(
        (&bad["exit_code"], &bad["outputs"]["stdout"]["tail"], &bad["outputs"]["stderr"]["tail"]),
        (&json!(3), &json!("partial\n"), &json!("went wrong\n"))
    );
    assert_eq!(whole(&store, "bad-exit/2", "stderr"), "went wrong\n");
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
    let head = store.begin_read().unwrap().log().head().unwrap();
    drop(store);

    // Again on the same store: there is nothing to do.
    let second = run(folder.path(), &[]);
    assert_eq!(second.status.code(), Some(0), "{}", err(&second));
    assert!(out(&second).contains("jobs: 0 added, 13 known already"));
    assert!(!out(&second).contains("start "));
    let store = Store::open(&path).unwrap();
    assert_eq!(store.begin_read().unwrap().log().head().unwrap(), head);
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
    let _store = Store::create_new(folder.path().join("mine.redb")).unwrap();
    let output = run(folder.path(), &["--store", "mine.redb"]);
    assert_eq!(output.status.code(), Some(1));
    let message = err(&output);
    assert!(message.contains("mine.redb is in use by another process"), "{message}");
    assert!(!out(&output).contains("start "));

    fs::write(folder.path().join("text.redb"), "not a database at all").unwrap();
    let output = run(folder.path(), &["--store", "text.redb"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("is not an execution store, nor a redb database"), "{}", err(&output));
}

/// The most memory that a process ever had, in KiB; 0 once it is gone, and where there is no such file.
fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn much_output_is_cut_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = json!([
        {"id": "both", "program": "sh", "args": sh("seq 100000 200000 >&2; seq 100000 400000; exit 4")},
        {"id": "exact", "program": "sh", "args": sh("yes | head -c 65536")},
        {"id": "wide", "program": "sh", "args": sh("printf x; yes é | tr -d '\\n' | head -c 200000; printf y")},
        {"id": "endless", "program": "yes", "timeout_ms": 1000},
        {"id": "no-line", "program": "sh", "args": sh("yes | tr -d '\\n'"), "timeout_ms": 1000},
    ]);
    fs::write(folder.path().join("jobs.json"), jobs.to_string()).unwrap();
    let mut node = Started::new(folder.path(), &["--jobs", "jobs.json"]);
    let mut most = 0;
    let status = loop {
        most = most.max(most_memory(node.child.id()));
        if let Some(status) = node.child.try_wait().unwrap() {
            break status;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.code(), Some(0));
    assert!(most < 100 * 1024, "{most} KiB of memory");

    let store = Store::open(folder.path().join("node.redb")).unwrap();
    assert_clean(&store);
    let numbers = |to: u32| (100_000..=to).map(|n| format!("{n}\n")).collect::<String>().into_bytes();
    let (head, tail) = (16 * 1024, 48 * 1024);
    for (name, all) in [("stdout", numbers(400_000)), ("stderr", numbers(200_000))] {
        let dropped = head as u64..(all.len() - tail) as u64;
        let kept = [&all[..head], &all[all.len() - tail..]].concat();
        assert!(stream(&store, "both/1", name) == (kept, Some(dropped.clone())), "{name} of both");
        let recorded = result(&get(&store, "both/1"));
        let last = std::str::from_utf8(&all[all.len() - 1024..]).unwrap();
        let expected = json!({"length": all.len(), "dropped": dropped, "tail": last});
        assert_eq!(recorded["outputs"][name], expected);
        assert_eq!(recorded["exit_code"], 4);
    }
    assert_eq!(whole(&store, "exact/1", "stdout"), "y\n".repeat(32 * 1024));

    // 1 byte and then 2 for each character: every cut is in the middle of one.
    let wide = &result(&get(&store, "wide/1"))["outputs"]["stdout"];
    assert_eq!((&wide["length"], &wide["tail"]), (&json!(200_002), &json!("é".repeat(511) + "y")));
    let (bytes, _) = stream(&store, "wide/1", "stdout");
    let characters = "é".repeat((head + tail) / 2 - 1);
    assert!(bytes == format!("x{characters}y").as_bytes());

    for (id, unit) in [("endless/1", &b"y\n"[..]), ("no-line/1", b"y")] {
        let (bytes, dropped) = stream(&store, id, "stdout");
        let dropped = dropped.unwrap();
        assert_eq!((dropped.start, bytes.len()), (head as u64, head + tail), "{id}");
        assert!(bytes.starts_with(unit) && bytes.iter().all(|byte| unit.contains(byte)), "{id}");
        let recorded = result(&get(&store, id));
        assert_eq!((&recorded["timed_out"], &recorded["signal"]), (&json!(true), &json!(9)), "{id}");
        assert_eq!(recorded["outputs"]["stdout"]["dropped"], json!(dropped));
    }
}

#[test]
fn any_bytes_are_kept_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let printf = |text: &str| json!({"id": text, "program": "printf", "args": [text]});
    let output = run_jobs(
        folder.path(),
        &json!([printf("\\000\\377\\033[31m"), printf("\\303\\050\\n\\n"), printf("no line")]),
    );
    assert!(!out(&output).contains('\u{1b}'), "the table is plain text");
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    let bytes = |job: &str| stream(&store, &format!("{job}/1"), "stdout").0;
    assert_eq!(bytes("\\000\\377\\033[31m"), b"\0\xFF\x1B[31m");
    assert_eq!(bytes("\\303\\050\\n\\n"), b"\xC3(\n\n");
    assert_eq!(bytes("no line"), b"no line");
    let recorded = result(&get(&store, "\\000\\377\\033[31m/1"));
    assert_eq!(recorded["outputs"]["stdout"]["tail"], "\0\u{fffd}\u{1b}[31m");
}

/// Nothing twice, nothing left out, nothing of another. The pieces come a while apart, so they are stored one by
/// one.
#[test]
fn what_many_children_write_at_a_time_goes_where_it_belongs() {
    let folder = tempfile::tempdir().unwrap();
    let script = "for n in 1 2 3 4 5; do echo $JOB $n; echo $n bad $JOB >&2; sleep 0.07; done; seq 1 $JOB";
    let ids: Vec<_> = (0..12).map(|n| (1_000 + n * 100).to_string()).collect();
    let jobs: Vec<_> = ids.iter().map(|id| json!({"id": id, "program": "sh", "args": sh(script)})).collect();
    fs::write(folder.path().join("jobs.json"), json!(jobs).to_string()).unwrap();
    let output = run(folder.path(), &["--jobs", "jobs.json", "--workers", "12"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    assert_clean(&store);
    for id in ids {
        let of_id = format!("{id}/1");
        let lines = |line: &dyn Fn(u32) -> String| (1..=5).map(line).collect::<String>();
        let seq: String = (1..=id.parse().unwrap()).map(|n: u32| format!("{n}\n")).collect();
        assert_eq!(whole(&store, &of_id, "stdout"), lines(&|n| format!("{id} {n}\n")) + &seq);
        assert_eq!(whole(&store, &of_id, "stderr"), lines(&|n| format!("{n} bad {id}\n")));
    }
}

#[test]
fn what_a_child_wrote_before_the_node_was_killed_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.redb");
    // Writes, and goes no further before it is told to.
    let script = "echo out $ATTEMPT; printf err >&2; test -e go || sleep 20; echo done";
    let jobs = json!([{"id": "a", "program": "sh", "args": sh(script)}]);
    fs::write(folder.path().join("jobs.json"), jobs.to_string()).unwrap();
    let args = ["--jobs", "jobs.json"];

    // It is stored soon after it came, however long that takes here: so with more and more time.
    let mut attempt = 0;
    let waits = [50, 100, 200, 400, 800, 2_000, 5_000].map(Duration::from_millis);
    let found = waits.into_iter().find(|wait| {
        attempt += 1;
        let node = Started::new(folder.path(), &args);
        let begun = node.lines.iter().find(|line| line.starts_with(&format!("start a/{attempt} ")));
        assert!(begun.is_some(), "attempt {attempt}");
        node.kill_after(0, *wait);
        let (_copy, store) = crash_copy(&path).unwrap();
        assert_clean(&store);
        let id = format!("a/{attempt}");
        assert_eq!(get(&store, &id).state, "Running");
        whole(&store, &id, "stdout") == format!("out {attempt}\n") && whole(&store, &id, "stderr") == "err"
    });
    assert!(found.is_some(), "nothing is stored while the child runs");

    fs::write(folder.path().join("go"), "").unwrap();
    let last = run(folder.path(), &args);
    assert_eq!(last.status.code(), Some(0), "{}", err(&last));
    let store = Store::open(&path).unwrap();
    assert_clean(&store);
    let lost = format!("a/{attempt}");
    assert_eq!(whole(&store, &lost, "stdout"), format!("out {attempt}\n"), "and it stays");
    assert_eq!(whole(&store, &lost, "stderr"), "err");
    let details = events(&store, &lost).pop().unwrap().details.parse::<Value>().unwrap();
    assert_eq!(details["outputs"]["stdout"], json!({"length": 6, "tail": format!("out {attempt}\n")}));
    assert_eq!(details["outputs"]["stderr"], json!({"length": 3, "tail": "err"}));
    let row = format!("out {attempt}");
    assert!(out(&last).lines().any(|line| line.contains(" lost ") && line.ends_with(&row)), "{}", out(&last));
    let next = format!("a/{}", attempt + 1);
    assert_eq!(get(&store, &next).state, "Completed");
    assert_eq!(whole(&store, &next, "stdout"), format!("out {}\ndone\n", attempt + 1));
}

#[test]
fn output_that_finds_no_room_fails_its_attempt_alone_and_ends_its_child() {
    let folder = tempfile::tempdir().unwrap();
    let script = "test $ATTEMPT = 1 || exit 0; yes >&2 & yes; sleep 300";
    let jobs = json!([{"id": "big", "program": "sh", "args": sh(script), "timeout_ms": 200_000}]);
    fs::write(folder.path().join("jobs.json"), jobs.to_string()).unwrap();
    // No file may become larger than a store that has kept some output, and the signal for that is ignored.
    let limited = "trap '' XFSZ; exec prlimit --fsize=7348224 \"$0\" --jobs jobs.json";
    let mut command = Command::new("sh");
    command.current_dir(folder.path()).args(["-c", limited]).arg(node()).stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(100), "it waited for the child: {:?}", began.elapsed());
    let reason = "node: big/1: what the child did cannot be stored: ";
    assert!(err(&output).starts_with(reason), "{}", err(&output));
    assert!(err(&output).contains("the disk has no room for this"), "{}", err(&output));
    // That the attempt has failed may find room still, or not: then the next start finds it lost.
    match output.status.code() {
        Some(0) => {}
        code => {
            assert_eq!(code, Some(1), "{}", err(&output));
            let after = run(folder.path(), &["--jobs", "jobs.json"]);
            assert_eq!(after.status.code(), Some(0), "{}", err(&after));
            assert!(out(&after).contains("lost big/1: it was Running "), "{}", out(&after));
            let store = Store::open(folder.path().join("node.redb")).unwrap();
            assert_eq!(get(&store, "big/2").state, "Completed");
        }
    }
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    assert_clean(&store);
    assert!(get(&store, "big/1").state.is_terminal());
    let (bytes, _) = stream(&store, "big/1", "stdout");
    assert!(bytes.is_empty() || bytes.starts_with(b"y\ny\n"));
    let started = events(&store, "big/1").into_iter().find(|event| event.topic == "started").unwrap();
    let pid = started.details.parse::<Value>().unwrap()["pid"].to_string();
    // It is killed before the node goes on, and gone a moment later.
    thread::sleep(Duration::from_millis(200));
    let alive = Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap().success();
    assert!(!alive, "the child {pid} is still there");
}

#[test]
fn a_grandchild_does_not_hold_the_node_up() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    run_jobs(
        folder.path(),
        &json!([
            {"id": "leaves", "program": "sh", "args": sh("sleep 15 & echo done")},
            {"id": "writes", "program": "sh", "args": sh("yes 2>/dev/null & echo done >&2")},
            {"id": "silent", "program": "sh", "args": sh("exec >&- 2>&-; sleep 0.2; exit 7")},
            {"id": "slow", "program": "sh", "args": sh("sleep 15; true"), "timeout_ms": 200},
        ]),
    );
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let store = Store::open(folder.path().join("node.redb")).unwrap();
    let leaves = get(&store, "leaves/1");
    assert_eq!(leaves.state, "Completed");
    let expected = json!({"length": 5, "tail": "done\n", "still_open": true});
    assert_eq!(result(&leaves)["outputs"]["stdout"], expected);
    let writes = result(&get(&store, "writes/1"));
    assert_eq!(writes["outputs"]["stdout"]["still_open"], true);
    assert_eq!(writes["outputs"]["stderr"], json!({"length": 5, "tail": "done\n"}));
    assert_eq!(result(&get(&store, "silent/1"))["exit_code"], 7);
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
