//! The namespaces that there are, and how many executions each has.

use execstore::error::ReadError;
use execstore::{NewExecution, Query, Readable, Store, Update};

use crate::Engine;

pub fn listed(r: &impl Readable) -> Vec<(String, u64)> {
    let plain = |count: Result<execstore::query::Group, ReadError>| {
        let count = count.unwrap();
        (count.value.to_string(), count.total)
    };
    let all: Vec<_> = r.namespaces().list().unwrap().map(plain).collect();
    let mut back: Vec<_> = r.namespaces().list().unwrap().rev().map(plain).collect();
    back.reverse();
    assert_eq!(back, all);
    for (place, (name, total)) in all.iter().enumerate() {
        let rest: Vec<_> = r.namespaces().after(name).unwrap().map(plain).collect();
        assert_eq!(rest, all[place + 1..], "after {name:?}");
        assert_eq!(r.query(&Query::new().namespace(name)).count().unwrap(), *total);
        let scanned = r.query(&Query::new().namespace(name)).rows().unwrap().count();
        assert_eq!(scanned as u64, *total);
    }
    all
}

fn create(store: &Store, id: &str, namespace: &str) {
    store.create(NewExecution::new("j").id(id).namespace(namespace)).unwrap();
}

fn named(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(name, total)| ((*name).to_owned(), *total)).collect()
}

pub fn they_are_listed_with_their_numbers_of_executions(engine: &dyn Engine) {
    let store = engine.store();
    let list = || listed(&store.begin_read().unwrap());
    assert_eq!(list(), []);
    for (id, namespace) in
        [("1", "b"), ("2", "default"), ("3", ""), ("4", "b"), ("5", "é"), ("6", "defaults")]
    {
        create(&store, id, namespace);
    }
    let all = named(&[("", 1), ("b", 2), ("default", 1), ("defaults", 1), ("é", 1)]);
    assert_eq!(list(), all);
    // What an update does is no matter of theirs; a deletion is, and the last of a namespace takes it along.
    store.update("1", Update::to("Failed")).unwrap();
    assert_eq!(list(), all);
    // A writer sees its own, before they are written and after.
    let within = store.write(|w| {
        for id in ["1", "2", "5"] {
            w.delete(id)?;
        }
        w.create(NewExecution::new("j").namespace("c"))?;
        w.create(NewExecution::new("j").namespace("gone").id("gone"))?;
        w.delete("gone")?;
        Ok(listed(w))
    });
    let all = named(&[("", 1), ("b", 1), ("c", 1), ("defaults", 1)]);
    assert_eq!(within.unwrap(), all);
    assert_eq!(list(), all);
    // Of nobody, and of nobody any more.
    let r = store.begin_read().unwrap();
    for name in ["default", "nobody", "é"] {
        assert_eq!(r.query(&Query::new().namespace(name)).count().unwrap(), 0);
    }
    assert!(r.namespaces().after("x".repeat(257)).is_err());
    assert!(store.verify().unwrap().is_clean());
}
