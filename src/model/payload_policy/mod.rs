//! What becomes of large values in payloads. Pure.

mod mark;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::error::{InputError, ReadError, WriteError};
use crate::model::hash::Hash;
use crate::model::json::{Json, Nodes, TooLong, Values, merge, quoted, rewrite, unit, unquoted};
use crate::model::limits::check_size;
use crate::model::part::part;
use crate::model::text::Text;

use mark::{Mark, Pointer};
use serde::{Deserialize, Serialize};

/// What to do about a value in a payload that is larger than a size; see
/// [`Builder::set_large_values`](crate::Builder::set_large_values).
///
/// A value is any non-object value in a payload, at any depth of objects, or the payload itself: a large
/// text, number or list. Its size is that of its JSON text. A policy is applied to the values that an operation writes: to all
/// of a payload that is given whole, and to those in a merge patch. What a patch does not name stays as it is, whatever the policy was when it
/// was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LargeValues {
    /// Keep it where it is. The default.
    #[default]
    Keep,
    /// Refuse the operation, if a value has more bytes than this.
    Refuse(#[serde(with = "crate::model::json::count::size")] usize),
    /// Keep the beginning of a text, and nothing of another value, so that about this many bytes are left, and a mark that says
    /// how many bytes were cut: `"the beginning [12345 bytes cut]"`. The mark is at most 40 bytes; a value that is shorter than what would be left of
    /// it stays.
    Truncate(#[serde(with = "crate::model::json::count::size")] usize),
    /// Move it to an attachment, if it has more bytes than this, and leave `{"$attachment": KEY, "bytes": SIZE, "sha256": HASH}`, a mark.
    ///
    /// The attachment is JSON, and its key is `execstore/payload` and the value's JSON pointer (RFC 6901), or if that has more than 256 bytes, or has
    /// half of a surrogate pair, `execstore/payload#` and the pointer's SHA-256. Attachments of values that a new payload no longer
    /// has are deleted with the update; so the payloads before it, in the change log, keep the mark alone. Of repeated keys the
    /// value of the last is kept.
    ///
    /// A mark counts as the value that it stands for, under whatever policy the store is opened later: where it stands it stays; a
    /// patch that has an object in its place replaces it; copied to another place of the same payload, the value is copied, and is one that
    /// is written there. It is known by the key, size and hash of an attachment that the store moved there; anything else that looks like one, and one
    /// that was taken from another execution, is an ordinary object.
    Attach(#[serde(with = "crate::model::json::count::size")] usize),
}

/// The keys of attachments that values were moved to begin so.
pub(crate) const OFFLOADED: &str = "execstore/payload";

/// The values that were moved out of an execution's payload: size and hash by key, nothing where the row is damaged.
pub(crate) type Known = BTreeMap<Text, Option<(u64, Hash)>>;

/// Reads the value that was moved to an attachment.
pub(crate) type Fetch<'a> = &'a dyn Fn(&str) -> Result<String, ReadError>;

/// A payload after the policy, and the values that were moved, by their keys.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fitted {
    pub(crate) payload: Json,
    pub(crate) moved: BTreeMap<String, Moved>,
}

/// A value that was moved, and its hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) value: String,
    pub(crate) sha256: Hash,
}

/// A payload may have marks of values that were moved.
pub(crate) fn may_have_moved(payload: &Json) -> bool {
    Mark::may_be_in(payload.as_str())
}

/// Those of the known values that a payload has marks of.
pub(crate) fn kept(payload: &Json, known: &Known) -> BTreeSet<String> {
    Mark::all_in(payload.as_str()).filter(|mark| stands(mark, known)).map(|mark| mark.key).collect()
}

fn stands(mark: &Mark, known: &Known) -> bool {
    known.get(mark.key.as_str()).is_some_and(|row| row.is_none_or(|row| row == (mark.bytes, mark.sha256)))
}

impl LargeValues {
    /// The largest payload that is looked at, if the largest that is kept is this: the policy comes first.
    pub(crate) fn before(self, max_payload: usize) -> usize {
        match self {
            LargeValues::Keep | LargeValues::Refuse(_) => max_payload,
            LargeValues::Truncate(_) | LargeValues::Attach(_) => usize::MAX,
        }
    }

    fn most(self) -> usize {
        match self {
            LargeValues::Keep => usize::MAX,
            LargeValues::Refuse(most) | LargeValues::Truncate(most) | LargeValues::Attach(most) => most,
        }
    }

    /// Applies the policy to a payload that is given whole.
    pub(crate) fn fit(self, payload: Json, known: &Known, fetch: Fetch<'_>) -> Result<Fitted, WriteError> {
        if payload.as_str().len() <= self.most() && known.is_empty() {
            return Ok(Fitted { payload, moved: BTreeMap::new() });
        }
        let mut fitting = Fitting::new(self, known, fetch);
        let text = rewrite(payload.as_str(), &mut fitting)?;
        Ok(Fitted { payload: Json::from_stored(&text), moved: fitting.moved })
    }

    /// Applies a merge patch to a payload, and the policy to what the patch writes.
    pub(crate) fn fit_merged(
        self,
        before: &Json,
        patch: &Json,
        known: &Known,
        fetch: Fetch<'_>,
    ) -> Result<Fitted, WriteError> {
        let mut fitting = Fitting::new(self, known, fetch);
        let text = merge(before.as_str(), patch.as_str(), &mut fitting)?;
        Ok(Fitted { payload: Json::from_stored(&text), moved: fitting.moved })
    }
}

/// The policy at work on one payload.
struct Fitting<'a> {
    policy: LargeValues,
    known: &'a Known,
    fetch: Fetch<'a>,
    pointer: Pointer,
    moved: BTreeMap<String, Moved>,
}

impl<'a> Fitting<'a> {
    fn new(policy: LargeValues, known: &'a Known, fetch: Fetch<'a>) -> Self {
        Self { policy, known, fetch, pointer: Pointer::default(), moved: BTreeMap::new() }
    }

    /// A value by itself, without marks.
    fn fit(&mut self, value: &str, out: &mut String) -> Result<(), InputError> {
        let most = self.policy.most();
        if value.len() <= most {
            out.push_str(value);
            return Ok(());
        }
        match self.policy {
            LargeValues::Truncate(_) => {
                let cut = truncated(value, most);
                out.push_str(if cut.len() < value.len() { &cut } else { value });
            }
            LargeValues::Attach(_) => {
                let mark = Mark::of(self.pointer.key(), value);
                out.push_str(&mark.to_string());
                self.moved.insert(mark.key, Moved { value: value.to_owned(), sha256: mark.sha256 });
            }
            LargeValues::Keep | LargeValues::Refuse(_) => check_size("payload value", value.len(), most)?,
        }
        Ok(())
    }

    /// A list, with the values in the place of the marks that are somewhere in it.
    fn expanded(&self, list: &str) -> Result<String, WriteError> {
        let nodes = Nodes::all(list)?;
        let (mut out, mut done, mut place) = (String::new(), 0, 0);
        while (place as usize) < nodes.len() {
            let object = nodes.text(place);
            let mark = object.starts_with('{').then(|| Mark::read(object)).flatten();
            let Some(mark) = mark.filter(|mark| stands(mark, self.known)) else {
                place += 1;
                continue;
            };
            let (start, end) = nodes.span(place);
            out.push_str(part(list, done..start));
            out.push_str(&(self.fetch)(&mark.key)?);
            (done, place) = (end, nodes.after(place));
        }
        out.push_str(part(list, done..));
        Ok(out)
    }
}

impl Values for Fitting<'_> {
    type Error = WriteError;

    fn is_one(&self, object: &str) -> bool {
        !self.known.is_empty() && Mark::read(object).is_some_and(|mark| stands(&mark, self.known))
    }

    fn holds_ones(&self, list: &str) -> bool {
        !self.known.is_empty() && list.contains("attachment")
    }

    fn stays(&self, object: &str) -> bool {
        object.len() <= self.policy.most()
    }

    fn enter(&mut self, key: &str) {
        self.pointer.push(&unquoted(key));
    }

    fn leave(&mut self) {
        self.pointer.pop();
    }

    fn write(&mut self, value: &str, out: &mut String) -> Result<(), WriteError> {
        if let Some(mark) = Mark::read(value) {
            let here = self.pointer.key();
            if mark.key == here {
                // Of repeated keys the last counts.
                self.moved.remove(&here);
                out.push_str(&mark.to_string());
                return Ok(());
            }
            let value = (self.fetch)(&mark.key)?;
            return Ok(self.fit(&value, out)?);
        }
        if value.starts_with('[') && self.holds_ones(value) {
            let value = self.expanded(value)?;
            return Ok(self.fit(&value, out)?);
        }
        Ok(self.fit(value, out)?)
    }
}

impl From<TooLong> for WriteError {
    fn from(TooLong(actual): TooLong) -> Self {
        InputError::TooLarge { what: "JSON document", actual, maximum: u32::MAX as usize }.into()
    }
}

/// A text's beginning with the mark, or the mark alone.
fn truncated(value: &str, most: usize) -> String {
    let Some(text) = value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return quoted(&format!("[{} bytes cut]", value.len()));
    };
    let room = most.saturating_sub(42);
    let (mut at, mut kept, mut lost) = (0, 0, 0);
    while let Some((len, means)) = unit(part(text.as_bytes(), at..)) {
        at += len;
        if at <= room {
            kept = at;
        } else {
            lost += means.as_slice().len();
        }
    }
    let kept = part(text, ..kept);
    let space = if kept.is_empty() { "" } else { " " };
    format!("\"{kept}{space}[{lost} bytes cut]\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hash::hex;
    use sha2::{Digest, Sha256};

    const NONE: Fetch<'static> = &|_| unreachable!();

    fn texts(fitted: Fitted) -> (String, Vec<(String, String)>) {
        Json::from_text(fitted.payload.as_str()).unwrap();
        let moved = fitted.moved.into_iter().map(|(key, moved)| (key, moved.value)).collect();
        (fitted.payload.as_str().to_owned(), moved)
    }

    fn fit(policy: LargeValues, payload: &str) -> Result<(String, Vec<(String, String)>), WriteError> {
        policy.fit(Json::from_text(payload).unwrap(), &Known::new(), NONE).map(texts)
    }

    /// What was moved is known, and can be fetched.
    fn known(moved: &[(String, String)]) -> Known {
        let look = |value: &str| (value.len() as u64, <Hash>::from(Sha256::digest(value)));
        moved.iter().map(|(key, value)| (key.as_str().into(), Some(look(value)))).collect()
    }

    fn refit(
        policy: LargeValues,
        before: &str,
        patch: Option<&str>,
        moved: &[(String, String)],
    ) -> Result<(String, Vec<(String, String)>), WriteError> {
        let fetch = |key: &str| Ok(moved.iter().find(|(known, _)| known == key).unwrap().1.clone());
        let before = Json::from_text(before).unwrap();
        let known = known(moved);
        let fitted = match patch {
            Some(patch) => policy.fit_merged(&before, &Json::from_text(patch).unwrap(), &known, &fetch),
            None => policy.fit(before, &known, &fetch),
        };
        fitted.map(texts)
    }

    #[test]
    fn what_is_small_keeps_its_text() {
        let payload = r#"{"a": 1.50, "b": {"c": [1, 2]}, "a": "x"}"#;
        for policy in [LargeValues::Keep, LargeValues::Refuse(41), LargeValues::Truncate(41)] {
            assert_eq!(fit(policy, payload).unwrap(), (payload.into(), vec![]));
        }
        // Beyond the size as a whole, but no value is.
        let (text, moved) = fit(LargeValues::Attach(10), payload).unwrap();
        assert_eq!((text.as_str(), moved.len()), (r#"{"a":1.50,"b":{"c": [1, 2]},"a":"x"}"#.replace("\"b\":{\"c\": [1, 2]}", "\"b\":{\"c\":[1, 2]}").as_str(), 0));
    }

    #[test]
    fn large_values_are_refused_cut_or_moved() {
        let long = "x".repeat(100);
        let payload = format!(r#"{{"text":"{long}","deep":{{"a/b~":["{long}"]}},"n":1}}"#);
        let error = fit(LargeValues::Refuse(60), &payload).unwrap_err();
        assert!(matches!(error, WriteError::Input(InputError::TooLarge { actual: 102, maximum: 60, .. })));
        let (cut, _) = fit(LargeValues::Truncate(60), &payload).unwrap();
        let kept = "x".repeat(18);
        assert_eq!(
            cut,
            format!(r#"{{"text":"{kept} [82 bytes cut]","deep":{{"a/b~":"[104 bytes cut]"}},"n":1}}"#)
        );
        let (text, moved) = fit(LargeValues::Attach(60), &payload).unwrap();
        let mark = |key: &str, value: &str| {
            let hash: [u8; 32] = Sha256::digest(value).into();
            let (bytes, hash) = (value.len(), hex(&hash));
            format!(r#"{{"$attachment":"{OFFLOADED}{key}","bytes":{bytes},"sha256":"{hash}"}}"#)
        };
        let (one, two) = (format!("\"{long}\""), format!("[\"{long}\"]"));
        let expected = format!(
            r#"{{"text":{},"deep":{{"a/b~":{}}},"n":1}}"#,
            mark("/text", &one),
            mark("/deep/a~1b~0", &two)
        );
        assert_eq!(text, expected);
        // Of repeated keys the last is kept.
        let twice = format!(r#"{{"a":{one},"a":{two}}}"#);
        assert_eq!(
            fit(LargeValues::Attach(60), &twice).unwrap().1,
            [("execstore/payload/a".to_owned(), two)]
        );
        assert_eq!(
            moved,
            [
                ("execstore/payload/deep/a~1b~0".to_owned(), format!("[\"{long}\"]")),
                ("execstore/payload/text".to_owned(), format!("\"{long}\"")),
            ]
        );
        let (text, moved) = fit(LargeValues::Attach(60), &one).unwrap();
        assert_eq!((text, moved[0].0.as_str()), (mark("", &one), "execstore/payload"));
    }

    #[test]
    fn texts_are_cut_at_characters_and_stay_within_the_size() {
        for (unit, most) in [("é", 50), ("\u{1f600}", 61), ("\\u0001", 80), ("\\\"", 45), ("a", 43), ("a", 5)]
        {
            let (cut, _) = fit(LargeValues::Truncate(most), &format!("\"{}\"", unit.repeat(500))).unwrap();
            assert!(cut.len() <= most.max(42), "{cut}");
            let whole: String = serde_json::from_str(&format!("\"{}\"", unit.repeat(500))).unwrap();
            let cut: String = serde_json::from_str(&cut).unwrap();
            let (kept, mark) = cut.rsplit_once('[').unwrap();
            let kept = kept.strip_suffix(' ').unwrap_or(kept);
            let lost: usize = mark.strip_suffix(" bytes cut]").unwrap().parse().unwrap();
            assert!(whole.starts_with(kept) && kept.len() + lost == whole.len(), "{cut}");
        }
    }

    #[test]
    fn long_pointers_are_hashed() {
        let key = "k".repeat(300);
        let (_, moved) =
            fit(LargeValues::Attach(60), &format!(r#"{{"{key}":"{}"}}"#, "x".repeat(100))).unwrap();
        assert!(moved[0].0.starts_with("execstore/payload#") && moved[0].0.len() == 18 + 64);
    }

    #[test]
    fn a_mark_counts_as_the_value_that_it_stands_for() {
        let long = |c: &str| format!("\"{}\"", c.repeat(100));
        let payload = format!("{{\"a\":{},\"b\":{{\"c\":{}}},\"n\": 1}}", long("a"), long("c"));
        let (text, moved) = fit(LargeValues::Attach(60), &payload).unwrap();
        let mark = |at: usize| Mark::of(moved[at].0.clone(), &moved[at].1).to_string();
        let all = [
            LargeValues::Keep,
            LargeValues::Refuse(60),
            LargeValues::Truncate(60),
            LargeValues::Attach(9),
            LargeValues::Attach(1_000),
        ];
        // Where it stands it stays, however it is spelt.
        for policy in all {
            assert_eq!(refit(policy, &text, None, &moved).unwrap(), (text.clone(), vec![]), "{policy:?}");
            let spelt = text.replace('/', "\\/").replace(":", " : ");
            assert_eq!(
                refit(policy, &spelt, None, &moved).unwrap().0,
                text.replace(": 1", ":1"),
                "{policy:?}"
            );
            let patch = format!("{{\"a\": {}}}", mark(0));
            assert_eq!(refit(policy, &text, Some(&patch), &moved).unwrap().0, text);
            // An object that is merged into it replaces it.
            let (patched, _) = refit(policy, &text, Some(r#"{"a":{"note":1,"no":null}}"#), &moved).unwrap();
            assert_eq!(patched, text.replace(&mark(0), "{\"note\":1}"), "{policy:?}");
            // A deeper one goes on below it.
            let (patched, _) = refit(policy, &text, Some(r#"{"b":{"d":2}}"#), &moved).unwrap();
            assert_eq!(patched, text.replace("}},\"n\"", "},\"d\":2},\"n\""), "{policy:?}");
        }
        // Elsewhere it is the value, written there.
        let copy = format!("{{\"x\": {}, \"y\": [0, {}]}}", mark(0), mark(1));
        let (kept, none) = refit(LargeValues::Keep, &copy, None, &moved).unwrap();
        assert_eq!((kept, none.len()), (format!("{{\"x\":{},\"y\":[0, {}]}}", moved[0].1, moved[1].1), 0));
        let (cut, _) = refit(LargeValues::Truncate(60), &copy, None, &moved).unwrap();
        assert!(cut.contains("aaa [82 bytes cut]") && cut.contains("\"y\":\"[107 bytes cut]\""), "{cut}");
        assert!(refit(LargeValues::Refuse(60), &copy, None, &moved).is_err());
        let (_, again) = refit(LargeValues::Attach(60), &text, Some(&copy), &moved).unwrap();
        let x = ("execstore/payload/x".to_owned(), moved[0].1.clone());
        assert_eq!(again, [x, ("execstore/payload/y".to_owned(), format!("[0, {}]", moved[1].1))]);
        // Known by more than its look.
        let made_up = text.replace("\"bytes\":102", "\"bytes\":103");
        let (walked, _) = refit(LargeValues::Attach(40), &made_up, None, &moved).unwrap();
        assert!(walked.contains("execstore/payload/a/sha256"), "{walked}");
        let (patched, _) = refit(LargeValues::Keep, &made_up, Some(r#"{"a":{"note":1}}"#), &moved).unwrap();
        assert!(patched.contains("\",\"note\":1}"), "{patched}");
    }

    #[test]
    fn only_what_a_patch_writes_is_fitted() {
        let long = "x".repeat(100);
        let before = format!("{{\"old\": \"{long}\", \"o\": {{\"old\":\"{long}\"}}}}");
        let patch = format!("{{\"o\":{{\"new\":\"{long}\"}},\"z\":1}}");
        let (text, _) = refit(LargeValues::Truncate(60), &before, Some(&patch), &[]).unwrap();
        let cut = format!("\"{} [82 bytes cut]\"", "x".repeat(18));
        assert_eq!(
            text,
            format!("{{\"old\":\"{long}\",\"o\":{{\"old\":\"{long}\",\"new\":{cut}}},\"z\":1}}")
        );
        let (text, moved) = refit(LargeValues::Attach(60), &before, Some(&patch), &[]).unwrap();
        assert_eq!((moved.len(), moved[0].0.as_str()), (1, "execstore/payload/o/new"));
        assert_eq!(text.matches(&long).count(), 2);
        // null removes, however small the size.
        let (text, _) =
            refit(LargeValues::Truncate(0), &before, Some("{\"o\":null,\"q\":{\"r\":null}}"), &[]).unwrap();
        assert_eq!(text, format!("{{\"old\":\"{long}\",\"q\":{{}}}}"));
    }

    #[test]
    fn only_the_value_that_is_too_long_is_cut() {
        let long = "x".repeat(100);
        for odd in ["\"\\ud800\"", "\"\\udc00\\ud800x\"", "\"$serde_json::private::RawValue\""] {
            let payload = format!("{{{odd}: {odd}, \"deep\": {{{odd}: \"{long}\"}}}}");
            let (text, _) = fit(LargeValues::Truncate(60), &payload).unwrap();
            let cut = format!("\"{} [82 bytes cut]\"", "x".repeat(18));
            assert_eq!(text, format!("{{{odd}:{odd},\"deep\":{{{odd}:{cut}}}}}"));
            let (text, moved) = fit(LargeValues::Attach(60), &payload).unwrap();
            assert_eq!((moved.len(), &moved[0].1), (1, &format!("\"{long}\"")));
            assert!(text.starts_with(&format!("{{{odd}:{odd},\"deep\":{{{odd}:{{\"$attachment\"")), "{text}");
        }
        let halves = format!("\"{}\"", "\\ud800".repeat(100));
        let (cut, _) = fit(LargeValues::Truncate(60), &halves).unwrap();
        assert_eq!(cut, format!("\"{} [291 bytes cut]\"", "\\ud800".repeat(3)));
        // What is left would be longer.
        assert_eq!(fit(LargeValues::Truncate(3), "\"abcdef\"").unwrap().0, "\"abcdef\"");
    }

    #[test]
    fn of_repeated_keys_the_last_counts() {
        let long = |c: &str| format!("\"{}\"", c.repeat(100));
        let (text, moved) = fit(LargeValues::Attach(60), &format!("{{\"a\":{}}}", long("a"))).unwrap();
        let mark = text.strip_prefix("{\"a\":").unwrap().strip_suffix('}').unwrap();
        let (_, left) =
            refit(LargeValues::Attach(60), &format!("{{\"a\":{},\"a\":{mark}}}", long("b")), None, &moved)
                .unwrap();
        assert_eq!(left, [], "the mark is the last");
        let (_, left) =
            refit(LargeValues::Attach(60), &format!("{{\"a\":{mark},\"a\":{}}}", long("b")), None, &moved)
                .unwrap();
        assert_eq!(left, [("execstore/payload/a".to_owned(), long("b"))]);
    }
}
