//! What a value that was moved leaves in its payload. Pure.

use std::fmt;

use sha2::{Digest, Sha256};

use super::OFFLOADED;
use crate::model::hash::{Hash, hex, unhex};
use crate::model::json::{end_of_string, quoted, unquoted};

/// `{"$attachment": KEY, "bytes": SIZE, "sha256": HASH}`. By its look alone: whether it stands for a value is for
/// [`Known`](super::Known) to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) sha256: Hash,
}

/// How the marks that the store writes begin. Within a string a quote is escaped, so this stands nowhere else.
const FRONT: &str = "{\"$attachment\":\"execstore/payload";

impl Mark {
    pub(super) fn of(key: String, value: &str) -> Self {
        Self { key, bytes: value.len() as u64, sha256: Sha256::digest(value).into() }
    }

    /// Reads an object, however it is spelt.
    pub(super) fn read(object: &str) -> Option<Self> {
        Self::read_front(object).filter(|(_, rest)| rest.is_empty()).map(|(mark, _)| mark)
    }

    /// Reads the mark that a text begins with, and gives what comes behind it. Looks no further than it must.
    fn read_front(text: &str) -> Option<(Self, &str)> {
        let mut rest = text.strip_prefix('{')?;
        let (mut key, mut bytes, mut sha256) = (None, None, None);
        loop {
            let name;
            (name, rest) = string(rest)?;
            rest = trimmed(trimmed(rest).strip_prefix(':')?);
            match &*unquoted(name) {
                b"$attachment" if key.is_none() => {
                    let value;
                    (value, rest) = string(rest)?;
                    key = Some(String::from_utf8(unquoted(value).into_owned()).ok()?);
                }
                b"bytes" if bytes.is_none() => {
                    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
                    let (value, behind) = rest.split_at_checked(digits)?;
                    (bytes, rest) = (Some(value.parse().ok()?), behind);
                }
                b"sha256" if sha256.is_none() => {
                    let value;
                    (value, rest) = string(rest)?;
                    sha256 = Some(unhex(std::str::from_utf8(&unquoted(value)).ok()?)?);
                }
                _ => return None,
            }
            rest = trimmed(rest);
            if let Some(behind) = rest.strip_prefix(',') {
                rest = behind;
                continue;
            }
            let mark = Self { key: key?, bytes: bytes?, sha256: sha256? };
            return Some((mark, rest.strip_prefix('}')?));
        }
    }

    /// A payload may have such marks.
    pub(super) fn may_be_in(payload: &str) -> bool {
        payload.contains(FRONT)
    }

    /// The marks in a payload that are spelt as the store spells them.
    pub(super) fn all_in(payload: &str) -> impl Iterator<Item = Mark> {
        payload.match_indices(FRONT).filter_map(|(at, _)| {
            let text = payload.get(at..)?;
            let (mark, rest) = Self::read_front(text)?;
            let spelt = text.get(..text.len() - rest.len())?;
            (mark.to_string() == spelt).then_some(mark)
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, bytes, sha256 } = self;
        write!(f, r#"{{"$attachment":{},"bytes":{bytes},"sha256":"{}"}}"#, quoted(key), hex(sha256))
    }
}

/// The string that a text begins with, and what comes behind it.
fn string(text: &str) -> Option<(&str, &str)> {
    let text = trimmed(text);
    text.starts_with('"').then(|| text.split_at_checked(end_of_string(text.as_bytes(), 0))).flatten()
}

fn trimmed(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

/// Where in a payload a value stands: its JSON pointer, in the bytes of its keys.
#[derive(Default)]
pub(super) struct Pointer {
    bytes: Vec<u8>,
    /// How long it was before each key.
    levels: Vec<usize>,
    /// The hash so far after every so many bytes, as far as it was asked for: documents are deep, and have many values.
    hashes: Vec<Sha256>,
}

const STEP: usize = 256;

impl Pointer {
    pub(super) fn push(&mut self, key: &[u8]) {
        self.levels.push(self.bytes.len());
        self.bytes.push(b'/');
        for byte in key {
            match byte {
                b'~' => self.bytes.extend_from_slice(b"~0"),
                b'/' => self.bytes.extend_from_slice(b"~1"),
                byte => self.bytes.push(*byte),
            }
        }
    }

    pub(super) fn pop(&mut self) {
        let Some(len) = self.levels.pop() else { return };
        self.bytes.truncate(len);
        self.hashes.truncate(self.bytes.len() / STEP);
    }

    /// The key of the attachment that a value here is moved to.
    pub(super) fn key(&mut self) -> String {
        if OFFLOADED.len() + self.bytes.len() <= crate::model::limits::MAX_NAME
            && let Ok(pointer) = std::str::from_utf8(&self.bytes)
        {
            return format!("{OFFLOADED}{pointer}");
        }
        format!("{OFFLOADED}#{}", hex(&self.hash()))
    }

    fn hash(&mut self) -> Hash {
        let (steps, rest) = self.bytes.as_chunks::<STEP>();
        for step in steps.iter().skip(self.hashes.len()) {
            let mut hash = self.hashes.last().cloned().unwrap_or_else(Sha256::new);
            hash.update(step);
            self.hashes.push(hash);
        }
        let mut hash = self.hashes.last().cloned().unwrap_or_else(Sha256::new);
        hash.update(rest);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_however_they_are_spelt() {
        let mark = Mark::of("execstore/payload/a".into(), "[1]");
        let text = mark.to_string();
        assert_eq!(Mark::read(&text), Some(mark.clone()));
        let hash = hex(&mark.sha256);
        let other = format!(
            "{{ \"bytes\" :3,\"sha256\":\"{hash}\"\n, \"\\u0024attachment\":\"execstore\\/payload/a\"}}"
        );
        assert_eq!(Mark::read(&other), Some(mark.clone()));
        for bad in [
            text.replace("bytes", "byte"),
            text.replace(":3", ":-3"),
            text.replace(":3", ":{}"),
            text.replace(&hash, "x"),
            text.replace('}', ",\"x\":1}"),
            text.replace('}', ",\"bytes\":3}"),
            format!("[{text}]"),
            "{}".into(),
        ] {
            assert_eq!(Mark::read(&bad), None, "{bad}");
        }
        let payload = format!("{{\"x\":[{text}],\"s\":{},\"y\":{other},\"z\":{text}}}", quoted(&text));
        assert_eq!(Mark::all_in(&payload).collect::<Vec<_>>(), [mark.clone(), mark]);
    }

    #[test]
    fn long_pointers_are_hashed_wherever_the_walk_has_been() {
        let mut pointer = Pointer::default();
        assert_eq!(pointer.key(), OFFLOADED);
        for (n, depth) in [(0, 100), (1, 900), (2, 260), (3, 1_000), (4, 300)] {
            while pointer.levels.len() > depth {
                pointer.pop();
            }
            while pointer.levels.len() < depth {
                pointer.push(format!("{n}").as_bytes());
            }
            let text = String::from_utf8(pointer.bytes.clone()).unwrap();
            let hash: Hash = Sha256::digest(&text).into();
            let expected = if depth == 100 { text } else { format!("#{}", hex(&hash)) };
            assert_eq!(pointer.key(), format!("{OFFLOADED}{expected}"));
        }
        // Half of a surrogate pair is in no text.
        let mut pointer = Pointer::default();
        pointer.push(&unquoted("\"\\ud800\""));
        assert_eq!(pointer.key().len(), OFFLOADED.len() + 1 + 64);
    }
}
