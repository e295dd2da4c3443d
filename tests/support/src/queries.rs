//! Random queries, and what they must find in the model.

use execstore::error::ReadError;
use execstore::query::Access;
use execstore::{DesiredState, OrderBy, Query, Readable, Timestamp};

use crate::dice::Dice;
use crate::model::Model;
use crate::records::{LIVE, Rec, STATES, is_terminal};

pub const WAYS: [Access; 9] = [
    Access::Scan,
    Access::States,
    Access::Job,
    Access::Label,
    Access::Parent,
    Access::Previous,
    Access::Id,
    Access::Modified,
    Access::Completed,
];

type Keep = Box<dyn Fn(&Rec) -> bool>;

/// A query, and what it asks.
pub struct Asked {
    pub query: Query,
    conditions: Vec<Keep>,
    order: OrderBy,
    newest_first: bool,
    /// What it finds depends on who has an id now.
    pub by_links: bool,
    /// The latest times that it asks for, of creation, change and end.
    pub latest: [Option<i64>; 3],
}

/// The link leads to the execution that has the id now; to any that had it, if none has it.
fn leads_to(model: &Model, id: &str, place: usize) -> Keep {
    let (id, now) = (id.to_owned(), model.number(id));
    Box::new(move |rec| {
        let (named, target) = rec.links()[place];
        named == Some(&*id) && now.is_none_or(|now| now == target)
    })
}

/// Notes a condition on a label if it can hold together with those before.
fn fits<'t>(named: &mut Vec<(&'t str, Vec<&'t str>)>, key: &'t str, values: &[&'t str]) -> bool {
    let meets = |other: &[&str]| other.iter().any(|value| values.contains(value));
    let fits = named.iter().all(|(other, others)| *other != key || meets(others));
    if fits {
        named.push((key, values.to_vec()));
    }
    fits
}

pub fn ask(dice: &mut Dice, model: &Model) -> Asked {
    let mut query = Query::new();
    let mut conditions: Vec<Keep> = Vec::new();
    let some = |dice: &mut Dice| {
        let rec = model.records.values().nth(dice.roll(model.records.len() as u64) as usize);
        rec.map(|rec| (**rec).clone())
    };
    match dice.roll(6) {
        0 => {
            let names: Vec<_> =
                (0..1 + dice.roll(3)).map(|_| STATES[dice.roll(STATES.len() as u64) as usize].0).collect();
            query = query.states(&names);
            conditions.push(Box::new(move |rec| names.contains(&rec.state.as_str())));
        }
        1 => {
            query = query.live();
            conditions.push(Box::new(|rec| LIVE.contains(&rec.state.as_str())));
        }
        2 => {
            query = query.terminal().state("New");
            conditions.push(Box::new(|rec| is_terminal(&rec.state) || rec.state == "New"));
        }
        3 if dice.roll(3) == 0 => {
            query = query.pending();
            conditions.push(Box::new(|rec| !is_terminal(&rec.state) && !LIVE.contains(&rec.state.as_str())));
        }
        _ => {}
    }
    if dice.roll(4) == 0 {
        let job = ["j0", "j1", "j", "j2"][dice.roll(4) as usize];
        query = query.job(job);
        conditions.push(Box::new(move |rec| rec.job == job));
    }
    if dice.roll(5) == 0 {
        let namespace = ["tenant", "default", "nowhere"][dice.roll(3) as usize];
        query = query.namespace(namespace);
        conditions.push(Box::new(move |rec| rec.namespace == namespace));
    }
    // Two conditions on one label that have no value in common are refused.
    let mut named: Vec<(&str, Vec<&str>)> = Vec::new();
    for _ in 0..dice.roll(3) {
        let (key, value) = [("k", "v"), ("k", "new"), ("l", "w"), ("m", "x"), ("z", "kept"), ("z", "?")]
            [dice.roll(6) as usize];
        match dice.roll(4) {
            0 => {
                query = query.has_label(key);
                conditions.push(Box::new(move |rec| rec.labels.contains_key(key)));
            }
            1 => {
                let values = [value, "v", "new", "v"];
                if !fits(&mut named, key, &values) {
                    continue;
                }
                query = query.label_in(key, values);
                conditions.push(Box::new(move |rec| {
                    rec.labels.get(key).is_some_and(|found| values.contains(&found.as_str()))
                }));
            }
            _ if !fits(&mut named, key, &[value]) => {}
            _ => {
                query = query.label(key, value);
                conditions.push(Box::new(move |rec| rec.labels.get(key).is_some_and(|v| *v == value)));
            }
        }
    }
    let mut by_links = false;
    if dice.roll(6) == 0 {
        by_links = true;
        let parent = format!("e{}", dice.roll(8));
        query = query.parent(&parent);
        let leads = leads_to(model, &parent, 0);
        conditions.push(leads);
    }
    if dice.roll(6) == 0 {
        by_links = true;
        let previous = format!("e{}", dice.roll(8));
        query = query.previous(&previous);
        let leads = leads_to(model, &previous, 1);
        conditions.push(leads);
    }
    if dice.roll(6) == 0 {
        let id = some(dice).map_or("e".to_owned(), |rec| rec.id);
        let prefix = id[..dice.roll(id.len() as u64 + 1) as usize].to_owned();
        query = query.id_prefix(&prefix);
        conditions.push(Box::new(move |rec| rec.id.starts_with(&prefix)));
    }
    if dice.roll(7) == 0 {
        let known = some(dice).and_then(|rec| rec.node_id).unwrap_or("nowhere".to_owned());
        query = query.node_id("elsewhere").node_id(&*known);
        conditions.push(Box::new(move |rec| rec.node_id.as_ref() == Some(&known)));
    }
    if dice.roll(7) == 0 {
        let known = some(dice).and_then(|rec| rec.name).unwrap_or("nameless".to_owned());
        query = query.name(&*known);
        conditions.push(Box::new(move |rec| rec.name.as_ref() == Some(&known)));
    }
    if dice.roll(7) == 0 {
        let one = DesiredState::Stopped;
        let other = [DesiredState::Pending, DesiredState::Running][dice.roll(2) as usize];
        query = query.desired(one).desired(other);
        conditions.push(Box::new(move |rec| rec.desired == one || rec.desired == other));
    }
    match dice.roll(12) {
        0 => {
            let id = some(dice).map_or("e".to_owned(), |rec| rec.id);
            let text = id[dice.roll(id.len() as u64) as usize..].to_owned();
            query = query.id_contains(&*text);
            conditions.push(Box::new(move |rec| rec.id.contains(&text)));
        }
        1 => {
            let text = ["", "0", "1", "j", "?"][dice.roll(5) as usize];
            query = query.job_contains(text);
            conditions.push(Box::new(move |rec| rec.job.contains(text)));
        }
        2 => {
            let (key, text) =
                [("k", ""), ("k", "e"), ("l", "w"), ("z", "ep"), ("m", "?")][dice.roll(5) as usize];
            query = query.label_contains(key, text);
            conditions.push(Box::new(move |rec| rec.labels.get(key).is_some_and(|v| v.contains(text))));
        }
        _ => {}
    }
    let mut latest = [None; 3];
    for (which, latest) in latest.iter_mut().enumerate() {
        if dice.roll(5) > 0 {
            continue;
        }
        let time = move |rec: &Rec| match which {
            0 => Some(rec.created),
            1 => Some(rec.modified),
            _ => rec.completed,
        };
        let mut end = || some(dice).and_then(|rec| time(&rec)).unwrap_or(1_000);
        let (a, b) = (end(), end());
        let (least, greatest) = (a.min(b), a.max(b));
        *latest = Some(greatest);
        let times = Timestamp::from_nanos(least)..=Timestamp::from_nanos(greatest);
        query = match which {
            0 => query.created(times),
            1 => query.modified(times),
            _ => query.completed(times),
        };
        conditions.push(Box::new(move |rec| time(rec).is_some_and(|at| least <= at && at <= greatest)));
    }
    let order = [OrderBy::Created, OrderBy::Modified, OrderBy::Completed][dice.roll(3) as usize];
    let newest_first = dice.roll(2) == 0;
    query = query.order_by(order);
    query = if newest_first { query.newest_first() } else { query.oldest_first() };
    Asked { query, conditions, order, newest_first, by_links, latest }
}

impl Asked {
    /// The same of all that there are, those that have not ended among them.
    pub fn in_creation_order(self) -> Self {
        let query = self.query.order_by(OrderBy::Created).oldest_first();
        Self { query, order: OrderBy::Created, newest_first: false, ..self }
    }

    pub fn keeps(&self, rec: &Rec) -> bool {
        (self.order != OrderBy::Completed || rec.completed.is_some())
            && self.conditions.iter().all(|keep| keep(rec))
    }

    /// The numbers and records that it must find, in its order: a plain filter and a plain sort.
    pub fn expected(&self, model: &Model) -> Vec<(u64, Rec)> {
        let mut found: Vec<_> = model
            .records
            .iter()
            .filter(|(_, rec)| self.keeps(rec))
            .map(|(number, rec)| {
                let place = match self.order {
                    OrderBy::Created => (0, *number),
                    OrderBy::Modified => (0, model.last_changes[number]),
                    OrderBy::Completed => (rec.completed.unwrap(), *number),
                };
                (place, *number, (**rec).clone())
            })
            .collect();
        found.sort_by_key(|(place, ..)| *place);
        if self.newest_first {
            found.reverse();
        }
        found.into_iter().map(|(_, number, rec)| (number, rec)).collect()
    }

    /// The order moves what changes, to where it is still to come.
    pub fn comes_again(&self) -> bool {
        self.order == OrderBy::Modified && !self.newest_first
    }
}

/// Every way of reading gives what a plain filter gives, through every index and through none.
pub fn compare_query(r: &impl Readable, model: &Model, dice: &mut Dice) {
    let asked = ask(dice, model);
    let expected: Vec<Rec> = asked.expected(model).into_iter().map(|(_, rec)| rec).collect();
    let plan = r.query(&asked.query).explain().unwrap();
    let recs = |query: &Query| -> Vec<Rec> {
        let found: Result<Vec<_>, ReadError> = r.query(query).rows().unwrap().collect();
        found.unwrap().iter().map(Rec::of).collect()
    };
    assert_eq!(ids(&recs(&asked.query)), ids(&expected), "{:?}, {plan}", asked.query);
    assert_eq!(recs(&asked.query), expected, "{:?}, {plan}", asked.query);
    for way in WAYS {
        let query = asked.query.clone().using(way);
        assert_eq!(ids(&recs(&query)), ids(&expected), "{way:?}: {query:?}");
    }
    let limit = 1 + dice.roll(expected.len() as u64 + 2) as usize;
    let limited = asked.query.clone().limit(limit);
    let first = &expected[..limit.min(expected.len())];
    assert_eq!(ids(&recs(&limited)), ids(first), "{limited:?}");
    let headers: Result<Vec<_>, ReadError> = r.query(&limited).summaries().unwrap().collect();
    let headers: Vec<_> = headers.unwrap().iter().map(Rec::of_header).collect();
    assert_eq!(headers, first.iter().map(Rec::header).collect::<Vec<_>>());
    assert_eq!(r.query(&asked.query).count().unwrap(), expected.len() as u64, "{:?}", asked.query);
    assert_eq!(r.query(&limited).count().unwrap(), first.len() as u64);
    let newest = r.query(&asked.query).latest().unwrap().map(|execution| execution.id.to_string());
    let last = if asked.newest_first { expected.first() } else { expected.last() };
    assert_eq!(newest.as_ref(), last.map(|rec| &rec.id));
    let durations = r.query(&asked.query).durations().unwrap();
    assert_eq!(durations.count(), expected.iter().filter(|rec| rec.completed.is_some()).count());
}

fn ids(recs: &[Rec]) -> Vec<&str> {
    recs.iter().map(|rec| rec.id.as_str()).collect()
}
