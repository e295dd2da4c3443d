//! What answers cost, in rows that are read.

use crate::storage::counted;
use crate::{Builder, NewExecution, OrderBy, Query, Readable, Store, Update};

/// A job `few` of twenty that have ended, among five thousand others.
fn store() -> Store {
    let store = Builder::new().in_memory().unwrap();
    store
        .write(|w| {
            for n in 0..5_000u32 {
                let job = if n.is_multiple_of(250) { "few" } else { "most" };
                w.create(NewExecution::new(job).id(n.to_string()).state("Running"))?;
                w.update(n.to_string(), Update::to("Completed"))?;
            }
            Ok::<_, crate::WriteError>(())
        })
        .unwrap();
    store
}

#[test]
fn a_sorted_page_reads_each_of_its_rows_once() {
    let store = store();
    let reader = store.begin_read().unwrap();
    for order in [OrderBy::Modified, OrderBy::Completed] {
        let query = Query::new().job("few").order_by(order).limit(20);
        let plan = reader.query(&query).explain().unwrap();
        assert!(plan.sorts && !plan.walks, "{plan}");
        let (rows, page) = counted::rows(|| reader.query(&query).page().unwrap());
        assert_eq!(page.executions.len(), 20);
        // The index, once to plan and once to look; each record; and the end of either list.
        assert!(rows <= 3 * 20 + 2, "{rows} rows");
    }
}

#[test]
fn totals_are_read_once_a_snapshot() {
    let store = store();
    let reader = store.begin_read().unwrap();
    let count = || counted::rows(|| reader.count("Completed").unwrap());
    assert_eq!(count().1, 5_000);
    assert_eq!(count().0, 0);
    assert_eq!(counted::rows(|| reader.log().head().unwrap()).0, 0);
    // A page costs what is on it.
    let (rows, page) = counted::rows(|| reader.query(&Query::new().limit(10)).page().unwrap());
    assert_eq!((rows, page.executions.len()), (11, 10));
    // Another snapshot has its own.
    store.create(NewExecution::new("j")).unwrap();
    assert_eq!(store.begin_read().unwrap().log().head().unwrap().get(), 10_001);
}

#[test]
fn an_export_goes_by_the_numbers_that_it_has() {
    let store = Store::in_memory().unwrap();
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("e"))?;
            for n in 0..50 {
                w.put_attachment("e", crate::NewAttachment::bytes(format!("a{n}"), vec![n; 9]))?;
            }
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    reader.log().head().unwrap();
    let (rows, lines) = counted::rows(|| reader.query(&Query::new()).export(&mut Vec::new()).unwrap());
    assert_eq!(lines, 1);
    // The record and each attachment, and the ends of the lists of what else it has not; no look-up of the id again.
    assert!(rows < 50 + 12, "{rows} rows");
}
