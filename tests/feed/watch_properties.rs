//! Random histories with watchers, resumptions and trims at random moments: the nine properties hold.

use std::collections::BTreeMap;
use std::time::Duration;

use execstore::watch::WatchFrom;
use execstore::{Change, ChangeSeq, Error, Expect, NewEvent, NewExecution, Readable, Store, Update, Writer};
use support::TestStore;
use support::dice::Dice;
use support::feed::{Follower, validate_log, wanted};

/// One operation that a random choice makes; refusals are a part of it.
fn operation(w: &mut Writer<'_>, choice: u64, id: u64) -> Result<(), Error> {
    let name = format!("e{id}");
    let done = match choice {
        0..3 => {
            let new = NewExecution::new(format!("j{}", id % 3)).id(&name).namespace(format!("n{}", id % 2));
            w.create(new.label("parity", if id % 2 == 1 { "odd" } else { "even" })).map(drop)
        }
        3 => w.update(&name, Update::to("BidAccepted").expect(Expect::new().state("New"))).map(drop),
        4 => w.update(&name, Update::to("Failed").event(NewEvent::new("t"))).map(drop),
        5 => w.update(&name, Update::new().label("parity", "odd").message("m")).map(drop),
        6 => w.append_events(&name, [NewEvent::new("t"), NewEvent::new("u")]).map(drop),
        _ => w.delete(&name).map(drop),
    };
    match done {
        Ok(()) => Ok(()),
        Err(execstore::error::WriteError::Storage(error)) => Err(error.into()),
        // Nothing was written: the history goes on without it.
        Err(_) => Ok(()),
    }
}

/// A transaction of some operations. Gives the changes that it made, by their first and last number.
fn transaction(store: &Store, dice: &mut Dice) -> Option<(u64, u64, usize)> {
    let choices: Vec<_> = (0..=dice.roll(4)).map(|_| (dice.roll(8), dice.roll(12))).collect();
    let run = move |w: &mut Writer<'_>| {
        let before = w.log().head()?.get();
        let mut made = 0;
        for (choice, id) in &choices {
            let head = w.log().head()?;
            operation(w, *choice, *id)?;
            made += usize::from(w.log().head()? != head);
        }
        Ok((before + 1, w.log().head()?.get(), made))
    };
    let done = match dice.roll(3) {
        0 => store.batch(run),
        1 => store.submit(run).unwrap().wait(),
        _ => store.write(|w| run.clone()(w)),
    };
    Some(done.unwrap()).filter(|(_, _, made)| *made > 0)
}

fn history(seed: u64) -> (usize, usize) {
    let mut dice = Dice::new(seed);
    let store = TestStore::new();
    let mut transactions = Vec::new();
    let mut log = BTreeMap::<u64, Change>::new();
    let mut recorder = store.watch(WatchFrom::Oldest, execstore::Filter::new()).unwrap();
    let mut followers: Vec<_> =
        wanted().into_iter().map(|w| Follower::new(&store, w, &WatchFrom::After(ChangeSeq(0)))).collect();
    for _ in 0..120 {
        match dice.roll(10) {
            0..6 => transactions.extend(transaction(&store, &mut dice)),
            6..9 => {
                let at = dice.roll(followers.len() as u64) as usize;
                assert!(followers[at].take(&store, &mut dice, Duration::ZERO));
            }
            _ => {
                // The recorder has seen it all before it can go.
                let seen = recorder.next_batch(10_000, Duration::ZERO).unwrap();
                log.extend(seen.into_iter().map(|change| (change.seq().get(), change)));
                let head = recorder.position().get();
                let upto = ChangeSeq(head.saturating_sub(dice.roll(12)));
                store.write(|w| Ok(w.trim_changes(upto)?)).unwrap();
            }
        }
    }
    let head = store.read(|r| Ok(r.log().head()?)).unwrap().get();
    let seen = recorder.next_batch(10_000, Duration::ZERO).unwrap();
    log.extend(seen.into_iter().map(|change| (change.seq().get(), change)));
    assert_eq!(log.len() as u64, head);
    for follower in &mut followers {
        while follower.position() < head {
            assert!(follower.take(&store, &mut dice, Duration::ZERO));
        }
        follower.validate(&log);
    }
    let heads = followers.iter().flat_map(|follower| follower.heads.iter().copied()).collect();
    validate_log(&log, &transactions, &heads);
    let count = |of: fn(&Follower) -> usize| followers.iter().map(of).sum();
    (count(|f| f.trims), count(|f| f.resumes))
}

#[test]
fn watches_are_right_over_random_histories_with_trims() {
    let first = std::env::var("EXECSTORE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let cases = std::env::var("EXECSTORE_WATCH_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let (mut trims, mut resumes) = (0, 0);
    for seed in first..first + cases {
        println!("seed {seed}");
        let (trimmed, resumed) = history(seed);
        trims += trimmed;
        resumes += resumed;
    }
    // The histories do contain what they are to show.
    assert!(trims > 0 && resumes > 0, "{trims} trims, {resumes} resumptions");
}
