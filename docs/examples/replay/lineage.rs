//! Walks every link of the store, and compares each walk with what the files tell when they are read again.

use std::collections::BTreeMap;
use std::fmt::Debug;

use execstore::error::ReadError;
use execstore::{Execution, ExecutionId, Header, Readable};

use super::again::{Again, Told};
use super::files::Kind;
use super::forest::Forest;
use super::plan::Plan;

/// What the walks found.
#[derive(Debug, Default)]
pub struct Walks {
    pub wrong: Vec<String>,
    /// By kind and length, how many chains of more than one attempt there are.
    pub chains: BTreeMap<Kind, BTreeMap<usize, usize>>,
    pub trees: BTreeMap<Kind, Trees>,
}

/// The trees of a kind.
#[derive(Debug, Default, PartialEq)]
pub struct Trees {
    pub roots: usize,
    /// Executions in the largest of them.
    pub largest: usize,
    /// Steps down to the lowest.
    pub deepest: usize,
}

/// Walks from every execution of every file.
pub fn check(reader: &impl Readable, plan: &Plan) -> Result<Walks, ReadError> {
    let (mut all, mut again, mut wrong) = (Vec::new(), Again::default(), Vec::new());
    for kind in Kind::ALL {
        for source in plan.of(kind) {
            match again.read(kind, source) {
                Ok(told) => all.extend(told.into_iter().map(|told| (kind, told))),
                Err(error) => wrong.push(format!("{}: {error}", source.path.display())),
            }
        }
    }
    let mut walks = walk(reader, &all)?;
    walks.wrong.splice(..0, wrong);
    Ok(walks)
}

fn walk(reader: &impl Readable, all: &[(Kind, Told)]) -> Result<Walks, ReadError> {
    let forest = Forest::new(all.iter().map(|(_, told)| told));
    let mut walks = Walks::default();
    for (kind, told) in all {
        let id = told.id.as_str();
        let mut trace = reader.lineage(id).trace();
        let way = trace.by_ref().collect::<Result<Vec<_>, _>>()?;
        let (told_way, told_end) = forest.trace(told);
        walks.same("trace", id, &ids(&way), &told_way);
        let end = trace.missing().map(ExecutionId::as_str);
        walks.same("trace beyond the store", id, end.as_slice(), told_end.as_slice());

        let attempts = reader.lineage(id).attempts()?;
        walks.same("attempts", id, &ids(&attempts), &forest.attempts(told));
        if attempts.len() > 1 && attempts.first().is_some_and(|first| first.id == id) {
            *walks.chains.entry(*kind).or_default().entry(attempts.len()).or_default() += 1;
        }

        let (children, retries) =
            (headers(reader.lineage(id).children()?)?, headers(reader.lineage(id).retries()?)?);
        walks.same("children", id, &ids(&children), forest.children(id));
        walks.same("retries", id, &ids(&retries), forest.retries(id));

        if forest.is_root(told) {
            let tree = reader.lineage(id).tree()?.collect::<Result<Vec<_>, _>>()?;
            let found: Vec<_> = tree.iter().map(|(depth, header)| (*depth, header.id.as_str())).collect();
            walks.same("tree", id, &found, &forest.tree(told));
            let trees = walks.trees.entry(*kind).or_default();
            trees.roots += 1;
            trees.largest = trees.largest.max(tree.len());
            trees.deepest = tree.iter().map(|(depth, _)| *depth).max().unwrap_or(0).max(trees.deepest);
        }
    }
    Ok(walks)
}

impl Walks {
    /// Compares a walk with what was told; names the first place where they part.
    fn same<T: PartialEq + Debug>(&mut self, what: &str, id: &str, found: &[T], told: &[T]) {
        if found != told {
            let place = found.iter().zip(told).take_while(|(found, told)| found == told).count();
            let at = |list: &[T]| list.get(place).map_or("nothing".into(), |there| format!("{there:?}"));
            let (found, told) = (at(found), at(told));
            self.wrong.push(format!("{id}: {what}: {found} in place {place}, not {told}"));
        }
    }
}

fn headers(executions: impl Iterator<Item = Result<Execution, ReadError>>) -> Result<Vec<Header>, ReadError> {
    executions.map(|execution| execution.map(Execution::into_header)).collect()
}

fn ids(headers: &[Header]) -> Vec<&str> {
    headers.iter().map(|header| header.id.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{plan::Source, record::Record, states, write};
    use super::*;
    use execstore::{ReadTxn, Store};

    /// A tree of two levels, with a chain of three among the children of its root, and a way that leads out.
    const LINKS: [[&str; 3]; 7] = [
        ["root", "", ""],
        ["a", "root", ""],
        ["b", "root", ""],
        ["b2", "root", "b"],
        ["b3", "root", "b2"],
        ["leaf", "a", ""],
        ["other", "", "gone"],
    ];

    fn link(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn told(links: &[[&str; 3]]) -> Vec<(Kind, Told)> {
        let told = links.iter().map(|[id, parent, previous]| Told {
            id: (*id).into(),
            parent: link(parent),
            previous: link(previous),
            object: None,
        });
        told.map(|told| (Kind::Rumen, told)).collect()
    }

    fn written(links: &[[&str; 3]]) -> (Store, ReadTxn) {
        let records = links.iter().map(|[id, parent, previous]| Record {
            id: (*id).into(),
            job: "j".into(),
            parent: link(parent),
            previous: link(previous),
            ..Record::default()
        });
        let sources = [Source { records: records.collect(), ..Source::default() }];
        let store = Store::builder().set_lifecycle(states::lifecycle().unwrap()).in_memory().unwrap();
        assert_eq!(write::write(&store, &write::operations(&sources)).unwrap(), Vec::<String>::new());
        let reader = store.begin_read().unwrap();
        (store, reader)
    }

    #[test]
    fn what_is_as_the_files_tell_is_counted() {
        let (_store, reader) = written(&LINKS);
        let walks = walk(&reader, &told(&LINKS)).unwrap();
        assert_eq!(walks.wrong, Vec::<String>::new());
        assert_eq!(walks.chains[&Kind::Rumen], BTreeMap::from([(3, 1)]));
        assert_eq!(walks.trees[&Kind::Rumen], Trees { roots: 2, largest: 6, deepest: 2 });
    }

    #[test]
    fn whatever_link_is_wrong_is_reported() {
        // What the store has in place of a link or an execution of the files, and what must tell of it.
        let cases: [(usize, [&str; 3], &[&str]); 9] = [
            (3, ["b2", "root", ""], &["b2: attempts", "b: attempts", "b: retries", "b3: attempts"]),
            (3, ["b2", "root", "a"], &["a: attempts", "a: retries", "b: retries"]),
            (5, ["leaf", "b", ""], &["leaf: trace", "a: children", "b: children", "root: tree"]),
            (5, ["leaf", "", ""], &["leaf: trace", "a: children", "root: tree"]),
            (5, ["leaf", "a2", ""], &["leaf: trace", "a: children"]),
            (1, ["a", "b", ""], &["a: trace", "leaf: trace", "root: children", "root: tree"]),
            (6, ["other", "", ""], &["other: trace"]),
            (6, ["other", "", "lost"], &["other: trace"]),
            (
                6,
                ["another", "root", ""],
                &["other: trace", "other: attempts", "root: children", "other: tree"],
            ),
        ];
        for (place, link, reasons) in cases {
            let mut links = LINKS;
            links[place] = link;
            let (_store, reader) = written(&links);
            let wrong = walk(&reader, &told(&LINKS)).unwrap().wrong;
            for reason in reasons {
                assert!(wrong.iter().any(|line| line.starts_with(reason)), "{reason}: {wrong:#?}");
            }
        }
    }

    #[test]
    fn the_order_of_children_counts() {
        let mut links = LINKS;
        links.swap(1, 2);
        let (_store, reader) = written(&links);
        let wrong = walk(&reader, &told(&LINKS)).unwrap().wrong;
        let of_root = |line: &&String| line.starts_with("root: children") || line.starts_with("root: tree");
        assert_eq!(wrong.iter().filter(of_root).count(), 2, "{wrong:#?}");
    }
}
