//! What the runtime calls.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use duroxide::providers::{
    DispatcherCapabilityFilter, ExecutionMetadata, OrchestrationItem, Provider, ProviderAdmin, ProviderError,
    ScheduledActivityIdentifier, SessionFetchConfig, TagFilter, WorkItem,
};
use duroxide::{Event, EventKind, SystemStats};

use super::claims::claim;
use super::entries::Token;
use super::mailbox::{self, Due};
use super::records::{DUE, READY};
use super::turns::{Done, lent, post};
use super::work::{self, Wanted};
use super::{ExecstoreProvider, Later, Sought, executions, history, invalid, millis, now, sessions, values};
use crate::{Error, ReadTxn, Writer};

/// How long somebody waits who would have to ask in another way for what there is: as long as duroxide's own polls do.
const ASK_AGAIN: Duration = Duration::from_millis(100);

impl ExecstoreProvider {
    /// Tries again whenever something may have come, until the time is over.
    async fn long_poll<T: Send + 'static>(
        &self,
        (operation, bucket): (&'static str, &'static str),
        timeout: Duration,
        look: impl Fn(&ReadTxn) -> Result<Sought<()>, Error>,
        fetch: impl Fn(&mut Writer<'_>) -> Result<Sought<T>, Error> + Clone + Send + 'static,
    ) -> Result<Option<T>, ProviderError> {
        let asked = Instant::now();
        let deadline = asked.checked_add(timeout);
        let told = |error: crate::error::WatchError| super::told(operation, error.into());
        // From before the first look: what comes while it looks is told.
        let mut changed = self.store.watch_bucket(bucket).map_err(told)?;
        loop {
            // Several wait for each thing that comes. A look costs microseconds, and whoever is too late writes nothing.
            let mut next = self.read(operation, &look)?;
            if next.is_ok() {
                next = match self.write(operation, fetch.clone()).await? {
                    Ok(found) => return Ok(Some(found)),
                    Err(next) => Err(next),
                };
            }
            let later = next.err().unwrap_or_default();
            let left =
                deadline.map_or(timeout, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            let next =
                later.when.map_or(left, |next| Duration::from_millis(next.saturating_sub(now())).min(left));
            let most = match later.asks_otherwise {
                // A runtime that has as many sessions as it takes asks for none, and may have fewer by now.
                true if asked.elapsed() >= ASK_AGAIN => return Ok(None),
                true => next.min(ASK_AGAIN.saturating_sub(asked.elapsed())),
                false => next,
            };
            if let Ok(heard) = tokio::time::timeout(most, changed.recv()).await {
                heard.map_err(told)?;
            }
        }
    }
}

#[async_trait::async_trait]
impl Provider for ExecstoreProvider {
    fn name(&self) -> &str {
        "execstore"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    async fn fetch_orchestration_item(
        &self,
        lock_timeout: Duration,
        poll_timeout: Duration,
        filter: Option<&DispatcherCapabilityFilter>,
    ) -> Result<Option<(OrchestrationItem, String, u32)>, ProviderError> {
        const OPERATION: &str = "fetch_orchestration_item";
        let filter = filter.cloned();
        let fetch = move |w: &mut Writer<'_>| {
            let now = now();
            claim(w, (now, now.saturating_add(millis(lock_timeout))), filter.as_ref())
        };
        let look = |r: &ReadTxn| {
            let Due { mailboxes, next } = mailbox::due(r, None, (now(), 1))?;
            let later = Later { when: next, ..Later::default() };
            Ok(if mailboxes.is_empty() { Err(later) } else { Ok(()) })
        };
        let Some(claimed) = self.long_poll((OPERATION, DUE), poll_timeout, look, fetch).await? else {
            return Ok(None);
        };
        self.read(OPERATION, |r| Ok(Some(claimed.read(r))))
    }

    async fn ack_orchestration_item(
        &self,
        lock_token: &str,
        execution_id: u64,
        history_delta: Vec<Event>,
        worker_items: Vec<WorkItem>,
        orchestrator_items: Vec<WorkItem>,
        metadata: ExecutionMetadata,
        cancelled_activities: Vec<ScheduledActivityIdentifier>,
    ) -> Result<(), ProviderError> {
        let done = Done {
            token: lock_token.to_owned(),
            execution: execution_id,
            events: history_delta,
            activities: worker_items,
            messages: orchestrator_items,
            metadata,
            cancelled: cancelled_activities,
        };
        self.write("ack_orchestration_item", move |w| done.write(w)).await
    }

    async fn abandon_orchestration_item(
        &self,
        lock_token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Result<(), ProviderError> {
        const OPERATION: &str = "abandon_orchestration_item";
        let token = lock_token.to_owned();
        self.write(OPERATION, move |w| match lent(w, &token)? {
            Some((instance, mailbox, _)) => {
                let from = delay.map(|delay| now().saturating_add(millis(delay)));
                mailbox.give_back(w, &instance, (from, ignore_attempt))
            }
            None => Err(invalid(OPERATION, format!("Invalid lock token {token}: nobody has it"))),
        })
        .await
    }

    async fn renew_orchestration_item_lock(
        &self,
        token: &str,
        extend_for: Duration,
    ) -> Result<(), ProviderError> {
        const OPERATION: &str = "renew_orchestration_item_lock";
        let token = token.to_owned();
        self.write(OPERATION, move |w| {
            let now = now();
            match lent(w, &token)?.filter(|(.., until)| *until > now) {
                Some((instance, mailbox, _)) => {
                    mailbox.extend(w, &instance, now.saturating_add(millis(extend_for)))
                }
                None => Err(invalid(
                    OPERATION,
                    format!("Invalid lock token {token}: nobody has it, or not any more"),
                )),
            }
        })
        .await
    }

    async fn read(&self, instance: &str) -> Result<Vec<Event>, ProviderError> {
        let stored = self.read("read", |r| {
            let execution = history::latest(r, instance)?;
            history::stored(r, &history::id(instance, execution))
        })?;
        history::parse(&stored).map_err(|why| ProviderError::permanent("read", why))
    }

    async fn read_with_execution(
        &self,
        instance: &str,
        execution_id: u64,
    ) -> Result<Vec<Event>, ProviderError> {
        const OPERATION: &str = "read_with_execution";
        let stored = self.read(OPERATION, |r| history::stored(r, &history::id(instance, execution_id)))?;
        history::parse(&stored).map_err(|why| ProviderError::permanent(OPERATION, why))
    }

    async fn append_with_execution(
        &self,
        instance: &str,
        execution_id: u64,
        new_events: Vec<Event>,
    ) -> Result<(), ProviderError> {
        const OPERATION: &str = "append_with_execution";
        let instance = instance.to_owned();
        self.write(OPERATION, move |w| {
            let turn = executions::Turn {
                operation: OPERATION,
                instance: &instance,
                execution: execution_id,
                events: &new_events,
                metadata: &ExecutionMetadata::default(),
                now: now(),
            };
            turn.write(w)
        })
        .await
    }

    async fn enqueue_for_orchestrator(
        &self,
        item: WorkItem,
        delay: Option<Duration>,
    ) -> Result<(), ProviderError> {
        const OPERATION: &str = "enqueue_for_orchestrator";
        self.write(OPERATION, move |w| {
            let when = now().saturating_add(delay.map_or(0, millis));
            post(w, OPERATION, &item, when)
        })
        .await
    }

    async fn enqueue_for_worker(&self, item: WorkItem) -> Result<(), ProviderError> {
        const OPERATION: &str = "enqueue_for_worker";
        self.write(OPERATION, move |w| match work::enqueue(w, &item, now())? {
            true => Ok(()),
            false => Err(invalid(OPERATION, "this item is no activity")),
        })
        .await
    }

    async fn fetch_work_item(
        &self,
        lock_timeout: Duration,
        poll_timeout: Duration,
        session: Option<&SessionFetchConfig>,
        tag_filter: &TagFilter,
    ) -> Result<Option<(WorkItem, String, u32)>, ProviderError> {
        const OPERATION: &str = "fetch_work_item";
        let wanted =
            Wanted { tags: tag_filter.clone(), session: session.cloned(), lease: millis(lock_timeout) };
        let also = wanted.clone();
        let look = |r: &ReadTxn| work::look(r, &wanted, now());
        let fetch = move |w: &mut Writer<'_>| work::fetch(w, &also, now());
        let Some(found) = self.long_poll((OPERATION, READY), poll_timeout, look, fetch).await? else {
            return Ok(None);
        };
        let item = serde_json::from_str(&found.item).map_err(|why| {
            ProviderError::permanent(OPERATION, format!("an activity cannot be read: {why}"))
        })?;
        Ok(Some((item, found.token.to_string(), found.attempts)))
    }

    async fn ack_work_item(&self, token: &str, completion: Option<WorkItem>) -> Result<(), ProviderError> {
        const OPERATION: &str = "ack_work_item";
        let token = known(OPERATION, token)?;
        let fits = matches!(
            completion,
            None | Some(WorkItem::ActivityCompleted { .. } | WorkItem::ActivityFailed { .. })
        );
        if !fits {
            return Err(ProviderError::permanent(OPERATION, "the completion is none of an activity"));
        }
        self.write(OPERATION, move |w| {
            let now = now();
            if !work::finish(w, &token, now)? {
                return Err(lost(OPERATION, &token));
            }
            completion.iter().try_for_each(|item| post(w, OPERATION, item, now))
        })
        .await
    }

    async fn renew_work_item_lock(&self, token: &str, extend_for: Duration) -> Result<(), ProviderError> {
        const OPERATION: &str = "renew_work_item_lock";
        let token = known(OPERATION, token)?;
        self.write(OPERATION, move |w| {
            let now = now();
            match work::extend(w, &token, (now, now.saturating_add(millis(extend_for))))? {
                true => Ok(()),
                false => Err(lost(OPERATION, &token)),
            }
        })
        .await
    }

    async fn abandon_work_item(
        &self,
        token: &str,
        delay: Option<Duration>,
        ignore_attempt: bool,
    ) -> Result<(), ProviderError> {
        const OPERATION: &str = "abandon_work_item";
        let token = known(OPERATION, token)?;
        self.write(OPERATION, move |w| {
            let from = now().saturating_add(delay.map_or(0, millis));
            match work::give_back(w, &token, (from, ignore_attempt))? {
                true => Ok(()),
                false => Err(lost(OPERATION, &token)),
            }
        })
        .await
    }

    async fn renew_session_lock(
        &self,
        owner_ids: &[&str],
        extend_for: Duration,
        idle_timeout: Duration,
    ) -> Result<usize, ProviderError> {
        let owners: Vec<String> = owner_ids.iter().map(|owner| (*owner).to_owned()).collect();
        self.write("renew_session_lock", move |w| {
            let now = now();
            let idle = now.saturating_sub(millis(idle_timeout));
            sessions::extend(w, &owners, (now, now.saturating_add(millis(extend_for)), idle))
        })
        .await
    }

    async fn cleanup_orphaned_sessions(&self, _idle_timeout: Duration) -> Result<usize, ProviderError> {
        self.write("cleanup_orphaned_sessions", |w| {
            // What an activity waits for is no orphan.
            let wanted = work::all(w)?.into_iter().filter_map(|ready| ready.session).collect();
            sessions::forget(w, &wanted, now())
        })
        .await
    }

    fn as_management_capability(&self) -> Option<&dyn ProviderAdmin> {
        Some(self)
    }

    async fn get_custom_status(
        &self,
        instance: &str,
        last_seen_version: u64,
    ) -> Result<Option<(Option<String>, u64)>, ProviderError> {
        let status = self.read("get_custom_status", |r| values::status(r, instance))?;
        Ok((status.version > last_seen_version).then_some((status.text, status.version)))
    }

    async fn get_kv_value(&self, instance: &str, key: &str) -> Result<Option<String>, ProviderError> {
        self.read("get_kv_value", |r| values::one(r, instance, key))
    }

    async fn get_kv_all_values(&self, instance: &str) -> Result<HashMap<String, String>, ProviderError> {
        self.read("get_kv_all_values", |r| values::all(r, instance))
    }

    async fn get_instance_stats(&self, instance: &str) -> Result<Option<SystemStats>, ProviderError> {
        const OPERATION: &str = "get_instance_stats";
        let found = self.read(OPERATION, |r| {
            let Some(known) = history::instance(r, instance)? else { return Ok(None) };
            let stored = history::stored(r, &history::id(instance, known.execution))?;
            Ok(Some((stored, values::all(r, instance)?)))
        })?;
        let Some((stored, values)) = found else { return Ok(None) };
        let first = history::parse(stored.get(..1).unwrap_or_default());
        let first = first.map_err(|why| ProviderError::permanent(OPERATION, why))?;
        let pending = match first.first().map(|event| &event.kind) {
            Some(EventKind::OrchestrationStarted { carry_forward_events: Some(carried), .. }) => {
                carried.len()
            }
            _ => 0,
        };
        Ok(Some(SystemStats {
            history_event_count: stored.len() as u64,
            history_size_bytes: stored.iter().map(|event| event.as_str().len() as u64).sum(),
            queue_pending_count: pending as u64,
            kv_user_key_count: values.len() as u64,
            kv_total_value_bytes: values.values().map(|value| value.len() as u64).sum(),
        }))
    }
}

fn known(operation: &'static str, token: &str) -> Result<Token, ProviderError> {
    let no_token =
        |()| ProviderError::permanent(operation, format!("Invalid lock token {token}: nobody has it"));
    token.parse().map_err(no_token)
}

fn lost(operation: &'static str, token: &Token) -> Error {
    invalid(
        operation,
        format!("the lock {token} has ended, or its activity was cancelled or executed by somebody else"),
    )
}
