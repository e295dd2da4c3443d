//! The canonical form of RFC 8785, for documents that mean the same everywhere; iterative, whatever their depth.

use std::borrow::Cow;

use super::quoted;
use super::scan::{Nodes, unquoted};

/// Beyond it a number in JSON may not mean the same in every language (RFC 8785, 3.2.2.3; RFC 7493, 2.2).
const MAX_SAFE: f64 = ((1_u64 << 53) - 1) as f64;

/// No place: the end of a list of members.
const END: u32 = 0;

/// Writes a document in its canonical form, or says why it does not mean the same everywhere.
pub(crate) fn canonical(document: &str) -> Result<String, String> {
    let mut nodes =
        Nodes::all(document).map_err(|too_long| format!("it has {} bytes, 4 GiB or more", too_long.0))?;
    sort(&mut nodes)?;
    let mut out = String::with_capacity(document.len());
    // The values that are open: whether they are objects, what comes next of them, and their end.
    let mut open = vec![Open { object: false, next: 0, end: nodes.len() as u32, first: true, closes: None }];
    while let Some(last) = open.last_mut() {
        let place = last.next;
        if (last.object && place == END) || (!last.object && place >= last.end) {
            out.extend(last.closes);
            open.pop();
            continue;
        }
        if !std::mem::replace(&mut last.first, false) {
            out.push(',');
        }
        let value = if last.object {
            last.next = nodes.node(place).map_or(END, |key| key.note);
            out.push_str(&quoted(&text(nodes.text(place))?));
            out.push(':');
            place + 1
        } else {
            last.next = nodes.after(place);
            place
        };
        let spelt = nodes.text(value);
        match spelt.as_bytes().first() {
            Some(b'{') => {
                out.push('{');
                let next = nodes.node(value).map_or(END, |object| object.note);
                open.push(Open { object: true, next, end: 0, first: true, closes: Some('}') });
            }
            Some(b'[') => {
                out.push('[');
                let end = nodes.after(value);
                open.push(Open { object: false, next: value + 1, end, first: true, closes: Some(']') });
            }
            Some(b'"') => out.push_str(&quoted(&text(spelt)?)),
            Some(b'-' | b'0'..=b'9') => out.push_str(ryu_js::Buffer::new().format_finite(number(spelt)?)),
            _ => out.push_str(spelt),
        }
    }
    Ok(out)
}

struct Open {
    object: bool,
    next: u32,
    end: u32,
    first: bool,
    closes: Option<char>,
}

/// Notes on each object its first key, and on each key the next one, in the order of their UTF-16 units.
fn sort(nodes: &mut Nodes<'_>) -> Result<(), String> {
    for object in 0..nodes.len() as u32 {
        if !nodes.is_object(object) {
            continue;
        }
        let mut keys = Vec::new();
        for (key, _) in nodes.members_of(object) {
            keys.push((text(nodes.text(key))?, key));
        }
        keys.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        let mut before = object;
        let mut last = None;
        for (key, place) in &keys {
            if last == Some(key) {
                return Err(format!("the key {key:?} is repeated"));
            }
            nodes.note(before, *place);
            (before, last) = (*place, Some(key));
        }
        nodes.note(before, END);
    }
    Ok(())
}

fn text(string: &str) -> Result<Cow<'_, str>, String> {
    let half = || format!("{string} has half of a surrogate pair, which is in no text");
    match unquoted(string) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| half()),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| half()),
    }
}

fn number(spelt: &str) -> Result<f64, String> {
    let value: f64 = spelt.parse().map_err(|_| format!("{spelt} is no number"))?;
    if value.is_infinite() {
        return Err(format!("{spelt}: the number is out of range"));
    }
    if value.abs() > MAX_SAFE {
        return Err(format!("{spelt} is beyond 2^53 - 1; give it as a text"));
    }
    let digits = spelt.split_once(['e', 'E']).map_or(spelt, |(digits, _)| digits);
    if value == 0.0 && digits.contains(|c: char| matches!(c, '1'..='9')) {
        return Err(format!("{spelt}: the number is out of range, so small that it would be 0"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_one_form() {
        for (document, form) in [
            (
                r#" { "b" : [ 1.0 , {} , [ ] ], "a" : {"d":null,"c":true} } "#,
                r#"{"a":{"c":true,"d":null},"b":[1,{},[]]}"#,
            ),
            (r#"{"\ufb33":1,"\ud83d\ude00":2,"":3}"#, "{\"\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"),
            (r#""\u0000\u001f\u007f\/\"""#, "\"\\u0000\\u001f\u{7f}/\\\"\""),
            (
                "[-0, -0.0e5, 0e400, 1e-7, 1E+3, 100e-2, 5e-324, 9007199254740991.0]",
                "[0,0,0,1e-7,1000,1,5e-324,9007199254740991]",
            ),
            (r#"{"$serde_json::private::Number":"1"}"#, r#"{"$serde_json::private::Number":"1"}"#),
        ] {
            assert_eq!(canonical(document).unwrap(), form);
            assert_eq!(canonical(form).unwrap(), form);
        }
    }

    #[test]
    fn what_does_not_mean_the_same_everywhere_is_refused() {
        for (document, why) in [
            ("1e400", "out of range"),
            ("-1e309", "out of range"),
            ("1e-400", "out of range"),
            ("9007199254740992", "beyond"),
            ("-18446744073709551616", "beyond"),
            ("1e16", "beyond"),
            (r#"[{"a":1,"b":2,"\u0061":1}]"#, "\"a\" is repeated"),
            (r#"{"\ud800":1}"#, "surrogate"),
            (r#"["\udc00"]"#, "surrogate"),
        ] {
            assert!(canonical(document).unwrap_err().contains(why), "{document}");
        }
    }

    #[test]
    fn deep_and_wide_documents_have_one_too() {
        let deep = format!("{}1{}", "{\"a\":[".repeat(300_000), "]}".repeat(300_000));
        assert_eq!(canonical(&deep).unwrap(), deep);
        let mut keys: Vec<String> = (0..100_000).map(|n| format!("\"{n}\":{n}")).collect();
        let wide = format!("{{{}}}", keys.join(","));
        keys.sort_unstable();
        assert_eq!(canonical(&wide).unwrap(), format!("{{{}}}", keys.join(",")));
    }
}
