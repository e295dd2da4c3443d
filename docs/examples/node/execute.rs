//! One attempt from its claim to its end: every step is in the store before the next is made.

use execstore::{Error, Execution, Expect, Header, Json, NewEvent, Store, Update};
use serde_json::json;

use crate::attempts::{self, ATTEMPT, Record};
use crate::child::{self, Outcome};
use crate::output;
use crate::report::{Progress, say, warn};

/// Runs a claimed execution.
pub fn execute(store: &Store, claimed: &Execution) -> Result<(), Error> {
    let update = Update::to("Running")
        .message("running")
        .event(NewEvent::new("running"))
        .expect(Expect::new().state("BidAccepted").revision(claimed.revision));
    // Recorded before the child is there: a child that nobody knows of cannot be.
    let id = claimed.id.clone();
    let (running, progress) = store.batch(move |w| {
        let running = w.update(&id, update.clone())?;
        output::begin(w, &id)?;
        Ok((running, Progress::read(w)?))
    })?;
    say(format!("start {} ({progress})", running.id));

    match claimed.payload::<Record>() {
        Ok(record) => match run_child(store, &running, &record) {
            Ok(outcome) => end(store, claimed, &running, &outcome, record.job.max_attempts),
            Err(error) => {
                let outcome = Outcome::error(format!("what the child did cannot be stored: {error}"));
                warn(format!("{}: {}", running.id, outcome.summary()));
                // Most likely this cannot be stored either. Then the node ends with the first error, and its
                // next start finds the attempt lost.
                end(store, claimed, &running, &outcome, record.job.max_attempts).map_err(|_| error)
            }
        },
        Err(error) => {
            let outcome = Outcome::error(format!("the payload is not a job: {error}"));
            end(store, claimed, &running, &outcome, 1)
        }
    }
}

/// An error is one of the store; the child is gone then.
fn run_child(store: &Store, running: &Header, record: &Record) -> Result<Outcome, Error> {
    let env = [
        ("JOB", running.job_id.as_str()),
        ("EXECUTION", running.id.as_str()),
        ("ATTEMPT", running.labels.get(ATTEMPT).map_or("", |attempt| attempt.as_str())),
    ];
    let child = match child::start(store, &running.id, &record.job, &env) {
        Ok(child) => child,
        Err(error) => return Ok(Outcome::error(format!("cannot start: {error}"))),
    };
    let details = Json::from(json!({"pid": child.pid()}));
    let event = NewEvent::new("started").message("the child runs").details(details);
    let expect = Expect::new().state("Running").revision(running.revision);
    store.append_events_if(&running.id, &expect, [event])?;
    child.finish()
}

/// Records the end. A failed attempt and the next one are one transaction, so neither is without the
/// other.
fn end(
    store: &Store,
    claimed: &Execution,
    running: &Header,
    outcome: &Outcome,
    max_attempts: usize,
) -> Result<(), Error> {
    let summary = outcome.summary();
    let result = Json::from(json!({"result": outcome}));
    let exited = NewEvent::new("ended")
        .message(&summary)
        .details(Json::from(json!({"duration_ms": outcome.duration_ms})));
    let still_running = Expect::new().state("Running").revision(running.revision);

    let success = outcome.is_success();
    let state = if success { "Completed" } else { "Failed" };
    let (retry, progress) = if success {
        let update = Update::to("Publishing").message("publishing the result");
        let publishing = store.update(&running.id, update.expect(still_running).event(exited))?;
        let update = Update::to(state)
            .message(&summary)
            .merge_payload(result)
            .event(NewEvent::new("published"))
            .expect(Expect::new().state("Publishing").revision(publishing.revision));
        store.batch(move |w| {
            w.update(&publishing.id, update.clone())?;
            Ok((None, Progress::read(w)?))
        })?
    } else {
        let update = Update::to(state).message(&summary).merge_payload(result);
        let update = update.event(exited).expect(still_running);
        let claimed = claimed.clone();
        store.batch(move |w| {
            w.update(&claimed.id, update.clone())?;
            let again = attempts::failures(w, claimed.job_id.as_str())? < max_attempts;
            let retry = again.then(|| attempts::retry(w, &claimed)).transpose()?;
            Ok((retry, Progress::read(w)?))
        })?
    };

    let then = retry.map_or(String::new(), |retry| format!("; again as {}", retry.id));
    let took = outcome.duration_ms;
    let wrote = match outcome.written() {
        (bytes, 0) => format!("{bytes} bytes"),
        (bytes, dropped) => format!("{bytes} bytes ({dropped} dropped)"),
    };
    say(format!("end {} {state}: {summary}, {took} ms, {wrote}{then} ({progress})", running.id));
    Ok(())
}
