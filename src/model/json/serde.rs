//! A document within the caller's types, wherever serde puts it.

use std::any::type_name;
use std::fmt;
use std::sync::LazyLock;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::finite::Finite;
use super::scan::Nodes;
use super::{Json, quoted, unquoted};

/// By this name `serde_json` knows text that it is to pass on as it is; everybody else takes it for any other name.
const RAW: &str = "$serde_json::private::RawValue";
/// By this one, if it was built so, numbers.
const NUMBER: &str = "$serde_json::private::Number";
/// How deep a document may be that serde takes apart.
const MAX_DEPTH: usize = 128;

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if writes_text::<S>() {
            let raw: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
            return raw.serialize(serializer);
        }
        let nodes = Nodes::all(&self.0).map_err(|error| S::Error::custom(serde_json::Error::from(error)))?;
        Part { nodes: &nodes, place: 0, depth: MAX_DEPTH }.serialize(serializer)
    }
}

/// The serializer is one of `serde_json`, or around one, and not one of those that serde puts before it for flattened and tagged types,
/// which take text for a member of an odd name.
fn writes_text<S>() -> bool {
    let name = type_name::<S>();
    let ours = type_name::<Finite<()>>().trim_end_matches("()>");
    let name = name.strip_prefix(ours).unwrap_or(name);
    name.trim_start_matches("&mut ").starts_with("serde_json::")
}

/// A value of a document, taken apart.
struct Part<'a> {
    nodes: &'a Nodes<'a>,
    place: u32,
    depth: usize,
}

impl Part<'_> {
    fn at<E: serde::ser::Error>(&self, place: u32) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom(format!("the document is more than {MAX_DEPTH} deep")))?;
        Ok(Part { nodes: self.nodes, place, depth })
    }

    fn text<E: serde::ser::Error>(string: &str) -> Result<String, E> {
        let text = String::from_utf8(unquoted(string).into_owned());
        text.map_err(|_| E::custom(format!("{string} has half of a surrogate pair, which is in no text")))
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spelt = self.nodes.text(self.place);
        if writes_text::<S>() {
            return Json::from_stored(spelt).serialize(serializer);
        }
        match spelt.as_bytes().first() {
            Some(b'n') => serializer.serialize_unit(),
            Some(b't' | b'f') => serializer.serialize_bool(spelt == "true"),
            Some(b'"') => serializer.serialize_str(&Self::text(spelt)?),
            Some(b'[') => {
                let mut list = serializer.serialize_seq(None)?;
                let (mut next, end) = (self.place + 1, self.nodes.after(self.place));
                while next < end {
                    list.serialize_element(&self.at(next)?)?;
                    next = self.nodes.after(next);
                }
                list.end()
            }
            Some(b'{') => {
                let mut object = serializer.serialize_map(None)?;
                for (key, value) in self.nodes.members_of(self.place) {
                    object.serialize_entry(&Self::text(self.nodes.text(key))?, &self.at(value)?)?;
                }
                object.end()
            }
            _ if !spelt.contains(['.', 'e', 'E']) => match (spelt.parse::<u64>(), spelt.parse::<i64>()) {
                (Ok(number), _) => serializer.serialize_u64(number),
                (_, Ok(number)) => serializer.serialize_i64(number),
                _ => Err(S::Error::custom(format!("{spelt} does not fit into 64 bits"))),
            },
            _ => match spelt.parse::<f64>() {
                Ok(number) if number.is_finite() => serializer.serialize_f64(number),
                _ => Err(S::Error::custom(format!("{spelt} does not fit into 64 bits"))),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::new();
        deserializer
            .deserialize_newtype_struct(RAW, Value { out: &mut text, depth: MAX_DEPTH, whole: true })?;
        Json::from_text(&text).map_err(D::Error::custom)
    }
}

/// Writes a value: as `serde_json` passes its text on, or if somebody else has taken it apart, put together again.
struct Value<'o> {
    out: &'o mut String,
    depth: usize,
    /// The document, which may come as text.
    whole: bool,
}

impl Value<'_> {
    fn inner<E: serde::de::Error>(&mut self) -> Result<Value<'_>, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom(format!("the document is more than {MAX_DEPTH} deep")))?;
        Ok(Value { out: self.out, depth, whole: false })
    }
}

/// `serde_json` was built to give numbers as objects with an odd key: by the wish of another crate.
fn numbers_are_objects() -> bool {
    struct Probe(bool);

    impl<'de> Deserialize<'de> for Probe {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Probe(false))
        }
    }

    impl<'de> Visitor<'de> for Probe {
        type Value = Probe;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number")
        }

        fn visit_u64<E>(self, _: u64) -> Result<Probe, E> {
            Ok(self)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut number: A) -> Result<Probe, A::Error> {
            number.next_entry::<IgnoredAny, IgnoredAny>().map(|_| Probe(true))
        }
    }

    static THEY_ARE: LazyLock<bool> = LazyLock::new(|| matches!(serde_json::from_str("1"), Ok(Probe(true))));
    *THEY_ARE
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! as_text {
    ($($visit:ident($type:ty);)+) => {$(
        fn $visit<E>(self, value: $type) -> Result<(), E> {
            self.out.push_str(&value.to_string());
            Ok(())
        }
    )+};
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    as_text! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_i128(i128);
        visit_u128(u128);
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.out.push_str(&super::finite::to_text(&number).map_err(E::custom)?);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.out.push_str(&quoted(text));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.push_str("null");
        Ok(())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(Value { whole: false, ..self })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        self.out.push('[');
        let begin = self.out.len();
        loop {
            let len = self.out.len();
            if len > begin {
                self.out.push(',');
            }
            if list.next_element_seed(self.inner()?)?.is_none() {
                self.out.truncate(len);
                self.out.push(']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let mut next = object.next_key::<String>()?;
        let text = match next.as_deref() {
            Some(RAW) => self.whole,
            Some(NUMBER) => numbers_are_objects(),
            _ => false,
        };
        if text {
            self.out.push_str(&object.next_value::<String>()?);
            return Ok(());
        }
        self.out.push('{');
        let mut first = true;
        while let Some(key) = next {
            if !std::mem::replace(&mut first, false) {
                self.out.push(',');
            }
            self.out.push_str(&quoted(&key));
            self.out.push(':');
            object.next_value_seed(self.inner()?)?;
            next = object.next_key()?;
        }
        self.out.push('}');
        Ok(())
    }
}
