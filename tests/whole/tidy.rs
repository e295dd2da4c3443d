//! The house rules, as tests: first lines, sizes, layers, and documents that must agree with the code.

use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::Imports;

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
        assert!(code <= 450, "{} has {code} lines before its tests", file.display());
        sizes.push(code);
    }
    sizes.sort_unstable();
    assert!(sizes[sizes.len() / 2] <= 130, "the median file has {} lines", sizes[sizes.len() / 2]);
    assert!(sizes[sizes.len() * 9 / 10] <= 300, "one file in ten has over 300 lines");
}

fn imports(folder: &str) -> Imports {
    Imports::of(&root().join(folder), rust_files(folder))
}

#[test]
fn no_file_knows_one_that_knows_it() {
    for folder in ["src", "benches/scoreboard/src", "campaigns/powercut/src"] {
        assert_eq!(imports(folder).circle_of_files(), None, "{folder}: a circle");
    }
}

#[test]
fn each_floor_knows_only_floors_below_it() {
    let imports = imports("src");
    assert_eq!(imports.circle_of_floors(), None, "a circle");
    let folders =
        fs::read_dir(root().join("src")).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert!(folders.count() <= 13);
    // The document has them in an order in which each stands behind those that it knows.
    let document = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let floors = imports.floors();
    let place = |floor: &str| {
        let found = document.find(&format!("\n| `{floor}` |"));
        found.unwrap_or_else(|| panic!("docs/architecture.md does not list the floor {floor}"))
    };
    for (floor, known) in floors {
        for below in known {
            assert!(place(&below[0]) < place(&floor[0]), "{} is listed before {}", floor[0], below[0]);
        }
    }
}

#[test]
fn values_and_bytes_know_no_redb_and_no_clock() {
    for floor in ["src/model", "src/format"] {
        for file in rust_files(floor) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for foreign in ["redb::", "std::fs", "std::net", "std::thread"] {
                    assert!(!line.contains(foreign), "{}: {line}", file.display());
                }
            }
        }
    }
}

#[test]
fn the_format_document_lists_the_tables_of_the_schema() {
    let document = fs::read_to_string(root().join("docs/format.md")).unwrap();
    let schema = fs::read_to_string(root().join("src/format/schema.rs")).unwrap();
    let documented: Vec<(String, String)> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | `execstore/"))
        .map(|(tag, rest)| (tag.trim().to_owned(), rest.split('`').next().unwrap().to_owned()))
        .collect();
    let defined: Vec<(String, String)> = schema
        .lines()
        .filter_map(|line| line.trim().split_once(',')?.0.split_once(" = "))
        .filter(|(name, tag)| tag.parse::<u8>().is_ok() && name.chars().all(char::is_alphabetic))
        .map(|(name, tag)| (tag.to_owned(), snake_case(name)))
        .collect();
    assert_eq!(documented, defined);
    assert!(!defined.is_empty());
}

/// Paths in the documents are those of files that are there: of the project, of `src`, or of `tests`.
#[test]
fn the_documents_name_files_that_exist() {
    let mut named = 0;
    for document in [
        "README.md",
        "docs/architecture.md",
        "docs/benchmarks.md",
        "docs/development.md",
        "docs/format.md",
        "docs/guarantees.md",
    ] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let words = text.split('`').skip(1).step_by(2);
        for word in words.filter(|word| word.ends_with(".rs") && !word.contains([' ', '*'])) {
            named += 1;
            let there = ["", "src", "tests"].iter().any(|folder| root().join(folder).join(word).is_file());
            assert!(there, "{document} names {word}, which is not there");
        }
    }
    assert!(named > 20, "{named} paths");
}

/// The names of a block of `pub use` and `pub mod`, as a caller sees them.
fn public_names(block: &str) -> Vec<String> {
    let mut names = Vec::new();
    for item in block.split([';', '{', '}']).map(str::trim) {
        names.extend(item.lines().last().and_then(|line| line.trim().strip_prefix("pub mod ")));
    }
    for used in block.split("pub use ").skip(1) {
        let path = used.split(';').next().unwrap();
        let leaves = path.split_once('{').map_or(path, |(_, leaves)| leaves.trim_end_matches('}'));
        let leaves = leaves.split(',').map(str::trim).filter(|leaf| !leaf.is_empty());
        names.extend(leaves.map(|leaf| leaf.rsplit([':', ' ']).next().unwrap()));
    }
    names.into_iter().map(str::to_owned).collect()
}

/// What a first program needs is at the root; the rest is in the module of its subject, and nothing in two places.
#[test]
fn the_root_of_the_crate_fits_on_one_screen() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let code: String = lib
        .lines()
        .filter(|line| !line.trim_start().starts_with(['/', '#']))
        .map(|l| format!("{l}\n"))
        .collect();
    // A module begins and ends at the margin.
    let (mut at_root, mut inside, mut depth) = (String::new(), Vec::new(), 0);
    for line in code.lines() {
        if line.starts_with("pub mod ") && line.ends_with(" {") {
            at_root += &format!("{};\n", line.trim_end_matches(" {"));
            inside.push(String::new());
            depth = 1;
        } else if line == "}" {
            depth = 0;
        } else {
            let block = if depth == 1 { inside.last_mut().unwrap() } else { &mut at_root };
            *block += &format!("{line}\n");
        }
    }
    let names = public_names(&at_root);
    assert!(names.len() > 40 && names.len() <= 61, "{} names at the root: {names:?}", names.len());
    assert!(
        ["Store", "Readable", "redb", "error", "bulk"].iter().all(|name| names.iter().any(|n| n == name))
    );
    let mut all: Vec<String> = inside.iter().flat_map(|block| public_names(block)).chain(names).collect();
    all.sort_unstable();
    let twice: Vec<_> = all.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
    assert!(twice.is_empty() && all.len() > 110, "{} names, twice: {twice:?}", all.len());
}

/// What does not fit goes into a document of its own: `docs/guarantees.md`, `docs/benchmarks.md`, the guide.
#[test]
fn the_readme_fits_on_a_page() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= 130, "the README has {lines} lines");
}

/// Prose is wrapped at 120 columns, so that a change of a sentence shows as one. Tables and code have their own width.
#[test]
fn the_prose_of_the_documents_is_wrapped() {
    let mut documents = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "docs/mapping"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        documents.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(documents.len() > 10);
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let mut code = false;
        for (number, line) in text.lines().enumerate() {
            code ^= line.trim_start().starts_with("```");
            let prose = !code && !line.starts_with('|');
            let columns = line.chars().count();
            assert!(!prose || columns <= 120, "{}:{}: {columns} columns", document.display(), number + 1);
        }
        assert!(!code, "{}: a block of code has no end", document.display());
    }
}

/// What stands apart for every engine knows no file and no redb, and none of it is left out of the list.
#[test]
fn the_conformance_suite_is_complete_and_says_nothing_of_a_file() {
    let list = fs::read_to_string(root().join("tests/conformance/src/suite.rs")).unwrap();
    let listed: Vec<&str> = list.lines().map(str::trim).collect();
    let mut behaviours = 0;
    for file in rust_files("tests/conformance/src") {
        let text = fs::read_to_string(&file).unwrap();
        for foreign in [
            "redb",
            "_with_backend",
            "tempfile",
            "std::fs",
            "std::path",
            "in_memory",
            "create_new",
            ".attach(",
        ] {
            assert!(!text.contains(foreign), "{} has {foreign}", file.display());
        }
        let functions =
            text.split("\npub fn ").skip(1).filter_map(|text| text.split_once(')')?.0.split_once('('));
        let names =
            functions.filter(|(_, takes)| takes.trim().trim_end_matches(',') == "engine: &dyn Engine");
        for (name, _) in names {
            behaviours += 1;
            assert!(listed.contains(&name), "{} is not in the list: {name}", file.display());
        }
    }
    assert!(behaviours >= 250, "{behaviours}");
    let entries = listed
        .iter()
        .filter(|line| !line.is_empty() && line.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()));
    assert_eq!(entries.count(), behaviours);
}

/// A test waits for what it names, in `tests/support/src/waits.rs`. What sleeps otherwise runs for a time, or leaves a child alone for one.
#[test]
fn tests_wait_for_conditions_and_do_not_sleep() {
    let may = [
        "support/src/waits.rs",
        "processes/kill.rs",
        "duroxide/tests/crash.rs",
        "durability/damaged_branches.rs",
        "whole/stress.rs",
        "whole/node_example.rs",
        "whole/follow_example.rs",
    ];
    for file in rust_files("tests") {
        let sleeps = fs::read_to_string(&file).unwrap().contains(concat!("thread::", "sleep("));
        assert!(!sleeps || may.iter().any(|may| file.ends_with(may)), "{} sleeps", file.display());
    }
}

/// The README has a part of the guarantees, and never a test that the whole list does not name.
#[test]
fn the_guarantees_of_the_readme_are_in_the_whole_list() {
    let files = |document: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let words = text.split('`').skip(1).step_by(2);
        words.filter(|word| word.starts_with("tests/") && word.ends_with(".rs")).map(str::to_owned).collect()
    };
    let (whole, part) = (files("docs/guarantees.md"), files("README.md"));
    assert!(part.len() > 10 && whole.len() > 40, "{} of {}", part.len(), whole.len());
    for file in part {
        assert!(whole.contains(&file), "docs/guarantees.md does not name {file}");
    }
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
