//! Where the values of a document lie. For texts that were checked when they came in: iterative, in one pass over the text,
//! whatever their depth.

use std::borrow::Cow;

use crate::model::part::part;

/// A value, or the key of a member, and its place in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    start: u32,
    end: u32,
    /// The node behind it and everything within it.
    after: u32,
    /// For whoever walks over the nodes.
    pub(super) note: u32,
}

/// The values of a document in the order of their text, each before what is within it. In an object keys and values take turns.
pub(crate) struct Nodes<'t> {
    text: &'t str,
    pub(super) nodes: Vec<Node>,
}

/// A text of so many bytes, 4 GiB or more.
#[derive(Debug)]
pub(crate) struct TooLong(pub(crate) usize);

impl<'t> Nodes<'t> {
    /// All values.
    pub(crate) fn all(text: &'t str) -> Result<Self, TooLong> {
        Self::read(text, true)
    }

    /// The members of objects. A list is one value, whatever is in it.
    pub(crate) fn members(text: &'t str) -> Result<Self, TooLong> {
        Self::read(text, false)
    }

    fn read(text: &'t str, lists: bool) -> Result<Self, TooLong> {
        u32::try_from(text.len()).map_err(|_| TooLong(text.len()))?;
        let bytes = text.as_bytes();
        let mut nodes: Vec<Node> = Vec::new();
        let mut open: Vec<u32> = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => at += 1,
                b'}' | b']' => {
                    at += 1;
                    let after = nodes.len() as u32;
                    if let Some(node) = open.pop().and_then(|place| nodes.get_mut(place as usize)) {
                        (node.end, node.after) = (at as u32, after);
                    }
                }
                opens => {
                    let place = nodes.len() as u32;
                    let start = at as u32;
                    if *opens == b'{' || (*opens == b'[' && lists) {
                        open.push(place);
                        at += 1;
                    } else {
                        at = end_of_leaf(bytes, at);
                    }
                    nodes.push(Node { start, end: at as u32, after: place + 1, note: 0 });
                }
            }
        }
        Ok(Self { text, nodes })
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, place: u32) -> Option<&Node> {
        self.nodes.get(place as usize)
    }

    pub(super) fn note(&mut self, place: u32, what: u32) {
        if let Some(node) = self.nodes.get_mut(place as usize) {
            node.note = what;
        }
    }

    /// The text of a node.
    #[expect(clippy::disallowed_methods, reason = "places are those of this document's own nodes")]
    pub(crate) fn text(&self, place: u32) -> &'t str {
        let node = self.node(place);
        node.and_then(|node| self.text.get(node.start as usize..node.end as usize)).unwrap_or_default()
    }

    /// Where a node begins and ends.
    pub(crate) fn span(&self, place: u32) -> (usize, usize) {
        self.node(place).map_or((0, 0), |node| (node.start as usize, node.end as usize))
    }

    /// The node behind a node.
    pub(crate) fn after(&self, place: u32) -> u32 {
        self.node(place).map_or(u32::MAX, |node| node.after)
    }

    pub(crate) fn is_object(&self, place: u32) -> bool {
        self.text(place).starts_with('{')
    }

    /// The first member of an object: the places of its key and its value.
    pub(crate) fn first_in(&self, object: u32) -> Option<(u32, u32)> {
        self.member_at(object, object.saturating_add(1))
    }

    /// The member of an object behind a value in it.
    pub(crate) fn next_in(&self, object: u32, value: u32) -> Option<(u32, u32)> {
        self.member_at(object, self.after(value))
    }

    fn member_at(&self, object: u32, key: u32) -> Option<(u32, u32)> {
        let value = key.saturating_add(1);
        (value < self.after(object)).then_some((key, value))
    }

    /// All of them.
    pub(crate) fn members_of(&self, object: u32) -> impl Iterator<Item = (u32, u32)> {
        let first = self.first_in(object);
        std::iter::successors(first, move |(_, value)| self.next_in(object, *value))
    }
}

/// The end of a value that is no object, or of a list with all that is in it.
fn end_of_leaf(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                at += 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => at += 1,
            _ => {
                let rest = part(bytes, at..);
                let ends =
                    |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b']' | b'}');
                at += rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The place behind a string that begins at a place.
pub(crate) fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// One character of a string's text, or half of one: how long it is there, and the bytes that it stands for.
///
/// Half of a surrogate pair without its other half, legal in JSON and in no UTF-8, stands for the three bytes that UTF-8 would
/// have for it.
pub(crate) fn unit(text: &[u8]) -> Option<(usize, Bytes)> {
    let first = *text.first()?;
    if first != b'\\' {
        let len = match first {
            0..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        return Some((len, Bytes::of(text.get(..len)?)));
    }
    let plain = match text.get(1)? {
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 12,
        b'r' => b'\r',
        b'u' => {
            let high = hex4(text.get(2..6)?)?;
            let low = match high {
                0xd800..0xdc00 if text.get(6..8) == Some(b"\\u") => text.get(8..12).and_then(hex4),
                _ => None,
            };
            return match low {
                Some(low @ 0xdc00..0xe000) => {
                    Some((12, Bytes::encode(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))))
                }
                _ => Some((6, Bytes::encode(high))),
            };
        }
        other => *other,
    };
    Some((2, Bytes::of(&[plain])))
}

/// Up to four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    bytes: [u8; 4],
    len: u8,
}

impl Bytes {
    fn of(from: &[u8]) -> Self {
        let mut bytes = [0; 4];
        bytes.iter_mut().zip(from).for_each(|(byte, from)| *byte = *from);
        Self { bytes, len: from.len().min(4) as u8 }
    }

    /// As UTF-8 has it, halves of pairs too.
    fn encode(code: u32) -> Self {
        match char::from_u32(code) {
            Some(c) => Self::of(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {
                let part = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
                Self::of(&[0xe0 | (code >> 12) as u8, part(6), part(0)])
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        part(self.bytes.as_slice(), ..usize::from(self.len))
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
}

/// What a string with its quotes stands for: the bytes of its UTF-8, or where that cannot be, of what [`unit`] says.
pub(crate) fn unquoted(string: &str) -> Cow<'_, [u8]> {
    match plain(string) {
        Some(plain) => Cow::Borrowed(plain),
        None => {
            let mut bytes = Vec::new();
            unescape(string, &mut bytes);
            Cow::Owned(bytes)
        }
    }
}

/// The same of a string without escapes: the bytes that stand there. `None` of another.
pub(crate) fn plain(string: &str) -> Option<&[u8]> {
    let text = inside(string);
    (!text.contains(&b'\\')).then_some(text)
}

/// The same of any, put behind what is in `out`.
pub(crate) fn unescape(string: &str, out: &mut Vec<u8>) {
    let mut rest = inside(string);
    out.reserve(rest.len());
    while !rest.is_empty() {
        let (run, escaped) = rest.split_at(rest.iter().position(|byte| *byte == b'\\').unwrap_or(rest.len()));
        out.extend_from_slice(run);
        let Some((len, means)) = unit(escaped) else { break };
        out.extend_from_slice(means.as_slice());
        rest = part(escaped, len..);
    }
}

/// Without its quotes.
fn inside(string: &str) -> &[u8] {
    let text = string.strip_prefix('"').unwrap_or(string);
    text.strip_suffix('"').unwrap_or(text).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_stand_for_what_they_spell() {
        for (string, bytes) in [
            (r#""""#, &b""[..]),
            (r#""aé""#, "aé".as_bytes()),
            (r#""\"\\\/\b\f\n\r\t""#, b"\"\\/\x08\x0c\n\r\t"),
            (r#""\u0041\u00e9\u20aC\ud83d\ude00""#, "Aé€\u{1f600}".as_bytes()),
            (r#""\ud800""#, b"\xed\xa0\x80"),
            (r#""\ude00\ud83d""#, b"\xed\xb8\x80\xed\xa0\xbd"),
            (r#""\ud83d\u0041\ud83dx""#, b"\xed\xa0\xbdA\xed\xa0\xbdx"),
            (r#""\ud83d\ud83d\ude00""#, b"\xed\xa0\xbd\xf0\x9f\x98\x80"),
        ] {
            assert_eq!(&*unquoted(string), bytes, "{string}");
        }
    }

    #[test]
    fn nodes_are_the_values_in_their_order() {
        let text = r#" {"a\"}" : [ {"b":1} , "]" ], "c":{}, "d" :-1.5e3 } "#;
        let texts = |nodes: &Nodes<'_>| -> Vec<String> {
            (0..nodes.nodes.len() as u32).map(|place| nodes.text(place).to_owned()).collect()
        };
        let all = Nodes::all(text).unwrap();
        let list = r#"[ {"b":1} , "]" ]"#;
        assert_eq!(texts(&all)[1..6], [r#""a\"}""#, list, r#"{"b":1}"#, r#""b""#, "1"]);
        assert_eq!(
            all.nodes.iter().map(|node| node.after).collect::<Vec<_>>(),
            [11, 2, 7, 6, 5, 6, 7, 8, 9, 10, 11]
        );
        let members = Nodes::members(text).unwrap();
        let [_, ref rest @ ..] = texts(&members)[..] else { panic!() };
        assert_eq!(rest, [r#""a\"}""#, list, r#""c""#, "{}", r#""d""#, "-1.5e3"]);
        assert_eq!(members.members_of(0).collect::<Vec<_>>(), [(1, 2), (3, 4), (5, 6)]);
        assert_eq!(members.members_of(4).count(), 0);
    }

    #[test]
    fn any_text_ends() {
        for text in ["", "{", "]]", "\"", "\"\\", "[\"", "{\"a\"", "\\", "{]}[", "\u{1f600}"] {
            let nodes = Nodes::all(text).unwrap();
            (0..=nodes.nodes.len() as u32).for_each(|place| assert!(nodes.members_of(place).count() < 9));
            Nodes::members(text).unwrap();
            unquoted(text);
        }
    }
}
