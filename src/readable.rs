//! The read surface, the same for snapshots and for write transactions.

use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

use crate::format::job_prefix;
use crate::format::schema::Tag;
use crate::history::{self, Durations, LabelCount, Matches, NamespaceCount, Trace, Tree};
use crate::model::attachment::{Attachment, Usage};
use crate::model::bookmark::{Bookmark, within};
use crate::model::change::{Change, ChangeKind};
use crate::model::error::{Error, ReadError};
use crate::model::event::Event;
use crate::model::execution::{Execution, Header};
use crate::model::id::{ChangeSeq, EventSeq, StoreIncarnation};
use crate::model::identity::Identity;
use crate::model::json::Json;
use crate::model::lifecycle::{Phase, State};
use crate::model::limits::{MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_NAME, check_len};
use crate::model::output::{Output, OutputPart};
use crate::model::progress::{Node, Progress};
use crate::model::query::{Page, Plan, Query};
use crate::model::seal::ChainHead;
use crate::model::time::Timestamp;
use crate::model::visits::Visits;
use crate::read::beside::{self, AttachmentReader};
use crate::read::sequence::Gapless;
use crate::storage::damaged;

use crate::read::lookup::{
    code_of, event_rows, find, in_states, inclusive, indexed, join, load, payload_version,
};
use crate::read::{List, View};

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

    /// The executions of a job, oldest first; `rev()` gives the newest first. Empty for an unknown job.
    fn by_job(&self, job_id: impl AsRef<str>) -> Result<List<'_, Execution>, ReadError> {
        let job = job_id.as_ref().to_owned();
        let rows = self.tables().index_rows(Tag::Jobs, &job_prefix(&job), &(0..=u64::MAX))?;
        Ok(List::new(rows.map(move |number| {
            let found = indexed(self, number?, Tag::Jobs)?;
            if found.header.job_id != job.as_str() {
                let key = found.number.to_be_bytes();
                return Err(damaged(Tag::Jobs, &key, "the execution is of another job").into());
            }
            load(self, found)
        })))
    }

    /// The executions in one of these states, oldest first; `rev()` gives the newest first.
    fn by_state(
        &self,
        states: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<List<'_, Execution>, ReadError> {
        let mut codes = Vec::new();
        for state in states {
            let code = code_of(self, state.as_ref())?;
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        in_states(self, codes)
    }

    /// The executions in live states, oldest first: what a node looks after when it starts again.
    fn live(&self) -> Result<List<'_, Execution>, ReadError> {
        in_states(self, self.context().lifecycle.codes_in(Phase::Live))
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
            .zip(self.context().lifecycle.states())
            .map(|(c, s)| (s.clone(), totals.count(c)))
            .collect())
    }

    /// What a query finds, in its order. Lazy: costs as much as is taken, if an index answers the query.
    fn query(&self, query: &Query) -> Result<Matches<'_, Execution>, ReadError> {
        history::executions(self, query)
    }

    /// The same without the payloads, which are not read: a list's rows, with the
    /// [preview](Header::preview) that the caller chose.
    fn summaries(&self, query: &Query) -> Result<Matches<'_, Header>, ReadError> {
        history::summaries(self, query)
    }

    /// A page of what a query finds: 1 to 10,000 executions, 100 without a limit. Its cost does not depend on its
    /// depth.
    fn page(&self, query: &Query) -> Result<Page<Execution>, ReadError> {
        history::page(self, query)
    }

    /// A page without the payloads.
    fn summary_page(&self, query: &Query) -> Result<Page<Header>, ReadError> {
        history::summary_page(self, query)
    }

    /// The newest execution that a query finds, in its order: of a job or a label say, or with
    /// [`OrderBy::Completed`](crate::OrderBy::Completed) the one that ended last. The query's
    /// limit and direction do not matter here, and a cursor is refused.
    ///
    /// ```
    /// # use execstore::{Expect, NewExecution, OrderBy, Query, Readable, Store, Update};
    /// # let store = Store::in_memory()?;
    /// # store.create_execution(NewExecution::new("j").id("a").label("workflow", "w-7").state("Running"), &[])?;
    /// # store.update("a", &Expect::any(), Update::to("Publishing"), &[])?;
    /// # store.update("a", &Expect::any(), Update::to("Completed"), &[])?;
    /// # store.create_execution(NewExecution::new("j").id("b").label("workflow", "w-7"), &[])?;
    /// let of_workflow = Query::new().label("workflow", "w-7");
    /// let r = store.begin_read()?;
    /// assert_eq!(r.latest(&of_workflow)?.unwrap().id, "b");
    /// assert_eq!(r.latest(&of_workflow.state("Completed").order_by(OrderBy::Completed))?.unwrap().id, "a");
    /// # Ok::<(), execstore::Error>(())
    /// ```
    fn latest(&self, query: &Query) -> Result<Option<Execution>, ReadError> {
        history::latest(self, query)
    }

    /// Writes what a query finds as lines of JSON, one for each execution with everything that belongs to it: its payload, its events, its
    /// attachments with their values, what is kept of its outputs, its nodes and its visits. Gives the number of lines.
    ///
    /// Line breaks in payloads, details and nodes' values become blanks; their text is kept else. Times are RFC 3339. Values of
    /// attachments and outputs are texts, in Base64 if they are bytes, of whatever size: 48 KiB are in memory at a time, as is a
    /// payload. Values that were [moved](crate::LargeValues::Attach) are among the attachments. `docs/format.md` has
    /// every member. What is damaged does not end it: the others follow, the line says what is missing, and the call ends with
    /// [`Error::Incomplete`]. An error of `out` comes back as [`Error::Caller`].
    fn export(&self, query: &Query, out: &mut dyn std::io::Write) -> Result<u64, Error>
    where
        Self: Sized,
    {
        history::export(self, query, out)
    }

    /// How many executions a query finds. Constant time for states, for states and one label, and for a namespace; else it
    /// costs as much as looking at them.
    fn count_matching(&self, query: &Query) -> Result<u64, ReadError> {
        history::count(self, query)
    }

    /// How a query would be answered now.
    fn explain(&self, query: &Query) -> Result<Plan, ReadError> {
        history::explain(self, query)
    }

    /// The values that a label's key has, with how many executions have each, the shorter values first, else in the order of
    /// their bytes. A row for each value.
    fn label_values(&self, key: impl AsRef<str>) -> Result<List<'_, LabelCount>, ReadError> {
        Ok(List::new(history::label_values(self, key.as_ref(), None)?))
    }

    /// The same from behind a value on, whether there is one or not: to go on with the next piece of a long list. From the
    /// other end, `rev()` of either gives the last values first. Costs as much as is taken.
    fn label_values_after(
        &self,
        key: impl AsRef<str>,
        value: impl AsRef<str>,
    ) -> Result<List<'_, LabelCount>, ReadError> {
        check_len("label key", key.as_ref(), MAX_LABEL_KEY)?;
        check_len("label value", value.as_ref(), MAX_LABEL_VALUE)?;
        Ok(List::new(history::label_values(self, key.as_ref(), Some(value.as_ref()))?))
    }

    /// The namespaces that have executions, with how many each has, in the order of their bytes;
    /// [`DEFAULT_NAMESPACE`](crate::DEFAULT_NAMESPACE) among them. From the other end with `rev()`. Costs as much as is taken,
    /// however many executions there are: each namespace has a counter. How many of them are in a state is a question for
    /// [`count_matching`](Readable::count_matching), which looks at them.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// for tenant in ["acme", "acme", "zoo"] {
    ///     store.create_execution(NewExecution::new("j").namespace(tenant), &[])?;
    /// }
    /// let r = store.begin_read()?;
    /// let first = r.namespaces()?.next().ok_or("none")??;
    /// assert_eq!((first.namespace.as_str(), first.total), ("acme", 2));
    /// let next = r.namespaces_after(&first.namespace)?.next().ok_or("none")??;
    /// assert_eq!((next.namespace.as_str(), next.total), ("zoo", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn namespaces(&self) -> Result<List<'_, NamespaceCount>, ReadError> {
        history::namespaces(self, None)
    }

    /// The same from behind a namespace on, whether there is one or not: to go on with the next piece of a long list.
    fn namespaces_after(&self, namespace: impl AsRef<str>) -> Result<List<'_, NamespaceCount>, ReadError> {
        check_len("namespace", namespace.as_ref(), MAX_NAME)?;
        history::namespaces(self, Some(namespace.as_ref()))
    }

    /// How long what a query finds took, from creation to completion; those that have not ended are left out. Looks at
    /// each execution, and holds eight bytes for each.
    fn durations(&self, query: &Query) -> Result<Durations, ReadError> {
        history::durations(self, query)
    }

    /// The executions whose parent this is, oldest first: this very one, and not another that has had the id before. Of an id that
    /// nobody has, all that name it. Without their payloads:
    /// [`summaries`](Readable::summaries) of `Query::new().parent(id).oldest_first()`.
    fn children(&self, id: impl AsRef<str>) -> Result<Matches<'_, Execution>, ReadError> {
        history::linked(self, Query::new().parent(id.as_ref()))
    }

    /// The executions that replace this attempt, oldest first; more than one if it was retried twice. The same holds for its id.
    fn retries(&self, id: impl AsRef<str>) -> Result<Matches<'_, Execution>, ReadError> {
        history::linked(self, Query::new().previous(id.as_ref()))
    }

    /// All attempts that this one is among, the first one first: back over `previous`, then onward over what replaced
    /// it; where one was retried more than once, all of its retries come before theirs, each list oldest first. Attempts that were deleted are
    /// stepped over; where the first ones were, their retries are still one list. Empty for an unknown execution.
    fn attempts(&self, id: impl AsRef<str>) -> Result<Vec<Header>, ReadError> {
        history::attempts(self, id.as_ref())
    }

    /// The way from an execution back to the one that began it, both included: to the parent, or where there is none
    /// to the previous attempt; see [`attempts`](Readable::attempts) for those of an execution that has a parent. A
    /// look-up for each step. Of an unknown execution it is empty, and that execution is the
    /// [missing](Trace::missing) one.
    ///
    /// ```
    /// # use execstore::{NewExecution, Readable, Store};
    /// # let store = Store::in_memory()?;
    /// store.create_execution(NewExecution::new("j").id("step").parent("flow"), &[])?;
    /// let r = store.begin_read()?;
    /// let mut trace = r.trace("step");
    /// assert_eq!(trace.next().unwrap()?.id, "step");
    /// assert!(trace.next().is_none());
    /// assert_eq!(trace.missing().unwrap(), &"flow"); // not in this store
    /// # Ok::<(), execstore::Error>(())
    /// ```
    fn trace(&self, id: impl AsRef<str>) -> Trace<'_> {
        history::trace(self, id.as_ref())
    }

    /// The tree of executions below this one, which comes first: each as its depth and its header, before its children,
    /// and these in the order of creation. Holds as much as the tree is deep. Empty for an unknown execution.
    fn tree(&self, id: impl AsRef<str>) -> Result<Tree<'_>, ReadError> {
        history::tree(self, id.as_ref())
    }

    /// What is kept of an attachment beside its value; `None` if there is none of this key, or no such execution.
    fn attachment(&self, id: impl AsRef<str>, key: impl AsRef<str>) -> Result<Option<Attachment>, ReadError> {
        Ok(beside::attachment(self, id.as_ref(), key.as_ref())?.map(|(attachment, _)| attachment))
    }

    /// The attachments of an execution whose keys begin with a prefix, in the order of their keys; all of them for an
    /// empty one.
    fn attachments(
        &self,
        id: impl AsRef<str>,
        prefix: impl AsRef<str>,
    ) -> Result<List<'_, Attachment>, ReadError> {
        let Some(number) = self.tables().number(id.as_ref())? else { return Ok(List::empty()) };
        let rows = self.tables().attachment_rows(number, prefix.as_ref())?;
        Ok(List::new(rows.map(|row| Ok(row?.0))))
    }

    /// The value of an attachment, whole, in memory: of a URI its text.
    fn attachment_bytes(
        &self,
        id: impl AsRef<str>,
        key: impl AsRef<str>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        beside::attachment_bytes(self, id.as_ref(), key.as_ref())
    }

    /// The value of an attachment, to be read 64 KiB at a time, from any place.
    fn open_attachment(
        &self,
        id: impl AsRef<str>,
        key: impl AsRef<str>,
    ) -> Result<Option<AttachmentReader<'_>>, ReadError> {
        beside::open_attachment(self, id.as_ref(), key.as_ref())
    }

    /// How much the attachments take of all executions that a query finds: of one ([`Query::id`]), of a job, of a label's value. A quota, say.
    /// Looks at each of these executions and at each of their attachments, not at the values.
    fn attachment_usage(&self, query: &Query) -> Result<Usage, ReadError> {
        history::usage(self, query)
    }

    /// The identity that an execution's id was [computed](crate::NewExecution::identified) from, after computing it
    /// again: one that does not give this id and this job is damage. `None` if it has none, or is not there.
    fn verify_identity(&self, id: impl AsRef<str>) -> Result<Option<Identity>, ReadError> {
        beside::verify_identity(self, id.as_ref())
    }

    /// An output stream of an execution: its length, and what is kept.
    fn output(&self, id: impl AsRef<str>, name: impl AsRef<str>) -> Result<Option<Output>, ReadError> {
        Ok(beside::output(self, id.as_ref(), name.as_ref())?.map(|row| row.output))
    }

    /// The output streams of an execution, in the order of their names.
    fn outputs(&self, id: impl AsRef<str>) -> Result<List<'_, Output>, ReadError> {
        let Some(number) = self.tables().number(id.as_ref())? else { return Ok(List::empty()) };
        let rows = self.tables().output_rows(number)?;
        Ok(List::new(rows.map(|row| Ok(row?.output))))
    }

    /// Reads an output stream from an offset on, at most so many bytes, and no further than a dropped part. An offset in a
    /// dropped part goes on behind it; one beyond the end is the end. `None` if there is no such stream.
    ///
    /// Fewer bytes than that come only before the end, or before a dropped part. Reading on at [`OutputPart::next`] gives every byte that is kept once; see
    /// [`Store::follow_output`](crate::Store::follow_output) to wait for more.
    fn read_output(
        &self,
        id: impl AsRef<str>,
        name: impl AsRef<str>,
        from: u64,
        most: usize,
    ) -> Result<Option<OutputPart>, ReadError> {
        let row = beside::output(self, id.as_ref(), name.as_ref())?;
        row.map(|row| beside::read_output(self, &row, from, most)).transpose()
    }

    /// A node within an execution.
    fn node(&self, id: impl AsRef<str>, name: impl AsRef<str>) -> Result<Option<Node>, ReadError> {
        let Some(number) = self.tables().number(id.as_ref())? else { return Ok(None) };
        match self.tables().node_place(number, name.as_ref())? {
            Some(place) => self.tables().node(number, place),
            None => Ok(None),
        }
    }

    /// The nodes within an execution, in the order in which each was first heard of.
    fn nodes(&self, id: impl AsRef<str>) -> Result<List<'_, Node>, ReadError> {
        match self.tables().number(id.as_ref())? {
            Some(number) => Ok(List::new(self.tables().node_rows(number)?)),
            None => Ok(List::empty()),
        }
    }

    /// How many nodes of an execution are in each state. Two look-ups, however many nodes there are.
    fn progress(&self, id: impl AsRef<str>) -> Result<Progress, ReadError> {
        match self.tables().number(id.as_ref())? {
            Some(number) => Ok(self.tables().progress(number)?.unwrap_or_default()),
            None => Ok(Progress::default()),
        }
    }

    /// How often an execution was visited, as far as that was [written](crate::VisitTracker::flush); `None` if never.
    fn visits(&self, id: impl AsRef<str>) -> Result<Option<Visits>, ReadError> {
        match self.tables().number(id.as_ref())? {
            Some(number) => self.tables().visits(number),
            None => Ok(None),
        }
    }

    /// Of what a query finds, those that were not visited since a time: their last visit, or their creation if there was none,
    /// is before it. The query's limit is that of what it finds, not of what is left. A look-up more for each execution that it
    /// finds.
    fn unvisited(&self, query: &Query, since: Timestamp) -> Result<Matches<'_, Header>, ReadError> {
        history::unvisited(self, query, since)
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

    /// The entries of the change log with sequence numbers in a range, in order; `rev()` gives the last
    /// first. A range without a start begins at the oldest that is kept; one that starts before that is
    /// [`ReadError::Trimmed`], and one that starts further than right behind the head [`ReadError::Position`].
    fn changes(&self, range: impl RangeBounds<ChangeSeq>) -> Result<List<'_, Change>, ReadError> {
        let seqs = inclusive(range.start_bound().map(|seq| seq.0), range.end_bound().map(|seq| seq.0));
        let Some(seqs) = seqs else {
            return Ok(List::empty());
        };
        let totals = self.totals()?;
        let oldest = totals.trimmed + 1;
        let start = match range.start_bound() {
            Bound::Unbounded => oldest,
            _ if *seqs.start() < oldest => {
                return Err(ReadError::Trimmed { requested: *seqs.start(), oldest });
            }
            _ => *seqs.start(),
        };
        within(start.saturating_sub(1), self.incarnation(), totals.head)?;
        let end = totals.head.min(*seqs.end());
        if start > end {
            return Ok(List::empty());
        }
        let rows = self.tables().change_rows(start..=end, &self.context().lifecycle)?;
        Ok(List::new(Gapless::new(rows, Tag::Changes, Some(start - 1), end.checked_add(1))))
    }

    /// The sequence number of the last change ever made; 0 before the first. Constant time.
    fn head(&self) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(self.totals()?.head))
    }

    /// A position to be kept outside the store, which [`resolve`](Readable::resolve) and
    /// [`Start::Bookmark`](crate::Start::Bookmark) take back. One beyond the head is [`ReadError::Position`].
    fn bookmark(&self, after: ChangeSeq) -> Result<Bookmark, ReadError> {
        let seq = within(after.0, self.incarnation(), self.totals()?.head)?;
        Ok(Bookmark::new(self.incarnation(), ChangeSeq(seq)))
    }

    /// The change that a bookmark is after. One of another store, of another incarnation of this one, or beyond the head is
    /// [`ReadError::Position`], which says what there is.
    fn resolve(&self, bookmark: &Bookmark) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(bookmark.resolve(self.incarnation(), self.totals()?.head)?))
    }

    /// Which incarnation of the store this is: see [`Builder::declare_restored`](crate::Builder::declare_restored).
    fn incarnation(&self) -> StoreIncarnation {
        self.context().incarnation
    }

    /// The oldest change that the log still has; one beyond the head if it has none. Constant time.
    fn oldest(&self) -> Result<ChangeSeq, ReadError> {
        Ok(ChangeSeq(self.totals()?.trimmed + 1))
    }

    /// The last place of the chain of a tamper-evident store, to be noted elsewhere; `None` for another store. Constant time.
    fn chain_head(&self) -> Result<Option<ChainHead>, ReadError> {
        let totals = self.totals()?;
        Ok(totals.seal.map(|seal| ChainHead { seq: ChangeSeq(totals.head), hash: seal.head }))
    }

    /// The hash over everything in a tamper-evident store, to be noted elsewhere: over the [head](Readable::chain_head) of its
    /// log, the sum of all rows, and the counters. `None` for another store. Two copies of a store with the same fingerprint
    /// hold the same. Every operation changes it, and so does the removal of what a large deletion left: let
    /// [`Store::maintain`](crate::Store::maintain) end that before it is noted. Constant time.
    fn fingerprint(&self) -> Result<Option<[u8; 32]>, ReadError> {
        Ok(crate::format::fingerprint(&self.totals()?))
    }

    /// The place of the chain before the oldest entry that the log still has; `None` for a store that is not tamper-evident.
    fn chain_anchor(&self) -> Result<Option<ChainHead>, ReadError> {
        let totals = self.totals()?;
        Ok(totals.seal.map(|seal| ChainHead { seq: ChangeSeq(totals.trimmed), hash: seal.anchor }))
    }

    /// Writes the entries of a range of the change log as lines of JSON, with what
    /// [`LogProof::check`](crate::LogProof::check) needs if the store is tamper-evident: `{"change": {..}, "hash": ".."}`.
    /// Gives the number of lines. A damaged entry is a line that says so, `{"damaged": [..]}`; the others follow, and the call ends with
    /// [`Error::Incomplete`]. An error of `out` comes back as [`Error::Caller`].
    fn export_changes(
        &self,
        range: impl RangeBounds<ChangeSeq>,
        out: &mut dyn std::io::Write,
    ) -> Result<u64, Error>
    where
        Self: Sized,
    {
        history::export_changes(self.changes(range)?, out)
    }

    /// The payload right after a change; `None` if the change deleted the execution.
    fn payload_after(&self, change: &Change) -> Result<Option<Json>, ReadError> {
        if change.kind == ChangeKind::Deleted {
            return Ok(None);
        }
        payload_version(self, change.number, change.payload_version).map(Some)
    }

    /// The payload right before a change; `None` if the change created the execution.
    fn payload_before(&self, change: &Change) -> Result<Option<Json>, ReadError> {
        if change.kind == ChangeKind::Created {
            return Ok(None);
        }
        payload_version(self, change.number, change.payload_version_before()).map(Some)
    }

    /// The execution right after a change, payload included; `None` if the change deleted it.
    fn execution_after(&self, change: &Change) -> Result<Option<Execution>, ReadError> {
        let payload = self.payload_after(change)?;
        Ok(join(change.after().cloned(), payload))
    }

    /// The execution right before a change, payload included; `None` if the change created it.
    fn execution_before(&self, change: &Change) -> Result<Option<Execution>, ReadError> {
        let payload = self.payload_before(change)?;
        Ok(join(change.before(), payload))
    }

    /// The position saved under this name.
    fn checkpoint(&self, name: impl AsRef<str>) -> Result<Option<ChangeSeq>, ReadError> {
        self.tables().checkpoint(name.as_ref())
    }

    /// Every checkpoint. An error if one of them is damaged.
    fn checkpoints(&self) -> Result<BTreeMap<String, ChangeSeq>, ReadError> {
        self.tables().checkpoint_rows()?.collect()
    }
}

impl<V: View> Readable for V {}
