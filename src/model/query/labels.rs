//! Conditions on labels. Pure.

use crate::model::execution::Header;
use crate::model::fingerprint::Fingerprint;
use crate::model::text::Text;

/// A condition on a label: its key, and its values if any is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelIs {
    pub(crate) key: Text,
    pub(crate) values: Option<Vec<Text>>,
}

impl LabelIs {
    pub(super) fn fingerprint(&self) -> u64 {
        let mut f = Fingerprint::new();
        f.text(&self.key);
        f.number(u64::from(self.values.is_some()));
        f.set(self.values.iter().flatten().map(|value| &**value));
        f.finish()
    }

    pub(super) fn excludes(&self, other: &Self) -> bool {
        match (&self.values, &other.values) {
            (Some(one), Some(other)) => {
                !one.is_empty() && !other.is_empty() && !one.iter().any(|value| other.contains(value))
            }
            _ => false,
        }
    }

    pub(super) fn holds(&self, header: &Header) -> bool {
        header
            .labels
            .get(&self.key)
            .is_some_and(|found| self.values.as_ref().is_none_or(|values| values.contains(found)))
    }
}

/// Two conditions on one label that have no value in common, though each has some.
pub(crate) fn disjoint<'q>(labels: &[&'q LabelIs]) -> Option<(&'q LabelIs, &'q LabelIs)> {
    let pairs =
        (1..).zip(labels).flat_map(|(next, one)| labels.iter().skip(next).map(move |other| (*one, *other)));
    pairs.into_iter().find(|(one, other)| one.key == other.key && one.excludes(other))
}
