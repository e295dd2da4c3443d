//! The history: plans, summaries, counts, statistics, exports, and queries in watch filters.

use conformance::history::history::fill;
use execstore::redb::{TableDefinition, WriteTransaction};
use execstore::{Json, NewExecution, Query, Readable, Store, Update};
use support::TestStore;

#[test]
fn summaries_have_the_preview_and_do_not_read_payloads() {
    let store = TestStore::new();
    let big = Json::from_text(&format!("\"{}\"", "x".repeat(5_000))).unwrap();
    store.create(NewExecution::new("j").id("e").preview("at first").payload(big)).unwrap();
    let preview = |store: &Store| {
        let page = store.read(|r| Ok(r.query(&Query::new()).summary_page()?)).unwrap();
        page.executions[0].preview.as_deref().map(str::to_owned)
    };
    assert_eq!(preview(&store).as_deref(), Some("at first"));
    store.update("e", Update::new().preview("then")).unwrap();
    assert_eq!(preview(&store).as_deref(), Some("then"));
    let change = store.begin_read().unwrap().log().range(..).unwrap().nth(1).unwrap().unwrap();
    assert_eq!(change.before().unwrap().preview.as_deref(), Some("at first"));
    store.update("e", Update::new().clear_preview()).unwrap();
    assert_eq!(preview(&store), None);
    let long = store.update("e", Update::new().preview("x".repeat(257)));
    assert!(long.unwrap().preview.clone().unwrap().ends_with(" bytes cut]"));
    // With the payload gone from its table, only who asks for it fails.
    let payloads: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("execstore/payloads");
    let folder = store.into_folder();
    let store = Store::open(folder.path().join("store.redb")).unwrap();
    let txn = store.share_database().begin_write().unwrap();
    txn.open_table(payloads).unwrap().retain(|_, _| false).unwrap();
    txn.commit().unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!(r.query(&Query::new()).summary_page().unwrap().executions.len(), 1);
    assert_eq!(r.query(&Query::new()).page().unwrap().damaged.len(), 1);
}

#[test]
fn sizes_add_up_to_what_is_there() {
    let store = TestStore::ticking();
    fill(&store);
    let sizes = store.begin_read().unwrap().table_sizes().unwrap();
    let rows = |name: &str| sizes.iter().find(|size| size.table == name).unwrap().rows;
    assert_eq!(rows("execstore/executions"), 1_000);
    assert_eq!(rows("execstore/labels"), 1_000);
    assert_eq!((rows("execstore/label_counts"), rows("execstore/links")), (10, 2));
    assert!(sizes.iter().all(|size| size.file_bytes >= size.stored_bytes));
}

#[test]
fn verify_finds_what_is_wrong_in_every_index() {
    type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;
    type Pairs = TableDefinition<'static, &'static [u8; 16], &'static [u8]>;
    type Numbers = TableDefinition<'static, &'static [u8; 8], &'static [u8]>;
    type Spans = TableDefinition<'static, &'static [u8; 9], &'static [u8]>;
    type Damage = fn(&WriteTransaction);
    let damages: [(&str, Damage); 7] = [
        ("execstore/labels", |txn| {
            txn.open_table(Table::new("execstore/labels")).unwrap().pop_first().unwrap().unwrap();
        }),
        ("execstore/label_counts", |txn| {
            txn.open_table(Table::new("execstore/label_counts")).unwrap().pop_first().unwrap().unwrap();
        }),
        ("execstore/links", |txn| {
            txn.open_table(Table::new("execstore/links")).unwrap().pop_last().unwrap().unwrap();
        }),
        ("execstore/completions", |txn| {
            txn.open_table(Pairs::new("execstore/completions")).unwrap().pop_first().unwrap().unwrap();
        }),
        ("execstore/last_changes", |txn| {
            txn.open_table(Numbers::new("execstore/last_changes")).unwrap().pop_first().unwrap().unwrap();
        }),
        ("execstore/time_blocks", |txn| {
            txn.open_table(Spans::new("execstore/time_blocks")).unwrap().pop_first().unwrap().unwrap();
        }),
        ("execstore/namespaces", |txn| {
            txn.open_table(Table::new("execstore/namespaces")).unwrap().pop_first().unwrap().unwrap();
        }),
    ];
    for (table, damage) in damages {
        let db = execstore::redb::Builder::new()
            .create_with_backend(execstore::redb::backends::InMemoryBackend::new())
            .unwrap();
        let db = std::sync::Arc::new(db);
        let store = Store::attach(db.clone()).unwrap();
        store
            .write(|w| {
                for n in 0..1_100 {
                    let id = n.to_string();
                    w.create(NewExecution::new("j").id(&id).namespace("n").label("k", "v").parent("p"))?;
                    w.update(&id, Update::to("Failed"))?;
                }
                w.trim_changes(100.into())?;
                Ok(())
            })
            .unwrap();
        assert!(store.verify().unwrap().is_clean());
        let txn = db.begin_write().unwrap();
        damage(&txn);
        txn.commit().unwrap();
        let report = store.verify().unwrap();
        let first = report.problems.first().unwrap();
        assert_eq!(first.table, table, "{report}");
    }
}
