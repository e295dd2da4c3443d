//! Tasks with several parents: the labels `parent/N`, found by queries from above and compared with both lists
//! of the file, `parents` and `children`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fs;

use execstore::error::ReadError;
use execstore::query::Group;
use execstore::{Query, Readable};

use super::again::wfformat::{Task, tasks};
use super::plan::Source;
use super::wfformat::PARENT_LABELS;

/// What was found.
#[derive(Debug, Default)]
pub struct Joins {
    pub wrong: Vec<String>,
    /// Steps from one task to another.
    pub edges: usize,
    /// Those that one of the two tasks does not name.
    pub one_sided: usize,
    /// Those that no label was left for.
    pub cut: usize,
}

/// Steps from a parent to a child.
type Edges = BTreeSet<(String, String)>;

/// The links and labels of a store, from both ends.
#[derive(Default)]
struct Stored {
    /// The parents of each, by their place.
    parents: HashMap<String, BTreeMap<usize, String>>,
    children: HashMap<String, BTreeSet<String>>,
}

impl Stored {
    fn add(&mut self, place: usize, parent: &str, child: &str) {
        self.parents.entry(child.to_owned()).or_default().insert(place, parent.to_owned());
        self.children.entry(parent.to_owned()).or_default().insert(child.to_owned());
    }

    /// Every label that names a parent, in any place.
    fn labels(reader: &impl Readable, wrong: &mut Vec<String>) -> Result<Self, ReadError> {
        let mut stored = Self::default();
        for place in 0..PARENT_LABELS {
            let key = format!("parent/{place}");
            for value in reader.label_values(&key).list()? {
                let Group { value, total, .. } = value?;
                let mut count = 0;
                for child in reader.query(&Query::new().label(key.as_str(), value.clone())).summaries()? {
                    stored.add(place, &value, child?.id.as_str());
                    count += 1;
                }
                if count != total {
                    wrong.push(format!("{key} is {value} for {count} executions, not for {total}"));
                }
            }
        }
        let beyond = format!("parent/{PARENT_LABELS}");
        if reader.label_values(&beyond).list()?.next().is_some() {
            wrong.push(format!("there are executions with the label {beyond}"));
        }
        Ok(stored)
    }
}

/// Compares each task of the instances.
pub fn check(reader: &impl Readable, instances: &[Source]) -> Result<Joins, Box<dyn Error>> {
    let mut joins = Joins::default();
    let mut stored = Stored::labels(reader, &mut joins.wrong)?;
    for source in instances {
        let tasks = fs::read_to_string(&source.path).map_err(Into::into).and_then(|text| tasks(&text));
        let ids = source.records.iter().map(|record| record.id.as_str());
        for id in ids.clone() {
            for child in reader.lineage(id).children()? {
                stored.add(0, id, child?.id.as_str());
            }
        }
        match tasks {
            Ok(tasks) => joins.instance(&mut stored, &tasks, &ids.collect::<Vec<_>>()),
            Err(error) => joins.wrong.push(format!("{}: {error}", source.path.display())),
        }
    }
    let left = stored.parents.keys().map(|id| format!("{id} has parents that are in no file"));
    joins.wrong.extend(left);
    Ok(joins)
}

impl Joins {
    /// Compares the tasks of one instance, and takes them out of what is stored.
    fn instance(&mut self, stored: &mut Stored, tasks: &[Task], ids: &[&str]) {
        let names = tasks.iter().map(|task| task.id.as_str());
        let names: HashMap<&str, &str> = names.zip(ids.iter().copied()).collect();
        let id_of = |task: &String| names.get(task.as_str()).map_or(task.clone(), |id| (*id).to_owned());
        let (mut by_parents, mut by_children, mut found) = (Edges::new(), Edges::new(), Edges::new());
        let mut cut = Edges::new();
        for (task, id) in tasks.iter().zip(ids) {
            let kept = if task.parents.len() == 1 { 1 } else { PARENT_LABELS };
            let parents = task.parents.iter().map(id_of);
            cut.extend(parents.clone().skip(kept).map(|parent| (parent, (*id).to_owned())));
            by_children.extend(parents.clone().map(|parent| (parent, (*id).to_owned())));
            by_parents.extend(task.children.iter().map(|child| ((*id).to_owned(), id_of(child))));
            let below = stored.children.remove(*id).unwrap_or_default();
            found.extend(below.into_iter().map(|child| ((*id).to_owned(), child)));

            let above = stored.parents.remove(*id).unwrap_or_default();
            if above != parents.take(kept).enumerate().collect() {
                self.wrong.push(format!("{id}: parents: {above:?}, not {:?}", task.parents));
            }
        }
        let one_sided: Edges = by_parents.symmetric_difference(&by_children).cloned().collect();
        let expected: Edges = by_parents.difference(&cut).cloned().collect();
        // The parents have been compared, so what only one of the two tasks names has been too.
        for (parent, child) in found.symmetric_difference(&expected).filter(|edge| !one_sided.contains(edge))
        {
            self.wrong
                .push(format!("{parent}: children: {child} is in the file or in the store, not in both"));
        }
        self.edges += by_children.len();
        self.one_sided += one_sided.len();
        self.cut += cut.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{files, plan::Plan, states, write};
    use super::*;
    use execstore::Store;

    const TEXT: &str = r#"{"name": "flow", "schemaVersion": "1.5", "workflow": {"specification": {"tasks": [
        {"id": "a", "parents": [], "children": ["c", "d"]},
        {"id": "b", "parents": [], "children": ["c"]},
        {"id": "c", "parents": ["a", "b"], "children": []},
        {"id": "d", "parents": ["a"], "children": []}]}}}"#;

    /// What is found if the file is another than it was when it was written.
    fn after(change: impl Fn(&str) -> String) -> Joins {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("i.json");
        std::fs::write(&file, TEXT).unwrap();
        let (found, _) = files::find(std::slice::from_ref(&file));
        let plan = Plan::read(&found);
        let instances = plan.of(files::Kind::WfFormat);
        let store = Store::builder().set_lifecycle(states::lifecycle().unwrap()).in_memory().unwrap();
        assert_eq!(write::write(&store, &write::operations(instances)).unwrap(), Vec::<String>::new());
        std::fs::write(&file, change(TEXT)).unwrap();
        check(&store.begin_read().unwrap(), instances).unwrap()
    }

    #[test]
    fn every_step_is_found_from_both_ends() {
        let joins = after(str::to_owned);
        assert_eq!(joins.wrong, Vec::<String>::new());
        assert_eq!((joins.edges, joins.one_sided, joins.cut), (3, 0, 0));
    }

    #[test]
    fn whatever_differs_is_reported() {
        for (old, new, reason) in [
            (r#"["a", "b"]"#, r#"["b", "a"]"#, "i/c: parents"),
            (r#"["a", "b"]"#, r#"["a"]"#, "i/c: parents"),
            (r#""parents": ["a"]"#, r#""parents": ["b"]"#, "i/d: parents"),
            (r#""parents": ["a"]"#, r#""parents": []"#, "i/d: parents"),
        ] {
            let joins = after(|text| text.replace(old, new));
            assert!(joins.wrong.iter().any(|line| line.starts_with(reason)), "{reason}: {joins:?}");
        }
        let both =
            after(|text| text.replace(r#"["a", "b"]"#, r#"["b"]"#).replace(r#"["c", "d"]"#, r#"["d"]"#));
        assert!(both.wrong.iter().any(|line| line.starts_with("i/a: children: i/c")), "{both:?}");
        let fewer = after(|text| {
            text.replace(",\n        {\"id\": \"d\", \"parents\": [\"a\"], \"children\": []}", "")
        });
        assert!(fewer.wrong.iter().any(|line| line == "i/d has parents that are in no file"), "{fewer:?}");
    }

    #[test]
    fn what_one_task_alone_names_is_counted() {
        let joins = after(|text| text.replace(r#"["c", "d"]"#, r#"["d"]"#));
        assert_eq!((joins.wrong.len(), joins.edges, joins.one_sided), (0, 3, 1));
    }
}
