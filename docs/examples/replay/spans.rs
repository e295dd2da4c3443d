//! What begins once and ends once, a job or a task or an attempt: its states, and an event for each time that
//! its document tells.
//!
//! An event's topic is the name of the member that has the time; its message and its details are the value.

use execstore::{Json, Timestamp};
use serde_json::value::RawValue;

use super::members::Members;
use super::record::{Event, Move, Step};
use super::states::{self, RUNNING, is_terminal};
use super::temporal;

/// The members of a format that hold the times, and how they are written.
pub struct Times {
    pub accepted: Option<&'static str>,
    pub begun: &'static str,
    pub ended: &'static str,
    /// The time; `None` if the value says that it is not known.
    pub read: fn(&RawValue) -> Option<Option<Timestamp>>,
}

/// Milliseconds since 1970; -1 is not known.
pub fn millis(raw: &RawValue) -> Option<Option<Timestamp>> {
    match raw.get().parse().ok()? {
        -1 => Some(None),
        millis => i64::checked_mul(millis, 1_000_000).map(Timestamp::from_nanos).map(Some),
    }
}

/// A time with a zone, as a text.
pub fn iso(raw: &RawValue) -> Option<Option<Timestamp>> {
    let text: String = serde_json::from_str(raw.get()).ok()?;
    temporal::parse(&text).map(Some)
}

impl Times {
    /// The events of the creation, and the operations after it. `outcome` is the file's word for the state.
    pub fn steps(
        &self,
        members: &Members<'_>,
        outcome: Option<&str>,
    ) -> Result<(Vec<Event>, Vec<Step>), String> {
        let event = |name| self.event(members, name);
        let first = self.accepted.map_or(Ok(None), event)?;
        let (begun, ended) = (event(self.begun)?, event(self.ended)?);
        let state = outcome.and_then(states::named);
        let mut steps = Vec::new();
        if begun.is_some() || state == Some(RUNNING) {
            let change = Some(Move { to: RUNNING, message: "begun".into() });
            steps.push(Step { change, events: begun.into_iter().collect() });
        }
        let closing = state.filter(|state| is_terminal(state)).zip(outcome);
        let change = closing.map(|(to, word)| Move { to, message: word.to_owned() });
        if change.is_some() || ended.is_some() {
            steps.push(Step { change, events: ended.into_iter().collect() });
        }
        Ok((first.into_iter().collect(), steps))
    }

    fn event(&self, members: &Members<'_>, name: &str) -> Result<Option<Event>, String> {
        let Some(raw) = members.get(name).filter(|raw| raw.get() != "null") else {
            return Ok(None);
        };
        let time =
            (self.read)(raw).ok_or_else(|| format!("{name} is {raw}, not a time from 1677 to 2262"))?;
        let details = Json::from_text(&format!("{{\"{name}\":{raw}}}")).map_err(|error| error.to_string())?;
        let message = raw.get().trim_matches('"').to_owned();
        Ok(time.map(|time| Event { topic: name.to_owned(), message, time, details }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::members::object;
    use super::*;

    const TIMES: Times = Times { accepted: Some("submit"), begun: "start", ended: "end", read: millis };

    /// The states that it goes through, and the number of its events; `None` for an error.
    fn states(text: &str, outcome: Option<&str>) -> Option<(Vec<&'static str>, usize)> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        let (first, steps) = TIMES.steps(&object(raw).unwrap(), outcome).ok()?;
        let moves = steps.iter().filter_map(|step| step.change.as_ref()).map(|change| change.to);
        let events = first.len() + steps.iter().map(|step| step.events.len()).sum::<usize>();
        Some((moves.collect(), events))
    }

    #[test]
    fn a_span_goes_as_far_as_the_file_tells() {
        let all = r#"{"submit": 1, "start": 2, "end": 0}"#;
        let open = r#"{"submit": 1, "start": 2, "end": -1}"#;
        assert_eq!(states(all, Some("SUCCESS")), Some((vec!["Running", "Completed"], 3)));
        assert_eq!(states(all, None), Some((vec!["Running"], 3)));
        assert_eq!(states(open, None), Some((vec!["Running"], 2)));
        assert_eq!(states(open, Some("KILLED")), Some((vec!["Running", "Terminated"], 2)));
        assert_eq!(states("{}", Some("Failed")), Some((vec!["Failed"], 0)));
        assert_eq!(states("{}", Some("RUNNING")), Some((vec!["Running"], 0)));
        assert_eq!(states(r#"{"end": null}"#, Some("new")), Some((vec![], 0)));
        assert_eq!(states(r#"{"end": 1e3}"#, None), None);
        assert_eq!(states(r#"{"end": 9223372036854775807}"#, None), None);
    }
}
