//! The rows of the provider: its buckets, their keys, and what their values hold, as JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::buckets::{BucketKey, BucketMut, BucketRow, key};
use crate::error::ReadError;

/// Instance: an [`Instance`].
pub(super) const INSTANCES: &str = "duroxide/instances";
/// Parent and child: nothing.
pub(super) const CHILDREN: &str = "duroxide/children";
/// Instance, when it is visible, number: a message as JSON.
pub(super) const MESSAGES: &str = "duroxide/messages";
/// Instance: a [`Mailbox`](super::mailbox::Mailbox), while it has messages.
pub(super) const MAILBOXES: &str = "duroxide/mailboxes";
/// When its first message can be seen, and a number: an instance. One row for each mailbox that nobody has.
pub(super) const DUE: &str = "duroxide/due";
/// When the lease ends, and a number: the same for each that somebody has.
pub(super) const TURNS: &str = "duroxide/turns";
/// Instance, execution, activity, number: an activity to be executed, as JSON.
pub(super) const ACTIVITIES: &str = "duroxide/activities";
/// Tag, when it can be fetched, number: an [`Entry`](super::entries::Entry). One row for each activity that nobody has.
pub(super) const READY: &str = "duroxide/ready";
/// When the lease ends, number: the same for each that somebody has.
pub(super) const LENT: &str = "duroxide/lent";
/// Session: who has it.
pub(super) const SESSIONS: &str = "duroxide/sessions";
/// Instance and key: a value, as it was when the execution began.
pub(super) const VALUES: &str = "duroxide/values";
/// Instance and key: what the current execution has made of it.
pub(super) const VALUE_CHANGES: &str = "duroxide/value-changes";
/// Instance: its custom status.
pub(super) const STATUSES: &str = "duroxide/statuses";

/// What is known of an instance, however many executions it has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) orchestration: String,
    pub(super) version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
    /// The number of its current execution.
    pub(super) execution: u64,
    /// The version of duroxide that the current execution is to be run by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pinned: Option<(u64, u64, u64)>,
    /// The largest id of an event of the current execution.
    pub(super) last_event: u64,
    /// Milliseconds since 1970.
    pub(super) created_at: u64,
    pub(super) updated_at: u64,
}

pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, Error> {
    Ok(serde_json::from_slice(value)?)
}

pub(super) fn get<T: DeserializeOwned>(
    bucket: &BucketMut<'_, '_>,
    at: &impl BucketKey,
) -> Result<Option<T>, Error> {
    bucket.get(key(at))?.as_deref().map(decode).transpose()
}

pub(super) fn put(
    bucket: &mut BucketMut<'_, '_>,
    at: &impl BucketKey,
    value: &impl Serialize,
) -> Result<(), Error> {
    bucket.put(key(at), serde_json::to_vec(value)?)?;
    Ok(())
}

/// A row of a queue, unless it is damaged: then the others go on, and `verify` tells of it.
pub(super) fn readable(row: Result<BucketRow, ReadError>) -> Result<Option<BucketRow>, Error> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(ReadError::Damaged(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the rows whose keys begin with these parts; says how many there were.
pub(super) fn delete_all(bucket: &mut BucketMut<'_, '_>, prefix: &impl BucketKey) -> Result<u64, Error> {
    let keys: Vec<_> =
        bucket.with_prefix(key(prefix))?.map(|row| row.map(|row| row.key)).collect::<Result<_, _>>()?;
    for key in &keys {
        bucket.delete(key)?;
    }
    Ok(keys.len() as u64)
}
