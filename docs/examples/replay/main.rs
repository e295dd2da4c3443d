//! Replays recorded executions: Temporal and Cadence histories, WfFormat instances, Rumen job traces, Seqera dumps of
//! Nextflow runs, Cromwell metadata, Pegasus and Spark event logs, and lists of odd strings.
//!
//! ```text
//! cargo run --release --example replay -- [--store FILE] PATH...
//! ```
//!
//! Writes everything through the public API, closes the store, opens it again, reads the files once more,
//! and compares: each execution, the indexes, the log, and every walk along parents, children and attempts.
//! Ends with 0 if nothing differs and every file that was named could be read. Lists of odd strings are `*.txt`
//! files that are named, or in a folder `strings`. Without `--store` the store is temporary.

mod again;
mod cadence;
mod compare;
mod cromwell;
mod exact;
mod files;
mod forest;
mod history;
mod indexes;
mod joins;
mod lineage;
mod log;
mod members;
mod pairs;
mod pegasus;
mod plan;
mod record;
mod report;
mod retries;
mod rumen;
mod running;
mod seqera;
mod spans;
mod spark;
mod states;
mod strings;
mod temporal;
mod wfformat;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use execstore::{ChangeSeq, ReadTxn, Store};

use files::{Found, Kind};
use plan::Plan;
use record::Record;

fn main() -> ExitCode {
    let (store, paths) = match arguments() {
        Ok(arguments) => arguments,
        Err(reason) => {
            eprintln!("{reason}\nusage: replay [--store FILE] PATH...");
            return ExitCode::from(2);
        }
    };
    match run(store, &paths) {
        Ok((text, good)) => {
            // A reader that went away is no reason to panic.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(Option<PathBuf>, Vec<PathBuf>), String> {
    let (mut store, mut paths) = (None, Vec::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--store" {
            store = Some(arguments.next().ok_or("--store needs a file")?.into());
        } else if argument.to_string_lossy().starts_with("--") {
            return Err(format!("unknown option {}", argument.to_string_lossy()));
        } else {
            paths.push(argument.into());
        }
    }
    if paths.is_empty() {
        return Err("no paths".into());
    }
    Ok((store, paths))
}

/// Does it all. Returns what to print, and whether all is well.
fn run(store: Option<PathBuf>, paths: &[PathBuf]) -> Result<(String, bool), Box<dyn Error>> {
    let (found, failed) = files::find(paths);
    let mut plan = Plan::read(&found);
    plan.unreadable.extend(failed.into_iter().map(|(path, reason)| {
        let named = paths.contains(&path);
        (Found { path, named }, reason)
    }));

    let folder = tempfile::tempdir()?;
    let path = store.unwrap_or_else(|| folder.path().join("replay.redb"));
    let (mut mismatches, times) = fill(&path, &plan)?;

    let store = Store::open(&path)?;
    // The comparison goes by the files as they are, not by what the writing had in memory.
    let (reader, again) = (store.begin_read()?, Plan::read(&found));
    mismatches.extend(check(&reader, &again)?);
    let walks = lineage::check(&reader, &again)?;
    let joins = joins::check(&reader, again.of(Kind::WfFormat))?;
    mismatches.extend(walks.wrong.iter().chain(&joins.wrong).cloned());
    let verified = store.verify()?;
    mismatches.extend(verified.problems.iter().map(ToString::to_string));

    let mut out = String::new();
    report::table(&plan, &times, &mut out)?;
    report::links(&plan, &mut out)?;
    report::walks(&walks, &joins, &mut out)?;
    report::left_out(&plan, &mut out)?;
    report::verdict(&verified, &mismatches, &mut out)?;
    let named = plan.unreadable.iter().any(|(file, _)| file.named);
    Ok((out, mismatches.is_empty() && !named))
}

type Times = HashMap<Kind, std::time::Duration>;

/// Writes a plan to a new store, kind by kind, and closes it.
fn fill(path: &Path, plan: &Plan) -> Result<(Vec<String>, Times), Box<dyn Error>> {
    let store = Store::builder().set_lifecycle(states::lifecycle()?).create_new(path)?;
    let (mut mismatches, mut times) = (Vec::new(), Times::new());
    for kind in Kind::ALL {
        let begun = Instant::now();
        mismatches.extend(write::write(&store, &write::operations(plan.of(kind)))?);
        times.insert(kind, begun.elapsed());
    }
    Ok((mismatches, times))
}

/// Compares everything in the store with a plan.
fn check(reader: &ReadTxn, plan: &Plan) -> Result<Vec<String>, Box<dyn Error>> {
    let mut wrong = Vec::new();
    let records: Vec<&Record> = plan.all().flat_map(report::written).collect();
    for record in &records {
        wrong.extend(compare::differences(reader, record)?);
    }
    let cases = plan.all().flat_map(|source| &source.cases);
    let marks = cases.filter(|case| case.is_checkpoint() && case.refusal.is_none());
    let marks: BTreeMap<String, ChangeSeq> = marks.map(|case| (case.text.clone(), case.nth.into())).collect();
    wrong.extend(indexes::check(reader, &records, &marks)?);
    let ops: Vec<_> = Kind::ALL.into_iter().flat_map(|kind| write::operations(plan.of(kind))).collect();
    wrong.extend(log::check(reader, &ops)?);
    for (kind, sources) in &plan.sources {
        for source in sources {
            let found = match kind {
                Kind::Temporal | Kind::Cadence => exact::history(reader, source),
                Kind::WfFormat => exact::instance(reader, source),
                Kind::Strings => Ok(Vec::new()),
                _ => exact::objects(reader, *kind, source),
            };
            wrong.extend(found.unwrap_or_else(|error| vec![format!("{}: {error}", source.path.display())]));
        }
    }
    Ok(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two comparisons, each with a file that has changed since it was written to the store.
    #[test]
    fn a_file_that_differs_from_the_store_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.json");
        let text = r#"{"events":[
            {"eventId":"1","eventTime":"2020-01-01T00:00:00Z","eventType":"WorkflowExecutionStarted"},
            {"eventId":"2","eventTime":"2020-01-01T00:00:00.5Z","eventType":"TimerFired","n":1.0}]}"#;
        std::fs::write(&file, text).unwrap();
        let (found, _) = files::find(&[folder.path().to_owned()]);
        let plan = Plan::read(&found);
        let path = folder.path().join("store.redb");
        assert_eq!(fill(&path, &plan).unwrap().0, Vec::<String>::new());
        let store = Store::open(&path).unwrap();
        let reader = store.begin_read().unwrap();
        assert_eq!(check(&reader, &Plan::read(&found)).unwrap(), Vec::<String>::new());
        for (old, new) in [
            ("00.5Z", "00.500000001Z"),
            ("1.0", "1.00"),
            ("TimerFired", "TimerStarted"),
            ("TimerFired", "WorkflowExecutionFailed"),
            ("\"2\"", "\"0\""),
        ] {
            std::fs::write(&file, text.replace(old, new)).unwrap();
            assert!(!check(&reader, &Plan::read(&found)).unwrap().is_empty(), "{new}");
            // With the plan as it was, only the second comparison can see it.
            assert!(!check(&reader, &plan).unwrap().is_empty(), "{new}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(!check(&reader, &Plan::read(&found)).unwrap().is_empty());
    }
}
