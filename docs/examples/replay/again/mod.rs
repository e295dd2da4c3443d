//! Reads the files a second time, in another way, for what they tell of each execution: its links, and its object.
//!
//! It shares no code with what reads them first, and takes nothing from there but the ids that the executions got.

mod cromwell;
mod history;
mod pegasus;
mod rumen;
mod seqera;
mod spark;
mod strings;
pub mod wfformat;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fs;

use serde_json::Value;

use super::files::Kind;
use super::plan::Source;

/// What a file tells of an execution. The ids are those of the file, until they are exchanged for those that the
/// executions got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    pub id: String,
    pub parent: Option<String>,
    pub previous: Option<String>,
    /// Its object without what lies below it, if that is to be its payload.
    pub object: Option<Value>,
}

/// Reads files in the order of the plan.
#[derive(Default)]
pub struct Again {
    strings: BTreeSet<String>,
}

impl Again {
    /// What a file tells of its executions, in the order in which they were written.
    pub fn read(&mut self, kind: Kind, source: &Source) -> Result<Vec<Told>, Box<dyn Error>> {
        let text = fs::read_to_string(&source.path)?;
        let told = match kind {
            Kind::Strings => return Ok(strings::read(&text, &mut self.strings)),
            Kind::Temporal | Kind::Cadence => history::read(&text, &source.path)?,
            Kind::WfFormat => wfformat::read(&text)?,
            Kind::Rumen => rumen::read(&text)?,
            Kind::Seqera => seqera::read(&text, &source.path)?,
            Kind::Cromwell => cromwell::read(&text)?,
            Kind::Pegasus => pegasus::read(&text)?,
            Kind::Spark => spark::read(&text)?,
        };
        Ok(with_ids(told, source)?)
    }
}

/// Puts the ids that the executions got in place of those of the file.
fn with_ids(mut told: Vec<Told>, source: &Source) -> Result<Vec<Told>, String> {
    if told.len() != source.records.len() {
        return Err(format!("it tells of {} executions, not of {}", told.len(), source.records.len()));
    }
    let mut ids = HashMap::with_capacity(told.len());
    for (told, record) in told.iter().zip(&source.records) {
        if !is_id(&record.id, &told.id) {
            return Err(format!("{} is not what the file calls {}", record.id, told.id));
        }
        ids.insert(told.id.clone(), record.id.clone());
    }
    for told in &mut told {
        let links = [Some(&mut told.id), told.parent.as_mut(), told.previous.as_mut()];
        for link in links.into_iter().flatten() {
            if let Some(id) = ids.get(link) {
                link.clone_from(id);
            }
        }
    }
    Ok(told)
}

/// An execution's id is that of the file, with an instance before it or a variant behind it, or a number where
/// that makes no id.
fn is_id(id: &str, of_file: &str) -> bool {
    let variant = id.strip_prefix(of_file).is_some_and(|rest| rest.is_empty() || rest.starts_with('~'));
    let instance = id.strip_suffix(of_file).is_some_and(|rest| rest.ends_with('/'));
    variant || instance || id.contains("/#")
}

/// A text that is not empty, or a number, as a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lineage::{self, Trees};
    use super::super::{check, files, fill};
    use super::{super::plan::Plan, Kind};
    use execstore::Store;

    /// What the recorded files have little of: the same job twice, retries between which there is a choice, workflows
    /// within workflows, stages and tries that are repeated.
    const FILES: [(&str, &str); 7] = [
        (
            "a.json",
            r#"{"jobID": "j", "mapTasks": [{"taskID": "t", "attempts": [
                {"attemptID": "a1"}, {"attemptID": "a2"}, {"attemptID": "a0", "result": "SUCCESS"}]}]}
               {"jobID": "k", "mapTasks": [], "otherTasks": [{"taskID": "u"}]}"#,
        ),
        ("b.json", r#"{"jobID":"j","mapTasks":[{"taskID":"t","attempts":[{"attemptID":"a0"},{"attemptID":"a3"}]}]}"#),
        (
            "run/workflow-tasks.json",
            r#"[{"taskId": 1, "hash": "h", "name": "n", "attempt": 1, "cpus": 2, "script": "a -t 2 -r 1", "status": "FAILED"},
                {"taskId": 2, "hash": "h", "name": "n", "attempt": 1, "cpus": 2, "script": "a -t 2 -r 1", "status": "COMPLETED"},
                {"taskId": 3, "hash": "h", "name": "n", "attempt": 2, "cpus": 4, "script": "a -t 4 -r 1"},
                {"taskId": 5, "hash": "h", "name": "n", "attempt": 1, "cpus": 2, "script": "a -t 2 -r 3"},
                {"taskId": 6, "hash": "h", "name": "n", "attempt": 1, "cpus": 2, "script": "a -t 2 -r 3"},
                {"taskId": 7, "hash": "h", "name": "n", "attempt": 2, "cpus": 4, "script": "a -t 4 -r 3"}]"#,
        ),
        (
            "flow.json",
            r#"{"id": "w", "workflowName": "W", "parentWorkflowId": "above", "calls": {
                "W.b": [{"shardIndex": 1, "attempt": 1}, {"shardIndex": 0, "attempt": 2}, {"shardIndex": 0, "attempt": 1}],
                "W.a": [{"subWorkflowMetadata": {"id": "s", "calls": {"S.c": [{"subWorkflowMetadata": null}]}}}]}}"#,
        ),
        (
            "log",
            r#"{"Event":"SparkListenerApplicationStart","App ID":"app","App Attempt ID":"3"}
{"Event":"SparkListenerJobStart","Job ID":0,"Stage IDs":[1]}
{"Event":"SparkListenerJobStart","Job ID":1,"Stage IDs":[1]}
{"Event":"SparkListenerStageSubmitted","Stage Info":{"Stage ID":1,"Stage Attempt ID":0}}
{"Event":"SparkListenerTaskStart","Stage ID":1,"Stage Attempt ID":0,"Task Info":{"Task ID":0,"Index":0,"Attempt":0}}
{"Event":"SparkListenerTaskStart","Stage ID":1,"Stage Attempt ID":0,"Task Info":{"Task ID":1,"Index":0,"Attempt":1}}
{"Event":"SparkListenerStageSubmitted","Stage Info":{"Stage ID":1,"Stage Attempt ID":1}}
{"Event":"SparkListenerTaskStart","Stage ID":1,"Stage Attempt ID":1,"Task Info":{"Task ID":2,"Index":0,"Attempt":1}}
{"Event":"SparkLis"#,
        ),
        (
            "x.bp",
            "ts=2012-03-13T12:35:36Z event=stampede.wf.plan xwf.id=p parent.xwf.id=above argv=\" x.id=7 \\\" xwf.id=8\"
ts=2012-03-13T12:35:36Z event=stampede.job.info xwf.id=p job.id=j
ts=2012-03-13T12:35:36Z event=stampede.job_inst.submit.start xwf.id=p job.id=j job_inst.id=1
ts=2012-03-13T12:35:36Z event=stampede.job_inst.submit.start xwf.id=p job.id=j job_inst.id=2\n",
        ),
        ("strings/s.txt", "string/9/Id\na b\n"),
    ];

    /// How many chains of which lengths; how many roots, the largest tree and the deepest.
    type Counts = (Kind, &'static [(usize, usize)], [usize; 3]);

    /// The files, what is to be written of them, and a store with that.
    fn written() -> (tempfile::TempDir, Plan, Store) {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("odd");
        for (name, text) in FILES {
            std::fs::create_dir_all(odd.join(name).parent().unwrap()).unwrap();
            std::fs::write(odd.join(name), text).unwrap();
        }
        let (found, _) = files::find(&[odd]);
        let plan = Plan::read(&found);
        assert!(plan.unreadable.is_empty() && plan.skipped.is_empty(), "{plan:?}");
        let path = folder.path().join("store.redb");
        assert_eq!(fill(&path, &plan).unwrap().0, Vec::<String>::new());
        let store = Store::open(&path).unwrap();
        (folder, plan, store)
    }

    #[test]
    fn both_readings_agree_on_odd_files() {
        let (_folder, plan, store) = written();
        let reader = store.begin_read().unwrap();
        assert_eq!(check(&reader, &plan).unwrap(), Vec::<String>::new());
        let walks = lineage::check(&reader, &plan).unwrap();
        assert_eq!(walks.wrong, Vec::<String>::new());
        let expected: [Counts; 5] = [
            (Kind::Rumen, &[(3, 1), (2, 1)], [3, 5, 2]),
            (Kind::Seqera, &[(2, 1)], [1, 7, 1]),
            (Kind::Cromwell, &[(2, 1)], [1, 7, 3]),
            (Kind::Pegasus, &[(2, 1)], [1, 4, 2]),
            (Kind::Spark, &[(2, 2)], [1, 8, 3]),
        ];
        for (kind, chains, [roots, largest, deepest]) in expected {
            assert_eq!(walks.chains.get(&kind), Some(&chains.iter().copied().collect()), "{kind}");
            assert_eq!(walks.trees.get(&kind), Some(&Trees { roots, largest, deepest }), "{kind}");
        }
    }

    /// The plan stays as it was, so that the second reading alone can see it.
    #[test]
    fn a_link_that_the_file_tells_otherwise_is_reported() {
        let (folder, plan, store) = written();
        let reader = store.begin_read().unwrap();
        for (name, old, new, reason) in [
            ("run/workflow-tasks.json", "-t 4 -r 1", "-t 4 -r 2", "run/3: attempts"),
            ("run/workflow-tasks.json", "COMPLETED", "FAILED", "run/1: retries"),
            ("flow.json", "above", "beyond", "w: trace"),
            ("flow.json", "\"attempt\": 2", "\"attempt\": 3", "w/W.b/0/2 is not what the file calls"),
            ("log", "\"Attempt\":1", "\"Attempt\":2", "app/3/task/1: attempts"),
            ("log", "0,\"Stage IDs\":[1]", "0,\"Stage IDs\":[2]", "app/3/stage/1.0: trace"),
            (
                "log",
                "\"App Attempt ID\":\"3\"",
                "\"App Attempt ID\":\"2\"",
                "app/3 is not what the file calls",
            ),
            ("x.bp", "=above", "=beyond", "p: trace"),
            ("a.json", "\"taskID\": \"u\"", "\"taskID\": \"v\"", "u is not what the file calls"),
            (
                "a.json",
                "\"attemptID\": \"a2\"}",
                "\"attemptID\": \"a2\"}, {}",
                "it tells of 8 executions, not of 7",
            ),
            ("strings/s.txt", "a b", "a c", "a c: trace"),
        ] {
            let path = folder.path().join("odd").join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace(old, new)).unwrap();
            let wrong = lineage::check(&reader, &plan).unwrap().wrong;
            assert!(wrong.iter().any(|line| line.contains(reason)), "{name}: {new}: {wrong:#?}");
            std::fs::write(&path, text).unwrap();
        }
        assert!(lineage::check(&reader, &plan).unwrap().wrong.is_empty());
    }
}
