//! How a job becomes executions: one for each attempt, each linked to the one before it.
//!
//! An attempt that was lost because the node stopped says nothing about the job, so it does not use up one
//! of the job's `max_attempts`.

use execstore::{Error, Execution, Json, NewEvent, NewExecution, Readable, Store, Writer};
use serde::{Deserialize, Serialize};

use crate::child::Outcome;
use crate::jobs::Job;

/// The label of an attempt that was lost because the node stopped.
pub const LOST: &str = "lost";
/// The label with the number of the attempt.
pub const ATTEMPT: &str = "attempt";

/// The payload of an execution.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    pub job: Job,
    /// There once the attempt has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
}

#[derive(Default)]
pub struct Added {
    pub new: usize,
    pub known: usize,
    /// Jobs that the store knows with another specification.
    pub different: Vec<String>,
}

/// Adds the first attempt of every job that the store does not know, all in one transaction.
pub fn add_jobs(store: &Store, jobs: &[Job]) -> Result<Added, Box<dyn std::error::Error>> {
    // By hand and not through `Store::write`, because two kinds of errors can happen in it.
    let txn = store.begin_write()?;
    let mut writer = txn.writer()?;
    let mut added = Added::default();
    for job in jobs {
        let first = writer.by_job(&job.id)?.next().transpose()?;
        if let Some(first) = first {
            added.known += 1;
            if !first.payload::<Record>().is_ok_and(|record| record.job == *job) {
                added.different.push(job.id.clone());
            }
            continue;
        }
        let record = Record { job: job.clone(), result: None };
        let new = attempt(&job.id, 1, Json::from_serialize(&record)?).name(name_of(&job.program));
        writer.create(new.event(NewEvent::new("created").message("from the list of jobs")))?;
        added.new += 1;
    }
    drop(writer);
    txn.commit()?;
    Ok(added)
}

/// Creates the attempt that follows a failed one. Belongs into the transaction that fails it.
///
/// `failed` is the record before it failed, so its payload has no result yet.
pub fn retry(w: &mut Writer<'_>, failed: &Execution) -> Result<Execution, Error> {
    let number = w.by_job(&failed.job_id)?.count() + 1;
    let mut new = attempt(failed.job_id.as_str(), number, failed.payload_json().clone()).previous(&failed.id);
    if let Some(name) = &failed.name {
        new = new.name(name);
    }
    let event = NewEvent::new("created").message(format!("after {}", failed.id));
    Ok(w.create(new.event(event))?)
}

/// How many attempts of a job failed by themselves.
pub fn failures(w: &Writer<'_>, job_id: &str) -> Result<usize, Error> {
    let mut failures = 0;
    for execution in w.by_job(job_id)? {
        let execution = execution?;
        if execution.state == "Failed" && !execution.labels.contains_key(LOST) {
            failures += 1;
        }
    }
    Ok(failures)
}

/// The id follows from the job and the number, so no attempt can be made twice.
fn attempt(job_id: &str, number: usize, payload: Json) -> NewExecution {
    NewExecution::new(job_id)
        .id(format!("{job_id}/{number}"))
        .state("New")
        .label(ATTEMPT, number.to_string())
        .payload(payload)
}

/// The program for people to read, within the limit on names.
fn name_of(program: &str) -> String {
    program.chars().take(60).collect()
}
