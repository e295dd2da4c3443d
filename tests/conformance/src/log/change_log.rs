//! The change log: its sequence, what each entry says, and the payloads that it keeps readable.

use std::ops::RangeInclusive;

use execstore::{
    Change, ChangeKind, ChangeSeq, DesiredState, EventSeq, Execution, Header, NewEvent, NewExecution,
    Readable, Store, Update,
};
use support::{big_payload, create, json};

use crate::Engine;

/// What a test knows of a change: kind, before, after, events.
type Known = (ChangeKind, Option<Execution>, Option<Execution>, Option<RangeInclusive<EventSeq>>);

/// Makes changes and remembers them.
struct Recorder<'a> {
    store: &'a Store,
    known: Vec<Known>,
}

impl Recorder<'_> {
    fn get(&self, id: &str) -> Option<Execution> {
        self.store.read(|r| Ok(r.get(id)?)).unwrap()
    }

    /// The execution of a header that an operation gave.
    fn now(&self, header: &Header) -> Execution {
        let execution = self.get(header.id.as_str()).unwrap();
        assert_eq!(execution.header(), header);
        execution
    }

    fn note(&mut self, kind: ChangeKind, before: Option<Execution>, after: Option<Execution>) {
        let count = |record: &Option<Execution>| record.as_ref().map_or(0, |record| record.event_count);
        let (old, new) = (count(&before), count(&after));
        let events = (new > old).then(|| EventSeq(old + 1)..=EventSeq(new));
        self.known.push((kind, before, after, events));
    }

    fn create(&mut self, new: NewExecution) {
        let after = self.store.write(|w| Ok(w.create(new)?)).unwrap();
        self.note(ChangeKind::Created, None, Some(after));
    }

    fn update(&mut self, id: &str, update: Update) {
        let before = self.get(id);
        let after = self.store.write(|w| Ok(w.update(id, update)?)).unwrap();
        self.note(ChangeKind::Updated, before, Some(self.now(&after)));
    }

    fn append(&mut self, id: &str, events: &[NewEvent]) {
        let before = self.get(id);
        let after = self.store.write(|w| Ok(w.append_events(id, events.to_vec())?)).unwrap();
        self.note(ChangeKind::EventsAppended, before, Some(self.now(&after)));
    }

    fn delete(&mut self, id: &str) {
        let before = self.get(id);
        self.store.write(|w| Ok(w.delete(id)?)).unwrap();
        self.note(ChangeKind::Deleted, before, None);
    }

    fn check(&self, store: &Store) {
        let reader = store.begin_read().unwrap();
        let changes: Vec<Change> = reader.log().range(..).unwrap().map(Result::unwrap).collect();
        assert_eq!(changes.len(), self.known.len());
        assert_eq!(reader.log().head().unwrap().get(), changes.len() as u64);
        for (place, (change, (kind, before, after, events))) in changes.iter().zip(&self.known).enumerate() {
            assert_eq!((change.seq().get(), change.kind()), (place as u64 + 1, *kind));
            let header = |record: &Option<Execution>| record.as_ref().map(|record| record.header().clone());
            assert_eq!(
                (change.before(), change.after().cloned()),
                (header(before), header(after)),
                "{place}"
            );
            let payload = |record: &Option<Execution>| record.as_ref().map(|e| e.payload_json().clone());
            assert!(
                reader.log().payload_before(change).unwrap() == payload(before),
                "payload before {place}"
            );
            assert!(reader.log().payload_after(change).unwrap() == payload(after), "payload after {place}");
            assert!(reader.log().execution_before(change).unwrap() == *before, "before {place}");
            assert!(reader.log().execution_after(change).unwrap() == *after, "after {place}");
            assert_eq!(change.events(), *events, "events of {place}");
            let either = after.as_ref().or(before.as_ref()).unwrap();
            assert_eq!(
                (change.execution_id().unwrap(), change.job_id().unwrap()),
                (&either.id, &either.job_id)
            );
            assert_eq!(change.revision(), Some(either.revision));
            assert_eq!(change.state_before(), before.as_ref().map(|record| &record.state));
            assert_eq!(change.state_after(), after.as_ref().map(|record| &record.state));
            let other_payload = before.is_none() || after.is_some() && payload(before) != payload(after);
            assert_eq!(change.payload_changed(), other_payload, "{place}");
        }
    }
}

fn every_kind(store: &Store) -> Recorder<'_> {
    let mut all = Recorder { store, known: Vec::new() };
    let event = |topic: &str| NewEvent::new(topic);
    for (n, size) in [0, 900, 1_100, 100_000].into_iter().enumerate() {
        let id = format!("e{n}");
        all.create(NewExecution::new("j").id(&id));
        all.update(&id, Update::new().payload(big_payload(size)).event(event("a")));
        all.update(&id, Update::to("BidAccepted").message("m").label("k", "v"));
        all.append(&id, &[event("b"), event("c")]);
        all.update(&id, Update::new().event(event("d")));
        all.update(&id, Update::new().name("n").node_id("x").parent("p").previous("q"));
        all.update(&id, Update::to("Running").desired(DesiredState::Running).clear_message());
        all.update(&id, Update::new().merge_payload(json(r#"{"x":1}"#)));
        all.update(&id, Update::new().clear_name().clear_node_id().clear_parent().clear_previous());
        all.update(&id, Update::new().clear_labels().clear_payload());
        all.update(&id, Update::new().payload(big_payload(3_000 - size.min(2_999))));
        all.update(&id, Update::to("Completed").event(event("e")).event(event("f")).event(event("g")));
        all.append(&id, &[event("h")]);
        if n % 2 == 1 {
            all.delete(&id);
            all.create(
                NewExecution::new("again")
                    .id(&id)
                    .state("Running")
                    .payload(big_payload(size))
                    .event(event("a")),
            );
            all.update(&id, Update::new().payload(json("1")));
            all.delete(&id);
        }
    }
    all
}

pub fn every_kind_of_change_says_what_was_and_what_is(engine: &dyn Engine) {
    let store = engine.ticking();
    every_kind(&store).check(&store);
}

pub fn the_log_is_the_same_after_a_crash_and_after_a_close(engine: &dyn Engine) {
    let mut store = engine.ticking();
    let known = every_kind(&store).known;
    let copy = store.crash_copy();
    Recorder { store: &copy, known: known.clone() }.check(&copy);
    store.reopen();
    Recorder { store: &store, known }.check(&store);
}

pub fn changes_have_the_time_of_the_stores_clock(engine: &dyn Engine) {
    let store = engine.ticking();
    create(&store, "a");
    create(&store, "b");
    store.write(|w| Ok(w.delete("a")?)).unwrap();
    let reader = store.begin_read().unwrap();
    let times: Vec<_> =
        reader.log().range(..).unwrap().map(|change| change.unwrap().time().as_nanos()).collect();
    assert_eq!(times, [1, 2, 3]);
}

pub fn the_sequence_has_no_gaps_from_refused_or_abandoned_writes(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "a");
    assert!(store.write(|w| Ok(w.create(NewExecution::new("j").id("a"))?)).is_err());
    let txn = store.begin_write().unwrap();
    txn.writer().unwrap().create(NewExecution::new("j").id("lost")).unwrap();
    drop(txn);
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("b"))?;
            assert!(w.update("a", Update::to("Gone")).is_err());
            assert_eq!(w.log().head()?, ChangeSeq(2));
            Ok(w.create(NewExecution::new("j").id("c"))?)
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    let ids: Vec<_> = reader
        .log()
        .range(..)
        .unwrap()
        .map(|change| change.unwrap())
        .map(|change| (change.seq().get(), change.execution_id().unwrap().to_string()))
        .collect();
    assert_eq!(ids, [(1, "a".into()), (2, "b".into()), (3, "c".into())]);
}

pub fn ranges_give_what_they_name_from_both_ends(engine: &dyn Engine) {
    let store = engine.store();
    for n in 1..=6 {
        create(&store, &n.to_string());
    }
    let seq = ChangeSeq;
    let reader = store.begin_read().unwrap();
    let check = |list: execstore::List<'_, Change>, back: execstore::List<'_, Change>, expected: &[u64]| {
        let forward: Vec<_> = list.map(|change| change.unwrap().seq().get()).collect();
        assert_eq!(forward, expected);
        let mut back: Vec<_> = back.rev().map(|change| change.unwrap().seq().get()).collect();
        back.reverse();
        assert_eq!(back, expected);
    };
    macro_rules! check {
        ($range:expr, $expected:expr) => {
            check(reader.log().range($range).unwrap(), reader.log().range($range).unwrap(), &$expected)
        };
    }
    check!(.., [1, 2, 3, 4, 5, 6]);
    check!(seq(0).., [1, 2, 3, 4, 5, 6]);
    check!(seq(4).., [4, 5, 6]);
    check!(..seq(3), [1, 2]);
    check!(..=seq(3), [1, 2, 3]);
    check!(seq(2)..seq(5), [2, 3, 4]);
    check!(seq(5)..=seq(5), [5]);
    check!(seq(7).., []);
    check!(..seq(1), []);
    check!(seq(4)..seq(4), []);
    check!(seq(3)..=seq(u64::MAX), [3, 4, 5, 6]);
}

pub fn a_writer_reads_the_changes_that_it_made(engine: &dyn Engine) {
    let store = engine.store();
    create(&store, "e");
    store
        .write(|w| {
            w.update("e", Update::new().payload(json("1")))?;
            let last = w.log().range(ChangeSeq(2)..)?.next().unwrap()?;
            assert_eq!(w.log().payload_before(&last)?.unwrap().as_str(), "null");
            assert_eq!(w.log().payload_after(&last)?.unwrap().as_str(), "1");
            Ok(())
        })
        .unwrap();
}
