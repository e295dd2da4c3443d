//! Reports of executions that may come late, and what a store of plain maps makes of them.

use execstore::error::WriteError;
use execstore::{Late, Timestamp, Update};

use crate::model::{Amend, Model};
use crate::records::{Ev, Rec, is_terminal};
use crate::wants::Want;

/// Who reports, and of when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reporting {
    pub attempt: Option<u64>,
    pub at: Option<i64>,
}

/// What became of a report: why it was ignored, and what there is.
pub type Told<T> = (Option<Late>, T);

/// How an update is made, and of what it is a report, from a small number.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// By `report`, and not by `update`.
    pub by_report: bool,
    /// What it says of itself, if anything.
    pub says: Reporting,
    /// It names the state that the execution is in.
    pub same_state: bool,
    /// It sets next to nothing, so that it may well come a second time.
    pub little: bool,
}

impl Manner {
    /// Half of all are no reports.
    pub fn of(kind: u16, rec: Option<&Rec>, now: i64) -> Self {
        let (attempt, at) = rec.map_or((0, None), |rec| (rec.attempt, rec.reported));
        let known = at.unwrap_or(now);
        let says = Reporting {
            attempt: [None, Some(attempt), Some(attempt + 1), Some(attempt.saturating_sub(1))]
                [usize::from(kind >> 1 & 3)],
            at: [None, Some(known), Some(known.saturating_sub(1)), Some(now)][usize::from(kind >> 3 & 3)],
        };
        match kind < 256 {
            true => Self { by_report: false, says: Reporting::default(), same_state: false, little: false },
            false => {
                Self { by_report: kind & 1 == 0, says, same_state: kind & 32 != 0, little: kind & 192 != 0 }
            }
        }
    }

    pub fn is_report(&self) -> bool {
        self.by_report || self.says != Reporting::default()
    }

    pub fn add_to(&self, mut update: Update) -> Update {
        if let Some(attempt) = self.says.attempt {
            update = update.attempt(attempt);
        }
        match self.says.at {
            Some(at) => update.reported_at(Timestamp::from_nanos(at)),
            None => update,
        }
    }
}

impl Reporting {
    /// Something newer is known.
    pub fn overtaken(&self, rec: &Rec) -> Option<Late> {
        match (self.attempt, self.at, rec.reported) {
            (Some(reported), ..) if reported < rec.attempt => {
                Some(Late::OlderAttempt { reported, known: rec.attempt })
            }
            // Each attempt has a clock of its own.
            (Some(attempt), ..) if attempt > rec.attempt => None,
            (_, Some(reported), Some(known)) if reported < known => {
                let [reported, known] = [reported, known].map(Timestamp::from_nanos);
                Some(Late::OlderTime { reported, known })
            }
            _ => None,
        }
    }

    pub fn late(&self, rec: &Rec) -> Option<Late> {
        let ended = is_terminal(&rec.state).then(|| Late::Ended { state: rec.state.as_str().into() });
        self.overtaken(rec).or(ended)
    }

    pub fn note(&self, rec: &mut Rec) {
        let new = self.attempt.is_some_and(|attempt| attempt > rec.attempt);
        rec.reported = self.at.or(rec.reported.filter(|_| !new));
        rec.attempt = self.attempt.unwrap_or(rec.attempt);
    }
}

impl Model {
    pub fn report(
        &mut self,
        id: &str,
        want: &Want,
        amend: &Amend,
        events: &[Ev],
        now: i64,
    ) -> Result<Told<Rec>, WriteError> {
        let (number, before) = self.expected(id, want)?;
        let says = amend.reporting.unwrap();
        let repeated = || self.repeats(number, &before, amend, events).then_some(Late::Repeated);
        match says.overtaken(&before).or_else(repeated).or_else(|| says.late(&before)) {
            Some(why) => Ok((Some(why), before)),
            None => self.update_as(number, before, amend, events, now).map(|after| (None, after)),
        }
    }

    /// It says nothing that is not known.
    fn repeats(&self, number: u64, before: &Rec, amend: &Amend, events: &[Ev]) -> bool {
        let Ok(after) = self.amended(before, amend, before.modified) else { return false };
        let after = Rec { revision: before.revision, ..after };
        let says = amend.reporting.unwrap();
        let known = &self.events[&number];
        let same = |(new, known): (&Ev, &Ev)| {
            new.time.is_none_or(|time| Some(time) == known.time)
                && new.details.as_deref().unwrap_or("{}") == known.details.as_deref().unwrap()
                && (&new.topic, &new.message) == (&known.topic, &known.message)
        };
        let came = || {
            let from = known.len().checked_sub(events.len());
            from.is_some_and(|from| events.iter().zip(&known[from..]).all(same))
        };
        after == *before && (events.is_empty() || (says.at.is_some() && says.at == before.reported && came()))
    }
}
