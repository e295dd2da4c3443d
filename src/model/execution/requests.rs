//! What is wrong with an execution to be created, or with an update, that was read from JSON. Pure.

use super::new::NewExecution;
use super::update::Update;
use crate::model::id::{ExecutionId, JobId};
use crate::model::identity::Identity;
use crate::model::limits::{InputError, MAX_LABELS, MAX_NAME, check_id, check_label, check_len, check_size};
use crate::model::text::Text;

impl NewExecution {
    pub(super) fn check_read(&self) -> Result<(), InputError> {
        JobId::checked(self.job_id.clone())?;
        self.id.clone().map(ExecutionId::checked).transpose()?;
        check_links([("parent", self.parent.as_ref()), ("previous", self.previous.as_ref())])?;
        check_names([
            ("namespace", self.namespace.as_ref()),
            ("name", self.name.as_ref()),
            ("node id", self.node_id.as_ref()),
        ])?;
        check_labels(self.labels.iter().map(|(key, value)| (key, Some(value))))?;
        if let Some(document) = &self.identity
            && self.id.as_deref() != Some(Identity::id_of(document).as_str())
        {
            let reason = "the id is not that of the identity".into();
            return Err(InputError::Invalid { what: "execution id", reason });
        }
        Ok(())
    }
}

impl Update {
    pub(super) fn check_read(&self) -> Result<(), InputError> {
        if self.payload.is_some() && self.merge_payload.is_some() {
            let reason = "it has `payload` and `merge_payload`, and only one is possible".into();
            return Err(InputError::Invalid { what: "update", reason });
        }
        check_links([("parent", self.parent.text()), ("previous", self.previous.text())])?;
        check_names([("name", self.name.text()), ("node id", self.node_id.text())])?;
        check_labels(self.labels.iter().map(|(key, value)| (key, value.as_ref())))
    }
}

fn check_links<const N: usize>(ids: [(&'static str, Option<&Text>); N]) -> Result<(), InputError> {
    ids.into_iter().filter_map(|(what, id)| Some((what, id?))).try_for_each(|(what, id)| check_id(what, id))
}

fn check_names<const N: usize>(names: [(&'static str, Option<&Text>); N]) -> Result<(), InputError> {
    let mut names = names.into_iter().filter_map(|(what, name)| Some((what, name?)));
    names.try_for_each(|(what, name)| check_len(what, name, MAX_NAME))
}

fn check_labels<'l>(labels: impl Iterator<Item = (&'l Text, Option<&'l Text>)>) -> Result<(), InputError> {
    let mut set = 0;
    for (key, value) in labels {
        check_label(key, value.map_or("", |value| value))?;
        set += usize::from(value.is_some());
    }
    check_size("number of labels", set, MAX_LABELS)
}
