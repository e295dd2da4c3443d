//! JSON documents kept as text: the payload of an execution, the details of an event. Pure.

pub(crate) mod base64;
mod canonical;
pub(crate) mod count;
mod finite;
pub(crate) mod form;
mod merge;
pub(crate) mod nanos;
mod scan;
mod serde;

use std::borrow::Cow;
use std::fmt;

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::model::text::Text;

pub(crate) use canonical::canonical;
pub(crate) use count::Count;
pub(crate) use merge::{Values, merge, rewrite};
pub(crate) use scan::{Nodes, TooLong, end_of_string, unit, unquoted};

/// A JSON document, kept as the text that was given and parsed only on request. Cheap to clone.
///
/// The text is checked once, when it comes in. It is kept exactly, but for white space around the document:
/// the order of keys, repeated keys, the spelling of numbers and the white space inside all stay. The default is `null`.
///
/// Everything that RFC 8259 allows is taken, of any depth. [`parse`](Json::parse) reads what `serde_json` reads: no [`Value`](serde_json::Value)
/// and no other type that it takes apart from documents that are nested more than 127 deep, have a number beyond the range of an `f64`, or a
/// text with half of a surrogate pair.
///
/// Within a type of the caller's a document keeps its text, as long as it is `serde_json` that reads and writes the type. In flattened, untagged and internally tagged
/// parts of a type, and with other formats, serde takes documents apart: there the values stay and the spelling does not, numbers are what 64 bits hold,
/// and a document may be 128 deep.
///
/// ```
/// use execstore::Json;
/// # #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
/// # struct Spec { image: String, cpu: f64 }
/// let spec = Spec { image: "alpine".into(), cpu: 0.5 };
/// let json = Json::from_serialize(&spec)?;
/// assert_eq!(json.as_str(), r#"{"image":"alpine","cpu":0.5}"#);
/// assert_eq!(json.parse::<Spec>()?, spec);
/// assert_eq!(Json::from_text(" [1, 2.50] ")?.as_str(), "[1, 2.50]");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Text);

impl Json {
    /// `null`.
    pub fn null() -> Self {
        Self("null".into())
    }

    /// Checks and takes a document given as text.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self(raw.get().into()))
    }

    /// Writes a value as JSON. NaN and infinity, which JSON does not have, are refused, wherever they are in it.
    ///
    /// `None` and `()` are written as `null`, which in a [merge patch](Json::merge_patch) removes;
    /// `#[serde(skip_serializing_if = "Option::is_none")]` leaves the member out.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        finite::to_text(value).map(|text| Self(text.into()))
    }

    /// Reads the document as the caller's own type. Costs a parse each time.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The document's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `true` for `null`.
    pub fn is_null(&self) -> bool {
        self.0 == "null"
    }

    /// `true` if the document is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// This document with a JSON merge patch (RFC 7396) applied: where the patch has an object its members
    /// replace, add or, with `null`, remove; anything else replaces the whole.
    ///
    /// What the patch does not name keeps its text exactly, and untouched members keep their order. Of a key that is repeated the last
    /// member counts, in the patch as in the document; `null` removes all of them. Takes time linear in both, however deep they
    /// are. Fails on a document of 4 GiB or more, and on one that could not be read.
    pub fn merge_patch(&self, patch: &Json) -> Result<Json, serde_json::Error> {
        if self.0.is_empty() || patch.0.is_empty() {
            return Err(::serde::de::Error::custom("there is no text, since it could not be read"));
        }
        merge(&self.0, &patch.0, &mut Plain).map(|text| Self(text.into()))
    }

    /// Text that came out of the store, whose checksum was right.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.into())
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::null()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        Self(value.to_string().into())
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.get().trim().into())
    }
}

/// The document in one line: line breaks, which stand between values alone, become blanks.
pub(crate) fn one_line(document: &str) -> Cow<'_, str> {
    match document.contains(['\n', '\r']) {
        true => document.replace(['\n', '\r'], " ").into(),
        false => document.into(),
    }
}

/// A text as JSON, with its quotes.
pub(crate) fn quoted(text: &str) -> String {
    written(text)
}

/// The JSON of texts and numbers, which can always be written: it is stored and hashed, so there is nothing to put in its place.
pub(crate) fn written(value: &(impl Serialize + ?Sized)) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => unreachable!("texts and numbers can be written: {error}"),
    }
}

/// A merge patch and nothing else.
struct Plain;

impl Values for Plain {
    type Error = serde_json::Error;

    fn is_one(&self, _: &str) -> bool {
        false
    }

    fn holds_ones(&self, _: &str) -> bool {
        false
    }

    fn stays(&self, _: &str) -> bool {
        true
    }

    fn enter(&mut self, _: &str) {}

    fn leave(&mut self) {}

    fn write(&mut self, value: &str, out: &mut String) -> Result<(), serde_json::Error> {
        out.push_str(value);
        Ok(())
    }
}

impl From<TooLong> for serde_json::Error {
    fn from(TooLong(bytes): TooLong) -> Self {
        ::serde::de::Error::custom(format!("a document of {bytes} bytes, 4 GiB or more, cannot be patched"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn merge_patch_follows_the_rfc() {
        for (target, patch, merged) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, "\"bar\"", "\"bar\""),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let result = Json::from_text(target).unwrap().merge_patch(&Json::from_text(patch).unwrap());
            assert_eq!(result.unwrap().as_str(), merged, "{target} with {patch}");
        }
    }

    #[test]
    fn what_a_patch_leaves_alone_keeps_its_text() {
        let target = r#"{"n":1700000000123456789012, "f":1.50e+3,"s":"\u0041","x":{"y": [1, 2]}}"#;
        let merged = Json::from_text(target).unwrap().merge_patch(&Json::from_text(r#"{"z":1}"#).unwrap());
        let expected = r#"{"n":1700000000123456789012,"f":1.50e+3,"s":"\u0041","x":{"y": [1, 2]},"z":1}"#;
        assert_eq!(merged.unwrap().as_str(), expected);
    }

    /// Keys that mean the same meet however they are spelt, and of repeated ones the last counts.
    #[test]
    fn repeated_and_escaped_keys() {
        for (target, patch, merged) in [
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":4}"#, r#"{"a":1,"b":2,"a":4}"#),
            (r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"a":null}"#, r#"{"b":2}"#),
            (r#"{"\u0061":1}"#, r#"{"a":2}"#, r#"{"\u0061":2}"#),
            (r#"{"a":1}"#, r#"{"a":2,"a":null}"#, "{}"),
            (r#"{"a":1}"#, r#"{"a":null,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"c":1},"a":{"d":1}}"#, r#"{"a":{"b":1,"d":1}}"#),
            (r#"{"\ud800":1,"\ud801":2}"#, r#"{"\uD800":3}"#, r#"{"\ud800":3,"\ud801":2}"#),
            (r#"{}"#, r#"{"x":{"y":1,"y":{"z":null}}}"#, r#"{"x":{"y":{}}}"#),
        ] {
            let result = Json::from_text(target).unwrap().merge_patch(&Json::from_text(patch).unwrap());
            assert_eq!(result.unwrap().as_str(), merged, "{target} with {patch}");
        }
    }

    #[test]
    fn deep_and_wide_documents_are_merged() {
        let nested =
            |depth: usize, end: &str| format!("{}{end}{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let deep = Json::from_text(&nested(500_000, "1")).unwrap();
        let patch = Json::from_text(&nested(500_000, "2")).unwrap();
        assert_eq!(deep.merge_patch(&patch).unwrap(), patch);
        assert_eq!(Json::null().merge_patch(&patch).unwrap(), patch);
        let list = Json::from_text(&format!("{}{}", "[".repeat(500_000), "]".repeat(500_000))).unwrap();
        assert_eq!(deep.merge_patch(&list).unwrap(), list);
        let members = |range: std::ops::Range<usize>| {
            let members: Vec<String> = range.map(|n| format!("\"k{n}\":{n}")).collect();
            Json::from_text(&format!("{{{}}}", members.join(","))).unwrap()
        };
        let merged = members(0..200_000).merge_patch(&members(100_000..300_000)).unwrap();
        assert_eq!(merged, members(0..300_000));
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["", "{", "nul", "1 2", "{\"a\":1,}", "\u{feff}1"] {
            assert!(Json::from_text(text).is_err(), "{text:?}");
        }
    }
}
