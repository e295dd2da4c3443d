//! The encodings of what lies beside a record: attachments, outputs, chunks of bytes, tasks.

use super::schema::table;
use super::{Reader, Reason, Row, Writer};
use crate::model::attachments::{Attachment, AttachmentKind};
use crate::model::json::Json;
use crate::model::outputs::{Output, OutputCap};
use crate::model::row_id::{BlobId, RowId};
use crate::model::tasks::{Progress, Task, TaskState};
use crate::model::text::Text;

/// The row of something that has a name within an execution.
pub(crate) fn name_row(number: RowId, name: &str) -> Vec<u8> {
    let mut row = Vec::with_capacity(8 + name.len());
    row.extend_from_slice(&number.to_be_bytes());
    row.extend_from_slice(name.as_bytes());
    row
}

/// Number and name of such a row.
pub(crate) fn name_of(key: &[u8]) -> Result<(RowId, Text), Reason> {
    let (number, name) = key.split_first_chunk::<8>().ok_or("the key is too short")?;
    let name = std::str::from_utf8(name).map_err(|e| format!("a name is not UTF-8: {e}"))?;
    Ok((RowId(u64::from_be_bytes(*number)), name.into()))
}

/// Where an attachment's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// In the row itself.
    Inline(Vec<u8>),
    /// In chunks of this number.
    Blob(BlobId),
}

impl Row for table::Attachments {
    type New<'a> = (&'a Attachment, &'a Value);
    type Value<'v> = (Attachment, Value);

    fn write((attachment, value): (&Attachment, &Value), w: &mut Writer<'_>) {
        w.byte(match (attachment.kind, attachment.sha256) {
            (AttachmentKind::Bytes, _) => 0,
            (AttachmentKind::Json, None) => 1,
            (AttachmentKind::Uri, _) => 2,
            (AttachmentKind::Json, Some(_)) => 3,
        });
        if let (AttachmentKind::Json, Some(hash)) = (attachment.kind, attachment.sha256) {
            w.rest(&hash);
        }
        w.text(&attachment.content_type);
        w.number(attachment.size);
        w.time(attachment.modified_at);
        w.number(attachment.version);
        match value {
            Value::Blob(blob) => w.number(blob.0),
            Value::Inline(bytes) => {
                w.number(0);
                w.rest(bytes);
            }
        }
    }

    fn read(key: &[u8], r: &mut Reader<'_>) -> Result<(Attachment, Value), Reason> {
        let (kind, sha256) = match r.byte()? {
            0 => (AttachmentKind::Bytes, None),
            1 => (AttachmentKind::Json, None),
            2 => (AttachmentKind::Uri, None),
            3 => (AttachmentKind::Json, Some(r.hash()?)),
            other => return Err(format!("there is no kind {other} of attachment")),
        };
        let (content_type, size, modified_at) = (r.text()?.into(), r.number()?, r.time()?);
        let version = r.number()?;
        let value = match r.number()? {
            0 => Value::Inline(r.bytes_to_end().to_vec()),
            _ if kind == AttachmentKind::Uri => return Err("a URI is in no chunks".into()),
            blob => Value::Blob(BlobId(blob)),
        };
        if let Value::Inline(bytes) = &value
            && kind != AttachmentKind::Uri
            && bytes.len() as u64 != size
        {
            return Err(format!("{} bytes are there, not {size}", bytes.len()));
        }
        Ok((
            Attachment { key: name_of(key)?.1, kind, content_type, size, modified_at, version, sha256 },
            value,
        ))
    }
}

/// An output stream, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputRow {
    pub(crate) output: Output,
    pub(crate) blob: BlobId,
    /// Where the last chunk begins, and its length; nothing if none was written yet.
    pub(crate) last_start: u64,
    pub(crate) last_len: u64,
}

impl Row for table::Outputs {
    type New<'a> = &'a OutputRow;
    type Value<'v> = OutputRow;

    fn write(row: &OutputRow, w: &mut Writer<'_>) {
        let output = &row.output;
        w.number(row.blob.0);
        w.number(output.length);
        w.number(output.head_end);
        w.number(output.tail_start);
        w.number(row.last_start);
        w.number(row.last_len);
        let (kind, sizes) = match output.cap {
            OutputCap::All => (0, [None, None]),
            OutputCap::Head(head) => (1, [Some(head), None]),
            OutputCap::Tail(tail) => (2, [Some(tail), None]),
            OutputCap::Both { head, tail } => (3, [Some(head), Some(tail)]),
        };
        w.byte(kind);
        sizes.into_iter().flatten().for_each(|size| w.number(size));
        w.time(output.modified_at);
    }

    fn read(key: &[u8], r: &mut Reader<'_>) -> Result<OutputRow, Reason> {
        let (blob, length, head_end, tail_start) =
            (BlobId(r.number()?), r.number()?, r.number()?, r.number()?);
        let (last_start, last_len) = (r.number()?, r.number()?);
        let cap = match r.byte()? {
            0 => OutputCap::All,
            1 => OutputCap::Head(r.number()?),
            2 => OutputCap::Tail(r.number()?),
            3 => OutputCap::Both { head: r.number()?, tail: r.number()? },
            other => return Err(format!("there is no cap {other}")),
        };
        let modified_at = r.time()?;
        if head_end > tail_start || tail_start > length {
            return Err(format!("{head_end}..{tail_start} of {length} bytes cannot be dropped"));
        }
        let name = name_of(key)?.1;
        let output = Output { name, length, cap, modified_at, head_end, tail_start };
        Ok(OutputRow { output, blob, last_start, last_len })
    }
}

impl Row for table::Chunks {
    type New<'a> = [&'a [u8]; 2];
    type Value<'v> = &'v [u8];

    fn write(parts: [&[u8]; 2], w: &mut Writer<'_>) {
        parts.into_iter().for_each(|part| w.rest(part));
    }

    fn read<'v>(_: &[u8; 16], r: &mut Reader<'v>) -> Result<&'v [u8], Reason> {
        Ok(r.bytes_to_end())
    }
}

/// The code of a task's state. Codes are never given again.
fn task_code(state: TaskState) -> u8 {
    match state {
        TaskState::Running => 0,
        TaskState::Finished => 1,
        TaskState::Failed => 2,
        TaskState::Skipped => 3,
    }
}

impl Row for table::Tasks {
    type New<'a> = &'a Task;
    type Value<'v> = Task;

    fn write(task: &Task, w: &mut Writer<'_>) {
        w.text(&task.name);
        w.byte(task_code(task.state));
        w.number(task.attempts);
        w.time(task.started_at);
        let bits = u8::from(task.ended_at.is_some())
            | u8::from(task.error.is_some()) << 1
            | u8::from(task.value.is_some()) << 2;
        w.byte(bits);
        if let Some(at) = task.ended_at {
            w.time(at);
        }
        if let Some(error) = &task.error {
            w.text(error);
        }
        w.rest(task.value.as_ref().map_or("", Json::as_str).as_bytes());
    }

    fn read(_: &[u8; 16], r: &mut Reader<'_>) -> Result<Task, Reason> {
        let name = r.text()?.into();
        let state = r.byte()?;
        let state = TaskState::ALL.get(usize::from(state)).copied();
        let state = state.ok_or("there is no such state of a task")?;
        let (attempts, started_at, bits) = (r.number()?, r.time()?, r.byte()?);
        let ended_at = (bits & 1 != 0).then(|| r.time()).transpose()?;
        let error = (bits & 2 != 0).then(|| r.text().map(Text::from)).transpose()?;
        let value = match bits & 4 != 0 {
            true => Some(Json::from_stored(r.rest()?)),
            false => r.end().map(|()| None)?,
        };
        Ok(Task { name, state, attempts, started_at, ended_at, value, error })
    }
}

impl Row for table::TaskCounts {
    type New<'a> = &'a Progress;
    type Value<'v> = Progress;

    fn write(progress: &Progress, w: &mut Writer<'_>) {
        TaskState::ALL.into_iter().for_each(|state| w.number(progress.of(state)));
    }

    fn read(_: &[u8; 8], r: &mut Reader<'_>) -> Result<Progress, Reason> {
        let mut progress = Progress::default();
        for state in TaskState::ALL {
            *progress.slot(state) = r.number()?;
        }
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, encode};
    use crate::model::time::Timestamp;

    #[test]
    fn rows_come_back() {
        let at = Timestamp::from_nanos(-7);
        let key = name_row(RowId(7), "né");
        assert_eq!(name_of(&key).unwrap(), (RowId(7), "né".into()));
        let mut out = Vec::new();
        for (kind, sha256, size, value) in [
            (AttachmentKind::Bytes, None, 3, Value::Inline(vec![0, 255, 1])),
            (AttachmentKind::Json, None, 1 << 40, Value::Blob(BlobId(9))),
            (AttachmentKind::Json, Some([7; 32]), 1 << 40, Value::Blob(BlobId(9))),
            (AttachmentKind::Uri, None, 77, Value::Inline(b"file:///x".to_vec())),
        ] {
            let (key, content_type, modified_at) = ("né".into(), "a/b".into(), at);
            let attachment =
                Attachment { key, kind, content_type, size, modified_at, version: 1 << 40, sha256 };
            let key = name_row(RowId(7), "né");
            encode::<table::Attachments>(&key, &mut out, |w| {
                table::Attachments::write((&attachment, &value), w)
            });
            assert_eq!(decode::<table::Attachments>(&key, &out).unwrap(), (attachment, value));
        }
        for cap in [
            OutputCap::All,
            OutputCap::Head(1),
            OutputCap::Tail(2),
            OutputCap::Both { head: 3, tail: u64::MAX },
        ] {
            let output =
                Output { name: "né".into(), length: 9, cap, modified_at: at, head_end: 2, tail_start: 5 };
            let row = OutputRow { output, blob: BlobId(3), last_start: 5, last_len: 4 };
            encode::<table::Outputs>(&key, &mut out, |w| table::Outputs::write(&row, w));
            assert_eq!(decode::<table::Outputs>(&key, &out).unwrap(), row);
        }
        for (value, error, ended_at) in [
            (None, None, None),
            (Some(Json::from_text("{\"a\": 1}").unwrap()), None, Some(at)),
            (None, Some("why".into()), Some(at)),
            (Some(Json::from_text("null").unwrap()), Some("".into()), None),
        ] {
            let name = "n".into();
            let state = TaskState::Skipped;
            let task = Task { name, state, attempts: 2, started_at: at, ended_at, value, error };
            encode::<table::Tasks>(&[7; 16], &mut out, |w| table::Tasks::write(&task, w));
            assert_eq!(decode::<table::Tasks>(&[7; 16], &out).unwrap(), task);
        }
        let progress = Progress { running: 1, finished: 2, failed: 3, skipped: 4 };
        encode::<table::TaskCounts>(&[7; 8], &mut out, |w| table::TaskCounts::write(&progress, w));
        assert_eq!(decode::<table::TaskCounts>(&[7; 8], &out).unwrap(), progress);
    }
}
