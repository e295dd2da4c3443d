//! A list of odd strings, read again: those that are ids, and the executions that have a link to them.

use std::collections::BTreeSet;

use execstore::ExecutionId;

use super::Told;

/// Three executions of each string that is an id: the one of that id, one with it as parent, one with it as
/// previous attempt. Those that have it in another field have no links. `seen` is what other lists had.
pub fn read(file: &str, seen: &mut BTreeSet<String>) -> Vec<Told> {
    let mut told = Vec::new();
    for line in file.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if seen.insert(line.to_owned()) && ExecutionId::new(line).is_ok() {
            let id = |field: &str| format!("string/{}/{field}", seen.len());
            let link = || Some(line.to_owned());
            told.push(Told { id: line.to_owned(), ..Told::default() });
            told.push(Told { id: id("Parent"), parent: link(), ..Told::default() });
            told.push(Told { id: id("Previous"), previous: link(), ..Told::default() });
        }
    }
    told
}
