//! Whether two walks saw the same things: sums of hashes, in which the order does not matter.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::format::schema::Tag;

/// Things that one part of a store says must be there, and that another has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(super) enum Group {
    Ids,
    Jobs,
    States,
    Labels,
    /// Labels and states, each as often as an execution has them.
    LabelCounts,
    /// Jobs and states, each as often as an execution has them.
    JobCounts,
    Links,
    /// The rows that tie an attempt over those that were deleted.
    Ties,
    Completed,
    Settled,
    /// Executions with how many events they have.
    Events,
    /// What an entry of the log left, and what the next one, or the record, begins with.
    Log,
    Payloads,
    /// Tasks with their names and places.
    Names,
    /// Executions with how many tasks are in each state.
    Progress,
    /// Namespaces and states, each as often as an execution has them.
    Namespaces,
}

impl Group {
    pub(super) const ALL: [Group; 16] = [
        Group::Ids,
        Group::Jobs,
        Group::States,
        Group::Labels,
        Group::LabelCounts,
        Group::JobCounts,
        Group::Links,
        Group::Ties,
        Group::Completed,
        Group::Settled,
        Group::Events,
        Group::Log,
        Group::Payloads,
        Group::Names,
        Group::Progress,
        Group::Namespaces,
    ];

    /// The table that it is told of.
    pub(super) fn tag(self) -> Tag {
        match self {
            Group::Ids => Tag::Ids,
            Group::Jobs | Group::JobCounts => Tag::Jobs,
            Group::States => Tag::States,
            Group::Labels => Tag::Labels,
            Group::LabelCounts => Tag::LabelCounts,
            Group::Links | Group::Ties => Tag::Links,
            Group::Completed => Tag::Completions,
            Group::Settled => Tag::LastChanges,
            Group::Events => Tag::Events,
            Group::Log => Tag::Changes,
            Group::Payloads => Tag::Payloads,
            Group::Names => Tag::TaskNames,
            Group::Progress => Tag::TaskCounts,
            Group::Namespaces => Tag::Namespaces,
        }
    }
}

/// Into so many parts a group is divided, by the execution's number: where two sums differ, only what is in the same part has to
/// be compared one by one.
const PARTS: u64 = 4_096;

struct Side {
    /// For each part the sum of what must be there less the sum of what is there.
    parts: Vec<u64>,
    doubted: HashSet<u64>,
}

impl Side {
    fn new() -> Self {
        Self { parts: vec![0; PARTS as usize], doubted: HashSet::new() }
    }
}

/// For each group a sum of hashes of what must be there, less that of what is there. It is zero if both are the same, and
/// otherwise only with a chance of 1 in 2^64: the hash is SipHash, under a key that is drawn for each verification, so that nobody
/// can make rows whose hashes cancel out.
pub(super) struct Sums {
    key: RandomState,
    sides: Vec<Side>,
}

impl Sums {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), sides: Group::ALL.map(|_| Side::new()).into() }
    }

    /// Others with the same key, to be joined with these.
    pub(super) fn other(&self) -> Self {
        Self { key: self.key.clone(), ..Self::new() }
    }

    pub(super) fn join(&mut self, other: Self) {
        for (side, more) in self.sides.iter_mut().zip(other.sides) {
            side.parts.iter_mut().zip(more.parts).for_each(|(sum, more)| *sum = sum.wrapping_add(more));
            side.doubted.extend(more.doubted);
        }
    }

    /// The hash of a thing that consists of these parts.
    fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.key.build_hasher();
        for part in parts {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }

    fn sum(&mut self, group: Group, of: u64) -> Option<&mut u64> {
        self.sides.get_mut(group as usize)?.parts.get_mut((of % PARTS) as usize)
    }

    /// Something of an execution must be there.
    pub(super) fn expect(&mut self, group: Group, of: impl Into<u64>, thing: &[&[u8]]) {
        let hash = self.hash(thing);
        if let Some(sum) = self.sum(group, of.into()) {
            *sum = sum.wrapping_add(hash);
        }
    }

    /// It is there.
    pub(super) fn find(&mut self, group: Group, of: impl Into<u64>, thing: &[&[u8]]) {
        self.find_many(group, of, thing, 1);
    }

    /// It is there so many times, which is far below 2^64, or the product says nothing.
    pub(super) fn find_many(&mut self, group: Group, of: impl Into<u64>, thing: &[&[u8]], many: u64) {
        let hash = self.hash(thing).wrapping_mul(many);
        if let Some(sum) = self.sum(group, of.into()) {
            *sum = sum.wrapping_sub(hash);
        }
    }

    /// Whatever the sums are, this one is to be looked at.
    pub(super) fn doubt(&mut self, group: Group, of: impl Into<u64>) {
        if let Some(side) = self.sides.get_mut(group as usize) {
            side.doubted.insert(of.into() % PARTS);
        }
    }

    /// `true` if all that must be there is there, and nothing else.
    pub(super) fn agree(&self, group: Group) -> bool {
        let side = self.sides.get(group as usize);
        side.is_some_and(|side| side.doubted.is_empty() && side.parts.iter().all(|sum| *sum == 0))
    }

    /// `true` if the sums that an execution is in differ.
    pub(super) fn differ(&self, group: Group, of: impl Into<u64>) -> bool {
        let part = of.into() % PARTS;
        let side = self.sides.get(group as usize);
        side.is_none_or(|side| side.doubted.contains(&part) || side.parts.get(part as usize) != Some(&0))
    }

    /// The hash of a label or a namespace, which stands for an execution's number.
    pub(super) fn of_text(&self, label: &[u8]) -> u64 {
        self.hash(&[label])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter_and_everything_else_does() {
        let mut sums = Sums::new();
        for n in 0..10_000_u64 {
            sums.expect(Group::Jobs, n, &[&n.to_be_bytes(), b"job"]);
        }
        assert!(!sums.agree(Group::Jobs) && sums.agree(Group::Ids));
        let mut other = sums.other();
        for n in (0..10_000_u64).rev() {
            other.find(Group::Jobs, n, &[&n.to_be_bytes(), b"job"]);
        }
        other.doubt(Group::Ids, 3_u64);
        sums.join(other);
        assert!(sums.agree(Group::Jobs) && !sums.agree(Group::Ids));
        for (expected, found) in [
            (&[b"ab".as_slice(), b"c"][..], &[b"a".as_slice(), b"bc"][..]),
            (&[b"a"], &[b"a", b""]),
            (&[b"a"], &[b"b"]),
        ] {
            let mut sums = Sums::new();
            sums.expect(Group::Log, 5_u64, expected);
            sums.find(Group::Log, 5_u64, found);
            assert!(!sums.agree(Group::Log));
            assert!(sums.differ(Group::Log, 5_u64) && sums.differ(Group::Log, 5_u64 + PARTS));
            assert!(!sums.differ(Group::Log, 6_u64) && !sums.differ(Group::Jobs, 5_u64));
        }
        let mut sums = Sums::new();
        sums.doubt(Group::Log, PARTS + 7);
        assert!(!sums.agree(Group::Log) && sums.differ(Group::Log, 7_u64) && !sums.differ(Group::Log, 8_u64));
    }

    #[test]
    fn what_is_there_twice_is_not_what_is_there_never() {
        let mut sums = Sums::new();
        sums.find(Group::Ids, 1_u64, &[b"x"]);
        sums.find(Group::Ids, 1_u64, &[b"x"]);
        assert!(!sums.agree(Group::Ids), "a sum, and no exclusive or");
        sums.expect(Group::Ids, 1_u64, &[b"x"]);
        sums.expect(Group::Ids, 1_u64, &[b"x"]);
        assert!(sums.agree(Group::Ids));
        (0..7).for_each(|_| sums.expect(Group::Ids, 1_u64, &[b"x"]));
        sums.find_many(Group::Ids, 1_u64, &[b"x"], 6);
        assert!(!sums.agree(Group::Ids));
        sums.find(Group::Ids, 1_u64, &[b"x"]);
        assert!(sums.agree(Group::Ids));
    }

    #[test]
    fn groups_are_in_their_places() {
        for (place, group) in Group::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, place);
        }
    }
}
