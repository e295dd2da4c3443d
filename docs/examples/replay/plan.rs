//! What is to be written: every file that can be read as records, each with an id of its own.
//!
//! A run keeps its recorded id. If another file has that run already, as another variant of it, the store
//! refuses the id, and the run goes beside the first one as `id~2`, `id~3` and so on, in the order of the
//! paths (Temporal before Cadence). Links name the recorded id, so they lead to the first variant. What a file
//! has below a job goes with the job: all under their recorded ids or all as one variant, and the links between
//! them stay among them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{Found, Kind, kind_of};
use super::record::{Record, short};
use super::strings::{self, Case};
use super::{cromwell, history, pegasus, rumen, seqera, spark, wfformat};

/// A file and what is in it.
#[derive(Debug, Default)]
pub struct Source {
    pub path: PathBuf,
    pub records: Vec<Record>,
    pub cases: Vec<Case>,
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
            self.refuse(file, "not one of the kinds".into());
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
            let instance = free(&short(&stem), &names.instances);
            source.records = wfformat::read(text, &instance)?;
            names.instances.insert(instance);
        }
        Kind::Temporal | Kind::Cadence => {
            let run = history::read(text, kind, &stem)?;
            source.next = run.next;
            source.records.push(run.record);
        }
        Kind::Rumen => source.records = rumen::read(text)?,
        Kind::Seqera => source.records = seqera::read(text, path)?,
        Kind::Cromwell => source.records = cromwell::read(text)?,
        Kind::Pegasus => source.records = pegasus::read(text)?,
        Kind::Spark => source.records = spark::read(text)?,
    }
    if kind != Kind::WfFormat {
        vary(&mut source.records, &names.ids);
    }
    let mut own = HashSet::new();
    for record in &source.records {
        record.check()?;
        if names.ids.contains(&record.id) {
            return Err(format!("the id {:?} is in use by another file", record.id));
        }
        if !own.insert(record.id.clone()) {
            return Err(format!("the id {:?} occurs twice", record.id));
        }
    }
    names.ids.extend(own);
    Ok(source)
}

/// Gives the records of each job the first variant of their ids that no other file has.
fn vary(records: &mut [Record], taken: &HashSet<String>) {
    let mut jobs: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for record in &*records {
        jobs.entry(record.job.clone()).or_default().insert(record.id.clone());
    }
    let variant = |id: &str, nth: u32| if nth == 1 { id.to_owned() } else { format!("{id}~{nth}") };
    for (job, ids) in &jobs {
        let is_free = |nth: &u32| !ids.iter().any(|id| taken.contains(&variant(id, *nth)));
        let nth = (1..).find(is_free).unwrap_or(1);
        for record in records.iter_mut().filter(|record| nth > 1 && record.job == *job) {
            for link in [&mut record.parent, &mut record.previous].into_iter().flatten() {
                if ids.contains(link) {
                    *link = variant(link, nth);
                }
            }
            let id = variant(&record.id, nth);
            let recorded = std::mem::replace(&mut record.id, id);
            record.taken = Some(recorded).filter(|id| taken.contains(id));
        }
    }
}

/// This name, or the first of `name~2`, `name~3` and so on that is not taken.
fn free(name: &str, taken: &HashSet<String>) -> String {
    let variants = (2..).map(|nth: u32| format!("{name}~{nth}"));
    let mut names = std::iter::once(name.to_owned()).chain(variants);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}
