//! Claiming the messages of an instance, with all that a turn of it needs.

use std::collections::HashMap;

use duroxide::providers::{DispatcherCapabilityFilter, OrchestrationItem, WorkItem};
use duroxide::{Event, EventKind};

use super::mailbox::{self, Due, Mailbox, Message};
use super::records::Instance;
use super::{Later, Sought, history, values, whole};
use crate::{Error, ReadTxn, Readable, Writer};

/// So many mailboxes that are due are looked at at a time.
const SOME: usize = 16;

/// What a fetch has claimed.
pub(super) struct Claimed {
    name: String,
    instance: Option<Instance>,
    execution: u64,
    messages: Vec<Message>,
    token: String,
    attempts: u32,
}

/// Claims the instance that has waited for longest; or when there may be one.
///
/// One whose rows cannot be read is in nobody's way: it is told of if there is no other.
pub(super) fn claim(
    w: &mut Writer<'_>,
    (now, until): (u64, u64),
    filter: Option<&DispatcherCapabilityFilter>,
) -> Result<Sought<Claimed>, Error> {
    let (mut behind, mut unreadable) = (None, None);
    loop {
        let Due { mailboxes, next } = mailbox::due(w, behind, (now, SOME))?;
        for (_, name) in &mailboxes {
            match examine(w, name, now, filter) {
                Ok(Some(candidate)) => {
                    if let Some(claimed) = candidate.claim(w, name, until)? {
                        return Ok(Ok(claimed));
                    }
                }
                Ok(None) => {}
                Err(error @ (Error::Damaged(_) | Error::Json(_))) => unreadable = Some(error),
                Err(error) => return Err(error),
            }
        }
        match (mailboxes.last(), unreadable.take()) {
            (Some((place, _)), error) if mailboxes.len() >= SOME => {
                (behind, unreadable) = (Some(*place), error)
            }
            (_, Some(error)) => return Err(error),
            (_, None) => return Ok(Err(Later { when: next, ..Later::default() })),
        }
    }
}

/// One that may be claimed.
struct Candidate {
    instance: Option<Instance>,
    execution: u64,
    mailbox: Mailbox,
    messages: Vec<Message>,
    /// There is something to begin with, or to go on from.
    has_begun: bool,
}

fn examine(
    r: &impl Readable,
    name: &str,
    now: u64,
    filter: Option<&DispatcherCapabilityFilter>,
) -> Result<Option<Candidate>, Error> {
    let instance = history::instance(r, name)?;
    let pinned = instance.as_ref().and_then(|instance| instance.pinned);
    if let (Some(filter), Some((major, minor, patch))) = (filter, pinned)
        && !filter.is_compatible(&semver::Version::new(major, minor, patch))
    {
        return Ok(None);
    }
    let mailbox = Mailbox::load(r, name)?;
    let messages = mailbox::visible(r, name, now)?;
    let execution = history::latest(r, name)?;
    let has_begun = instance.is_some()
        || messages.iter().any(starts)
        || r.events(history::id(name, execution), ..)?.next().is_some();
    Ok(Some(Candidate { instance, execution, mailbox, messages, has_begun }))
}

impl Candidate {
    fn claim(self, w: &mut Writer<'_>, name: &str, until: u64) -> Result<Option<Claimed>, Error> {
        let Self { instance, execution, mailbox, messages, has_begun } = self;
        if !has_begun {
            // Messages to a queue of an instance that is none are not kept; others may have come before it has begun.
            if messages.iter().all(|message| message.item.starts_with("{\"QueueMessage\"")) {
                mailbox.drop_messages(w, name, &messages)?;
            }
            return Ok(None);
        }
        let (lease, attempts) = mailbox.lend(w, name, (until, &messages))?;
        let token = format!("{}.{name}", lease.number);
        Ok(Some(Claimed { name: name.to_owned(), instance, execution, messages, token, attempts }))
    }
}

/// `true` for a message that an execution begins with. As it is stored it begins with the name of its kind.
fn starts(message: &Message) -> bool {
    ["{\"StartOrchestration\"", "{\"ContinueAsNew\""].iter().any(|kind| message.item.starts_with(kind))
}

impl Claimed {
    /// Its history and its values, which nobody changes while it is claimed, so that they are read outside of the writer's turn. If they
    /// cannot be read the runtime is told so in the item, and ends the instance after some attempts.
    pub(super) fn read(self, r: &ReadTxn) -> (OrchestrationItem, String, u32) {
        let Self { name, instance, execution, messages, token, attempts } = self;
        let mut error = None;
        let stored = history::stored(r, &history::id(&name, execution)).map_err(|error| whole(&error));
        let history = stored.and_then(|stored| history::parse(&stored)).unwrap_or_else(|why| {
            error = Some(format!("the history of {name} cannot be read: {why}"));
            Vec::new()
        });
        let values = values::snapshot(r, &name).unwrap_or_else(|why| {
            error = Some(format!("the values of {name} cannot be read: {}", whole(&why)));
            HashMap::new()
        });
        let mut items = Vec::with_capacity(messages.len());
        for message in &messages {
            match serde_json::from_str(&message.item) {
                Ok(item) => items.push(item),
                Err(why) => error = Some(format!("a message to {name} cannot be read: {why}")),
            }
        }
        let (orchestration, version) = match instance {
            Some(instance) => (instance.orchestration, Some(instance.version)),
            None => begun(&history).or_else(|| started(&items)).unwrap_or_default(),
        };
        let item = OrchestrationItem {
            instance: name,
            orchestration_name: orchestration,
            execution_id: execution,
            version: version.filter(|version| !version.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
            history,
            messages: items,
            history_error: error,
            kv_snapshot: values,
        };
        (item, token, attempts)
    }
}

fn begun(history: &[Event]) -> Option<(String, Option<String>)> {
    history.iter().find_map(|event| match &event.kind {
        EventKind::OrchestrationStarted { name, version, .. } => Some((name.clone(), Some(version.clone()))),
        _ => None,
    })
}

fn started(items: &[WorkItem]) -> Option<(String, Option<String>)> {
    items.iter().find_map(|item| match item {
        WorkItem::StartOrchestration { orchestration, version, .. }
        | WorkItem::ContinueAsNew { orchestration, version, .. } => {
            Some((orchestration.clone(), version.clone()))
        }
        _ => None,
    })
}
