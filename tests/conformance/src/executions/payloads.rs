//! Payloads of executions: replaced, patched and cleared, small and large.

use execstore::{Readable, Update};
use support::{create, full, json, update};

use crate::Engine;

pub fn payloads_are_replaced_patched_and_cleared(engine: &dyn Engine) {
    let cases = [
        (Update::new(), r#"{"k":1}"#),
        (Update::new().payload(json("7")), "7"),
        (Update::new().merge_payload(json(r#"{"l":[0]}"#)), r#"{"k":1,"l":[0]}"#),
        (Update::new().merge_payload(json(r#"{"k":0}"#)), r#"{"k":0}"#),
        (Update::new().merge_payload(json(r#"{"k":null}"#)), "{}"),
        (Update::new().merge_payload(json("{}")), r#"{"k":1}"#),
        (Update::new().merge_payload(json("false")), "false"),
        (Update::new().clear_payload(), "null"),
        (Update::new().merge_payload(json("1")).payload(json("2")), "2"),
    ];
    for (edit, expected) in cases {
        let store = engine.store();
        full(&store);
        let after = update(&store, edit.clone());
        assert_eq!(after.payload_json().as_str(), expected, "{edit:?}");
        let reader = store.begin_read().unwrap();
        let change = reader.log().range(..).unwrap().next_back().unwrap().unwrap();
        assert_eq!(change.payload_changed(), expected != r#"{"k":1}"#, "{edit:?}");
        assert_eq!(reader.log().payload_before(&change).unwrap().unwrap().as_str(), r#"{"k":1}"#);
        assert_eq!(reader.log().payload_after(&change).unwrap().unwrap().as_str(), expected);
    }
}

pub fn payloads_cross_the_size_that_is_kept_in_the_record_in_both_directions(engine: &dyn Engine) {
    // Sizes of the whole text: up to 1024 bytes are kept in the record.
    let sizes = [10, 1025, 1024, 5_000, 1_023, 100_000, 200_000, 1_025, 11, 12, 3_000_000, 9];
    let text = |size: usize, fill: char| format!("\"{}\"", fill.to_string().repeat(size - 2));
    let mut store = engine.store();
    create(&store, "e");
    let mut expected = vec!["null".to_owned()];
    for (turn, size) in sizes.into_iter().enumerate() {
        let payload = text(size, char::from(b'a' + turn as u8));
        update(&store, Update::new().payload(json(&payload)));
        expected.push(payload);
    }
    for _ in ["as it is", "opened again"] {
        let reader = store.begin_read().unwrap();
        for (change, payload) in reader.log().range(..).unwrap().zip(&expected) {
            let after = reader.log().payload_after(&change.unwrap()).unwrap().unwrap();
            assert!(after.as_str() == payload, "of {} bytes", payload.len());
        }
        assert_eq!(reader.get("e").unwrap().unwrap().payload_json().as_str(), expected.last().unwrap());
        drop(reader);
        store.reopen();
    }
}
