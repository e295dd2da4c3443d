//! What an update does with one part of a record. Pure.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::link;
use crate::model::error::InputError;
use crate::model::fingerprint::Fingerprint;
use crate::model::id::ExecutionId;
use crate::model::text::Text;

/// Leave, set or clear one part of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Edit<T> {
    #[default]
    Leave,
    Set(T),
    Clear,
}

impl Edit<Text> {
    /// As `apply`, for a link, whose id is checked.
    pub(super) fn apply_link(
        self,
        what: &'static str,
        part: &mut Option<ExecutionId>,
    ) -> Result<(), InputError> {
        match self {
            Edit::Leave => {}
            Edit::Set(id) => *part = link(what, Some(id))?,
            Edit::Clear => *part = None,
        }
        Ok(())
    }
}

impl<T> Edit<T> {
    pub(super) fn fingerprint(&self, f: &mut Fingerprint)
    where
        T: ToString,
    {
        match self {
            Edit::Leave => f.number(0),
            Edit::Set(value) => {
                f.number(1);
                f.text(&value.to_string());
            }
            Edit::Clear => f.number(2),
        }
    }

    pub(super) fn text(&self) -> Option<&T> {
        match self {
            Edit::Set(value) => Some(value),
            Edit::Leave | Edit::Clear => None,
        }
    }

    pub(super) fn apply(self, part: &mut Option<T>) {
        match self {
            Edit::Leave => {}
            Edit::Set(value) => *part = Some(value),
            Edit::Clear => *part = None,
        }
    }
}

/// What becomes of a part: left alone if it is not there, cleared by `null`.
impl<T: Serialize> Serialize for Edit<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Edit::Set(value) => value.serialize(serializer),
            Edit::Leave | Edit::Clear => serializer.serialize_none(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Edit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Edit::Clear, Edit::Set))
    }
}
