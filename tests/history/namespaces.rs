//! The namespaces that there are, and how many executions each has.

use conformance::history::namespaces::listed;
use execstore::error::ReadError;
use execstore::redb::TableDefinition;
use execstore::{NewExecution, Query, Readable, Store};

fn create(store: &Store, id: &str, namespace: &str) {
    store.create(NewExecution::new("j").id(id).namespace(namespace)).unwrap();
}

fn named(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(name, total)| ((*name).to_owned(), *total)).collect()
}

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

fn altered(store: &Store, table: &'static str, alter: impl Fn(&[u8], &[u8]) -> Option<(Vec<u8>, Vec<u8>)>) {
    let txn = store.share_database().begin_write().unwrap();
    {
        let mut table = txn.open_table(Table::new(table)).unwrap();
        let (key, value) =
            table.pop_first().unwrap().map(|(k, v)| (k.value().to_vec(), v.value().to_vec())).unwrap();
        if let Some((key, value)) = alter(&key, &value) {
            table.insert(key.as_slice(), value.as_slice()).unwrap();
        }
    }
    txn.commit().unwrap();
}

#[test]
fn a_damaged_counter_is_told_of_and_made_again_by_who_writes() {
    type Act = fn(&Store);
    let acts: [(Act, u64); 2] =
        [(|store| create(store, "more", "a"), 4), (|store| drop(store.delete("2").unwrap()), 2)];
    for (act, total) in acts {
        let store = Store::in_memory().unwrap();
        for id in ["1", "2", "3"] {
            create(&store, id, "a");
        }
        create(&store, "4", "b");
        altered(&store, "execstore/namespaces", |key, value| Some((key.into(), vec![0; value.len()])));
        let r = store.begin_read().unwrap();
        let rows: Vec<_> = r.namespaces().list().unwrap().map(|row| row.map(|row| row.total)).collect();
        assert!(matches!(rows[..], [Err(ReadError::Damaged(_)), Ok(1)]), "{rows:?}");
        assert!(r.query(&Query::new().namespace("a")).count().is_err());
        drop(r);
        assert!(!store.verify().unwrap().is_clean());
        act(&store);
        assert_eq!(listed(&store.begin_read().unwrap()), named(&[("a", total), ("b", 1)]));
        assert!(store.verify().unwrap().is_clean());
    }
}

#[test]
fn verify_compares_them_with_the_records() {
    type Alter = fn(&[u8], &[u8]) -> Option<(Vec<u8>, Vec<u8>)>;
    let alterations: [(&str, Alter); 3] = [
        ("the row is gone", |_, _| None),
        ("the row of another", |_, value| Some((b"b".into(), value.into()))),
        ("no text", |_, value| Some((vec![0xff], value.into()))),
    ];
    for (what, alter) in alterations {
        let store = Store::in_memory().unwrap();
        create(&store, "1", "a");
        altered(&store, "execstore/namespaces", alter);
        let report = store.verify().unwrap();
        assert!(report.problems.iter().all(|problem| problem.table == "execstore/namespaces"), "{report}");
        assert!(!report.is_clean(), "{what}");
    }
}
