//! The walks that the files lead one to expect, over plain maps: back to the root, along the attempts, down the tree.

use std::collections::HashMap;

use super::again::Told;

/// Everything that is told, in the order of creation.
#[derive(Default)]
pub struct Forest<'t> {
    told: HashMap<&'t str, &'t Told>,
    children: HashMap<&'t str, Vec<&'t str>>,
    retries: HashMap<&'t str, Vec<&'t str>>,
}

impl<'t> Forest<'t> {
    pub fn new(all: impl IntoIterator<Item = &'t Told>) -> Self {
        let mut forest = Self::default();
        for told in all {
            forest.told.insert(&told.id, told);
            if let Some(parent) = &told.parent {
                forest.children.entry(parent).or_default().push(&told.id);
            }
            if let Some(previous) = &told.previous {
                forest.retries.entry(previous).or_default().push(&told.id);
            }
        }
        forest
    }

    /// Nobody in the files is above it.
    pub fn is_root(&self, told: &Told) -> bool {
        told.parent.as_deref().is_none_or(|parent| !self.told.contains_key(parent))
    }

    pub fn children(&self, id: &str) -> &[&'t str] {
        self.children.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn retries(&self, id: &str) -> &[&'t str] {
        self.retries.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The way to the root, and the execution that it leads to and that is in no file. Ends where links go round.
    pub fn trace(&self, told: &'t Told) -> (Vec<&'t str>, Option<&'t str>) {
        let mut way = vec![told.id.as_str()];
        let mut next = told.parent.as_deref().or(told.previous.as_deref());
        while let Some(told) = next.and_then(|id| self.told.get(id)).filter(|_| way.len() <= self.told.len())
        {
            way.push(&told.id);
            next = told.parent.as_deref().or(told.previous.as_deref());
        }
        (way, next)
    }

    /// All attempts at the same, the first one first, those after the same one in their order. What replaced an attempt that is in no
    /// file is attempts at the same, too.
    pub fn attempts(&self, told: &'t Told) -> Vec<&'t str> {
        let (mut first, mut steps) = (told.id.as_str(), 0);
        while let Some(before) = self.told.get(first).and_then(|told| told.previous.as_deref()) {
            first = before;
            steps += 1;
            if steps > self.told.len() {
                return Vec::new();
            }
        }
        let (mut attempts, mut done) = (vec![first], 0);
        while let Some(attempt) = attempts.get(done).copied() {
            attempts.extend(self.retries(attempt));
            done += 1;
        }
        attempts.retain(|id| self.told.contains_key(id));
        attempts
    }

    /// The tree below a root: each with its depth, before its children.
    pub fn tree(&self, root: &'t Told) -> Vec<(usize, &'t str)> {
        let (mut tree, mut todo) = (Vec::new(), vec![(0, root.id.as_str())]);
        while let Some((depth, id)) = todo.pop() {
            tree.push((depth, id));
            todo.extend(self.children(id).iter().rev().map(|child| (depth + 1, *child)));
        }
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: &str, parent: &str, previous: &str) -> Told {
        let link = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Told { id: id.into(), parent: link(parent), previous: link(previous), object: None }
    }

    #[test]
    fn walks_go_over_the_right_links() {
        let all = [
            told("b", "a", ""),
            told("a", "", "gone"),
            told("b2", "", "b"),
            told("c", "b2", ""),
            told("b3", "a", "b2"),
            told("x", "y", "a"),
            told("z", "", "gone"),
        ];
        let forest = Forest::new(&all);
        let of = |id: &str| all.iter().find(|told| told.id == id).unwrap();
        assert_eq!(forest.trace(of("c")), (vec!["c", "b2", "b", "a"], Some("gone")));
        assert_eq!(forest.trace(of("x")), (vec!["x"], Some("y")));
        assert_eq!(forest.attempts(of("b2")), ["b", "b2", "b3"]);
        assert_eq!(forest.attempts(of("x")), ["a", "z", "x"]);
        assert_eq!(forest.tree(of("a")), [(0, "a"), (1, "b"), (1, "b3")]);
        let roots: Vec<_> = all.iter().filter(|told| forest.is_root(told)).map(|told| &told.id).collect();
        assert_eq!(roots, ["a", "b2", "x", "z"]);
    }

    #[test]
    fn links_that_go_round_end() {
        let all = [told("a", "b", "b"), told("b", "a", "a"), told("c", "a", "a")];
        let forest = Forest::new(&all);
        assert!(forest.trace(&all[2]).0.len() > 2);
        assert!(forest.attempts(&all[2]).is_empty());
    }
}
