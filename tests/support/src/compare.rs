//! Everything that a store answers, compared with the model.

use std::ops::Bound;

use execstore::error::{InputError, PositionError, ReadError};
use execstore::lifecycle::State;
use execstore::{ChangeSeq, Event, EventSeq, Execution, Query, Readable};

use crate::buckets::Logged;
use crate::dice::Dice;
use crate::model::Model;
use crate::queries::compare_query;
use crate::records::{Ev, LIVE, Rec, STATES};

fn recs(list: impl Iterator<Item = Result<Execution, ReadError>>) -> Vec<Rec> {
    list.map(|execution| Rec::of(&execution.unwrap())).collect()
}

/// The record of an id, the head, and one count: cheap.
pub fn compare_touched(r: &impl Readable, model: &Model, ids: &[String]) {
    assert_eq!(r.log().head().unwrap().get(), model.log.len() as u64, "the head");
    for id in ids {
        let found = r.get(id).unwrap().map(|execution| Rec::of(&execution));
        assert_eq!(found.as_ref(), model.get(id), "get {id}");
    }
    let counts: Vec<(String, u64)> = pairs(r.counts().unwrap());
    let expected: Vec<_> = STATES.iter().map(|(name, ..)| (name.to_string(), model.count(name))).collect();
    assert_eq!(counts, expected, "the counts");
}

fn pairs(counts: Vec<(State, u64)>) -> Vec<(String, u64)> {
    counts.into_iter().map(|(state, count)| (state.to_string(), count)).collect()
}

/// Every read operation.
pub fn compare_all(r: &impl Readable, model: &Model, dice: &mut Dice) {
    let all: Vec<Rec> = model.records.values().map(|rec| (**rec).clone()).collect();
    let ids: Vec<_> = all.iter().map(|rec| rec.id.clone()).chain(["nobody".into()]).collect();
    compare_touched(r, model, &ids);
    lists(r, &all, dice);
    pages(r, &all, dice);
    for (number, rec) in &model.records {
        events(r, &rec.id, &model.events[number], dice);
    }
    assert_eq!(r.events("nobody", ..).unwrap().count(), 0);
    changes(r, model, dice);
    for _ in 0..3 {
        compare_query(r, model, dice);
    }
    labels(r, &all);
    groups(r, &all);
    links(r, model);
    crate::side_data::compare(r, model);
    crate::buckets::compare_all(r, &model.buckets, dice);
    let checkpoints: Vec<_> =
        r.log().checkpoints().unwrap().into_iter().map(|(name, seq)| (name, seq.get())).collect();
    let expected: Vec<_> = model.checkpoints.iter().map(|(name, seq)| (name.clone(), *seq)).collect();
    assert_eq!(checkpoints, expected);
    for (name, seq) in &model.checkpoints {
        assert_eq!(r.log().checkpoint(name).unwrap(), Some(ChangeSeq(*seq)));
    }
    assert_eq!(r.log().checkpoint("nobody").unwrap(), None);
}

fn lists(r: &impl Readable, all: &[Rec], dice: &mut Dice) {
    let these =
        |keep: &dyn Fn(&Rec) -> bool| -> Vec<Rec> { all.iter().filter(|rec| keep(rec)).cloned().collect() };
    for job in ["j0", "j1", "j", "j2", "nobody"] {
        let expected = these(&|rec| rec.job == job);
        both_ways(|| r.by_job(job).unwrap(), expected);
    }
    for (state, ..) in STATES {
        assert_eq!(r.count(state).unwrap(), all.iter().filter(|rec| rec.state == state).count() as u64);
        both_directions(r, &Query::new().state(state), these(&|rec| rec.state == state));
    }
    let some: Vec<_> = STATES.iter().map(|row| row.0).filter(|_| dice.roll(2) == 0).collect();
    both_directions(r, &Query::new().states(&some), these(&|rec| some.contains(&rec.state.as_str())));
    both_ways(|| r.live().unwrap(), these(&|rec| LIVE.contains(&rec.state.as_str())));
    // From both ends in turn.
    let mut list = r.live().unwrap();
    let (mut front, mut back) = (Vec::new(), Vec::new());
    loop {
        let turn = dice.roll(2) == 0;
        let Some(row) = (if turn { list.next() } else { list.next_back() }) else {
            break;
        };
        let rec = Rec::of(&row.unwrap());
        if turn { front.push(rec) } else { back.push(rec) }
    }
    front.extend(back.into_iter().rev());
    assert_eq!(front, these(&|rec| LIVE.contains(&rec.state.as_str())));
    assert!(
        matches!(r.count("Nowhere"), Err(ReadError::Input(InputError::UnknownState { state })) if state == "Nowhere")
    );
    assert!(matches!(
        r.query(&Query::new().states(["New", "Nowhere"]).oldest_first()).rows(),
        Err(ReadError::Input(InputError::UnknownState { .. }))
    ));
}

fn labels(r: &impl Readable, all: &[Rec]) {
    for key in ["k", "l", "m", "z", "nobody"] {
        let mut expected = std::collections::BTreeMap::<String, Vec<String>>::new();
        for rec in all {
            if let Some(value) = rec.labels.get(key) {
                expected.entry(value.to_string()).or_default().push(rec.state.clone());
            }
        }
        let found: Vec<_> = r.label_values(key).list().unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), expected.len(), "{key}");
        let mut last: Vec<_> = r.label_values(key).list().unwrap().rev().map(Result::unwrap).collect();
        last.reverse();
        assert_eq!(last, found, "{key}");
        for count in found {
            let states = &expected[count.value.as_str()];
            assert_eq!(count.total, states.len() as u64);
            for (state, n) in count.states {
                assert_eq!(n, states.iter().filter(|name| state.as_str() == **name).count() as u64);
            }
        }
    }
}

/// A value that executions are grouped by, and how many are in each state, in the lifecycle's order.
type Counted = (String, Vec<(String, u64)>);

fn counted_by(all: &[Rec], value: fn(&Rec) -> &str) -> Vec<Counted> {
    let mut groups = std::collections::BTreeMap::<&str, Vec<u64>>::new();
    for rec in all {
        let place = STATES.iter().position(|(state, ..)| *state == rec.state).unwrap();
        groups.entry(value(rec)).or_insert_with(|| vec![0; STATES.len()])[place] += 1;
    }
    let named = |counts: Vec<u64>| {
        let states = STATES.iter().map(|row| row.0.to_owned()).zip(counts);
        states.filter(|(_, count)| *count > 0).collect()
    };
    groups.into_iter().map(|(value, counts)| (value.to_owned(), named(counts))).collect()
}

fn plain(group: Result<execstore::query::Group, ReadError>) -> Counted {
    let group = group.unwrap();
    let states: Vec<_> = group.states.iter().map(|(state, count)| (state.to_string(), *count)).collect();
    assert_eq!(group.total, states.iter().map(|(_, count)| count).sum::<u64>());
    (group.value.to_string(), states)
}

/// The jobs and the namespaces that there are, whole, from behind any, from either end and one by one, and what queries count.
fn groups(r: &impl Readable, all: &[Rec]) {
    let jobs = counted_by(all, |rec| &rec.job);
    let namespaces = counted_by(all, |rec| &rec.namespace);
    assert_eq!(r.jobs().list().unwrap().map(plain).collect::<Vec<_>>(), jobs);
    assert_eq!(r.namespaces().list().unwrap().map(plain).collect::<Vec<_>>(), namespaces);
    for after in ["", "b", "default", "tenant", "j", "j0", "j1", "j2"] {
        for (expected, found, one) in [
            (&jobs, r.jobs().after(after).unwrap(), r.jobs().get(after).unwrap()),
            (&namespaces, r.namespaces().after(after).unwrap(), r.namespaces().get(after).unwrap()),
        ] {
            let mut found: Vec<_> = found.rev().map(plain).collect();
            found.reverse();
            let wanted: Vec<_> = expected.iter().filter(|(name, _)| name.as_str() > after).cloned().collect();
            assert_eq!(found, wanted, "after {after}");
            let wanted = expected.iter().find(|(name, _)| name == after).cloned();
            assert_eq!(one.map(|group| plain(Ok(group))), wanted, "{after}");
        }
        let count = |query: &Query| r.query(query).count().unwrap();
        let those = |keep: &dyn Fn(&Rec) -> bool| all.iter().filter(|rec| keep(rec)).count() as u64;
        let of_namespace = Query::new().namespace(after);
        assert_eq!(count(&of_namespace), those(&|rec| rec.namespace == after), "of {after}");
        for (state, ..) in STATES {
            let found = count(&of_namespace.clone().state(state));
            assert_eq!(
                found,
                those(&|rec| rec.namespace == after && rec.state == state),
                "{state} of {after}"
            );
            if !after.is_empty() {
                let found = count(&Query::new().job(after).state(state));
                assert_eq!(found, those(&|rec| rec.job == after && rec.state == state), "{state} of {after}");
            }
        }
    }
}

fn links(r: &impl Readable, model: &Model) {
    // Those whose link leads to the execution that has the id now; to any that had it, if none has it.
    let linked = |place: usize, id: &str| -> Vec<String> {
        let now = model.number(id);
        let leads =
            |(named, target): (Option<&str>, u64)| named == Some(id) && now.is_none_or(|now| now == target);
        model.records.values().filter(|rec| leads(rec.links()[place])).map(|rec| rec.id.clone()).collect()
    };
    for id in model.records.values().map(|rec| rec.id.as_str()).chain(["nobody"]) {
        let ids = |found: execstore::query::Rows<'_, Execution>| -> Vec<String> {
            found.map(|execution| execution.unwrap().id.to_string()).collect()
        };
        assert_eq!(ids(r.lineage(id).children().unwrap()), linked(0, id));
        assert_eq!(ids(r.lineage(id).retries().unwrap()), linked(1, id));
        // The way back, step by step.
        let mut next = Some((id, model.number(id).unwrap_or(0)));
        let mut trace = r.lineage(id).trace();
        while let Some(rec) = next.and_then(|(_, number)| model.records.get(&number)) {
            assert_eq!(trace.next().unwrap().unwrap().id, rec.id.as_str());
            next = rec.links().into_iter().find_map(|(id, target)| Some((id?, target)));
        }
        assert!(trace.next().is_none());
        assert_eq!(trace.missing().map(|id| id.to_string()), next.map(|(id, _)| id.to_owned()));
        // The tree, as a plain recursion gives it.
        fn below(model: &Model, number: u64, depth: usize, into: &mut Vec<(usize, String)>) {
            into.push((depth, model.records[&number].id.clone()));
            for (child, _) in model.records.iter().filter(|(_, rec)| rec.links()[0].1 == number) {
                below(model, *child, depth + 1, into);
            }
        }
        let mut expected = Vec::new();
        if let Some(number) = model.number(id) {
            below(model, number, 0, &mut expected);
        }
        let tree: Vec<_> = r
            .lineage(id)
            .tree()
            .unwrap()
            .map(|row| row.map(|(depth, header)| (depth, header.id.to_string())).unwrap())
            .collect();
        assert_eq!(tree, expected);
        let attempts: Vec<_> =
            r.lineage(id).attempts().unwrap().iter().map(|header| header.id.to_string()).collect();
        assert_eq!(attempts.contains(&id.to_owned()), id != "nobody");
    }
}

fn both_ways<I>(list: impl Fn() -> I, mut expected: Vec<Rec>)
where
    I: DoubleEndedIterator<Item = Result<Execution, ReadError>>,
{
    assert_eq!(recs(list()), expected);
    expected.reverse();
    assert_eq!(recs(list().rev()), expected);
}

fn both_directions(r: &impl Readable, query: &Query, mut expected: Vec<Rec>) {
    assert_eq!(recs(r.query(&query.clone().oldest_first()).rows().unwrap()), expected);
    expected.reverse();
    assert_eq!(recs(r.query(&query.clone().newest_first()).rows().unwrap()), expected);
}

fn pages(r: &impl Readable, all: &[Rec], dice: &mut Dice) {
    for newest in [true, false] {
        let limit = 1 + dice.roll(all.len() as u64 + 2) as usize;
        let request =
            if newest { Query::new().limit(limit) } else { Query::new().oldest_first().limit(limit) };
        let mut read = Vec::new();
        let mut next = None;
        loop {
            let request = match next {
                Some(cursor) => request.clone().after(cursor),
                None => request.clone(),
            };
            let page = r.query(&request).page().unwrap();
            assert!(page.damaged.is_empty());
            assert!(page.executions.len() == limit || page.next.is_none(), "a page is not full");
            read.extend(page.executions.iter().map(Rec::of));
            let Some(cursor) = page.next else { break };
            next = Some(cursor.to_string().parse().unwrap());
            assert!(read.len() <= all.len(), "pages do not end");
        }
        if newest {
            read.reverse();
        }
        assert_eq!(read, all, "pages of {limit}, newest first: {newest}");
    }
}

/// A random range, and the places 1..=len that are in it.
fn range(len: u64, dice: &mut Dice) -> ((Bound<u64>, Bound<u64>), Vec<u64>) {
    let bound = |dice: &mut Dice| match dice.roll(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(dice.roll(len + 2)),
        _ => Bound::Excluded(dice.roll(len + 2)),
    };
    let range = (bound(dice), bound(dice));
    let within = |place: &u64| {
        let above = match range.0 {
            Bound::Unbounded => true,
            Bound::Included(start) => *place >= start,
            Bound::Excluded(start) => *place > start,
        };
        let below = match range.1 {
            Bound::Unbounded => true,
            Bound::Included(end) => *place <= end,
            Bound::Excluded(end) => *place < end,
        };
        above && below
    };
    (range, (1..=len).filter(within).collect())
}

fn events(r: &impl Readable, id: &str, expected: &[Ev], dice: &mut Dice) {
    let plain = |event: Event| {
        let ev = Ev {
            topic: event.topic.into(),
            message: event.message.into(),
            time: Some(event.time.as_nanos()),
            details: Some(event.details.as_str().to_owned()),
        };
        (event.seq.get(), ev)
    };
    let (bounds, places) = range(expected.len() as u64, dice);
    let part: Vec<_> = places.iter().map(|place| (*place, expected[*place as usize - 1].clone())).collect();
    let whole: Vec<_> = (1..).zip(expected.iter().cloned()).collect();
    let seqs = (bounds.0.map(EventSeq), bounds.1.map(EventSeq));
    let found: Vec<_> = r.events(id, seqs).unwrap().map(|event| plain(event.unwrap())).collect();
    assert_eq!(found, part, "events of {id} in {bounds:?}");
    let mut found: Vec<_> = r.events(id, ..).unwrap().rev().map(|event| plain(event.unwrap())).collect();
    found.reverse();
    assert_eq!(found, whole, "events of {id}");
}

fn changes(r: &impl Readable, model: &Model, dice: &mut Dice) {
    let (bounds, places) = range(model.log.len() as u64, dice);
    let seqs = (bounds.0.map(ChangeSeq), bounds.1.map(ChangeSeq));
    assert_eq!(r.log().oldest().unwrap().get(), model.trimmed + 1);
    let start = match bounds.0 {
        Bound::Unbounded => model.trimmed + 1,
        Bound::Included(start) => start.max(1),
        Bound::Excluded(start) => start + 1,
    };
    let places: Vec<_> = places.into_iter().filter(|place| *place > model.trimmed).collect();
    match r.log().range(seqs) {
        Ok(found) => {
            let found: Vec<_> = found.map(|change| change.unwrap().seq().get()).collect();
            assert_eq!(found, places, "changes in {bounds:?}");
        }
        Err(ReadError::Position(PositionError::Trimmed { requested, oldest })) => {
            assert_eq!((requested.get(), oldest.get()), (start, model.trimmed + 1));
            assert!(start <= model.trimmed, "changes in {bounds:?}");
        }
        Err(ReadError::Position(error)) => {
            assert!(start > model.log.len() as u64 + 1, "changes in {bounds:?}: {error}");
        }
        Err(error) => panic!("{error}"),
    }
    let mut seq = model.log.len() as u64;
    for change in r.log().range(..).unwrap().rev() {
        let change = change.unwrap();
        let entry = &model.log[seq as usize - 1];
        if entry.bucket.is_some() {
            assert_eq!((change.seq().get(), change.time().as_nanos()), (seq, entry.time));
            assert_eq!(Logged::of(&change), entry.bucket, "change {seq}");
            assert_eq!((change.before(), change.after(), change.execution_id()), (None, None, None));
            assert!(!change.payload_changed() && r.log().payload_after(&change).unwrap().is_none());
            seq -= 1;
            continue;
        }
        let (before, after) = (entry.before.as_deref(), entry.after.as_deref());
        let either = after.or(before).unwrap();
        assert_eq!(change.seq().get(), seq);
        assert_eq!((change.time().as_nanos(), change.kind()), (entry.time, entry.kind), "change {seq}");
        assert_eq!(change.execution_id().unwrap().as_str(), either.id);
        assert_eq!(change.job_id().unwrap().as_str(), either.job);
        assert_eq!(change.revision().unwrap().get(), either.revision);
        assert_eq!(change.incarnation().unwrap().get(), either.incarnation);
        assert_eq!(change.state_before().map(State::as_str), before.map(|rec| rec.state.as_str()));
        assert_eq!(change.state_after().map(State::as_str), after.map(|rec| rec.state.as_str()));
        let header = |rec: Option<&Rec>| rec.map(Rec::header);
        assert_eq!(change.before().as_ref().map(Rec::of_header), header(before), "before change {seq}");
        assert_eq!(change.after().map(Rec::of_header), header(after), "after change {seq}");
        let execution = |read: Result<Option<Execution>, ReadError>| read.unwrap().as_ref().map(Rec::of);
        assert_eq!(execution(r.log().execution_before(&change)).as_ref(), before, "before change {seq}");
        assert_eq!(execution(r.log().execution_after(&change)).as_ref(), after, "after change {seq}");
        let payload = |rec: Option<&Rec>| rec.map(|rec| rec.payload.to_string());
        let text = |json: Option<execstore::Json>| json.map(|json| json.as_str().to_owned());
        assert_eq!(text(r.log().payload_before(&change).unwrap()), payload(before));
        assert_eq!(text(r.log().payload_after(&change).unwrap()), payload(after));
        let changed = match (before, after) {
            (Some(before), Some(after)) => before.payload != after.payload,
            (None, _) => true,
            (_, None) => false,
        };
        assert_eq!(change.payload_changed(), changed, "change {seq}");
        let events = change.events().map(|seqs| (seqs.start().get(), seqs.end().get()));
        let last = either.events;
        let expected = (entry.new_events > 0).then(|| (last - entry.new_events + 1, last));
        assert_eq!(events, expected, "the events of change {seq}");
        seq -= 1;
    }
    assert_eq!(seq, model.trimmed, "the log is not as long as it should be");
}
