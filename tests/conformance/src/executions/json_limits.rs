//! Large payloads, full of what costs most: depth, members, numbers, escapes, white space, marks. What is not linear does not end.

use execstore::error::InputError;
use execstore::{Error, Json, NewExecution, Update};

use crate::Engine;

const MOST: usize = 16 * 1024 * 1024;

pub fn one_byte_more_than_the_largest_is_refused(engine: &dyn Engine) {
    let store = engine.store();
    let text = |bytes: usize| Json::from_text(&format!("\"{}\"", "x".repeat(bytes - 2))).unwrap();
    let create = |id: &str, bytes| store.create(NewExecution::new("j").id(id).payload(text(bytes)));
    create("fits", MOST).unwrap();
    let refused = create("more", MOST + 1);
    assert!(
        matches!(
            refused,
            Err(Error::Input(InputError::TooLarge { what: "payload", actual, maximum: MOST }))
                if actual == MOST + 1
        ),
        "{refused:?}"
    );
    // So is a patch, and what comes of one.
    let patch = |bytes| store.update("fits", Update::new().merge_payload(text(bytes)));
    assert!(patch(MOST + 1).is_err());
    patch(MOST).unwrap();
}
