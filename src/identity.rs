//! Ids computed from what an execution is asked to do, so that any node computes the same one. Pure.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::InputError;
use crate::execution::Labels;
use crate::id::{ExecutionId, JobId};
use crate::json::Json;
use crate::limits::{MAX_LABELS, check_size};
use crate::text::Text;

/// Version of the document that is hashed: a member of it, so that another form can never give the same id.
const VERSION: u64 = 1;
/// Beyond it a number in JSON may not mean the same in every language (RFC 8785, 3.2.2.3; RFC 7493, 2.2).
const MAX_SAFE: u64 = (1 << 53) - 1;

/// The key of the attachment that holds the document.
pub(crate) const IDENTITY_KEY: &str = "execstore/identity";

/// What an execution is: its parent, job, task key, inputs and labels. Its id is computed from them.
///
/// The id is the SHA-256, in lower-case hexadecimal, of a JSON object with exactly the members `inputs`, `job`, `labels`,
/// `parent` (`null` if there is none), `task` and `v` (1), in the canonical form of RFC 8785. Test vectors for other
/// languages are in `docs/identity.md`. Inputs that do not mean the same everywhere are refused: repeated keys, and numbers
/// beyond 2^53 - 1 either way, which are better given as texts.
///
/// ```
/// use execstore::{Identity, Json, NewExecution, Readable, Store};
///
/// # let store = Store::in_memory()?;
/// let identity = Identity::new("build", "compile").inputs(Json::from_text(r#"{"rev": "a1b2", "opt": 3}"#).unwrap());
/// let again = Identity::new("build", "compile").inputs(Json::from_text(r#"{"opt":3.0,"rev":"a1b2"}"#).unwrap());
/// assert_eq!(identity.id()?, again.id()?);
///
/// let first = store.write(|w| w.create_or_get(NewExecution::identified(&identity)?, &[]))?;
/// let second = store.write(|w| w.create_or_get(NewExecution::identified(&again)?, &[]))?;
/// assert!(first.is_new() && !second.is_new());
/// assert_eq!(first.execution().id, second.execution().id);
/// assert_eq!(store.begin_read()?.verify_identity(&identity.id()?)?, Some(identity));
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Identity {
    job: Text,
    task: Text,
    parent: Option<Text>,
    inputs: Json,
    labels: Labels,
}

/// The document that is hashed.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    inputs: Value,
    job: String,
    labels: std::collections::BTreeMap<String, String>,
    parent: Option<String>,
    task: String,
    v: u64,
}

impl Identity {
    /// An identity of a job and of a task key within it, which may be empty. Without parent and labels, its inputs `null`.
    pub fn new(job: impl Into<Text>, task: impl Into<Text>) -> Self {
        Self { job: job.into(), task: task.into(), parent: None, inputs: Json::null(), labels: Labels::new() }
    }

    /// Sets the parent.
    pub fn parent(mut self, parent: impl Into<Text>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Sets the inputs.
    pub fn inputs(mut self, inputs: impl Into<Json>) -> Self {
        self.inputs = inputs.into();
        self
    }

    /// Adds a label, or replaces the one of this key.
    pub fn label(mut self, key: impl Into<Text>, value: impl Into<Text>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// The job.
    pub fn job_id(&self) -> &str {
        &self.job
    }

    /// The task key.
    pub fn task_key(&self) -> &str {
        &self.task
    }

    pub(crate) fn parent_id(&self) -> Option<&Text> {
        self.parent.as_ref()
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The canonical document that is hashed.
    pub fn document(&self) -> Result<Json, InputError> {
        JobId::new(&self.job)?;
        check_size("number of labels", self.labels.len(), MAX_LABELS)?;
        let Strict(inputs) = self.inputs.parse().map_err(|error| invalid(&error))?;
        let document = Document {
            inputs,
            job: self.job.as_str().to_owned(),
            labels: self.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            parent: self.parent.as_ref().map(ToString::to_string),
            task: self.task.as_str().to_owned(),
            v: VERSION,
        };
        let text = serde_json_canonicalizer::to_string(&document).map_err(|error| invalid(&error))?;
        Json::from_text(&text).map_err(|error| invalid(&error))
    }

    /// The id: 64 hexadecimal digits.
    pub fn id(&self) -> Result<ExecutionId, InputError> {
        ExecutionId::new(Self::id_of(&self.document()?))
    }

    /// The id that a document gives.
    pub(crate) fn id_of(document: &Json) -> String {
        let hash: [u8; 32] = Sha256::digest(document.as_str()).into();
        crate::seal::hex(&hash)
    }

    /// The identity in a document.
    pub(crate) fn from_document(document: &Json) -> Result<Self, serde_json::Error> {
        let Document { inputs, job, labels, parent, task, .. } = document.parse()?;
        let labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let parent = parent.map(Text::from);
        Ok(Self {
            job: job.into(),
            task: task.into(),
            parent,
            inputs: Json::from_serialize(&inputs)?,
            labels,
        })
    }
}

/// Two are equal if their ids are: however the inputs are spelt.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.document(), other.document()), (Ok(a), Ok(b)) if a == b)
    }
}

fn invalid(error: &serde_json::Error) -> InputError {
    InputError::Invalid { what: "identity inputs", reason: error.to_string() }
}

/// JSON that means the same everywhere.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Strict, E> {
                Ok(Strict(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Strict, E> {
                Ok(Strict(value.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Strict, E> {
                match value.abs() <= MAX_SAFE as f64 {
                    true => Ok(Strict(value.into())),
                    false => Err(E::custom(format!("{value} is beyond 2^53 - 1; give it as a text"))),
                }
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Strict, E> {
                match value <= MAX_SAFE {
                    true => Ok(Strict(value.into())),
                    false => Err(E::custom(format!("{value} is beyond 2^53 - 1; give it as a text"))),
                }
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Strict, E> {
                match value.unsigned_abs() <= MAX_SAFE {
                    true => Ok(Strict(value.into())),
                    false => Err(E::custom(format!("{value} is beyond 2^53 - 1; give it as a text"))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Strict, A::Error> {
                let mut values = Vec::new();
                while let Some(Strict(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Strict(values.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Strict, A::Error> {
                let mut members = serde_json::Map::new();
                // How serde_json gives numbers if somebody has it built with `arbitrary_precision`.
                if let Some(key) = object.next_key::<String>()? {
                    if key == "$serde_json::private::Number" {
                        return number(&object.next_value::<String>()?);
                    }
                    let Strict(value) = object.next_value()?;
                    members.insert(key, value);
                }
                while let Some((key, Strict(value))) = object.next_entry::<String, _>()? {
                    if members.contains_key(&key) {
                        return Err(serde::de::Error::custom(format!("the key {key:?} is repeated")));
                    }
                    members.insert(key, value);
                }
                Ok(Strict(members.into()))
            }
        }

        fn number<E: serde::de::Error>(text: &str) -> Result<Strict, E> {
            match (text.parse(), text.parse(), text.parse()) {
                (Ok(value), _, _) => Visit.visit_u64(value),
                (_, Ok(value), _) => Visit.visit_i64(value),
                (_, _, Ok(value)) => Visit.visit_f64(value),
                _ => Err(E::custom(format!("{text} is no number"))),
            }
        }

        deserializer.deserialize_any(Visit)
    }
}
