//! A Spark event log, a line for each event: an attempt at an application, its jobs, their stages, and tasks.
//!
//! - Ids: `application/attempt`, and below that `/job/N`, `/stage/N.A` with the attempt at the stage, `/task/N`.
//!   The job is the application. One that names no attempt is attempt 1.
//! - The parent of a task is its stage, that of a stage the first job that names it, that of a job the application.
//! - `previous` is the attempt numbered one less: of an application, whether it is among the files or not; of a
//!   stage, and of a task by its stage and index, if the log has it.
//! - The payload is the event that begins it, the text exactly; the one that ends it is the details of an event.
//! - A last line that was cut off is left out, and the application has the label `cut`.

use std::collections::HashMap;

use execstore::{Json, Timestamp, limits};
use serde_json::value::RawValue;

use super::members::{Members, object, text_at, whole};
use super::record::{Event, Record, within};
use super::running::Begun;
use super::states::{COMPLETED, FAILED, RUNNING, TERMINATED};

/// An event of the log, with the members of the stage or task that it tells of.
struct Line<'a> {
    topic: String,
    raw: &'a RawValue,
    members: Members<'a>,
}

impl<'a> Line<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut members = object(raw).ok_or("it is not an object")?;
        let topic = text_at(&members, "Event").ok_or("it has no Event")?;
        for name in ["Stage Info", "Task Info", "Job Result", "Task End Reason"] {
            members.extend(members.get(name).and_then(|raw| object(raw)).unwrap_or_default());
        }
        Ok(Self { topic, raw, members })
    }

    fn text(&self, member: &str) -> Result<String, String> {
        text_at(&self.members, member).ok_or_else(|| format!("it has no {member}"))
    }

    fn number(&self, member: &str) -> Result<u64, String> {
        self.text(member)?.parse().map_err(|_| format!("its {member} is not a number"))
    }

    /// The event, with the time that is in one of its members, if it has it.
    fn event(&self, time: &str, details: Json) -> Event {
        let millis = self.text(time).ok().and_then(|text| text.parse::<i64>().ok());
        let nanos = millis.and_then(|millis| millis.checked_mul(1_000_000)).unwrap_or_default();
        Event { topic: self.topic.clone(), message: time.into(), time: Timestamp::from_nanos(nanos), details }
    }
}

/// What the log has told so far.
#[derive(Default)]
struct Log {
    application: String,
    /// The id of the attempt at it, with which the others begin.
    attempt: String,
    begun: Begun,
    /// By stage, the job that first names it.
    jobs: HashMap<u64, String>,
    /// By stage, index and attempt.
    tasks: HashMap<(String, u64, u64), String>,
}

/// Reads a log.
pub fn read(text: &str) -> Result<Vec<Record>, String> {
    let mut log = Log::default();
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()).peekable();
    while let Some((line, nth)) = lines.next() {
        match Line::read(line) {
            Ok(line) => log.line(&line).map_err(|reason| format!("line {nth}: {reason}"))?,
            Err(_) if lines.peek().is_none() && !text.ends_with('\n') => {
                let application = log.begun.first().ok_or("it tells of no application")?;
                application.labels.insert("cut".into(), nth.to_string().into());
            }
            Err(error) => return Err(format!("line {nth}: {error}")),
        }
    }
    Ok(log.begun.into_records())
}

impl Log {
    fn line(&mut self, line: &Line<'_>) -> Result<(), String> {
        match line.topic.strip_prefix("SparkListener").unwrap_or_default() {
            "ApplicationStart" => self.application(line),
            "ApplicationEnd" => self.end(line, self.attempt.clone(), COMPLETED, "Timestamp"),
            "JobStart" => self.job(line),
            "JobEnd" => {
                let good = line.text("Result")? == "JobSucceeded";
                self.end(line, self.job_id(line)?, if good { COMPLETED } else { FAILED }, "Completion Time")
            }
            "StageSubmitted" => self.stage(line),
            "StageCompleted" => {
                let good = line.text("Failure Reason").is_err();
                self.end(
                    line,
                    self.stage_id(line, 0)?,
                    if good { COMPLETED } else { FAILED },
                    "Completion Time",
                )
            }
            "TaskStart" => self.task(line),
            "TaskEnd" => {
                let state = match line.text("Reason")?.as_str() {
                    "Success" => COMPLETED,
                    "TaskKilled" => TERMINATED,
                    _ => FAILED,
                };
                self.end(line, self.task_id(line)?, state, "Finish Time")
            }
            _ => Ok(()),
        }
    }

    fn application(&mut self, line: &Line<'_>) -> Result<(), String> {
        self.application = line.text("App ID")?;
        let attempt = line.number("App Attempt ID").unwrap_or(1);
        self.attempt = format!("{}/{attempt}", self.application);
        let before = attempt.checked_sub(1).filter(|before| *before > 0);
        let previous = before.map(|before| format!("{}/{before}", self.application));
        let record = Record { id: self.attempt.clone(), previous, ..Record::default() };
        self.begin(line, record, "App Name", "Timestamp")
    }

    fn job(&mut self, line: &Line<'_>) -> Result<(), String> {
        let id = self.job_id(line)?;
        let stages = line.members.get("Stage IDs").and_then(|raw| serde_json::from_str(raw.get()).ok());
        let stages: Vec<u64> = stages.ok_or("it has no Stage IDs")?;
        for stage in stages {
            self.jobs.entry(stage).or_insert_with(|| id.clone());
        }
        let record = Record { id, parent: Some(self.attempt.clone()), ..Record::default() };
        self.begin(line, record, "Job ID", "Submission Time")
    }

    fn stage(&mut self, line: &Line<'_>) -> Result<(), String> {
        let job = self.jobs.get(&line.number("Stage ID")?).unwrap_or(&self.attempt).clone();
        let previous = self.stage_id(line, 1).ok().filter(|before| self.begun.has(before));
        let record = Record { id: self.stage_id(line, 0)?, parent: Some(job), previous, ..Record::default() };
        self.begin(line, record, "Stage Name", "Submission Time")
    }

    fn task(&mut self, line: &Line<'_>) -> Result<(), String> {
        let (id, stage) = (self.task_id(line)?, self.stage_id(line, 0)?);
        let (index, attempt) = (line.number("Index")?, line.number("Attempt")?);
        let before = attempt.checked_sub(1).map(|before| (stage.clone(), index, before));
        let previous = before.and_then(|before| self.tasks.get(&before).cloned());
        self.tasks.insert((stage.clone(), index, attempt), id.clone());
        let record = Record { id, parent: Some(stage), previous, ..Record::default() };
        self.begin(line, record, "Index", "Launch Time")
    }

    fn job_id(&self, line: &Line<'_>) -> Result<String, String> {
        Ok(format!("{}/job/{}", self.attempt, line.number("Job ID")?))
    }

    /// The attempt at the stage that is so many before that of the line.
    fn stage_id(&self, line: &Line<'_>, before: u64) -> Result<String, String> {
        let attempt =
            line.number("Stage Attempt ID")?.checked_sub(before).ok_or("it has no attempt before it")?;
        Ok(format!("{}/stage/{}.{attempt}", self.attempt, line.number("Stage ID")?))
    }

    fn task_id(&self, line: &Line<'_>) -> Result<String, String> {
        Ok(format!("{}/task/{}", self.attempt, line.number("Task ID")?))
    }

    fn begin(&mut self, line: &Line<'_>, record: Record, name: &str, time: &str) -> Result<(), String> {
        if self.application.is_empty() {
            return Err("its application has not begun".into());
        }
        let id = record.id.clone();
        let name = line.text(name).ok().and_then(|name| within(&name, limits::MAX_NAME));
        let host = line.text("Host").ok().and_then(|host| within(&host, limits::MAX_NAME));
        self.begun.add(Record {
            job: self.application.clone(),
            namespace: "spark".into(),
            name,
            node_id: host,
            payload: whole(line.raw)?,
            ..record
        })?;
        let details = Json::from_text("{}").map_err(|error| error.to_string())?;
        self.begun.change(&id, Some(RUNNING), line.event(time, details))
    }

    fn end(&mut self, line: &Line<'_>, id: String, state: &'static str, time: &str) -> Result<(), String> {
        let event = line.event(time, whole(line.raw)?);
        self.begun.change(&id, Some(state), event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"Event":"SparkListenerApplicationStart","App ID":"app","App Attempt ID":"4","Timestamp":5}
{"Event":"SparkListenerJobStart","Job ID":0,"Stage IDs":[7,8],"Submission Time":6}
{"Event":"SparkListenerStageSubmitted","Stage Info":{"Stage ID":8,"Stage Attempt ID":0}}
{"Event":"SparkListenerTaskStart","Stage ID":8,"Stage Attempt ID":0,"Task Info":{"Task ID":1,"Index":3,"Attempt":0}}
{"Event":"SparkListenerTaskEnd","Stage ID":8,"Stage Attempt ID":0,"Task End Reason":{"Reason":"ExceptionFailure"},"Task Info":{"Task ID":1}}
{"Event":"SparkListenerTaskStart","Stage ID":8,"Stage Attempt ID":0,"Task Info":{"Task ID":2,"Index":3,"Attempt":1}}
{"Event":"SparkListenerStageCompleted","Stage Info":{"Stage ID":8,"Stage Attempt ID":0,"Failure Reason":"x"}}
{"Event":"SparkListenerStageSubmitted","Stage Info":{"Stage ID":8,"Stage Attempt ID":1}}
"#;

    #[test]
    fn tasks_hang_below_stages_and_stages_below_jobs() {
        let records = read(&format!("{LOG}{{\"Event\":\"Spark")).unwrap();
        let link = |link: &Option<String>| link.clone().unwrap_or_default();
        let found =
            records.iter().map(|record| (record.id.clone(), link(&record.parent), link(&record.previous)));
        let expected = [
            ("app/4", "", "app/3"),
            ("app/4/job/0", "app/4", ""),
            ("app/4/stage/8.0", "app/4/job/0", ""),
            ("app/4/task/1", "app/4/stage/8.0", ""),
            ("app/4/task/2", "app/4/stage/8.0", "app/4/task/1"),
            ("app/4/stage/8.1", "app/4/job/0", "app/4/stage/8.0"),
        ];
        let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let states: Vec<_> = records.iter().map(Record::state).collect();
        assert_eq!(states, ["Running", "Running", "Failed", "Failed", "Running", "Running"]);
        assert_eq!(records[0].labels["cut"], "9");
    }

    #[test]
    fn damage_is_named() {
        for (old, new, reason) in [
            ("\"App ID\"", "\"App\"", "line 1: it has no App ID"),
            ("\"Task ID\":2", "\"Task ID\":1", "line 6: app/4/task/1 begins twice"),
            ("{\"Task ID\":1}", "{\"Task ID\":9}", "line 5: app/4/task/9 has not begun"),
            ("\"Stage IDs\":[7,8]", "\"Stage IDs\":8", "line 2: it has no Stage IDs"),
            ("\"Job ID\":0,", "\"Job ID\":0,,", "line 2: key must be a string"),
        ] {
            let error = read(&LOG.replace(old, new)).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
