//! What is to be written: every file that can be read as records, each with an id of its own.
//!
//! A run keeps its recorded id. If another file has that run already, as another variant of it, the store
//! refuses the id, and the run goes beside the first one as `id~2`, `id~3` and so on, in the order of the
//! paths (Temporal before Cadence). Links name the recorded id, so they lead to the first variant.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{Found, Kind, kind_of};
use super::record::Record;
use super::strings::{self, Case};
use super::{history, wfformat};

/// A file and what is in it.
#[derive(Debug, Default)]
pub struct Source {
    pub path: PathBuf,
    pub records: Vec<Record>,
    pub cases: Vec<Case>,
    /// The recorded run id, if another file has it already.
    pub taken: Option<String>,
    /// The run that the recorded one says follows it.
    pub next: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Plan {
    pub sources: BTreeMap<Kind, Vec<Source>>,
    pub unreadable: Vec<(Found, String)>,
    pub skipped: Vec<PathBuf>,
}

/// The names that are in use.
#[derive(Default)]
struct Names {
    ids: HashSet<String>,
    instances: HashSet<String>,
    strings: BTreeSet<String>,
}

impl Plan {
    /// Reads the files. Twice the same files give the same plan.
    pub fn read(found: &[Found]) -> Self {
        let mut plan = Self::default();
        let mut known: Vec<(Kind, &Found, String)> = Vec::new();
        for file in found {
            match fs::read(&file.path).map(String::from_utf8) {
                Err(error) => plan.refuse(file, error.to_string()),
                Ok(Ok(text)) => match kind_of(file, &text) {
                    Some(kind) => known.push((kind, file, text)),
                    None => plan.skip(file),
                },
                Ok(Err(error)) => match kind_of(file, &String::from_utf8_lossy(error.as_bytes())) {
                    Some(_) => plan.refuse(file, "it is not UTF-8".into()),
                    None => plan.skip(file),
                },
            }
        }
        // Stable: the paths stay in order within a kind.
        known.sort_by_key(|(kind, ..)| *kind);
        let mut names = Names::default();
        for (kind, file, text) in known {
            match read(kind, &file.path, &text, &mut names) {
                Ok(source) => plan.sources.entry(kind).or_default().push(source),
                Err(reason) => plan.refuse(file, format!("{kind}: {reason}")),
            }
        }
        plan
    }

    pub fn of(&self, kind: Kind) -> &[Source] {
        self.sources.get(&kind).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().flatten()
    }

    fn refuse(&mut self, file: &Found, reason: String) {
        self.unreadable.push((file.clone(), reason));
    }

    /// A file that was named should be of a kind; one in a folder need not be.
    fn skip(&mut self, file: &Found) {
        if file.named {
            self.refuse(file, "not one of the three kinds".into());
        } else {
            self.skipped.push(file.path.clone());
        }
    }
}

fn read(kind: Kind, path: &Path, text: &str, names: &mut Names) -> Result<Source, String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut source = Source { path: path.to_owned(), ..Source::default() };
    match kind {
        Kind::Strings => source.cases = strings::read(text, &mut names.strings)?,
        Kind::WfFormat => {
            // Room for the task's own id, and nothing that an id refuses.
            let mut short: String = stem.chars().filter(|c| !c.is_control()).collect();
            while short.len() > 48 {
                short.pop();
            }
            let instance = free(short.trim(), &names.instances);
            source.records = wfformat::read(text, &instance)?;
            names.instances.insert(instance);
        }
        Kind::Temporal | Kind::Cadence => {
            let mut run = history::read(text, kind, &stem)?;
            let id = free(&run.record.id, &names.ids);
            if id != run.record.id {
                source.taken = Some(std::mem::replace(&mut run.record.id, id));
            }
            source.next = run.next;
            source.records.push(run.record);
        }
    }
    for record in &source.records {
        record.check()?;
        if names.ids.contains(&record.id) {
            return Err(format!("the id {:?} is in use by another file", record.id));
        }
    }
    let ids = source.records.iter().map(|record| record.id.clone());
    names.ids.extend(ids);
    Ok(source)
}

/// This name, or the first of `name~2`, `name~3` and so on that is not taken.
fn free(name: &str, taken: &HashSet<String>) -> String {
    let variants = (2..).map(|nth: u32| format!("{name}~{nth}"));
    let mut names = std::iter::once(name.to_owned()).chain(variants);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}
