//! Reports of what became of an execution, which may come late or twice.

use super::Writer;
use crate::model::error::{ReadError, WriteError};
use crate::model::events::NewEvent;
use crate::model::execution::{Header, Update};
use crate::model::id::EventSeq;
use crate::model::report::{Late, Reported, Reporter};
use crate::readable::Readable;
use crate::storage::StoredExecution;

/// # Reports
impl Writer<'_> {
    /// Updates an execution by what somebody reports of it who may have been overtaken, unless the report comes late.
    ///
    /// Late is, whatever else it says, a report of an older [attempt](Update::attempt) than is known; of an older
    /// [time](Update::reported_at) than the last of the same attempt; one that changes nothing, since it came before; and whatever comes after the
    /// execution has ended: the first end stands. Then nothing is written, and the outcome says why and what there is. A
    /// report that names the state that the execution is in leaves it there. Everything else is as with [`update`](Self::update), its errors too.
    ///
    /// ```
    /// # use execstore::{Late, NewExecution, Reported, Store, Update};
    /// # let store = Store::in_memory()?;
    /// # store.create(NewExecution::new("j").id("e").state("BidAccepted"))?;
    /// assert!(store.report("e", Update::to("Running").attempt(2))?.is_applied());
    /// // The first attempt, long given up, fails at last.
    /// let report = store.report("e", Update::to("Failed").attempt(1))?;
    /// assert_eq!(report.why_ignored(), Some(&Late::OlderAttempt { reported: 1, known: 2 }));
    /// assert_eq!(report.current().unwrap().state, "Running");
    /// # Ok::<(), execstore::Error>(())
    /// ```
    pub fn report(
        &mut self,
        id: impl AsRef<str>,
        mut update: Update,
    ) -> Result<Reported<Header>, WriteError> {
        let before = self.expected(id.as_ref(), &update.expect)?;
        update.reports = true;
        update.fit_texts(self.settings.long_texts);
        let why = match update.reporter().is_overtaken(&before.header) {
            Some(why) => Some(why),
            None if self.repeats(&before, &update)? => Some(Late::Repeated),
            None => update.reporter().is_late(&before.header),
        };
        match why {
            Some(why) => Ok(Reported::Ignored { why, current: Some(*before.header) }),
            None => self.update_found(before, update).map(Reported::Applied),
        }
    }

    /// `true` if the report changes nothing. One that is refused does not count.
    fn repeats(&self, before: &StoredExecution, update: &Update) -> Result<bool, WriteError> {
        let mut update = update.clone();
        let (edit, reporter) = (update.take_payload(), update.reporter());
        let events = std::mem::take(&mut update.events);
        let header = &before.header;
        if !header.repeats(update, &self.settings.lifecycle) || !self.ends_with(header, reporter, &events)? {
            return Ok(false);
        }
        match self.next_payload(before, edit, header.modified_at) {
            Err(error @ WriteError::Storage(_)) => Err(error),
            next => Ok(next.is_ok_and(|next| next.changes_nothing())),
        }
    }

    /// `true` if these events are the last ones of the execution, from a report of the same time.
    fn ends_with(
        &self,
        execution: &Header,
        reporter: Reporter,
        events: &[NewEvent],
    ) -> Result<bool, ReadError> {
        let many = events.len() as u64;
        if many == 0 {
            return Ok(true);
        }
        if reporter.at.is_none() || reporter.at != execution.reported_at || execution.event_count < many {
            return Ok(false);
        }
        let from = EventSeq(execution.event_count - many + 1);
        let mut known = self.events(execution.id.as_str(), from..)?;
        for event in events {
            match known.next() {
                Some(Ok(known)) if event.is(&known) => {}
                Some(Err(error @ ReadError::Storage(_))) => return Err(error),
                // What is damaged is not known.
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}
