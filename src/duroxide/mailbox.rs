//! The messages of an instance, which are taken all at once, by one at a time.
//!
//! A mailbox stands in one place: among those that are due, where its first message can be seen, or, while somebody has it, among the
//! turns that are taken, where the lease ends. So taking the next looks at a row or two, however many messages wait elsewhere, and the
//! end of a lease needs nobody who looks for it.

use duroxide::providers::WorkItem;
use serde::{Deserialize, Serialize};

use super::records::{DUE, MAILBOXES, MESSAGES, TURNS, decode, put, readable};
use crate::buckets::{BucketRow, key, parse_key};
use crate::{Error, Readable, Writer};

/// When, in milliseconds since 1970, and a number that is drawn once.
pub(super) type Place = (u64, u64);

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Mailbox {
    /// Where it stands, and whether that is among the turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stands: Option<(bool, Place)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Lease>,
    /// The messages that were fetched before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tried: Vec<Tried>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) number: u64,
    pub(super) until: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tried {
    at: Place,
    attempts: u32,
    /// It was given to whoever has the lease, or had the last one.
    leased: bool,
}

/// A message, and where it is.
pub(super) struct Message {
    pub(super) at: Place,
    pub(super) item: String,
}

/// For whom a message is; `None` for what is no message of an orchestration.
pub(super) fn receiver(item: &WorkItem) -> Option<&str> {
    match item {
        WorkItem::StartOrchestration { instance, .. }
        | WorkItem::ActivityCompleted { instance, .. }
        | WorkItem::ActivityFailed { instance, .. }
        | WorkItem::TimerFired { instance, .. }
        | WorkItem::ExternalRaised { instance, .. }
        | WorkItem::QueueMessage { instance, .. }
        | WorkItem::CancelInstance { instance, .. }
        | WorkItem::ContinueAsNew { instance, .. } => Some(instance),
        WorkItem::SubOrchCompleted { parent_instance, .. }
        | WorkItem::SubOrchFailed { parent_instance, .. } => Some(parent_instance),
        // The execution of an activity. A feature of duroxide for its own tests has one more.
        _ => None,
    }
}

impl Mailbox {
    pub(super) fn load(r: &impl Readable, instance: &str) -> Result<Self, Error> {
        let found = r.bucket(MAILBOXES)?.get(key(&instance))?;
        Ok(found.as_deref().map(decode).transpose()?.unwrap_or_default())
    }

    /// Gives it to somebody. Says how often the message that was fetched most often was, this time included.
    pub(super) fn lend(
        mut self,
        w: &mut Writer<'_>,
        instance: &str,
        (until, messages): (u64, &[Message]),
    ) -> Result<(Lease, u32), Error> {
        let number = w.open_bucket(MAILBOXES)?.next_sequence()?;
        let lease = Lease { number, until };
        self.tried.iter_mut().for_each(|tried| tried.leased = false);
        let mut most = 0;
        for Message { at, .. } in messages {
            let attempts = match self.tried.iter_mut().find(|tried| tried.at == *at) {
                Some(tried) => {
                    tried.attempts = tried.attempts.saturating_add(1);
                    tried.leased = true;
                    tried.attempts
                }
                None => {
                    self.tried.push(Tried { at: *at, attempts: 1, leased: true });
                    1
                }
            };
            most = most.max(attempts);
        }
        self.lease = Some(lease);
        self.settle(w, instance)?;
        Ok((lease, most))
    }

    /// Makes the lease last for longer.
    pub(super) fn extend(mut self, w: &mut Writer<'_>, instance: &str, until: u64) -> Result<(), Error> {
        if let Some(lease) = &mut self.lease {
            lease.until = until;
        }
        self.settle(w, instance)
    }

    /// Ends the lease. What was given with it has been dealt with.
    pub(super) fn finish(mut self, w: &mut Writer<'_>, instance: &str) -> Result<(), Error> {
        let mut messages = w.open_bucket(MESSAGES)?;
        for Tried { at: (when, number), .. } in self.tried.iter().filter(|tried| tried.leased) {
            messages.delete(key(&(instance, *when, *number)))?;
        }
        self.tried.retain(|tried| !tried.leased);
        self.lease = None;
        self.settle(w, instance)
    }

    /// Ends the lease. What was given with it is to be given again, from a time on if one is said.
    pub(super) fn give_back(
        mut self,
        w: &mut Writer<'_>,
        instance: &str,
        (from, uncounted): (Option<u64>, bool),
    ) -> Result<(), Error> {
        let mut messages = w.open_bucket(MESSAGES)?;
        for tried in self.tried.iter_mut().filter(|tried| tried.leased) {
            tried.leased = false;
            tried.attempts = tried.attempts.saturating_sub(u32::from(uncounted));
            let (when, number) = tried.at;
            let Some(from) = from else { continue };
            if let Some(item) = messages.take(key(&(instance, when, number)))? {
                messages.put(key(&(instance, from, number)), item)?;
                tried.at = (from, number);
            }
        }
        self.lease = None;
        self.settle(w, instance)
    }

    /// Forgets the messages that are given.
    pub(super) fn drop_messages(
        mut self,
        w: &mut Writer<'_>,
        instance: &str,
        given: &[Message],
    ) -> Result<(), Error> {
        let mut messages = w.open_bucket(MESSAGES)?;
        for Message { at: (when, number), .. } in given {
            messages.delete(key(&(instance, *when, *number)))?;
        }
        self.tried.retain(|tried| given.iter().all(|message| message.at != tried.at));
        self.lease = None;
        self.settle(w, instance)
    }

    /// Puts it where it stands now, or nowhere if it is empty.
    fn settle(mut self, w: &mut Writer<'_>, instance: &str) -> Result<(), Error> {
        let messages = w.open_bucket(MESSAGES)?;
        let first = messages.with_prefix(key(&instance))?.next().transpose()?;
        let first = first.map(|row| place(&row)).transpose()?;
        let stands = first.map(|first| match self.lease {
            Some(lease) => (true, (lease.until, first.1)),
            None => (false, first),
        });
        self.move_to(w, instance, stands)
    }

    fn move_to(
        &mut self,
        w: &mut Writer<'_>,
        instance: &str,
        stands: Option<(bool, Place)>,
    ) -> Result<(), Error> {
        let bucket = |is_taken: bool| if is_taken { TURNS } else { DUE };
        if self.stands != stands {
            if let Some((taken, before)) = self.stands {
                w.open_bucket(bucket(taken))?.delete(key(&before))?;
            }
            if let Some((taken, now)) = stands {
                w.open_bucket(bucket(taken))?.put(key(&now), instance)?;
            }
            self.stands = stands;
        }
        let mut mailboxes = w.open_bucket(MAILBOXES)?;
        if stands.is_some() {
            return put(&mut mailboxes, &instance, self);
        }
        mailboxes.delete(key(&instance))?;
        Ok(())
    }
}

fn place(row: &BucketRow) -> Result<Place, Error> {
    let (_, when, number): (String, u64, u64) = parse_key(&row.key).map_err(Error::caller)?;
    Ok((when, number))
}

/// Puts a message into the mailbox of an instance, to be seen from a time on.
pub(super) fn post(w: &mut Writer<'_>, instance: &str, item: &str, when: u64) -> Result<(), Error> {
    let mut messages = w.open_bucket(MESSAGES)?;
    let number = messages.next_sequence()?;
    messages.put(key(&(instance, when, number)), item)?;
    let mut mailbox = Mailbox::load(w, instance)?;
    let is_next = mailbox.stands.is_none_or(|(_, due)| (when, number) < due);
    if is_next && mailbox.lease.is_none() {
        mailbox.move_to(w, instance, Some((false, (when, number))))?;
    }
    Ok(())
}

/// The messages of an instance that can be seen by now, in the order in which they came.
pub(super) fn visible(r: &impl Readable, instance: &str, now: u64) -> Result<Vec<Message>, Error> {
    let bucket = r.bucket(MESSAGES)?;
    let mut messages = Vec::new();
    for row in bucket.range(key(&instance)..=key(&(instance, now, u64::MAX)))? {
        let row = row?;
        let at = place(&row)?;
        let item = String::from_utf8(row.value).map_err(Error::caller)?;
        messages.push(Message { at, item });
    }
    messages.sort_by_key(|message| message.at.1);
    Ok(messages)
}

/// Mailboxes that can be taken.
#[derive(Default)]
pub(super) struct Due {
    pub(super) mailboxes: Vec<(Place, String)>,
    /// When there may be another one, if these are all.
    pub(super) next: Option<u64>,
}

/// Mailboxes whose leases have ended, and those that are due by now, at most so many of these, behind a place.
pub(super) fn due(r: &impl Readable, behind: Option<Place>, (now, most): (u64, usize)) -> Result<Due, Error> {
    let mut found = Due::default();
    if behind.is_none() {
        found.collect(r, (TURNS, (0, 0)), (now, usize::MAX))?;
    }
    let first = behind.map_or((0, 0), |(when, number)| (when, number.saturating_add(1)));
    found.collect(r, (DUE, first), (now, most))?;
    Ok(found)
}

impl Due {
    fn collect(
        &mut self,
        r: &impl Readable,
        (bucket, first): (&'static str, Place),
        (now, most): (u64, usize),
    ) -> Result<(), Error> {
        let full = self.mailboxes.len().saturating_add(most);
        for row in r.bucket(bucket)?.range(key(&first)..)? {
            let Some(row) = readable(row)? else { continue };
            let at: Place = parse_key(&row.key).map_err(Error::caller)?;
            if at.0 > now {
                self.next = Some(self.next.map_or(at.0, |next| next.min(at.0)));
                break;
            }
            if self.mailboxes.len() == full {
                break;
            }
            self.mailboxes.push((at, String::from_utf8(row.value).map_err(Error::caller)?));
        }
        Ok(())
    }
}

/// Removes the mailbox of an instance; says how many messages there were.
pub(super) fn remove(w: &mut Writer<'_>, instance: &str) -> Result<u64, Error> {
    let mut mailbox = Mailbox::load(w, instance)?;
    mailbox.move_to(w, instance, None)?;
    super::records::delete_all(&mut w.open_bucket(MESSAGES)?, &instance)
}

/// Ends every lease; says how many there were.
pub(super) fn release(w: &mut Writer<'_>) -> Result<u64, Error> {
    let taken = w.bucket(TURNS)?.iter()?.map(|row| String::from_utf8(row?.value).map_err(Error::caller));
    let taken = taken.collect::<Result<Vec<_>, _>>()?;
    for instance in &taken {
        Mailbox::load(w, instance)?.give_back(w, instance, (None, false))?;
    }
    Ok(taken.len() as u64)
}

/// How many messages nobody has.
pub(super) fn depth(w: &impl Readable) -> Result<usize, Error> {
    let mut leased = 0;
    for row in w.bucket(MAILBOXES)?.iter()? {
        let mailbox: Mailbox = decode(&row?.value)?;
        leased += mailbox.tried.iter().filter(|tried| tried.leased && mailbox.lease.is_some()).count();
    }
    let all = usize::try_from(w.bucket(MESSAGES)?.len()).unwrap_or(usize::MAX);
    Ok(all.saturating_sub(leased))
}

/// How often the message of an instance that was fetched most often was.
pub(super) fn attempts(w: &impl Readable, instance: &str) -> Result<u32, Error> {
    let Some(mailbox) = w.bucket(MAILBOXES)?.get(key(&instance))? else { return Ok(0) };
    let mailbox: Mailbox = decode(&mailbox)?;
    Ok(mailbox.tried.iter().map(|tried| tried.attempts).max().unwrap_or_default())
}
