//! Odd texts.

/// Odd, and without what ids refuse: control characters, and white space at the ends.
pub const ODD_IDS: &[&str] = &[
    "\u{feff}bom",
    "\u{feff}",
    "\u{202e}drow",
    "עברית",
    "e\u{301}",
    "\u{e9}",
    "\u{212b}",
    "\u{c5}",
    "A\u{30a}",
    "\u{fb01}",
    "fi",
    "\u{1f469}\u{200d}\u{1f680}",
    "\u{10ffff}",
    "\u{378}",
    "\u{e000}",
    "\u{fffe}",
    "\u{fffd}",
    "\u{200b}",
    "ß",
    "SS",
    "ss",
    "İ",
    "i",
    "a",
    "a!",
    "a b",
    "a/",
    "a\u{ff}",
    "a\u{10ffff}",
    "ab",
    "1",
    "01",
    "null",
    "\"",
    "\\",
    "..",
    "%00",
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "01890A5D-AC96-774B-BCCE-B302099A8057",
    "01890a5d-AC96-774b-bcce-b302099a8057",
    "01890a5dac96774bbcceb302099a8057",
    "{01890a5d-ac96-774b-bcce-b302099a8057}",
    "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
    "01890a5d-ac96-774b-bcce-b302099a805",
    "01890a5d-ac96-774b-bcce-b302099a80570",
    "01890a5d-ac96-774b-bcce-b302099a805g",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

/// More, for texts that are no ids.
pub const ODD_TEXTS: &[&str] =
    &["", "\0", "a\0b", " ", "\t\r\n", "\u{7f}", "\u{85}", " a ", "\u{2028}", "\u{1b}[31m"];

pub fn odd_texts() -> impl Iterator<Item = &'static str> {
    ODD_IDS.iter().chain(ODD_TEXTS).copied()
}
