//! Whether the answers are right. Timings never fail a run; wrong answers do.

use crate::record::{Entry, Record, State};
use crate::subject::Subject;
use crate::workload::{self, Ids, mix, prepared_state};

pub const PAGE: usize = 50;

/// After whole lifecycles of executions 0 to `n`.
pub fn lifecycles<S: Subject>(subject: &S, ids: Ids, n: u64) {
    assert_eq!(subject.count(State::Completed), n, "{}", S::NAME);
    let mut log = Vec::new();
    subject.log(|entry| log.push(entry.into()));
    assert_eq!(log.len() as u64, 5 * n);
    assert!(log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
    for n in (0..n).step_by(97) {
        let mut expected = workload::record(ids, n, State::Completed, 5);
        expected.header.revision = 5;
        expected.header.message = Some("exit code 0".into());
        same(subject.get(&ids.execution(n)).unwrap().into(), expected);
        check_events(subject, ids, n);
        let of = |entry: &&crate::record::Entry| entry.header.id == ids.execution(n);
        let moves: Vec<_> = log.iter().filter(of).collect();
        let befores: Vec<_> = moves.iter().map(|entry| entry.before).collect();
        use State::{BidAccepted, New, Publishing, Running};
        assert_eq!(befores, [None, Some(New), Some(BidAccepted), Some(Running), Some(Publishing)]);
        assert!(moves.iter().zip(1..).all(|(entry, at)| {
            (entry.first_event, entry.last_event, entry.header.revision) == (at, at, at)
        }));
    }
}

/// After 0 to `n` were created in state `New`.
pub fn created<S: Subject>(subject: &S, ids: Ids, n: u64) {
    assert_eq!(subject.count(State::New), n, "{}", S::NAME);
    for n in (0..n).step_by(997) {
        let row = subject.get(&ids.execution(n)).unwrap();
        same(row.into(), workload::record(ids, n, State::New, 1));
    }
}

/// The prepared store, read in every way.
pub fn prepared<S: Subject>(subject: &S, ids: Ids, n: u64) {
    for at in (0..200).map(|i| mix(i) % n) {
        let row = subject.get(&ids.execution(at)).unwrap();
        same(row.into(), expected(ids, at));
        check_events(subject, ids, at);
        let mut job = Vec::new();
        subject.by_job(&ids.job(at), |row| job.push(row.into().header.id));
        job.sort_unstable();
        let mut members: Vec<_> = (at / 4 * 4..at / 4 * 4 + 4).map(|m| ids.execution(m)).collect();
        members.sort_unstable();
        assert_eq!(job, members);
    }
    assert!(subject.get("none").is_none());
    let mut live = Vec::new();
    subject.live(|row| live.push(row.into().header.id));
    live.sort_unstable();
    let mut expected_live: Vec<_> = (37..n).step_by(100).map(|n| ids.execution(n)).collect();
    expected_live.sort_unstable();
    assert_eq!(live, expected_live, "{}", S::NAME);
    for state in State::ALL {
        let count = (0..n).filter(|n| prepared_state(*n) == state).count() as u64;
        assert_eq!(subject.count(state), count, "{}", S::NAME);
        assert!(subject.counter(state).is_none_or(|counter| counter == count));
    }
    let (mut seq, mut created) = (0, 0);
    subject.log(|entry| {
        let entry: Entry = entry.into();
        seq += 1;
        assert_eq!(entry.seq, seq);
        created += u64::from(entry.before.is_none());
    });
    assert_eq!((seq, created), (2 * n - n / 50, n), "{}: length of the log", S::NAME);
    if ids == Ids::V7 {
        pages(subject, ids, n);
    }
}

fn pages<S: Subject>(subject: &S, ids: Ids, n: u64) {
    let depth = n / 2;
    let cursor = cursor_at(subject, depth);
    let newest = |from: u64| (0..PAGE as u64).map(move |at| expected(ids, n - 1 - from - at));
    let all = |page: Vec<S::Row>, from| {
        assert_eq!(page.len(), PAGE);
        page.into_iter().zip(newest(from)).for_each(|(row, expected)| same(row.into(), expected));
    };
    all(subject.page(None, PAGE).0, 0);
    all(subject.page(Some(&cursor), PAGE).0, depth);
    if let Some(page) = subject.page_at(depth as usize, PAGE) {
        all(page, depth);
    }
}

/// The cursor behind the newest `depth` executions.
pub fn cursor_at<S: Subject>(subject: &S, depth: u64) -> S::Cursor {
    let (mut left, mut cursor) = (depth, None);
    while left > 0 {
        let take = left.min(10_000);
        cursor = subject.page(cursor.as_ref(), take as usize).1;
        left -= take;
    }
    cursor.unwrap()
}

fn expected(ids: Ids, n: u64) -> Record {
    let state = prepared_state(n);
    let mut record = workload::record(ids, n, state, 5);
    if state.is_terminal() {
        record.header.revision = 2;
        record.header.message = Some("ended".into());
    }
    record
}

fn check_events<S: Subject>(subject: &S, ids: Ids, n: u64) {
    let mut events = Vec::new();
    subject.events(&ids.execution(n), |event| events.push(event.into()));
    let expected: Vec<_> = (1..=5).map(|seq| workload::event(n, seq)).collect();
    assert_eq!(events, expected, "{}", S::NAME);
}

/// Equal but for the times, which are those of the writes.
fn same(mut found: Record, expected: Record) {
    let header = &mut found.header;
    assert!(header.created_at > 0 && header.created_at <= header.modified_at);
    assert_eq!(header.completed_at.is_some(), header.state.is_terminal());
    (header.created_at, header.modified_at, header.completed_at) = (0, 0, None);
    assert_eq!(found, expected);
}
