//! Every table of the file: name, tag, key and value. Tags are part of the checksums and of the journal,
//! so a tag is never used again for something else.

use redb::TableDefinition;

/// Version of the file's layout. Files of a newer one are refused, with their bytes unchanged.
pub(crate) const FORMAT: u32 = 1;

/// Values are framed bytes in every table: see `codec::frame`.
pub(crate) type Value = &'static [u8];

/// A table whose keys vary in length.
pub(crate) type Bytes = &'static [u8];
/// A key of one number.
pub(crate) type Number = &'static [u8; 8];
/// A key of one byte, a state for instance, and a number.
pub(crate) type StateRow = &'static [u8; 9];
/// A key of two numbers.
pub(crate) type Pair = &'static [u8; 16];

/// The tag of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Tag {
    Meta = 0,
    Totals = 1,
    Ids = 2,
    Executions = 3,
    Payloads = 4,
    Events = 5,
    Jobs = 6,
    States = 7,
    Changes = 8,
    Checkpoints = 9,
    Labels = 10,
    LabelCounts = 11,
    Links = 12,
    Completions = 13,
    LastChanges = 14,
    TimeBlocks = 15,
    BulkProgress = 16,
    Attachments = 17,
    Outputs = 18,
    Chunks = 19,
    Tasks = 20,
    TaskNames = 21,
    TaskCounts = 22,
    Visits = 23,
    Removals = 24,
    LastChangeBits = 25,
    Namespaces = 26,
}

impl Tag {
    pub(crate) const ALL: [Tag; 27] = [
        Tag::Meta,
        Tag::Totals,
        Tag::Ids,
        Tag::Executions,
        Tag::Payloads,
        Tag::Events,
        Tag::Jobs,
        Tag::States,
        Tag::Changes,
        Tag::Checkpoints,
        Tag::Labels,
        Tag::LabelCounts,
        Tag::Links,
        Tag::Completions,
        Tag::LastChanges,
        Tag::TimeBlocks,
        Tag::BulkProgress,
        Tag::Attachments,
        Tag::Outputs,
        Tag::Chunks,
        Tag::Tasks,
        Tag::TaskNames,
        Tag::TaskCounts,
        Tag::Visits,
        Tag::Removals,
        Tag::LastChangeBits,
        Tag::Namespaces,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Tag::Meta => "execstore/meta",
            Tag::Totals => "execstore/totals",
            Tag::Ids => "execstore/ids",
            Tag::Executions => "execstore/executions",
            Tag::Payloads => "execstore/payloads",
            Tag::Events => "execstore/events",
            Tag::Jobs => "execstore/jobs",
            Tag::States => "execstore/states",
            Tag::Changes => "execstore/changes",
            Tag::Checkpoints => "execstore/checkpoints",
            Tag::Labels => "execstore/labels",
            Tag::LabelCounts => "execstore/label_counts",
            Tag::Links => "execstore/links",
            Tag::Completions => "execstore/completions",
            Tag::LastChanges => "execstore/last_changes",
            Tag::TimeBlocks => "execstore/time_blocks",
            Tag::BulkProgress => "execstore/bulk_progress",
            Tag::Attachments => "execstore/attachments",
            Tag::Outputs => "execstore/outputs",
            Tag::Chunks => "execstore/chunks",
            Tag::Tasks => "execstore/tasks",
            Tag::TaskNames => "execstore/task_names",
            Tag::TaskCounts => "execstore/task_counts",
            Tag::Visits => "execstore/visits",
            Tag::Removals => "execstore/removals",
            Tag::LastChangeBits => "execstore/last_change_bits",
            Tag::Namespaces => "execstore/namespaces",
        }
    }

    /// The rows of a tamper-evident store are summed up, but for the two that hold the sum and who the store is, and the
    /// indexes that have no values: the records determine those.
    pub(crate) fn is_summed(self) -> bool {
        use Tag::{Completions, Jobs, Labels, Meta, States, Totals};
        !matches!(self, Meta | Totals | Jobs | States | Labels | Completions)
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Tag> {
        Tag::ALL.into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// The one row of the table `meta`.
pub(crate) const META_KEY: &[u8] = b"store";
/// The one row of the table `totals`.
pub(crate) const TOTALS_KEY: &[u8] = b"totals";

/// Who this store is: see `codec::Meta`.
pub(crate) const META: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/meta");
/// Counters and heads: see `codec::Totals`.
pub(crate) const TOTALS: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/totals");
/// Execution id to number.
pub(crate) const IDS: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/ids");
/// Number to record, in the order of creation.
pub(crate) const EXECUTIONS: TableDefinition<'_, Number, Value> =
    TableDefinition::new("execstore/executions");
/// Number and payload version to a payload that is large, or that only the change log still needs.
pub(crate) const PAYLOADS: TableDefinition<'_, Pair, Value> = TableDefinition::new("execstore/payloads");
/// Number and event sequence number to event.
pub(crate) const EVENTS: TableDefinition<'_, Pair, Value> = TableDefinition::new("execstore/events");
/// Job id and number to nothing.
pub(crate) const JOBS: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/jobs");
/// State and number to nothing.
pub(crate) const STATES: TableDefinition<'_, StateRow, Value> = TableDefinition::new("execstore/states");
/// Change sequence number to log entry.
pub(crate) const CHANGES: TableDefinition<'_, Number, Value> = TableDefinition::new("execstore/changes");
/// Name to change sequence number.
pub(crate) const CHECKPOINTS: TableDefinition<'_, Bytes, Value> =
    TableDefinition::new("execstore/checkpoints");
/// A label, a group of states and a number to nothing.
pub(crate) const LABELS: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/labels");
/// A label to how many executions have it, by state.
pub(crate) const LABEL_COUNTS: TableDefinition<'_, Bytes, Value> =
    TableDefinition::new("execstore/label_counts");
/// The kind of a link, what it names and a number to which execution of that id it leads.
pub(crate) const LINKS: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/links");
/// When an execution ended and its number to nothing.
pub(crate) const COMPLETIONS: TableDefinition<'_, Pair, Value> =
    TableDefinition::new("execstore/completions");
/// The last change of an execution, once that is trimmed from the log, to its number.
pub(crate) const LAST_CHANGES: TableDefinition<'_, Number, Value> =
    TableDefinition::new("execstore/last_changes");
/// A kind of number and a block of them to the times in the block.
pub(crate) const TIME_BLOCKS: TableDefinition<'_, StateRow, Value> =
    TableDefinition::new("execstore/time_blocks");
/// The name of a bulk operation that is under way to how far it is.
pub(crate) const BULK_PROGRESS: TableDefinition<'_, Bytes, Value> =
    TableDefinition::new("execstore/bulk_progress");

/// Number and key to an attachment, with its value if that is small.
pub(crate) const ATTACHMENTS: TableDefinition<'_, Bytes, Value> =
    TableDefinition::new("execstore/attachments");
/// Number and name to an output stream.
pub(crate) const OUTPUTS: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/outputs");
/// A blob and an offset in it to bytes: the values of attachments and outputs.
pub(crate) const CHUNKS: TableDefinition<'_, Pair, Value> = TableDefinition::new("execstore/chunks");
/// Number and place to a task within the execution.
pub(crate) const TASKS: TableDefinition<'_, Pair, Value> = TableDefinition::new("execstore/tasks");
/// Number and name to the place of a task.
pub(crate) const TASK_NAMES: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/task_names");
/// Number to how many tasks are in each state.
pub(crate) const TASK_COUNTS: TableDefinition<'_, Number, Value> =
    TableDefinition::new("execstore/task_counts");
/// Number to how often an execution was visited.
pub(crate) const VISITS: TableDefinition<'_, Number, Value> = TableDefinition::new("execstore/visits");
/// What was deleted and still has rows to what is left of it.
pub(crate) const REMOVALS: TableDefinition<'_, StateRow, Value> = TableDefinition::new("execstore/removals");
/// A block of changes to which of them are the last ones of their executions.
pub(crate) const LAST_CHANGE_BITS: TableDefinition<'_, Number, Value> =
    TableDefinition::new("execstore/last_change_bits");
/// A namespace, but for the default one, to how many executions it has.
pub(crate) const NAMESPACES: TableDefinition<'_, Bytes, Value> = TableDefinition::new("execstore/namespaces");

#[cfg(test)]
mod tests {
    use super::*;
    use redb::TableHandle;

    #[test]
    fn names_and_tags_are_distinct_and_agree() {
        let names = [
            META.name(),
            TOTALS.name(),
            IDS.name(),
            EXECUTIONS.name(),
            PAYLOADS.name(),
            EVENTS.name(),
            JOBS.name(),
            STATES.name(),
            CHANGES.name(),
            CHECKPOINTS.name(),
            LABELS.name(),
            LABEL_COUNTS.name(),
            LINKS.name(),
            COMPLETIONS.name(),
            LAST_CHANGES.name(),
            TIME_BLOCKS.name(),
            BULK_PROGRESS.name(),
            ATTACHMENTS.name(),
            OUTPUTS.name(),
            CHUNKS.name(),
            TASKS.name(),
            TASK_NAMES.name(),
            TASK_COUNTS.name(),
            VISITS.name(),
            REMOVALS.name(),
            LAST_CHANGE_BITS.name(),
            NAMESPACES.name(),
        ];
        for (place, tag) in Tag::ALL.into_iter().enumerate() {
            assert_eq!(names[place], tag.name());
            assert_eq!(Tag::from_byte(tag as u8), Some(tag));
            assert_eq!(tag as usize, place);
        }
        assert_eq!(Tag::from_byte(200), None);
    }
}
