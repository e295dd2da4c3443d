//! Every error of the crate once: what it says, what is behind it, what can be done about it, and that the document says the same.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::model::bookmark::Bookmark;
use crate::model::execution::{Header, NewExecution};
use crate::model::expect::{Expect, Mismatch};
use crate::model::id::{ChangeSeq, ExecutionId, JobId, Revision, StoreIncarnation};
use crate::model::lifecycle::Lifecycle;
use crate::model::report::Late;
use crate::model::time::Timestamp;

/// One error: its variant, itself, and the text of what is behind it.
struct Case {
    name: String,
    error: Error,
    source: Option<&'static str>,
}

fn io_error() -> io::Error {
    io::Error::other("the system's words")
}

fn damage() -> Damage {
    Damage { table: "execstore/events".into(), key: "00ff".into(), reason: "its checksum is wrong".into() }
}

fn damaged_page() -> DamagedPage {
    DamagedPage { part: "the table execstore/events".into(), start: 8192, len: 4096 }
}

fn id() -> ExecutionId {
    ExecutionId::new("e-1").unwrap()
}

fn header() -> Header {
    let new = NewExecution::new("b").id("e-1");
    new.build(&Lifecycle::compute_node(), 1_000, Timestamp::from_nanos(0)).unwrap().into_header()
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |act: &str, error: Error, debug: String, source: Option<&'static str>| {
        let variant: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
        cases.push(Case { name: format!("{act}::{variant}"), error, source });
    };
    macro_rules! each {
        ($act:ident: $($error:expr $(=> $source:literal)?),+ $(,)?) => {$({
            let error: $act = $error;
            let debug = format!("{error:?}");
            let source: &[&'static str] = &[$($source)?];
            add(stringify!($act), error.into(), debug, source.first().copied());
        })+};
    }
    let lifecycle = Lifecycle::default();
    let state = |name: &str| lifecycle.state(name).unwrap().clone();
    let path = || PathBuf::from("/data/node.redb");
    let (nine, four) = (ChangeSeq(9), ChangeSeq(4));
    let incarnation = StoreIncarnation(255);
    each! { StorageError:
        StorageError::Database(Cause::new(io_error())) => "the system's words",
        StorageError::Journal(io_error().into()) => "the system's words",
        StorageError::Panicked { message: "a page is of no kind".into() },
        StorageError::Damaged(damage()),
        StorageError::DamagedPage(damaged_page())
            => "the page of 4096 bytes at byte 8192 of redb's image, of the table execstore/events, is not what redb wrote there",
        StorageError::Poisoned { reason: Some(StorageError::Journal(io_error().into()).into()) }
            => "the journal failed: the system's words",
        StorageError::Poisoned { reason: None },
        StorageError::Closed,
        StorageError::Busy,
        StorageError::ReadWithin,
        StorageError::StillRunning { what: "the consumer \"c\"".into() },
        StorageError::Thread { purpose: "to commit on", source: io_error().into() } => "the system's words",
        StorageError::OutOfSpace { free: Some(10), reserve: 20 },
        StorageError::OutOfSpace { free: None, reserve: 20 },
        StorageError::ReadOnly { path: Some(path()) },
        StorageError::ReadOnly { path: None },
        StorageError::OtherProcess { opened_by: 1, used_by: 2 },
        StorageError::Told { message: "the journal failed: the system's words".into() },
    }
    each! { InputError:
        InputError::TooLarge { what: "message", actual: 2, maximum: 1 },
        InputError::UnknownState { state: "Runing".into() },
        InputError::InvalidCursor { reason: "it is of another query" },
        InputError::Invalid { what: "page limit", reason: "it is 0".into() },
    }
    each! { PositionError:
        PositionError::BeyondHead { seq: nine, incarnation, head: four },
        PositionError::Trimmed { requested: four, oldest: nine },
        PositionError::OtherIncarnation { bookmark: Bookmark::new(incarnation, four), incarnation, head: nine },
    }
    each! { OpenError:
        OpenError::AlreadyOpen { path: path(), holder: Some(77) },
        OpenError::AlreadyOpen { path: path(), holder: None },
        OpenError::NoLocks { path: path() },
        OpenError::NotFound { path: path() },
        OpenError::DanglingLink { path: path(), target: PathBuf::from("/gone") },
        OpenError::AlreadyExists { path: path() },
        OpenError::Empty { path: path() },
        OpenError::NotADatabase { path: path() },
        OpenError::NotAStore,
        OpenError::Format { found: 9, supported: 1 },
        OpenError::Lifecycle { expected: "A -> B".into(), found: "A -> C".into() },
        OpenError::NotTamperEvident,
        OpenError::JournalPending,
        OpenError::JournalDamaged { path: path(), loss: loss(), reason: "a record is missing".into() },
        OpenError::Damaged { reason: "a page is wrong".into(), source: Some(Box::new(io_error())) } => "the system's words",
        OpenError::Damaged { reason: "a page is wrong".into(), source: None },
        OpenError::Io { path: path(), source: io_error() } => "the system's words",
    }
    each! { BeginError: BeginError::WriterHeld { by: "a WriteTxn", held: Duration::from_millis(30) } }
    each! { WriterError:
        WriterError::ForeignTransaction { expected: uuid::Uuid::from_u128(7), found: "no store".into() },
        WriterError::WriterInUse,
    }
    each! { WriteError:
        WriteError::NotFound { id: id() },
        WriteError::AlreadyExists { id: id() },
        WriteError::OtherExecution {
            found: Box::new(header()),
            job_id: JobId::new("a").unwrap(),
            namespace: "n".into(),
        },
        WriteError::Conflict {
            id: id(),
            expected: Box::new(Expect::new().state("New").revision(Revision(1))),
            actual_state: state("Running"),
            actual_revision: Revision(2),
            mismatches: vec![Mismatch::State { found: state("Running") }],
        },
        WriteError::CheckpointMoved { name: "c".into(), expected: Some(four), found: None },
        WriteError::Terminal { id: id(), state: state("Failed"), to: state("Running") },
        WriteError::Late { id: id(), why: Late::OlderAttempt { reported: 1, known: 2 } },
        WriteError::DoubtfulTime { id: id(), what: "created", time: Timestamp::from_nanos(0) },
        WriteError::Transition { id: id(), from: state("New"), to: state("Running") },
        WriteError::InitialState { state: state("Failed") },
        WriteError::Cycle { id: id(), link: id() },
        WriteError::MissingLink { id: id(), missing: id() },
        WriteError::Source(io_error()) => "the system's words",
        WriteError::OtherBulk { name: "b".into(), changed: 12, refused: 3 },
        WriteError::BulkMoved { name: "b".into() },
    }
    each! { CommitError:
        CommitError::RolledBack(StorageError::Closed) => "the store was closed",
        CommitError::RolledBack(StorageError::Journal(io_error().into())) => "the journal failed: the system's words",
        CommitError::Unknown(StorageError::Database(Cause::new(io_error()))) => "the database failed: the system's words",
    }
    each! { BatchError:
        BatchError::QueueTooLarge { waiting: 1, bytes: 2, maximum: 2 },
        BatchError::QueueFull { maximum: 2 },
        BatchError::Panicked { message: "index out of bounds".into() },
        BatchError::Taken,
        BatchError::Lost,
    }
    each! { WatchError:
        WatchError::NoCheckpoint { name: "c".into() },
        WatchError::AlreadyRunning { name: "c".into() },
    }
    each! { Error:
        Error::Damaged(damage()),
        Error::Reentrant(Reentrant),
        Error::Lifecycle(LifecycleError::NoInitialState),
        Error::Json(serde_json::from_str::<u64>("x").unwrap_err()),
        Error::Incomplete { lines: 9, damaged: 1, first: damage() }
            => "a row of the table execstore/events is damaged (key 00ff): its checksum is wrong",
        Error::Caller("not today".into()),
    }
    cases
}

fn loss() -> crate::model::loss::JournalLoss {
    crate::model::loss::JournalLoss { file: 1, round: 2, version: 3, after: ChangeSeq(4) }
}

/// The variants that an enum has by its source, but for those that only pass on what several enums share.
fn variants(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (mut name, mut passes_on) = (None, false);
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("pub enum ") {
            name = rest.split(' ').next();
        } else if line == "}" {
            name = None;
        } else if line.contains("#[error(transparent)]") {
            passes_on = true;
        } else if let Some(act) = name
            && line.starts_with("    ")
            && line.chars().nth(4).is_some_and(char::is_uppercase)
        {
            let variant: String = line.trim().chars().take_while(|c| c.is_alphanumeric()).collect();
            if !std::mem::take(&mut passes_on) {
                found.insert(format!("{act}::{variant}"));
            }
        }
    }
    found
}

#[test]
fn every_variant_is_among_the_cases() {
    let known: BTreeSet<_> = cases().into_iter().map(|case| case.name).collect();
    let sources = [
        include_str!("storage.rs"),
        include_str!("open.rs"),
        include_str!("commit.rs"),
        include_str!("write.rs"),
        include_str!("watch.rs"),
        include_str!("read.rs"),
        include_str!("mod.rs"),
        include_str!("../limits.rs"),
        include_str!("../bookmark.rs"),
    ];
    let there: BTreeSet<_> = sources.iter().flat_map(|source| variants(source)).collect();
    assert!(there.len() > 60, "{there:?}");
    let missing: Vec<_> = there.difference(&known).filter(|name| !name.starts_with("LongTexts")).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_text_is_a_sentence_for_a_caller() {
    // What the language prints of a value that is for programmers, and words of the inside.
    let inside = [
        "Some(",
        "None",
        "ChangeSeq",
        "ExecutionId",
        "Revision(",
        "Tag::",
        "redo",
        "WriteSet",
        "poison",
        "seal",
        "  ",
        "\n",
        "crate::",
        "execstore::",
    ];
    for Case { name, error, .. } in cases() {
        let text = error.to_string();
        let word = inside.iter().find(|word| text.contains(**word));
        assert!(word.is_none(), "{name} says {word:?}: {text}");
        assert!(text.len() > 12 || name == "Error::Caller", "{name}: {text}");
        assert!(!text.ends_with(['.', ' ', ':', ';']), "{name}: {text}");
        let first = text.chars().next().unwrap();
        assert!(!first.is_uppercase(), "{name}: {text}");
    }
}

#[test]
fn what_is_behind_an_error_is_kept_on_the_way_to_the_superset() {
    for Case { name, error, source } in cases() {
        assert_eq!(error.source().map(ToString::to_string).as_deref(), source, "{name}");
    }
    // The very error of the system, not what holds it for several callers.
    let of_system = |error: Error| error.source().unwrap().downcast_ref::<io::Error>().is_some();
    assert!(of_system(StorageError::Database(Cause::new(io_error())).into()));
    assert!(of_system(StorageError::Journal(io_error().into()).into()));
    assert!(of_system(StorageError::Thread { purpose: "to commit on", source: io_error().into() }.into()));
    let poisoned = StorageError::Poisoned { reason: Some(StorageError::Journal(io_error().into()).into()) };
    assert!(poisoned.source().unwrap().downcast_ref::<StorageError>().is_some());
}

#[test]
fn what_several_acts_share_has_one_place_in_the_superset() {
    macro_rules! all {
        ($pattern:pat, $($error:expr),+) => {$(
            let error = Error::from($error);
            assert!(matches!(error, $pattern), "{error:?}");
        )+};
    }
    let closed = || StorageError::Closed;
    all!(
        Error::Storage(StorageError::Closed),
        OpenError::Storage(closed()),
        ReadError::Storage(closed()),
        BeginError::Storage(closed()),
        WriterError::Storage(closed()),
        WriteError::Storage(closed()),
        BatchError::Storage(closed()),
        WatchError::Storage(closed())
    );
    let position = || PositionError::Trimmed { requested: ChangeSeq(1), oldest: ChangeSeq(2) };
    all!(
        Error::Position(PositionError::Trimmed { .. }),
        ReadError::Position(position()),
        WriteError::Position(position()),
        WatchError::Position(position()),
        WatchError::from(ReadError::Position(position())),
        WriteError::from(ReadError::Position(position()))
    );
    let input = || InputError::UnknownState { state: "x".into() };
    all!(
        Error::Input(InputError::UnknownState { .. }),
        OpenError::Input(input()),
        ReadError::Input(input()),
        WriteError::Input(input()),
        WatchError::Input(input())
    );
    all!(
        Error::Damaged(_),
        ReadError::Damaged(damage()),
        WriterError::Damaged(damage()),
        WriteError::Damaged(damage()),
        WatchError::Damaged(damage())
    );
    all!(
        Error::Reentrant(_),
        BeginError::Reentrant(Reentrant),
        BatchError::Reentrant(Reentrant),
        WatchError::Reentrant(Reentrant)
    );
}

#[test]
fn the_document_has_a_row_for_each_with_its_remedy_and_what_becomes_of_the_store() {
    let document = include_str!("../../../docs/errors.md");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("::"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let known = cases();
    for Case { name, error, .. } in &known {
        let of: Vec<_> = rows.iter().filter(|row| row[0] == format!("`{name}`")).collect();
        assert_eq!(of.len(), 1, "{name} has {} rows", of.len());
        let (remedy, store) = (of[0][2], of[0][3]);
        if name == "CommitError::RolledBack" {
            assert_eq!((remedy, store), ("that of the reason", "as the reason says"));
            continue;
        }
        assert_eq!(remedy, format!("`{:?}`", error.remedy()), "{name}");
        let expected = match name.split("::").next() {
            Some("OpenError") => "is not open",
            _ if error.stops_writing() => "stops",
            _ => "goes on",
        };
        assert_eq!(store, expected, "{name}");
    }
    assert_eq!(rows.len(), known.iter().map(|case| &case.name).collect::<BTreeSet<_>>().len());
}

#[test]
fn errors_go_between_threads() {
    fn goes<T: StdError + Send + Sync + 'static>() {}
    goes::<Error>();
    goes::<OpenError>();
    goes::<ReadError>();
    goes::<BeginError>();
    goes::<WriterError>();
    goes::<WriteError>();
    goes::<CommitError>();
    goes::<BatchError>();
    goes::<WatchError>();
    goes::<StorageError>();
    goes::<InputError>();
    goes::<PositionError>();
    goes::<LifecycleError>();
    goes::<Damage>();
    goes::<Reentrant>();
}
