//! Large payloads, full of what costs most: depth, members, numbers, escapes, white space, marks. What is not linear does not end.

use execstore::error::InputError;
use execstore::identity::Identity;
use execstore::options::LargeValues;
use execstore::{Error, Json, NewExecution, Query, Readable, Store, Update};
/// How large the documents are; measured once with the largest. With room for a member more.
const FULL: usize = 2 * 1024 * 1024 - 64;

fn repeated(front: &str, unit: &str, end: &str) -> String {
    format!("{front}{}{end}", unit.repeat((FULL - front.len() - end.len()) / unit.len()))
}

/// A document of that size, its members numbered.
fn members(member: impl Fn(usize) -> String) -> String {
    let mut text = String::from("{\"first\":0");
    for n in 0.. {
        let next = member(n);
        if text.len() + next.len() + 2 > FULL {
            break;
        }
        text.push(',');
        text.push_str(&next);
    }
    text + "}"
}

fn documents() -> Vec<(&'static str, String)> {
    let depth = FULL / 5 - 1;
    vec![
        ("depth of objects", format!("{}1{}", "{\"\":".repeat(depth), "}".repeat(depth))),
        ("depth of lists", format!("{}{}", "[".repeat(FULL / 2), "]".repeat(FULL / 2))),
        ("members", members(|n| format!("\"k{n}\":{n}"))),
        ("the same member", members(|_| "\"\":0".into())),
        ("keys with escapes", members(|n| format!("\"\\u006b{n}\\n\":\"\""))),
        ("a number", repeated("", "9", "")),
        ("numbers", repeated("[0", ",1", "]")),
        ("escapes", repeated("\"", "\\u0041", "\"")),
        ("halves of pairs", repeated("{\"k\":\"", "\\ud800", "\"}")),
        ("backslashes", repeated("\"", "\\\\", "\"")),
        ("white space", repeated("{", "\n", "}")),
        ("objects in objects", members(|n| format!("\"o{n}\":{{\"a\":{{\"b\":{{}}}}}}"))),
        (
            "what begins like marks",
            members(|n| format!("\"m{n}\":{{\"$attachment\":\"execstore/payload/x\"}}")),
        ),
    ]
}

#[test]
fn large_documents_are_merged_and_named() {
    for (what, text) in documents() {
        let document = Json::from_text(&text).expect(what);
        assert!(text.len() <= FULL && text.len() > FULL - 64, "{what}: {}", text.len());
        let twice = document.merge_patch(&document).unwrap();
        assert!(twice.as_str().len() <= text.len(), "{what}");
        let small = Json::from_text("{\"first\":{\"a\":null},\"more\":1}").unwrap();
        assert!(document.merge_patch(&small).unwrap().as_str().ends_with("\"more\":1}"), "{what}");
        assert_eq!(small.merge_patch(&document).unwrap().is_object(), document.is_object(), "{what}");
        // Named, or refused with the reason.
        if let Err(error) = Identity::new("j", "t").inputs(document).id() {
            assert!(matches!(error, InputError::Invalid { what: "identity inputs", .. }), "{what}");
        }
    }
}

#[test]
fn large_payloads_pass_every_policy() {
    for policy in [
        LargeValues::Keep,
        LargeValues::Refuse(1_000),
        LargeValues::Truncate(100),
        LargeValues::Attach(1_000),
    ] {
        let limit = FULL + 64;
        let store = Store::builder().set_large_values(policy).set_max_payload(limit).in_memory().unwrap();
        for (what, text) in documents() {
            let document = Json::from_text(&text).unwrap();
            let created = store.create(NewExecution::new("j").id(what).payload(document.clone()));
            match created {
                Err(error) => assert!(
                    matches!(error, Error::Input(InputError::TooLarge { .. })) && policy != LargeValues::Keep,
                    "{what}, {policy:?}: {error}"
                ),
                Ok(_) => {
                    let update = Update::new().merge_payload(Json::from_text("{\"first\":1}").unwrap());
                    store.update(what, update).unwrap();
                    let after = store.get(what).unwrap().unwrap();
                    let update = Update::new().payload(after.payload_json().clone()).message("again");
                    store.update(what, update).unwrap();
                    store.delete(what).unwrap();
                }
            }
        }
        assert_eq!(store.read(|r| Ok(r.query(&Query::new()).count()?)).unwrap(), 0);
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "\u{feff}1",
        "\u{feff}{}",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "-",
        "--1",
        "0x1",
        "NaN",
        "Infinity",
        "tru",
        "True",
        "nulll",
        "'a'",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\n\"",
        "\"\t\"",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{1:1}",
        "[",
        "{",
        "]",
        "}",
        "[}",
        "1 1",
        "\u{a0}1",
        "/**/1",
    ] {
        assert!(Json::from_text(text).is_err(), "{text:?}");
    }
    for text in [
        "-0",
        "1e400",
        "-1E-400",
        "0.0e+00",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\u{7f}\u{2028}\"",
        "{\"\":{\"\":[]}}",
    ] {
        let document = Json::from_text(&format!(" \r\n\t{text}\n")).unwrap();
        assert_eq!(document.as_str(), text);
    }
}
