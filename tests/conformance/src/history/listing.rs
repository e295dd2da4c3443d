//! Listing executions by job, by state, and live ones; the counters.

use execstore::error::{InputError, ReadError};
use execstore::query::Access;
use execstore::{Error, Execution, NewExecution, OrderBy, Query, Readable, Update};
use support::create;

use crate::{Engine, TestStore};

fn ids(list: impl Iterator<Item = Result<Execution, ReadError>>) -> Vec<String> {
    list.map(|execution| execution.unwrap().id.to_string()).collect()
}

/// Executions 0 to 11: job `n % 3`, ids that do not sort as they were created, states in turn.
fn filled(engine: &dyn Engine) -> TestStore {
    let store = engine.store();
    let states = ["New", "Running", "BidAccepted", "Publishing"];
    store
        .write(|w| {
            for n in 0..12 {
                let id = format!("{}-{n}", char::from(b'z' - n));
                w.create(NewExecution::new(format!("job{}", n % 3)).id(id).state(states[n as usize % 4]))?;
            }
            Ok(())
        })
        .unwrap();
    store
}

fn numbered(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|n| format!("{}-{n}", char::from(b'z' - n))).collect()
}

pub fn jobs_are_listed_in_the_order_of_creation_from_both_ends(engine: &dyn Engine) {
    let store = filled(engine);
    let reader = store.begin_read().unwrap();
    let cases: [(&str, &[u8]); 7] = [
        ("job0", &[0, 3, 6, 9]),
        ("job1", &[1, 4, 7, 10]),
        ("job2", &[2, 5, 8, 11]),
        ("job", &[]),
        ("job00", &[]),
        ("", &[]),
        ("unknown", &[]),
    ];
    for (job, expected) in cases {
        let mut expected = numbered(expected);
        assert_eq!(ids(reader.by_job(job).unwrap()), expected, "{job:?}");
        expected.reverse();
        let back: Vec<_> = reader.by_job(job).unwrap().rev().map(|e| e.unwrap().id.to_string()).collect();
        assert_eq!(back, expected, "{job:?}");
    }
    // A job id that no execution can have.
    assert_eq!(reader.by_job("x".repeat(5_000)).unwrap().count(), 0);
}

pub fn a_job_id_with_a_zero_byte_is_unknown(engine: &dyn Engine) {
    let store = filled(engine);
    let reader = store.begin_read().unwrap();
    for job in ["job0\0", "job0\0\0", "job0\0\0\0\0\0\0\0", "\0", "job0\0\0\0\0\0\0\0\0\x01"] {
        let found: Vec<_> = reader.by_job(job).unwrap().collect();
        assert!(found.is_empty(), "{job:?}: {found:?}");
    }
}

pub fn states_are_listed_alone_and_together_in_the_order_of_creation(engine: &dyn Engine) {
    let store = filled(engine);
    let reader = store.begin_read().unwrap();
    let cases: [(&[&str], &[u8]); 7] = [
        (&["New"], &[0, 4, 8]),
        (&["Running"], &[1, 5, 9]),
        (&["Completed"], &[]),
        (&["Running", "New"], &[0, 1, 4, 5, 8, 9]),
        (&["Running", "Completed", "Running"], &[1, 5, 9]),
        (&["New", "Running", "BidAccepted", "Publishing"], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (&[], &[]),
    ];
    for (states, expected) in cases {
        let mut expected = numbered(expected);
        assert_eq!(
            ids(reader.query(&Query::new().states(states).oldest_first()).rows().unwrap()),
            expected,
            "{states:?}"
        );
        expected.reverse();
        let back = reader.query(&Query::new().states(states).newest_first()).rows().unwrap();
        assert_eq!(ids(back), expected, "{states:?}");
    }
    // Several states from both ends.
    let mut both = reader.live().unwrap();
    let first = both.next().unwrap().unwrap().id.to_string();
    let last = both.next_back().unwrap().unwrap().id.to_string();
    assert_eq!([first, last].to_vec(), numbered(&[1, 11]));
    assert_eq!(ids(both), numbered(&[2, 3, 5, 6, 7, 9, 10]));
}

pub fn live_executions_are_those_in_live_states(engine: &dyn Engine) {
    let store = filled(engine);
    assert_eq!(ids(store.begin_read().unwrap().live().unwrap()), numbered(&[1, 2, 3, 5, 6, 7, 9, 10, 11]));
    let id = &numbered(&[5])[0];
    store.write(|w| Ok(w.update(id, Update::to("Completed"))?)).unwrap();
    let reader = store.begin_read().unwrap();
    assert_eq!(ids(reader.live().unwrap()), numbered(&[1, 2, 3, 6, 7, 9, 10, 11]));
    assert_eq!(reader.live().unwrap().next_back().unwrap().unwrap().id.as_str(), numbered(&[11])[0]);
}

pub fn counters_agree_with_the_lists_after_every_kind_of_change(engine: &dyn Engine) {
    let store = filled(engine);
    let check = |store: &TestStore| {
        let reader = store.begin_read().unwrap();
        let counts = reader.counts().unwrap();
        let names: Vec<_> = counts.iter().map(|(state, _)| state.clone()).collect();
        assert!(names.iter().eq(store.lifecycle().states()));
        for (state, count) in counts {
            assert_eq!(reader.count(&state).unwrap(), count);
            assert_eq!(
                reader.query(&Query::new().state(&state).oldest_first()).rows().unwrap().count() as u64,
                count,
                "{state}"
            );
        }
    };
    check(&store);
    let id = |n| numbered(&[n])[0].clone();
    store.write(|w| Ok(w.update(id(1), Update::to("Failed"))?)).unwrap();
    check(&store);
    store.write(|w| Ok(w.update(id(2), Update::new().message("m"))?)).unwrap();
    check(&store);
    store.write(|w| Ok(w.delete(id(1))?)).unwrap();
    store.write(|w| Ok(w.delete(id(0))?)).unwrap();
    check(&store);
    create(&store, "more");
    check(&store);
    let reader = store.begin_read().unwrap();
    assert_eq!((reader.count("New").unwrap(), reader.count("Running").unwrap()), (3, 2));
    assert_eq!((reader.count("Failed").unwrap(), reader.count("Completed").unwrap()), (0, 0));
}

pub fn an_unknown_state_is_an_error(engine: &dyn Engine) {
    let store = filled(engine);
    let reader = store.begin_read().unwrap();
    for name in ["", "running", "Running ", "Gone"] {
        let unknown = |error: ReadError| {
            assert!(
                matches!(&error, ReadError::Input(InputError::UnknownState { state }) if state == name),
                "{error}"
            );
        };
        unknown(reader.query(&Query::new().state(name).oldest_first()).rows().unwrap_err());
        unknown(reader.query(&Query::new().states(["New", name]).oldest_first()).rows().unwrap_err());
        unknown(reader.count(name).unwrap_err());
    }
    let through = store.read(|r| Ok(r.count("Gone")?)).unwrap_err();
    assert!(matches!(through, Error::Input(InputError::UnknownState { .. })));
}

pub fn lists_of_an_empty_store_are_empty(engine: &dyn Engine) {
    let store = engine.store();
    let reader = store.begin_read().unwrap();
    assert!(reader.get("e").unwrap().is_none());
    assert_eq!((reader.live().unwrap().count(), reader.by_job("j").unwrap().count()), (0, 0));
    assert_eq!((reader.log().range(..).unwrap().count(), reader.log().head().unwrap().get()), (0, 0));
    let counts = reader.counts().unwrap();
    assert_eq!((counts.len(), counts.iter().map(|(_, count)| count).sum::<u64>()), (11, 0));
    assert!(reader.log().checkpoints().unwrap().is_empty());
}

/// A list without a limit is sorted 1,024 at a time.
pub fn a_sorted_list_of_several_pieces_is_whole_in_whatever_order_its_candidates_come(engine: &dyn Engine) {
    const MANY: usize = 1_100;
    let store = engine.store();
    store
        .write(|w| {
            for n in 0..MANY {
                w.create(NewExecution::new("j").id(n.to_string()))?;
            }
            Ok((0..MANY)
                .rev()
                .try_for_each(|n| w.update(n.to_string(), Update::new().message("m")).map(drop))?)
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    let first_to_last: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    let last_to_first: Vec<_> = first_to_last.iter().rev().cloned().collect();
    let sorted = Query::new().using(Access::Scan).order_by(OrderBy::Modified);
    assert!(reader.query(&sorted).explain().unwrap().sorts);
    assert_eq!(ids(reader.query(&sorted).rows().unwrap()), first_to_last);
    assert_eq!(ids(reader.query(&sorted.oldest_first()).rows().unwrap()), last_to_first);
}
