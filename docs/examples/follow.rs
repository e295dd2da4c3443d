//! Follows what happens in a store and prints it, one line for each change, until it is stopped.
//!
//! One process has a store open at a time, so it also keeps the store busy, with a small simulated load:
//! `cargo run --release --example follow -- --jobs 20`. The position is saved in the store after each batch:
//! started again, also after `kill -9`, it goes on where it was. A line may come twice then, and none is left
//! out.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use execstore::{
    Change, ChangeKind, Expect, Filter, NewEvent, NewExecution, Readable, Start, Store, Update, WatchError,
};

const USAGE: &str = "follow [--store PATH] [--name NAME] [--job JOB] [--state STATE] [--jobs N]

  --store PATH   the store, made if it is not there (follow.redb)
  --name NAME    under which the position is saved (follow)
  --job JOB      only the changes of this job
  --state STATE  only the changes that enter this state
  --jobs N       simulate so many jobs meanwhile, and end when all is followed (20)";

struct Options {
    store: PathBuf,
    name: String,
    filter: Filter,
    jobs: u64,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options =
        Options { store: "follow.redb".into(), name: "follow".into(), filter: Filter::any(), jobs: 20 };
    while let Some(argument) = arguments.next() {
        if argument == "--help" {
            return Ok(None);
        }
        let value = arguments.next().ok_or(format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--store" => options.store = value.into(),
            "--name" => options.name = value,
            "--job" => options.filter = options.filter.job(value),
            "--state" => options.filter = options.filter.entered(value),
            "--jobs" => options.jobs = value.parse().map_err(|error| format!("--jobs: {error}"))?,
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

fn follow(options: Options) -> Result<(), Box<dyn Error>> {
    let store = Store::builder().open_or_create(&options.store)?;
    let saved = store.read(|r| r.checkpoint(&options.name))?;
    let start = saved.map_or(Start::Oldest, Start::After);
    let mut watcher = store.watch(start, options.filter)?;
    eprintln!("following {} after {}", options.store.display(), watcher.position());
    let load = {
        let store = store.clone();
        std::thread::spawn(move || simulate(&store, options.jobs))
    };
    loop {
        let changes = match watcher.next_batch(100, Duration::from_millis(200)) {
            Err(WatchError::Trimmed { oldest }) => {
                eprintln!("missed what was trimmed before {oldest}");
                watcher.seek(&Start::Oldest)?;
                continue;
            }
            other => other?,
        };
        let mut out = std::io::stdout().lock();
        changes.iter().try_for_each(|change| writeln!(out, "{}", line(change)))?;
        out.flush()?;
        // After the lines are out: a crash in between repeats them, and never leaves one out.
        if !changes.is_empty() {
            let (name, position) = (options.name.clone(), watcher.position());
            store.batch(move |w| w.set_checkpoint(&name, position))?;
        }
        let idle = changes.is_empty() && watcher.position() == store.read(|r| r.head())?;
        if idle && load.is_finished() {
            break;
        }
    }
    load.join().map_err(|_| "the load panicked")??;
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
    format!("{:>6}  {}  {}  {what}{events}", change.seq(), change.job_id(), change.execution_id())
}

/// Jobs that go their way, a few at a time.
fn simulate(store: &Store, jobs: u64) -> Result<(), execstore::Error> {
    let first = store.read(|r| r.head())?.get();
    for n in 0..jobs {
        let id = format!("job-{}/{n}", first + n);
        let new = NewExecution::new(format!("job-{}", first + n)).id(&id);
        store.create_execution(new, &[NewEvent::new("created")])?;
        for state in ["BidAccepted", "Running", if n % 5 == 4 { "Failed" } else { "Completed" }] {
            std::thread::sleep(Duration::from_millis(1));
            store.update(&id, &Expect::any(), Update::to(state), &[NewEvent::new("moved")])?;
        }
    }
    Ok(())
}
