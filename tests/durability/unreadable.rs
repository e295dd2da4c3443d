//! What cannot be read is never taken for what is not there.

use execstore::error::{CommitError, ReadError, Remedy, StorageError};
use execstore::redb::TableDefinition;
use execstore::status::Health;
use execstore::{ChangeSeq, Error, NewExecution, OrderBy, Query, Readable, Store, Update, Writer};
use support::json;

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

fn spoil(store: &Store, table: &'static str, change: impl Fn(&[u8], &[u8]) -> (Vec<u8>, Vec<u8>)) {
    let definition: Table = TableDefinition::new(table);
    let txn = store.share_database().begin_write().unwrap();
    {
        let mut table = txn.open_table(definition).unwrap();
        let (key, value) =
            table.pop_first().unwrap().map(|(k, v)| (k.value().to_vec(), v.value().to_vec())).unwrap();
        let (key, value) = change(&key, &value);
        table.insert(key.as_slice(), value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

/// What the store itself stands on is damaged: that is what the error says, whoever is told.
#[test]
fn damage_to_what_the_store_stands_on_is_damage_in_every_error() {
    let broken = |table: &'static str| {
        let store = Store::in_memory().unwrap();
        store.create(NewExecution::new("j")).unwrap();
        spoil(&store, table, |key, value| (key.into(), vec![0; value.len()]));
        store
    };
    let totals = broken("execstore/totals");
    let create = |w: &mut Writer<'_>| Ok(w.create(NewExecution::new("j"))?);
    for refused in [
        totals.write(create),
        totals.batch(create),
        totals.submit(create).unwrap().wait(),
        totals.create(NewExecution::new("j")),
    ] {
        assert!(matches!(refused, Err(Error::Damaged(_))), "{refused:?}");
    }
    // The row that names the journal, of which a commit through redb begins a new round.
    let folder = tempfile::tempdir().unwrap();
    let store = Store::create_new(folder.path().join("s")).unwrap();
    spoil(&store, "execstore/meta", |key, value| (key.into(), vec![0; value.len()]));
    let refused = store.create(NewExecution::new("j")).unwrap_err();
    let reason = match &refused {
        Error::Commit(CommitError::RolledBack(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(reason, StorageError::Damaged(damage) if damage.table == "execstore/meta"),
        "{reason:?}"
    );
    assert!(refused.stops_writing() && refused.remedy() == Remedy::Restore);
    assert!(matches!(store.health(), Health::Poisoned(StorageError::Damaged(_))));
}

/// The counters say where a query looks.
#[test]
fn a_damaged_counter_of_a_label_hides_nobody() {
    let made = |n: u64| NewExecution::new("j").id(n.to_string()).label("a", "1");
    type Act = fn(&Store);
    let acts: [Act; 4] = [
        |store| drop(store.create(NewExecution::new("j").id("x").label("a", "1")).unwrap()),
        |store| drop(store.update("0", Update::to("BidAccepted")).unwrap()),
        |store| drop(store.update("0", Update::new().remove_label("a")).unwrap()),
        |store| drop(store.delete("0").unwrap()),
    ];
    for act in acts {
        let store = Store::in_memory().unwrap();
        (0..7).for_each(|n| drop(store.create(made(n)).unwrap()));
        for n in 4..7 {
            store.update(n.to_string(), Update::to("BidAccepted")).unwrap();
        }
        spoil(&store, "execstore/label_counts", |key, value| (key.into(), vec![0; value.len()]));
        let labelled = Query::new().label("a", "1");
        let refused = store.read(|r| Ok(r.query(&labelled).count()?)).unwrap_err();
        assert!(matches!(refused, execstore::Error::Damaged(_)), "{refused}");
        act(&store);
        let r = store.begin_read().unwrap();
        for query in [labelled.clone(), labelled.clone().state("New"), labelled.clone().state("BidAccepted")]
        {
            let found = |query: &Query| {
                r.query(query).summaries().unwrap().map(|h| h.unwrap().id).collect::<Vec<_>>()
            };
            let all = found(&query.clone().using(execstore::query::Access::Scan));
            assert_eq!(found(&query), all);
            assert_eq!(r.query(&query).count().unwrap(), all.len() as u64);
            assert!(all.len() >= 3);
        }
        drop(r);
        assert!(store.verify().unwrap().is_clean());
    }
}

/// Its last change is not in the log any more, and the order of modification comes upon it all the same.
#[test]
fn a_record_that_cannot_be_read_is_told_of_in_every_order() {
    let store = Store::in_memory().unwrap();
    for id in ["a", "b", "c"] {
        store.create(NewExecution::new("j").id(id)).unwrap();
    }
    let executions: TableDefinition<'_, &[u8; 8], &[u8]> = TableDefinition::new("execstore/executions");
    let txn = store.share_database().begin_write().unwrap();
    txn.open_table(executions).unwrap().insert(&2u64.to_be_bytes(), [7u8; 30].as_slice()).unwrap();
    txn.commit().unwrap();
    let damaged = |order| {
        let r = store.begin_read().unwrap();
        let rows: Vec<_> = r.query(&Query::new().order_by(order)).summaries().unwrap().collect();
        (rows.len(), rows.iter().filter(|row| row.is_err()).count())
    };
    for trimmed in [false, true] {
        if trimmed {
            store.write(|w| Ok(w.trim_changes(ChangeSeq(3))?)).unwrap();
            store.maintain().unwrap();
        }
        assert_eq!(damaged(OrderBy::Created), (3, 1));
        assert_eq!(damaged(OrderBy::Modified), (3, 1), "trimmed: {trimmed}");
    }
    assert!(!store.verify().unwrap().is_clean());
}

#[test]
fn a_name_that_is_no_text_is_damage_and_not_another_name() {
    let store = Store::in_memory().unwrap();
    (0..9).for_each(|_| drop(store.create(NewExecution::new("j")).unwrap()));
    let stop = |_: &execstore::bulk::BulkReport| std::ops::ControlFlow::Break(());
    store.bulk(Query::new()).name("n").batch(2).on_progress(stop).delete().unwrap();
    assert_eq!(store.bulks().unwrap(), ["n"]);
    spoil(&store, "execstore/bulk_progress", |_, value| (vec![0xff], value.into()));
    assert!(store.bulks().is_err());
}

/// The payload in the record is that of its last version alone.
#[test]
fn a_former_payload_that_is_gone_is_missing_and_not_the_one_after_it() {
    let store = Store::in_memory().unwrap();
    store.create(NewExecution::new("j").id("e").payload(json("1"))).unwrap();
    store.update("e", Update::new().payload(json("2"))).unwrap();
    let payloads: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("execstore/payloads");
    let txn = store.share_database().begin_write().unwrap();
    assert!(txn.open_table(payloads).unwrap().pop_first().unwrap().is_some());
    txn.commit().unwrap();
    let r = store.begin_read().unwrap();
    let changes: Vec<_> = r.log().range(..).unwrap().map(Result::unwrap).collect();
    assert_eq!(r.log().payload_after(&changes[1]).unwrap(), Some(json("2")));
    for missing in [r.log().payload_after(&changes[0]), r.log().payload_before(&changes[1])] {
        let Err(ReadError::Damaged(damage)) = missing else { panic!("{missing:?}") };
        assert_eq!((&*damage.table, &*damage.reason), ("execstore/payloads", "the payload is missing"));
    }
}
