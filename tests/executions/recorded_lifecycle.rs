//! The lifecycle that is recorded in the file, and opening with another one.

use execstore::error::OpenError;
use execstore::lifecycle::Lifecycle;
use execstore::{NewExecution, Query, Readable, Store, Update};

fn reviewed() -> Lifecycle {
    let states = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done");
    states.transition("Waiting", "Working").transition("Working", "Done").build().unwrap()
}

#[test]
fn the_lifecycle_is_read_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(Store::builder().set_lifecycle(reviewed()).create_new(&path).unwrap());
    let store = Store::open(&path).unwrap();
    assert_eq!(store.lifecycle(), &reviewed());
    let made = store.write(|w| w.create(NewExecution::new("j"))).unwrap();
    assert_eq!(made.state, "Working");
    drop(store);
    // The same one in another order of declaration is the same one.
    let other = Lifecycle::builder().terminal("Done").pending("Waiting").live("Working");
    let other = other.transition("Working", "Done").transition("Waiting", "Working").build().unwrap();
    let store = Store::builder().set_lifecycle(other).open(&path).unwrap();
    assert_eq!(store.lifecycle(), &reviewed());
}

#[test]
fn another_lifecycle_is_refused_and_both_are_named() {
    let start = || Lifecycle::builder().live("Working").pending("Waiting").terminal("Done");
    let fewer = Lifecycle::builder().live("Working").terminal("Done").transition("Working", "Done");
    let no_way = start().transition("Waiting", "Working");
    let phase = Lifecycle::builder().pending("Working").pending("Waiting").terminal("Done");
    let phase = phase.transition("Waiting", "Working").transition("Working", "Done");
    for other in
        [Lifecycle::compute_node(), fewer.build().unwrap(), no_way.build().unwrap(), phase.build().unwrap()]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let store = Store::builder().set_lifecycle(reviewed()).create_new(&path).unwrap();
        store.create(NewExecution::new("j").state("Waiting")).unwrap();
        drop(store);
        let bytes = std::fs::read(&path).unwrap();
        let error = Store::builder().set_lifecycle(other.clone()).open(&path).unwrap_err();
        let OpenError::Lifecycle { expected, found } = &error else { panic!("{error}") };
        assert_eq!(expected, &other.to_string());
        assert!(found.starts_with(&reviewed().to_string()), "{found}");
        assert!(error.to_string().contains(expected) && error.to_string().contains(found));
        assert!(
            std::fs::read(&path).unwrap() == bytes || Store::open(&path).unwrap().lifecycle() == &reviewed()
        );
    }
}

/// A later release has added states; the earlier one comes back, and nobody is in them.
#[test]
fn an_earlier_lifecycle_opens_the_file_as_long_as_nobody_is_in_what_was_added() {
    let later = || {
        let states = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done").live("Paused");
        let states = states.transition("Waiting", "Working").transitions("Working", ["Done", "Paused"]);
        states.transition("Paused", "Working").build().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(Store::builder().set_lifecycle(reviewed()).create_new(&path).unwrap());
    let open = |lifecycle| Store::builder().set_lifecycle(lifecycle).open(&path);
    let store = open(later()).unwrap();
    store.create(NewExecution::new("j").id("e")).unwrap();
    store.update("e", Update::to("Paused")).unwrap();
    drop(store);
    // Somebody is there: it is said how many, and where.
    let OpenError::Lifecycle { found, .. } = open(reviewed()).unwrap_err() else { panic!("another error") };
    assert!(found.contains("Paused: 1"), "{found}");
    let store = open(later()).unwrap();
    store.update("e", Update::to("Working")).unwrap();
    drop(store);
    // Nobody any more: what was added stays in the file.
    let store = open(reviewed()).unwrap();
    assert_eq!(store.lifecycle(), &later());
    store.create(NewExecution::new("j").id("f")).unwrap();
    assert!(store.verify().unwrap().is_clean());
    drop(store);
    assert_eq!(open(later()).unwrap().lifecycle(), &later());
    // One that adds other states finds room beside them.
    let other = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done").terminal("Lost");
    let other =
        other.transition("Waiting", "Working").transitions("Working", ["Done", "Lost"]).build().unwrap();
    let store = open(other).unwrap();
    let names: Vec<_> = store.lifecycle().states().map(|state| state.to_string()).collect();
    assert_eq!(names, ["Working", "Waiting", "Done", "Paused", "Lost"]);
}

#[test]
fn additions_are_recorded_and_usable_and_old_states_keep_their_executions() {
    let more = || {
        let states = Lifecycle::builder().pending("Early").live("Working").terminal("Stopped");
        let states = states.pending("Waiting").terminal("Done").transition("Working", "Done");
        states.transitions("Waiting", ["Working", "Stopped"]).transition("Early", "Waiting").build().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::builder().set_lifecycle(reviewed()).create_new(&path).unwrap();
    for (id, state) in [("a", "Working"), ("b", "Waiting"), ("c", "Waiting")] {
        store.write(|w| w.create(NewExecution::new("j").id(id).state(state))).unwrap();
    }
    drop(store);
    let store = Store::builder().set_lifecycle(more()).open(&path).unwrap();
    store.write(|w| w.update("b", Update::to("Stopped"))).unwrap();
    store.write(|w| w.create(NewExecution::new("j").id("d").state("Early"))).unwrap();
    drop(store);
    // From now on they are in the file, and the old lifecycle lacks something.
    let error = Store::builder().set_lifecycle(reviewed()).open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Lifecycle { .. }), "{error}");
    let store = Store::open(&path).unwrap();
    let names: Vec<_> = store.lifecycle().states().map(|state| state.to_string()).collect();
    assert_eq!(names, ["Working", "Waiting", "Done", "Early", "Stopped"], "the recorded ones stay first");
    let reader = store.begin_read().unwrap();
    for (id, state) in [("a", "Working"), ("b", "Stopped"), ("c", "Waiting"), ("d", "Early")] {
        assert_eq!(reader.get(id).unwrap().unwrap().state, state);
        assert_eq!(
            reader
                .query(&Query::new().state(state).oldest_first())
                .rows()
                .unwrap()
                .map(|e| e.unwrap().id.to_string())
                .collect::<Vec<_>>(),
            [id]
        );
    }
    assert!(store.verify().unwrap().is_clean());
}
