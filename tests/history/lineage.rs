//! Links between executions: what is refused, the way back, the tree, the attempts.

use execstore::error::WriteError;
use execstore::options::MissingLinks;
use execstore::query::Access;
use execstore::redb::TableDefinition;
use execstore::{Error, NewExecution, OrderBy, Query, Readable, Store, Update};
use support::TestStore;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn put(store: &Store, new: NewExecution) -> Result<(), Error> {
    store.write(|w| w.create(new)).map(drop)
}

fn is_cycle(result: Result<impl Sized, Error>) -> bool {
    matches!(result, Err(Error::Write(WriteError::Cycle { .. })))
}

#[test]
fn a_link_that_leads_back_is_refused_and_leaves_no_trace() {
    let store = TestStore::new();
    assert!(is_cycle(put(&store, new("a").parent("a"))));
    assert!(is_cycle(put(&store, new("a").previous("a"))));
    // A missing one is linked to before it is there.
    put(&store, new("b").parent("a")).unwrap();
    put(&store, new("c").previous("b")).unwrap();
    assert!(is_cycle(put(&store, new("a").parent("c"))), "a is above b, which c replaces");
    assert!(is_cycle(put(&store, new("a").previous("c"))));
    put(&store, new("a").parent("root")).unwrap();
    for update in [Update::new().parent("c"), Update::new().previous("b"), Update::new().parent("a")] {
        let before = store.read(|r| r.get("a")).unwrap().unwrap();
        let refused = store.update("a", update);
        assert!(is_cycle(refused));
        assert_eq!(store.read(|r| r.get("a")).unwrap().unwrap(), before);
    }
    assert_eq!(store.read(|r| r.log().head()).unwrap().get(), 3);
    // What is linked already can be written as it is, and a link that leads elsewhere is fine.
    store.update("b", Update::new().parent("a").name("x")).unwrap();
    store.update("a", Update::new().parent("other")).unwrap();
    put(&store, new("root").parent("a")).unwrap();
    let way: Vec<_> = store
        .begin_read()
        .unwrap()
        .lineage("c")
        .trace()
        .map(|header| header.unwrap().id.to_string())
        .collect();
    assert_eq!(way, ["c", "b", "a"]);
}

#[test]
fn a_missing_target_is_refused_where_that_is_asked_for() {
    let mut builder = Store::builder();
    builder.set_missing_links(MissingLinks::Refuse);
    let store = TestStore::with(&builder);
    for link in [new("a").parent("nobody"), new("a").previous("nobody")] {
        let refused = put(&store, link);
        assert!(
            matches!(&refused, Err(Error::Write(WriteError::MissingLink { missing, .. })) if *missing == "nobody"),
            "{refused:?}"
        );
    }
    put(&store, new("a")).unwrap();
    put(&store, new("b").parent("a").previous("a")).unwrap();
    let refused = store.update("b", Update::new().parent("nobody"));
    assert!(matches!(refused, Err(Error::Write(WriteError::MissingLink { .. }))));
    // The target may go, and its link is not looked at again.
    store.delete("a").unwrap();
    store.update("b", Update::new().name("still")).unwrap();
    assert_eq!(store.read(|r| Ok::<_, Error>(r.lineage("b").trace().count())).unwrap(), 1);
}

#[test]
fn a_long_chain_is_walked_back_to_its_root() {
    let store = TestStore::new();
    let depth = 3_000;
    store
        .write(|w| {
            for n in 0..depth {
                let link = new(&n.to_string());
                w.create(if n == 0 { link } else { link.parent((n - 1).to_string()) })?;
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    let way: Vec<_> = reader
        .lineage((depth - 1).to_string())
        .trace()
        .map(|header| header.unwrap().id.to_string())
        .collect();
    let expected: Vec<_> = (0..depth).rev().map(|n| n.to_string()).collect();
    assert_eq!(way, expected);
    let mut down = reader.lineage("0").tree().unwrap().map(Result::unwrap);
    assert!((0..depth).all(|n| down.next().is_some_and(|(d, h)| d == n && h.id == n.to_string().as_str())));
    assert!(down.next().is_none());
    // Only one who is linked to can close a cycle, so the last one costs no walk; the first one is refused.
    drop(down);
    let refused = store.update("0", Update::new().parent((depth - 1).to_string()));
    assert!(is_cycle(refused));
}

#[test]
fn attempts_are_found_from_any_of_them() {
    let store = TestStore::new();
    put(&store, new("1").parent("flow")).unwrap();
    put(&store, new("2").previous("1")).unwrap();
    put(&store, new("3").previous("2")).unwrap();
    put(&store, new("2b").previous("1")).unwrap();
    put(&store, new("other")).unwrap();
    let reader = store.begin_read().unwrap();
    for id in ["1", "2", "3", "2b"] {
        let attempts = reader.lineage(id).attempts().unwrap();
        let ids: Vec<_> = attempts.iter().map(|header| header.id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "2b", "3"], "from {id}");
    }
    assert_eq!(reader.lineage("other").attempts().unwrap().len(), 1);
    assert!(reader.lineage("nobody").attempts().unwrap().is_empty());
    assert_eq!(reader.lineage("1").retries().unwrap().count(), 2);
    // From the last attempt over the first one to what began it.
    let mut trace = reader.lineage("3").trace();
    let way: Vec<_> = trace.by_ref().map(|header| header.unwrap().id.to_string()).collect();
    assert_eq!(way, ["3", "2", "1"]);
    assert_eq!(trace.missing().unwrap(), &"flow");
}

#[test]
fn a_writer_sees_the_links_of_its_own_transaction() {
    let store = TestStore::new();
    store
        .write(|w| {
            w.create(new("a").parent("b"))?;
            assert!(matches!(w.create(new("b").parent("a")), Err(WriteError::Cycle { .. })));
            w.create(new("b"))?;
            assert_eq!(w.lineage("b").tree()?.count(), 2);
            w.delete("a")?;
            assert_eq!(w.lineage("b").tree()?.count(), 1);
            // With the link gone, the other direction is free.
            w.create(new("a"))?;
            w.update("b", Update::new().parent("a"))?;
            Ok::<_, Error>(())
        })
        .unwrap();
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

/// The ids of a list.
fn ids(found: execstore::query::Rows<'_, execstore::Execution>) -> Vec<String> {
    found.map(|execution| execution.unwrap().id.to_string()).collect()
}

#[test]
fn an_id_that_is_made_again_has_none_of_the_old_ones_children() {
    let store = TestStore::new();
    for new in [new("p").parent("root"), new("c").parent("p"), new("r").previous("p"), new("d").parent("c")] {
        put(&store, new).unwrap();
    }
    store.delete("p").unwrap();
    {
        let r = store.begin_read().unwrap();
        assert_eq!(
            ids(r.lineage("p").children().unwrap()),
            ["c"],
            "nobody else has the id: who names it is found"
        );
        let mut trace = r.lineage("d").trace();
        assert_eq!(trace.by_ref().count(), 2);
        assert_eq!(trace.missing().unwrap(), &"p");
    }
    put(&store, new("p")).unwrap();
    put(&store, new("own").parent("p")).unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!(ids(r.lineage("p").children().unwrap()), ["own"]);
    assert!(ids(r.lineage("p").retries().unwrap()).is_empty());
    assert_eq!(r.lineage("p").tree().unwrap().count(), 2);
    assert_eq!(r.lineage("p").attempts().unwrap().len(), 1);
    assert_eq!(r.lineage("r").attempts().unwrap().len(), 1);
    let mut trace = r.lineage("d").trace();
    assert_eq!(trace.by_ref().map(|header| header.unwrap().id.to_string()).collect::<Vec<_>>(), ["d", "c"]);
    assert_eq!(trace.missing().unwrap(), &"p", "another has its name");
    // In every way of answering.
    for way in [Access::Parent, Access::Scan, Access::Job, Access::Modified] {
        let query = Query::new().job("j").parent("p").using(way);
        assert_eq!(ids(r.query(&query).rows().unwrap()), ["own"], "{way:?}");
        assert_eq!(r.query(&query).count().unwrap(), 1);
        let modified = query.order_by(OrderBy::Modified);
        assert_eq!(ids(r.query(&modified).rows().unwrap()), ["own"], "{way:?}");
    }
    drop(trace);
    drop(r);
    // Set again, it leads to the one that there is; anything else leaves it.
    store.update("c", Update::new().name("n")).unwrap();
    assert_eq!(ids(store.begin_read().unwrap().lineage("p").children().unwrap()), ["own"]);
    store.update("c", Update::new().parent("p")).unwrap();
    assert_eq!(ids(store.begin_read().unwrap().lineage("p").children().unwrap()), ["c", "own"]);
    assert!(is_cycle(store.update("p", Update::new().parent("d"))));
}

#[test]
fn a_link_to_nobody_is_taken_up_by_the_first_of_the_id() {
    let store = TestStore::new();
    put(&store, new("c").parent("p")).unwrap();
    put(&store, new("d").parent("p").previous("p")).unwrap();
    let children = || ids(store.begin_read().unwrap().lineage("p").children().unwrap());
    assert_eq!(children(), ["c", "d"]);
    put(&store, new("p")).unwrap();
    assert_eq!(children(), ["c", "d"]);
    assert_eq!(store.read(|r| Ok::<_, Error>(r.lineage("c").trace().count())).unwrap(), 2);
    store.delete("p").unwrap();
    put(&store, new("p")).unwrap();
    assert!(children().is_empty(), "the second is not the first");
    put(&store, new("late").parent("p")).unwrap();
    assert_eq!(children(), ["late"]);
    store.delete("d").unwrap();
}

#[test]
fn attempts_are_found_across_those_that_were_deleted() {
    let attempts = |store: &Store, id: &str| -> Vec<String> {
        store.read(|r| r.lineage(id).attempts()).unwrap().iter().map(|header| header.id.to_string()).collect()
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
