//! For which executions the conditions of a query hold, and whether they can. Pure.

use super::labels::{LabelIs, disjoint};
use super::times::Times;
use super::{Fields, OrderBy, Query};
use crate::model::execution::Header;
use crate::model::fingerprint::Fingerprint;
use crate::model::lifecycle::{Lifecycle, State};
use crate::model::limits::{
    InputError, MAX_ID, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_NAME, check_id, check_len,
};
use crate::model::text::Text;
use crate::model::time::Timestamp;

impl Query {
    /// The same executions in the order of creation. The order of completion is a condition, too: who has not ended is not in
    /// it.
    pub(crate) fn in_creation_order(mut self) -> Self {
        if self.order == OrderBy::Completed {
            let ever = (Timestamp::from_nanos(i64::MIN), Timestamp::from_nanos(i64::MAX));
            self.completed.get_or_insert(ever);
        }
        self.order_by(OrderBy::Created).oldest_first()
    }

    /// Its conditions alone, without order, direction, limit, cursor and way.
    pub(crate) fn conditions(&self) -> Self {
        let mut rest = self.clone();
        (rest.order, rest.newest_first, rest.limit) = (OrderBy::Created, true, None);
        (rest.after, rest.using) = (None, None);
        rest
    }

    /// `true` if it has conditions on more than states, the job, the namespace and labels. Each part by its name, so that a new one does
    /// not compile until it is here.
    pub(crate) fn asks_what_has_no_counter(&self) -> bool {
        let Self {
            states: _,
            phases: _,
            names_states: _,
            job: _,
            namespace: _,
            labels: _,
            order: _,
            newest_first: _,
            limit: _,
            after: _,
            using: _,
            twice,
            fields,
            parent,
            previous,
            created,
            modified,
            completed,
            id_prefix,
            whole_id,
        } = self;
        twice.is_some()
            || *fields != Fields::new()
            || parent.is_some()
            || previous.is_some()
            || created.is_some()
            || modified.is_some()
            || completed.is_some()
            || id_prefix.is_some()
            || *whole_id
    }

    /// `true` if the conditions hold for an execution; that it has ended is one, in the order of completion. Direction, limit and
    /// cursor do not matter.
    pub fn matches(&self, header: &Header) -> bool {
        let is = |wanted: &Option<Text>, found: &str| wanted.as_ref().is_none_or(|text| *text == *found);
        let within = |times: &Times, found: Timestamp| {
            times.is_none_or(|(least, greatest)| least <= found && found <= greatest)
        };
        let ended = self.completed.is_some() || self.order == OrderBy::Completed;
        self.twice.is_none()
            && self.has_state(&header.state)
            && is(&self.job, header.job_id.as_str())
            && is(&self.namespace, &header.namespace)
            && self.parent.as_ref().is_none_or(|id| header.parent.as_ref().is_some_and(|p| *p == id.as_str()))
            && self
                .previous
                .as_ref()
                .is_none_or(|id| header.previous.as_ref().is_some_and(|p| *p == id.as_str()))
            && within(&self.created, header.created_at)
            && within(&self.modified, header.modified_at)
            && header.completed_at.map_or(!ended, |at| within(&self.completed, at))
            && self.has_id(header.id.as_str())
            && self.labels.iter().all(|label| label.holds(header))
            && self.fields.hold(header)
    }

    /// `false` if the conditions hold for no execution of this id, job and state, as far as those are known.
    pub(crate) fn may_match(&self, id: &str, job: &str, state: Option<&State>) -> bool {
        self.job.as_ref().is_none_or(|wanted| *wanted == *job)
            && state.is_none_or(|state| self.has_state(state))
            && self.has_id(id)
    }

    fn has_id(&self, id: &str) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| match self.whole_id {
            true => *prefix == *id,
            false => id.starts_with(prefix.as_str()),
        })
    }

    pub(crate) fn has_state(&self, state: &State) -> bool {
        !self.names_states
            || self.phases.contains(&state.phase())
            || self.states.iter().any(|name| *name == *state.as_str())
    }

    /// The codes of the states that are asked for.
    pub(crate) fn state_codes(&self, lifecycle: &Lifecycle) -> Vec<u8> {
        (0u8..)
            .zip(lifecycle.states())
            .filter(|(_, state)| self.has_state(state))
            .map(|(code, _)| code)
            .collect()
    }

    /// A misspelt state, or a text that no execution can have, is an error: it would never match.
    pub(crate) fn check(&self, lifecycle: &Lifecycle) -> Result<(), InputError> {
        if let Some(name) = self.states.iter().find(|name| lifecycle.state(name).is_none()) {
            return Err(InputError::UnknownState { state: name.into() });
        }
        self.check_values()
    }

    /// What can be said without the states that there are.
    pub(super) fn check_values(&self) -> Result<(), InputError> {
        if let Some(what) = self.twice {
            let reason = format!("it names two {what}, and no execution has both");
            return Err(InputError::Invalid { what: "query", reason });
        }
        let id = self.id_prefix.as_ref().filter(|_| self.whole_id);
        let ids = [("job id", self.job.as_ref()), ("parent", self.parent.as_ref())];
        for (what, text) in ids.into_iter().chain([("previous", self.previous.as_ref()), ("id", id)]) {
            text.map_or(Ok(()), |text| check_id(what, text))?;
        }
        check_len("namespace", self.namespace.as_deref().unwrap_or_default(), MAX_NAME)?;
        check_len("id prefix", self.id_prefix.as_deref().unwrap_or_default(), MAX_ID)?;
        self.fields.check()?;
        for label in &self.labels {
            check_len("label key", &label.key, MAX_LABEL_KEY)?;
            for value in label.values.iter().flatten() {
                check_len("label value", value, MAX_LABEL_VALUE)?;
            }
        }
        if let Some((one, _)) = disjoint(&self.labels.iter().collect::<Vec<_>>()) {
            let reason = format!("it names two values of the label {:?}, and no execution has both", one.key);
            return Err(InputError::Invalid { what: "query", reason });
        }
        if self.limit == Some(0) {
            return Err(InputError::Invalid { what: "page limit", reason: "it is 0".into() });
        }
        Ok(())
    }

    /// The same for queries that hold for the same executions in the same order, however they were put together.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut f = Fingerprint::new();
        f.number(u64::from(self.names_states));
        f.set(self.states.iter().map(|state| &**state));
        let mut phases: Vec<_> = self.phases.iter().map(|phase| *phase as u64).collect();
        phases.sort_unstable();
        phases.dedup();
        f.number(phases.len() as u64);
        phases.into_iter().for_each(|phase| f.number(phase));
        for text in [&self.job, &self.namespace, &self.parent, &self.previous, &self.id_prefix] {
            f.optional(text.as_deref());
        }
        f.number(u64::from(self.whole_id));
        let mut labels: Vec<_> = self.labels.iter().map(LabelIs::fingerprint).collect();
        labels.sort_unstable();
        labels.dedup();
        f.number(labels.len() as u64);
        labels.into_iter().for_each(|label| f.number(label));
        for times in [self.created, self.modified, self.completed] {
            f.number(u64::from(times.is_some()));
            if let Some((least, greatest)) = times {
                f.number(least.as_nanos().cast_unsigned());
                f.number(greatest.as_nanos().cast_unsigned());
            }
        }
        f.number(self.order as u64);
        f.number(u64::from(self.newest_first));
        self.fields.fingerprint(&mut f);
        f.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::execution::DesiredState;
    use crate::model::query::Access;

    #[test]
    fn the_fingerprint_is_that_of_what_is_asked() {
        let query = Query::new().state("New").live().label("a", "1").label_in("b", ["x", "y"]).job("j");
        let same = Query::new()
            .job("j")
            .label_in("b", ["y", "x", "x"])
            .live()
            .label("a", "1")
            .states(["New", "New"]);
        assert_eq!(query.fingerprint(), same.clone().limit(3).using(Access::Scan).fingerprint());
        let at = Timestamp::from_nanos(7);
        let others = [
            Query::new(),
            Query::new().states([""; 0]),
            query.clone().terminal(),
            query.clone().label("c", "1"),
            query.clone().has_label("a"),
            query.clone().node_id("n"),
            query.clone().name("n"),
            query.clone().desired(DesiredState::Stopped),
            query.clone().id_contains("n"),
            query.clone().job_contains("n"),
            query.clone().label_contains("n", ""),
            query.clone().label_contains("", "n"),
            query.clone().namespace("j"),
            query.clone().id("e"),
            query.clone().id_prefix("e"),
            query.clone().created(at..),
            query.clone().modified(at..),
            query.clone().oldest_first(),
            query.clone().order_by(OrderBy::Modified),
            query.clone(),
        ];
        let mut all: Vec<_> = others.iter().map(Query::fingerprint).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), others.len());
        // Cursors and names are kept: the number stays what it is.
        assert_eq!(Query::new().fingerprint(), 12_073_432_238_069_395_351);
    }
}
