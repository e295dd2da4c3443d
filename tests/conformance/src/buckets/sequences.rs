//! Random sequences of operations against plain maps, over rollbacks, crashes and reopening.

use execstore::{Error, NewExecution, Readable, Store};
use support::buckets::{Logged, Plain, acts, compare_all};
use support::dice::Dice;

use crate::Engine;

pub fn any_sequence_of_operations_equals_plain_maps(engine: &dyn Engine) {
    let seeds = std::env::var("EXECSTORE_BUCKET_SEEDS").map_or(12, |text| text.parse().unwrap());
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let mut settings = Store::builder();
        settings.set_removal_step([1, 5, 512][seed as usize % 3]).set_tamper_evident(seed % 4 == 3);
        let (mut store, mut plain) = (engine.store_with(&settings), Plain::default());
        // What the log must have of buckets, and between them of executions.
        let mut expected: Vec<Option<Logged>> = Vec::new();
        for _ in 0..60 {
            let (mut after, mut log) = (plain.clone(), Vec::new());
            let fails = dice.roll(4) == 0;
            let mut forked = dice.clone();
            dice.next();
            let kind = dice.roll(3);
            match kind {
                0 => {
                    let done = store.write(|w| {
                        acts(w, &mut after, &mut log, &mut forked);
                        w.create(NewExecution::new("j"))?;
                        if fails { Err(Error::caller("no")) } else { Ok(()) }
                    });
                    assert_eq!(done.is_err(), fails);
                }
                1 => {
                    let before = after.clone();
                    let done = store.batch(move |w| {
                        let (mut after, mut log) = (before.clone(), Vec::new());
                        acts(w, &mut after, &mut log, &mut forked.clone());
                        if fails { Err(Error::caller("no")) } else { Ok((after, log)) }
                    });
                    assert_eq!(done.is_err(), fails);
                    done.into_iter().for_each(|done| (after, log) = done);
                }
                _ => {
                    let txn = store.begin_write().unwrap();
                    acts(&mut txn.writer().unwrap(), &mut after, &mut log, &mut forked);
                    acts(&mut txn.writer().unwrap(), &mut after, &mut log, &mut forked);
                    if fails { txn.abort().unwrap() } else { txn.commit().unwrap() }
                }
            }
            if !fails {
                plain = after;
                expected.extend(log.into_iter().map(Some));
                expected.extend((kind == 0).then_some(None));
            }
            match dice.roll(12) {
                0 => store.reopen(),
                1 => store = store.crash_copy(),
                2 => drop(store.maintain().unwrap()),
                3 => assert!(store.verify().unwrap().is_clean()),
                _ => {}
            }
            let r = store.begin_read().unwrap();
            compare_all(&r, &plain, &mut dice);
            let found: Vec<_> =
                r.log().range(..).unwrap().map(|change| Logged::of(&change.unwrap())).collect();
            assert_eq!(found, expected);
        }
    }
}
