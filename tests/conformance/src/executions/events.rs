//! The events of an execution: appending, reading ranges from both ends, times and limits.

use std::ops::Bound;

use execstore::options::LongTexts;
use execstore::{EventSeq, Expect, NewEvent, Readable, Store, Timestamp};
use support::contents::contents;
use support::{create, json, walk};

use crate::{Engine, TestStore};

fn seqs(store: &TestStore, id: &str, range: (Bound<EventSeq>, Bound<EventSeq>)) -> Vec<u64> {
    let reader = store.begin_read().unwrap();
    let forward: Vec<_> = reader.events(id, range).unwrap().map(|event| event.unwrap().seq.get()).collect();
    let mut back: Vec<_> =
        reader.events(id, range).unwrap().rev().map(|event| event.unwrap().seq.get()).collect();
    back.reverse();
    assert_eq!(forward, back);
    forward
}

pub fn a_history_without_events_is_empty_and_so_is_an_unknown_one(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let reader = store.begin_read().unwrap();
    assert_eq!(reader.events("e", ..).unwrap().count(), 0);
    assert_eq!(reader.events("unknown", ..).unwrap().count(), 0);
}

pub fn appending_counts_on_and_leaves_everything_but_the_modified_time(engine: &dyn Engine) {
    let store = engine.ticking();
    let before = create(&store, "e");
    let mut last = before.header().clone();
    for turn in 1..=3 {
        let events = [NewEvent::new("a"), NewEvent::new("b").message(turn.to_string())];
        let after = store.write(|w| Ok(w.append_events("e", events)?)).unwrap();
        assert_eq!((after.event_count, after.revision), (turn * 2, before.revision));
        assert!(after.modified_at > last.modified_at);
        let now = store.read(|r| Ok(r.get("e")?)).unwrap().unwrap();
        assert_eq!((now.header(), now.payload_json()), (&after, before.payload_json()));
        last = after;
    }
    let mut same = last;
    (same.event_count, same.modified_at) = (before.event_count, before.modified_at);
    assert_eq!(&same, before.header());
    assert_eq!(seqs(&store, "e", (Bound::Unbounded, Bound::Unbounded)), [1, 2, 3, 4, 5, 6]);
}

pub fn ranges_give_what_they_name_from_both_ends(engine: &dyn Engine) {
    let store = engine.store();
    for id in ["before", "e", "later"] {
        create(&store, id);
        let events: Vec<_> = (0..5).map(|n| NewEvent::new(n.to_string())).collect();
        store.write(|w| Ok(w.append_events(id, events)?)).unwrap();
    }
    let from = |n| Bound::Included(EventSeq(n));
    let beyond = |n| Bound::Excluded(EventSeq(n));
    let all = Bound::Unbounded;
    let cases: [(Bound<EventSeq>, Bound<EventSeq>, &[u64]); 14] = [
        (all, all, &[1, 2, 3, 4, 5]),
        (from(0), all, &[1, 2, 3, 4, 5]),
        (from(1), from(5), &[1, 2, 3, 4, 5]),
        (from(2), from(4), &[2, 3, 4]),
        (from(2), beyond(4), &[2, 3]),
        (beyond(2), from(4), &[3, 4]),
        (beyond(0), beyond(2), &[1]),
        (from(5), all, &[5]),
        (from(6), all, &[]),
        (all, from(0), &[]),
        (all, beyond(0), &[]),
        (from(4), from(2), &[]),
        (beyond(u64::MAX), all, &[]),
        (from(3), from(u64::MAX), &[3, 4, 5]),
    ];
    for (start, end, expected) in cases {
        assert_eq!(seqs(&store, "e", (start, end)), expected, "{start:?} to {end:?}");
    }
}

pub fn both_ends_of_a_list_meet_in_the_middle(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let events: Vec<_> = (0..5).map(|n| NewEvent::new(n.to_string())).collect();
    store.write(|w| Ok(w.append_events("e", events)?)).unwrap();
    let reader = store.begin_read().unwrap();
    let mut list = reader.events("e", ..).unwrap();
    let taken: Vec<_> = [list.next(), list.next_back(), list.next(), list.next_back(), list.next()]
        .into_iter()
        .map(|event| event.unwrap().unwrap().seq.get())
        .collect();
    assert_eq!(taken, [1, 5, 2, 4, 3]);
    assert!(list.next().is_none() && list.next_back().is_none());
}

pub fn every_part_of_an_event_is_kept_and_its_time_as_given(engine: &dyn Engine) {
    let store = engine.ticking();
    create(&store, "e");
    let details = r#"{"b":1.50,"a":{"x":[1, 2]},"a":2}"#;
    let times = [5, -5, 0, i64::MAX, i64::MIN, 4];
    let events: Vec<_> = times
        .iter()
        .map(|time| NewEvent::new("t").message("m").at(Timestamp::from_nanos(*time)).details(json(details)))
        .collect();
    store.write(|w| Ok(w.append_events("e", events)?)).unwrap();
    let plain = store.write(|w| Ok(w.append_events("e", [NewEvent::new("")])?)).unwrap();
    let reader = store.begin_read().unwrap();
    let read: Vec<_> = reader.events("e", ..).unwrap().map(Result::unwrap).collect();
    for (event, time) in read.iter().zip(times) {
        assert_eq!((&*event.topic, &*event.message, event.time.as_nanos()), ("t", "m", time));
        assert_eq!(event.details.as_str(), details);
    }
    let last = read.last().unwrap();
    assert_eq!((&*last.topic, &*last.message, last.details.as_str()), ("", "", "{}"));
    assert_eq!(last.time, plain.modified_at, "without a time it gets that of the write");
}

pub fn a_terminal_execution_still_takes_events(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    store.write(|w| Ok(walk(w, "e", &["Failed"]))).unwrap();
    let after =
        store.write(|w| Ok(w.append_events_if("e", &Expect::new().state("Failed"), [NewEvent::new("t")])?));
    assert_eq!(after.unwrap().event_count, 1);
}

pub fn refused_events_leave_no_trace(engine: &dyn Engine) {
    let store = engine.store_with(Store::builder().set_long_texts(LongTexts::Refuse));
    create(&store, "e");
    let before = contents(&store);
    let good = || NewEvent::new("t");
    let details = |bytes: usize| json(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)));
    let cases: [(&str, &str, Expect, Vec<NewEvent>); 9] = [
        ("no execution \"absent\"", "absent", Expect::new(), vec![good()]),
        ("not as expected", "e", Expect::new().state("Running"), vec![good()]),
        ("not as expected", "e", Expect::new().revision(2), vec![good()]),
        ("no state \"Typo\"", "e", Expect::new().not_state("Typo"), vec![good()]),
        ("invalid events: there are none", "e", Expect::new(), vec![]),
        (
            "event topic: 257 is more than the maximum of 256",
            "e",
            Expect::new(),
            vec![good(), NewEvent::new("t".repeat(257))],
        ),
        (
            "event message: 65537 is more than the maximum of 65536",
            "e",
            Expect::new(),
            vec![good().message("m".repeat(65_537))],
        ),
        (
            "event: 1048577 is more than the maximum of 1048576",
            "e",
            Expect::new(),
            vec![good(), good().details(details(1_048_576))],
        ),
        ("not a JSON object", "e", Expect::new(), vec![good().details(json("null"))]),
    ];
    for (part, id, expect, events) in cases {
        let error = store.write(|w| Ok(w.append_events_if(id, &expect, events)?)).unwrap_err();
        assert!(error.to_string().contains(part), "{error} has no {part:?}");
        assert_eq!(contents(&store), before, "{part}");
    }
}

pub fn the_largest_event_is_accepted_and_comes_back(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    let details = json(&format!("{{\"a\":\"{}\"}}", "x".repeat(1_048_576 - 8 - 256 - 65_536)));
    let event = NewEvent::new("t".repeat(256)).message("m".repeat(65_536)).details(details.clone());
    store.write(|w| Ok(w.append_events("e", [event.clone(), event])?)).unwrap();
    let reader = store.begin_read().unwrap();
    for read in reader.events("e", ..).unwrap() {
        let read = read.unwrap();
        assert_eq!((read.topic.len(), read.message.len()), (256, 65_536));
        assert!(read.details == details);
    }
}

pub fn a_long_history_is_read_by_its_end(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    for chunk in 0..20 {
        let events: Vec<_> = (0..100).map(|n| NewEvent::new((chunk * 100 + n).to_string())).collect();
        store.write(|w| Ok(w.append_events("e", events)?)).unwrap();
    }
    let reader = store.begin_read().unwrap();
    let last: Vec<_> =
        reader.events("e", ..).unwrap().rev().take(3).map(|event| event.unwrap().topic).collect();
    assert_eq!(last, ["1999", "1998", "1997"]);
    let middle: Vec<_> =
        reader.events("e", EventSeq(1_000)..EventSeq(1_003)).unwrap().map(Result::unwrap).collect();
    assert_eq!(middle.iter().map(|event| &*event.topic).collect::<Vec<_>>(), ["999", "1000", "1001"]);
}
