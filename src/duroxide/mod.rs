//! A store for [duroxide](https://docs.rs/duroxide), an engine for durable orchestrations: [`ExecstoreProvider`].
//!
//! Behind the feature `duroxide`. The trait that it implements gains methods in releases of duroxide that its version does not call
//! breaking, so the feature is for one release of it exactly: 0.1.32.
//!
//! | duroxide | here |
//! | --- | --- |
//! | an instance | a job; its id is the job's |
//! | an execution of it, 1, 2 and so on after `continue_as_new` | an execution with the id `instance/1`, `instance/2`, linked by `previous` |
//! | the parent of a sub-orchestration | `parent`: the execution of the parent that was current when it began |
//! | the status | the state: `Running`, `Completed`, `Failed`, `ContinuedAsNew` |
//! | an event of the history | an event: the kind is the topic, the event as duroxide writes it is the details |
//! | name, version and output | the payload: `{"orchestration":..,"version":..,"output":..}`; the name is the execution's too |
//! | queues, leases, sessions, values, custom status | buckets, with names that begin with `duroxide/` |
//!
//! So queries, watchers, consumers and exports of the store have its orchestrations without knowing duroxide. Each call of the trait that
//! changes something is one transaction through the group commit, and is durable when it returns. Of duroxide's validations of providers it
//! passes all but the two of short polling, which are for those that do not wait.
//!
//! Limits: an event, a message or an activity has at most 1 MiB of JSON, and an instance with the name of one of its values, or a session or a
//! tag, at most about 1,000 bytes. What is larger is refused with an error that is not to be retried.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("engine.redb");
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use duroxide::runtime::registry::ActivityRegistry;
//! use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, runtime::Runtime};
//! use execstore::duroxide::ExecstoreProvider;
//!
//! let provider = Arc::new(ExecstoreProvider::open(path)?);
//! let activities = ActivityRegistry::builder()
//!     .register("greet", |_: ActivityContext, name: String| async move { Ok(format!("Hello, {name}!")) })
//!     .build();
//! let orchestrations = OrchestrationRegistry::builder()
//!     .register("hello", |ctx: OrchestrationContext, name: String| async move {
//!         ctx.schedule_activity("greet", name).await
//!     })
//!     .build();
//! let runtime = Runtime::start_with_store(provider.clone(), activities, orchestrations).await;
//!
//! let client = Client::new(provider.clone());
//! client.start_orchestration("hello-1", "hello", "Ada").await?;
//! client.wait_for_orchestration("hello-1", Duration::from_secs(10)).await?;
//! runtime.shutdown(None).await;
//!
//! // The store has it as an execution.
//! let execution = provider.store().get("hello-1/1")?.unwrap();
//! assert_eq!(execution.state, "Completed");
//! assert_eq!(execution.payload_json().as_str().contains("Hello, Ada!"), true);
//! # Ok(())
//! # }
//! ```

mod admin;
mod claims;
mod entries;
mod executions;
mod history;
mod instances;
mod mailbox;
mod provider;
mod records;
mod sessions;
mod turns;
mod values;
mod work;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duroxide::providers::ProviderError;

use crate::error::{InputError, OpenError, Remedy};
use crate::lifecycle::Lifecycle;
use crate::{Builder, Error, ReadTxn, Store, Timestamp, Writer};

/// A [provider](duroxide::providers::Provider) of duroxide that keeps everything in a store. See [the module](self).
///
/// It can be cloned; clones are handles of the same store. While nothing is to be done it costs nothing: who fetches waits for the
/// store's own doorbell, and for the time of the next timer or end of a lease.
#[derive(Clone, Debug)]
pub struct ExecstoreProvider {
    store: Store,
}

impl ExecstoreProvider {
    /// Opens a store for orchestrations, or makes one.
    ///
    /// One process has the file, so whoever had leases and sessions before is gone: they are [released](Self::release_leases), and
    /// what a crash interrupted goes on at once, not when its lease would have ended.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(&mut Builder::new(), path)
    }

    /// The same with options. The lifecycle is set here.
    pub fn open_with(options: &mut Builder, path: impl AsRef<Path>) -> Result<Self, Error> {
        let store = options.set_lifecycle(Self::lifecycle()).open_or_create(path)?;
        let provider = Self { store };
        provider.release_leases()?;
        Ok(provider)
    }

    /// One in memory, for tests.
    pub fn in_memory() -> Result<Self, OpenError> {
        let store = Builder::new().set_lifecycle(Self::lifecycle()).in_memory()?;
        Ok(Self { store })
    }

    /// On a store of the caller's own, which may hold other executions, too.
    ///
    /// Its lifecycle must have the states and transitions of [`lifecycle`](Self::lifecycle); else [`InputError::UnknownState`] with the
    /// first that it lacks. Jobs of the caller's own should not have the ids of instances.
    pub fn new(store: Store) -> Result<Self, InputError> {
        match history::missing_state(store.lifecycle()) {
            None => Ok(Self { store }),
            Some(state) => Err(InputError::UnknownState { state: state.to_owned() }),
        }
    }

    /// The states of orchestrations, to be built into a lifecycle of the caller's own: `Running`, which is live, and `Completed`, `Failed`
    /// and `ContinuedAsNew`, to which it leads.
    pub fn lifecycle() -> Lifecycle {
        history::lifecycle()
    }

    /// The store that everything is kept in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The largest number of times that a message which waits for an instance was fetched; 0 if none was.
    pub fn attempts(&self, instance: impl AsRef<str>) -> Result<u32, Error> {
        mailbox::attempts(&self.store.begin_read()?, instance.as_ref())
    }

    /// Ends every lease and every session; says how many leases there were. For whoever knows that no runtime uses the store any more, as
    /// after a restart on a store of his [own](Self::new). How often something was fetched stays known. Looks at everything that is queued.
    pub fn release_leases(&self) -> Result<u64, Error> {
        self.store.write(|w| {
            sessions::release(w)?;
            Ok(mailbox::release(w)? + work::release(w, now())?)
        })
    }

    /// Writes through the group commit. Durable when it returns.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        write: impl FnOnce(&mut Writer<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let pending = self.store.submit(write).map_err(|error| told(operation, error.into()))?;
        pending.await.map_err(|error| told(operation, error))
    }

    /// Reads one state of the store.
    fn read<T>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&ReadTxn) -> Result<T, Error>,
    ) -> Result<T, ProviderError> {
        let reader = self.store.begin_read().map_err(Error::from);
        reader.and_then(|reader| read(&reader)).map_err(|error| told(operation, error))
    }
}

/// What was looked for, or when it may be there.
type Sought<T> = Result<T, Later>;

/// When something may be there that is not there now.
#[derive(Clone, Copy, Debug, Default)]
struct Later {
    /// In milliseconds since 1970; `None`: not before something changes.
    when: Option<u64>,
    /// Something waits that the caller would have to ask for in another way.
    asks_otherwise: bool,
}

/// Refuses a call, and rolls its transaction back.
fn invalid(operation: &'static str, why: impl Into<String>) -> Error {
    Error::caller(ProviderError::permanent(operation, why))
}

/// An error of the store in the words of duroxide.
fn told(operation: &'static str, error: Error) -> ProviderError {
    let error = match error {
        Error::Caller(error) => match error.downcast::<ProviderError>() {
            Ok(refused) => return *refused,
            Err(error) => Error::Caller(error),
        },
        error => error,
    };
    match error.remedy() {
        Remedy::Retry | Remedy::Wait | Remedy::MakeRoom => ProviderError::retryable(operation, whole(&error)),
        _ => ProviderError::permanent(operation, whole(&error)),
    }
}

/// An error with what it came from, since only a text goes on.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Milliseconds since 1970, by the system's clock, as duroxide's own timers are.
fn now() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn millis_of(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanos() / 1_000_000).unwrap_or_default()
}
