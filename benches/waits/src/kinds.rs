//! What is deleted: how a store with it is built, and the call that deletes it.

use std::io::Read;
use std::path::Path;

use execstore::attachments::NewAttachment;
use execstore::error::WriteError;
use execstore::outputs::OutputCap;
use execstore::tasks::TaskUpdate;
use execstore::{ChangeSeq, NewEvent, NewExecution, Query, Store, Update, Writer};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// An execution with 1,000,000 events of 270 bytes.
    Events,
    /// An execution with an output of 256 MiB.
    Output,
    /// The same output, of which a cap leaves 1 MiB.
    Cap,
    /// An execution with an attachment of 256 MiB.
    Attachment,
    /// An execution with 100,000 attachments of 200 bytes.
    Attachments,
    /// An execution with 200,000 nodes.
    Tasks,
    /// 200,000 executions, found by their job.
    Bulk,
    /// 1,000 executions with 1,000 events each, found by their job.
    BulkEvents,
    /// 1,000,000 entries of the change log, and the payloads that they replaced.
    Trim,
    /// Nothing is deleted: 2,048 changes, each the first after one in another block of 1,024.
    Blocks,
}

/// The execution that has it.
const ID: &str = "big";
const MIB: u64 = 1024 * 1024;

impl Kind {
    pub const ALL: [Kind; 10] = [
        Kind::Events,
        Kind::Output,
        Kind::Cap,
        Kind::Attachment,
        Kind::Attachments,
        Kind::Tasks,
        Kind::Bulk,
        Kind::BulkEvents,
        Kind::Trim,
        Kind::Blocks,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Events => "events",
            Kind::Output => "output",
            Kind::Cap => "cap",
            Kind::Attachment => "attachment",
            Kind::Attachments => "attachments",
            Kind::Tasks => "tasks",
            Kind::Bulk => "bulk",
            Kind::BulkEvents => "bulk-events",
            Kind::Trim => "trim",
            Kind::Blocks => "blocks",
        }
    }

    pub fn named(name: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Kind::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| format!("no kind {name}; there are {}", known()))
    }

    pub fn build(self, file: &Path, scale: f64) {
        let store = Store::create_new(file).unwrap();
        let count = |full: u64| ((full as f64 * scale) as u64).max(1);
        store.write(|w| Ok(w.create(NewExecution::new("j").id(ID))?)).unwrap();
        match self {
            Kind::Events => {
                batches(&store, count(1_000_000), |w, _, n| w.append_events(ID, events(n)).map(drop))
            }
            Kind::Output | Kind::Cap => batches(&store, count(256 * 1_024), |w, first, n| {
                let bytes = (0..n * 128).flat_map(|n| mix(n + (first << 20)).to_le_bytes());
                w.append_output(ID, "stdout", bytes.collect::<Vec<_>>()).map(drop)
            }),
            Kind::Attachment => {
                let mut source = std::io::repeat(7).take(count(256) * MIB);
                let put =
                    |w: &mut Writer<'_>| Ok(w.put_attachment_from(ID, "a", "b/b", &mut source).map(drop)?);
                store.write(put).unwrap();
            }
            Kind::Attachments => batches(&store, count(100_000), |w, first, n| {
                let put = |n| w.put_attachment(ID, NewAttachment::bytes(format!("a/{n}"), vec![1; 200]));
                (first..first + n).map(put).try_for_each(|put| put.map(drop))
            }),
            Kind::Tasks => batches(&store, count(200_000), |w, first, n| {
                let put = |n| w.put_task(ID, TaskUpdate::started(format!("node {n}")));
                (first..first + n).map(put).try_for_each(|put| put.map(drop))
            }),
            Kind::Bulk => batches(&store, count(200_000), |w, first, n| create(w, "bulk", first..first + n)),
            Kind::BulkEvents => batches(&store, count(1_000), |w, first, n| {
                (first..first + n).try_for_each(|n| {
                    w.create(NewExecution::new("bulk").id(format!("bulk {n}")).events(events(1_000)))
                        .map(drop)
                })
            }),
            Kind::Trim => {
                batches(&store, count(10_000), |w, first, n| create(w, "bulk", first..first + n));
                let many = count(10_000);
                batches(&store, count(990_000), |w, first, n| {
                    (first..first + n).try_for_each(|n| {
                        let update = Update::new().payload(payload(n));
                        w.update(format!("bulk {}", n % many), update).map(drop)
                    })
                });
            }
            Kind::Blocks => {
                batches(&store, count(2 * MIB), |w, first, n| create(w, "bulk", first..first + n));
            }
        }
        store.close().unwrap();
    }

    /// The call; what it leaves is removed in the background.
    pub fn delete(self, store: &Store) {
        match self {
            Kind::Cap => {
                let cap =
                    |w: &mut Writer<'_>| Ok(w.cap_output(ID, "stdout", OutputCap::Tail(MIB)).map(drop)?);
                store.write(cap).unwrap();
            }
            Kind::Bulk | Kind::BulkEvents => {
                store.bulk(Query::new().job("bulk")).delete().unwrap();
            }
            Kind::Trim => {
                assert!(store.write(|w| Ok(w.trim_changes(ChangeSeq(u64::MAX))?)).unwrap() > 0);
            }
            Kind::Blocks => {
                for n in 0..2_048 {
                    let id = format!("bulk {}", n * 1_024);
                    let result =
                        store.write(|w| Ok(w.update(&id, Update::new().message("first")).map(drop)?));
                    result.unwrap();
                }
            }
            _ => drop(store.write(|w| Ok(w.delete(ID)?)).unwrap()),
        }
    }
}

/// In transactions of 1,000.
fn batches(store: &Store, count: u64, write: impl Fn(&mut Writer<'_>, u64, u64) -> Result<(), WriteError>) {
    for first in (0..count).step_by(1_000) {
        store.write(|w| Ok(write(w, first, 1_000.min(count - first))?)).unwrap();
    }
}

fn create(w: &mut Writer<'_>, job: &str, numbers: std::ops::Range<u64>) -> Result<(), WriteError> {
    numbers.into_iter().try_for_each(|n| {
        let new = NewExecution::new(job).id(format!("bulk {n}")).payload(payload(n));
        w.create(new).map(drop)
    })
}

fn payload(n: u64) -> execstore::Json {
    execstore::Json::from_text(&format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(60))).unwrap()
}

/// About 270 bytes each.
fn events(many: u64) -> Vec<NewEvent> {
    (0..many).map(|n| NewEvent::new("progress").message(format!("{n:0>240}"))).collect()
}

fn mix(n: u64) -> u64 {
    (n.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(29)
}
