//! Makes the providers, and verifies their stores.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duroxide::provider_validations::ProviderFactory;
use duroxide::providers::Provider;
use execstore::duroxide::ExecstoreProvider;
use execstore::{Json, NewEvent, Readable};

/// Gives providers of stores in files of their own; or of one, for validations that reach past the provider. When it is dropped every
/// store is verified.
pub struct Factory {
    folder: tempfile::TempDir,
    shared: bool,
    made: Mutex<Vec<ExecstoreProvider>>,
}

impl Factory {
    pub fn new(shared: bool) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), shared, made: Mutex::default() }
    }

    pub fn provider(&self) -> ExecstoreProvider {
        let mut made = self.made.lock().unwrap();
        match made.first() {
            Some(provider) if self.shared => provider.clone(),
            _ => {
                let path = self.folder.path().join(format!("{}.redb", made.len()));
                let provider = ExecstoreProvider::open(path).unwrap();
                made.push(provider.clone());
                provider
            }
        }
    }

    /// The first that was made.
    fn first(&self) -> ExecstoreProvider {
        self.made.lock().unwrap().first().unwrap().clone()
    }
}

impl Drop for Factory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for provider in self.made.lock().unwrap().drain(..) {
            let report = provider.store().verify().unwrap();
            assert!(report.is_clean(), "{report:?}");
        }
    }
}

#[async_trait::async_trait]
impl ProviderFactory for Factory {
    async fn create_provider(&self) -> Arc<dyn Provider> {
        Arc::new(self.provider())
    }

    fn lock_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Nothing alters an event of a store. One that duroxide cannot read makes the history as unreadable.
    async fn corrupt_instance_history(&self, instance: &str) {
        let store = self.first().store().clone();
        let executions: Vec<_> = store
            .begin_read()
            .unwrap()
            .by_job(instance)
            .unwrap()
            .map(|execution| execution.unwrap().id.clone())
            .collect();
        for id in executions {
            let unreadable = Json::from_text(r#"{"event_id":"none"}"#).unwrap();
            store.append_events(&id, [NewEvent::new("unreadable").details(unreadable)]).unwrap();
        }
    }

    async fn get_max_attempt_count(&self, instance: &str) -> u32 {
        self.first().attempts(instance).unwrap()
    }
}
