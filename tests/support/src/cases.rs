//! The sequences of the model test.

use proptest::prelude::*;

use crate::bulks::Many;
use crate::ops::Op;
use crate::side_data::Act;

const OPERATIONS: usize = 50;

/// How a transaction is made.
#[derive(Clone, Copy, Debug)]
pub enum How {
    Closure,
    /// Through the group commit.
    Batch,
    Held,
    /// Entered with `redb()`.
    Entered,
    /// The caller's, joined.
    Joined,
    /// None: one operation, by a method of the store.
    Alone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The next operation is in the same transaction.
    GoOn,
    Commit,
    Lazy,
    Abort,
}

#[derive(Clone, Debug)]
pub enum Step {
    Write { op: Op, how: How, end: End, own: u8 },
    Reopen,
    Crash,
    Clock(i64),
}

#[derive(Clone)]
pub struct Case {
    pub journal: bool,
    pub seed: u64,
    pub steps: Vec<Step>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "journal: {}, seed: {}", self.journal, self.seed)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "{step:?}"))
    }
}

pub fn cases() -> impl Strategy<Value = Case> {
    let events = 0..8u8;
    let want = prop_oneof![5 => Just(0u16), 2 => 8..21u16, 4 => 256..u16::MAX];
    let many = (any::<u16>(), want.clone(), 0..4u8, 0..26u8, any::<u16>(), events.clone(), 0..512u16);
    let many = many.prop_map(|(query, want, deletes, state, edits, events, manner)| Many {
        query,
        want,
        deletes: deletes == 3,
        state,
        edits,
        events,
        manner,
    });
    let manner = prop_oneof![2 => Just(0u16), 2 => 256..512u16];
    let op = prop_oneof![
        6 => (0..16u8, any::<u8>(), 0..18u8, any::<u8>(), any::<u8>(), events.clone(), 0..8u8).prop_map(
            |(id, job, state, parts, payload, events, attempt)| Op::Create {
                id,
                // Bad job ids and terminal first states are rarer than the rest.
                job: if job < 250 { job % 4 } else { 4 },
                state: if (7..12).contains(&state) { 20 } else { state },
                parts,
                payload,
                events,
                attempt: attempt.saturating_sub(5),
            }
        ),
        10 => (2..16u8, want.clone(), 0..26u8, any::<u16>(), 0..10u8, events.clone(), manner).prop_map(
            |(id, want, state, edits, payload, events, manner)| Op::Update {
                id,
                want,
                state,
                edits,
                payload,
                events,
                manner,
            }
        ),
        2 => (2..16u8, want.clone(), events).prop_map(|(id, want, events)| Op::Append { id, want, events }),
        1 => (2..16u8, want.clone()).prop_map(|(id, want)| Op::Delete { id, want }),
        1 => (0..4u8, 0..220u8, 0..8u8).prop_map(|(name, seq, expected)| Op::SetCheckpoint {
            name,
            seq,
            expected: if expected < 4 { 0 } else { expected },
        }),
        1 => (0..4u8, 0..4u8).prop_map(|(name, expected)| Op::DeleteCheckpoint { name, expected }),
        1 => (0..220u8).prop_map(|seq| Op::Trim { seq }),
        3 => any::<u64>().prop_map(Op::Buckets),
        8 => (2..16u8, any::<u8>(), any::<u8>(), any::<u8>(), want).prop_map(|(id, act, name, size, want)| {
            Op::Beside(Act { id, act, name, size, want })
        }),
    ];
    let how = prop_oneof![
        3 => Just(How::Closure), 2 => Just(How::Batch), 3 => Just(How::Held), 1 => Just(How::Entered), 1 => Just(How::Joined),
        2 => Just(How::Alone),
    ];
    let end = prop_oneof![
        4 => Just(End::GoOn), 6 => Just(End::Commit), 1 => Just(End::Lazy), 1 => Just(End::Abort),
    ];
    let step = prop_oneof![
        30 => (op, how, end, any::<u8>()).prop_map(|(op, how, end, own)| Step::Write { op, how, end, own }),
        2 => many.prop_map(|many| Step::Write { op: Op::Many(many), how: How::Alone, end: End::Commit, own: 0 }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
        2 => prop_oneof![-1_000..1_000i64, Just(0), Just(i64::MAX / 4), Just(-i64::MAX / 4)].prop_map(Step::Clock),
    ];
    let steps = prop::collection::vec(step, OPERATIONS);
    // Most stores have a journal.
    (0..5u8, any::<u64>(), steps).prop_map(|(journal, seed, steps)| Case {
        journal: journal > 0,
        seed: seed | 1,
        steps,
    })
}
