//! Which file of a crate knows which, read from its source: `use` lines and paths, followed through re-exports.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module, from the root of the crate.
pub type Module = Vec<String>;

/// The files of a crate, each with those that it knows. Tests within a file are left out.
pub struct Imports {
    files: BTreeMap<Module, PathBuf>,
    known: BTreeMap<Module, BTreeSet<Module>>,
}

struct Source {
    module: Module,
    /// Without comments and tests.
    text: String,
}

impl Imports {
    /// Of the sources in a folder.
    pub fn of(src: &Path, files: Vec<PathBuf>) -> Self {
        let module_of = |file: &Path| -> Module {
            let inside = file.strip_prefix(src).unwrap().with_extension("");
            let mut names: Module = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
            names.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
            names
        };
        let files = files.into_iter().filter(|file| !file.ends_with("tests.rs"));
        let files: BTreeMap<_, _> = files.map(|file| (module_of(&file), file)).collect();
        let sources: Vec<_> = files
            .iter()
            .map(|(module, file)| Source {
                module: module.clone(),
                text: code(&fs::read_to_string(file).unwrap()),
            })
            .collect();
        let names = |module: &Module| files.contains_key(module);
        let mut exports: BTreeMap<(Module, String), Module> = BTreeMap::new();
        for source in &sources {
            for (path, public) in source.uses() {
                let Some(path) = source.absolute(&path, names).filter(|_| public) else { continue };
                exports.insert((source.module.clone(), path.last().unwrap().clone()), path);
            }
        }
        let resolve = |path: &Module| -> Option<Module> {
            let mut path = path.clone();
            for _ in 0..8 {
                let found = (1..=path.len()).rev().find(|many| names(&path[..*many].to_vec()))?;
                let module = path[..found].to_vec();
                match path.get(found).and_then(|name| exports.get(&(module.clone(), name.clone()))) {
                    Some(elsewhere) => path = [elsewhere.clone(), path[found + 1..].to_vec()].concat(),
                    None => return Some(module),
                }
            }
            None
        };
        let known = sources.iter().filter(|source| !source.module.is_empty()).map(|source| {
            let paths = source.uses().into_iter().map(|(path, _)| path).chain(source.paths());
            let absolute = paths.filter_map(|path| source.absolute(&path, names));
            (source.module.clone(), absolute.filter_map(|path| resolve(&path)).collect())
        });
        Self { known: known.collect(), files }
    }

    fn name(&self, module: &Module) -> String {
        self.files[module].display().to_string()
    }

    /// A circle of files, parent and child of one folder aside.
    pub fn circle_of_files(&self) -> Option<Vec<String>> {
        let related = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
        let edges = self.known.iter().map(|(module, known)| {
            (module.clone(), known.iter().filter(|other| !related(module, other)).cloned().collect())
        });
        circle(&edges.collect()).map(|found| found.iter().map(|module| self.name(module)).collect())
    }

    /// A circle of floors: of the folders and files at the top.
    pub fn circle_of_floors(&self) -> Option<Vec<String>> {
        circle(&self.floors()).map(|found| found.into_iter().flatten().collect())
    }

    /// Each floor with those that it knows.
    pub fn floors(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut floors: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, known) in &self.known {
            let others = known.iter().filter_map(|other| other.first());
            let others = others.filter(|other| **other != module[0]).map(|other| vec![other.clone()]);
            floors.entry(vec![module[0].clone()]).or_default().extend(others);
        }
        floors
    }
}

/// The text without comments, and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

impl Source {
    /// The paths of the `use` lines, and whether they are given on.
    fn uses(&self) -> Vec<(Module, bool)> {
        let mut paths = Vec::new();
        for statement in self.text.split(';') {
            let Some((before, tree)) = statement.rsplit_once("use ") else { continue };
            let before = before.rsplit('\n').next().unwrap().trim();
            let is_tree =
                tree.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_:{},*".contains(c));
            if is_tree && (before.is_empty() || before.starts_with("pub")) {
                let mut found = Vec::new();
                leaves(tree, &[], &mut found);
                paths.extend(found.into_iter().map(|path| (path, before.starts_with("pub"))));
            }
        }
        paths
    }

    /// The paths within the code that name their beginning.
    fn paths(&self) -> impl Iterator<Item = Module> {
        ["crate::", "super::"].into_iter().flat_map(|start| {
            self.text.match_indices(start).map(|(at, _)| {
                let path = self.text[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c));
                path.collect::<String>()
                    .split("::")
                    .map(str::to_owned)
                    .filter(|name| !name.is_empty())
                    .collect()
            })
        })
    }

    fn absolute(&self, path: &Module, names: impl Fn(&Module) -> bool) -> Option<Module> {
        let own = &self.module;
        let ups = path.iter().take_while(|name| *name == "super").count();
        let path = match path.first()?.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [own.clone(), path[1..].to_vec()].concat(),
            "super" => [own[..own.len().checked_sub(ups)?].to_vec(), path[ups..].to_vec()].concat(),
            first => {
                let child = [own.clone(), vec![first.to_owned()]].concat();
                if !names(&child) {
                    return None;
                }
                [own.clone(), path.clone()].concat()
            }
        };
        (!path.is_empty()).then_some(path)
    }
}

/// The paths of a tree of `use`.
fn leaves(tree: &str, before: &[String], out: &mut Vec<Module>) {
    let (mut depth, mut start) = (0, 0);
    let ends = tree.char_indices().chain([(tree.len(), ',')]).collect::<Vec<_>>();
    for (at, c) in ends {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = tree[start..at].trim();
                start = at + 1;
                let names = |text: &str| -> Module {
                    let names = text.split("::").map(|name| name.split(" as ").next().unwrap().trim());
                    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
                };
                match part.split_once('{') {
                    Some((path, rest)) => {
                        let before = [before, &names(path)].concat();
                        leaves(rest.rsplit_once('}').unwrap().0, &before, out);
                    }
                    None if part.is_empty() => {}
                    None => out.push([before, &names(part)].concat()),
                }
            }
            _ => {}
        }
    }
}

/// Some circle of a graph.
fn circle(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut left = edges.clone();
    loop {
        let before = left.len();
        // What knows nothing that is left is on no circle.
        let names: BTreeSet<Module> = left.keys().cloned().collect();
        left.retain(|_, known| known.iter().any(|other| names.contains(other)));
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            break;
        }
    }
    let mut path = vec![left.keys().next()?.clone()];
    loop {
        let next = left[path.last()?].iter().find(|other| left.contains_key(*other))?.clone();
        if let Some(start) = path.iter().position(|module| *module == next) {
            return Some(path[start..].to_vec());
        }
        path.push(next);
    }
}

#[test]
fn circles_are_found_through_re_exports() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let files = |last: &str| {
        vec![
            write("lib.rs", "mod low; mod high;"),
            write("low/mod.rs", "mod a; mod b;\npub(crate) use a::A;\n"),
            write("low/a.rs", &format!("use super::b::B;\n{last}pub struct A;")),
            write("low/b.rs", "pub struct B;"),
            write("high.rs", "use crate::{low::A, other::X};\nfn f() { crate::low::b::g() }"),
        ]
    };
    let sound = Imports::of(folder.path(), files("// use crate::high::C;\n"));
    assert_eq!((sound.circle_of_files(), sound.circle_of_floors()), (None, None));
    let broken = Imports::of(folder.path(), files("use crate::high::{C, D as E};\n"));
    assert_eq!(broken.circle_of_files().unwrap().len(), 2);
    assert_eq!(broken.circle_of_floors().unwrap(), ["high", "low"]);
    assert!(sound.floors()[&vec!["high".to_owned()]].contains(&vec!["low".to_owned()]));
}
