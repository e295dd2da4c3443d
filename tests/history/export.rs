//! Exports: a line for each execution, with everything that belongs to it, whatever is in it and whatever is damaged.

use conformance::history::export::{lines, unbase64};
use execstore::attachments::NewAttachment;
use execstore::redb::TableDefinition;
use execstore::{ChangeSeq, Error, NewEvent, NewExecution, Query, Readable, Store, Timestamp};
use serde_json::Value;
use support::{json, ticking_clock};

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

#[test]
fn damage_does_not_end_an_export() {
    const EXECUTIONS: TableDefinition<'static, &[u8; 8], &[u8]> =
        TableDefinition::new("execstore/executions");
    const PAYLOADS: TableDefinition<'static, &[u8; 16], &[u8]> = TableDefinition::new("execstore/payloads");
    const EVENTS: TableDefinition<'static, &[u8; 16], &[u8]> = TableDefinition::new("execstore/events");
    const CHUNKS: TableDefinition<'static, &[u8; 16], &[u8]> = TableDefinition::new("execstore/chunks");
    const CHANGES: TableDefinition<'static, &[u8; 8], &[u8]> = TableDefinition::new("execstore/changes");
    let store = Store::builder().set_clock(ticking_clock()).in_memory().unwrap();
    for n in 1..=10 {
        let payload = json(&format!("\"{}\"", "x".repeat(2_000)));
        let id = format!("e{n}");
        store.create(new(&id).payload(payload).event(NewEvent::new("a")).event(NewEvent::new("b"))).unwrap();
        let document = json(&format!("\"{}\"", "é".repeat(100_000)));
        store.put_attachment(&id, NewAttachment::json("k", document)).unwrap();
        store.append_output(&id, "o", vec![7; 150_000]).unwrap();
    }
    let pair =
        |a: u64, b: u64| -> [u8; 16] { [a.to_be_bytes(), b.to_be_bytes()].concat().try_into().unwrap() };
    let txn = store.share_database().begin_write().unwrap();
    txn.open_table(PAYLOADS).unwrap().insert(&pair(2, 1), &[1, 2, 3][..]).unwrap();
    txn.open_table(EXECUTIONS).unwrap().insert(&4_u64.to_be_bytes(), &[1, 2, 3][..]).unwrap();
    txn.open_table(EVENTS).unwrap().insert(&pair(6, 1), &[1, 2, 3][..]).unwrap();
    txn.open_table(CHANGES).unwrap().insert(&3_u64.to_be_bytes(), &[1, 2, 3][..]).unwrap();
    {
        use execstore::redb::ReadableTable;
        // The second chunk of each value of the eighth.
        let mut chunks = txn.open_table(CHUNKS).unwrap();
        let keys: Vec<[u8; 16]> = chunks.iter().unwrap().map(|row| *row.unwrap().0.value()).collect();
        let mut seconds = keys.windows(2).filter(|pair| pair[0][8..] == [0; 8] && pair[1][8..] != [0; 8]);
        for key in [seconds.clone().nth(14).unwrap()[1], seconds.nth(15).unwrap()[1]] {
            chunks.insert(&key, &[1, 2, 3][..]).unwrap();
        }
    }
    txn.commit().unwrap();

    let (result, lines) = lines(&store, &Query::new().oldest_first());
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Incomplete { lines: 10, damaged: 4, .. }), "{error:?}");
    assert!(error.to_string().contains("4 of the 10 lines"), "{error}");
    assert_eq!(lines.len(), 10);
    for (n, (_, line)) in (1..).zip(&lines) {
        let whole = ![2, 4, 6, 8].contains(&n);
        assert_eq!(line.get("damaged").is_none(), whole, "{n}");
        if n == 4 {
            assert_eq!(line.as_object().unwrap().len(), 1);
            continue;
        }
        assert_eq!(line["id"], format!("e{n}"));
        assert_eq!(line.get("payload").is_some(), n != 2);
        assert_eq!(line["events"].as_array().unwrap().len(), if n == 6 { 1 } else { 2 });
        let value = &line["attachments"][0];
        let part = &line["outputs"][0]["parts"][0];
        assert_eq!(value.get("damaged").is_some(), n == 8);
        assert_eq!(part.get("damaged").is_some(), n == 8);
        assert_eq!(unbase64(&part["base64"]).len() < 150_000, n == 8);
        let text = value["text"].as_str().unwrap();
        assert!(text.starts_with("\"éé") && (text.len() < 200_002) == (n == 8));
    }
    assert!(lines[1].1["damaged"][0].as_str().unwrap().contains("execstore/payloads"));

    let mut log = Vec::new();
    let result = store.begin_read().unwrap().log().export(.., &mut log);
    assert!(matches!(result, Err(Error::Incomplete { lines: 10, damaged: 1, .. })), "{result:?}");
    let log: Vec<Value> =
        String::from_utf8(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(log.len(), 10);
    assert!(log[2].get("damaged").is_some() && log[3]["change"]["seq"] == 4);
    let time: Timestamp = log[3]["change"]["time"].as_str().unwrap().parse().unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!(time, r.log().range(ChangeSeq(4)..).unwrap().next().unwrap().unwrap().time());
}
