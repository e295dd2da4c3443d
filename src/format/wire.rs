//! The primitives of the encodings: numbers of variable length, texts, and UUIDs in 16 bytes.

use uuid::Uuid;

use super::{FRAME, Reason};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// Appends primitives to a value.
pub(crate) struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// Begins a value: room for its frame.
    pub(crate) fn frame(out: &'a mut Vec<u8>) -> Self {
        out.clear();
        out.resize(FRAME, 0);
        Self(out)
    }

    /// Goes on behind what is there.
    pub(crate) fn append(out: &'a mut Vec<u8>) -> Self {
        Self(out)
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// LEB128: seven bits a byte, least significant first.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(crate) fn fixed(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn time(&mut self, time: Timestamp) {
        self.fixed(time.as_nanos().cast_unsigned());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A text that is often a UUID: 1 and 16 bytes if it is one in its canonical spelling, else twice the
    /// length and the bytes.
    pub(crate) fn id(&mut self, text: &str) {
        match canonical_uuid(text) {
            Some(uuid) => {
                self.0.push(1);
                self.0.extend_from_slice(uuid.as_bytes());
            }
            None => {
                self.number(text.len() as u64 * 2);
                self.0.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// Appends what a function makes.
    pub(crate) fn through(&mut self, make: impl FnOnce(&mut Vec<u8>)) {
        make(self.0);
    }

    pub(crate) fn rest(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// The UUID that this text spells in lower case with hyphens, the spelling that comes back out.
pub(crate) fn canonical_uuid(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    let dashes = [8, 13, 18, 23].iter().all(|place| bytes.get(*place) == Some(&b'-'));
    if bytes.len() != 36 || !dashes || bytes.iter().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse_ascii(bytes).ok()
}

/// Reads primitives from a value's body. Never reads beyond it.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Reason> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or("the value ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Reason> {
        let (byte, rest) = self.0.split_first().ok_or("the value ends too early")?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Reason> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too large".into())
    }

    pub(crate) fn fixed(&mut self) -> Result<u64, Reason> {
        let bytes = self.take(8)?.try_into().map_err(|_| "the value ends too early")?;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, Reason> {
        Ok(Timestamp::from_nanos(self.fixed()?.cast_signed()))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Reason> {
        let len = self.number()?;
        self.raw(len)
    }

    pub(crate) fn raw(&mut self, len: u64) -> Result<&'a [u8], Reason> {
        self.take(usize::try_from(len).map_err(|_| "a length is too large")?)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Reason> {
        utf8(self.bytes()?)
    }

    pub(crate) fn id(&mut self) -> Result<Text, Reason> {
        let tag = self.number()?;
        if tag == 1 {
            let uuid = Uuid::from_slice(self.take(16)?).map_err(|e| e.to_string())?;
            let mut text = [0; 36];
            return Ok(Text::from(&*uuid.hyphenated().encode_lower(&mut text)));
        }
        if tag % 2 == 1 {
            return Err("an id has an unknown form".into());
        }
        let len = usize::try_from(tag / 2).map_err(|_| "a length is too large")?;
        utf8(self.take(len)?).map(Text::from)
    }

    pub(crate) fn hash(&mut self) -> Result<[u8; 32], Reason> {
        self.take(32)?.try_into().map_err(|_| "the value ends too early".into())
    }

    /// What is left, without reading it.
    pub(crate) fn ahead(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn bytes_to_end(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn rest(&mut self) -> Result<&'a str, Reason> {
        utf8(std::mem::take(&mut self.0))
    }

    /// The value must be used up.
    pub(crate) fn end(&self) -> Result<(), Reason> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes are left over", self.0.len())) }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Reason> {
    std::str::from_utf8(bytes).map_err(|e| format!("a text is not UTF-8: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primitives_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
        let upper = uuid.to_uppercase();
        let ids = ["", "a", "x".repeat(128).leak(), uuid, &upper, "01890a5dac96774bbcceb302099a8057", "é"];
        let mut out = Vec::new();
        let mut w = Writer::frame(&mut out);
        numbers.iter().for_each(|n| w.number(*n));
        ids.iter().for_each(|id| w.id(id));
        w.text("né");
        w.fixed(7);
        w.rest("rest".as_bytes());
        let mut r = Reader::new(&out[FRAME..]);
        numbers.iter().for_each(|n| assert_eq!(r.number().unwrap(), *n));
        ids.iter().for_each(|id| assert_eq!(r.id().unwrap().as_str(), *id));
        assert_eq!((r.text().unwrap(), r.fixed().unwrap(), r.rest().unwrap()), ("né", 7, "rest"));
        assert!(r.end().is_ok() && r.byte().is_err());
    }

    #[test]
    fn bad_bytes_are_errors() {
        assert!(Reader::new(&[0xff; 10]).number().is_err());
        assert!(Reader::new(&[0x80]).number().is_err());
        assert!(Reader::new(&[5, b'a']).text().is_err());
        assert!(Reader::new(&[1, 0xff]).text().is_err());
        assert!(Reader::new(&[3, 0]).id().is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).bytes().is_err());
    }
}
