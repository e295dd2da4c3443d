//! A short number for what somebody asked, to see later that the same is asked again. Pure.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A text that goes through other hands, with a check at its end.
pub(crate) fn with_check(text: &str) -> String {
    format!("{text}{:08x}", check_of(text))
}

/// What was given to [`with_check`]; `None` if it was cut or altered on its way.
pub(crate) fn without_check(text: &str) -> Option<&str> {
    let (text, check) = text.split_at_checked(text.len().checked_sub(8)?)?;
    (check == format!("{:08x}", check_of(text))).then_some(text)
}

fn check_of(text: &str) -> u64 {
    xxh3_64(text.as_bytes()) >> 32
}

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
        self.text(text.unwrap_or(""));
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

/// What may become of a text on its way: cut at either end, doubled in part, another character anywhere.
#[cfg(test)]
pub(crate) fn altered(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for at in 0..text.len() {
        all.extend([text[..at].to_owned(), format!("{text}{}", &text[at..])]);
        all.extend((at > 0).then(|| text[at..].to_owned()));
        for other in "09afz-".chars() {
            all.push(format!("{}{other}{}", &text[..at], &text[at + 1..]));
        }
    }
    all.retain(|other| other != text);
    all
}
