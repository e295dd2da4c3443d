//! The start after a crash: what was live has no process any more that this node knows of.
//!
//! Its child may still be running, an orphan. This node does not look for it: the number of its process is
//! in the events, but may belong to another process by now.

use execstore::lifecycle::State;
use execstore::{Error, Execution, ExecutionId, Expect, Json, NewEvent, Readable, Store, Update};

use crate::attempts::{self, LOST};
use crate::output;

/// An execution that was lost, and the one that replaces it.
pub struct Retried {
    pub lost: ExecutionId,
    pub state: State,
    pub retry: ExecutionId,
}

/// Fails everything that is live and creates the next attempt of each, all in one transaction.
///
/// A crash in here leaves everything as it was, and the next start does it again. Executions that are
/// pending stay so: the workers take them as they take new ones.
pub fn recover(store: &Store) -> Result<Vec<Retried>, Error> {
    store.write(|w| {
        let live: Vec<Execution> = w.live()?.collect::<Result<_, _>>()?;
        let mut done = Vec::with_capacity(live.len());
        for lost in live {
            let message = "the node stopped while this was running";
            // What its child had written is in its streams, up to a moment before the end.
            let outputs = output::captured(w, &lost.id)?;
            let details =
                serde_json::json!({"state": lost.state.as_str(), "node": lost.node_id, "outputs": outputs});
            let event = NewEvent::new("recovery").message(message).details(Json::from(details));
            let expect = Expect::new().state(&lost.state).revision(lost.revision);
            let update = Update::to("Failed").message(message).label(LOST, "yes");
            w.update(&lost.id, update.expect(expect).event(event))?;
            let retry = attempts::retry(w, &lost)?;
            done.push(Retried { lost: lost.id.clone(), state: lost.state.clone(), retry: retry.id.clone() });
        }
        Ok(done)
    })
}
