//! Links between executions: what is refused, the way back, the tree, the attempts.

use execstore::redb::TableDefinition;
use execstore::{Error, NewExecution, Query, Readable, Store, Update};
use support::TestStore;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn put(store: &Store, new: NewExecution) -> Result<(), Error> {
    store.write(|w| Ok(w.create(new)?)).map(drop)
}

#[test]
fn what_cannot_be_read_in_a_tree_hides_what_is_below_it_alone() {
    let store = Store::in_memory().unwrap();
    // Numbers 1 to 6: 1 above 2, 3 and 4; 5 below 3, 6 below 4.
    for (id, parent) in [("1", ""), ("2", "1"), ("3", "1"), ("4", "1"), ("5", "3"), ("6", "4")] {
        let new = if parent.is_empty() { new(id) } else { new(id).parent(parent) };
        put(&store, new).unwrap();
    }
    let walk = || -> Vec<Result<(usize, String), String>> {
        let r = store.begin_read().unwrap();
        let rows = r.lineage("1").tree().unwrap().take(20);
        rows.map(|row| row.map(|(depth, header)| (depth, header.id.into())).map_err(|e| e.to_string()))
            .collect()
    };
    let row = |depth, id: &str| Ok((depth, id.to_owned()));
    assert_eq!(walk(), [row(0, "1"), row(1, "2"), row(1, "3"), row(2, "5"), row(1, "4"), row(2, "6")]);

    let executions: TableDefinition<'_, &[u8; 8], &[u8]> = TableDefinition::new("execstore/executions");
    let links: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("execstore/links");
    let (mut of_two, mut of_one) = (None, None);
    let change = |executions_too: &mut dyn FnMut(&execstore::redb::WriteTransaction)| {
        let txn = store.share_database().begin_write().unwrap();
        executions_too(&txn);
        txn.commit().unwrap();
    };
    let key = |number: u64| number.to_be_bytes();
    let shown = |walked: &[Result<(usize, String), String>]| -> Vec<String> {
        walked.iter().map(|row| row.as_ref().map_or("damaged".into(), |(_, id)| id.clone())).collect()
    };

    // A record that cannot be decoded, and one that is gone.
    change(&mut |txn| {
        let mut table = txn.open_table(executions).unwrap();
        of_two = table.insert(&key(3), [1u8; 20].as_slice()).unwrap().map(|value| value.value().to_vec());
        of_one = table.remove(&key(2)).unwrap().map(|value| value.value().to_vec());
    });
    assert_eq!(shown(&walk()), ["1", "damaged", "damaged", "4", "6"]);
    change(&mut |txn| {
        let mut table = txn.open_table(executions).unwrap();
        table.insert(&key(3), of_two.as_deref().unwrap()).unwrap();
        table.insert(&key(2), of_one.as_deref().unwrap()).unwrap();
    });
    assert_eq!(shown(&walk()), ["1", "2", "3", "5", "4", "6"]);

    // Rows of the links: the first and the last of the children are damaged.
    let row_of = |number: u64| [&[1, 2, b'1', 0][..], &key(number)].concat();
    change(&mut |txn| {
        let mut table = txn.open_table(links).unwrap();
        for number in [2, 4] {
            assert!(table.insert(row_of(number).as_slice(), [0u8; 9].as_slice()).unwrap().is_some());
        }
    });
    assert_eq!(shown(&walk()), ["1", "damaged", "3", "5", "damaged"]);
}

#[test]
fn attempts_are_found_across_those_that_were_deleted() {
    let attempts = |store: &Store, id: &str| -> Vec<String> {
        store
            .read(|r| Ok(r.lineage(id).attempts()?))
            .unwrap()
            .iter()
            .map(|header| header.id.to_string())
            .collect()
    };
    let chain = || {
        let store = TestStore::new();
        put(&store, new("1")).unwrap();
        for n in 2..=6 {
            put(&store, new(&n.to_string()).previous((n - 1).to_string())).unwrap();
        }
        put(&store, new("3b").previous("2")).unwrap();
        store
    };
    // Each of the middle ones, two in a row from either end, and all of them.
    for gone in [
        vec!["3"],
        vec!["3", "4"],
        vec!["4", "3"],
        vec!["2"],
        vec!["5", "3", "4", "2"],
        vec!["2", "3", "4", "5"],
    ] {
        let store = chain();
        for id in &gone {
            store.delete(id).unwrap();
        }
        let all: Vec<_> =
            ["1", "2", "3", "3b", "4", "5", "6"].into_iter().filter(|id| !gone.contains(id)).collect();
        for from in &all {
            let mut found = attempts(&store, from);
            assert_eq!(found[0], "1", "{gone:?} from {from}");
            found.sort();
            assert_eq!(found, all, "{gone:?} from {from}");
        }
        assert!(store.verify().unwrap().is_clean(), "{gone:?}");
        // An id that is made again is not among them, and what is left can go, too.
        put(&store, new(gone[0])).unwrap();
        assert_eq!(attempts(&store, gone[0]), [gone[0]]);
        store.update("6", Update::new().clear_previous()).unwrap();
        assert_eq!(attempts(&store, "6"), ["6"]);
        store.bulk(Query::new()).delete().unwrap();
        let rows = store.begin_read().unwrap().table_sizes().unwrap();
        assert_eq!(rows.iter().find(|size| size.table == "execstore/links").unwrap().rows, 0, "{gone:?}");
    }
    // The first one is gone: its retries are still one list.
    let store = chain();
    store.delete("2").unwrap();
    store.delete("1").unwrap();
    let mut found = attempts(&store, "3b");
    found.sort();
    assert_eq!(found, ["3", "3b", "4", "5", "6"]);
}
