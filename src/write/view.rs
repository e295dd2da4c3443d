//! What a writer shows to its reads: the tables of its transaction, with what it has not written to them yet.

use std::borrow::Cow;

use super::Writer;
use crate::format::Totals;
use crate::model::error::ReadError;
use crate::read::View;
use crate::storage::settings::Settings;
use crate::storage::{LabelValues, Live, NamespaceCounts, Tables};

impl<'t> View for Writer<'t> {
    type Source = Live<'t>;

    fn tables(&self) -> &Tables<Self::Source> {
        &self.tables
    }

    fn settings(&self) -> &Settings {
        self.settings
    }

    fn totals(&self) -> Result<Cow<'_, Totals>, ReadError> {
        let mut totals = Cow::Borrowed(&self.totals);
        if let Some(sum) = self.tables.sum() {
            totals.to_mut().seal.iter_mut().for_each(|seal| seal.sum = sum);
        }
        Ok(totals)
    }

    fn counts_of_label(&self, key: &str, value: &str) -> Result<Vec<u64>, ReadError> {
        self.label_counts_now(key, value)
    }

    fn counts_of_labels(&self, key: &str, after: Option<&str>) -> Result<LabelValues<'_>, ReadError> {
        self.label_values_now(key, after)
    }

    fn counts_of_job(&self, job: &str) -> Result<Vec<u64>, ReadError> {
        self.job_counts_now(job)
    }

    fn counts_of_jobs(&self, after: Option<&str>) -> Result<LabelValues<'_>, ReadError> {
        self.jobs_now(after)
    }

    fn count_of_namespace(&self, namespace: &str) -> Result<Vec<u64>, ReadError> {
        self.namespace_count_now(namespace)
    }

    fn counts_of_namespaces(
        &self,
        after: Option<&str>,
        before: Option<&str>,
    ) -> Result<NamespaceCounts<'_>, ReadError> {
        self.namespace_counts_now(after, before)
    }
}
