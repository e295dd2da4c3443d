//! Updating and deleting whatever a query finds, in bounded transactions.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::engine::core::Engine;
use crate::format::{BulkKind, BulkProgress};
use crate::history::rows;
use crate::model::error::{Error, InputError, ReadError, WriteError};
use crate::model::execution::{Header, Update};
use crate::model::expect::Expect;
use crate::model::fingerprint::Fingerprint;
use crate::model::id::ExecutionId;
use crate::model::limits::check_name;
use crate::model::query::{Cursor, OrderBy, Position, Query};
use crate::model::row_id::RowId;
use crate::model::time::{Timestamp, at_the_earliest};
use crate::read::View;
use crate::storage::StoredExecution;
use crate::txn::pace::Pace;
use crate::txn::{ReadTxn, WriteTxn};
use crate::write::Writer;

/// Executions of one transaction by default. Measured: larger ones are hardly faster, and others wait longer.
const BATCH: usize = 500;
/// Bytes after which a transaction is committed, however few executions it has.
const BYTES: usize = 4 << 20;
/// And rows: an execution may have many, and what is deleted takes its own away.
const ROWS: u64 = 5_000;
/// And this time, unless the caller says how many executions: others wait.
const TIME: Duration = Duration::from_millis(4);

/// What a bulk operation has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BulkReport {
    /// How many executions were found; in a dry run, how many would be changed or refused.
    #[serde(with = "crate::model::json::count")]
    pub found: u64,
    /// How many were updated or deleted.
    #[serde(with = "crate::model::json::count")]
    pub changed: u64,
    /// How many refused, since the lifecycle does not allow the change for instance, or are damaged. They are
    /// as they were.
    #[serde(with = "crate::model::json::count")]
    pub refused: u64,
    /// The first refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_refusal: Option<String>,
    /// The first row of an index that could not be read: it may have stood for executions that the query would find, and that were
    /// left out. [`Store::verify`](crate::Store::verify) says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// The last execution that it came to, in this run: it is through with those that were created before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<ExecutionId>,
    /// The progress callback stopped it. A [named](Bulk::name) operation continues when it is run again.
    pub stopped: bool,
}

impl BulkReport {
    fn damage(&mut self, error: &ReadError) {
        self.damaged.get_or_insert_with(|| error.to_string());
    }
}

type Progress<'p> = Box<dyn FnMut(&BulkReport) -> ControlFlow<()> + 'p>;

/// An operation on whatever a query finds; made by [`Store::bulk`](crate::Store::bulk).
///
/// It goes through the executions in the order of creation, whatever the query's order, up to the last one that there
/// was when it began, and changes at most as many as the query's limit: the oldest of what it finds, those that refuse not
/// counted. It searches on a snapshot, where nobody waits for it, and looks at each again when it writes. A limit in another order than that of
/// creation would choose others than it seems to, and is refused; so is a cursor. Each transaction has a bounded number of them; others write in
/// between. Each change is in the change log like any other.
///
/// ```
/// # use std::ops::ControlFlow;
/// # use execstore::{NewExecution, Query, Store, Update};
/// # let store = Store::in_memory()?;
/// # for n in 0..20 { store.create(NewExecution::new("j").label("batch", "7").id(n.to_string()))?; }
/// let of_batch = Query::new().label("batch", "7");
/// assert_eq!(store.bulk(of_batch.clone()).dry_run().delete()?.found, 20);
/// let report = store
///     .bulk(of_batch.state("New"))
///     .name("cancel batch 7")       // resumes where it was if the process dies
///     .on_progress(|so_far| {
///         println!("{} cancelled", so_far.changed);
///         ControlFlow::Continue(())
///     })
///     .update(Update::to("Cancelled"))?;
/// assert_eq!((report.changed, report.refused), (20, 0));
/// # Ok::<(), execstore::Error>(())
/// ```
#[must_use = "it does nothing until `update` or `delete` is called"]
pub struct Bulk<'p> {
    engine: Arc<Engine>,
    query: Query,
    name: Option<String>,
    batch: Option<usize>,
    dry_run: bool,
    trusted: bool,
    expect: Expect,
    anew: bool,
    progress: Option<Progress<'p>>,
}

impl fmt::Debug for Bulk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulk").field("query", &self.query).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What to do with each execution.
#[derive(Debug)]
enum Act<'a> {
    Update(&'a Update),
    Delete,
}

impl<'p> Bulk<'p> {
    pub(crate) fn new(engine: Arc<Engine>, query: Query) -> Self {
        Self {
            engine,
            query,
            name: None,
            batch: None,
            dry_run: false,
            trusted: false,
            expect: Expect::new(),
            anew: false,
            progress: None,
        }
    }

    /// Saves how far it is with each transaction, so that the operation goes on there after a crash or a stop, when it is run
    /// again by this name. 1 to 256 bytes. The name is free again when the operation is through, or
    /// [forgotten](crate::Store::forget_bulk).
    ///
    /// The name remembers what it was begun for: with another query, another change, other events or another condition it is refused with
    /// [`WriteError::OtherBulk`], unless [`or_anew`](Bulk::or_anew) says otherwise. The limit, the size of a batch
    /// and the order in which conditions are named may differ. One that runs at the same time is refused.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(name.as_ref().to_owned());
        self
    }

    /// Begins anew where an operation of this name is not through that was begun for something else, and forgets that one. For
    /// queries with the present time in them, which are other ones each time.
    pub fn or_anew(mut self) -> Self {
        self.anew = true;
        self
    }

    /// How many executions one transaction has at most. By default 500, and fewer if it takes more than a few milliseconds, for which others
    /// wait.
    pub fn batch(mut self, executions: usize) -> Self {
        self.batch = Some(executions.max(1));
        self
    }

    /// Refuses, with [`WriteError::Conflict`], those that are found and are not as expected: what no query asks, what lies beside a record
    /// for instance. They are counted as refused.
    pub fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// Takes times as they are noted. Otherwise an execution that is found because of a time that is past is refused, with
    /// [`WriteError::DoubtfulTime`], if that time cannot be right: if it is before 2025 while the clock stands after it, or before
    /// the store's own last time when it was written ([`Header::not_before`]). Else whatever is written while the clock stands at 1970
    /// would be deleted as old once it is right.
    pub fn trust_times(mut self) -> Self {
        self.trusted = true;
        self
    }

    /// Only counts what it would find, all of it: a name, and how far an operation of that name is, do not matter.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Is told after each transaction, and may stop there.
    pub fn on_progress(mut self, tell: impl FnMut(&BulkReport) -> ControlFlow<()> + 'p) -> Self {
        self.progress = Some(Box::new(tell));
        self
    }

    /// Updates each execution, and appends the update's events to it.
    ///
    /// What the update [expects](Update::expect) must hold too, beside what the operation [expects](Bulk::expecting): those of which
    /// one of the two does not hold are counted as refused.
    pub fn update(mut self, mut update: Update) -> Result<BulkReport, Error> {
        self.expect = self.expect.and(std::mem::take(&mut update.expect));
        self.run(&Act::Update(&update))
    }

    /// Deletes each execution.
    pub fn delete(self) -> Result<BulkReport, Error> {
        self.run(&Act::Delete)
    }

    fn run(mut self, act: &Act<'_>) -> Result<BulkReport, Error> {
        self.engine.check_outside()?;
        if let Some(name) = &self.name {
            check_name("bulk name", name)?;
        }
        self.query.check(&self.engine.settings.lifecycle)?;
        self.expect.check_names(&self.engine.settings.lifecycle)?;
        if self.query.after.is_some() {
            return Err(unfit("a bulk operation begins with the oldest, and takes no cursor"));
        }
        if self.query.limit.is_some() && self.query.order != OrderBy::Created {
            return Err(unfit(
                "a bulk operation goes in the order of creation, and a limit in another order would choose others",
            ));
        }
        // The walk must not come upon what it has changed once more, so it goes by what never changes.
        let limit = self.query.limit.take().unwrap_or(usize::MAX) as u64;
        let query = self.query.clone().in_creation_order();
        let mut report = BulkReport::default();
        if self.dry_run {
            let reader = ReadTxn::new(self.engine.clone())?;
            for row in rows(&reader, &query, false)?.take(usize::try_from(limit).unwrap_or(usize::MAX)) {
                match (row.place, row.found) {
                    (_, Err(ReadError::Storage(error))) => return Err(error.into()),
                    (None, Err(error)) => report.damage(&error),
                    _ => report.found += 1,
                }
            }
            return Ok(report);
        }
        let what = match act {
            Act::Update(..) => BulkKind::Update,
            Act::Delete => BulkKind::Delete,
        };
        let (mut place, mut saved) = self.begin(what, fingerprint(&query, act, &self.expect))?;
        (report.changed, report.refused) = (place.done, place.refused);
        report.found = place.done + place.refused;
        let (mut pace, mut ahead) = (Pace::new(), Ahead::default());
        loop {
            let ended = self.step(&query, act, &mut place, saved, &mut report, (limit, &mut ahead))?;
            saved = Some(place);
            pace.durable_step(&self.engine)?;
            let goes_on = self.progress.as_mut().is_none_or(|tell| tell(&report).is_continue());
            if ended {
                return Ok(report);
            }
            if !goes_on {
                report.stopped = true;
                return Ok(report);
            }
        }
    }

    /// Where to begin: where this operation is, or with the first execution. And what is saved under its name.
    fn begin(&self, what: BulkKind, asked: u64) -> Result<(BulkProgress, Option<BulkProgress>), Error> {
        let reader = ReadTxn::new(self.engine.clone())?;
        let known = match &self.name {
            Some(name) => reader.tables().bulk(name)?.map(|place| (name, place)),
            None => None,
        };
        let first =
            BulkProgress { after: 0, end: reader.totals()?.last_number, what, asked, done: 0, refused: 0 };
        match known {
            Some((_, place)) if (place.what, place.asked) == (what, asked) => Ok((place, Some(place))),
            Some((_, other)) if self.anew => Ok((first, Some(other))),
            Some((name, BulkProgress { done: changed, refused, .. })) => {
                Err(WriteError::OtherBulk { name: name.clone(), changed, refused }.into())
            }
            None => Ok((first, None)),
        }
    }

    /// One transaction. `true` if there is nothing more to do.
    fn step(
        &self,
        query: &Query,
        act: &Act<'_>,
        place: &mut BulkProgress,
        saved: Option<BulkProgress>,
        report: &mut BulkReport,
        (limit, ahead): (u64, &mut Ahead),
    ) -> Result<bool, Error> {
        let mut next = *place;
        let left = limit.saturating_sub(next.done);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.batch.unwrap_or(BATCH));
        // The search may be long, so it is made where nobody waits for it; what it found is looked at again below.
        if ahead.numbers.as_slice().is_empty() && !ahead.exhausted {
            *ahead = find(&ReadTxn::new(self.engine.clone())?, query, &next, most, report)?;
        }
        if ahead.numbers.as_slice().is_empty() && saved.is_none() {
            return Ok(true);
        }
        let txn = WriteTxn::new(self.engine.clone(), "a bulk operation")?;
        let ended;
        {
            let mut writer = txn.writer()?;
            let (now, start) = (writer.settings().clock.now(), Instant::now());
            if let Some(name) = &self.name
                && writer.tables().bulk(name)? != saved
            {
                return Err(WriteError::BulkMoved { name: name.clone() }.into());
            }
            let (wrote, rows) = (writer.written(), writer.rows_written());
            for number in ahead.numbers.by_ref().take(most) {
                next.after = number;
                let row = match writer.tables().execution(RowId(number), &writer.settings().lifecycle) {
                    Ok(Some(row)) if query.matches(&row.header) => Ok(row),
                    // It has changed, or gone, since it was found.
                    Ok(_) => continue,
                    Err(error) => Err(WriteError::from(error)),
                };
                let row = row.and_then(|row| {
                    report.last = Some(row.header.id.clone());
                    let doubt = if self.trusted { None } else { doubt(query, &row.header, now) };
                    doubt.map_or(Ok(row), Err)
                });
                match row.and_then(|row| apply(&mut writer, row, act, &self.expect)) {
                    Ok(()) => next.done += 1,
                    Err(WriteError::Storage(error)) => return Err(error.into()),
                    Err(refusal) => {
                        next.refused += 1;
                        report.first_refusal.get_or_insert_with(|| refusal.to_string());
                    }
                }
                let full = writer.written() - wrote >= BYTES || writer.rows_written() - rows >= ROWS;
                if full || self.batch.is_none() && start.elapsed() >= TIME {
                    break;
                }
            }
            ended = next.done >= limit || ahead.numbers.as_slice().is_empty() && ahead.exhausted;
            match &self.name {
                Some(name) if ended => drop(writer.end_bulk(name)?),
                Some(name) => writer.save_bulk(name, &next)?,
                None => {}
            }
        }
        txn.commit()?;
        *place = next;
        (report.changed, report.refused) = (next.done, next.refused);
        report.found = next.done + next.refused;
        Ok(ended)
    }
}

/// The numbers of the next executions that the query finds, as far as no transaction has come to them.
#[derive(Default)]
struct Ahead {
    numbers: std::vec::IntoIter<u64>,
    /// There are no more after them.
    exhausted: bool,
}

/// Finds the next ones.
fn find(
    reader: &ReadTxn,
    query: &Query,
    place: &BulkProgress,
    most: usize,
    report: &mut BulkReport,
) -> Result<Ahead, Error> {
    let ahead = |found: Vec<u64>, exhausted| Ok(Ahead { numbers: found.into_iter(), exhausted });
    let mut query = query.clone();
    if place.after > 0 {
        query.after = Some(Cursor {
            store: reader.settings().incarnation,
            query: query.fingerprint(),
            order: OrderBy::Created,
            newest_first: false,
            place: Position { time: 0, key: place.after },
        });
    }
    let mut found = Vec::new();
    for row in rows(reader, &query, false)? {
        if found.len() >= most {
            return ahead(found, false);
        }
        match (row.place, row.found) {
            (Some(at), _) if at.key > place.end => return ahead(found, true),
            (_, Err(ReadError::Storage(error))) => return Err(error.into()),
            (Some(at), _) => found.push(at.key),
            (None, Err(error)) => report.damage(&error),
            (None, Ok(_)) => {}
        }
    }
    ahead(found, true)
}

/// Whether an execution is old is not known if the times that say so cannot be right.
fn doubt(query: &Query, header: &Header, now: Timestamp) -> Option<WriteError> {
    let times = [
        ("created", query.created, Some(header.created_at)),
        ("modified", query.modified, Some(header.modified_at)),
        ("completed", query.completed, header.completed_at),
    ];
    times.into_iter().find_map(|(what, asked, time)| {
        let ((_, before), time) = (asked?, time?);
        let earliest = at_the_earliest([time].into_iter().chain(header.not_before), now);
        let old = before >= now || earliest.is_some_and(|earliest| earliest <= before);
        (!old).then(|| WriteError::DoubtfulTime { id: header.id.clone(), what, time })
    })
}

fn apply(
    writer: &mut Writer<'_>,
    found: StoredExecution,
    act: &Act<'_>,
    expect: &Expect,
) -> Result<(), WriteError> {
    writer.check(found.number, &found.header, expect)?;
    match act {
        Act::Delete => writer.delete_found(found).map(drop),
        Act::Update(update) => writer.update_found(found, Update::clone(update)).map(drop),
    }
}

/// What an operation is for: its query, and what it does.
fn fingerprint(query: &Query, act: &Act<'_>, expect: &Expect) -> u64 {
    let mut f = Fingerprint::new();
    f.number(query.fingerprint());
    f.text(&expect.to_string());
    if let Act::Update(update) = act {
        update.fingerprint(&mut f);
    }
    f.finish()
}

fn unfit(reason: &str) -> Error {
    InputError::Invalid { what: "query of a bulk operation", reason: reason.into() }.into()
}
