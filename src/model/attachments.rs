//! Named values that belong to an execution, outside its record. Pure.

use serde::{Deserialize, Serialize};

use crate::model::json::Json;
use crate::model::json::form::{form, given, is_default};
use crate::model::limits::{InputError, MAX_NAME, MAX_URI, check_len, check_name, check_text};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// What an attachment's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttachmentKind {
    /// Bytes, whatever they mean.
    Bytes,
    /// A JSON document.
    Json,
    /// A URI that says where the value is kept; the size is what the caller stated.
    Uri,
}

/// An attachment, without its value: see [`Writer::put_attachment`](crate::Writer::put_attachment).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AttachmentForm")]
#[non_exhaustive]
pub struct Attachment {
    /// Its name within the execution. Those that begin with `execstore/` are the store's own: they can be read, and not written.
    pub key: Text,
    /// What the value is.
    pub kind: AttachmentKind,
    /// The content type that the caller gave, such as `image/png`.
    pub content_type: Text,
    /// The size of the value in bytes; of a URI, of what it names.
    #[serde(with = "crate::model::json::count")]
    pub size: u64,
    /// When it was written.
    pub modified_at: Timestamp,
    /// Identifies the write: a number that this store never reuses, so a different one means a different write.
    #[serde(skip_serializing_if = "is_default", with = "crate::model::json::count")]
    pub version: u64,
    /// The SHA-256 of the value, if the store [moved](crate::options::LargeValues::Attach) it out of a payload.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::model::hash::hex_text::optional")]
    pub sha256: Option<[u8; 32]>,
}

/// An attachment to be put, with its value in memory. For values that are not, see
/// [`Writer::put_attachment_from`](crate::Writer::put_attachment_from).
///
/// ```
/// use execstore::attachments::NewAttachment;
/// use execstore::{Json, NewExecution, Readable, Store};
///
/// # let store = Store::in_memory()?;
/// let list = Json::from_text("[1]")?;
/// store.write(|w| {
///     w.create(NewExecution::new("j").id("e"))?;
///     w.put_attachment("e", NewAttachment::bytes("dag.png", vec![0x89, 0x50]).content_type("image/png"))?;
///     w.put_attachment("e", NewAttachment::json("node/7", list))?;
///     w.put_attachment("e", NewAttachment::uri("result", "s3://bucket/part-0").size(1 << 30))?;
///     Ok(())
/// })?;
/// let r = store.begin_read()?;
/// assert_eq!(r.attachments("e").bytes("dag.png")?.unwrap(), [0x89, 0x50]);
/// assert_eq!(r.attachments("e").with_prefix("node/")?.count(), 1);
/// # Ok::<(), execstore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct NewAttachment {
    pub(crate) key: Text,
    pub(crate) kind: AttachmentKind,
    pub(crate) content_type: Text,
    pub(crate) value: Vec<u8>,
    pub(crate) size: Option<u64>,
}

impl NewAttachment {
    /// Bytes, of the content type `application/octet-stream`.
    pub fn bytes(key: impl AsRef<str>, value: impl Into<Vec<u8>>) -> Self {
        Self::new(Text::from(key.as_ref()), AttachmentKind::Bytes, "application/octet-stream", value.into())
    }

    /// A JSON document, of the content type `application/json`.
    pub fn json(key: impl AsRef<str>, value: impl Into<Json>) -> Self {
        let value = value.into().as_str().as_bytes().to_vec();
        Self::new(Text::from(key.as_ref()), AttachmentKind::Json, "application/json", value)
    }

    /// A URI of at most 8 KiB, of the content type `text/uri-list`, that says where the value is kept.
    pub fn uri(key: impl AsRef<str>, uri: impl AsRef<str>) -> Self {
        Self::new(
            Text::from(key.as_ref()),
            AttachmentKind::Uri,
            "text/uri-list",
            uri.as_ref().as_bytes().to_vec(),
        )
    }

    fn new(key: Text, kind: AttachmentKind, content_type: &str, value: Vec<u8>) -> Self {
        Self { key, kind, content_type: content_type.into(), value, size: None }
    }

    /// Sets the content type, at most 256 bytes.
    pub fn content_type(mut self, content_type: impl AsRef<str>) -> Self {
        self.content_type = Text::from(content_type.as_ref());
        self
    }

    /// Sets the size in bytes of what a URI names; 0 by default. The size of other values is their length.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = Some(bytes);
        self
    }

    /// Everything kept of it except its value.
    pub(crate) fn build(&self, now: Timestamp) -> Result<Attachment, InputError> {
        if self.kind == AttachmentKind::Json && self.value.is_empty() {
            check_text("attachment", &Json::from_stored(""))?;
        }
        if self.kind == AttachmentKind::Uri {
            check_len("URI", &String::from_utf8_lossy(&self.value), MAX_URI)?;
        }
        let size = match self.kind {
            AttachmentKind::Uri => self.size.unwrap_or(0),
            _ => self.value.len() as u64,
        };
        let attachment = Attachment {
            key: self.key.clone(),
            kind: self.kind,
            content_type: self.content_type.clone(),
            size,
            modified_at: now,
            version: 0,
            sha256: None,
        };
        attachment.check()?;
        Ok(attachment)
    }
}

impl Attachment {
    pub(crate) fn check(&self) -> Result<(), InputError> {
        check_name("attachment key", &self.key)?;
        check_len("content type", &self.content_type, MAX_NAME)
    }
}

/// Keys that begin so are the store's own.
const RESERVED: &str = "execstore/";

/// Refuses a key that a caller must not write to.
pub(crate) fn check_own(key: &str) -> Result<(), InputError> {
    check_name("attachment key", key)?;
    if key.starts_with(RESERVED) {
        let reason = format!(
            "{key:?} is one of the store's own, which begin with {RESERVED:?}; it goes with what it belongs to"
        );
        return Err(InputError::Invalid { what: "attachment key", reason });
    }
    Ok(())
}

/// How much a number of attachments take: see [`Selection::attachment_usage`](crate::query::Selection::attachment_usage).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttachmentUsage {
    /// How many attachments there are.
    #[serde(with = "crate::model::json::count")]
    pub attachments: u64,
    /// The sum of their sizes in bytes, as far as they are in the store.
    #[serde(with = "crate::model::json::count")]
    pub stored: u64,
    /// The sum of the sizes in bytes that were stated for what URIs name.
    #[serde(with = "crate::model::json::count")]
    pub named: u64,
}

impl AttachmentUsage {
    /// Both sums.
    pub fn bytes(&self) -> u64 {
        self.stored.saturating_add(self.named)
    }

    pub(crate) fn add(&mut self, attachment: &Attachment) {
        self.attachments += 1;
        let sum = match attachment.kind {
            AttachmentKind::Uri => &mut self.named,
            _ => &mut self.stored,
        };
        *sum = sum.saturating_add(attachment.size);
    }
}

/// The JSON of an attachment. Without a version it is of no store.
#[derive(Deserialize)]
struct AttachmentForm {
    key: Text,
    kind: AttachmentKind,
    content_type: Text,
    #[serde(with = "crate::model::json::count")]
    size: u64,
    modified_at: Timestamp,
    #[serde(default, with = "crate::model::json::count")]
    version: u64,
    #[serde(default, with = "crate::model::hash::hex_text::optional")]
    sha256: Option<[u8; 32]>,
}

impl TryFrom<AttachmentForm> for Attachment {
    type Error = InputError;

    fn try_from(form: AttachmentForm) -> Result<Self, InputError> {
        let AttachmentForm { key, kind, content_type, size, modified_at, version, sha256 } = form;
        let attachment = Self { key, kind, content_type, size, modified_at, version, sha256 };
        attachment.check()?;
        Ok(attachment)
    }
}

/// The JSON of an attachment to be put: bytes as base64, anything else as its text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAttachmentForm {
    key: Text,
    kind: AttachmentKind,
    content_type: Text,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::model::json::count::optional")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    base64: Option<Base64>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Base64(#[serde(with = "crate::model::json::base64")] Vec<u8>);

form!(NewAttachment as NewAttachmentForm);

impl TryFrom<&NewAttachment> for NewAttachmentForm {
    type Error = InputError;

    fn try_from(new: &NewAttachment) -> Result<Self, InputError> {
        let NewAttachment { key, kind, content_type, value, size } = new;
        let (mut base64, mut text) = (None, None);
        match kind {
            AttachmentKind::Bytes => base64 = Some(Base64(value.clone())),
            AttachmentKind::Json | AttachmentKind::Uri => {
                let read = String::from_utf8(value.clone());
                text = Some(read.map_err(|_| invalid("its value is no text"))?);
            }
        }
        let (key, content_type) = (key.clone(), content_type.clone());
        Ok(Self { key, kind: *kind, content_type, size: *size, base64, text })
    }
}

impl TryFrom<NewAttachmentForm> for NewAttachment {
    type Error = InputError;

    fn try_from(form: NewAttachmentForm) -> Result<Self, InputError> {
        let NewAttachmentForm { key, kind, content_type, size, base64, text } = form;
        let value = match (kind, base64, text) {
            (AttachmentKind::Bytes, Some(Base64(bytes)), None) => bytes,
            (AttachmentKind::Json, None, Some(text)) => {
                let document = Json::from_text(&text).map_err(|error| invalid(&error.to_string()))?;
                document.as_str().as_bytes().to_vec()
            }
            (AttachmentKind::Uri, None, Some(text)) => text.into_bytes(),
            (AttachmentKind::Bytes, ..) => {
                return Err(invalid("bytes have a member `base64`, and no `text`"));
            }
            (AttachmentKind::Json | AttachmentKind::Uri, ..) => {
                return Err(invalid("a document and a URI have a member `text`, and no `base64`"));
            }
        };
        let new = Self { key, kind, content_type, value, size };
        new.build(Timestamp::default())?;
        Ok(new)
    }
}

fn invalid(reason: &str) -> InputError {
    InputError::Invalid { what: "attachment", reason: reason.into() }
}
