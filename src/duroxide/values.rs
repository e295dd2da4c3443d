//! The values and the custom status of an instance.
//!
//! What an execution does to values is kept apart until it ends: each turn begins with the values as they were when the execution
//! began, and replays what it did since.

use std::collections::HashMap;

use duroxide::providers::KvEntry;
use duroxide::{Event, EventKind};
use serde::{Deserialize, Serialize};

use super::records::{STATUSES, VALUE_CHANGES, VALUES, decode, delete_all, get, put};
use crate::buckets::{BucketRow, key, parse_key};
use crate::{Error, Readable, Writer};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Value {
    /// `None`: it was cleared.
    value: Option<String>,
    /// Milliseconds since 1970.
    at: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) text: Option<String>,
    pub(super) version: u64,
}

fn entry(row: &BucketRow) -> Result<(String, Value), Error> {
    let (_, name): (String, String) = parse_key(&row.key).map_err(Error::caller)?;
    Ok((name, decode(&row.value)?))
}

fn rows(r: &impl Readable, bucket: &str, instance: &str) -> Result<Vec<(String, Value)>, Error> {
    r.bucket(bucket)?.with_prefix(key(&instance))?.map(|row| entry(&row?)).collect()
}

/// What the events of a turn do to them.
pub(super) fn apply(w: &mut Writer<'_>, instance: &str, events: &[Event], now: u64) -> Result<(), Error> {
    for event in events {
        match &event.kind {
            EventKind::KeyValueSet { key, value, last_updated_at_ms: at } => {
                change(w, instance, key, &Value { value: Some(value.clone()), at: *at })?;
            }
            EventKind::KeyValueCleared { key } => {
                change(w, instance, key, &Value { value: None, at: now })?;
            }
            EventKind::KeyValuesCleared => {
                let known = [rows(w, VALUES, instance)?, rows(w, VALUE_CHANGES, instance)?].concat();
                for (name, _) in known {
                    change(w, instance, &name, &Value { value: None, at: now })?;
                }
            }
            EventKind::CustomStatusUpdated { status } => {
                let mut statuses = w.open_bucket(STATUSES)?;
                let before: Status = get(&statuses, &instance)?.unwrap_or_default();
                let after = Status { text: status.clone(), version: before.version + 1 };
                put(&mut statuses, &instance, &after)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn change(w: &mut Writer<'_>, instance: &str, name: &str, value: &Value) -> Result<(), Error> {
    put(&mut w.open_bucket(VALUE_CHANGES)?, &(instance, name), value)
}

/// The execution has ended: what it did to the values is what they are.
pub(super) fn settle(w: &mut Writer<'_>, instance: &str) -> Result<(), Error> {
    let changes = rows(w, VALUE_CHANGES, instance)?;
    for (name, change) in &changes {
        let mut values = w.open_bucket(VALUES)?;
        match change.value {
            Some(_) => put(&mut values, &(instance, name.as_str()), change)?,
            None => drop(values.delete(key(&(instance, name.as_str())))?),
        }
        w.open_bucket(VALUE_CHANGES)?.delete(key(&(instance, name.as_str())))?;
    }
    Ok(())
}

/// The values as they were when the execution began.
pub(super) fn snapshot(r: &impl Readable, instance: &str) -> Result<HashMap<String, KvEntry>, Error> {
    let rows = rows(r, VALUES, instance)?.into_iter();
    Ok(rows
        .filter_map(|(name, Value { value, at })| {
            Some((name, KvEntry { value: value?, last_updated_at_ms: at }))
        })
        .collect())
}

/// The values as they are.
pub(super) fn all(r: &impl Readable, instance: &str) -> Result<HashMap<String, String>, Error> {
    let mut values = HashMap::new();
    for (name, value) in [rows(r, VALUES, instance)?, rows(r, VALUE_CHANGES, instance)?].concat() {
        match value.value {
            Some(value) => values.insert(name, value),
            None => values.remove(&name),
        };
    }
    Ok(values)
}

pub(super) fn one(r: &impl Readable, instance: &str, name: &str) -> Result<Option<String>, Error> {
    for bucket in [VALUE_CHANGES, VALUES] {
        if let Some(found) = r.bucket(bucket)?.get(key(&(instance, name)))? {
            return Ok(decode::<Value>(&found)?.value);
        }
    }
    Ok(None)
}

pub(super) fn status(r: &impl Readable, instance: &str) -> Result<Status, Error> {
    let found = r.bucket(STATUSES)?.get(key(&instance))?;
    Ok(found.as_deref().map(decode).transpose()?.unwrap_or_default())
}

/// Forgets what an instance had.
pub(super) fn remove(w: &mut Writer<'_>, instance: &str) -> Result<(), Error> {
    for bucket in [VALUES, VALUE_CHANGES, STATUSES] {
        delete_all(&mut w.open_bucket(bucket)?, &instance)?;
    }
    Ok(())
}
