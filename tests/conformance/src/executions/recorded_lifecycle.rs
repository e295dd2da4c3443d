//! The lifecycle that is recorded in the file, and opening with another one.

use execstore::error::OpenError;
use execstore::lifecycle::Lifecycle;
use execstore::{NewExecution, Query, Readable, Store, Update};

use crate::Engine;

pub fn reviewed() -> Lifecycle {
    let states = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done");
    states.transition("Waiting", "Working").transition("Working", "Done").build().unwrap()
}

pub fn the_lifecycle_is_read_from_the_file(engine: &dyn Engine) {
    let mut store = engine.store_with(Store::builder().set_lifecycle(reviewed()));
    store.reopen_with(&Store::builder());
    assert_eq!(store.lifecycle(), &reviewed());
    let made = store.write(|w| Ok(w.create(NewExecution::new("j"))?)).unwrap();
    assert_eq!(made.state, "Working");
    // The same one in another order of declaration is the same one.
    let other = Lifecycle::builder().terminal("Done").pending("Waiting").live("Working");
    let other = other.transition("Working", "Done").transition("Waiting", "Working").build().unwrap();
    store.reopen_with(Store::builder().set_lifecycle(other));
    assert_eq!(store.lifecycle(), &reviewed());
}

/// A later release has added states; the earlier one comes back, and nobody is in them.
pub fn an_earlier_lifecycle_opens_the_file_as_long_as_nobody_is_in_what_was_added(engine: &dyn Engine) {
    let later = || {
        let states = Lifecycle::builder().live("Working").pending("Waiting").terminal("Done").live("Paused");
        let states = states.transition("Waiting", "Working").transitions("Working", ["Done", "Paused"]);
        states.transition("Paused", "Working").build().unwrap()
    };
    let place = engine.store_with(Store::builder().set_lifecycle(reviewed())).into_place();
    let open = |lifecycle| place.open(Store::builder().set_lifecycle(lifecycle));
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

pub fn additions_are_recorded_and_usable_and_old_states_keep_their_executions(engine: &dyn Engine) {
    let more = || {
        let states = Lifecycle::builder().pending("Early").live("Working").terminal("Stopped");
        let states = states.pending("Waiting").terminal("Done").transition("Working", "Done");
        states.transitions("Waiting", ["Working", "Stopped"]).transition("Early", "Waiting").build().unwrap()
    };
    let store = engine.store_with(Store::builder().set_lifecycle(reviewed()));
    for (id, state) in [("a", "Working"), ("b", "Waiting"), ("c", "Waiting")] {
        store.write(|w| Ok(w.create(NewExecution::new("j").id(id).state(state))?)).unwrap();
    }
    let place = store.into_place();
    let store = place.open(Store::builder().set_lifecycle(more())).unwrap();
    store.write(|w| Ok(w.update("b", Update::to("Stopped"))?)).unwrap();
    store.write(|w| Ok(w.create(NewExecution::new("j").id("d").state("Early"))?)).unwrap();
    drop(store);
    // From now on they are in the file, and the old lifecycle lacks something.
    let error = place.open(Store::builder().set_lifecycle(reviewed())).unwrap_err();
    assert!(matches!(error, OpenError::Lifecycle { .. }), "{error}");
    let store = place.open(&Store::builder()).unwrap();
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
