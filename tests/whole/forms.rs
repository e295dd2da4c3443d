//! Computed from the source: every operation of `Writer` has the same form on `Store`.

use std::collections::BTreeMap;
use std::path::Path;

/// The public functions in the `impl` blocks of a type: name to arguments behind the receiver, and what is returned.
fn functions(folder: &str, block: &str, receiver: &str) -> BTreeMap<String, (String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let mut found = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        for part in text.split("\nimpl").skip(1).filter(|part| part.starts_with(block)) {
            let part = part.split_once("\n}\n").map_or(part, |(part, _)| part);
            for function in part.split("    pub fn ").skip(1) {
                let (head, _) = function.split_once(" {\n").unwrap();
                let (name, rest) = head.split_once('(').unwrap();
                let plain: String = rest.split_whitespace().collect::<Vec<_>>().join(" ");
                let Some(rest) = plain.strip_prefix(receiver) else { continue };
                let (arguments, result) = rest.rsplit_once(") -> ").unwrap_or((rest, ""));
                let arguments = arguments.trim_matches([',', ' ']).replace(", mut ", ", ");
                let arguments = arguments.strip_prefix("mut ").unwrap_or(&arguments).to_owned();
                found.insert(name.to_owned(), (arguments, result.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_operation_of_a_writer_has_the_same_form_on_a_store() {
    let writer = functions("write", "<'t> Writer<'t>", "&mut self");
    let writer: BTreeMap<_, _> =
        writer.into_iter().chain(functions("write", " Writer<'_>", "&mut self")).collect();
    let store = functions("store", " Store", "&self");
    assert!(writer.len() >= 18 && store.len() > writer.len(), "{writer:?}");
    // It gives a handle within the transaction.
    for (name, (arguments, result)) in writer.iter().filter(|(name, _)| *name != "open_bucket") {
        let (on_store, given) = store.get(name).unwrap_or_else(|| panic!("`Store` has no `{name}`"));
        assert_eq!(on_store, arguments, "{name}");
        assert_eq!(given, &result.replace("WriteError", "Error"), "{name}");
    }
}
