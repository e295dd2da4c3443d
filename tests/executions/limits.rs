//! Every documented limit, at it and above it; the errors say how large and how large at most.

use execstore::error::InputError;
use execstore::limits::*;
use execstore::{ExecutionId, JobId};

#[test]
fn the_limits_are_the_documented_ones() {
    assert_eq!((MAX_ID, MAX_NAME, MAX_MESSAGE), (128, 256, 65_536));
    assert_eq!((MAX_LABELS, MAX_LABEL_KEY, MAX_LABEL_VALUE), (64, 128, 256));
    assert_eq!((MAX_EVENT, DEFAULT_MAX_PAYLOAD), (1_048_576, 16_777_216));
    assert_eq!((MAX_PAGE, MAX_STATES, MAX_STATE_NAME), (10_000, 250, 64));
}

#[test]
fn ids_have_a_form() {
    let good = ["a", "a b", "é", "\u{200f}", "a\u{a0}b", "01890a5d-ac96-774b-bcce-b302099a8057"];
    for id in good {
        assert!(ExecutionId::new(id).is_ok() && JobId::new(id).is_ok(), "{id:?}");
    }
    for bad in ["", " ", " a", "a ", "\u{a0}a", "a\u{3000}", "a\0", "a\tb", "a\nb", "\u{7f}", "a\u{9f}b"] {
        for result in [ExecutionId::new(bad).map(drop), JobId::new(bad).map(drop)] {
            assert!(matches!(result, Err(InputError::Invalid { .. })), "{bad:?}");
        }
    }
    // 64 characters of two bytes fit, 65 do not.
    assert!(ExecutionId::new("é".repeat(64)).is_ok());
    let long = ExecutionId::new("é".repeat(65));
    assert!(matches!(long, Err(InputError::TooLarge { what: "execution id", actual: 130, maximum: 128 })));
}
