//! The limits on what a caller may store, and the checks that enforce them. Pure: knows no other layer.

use crate::error::InputError;

/// Longest execution id or job id, in bytes of UTF-8.
pub const MAX_ID: usize = 128;
/// Longest namespace, execution name, node id, preview, event topic, checkpoint name, content type, or
/// name of an attachment, an output or a node, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest message of an execution or of an event, in bytes.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// Most labels on one execution.
pub const MAX_LABELS: usize = 64;
/// Longest label key, in bytes. Keys and values may be empty.
pub const MAX_LABEL_KEY: usize = 128;
/// Longest label value, in bytes.
pub const MAX_LABEL_VALUE: usize = 256;
/// Largest event, in bytes: topic, message and details together.
pub const MAX_EVENT: usize = 1024 * 1024;
/// Largest payload by default, in bytes. [`Builder::set_max_payload`](crate::Builder::set_max_payload) changes it.
pub const DEFAULT_MAX_PAYLOAD: usize = 16 * 1024 * 1024;
/// Longest URI of an attachment, in bytes.
pub const MAX_URI: usize = 8 * 1024;
/// Most executions that one page may have: see [`Query::limit`](crate::Query::limit).
pub const MAX_PAGE: usize = 10_000;
/// Most states in a lifecycle.
pub const MAX_STATES: usize = 250;
/// Longest state name, in bytes.
pub const MAX_STATE_NAME: usize = 64;

/// Refuses a text of more than `maximum` bytes.
pub(crate) fn check_len(what: &'static str, text: &str, maximum: usize) -> Result<(), InputError> {
    check_size(what, text.len(), maximum)
}

/// Refuses a size above `maximum`.
pub(crate) fn check_size(what: &'static str, actual: usize, maximum: usize) -> Result<(), InputError> {
    if actual > maximum {
        return Err(InputError::TooLarge { what, actual, maximum });
    }
    Ok(())
}

/// Ids: 1 to [`MAX_ID`] bytes, no control characters, no white space at the ends. The job index relies
/// on the absence of control characters: it ends a job id with a zero byte.
pub(crate) fn check_id(what: &'static str, id: &str) -> Result<(), InputError> {
    if id.is_empty() {
        return Err(InputError::Invalid { what, reason: "it is empty".into() });
    }
    check_len(what, id, MAX_ID)?;
    if let Some(c) = id.chars().find(|c| c.is_control()) {
        return Err(InputError::Invalid { what, reason: format!("it contains the control character {c:?}") });
    }
    if id.starts_with(char::is_whitespace) || id.ends_with(char::is_whitespace) {
        return Err(InputError::Invalid { what, reason: "it begins or ends with white space".into() });
    }
    Ok(())
}

/// Names of checkpoints, bulk operations and what lies beside an execution: 1 to [`MAX_NAME`] bytes.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), InputError> {
    if name.is_empty() {
        return Err(InputError::Invalid { what, reason: "it is empty".into() });
    }
    check_len(what, name, MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_at_the_boundaries() {
        assert!(check_id("id", "a").is_ok());
        assert!(check_id("id", &"x".repeat(MAX_ID)).is_ok());
        assert!(check_id("id", "a b").is_ok());
        assert!(check_id("id", "Ω/é:\u{1F600}").is_ok());
        for bad in ["", " a", "a ", "a\u{0}b", "a\nb", "\u{85}", "\u{2003}x"] {
            assert!(check_id("id", bad).is_err(), "{bad:?}");
        }
        let long = check_id("id", &"x".repeat(MAX_ID + 1));
        assert!(matches!(long, Err(InputError::TooLarge { actual: 129, maximum: 128, .. })), "{long:?}");
    }
}
