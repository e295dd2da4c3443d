//! The JSON of a query. Nothing in it is ignored: a part that is not known would be a condition that is forgotten. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::fields::{Contained, Fields};
use super::labels::LabelIs;
use super::times::{Times, ends};
use super::{Access, Cursor, OrderBy, Query};
use crate::model::execution::DesiredState;
use crate::model::json::form::{form, given, is_default};
use crate::model::lifecycle::Phase;
use crate::model::limits::InputError;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// The members of a query.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryForm<'q> {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    states: Option<Cow<'q, [Text]>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    phases: Option<Cow<'q, [Phase]>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    job: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    namespace: Option<Text>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<LabelForm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    node_ids: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    names: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    desired: Option<Vec<DesiredState>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contains: Vec<ContainedForm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    parent: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    previous: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    created: Option<TimesForm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    modified: Option<TimesForm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    completed: Option<TimesForm>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    id: Option<Text>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    id_prefix: Option<Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    order_by: OrderBy,
    #[serde(default, skip_serializing_if = "is_default")]
    oldest_first: bool,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    limit: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    after: Option<Cursor>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    using: Option<Access>,
}

/// A label that is there, and has one of these values if they are named.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelForm {
    key: Text,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Text>>,
}

/// A text and where it is contained.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ContainedForm {
    Id(Text),
    Job(Text),
    Label { key: Text, text: Text },
}

/// From one time to another, both included; one that is left out is no limit.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimesForm {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
}

form!(Query as QueryForm);

impl<'q> TryFrom<&'q Query> for QueryForm<'q> {
    type Error = InputError;

    fn try_from(query: &'q Query) -> Result<Self, InputError> {
        let Query {
            states,
            phases,
            names_states,
            twice,
            job,
            namespace,
            labels,
            fields,
            parent,
            previous,
            created,
            modified,
            completed,
            id_prefix,
            whole_id,
            order,
            newest_first,
            limit,
            after,
            using,
        } = query;
        twice.map_or(Ok(()), |what| Err(two_of(what)))?;
        let Fields { nodes, names, desired, contained } = fields;
        let label =
            |LabelIs { key, values }: &LabelIs| LabelForm { key: key.clone(), values: values.clone() };
        let any = |texts: &Vec<Text>| Some(texts.clone()).filter(|texts| !texts.is_empty());
        let times = |times: &Times| {
            times.map(|(from, to)| TimesForm {
                from: Some(from).filter(|from| *from != Timestamp::MIN),
                to: Some(to).filter(|to| *to != Timestamp::MAX),
            })
        };
        let named = *names_states;
        Ok(Self {
            states: (named && (!states.is_empty() || phases.is_empty())).then_some(Cow::Borrowed(states)),
            phases: (named && !phases.is_empty()).then_some(Cow::Borrowed(phases)),
            job: job.clone(),
            namespace: namespace.clone(),
            labels: labels.iter().map(label).collect(),
            node_ids: any(nodes),
            names: any(names),
            desired: Some(desired.clone()).filter(|desired| !desired.is_empty()),
            contains: contained.iter().map(Into::into).collect(),
            parent: parent.clone(),
            previous: previous.clone(),
            created: times(created),
            modified: times(modified),
            completed: times(completed),
            id: id_prefix.clone().filter(|_| *whole_id),
            id_prefix: id_prefix.clone().filter(|_| !*whole_id),
            order_by: *order,
            oldest_first: !*newest_first,
            limit: limit.map(|limit| limit as u64),
            after: after.clone(),
            using: *using,
        })
    }
}

impl TryFrom<QueryForm<'_>> for Query {
    type Error = InputError;

    fn try_from(form: QueryForm<'_>) -> Result<Self, InputError> {
        let limit = form.limit.map(usize::try_from).transpose();
        let limit = limit.map_err(|_| invalid("the limit is more than fits in memory".into()))?;
        let label = |LabelForm { key, values }: LabelForm| {
            let sorted = |mut values: Vec<Text>| {
                values.sort_unstable();
                values.dedup();
                values
            };
            LabelIs { key, values: values.map(sorted) }
        };
        let times = |times: Option<TimesForm>| {
            let times = times?;
            Some(ends(&(times.from.unwrap_or(Timestamp::MIN)..=times.to.unwrap_or(Timestamp::MAX))))
        };
        let whole_id = form.id.is_some();
        let id_prefix = match (form.id, form.id_prefix) {
            (Some(_), Some(_)) => return Err(two_of("ids, or an id and a prefix")),
            (id, prefix) => id.or(prefix),
        };
        let query = Self {
            names_states: form.states.is_some() || form.phases.is_some(),
            states: form.states.unwrap_or_default().into_owned(),
            phases: form.phases.unwrap_or_default().into_owned(),
            twice: None,
            job: form.job,
            namespace: form.namespace,
            labels: form.labels.into_iter().map(label).collect(),
            fields: Fields {
                nodes: some_of("node_ids", form.node_ids)?,
                names: some_of("names", form.names)?,
                desired: some_of("desired", form.desired)?,
                contained: form.contains.into_iter().map(Into::into).collect(),
            },
            parent: form.parent,
            previous: form.previous,
            created: times(form.created),
            modified: times(form.modified),
            completed: times(form.completed),
            id_prefix,
            whole_id,
            order: form.order_by,
            newest_first: !form.oldest_first,
            limit,
            after: form.after,
            using: form.using,
        };
        query.check_values()?;
        Ok(query)
    }
}

fn invalid(reason: String) -> InputError {
    InputError::Invalid { what: "query", reason }
}

fn two_of(what: &str) -> InputError {
    invalid(format!("it names two {what}, and no execution has both"))
}

/// Alternatives, which are no condition if there are none: that cannot be meant.
fn some_of<T>(what: &str, list: Option<Vec<T>>) -> Result<Vec<T>, InputError> {
    match list {
        Some(list) if list.is_empty() => {
            Err(invalid(format!("`{what}` is empty, and would be no condition")))
        }
        list => Ok(list.unwrap_or_default()),
    }
}

impl From<&Contained> for ContainedForm {
    fn from(contained: &Contained) -> Self {
        match contained.clone() {
            Contained::Id(text) => Self::Id(text),
            Contained::Job(text) => Self::Job(text),
            Contained::Label(key, text) => Self::Label { key, text },
        }
    }
}

impl From<ContainedForm> for Contained {
    fn from(form: ContainedForm) -> Self {
        match form {
            ContainedForm::Id(text) => Self::Id(text),
            ContainedForm::Job(text) => Self::Job(text),
            ContainedForm::Label { key, text } => Self::Label(key, text),
        }
    }
}
