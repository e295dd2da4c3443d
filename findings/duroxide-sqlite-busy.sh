#!/usr/bin/env bash
# duroxide 0.1.32 (crate, feature `sqlite`), 28 November 2026.
#
# Its SQLite provider sets `busy_timeout` to 60 seconds, and yet calls from two tasks fail at once with "database is locked". They begin a deferred
# transaction that reads before it writes; when another connection has written in between, SQLite refuses the write with
# SQLITE_BUSY_SNAPSHOT (517), for which waiting cannot help and no busy handler is called. duroxide's dispatchers then back off for 200 ms and more:
# with two dispatchers of each kind most of the time goes there.
#
# Seen: "some calls failed within a second: database is locked" (about 460 of 1,000 calls).
#
# For execstore: a claim reads and writes in one turn of the writer, so nothing of the kind can be refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
duroxide = { version = "=0.1.32", features = ["sqlite"] }
tokio = { version = "1", features = ["rt-multi-thread", "macros", "time"] }
TOML
cat > src/main.rs <<'RUST'
use std::sync::Arc;
use std::time::{Duration, Instant};

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::providers::{Provider, TagFilter, WorkItem};

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() {
    let store = Arc::new(SqliteProvider::new("sqlite:store.db?mode=rwc", None).await.expect("it opens"));
    for id in 0..500 {
        let item = WorkItem::ActivityExecute {
            instance: "one".into(),
            execution_id: 1,
            id,
            name: "work".into(),
            input: String::new(),
            session_id: None,
            tag: None,
        };
        store.enqueue_for_worker(item).await.expect("nobody else is there");
    }
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut failed = Vec::new();
                for _ in 0..250 {
                    let begin = Instant::now();
                    let fetched = store
                        .fetch_work_item(Duration::from_secs(60), Duration::ZERO, None, &TagFilter::DefaultOnly)
                        .await;
                    if let Err(error) = fetched {
                        failed.push((begin.elapsed(), error.message));
                    }
                }
                failed
            })
        })
        .collect();
    let mut failed = Vec::new();
    for task in tasks {
        failed.extend(task.await.expect("no panic"));
    }
    eprintln!("{} of 1000 calls failed", failed.len());
    let at_once = failed.iter().filter(|(took, _)| *took < Duration::from_secs(1)).count();
    let locked = failed.iter().all(|(_, why)| why.contains("database is locked"));
    match at_once > 0 && locked {
        true => println!("some calls failed within a second: database is locked"),
        false => println!("{at_once} calls failed at once: {:?}", failed.first()),
    }
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[ "$seen" = "some calls failed within a second: database is locked" ]
