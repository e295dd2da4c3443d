//! Which worker has a session, so that its activities go there.

use std::collections::HashSet;

use duroxide::providers::SessionFetchConfig;
use serde::{Deserialize, Serialize};

use super::millis;
use super::records::{SESSIONS, decode, get, put};
use crate::buckets::{key, parse_key};
use crate::{Error, Readable, Writer};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Session {
    owner: String,
    until: u64,
    /// When it was last fetched for, extended or reported for.
    active_at: u64,
}

/// Until when somebody else has it; `None` if it can be had.
pub(super) fn taken_until(
    r: &impl Readable,
    session: &str,
    config: &SessionFetchConfig,
    now: u64,
) -> Result<Option<u64>, Error> {
    let found = r.bucket(SESSIONS)?.get(key(&session))?;
    let Some(found) = found.as_deref().map(decode::<Session>).transpose()? else { return Ok(None) };
    Ok((found.until > now && found.owner != config.owner_id).then_some(found.until))
}

pub(super) fn claim(
    w: &mut Writer<'_>,
    session: &str,
    config: &SessionFetchConfig,
    now: u64,
) -> Result<(), Error> {
    let until = now.saturating_add(millis(config.lock_timeout));
    let claimed = Session { owner: config.owner_id.clone(), until, active_at: now };
    put(&mut w.open_bucket(SESSIONS)?, &session, &claimed)
}

/// Something was done for it, if somebody has it still.
pub(super) fn touch(w: &mut Writer<'_>, session: Option<&str>, now: u64) -> Result<(), Error> {
    let Some(session) = session else { return Ok(()) };
    let mut all = w.open_bucket(SESSIONS)?;
    match get::<Session>(&all, &session)? {
        Some(found) if found.until > now => put(&mut all, &session, &Session { active_at: now, ..found }),
        _ => Ok(()),
    }
}

/// Makes the sessions of these owners last until a time, but those that nothing was done for since `idle`. Says how many.
pub(super) fn extend(
    w: &mut Writer<'_>,
    owners: &[String],
    (now, until, idle): (u64, u64, u64),
) -> Result<usize, Error> {
    let mut all = w.open_bucket(SESSIONS)?;
    let mut extended = Vec::new();
    for row in all.iter()? {
        let row = row?;
        let session: Session = decode(&row.value)?;
        if owners.contains(&session.owner) && session.until > now && session.active_at > idle {
            extended.push((row.key, Session { until, ..session }));
        }
    }
    for (key, session) in &extended {
        all.put(key, serde_json::to_vec(session)?)?;
    }
    Ok(extended.len())
}

/// Nobody has any session any more.
pub(super) fn release(w: &mut Writer<'_>) -> Result<(), Error> {
    if w.bucket(SESSIONS)?.exists() {
        w.delete_bucket(SESSIONS)?;
    }
    Ok(())
}

/// Forgets the sessions that nobody has and that are not wanted. Says how many.
pub(super) fn forget(w: &mut Writer<'_>, wanted: &HashSet<String>, now: u64) -> Result<usize, Error> {
    let mut all = w.open_bucket(SESSIONS)?;
    let mut left = Vec::new();
    for row in all.iter()? {
        let row = row?;
        let session: Session = decode(&row.value)?;
        let name: String = parse_key(&row.key).map_err(Error::caller)?;
        if session.until < now && !wanted.contains(&name) {
            left.push(row.key);
        }
    }
    for key in &left {
        all.delete(key)?;
    }
    Ok(left.len())
}
