//! Ids computed from what an execution is asked to do, so that any node computes the same one. Pure.

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::model::execution::Labels;
use crate::model::hash::hex;
use crate::model::id::{ExecutionId, JobId};
use crate::model::json::form::form;
use crate::model::json::{Json, canonical, quoted};
use crate::model::limits::{InputError, MAX_LABELS, check_size};
use crate::model::text::Text;

/// Version of the document that is hashed: a member of it, so that another form can never give the same id.
const VERSION: u64 = 1;

/// The key of the attachment that holds the document.
pub(crate) const IDENTITY_KEY: &str = "execstore/identity";

/// What an execution is: its parent, job, task key, inputs and labels. Its id is computed from them.
///
/// The id is the SHA-256, in lower-case hexadecimal, of a JSON object with exactly the members `inputs`, `job`, `labels`,
/// `parent` (`null` if there is none), `task` and `v` (1), in the canonical form of RFC 8785. Test vectors for other
/// languages are in `docs/identity.md`. Inputs that do not mean the same everywhere are refused: repeated keys, texts with half
/// of a surrogate pair, numbers so small that a `f64` has 0 for them, and numbers beyond 2^53 - 1 either way, which are better given as texts.
///
/// ```
/// use execstore::identity::Identity;
/// use execstore::{Json, NewExecution, Readable, Store};
///
/// # let store = Store::in_memory()?;
/// let identity = Identity::new("build", "compile").inputs(Json::from_text(r#"{"rev": "a1b2", "opt": 3}"#).unwrap());
/// let again = Identity::new("build", "compile").inputs(Json::from_text(r#"{"opt":3.0,"rev":"a1b2"}"#).unwrap());
/// assert_eq!(identity.id()?, again.id()?);
///
/// let first = store.create_or_get(NewExecution::identified(&identity)?)?;
/// let second = store.create_or_get(NewExecution::identified(&again)?)?;
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    inputs: Json,
    job: Text,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    parent: Option<Text>,
    task: Text,
    v: u64,
}

form!(Identity as Document);

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { inputs, job, labels, parent, task, v: _ } = self;
        let (inputs, job, labels) = (inputs.clone(), job.clone(), labels.clone());
        let identity = Identity { job, task: task.clone(), parent: parent.clone(), inputs, labels };
        identity.document().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl From<&Identity> for Document {
    fn from(identity: &Identity) -> Self {
        let Identity { job, task, parent, inputs, labels } = identity.clone();
        Self { inputs, job, labels, parent, task, v: VERSION }
    }
}

impl TryFrom<Document> for Identity {
    type Error = InputError;

    fn try_from(document: Document) -> Result<Self, InputError> {
        let Document { inputs, job, labels, parent, task, v } = document;
        if v != VERSION {
            let reason = format!("it is of version {v}, and {VERSION} is known");
            return Err(InputError::Invalid { what: "identity", reason });
        }
        let identity = Self { job, task, parent, inputs, labels };
        identity.id()?;
        Ok(identity)
    }
}

impl Identity {
    /// An identity of a job and of a task key within it, which may be empty. Without parent and labels, its inputs `null`.
    pub fn new(job: impl AsRef<str>, task: impl AsRef<str>) -> Self {
        Self {
            job: Text::from(job.as_ref()),
            task: Text::from(task.as_ref()),
            parent: None,
            inputs: Json::null(),
            labels: Labels::new(),
        }
    }

    /// Sets the parent.
    pub fn parent(mut self, parent: impl AsRef<str>) -> Self {
        self.parent = Some(Text::from(parent.as_ref()));
        self
    }

    /// Sets the inputs.
    pub fn inputs(mut self, inputs: impl Into<Json>) -> Self {
        self.inputs = inputs.into();
        self
    }

    /// Adds a label, or replaces the one of this key.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.labels.insert(Text::from(key.as_ref()), Text::from(value.as_ref()));
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
        let labels = self.labels.iter().map(|(key, value)| format!("{}:{}", quoted(key), quoted(value)));
        let document = format!(
            r#"{{"inputs":{},"job":{},"labels":{{{}}},"parent":{},"task":{},"v":{VERSION}}}"#,
            self.inputs,
            quoted(&self.job),
            labels.collect::<Vec<_>>().join(","),
            self.parent.as_ref().map_or_else(|| "null".to_owned(), |parent| quoted(parent)),
            quoted(&self.task),
        );
        let text =
            canonical(&document).map_err(|reason| InputError::Invalid { what: "identity inputs", reason })?;
        Ok(Json::from_stored(&text))
    }

    /// The id: 64 hexadecimal digits.
    pub fn id(&self) -> Result<ExecutionId, InputError> {
        ExecutionId::new(Self::id_of(&self.document()?))
    }

    /// The id that a document gives.
    pub(crate) fn id_of(document: &Json) -> String {
        let hash: [u8; 32] = Sha256::digest(document.as_str()).into();
        hex(&hash)
    }

    /// The identity in a document.
    pub(crate) fn from_document(document: &Json) -> Result<Self, serde_json::Error> {
        serde_json::from_str(document.as_str())
    }
}

/// The document of an identity, as a member of a request: there it is the identity.
pub(crate) mod of_document {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Identity;
    use crate::model::json::Json;

    pub(crate) fn serialize<S: Serializer>(
        document: &Option<Json>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let identity = document.as_ref().map(Identity::from_document).transpose();
        identity.map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
        Identity::deserialize(deserializer)?.document().map(Some).map_err(D::Error::custom)
    }
}

/// Two are equal if their ids are: however the inputs are spelt.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        matches!((self.document(), other.document()), (Ok(a), Ok(b)) if a == b)
    }
}
