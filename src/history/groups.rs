//! The jobs and the namespaces that there are, and the values of a label, each with its counts.

use super::statistics::{self, Group};
use crate::model::error::ReadError;
use crate::model::limits::{MAX_ID, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_NAME, check_len};
use crate::model::text::Text;
use crate::read::{List, View};

/// What executions are grouped by, and the counts of each group: see [`Readable::jobs`](crate::Readable::jobs),
/// [`Readable::namespaces`](crate::Readable::namespaces) and [`Readable::label_values`](crate::Readable::label_values).
///
/// Each group has counters by state, so nothing here looks at executions.
#[derive(Debug)]
pub struct Groups<'r, R: ?Sized> {
    reader: &'r R,
    by: By,
}

/// What executions are grouped by.
#[derive(Debug)]
pub(crate) enum By {
    Job,
    Namespace,
    Label(Text),
}

impl<'r, R: View + ?Sized> Groups<'r, R> {
    pub(crate) fn new(reader: &'r R, by: By) -> Self {
        Self { reader, by }
    }

    /// All groups, in order; `rev()` gives the last first. Lazy: costs as much as is taken, however many executions there
    /// are. A page of them is `list()?.take(50)`, and the next one [`after`](Groups::after) the last value of that.
    pub fn list(&self) -> Result<List<'r, Group>, ReadError> {
        self.listed(None)
    }

    /// The groups behind a value, whether there is a group of it or not: to go on with the next piece of a long list.
    pub fn after(&self, value: impl AsRef<str>) -> Result<List<'r, Group>, ReadError> {
        self.listed(Some(value.as_ref()))
    }

    /// The group of one value; `None` if no execution is in it. A look-up.
    pub fn get(&self, value: impl AsRef<str>) -> Result<Option<Group>, ReadError> {
        let value = value.as_ref();
        self.check(value)?;
        let counts = match &self.by {
            By::Job => self.reader.counts_of_job(value)?,
            By::Namespace => statistics::in_namespace(self.reader, value)?,
            By::Label(key) => self.reader.counts_of_label(key, value)?,
        };
        Ok(statistics::group_of(self.reader, value, &counts))
    }

    fn listed(&self, after: Option<&str>) -> Result<List<'r, Group>, ReadError> {
        self.check(after.unwrap_or_default())?;
        match &self.by {
            By::Job => statistics::jobs(self.reader, after),
            By::Namespace => statistics::namespaces(self.reader, after),
            By::Label(key) => statistics::label_values(self.reader, key, after),
        }
    }

    fn check(&self, value: &str) -> Result<(), ReadError> {
        match &self.by {
            By::Job => check_len("job id", value, MAX_ID)?,
            By::Namespace => check_len("namespace", value, MAX_NAME)?,
            By::Label(key) => {
                check_len("label key", key, MAX_LABEL_KEY)?;
                check_len("label value", value, MAX_LABEL_VALUE)?;
            }
        }
        Ok(())
    }
}
