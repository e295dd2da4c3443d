//! The header that comes of an update. Pure.

use super::{Header, Update};
use crate::model::error::{InputError, WriteError};
use crate::model::id::Revision;
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::text::Text;
use crate::model::time::Timestamp;

impl Header {
    /// The header after `update`, one revision on. Checks everything; changes nothing on an error.
    pub(crate) fn apply(
        &self,
        update: Update,
        lifecycle: &Lifecycle,
        now: Timestamp,
    ) -> Result<Header, WriteError> {
        let reporter = update.reporter();
        match reporter.is_late(self).filter(|_| reporter.reports) {
            Some(why) => Err(WriteError::Late { id: self.id.clone(), why }),
            None => self.edit(update, lifecycle, now),
        }
    }

    /// `true` if the update says of the execution what is known of it, its payload aside.
    pub(crate) fn repeats(&self, update: Update, lifecycle: &Lifecycle) -> bool {
        let after = self.edit(update, lifecycle, self.modified_at);
        after.is_ok_and(|mut after| {
            after.revision = self.revision;
            after == *self
        })
    }

    /// The same, whoever reports it.
    fn edit(&self, update: Update, lifecycle: &Lifecycle, now: Timestamp) -> Result<Header, WriteError> {
        let reporter = update.reporter();
        // Each part by its name, so that a new one does not compile until it is applied.
        let Update {
            state,
            message,
            desired,
            name,
            node_id,
            parent,
            previous,
            clear_labels,
            labels,
            preview,
            payload: _,
            merge_payload: _,
            attempt: _,
            reported_at: _,
            reports: _,
            events: _,
            expect: _,
        } = update;
        let mut after = self.clone();
        reporter.note(&mut after);
        after.revision = Revision(self.revision.0 + 1);
        after.modified_at = now.max(self.modified_at);
        if let Some(name) = state.filter(|name| !reporter.reports || self.state != name.as_str()) {
            after.state = self.next_state(name, lifecycle)?;
            if after.state.is_terminal() {
                after.completed_at = Some(after.modified_at);
            }
        }
        message.apply(&mut after.message);
        after.desired = desired.unwrap_or(after.desired);
        name.apply(&mut after.name);
        node_id.apply(&mut after.node_id);
        parent.apply_link("parent", &mut after.parent)?;
        previous.apply_link("previous", &mut after.previous)?;
        preview.apply(&mut after.preview);
        if clear_labels {
            after.labels.clear();
        }
        for (key, value) in labels {
            match value {
                Some(value) => after.labels.insert(key, value),
                None => after.labels.remove(&key),
            };
        }
        after.check()?;
        Ok(after)
    }

    fn next_state(&self, to: Text, lifecycle: &Lifecycle) -> Result<State, WriteError> {
        let Some(next) = lifecycle.state(&to) else {
            return Err(InputError::UnknownState { state: to.into() }.into());
        };
        if self.state.is_terminal() {
            return Err(WriteError::Terminal {
                id: self.id.clone(),
                state: self.state.clone(),
                to: next.clone(),
            });
        }
        if !lifecycle.allows_codes(self.state.code(), next.code()) {
            return Err(WriteError::Transition {
                id: self.id.clone(),
                from: self.state.clone(),
                to: next.clone(),
            });
        }
        Ok(next.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DesiredState, Labels, NewExecution};
    use super::*;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn running() -> (Lifecycle, Header) {
        let lifecycle = Lifecycle::compute_node();
        let new = NewExecution::new("j").id("e").state("Running").message("m").label("a", "1");
        let execution = new.build(&lifecycle, 1_000, at(10)).unwrap();
        (lifecycle, execution.into_header())
    }

    #[test]
    fn an_update_leaves_what_it_does_not_name() {
        let (lifecycle, before) = running();
        let after = before.apply(Update::new(), &lifecycle, at(20)).unwrap();
        let mut expected = before.clone();
        expected.revision = Revision(2);
        expected.modified_at = at(20);
        assert_eq!(after, expected);
    }

    #[test]
    fn parts_are_set_and_cleared() {
        let (lifecycle, before) = running();
        let update = Update::new()
            .clear_message()
            .name("n")
            .parent("p")
            .desired(DesiredState::Running)
            .remove_label("a")
            .label("b", "2");
        let set = before.apply(update, &lifecycle, at(20)).unwrap();
        assert_eq!((set.message.as_deref(), set.name.as_deref()), (None, Some("n")));
        assert_eq!(set.parent.as_ref().unwrap(), &"p");
        assert_eq!(set.labels, Labels::from([("b".into(), "2".into())]));
        let update = Update::new().clear_name().clear_parent().clear_desired().clear_labels();
        let cleared = set.apply(update, &lifecycle, at(21)).unwrap();
        assert_eq!((&cleared.name, &cleared.parent, cleared.desired), (&None, &None, DesiredState::Pending));
        assert!(cleared.labels.is_empty());
    }

    #[test]
    fn times_never_go_back() {
        let (lifecycle, before) = running();
        let after = before.apply(Update::to("Completed"), &lifecycle, at(3)).unwrap();
        assert_eq!((after.modified_at, after.completed_at), (at(10), Some(at(10))));
    }

    #[test]
    fn transitions_are_checked() {
        let (lifecycle, running) = running();
        let apply = |e: &Header, to: &str| e.apply(Update::to(to), &lifecycle, at(20));
        assert!(matches!(apply(&running, "New"), Err(WriteError::Transition { .. })));
        assert!(matches!(apply(&running, "Running"), Err(WriteError::Transition { .. })));
        assert!(matches!(apply(&running, "Gone"), Err(WriteError::Input(InputError::UnknownState { .. }))));
        let ended = apply(&running, "Failed").unwrap();
        assert!(matches!(apply(&ended, "Completed"), Err(WriteError::Terminal { .. })));
        let relabelled = ended.apply(Update::new().label("x", "y"), &lifecycle, at(30)).unwrap();
        assert_eq!(relabelled.completed_at, Some(at(20)));
    }
}
