//! Follows what happens in a store and prints it, one line for each change, until it is stopped; and what the
//! executions write, line by line, as they write it.
//!
//! One process has a store open at a time, so it also keeps the store busy, with a small simulated load:
//! `cargo run --release --example follow -- --jobs 20`, or `--jobs 3 --pause 500` to look on. After what is
//! printed the positions are saved in the store: started again, also after `kill -9`, it goes on where it was. A
//! line may come twice then, and none is left out: all that an execution wrote is printed before its end is.
//! Where `--state` hides the ends, the output of what ran during a kill may not be printed to its end.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use execstore::attachments::NewAttachment;
use execstore::error::{PositionError, WatchError, WriteError};
use execstore::lifecycle::Phase;
use execstore::watch::WatchFrom;
use execstore::{
    Change, ChangeKind, ExecutionId, Filter, NewEvent, NewExecution, Query, Readable, Store, Update,
};

const USAGE: &str = "follow [--store PATH] [--name NAME] [--job JOB] [--state STATE] [--output STREAM]
       [--jobs N] [--pause MS]

  --store PATH     the store, made if it is not there (follow.redb)
  --name NAME      under which the positions are saved (follow)
  --job JOB        only the changes of this job
  --state STATE    only the changes that enter this state
  --output STREAM  the output that is shown of the executions whose changes are, or none (stdout)
  --jobs N         simulate so many jobs meanwhile, and end when all is followed (20)
  --pause MS       how long a simulated job works on each part of its output (1)";

/// The namespace of the simulated executions.
const SIMULATED: &str = "simulated";

type Failure = Box<dyn Error + Send + Sync>;

struct Options {
    store: PathBuf,
    name: String,
    filter: Filter,
    output: String,
    jobs: u64,
    pause: Duration,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        store: "follow.redb".into(),
        name: "follow".into(),
        filter: Filter::new(),
        output: "stdout".into(),
        jobs: 20,
        pause: Duration::from_millis(1),
    };
    while let Some(argument) = arguments.next() {
        if argument == "--help" {
            return Ok(None);
        }
        let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
        let number = || value.parse().map_err(|error| format!("{argument}: {error}"));
        match argument.as_str() {
            "--store" => options.store = value.into(),
            "--name" => options.name = value,
            "--job" => options.filter = options.filter.job(value),
            "--state" => options.filter = options.filter.entered(value),
            "--output" => options.output = value,
            "--jobs" => options.jobs = number()?,
            "--pause" => options.pause = Duration::from_millis(number()?),
            _ => return Err(format!("there is no {argument}")),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let result = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => follow(options),
        Ok(None) => {
            println!("{USAGE}");
            Ok(())
        }
        Err(error) => Err(format!("{error}\n\n{USAGE}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn follow(options: Options) -> Result<(), Failure> {
    let store = Store::builder().open_or_create(&options.store)?;
    let saved = store.read(|r| Ok(r.log().checkpoint(&options.name)?))?;
    let start = saved.map_or(WatchFrom::Oldest, WatchFrom::After);
    let mut watcher = store.watch(start, options.filter)?;
    eprintln!("following {} after {}", options.store.display(), watcher.position());
    let load = {
        let store = store.clone();
        thread::spawn(move || simulate(&store, options.jobs, options.pause))
    };
    let (name, stream) = (options.name, options.output);
    let output = Output { store: store.clone(), saved: format!("{name}/{stream}"), stream };
    let mut outputs = Outputs { output, shown: BTreeMap::new() };
    loop {
        let changes = match watcher.next_batch(100, Duration::from_millis(200)) {
            Err(WatchError::Position(PositionError::Trimmed { oldest, .. })) => {
                eprintln!("missed what was trimmed before {oldest}");
                watcher.seek(&WatchFrom::Oldest)?;
                continue;
            }
            other => other?,
        };
        changes.iter().try_for_each(|change| outputs.print(change))?;
        // After the lines are out: a crash in between repeats them, and never leaves one out.
        if !changes.is_empty() {
            let (name, position) = (name.clone(), watcher.position());
            store.batch(move |w| Ok(w.set_checkpoint(&name, position)?))?;
        }
        let idle = changes.is_empty() && watcher.position() == store.read(|r| Ok(r.log().head()?))?;
        if idle && load.is_finished() {
            break;
        }
    }
    load.join().map_err(|_| "the load panicked")??;
    outputs.shown.into_values().try_for_each(finish)?;
    Ok(store.close()?)
}

fn line(change: &Change) -> String {
    let what = match (change.kind(), change.state_before(), change.state_after()) {
        (ChangeKind::Updated, Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
        (ChangeKind::Created, _, Some(state)) => format!("created {state}"),
        (kind, ..) => kind.to_string(),
    };
    let events = change
        .events()
        .map_or(String::new(), |events| format!(", events {}-{}", events.start(), events.end()));
    let about = match (change.job_id(), change.execution_id(), change.bucket()) {
        (Some(job), Some(id), _) => format!("{job}  {id}"),
        (.., bucket) => bucket.unwrap_or_default().join("/"),
    };
    format!("{:>6}  {about}  {what}{events}", change.seq())
}

type Shown = (Arc<AtomicBool>, JoinHandle<Result<(), Failure>>);

/// The outputs that are shown at the moment, each by a thread that waits for more of it.
struct Outputs {
    output: Output,
    shown: BTreeMap<ExecutionId, Shown>,
}

impl Outputs {
    /// Prints a change; before an end, the rest of what the execution wrote.
    fn print(&mut self, change: &Change) -> Result<(), Failure> {
        let Some(id) = change.execution_id() else { return Ok(say(&line(change))?) };
        let phase = change.state_after().map_or(Phase::Terminal, |state| state.phase());
        if phase == Phase::Terminal {
            self.begin(id)?;
            self.shown.remove(id).map_or(Ok(()), finish)?;
        }
        say(&line(change))?;
        if phase == Phase::Live { self.begin(id) } else { Ok(()) }
    }

    fn begin(&mut self, id: &ExecutionId) -> Result<(), Failure> {
        let (output, stop) = (self.output.clone(), Arc::new(AtomicBool::new(false)));
        let is_there = output.store.read(|r| Ok(r.get(id)?))?.is_some();
        if output.stream != "none" && is_there && !self.shown.contains_key(id) {
            let (of, stopped) = (id.clone(), stop.clone());
            let thread = thread::spawn(move || output.show(&of, &stopped));
            self.shown.insert(id.clone(), (stop, thread));
        }
        Ok(())
    }
}

/// Waits until all is shown that is there.
fn finish((stop, thread): Shown) -> Result<(), Failure> {
    stop.store(true, Ordering::Release);
    thread.join().map_err(|_| "showing an output panicked")?
}

/// The output of each execution that is shown.
#[derive(Clone)]
struct Output {
    store: Store,
    stream: String,
    /// The attachment of an execution that says up to where its output was shown.
    saved: String,
}

impl Output {
    /// Shows that of one execution on, while it grows.
    fn show(&self, id: &ExecutionId, stop: &AtomicBool) -> Result<(), Failure> {
        let position = self.store.read(|r| Ok(r.attachments(id).bytes(&self.saved)?))?.unwrap_or_default();
        let position = str::from_utf8(&position)?.parse().unwrap_or(0);
        let mut follower = self.store.follow_output(id, &self.stream, position)?;
        loop {
            let stopped = stop.load(Ordering::Acquire);
            let part = follower.next_part(4_096, Duration::from_millis(if stopped { 0 } else { 100 }))?;
            let mut offset = part.offset;
            if part.dropped > 0 {
                say(&format!("     |  {id} @{}  {} bytes are gone", offset - part.dropped, part.dropped))?;
            }
            for line in part.bytes.split_inclusive(|byte| *byte == b'\n') {
                let text =
                    String::from_utf8_lossy(line).trim_end_matches('\n').replace(char::is_control, " ");
                say(&format!("     |  {id} @{offset}  {text}"))?;
                offset += line.len() as u64;
            }
            if part.bytes.is_empty() && (stopped || follower.has_ended()) {
                return Ok(());
            }
            if !part.bytes.is_empty() {
                match self.store.put_attachment(id, NewAttachment::bytes(&self.saved, offset.to_string())) {
                    // Deleted meanwhile.
                    Err(execstore::Error::Write(WriteError::NotFound { .. })) => return Ok(()),
                    put => put.map(drop)?,
                }
            }
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Jobs that go their way, one after another, and say how far they are.
fn simulate(store: &Store, jobs: u64, pause: Duration) -> Result<(), execstore::Error> {
    let step = |id: &str, state: &str| store.update(id, Update::to(state).event(NewEvent::new("moved")));
    // What an earlier run left behind when it was killed has nobody who ends it.
    let left: Vec<_> = {
        let view = store.begin_read()?;
        view.query(&Query::new().live().namespace(SIMULATED)).rows()?.collect::<Result<_, _>>()?
    };
    for execution in left {
        step(execution.id.as_str(), "Failed")?;
    }
    let first = store.read(|r| Ok(r.log().head()?))?.get();
    for n in 0..jobs {
        let id = format!("job-{}/{n}", first + n);
        let new = NewExecution::new(format!("job-{}", first + n)).id(&id).namespace(SIMULATED);
        store.create(new.event(NewEvent::new("created")))?;
        step(&id, "BidAccepted")?;
        step(&id, "Running")?;
        for part in 1..=3 {
            store.append_output(&id, "stdout", format!("part {part} of 3 is done\n"))?;
            thread::sleep(pause);
        }
        step(&id, if n % 5 == 4 { "Failed" } else { "Completed" })?;
    }
    Ok(())
}
