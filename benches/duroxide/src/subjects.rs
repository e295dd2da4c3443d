//! The providers that are compared.

use std::fmt;
use std::sync::Arc;

use duroxide::provider_stress_tests::parallel_orchestrations::ProviderStressFactory;
use duroxide::providers::Provider;
use duroxide::providers::sqlite::SqliteProvider;
use execstore::duroxide::ExecstoreProvider;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Execstore,
    /// The same provider in memory: what the engine and its test allow.
    Memory,
    Sqlite,
    SqliteFull,
}

impl Subject {
    pub const ALL: [Self; 4] = [Self::Execstore, Self::Memory, Self::Sqlite, Self::SqliteFull];

    pub fn name(self) -> &'static str {
        match self {
            Self::Execstore => "execstore",
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::SqliteFull => "sqlite-full",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A new file of a subject, in a folder that goes with it.
pub struct Place {
    subject: Subject,
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new(subject: Subject) -> std::io::Result<Self> {
        // Beside the program: the usual folder for such files may be in memory.
        Ok(Self { subject, folder: tempfile::tempdir_in(".")? })
    }
}

/// How many connections the peer opens at most.
const CONNECTIONS: usize = 5;

#[async_trait::async_trait]
impl ProviderStressFactory for Place {
    async fn create_provider(&self) -> Arc<dyn Provider> {
        let path = self.folder.path().join("store");
        match self.subject {
            Subject::Execstore => return Arc::new(ExecstoreProvider::open(path).expect("the store opens")),
            Subject::Memory => return Arc::new(ExecstoreProvider::in_memory().expect("a store in memory")),
            Subject::Sqlite | Subject::SqliteFull => {}
        }
        let url = format!("sqlite:{}?mode=rwc", path.display());
        let provider = SqliteProvider::new(&url, None).await.expect("the database opens");
        if self.subject == Subject::SqliteFull {
            // All at once, so that each is another one.
            let mut all = Vec::new();
            for _ in 0..CONNECTIONS {
                let mut connection = provider.get_pool().acquire().await.expect("a connection");
                sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await.expect("a pragma");
                all.push(connection);
            }
        }
        Arc::new(provider)
    }
}
