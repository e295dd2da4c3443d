//! The JSON of a filter.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::model::change::ChangeKind;
use crate::model::filter::Filter;
use crate::model::json::form::{form, given, is_default};
use crate::model::query::Query;
use crate::model::text::Text;

/// The members of a filter. None is ignored: a part that is not known would let through what it was to keep back.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterForm {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    kinds: Option<Vec<ChangeKind>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    jobs: Option<BTreeSet<Text>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    executions: Option<BTreeSet<Text>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    namespaces: Option<BTreeSet<Text>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    entered: Option<Vec<Text>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<LabelForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    matching: Vec<Query>,
    #[serde(default, skip_serializing_if = "is_default")]
    including_left: bool,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    buckets: Option<Vec<Vec<Text>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelForm {
    key: Text,
    value: Text,
}

form!(Filter as FilterForm);

impl From<&Filter> for FilterForm {
    fn from(filter: &Filter) -> Self {
        let Filter { kinds, jobs, executions, namespaces, entered, labels, queries, left, buckets } =
            filter.clone();
        let sorted = |texts: Option<HashSet<Text>>| texts.map(BTreeSet::from_iter);
        Self {
            kinds,
            jobs: sorted(jobs),
            executions: sorted(executions),
            namespaces: sorted(namespaces),
            entered,
            labels: labels.into_iter().map(|(key, value)| LabelForm { key, value }).collect(),
            matching: queries,
            including_left: left,
            buckets,
        }
    }
}

impl From<FilterForm> for Filter {
    fn from(form: FilterForm) -> Self {
        let FilterForm {
            kinds,
            jobs,
            executions,
            namespaces,
            entered,
            labels,
            matching,
            including_left,
            buckets,
        } = form;
        let set = |texts: Option<BTreeSet<Text>>| texts.map(HashSet::from_iter);
        Self {
            kinds,
            jobs: set(jobs),
            executions: set(executions),
            namespaces: set(namespaces),
            entered,
            labels: labels.into_iter().map(|LabelForm { key, value }| (key, value)).collect(),
            queries: matching,
            left: including_left,
            buckets,
        }
    }
}
