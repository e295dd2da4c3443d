//! Merges of random texts against the algorithm of RFC 7396 as it is written there, and what a merge leaves as it is.

use execstore::Json;
use execstore::identity::Identity;
use serde_json::Value;
use support::dice::Dice;

/// A random document: few keys, so that they meet, spelt in several ways, some of them twice.
fn document(dice: &mut Dice, depth: usize) -> String {
    let blank = |dice: &mut Dice| ["", "", " ", "\n\t", "\r "][dice.roll(5) as usize];
    if depth == 0 || dice.roll(3) == 0 {
        let leaves =
            ["null", "null", "1", "-0.50e+1", "\"x\"", "\"\\\"}{\\u00e9\\\\\"", "true", "[]", "\"é\""];
        return leaves[dice.roll(leaves.len() as u64) as usize].to_owned();
    }
    let list = dice.roll(6) == 0;
    let mut text = String::from(if list { "[" } else { "{" });
    let most = if dice.roll(8) == 0 { 30 } else { 5 };
    for n in 0..dice.roll(most) {
        if n > 0 {
            text.push(',');
        }
        text.push_str(blank(dice));
        if !list {
            let keys = ["a", "\\u0061", "b", "c/~", "\\\"}", "é", "\\u00E9", "", "\\ud83d\\ude00", "😀"];
            let key = match dice.roll(3) {
                0 => format!("\"k{}\"", dice.roll(20)),
                _ => format!("\"{}\"", keys[dice.roll(keys.len() as u64) as usize]),
            };
            text.push_str(&key);
            text.push_str(blank(dice));
            text.push(':');
            text.push_str(blank(dice));
        }
        text.push_str(&document(dice, depth - 1));
        text.push_str(blank(dice));
    }
    text.push(if list { ']' } else { '}' });
    text
}

/// RFC 7396, section 2.
fn merged(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut target = match target {
        Value::Object(target) => target,
        _ => serde_json::Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            let before = target.remove(&key).unwrap_or_default();
            target.insert(key, merged(before, value));
        }
    }
    Value::Object(target)
}

fn rounds() -> u64 {
    std::env::var("EXECSTORE_ROUNDS").map_or(5_000, |rounds| rounds.parse().unwrap())
}

/// The seed is printed, and shown if the test fails.
fn seeds(base: u64) -> impl Iterator<Item = u64> {
    let first = std::env::var("EXECSTORE_SEED").map_or(base, |seed| seed.parse().unwrap());
    println!("seeds from {first}; EXECSTORE_SEED repeats them");
    first..first + rounds()
}

#[test]
fn a_merge_is_what_the_rfc_says() {
    for seed in seeds(1) {
        let mut dice = Dice::new(seed);
        let (target, patch) = (document(&mut dice, 4), document(&mut dice, 4));
        let result =
            Json::from_text(&target).unwrap().merge_patch(&Json::from_text(&patch).unwrap()).unwrap();
        Json::from_text(result.as_str()).unwrap_or_else(|error| panic!("seed {seed}: {error}: {result}"));
        let expected = merged(serde_json::from_str(&target).unwrap(), serde_json::from_str(&patch).unwrap());
        assert_eq!(
            result.parse::<Value>().unwrap(),
            expected,
            "seed {seed}: {target} with {patch}: {result}"
        );
        // Once more changes nothing, to the byte.
        let again = result.merge_patch(&Json::from_text(&patch).unwrap()).unwrap();
        assert_eq!(again.parse::<Value>().unwrap(), expected, "seed {seed}");
        // What no patch reaches is there as it was spelt.
        let marker = format!("{{\"untouched\": {target} ,\"p\":{patch}}}");
        let kept = Json::from_text(&marker).unwrap();
        let kept = kept.merge_patch(&Json::from_text(&format!("{{\"p\":{target}}}")).unwrap()).unwrap();
        let front = format!("{{\"untouched\":{target}");
        assert!(kept.as_str().starts_with(&front), "seed {seed}: {kept}");
    }
}

#[test]
fn inputs_that_say_the_same_have_one_id() {
    for seed in seeds(500_000).step_by(4) {
        let mut dice = Dice::new(seed);
        let text = document(&mut dice, 4);
        let id = |text: &str| Identity::new("j", "t").inputs(Json::from_text(text).unwrap()).id();
        let value: Value = serde_json::from_str(&text).unwrap();
        // A parse forgets white space, order and spelling; repeated keys it forgets too, and those are refused.
        match id(&text) {
            Ok(found) => assert_eq!(found, id(&value.to_string()).unwrap(), "seed {seed}: {text}"),
            Err(error) => assert!(error.to_string().contains("is repeated"), "seed {seed}: {error}"),
        }
    }
}
