//! What a turn of an orchestration has done, written at once.

use duroxide::Event;
use duroxide::providers::{ExecutionMetadata, ScheduledActivityIdentifier, WorkItem};

use super::mailbox::{self, Mailbox};
use super::{executions, history, invalid, now, values, work};
use crate::{Error, Writer};

/// The mailbox that a token is for, if it is in the hands of whoever has the token.
pub(super) fn lent(w: &mut Writer<'_>, token: &str) -> Result<Option<(String, Mailbox, u64)>, Error> {
    let Some((number, name)) = token.split_once('.') else { return Ok(None) };
    let mailbox = Mailbox::load(w, name)?;
    let until = mailbox.lease.filter(|lease| Ok(lease.number) == number.parse()).map(|lease| lease.until);
    Ok(until.map(|until| (name.to_owned(), mailbox, until)))
}

/// Puts a message where it belongs; a timer is seen when it fires.
pub(super) fn post(
    w: &mut Writer<'_>,
    operation: &'static str,
    item: &WorkItem,
    when: u64,
) -> Result<(), Error> {
    let Some(receiver) = mailbox::receiver(item) else {
        return Err(invalid(operation, "this item is no message of an orchestration"));
    };
    let when = match item {
        WorkItem::TimerFired { fire_at_ms, .. } => when.max(*fire_at_ms),
        _ => when,
    };
    mailbox::post(w, receiver, &serde_json::to_string(item)?, when)
}

/// What a turn has done, to be written at once.
pub(super) struct Done {
    pub(super) token: String,
    pub(super) execution: u64,
    pub(super) events: Vec<Event>,
    pub(super) activities: Vec<WorkItem>,
    pub(super) messages: Vec<WorkItem>,
    pub(super) metadata: ExecutionMetadata,
    pub(super) cancelled: Vec<ScheduledActivityIdentifier>,
}

impl Done {
    pub(super) fn write(&self, w: &mut Writer<'_>) -> Result<(), Error> {
        const OPERATION: &str = "ack_orchestration_item";
        let now = now();
        let Some((instance, mailbox, until)) = lent(w, &self.token)? else {
            return Err(invalid(OPERATION, format!("Invalid lock token {}: nobody has it", self.token)));
        };
        if until <= now {
            let late = now - until;
            return Err(invalid(OPERATION, format!("the lock of {instance} ended {late} ms ago")));
        }
        mailbox.finish(w, &instance)?;
        let turn = executions::Turn {
            operation: OPERATION,
            instance: &instance,
            execution: self.execution,
            events: &self.events,
            metadata: &self.metadata,
            now,
        };
        turn.write(w)?;
        values::apply(w, &instance, &self.events, now)?;
        if self.metadata.status.as_deref().is_some_and(|status| status != history::RUNNING) {
            values::settle(w, &instance)?;
        }
        for item in &self.activities {
            if !work::enqueue(w, item, now)? {
                return Err(invalid(OPERATION, "a worker was to get what is no activity"));
            }
        }
        // One that is wanted and cancelled in the same turn is not wanted.
        self.cancelled.iter().try_for_each(|activity| work::cancel(w, activity))?;
        self.messages.iter().try_for_each(|item| post(w, OPERATION, item, now))
    }
}
