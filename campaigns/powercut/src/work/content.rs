//! Everything that can be read from a store, as text, to compare with what should be there.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use execstore::buckets::Bucket;
use execstore::options::{LargeValues, LogRetention};
use execstore::redb::{ReadableDatabase, ReadableTable, TableDefinition};
use execstore::{Builder, Execution, Query, Readable, Store, Timestamp};

use super::{Job, Outcome};

/// A table of the caller's own.
pub const OWN: TableDefinition<'_, u64, u64> = TableDefinition::new("the caller's own");

/// A clock that says which operation it is, so that a store with the same operations is equal.
#[derive(Clone, Default)]
pub struct Ticks(Arc<AtomicI64>);

impl Ticks {
    pub fn set(&self, operation: u64) {
        self.0.store(operation as i64 * 1_000, Ordering::Relaxed);
    }
}

pub fn builder(job: &Job, ticks: &Ticks) -> Builder {
    let ticks = ticks.0.clone();
    let mut builder = Store::builder();
    builder
        .set_cache_size(8 * 1024 * 1024)
        .set_journal(job.journal)
        // The disks are small, and a small journal changes its halves often.
        .set_reserve(8 * 1024 * 1024)
        .set_journal_size(1024 * 1024)
        .set_log_retention(LogRetention::new().max_count(60))
        .set_tamper_evident(job.seed % 4 == 1)
        .set_clock(move || Timestamp::from_nanos(ticks.load(Ordering::Relaxed)));
    if job.seed % 4 == 2 {
        builder.set_large_values(LargeValues::Attach(2_000));
    }
    builder
}

/// The file is whole: every record, index row, counter and entry of the log agrees with the others.
pub fn verified(store: &Store) -> Outcome<()> {
    let report = store.verify()?;
    if report.is_clean() { Ok(()) } else { Err(format!("verify: {report}").into()) }
}

/// Everything, in the order of creation and of the log.
pub fn whole(store: &Store) -> Outcome<String> {
    let mut text = String::new();
    {
        let r = store.begin_read()?;
        let page = r.query(&Query::new().oldest_first().limit(10_000)).page()?;
        if !page.damaged.is_empty() || page.next.is_some() {
            return Err(format!("damaged: {:?}", page.damaged).into());
        }
        for execution in &page.executions {
            writeln!(text, "{:?}", execution.header())?;
            one(&r, execution, &mut text)?;
        }
        for change in r.log().range(..)? {
            let change = change?;
            // Without its hash, which is another in every store.
            writeln!(
                text,
                "{:?} {:?} {:?} {:?} {:?} {:?}",
                change.seq(),
                change.time(),
                change.kind(),
                change.before(),
                change.after(),
                change.events()
            )?;
            if let Some(row) = change.row() {
                let value = row.value.as_deref().map(sum);
                writeln!(text, "  {:?} {:?} {value:?} {}", change.bucket(), row.key, row.was_there)?;
            }
            let payloads = [r.log().payload_before(&change)?, r.log().payload_after(&change)?];
            let payloads = payloads.map(|payload| payload.map(|payload| sum(payload.as_str().as_bytes())));
            writeln!(text, "  {payloads:?}")?;
        }
        writeln!(text, "{:?} {:?} {:?}", r.counts()?, r.log().checkpoints()?, r.log().head()?)?;
        for name in r.buckets()? {
            let name = name?;
            rows(&r.bucket(&name)?, &name, &mut text)?;
        }
    }
    let txn = store.share_database().begin_read()?;
    if let Ok(table) = txn.open_table(OWN) {
        for row in table.iter()? {
            let (key, value) = row?;
            writeln!(text, "own {} {}", key.value(), value.value())?;
        }
    }
    Ok(text)
}

/// What one caller wrote among others: the executions of a job, without their places among those of other jobs.
pub fn of_job(store: &Store, job: &str) -> Outcome<String> {
    let mut text = String::new();
    let r = store.begin_read()?;
    for execution in r.by_job(job)? {
        let execution = execution?;
        let (revision, labels) = (execution.revision, &execution.labels);
        writeln!(
            text,
            "{} {} {revision:?} {labels:?} {:?}",
            execution.id, execution.state, execution.message
        )?;
        one(&r, &execution, &mut text)?;
    }
    rows(&r.bucket(job)?, job, &mut text)?;
    Ok(text)
}

/// The rows of a bucket, and those of buckets in it.
fn rows(bucket: &Bucket<'_, impl Readable>, path: &str, text: &mut String) -> Outcome<()> {
    writeln!(text, "bucket {path} {} {}", bucket.len(), bucket.sequence())?;
    for row in bucket.iter()? {
        let row = row?;
        writeln!(text, "  {:?} {}", row.key, sum(&row.value))?;
    }
    for name in bucket.buckets()? {
        let name = name?;
        rows(&bucket.bucket(&name)?, &format!("{path}/{name}"), text)?;
    }
    Ok(())
}

/// Payload, events, and what lies beside the record.
fn one(r: &impl Readable, execution: &Execution, text: &mut String) -> Outcome<()> {
    let id = &execution.id;
    if r.get(id)?.as_ref() != Some(execution) {
        return Err(format!("{id}: a look-up and a list differ").into());
    }
    writeln!(text, "  payload {}", execution.payload_json().as_str())?;
    for event in r.events(id, ..)? {
        let event = event?;
        writeln!(text, "  event {:?} {} {:?}", event.seq, event.topic, event.message)?;
    }
    for attachment in r.attachments(id).list()? {
        let attachment = attachment?;
        let bytes = r.attachments(id).bytes(&attachment.key)?.unwrap_or_default();
        writeln!(text, "  attachment {} {} {}", attachment.key, attachment.size, sum(&bytes))?;
    }
    for output in r.outputs(id).list()? {
        let output = output?;
        write!(text, "  output {}", output.name)?;
        let mut at = 0;
        while let Some(part) =
            r.outputs(id).read(&output.name, at, 5_000)?.filter(|part| !part.bytes.is_empty())
        {
            write!(text, " {} {}", part.next(), sum(&part.bytes))?;
            at = part.next();
        }
        writeln!(text)?;
    }
    for node in r.tasks(id).list()? {
        let node = node?;
        writeln!(text, "  node {} {:?}", node.name, node.state)?;
    }
    Ok(())
}

/// FNV-1a, 64 bits.
pub fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
