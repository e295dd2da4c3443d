//! Watchers that note all that they are given, and the nine properties that etcd's robustness tests ask of a
//! watch (`tests/robustness/validate/watch.go` there): filter, bookmarkable, ordered, unique, atomic,
//! reliable, resumable, previous value, is-create.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use execstore::error::{PositionError, StorageError, WatchError};
use execstore::watch::{WatchFrom, Watcher};
use execstore::{Change, ChangeKind, ChangeSeq, Filter, Header, Readable, Store};

use crate::dice::Dice;

/// The numbers of changes.
pub fn seqs(changes: &[Change]) -> Vec<u64> {
    changes.iter().map(|change| change.seq().get()).collect()
}

/// Watches everything.
pub fn watch(store: &Store, start: WatchFrom) -> Watcher {
    store.watch(start, Filter::new()).unwrap()
}

/// A filter, and the same again as plain code.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub filter: Filter,
    pub matches: fn(&Change) -> bool,
}

fn record(change: &Change) -> Header {
    change.after().cloned().or_else(|| change.before()).unwrap()
}

pub fn wanted() -> Vec<Wanted> {
    let any = Filter::new;
    vec![
        Wanted { filter: any(), matches: |_| true },
        Wanted { filter: any().job("j0"), matches: |c| c.job_id().is_some_and(|job| *job == "j0") },
        Wanted {
            filter: any().kind(ChangeKind::Created).kind(ChangeKind::Deleted),
            matches: |c| matches!(c.kind(), ChangeKind::Created | ChangeKind::Deleted),
        },
        Wanted {
            filter: any().entered("Failed").namespace("n1"),
            matches: |c| {
                let after = c.after().is_some_and(|after| after.state == "Failed" && after.namespace == "n1");
                after && c.before().is_none_or(|before| before.state != "Failed")
            },
        },
        Wanted {
            filter: any().label("parity", "odd"),
            matches: |c| record(c).labels.get("parity").is_some_and(|parity| *parity == "odd"),
        },
        Wanted { filter: any().execution("nobody"), matches: |_| false },
    ]
}

/// A stretch of the log that was followed without a gap.
#[derive(Debug)]
struct Span {
    after: u64,
    upto: u64,
    given: Vec<Change>,
}

/// A watcher with all that it was given, and with what holds at every moment checked as it goes.
pub struct Follower {
    wanted: Wanted,
    watcher: Option<Watcher>,
    spans: Vec<Span>,
    /// Heads of the log as they were seen committed.
    pub heads: BTreeSet<u64>,
    pub trims: usize,
    pub resumes: usize,
}

impl Follower {
    pub fn new(store: &Store, wanted: Wanted, start: &WatchFrom) -> Self {
        let watcher = store.watch(start.clone(), wanted.filter.clone()).unwrap();
        let at = watcher.position().get();
        let span = Span { after: at, upto: at, given: Vec::new() };
        Self {
            wanted,
            watcher: Some(watcher),
            spans: vec![span],
            heads: BTreeSet::new(),
            trims: 0,
            resumes: 0,
        }
    }

    pub fn position(&self) -> u64 {
        self.spans.last().unwrap().upto
    }

    /// Takes what there is; `false` if the store was closed.
    pub fn take(&mut self, store: &Store, dice: &mut Dice, timeout: Duration) -> bool {
        let span = self.spans.last_mut().unwrap();
        if dice.roll(8) == 0 {
            // Resumable: another watcher goes on where this one is.
            self.watcher = None;
            self.resumes += 1;
        }
        let watcher = self.watcher.get_or_insert_with(|| {
            store.watch(WatchFrom::After(ChangeSeq(span.upto)), self.wanted.filter.clone()).unwrap()
        });
        match watcher.next_batch(1 + dice.roll(20) as usize, timeout) {
            Ok(changes) => {
                let position = watcher.position().get();
                // Bookmarkable: the position never goes back, and covers what was given.
                assert!(position >= span.upto);
                assert!(changes.last().is_none_or(|last| last.seq().get() <= position));
                self.heads.insert(store.read(|r| Ok(r.log().head()?)).unwrap().get());
                span.given.extend(changes);
                span.upto = position;
                true
            }
            Err(WatchError::Position(PositionError::Trimmed { oldest, .. })) => {
                assert!(oldest.get() > span.upto + 1, "nothing was missing: {oldest} after {}", span.upto);
                self.trims += 1;
                let at = oldest.get() - 1;
                watcher.seek(&WatchFrom::After(ChangeSeq(at))).unwrap();
                self.spans.push(Span { after: at, upto: at, given: Vec::new() });
                true
            }
            Err(WatchError::Storage(StorageError::Closed)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// The properties, against the whole log as one who missed nothing saw it.
    pub fn validate(&self, log: &BTreeMap<u64, Change>) {
        let mut last = 0;
        for span in &self.spans {
            for change in &span.given {
                // Ordered, and unique.
                assert!(change.seq().get() > last, "{} after {last}", change.seq());
                last = change.seq().get();
                // Filter.
                assert!((self.wanted.matches)(change), "{:?} let {change:?} through", self.wanted.filter);
                // What was given is what the log says.
                assert!(log.get(&last) == Some(change), "{last} is not as the log has it");
            }
            // Reliable: of each stretch, all that was wanted.
            let stretch = log.range(span.after + 1..=span.upto.max(span.after + 1));
            let stretch = stretch.filter(|(seq, change)| **seq <= span.upto && (self.wanted.matches)(change));
            let expected: Vec<_> = stretch.map(|(seq, _)| *seq).collect();
            let given: Vec<_> = span.given.iter().map(|change| change.seq().get()).collect();
            assert_eq!(given, expected, "{:?}", self.wanted.filter);
        }
    }
}

/// The log as a whole: previous value, is-create, no gaps, and transactions in one piece.
pub fn validate_log(log: &BTreeMap<u64, Change>, transactions: &[(u64, u64, usize)], heads: &BTreeSet<u64>) {
    let mut last: HashMap<String, Option<Header>> = HashMap::new();
    for ((seq, change), expected) in log.iter().zip(1..) {
        assert_eq!((*seq, change.seq().get()), (expected, expected), "a gap");
        let before = last.get(change.execution_id().unwrap().as_str()).cloned().flatten();
        // Is-create: exactly when there was nothing before.
        assert_eq!(change.kind() == ChangeKind::Created, before.is_none(), "{change:?}");
        // Previous value.
        assert_eq!(change.before(), before, "{change:?}");
        last.insert(change.execution_id().unwrap().to_string(), change.after().cloned());
    }
    // Atomic: the operations of one transaction are next to each other, and nobody saw a part of them.
    for (first, end, operations) in transactions {
        assert_eq!((end + 1 - first) as usize, *operations);
        assert_eq!(heads.range(first..end).next(), None, "seen in the middle of {first} to {end}");
    }
}
