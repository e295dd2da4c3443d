//! The JSON of every public value is that of its example in `docs/json.md`, and every public value has one.

use std::fs;

use execstore::attachments::{Attachment, AttachmentIs, AttachmentUsage, NewAttachment};
use execstore::buckets::BucketRow;
use execstore::bulk::BulkReport;
use execstore::consumer::{OnFailure, Retry};
use execstore::identity::Identity;
use execstore::integrity::{ChainHead, LogProof, VerifyReport};
use execstore::lifecycle::{Lifecycle, State};
use execstore::log::Bookmark;
use execstore::options::{GroupCommitOptions, LargeValues, LogRetention, LongTexts, MissingLinks};
use execstore::outputs::{Appended, Output, OutputCap, OutputPart};
use execstore::query::{Durations, Group, Match, QueryPlan};
use execstore::sampling::Sampling;
use execstore::status::{Health, JournalLoss, MaintenanceReport, Status, TableSize};
use execstore::tasks::{Progress, Task, TaskIs, TaskUpdate};
use execstore::visits::Visits;
use execstore::watch::WatchFrom;
use execstore::{
    Change, CreateOutcome, Event, Execution, Expect, Filter, Header, Late, NewEvent, NewExecution, Page,
    Query, Receipt, Reported, Update,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

type Again = fn(&str) -> Result<String, serde_json::Error>;

fn again<T: Serialize + DeserializeOwned>(text: &str) -> Result<String, serde_json::Error> {
    serde_json::to_string(&serde_json::from_str::<T>(text)?)
}

macro_rules! values {
    ($($name:ident $(<$of:ty>)?),+ $(,)?) => {
        &[$((stringify!($name), again::<$name $(<$of>)?>)),+]
    };
}

/// Where a member that is not known is ignored.
const GIVEN_BY_THE_STORE: &[(&str, Again)] = values![
    Appended,
    Attachment,
    AttachmentUsage,
    BucketRow,
    BulkReport,
    ChainHead,
    Change,
    CreateOutcome,
    Durations,
    Event,
    Execution,
    Group,
    Header,
    LogProof,
    MaintenanceReport,
    Output,
    OutputPart,
    Page<Execution>,
    Progress,
    QueryPlan,
    Receipt,
    Reported<Task>,
    State,
    Status,
    TableSize,
    Task,
    VerifyReport,
    Visits,
];

/// Where one is refused.
const GIVEN_TO_THE_STORE: &[(&str, Again)] = values![
    Expect,
    Filter,
    GroupCommitOptions,
    Identity,
    Lifecycle,
    LogRetention,
    NewAttachment,
    NewEvent,
    NewExecution,
    OutputCap,
    Query,
    Retry,
    Sampling,
    TaskUpdate,
    Update,
];

/// What is one word, or an object of one word: nothing else is known.
const WORDS: &[(&str, Again)] = values![
    AttachmentIs,
    Bookmark,
    Health,
    JournalLoss,
    LargeValues,
    Late,
    LongTexts,
    Match,
    MissingLinks,
    OnFailure,
    TaskIs,
    WatchFrom,
];

/// The text without the white space between its parts.
fn compact(text: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    text.chars()
        .filter(|c| {
            if inside {
                inside = escaped || *c != '"';
                escaped = *c == '\\' && !escaped;
                return true;
            }
            inside = *c == '"';
            !c.is_whitespace()
        })
        .collect()
}

fn document() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/json.md")).unwrap()
}

/// The examples with the names of their types.
fn examples(document: &str) -> Vec<(&str, &str)> {
    let blocks = document.split("```json ").skip(1);
    blocks
        .map(|block| block.split_once("```").unwrap().0.split_once('\n').unwrap())
        .map(|(name, text)| (name.trim(), text.trim()))
        .collect()
}

fn by_name(name: &str) -> Again {
    let mut all = GIVEN_BY_THE_STORE.iter().chain(GIVEN_TO_THE_STORE).chain(WORDS);
    all.find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} is not in the lists above")).1
}

#[test]
fn the_examples_are_what_is_written() {
    let document = document();
    let examples = examples(&document);
    for (name, text) in &examples {
        let written = by_name(name)(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        assert_eq!(compact(&written), compact(text), "{name}");
    }
    for (name, _) in GIVEN_BY_THE_STORE.iter().chain(GIVEN_TO_THE_STORE).chain(WORDS) {
        assert!(examples.iter().any(|(known, _)| known == name), "docs/json.md has no example of {name}");
    }
}

/// Each object within an example, with a member more: ignored in what the store gives, refused in what it is given.
#[test]
fn a_member_that_is_not_known_never_widens_what_is_asked() {
    let document = document();
    for (name, text) in examples(&document) {
        let value: Value = serde_json::from_str(text).unwrap();
        let Value::Object(mut more) = value.clone() else { continue };
        more.insert("unknown".into(), 1.into());
        let read = by_name(name)(&Value::Object(more).to_string());
        if GIVEN_BY_THE_STORE.iter().any(|(known, _)| *known == name)
            && !["Appended", "CreateOutcome", "Reported"].contains(&name)
        {
            let same = by_name(name)(&value.to_string()).unwrap();
            assert_eq!(read.unwrap(), same, "{name}");
        } else {
            let error = read.expect_err(name).to_string();
            assert!(error.contains("unknown") || error.contains("expected"), "{name}: {error}");
        }
    }
}

/// Conditions within conditions are as strict as the whole.
#[test]
fn nothing_within_a_request_is_ignored() {
    let document = document();
    let strict = ["Expect", "Filter", "Query", "Update", "NewExecution", "Lifecycle", "Identity"];
    let mut seen = 0;
    for (name, text) in examples(&document).into_iter().filter(|(name, _)| strict.contains(name)) {
        let whole: Value = serde_json::from_str(text).unwrap();
        let mut places = Vec::new();
        objects(&whole, String::new(), &mut places);
        for place in places {
            // The caller's own documents and names.
            if ["payload", "merge_payload", "details", "labels", "inputs"]
                .iter()
                .any(|own| place.contains(&format!("/{own}")))
                && !place.contains("/labels/")
            {
                continue;
            }
            let mut changed = whole.clone();
            let object = changed.pointer_mut(&place).unwrap().as_object_mut().unwrap();
            object.insert("unknown".into(), 1.into());
            let read = by_name(name)(&changed.to_string());
            assert!(read.is_err(), "{name}, {place:?}: {changed}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} objects");
}

fn objects(value: &Value, place: String, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(place.clone());
            members.iter().for_each(|(key, value)| objects(value, format!("{place}/{key}"), found));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| objects(value, format!("{place}/{n}"), found));
        }
        _ => {}
    }
}

/// No member of a request may be `null`, but those of an update that it clears, and documents.
#[test]
fn null_is_no_condition() {
    let document = document();
    let clears = ["message", "name", "node_id", "parent", "previous", "preview", "merge_payload"];
    for (name, text) in examples(&document) {
        if !GIVEN_TO_THE_STORE.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let Value::Object(members) = serde_json::from_str(text).unwrap() else { continue };
        for key in members.keys() {
            let mut changed = members.clone();
            changed.insert(key.clone(), Value::Null);
            let read = by_name(name)(&Value::Object(changed).to_string());
            let may_be = match name {
                "Update" => clears.contains(&key.as_str()),
                "Identity" => ["inputs", "parent"].contains(&key.as_str()),
                _ => ["payload", "value"].contains(&key.as_str()),
            };
            assert_eq!(read.is_ok(), may_be, "{name}, {key}: {read:?}");
        }
    }
}

/// Whoever adds a public type decides whether it is a value.
#[test]
fn every_public_type_is_a_value_or_none() {
    const NONE: &[&str] = &[
        // Handles, views and what they give one by one.
        "AttachmentReader",
        "Attachments",
        "Bucket",
        "BucketMut",
        "BucketWatcher",
        "Builder",
        "Bulk",
        "Changes",
        "Consumer",
        "ConsumerBuilder",
        "Groups",
        "Lineage",
        "List",
        "Log",
        "Recv",
        "RecvChanged",
        "RecvPart",
        "OutputFollower",
        "Outputs",
        "Pending",
        "ReadTxn",
        "Rows",
        "Selection",
        "Store",
        "Tasks",
        "Trace",
        "Tree",
        "VisitTracker",
        "Watcher",
        "WriteTxn",
        "Writer",
        "HandlerError",
        // Traits, clocks, makers, constants.
        "BucketKey",
        "Clock",
        "DEFAULT_NAMESPACE",
        "LifecycleBuilder",
        "Readable",
        "ParseKey",
        "States",
        "SystemClock",
        "limits",
        "redb",
        "Error",
        "KeyError",
        "key",
        "parse_key",
        // Parts of the examples.
        "Access",
        "AttachmentKind",
        "ChangeKind",
        "ChangeSeq",
        "CheckpointStatus",
        "ConsumerState",
        "ConsumerStats",
        "Cursor",
        "Damage",
        "DesiredState",
        "EventSeq",
        "ExecutionId",
        "Incarnation",
        "JobId",
        "Json",
        "Labels",
        "OrderBy",
        "Phase",
        "Revision",
        "RowChange",
        "StoreIncarnation",
        "TaskState",
        "Text",
        "Timestamp",
        "VerifyProblem",
    ];
    let lib = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    // Errors say what they are as text.
    let (before, errors) = lib.split_once("pub mod error {").unwrap();
    let lib = format!("{before}{}", errors.split_once("\n}\n").unwrap().1);
    let uses = lib.split("pub use ").skip(1).map(|rest| rest.split(';').next().unwrap());
    let mut seen = 0;
    for path in uses {
        let leaves = path.split_once('{').map_or(path, |(_, leaves)| leaves.trim_end_matches('}'));
        for leaf in leaves.split(',').map(|leaf| leaf.trim().rsplit("::").next().unwrap()) {
            if leaf.is_empty() || NONE.contains(&leaf) {
                continue;
            }
            seen += 1;
            by_name(leaf);
        }
    }
    assert!(seen > 40, "{seen} values");
}
