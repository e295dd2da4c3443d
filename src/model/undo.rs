//! What the change log keeps of the header before a change: the former values of what differs. Pure.

use crate::model::execution::{DesiredState, Header, Labels};
use crate::model::id::{ExecutionId, Revision};
use crate::model::lifecycle::State;
use crate::model::row_id::PayloadVersion;
use crate::model::text::Text;
use crate::model::time::Timestamp;

/// The parts of a header that can change: each with the bit that says in an entry of the log that its former value follows, its name,
/// and its type, by which that value is written. A bit is never given anew; 12 is that of the payload.
macro_rules! changing_parts {
    ($make:ident) => {
        $make! {
            0 name: Option<Text>,
            1 node_id: Option<Text>,
            2 state: State,
            3 message: Option<Text>,
            4 desired: DesiredState,
            5 parent: Option<ExecutionId>,
            6 previous: Option<ExecutionId>,
            7 labels: Labels,
            8 revision: Revision,
            9 modified_at: Timestamp,
            10 completed_at: Option<Timestamp>,
            11 event_count: u64,
            13 preview: Option<Text>,
            14 attempt: u64,
            15 reported_at: Option<Timestamp>,
            16 not_before: Option<Timestamp>,
        }
    };
}
pub(crate) use changing_parts;

macro_rules! undo {
    ($($bit:literal $part:ident: $of:ty,)*) => {
        /// What differs between the header before a change and the one after it: the values before.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Undo {
            $(pub(crate) $part: Option<$of>,)*
            pub(crate) payload_version: Option<PayloadVersion>,
        }

        impl Undo {
            /// What leads from `after` back to `before`. The two belong to one execution, so identity, namespace
            /// and creation time are the same.
            pub(crate) fn between(before: &Header, after: &Header) -> Self {
                // Each part by its name, so that a new one does not compile until it is in the list.
                let Header { id: _, incarnation: _, job_id: _, namespace: _, created_at: _, $($part,)* } = after;
                Self { $($part: former(&before.$part, $part),)* payload_version: None }
            }

            pub(crate) fn apply(&self, mut header: Header) -> Header {
                $(if let Some(old) = &self.$part {
                    header.$part.clone_from(old);
                })*
                header
            }
        }
    };
}

changing_parts!(undo);

fn former<T: Clone + PartialEq>(before: &T, after: &T) -> Option<T> {
    (before != after).then(|| before.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::execution::{NewExecution, Update};
    use crate::model::lifecycle::Lifecycle;

    #[test]
    fn undoing_a_change_gives_the_header_before_it() {
        let lifecycle = Lifecycle::compute_node();
        let at = Timestamp::from_nanos;
        let new = NewExecution::new("j").message("m").label("a", "1").node_id("n").parent("p");
        let before = new.build(&lifecycle, 1_000, at(1)).unwrap();
        for update in [
            Update::new(),
            Update::to("Failed").clear_message().label("b", "2"),
            Update::new()
                .clear_node_id()
                .clear_parent()
                .previous("q")
                .name("x")
                .desired(DesiredState::Stopped),
            Update::new().preview("p"),
            Update::new().attempt(7).reported_at(at(3)),
        ] {
            let mut after = before.header.apply(update, &lifecycle, at(2)).unwrap();
            after.event_count = 3;
            after.not_before = Some(at(9));
            let undo = Undo::between(&before.header, &after);
            assert_eq!(undo.apply(after), *before.header);
        }
    }
}
