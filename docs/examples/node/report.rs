//! What the node prints: a line for each step, and a table at the end.

use std::fmt;
use std::io::{self, Write};

use execstore::error::ReadError;
use execstore::lifecycle::Phase;
use execstore::{Error, Execution, Query, Readable, Store};

use crate::attempts::{ATTEMPT, LOST, Record};
use crate::child::Outcome;
use crate::output;

/// Prints a line. Nobody reading it is no reason to stop.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a line to the standard error.
pub fn warn(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "node: {line}");
}

/// How far the whole store is.
pub struct Progress {
    running: u64,
    done: u64,
    all: u64,
}

impl Progress {
    /// As of one transaction. The store keeps these numbers, so this is cheap.
    pub fn read(view: &impl Readable) -> Result<Self, ReadError> {
        let (mut running, mut done, mut all) = (0, 0, 0);
        for (state, count) in view.counts()? {
            all += count;
            match state.phase() {
                Phase::Pending => {}
                Phase::Live => running += count,
                Phase::Terminal => done += count,
            }
        }
        Ok(Self { running, done, all })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "running {}, done {} of {}", self.running, self.done, self.all)
    }
}

/// Prints every execution, the counts, and the head of the change log, as of one moment.
pub fn print(store: &Store) -> Result<(), Error> {
    let view = store.begin_read()?;
    say("");
    say(row(["job", "attempt", "state", "exit", "duration", "bytes", "output"]));
    let mut request = Query::new().oldest_first().limit(100);
    loop {
        let page = view.query(&request).page()?;
        for execution in &page.executions {
            say(execution_row(&view, execution));
        }
        for damage in &page.damaged {
            warn(damage);
        }
        match page.next {
            Some(cursor) => request = Query::new().oldest_first().limit(100).after(cursor),
            None => break,
        }
    }
    say("");
    let counts = view.counts()?;
    let counts: Vec<_> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{state} {count}"))
        .collect();
    say(format!("counts: {}", counts.join(", ")));
    say(format!("head of the change log: {}", view.log().head()?));
    Ok(())
}

fn execution_row(view: &impl Readable, execution: &Execution) -> String {
    let record = execution.payload::<Record>().ok();
    let result = record.and_then(|record| record.result);
    let exit = match &result {
        Some(result) => exit(result),
        None if execution.labels.contains_key(LOST) => "lost".to_owned(),
        None => "-".to_owned(),
    };
    let duration = result.as_ref().map_or("-".to_owned(), |r| format!("{} ms", r.duration_ms));
    let (bytes, preview) = match preview(view, execution, result.as_ref()) {
        Ok((bytes, line)) => (bytes.to_string(), line),
        Err(damage) => {
            warn(damage);
            ("?".to_owned(), String::new())
        }
    };
    row([
        execution.job_id.as_str(),
        execution.labels.get(ATTEMPT).map_or("-", |attempt| attempt.as_str()),
        execution.state.as_str(),
        &exit,
        &duration,
        &bytes,
        &preview,
    ])
}

fn exit(result: &Outcome) -> String {
    match (result.exit_code, result.signal) {
        _ if result.timed_out => "timeout".to_owned(),
        (Some(code), _) => code.to_string(),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "none".to_owned(),
    }
}

/// How much the child said and the first line of it, or why it said nothing. From the streams and not from
/// the record, so that it is there for a lost attempt too.
fn preview(
    view: &impl Readable,
    execution: &Execution,
    result: Option<&Outcome>,
) -> Result<(u64, String), ReadError> {
    let mut bytes = 0;
    for output in view.outputs(&execution.id).list()? {
        bytes += output?.length;
    }
    let line = output::first_line(view, &execution.id)?;
    let line = line.or(result.and_then(|result| result.error.clone())).unwrap_or_default();
    Ok((bytes, shorten(&line, 44)))
}

fn row([job, attempt, state, exit, duration, bytes, output]: [&str; 7]) -> String {
    let job = shorten(job, 20);
    let row = format!("{job:<20}  {attempt:>7}  {state:<11}  {exit:<9}  {duration:>9}  {bytes:>9}  {output}");
    row.trim_end().to_owned()
}

/// At most this many characters, none of which moves the cursor of a terminal.
fn shorten(text: &str, most: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = text.chars().take(most).map(clean).collect();
    if text.chars().nth(most).is_some() {
        short.pop();
        short.push('…');
    }
    short
}
