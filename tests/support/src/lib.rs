//! What the tests share: a store that verifies itself when it is dropped, and short spellings.
#![allow(missing_docs)]
#![allow(clippy::len_without_is_empty, clippy::new_without_default, clippy::should_implement_trait)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod buckets;
pub mod bulks;
pub mod cases;
pub mod children;
pub mod compare;
pub mod content;
pub mod contents;
pub mod copy;
pub mod dice;
pub mod disk;
pub mod edits;
pub mod faulty;
pub mod feed;
#[cfg(target_os = "linux")]
pub mod forks;
pub mod gate;
pub mod image;
pub mod memory;
pub mod model;
#[cfg(target_os = "linux")]
pub mod mounted;
pub mod odd_text;
pub mod ops;
pub mod original;
pub mod queries;
pub mod records;
pub mod reports;
pub mod side_data;
pub mod tasks;
pub mod waits;
pub mod wants;
pub mod workload;
pub mod writes;

/// A test over the recorded executions: ignored, with the reason, where they are not there.
#[cfg(recorded_executions)]
#[macro_export]
macro_rules! over_recorded_executions {
    ($name:ident => $test:ident) => {
        #[test]
        fn $name() {
            $test();
        }
    };
}

/// A test over the recorded executions: ignored, with the reason, where they are not there.
#[cfg(not(recorded_executions))]
#[macro_export]
macro_rules! over_recorded_executions {
    ($name:ident => $test:ident) => {
        #[test]
        #[ignore = "the recorded executions are not there; once they are, `touch tests/support/build.rs`"]
        fn $name() {
            $test();
        }
    };
}

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use execstore::{
    Builder, DesiredState, Execution, Header, Json, NewEvent, NewExecution, Readable, Store, Timestamp,
    Update, Writer,
};

/// A store in a folder of its own. When it is dropped the whole file is verified, as it is and once more
/// after it was closed and opened again; if something is wrong, the file is kept and named.
pub struct TestStore {
    store: Option<Store>,
    folder: Option<tempfile::TempDir>,
    builder: Builder,
}

impl TestStore {
    /// With the default settings.
    pub fn new() -> Self {
        Self::with(&Store::builder())
    }

    /// With the settings of a builder.
    pub fn with(builder: &Builder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = builder.create_new(folder.path().join("store.redb")).unwrap();
        Self { store: Some(store), folder: Some(folder), builder: builder.clone() }
    }

    /// With a clock that gives 1, 2, 3 ... nanoseconds.
    pub fn ticking() -> Self {
        Self::with(Store::builder().set_clock(ticking_clock()))
    }

    pub fn path(&self) -> PathBuf {
        self.folder().join("store.redb")
    }

    pub fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// Closes the store and opens it again. Every other handle must be gone.
    pub fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.builder.open(self.path()).unwrap());
    }

    /// The file, copied as it is while the store is open: what a crash of the process would leave.
    pub fn crash_copy(&self) -> TestStore {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.redb");
        copy::copy_at_once(&self.path(), &path);
        let store = self.builder.open(&path).unwrap();
        Self { store: Some(store), folder: Some(folder), builder: self.builder.clone() }
    }

    /// Gives up the store without verifying it, for tests that damage it.
    pub fn into_folder(mut self) -> tempfile::TempDir {
        self.store = None;
        self.folder.take().unwrap()
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store.as_ref().unwrap()
    }
}

impl Drop for TestStore {
    fn drop(&mut self) {
        let Some(folder) = self.folder.take() else { return };
        if std::thread::panicking() {
            return;
        }
        let path = folder.path().join("store.redb");
        if let Err(wrong) = verified_twice(self.store.take(), || self.builder.open(&path).unwrap()) {
            panic!("the store in {} is not clean, {wrong}", folder.keep().display());
        }
    }
}

/// Verifies a store as it is, and once more closed and opened again. Gives which time something was wrong, and what.
pub fn verified_twice(mut store: Option<Store>, open: impl Fn() -> Store) -> Result<(), String> {
    for turn in ["as it was", "opened again"] {
        let report = store.take().unwrap_or_else(&open).verify().unwrap();
        if !report.is_clean() {
            return Err(format!("{turn}: {report}"));
        }
    }
    Ok(())
}

/// A clock that gives 1, 2, 3 ... nanoseconds.
pub fn ticking_clock() -> impl Fn() -> Timestamp + Send + Sync + 'static {
    let ticks = Arc::new(AtomicI64::new(1));
    move || Timestamp::from_nanos(ticks.fetch_add(1, Ordering::Relaxed))
}

/// A document given as text.
pub fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

/// A payload of about this many bytes.
pub fn big_payload(bytes: usize) -> Json {
    json(&format!("{{\"fill\":\"{}\"}}", "x".repeat(bytes)))
}

/// Creates an execution of this id in the job `j`, in `New`.
pub fn create(store: &Store, id: &str) -> Execution {
    store.write(|w| Ok(w.create(NewExecution::new("j").id(id))?)).unwrap()
}

/// Moves an execution through states, without conditions.
pub fn walk(writer: &mut Writer<'_>, id: &str, states: &[&str]) -> Header {
    let mut last = None;
    for state in states {
        last = Some(writer.update(id, Update::to(state)).unwrap());
    }
    last.unwrap()
}

/// Creates the execution `e` in `Running` with every part set, and one event.
pub fn full(store: &Store) -> Execution {
    let new = NewExecution::new("j")
        .id("e")
        .namespace("ns")
        .name("n")
        .node_id("node")
        .state("Running")
        .message("m")
        .desired(DesiredState::Running)
        .parent("p")
        .previous("q")
        .label("a", "1")
        .label("b", "2")
        .payload(json(r#"{"k":1}"#));
    store.write(|w| Ok(w.create(new.event(NewEvent::new("t")))?)).unwrap()
}

/// Updates the execution `e` without conditions, sees that the store shows the header that was returned, and gives all of it.
pub fn update(store: &Store, update: Update) -> Execution {
    let header = store.write(|w| Ok(w.update("e", update)?)).unwrap();
    let after = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
    assert_eq!(after.header(), &header);
    after
}
