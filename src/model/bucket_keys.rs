//! Keys of parts, in bytes that sort as the parts do: integers big-endian, with the sign turned; texts and bytes ended by two zero bytes,
//! a zero byte within them followed by 0xff. The idea is that of FoundationDB's tuple layer; the types are known here, so that no byte
//! says which they are. Pure.

use crate::model::text::Text;

/// What a key, or a part of one, can be made of: integers, `bool`, texts, bytes, arrays of bytes, and tuples of up to six of them.
///
/// Keys sort as their parts do, the first part first; and the key of the first parts alone is a prefix of every key that begins with
/// them, and of no other.
pub trait BucketKey {
    /// Appends its bytes.
    fn write_key(&self, out: &mut Vec<u8>);
}

/// The bytes are no key of the parts that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the key: {expected}, and {found}")]
pub struct KeyError {
    /// Where.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}

/// A key of a bucket, of parts.
///
/// ```
/// use execstore::buckets::{key, parse_key};
///
/// let due = key(&("tenant-1", 1_700_000_000_u64, 7_u32));
/// assert!(due < key(&("tenant-1", 1_700_000_001_u64, 0_u32)));
/// assert!(due.starts_with(&key(&("tenant-1", 1_700_000_000_u64))));
/// assert!(!due.starts_with(&key(&"tenant")));
/// let (tenant, at, number): (String, u64, u32) = parse_key(&due)?;
/// assert_eq!((tenant.as_str(), at, number), ("tenant-1", 1_700_000_000, 7));
/// # Ok::<(), execstore::buckets::KeyError>(())
/// ```
pub fn key(parts: &(impl BucketKey + ?Sized)) -> Vec<u8> {
    let mut out = Vec::new();
    parts.write_key(&mut out);
    out
}

/// The parts of a key that [`key`] made, of the same types; owned texts and bytes for borrowed ones. Every byte must be used.
pub fn parse_key<T: ParseKey>(bytes: impl AsRef<[u8]>) -> Result<T, KeyError> {
    let mut rest = Rest { all: bytes.as_ref(), at: 0 };
    let parts = T::read_key(&mut rest)?;
    match rest.all.len() - rest.at {
        0 => Ok(parts),
        left => Err(rest.error("the end", format!("{left} bytes are left"))),
    }
}

/// What [`parse_key`] gives: the owned form of a [`BucketKey`].
pub trait ParseKey: Sized {
    /// Takes it off the front.
    #[doc(hidden)]
    fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError>;
}

/// The bytes of a key that are left.
#[doc(hidden)]
#[derive(Debug)]
pub struct Rest<'k> {
    all: &'k [u8],
    at: usize,
}

impl<'k> Rest<'k> {
    fn error(&self, expected: &'static str, found: impl Into<String>) -> KeyError {
        KeyError { at: self.at, expected, found: found.into() }
    }

    fn left(&self) -> &'k [u8] {
        self.all.get(self.at..).unwrap_or_default()
    }

    fn take<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], KeyError> {
        let left = self.left();
        let Some(bytes) = left.first_chunk::<N>() else {
            return Err(self.error(expected, format!("{} bytes are left", left.len())));
        };
        self.at += N;
        Ok(*bytes)
    }

    fn text(&mut self) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::new();
        loop {
            match *self.left() {
                [0, 0, ..] => {
                    self.at += 2;
                    return Ok(bytes);
                }
                [0, 0xff, ..] => {
                    bytes.push(0);
                    self.at += 2;
                }
                [0, other, ..] => {
                    return Err(self.error("0 or 255 after a zero byte", other.to_string()));
                }
                [0] | [] => return Err(self.error("the end of a text or of bytes", "the key ends")),
                [byte, ..] => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
    }
}

macro_rules! integers {
    ($($unsigned:ident $signed:ident),+) => {$(
        impl BucketKey for $unsigned {
            fn write_key(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }

        impl ParseKey for $unsigned {
            fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
                rest.take(concat!("a ", stringify!($unsigned))).map(Self::from_be_bytes)
            }
        }

        impl BucketKey for $signed {
            fn write_key(&self, out: &mut Vec<u8>) {
                (self.cast_unsigned() ^ ($unsigned::MAX / 2 + 1)).write_key(out);
            }
        }

        impl ParseKey for $signed {
            fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
                let turned = rest.take(concat!("an ", stringify!($signed))).map($unsigned::from_be_bytes)?;
                Ok((turned ^ ($unsigned::MAX / 2 + 1)).cast_signed())
            }
        }
    )+};
}
integers!(u8 i8, u16 i16, u32 i32, u64 i64, u128 i128);

impl BucketKey for bool {
    fn write_key(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl ParseKey for bool {
    fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
        match *rest.left() {
            [byte @ (0 | 1), ..] => {
                rest.at += 1;
                Ok(byte == 1)
            }
            [other, ..] => Err(rest.error("a bool", other.to_string())),
            [] => Err(rest.error("a bool", "the key ends")),
        }
    }
}

fn write_text(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

macro_rules! texts {
    ($($type:ty),+) => {$(
        impl BucketKey for $type {
            fn write_key(&self, out: &mut Vec<u8>) {
                write_text(AsRef::<[u8]>::as_ref(self), out);
            }
        }
    )+};
}
texts!(str, String, [u8], Vec<u8>);

impl BucketKey for Text {
    fn write_key(&self, out: &mut Vec<u8>) {
        write_text(self.as_str().as_bytes(), out);
    }
}

impl ParseKey for String {
    fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
        let at = rest.at;
        let bytes = rest.text()?;
        String::from_utf8(bytes).map_err(|error| KeyError {
            at,
            expected: "a text in UTF-8",
            found: error.to_string(),
        })
    }
}

impl ParseKey for Vec<u8> {
    fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
        rest.text()
    }
}

/// As they are: their number is known.
impl<const N: usize> BucketKey for [u8; N] {
    fn write_key(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> ParseKey for [u8; N] {
    fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
        rest.take("an array of bytes")
    }
}

impl<T: BucketKey + ?Sized> BucketKey for &T {
    fn write_key(&self, out: &mut Vec<u8>) {
        (**self).write_key(out);
    }
}

macro_rules! tuples {
    ($($($part:ident $place:tt),+;)+) => {$(
        impl<$($part: BucketKey),+> BucketKey for ($($part,)+) {
            fn write_key(&self, out: &mut Vec<u8>) {
                $(self.$place.write_key(out);)+
            }
        }

        impl<$($part: ParseKey),+> ParseKey for ($($part,)+) {
            fn read_key(rest: &mut Rest<'_>) -> Result<Self, KeyError> {
                Ok(($($part::read_key(rest)?,)+))
            }
        }
    )+};
}
tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parts = (String, i64, Vec<u8>, u16, bool, [u8; 2]);

    /// Few bytes, those that the encoding uses among them, so that parts are often prefixes of others.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0_u8, 1, 0xfe, 0xff]), 0..5)
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let text = prop::collection::vec(prop::sample::select(vec!['\0', 'a', '\u{7ff}', '\u{ffff}']), 0..4);
        let number = prop_oneof![any::<i64>(), -2..3_i64, Just(i64::MIN), Just(i64::MAX)];
        (text.prop_map(String::from_iter), number, bytes(), any::<u16>(), any::<bool>(), any::<[u8; 2]>())
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_parts_and_come_back(one in parts(), other in parts()) {
            prop_assert_eq!(key(&one).cmp(&key(&other)), one.cmp(&other));
            prop_assert_eq!(parse_key::<Parts>(key(&one)), Ok(one.clone()));
            // Of the first parts alone.
            let (front, all) = (key(&(&one.0, one.1)), key(&other));
            prop_assert_eq!(all.starts_with(&front), (&one.0, one.1) == (&other.0, other.1));
        }

        #[test]
        fn what_is_no_key_is_an_error_that_names_the_place(bytes in bytes()) {
            if let Ok(parts) = parse_key::<(Vec<u8>, bool)>(&bytes) {
                prop_assert_eq!(key(&parts), bytes);
            }
        }
    }

    #[test]
    fn errors_say_where_and_what() {
        let error = parse_key::<(u8, u32)>([1, 2, 3]).unwrap_err();
        assert_eq!(error.to_string(), "byte 1 of the key: a u32, and 2 bytes are left");
        let error = parse_key::<u8>([1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "byte 1 of the key: the end, and 1 bytes are left");
        let error = parse_key::<String>([0x61, 0, 7]).unwrap_err();
        assert_eq!(error.to_string(), "byte 1 of the key: 0 or 255 after a zero byte, and 7");
    }
}
