//! Documents within the caller's own types, and what JSON does not have.

use std::collections::BTreeMap;
use std::fmt::Debug;

use execstore::Json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn json(text: &str) -> Json {
    Json::from_text(text).unwrap()
}

/// Texts whose spelling a parse would lose.
const SPELT: [&str; 5] = [
    r#"{"b": 1.50,  "a":[1,	2]}"#,
    "1700000000123456789012",
    r#""\u0041\ud800""#,
    r#"{"$serde_json::private::RawValue":"no JSON"}"#,
    "1e400",
];

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Plain {
    first: Option<Json>,
    all: Vec<Json>,
    by_name: BTreeMap<String, Json>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum External {
    Newtype(Json),
    Struct { spec: Json },
    Tuple(u8, Json),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind")]
enum Internal {
    Newtype(Json),
    Struct { spec: Json },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(tag = "kind", content = "content")]
enum Adjacent {
    Newtype(Json),
    Struct { spec: Json },
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Struct { spec: Json, name: String },
    Any(Json),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    rest: Json,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Within {
    #[serde(flatten)]
    inner: Inner,
    last: Json,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Inner {
    spec: Json,
}

#[test]
fn documents_keep_their_text_within_a_type() {
    for text in SPELT {
        let plain = Plain {
            first: Some(json(text)),
            all: vec![json(text), Json::null()],
            by_name: BTreeMap::from([("k".to_owned(), json(text))]),
        };
        let written = serde_json::to_string(&plain).unwrap();
        assert_eq!(
            written,
            format!("{{\"first\":{text},\"all\":[{text},null],\"by_name\":{{\"k\":{text}}}}}")
        );
        assert_eq!(*Json::from_serialize(&plain).unwrap().as_str(), *written);
        assert_eq!(serde_json::from_str::<Plain>(&written).unwrap(), plain);
        assert_eq!(serde_json::from_reader::<_, Plain>(written.as_bytes()).unwrap(), plain);
        for external in [
            External::Newtype(json(text)),
            External::Struct { spec: json(text) },
            External::Tuple(1, json(text)),
        ] {
            let written = Json::from_serialize(&external).unwrap();
            assert!(written.as_str().contains(text));
            assert_eq!(written.parse::<External>().unwrap(), external);
        }
    }
}

/// What comes out says the same as what went in, and reads back.
fn says_the_same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, expected: &str) {
    let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
    for written in [serde_json::to_string(value).unwrap(), Json::from_serialize(value).unwrap().to_string()] {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), expected, "{written}");
        let again: T = serde_json::from_str(&written).unwrap();
        let written = serde_json::to_string(&again).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), expected, "{written}");
    }
    assert_eq!(serde_json::to_value(value).unwrap(), expected);
    serde_json::from_value::<T>(expected).unwrap();
}

#[test]
fn documents_pass_through_tagged_and_flattened_types() {
    let text = r#"{"n":-1.50,"u":18446744073709551615,"l":[true,null,{"x":"\u00e9"}],"s":"","e":{}}"#;
    says_the_same(
        &Internal::Struct { spec: json(text) },
        &format!("{{\"kind\":\"Struct\",\"spec\":{text}}}"),
    );
    says_the_same(&Internal::Newtype(json(text)), &format!("{{\"kind\":\"Newtype\",{}", &text[1..]));
    says_the_same(
        &Adjacent::Struct { spec: json(text) },
        &format!("{{\"kind\":\"Struct\",\"content\":{{\"spec\":{text}}}}}"),
    );
    says_the_same(&Adjacent::Newtype(json("[1.5]")), r#"{"content":[1.5],"kind":"Newtype"}"#);
    let both = Untagged::Struct { spec: json(text), name: "n".into() };
    says_the_same(&both, &format!("{{\"spec\":{text},\"name\":\"n\"}}"));
    says_the_same(&Untagged::Any(json(text)), text);
    says_the_same(&Untagged::Any(json("7")), "7");
    says_the_same(&Flat { id: 7, rest: json(text) }, &format!("{{\"id\":7,{}", &text[1..]));
    says_the_same(&Flat { id: 7, rest: json("{}") }, "{\"id\":7}");
    let within = Within { inner: Inner { spec: json(text) }, last: json(text) };
    says_the_same(&within, &format!("{{\"spec\":{text},\"last\":{text}}}"));
    // What is flattened must have members.
    assert!(serde_json::to_string(&Flat { id: 7, rest: json("[1]") }).is_err());
    // Where the value itself is written, it is written as it is spelt.
    let spelt = Internal::Struct { spec: json(SPELT[0]) };
    assert!(serde_json::to_string(&spelt).unwrap().contains(SPELT[0]));
    let spelt = Flat { id: 1, rest: json("{\"k\": 1.50}") };
    assert_eq!(serde_json::to_string(&spelt).unwrap(), r#"{"id":1,"k":1.50}"#);
}

#[test]
fn private_keys_of_the_json_library_are_ordinary_ones() {
    for key in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        for value in ["\"1\"", "\"no JSON\"", "1", "[\"1\"]"] {
            let text = format!("{{\"{key}\":{value}}}");
            let flat = format!("{{\"id\":1,\"{key}\":{value}}}");
            assert_eq!(serde_json::from_str::<Flat>(&flat).unwrap().rest, json(&text));
            let tagged = format!("{{\"kind\":\"Struct\",\"spec\":{text}}}");
            assert_eq!(
                serde_json::from_str::<Internal>(&tagged).unwrap(),
                Internal::Struct { spec: json(&text) }
            );
            assert_eq!(serde_json::from_str::<Vec<Json>>(&format!("[{text}]")).unwrap(), [json(&text)]);
        }
    }
}

#[test]
fn what_is_taken_apart_is_bounded() {
    let nested = |depth: usize| format!("{{\"id\":1,\"d\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(serde_json::from_str::<Flat>(&nested(100)).is_ok());
    assert!(serde_json::from_str::<Flat>(&nested(100_000)).is_err());
    let deep = json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    let written =
        serde_json::to_string(&Plain { first: Some(deep.clone()), all: vec![], by_name: BTreeMap::new() });
    assert_eq!(serde_json::from_str::<Plain>(&written.unwrap()).unwrap().first, Some(deep));
}

#[derive(Serialize)]
struct Measured<T> {
    name: &'static str,
    value: T,
}

#[test]
fn what_json_does_not_have_is_refused() {
    #[derive(Serialize)]
    enum Kind<T> {
        Newtype(T),
        Tuple(u8, T),
        Struct { value: T },
    }
    #[derive(Serialize)]
    struct Newtype<T>(T);
    #[derive(Serialize)]
    struct Tuple<T>(u8, T);

    fn everywhere<T: Serialize + Copy>(value: T) -> Vec<Result<Json, serde_json::Error>> {
        vec![
            Json::from_serialize(&value),
            Json::from_serialize(&Measured { name: "n", value }),
            Json::from_serialize(&Measured { name: "n", value: Some([value]) }),
            Json::from_serialize(&vec![(1, value)]),
            Json::from_serialize(&BTreeMap::from([("k", Newtype(Tuple(1, value)))])),
            Json::from_serialize(&Kind::Newtype(value)),
            Json::from_serialize(&Kind::Tuple(1, value)),
            Json::from_serialize(&Kind::Struct { value }),
        ]
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for result in everywhere(value).into_iter().chain(everywhere(value as f32)) {
            let error = result.unwrap_err();
            assert!(error.to_string().contains("is no number in JSON"), "{error}");
        }
    }
    for result in everywhere(1.5).into_iter().chain(everywhere(-0.0)).chain(everywhere(f64::MAX)) {
        result.unwrap();
    }
    // As a key.
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Key(u8);
    struct Odd;
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeMap;
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry(&f64::NAN, &1)?;
            map.end()
        }
    }
    assert!(Json::from_serialize(&Odd).is_err());
    assert_eq!(Json::from_serialize(&BTreeMap::from([(Key(1), 2)])).unwrap().as_str(), "{\"1\":2}");
}

#[test]
fn what_is_written_is_what_serde_json_writes() {
    #[derive(Serialize)]
    struct All {
        unit: (),
        none: Option<u8>,
        some: Option<char>,
        text: String,
        list: (i8, i64, u64, i128, u128, f32, f64),
        bytes: Vec<u8>,
        map: BTreeMap<u8, bool>,
        value: serde_json::Value,
        raw: Box<serde_json::value::RawValue>,
    }
    let all = All {
        unit: (),
        none: None,
        some: Some('"'),
        text: "a\u{1}\u{1f600}".into(),
        list: (-1, i64::MIN, u64::MAX, i128::MIN, u128::MAX, 0.1, 1e300),
        bytes: vec![1, 2],
        map: BTreeMap::from([(1, true)]),
        value: serde_json::json!({"a": [1.5, null]}),
        raw: serde_json::value::RawValue::from_string("[1.50]".into()).unwrap(),
    };
    assert_eq!(Json::from_serialize(&all).unwrap().as_str(), serde_json::to_string(&all).unwrap());
}

#[test]
fn a_none_removes_in_a_merge_unless_it_is_left_out() {
    #[derive(Serialize)]
    struct Patch {
        a: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        b: Option<u8>,
    }
    let patch = Json::from_serialize(&Patch { a: None, b: None }).unwrap();
    assert_eq!(json(r#"{"a":1,"b":2}"#).merge_patch(&patch).unwrap().as_str(), r#"{"b":2}"#);
}
