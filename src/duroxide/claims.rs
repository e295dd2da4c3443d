//! Claiming the messages of an instance, with all that a turn of it needs.

use std::collections::HashMap;

use duroxide::providers::{DispatcherCapabilityFilter, KvEntry, OrchestrationItem, WorkItem};
use duroxide::{Event, EventKind};

use super::mailbox::{self, Due, Mailbox, Message};
use super::records::Instance;
use super::{Sought, history, values};
use crate::{Error, Json, Writer};

/// So many mailboxes that are due are looked at at a time.
const SOME: usize = 16;

/// What a fetch has claimed, as it is stored.
pub(super) struct Claimed {
    name: String,
    instance: Option<Instance>,
    execution: u64,
    history: Vec<Json>,
    messages: Vec<Message>,
    values: HashMap<String, KvEntry>,
    token: String,
    attempts: u32,
}

/// Claims the instance that has waited for longest; or when there may be one.
pub(super) fn claim(
    w: &mut Writer<'_>,
    (now, until): (u64, u64),
    filter: Option<&DispatcherCapabilityFilter>,
) -> Result<Sought<Claimed>, Error> {
    let mut behind = None;
    loop {
        let Due { mailboxes, next } = mailbox::due(w, behind, (now, SOME))?;
        for (_, name) in &mailboxes {
            if let Some(claimed) = claim_one(w, name, (now, until), filter)? {
                return Ok(Ok(claimed));
            }
        }
        match mailboxes.last() {
            Some((place, _)) if mailboxes.len() >= SOME => behind = Some(*place),
            _ => return Ok(Err(next)),
        }
    }
}

fn claim_one(
    w: &mut Writer<'_>,
    name: &str,
    (now, until): (u64, u64),
    filter: Option<&DispatcherCapabilityFilter>,
) -> Result<Option<Claimed>, Error> {
    let instance = history::instance(w, name)?;
    let pinned = instance.as_ref().and_then(|instance| instance.pinned);
    if let (Some(filter), Some((major, minor, patch))) = (filter, pinned)
        && !filter.is_compatible(&semver::Version::new(major, minor, patch))
    {
        return Ok(None);
    }
    let mailbox = Mailbox::load(w, name)?;
    let messages = mailbox::visible(w, name, now)?;
    let execution = history::latest(w, name)?;
    let history = history::stored(w, &history::id(name, execution))?;
    if instance.is_none() && history.is_empty() && !messages.iter().any(starts) {
        // Messages to a queue of an instance that is none are not kept; others may have come before it has begun.
        if messages.iter().all(|message| message.item.starts_with("{\"QueueMessage\"")) {
            mailbox.drop_messages(w, name, &messages)?;
        }
        return Ok(None);
    }
    let (lease, attempts) = mailbox.lend(w, name, (until, &messages))?;
    let token = format!("{}.{name}", lease.number);
    let values = values::snapshot(w, name)?;
    let name = name.to_owned();
    Ok(Some(Claimed { name, instance, execution, history, messages, values, token, attempts }))
}

/// `true` for a message that an execution begins with. As it is stored it begins with the name of its kind.
fn starts(message: &Message) -> bool {
    ["{\"StartOrchestration\"", "{\"ContinueAsNew\""].iter().any(|kind| message.item.starts_with(kind))
}

impl Claimed {
    /// As the runtime takes it.
    pub(super) fn read(self) -> (OrchestrationItem, String, u32) {
        let Self { name, instance, execution, history, messages, values, token, attempts } = self;
        let mut error = None;
        let history = history::parse(&history).unwrap_or_else(|why| {
            error = Some(format!("the history of {name} cannot be read: {why}"));
            Vec::new()
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
