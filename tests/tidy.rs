//! The house rules, as tests: first lines, sizes, layers, and documents that must agree with the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// Modules, lowest layer first. A module uses its own layer and those below.
const LAYERS: &[&[&str]] = &[
    &[
        "attachment",
        "bookmark",
        "change",
        "error",
        "event",
        "execution",
        "expect",
        "filter",
        "fingerprint",
        "id",
        "identity",
        "json",
        "large",
        "lifecycle",
        "limits",
        "loss",
        "output",
        "page",
        "panics",
        "progress",
        "query",
        "report",
        "retention",
        "sampling",
        "seal",
        "text",
        "time",
        "touch",
        "visits",
    ],
    &["codec", "schema"],
    &["context", "process", "tables", "waits"],
    &["beside", "history", "packing", "reader", "redo", "sequence", "writer"],
    &["background", "doorbell", "file", "grounds", "handle", "journal", "turn"],
    &["journaling"],
    &["shared"],
    &["commit"],
    &["pace", "sweep", "txn"],
    &["batch", "bulk", "follow", "maintain", "tracker", "watch"],
    &["consumer"],
    &["threads"],
    &["builder", "open", "status", "store", "verify"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(!files.is_empty());
    files
}

#[test]
fn every_file_says_what_it_is() {
    for folder in ["src", "tests", "docs/examples", "benches", "campaigns"] {
        for file in rust_files(folder) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//! "), "{} does not begin with what it is", file.display());
        }
    }
}

#[test]
fn no_file_has_grown_into_a_god() {
    let mut sizes = Vec::new();
    for file in rust_files("src") {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines().count();
        assert!(code <= 620, "{} has {code} lines before its tests", file.display());
        sizes.push(code);
    }
    sizes.sort_unstable();
    assert!(sizes[sizes.len() / 2] <= 180, "the median file has {} lines", sizes[sizes.len() / 2]);
    assert!(sizes[sizes.len() * 9 / 10] <= 500, "one file in ten has over 500 lines");
}

#[test]
fn imports_follow_the_layers() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    for file in rust_files("src") {
        let inside = file.strip_prefix(root().join("src")).unwrap();
        let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("the module {module} has no layer"));
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.split("#[cfg(test)]").next().unwrap().lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_ascii_lowercase()).collect();
                let Some(below) = layer(&used) else { continue };
                let place = format!("{}:{}", file.display(), number + 1);
                assert!(below <= own, "{place}: {module} uses {used}, which is above it");
            }
        }
    }
}

#[test]
fn values_and_codec_know_no_redb() {
    let pure = LAYERS[0].iter().filter(|module| **module != "error").chain(&["codec"]);
    for module in pure {
        for file in rust_files("src") {
            let inside = file.strip_prefix(root().join("src")).unwrap();
            if !inside.starts_with(module) && inside != Path::new(&format!("{module}.rs")) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("redb::"), "{} knows redb", file.display());
        }
    }
}

#[test]
fn the_format_document_lists_the_tables_of_the_schema() {
    let document = fs::read_to_string(root().join("docs/format.md")).unwrap();
    let schema = fs::read_to_string(root().join("src/schema.rs")).unwrap();
    let documented: Vec<(String, String)> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | `execstore/"))
        .map(|(tag, rest)| (tag.trim().to_owned(), rest.split('`').next().unwrap().to_owned()))
        .collect();
    let defined: Vec<(String, String)> = schema
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').split_once(" = "))
        .filter(|(name, tag)| tag.parse::<u8>().is_ok() && name.chars().all(char::is_alphabetic))
        .map(|(name, tag)| (tag.to_owned(), snake_case(name)))
        .collect();
    assert_eq!(documented, defined);
    assert_eq!(defined.len(), 27);
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

#[test]
fn the_architecture_document_lists_the_layers() {
    let document = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let start = document.find("`id json").expect("the line of the layers");
    let end = start + document[start..].find("\n\n").unwrap();
    let listed: Vec<Vec<&str>> = document[start..end]
        .split('<')
        .map(|layer| {
            let mut modules: Vec<&str> = layer.trim().trim_matches('`').split_whitespace().collect();
            modules.sort_unstable();
            modules
        })
        .collect();
    assert_eq!(listed, LAYERS);
}

#[test]
fn the_commands_of_the_readme_are_the_commands_of_ci() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    for (command, in_ci) in [
        ("cargo run --release --example node", "cargo run --release --quiet --example node"),
        ("cargo test", "\ncargo test\n"),
    ] {
        assert!(readme.contains(command), "{command}");
        assert!(ci.contains(in_ci), "{in_ci}");
    }
}

#[test]
fn the_example_of_the_readme_is_the_example_of_the_crate() {
    let example = |text: &str, prefix: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.strip_prefix(prefix).unwrap_or(line).trim_end().to_owned());
        lines
            .skip_while(|line| !line.starts_with("let store = Store::in_memory()"))
            .take_while(|line| !line.starts_with("```"))
            .filter(|line| !line.starts_with("# "))
            .collect()
    };
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let of_crate = example(&lib, "//! ");
    let of_crate: Vec<_> = of_crate.iter().map(|line| if line == "//!" { "" } else { line }).collect();
    assert!(of_crate.len() > 10);
    assert_eq!(example(&readme, ""), of_crate);
}
