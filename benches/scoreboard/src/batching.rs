//! A hand-made batching writer: a thread that commits what has queued up in one transaction.

use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;

/// The most acts of one commit, as many as execstore takes.
const MOST: usize = 1_024;

/// Acts, each with its answer once it is durable.
pub struct Batching<A, R> {
    acts: Option<Sender<(A, SyncSender<R>)>>,
    thread: Option<JoinHandle<()>>,
}

impl<A: Send + 'static, R: Send + 'static> Batching<A, R> {
    /// `commit` does what it is given in one transaction, and gives the answers in the same order.
    pub fn start(mut commit: impl FnMut(Vec<A>) -> Vec<R> + Send + 'static) -> Self {
        let (acts, queued) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = queued.recv() {
                let (acts, callers): (Vec<A>, Vec<SyncSender<R>>) =
                    std::iter::once(first).chain(queued.try_iter().take(MOST - 1)).unzip();
                for (caller, answer) in callers.into_iter().zip(commit(acts)) {
                    caller.send(answer).unwrap();
                }
            }
        });
        Self { acts: Some(acts), thread: Some(thread) }
    }

    pub fn act(&self, act: A) -> R {
        let (caller, answer) = mpsc::sync_channel(1);
        self.acts.as_ref().unwrap().send((act, caller)).unwrap();
        answer.recv().unwrap()
    }
}

impl<A, R> Drop for Batching<A, R> {
    fn drop(&mut self) {
        drop(self.acts.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
