//! The lifecycle of a recorded run: accepted, running, and the ways in which a workflow closes; and the words that
//! other systems have for these.

use execstore::error::LifecycleError;
use execstore::lifecycle::Lifecycle;

/// Accepted and not begun.
pub const SCHEDULED: &str = "Scheduled";
/// Begun and not closed.
pub const RUNNING: &str = "Running";
/// Ended well.
pub const COMPLETED: &str = "Completed";
/// Ended badly.
pub const FAILED: &str = "Failed";
/// Ended from outside.
pub const TERMINATED: &str = "Terminated";

/// The event types that close a run, without their `WorkflowExecution`, and the state that each leads to.
const CLOSING: [&str; 6] = [COMPLETED, FAILED, "Canceled", "TimedOut", TERMINATED, "ContinuedAsNew"];

/// The lifecycle of the replay's store.
pub fn lifecycle() -> Result<Lifecycle, LifecycleError> {
    let mut builder = Lifecycle::builder().pending(SCHEDULED).live(RUNNING);
    for state in CLOSING {
        builder = builder.terminal(state);
    }
    builder
        .transition(SCHEDULED, RUNNING)
        .transitions(SCHEDULED, CLOSING)
        .transitions(RUNNING, CLOSING)
        .build()
}

/// `true` for a state that a run never leaves.
pub fn is_terminal(state: &str) -> bool {
    CLOSING.contains(&state)
}

/// The state that an event leads to from `state`, if it changes it. The first closing event decides: what a
/// history says after it is kept as events only.
pub fn after(state: &str, event_type: &str) -> Option<&'static str> {
    let what = event_type.strip_prefix("WorkflowExecution")?;
    if what == "Started" {
        return (state == SCHEDULED).then_some(RUNNING);
    }
    let closing = CLOSING.into_iter().find(|closing| *closing == what)?;
    (!is_terminal(state)).then_some(closing)
}

/// The state that a system's own word stands for, in capitals or not; `None` for any other word.
pub fn named(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "running" => Some(RUNNING),
        "success" | "succeeded" | "completed" | "cached" | "done" => Some(COMPLETED),
        "failed" | "retryablefailure" => Some(FAILED),
        "aborted" | "cancelled" => Some("Canceled"),
        "killed" => Some(TERMINATED),
        _ => None,
    }
}
