//! Activities that wait to be executed, and those that somebody executes.
//!
//! An activity is a row that is written once. A small row stands for it: among those that are ready, by tag and by when it can be fetched,
//! or among those that are lent, by when the lease ends. The two are buckets of their own, so that a look for what is ready does not
//! step over what others took and gave back. One whose activity is gone, because it was cancelled, is removed by whoever meets it.

use duroxide::providers::{ScheduledActivityIdentifier, SessionFetchConfig, TagFilter, WorkItem};

use super::entries::{self, Entry, Token};
use super::mailbox::Place;
use super::records::{ACTIVITIES, LENT, READY, decode, delete_all, readable};
use super::{Later, Sought, sessions};
use crate::buckets::key;
use crate::{Error, Readable, Writer};

/// Puts an activity among those that can be fetched. `false` for what is no activity.
pub(super) fn enqueue(w: &mut Writer<'_>, item: &WorkItem, now: u64) -> Result<bool, Error> {
    let WorkItem::ActivityExecute { instance, execution_id, id, session_id, tag, .. } = item else {
        return Ok(false);
    };
    let mut activities = w.open_bucket(ACTIVITIES)?;
    let number = activities.next_sequence()?;
    let entry = Entry {
        instance: instance.clone(),
        execution: *execution_id,
        activity: *id,
        session: session_id.clone(),
        tag: tag.clone(),
        attempts: 0,
        lease: 0,
        until: 0,
    };
    activities.put(entry.activity(number), serde_json::to_vec(item)?)?;
    let at = entry.ready((now, number));
    w.open_bucket(READY)?.put(at, serde_json::to_vec(&entry)?)?;
    Ok(true)
}

/// Removes an activity that is not wanted any more, and whoever has it learns it when it extends its lease or reports.
pub(super) fn cancel(w: &mut Writer<'_>, activity: &ScheduledActivityIdentifier) -> Result<(), Error> {
    let ScheduledActivityIdentifier { instance, execution_id, activity_id } = activity;
    delete_all(&mut w.open_bucket(ACTIVITIES)?, &(instance.as_str(), *execution_id, *activity_id))?;
    Ok(())
}

/// Removes the activities of an instance; says how many there were.
pub(super) fn remove(w: &mut Writer<'_>, instance: &str) -> Result<u64, Error> {
    delete_all(&mut w.open_bucket(ACTIVITIES)?, &instance)
}

/// What a fetch has found.
pub(super) struct Fetched {
    pub(super) item: String,
    pub(super) token: Token,
    pub(super) attempts: u32,
}

/// What somebody takes, and for how long, in milliseconds.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) tags: TagFilter,
    pub(super) session: Option<SessionFetchConfig>,
    pub(super) lease: u64,
}

/// Whether there is one to be had; if not, when there may be one.
pub(super) fn look(r: &impl Readable, wanted: &Wanted, now: u64) -> Result<Sought<()>, Error> {
    let found = find(r, wanted, now)?;
    Ok(if found.first.is_some() { Ok(()) } else { Err(found.later) })
}

/// Gives the activity that has waited for longest; or when there may be one.
pub(super) fn fetch(w: &mut Writer<'_>, wanted: &Wanted, now: u64) -> Result<Sought<Fetched>, Error> {
    let Found { first, gone, later } = find(w, wanted, now)?;
    for (bucket, key) in gone {
        w.open_bucket(bucket)?.delete(key)?;
    }
    let Some(First { bucket, key: before, at, mut entry }) = first else { return Ok(Err(later)) };
    let item = w.bucket(ACTIVITIES)?.get(entry.activity(at.1))?.unwrap_or_default();
    w.open_bucket(bucket)?.delete(before)?;
    let mut lent = w.open_bucket(LENT)?;
    entry.attempts = entry.attempts.saturating_add(1);
    entry.lease = lent.next_sequence()?;
    entry.until = 0;
    let at = (now.saturating_add(wanted.lease), at.1);
    lent.put(key(&at), serde_json::to_vec(&entry)?)?;
    if let (Some(session), Some(config)) = (&entry.session, &wanted.session) {
        sessions::claim(w, session, config, now)?;
    }
    let token = Token { lease: entry.lease, at };
    let item = String::from_utf8(item).map_err(Error::caller)?;
    Ok(Ok(Fetched { item, token, attempts: entry.attempts }))
}

/// A row that can be had.
struct First {
    bucket: &'static str,
    key: Vec<u8>,
    at: Place,
    entry: Entry,
}

/// What a search has found.
#[derive(Default)]
struct Found {
    first: Option<First>,
    /// Rows whose activities are gone.
    gone: Vec<(&'static str, Vec<u8>)>,
    later: Later,
}

fn find(r: &impl Readable, wanted: &Wanted, now: u64) -> Result<Found, Error> {
    let mut found = Found::default();
    let tags = match &wanted.tags {
        TagFilter::None => return Ok(found),
        TagFilter::DefaultOnly => vec![None],
        TagFilter::Tags(tags) => tags.iter().cloned().map(Some).collect(),
        TagFilter::DefaultAnd(tags) => std::iter::once(None).chain(tags.iter().cloned().map(Some)).collect(),
        TagFilter::Any => entries::tags(r)?,
    };
    // Leases that have ended.
    found.search(r, (LENT, key(&(0_u64, 0_u64)), key(&(u64::MAX, u64::MAX))), (wanted, now))?;
    for tag in tags.iter().map(Option::as_deref) {
        let range = (entries::ready(tag, (0, 0)), entries::ready(tag, (u64::MAX, u64::MAX)));
        found.search(r, (READY, range.0, range.1), (wanted, now))?;
    }
    Ok(found)
}

impl Found {
    /// Looks for the first in a range that can be had.
    fn search(
        &mut self,
        r: &impl Readable,
        (bucket, first, last): (&'static str, Vec<u8>, Vec<u8>),
        (wanted, now): (&Wanted, u64),
    ) -> Result<(), Error> {
        let activities = r.bucket(ACTIVITIES)?;
        for row in r.bucket(bucket)?.range(first..=last)? {
            let Some(row) = readable(row)? else { continue };
            let (at, entry) = entries::read(&row, bucket == LENT)?;
            if at.0 > now {
                self.later(at.0);
                break;
            }
            if !entry.suits(&wanted.tags) {
                continue;
            }
            if !activities.contains_key(entry.activity(at.1))? {
                self.gone.push((bucket, row.key));
                continue;
            }
            if entry.until > now {
                self.later(entry.until);
                continue;
            }
            if let Some(session) = &entry.session {
                let Some(config) = &wanted.session else {
                    self.later.asks_otherwise = true;
                    continue;
                };
                if let Some(until) = sessions::taken_until(r, session, config, now)? {
                    self.later(until);
                    continue;
                }
            }
            if self.first.as_ref().is_none_or(|other| at < other.at) {
                self.first = Some(First { bucket, key: row.key, at, entry });
            }
            break;
        }
        Ok(())
    }

    fn later(&mut self, when: u64) {
        self.later.when = Some(self.later.when.map_or(when, |next| next.min(when)));
    }
}

/// The row that somebody has, if he has it still, and until when. Not if its activity was cancelled.
fn held(r: &impl Readable, token: &Token) -> Result<Option<(Entry, u64)>, Error> {
    let Some(row) = r.bucket(LENT)?.get(key(&token.at))? else { return Ok(None) };
    let entry: Entry = decode(&row)?;
    let is_his = entry.lease == token.lease;
    if !is_his || !r.bucket(ACTIVITIES)?.contains_key(entry.activity(token.at.1))? {
        return Ok(None);
    }
    let until = entry.until.max(token.at.0);
    Ok(Some((entry, until)))
}

/// Removes an activity that was executed; `false` if whoever says so does not have it any more.
pub(super) fn finish(w: &mut Writer<'_>, token: &Token, now: u64) -> Result<bool, Error> {
    let Some((entry, _)) = held(w, token)?.filter(|(_, until)| *until > now) else { return Ok(false) };
    w.open_bucket(ACTIVITIES)?.delete(entry.activity(token.at.1))?;
    w.open_bucket(LENT)?.delete(key(&token.at))?;
    sessions::touch(w, entry.session.as_deref(), now)?;
    Ok(true)
}

/// Makes a lease last for longer; `false` as above.
pub(super) fn extend(w: &mut Writer<'_>, token: &Token, (now, until): (u64, u64)) -> Result<bool, Error> {
    let Some((mut entry, _)) = held(w, token)?.filter(|(_, until)| *until > now) else { return Ok(false) };
    entry.until = until;
    w.open_bucket(LENT)?.put(key(&token.at), serde_json::to_vec(&entry)?)?;
    sessions::touch(w, entry.session.as_deref(), now)?;
    Ok(true)
}

/// Ends a lease; the activity can be fetched again from a time on. `false` as above, but that the lease may have ended.
pub(super) fn give_back(
    w: &mut Writer<'_>,
    token: &Token,
    (from, uncounted): (u64, bool),
) -> Result<bool, Error> {
    let Some((mut entry, _)) = held(w, token)? else { return Ok(false) };
    entry.attempts = entry.attempts.saturating_sub(u32::from(uncounted));
    make_ready(w, (token.at, from), entry)?;
    Ok(true)
}

/// Moves one from those that are lent to those that are ready.
fn make_ready(w: &mut Writer<'_>, (at, from): (Place, u64), entry: Entry) -> Result<(), Error> {
    let entry = Entry { lease: 0, until: 0, ..entry };
    w.open_bucket(LENT)?.delete(key(&at))?;
    w.open_bucket(READY)?.put(entry.ready((from, at.1)), serde_json::to_vec(&entry)?)?;
    Ok(())
}

/// Ends every lease; says how many there were.
pub(super) fn release(w: &mut Writer<'_>, now: u64) -> Result<u64, Error> {
    let lent =
        w.bucket(LENT)?.iter()?.map(|row| entries::read(&row?, true)).collect::<Result<Vec<_>, _>>()?;
    let many = lent.len() as u64;
    lent.into_iter().try_for_each(|(at, entry)| make_ready(w, (at, now), entry))?;
    Ok(many)
}

/// All whose activities are there.
pub(super) fn all(r: &impl Readable) -> Result<Vec<Entry>, Error> {
    let activities = r.bucket(ACTIVITIES)?;
    let mut found = Vec::new();
    for (at, entry) in entries::all(r)? {
        if activities.contains_key(entry.activity(at.1))? {
            found.push(entry);
        }
    }
    Ok(found)
}
