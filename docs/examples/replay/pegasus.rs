//! Pegasus's Stampede events, a line for each: workflows, their jobs, the instances of these, and invocations.
//!
//! - Ids: a workflow's own, then `workflow/job`, `workflow/job/instance`, `workflow/job/instance/invocation`; what
//!   makes no valid execution id is replaced by `workflow/#` and the line. The job is the root workflow.
//! - An instance is one try at its job: `previous` is the try that the file has before it.
//! - Events are the beginnings and ends of a workflow, of an invocation, and of an instance's submission, main part
//!   and post script. The last end of an instance decides over its state, and over that of its job.
//! - The payload is the line that begins it, the details of an event are its line: objects of texts, as they are
//!   between the quotes.
//! - Tasks and edges, which tell of the plan and not of the run, are left out.

use std::collections::HashMap;

use execstore::{ExecutionId, Json, limits};

use super::pairs::{Pairs, split};
use super::record::{Event, Record, within};
use super::running::Begun;
use super::states::{COMPLETED, FAILED, RUNNING};
use super::temporal;

/// What names a job: its workflow and its id; what names an instance has a third part, an invocation a fourth.
type Name<'a> = Vec<&'a str>;

const PARTS: [&str; 4] = ["xwf.id", "job.id", "job_inst.id", "inv.id"];

/// What the file has told so far.
#[derive(Default)]
struct Log<'a> {
    begun: Begun,
    /// The root of each workflow.
    roots: HashMap<&'a str, &'a str>,
    ids: HashMap<Name<'a>, String>,
    /// The last instance of each job.
    instances: HashMap<Name<'a>, Name<'a>>,
    /// The line of the last end of each job and of each instance.
    ends: HashMap<Name<'a>, usize>,
}

/// Reads a file.
pub fn read(text: &str) -> Result<Vec<Record>, String> {
    let mut lines = Vec::new();
    for (line, nth) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        lines.push((split(line).ok_or_else(|| format!("line {nth}: it is not key=value"))?, nth));
    }
    let mut log = Log::default();
    for (line, nth) in &lines {
        if event_of(line) == "job_inst.submit.start" {
            // The job goes on.
            log.ends.remove(&name(line, 2).unwrap_or_default());
        }
        for parts in [2, 3].into_iter().filter(|_| is_end(line)) {
            log.ends.extend(name(line, parts).ok().map(|name| (name, *nth)));
        }
    }
    for (line, nth) in &lines {
        log.line(line, *nth).map_err(|reason| format!("line {nth}: {reason}"))?;
    }
    Ok(log.begun.into_records())
}

fn value<'a>(line: &Pairs<'a>, key: &str) -> Result<&'a str, String> {
    line.get(key).copied().ok_or_else(|| format!("it has no {key}"))
}

fn name<'a>(line: &Pairs<'a>, parts: usize) -> Result<Name<'a>, String> {
    PARTS.iter().take(parts).map(|part| value(line, part)).collect()
}

fn event_of<'a>(line: &Pairs<'a>) -> &'a str {
    line.get("event").and_then(|event| event.strip_prefix("stampede.")).unwrap_or_default()
}

fn outcome(line: &Pairs<'_>, key: &str) -> &'static str {
    if line.get(key) == Some(&"0") { COMPLETED } else { FAILED }
}

/// An end of an instance: nothing follows a submission that failed.
fn is_end(line: &Pairs<'_>) -> bool {
    let event = event_of(line);
    let failed = || outcome(line, "status") == FAILED;
    matches!(event, "job_inst.main.end" | "job_inst.post.end") || event == "job_inst.submit.end" && failed()
}

impl<'a> Log<'a> {
    fn line(&mut self, line: &Pairs<'a>, nth: usize) -> Result<(), String> {
        match event_of(line) {
            "wf.plan" => {
                let (workflow, above) = (value(line, "xwf.id")?, line.get("parent.xwf.id"));
                self.roots.insert(workflow, line.get("root.xwf.id").unwrap_or(&workflow));
                self.begin(line, nth, vec![workflow], above.map(|above| (*above).into()), None)
            }
            "xwf.start" => self.change(line, 1, Some(RUNNING)),
            "xwf.end" => self.change(line, 1, Some(outcome(line, "status"))),
            "job.info" => self.begin(line, nth, name(line, 2)?, self.id(line, 1)?, None),
            "job_inst.submit.start" => {
                let (job, instance) = (name(line, 2)?, name(line, 3)?);
                let previous = self.instances.insert(job, instance.clone());
                let previous = previous.and_then(|name| self.ids.get(&name).cloned());
                self.begin(line, nth, instance, self.id(line, 2)?, previous)?;
                self.change(line, 3, None)?;
                self.change(line, 2, Some(RUNNING))
            }
            "job_inst.main.start" => self.change(line, 3, Some(RUNNING)),
            "job_inst.submit.end" | "job_inst.main.end" | "job_inst.post.start" | "job_inst.post.end" => {
                let outcome = outcome(line, "status");
                let last = |parts| name(line, parts).map(|name| self.ends.get(&name) == Some(&nth));
                let (of_instance, of_job) = (last(3)?, last(2)?);
                self.change(line, 3, of_instance.then_some(outcome))?;
                if of_job { self.change(line, 2, Some(outcome)) } else { Ok(()) }
            }
            "inv.start" => {
                self.begin(line, nth, name(line, 4)?, self.id(line, 3)?, None)?;
                self.change(line, 4, Some(RUNNING))
            }
            "inv.end" => self.change(line, 4, Some(outcome(line, "exitcode"))),
            _ => Ok(()),
        }
    }

    /// The id of what has begun under this name.
    fn id(&self, line: &Pairs<'a>, parts: usize) -> Result<Option<String>, String> {
        let name = name(line, parts)?;
        let id = self.ids.get(&name).cloned();
        id.map(Some).ok_or_else(|| format!("{} has not begun", name.join("/")))
    }

    fn begin(
        &mut self,
        line: &Pairs<'a>,
        nth: usize,
        name: Name<'a>,
        parent: Option<String>,
        previous: Option<String>,
    ) -> Result<(), String> {
        let workflow = value(line, "xwf.id")?;
        let id = ExecutionId::new(name.join("/")).map_or_else(|_| format!("{workflow}/#{nth}"), String::from);
        let root = self.roots.get(workflow).ok_or("its workflow is not planned")?;
        let about = ["dax.label", "transformation", "type_desc"].iter().find_map(|key| line.get(key));
        self.begun.add(Record {
            id: id.clone(),
            job: (*root).to_owned(),
            namespace: "pegasus".into(),
            name: about.and_then(|about| within(about, limits::MAX_NAME)),
            parent,
            previous,
            payload: Json::from_serialize(line).map_err(|error| error.to_string())?,
            ..Record::default()
        })?;
        self.ids.insert(name, id);
        Ok(())
    }

    fn change(&mut self, line: &Pairs<'a>, parts: usize, to: Option<&'static str>) -> Result<(), String> {
        let time = value(line, "ts")?;
        let event = Event {
            topic: event_of(line).to_owned(),
            message: line.get("status").or(line.get("exitcode")).copied().unwrap_or_default().to_owned(),
            time: temporal::parse(time)
                .ok_or_else(|| format!("its ts is {time:?}, not a time from 1677 to 2262"))?,
            details: Json::from_serialize(line).map_err(|error| error.to_string())?,
        };
        let id = self.id(line, parts)?.unwrap_or_default();
        self.begun.change(&id, to, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: &str, rest: &str) -> String {
        format!("ts=2012-03-13T12:35:36.000000Z event=stampede.{event} level=Info xwf.id=w {rest}\n")
    }

    fn file() -> String {
        let instance = |n: u32, event: &str, rest: &str| {
            line(&format!("job_inst.{event}"), &format!("job_inst.id={n} job.id=j {rest}"))
        };
        [
            line("wf.plan", "root.xwf.id=r parent.xwf.id=above argv=\"--a b=\\\"c\\\" \" dax.label=x"),
            line("xwf.start", "restart_count=0"),
            line("job.info", "job.id=j type_desc=\"\""),
            instance(1, "submit.start", ""),
            instance(1, "main.start", ""),
            instance(1, "main.end", "status=0"),
            instance(1, "post.end", "status=-1"),
            instance(2, "submit.start", ""),
            instance(2, "main.start", ""),
            line("inv.start", "job_inst.id=2 job.id=j inv.id=-2"),
            line("inv.end", "job_inst.id=2 job.id=j inv.id=-2 exitcode=0"),
            instance(2, "main.end", "status=0"),
        ]
        .concat()
    }

    #[test]
    fn invocations_hang_below_instances_and_instances_below_jobs() {
        let records = read(&file()).unwrap();
        let link = |link: &Option<String>| link.clone().unwrap_or_default();
        let found = records.iter().map(|record| {
            (record.id.clone(), link(&record.parent), link(&record.previous), record.state().to_owned())
        });
        let expected = [
            ("w", "above", "", "Running"),
            ("w/j", "w", "", "Completed"),
            ("w/j/1", "w/j", "", "Failed"),
            ("w/j/2", "w/j", "w/j/1", "Completed"),
            ("w/j/2/-2", "w/j/2", "", "Completed"),
        ];
        let expected = expected.map(|(a, b, c, d)| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert!(records.iter().all(|record| record.job == "r"));
        assert!(
            records[0].payload.as_str().contains(r#""argv":"--a b=\\\"c\\\" ""#),
            "{:?}",
            records[0].payload
        );
    }

    #[test]
    fn a_job_with_an_open_instance_is_open() {
        let text = file();
        let (open, _) = text.trim_end().rsplit_once('\n').unwrap();
        let records = read(open).unwrap();
        assert_eq!((records[1].state(), records[2].state()), ("Running", "Failed"));
    }

    #[test]
    fn damage_is_named() {
        for (old, new, reason) in [
            ("argv=\"", "argv \"", "line 1: it is not key=value"),
            ("dax.label=x", "dax.label=\"x", "line 1: it is not key=value"),
            ("job.info", "job.note", "line 4: w/j has not begun"),
            ("job_inst.id=2 job.id=j \n", "job_inst.id=1 job.id=j \n", "line 8: w/j/1 begins twice"),
            ("inv.id=-2 exit", "exit", "line 11: it has no inv.id"),
            (
                "ts=2012-03-13T12:35:36.000000Z event=stampede.xwf",
                "ts=soon event=stampede.xwf",
                "line 2: its ts is",
            ),
        ] {
            let error = read(&file().replace(old, new)).unwrap_err();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }
}
