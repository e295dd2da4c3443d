//! Watchers and followers of outputs as streams: the feature `stream`.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::outputs::OutputFollower;
use super::watch::Watcher;
use crate::model::change::Change;
use crate::model::error::WatchError;
use crate::model::outputs::OutputPart;

/// The changes, as [`recv`](Watcher::recv) gives them. It ends when the store is closed, and after an error, which it gives once; polled
/// again it stays at its end, until a [`seek`](Watcher::seek).
impl Stream for Watcher {
    type Item = Result<Change, WatchError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_stream(cx)
    }
}

/// The parts, as [`recv`](OutputFollower::recv) gives them. It ends once nothing more will come, when the store is closed, and after an
/// error, which it gives once; polled again it stays at its end.
impl Stream for OutputFollower {
    type Item = Result<OutputPart, WatchError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_stream(cx)
    }
}
