//! What the provider promises beyond duroxide's validations: orchestrations are plain executions, leases end with their process, whoever
//! waits is woken, and what does not fit is refused without a trace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use duroxide::providers::{ExecutionMetadata, Provider, SessionFetchConfig, TagFilter, WorkItem};
use duroxide::runtime::Runtime;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{Client, Event, EventKind, OrchestrationContext, OrchestrationRegistry};
use execstore::duroxide::ExecstoreProvider;
use execstore::error::InputError;
use execstore::lifecycle::Lifecycle;
use execstore::redb::{ReadableTable, TableDefinition};
use execstore::{NewExecution, Readable, Store};

const LONG: Duration = Duration::from_secs(60);

fn start(instance: &str) -> WorkItem {
    WorkItem::StartOrchestration {
        instance: instance.into(),
        orchestration: "sum".into(),
        input: "{}".into(),
        version: None,
        parent_instance: None,
        parent_id: None,
        parent_execution_id: None,
        execution_id: 1,
    }
}

fn activity(instance: &str, id: u64) -> WorkItem {
    WorkItem::ActivityExecute {
        instance: instance.into(),
        execution_id: 1,
        id,
        name: "add".into(),
        input: "1".into(),
        session_id: None,
        tag: None,
    }
}

async fn fetch_work(provider: &ExecstoreProvider, wait: Duration) -> Option<(WorkItem, String, u32)> {
    provider.fetch_work_item(LONG, wait, None, &TagFilter::DefaultOnly).await.unwrap()
}

#[tokio::test]
async fn opening_gives_back_what_a_process_had_and_counts_its_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.redb");
    let provider = ExecstoreProvider::open(&path).unwrap();
    provider.enqueue_for_orchestrator(start("a"), None).await.unwrap();
    provider.enqueue_for_worker(activity("a", 2)).await.unwrap();
    let (_, turn, attempts) =
        provider.fetch_orchestration_item(LONG, Duration::ZERO, None).await.unwrap().unwrap();
    let (_, work, _) = fetch_work(&provider, Duration::ZERO).await.unwrap();
    assert_eq!(attempts, 1);
    assert!(fetch_work(&provider, Duration::ZERO).await.is_none(), "somebody has it");
    drop(provider);

    let provider = ExecstoreProvider::open(&path).unwrap();
    let (item, newer, attempts) =
        provider.fetch_orchestration_item(LONG, Duration::ZERO, None).await.unwrap().unwrap();
    assert_eq!((item.instance.as_str(), attempts), ("a", 2));
    assert_eq!(fetch_work(&provider, Duration::ZERO).await.unwrap().2, 2);
    // The former process may be slow, not dead: what it says now is not taken.
    assert_ne!(turn, newer);
    assert!(provider.abandon_orchestration_item(&turn, None, false).await.is_err());
    assert!(provider.ack_work_item(&work, None).await.is_err());
    assert!(provider.store().verify().unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_woken_by_what_comes_and_by_its_time() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    let waits = {
        let provider = provider.clone();
        tokio::spawn(async move { fetch_work(&provider, LONG).await })
    };
    let waits_for_a_timer = {
        let provider = provider.clone();
        tokio::spawn(async move { provider.fetch_orchestration_item(LONG, LONG, None).await })
    };
    let begin = Instant::now();
    provider.enqueue_for_worker(activity("a", 2)).await.unwrap();
    assert!(waits.await.unwrap().is_some());
    provider.enqueue_for_orchestrator(start("a"), Some(Duration::from_millis(300))).await.unwrap();
    let (item, ..) = waits_for_a_timer.await.unwrap().unwrap().unwrap();
    assert_eq!(item.instance, "a");
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(300) && took < LONG / 2, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_of_a_lease_needs_nobody_to_look_for_it() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    provider.enqueue_for_worker(activity("a", 2)).await.unwrap();
    let lease = Duration::from_millis(200);
    provider.fetch_work_item(lease, Duration::ZERO, None, &TagFilter::DefaultOnly).await.unwrap().unwrap();
    let (.., attempts) = fetch_work(&provider, LONG).await.unwrap();
    assert_eq!(attempts, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orchestrations_are_executions_like_any_others() {
    let provider = Arc::new(ExecstoreProvider::in_memory().unwrap());
    let parent = |ctx: OrchestrationContext, _: String| async move {
        ctx.schedule_sub_orchestration("child", "1").await
    };
    let child = |ctx: OrchestrationContext, round: String| async move {
        match round.as_str() {
            "1" => ctx.continue_as_new("2").await,
            _ => Ok(format!("{round} rounds")),
        }
    };
    let orchestrations =
        OrchestrationRegistry::builder().register("parent", parent).register("child", child).build();
    let activities = ActivityRegistry::builder().build();
    let runtime = Runtime::start_with_store(provider.clone(), activities, orchestrations).await;
    let client = Client::new(provider.clone());
    client.start_orchestration("p", "parent", "").await.unwrap();
    client.wait_for_orchestration("p", LONG).await.unwrap();
    runtime.shutdown(None).await;

    let reader = provider.store().begin_read().unwrap();
    let parent = reader.get("p/1").unwrap().unwrap();
    assert_eq!((parent.state.as_str(), parent.name.as_deref()), ("Completed", Some("parent")));
    let children: Vec<_> =
        reader.lineage("p/1").children().unwrap().map(|child| child.unwrap().id.clone()).collect();
    let all: Vec<_> = reader.by_job("p::sub::2").unwrap().map(|execution| execution.unwrap()).collect();
    assert_eq!(children, all.iter().map(|execution| execution.id.clone()).collect::<Vec<_>>());
    let [first, second] = &all[..] else { panic!("{all:?}") };
    assert_eq!((first.state.as_str(), second.state.as_str()), ("ContinuedAsNew", "Completed"));
    assert_eq!(second.previous.as_ref(), Some(&first.id));
    assert!(second.payload_json().as_str().contains("\"output\":\"2 rounds\""), "{second:?}");
    let topics: Vec<_> =
        reader.events(&second.id, ..).unwrap().map(|event| event.unwrap().topic.to_string()).collect();
    assert_eq!(topics, ["OrchestrationStarted", "OrchestrationCompleted"]);
}

#[tokio::test]
async fn a_store_of_the_callers_own_needs_the_states_and_keeps_its_executions() {
    let few = Lifecycle::builder().live("Running").terminal("Completed").transition("Running", "Completed");
    let store = Store::builder().set_lifecycle(few.build().unwrap()).in_memory().unwrap();
    let refused = ExecstoreProvider::new(store).unwrap_err();
    assert_eq!(refused, InputError::UnknownState { state: "Failed".into() });

    let more = Lifecycle::builder()
        .pending("Queued")
        .live("Running")
        .terminal("Completed")
        .terminal("Failed")
        .terminal("ContinuedAsNew")
        .transitions("Queued", ["Running", "Failed"])
        .transitions("Running", ["Completed", "Failed", "ContinuedAsNew"]);
    let store = Store::builder().set_lifecycle(more.build().unwrap()).in_memory().unwrap();
    store.create(NewExecution::new("mine").id("mine-1").state("Queued")).unwrap();
    let provider = ExecstoreProvider::new(store.clone()).unwrap();
    let admin = provider.as_management_capability().unwrap();
    assert!(admin.list_instances().await.unwrap().is_empty());
    provider.enqueue_for_orchestrator(start("a"), None).await.unwrap();
    assert_eq!(admin.get_queue_depths().await.unwrap().orchestrator_queue, 1);
    assert_eq!(store.get("mine-1").unwrap().unwrap().state, "Queued");
    assert!(store.verify().unwrap().is_clean());
}

#[tokio::test]
async fn what_does_not_fit_is_refused_for_good_and_leaves_no_trace() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    provider.enqueue_for_orchestrator(start("a"), None).await.unwrap();
    let (_, token, _) = provider.fetch_orchestration_item(LONG, Duration::ZERO, None).await.unwrap().unwrap();
    let head = provider.store().begin_read().unwrap().log().head().unwrap();
    let huge = Event::with_event_id(
        1,
        "a",
        1,
        None,
        EventKind::OrchestrationCompleted { output: "x".repeat(1 << 20) },
    );
    let ack = |events| {
        let metadata = ExecutionMetadata {
            orchestration_name: Some("sum".into()),
            orchestration_version: Some("1.0.0".into()),
            ..ExecutionMetadata::default()
        };
        provider.ack_orchestration_item(&token, 1, events, vec![activity("a", 2)], vec![], metadata, vec![])
    };
    let refused = ack(vec![huge]).await.unwrap_err();
    assert!(!refused.is_retryable() && refused.message.contains("1048576"), "{refused}");
    assert_eq!(provider.store().begin_read().unwrap().log().head().unwrap(), head);
    assert!(fetch_work(&provider, Duration::ZERO).await.is_none());
    // The turn is his still, and can end otherwise.
    let small =
        Event::with_event_id(1, "a", 1, None, EventKind::OrchestrationCompleted { output: "x".into() });
    ack(vec![small]).await.unwrap();
    assert!(fetch_work(&provider, Duration::ZERO).await.is_some());

    let long = "x".repeat(2_000);
    let refused = provider.enqueue_for_orchestrator(start(&long), None).await.unwrap_err();
    assert!(!refused.is_retryable() && refused.message.contains("1024"), "{refused}");
    assert_eq!(provider.store().begin_read().unwrap().bucket("duroxide/messages").unwrap().len(), 0);
}

#[tokio::test]
async fn messages_to_one_who_never_began_are_in_nobodys_way() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    for n in 0..40 {
        let item = WorkItem::CancelInstance { instance: format!("ghost-{n}"), reason: "late".into() };
        provider.enqueue_for_orchestrator(item, None).await.unwrap();
    }
    provider.enqueue_for_orchestrator(start("a"), None).await.unwrap();
    let (item, ..) = provider.fetch_orchestration_item(LONG, Duration::ZERO, None).await.unwrap().unwrap();
    assert_eq!(item.instance, "a");
}

/// A runtime that has as many sessions as it takes asks for activities without one, and may have fewer a moment later.
#[tokio::test]
async fn who_asks_for_no_session_while_one_waits_is_not_kept_waiting() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    let mut item = activity("a", 2);
    let WorkItem::ActivityExecute { session_id, .. } = &mut item else { unreachable!() };
    *session_id = Some("s".into());
    provider.enqueue_for_worker(item).await.unwrap();
    let begin = Instant::now();
    assert!(fetch_work(&provider, LONG).await.is_none());
    assert!(begin.elapsed() < LONG / 2);
    let config = SessionFetchConfig { owner_id: "me".into(), lock_timeout: LONG };
    let fetch = provider.fetch_work_item(LONG, LONG, Some(&config), &TagFilter::DefaultOnly);
    assert!(fetch.await.unwrap().is_some());
}

/// Flips a byte of each row whose value has this text in it.
fn damage(store: &Store, text: &str) -> usize {
    const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("execstore/bucket_rows");
    let txn = store.share_database().begin_write().unwrap();
    let mut damaged = Vec::new();
    {
        let mut table = txn.open_table(ROWS).unwrap();
        for row in table.iter().unwrap() {
            let (key, value) = row.unwrap();
            let mut value = value.value().to_vec();
            if value.windows(text.len()).any(|part| part == text.as_bytes()) {
                *value.last_mut().unwrap() ^= 1;
                damaged.push((key.value().to_vec(), value));
            }
        }
        for (key, value) in &damaged {
            table.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    txn.commit().unwrap();
    damaged.len()
}

#[tokio::test]
async fn a_damaged_row_is_in_nobodys_way() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    provider.enqueue_for_orchestrator(start("broken"), None).await.unwrap();
    provider.enqueue_for_orchestrator(start("whole"), None).await.unwrap();
    provider.enqueue_for_worker(activity("broken", 2)).await.unwrap();
    provider.enqueue_for_worker(activity("whole", 2)).await.unwrap();
    // Its message, its place among what is due, its activity and what stands for that.
    assert_eq!(damage(provider.store(), "broken"), 4);
    let (item, ..) = provider.fetch_orchestration_item(LONG, Duration::ZERO, None).await.unwrap().unwrap();
    assert_eq!(item.instance, "whole");
    let (item, ..) = fetch_work(&provider, Duration::ZERO).await.unwrap();
    assert!(matches!(item, WorkItem::ActivityExecute { instance, .. } if instance == "whole"));
    assert!(!provider.store().verify().unwrap().is_clean());
}

#[tokio::test]
async fn one_whose_messages_cannot_be_read_is_told_of_once_nobody_else_waits() {
    let provider = ExecstoreProvider::in_memory().unwrap();
    provider.enqueue_for_orchestrator(start("broken"), None).await.unwrap();
    provider.enqueue_for_orchestrator(start("whole"), None).await.unwrap();
    assert_eq!(damage(provider.store(), "\"instance\":\"broken\""), 1);
    let fetch = || provider.fetch_orchestration_item(LONG, Duration::ZERO, None);
    assert_eq!(fetch().await.unwrap().unwrap().0.instance, "whole");
    let told = fetch().await.unwrap_err();
    assert!(!told.is_retryable() && told.message.contains("damaged"), "{told}");
}
