//! Activities that wait to be executed, and those that somebody executes.
//!
//! An activity is a row that is written once, and a small one that says when it can be fetched: for a worker that has it, when its lease ends.
//! The small rows of each tag stand together. One whose activity is gone, because it was cancelled, is removed by whoever meets it.

use duroxide::providers::{ScheduledActivityIdentifier, SessionFetchConfig, TagFilter, WorkItem};
use serde::{Deserialize, Serialize};

use super::mailbox::Place;
use super::records::{ACTIVITIES, READY, decode, delete_all, get, put};
use super::token::{Tag, Token, at, tag_of};
use super::{Sought, sessions};
use crate::buckets::{key, parse_key};
use crate::{Error, Readable, Writer};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    instance: String,
    execution: u64,
    activity: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<String>,
    attempts: u32,
    /// Who has it; 0 for nobody.
    lease: u64,
    /// When the lease ends, if that is later than where the row stands.
    until: u64,
}

impl Ready {
    fn place(&self, number: u64) -> (&str, u64, u64, u64) {
        (&self.instance, self.execution, self.activity, number)
    }
}

/// Puts an activity among those that can be fetched. `false` for what is no activity.
pub(super) fn enqueue(w: &mut Writer<'_>, item: &WorkItem, now: u64) -> Result<bool, Error> {
    let WorkItem::ActivityExecute { instance, execution_id, id, session_id, tag, .. } = item else {
        return Ok(false);
    };
    let mut activities = w.open_bucket(ACTIVITIES)?;
    let number = activities.next_sequence()?;
    let ready = Ready {
        instance: instance.clone(),
        execution: *execution_id,
        activity: *id,
        session: session_id.clone(),
        attempts: 0,
        lease: 0,
        until: 0,
    };
    put(&mut activities, &ready.place(number), item)?;
    let at = at(&tag_of(tag.as_deref()), (now, number));
    w.open_bucket(READY)?.put(at, serde_json::to_vec(&ready)?)?;
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
    Ok(if found.first.is_some() { Ok(()) } else { Err(found.next) })
}

/// Gives the activity that has waited for longest; or when there may be one.
pub(super) fn fetch(w: &mut Writer<'_>, wanted: &Wanted, now: u64) -> Result<Sought<Fetched>, Error> {
    let Found { first, gone, next } = find(w, wanted, now)?;
    for key in gone {
        w.open_bucket(READY)?.delete(key)?;
    }
    let Some((tag, place, mut ready)) = first else { return Ok(Err(next)) };
    let item = w.bucket(ACTIVITIES)?.get(key(&ready.place(place.1)))?.unwrap_or_default();
    let mut all = w.open_bucket(READY)?;
    all.delete(at(&tag, place))?;
    ready.attempts = ready.attempts.saturating_add(1);
    ready.lease = all.next_sequence()?;
    ready.until = 0;
    let place = (now.saturating_add(wanted.lease), place.1);
    all.put(at(&tag, place), serde_json::to_vec(&ready)?)?;
    if let (Some(session), Some(config)) = (&ready.session, &wanted.session) {
        sessions::claim(w, session, config, now)?;
    }
    let token = Token { lease: ready.lease, at: place, tag };
    let item = String::from_utf8(item).map_err(Error::caller)?;
    Ok(Ok(Fetched { item, token, attempts: ready.attempts }))
}

/// What a search has found.
#[derive(Default)]
struct Found {
    first: Option<(Tag, Place, Ready)>,
    /// Rows whose activities are gone.
    gone: Vec<Vec<u8>>,
    /// When there may be another one.
    next: Option<u64>,
}

fn find(r: &impl Readable, wanted: &Wanted, now: u64) -> Result<Found, Error> {
    let mut found = Found::default();
    for tag in tags(r, &wanted.tags)? {
        found.first_of(r, (tag, wanted, now))?;
    }
    Ok(found)
}

/// The tags that a filter lets through and that somebody waits with.
fn tags(r: &impl Readable, filter: &TagFilter) -> Result<Vec<Tag>, Error> {
    let named = |tags: &std::collections::HashSet<String>| -> Vec<Tag> {
        tags.iter().map(|tag| tag_of(Some(tag))).collect()
    };
    Ok(match filter {
        TagFilter::None => Vec::new(),
        TagFilter::DefaultOnly => vec![tag_of(None)],
        TagFilter::Tags(tags) => named(tags),
        TagFilter::DefaultAnd(tags) => [vec![tag_of(None)], named(tags)].concat(),
        TagFilter::Any => {
            let all = r.bucket(READY)?;
            let mut tags: Vec<Tag> = Vec::new();
            loop {
                let behind = tags
                    .last()
                    .map_or_else(Vec::new, |(tagged, tag)| key(&(*tagged, tag.as_str(), u64::MAX, u64::MAX)));
                let Some(row) = all.range(behind..)?.next().transpose()? else { break tags };
                let (tagged, tag, ..): (bool, String, u64, u64) =
                    parse_key(&row.key).map_err(Error::caller)?;
                tags.push((tagged, tag));
            }
        }
    })
}

impl Found {
    /// Looks for the first of a tag that can be had.
    fn first_of(&mut self, r: &impl Readable, (tag, wanted, now): (Tag, &Wanted, u64)) -> Result<(), Error> {
        let (first, last) = (at(&tag, (0, 0)), at(&tag, (u64::MAX, u64::MAX)));
        let activities = r.bucket(ACTIVITIES)?;
        for row in r.bucket(READY)?.range(first..=last)? {
            let row = row?;
            let (_, _, when, number): (bool, String, u64, u64) =
                parse_key(&row.key).map_err(Error::caller)?;
            if when > now {
                self.later(when);
                break;
            }
            let ready: Ready = decode(&row.value)?;
            if !activities.contains_key(key(&ready.place(number)))? {
                self.gone.push(row.key);
                continue;
            }
            if ready.until > now {
                self.later(ready.until);
                continue;
            }
            if let Some(session) = &ready.session {
                let Some(config) = &wanted.session else { continue };
                if let Some(until) = sessions::taken_until(r, session, config, now)? {
                    self.later(until);
                    continue;
                }
            }
            if self.first.as_ref().is_none_or(|(_, other, _)| (when, number) < *other) {
                self.first = Some((tag, (when, number), ready));
            }
            break;
        }
        Ok(())
    }

    fn later(&mut self, when: u64) {
        self.next = Some(self.next.map_or(when, |next| next.min(when)));
    }
}

/// The row that somebody has, if he has it still, and until when. Not if its activity was cancelled.
fn held(w: &mut Writer<'_>, token: &Token) -> Result<Option<(Ready, u64)>, Error> {
    let (tagged, tag) = &token.tag;
    let place = (*tagged, tag.as_str(), token.at.0, token.at.1);
    let found: Option<Ready> = get(&w.open_bucket(READY)?, &place)?;
    let Some(ready) = found.filter(|ready| ready.lease == token.lease) else { return Ok(None) };
    if !w.bucket(ACTIVITIES)?.contains_key(key(&ready.place(token.at.1)))? {
        return Ok(None);
    }
    let until = ready.until.max(token.at.0);
    Ok(Some((ready, until)))
}

/// Removes an activity that was executed; `false` if whoever says so does not have it any more.
pub(super) fn finish(w: &mut Writer<'_>, token: &Token, now: u64) -> Result<bool, Error> {
    let Some((ready, _)) = held(w, token)?.filter(|(_, until)| *until > now) else { return Ok(false) };
    w.open_bucket(ACTIVITIES)?.delete(key(&ready.place(token.at.1)))?;
    w.open_bucket(READY)?.delete(at(&token.tag, token.at))?;
    sessions::touch(w, ready.session.as_deref(), now)?;
    Ok(true)
}

/// Makes a lease last for longer; `false` as above.
pub(super) fn extend(w: &mut Writer<'_>, token: &Token, (now, until): (u64, u64)) -> Result<bool, Error> {
    let Some((mut ready, _)) = held(w, token)?.filter(|(_, until)| *until > now) else { return Ok(false) };
    ready.until = until;
    w.open_bucket(READY)?.put(at(&token.tag, token.at), serde_json::to_vec(&ready)?)?;
    sessions::touch(w, ready.session.as_deref(), now)?;
    Ok(true)
}

/// Ends a lease; the activity can be fetched again from a time on. `false` as above, but that the lease may have ended.
pub(super) fn give_back(
    w: &mut Writer<'_>,
    token: &Token,
    (from, uncounted): (u64, bool),
) -> Result<bool, Error> {
    let Some((mut ready, _)) = held(w, token)? else { return Ok(false) };
    ready.attempts = ready.attempts.saturating_sub(u32::from(uncounted));
    (ready.lease, ready.until) = (0, 0);
    let mut all = w.open_bucket(READY)?;
    all.delete(at(&token.tag, token.at))?;
    all.put(at(&token.tag, (from, token.at.1)), serde_json::to_vec(&ready)?)?;
    Ok(true)
}

/// Ends every lease; says how many there were.
pub(super) fn release(w: &mut Writer<'_>, now: u64) -> Result<u64, Error> {
    let mut lent = Vec::new();
    for row in w.bucket(READY)?.iter()? {
        let row = row?;
        let ready: Ready = decode(&row.value)?;
        if !ready.is_free() {
            lent.push((row.key, Ready { lease: 0, until: 0, ..ready }));
        }
    }
    for (before, ready) in &lent {
        let (tagged, tag, _, number): (bool, String, u64, u64) = parse_key(before).map_err(Error::caller)?;
        let mut all = w.open_bucket(READY)?;
        all.delete(before)?;
        all.put(at(&(tagged, tag), (now, number)), serde_json::to_vec(ready)?)?;
    }
    Ok(lent.len() as u64)
}

/// All rows whose activities are there.
pub(super) fn all(r: &impl Readable) -> Result<Vec<Ready>, Error> {
    let mut found = Vec::new();
    let activities = r.bucket(ACTIVITIES)?;
    for row in r.bucket(READY)?.iter()? {
        let row = row?;
        let (.., number): (bool, String, u64, u64) = parse_key(&row.key).map_err(Error::caller)?;
        let ready: Ready = decode(&row.value)?;
        if activities.contains_key(key(&ready.place(number)))? {
            found.push(ready);
        }
    }
    Ok(found)
}

impl Ready {
    pub(super) fn is_free(&self) -> bool {
        self.lease == 0
    }
}
