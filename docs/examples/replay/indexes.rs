//! Compares what the indexes list with what was written: by job, by state, by page, and the checkpoints.

use std::collections::BTreeMap;

use execstore::error::ReadError;
use execstore::{ChangeSeq, Execution, Query, Readable};

use super::record::Record;
use super::states::RUNNING;

/// What is wrong with the lists. The records are those that were written, in the order of their creation.
pub fn check(
    reader: &impl Readable,
    records: &[&Record],
    checkpoints: &BTreeMap<String, ChangeSeq>,
) -> Result<Vec<String>, ReadError> {
    let mut wrong = Vec::new();
    let mut jobs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut states: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in records {
        jobs.entry(&record.job).or_default().push(&record.id);
        states.entry(record.state()).or_default().push(&record.id);
    }
    for (job, expected) in &jobs {
        if ids(reader.by_job(job)?)? != *expected {
            wrong.push(format!("the job {job:?} lists other executions"));
        }
    }
    for (state, count) in reader.counts()? {
        let expected = states.get(state.as_str()).map(Vec::as_slice).unwrap_or_default();
        if ids(reader.query(&Query::new().state(&state).oldest_first()).rows()?)? != expected
            || count != expected.len() as u64
        {
            wrong.push(format!("the state {state} lists other executions"));
        }
    }
    let running = states.get(RUNNING).map(Vec::as_slice).unwrap_or_default();
    if ids(reader.live()?)? != running {
        wrong.push("other executions are live".into());
    }

    let mut all = records.iter().map(|record| record.id.as_str());
    let mut request = Query::new().oldest_first().limit(100);
    loop {
        let page = reader.query(&request).page()?;
        wrong.extend(page.damaged.iter().map(ReadError::to_string));
        for execution in &page.executions {
            if all.next() != Some(execution.id.as_str()) {
                wrong.push(format!("{} is not where it should be in the pages", execution.id));
            }
        }
        let Some(next) = page.next else { break };
        request = Query::new().oldest_first().limit(100).after(next);
    }
    wrong.extend(all.map(|id| format!("{id} is on no page")));

    if reader.log().checkpoints()? != *checkpoints {
        wrong.push("the list of checkpoints is another".into());
    }
    for (name, seq) in checkpoints {
        if reader.log().checkpoint(name)? != Some(*seq) {
            wrong.push(format!("the checkpoint {name:?} is another"));
        }
    }
    Ok(wrong)
}

fn ids(list: impl Iterator<Item = Result<Execution, ReadError>>) -> Result<Vec<String>, ReadError> {
    list.map(|execution| execution.map(|execution| String::from(&execution.id))).collect()
}
