//! Waits for the disk and answers, on a thread of its own, so that the next members run meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::Committer;
use super::request::{Failure, Request};
use crate::model::panics::caught;
use crate::txn::InFlight;

/// The members of one transaction, which have run.
pub(super) struct Ran {
    pub(super) members: Vec<Box<dyn Request>>,
    /// Their transaction, or why there is none.
    pub(super) outcome: Result<InFlight, Failure>,
}

impl Ran {
    /// Once they are durable, or known not to be, every member is told: also one that failed, since its failure may rest on what
    /// others wrote.
    fn settle(self) {
        let committed = self.outcome.and_then(|in_flight| in_flight.settle().map_err(Failure::Commit));
        for member in self.members {
            // What a caller's closure, result or waker does must not keep the others from their answers.
            let committed = committed.clone();
            let _ = caught(|| member.settle(committed));
        }
    }
}

/// As many transactions as wait for the one that is being made durable: what they wrote is in the next sync.
const WAITING: usize = 1;

/// Who answers. Without a thread of its own, the one that commits.
pub(super) struct Settler(Option<(SyncSender<Ran>, JoinHandle<()>)>);

impl Settler {
    pub(super) fn start(committer: &Arc<Committer>) -> Self {
        let (send, come) = sync_channel(WAITING);
        let committer = committer.clone();
        let thread = thread::Builder::new().name("execstore-settle".into());
        Self(thread.spawn(move || work(&committer, &come)).ok().map(|thread| (send, thread)))
    }

    /// In the order in which they ran.
    pub(super) fn settle(&self, committer: &Committer, ran: Ran) {
        committer.queue().unsettled += 1;
        let left = match &self.0 {
            Some((send, _)) => send.send(ran).map_err(|left| left.0),
            None => Err(ran),
        };
        if let Err(ran) = left {
            settle(committer, ran);
        }
    }

    /// Waits until all have their answers.
    pub(super) fn end(self) {
        if let Some((send, thread)) = self.0 {
            drop(send);
            let _ = thread.join();
        }
    }
}

fn work(committer: &Committer, come: &Receiver<Ran>) {
    let _at_work = committer.posts().settler.hold();
    while let Ok(ran) = come.recv() {
        settle(committer, ran);
    }
}

fn settle(committer: &Committer, ran: Ran) {
    let _ = caught(|| ran.settle());
    let mut queue = committer.queue();
    queue.unsettled -= 1;
    let closed = queue.closed;
    drop(queue);
    if closed {
        committer.moved.notify_all();
    }
}
