//! Runs the `replay` example over the recorded executions, if they are there, and over small odd ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::SystemTime;

// Cargo runs no unit tests of an example: those of this one run here, the ones that show that the comparison
// can fail among them.
#[allow(dead_code)]
#[path = "../../docs/examples/replay/main.rs"]
mod replay;

/// The built example, beside the folder of this test.
fn example() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let path = profile.join("examples").join(format!("replay{}", std::env::consts::EXE_SUFFIX));
        // `cargo test` builds it, `cargo test --test` and `--all-targets` do not.
        let built = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let written = newest(&root.join("docs/examples/replay")).max(newest(&root.join("src")));
        if built.is_none_or(|built| built < written) {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--example", "replay", "--target-dir"]);
            cargo.arg(profile.parent().unwrap()).current_dir(root);
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success());
        }
        path
    })
}

fn newest(path: &Path) -> SystemTime {
    let mut time = fs::metadata(path).unwrap().modified().unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            time = time.max(newest(&entry.unwrap().path()));
        }
    }
    time
}

fn run<P: AsRef<Path>>(arguments: impl IntoIterator<Item = P>) -> Output {
    let arguments = arguments.into_iter().map(|path| path.as_ref().to_owned());
    Command::new(example()).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    out + &String::from_utf8_lossy(&output.stderr)
}

/// Files, executions and events of a line of the table.
fn counts(text: &str, kind: &str) -> [usize; 3] {
    let line = text.lines().find(|line| line.starts_with(kind)).expect(text);
    let mut numbers = line.split_whitespace().skip(1).map(|word| word.parse().unwrap());
    [(); 3].map(|()| numbers.next().unwrap())
}

fn files(folder: &Path, end: &str) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| match path.is_dir() {
            true => files(&path, end),
            false => usize::from(path.to_str().unwrap().ends_with(end)),
        })
        .sum()
}

support::over_recorded_executions!(every_recorded_execution_goes_in_and_comes_back => compares_all);

fn compares_all() {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/traces");
    let output = run([&traces]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.lines().any(|line| line == "mismatches 0"), "{text}");
    assert!(text.lines().any(|line| line == "unreadable 0"), "{text}");
    for (kind, folder, end) in [
        ("temporal", "temporal", ".json"),
        ("cadence", "cadence", ".json"),
        ("wfformat", "wfformat", ".json"),
        ("rumen", "rumen", ".json"),
        ("seqera", "nextflow-seqera", "workflow-tasks.json"),
        ("cromwell", "cromwell", ".json"),
        ("pegasus", "pegasus", ".bp"),
        ("spark", "spark", "eventlog"),
        ("strings", "strings", ".txt"),
    ] {
        let named = files(&traces.join(folder), end) + files(&traces.join(folder), "/workflow.json");
        assert_eq!(counts(&text, kind)[0], named, "{kind}: {text}");
    }
    // What `SOURCES.md` there says: chains of runs, jobs with tasks and attempts, steps between tasks.
    assert_eq!(counts(&text, "rumen"), [2, 4 + 210 + 283 + 5 + 746 + 893, 4289], "{text}");
    assert_eq!(counts(&text, "cromwell")[1], 1 + 52, "{text}");
    assert_eq!(counts(&text, "seqera")[1], 2 + 268 + 278, "{text}");
    assert_eq!(counts(&text, "pegasus")[1], 2 + (39 + 39 + 436) + (14 + 14 + 26), "{text}");
    assert_eq!(counts(&text, "spark")[1], 2 * (1 + 5 + 5 + 107), "{text}");
    for line in [
        "temporal 1 of 19, 1 of 14;",
        "rumen 1 of 5, 9 of 3, 198 of 2;",
        "seqera 4 of 3, 17 of 2;",
        "rumen 9 with 897 at most, 2 deep;",
        "cromwell 1 with 53 at most, 1 deep;",
        "pegasus 2 with 515 at most, 3 deep;",
        "spark 2 with 118 at most, 3 deep;",
        "steps from task to task: 3551, of which 0 ",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

const STARTED: &str = r#"{"eventId": "1", "eventTime": "2020-01-01T00:00:00.5Z", "eventType": "WorkflowExecutionStarted",
    "workflowExecutionStartedEventAttributes": {"workflowType": {"name": "w"}, "workflowId": "job",
    "originalExecutionRunId": "run-1", "continuedExecutionRunId": "run-0",
    "parentWorkflowExecution": {"workflowId": "p", "runId": "run-p"}, "attempt": 1.0e0}}"#;
const EARLIER: &str = r#"{"eventId": "2","eventTime":"2020-01-01T00:00:00.123456789Z","eventType":"Odd", "n": 1e400, "n": "\u003d"}"#;
const ENDED: &str = r#"{"eventId": 3, "eventTime": "2019-12-31T23:59:59Z", "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT"}"#;

const WFFORMAT: &str = r#"{"name": "flow", "schemaVersion": "1.5", "workflow": {
    "specification": {"tasks": [
        {"id": "c", "name": "join", "parents": ["a", "b"], "children": []},
        {"id": "a", "name": "task", "parents": [], "children": ["c"]},
        {"id": " b\n", "name": "no id", "parents": ["a"], "children": []},
        {"id": "b", "name": "task", "parents": ["a"], "children": ["c"]}]},
    "execution": {"executedAt": "05-10-23T16:23:32Z", "tasks": [
        {"id": "c", "runtimeInSeconds": 1.50, "machines": ["m"]}, {"id": "a", "runtimeInSeconds": 0}]}}}"#;

#[test]
fn odd_files_are_kept_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("odd");
    write(&odd, "a.json", &format!("{{\"events\": [{STARTED}, {EARLIER}, {ENDED}]}}"));
    // The same run, newest first, and once more as Cadence wrote it, without an end.
    write(
        &odd,
        "b.json",
        &format!("{{\"history\":{{\"events\":[{ENDED},{EARLIER},{STARTED}]}},\"more\":[1, 2]}}"),
    );
    write(
        &odd,
        "c.json",
        r#"[{"eventId": 1, "timestamp": 1600000000000000001, "eventType": "WorkflowExecutionStarted",
            "workflowExecutionStartedEventAttributes": {"originalExecutionRunId": "run-1"}},
           {"eventId": 2, "timestamp": 1599999999999999999, "eventType": "DecisionTaskScheduled"}]"#,
    );
    write(&odd, "flow.json", WFFORMAT);
    write(&odd, "strings/s.txt", "# a comment\n\n x\ny\u{7}\n\u{202e}é\nq\"\\\n");
    write(&odd, "cut.json", &format!("{{\"events\": [{STARTED}, {{\"eventI"));
    write(&odd, "twice.json", &format!("{{\"events\": [{STARTED}, {STARTED}]}}"));
    write(&odd, "other.json", r#"{"events": [{"id": 1, "timestamp": "t"}]}"#);
    write(&odd, "digest.json", r#"{"id": "w", "workflowName": "w", "calls": {"c.0": {"attempt": 1}}}"#);
    write(&odd, "jobs.json", r#"{"jobID": "j", "mapTasks": []} {"jobID": "k", "mapTasks": [{"taskID": "#);
    write(
        &odd,
        "calls.json",
        r#"{"id": "w", "workflowName": "w", "calls": {"c": [{"executionStatus": "Done"}"#,
    );
    write(&odd, "self.json", r#"{"id": "w", "parentWorkflowId": "w", "workflowName": "w", "calls": {}}"#);
    write(&odd, "workflow-tasks.json", r#"[{"taskId": 7, "hash": "h", "attempt": 1, "submit": "noon"}]"#);
    write(&odd, "log", "{\"Event\": \"SparkListenerApplicationStart\", \"App ID\": \"a\"}\n{\"Event\"\n");
    write(&odd, "x.bp", "ts=1 event=stampede.wf.plan level=Info\n");
    write(&odd, "notes.txt", "not in a folder of strings");
    fs::write(odd.join("bytes.bin"), [0xff, 0]).unwrap();

    let kept = folder.path().join("kept.redb");
    let output = run([Path::new("--store"), &kept, &odd]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(counts(&text, "temporal"), [2, 2, 6], "{text}");
    assert_eq!(counts(&text, "cadence"), [1, 1, 2], "{text}");
    assert_eq!(counts(&text, "wfformat"), [1, 4, 2], "{text}");
    for line in [
        "mismatches 0",
        "unreadable 8",
        "skipped 4",
        "jobs.json: rumen: job 2: EOF",
        "calls.json: cromwell: EOF",
        "self.json: cromwell: w has a link to itself",
        "workflow-tasks.json: seqera: task 1: submit is \"noon\", not a time",
        "log: spark: line 2: EOF",
        "x.bp: pegasus: line 1: it has no xwf.id",
        "cut.json: temporal: EOF",
        "twice.json: temporal: the event id 1 occurs twice",
        "other.json: not one of the kinds",
        "executions that another file has too: 2,",
        "strings: 4 different ones in 60 places, of which the limits refuse 8",
        "chains of attempts: temporal 1 of 2; strings 2 of 2",
        "trees: wfformat 2 with 3 at most, 1 deep; strings 4 with 2 at most, 1 deep",
        "steps from task to task: 4, of which 2 are named on one side only and 0 have no label",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    in_the_store(&kept);
}

/// What the example left behind, looked at from here.
fn in_the_store(path: &Path) {
    use execstore::{Readable, Store};
    let store = Store::open(path).unwrap();
    let reader = store.begin_read().unwrap();
    let get = |id| reader.get(id).unwrap().unwrap();
    for id in ["run-1", "run-1~2"] {
        let run = get(id);
        assert_eq!((run.state.as_str(), run.revision.get()), ("TimedOut", 3));
        assert_eq!(run.job_id, "job");
        assert_eq!(run.previous.as_ref().unwrap(), &"run-0");
        assert_eq!(run.parent.as_ref().unwrap(), &"run-p");
        let events: Vec<_> = reader.events(id, ..).unwrap().map(Result::unwrap).collect();
        let details: Vec<_> = events.iter().map(|event| event.details.as_str()).collect();
        assert_eq!(details, [STARTED, EARLIER, ENDED]);
        let times = events.iter().map(|event| event.time.to_string());
        let expected = [
            "2020-01-01T00:00:00.500000000Z",
            "2020-01-01T00:00:00.123456789Z",
            "2019-12-31T23:59:59.000000000Z",
        ];
        assert_eq!(times.collect::<Vec<_>>(), expected);
    }
    let open = get("run-1~3");
    assert_eq!((open.state.as_str(), open.namespace.as_str()), ("Running", "cadence"));
    let first = reader.events("run-1~3", ..).unwrap().next().unwrap().unwrap();
    assert_eq!(first.time.as_nanos(), 1_600_000_000_000_000_001);

    let join = get("flow/c");
    assert_eq!((join.state.as_str(), join.job_id.as_str()), ("Completed", "flow/flow"));
    assert_eq!(join.labels["parent/1"], "flow/b");
    assert_eq!(get("flow/b").parent.as_ref().unwrap(), &"flow/a");
    assert_eq!(get("flow/b").state, "Scheduled");
    assert_eq!(get("flow/#3").name.as_deref(), Some("no id"));
    let runtime = reader.events("flow/c", ..).unwrap().next().unwrap().unwrap();
    assert_eq!(runtime.details.as_str(), r#"{"runtimeInSeconds":1.50}"#);
    assert_eq!(runtime.time.to_string(), "2023-05-10T16:23:32.000000000Z");
    assert_eq!(get("string/4/Message").message.as_deref(), Some("q\"\\"));
}

#[test]
fn a_named_file_that_cannot_be_read_ends_with_1_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "good.json", &format!("{{\"events\": [{STARTED}]}}"));
    let other = write(folder.path(), "other.json", "{}");
    let absent = folder.path().join("absent.json");
    for (bad, reason) in [(&other, "not one of the kinds"), (&absent, "No such file")] {
        let output = run([bad, &good]);
        let text = text(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("mismatches 0"), "{text}");
        assert!(text.contains(reason) || cfg!(windows), "{text}");
        assert_eq!(counts(&text, "temporal"), [1, 1, 1], "{text}");
    }
    assert!(run([&good]).status.success());
    assert_eq!(run(std::iter::empty::<&Path>()).status.code(), Some(2));
}
