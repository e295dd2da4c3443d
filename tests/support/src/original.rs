//! What a store held before it was damaged, and whether what is read of it now is right.

use std::collections::{BTreeMap, BTreeSet};

use execstore::error::ReadError;
use execstore::{Execution, Query, Readable, Store};

/// Everything, by its own name.
pub struct Original {
    now: BTreeMap<String, Execution>,
    /// How executions were at some time before.
    past: Vec<Execution>,
    events: BTreeMap<String, Vec<String>>,
    changes: Vec<String>,
    totals: [String; 3],
    jobs: BTreeSet<String>,
}

/// What reading a damaged store found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Something was refused.
    pub errors: usize,
    /// Rows were not there, and no error said so.
    pub missing: Vec<String>,
    /// An earlier version of something, whole.
    pub stale: Vec<String>,
    /// What was never written.
    pub wrong: Vec<String>,
}

fn totals(r: &impl Readable) -> [Result<String, ReadError>; 3] {
    [
        r.log().head().map(|head| head.to_string()),
        r.counts().map(|counts| format!("{counts:?}")),
        r.log().checkpoints().map(|all| format!("{all:?}")),
    ]
}

type Rows<'r> = Box<dyn Iterator<Item = Result<Execution, ReadError>> + 'r>;

/// A list from its beginning, or from its end.
fn turned<'r>(
    list: Result<execstore::List<'r, Execution>, ReadError>,
    back: bool,
) -> Result<Rows<'r>, ReadError> {
    list.map(|list| -> Rows<'r> {
        if back { Box::new(list.rev()) } else { Box::new(list) }
    })
}

impl Original {
    pub fn of(store: &Store) -> Self {
        let r = store.begin_read().unwrap();
        let now: BTreeMap<_, _> = r
            .query(&Query::new().oldest_first().limit(10_000))
            .page()
            .unwrap()
            .executions
            .into_iter()
            .map(|execution| (execution.id.to_string(), execution))
            .collect();
        let events = now.keys().map(|id| {
            let list = r.events(id, ..).unwrap().map(|event| format!("{:?}", event.unwrap()));
            (id.clone(), list.collect())
        });
        let changes: Vec<_> = r.log().range(..).unwrap().map(Result::unwrap).collect();
        Self {
            past: changes.iter().filter_map(|change| r.log().execution_after(change).unwrap()).collect(),
            events: events.collect(),
            changes: changes
                .iter()
                .map(|change| {
                    let payloads =
                        (r.log().payload_before(change).unwrap(), r.log().payload_after(change).unwrap());
                    format!("{change:?} {payloads:?}")
                })
                .collect(),
            totals: totals(&r).map(Result::unwrap),
            jobs: now.values().map(|execution| execution.job_id.to_string()).collect(),
            now,
        }
    }

    /// Reads everything by every operation.
    pub fn compare(&self, r: &impl Readable) -> Found {
        let mut found = Found::default();
        for id in self.now.keys() {
            match r.get(id) {
                Ok(Some(execution)) if execution.id == id.as_str() => self.execution(&execution, &mut found),
                Ok(Some(other)) => found.wrong.push(format!("get {id}: {other:?}")),
                Ok(None) => found.missing.push(format!("get {id}")),
                Err(_) => found.errors += 1,
            }
            self.events(r, id, &mut found);
        }
        for job in &self.jobs {
            let of_job = |execution: &Execution| execution.job_id == job.as_str();
            self.list(&format!("by_job {job}"), |back| turned(r.by_job(job), back), of_job, &mut found);
        }
        for state in ["New", "Running", "Completed", "Failed"] {
            let in_state = |execution: &Execution| execution.state == state;
            self.list(
                &format!("by_state {state}"),
                |back| {
                    let query = Query::new().state(state);
                    let query = if back { query.newest_first() } else { query.oldest_first() };
                    r.query(&query).rows().map(|rows| -> Rows<'_> { Box::new(rows) })
                },
                in_state,
                &mut found,
            );
        }
        self.list("live", |back| turned(r.live(), back), |execution| execution.state.is_live(), &mut found);
        for request in [Query::new().limit(7), Query::new().oldest_first().limit(5)] {
            self.pages(r, request, &mut found);
        }
        self.changes(r, &mut found);
        for (now, then) in totals(r).into_iter().zip(&self.totals) {
            match now {
                Ok(now) if now == *then => {}
                Ok(now) => found.stale.push(format!("{now} and not {then}")),
                Err(_) => found.errors += 1,
            }
        }
        found
    }

    fn execution(&self, execution: &Execution, found: &mut Found) {
        if self.now.get(execution.id.as_str()) == Some(execution) {
            return;
        }
        let place = if self.past.contains(execution) { &mut found.stale } else { &mut found.wrong };
        place.push(format!("{execution:?}"));
    }

    fn list<'r>(
        &self,
        what: &str,
        read: impl Fn(bool) -> Result<Rows<'r>, ReadError>,
        belongs: impl Fn(&Execution) -> bool,
        found: &mut Found,
    ) {
        for back in [false, true] {
            let Ok(mut list) = read(back) else {
                found.errors += 1;
                continue;
            };
            let mut seen = BTreeSet::new();
            let mut errors = 0;
            // A damaged tree may lead round in circles.
            for _ in 0..10_000 {
                match list.next() {
                    Some(Ok(execution)) => {
                        self.execution(&execution, found);
                        if !belongs(&execution) {
                            found.wrong.push(format!("{what}: {}", execution.id));
                        }
                        if !seen.insert(execution.id.to_string()) {
                            found.stale.push(format!("{what}: {} twice", execution.id));
                        }
                    }
                    Some(Err(_)) => errors += 1,
                    None => break,
                }
            }
            found.errors += errors;
            let expected = self.now.values().filter(|execution| belongs(execution)).count();
            if errors == 0 && seen.len() < expected {
                found.missing.push(format!("{what}: {} of {expected}", seen.len()));
            }
        }
    }

    fn pages(&self, r: &impl Readable, request: Query, found: &mut Found) {
        let mut seen = BTreeSet::new();
        let mut next = Some(request.clone());
        let mut errors = 0;
        for _ in 0..1_000 {
            let Some(request) = next.take() else { break };
            match r.query(&request).page() {
                Ok(page) => {
                    errors += page.damaged.len();
                    for execution in &page.executions {
                        self.execution(execution, found);
                        if !seen.insert(execution.id.to_string()) {
                            found.stale.push(format!("page: {} twice", execution.id));
                        }
                    }
                    next = page.next.map(|cursor| request.after(cursor));
                }
                Err(_) => errors += 1,
            }
        }
        found.errors += errors;
        if errors == 0 && seen.len() < self.now.len() {
            found.missing.push(format!("pages: {} of {}", seen.len(), self.now.len()));
        }
    }

    fn events(&self, r: &impl Readable, id: &str, found: &mut Found) {
        let expected = &self.events[id];
        for back in [false, true] {
            let Ok(mut list) = r.events(id, ..) else {
                found.errors += 1;
                continue;
            };
            let (mut errors, mut right) = (0, 0);
            for _ in 0..10_000 {
                match if back { list.next_back() } else { list.next() } {
                    Some(Ok(event)) if expected.contains(&format!("{event:?}")) => right += 1,
                    Some(Ok(event)) => found.wrong.push(format!("event of {id}: {event:?}")),
                    Some(Err(_)) => errors += 1,
                    None => break,
                }
            }
            found.errors += errors;
            if errors == 0 && right != expected.len() {
                found.missing.push(format!("events of {id}: {right} of {}", expected.len()));
            }
        }
    }

    fn changes(&self, r: &impl Readable, found: &mut Found) {
        let Ok(list) = r.log().range(..) else {
            found.errors += 1;
            return;
        };
        let (mut errors, mut right) = (0, 0);
        for change in list.take(10_000) {
            let Ok(change) = change else {
                errors += 1;
                continue;
            };
            let payloads = match (r.log().payload_before(&change), r.log().payload_after(&change)) {
                (Ok(before), Ok(after)) => (before, after),
                _ => {
                    errors += 1;
                    continue;
                }
            };
            let place = usize::try_from(change.seq().get()).unwrap_or(0).wrapping_sub(1);
            if self.changes.get(place) == Some(&format!("{change:?} {payloads:?}")) {
                right += 1;
            } else {
                found.wrong.push(format!("{change:?} {payloads:?}"));
            }
        }
        found.errors += errors;
        if errors == 0 && right != self.changes.len() {
            found.missing.push(format!("changes: {right} of {}", self.changes.len()));
        }
    }
}
