//! Checkpoints: named positions in the change log.

use execstore::error::{InputError, PositionError};
use execstore::{ChangeSeq, Error, Readable};
use support::contents::contents;
use support::create;

use crate::Engine;

pub fn a_checkpoint_is_set_moved_and_forgotten(engine: &dyn Engine) {
    let store = engine.store();
    for id in ["a", "b", "c"] {
        create(&store, id);
    }
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("w")?)).unwrap(), None);
    // Also backwards, and to the very beginning.
    for seq in [1, 3, 2, 0, 3, 3] {
        store.write(|w| Ok(w.set_checkpoint("w", ChangeSeq(seq))?)).unwrap();
        assert_eq!(store.read(|r| Ok(r.log().checkpoint("w")?)).unwrap(), Some(ChangeSeq(seq)));
    }
    assert!(store.write(|w| Ok(w.delete_checkpoint("w")?)).unwrap());
    assert!(!store.write(|w| Ok(w.delete_checkpoint("w")?)).unwrap());
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("w")?)).unwrap(), None);
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 3, "checkpoints are no changes");
}

pub fn names_are_kept_apart_and_survive(engine: &dyn Engine) {
    let mut store = engine.store();
    create(&store, "e");
    let long = "n".repeat(256);
    let names = ["a", "a ", " a", "A", "a\0", "\0", "e\u{301}", "\u{e9}", "\u{feff}", &long];
    for (place, name) in names.iter().enumerate() {
        store.write(|w| Ok(w.set_checkpoint(name, ChangeSeq(place as u64 % 2))?)).unwrap();
    }
    let copy = store.crash_copy();
    store.reopen();
    for store in [&store, &copy] {
        let reader = store.begin_read().unwrap();
        let all = reader.log().checkpoints().unwrap();
        assert_eq!(all.len(), names.len());
        for (place, name) in names.iter().enumerate() {
            let expected = ChangeSeq(place as u64 % 2);
            assert_eq!(
                (all.get(*name), reader.log().checkpoint(name).unwrap()),
                (Some(&expected), Some(expected))
            );
        }
        assert_eq!(reader.log().checkpoint("b").unwrap(), None);
    }
    store.write(|w| Ok(w.delete_checkpoint("a")?)).unwrap();
    assert_eq!(store.read(|r| Ok(r.log().checkpoints()?)).unwrap().len(), names.len() - 1);
    assert!(store.read(|r| Ok(r.log().checkpoint("a ")?)).unwrap().is_some());
}

pub fn a_position_beyond_the_head_is_refused(engine: &dyn Engine) {
    let store = engine.store();
    let beyond = |seq, head| {
        let before = contents(&store);
        match store.write(|w| Ok(w.set_checkpoint("w", ChangeSeq(seq))?)) {
            Err(Error::Position(PositionError::BeyondHead { seq: given, head: found, .. })) => {
                assert_eq!((given.get(), found.get()), (seq, head));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(contents(&store), before);
    };
    beyond(1, 0);
    store.write(|w| Ok(w.set_checkpoint("w", ChangeSeq(0))?)).unwrap();
    create(&store, "e");
    beyond(2, 1);
    beyond(u64::MAX, 1);
    store.write(|w| Ok(w.set_checkpoint("w", ChangeSeq(1))?)).unwrap();
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("w")?)).unwrap(), Some(ChangeSeq(1)));
}

pub fn bad_names_are_refused_and_unknown_ones_are_none(engine: &dyn Engine) {
    let store = engine.store();
    let before = contents(&store);
    let empty = store.write(|w| Ok(w.set_checkpoint("", ChangeSeq(0))?)).unwrap_err();
    assert!(matches!(empty, Error::Input(InputError::Invalid { .. })), "{empty}");
    let long = "n".repeat(257);
    match store.write(|w| Ok(w.set_checkpoint(&long, ChangeSeq(0))?)).unwrap_err() {
        Error::Input(InputError::TooLarge { what, actual, maximum }) => {
            assert_eq!((what, actual, maximum), ("checkpoint name", 257, 256));
        }
        other => panic!("{other}"),
    }
    assert_eq!(contents(&store), before);
    for name in ["", &long, "x"] {
        assert_eq!(store.read(|r| Ok(r.log().checkpoint(name)?)).unwrap(), None);
        assert!(!store.write(|w| Ok(w.delete_checkpoint(name)?)).unwrap());
    }
}

pub fn a_checkpoint_moves_with_the_transaction_that_sets_it(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let failed = store.write(|w| {
        w.set_checkpoint("w", ChangeSeq(1))?;
        assert_eq!(w.log().checkpoint("w")?, Some(ChangeSeq(1)), "a writer sees its own");
        Ok(w.delete("absent")?)
    });
    assert!(failed.is_err());
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("w")?)).unwrap(), None, "nothing of it is there");
    store
        .write(|w| {
            let made = w.create(execstore::NewExecution::new("j"))?;
            let head = w.log().head()?;
            w.set_checkpoint("w", head)?;
            Ok(made)
        })
        .unwrap();
    assert_eq!(store.read(|r| Ok(r.log().checkpoint("w")?)).unwrap(), Some(ChangeSeq(2)));
}
