//! A line of pairs, as NetLogger writes them: `key=value`, or `key="value"` with a backslash before a quote within.

use std::collections::BTreeMap;

/// The pairs of a line, the values without their quotes and otherwise as they are.
pub type Pairs<'a> = BTreeMap<&'a str, &'a str>;

/// `None` if the line is of another form.
pub fn split(line: &str) -> Option<Pairs<'_>> {
    let (mut pairs, mut rest) = (Pairs::new(), line.trim());
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').filter(|(key, _)| is_key(key))?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let mut escaped = false;
                let end = quoted.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                })?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        pairs.insert(key, value);
        rest = next.trim_start();
    }
    Some(pairs)
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && !key.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are() {
        let found = split(r#" a.b=1 c="x=%22 \"y\" \\" d= e="" f==  "#).unwrap();
        let expected = [("a.b", "1"), ("c", r#"x=%22 \"y\" \\"#), ("d", ""), ("e", ""), ("f", "=")];
        assert_eq!(found, Pairs::from(expected));
        assert_eq!(split(""), Some(Pairs::new()));
        for other in ["a", "a b=1", "a=\"b", "a=\"b\\\" c=1", "=1"] {
            assert_eq!(split(other), None, "{other}");
        }
    }
}
