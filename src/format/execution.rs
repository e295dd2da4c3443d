//! The encoding of headers and of execution records.

use super::schema::table;
use super::{Reader, Reason, Writer, encode, number_of, open};
use crate::model::execution::{DEFAULT_NAMESPACE, DesiredState, Header, Labels};
use crate::model::id::{ExecutionId, Incarnation, JobId, Revision};
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::row_id::{PayloadVersion, RowId};
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// Where a record's payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PayloadPlace<'a> {
    /// In the record itself.
    Inline(&'a str),
    /// In the table `payloads`, under the record's number and payload version.
    Apart,
}

/// An execution as its row holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) header: Box<Header>,
    /// Counts the payloads that this execution has had, from 1.
    pub(crate) payload_version: PayloadVersion,
    /// The last change of this execution in the change log.
    pub(crate) last_change: u64,
    pub(crate) payload: PayloadPlace<'a>,
}

impl Record<'_> {
    pub(crate) fn number(&self) -> RowId {
        RowId::of(&self.header)
    }
}

// Which optional parts a header has. The order of the bits is the order of the parts.
const NAMESPACE: u64 = 1;
const NAME: u64 = 1 << 1;
const NODE: u64 = 1 << 2;
const MESSAGE: u64 = 1 << 3;
const PARENT: u64 = 1 << 4;
const PREVIOUS: u64 = 1 << 5;
const LABELS: u64 = 1 << 6;
const COMPLETED: u64 = 1 << 7;
const PREVIEW: u64 = 1 << 8;
const ATTEMPT: u64 = 1 << 9;
const REPORTED: u64 = 1 << 10;
const NOT_BEFORE: u64 = 1 << 11;
const KNOWN: u64 = (1 << 12) - 1;

/// A header, encoded once for its record and for the entry of the log.
pub(crate) struct EncodedHeader(Vec<u8>);

impl EncodedHeader {
    pub(crate) fn of(header: &Header) -> Self {
        let mut bytes = Vec::with_capacity(256);
        header_bytes(header, &mut bytes);
        Self(bytes)
    }

    pub(super) fn write(&self, w: &mut Writer<'_>) {
        w.rest(&self.0);
    }
}

/// Encodes the row of an execution.
pub(crate) fn encode_record(
    key: &[u8; 8],
    header: &EncodedHeader,
    (payload_version, last_change): (PayloadVersion, u64),
    payload: PayloadPlace<'_>,
    out: &mut Vec<u8>,
) {
    encode::<table::Executions>(key, out, |w| {
        header.write(w);
        w.number(payload_version.0);
        w.number(last_change);
        match payload {
            PayloadPlace::Apart => w.byte(0),
            PayloadPlace::Inline(text) => {
                w.byte(1);
                w.rest(text.as_bytes());
            }
        }
    });
}

/// Decodes the row of an execution.
pub(crate) fn decode_record<'a>(
    key: &[u8; 8],
    value: &'a [u8],
    lifecycle: &Lifecycle,
) -> Result<Record<'a>, Reason> {
    let mut r = open::<table::Executions>(key, value)?;
    let header = decode_header(&mut r, RowId(number_of(key)), lifecycle)?;
    let (payload_version, last_change) = (PayloadVersion(r.number()?), r.number()?);
    let payload = match r.byte()? {
        0 => PayloadPlace::Apart,
        1 => PayloadPlace::Inline(r.rest()?),
        other => return Err(format!("the payload has the unknown form {other}")),
    };
    r.end()?;
    Ok(Record { header, payload_version, last_change, payload })
}

/// A header as its record holds it, without a frame: equal if and only if the headers are.
pub(crate) fn header_bytes(header: &Header, out: &mut Vec<u8>) {
    out.clear();
    encode_header(header, &mut Writer::append(out));
}

fn encode_header(header: &Header, w: &mut Writer<'_>) {
    let Header {
        id,
        incarnation: _,
        job_id,
        namespace,
        name,
        node_id,
        state,
        message,
        desired,
        parent,
        previous,
        labels,
        revision,
        created_at,
        modified_at,
        completed_at,
        not_before,
        attempt,
        reported_at,
        event_count,
        preview,
    } = header;
    let mut parts = 0;
    for (part, present) in [
        (NAMESPACE, *namespace != DEFAULT_NAMESPACE),
        (NAME, name.is_some()),
        (NODE, node_id.is_some()),
        (MESSAGE, message.is_some()),
        (PARENT, parent.is_some()),
        (PREVIOUS, previous.is_some()),
        (LABELS, !labels.is_empty()),
        (COMPLETED, completed_at.is_some()),
        (PREVIEW, preview.is_some()),
        (ATTEMPT, *attempt != 0),
        (REPORTED, reported_at.is_some()),
        (NOT_BEFORE, not_before.is_some()),
    ] {
        parts |= if present { part } else { 0 };
    }
    w.number(parts);
    w.id(id.as_str());
    w.id(job_id.as_str());
    w.byte(state.code());
    w.byte(desired_code(*desired));
    w.number(revision.0);
    w.number(*event_count);
    let created = created_at.as_nanos();
    w.fixed(created.cast_unsigned());
    // Both are at or after the creation, so the differences are small and not negative.
    w.number(modified_at.as_nanos().wrapping_sub(created).cast_unsigned());
    if parts & NAMESPACE != 0 {
        w.text(namespace);
    }
    for text in [name, node_id, message].into_iter().flatten() {
        w.id(text);
    }
    for link in [parent, previous].into_iter().flatten() {
        w.id(link.as_str());
    }
    if parts & LABELS != 0 {
        encode_labels(labels, w);
    }
    if let Some(completed) = completed_at {
        w.number(completed.as_nanos().wrapping_sub(created).cast_unsigned());
    }
    if let Some(preview) = preview {
        w.text(preview);
    }
    if parts & ATTEMPT != 0 {
        w.number(*attempt);
    }
    for time in [reported_at, not_before].into_iter().flatten() {
        w.time(*time);
    }
}

pub(super) fn decode_header(
    r: &mut Reader<'_>,
    number: RowId,
    lifecycle: &Lifecycle,
) -> Result<Box<Header>, Reason> {
    let parts = r.number()?;
    if parts & !KNOWN != 0 {
        return Err(format!("the header has unknown parts ({parts:#x})"));
    }
    let id = ExecutionId::from_stored(r.id()?);
    let job_id = JobId::from_stored(r.id()?);
    let state = state(r.byte()?, lifecycle)?;
    let desired = desired(r.byte()?)?;
    let revision = Revision(r.number()?);
    let event_count = r.number()?;
    let created = r.fixed()?.cast_signed();
    let since = |difference: u64| Timestamp::from_nanos(created.wrapping_add(difference.cast_signed()));
    let modified_at = since(r.number()?);
    let namespace = Text::from(if parts & NAMESPACE != 0 { r.text()? } else { DEFAULT_NAMESPACE });
    let mut text = |part: u64| -> Result<Option<Text>, Reason> {
        if parts & part != 0 { r.id().map(Some) } else { Ok(None) }
    };
    let (name, node_id, message) = (text(NAME)?, text(NODE)?, text(MESSAGE)?);
    let parent = text(PARENT)?.map(ExecutionId::from_stored);
    let previous = text(PREVIOUS)?.map(ExecutionId::from_stored);
    let labels = if parts & LABELS != 0 { decode_labels(r)? } else { Labels::new() };
    let completed_at = if parts & COMPLETED != 0 { Some(since(r.number()?)) } else { None };
    let preview = if parts & PREVIEW != 0 { Some(r.text()?.into()) } else { None };
    let attempt = if parts & ATTEMPT != 0 { r.number()? } else { 0 };
    let reported_at = if parts & REPORTED != 0 { Some(r.time()?) } else { None };
    let not_before = if parts & NOT_BEFORE != 0 { Some(r.time()?) } else { None };
    let created_at = Timestamp::from_nanos(created);
    Ok(Box::new(Header {
        id,
        incarnation: Incarnation(number.0),
        job_id,
        namespace,
        name,
        node_id,
        state,
        message,
        desired,
        parent,
        previous,
        labels,
        revision,
        created_at,
        modified_at,
        completed_at,
        not_before,
        attempt,
        reported_at,
        event_count,
        preview,
    }))
}

pub(super) fn encode_labels(labels: &Labels, w: &mut Writer<'_>) {
    w.number(labels.len() as u64);
    for (key, value) in labels {
        w.text(key);
        w.text(value);
    }
}

pub(super) fn decode_labels(r: &mut Reader<'_>) -> Result<Labels, Reason> {
    let mut labels = Labels::new();
    for _ in 0..r.number()? {
        labels.insert(r.text()?.into(), r.text()?.into());
    }
    Ok(labels)
}

pub(super) fn state(code: u8, lifecycle: &Lifecycle) -> Result<State, Reason> {
    lifecycle.by_code(code).cloned().ok_or_else(|| format!("the lifecycle has no state number {code}"))
}

pub(super) fn desired_code(desired: DesiredState) -> u8 {
    match desired {
        DesiredState::Pending => 0,
        DesiredState::Running => 1,
        DesiredState::Stopped => 2,
    }
}

pub(super) fn desired(code: u8) -> Result<DesiredState, Reason> {
    match code {
        0 => Ok(DesiredState::Pending),
        1 => Ok(DesiredState::Running),
        2 => Ok(DesiredState::Stopped),
        other => Err(format!("there is no desired state number {other}")),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::execution::NewExecution;
    use crate::model::json::Json;

    pub(crate) fn full() -> Header {
        let lifecycle = Lifecycle::compute_node();
        let new = NewExecution::new("01890a5d-ac96-774b-bcce-b302099a8057")
            .id("é 1")
            .namespace("")
            .name("")
            .node_id("01890a5d-ac96-774b-bcce-b302099a8058")
            .message("\u{0}\u{202e}m")
            .parent("p")
            .previous("q")
            .label("", "v")
            .label("k", "")
            .preview("short")
            .payload(Json::null());
        let mut header = new.build(&lifecycle, 10, Timestamp::from_nanos(-5)).unwrap().into_header();
        header.completed_at = Some(Timestamp::from_nanos(i64::MAX));
        header.event_count = 300;
        header.attempt = u64::MAX;
        header.reported_at = Some(Timestamp::from_nanos(-9));
        header.not_before = Some(Timestamp::from_nanos(i64::MAX));
        header
    }

    #[test]
    fn records_come_back() {
        let lifecycle = Lifecycle::compute_node();
        let bare = NewExecution::new("j").build(&lifecycle, 10, Timestamp::from_nanos(i64::MIN)).unwrap();
        for header in [full(), bare.into_header()] {
            for payload in [PayloadPlace::Apart, PayloadPlace::Inline("{\"a\":1}")] {
                let mut out = Vec::new();
                let key = header.incarnation.0.to_be_bytes();
                let encoded = EncodedHeader::of(&header);
                encode_record(&key, &encoded, (PayloadVersion(9), 300), payload.clone(), &mut out);
                let record = decode_record(&key, &out, &lifecycle).unwrap();
                assert_eq!(
                    record,
                    Record {
                        header: Box::new(header.clone()),
                        payload_version: PayloadVersion(9),
                        last_change: 300,
                        payload
                    }
                );
            }
        }
    }
}
