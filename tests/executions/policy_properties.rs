//! Random payloads, patches and policies: what the store merges is what RFC 7386 says of the document with every moved value in its place, and a
//! policy touches what is written and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use execstore::options::LargeValues;
use execstore::redb::Database;
use execstore::redb::backends::InMemoryBackend;
use execstore::{Json, NewExecution, Readable, Store, Update};
use serde_json::Value;
use support::dice::Dice;

/// The size of every policy. Random values are far below or far above.
const SIZE: usize = 100;

/// What is written, and what it means: the same but where a mark stands for a value.
struct Text {
    written: String,
    meant: String,
}

impl Text {
    fn plain(text: impl Into<String>) -> Self {
        let written = text.into();
        Self { meant: written.clone(), written }
    }
}

fn leaf(dice: &mut Dice, marks: &[(String, String)]) -> Text {
    let c = ["a", "é", "\\n", "\\u0041", "😀"][dice.roll(5) as usize];
    match dice.roll(8) {
        0 => Text::plain(format!("\"{}\"", c.repeat(150 + dice.roll(200) as usize))),
        1 => Text::plain(format!("[{}{{\"k\":\"{c}\"}}]", "1, ".repeat(80 + dice.roll(60) as usize))),
        2 if !marks.is_empty() => {
            let (mark, value) = &marks[dice.roll(marks.len() as u64) as usize];
            Text { written: mark.clone(), meant: value.clone() }
        }
        _ => {
            Text::plain(["1", "-0.50e+1", "true", "[]", "\"x\"", "\"é\"", "[null,1]"][dice.roll(7) as usize])
        }
    }
}

/// Few keys, so that they meet, none of them twice, in several spellings. With removals, if it is a patch.
fn document(dice: &mut Dice, depth: usize, patch: bool, marks: &[(String, String)]) -> Text {
    if depth == 0 || dice.roll(8) == 0 {
        return leaf(dice, marks);
    }
    let (mut written, mut meant) = (String::from("{"), String::from("{"));
    for spellings in [["a", "\\u0061"], ["b", "b"], ["c/~", "c/\\u007e"], ["é", "\\u00e9"], ["", ""]] {
        if dice.roll(2) == 0 {
            continue;
        }
        let value = match dice.roll(5) {
            0 if patch => Text::plain("null"),
            1 | 2 => leaf(dice, marks),
            _ => document(dice, depth - 1, patch, marks),
        };
        let key = spellings[dice.roll(2) as usize];
        let comma = if written.len() > 1 { "," } else { "" };
        written.push_str(&format!("{comma} \"{key}\" :{}", value.written));
        meant.push_str(&format!("{comma}\"{key}\":{}", value.meant));
    }
    written.push('}');
    meant.push('}');
    Text { written, meant }
}

/// RFC 7386, section 2.
fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(target) => target,
        _ => serde_json::Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            let before = target.remove(key).unwrap_or_default();
            target.insert(key.clone(), merged(before, value));
        }
    }
    Value::Object(target)
}

fn is_large(value: &Value) -> bool {
    !value.is_object() && value.to_string().len() > SIZE
}

/// The values that are written, with their places.
fn leaves(value: &Value, path: Vec<String>, found: &mut BTreeMap<Vec<String>, Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            leaves(value, path.iter().cloned().chain([key.clone()]).collect(), found)
        }),
        leaf => drop(found.insert(path, leaf.clone())),
    }
}

/// Whether a patch says anything of a place.
fn touches(patch: &Value, path: &[String]) -> bool {
    match (patch, path) {
        (Value::Object(members), [key, rest @ ..]) => {
            members.get(key).is_some_and(|value| touches(value, rest))
        }
        _ => true,
    }
}

/// A payload with its moved values in their places; and its marks, with the texts of the values, by place.
fn unmoved(
    seed: u64,
    store: &Store,
    value: &Value,
    path: Vec<String>,
    marks: &mut BTreeMap<Vec<String>, (String, String)>,
) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    if let Some(key) = members.get("$attachment") {
        let bytes = store.read(|r| Ok(r.attachments("e").bytes(key.as_str().unwrap())?)).unwrap();
        let text =
            String::from_utf8(bytes.unwrap_or_else(|| panic!("seed {seed}: {value} stands for nothing")))
                .unwrap();
        let meant = serde_json::from_str(&text).unwrap();
        marks.insert(path, (value.to_string(), text));
        return meant;
    }
    let mut whole = serde_json::Map::new();
    for (key, member) in members {
        let path = path.iter().cloned().chain([key.clone()]).collect();
        whole.insert(key.clone(), unmoved(seed, store, member, path, marks));
    }
    Value::Object(whole)
}

/// Puts into what is expected what a truncation left of the large values that were written, if it is that.
fn cut(expected: &mut Value, found: &Value, written: &Value, seed: u64) {
    match written {
        Value::Object(members) => {
            for (key, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                if let (Some(expected), Some(found)) = (expected.get_mut(key), found.get(key)) {
                    cut(expected, found, member, seed);
                }
            }
        }
        leaf if is_large(leaf) => {
            let left = found.as_str().unwrap_or_else(|| panic!("seed {seed}: {found} of {leaf}"));
            let beginning = &left[..left.rfind('[').unwrap()].trim_end();
            assert!(left.ends_with(" bytes cut]") && left.len() <= SIZE + 40, "seed {seed}: {left}");
            assert!(
                leaf.as_str().unwrap_or_default().starts_with(beginning),
                "seed {seed}: {left} of {leaf}"
            );
            *expected = found.clone();
        }
        _ => {}
    }
}

struct Case {
    db: Arc<Database>,
    store: Store,
    policy: LargeValues,
    seed: u64,
    /// The payload as it would be without any policy but the truncations that there were.
    meant: Value,
    marks: BTreeMap<Vec<String>, (String, String)>,
}

impl Case {
    fn new(seed: u64, policy: LargeValues) -> Self {
        let db = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let db = Arc::new(db);
        let store = Store::builder().set_large_values(policy).attach(db.clone()).unwrap();
        Self { db, store, policy, seed, meant: Value::Null, marks: BTreeMap::new() }
    }

    fn reopen(&mut self, policy: LargeValues) {
        self.store = Store::builder().set_large_values(policy).attach(self.db.clone()).unwrap();
        self.policy = policy;
    }

    /// What was written must have made this of the payload.
    fn check(&mut self, mut expected: Value, written: &Value, whole: bool) {
        let (seed, policy) = (self.seed, self.policy);
        let payload =
            self.store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().payload_json().as_str().to_owned();
        let mut marks = BTreeMap::new();
        let found =
            unmoved(seed, &self.store, &serde_json::from_str(&payload).unwrap(), Vec::new(), &mut marks);
        if matches!(policy, LargeValues::Truncate(_)) {
            cut(&mut expected, &found, written, seed);
        }
        assert_eq!(found, expected, "seed {seed}, {policy:?}: {written}");
        let mut new = BTreeMap::new();
        leaves(written, Vec::new(), &mut new);
        for (path, mark) in &self.marks {
            if !whole && !touches(written, path) {
                assert_eq!(marks.get(path), Some(mark), "seed {seed}: nobody touched {path:?}");
            }
        }
        for path in marks.keys().filter(|path| !self.marks.contains_key(*path)) {
            let moved = matches!(policy, LargeValues::Attach(_)) && new.get(path).is_some_and(is_large);
            assert!(moved, "seed {seed}, {policy:?}: {path:?} was moved by {written}");
        }
        if matches!(policy, LargeValues::Attach(_)) {
            for path in new.iter().filter(|(_, value)| is_large(value)).map(|(path, _)| path) {
                assert!(marks.contains_key(path), "seed {seed}: {path:?} was not moved by {written}");
            }
        }
        let r = self.store.begin_read().unwrap();
        assert_eq!(r.attachments("e").list().unwrap().count(), marks.len(), "seed {seed}: one for each mark");
        (self.meant, self.marks) = (expected, marks);
    }

    fn step(&mut self, dice: &mut Dice) {
        let whole = dice.roll(6) == 0;
        // A mark in another place is a value that is written there.
        let marks: Vec<_> = match self.policy {
            LargeValues::Keep | LargeValues::Attach(_) => self.marks.values().cloned().collect(),
            _ => Vec::new(),
        };
        let text = document(dice, 3, !whole, &marks);
        let written: Value = serde_json::from_str(&text.meant).unwrap();
        let json = Json::from_text(&text.written).unwrap();
        let (update, expected) = match whole {
            true => (Update::new().payload(json), written.clone()),
            false => (Update::new().merge_payload(json), merged(self.meant.clone(), &written)),
        };
        let before = self.store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
        let result = self.store.update("e", update);
        let mut new = BTreeMap::new();
        leaves(&written, Vec::new(), &mut new);
        if matches!(self.policy, LargeValues::Refuse(_)) && new.values().any(is_large) {
            assert!(result.is_err(), "seed {}: {}", self.seed, text.written);
            let after = self.store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
            assert_eq!(after.payload_json().as_str(), before.payload_json().as_str());
            return;
        }
        result.unwrap_or_else(|error| panic!("seed {}: {error}: {}", self.seed, text.written));
        self.check(expected, &written, whole);
    }
}

fn policy(dice: &mut Dice) -> LargeValues {
    match dice.roll(5) {
        0 => LargeValues::Keep,
        1 => LargeValues::Refuse(SIZE),
        2 => LargeValues::Truncate(SIZE),
        _ => LargeValues::Attach(SIZE),
    }
}

#[test]
fn a_merge_through_the_store_is_one_of_the_document_without_marks() {
    let rounds = std::env::var("EXECSTORE_ROUNDS").map_or(200, |rounds| rounds.parse().unwrap());
    let first: u64 = std::env::var("EXECSTORE_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("seeds from {first}; EXECSTORE_SEED repeats them");
    for seed in first..first + rounds {
        let mut dice = Dice::new(seed);
        let first = [LargeValues::Keep, LargeValues::Attach(SIZE), LargeValues::Truncate(SIZE)];
        let mut case = Case::new(seed, first[dice.roll(3) as usize]);
        let text = document(&mut dice, 3, false, &[]);
        let written: Value = serde_json::from_str(&text.meant).unwrap();
        let new = NewExecution::new("j").id("e").payload(Json::from_text(&text.written).unwrap());
        case.store.create(new).unwrap();
        case.check(written.clone(), &written, true);
        for _ in 0..10 {
            if dice.roll(2) == 0 {
                case.reopen(policy(&mut dice));
            }
            case.step(&mut dice);
        }
        let report = case.store.verify().unwrap();
        assert!(report.is_clean(), "seed {seed}: {report}");
    }
}
