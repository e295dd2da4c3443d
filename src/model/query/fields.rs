//! Conditions on fields that no index has. Pure.

use crate::model::error::InputError;
use crate::model::execution::{DesiredState, Header};
use crate::model::fingerprint::Fingerprint;
use crate::model::limits::{MAX_ID, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_NAME, check_len};
use crate::model::text::Text;

/// A text that a field must have somewhere in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Contained {
    Id(Text),
    Job(Text),
    /// In the value of the label of a key.
    Label(Text, Text),
}

/// What is asked of fields that no index has. Of each list but the last one, one must be so, if it names any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fields {
    pub(super) nodes: Vec<Text>,
    pub(super) names: Vec<Text>,
    pub(super) desired: Vec<DesiredState>,
    pub(super) contained: Vec<Contained>,
}

impl Fields {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), names: Vec::new(), desired: Vec::new(), contained: Vec::new() }
    }

    pub(super) fn hold(&self, header: &Header) -> bool {
        let is_one = |wanted: &[Text], found: &Option<Text>| {
            wanted.is_empty() || found.as_ref().is_some_and(|found| wanted.contains(found))
        };
        is_one(&self.nodes, &header.node_id)
            && is_one(&self.names, &header.name)
            && (self.desired.is_empty() || self.desired.contains(&header.desired))
            && self.contained.iter().all(|contained| contained.holds(header))
    }

    /// A text that no execution can have would never match.
    pub(super) fn check(&self) -> Result<(), InputError> {
        self.nodes.iter().try_for_each(|node| check_len("node id", node, MAX_NAME))?;
        self.names.iter().try_for_each(|name| check_len("name", name, MAX_NAME))?;
        self.contained.iter().try_for_each(|contained| match contained {
            Contained::Id(text) => check_len("text in an id", text, MAX_ID),
            Contained::Job(text) => check_len("text in a job id", text, MAX_ID),
            Contained::Label(key, text) => {
                check_len("label key", key, MAX_LABEL_KEY)?;
                check_len("text in a label's value", text, MAX_LABEL_VALUE)
            }
        })
    }

    /// Nothing, if nothing is asked: the number of such a query stays what it was.
    pub(super) fn fingerprint(&self, f: &mut Fingerprint) {
        let Self { nodes, names, desired, contained } = self;
        if *self == Self::new() {
            return;
        }
        f.set(nodes.iter().map(|node| &**node));
        f.set(names.iter().map(|name| &**name));
        for one in [DesiredState::Pending, DesiredState::Running, DesiredState::Stopped] {
            f.number(u64::from(desired.contains(&one)));
        }
        let mut parts: Vec<_> = contained.iter().map(Contained::fingerprint).collect();
        parts.sort_unstable();
        parts.dedup();
        f.number(parts.len() as u64);
        parts.into_iter().for_each(|part| f.number(part));
    }
}

impl Contained {
    fn holds(&self, header: &Header) -> bool {
        match self {
            Contained::Id(text) => header.id.as_str().contains(text.as_str()),
            Contained::Job(text) => header.job_id.as_str().contains(text.as_str()),
            Contained::Label(key, text) => {
                header.labels.get(key).is_some_and(|value| value.contains(text.as_str()))
            }
        }
    }

    fn fingerprint(&self) -> u64 {
        let mut f = Fingerprint::new();
        let (which, key, text) = match self {
            Contained::Id(text) => (1, None, text),
            Contained::Job(text) => (2, None, text),
            Contained::Label(key, text) => (3, Some(key), text),
        };
        f.number(which);
        f.optional(key.map(|key| &**key));
        f.text(text);
        f.finish()
    }
}
