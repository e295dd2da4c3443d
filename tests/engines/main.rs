//! The engines, each held to the conformance suite: a store in memory, in a file with a journal, and in one without.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::PathBuf;

use conformance::{Engine, Place};
use execstore::error::OpenError;
use execstore::{Builder, Store};
use support::memory::Memory;
use tempfile::TempDir;

/// Bytes that outlive the store on them.
struct Bytes(Memory);

impl Place for Bytes {
    fn open(&self, settings: &Builder) -> Result<Store, OpenError> {
        settings.create_with_backend(self.0.clone())
    }

    fn crash(&self) -> Box<dyn Place> {
        Box::new(Self(Memory::new(self.0.image())))
    }

    fn keep(self: Box<Self>) -> String {
        "memory".into()
    }
}

/// A file in a folder of its own.
struct File {
    folder: TempDir,
    journal: bool,
}

impl File {
    fn new(journal: bool) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), journal }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.redb")
    }
}

impl Place for File {
    fn open(&self, settings: &Builder) -> Result<Store, OpenError> {
        settings.clone().set_journal(self.journal).open_or_create(self.path())
    }

    fn crash(&self) -> Box<dyn Place> {
        let copy = Self::new(self.journal);
        support::copy::copy_at_once(&self.path(), &copy.path());
        Box::new(copy)
    }

    fn keep(self: Box<Self>) -> String {
        self.folder.keep().display().to_string()
    }
}

struct InMemory;

impl Engine for InMemory {
    fn place(&self) -> Box<dyn Place> {
        Box::new(Bytes(Memory::default()))
    }
}

struct WithJournal;

impl Engine for WithJournal {
    fn place(&self) -> Box<dyn Place> {
        Box::new(File::new(true))
    }
}

struct WithoutJournal;

impl Engine for WithoutJournal {
    fn place(&self) -> Box<dyn Place> {
        Box::new(File::new(false))
    }
}

mod in_memory {
    conformance::suite!(crate::InMemory);
}

mod file {
    conformance::suite!(crate::WithJournal);
}

mod file_without_journal {
    conformance::suite!(crate::WithoutJournal);
}
