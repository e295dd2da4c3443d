//! The tasks within an execution: their order, states, values and sums.

use execstore::error::{InputError, WriteError};
use execstore::options::LongTexts;
use execstore::tasks::{Progress, TaskState, TaskUpdate};
use execstore::{Error, Json, NewExecution, Readable, Store, Timestamp};

use crate::Engine;

fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

fn sums(progress: Progress) -> [u64; 4] {
    [progress.running, progress.finished, progress.failed, progress.skipped]
}

pub fn nodes_are_listed_in_the_order_in_which_they_came(engine: &dyn Engine) {
    let mut store = engine.ticking();
    store.create(NewExecution::new("j").id("e")).unwrap();
    store.create(NewExecution::new("j").id("f")).unwrap();
    let names: Vec<String> = (0..200).rev().map(|n| format!("task {n}")).collect();
    for name in &names {
        store.put_task("e", TaskUpdate::started(name.as_str())).unwrap();
    }
    for name in names.iter().step_by(3) {
        store.put_task("e", TaskUpdate::finished(name.as_str()).value(json("{\"n\": 1}"))).unwrap();
    }
    store.put_task("f", TaskUpdate::skipped("task 0")).unwrap();
    store.reopen();
    let r = store.begin_read().unwrap();
    let tasks: Vec<_> = r.tasks("e").list().unwrap().map(Result::unwrap).collect();
    assert_eq!(tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), names);
    let back: Vec<_> = r.tasks("e").list().unwrap().rev().map(Result::unwrap).collect();
    assert!(back.into_iter().rev().eq(tasks.iter().cloned()));
    assert_eq!(sums(r.tasks("e").progress().unwrap()), [133, 67, 0, 0]);
    assert_eq!(sums(r.tasks("f").progress().unwrap()), [0, 0, 0, 1]);
    assert_eq!(r.tasks("e").progress().unwrap().total(), 200);
    assert_eq!(sums(r.tasks("nobody").progress().unwrap()), [0; 4]);
    assert_eq!(r.tasks("nobody").list().unwrap().count(), 0);
    assert_eq!(r.tasks("e").get("task 7").unwrap().unwrap(), tasks[192]);
    assert_eq!(r.tasks("e").get("task 200").unwrap(), None);
    assert_eq!(r.log().head().unwrap().get(), 2, "the log is left alone");
}

pub fn a_new_attempt_begins_anew_from_every_state_and_the_sums_follow(engine: &dyn Engine) {
    let store = engine.ticking();
    store.create(NewExecution::new("j").id("e")).unwrap();
    let ends = [TaskUpdate::finished("n"), TaskUpdate::failed("n", "why"), TaskUpdate::skipped("n")];
    let mut attempts = 0;
    for end in ends {
        for number in [None, Some(3)] {
            let mut start = TaskUpdate::started("n");
            if let Some(more) = number {
                start = start.attempt(attempts + more);
            }
            let started = store.put_task("e", start).unwrap().into_current().unwrap();
            attempts += number.unwrap_or(1);
            assert_eq!((started.attempts, started.ended_at, started.value), (attempts, None, None));
            assert_eq!(sums(store.read(|r| Ok(r.tasks("e").progress()?)).unwrap()), [1, 0, 0, 0]);
            let ended = store.put_task("e", end.clone().value(json("7"))).unwrap();
            assert!(ended.is_applied());
            let ended = ended.into_current().unwrap();
            assert_eq!(store.read(|r| Ok(r.tasks("e").get("n")?)).unwrap().unwrap(), ended);
            assert_eq!((ended.attempts, ended.started_at), (attempts, started.started_at));
            assert!(ended.ended_at > Some(ended.started_at));
            assert_eq!(ended.error.is_some(), ended.state == TaskState::Failed);
            let mut expected = [0; 4];
            expected[[TaskState::Running, TaskState::Finished, TaskState::Failed, TaskState::Skipped]
                .iter()
                .position(|state| *state == ended.state)
                .unwrap()] = 1;
            assert_eq!(sums(store.read(|r| Ok(r.tasks("e").progress()?)).unwrap()), expected);
        }
    }
}

pub fn a_value_is_kept_until_the_node_is_started_again(engine: &dyn Engine) {
    let store = engine.ticking();
    store.create(NewExecution::new("j").id("e")).unwrap();
    let put = |update: TaskUpdate| {
        let reported = store.put_task("e", update).unwrap();
        assert!(reported.is_applied(), "{reported:?}");
        reported.into_current().unwrap()
    };
    let at = Timestamp::from_nanos(1);
    let task = put(TaskUpdate::started("n").value(json("1")).at(at));
    assert_eq!((task.value, task.started_at, task.attempts), (Some(json("1")), at, 1));
    let task = put(TaskUpdate::started("n").attempt(1).value(json("2")));
    assert_eq!((task.value, task.started_at, task.attempts), (Some(json("2")), at, 1));
    let task = put(TaskUpdate::failed("n", "why"));
    assert_eq!((task.value, task.error.as_deref()), (Some(json("2")), Some("why")));
    let task = put(TaskUpdate::started("n"));
    assert_eq!((task.value, task.error, task.attempts), (None, None, 2));
    let task = put(TaskUpdate::finished("n").value(json("null")));
    assert_eq!(task.value, Some(json("null")));
}

pub fn nodes_go_with_their_execution(engine: &dyn Engine) {
    let store = engine.ticking();
    for id in ["e", "f"] {
        store.create(NewExecution::new("j").id(id)).unwrap();
        for n in 0..50 {
            store.put_task(id, TaskUpdate::started(n.to_string())).unwrap();
        }
    }
    store.delete("e").unwrap();
    let report = store.verify().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.tasks, 50);
    store.create(NewExecution::new("j").id("e")).unwrap();
    assert_eq!(store.read(|r| Ok(r.tasks("e").progress()?)).unwrap().total(), 0);
}

pub fn limits_are_checked_before_anything_is_written(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_long_texts(LongTexts::Refuse));
    store.create(NewExecution::new("j").id("e")).unwrap();
    let invalid = |result: Result<_, Error>| {
        matches!(result, Err(Error::Input(InputError::Invalid { what: "task name", .. })))
    };
    assert!(invalid(store.put_task("e", TaskUpdate::started(""))));
    let nobody = store.put_task("nobody", TaskUpdate::started("n"));
    assert!(matches!(nobody, Err(Error::Write(WriteError::NotFound { .. }))));
    let text = |len: usize| "x".repeat(len);
    for (update, what) in [
        (TaskUpdate::started(text(257)), "task name"),
        (TaskUpdate::failed("n", text(64 * 1024 + 1)), "task error"),
        (TaskUpdate::finished("n").value(json(&format!("\"{}\"", text(1 << 20)))), "task value"),
    ] {
        let error = store.put_task("e", update).unwrap_err().to_string();
        assert!(error.starts_with(what), "{error}");
    }
    store.put_task("e", TaskUpdate::failed(text(256), text(64 * 1024))).unwrap();
    let value = json(&format!("\"{}\"", text((1 << 20) - 2)));
    store.put_task("e", TaskUpdate::finished("n").value(value)).unwrap();
    assert_eq!(store.read(|r| Ok(r.tasks("e").progress()?)).unwrap().total(), 2);
}
