//! The JSON of a state and of a lifecycle. Pure.

use serde::{Deserialize, Serialize};

use super::{Lifecycle, LifecycleError, Phase, State};
use crate::model::json::form::form;
use crate::model::limits::MAX_STATE_NAME;

impl State {
    /// The code of a state that was read as JSON, and is of no store: no lifecycle has so many.
    const OF_NO_STORE: u8 = u8::MAX;

    /// A state by its name, which may be of another store.
    pub(crate) fn named(name: &str, phase: Phase) -> Result<Self, LifecycleError> {
        match (1..=MAX_STATE_NAME).contains(&name.len()) {
            true => Ok(Self::new(name, phase, Self::OF_NO_STORE)),
            false => {
                Err(LifecycleError::Name { actual: name.len(), maximum: MAX_STATE_NAME, name: name.into() })
            }
        }
    }
}

/// The JSON of a state.
#[derive(Serialize, Deserialize)]
struct StateForm {
    name: String,
    phase: Phase,
}

form!(State as StateForm);

impl From<&State> for StateForm {
    fn from(state: &State) -> Self {
        Self { name: state.as_str().to_owned(), phase: state.phase() }
    }
}

impl TryFrom<StateForm> for State {
    type Error = LifecycleError;

    fn try_from(form: StateForm) -> Result<Self, LifecycleError> {
        Self::named(&form.name, form.phase)
    }
}

/// The JSON of a lifecycle.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LifecycleForm {
    states: Vec<NodeForm>,
}

/// The JSON of a state in its lifecycle.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeForm {
    name: String,
    phase: Phase,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    successors: Vec<String>,
}

form!(Lifecycle as LifecycleForm);

impl From<&Lifecycle> for LifecycleForm {
    fn from(lifecycle: &Lifecycle) -> Self {
        let node = |state: &State| NodeForm {
            name: state.as_str().to_owned(),
            phase: state.phase(),
            successors: lifecycle.successors(state).map(|next| next.as_str().to_owned()).collect(),
        };
        Self { states: lifecycle.states().map(node).collect() }
    }
}

impl TryFrom<LifecycleForm> for Lifecycle {
    type Error = LifecycleError;

    fn try_from(form: LifecycleForm) -> Result<Self, LifecycleError> {
        let mut builder = Self::builder();
        for node in &form.states {
            builder = builder.state(&node.name, node.phase);
        }
        for node in form.states {
            builder = builder.transitions(node.name, node.successors);
        }
        builder.build()
    }
}
