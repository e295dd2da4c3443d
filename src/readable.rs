//! The read surface, the same for snapshots and for write transactions.

use std::ops::RangeBounds;

use crate::format::schema::Tag;
use crate::history::{By, Groups, Lineage, Log, Selection};
use crate::model::error::ReadError;
use crate::model::events::Event;
use crate::model::execution::Execution;
use crate::model::id::{EventSeq, StoreIncarnation};
use crate::model::identity::Identity;
use crate::model::lifecycle::{Phase, State};
use crate::model::query::Query;
use crate::model::row_id::{BucketId, RowId};
use crate::model::text::Text;
use crate::model::visits::Visits;
use crate::read::buckets::{Bucket, names};
use crate::read::lookup::{code_of, event_rows, find, in_states, inclusive, indexed, load};
use crate::read::side_data::{Attachments, Outputs, Tasks, verify_identity};
use crate::read::{List, View};
use crate::storage::damaged;

/// Reading, the same in a [`ReadTxn`](crate::ReadTxn), which sees one state of the store, and in a
/// [`Writer`](crate::Writer), which sees its transaction's own writes.
///
/// Lists are lazy. A damaged row is an error in its own place and does not end the list; a storage error
/// ends it. Reading a record costs two look-ups of a B-tree, a third if its payload has more than 1 KiB.
pub trait Readable: View {
    /// The execution of this id.
    fn get(&self, id: impl AsRef<str>) -> Result<Option<Execution>, ReadError> {
        let found = find(self, id.as_ref())?;
        found.map(|found| load(self, found)).transpose()
    }

    /// The events of an execution with sequence numbers in a range, in order; `rev()` gives the last first.
    /// Empty for an execution without events, and for an unknown one.
    fn events(
        &self,
        id: impl AsRef<str>,
        range: impl RangeBounds<EventSeq>,
    ) -> Result<List<'_, Event>, ReadError> {
        let seqs = inclusive(range.start_bound().map(|seq| seq.0), range.end_bound().map(|seq| seq.0));
        match (self.tables().number(id.as_ref())?, seqs) {
            (Some(number), Some(seqs)) => event_rows(self, number, seqs),
            _ => Ok(List::empty()),
        }
    }

    /// The executions of a job, oldest first; `rev()` gives the newest first. Empty for an unknown job.
    fn by_job(&self, job_id: impl AsRef<str>) -> Result<List<'_, Execution>, ReadError> {
        let job = job_id.as_ref().to_owned();
        let rows = self.tables().job_rows(&job, &RowId::ALL)?;
        Ok(List::new(rows.map(move |number| {
            let found = indexed(self, number?, Tag::Jobs)?;
            if found.header.job_id != job.as_str() {
                let key = found.number.to_be_bytes();
                return Err(damaged(Tag::Jobs, &key, "the execution is of another job").into());
            }
            load(self, found)
        })))
    }

    /// The executions in live states, oldest first: what a node looks after when it starts again.
    fn live(&self) -> Result<List<'_, Execution>, ReadError> {
        in_states(self, self.settings().lifecycle.codes_in(Phase::Live))
    }

    /// How many executions are in a state. Constant time.
    fn count(&self, state: impl AsRef<str>) -> Result<u64, ReadError> {
        let code = code_of(self, state.as_ref())?;
        Ok(self.totals()?.count(code))
    }

    /// How many executions are in each state, states with none included, in the lifecycle's order. Constant
    /// time.
    fn counts(&self) -> Result<Vec<(State, u64)>, ReadError> {
        let totals = self.totals()?;
        Ok((0u8..)
            .zip(self.settings().lifecycle.states())
            .map(|(c, s)| (s.clone(), totals.count(c)))
            .collect())
    }

    /// The executions that a query finds: to be listed, paged, counted, summed up or exported.
    ///
    /// ```
    /// # use execstore::{NewExecution, Query, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").state("Running"))?;
    /// let r = store.begin_read()?;
    /// let query = Query::new().state("Running").limit(50);
    /// let running = r.query(&query);
    /// let page = running.page()?; // the newest 50, with a cursor to the next
    /// # assert_eq!(page.executions.len(), 1);
    /// for header in running.summaries()? {
    ///     println!("{}", header?.id); // without reading the payloads
    /// }
    /// # Ok::<(), execstore::Error>(())
    /// ```
    fn query<'q>(&self, query: &'q Query) -> Selection<'_, 'q, Self> {
        Selection::new(self, query)
    }

    /// The change log, and the positions in it that were saved as checkpoints.
    fn log(&self) -> Log<'_, Self> {
        Log::new(self)
    }

    /// The executions that one is linked to: the way back to the root, the tree below it, its attempts.
    fn lineage(&self, id: impl AsRef<str>) -> Lineage<'_, Self> {
        Lineage::new(self, id.as_ref())
    }

    /// The attachments of an execution; none for an unknown one.
    fn attachments(&self, id: impl AsRef<str>) -> Attachments<'_, Self> {
        Attachments::new(self, id.as_ref())
    }

    /// The output streams of an execution; none for an unknown one.
    fn outputs(&self, id: impl AsRef<str>) -> Outputs<'_, Self> {
        Outputs::new(self, id.as_ref())
    }

    /// A bucket of the caller's own rows. One that does not exist reads as an empty one. Costs a look-up.
    fn bucket(&self, name: impl AsRef<str>) -> Result<Bucket<'_, Self>, ReadError> {
        Bucket::find(self, BucketId::ROOT, name.as_ref())
    }

    /// The names of the buckets that lie in no other, in the order of their bytes.
    fn buckets(&self) -> Result<List<'_, Text>, ReadError> {
        names(self, BucketId::ROOT)
    }

    /// The tasks within an execution; none for an unknown one.
    fn tasks(&self, id: impl AsRef<str>) -> Tasks<'_, Self> {
        Tasks::new(self, id.as_ref())
    }

    /// The jobs that have executions, with how many each has in each state: those whose ids are UUIDs first, otherwise in the
    /// order of their bytes.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// for job in ["etl", "etl", "report"] {
    ///     store.create(NewExecution::new(job).state("Running"))?;
    /// }
    /// let r = store.begin_read()?;
    /// for job in r.jobs().list()?.take(50) {
    ///     let job = job?;
    ///     println!("{}: {} executions, {:?}", job.value, job.total, job.states);
    /// }
    /// assert_eq!(r.jobs().get("etl")?.map(|job| job.total), Some(2));
    /// assert_eq!(r.jobs().after("etl")?.count(), 1);
    /// # Ok::<(), execstore::Error>(())
    /// ```
    fn jobs(&self) -> Groups<'_, Self> {
        Groups::new(self, By::Job)
    }

    /// The namespaces that have executions, with how many each has in each state, in the order of their bytes;
    /// [`DEFAULT_NAMESPACE`](crate::DEFAULT_NAMESPACE) among them.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// for tenant in ["acme", "acme", "zoo"] {
    ///     store.create(NewExecution::new("j").namespace(tenant))?;
    /// }
    /// let r = store.begin_read()?;
    /// let first = r.namespaces().list()?.next().ok_or("none")??;
    /// assert_eq!((first.value.as_str(), first.total), ("acme", 2));
    /// let next = r.namespaces().after(&first.value)?.next().ok_or("none")??;
    /// assert_eq!((next.value.as_str(), next.total), ("zoo", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn namespaces(&self) -> Groups<'_, Self> {
        Groups::new(self, By::Namespace)
    }

    /// The values that a label's key has, with how many executions have each, the shorter values first, otherwise in the
    /// order of their bytes. There is a row for each value.
    fn label_values(&self, key: impl AsRef<str>) -> Groups<'_, Self> {
        Groups::new(self, By::Label(key.as_ref().into()))
    }

    /// How often an execution was visited, as far as that was [written](crate::visits::VisitTracker::flush); `None` if never.
    fn visits(&self, id: impl AsRef<str>) -> Result<Option<Visits>, ReadError> {
        match self.tables().number(id.as_ref())? {
            Some(number) => self.tables().visits(number),
            None => Ok(None),
        }
    }

    /// The identity that an execution's id was [computed](crate::NewExecution::identified) from, after computing it
    /// again: one that does not give this id and this job is damage. `None` if it has none, or is not there.
    fn verify_identity(&self, id: impl AsRef<str>) -> Result<Option<Identity>, ReadError> {
        verify_identity(self, id.as_ref())
    }

    /// Which incarnation of the store this is: see [`Builder::declare_restored`](crate::Builder::declare_restored).
    fn incarnation(&self) -> StoreIncarnation {
        self.settings().incarnation
    }
}

impl<V: View> Readable for V {}
