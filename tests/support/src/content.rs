//! A digest of everything that can be read.

use std::hash::{DefaultHasher, Hash, Hasher};

use execstore::buckets::Bucket;
use execstore::error::ReadError;
use execstore::redb::{ReadableDatabase, ReadableTable, TableDefinition};
use execstore::{Execution, ExecutionId, Query, ReadTxn, Readable, Store};

/// A table of the caller's own.
pub const OWN: TableDefinition<'_, u64, u64> = TableDefinition::new("the caller's own");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    pub head: u64,
    pub content: u64,
}

fn put(hasher: &mut DefaultHasher, execution: &Execution) {
    format!("{:?}", execution.header()).hash(hasher);
    execution.payload_json().hash(hasher);
}

/// What lies beside an execution.
fn beside(r: &impl Readable, id: &ExecutionId, hasher: &mut DefaultHasher) -> Result<(), ReadError> {
    for attachment in r.attachments(id).list()? {
        let attachment = attachment?;
        format!("{attachment:?}").hash(hasher);
        r.attachments(id).bytes(&attachment.key)?.hash(hasher);
    }
    for output in r.outputs(id).list()? {
        let output = output?;
        format!("{output:?}").hash(hasher);
        let mut at = 0;
        while let Some(part) =
            r.outputs(id).read(&output.name, at, 2_000)?.filter(|part| !part.bytes.is_empty())
        {
            format!("{part:?}").hash(hasher);
            at = part.next();
        }
    }
    for task in r.tasks(id).list()? {
        format!("{:?}", task?).hash(hasher);
    }
    format!("{:?}", r.tasks(id).progress()?).hash(hasher);
    Ok(())
}

/// A bucket, with those in it.
fn bucket<V: Readable>(bucket: &Bucket<'_, V>, hasher: &mut DefaultHasher) -> Result<(), ReadError> {
    (bucket.len(), bucket.sequence()).hash(hasher);
    for row in bucket.iter()? {
        row?.hash(hasher);
    }
    for name in bucket.buckets()? {
        let name = name?;
        name.as_str().hash(hasher);
        self::bucket(&bucket.bucket(name)?, hasher)?;
    }
    Ok(())
}

/// The executions, oldest first, by page: a long run writes more than one page has.
fn everything(r: &ReadTxn) -> Result<Vec<Execution>, ReadError> {
    let mut query = Query::new().oldest_first().limit(1_000);
    let mut all = Vec::new();
    loop {
        let mut page = r.query(&query).page()?;
        assert!(page.damaged.is_empty(), "{:?}", page.damaged);
        all.append(&mut page.executions);
        match page.next {
            Some(next) => query = query.after(next),
            None => return Ok(all),
        }
    }
}

/// Reads everything by its own operation, and sees that the lists agree with each other.
pub fn digest(store: &Store) -> Result<Digest, ReadError> {
    let r = store.begin_read().unwrap();
    let mut hasher = DefaultHasher::new();
    let mut live = 0;
    for execution in &everything(&r)? {
        put(&mut hasher, execution);
        assert_eq!(r.get(&execution.id)?.as_ref(), Some(execution));
        for event in r.events(&execution.id, ..)? {
            format!("{:?}", event?).hash(&mut hasher);
        }
        beside(&r, &execution.id, &mut hasher)?;
        live += usize::from(execution.state.is_live());
    }
    assert_eq!(r.live()?.count(), live);
    let (mut changes, mut first) = (0, None);
    for change in r.log().range(..)? {
        let change = change?;
        first.get_or_insert(change.seq().get());
        format!("{change:?}").hash(&mut hasher);
        for payload in [r.log().payload_before(&change)?, r.log().payload_after(&change)?] {
            payload.hash(&mut hasher);
        }
        changes += 1;
    }
    let head = r.log().head()?.get();
    assert_eq!(changes, head + 1 - first.unwrap_or(1), "the log ends at its head");
    format!("{:?} {:?}", r.counts()?, r.log().checkpoints()?).hash(&mut hasher);
    for name in r.buckets()? {
        let name = name?;
        name.as_str().hash(&mut hasher);
        bucket(&r.bucket(name)?, &mut hasher)?;
    }
    drop(r);
    let txn = store.share_database().begin_read().unwrap();
    if let Ok(table) = txn.open_table(OWN) {
        for row in table.iter().unwrap() {
            let (key, value) = row.unwrap();
            (key.value(), value.value()).hash(&mut hasher);
        }
    }
    Ok(Digest { head, content: hasher.finish() })
}
