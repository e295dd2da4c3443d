//! Records to bytes and back: values and the lifecycle in, bytes out. Knows no redb and no tables.
//!
//! `docs/format.md` is the specification.

mod buckets;
mod bulk;
mod change;
mod events;
mod execution;
mod frame;
mod keys;
mod last_change_bits;
mod link;
mod meta;
mod payloads;
mod removals;
mod row;
pub(crate) mod schema;
mod side_data;
mod time_blocks;
mod totals;
mod undo;
mod visits;
mod wire;

pub(crate) use buckets::{BucketRecord, bucket_of, bucket_row, in_bucket};
pub(crate) use bulk::{BulkKind, BulkProgress};
pub(crate) use change::{
    Follows, Glimpse, Glimpsed, decode_change, decode_change_if, decode_follows, encode_bucket_change,
    encode_change,
};
pub(crate) use events::check_event;
pub(crate) use execution::{EncodedHeader, PayloadPlace, Record, decode_record, encode_record, header_bytes};
pub(crate) use frame::{FRAME, check_frame, finish_frame};
pub(crate) use keys::{
    IdKey, LinkKind, chunk_of, chunk_row, completed_of, completed_row, id_ranges, job_counts_row, job_of_row,
    job_prefix, job_row, kind_of, kind_row, label, label_prefix, label_row, label_value, label_values_span,
    link_prefix, link_row, linked_id, number_at_end, number_of, payload_of, payload_row, place_of, place_row,
    state_of, state_row,
};
pub(crate) use last_change_bits::LastChangeBits;
pub(crate) use link::LinkTo;
pub(crate) use meta::{JournalPlace, Meta};
pub(crate) use removals::Removal;
pub(crate) use row::{Row, decode, encode, open};
pub(crate) use schema::Table;
pub(crate) use side_data::{OutputRow, Value, name_of, name_row};
pub(crate) use time_blocks::{BLOCK, Span, TimeKind, block_of, time_block_rows};
pub(crate) use totals::{
    Totals, all_zero, change_count, decode_counts, encode_counts, fingerprint, without_zeros,
};
pub(crate) use wire::{Reader, Writer};

/// Why bytes could not be decoded.
pub(crate) type Reason = String;
