//! Records to bytes and back: values and the lifecycle in, bytes out. Knows no redb and no tables.
//!
//! `docs/format.md` is the specification.

mod bulk;
mod change;
mod events;
mod execution;
mod frame;
mod keys;
mod last_change_bits;
mod link;
mod meta;
mod removals;
pub(crate) mod schema;
mod side_data;
mod time_blocks;
mod totals;
mod wire;

pub(crate) use bulk::{BulkKind, BulkPlace, decode_bulk, encode_bulk};
pub(crate) use change::{Follows, Glimpse, decode_change, decode_change_if, decode_follows, encode_change};
pub(crate) use events::{check_event, decode_event, encode_event};
pub(crate) use execution::{PayloadPlace, Record, decode_record, encode_record, header_bytes};
pub(crate) use frame::{FRAME, check_frame, finish_frame};
pub(crate) use keys::{
    IdKey, LinkKind, completed_of, completed_row, id_ranges, job_counts_row, job_of_row, job_prefix, job_row,
    label, label_prefix, label_row, label_value, label_values_span, link_prefix, link_row, linked_id,
    number_at_end, number_of, pair, pair_of, state_of, state_row,
};
pub(crate) use last_change_bits::{LastChangeBits, decode_last_change_bits, encode_last_change_bits};
pub(crate) use link::{LinkTo, decode_link, encode_link};
pub(crate) use meta::{JournalPlace, Meta, decode_meta, encode_meta};
pub(crate) use removals::{Removal, decode_removal, encode_removal};
pub(crate) use side_data::{
    OutputRow, Value, decode_attachment, decode_chunk, decode_output, decode_progress, decode_task,
    encode_attachment, encode_chunk, encode_output, encode_progress, encode_task, name_of, name_row,
};
pub(crate) use time_blocks::{
    BLOCK, Span, TimeKind, block_of, decode_time_block, encode_time_block, time_block_rows,
};
pub(crate) use totals::{
    Totals, all_zero, change_count, decode_counts, decode_totals, encode_counts, encode_totals, fingerprint,
    without_zeros,
};
pub(crate) use wire::{Reader, Writer};

/// Why bytes could not be decoded.
pub(crate) type Reason = String;

/// A framed value of one number.
pub(crate) fn encode_number(table: u8, key: &[u8], number: u64, out: &mut Vec<u8>) {
    let mut body = Writer::frame(out);
    body.number(number);
    finish_frame(table, key, out);
}

/// The number of a framed value.
pub(crate) fn decode_number(table: u8, key: &[u8], value: &[u8]) -> Result<u64, Reason> {
    let mut body = Reader::new(check_frame(table, key, value)?);
    let number = body.number()?;
    body.end()?;
    Ok(number)
}

/// A framed value without a body: an index row.
pub(crate) fn encode_nothing(table: u8, key: &[u8], out: &mut Vec<u8>) {
    Writer::frame(out);
    finish_frame(table, key, out);
}

/// Checks a framed value without a body.
pub(crate) fn decode_nothing(table: u8, key: &[u8], value: &[u8]) -> Result<(), Reason> {
    Reader::new(check_frame(table, key, value)?).end()
}
