//! A short number for what somebody asked, to see later that the same is asked again. Pure.

use xxhash_rust::xxh3::Xxh3;

/// Takes in what is asked, part by part; the same parts in the same order give the same number, in every release.
pub(crate) struct Fingerprint(Xxh3);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(Xxh3::new())
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    /// A part that may be left out.
    pub(crate) fn optional(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    /// Parts whose order and repetition do not matter.
    pub(crate) fn set<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        let mut texts: Vec<_> = texts.into_iter().collect();
        texts.sort_unstable();
        texts.dedup();
        self.number(texts.len() as u64);
        texts.into_iter().for_each(|text| self.text(text));
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.digest()
    }
}
