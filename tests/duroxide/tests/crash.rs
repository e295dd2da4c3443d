//! The example engine is killed while it works, again and again: each order ends once, each activity has taken effect, and what it
//! reported is in the history once.
//!
//! `EXECSTORE_KILLS` kills, 20 if it is not set; `EXECSTORE_SEED` repeats the moments of the kills.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use duroxide::providers::Provider;
use duroxide::{Event, EventKind};
use execstore::duroxide::ExecstoreProvider;
use execstore::{Execution, Query, Readable};

#[path = "../../../docs/examples/engine/shop.rs"]
mod shop;

const FOLDER: &str = "EXECSTORE_ENGINE_FOLDER";
const ORDERS: &str = "EXECSTORE_ENGINE_ORDERS";
/// So many orders come in each life.
const EACH: u64 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the test below"]
async fn child_that_works() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let orders = number(ORDERS).unwrap();
    shop::open(&folder.join("shop.redb"), &folder.join("world.txt"), orders).await.unwrap();
}

/// How many executions have ended.
fn ended(provider: &ExecstoreProvider) -> u64 {
    provider.store().begin_read().unwrap().count("Completed").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_killed_does_everything_and_reports_it_once() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut dice = number("EXECSTORE_SEED").unwrap_or(now.as_nanos() as u64);
    println!("EXECSTORE_SEED={dice}");
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let folder = tempfile::tempdir().unwrap();
    let kills = number("EXECSTORE_KILLS").unwrap_or(20);
    let (mut at_work, mut before) = (0, 0);
    for life in 1..=kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_works", "--ignored", "--quiet"])
            .env(FOLDER, folder.path())
            .env(ORDERS, (life * EACH).to_string())
            .env("RUST_LOG", "off")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + roll(200)));
        at_work += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if roll(4) == 0 && folder.path().join("shop.redb").exists() {
            let provider = ExecstoreProvider::open(folder.path().join("shop.redb")).unwrap();
            assert!(provider.store().verify().unwrap().is_clean(), "life {life}");
            assert!(ended(&provider) >= before, "life {life}: what had ended has not");
            before = ended(&provider);
        }
    }
    assert!(at_work * 4 > kills, "of {kills} lives {at_work} were ended in the middle");
    let orders = kills * EACH;
    let (store, world) = (folder.path().join("shop.redb"), folder.path().join("world.txt"));
    let provider = shop::open(&store, &world, orders).await.unwrap();
    let world = std::fs::read_to_string(world).unwrap();
    check(&provider, orders, &world).await;
}

/// Everything has ended well, once; of what the world shows nothing is missing.
async fn check(provider: &ExecstoreProvider, orders: u64, world: &str) {
    let mut effects: BTreeMap<&str, u64> = BTreeMap::new();
    world.lines().for_each(|line| *effects.entry(line).or_default() += 1);
    let executions: Vec<Execution> = {
        let reader = provider.store().begin_read().unwrap();
        reader.query(&Query::new().oldest_first()).rows().unwrap().map(|row| row.unwrap()).collect()
    };
    assert_eq!(executions.len() as u64, orders * 2, "an order and its payment");
    let mut activities = 0;
    for execution in &executions {
        assert_eq!(execution.state, "Completed", "{}", execution.id);
        let history = provider.read_with_execution(execution.job_id.as_str(), 1).await.unwrap();
        activities += check_history(&history, &effects);
    }
    assert_eq!(activities, orders * 6);
    assert!(provider.store().verify().unwrap().is_clean());
    let twice = effects.values().filter(|times| **times > 1).count();
    println!("{orders} orders, {activities} activities, {twice} of them executed more than once");
    let reader = provider.store().begin_read().unwrap();
    for queue in
        ["duroxide/messages", "duroxide/mailboxes", "duroxide/due", "duroxide/activities", "duroxide/ready"]
    {
        assert!(reader.bucket(queue).unwrap().is_empty(), "{queue} has rows left");
    }
}

fn check_history(history: &[Event], effects: &BTreeMap<&str, u64>) -> u64 {
    let (mut scheduled, mut reported, mut ends) = (HashSet::new(), HashSet::new(), 0);
    for event in history {
        match &event.kind {
            EventKind::ActivityScheduled { name, input, .. } => {
                assert!(scheduled.insert(event.event_id));
                assert!(effects.contains_key(format!("{name} {input}").as_str()), "{name} {input}");
            }
            EventKind::ActivityCompleted { .. } => {
                assert!(reported.insert(event.source_event_id.unwrap()), "{event:?} came twice");
            }
            EventKind::OrchestrationCompleted { .. } => ends += 1,
            _ => {}
        }
    }
    assert_eq!(scheduled, reported);
    assert_eq!(ends, 1);
    scheduled.len() as u64
}
