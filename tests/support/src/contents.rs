//! Everything that can be read from a store, as one text, to compare before and after.

use std::fmt::Write;

use execstore::buckets::Bucket;
use execstore::{Query, Readable, Store};

fn bucket<V: Readable>(bucket: &Bucket<'_, V>, text: &mut String) {
    let rows: Vec<_> = bucket.iter().unwrap().map(Result::unwrap).collect();
    writeln!(text, "{bucket:?} {} {rows:?}", bucket.sequence()).unwrap();
    for name in bucket.buckets().unwrap() {
        self::bucket(&bucket.bucket(name.unwrap()).unwrap(), text);
    }
}

/// Every execution, event, index list, counter, change with its payloads, and checkpoint.
pub fn contents(store: &Store) -> String {
    let reader = store.begin_read().unwrap();
    let mut text = String::new();
    let page = reader.query(&Query::new().oldest_first().limit(10_000)).page().unwrap();
    assert!(page.next.is_none() && page.damaged.is_empty());
    for execution in &page.executions {
        writeln!(text, "{execution:?}").unwrap();
        let events: Vec<_> = reader.events(&execution.id, ..).unwrap().map(Result::unwrap).collect();
        writeln!(text, "  {events:?}").unwrap();
        let job = reader.by_job(&execution.job_id).unwrap();
        let job: Vec<_> = job.map(|found| found.unwrap().id.clone()).collect();
        writeln!(text, "  {job:?}").unwrap();
    }
    for state in store.lifecycle().states() {
        let found = reader.query(&Query::new().state(state).oldest_first()).rows().unwrap();
        let ids: Vec<_> = found.map(|found| found.unwrap().id.clone()).collect();
        writeln!(text, "{state}: {} {ids:?}", reader.count(state).unwrap()).unwrap();
    }
    for change in reader.log().range(..).unwrap() {
        let change = change.unwrap();
        let payloads =
            (reader.log().payload_before(&change).unwrap(), reader.log().payload_after(&change).unwrap());
        writeln!(text, "{change:?} {payloads:?}").unwrap();
    }
    for name in reader.buckets().unwrap() {
        bucket(&reader.bucket(name.unwrap()).unwrap(), &mut text);
    }
    writeln!(text, "{:?} {:?}", reader.log().head().unwrap(), reader.log().checkpoints().unwrap()).unwrap();
    text
}
