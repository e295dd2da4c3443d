//! What becomes of large values in payloads. Pure.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::InputError;
use crate::json::{Json, Members};
use crate::limits::{MAX_NAME, check_size};

/// What to do about a value in a payload that is larger than a size; see
/// [`Builder::set_large_values`](crate::Builder::set_large_values).
///
/// A value is whatever stands in a payload and is no object, however deep in objects it stands, or the payload itself: a large
/// text, number or list. Its size is that of its JSON text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LargeValues {
    /// Keep it where it is. The default.
    #[default]
    Keep,
    /// Refuse the operation, if a value has more bytes than this.
    Refuse(usize),
    /// Keep the beginning of a text, and nothing of another value, so that about this many bytes are left, and a mark that says
    /// how many bytes were cut: `"the beginning [12345 bytes cut]"`. The mark is at most 40 bytes.
    Truncate(usize),
    /// Move it to an attachment, if it has more bytes than this, and leave `{"$attachment": KEY, "bytes": SIZE, "sha256": HASH}`, a mark that stays
    /// as it is from then on. The attachment is
    /// JSON, and its key is `execstore/payload` and the value's JSON pointer (RFC 6901), or if that has more than 256 bytes
    /// `execstore/payload#` and the pointer's SHA-256. Attachments of values that a new payload no longer has are deleted with the update; so the
    /// payloads before it, in the change log, keep the reference alone.
    Attach(usize),
}

/// The keys of attachments that values were moved to begin so.
pub(crate) const MOVED: &str = "execstore/payload";

/// A payload after the policy, and the values that were moved, by their keys.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) payload: Json,
    pub(crate) moved: Vec<(String, String)>,
}

impl LargeValues {
    /// The largest payload that is looked at, if the largest that is kept is this: the policy comes first.
    pub(crate) fn before(self, max_payload: usize) -> usize {
        match self {
            LargeValues::Keep | LargeValues::Refuse(_) => max_payload,
            LargeValues::Truncate(_) | LargeValues::Attach(_) => usize::MAX,
        }
    }

    /// Applies the policy to a payload that is new.
    pub(crate) fn fit(self, payload: Json) -> Result<Fitted, InputError> {
        let most = match self {
            LargeValues::Keep => usize::MAX,
            LargeValues::Refuse(most) | LargeValues::Truncate(most) | LargeValues::Attach(most) => most,
        };
        let mut moved = Vec::new();
        if payload.as_str().len() <= most {
            return Ok(Fitted { payload, moved });
        }
        let mut text = String::new();
        self.walk(payload.as_str(), most, &mut String::new(), &mut text, &mut moved)?;
        Ok(Fitted { payload: Json::from_stored(&text), moved })
    }

    /// Writes a value as it is to be kept. As deep as the document is, which was checked when it came in.
    fn walk(
        self,
        value: &str,
        most: usize,
        pointer: &mut String,
        out: &mut String,
        moved: &mut Vec<(String, String)>,
    ) -> Result<(), InputError> {
        if value.len() <= most {
            out.push_str(value);
            return Ok(());
        }
        let members = value.starts_with('{').then(|| serde_json::from_str::<Members<'_>>(value));
        if let Some(Ok(Members(members))) = members {
            if is_mark(&members) {
                out.push_str(value);
                return Ok(());
            }
            out.push('{');
            for (place, (key, member)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(key));
                out.push(':');
                let len = pointer.len();
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
                self.walk(RawValue::get(member), most, pointer, out, moved)?;
                pointer.truncate(len);
            }
            out.push('}');
            return Ok(());
        }
        match self {
            LargeValues::Truncate(_) => out.push_str(&truncated(value, most)),
            LargeValues::Attach(_) => {
                let key = key_of(pointer);
                let hash: [u8; 32] = Sha256::digest(value).into();
                let (name, bytes, hash) = (quoted(&key), value.len(), crate::seal::hex(&hash));
                out.push_str(&format!(r#"{{"$attachment":{name},"bytes":{bytes},"sha256":"{hash}"}}"#));
                // Of repeated keys readers take the last.
                moved.retain(|(known, _)| *known != key);
                moved.push((key, value.to_owned()));
            }
            LargeValues::Keep | LargeValues::Refuse(_) => check_size("payload value", value.len(), most)?,
        }
        Ok(())
    }
}

/// The object is what a value that was moved has left.
fn is_mark(members: &[(String, &RawValue)]) -> bool {
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let key = members.iter().find(|(key, _)| key == "$attachment");
    let key = key.and_then(|(_, value)| serde_json::from_str::<String>(value.get()).ok());
    keys == ["$attachment", "bytes", "sha256"] && key.is_some_and(|key| key.starts_with(MOVED))
}

/// The keys of the attachments that a payload refers to.
pub(crate) fn references(payload: &Json) -> BTreeSet<String> {
    fn collect(value: &serde_json::Value, keys: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => {
                keys.extend(members.get("$attachment").and_then(|key| key.as_str()).map(str::to_owned));
                members.values().for_each(|value| collect(value, keys));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, keys)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    if let Ok(value) = payload.parse() {
        collect(&value, &mut keys);
    }
    keys
}

fn quoted(text: &str) -> String {
    Json::from_serialize(text).unwrap_or_default().as_str().to_owned()
}

fn key_of(pointer: &str) -> String {
    let key = format!("{MOVED}{pointer}");
    if key.len() <= MAX_NAME {
        return key;
    }
    let hash: [u8; 32] = Sha256::digest(pointer).into();
    format!("{MOVED}#{}", crate::seal::hex(&hash))
}

/// A text's beginning with the mark, or the mark alone.
fn truncated(value: &str, most: usize) -> String {
    let text: String = match serde_json::from_str(value) {
        Ok(text) => text,
        Err(_) => return quoted(&format!("[{} bytes cut]", value.len())),
    };
    let mut end = most.saturating_sub(42).min(text.len());
    loop {
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let kept = text.get(..end).unwrap_or_default();
        let space = if kept.is_empty() { "" } else { " " };
        let cut = quoted(&format!("{kept}{space}[{} bytes cut]", text.len() - end));
        // Escapes may make the beginning longer than it is.
        if cut.len() <= most || end == 0 {
            return cut;
        }
        end /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(policy: LargeValues, payload: &str) -> Result<(String, Vec<(String, String)>), InputError> {
        let fitted = policy.fit(Json::from_text(payload).unwrap())?;
        Json::from_text(fitted.payload.as_str()).unwrap();
        Ok((fitted.payload.as_str().to_owned(), fitted.moved))
    }

    #[test]
    fn what_is_small_keeps_its_text() {
        let payload = r#"{"a": 1.50, "b": {"c": [1, 2]}, "a": "x"}"#;
        for policy in [LargeValues::Keep, LargeValues::Refuse(41), LargeValues::Truncate(41)] {
            assert_eq!(fit(policy, payload).unwrap(), (payload.into(), vec![]));
        }
        // Beyond the size as a whole, but no value is.
        let (text, moved) = fit(LargeValues::Attach(10), payload).unwrap();
        assert_eq!((text.as_str(), moved.len()), (r#"{"a":1.50,"b":{"c": [1, 2]},"a":"x"}"#.replace("\"b\":{\"c\": [1, 2]}", "\"b\":{\"c\":[1, 2]}").as_str(), 0));
    }

    #[test]
    fn large_values_are_refused_cut_or_moved() {
        let long = "x".repeat(100);
        let payload = format!(r#"{{"text":"{long}","deep":{{"a/b~":["{long}"]}},"n":1}}"#);
        let error = fit(LargeValues::Refuse(60), &payload).unwrap_err();
        assert!(matches!(error, InputError::TooLarge { what: "payload value", actual: 102, maximum: 60 }));
        let (cut, _) = fit(LargeValues::Truncate(60), &payload).unwrap();
        let kept = "x".repeat(18);
        assert_eq!(
            cut,
            format!(r#"{{"text":"{kept} [82 bytes cut]","deep":{{"a/b~":"[104 bytes cut]"}},"n":1}}"#)
        );
        let (text, moved) = fit(LargeValues::Attach(60), &payload).unwrap();
        let mark = |key: &str, value: &str| {
            let hash: [u8; 32] = Sha256::digest(value).into();
            let (bytes, hash) = (value.len(), crate::seal::hex(&hash));
            format!(r#"{{"$attachment":"{MOVED}{key}","bytes":{bytes},"sha256":"{hash}"}}"#)
        };
        let (one, two) = (format!("\"{long}\""), format!("[\"{long}\"]"));
        let expected = format!(
            r#"{{"text":{},"deep":{{"a/b~":{}}},"n":1}}"#,
            mark("/text", &one),
            mark("/deep/a~1b~0", &two)
        );
        assert_eq!(text, expected);
        // A mark stays as it is, however small the size.
        assert_eq!(fit(LargeValues::Attach(9), &text).unwrap(), (text, vec![]));
        // Of repeated keys the last is kept.
        let twice = format!(r#"{{"a":{one},"a":{two}}}"#);
        assert_eq!(
            fit(LargeValues::Attach(60), &twice).unwrap().1,
            [("execstore/payload/a".to_owned(), two)]
        );
        assert_eq!(
            moved,
            [
                ("execstore/payload/text".to_owned(), format!("\"{long}\"")),
                ("execstore/payload/deep/a~1b~0".to_owned(), format!("[\"{long}\"]")),
            ]
        );
        let (text, moved) = fit(LargeValues::Attach(60), &one).unwrap();
        assert_eq!((text, moved[0].0.as_str()), (mark("", &one), "execstore/payload"));
    }

    #[test]
    fn texts_are_cut_at_characters_and_stay_within_the_size() {
        for (unit, most) in [("é", 50), ("\u{1f600}", 61), ("\\u0001", 80), ("\\\"", 45), ("a", 43), ("a", 5)]
        {
            let (cut, _) = fit(LargeValues::Truncate(most), &format!("\"{}\"", unit.repeat(500))).unwrap();
            assert!(cut.len() <= most.max(42), "{cut}");
            let whole: String = serde_json::from_str(&format!("\"{}\"", unit.repeat(500))).unwrap();
            let cut: String = serde_json::from_str(&cut).unwrap();
            let (kept, mark) = cut.rsplit_once('[').unwrap();
            let kept = kept.strip_suffix(' ').unwrap_or(kept);
            let lost: usize = mark.strip_suffix(" bytes cut]").unwrap().parse().unwrap();
            assert!(whole.starts_with(kept) && kept.len() + lost == whole.len(), "{cut}");
        }
    }

    #[test]
    fn long_pointers_are_hashed() {
        let key = "k".repeat(300);
        let (_, moved) =
            fit(LargeValues::Attach(60), &format!(r#"{{"{key}":"{}"}}"#, "x".repeat(100))).unwrap();
        assert!(moved[0].0.starts_with("execstore/payload#") && moved[0].0.len() == 18 + 64);
    }
}
