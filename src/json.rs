//! JSON documents kept as text: the payload of an execution, the details of an event. Pure.

use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::text::Text;

/// A JSON document, kept as the text that was given and parsed only on request. Cheap to clone.
///
/// The text is checked once, when it comes in. It is kept exactly, but for white space around the document:
/// the order of keys, repeated keys, the spelling of numbers and the white space inside all stay. The default is `null`.
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

    /// Writes a value as JSON.
    pub fn from_serialize(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(text.into()))
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
    /// What the patch does not name keeps its text exactly, and untouched members keep their order. Fails on
    /// documents nested more than about 128 deep where the patch reaches.
    pub fn merge_patch(&self, patch: &Json) -> Result<Json, serde_json::Error> {
        merge(&self.0, &patch.0).map(|text| Self(text.into()))
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

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

/// The members of one JSON object, in order, their values unparsed.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// How deep a patch may reach, so that a hostile document cannot exhaust the stack.
const MAX_DEPTH: usize = 128;

fn merge(target: &str, patch: &str) -> Result<String, serde_json::Error> {
    merge_at(target, patch, MAX_DEPTH)
}

fn merge_at(target: &str, patch: &str, depth: usize) -> Result<String, serde_json::Error> {
    if !patch.starts_with('{') {
        return Ok(patch.to_owned());
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Err(serde::de::Error::custom("the merge patch is nested too deep"));
    };
    let mut merged: Vec<(String, String)> = if target.starts_with('{') {
        let members: Members<'_> = serde_json::from_str(target)?;
        members.0.into_iter().map(|(key, value)| (key, value.get().to_owned())).collect()
    } else {
        Vec::new()
    };
    let patch: Members<'_> = serde_json::from_str(patch)?;
    for (key, value) in patch.0 {
        if value.get() == "null" {
            merged.retain(|(known, _)| *known != key);
            continue;
        }
        // Of repeated keys readers take the last, so that is the one to patch.
        match merged.iter_mut().rev().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = merge_at(known, value.get(), depth)?,
            None => merged.push((key, merge_at("null", value.get(), depth)?)),
        }
    }
    let mut text = String::from("{");
    for (place, (key, value)) in merged.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(key)?);
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    Ok(text)
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

    #[test]
    fn deep_documents_are_an_error_and_not_a_crash() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let deep = Json::from_text(&nested(100_000));
        if let Ok(deep) = deep {
            assert!(deep.merge_patch(&deep).is_err());
        }
        let fine = Json::from_text(&nested(100)).unwrap();
        assert_eq!(fine.merge_patch(&fine).unwrap(), fine);
    }

    #[test]
    fn bad_text_is_refused() {
        for text in ["", "{", "nul", "1 2", "{\"a\":1,}", "\u{feff}1"] {
            assert!(Json::from_text(text).is_err(), "{text:?}");
        }
    }
}
