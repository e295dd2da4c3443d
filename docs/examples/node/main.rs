//! A small compute node: it runs jobs as child processes and keeps everything about them in a store.
//!
//! `cargo run --release --example node -- --help` says how to use it. Kill it whenever you like and start
//! it again with the same store: it goes on from there.

mod attempts;
mod capture;
mod child;
mod execute;
mod jobs;
mod options;
mod output;
mod recover;
mod report;
mod runner;

use std::error::Error;
use std::process::ExitCode;

use execstore::Store;
use execstore::lifecycle::Lifecycle;

use options::{Options, USAGE};
use report::{say, warn};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(reason) => {
            warn(format!("{reason}\n\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            warn(error);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // First, so that a bad job file leaves no trace.
    let jobs = jobs::load(options.jobs.as_deref())?;

    let store = Store::builder().set_lifecycle(Lifecycle::compute_node()).open_or_create(&options.store)?;
    say(format!("store {} is open", options.store.display()));

    for retried in recover::recover(&store)? {
        let recover::Retried { lost, state, retry } = retried;
        say(format!("lost {lost}: it was {state} when the node stopped; again as {retry}"));
    }

    let added = attempts::add_jobs(&store, &jobs)?;
    say(format!("jobs: {} added, {} known already", added.new, added.known));
    for id in &added.different {
        warn(format!("job {id:?} is in the store with another specification, which stays; give it a new id"));
    }

    runner::run(&store, options.workers)?;

    report::print(&store)?;
    let verified = store.verify()?;
    say(format!("verify: {verified}"));
    if !verified.is_clean() {
        return Err("the store is not sound".into());
    }
    say("The node did its work, so its exit code is 0, whatever became of the jobs.");
    Ok(())
}
