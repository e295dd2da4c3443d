//! Candidates that do not come in the order that is asked for, sorted a piece at a time.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::rc::Rc;

use super::Row;
use super::ask::Ask;
use super::candidates::{Wanted, matches};
use super::way::Candidates;
use crate::model::error::{Damage, ReadError};
use crate::model::limits::MAX_PAGE;
use crate::model::query::Position;
use crate::read::View;
use crate::storage::{Seen, StoredExecution};

/// How many executions of a list without a limit are held at once. It looks at all candidates again for the next piece.
const PIECE: usize = 1_024;

/// How many executions are held for a query: what is wanted of them, and one more to tell whether there are more; no more than
/// the longest page has.
pub(super) fn piece(ask: &Ask<'_>) -> usize {
    ask.limit.map_or(PIECE, |limit| limit.min(MAX_PAGE).saturating_add(1))
}

pub(super) struct Sorted<'r, V: ?Sized> {
    view: &'r V,
    ask: Ask<'r>,
    candidates: Rc<Candidates>,
    payload: bool,
    piece: VecDeque<Row>,
    /// The last place of the piece before.
    after: Option<Position>,
    /// The damage that was told of already; `None` if no more is.
    told: Option<HashSet<Damage>>,
    ended: bool,
}

/// An execution and its place as the order and direction have it: the first is the least.
struct Ranked(Position, StoredExecution);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// Which ranks are in the piece, as far as it is known: a record that is not is left before it is copied.
struct Window {
    after: Option<Position>,
    /// The last rank of a piece that is full.
    last: Cell<Option<Position>>,
    /// Some came after the piece.
    left: Cell<bool>,
}

impl Window {
    fn takes(&self, rank: Position) -> bool {
        if self.after.is_some_and(|after| rank <= after) {
            return false;
        }
        let is_late = self.last.get().is_some_and(|last| rank > last);
        if is_late {
            self.left.set(true);
        }
        !is_late
    }
}

/// The rank of a place, and the other way about: reversed where the last comes first.
fn turned(newest_first: bool, place: Position) -> Position {
    match newest_first {
        true => Position { time: !place.time, key: !place.key },
        false => place,
    }
}

impl<'r, V: View + ?Sized> Sorted<'r, V> {
    pub(super) fn new(view: &'r V, ask: Ask<'r>, candidates: Candidates, payload: bool) -> Self {
        let after = ask.after;
        // The place of what is damaged is not known: it is told of once, at the beginning.
        let told = after.is_none().then(HashSet::new);
        let candidates = Rc::new(candidates);
        Self { view, ask, candidates, payload, piece: VecDeque::new(), after, told, ended: false }
    }

    /// What comes after a place, and the damage that was not told of.
    pub(super) fn going_on(self, after: Option<Position>, told: HashSet<Damage>) -> Self {
        Self { after: after.or(self.after), told: Some(told), ..self }
    }

    /// Looks at all candidates for those that come next.
    fn next_piece(&mut self) -> Result<(), ReadError> {
        let newest_first = self.ask.newest_first;
        let most = piece(&self.ask);
        let after = self.after.map(|place| turned(newest_first, place));
        let window = Rc::new(Window { after, last: Cell::new(None), left: Cell::new(false) });
        let (in_window, ask) = (window.clone(), self.ask.clone());
        let wanted: Wanted<'r> = Rc::new(move |seen: Seen<'_>| {
            let place = ask.place_of(seen.number, seen.header, seen.last_change);
            place.is_some_and(|place| in_window.takes(turned(newest_first, place)))
        });
        let all = Ask { limit: None, after: None, ..self.ask.clone() };
        let mut next = BinaryHeap::with_capacity(most + 1);
        for row in matches(self.view, all, self.candidates.clone(), Some(wanted), self.payload)? {
            let found = match row.found {
                Ok(found) => found,
                Err(error @ ReadError::Storage(_)) => return Err(error),
                Err(error) => {
                    let knows = |damage| self.told.as_ref().is_none_or(|told| told.contains(damage));
                    if !matches!(&error, ReadError::Damaged(damage) if knows(damage)) {
                        self.piece.push_back(Row::error(error));
                    }
                    continue;
                }
            };
            let place = self.ask.place_of(found.number, &found.header, found.last_change);
            let Some(place) = place else { continue };
            next.push(Ranked(turned(newest_first, place), found));
            if next.len() > most {
                next.pop();
                window.left.set(true);
            }
            if next.len() == most {
                window.last.set(next.peek().map(|last| last.0));
            }
        }
        (self.told, self.ended) = (None, !window.left.get());
        for Ranked(rank, found) in next.into_sorted_vec() {
            self.after = Some(turned(newest_first, rank));
            self.piece.push_back(Row { place: self.after, found: Ok(found) });
        }
        Ok(())
    }
}

impl<V: View + ?Sized> Iterator for Sorted<'_, V> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while self.piece.is_empty() && !self.ended {
            if let Err(error) = self.next_piece() {
                self.ended = true;
                return Some(Row::error(error));
            }
        }
        self.piece.pop_front()
    }
}
