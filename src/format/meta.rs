//! The encoding of the meta record: who this store is, and its lifecycle.

use super::execution::{decode_labels, encode_labels};
use super::schema::{FORMAT, table};
use super::{Reader, Reason, Row, Writer};
use crate::model::execution::Labels;
use crate::model::hash::{hex, row_hash};
use crate::model::id::StoreIncarnation;
use crate::model::lifecycle::{Lifecycle, Phase};

/// The meta record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Format of the whole file. Its place in the record never changes, so that any release can read it.
    pub(crate) format: u32,
    /// A random id, given at creation.
    pub(crate) store_id: u128,
    /// Drawn at random at creation, and again when a restore is declared.
    pub(crate) incarnation: StoreIncarnation,
    /// The journal before the image, if the file has one.
    pub(crate) journal: Option<JournalPlace>,
    pub(crate) lifecycle: Lifecycle,
    /// The store is tamper-evident.
    pub(crate) sealed: bool,
    /// What later releases have added: kept, and not understood.
    pub(crate) extras: Labels,
}

/// Which journal belongs to an image, and what of it may continue the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalPlace {
    /// The file's own number, as its head has it; never 0.
    pub(crate) id: u64,
    /// Where the image begins in the file.
    pub(crate) image: u64,
    /// The round whose records continue the image.
    pub(crate) round: u32,
    /// The journal may hold what the image does not. `false` after a clean close.
    pub(crate) open: bool,
}

/// The extra of a tamper-evident store: the hash of the rest of the record, without the journal's number.
const SEAL: &str = "seal";

fn own_hash(meta: &Meta) -> String {
    let mut body = Vec::new();
    let mut w = Writer::append(&mut body);
    identity(meta, None, &mut w);
    encode_labels(&meta.extras, &mut w);
    hex(&row_hash(0, b"meta", &body))
}

/// The record without its extras, with another journal.
fn identity(meta: &Meta, journal: Option<JournalPlace>, w: &mut Writer<'_>) {
    w.number(u64::from(meta.format));
    w.rest(&meta.store_id.to_le_bytes());
    w.fixed(meta.incarnation.0);
    match journal {
        None => w.byte(0),
        Some(place) => {
            w.byte(if place.open { 2 } else { 1 });
            w.fixed(place.id);
            w.number(place.image);
            w.number(u64::from(place.round));
        }
    }
    let states: Vec<_> = meta.lifecycle.states().collect();
    w.number(states.len() as u64);
    for (code, state) in (0u8..).zip(states) {
        w.text(state.as_str());
        w.byte(match state.phase() {
            Phase::Pending => 0,
            Phase::Live => 1,
            Phase::Terminal => 2,
        });
        w.bytes(meta.lifecycle.successor_codes(code));
    }
}

/// The format alone, whatever else a newer release has put behind it.
fn decode_format(r: &mut Reader<'_>) -> Result<u32, Reason> {
    u32::try_from(r.number()?).map_err(|_| "the format number is too large".into())
}

impl Row for table::Meta {
    type New<'a> = &'a Meta;
    /// The meta record, or its format alone if that is newer than this release's.
    type Value<'v> = Result<Meta, u32>;

    fn write(meta: &Meta, w: &mut Writer<'_>) {
        identity(meta, meta.journal, w);
        // Room for parts that a later release may add: a map of strings.
        let mut extras = meta.extras.clone();
        if meta.sealed {
            extras.insert(SEAL.into(), own_hash(meta).into());
        }
        encode_labels(&extras, w);
    }

    fn read(_: &[u8], r: &mut Reader<'_>) -> Result<Result<Meta, u32>, Reason> {
        read_meta(r, FORMAT)
    }
}

fn read_meta(r: &mut Reader<'_>, supported: u32) -> Result<Result<Meta, u32>, Reason> {
    let format = decode_format(r)?;
    if format > supported {
        // Whatever a newer release has put behind it.
        r.bytes_to_end();
        return Ok(Err(format));
    }
    let (low, high) = (r.fixed()?, r.fixed()?);
    let store_id = u128::from(high) << 64 | u128::from(low);
    let incarnation = StoreIncarnation(r.fixed()?);
    let journal = match r.byte()? {
        0 => None,
        open @ (1 | 2) => Some(JournalPlace {
            id: r.fixed()?,
            image: r.number()?,
            round: u32::try_from(r.number()?).map_err(|_| "the journal's round is too large")?,
            open: open == 2,
        }),
        other => return Err(format!("the journal cannot be in state {other}")),
    };
    let mut states = Vec::new();
    for _ in 0..r.number()? {
        let name = r.text()?;
        let phase = match r.byte()? {
            0 => Phase::Pending,
            1 => Phase::Live,
            2 => Phase::Terminal,
            other => return Err(format!("there is no phase number {other}")),
        };
        states.push((name, phase, r.bytes()?));
    }
    let mut extras = decode_labels(r)?;
    r.end()?;
    let mut lifecycle = Lifecycle::builder();
    for (name, phase, _) in &states {
        lifecycle = lifecycle.state(name, *phase);
    }
    for (name, _, successors) in &states {
        for code in *successors {
            let (to, _, _) =
                states.get(usize::from(*code)).ok_or("a transition leads to an unknown state")?;
            lifecycle = lifecycle.transition(name, to);
        }
    }
    let lifecycle = lifecycle.build().map_err(|e| e.to_string())?;
    let seal = extras.remove(SEAL);
    let meta = Meta { format, store_id, incarnation, journal, lifecycle, sealed: seal.is_some(), extras };
    if seal.is_some_and(|seal| seal != own_hash(&meta)) {
        return Err("the hash of the record is wrong".into());
    }
    Ok(Ok(meta))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{decode, encode, open};

    #[test]
    fn the_meta_record_comes_back() {
        let lifecycle = Lifecycle::compute_node();
        for (sealed, extra) in [(false, None), (true, None), (false, Some("later")), (true, Some("later"))] {
            let lifecycle = lifecycle.clone();
            let journal = extra.map(|_| JournalPlace { id: 3, image: 1 << 20, round: 7, open: sealed });
            let extras = extra.map(|key| (key.into(), "value".into())).into_iter().collect();
            let meta = Meta {
                format: 1,
                store_id: u128::MAX - 5,
                incarnation: StoreIncarnation(u64::MAX - 4),
                journal,
                lifecycle,
                sealed,
                extras,
            };
            let mut out = Vec::new();
            encode::<table::Meta>(b"k", &mut out, |w| table::Meta::write(&meta, w));
            assert_eq!(decode::<table::Meta>(b"k", &out).unwrap().unwrap(), meta);
            let mut r = open::<table::Meta>(b"k", &out).unwrap();
            assert_eq!(read_meta(&mut r, 0).unwrap().unwrap_err(), 1);
            assert!(r.end().is_ok());
        }
    }
}
