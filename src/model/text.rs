//! Short texts without an allocation of their own. Pure.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest text that is kept in place: a UUID has 36 bytes, and 40 is the size of the whole value.
const INLINE: usize = 38;

/// A text that never changes: up to 38 bytes, a UUID among them, in place, a longer one shared. Cheap to
/// clone; reads like a `&str`.
///
/// A record has about eight texts, and allocating each of them cost a third of the time of reading it.
///
/// ```
/// use execstore::Text;
/// let name = Text::from("transcode");
/// assert_eq!(name, "transcode");
/// assert!(name.starts_with("trans"));
/// let owned: String = name.into();
/// # assert_eq!(owned, "transcode");
/// ```
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    /// Made of a `str`, so it is UTF-8.
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Shared(Arc<str>),
}

impl Text {
    /// The empty text.
    pub const fn new() -> Self {
        Self(Repr::Inline { len: 0, bytes: [0; INLINE] })
    }

    /// The text. Costs a check of up to 38 bytes, a few nanoseconds.
    #[expect(clippy::disallowed_methods, reason = "made of a text, whose bytes are as they were")]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Inline { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Repr::Shared(text) => text,
        }
    }

    /// The bytes of the text.
    #[expect(clippy::disallowed_methods, reason = "the length is that of the text in place")]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Shared(text) => text.as_bytes(),
        }
    }

    fn inline(text: &str) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(Repr::Inline { len: text.len() as u8, bytes }))
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

// The order of a `str` is that of its bytes.
impl Ord for Text {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        self.as_str().hash(hasher);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        other == *self
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::inline(text).unwrap_or_else(|| Self(Repr::Shared(text.into())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::inline(&text).unwrap_or_else(|| Self(Repr::Shared(text.into())))
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Box<str>> for Text {
    fn from(text: Box<str>) -> Self {
        Self::inline(&text).unwrap_or_else(|| Self(Repr::Shared(text.into())))
    }
}

impl From<Cow<'_, str>> for Text {
    fn from(text: Cow<'_, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.as_str().to_owned()
    }
}

impl From<&Text> for String {
    fn from(text: &Text) -> String {
        text.as_str().to_owned()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl serde::de::Visitor<'_> for Read {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(text.into())
            }
        }
        deserializer.deserialize_str(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashMap};

    #[test]
    fn texts_of_every_length_read_as_the_str_that_they_were() {
        for len in (0..=INLINE + 2).chain([1_000]) {
            for piece in ["a", "\0", "é", "\u{1F600}"] {
                let text: String = piece.repeat(len.div_ceil(piece.len()));
                let all =
                    [Text::from(text.as_str()), text.clone().into(), Cow::Borrowed(text.as_str()).into()];
                for kept in all {
                    assert_eq!(kept.as_str(), text);
                    assert_eq!((kept.len(), &kept), (text.len(), &Text::from(&text)));
                    assert_eq!(format!("{kept:?}{kept:>9}"), format!("{text:?}{text:>9}"));
                    let json = serde_json::to_string(&kept).unwrap();
                    assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
                }
            }
        }
        assert_eq!(size_of::<Option<Text>>(), 40);
    }

    #[test]
    fn maps_find_them_by_str() {
        let texts = ["", "b", "a", "é", &"x".repeat(50)];
        let tree: BTreeMap<Text, usize> = texts.iter().map(|text| Text::from(*text)).zip(0..).collect();
        let hash: HashMap<Text, usize> = texts.iter().map(|text| Text::from(*text)).zip(0..).collect();
        for (place, text) in texts.iter().enumerate() {
            assert_eq!((tree.get(*text), hash.get(*text)), (Some(&place), Some(&place)));
        }
        let mut sorted = texts;
        sorted.sort_unstable();
        assert!(tree.keys().eq(sorted));
    }
}
