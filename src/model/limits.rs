//! The limits on what a caller may store, and the checks that enforce them. Pure: knows no other layer.

use serde::{Deserialize, Serialize};

use crate::model::json::Json;
use crate::model::text::Text;

/// Longest execution id or job id, in bytes of UTF-8. [`ExecutionId::from_any`](crate::ExecutionId::from_any) makes one of a longer text.
pub const MAX_ID: usize = 128;
/// Longest namespace, execution name, node id, preview, event topic, checkpoint name, content type, or
/// name of an attachment, an output, a task or a bucket, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest message of an execution or of an event, or error of a task, in bytes: see [`LongTexts`].
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
/// Longest key in a bucket, in bytes. A key may be empty.
pub const MAX_BUCKET_KEY: usize = 1024;
/// Largest value in a bucket, in bytes; what is larger is an attachment. A value may be empty.
pub const MAX_BUCKET_VALUE: usize = 1024 * 1024;
/// Most executions that one page may have: see [`Query::limit`](crate::Query::limit).
pub const MAX_PAGE: usize = 10_000;
/// Most states in a lifecycle.
pub const MAX_STATES: usize = 250;
/// Longest state name, in bytes.
pub const MAX_STATE_NAME: usize = 64;

/// Input that breaks a limit or a rule. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Something is larger than the limit, in bytes or in number.
    #[error("{what}: {actual} is more than the maximum of {maximum}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        actual: usize,
        /// The largest size that is accepted.
        maximum: usize,
    },
    /// The lifecycle has no such state.
    #[error("the lifecycle has no state {state:?}; `Store::lifecycle` lists them")]
    UnknownState {
        /// The name that was given.
        state: String,
    },
    /// The cursor is not one that this store gave for this query: begin with the first page.
    #[error("the cursor cannot be used here: {reason}; begin with the first page")]
    InvalidCursor {
        /// Why.
        reason: &'static str,
    },
    /// Something is not of the form that it must have.
    #[error("invalid {what}: {reason}")]
    Invalid {
        /// What is wrong.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// What becomes of a text for people that is longer than its limit: the message of an execution or of an event, the error of a
/// task, a preview. See [`Builder::set_long_texts`](crate::Builder::set_long_texts).
///
/// Ids, names, labels, topics, payloads, details and values are for programs, and are never cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongTexts {
    /// Keep its beginning, whole characters, and a mark that says how much went: `"the beginning [12345 bytes cut]"`. Text and
    /// mark together are within the limit. The default: a long error does not keep an end from being recorded.
    #[default]
    Cut,
    /// Refuse the operation with [`InputError::TooLarge`].
    Refuse,
}

impl LongTexts {
    /// `true` if this text is to be cut.
    pub(crate) fn cuts(self, text: &str, maximum: usize) -> bool {
        self == LongTexts::Cut && text.len() > maximum
    }

    /// The text as it is kept. One that is to be refused is left to the check.
    pub(crate) fn fit(self, text: &mut Text, maximum: usize) {
        if self.cuts(text, maximum) {
            *text = cut(text, maximum);
        }
    }
}

/// The beginning of a text, and how much of it went.
fn cut(text: &str, maximum: usize) -> Text {
    let longest = format!(" [{} bytes cut]", text.len());
    let most = maximum.saturating_sub(longest.len());
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let kept = text.get(..end).unwrap_or_default();
    Text::from(format!("{kept} [{} bytes cut]", text.len() - end).as_str())
}

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

/// Refuses a label whose key or value is too long.
pub(crate) fn check_label(key: &str, value: &str) -> Result<(), InputError> {
    check_len("label key", key, MAX_LABEL_KEY)?;
    check_len("label value", value, MAX_LABEL_VALUE)
}

/// Refuses the text of a payload that could not be read: it is none.
pub(crate) fn check_text(what: &'static str, json: &Json) -> Result<(), InputError> {
    match json.as_str() {
        "" => Err(InputError::Invalid { what, reason: "it has no text, since it could not be read".into() }),
        _ => Ok(()),
    }
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
    fn texts_are_cut_at_characters_and_say_how_much_went() {
        for (unit, maximum) in
            [("a", 256), ("é", 256), ("\u{1f600}", 257), ("a\u{301}", 64 * 1024), ("x", 40)]
        {
            let long = unit.repeat(maximum * 2);
            let mut text = Text::from(long.as_str());
            LongTexts::Cut.fit(&mut text, maximum);
            assert!(text.len() <= maximum && text.len() + 16 > maximum, "{} of {maximum}", text.len());
            let (kept, mark) = text.rsplit_once(" [").unwrap();
            let gone: usize = mark.strip_suffix(" bytes cut]").unwrap().parse().unwrap();
            assert!(long.starts_with(kept) && kept.len() + gone == long.len(), "{mark}");
            // What was cut is within the limit, so it is not cut again.
            let once = text.clone();
            LongTexts::Cut.fit(&mut text, maximum);
            assert_eq!(text, once);
            let mut refused = Text::from(long.as_str());
            LongTexts::Refuse.fit(&mut refused, maximum);
            assert_eq!(refused, long.as_str());
        }
        let mut short = Text::from("x".repeat(256).as_str());
        LongTexts::Cut.fit(&mut short, 256);
        assert_eq!(short.len(), 256);
    }

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
