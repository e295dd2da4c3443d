//! Every table of the file. This is the only list of them: what is made for each table, the tags and names here and the slots of
//! a transaction in `storage`, is made from it, and a table that is added here does not compile until the rest knows it.
//!
//! Tags are part of the checksums and of the journal, so a tag is never used again for something else.

/// Version of the file's layout. Files of a newer one are refused, with their bytes unchanged.
pub(crate) const FORMAT: u32 = 1;

/// Values are framed bytes in every table: see `format::frame`.
pub(crate) type Value = &'static [u8];

/// A table whose keys vary in length.
pub(crate) type Bytes = [u8];
/// A key of one number.
pub(crate) type Number = [u8; 8];
/// A key of one byte, a state for instance, and a number.
pub(crate) type StateRow = [u8; 9];
/// A key of two numbers.
pub(crate) type Pair = [u8; 16];

/// Calls a macro with the list, and with what else it needs in front:
/// `Tag = number, name in the file: type of the keys, whether the sum of a tamper-evident store has its rows`.
///
/// The two that hold the sum and who the store is are not in it, nor are the indexes without values, which the records determine.
macro_rules! tables {
    ($use:ident $([$($front:tt)*])?) => {
        $use! {
            $([$($front)*])?
            /// Who this store is: see `format::meta`.
            Meta = 0, meta: Bytes, unsummed;
            /// Counters and heads: see `format::totals`.
            Totals = 1, totals: Bytes, unsummed;
            /// Execution id to number.
            Ids = 2, ids: Bytes, summed;
            /// Number to record, in the order of creation.
            Executions = 3, executions: Number, summed;
            /// Number and payload version to a payload that is large, or that only the change log still needs.
            Payloads = 4, payloads: Pair, summed;
            /// Number and event sequence number to event.
            Events = 5, events: Pair, summed;
            /// Job id and number to nothing.
            Jobs = 6, jobs: Bytes, unsummed;
            /// State and number to nothing.
            States = 7, states: StateRow, unsummed;
            /// Change sequence number to log entry.
            Changes = 8, changes: Number, summed;
            /// Name to change sequence number.
            Checkpoints = 9, checkpoints: Bytes, summed;
            /// A label, a group of states and a number to nothing.
            Labels = 10, labels: Bytes, unsummed;
            /// A label to how many executions have it, by state.
            LabelCounts = 11, label_counts: Bytes, summed;
            /// The kind of a link, what it names and a number to which execution of that id it leads.
            Links = 12, links: Bytes, summed;
            /// When an execution ended and its number to nothing.
            Completions = 13, completions: Pair, unsummed;
            /// The last change of an execution, once that is trimmed from the log, to its number.
            LastChanges = 14, last_changes: Number, summed;
            /// A kind of number and a block of them to the times in the block.
            TimeBlocks = 15, time_blocks: StateRow, summed;
            /// The name of a bulk operation that is under way to how far it is.
            BulkProgress = 16, bulk_progress: Bytes, summed;
            /// Number and key to an attachment, with its value if that is small.
            Attachments = 17, attachments: Bytes, summed;
            /// Number and name to an output stream.
            Outputs = 18, outputs: Bytes, summed;
            /// A blob and an offset in it to bytes: the values of attachments and outputs.
            Chunks = 19, chunks: Pair, summed;
            /// Number and place to a task within the execution.
            Tasks = 20, tasks: Pair, summed;
            /// Number and name to the place of a task.
            TaskNames = 21, task_names: Bytes, summed;
            /// Number to how many tasks are in each state.
            TaskCounts = 22, task_counts: Number, summed;
            /// Number to how often an execution was visited.
            Visits = 23, visits: Number, summed;
            /// What was deleted and still has rows to what is left of it.
            Removals = 24, removals: StateRow, summed;
            /// A block of changes to which of them are the last ones of their executions.
            LastChangeBits = 25, last_change_bits: Number, summed;
            /// A namespace, but for the default one, to how many executions it has.
            Namespaces = 26, namespaces: Bytes, summed;
            /// The number of the bucket that it lies in, 0 if in none, and its name to a bucket of the caller's.
            Buckets = 27, buckets: Bytes, summed;
            /// The number of a bucket and the caller's key to the caller's value.
            BucketRows = 28, bucket_rows: Bytes, summed;
        }
    };
}
pub(crate) use tables;

macro_rules! tags {
    ($($(#[$doc:meta])+ $tag:ident = $number:literal, $name:ident: $key:ident, $summed:ident;)+) => {
        /// The tag of a table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub(crate) enum Tag {
            $($(#[$doc])+ $tag = $number,)+
        }

        impl Tag {
            /// In the order of their numbers.
            pub(crate) const ALL: [Tag; [$($number),+].len()] = [$(Tag::$tag,)+];

            /// The table's name in the file.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Tag::$tag => concat!("execstore/", stringify!($name)),)+
                }
            }

            /// Whether its rows are in the sum of a tamper-evident store.
            pub(crate) fn is_summed(self) -> bool {
                match self {
                    $(Tag::$tag => is_summed!($summed),)+
                }
            }

            /// Its number, as checksums and the journal have it.
            pub(crate) const fn byte(self) -> u8 {
                self as u8
            }

            pub(crate) fn from_byte(byte: u8) -> Option<Tag> {
                match byte {
                    $($number => Some(Tag::$tag),)+
                    _ => None,
                }
            }
        }

        /// Each table as a type.
        pub(crate) mod table {
            use super::{Bytes, Number, Pair, StateRow, Table, Tag};

            $(
                $(#[$doc])+
                pub(crate) struct $tag;

                impl Table for $tag {
                    const TAG: Tag = Tag::$tag;
                    type Key = $key;
                }
            )+
        }
    };
}

macro_rules! is_summed {
    (summed) => {
        true
    };
    (unsummed) => {
        false
    };
}

/// A table, as a type.
pub(crate) trait Table: 'static {
    const TAG: Tag;
    /// A key, as bytes: some of a fixed number, or any.
    type Key: AsRef<[u8]> + ToOwned + ?Sized;
}

tables!(tags);

/// The one row of the table `meta`.
pub(crate) const META_KEY: &[u8] = b"store";
/// The one row of the table `totals`.
pub(crate) const TOTALS_KEY: &[u8] = b"totals";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_numbered_in_order_and_names_are_distinct() {
        for (place, tag) in Tag::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(tag.byte()), place);
            assert_eq!(Tag::from_byte(tag.byte()), Some(tag));
            assert_eq!(Tag::ALL.into_iter().filter(|other| other.name() == tag.name()).count(), 1);
        }
        assert_eq!(Tag::from_byte(200), None);
    }
}
