//! What a transaction shows to its reads.

use std::borrow::Cow;

use crate::format::Totals;
use crate::model::error::ReadError;
use crate::storage::settings::Settings;
use crate::storage::{LabelValues, NamespaceCounts, Source, Tables, counted_job};

/// The tables and the settings behind a read. The types are public in name only: none can be named outside.
pub trait View {
    type Source: Source;

    fn tables(&self) -> &Tables<Self::Source>;

    fn settings(&self) -> &Settings;

    fn totals(&self) -> Result<Cow<'_, Totals>, ReadError> {
        self.tables().totals_seen()
    }

    /// How many executions have a label, by the code of their state.
    fn counts_of_label(&self, key: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        self.tables().label_counts(key, value)
    }

    /// The same for each value of a label's key.
    fn counts_of_labels(&self, key: &str, after: Option<&str>) -> Result<LabelValues<'_>, ReadError> {
        Ok(Box::new(self.tables().label_values(key, after)?))
    }

    /// How many executions a job has, by the code of their state.
    fn counts_of_job(&self, job: &str) -> Result<Vec<u64>, ReadError> {
        self.tables().job_counts(job)
    }

    /// The same for each job behind one.
    fn counts_of_jobs(&self, after: Option<&str>) -> Result<LabelValues<'_>, ReadError> {
        let rows = self.tables().jobs_after(after);
        Ok(Box::new(rows.map(|row| row.and_then(|(_, counts)| counted_job(counts)))))
    }

    /// How many executions a namespace has, by the code of their state; not of the default one.
    fn count_of_namespace(&self, namespace: &str) -> Result<Vec<u64>, ReadError> {
        self.tables().namespace_count(namespace)
    }

    /// The same for each namespace behind one, and before another.
    fn counts_of_namespaces(
        &self,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<NamespaceCounts<'_>, ReadError> {
        Ok(Box::new(self.tables().namespace_counts(after, before)?))
    }
}
