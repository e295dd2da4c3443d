//! Everything at once: writers through the group commit and in joined transactions, readers, watchers, and a
//! trimmer, for `EXECSTORE_STRESS_SECONDS` (3 by default). Then every validator, and `verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use execstore::error::WriteError;
use execstore::watch::WatchFrom;
use execstore::{
    Change, ChangeSeq, Error, Expect, Filter, NewEvent, NewExecution, Readable, Store, Update, Writer,
};
use support::TestStore;
use support::dice::Dice;
use support::feed::{Follower, validate_log, wanted};

type Transaction = (u64, u64, usize);

/// One small transaction on the executions of one writer. Gives the changes that it made.
fn work(w: &mut Writer<'_>, mine: u64, n: u64, choice: u64) -> Result<Transaction, Error> {
    let before = w.log().head()?.get();
    let id = format!("{mine}/{n}");
    let new = NewExecution::new(format!("j{}", n % 3)).id(&id).namespace(format!("n{}", n % 2));
    let parity = if n % 2 == 1 { "odd" } else { "even" };
    w.create(
        new.label("parity", parity).payload(support::json(&format!("[{n}]"))).event(NewEvent::new("t")),
    )?;
    w.update(&id, Update::to("BidAccepted").expect(Expect::new().revision(1)))?;
    let mut made = 2;
    if choice == 0 {
        // After two writes: nothing of it may stay.
        w.update("nobody", Update::new())?;
    }
    if n > 0 {
        let last = format!("{mine}/{}", n - 1);
        match choice {
            1..4 => drop(w.update(&last, Update::to("Failed").payload(support::json("{}")))?),
            4 => drop(w.delete(&last)?),
            _ => drop(w.append_events(&last, [NewEvent::new("u")])?),
        }
        made += 1;
    }
    let head = w.log().head()?.get();
    assert_eq!(head - before, made as u64);
    Ok((before + 1, head, made))
}

fn write(store: &Store, mine: u64, joined: bool, stop: &AtomicBool) -> Vec<Transaction> {
    let (mut dice, mut n, mut done) = (Dice::new(mine), 0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let choice = dice.roll(12);
        let result = if joined {
            let txn = store.share_database().begin_write().unwrap();
            let mut writer = store.join(&txn).unwrap();
            let result = work(&mut writer, mine, n, choice);
            let receipt = writer.finish();
            match result {
                Ok(_) => txn.commit().unwrap(),
                Err(_) => txn.abort().unwrap(),
            }
            if dice.roll(2) == 0 {
                store.notify(receipt);
            }
            result
        } else {
            store.batch(move |w| work(w, mine, n, choice))
        };
        match result {
            Ok(transaction) => {
                done.push(transaction);
                n += 1;
            }
            Err(Error::Write(WriteError::NotFound { id })) => {
                assert_eq!(id, "nobody");
                assert!(
                    store.read(|r| Ok(r.get(format!("{mine}/{n}"))?)).unwrap().is_none(),
                    "nothing stayed"
                );
            }
            Err(error) => panic!("{error}"),
        }
        if joined {
            thread::sleep(Duration::from_millis(2));
        }
    }
    done
}

fn read(store: &Store, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let reader = store.begin_read().unwrap();
        let counts: u64 = reader.counts().unwrap().into_iter().map(|(_, count)| count).sum();
        let page = reader.query(&execstore::Query::new().limit(50)).page().unwrap();
        assert!(page.damaged.is_empty() && page.executions.len() as u64 <= counts);
        for execution in page.executions.iter().take(5) {
            let events = reader.events(&execution.id, ..).unwrap().map(Result::unwrap).count();
            assert_eq!(events as u64, execution.event_count);
            assert_eq!(reader.get(&execution.id).unwrap().as_ref(), Some(execution));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn all_of_it_at_once_stays_right() {
    let seconds = std::env::var("EXECSTORE_STRESS_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    let store = TestStore::new();
    // The caller has the database: joined transactions.
    let _ = store.share_database();
    let (stop, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let log = Mutex::new(BTreeMap::<u64, Change>::new());
    let seen = |head: u64| log.lock().unwrap().len() as u64 >= head;
    let (transactions, followers) = thread::scope(|scope| {
        let (store, stop, ended, log) = (&store, &stop, &ended, &log);
        let writers: Vec<_> =
            (0..10).map(|mine| scope.spawn(move || write(store, mine, mine >= 8, stop))).collect();
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(move || read(store, stop))).collect();
        // One who misses nothing: the trimmer stays behind it.
        let recorder = scope.spawn(move || {
            let mut watcher = store.watch(WatchFrom::Oldest, Filter::new()).unwrap();
            while !ended.load(Ordering::Relaxed)
                || watcher.position() < store.read(|r| Ok(r.log().head()?)).unwrap()
            {
                let changes = watcher.next_batch(1_000, Duration::from_millis(50)).unwrap();
                log.lock().unwrap().extend(changes.into_iter().map(|change| (change.seq().get(), change)));
            }
        });
        let watchers: Vec<_> = wanted()
            .into_iter()
            .cycle()
            .take(8)
            .enumerate()
            .map(|(at, wanted)| {
                scope.spawn(move || {
                    let mut dice = Dice::new(1_000 + at as u64);
                    let mut follower = Follower::new(store, wanted, &WatchFrom::After(ChangeSeq(0)));
                    while !ended.load(Ordering::Relaxed)
                        || follower.position() < store.read(|r| Ok(r.log().head()?)).unwrap().get()
                    {
                        assert!(follower.take(store, &mut dice, Duration::from_millis(20)));
                        if at >= 6 && dice.roll(50) == 0 {
                            // A slow one, which the trimmer overtakes.
                            thread::sleep(Duration::from_millis(100));
                        }
                    }
                    follower
                })
            })
            .collect();
        let trimmer = scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let recorded = log.lock().unwrap().last_key_value().map_or(0, |(seq, _)| *seq);
                let upto = ChangeSeq(recorded.saturating_sub(200));
                store.batch(move |w| Ok(w.trim_changes(upto)?)).unwrap();
                thread::sleep(Duration::from_millis(3));
            }
        });
        thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        let transactions: Vec<_> = writers.into_iter().flat_map(|w| w.join().unwrap()).collect();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        trimmer.join().unwrap();
        ended.store(true, Ordering::Relaxed);
        recorder.join().unwrap();
        let followers: Vec<_> = watchers.into_iter().map(|w| w.join().unwrap()).collect();
        (transactions, followers)
    });
    let head = store.read(|r| Ok(r.log().head()?)).unwrap().get();
    assert!(seen(head));
    let log = log.into_inner().unwrap();
    followers.iter().for_each(|follower| follower.validate(&log));
    let heads: BTreeSet<u64> = followers.iter().flat_map(|follower| follower.heads.iter().copied()).collect();
    validate_log(&log, &transactions, &heads);
    let operations: usize = transactions.iter().map(|(_, _, made)| made).sum();
    assert_eq!(operations as u64, head, "every change is somebody's");
    let trims: usize = followers.iter().map(|follower| follower.trims).sum();
    println!("{head} changes in {} transactions, {trims} watchers trimmed", transactions.len());
    let began = Instant::now();
    assert!(store.verify().unwrap().is_clean());
    println!("verified in {:?}", began.elapsed());
}
