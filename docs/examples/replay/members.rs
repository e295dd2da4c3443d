//! The members of a JSON object, each as the text that the file has for it.

use std::collections::BTreeMap;

use execstore::Json;
use serde_json::value::RawValue;

/// The members of a JSON object, unparsed.
pub type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members of an object; `None` for anything else.
pub fn object(raw: &RawValue) -> Option<Members<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// A text, or a number as its digits. `None` for an empty text and for anything else.
pub fn text_at(members: &Members<'_>, key: &str) -> Option<String> {
    let raw = members.get(key)?.get();
    let text = match raw.starts_with('"') {
        true => serde_json::from_str(raw).ok()?,
        false if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => raw.to_owned(),
        false => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Takes the elements of a list out of an object. A list that is absent or null has none.
pub fn take_list<'a>(members: &mut Members<'a>, key: &str) -> Result<Vec<&'a RawValue>, String> {
    let raw = members.remove(key).filter(|raw| raw.get() != "null");
    let list = raw.map_or(Ok(Vec::new()), |raw| serde_json::from_str(raw.get()));
    list.map_err(|_| format!("{key} is not a list"))
}

/// The object that these are the members of: in the order of their names, each value as the file has it.
pub fn to_json(members: &Members<'_>) -> Result<Json, String> {
    Json::from_serialize(members).map_err(|error| error.to_string())
}

/// The text itself, as a document.
pub fn whole(raw: &RawValue) -> Result<Json, String> {
    Json::from_text(raw.get()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_object_keeps_its_values_exactly() {
        let raw: &RawValue =
            serde_json::from_str(r#"{"b": 1.0e0, "of": [ {} ], "a": {"x" :"\u003d"}}"#).unwrap();
        let mut members = object(raw).unwrap();
        assert_eq!(take_list(&mut members, "of").unwrap().len(), 1);
        assert!(take_list(&mut members, "of").unwrap().is_empty());
        assert_eq!(to_json(&members).unwrap().as_str(), r#"{"a":{"x" :"\u003d"},"b":1.0e0}"#);
        assert!(take_list(&mut members, "a").is_err());
    }
}
