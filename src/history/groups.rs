//! The namespaces that there are, and the values of a label, each with its counts.

use super::statistics::{self, Group};
use crate::model::error::ReadError;
use crate::model::limits::{MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_NAME, check_len};
use crate::model::text::Text;
use crate::read::{List, View};

/// What executions are grouped by, and the counts of each group: see [`Readable::namespaces`](crate::Readable::namespaces) and
/// [`Readable::label_values`](crate::Readable::label_values).
#[derive(Debug)]
pub struct Groups<'r, R: ?Sized> {
    reader: &'r R,
    by: By,
}

/// What executions are grouped by.
#[derive(Debug)]
pub(crate) enum By {
    Namespace,
    Label(Text),
}

impl<'r, R: View + ?Sized> Groups<'r, R> {
    pub(crate) fn new(reader: &'r R, by: By) -> Self {
        Self { reader, by }
    }

    /// All groups, in order; `rev()` gives the last first. Lazy: costs as much as is taken, however many executions there
    /// are.
    pub fn list(&self) -> Result<List<'r, Group>, ReadError> {
        self.listed(None)
    }

    /// The groups behind a value, whether there is a group of it or not: to go on with the next piece of a long list.
    pub fn after(&self, value: impl AsRef<str>) -> Result<List<'r, Group>, ReadError> {
        self.listed(Some(value.as_ref()))
    }

    fn listed(&self, after: Option<&str>) -> Result<List<'r, Group>, ReadError> {
        let text = after.unwrap_or_default();
        match &self.by {
            By::Namespace => {
                check_len("namespace", text, MAX_NAME)?;
                statistics::namespaces(self.reader, after)
            }
            By::Label(key) => {
                check_len("label key", key, MAX_LABEL_KEY)?;
                check_len("label value", text, MAX_LABEL_VALUE)?;
                statistics::label_values(self.reader, key, after)
            }
        }
    }
}
