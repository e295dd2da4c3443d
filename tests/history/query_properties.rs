//! Random queries over random stores, against a plain filter: through every index and through none, and page by page
//! while others write.
//!
//! `EXECSTORE_QUERY_CASES` says how many stores, each with 60 queries; 40 by default. A failure prints its seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use execstore::{Readable, Store, Timestamp};

use support::dice::Dice;
use support::model::Model;
use support::ops::{Op, perform};
use support::queries::{ask, compare_query};
use support::records::{MAX_PAYLOAD, Rec};

struct Run {
    store: Store,
    model: Model,
    clock: Arc<AtomicI64>,
    dice: Dice,
}

impl Run {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(AtomicI64::new(1_000));
        let shared = clock.clone();
        let mut builder = Store::builder();
        builder
            .set_max_payload(MAX_PAYLOAD)
            .set_removal_step(40)
            .set_clock(move || Timestamp::from_nanos(shared.load(Ordering::Relaxed)));
        let store = builder.in_memory().unwrap();
        Self { store, model: Model::default(), clock, dice: Dice::new(seed) }
    }

    fn write(&mut self, many: u64) {
        let Self { store, model, clock, dice } = self;
        // The clock goes on, stands still, goes back, and leaps.
        let step = [1, 1, 0, 3, -2, 500, -400][dice.roll(7) as usize];
        let now = clock.fetch_add(step, Ordering::Relaxed) + step;
        store
            .write(|w| {
                for _ in 0..many {
                    perform(w, model, &op(dice), now);
                }
                Ok(())
            })
            .unwrap();
    }
}

fn op(dice: &mut Dice) -> Op {
    let mut roll = |sides: u64| dice.roll(sides);
    let events = roll(8) as u8;
    match roll(20) {
        0..7 => Op::Create {
            id: 8 * (roll(3) as u8).min(1) + roll(8) as u8,
            job: roll(4) as u8,
            state: if roll(2) == 0 { 20 } else { roll(6) as u8 },
            parts: roll(256) as u8,
            payload: roll(10) as u8,
            events,
            attempt: 0,
        },
        7..16 => Op::Update {
            id: roll(64) as u8,
            want: 0,
            state: roll(26) as u8,
            edits: roll(65_536) as u16,
            payload: roll(10) as u8,
            events,
            manner: 0,
        },
        16 => Op::Append { id: roll(64) as u8, want: 0, events },
        17 | 18 => Op::Delete { id: roll(64) as u8, want: 0 },
        _ => Op::Trim { seq: roll(220) as u8 },
    }
}

/// Reads page by page while others write in between. What stays as it is comes once, or not at all if it is not asked
/// for; what changes comes at most once, unless the order moves it to where it is still to come.
fn walk(run: &mut Run) {
    let asked = loop {
        let asked = ask(&mut run.dice, &run.model);
        if !asked.by_links {
            break asked;
        }
    };
    let started = run.model.clone();
    let limit = 1 + run.dice.roll(6) as usize;
    let mut query = asked.query.clone().limit(limit);
    let mut seen: BTreeMap<u64, u32> = BTreeMap::new();
    for turn in 0.. {
        let reader = run.store.begin_read().unwrap();
        let page = reader.query(&query).page().unwrap();
        assert!(page.damaged.is_empty() && page.executions.len() <= limit);
        for execution in &page.executions {
            let rec = Rec::of(execution);
            let (number, known) = run.model.records.iter().find(|(_, known)| known.id == rec.id).unwrap();
            assert_eq!(rec, **known);
            assert!(asked.keeps(&rec), "{query:?} does not ask for {}", rec.id);
            *seen.entry(*number).or_default() += 1;
        }
        let Some(cursor) = page.next else { break };
        query = query.after(cursor.to_string().parse().unwrap());
        assert!(turn < 1_000, "pages do not end: {query:?}");
        if turn < 100 {
            let many = run.dice.roll(3);
            run.write(many);
        }
    }
    for (number, last) in &started.last_changes {
        if run.model.last_changes.get(number) == Some(last) {
            let expected = u32::from(asked.keeps(&started.records[number]));
            assert_eq!(seen.get(number).copied().unwrap_or(0), expected, "number {number}: {query:?}");
        }
    }
    let twice = seen.values().any(|times| *times > 1);
    assert!(!twice || asked.comes_again(), "an execution came twice: {query:?}");
}

#[test]
fn queries_find_what_a_plain_filter_finds() {
    let stores: u64 =
        std::env::var("EXECSTORE_QUERY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    for seed in 1..=stores {
        let case = move || {
            let mut run = Run::new(seed);
            for _ in 0..60 {
                let many = run.dice.roll(5);
                run.write(many);
                let reader = run.store.begin_read().unwrap();
                compare_query(&reader, &run.model, &mut run.dice);
                drop(reader);
                walk(&mut run);
            }
            let report = run.store.verify().unwrap();
            assert!(report.is_clean(), "{report}");
        };
        if std::panic::catch_unwind(case).is_err() {
            panic!("the store of seed {seed} failed, see above");
        }
    }
}

#[test]
fn blocks_of_times_leave_nothing_out() {
    // Several full blocks of executions and of changes, with a clock that goes back now and then.
    let mut run = Run::new(7);
    for turn in 0..40 {
        for _ in 0..10 {
            run.clock.fetch_add([1, 50, -40][run.dice.roll(3) as usize], Ordering::Relaxed);
            let now = run.clock.load(Ordering::Relaxed);
            let Run { store, model, .. } = &mut run;
            store
                .write(|w| {
                    for _ in 0..20 {
                        let op = Op::Create {
                            id: 20,
                            job: 0,
                            state: 3,
                            parts: 0,
                            payload: 0,
                            events: 0,
                            attempt: 0,
                        };
                        perform(w, model, &op, now);
                    }
                    Ok(())
                })
                .unwrap();
        }
        if turn == 20 {
            let Run { store, model, .. } = &mut run;
            store.write(|w| Ok(w.trim_changes(2_500.into())?)).unwrap();
            model.trim(2_500);
        }
        if turn % 4 == 0 {
            for _ in 0..5 {
                compare_query(&run.store.begin_read().unwrap(), &run.model, &mut run.dice);
            }
        }
    }
    assert!(run.store.verify().unwrap().is_clean());
}
