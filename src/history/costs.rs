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
            Ok(())
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
fn jobs_and_namespaces_cost_what_is_taken_of_them() {
    let rows = |many: u32| {
        let store = Builder::new().in_memory().unwrap();
        store
            .write(|w| {
                for n in 0..many * 10 {
                    let new = NewExecution::new(format!("job-{:03}", n % 10)).id(n.to_string());
                    w.create(new.namespace(format!("n{}", n % 10)).state("Running"))?;
                }
                Ok(())
            })
            .unwrap();
        let reader = store.begin_read().unwrap();
        reader.log().head().unwrap();
        let count = |query: &Query| {
            let (rows, found) = counted::rows(|| reader.query(query).count().unwrap());
            assert_eq!(found, u64::from(many));
            rows
        };
        let page = || {
            let jobs: Vec<_> = reader.jobs().after("job-004").unwrap().take(3).map(Result::unwrap).collect();
            assert!(jobs.iter().all(|job| job.total == u64::from(many)));
            assert_eq!(jobs.first().unwrap().states.first().unwrap().1, u64::from(many));
            assert_eq!(reader.jobs().list().unwrap().rev().take(2).count(), 2);
            assert_eq!(reader.namespaces().after("n4").unwrap().take(3).count(), 3);
        };
        [
            counted::rows(page).0,
            count(&Query::new().job("job-003").state("Running")),
            count(&Query::new().job("job-003")),
            count(&Query::new().namespace("n3").live()),
            counted::rows(|| reader.jobs().get("job-003").unwrap()).0,
            counted::rows(|| reader.query(&Query::new().job("job-003").limit(1)).summary_page().unwrap()).0,
        ]
    };
    let few = rows(3);
    assert_eq!(rows(1_000), few);
    // Of a job its first or last row and its counters; a count is a look-up; a page looks up the counters to plan.
    assert!(few[0] <= 3 * 2 + 2 * 2 + 3 + 1, "{few:?}");
    assert_eq!(few[1..], [1, 1, 1, 1, 1 + 2 * 2]);
}

#[test]
fn an_export_goes_by_the_numbers_that_it_has() {
    let store = Store::in_memory().unwrap();
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("e"))?;
            for n in 0..50 {
                w.put_attachment("e", crate::attachments::NewAttachment::bytes(format!("a{n}"), vec![n; 9]))?;
            }
            Ok(())
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    reader.log().head().unwrap();
    let (rows, lines) = counted::rows(|| reader.query(&Query::new()).export(&mut Vec::new()).unwrap());
    assert_eq!(lines, 1);
    // The record and each attachment, and the ends of the lists of what else it has not; no look-up of the id again.
    assert!(rows < 50 + 12, "{rows} rows");
}
