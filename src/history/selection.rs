//! What can be asked of the executions that a query finds.

use std::io::Write;

use super::export::export;
use super::side_data::{unvisited, usage};
use super::statistics::durations;
use super::{Durations, Rows};
use crate::model::attachments::AttachmentUsage;
use crate::model::error::{Error, ReadError};
use crate::model::execution::{Execution, Header};
use crate::model::query::{Page, Query, QueryPlan};
use crate::model::time::Timestamp;
use crate::read::{View, load};

/// The executions that a query finds, to be listed, counted, summed up or exported: see [`Readable::query`](crate::Readable::query).
///
/// Nothing is read before one of its methods is called, and each of them checks and plans the query once.
///
/// It borrows the query, which therefore needs a name if the selection is kept. The lists that it gives do not:
///
/// ```
/// # use execstore::{Header, Query, ReadTxn, Readable, Store};
/// # use execstore::{error::ReadError, query::Rows};
/// fn of_job<'r>(r: &'r ReadTxn, job: &str) -> Result<Rows<'r, Header>, ReadError> {
///     r.query(&Query::new().job(job)).summaries()
/// }
/// # let store = Store::in_memory()?;
/// # store.create(execstore::NewExecution::new("j"))?;
/// # let r = store.begin_read()?;
/// # assert_eq!(of_job(&r, "j")?.count(), 1);
/// # Ok::<(), execstore::Error>(())
/// ```
#[must_use = "a selection reads nothing before one of its methods is called"]
pub struct Selection<'r, 'q, R: ?Sized> {
    reader: &'r R,
    query: &'q Query,
}

impl<R: ?Sized> std::fmt::Debug for Selection<'_, '_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Selection").field(self.query).finish()
    }
}

impl<'r, 'q, R: View + ?Sized> Selection<'r, 'q, R> {
    pub(crate) fn new(reader: &'r R, query: &'q Query) -> Self {
        Self { reader, query }
    }

    /// The executions, in the order of the query. Lazy: costs as much as is taken, if an index answers the query.
    pub fn rows(&self) -> Result<Rows<'r, Execution>, ReadError> {
        let reader = self.reader;
        super::finished(reader, self.query.clone(), true, |found| Some(load(reader, found)))
    }

    /// The same without the payloads, which are not read: the rows of a list, with the
    /// [preview](Header::preview) that the caller chose.
    pub fn summaries(&self) -> Result<Rows<'r, Header>, ReadError> {
        super::finished(self.reader, self.query.clone(), false, |found| Some(Ok(*found.header)))
    }

    /// A page: 1 to 10,000 executions, 100 without a limit. Its cost does not depend on how deep in the list it is.
    pub fn page(&self) -> Result<Page<Execution>, ReadError> {
        super::page(self.reader, self.query, true, load)
    }

    /// A page without the payloads.
    pub fn summary_page(&self) -> Result<Page<Header>, ReadError> {
        super::page(self.reader, self.query, false, |_, found| Ok(*found.header))
    }

    /// The newest execution in the order of the query: the last one of a job or a label, for example, or with
    /// [`OrderBy::Completed`](crate::OrderBy::Completed) the one that ended last. The query's limit and direction do not
    /// matter here, and a cursor is refused.
    ///
    /// ```
    /// # use execstore::{NewExecution, OrderBy, Query, Readable, Store, Update};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("a").label("workflow", "w-7").state("Running"))?;
    /// # store.update("a", Update::to("Publishing"))?;
    /// # store.update("a", Update::to("Completed"))?;
    /// # store.create(NewExecution::new("j").id("b").label("workflow", "w-7"))?;
    /// let of_workflow = Query::new().label("workflow", "w-7");
    /// let r = store.begin_read()?;
    /// assert_eq!(r.query(&of_workflow).latest()?.unwrap().id, "b");
    /// let completed = of_workflow.state("Completed").order_by(OrderBy::Completed);
    /// assert_eq!(r.query(&completed).latest()?.unwrap().id, "a");
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn latest(&self) -> Result<Option<Execution>, ReadError> {
        super::latest(self.reader, self.query)
    }

    /// How many executions there are, up to the query's limit. Constant time for states, for states and one label, and for a
    /// namespace; otherwise it costs as much as looking at them.
    pub fn count(&self) -> Result<u64, ReadError> {
        super::count(self.reader, self.query)
    }

    /// How long the executions took, from creation to completion; those that have not ended are left out. Looks at each
    /// execution, and holds eight bytes for each.
    pub fn durations(&self) -> Result<Durations, ReadError> {
        durations(self.reader, self.query)
    }

    /// How much the attachments of these executions take: of one execution ([`Query::id`]), of a job, of a label's value. A
    /// quota can be built on it. Looks at each execution and at each of its attachments, not at their values.
    pub fn attachment_usage(&self) -> Result<AttachmentUsage, ReadError> {
        usage(self.reader, self.query)
    }

    /// Those of the executions that were not visited since a time: their last visit, or their creation if there was none, is
    /// before it. The query's limit applies to the executions that are looked at, not to those that are left. Costs one more
    /// look-up for each execution.
    pub fn unvisited(&self, since: Timestamp) -> Result<Rows<'r, Header>, ReadError> {
        unvisited(self.reader, self.query.clone(), since)
    }

    /// How the query would be answered now.
    pub fn explain(&self) -> Result<QueryPlan, ReadError> {
        super::explain(self.reader, self.query)
    }

    /// Writes the executions as lines of JSON, one for each with everything that belongs to it: its payload, its events, its
    /// attachments with their values, what is kept of its outputs, its nodes and its visits. Returns the number of lines.
    ///
    /// Line breaks in payloads, details and values of nodes become blanks; their text is kept otherwise. Times are RFC 3339.
    /// Values of attachments and outputs are texts, in Base64 if they are bytes, of any size: 48 KiB are in memory at a time,
    /// as is a payload. Values that were [moved](crate::options::LargeValues::Attach) are among the attachments. `docs/format.md` has
    /// every member. Damage does not end the export: the other executions follow, the line says what is missing, and the
    /// call ends with [`Error::Incomplete`]. An error of `out` comes back as [`Error::Caller`].
    pub fn export(&self, out: &mut dyn Write) -> Result<u64, Error>
    where
        R: Sized,
    {
        export(self.reader, self.query, out)
    }
}
