//! Candidates that do not come in the order that is asked for, sorted a piece at a time.

use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::sync::Arc;

use super::candidates::candidates;
use super::way::Way;
use super::{Row, place_of};
use crate::model::error::{Damage, ReadError};
use crate::model::query::{OrderBy, Place, Query};
use crate::read::View;
use crate::storage::Pick;

/// The most places that are held at once. A list that is longer looks at all candidates again for the next
/// piece.
const PIECE: usize = 1_024;

/// How many places are held for a query: what is wanted of them, and one more to tell whether there are more.
pub(super) fn piece(query: &Query) -> usize {
    query.limit.map_or(PIECE, |limit| limit.saturating_add(1).min(PIECE))
}

pub(super) struct Sorted<'r, V: ?Sized> {
    view: &'r V,
    query: Arc<Query>,
    way: Way,
    payload: bool,
    piece: VecDeque<Piece>,
    /// The last place of the piece before.
    after: Option<Place>,
    /// The damage that was told of already; `None` if no more is.
    told: Option<HashSet<Damage>>,
    ended: bool,
}

enum Piece {
    Error(ReadError),
    Found(Place, u64),
}

/// A place as its order and direction have it: the first is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank(Place, u64);

impl<'r, V: View + ?Sized> Sorted<'r, V> {
    pub(super) fn new(view: &'r V, query: Arc<Query>, way: Way, payload: bool) -> Self {
        let after = query.after.as_ref().map(|cursor| cursor.place);
        // The place of what is damaged is not known: it is told of once, at the beginning.
        let told = after.is_none().then(HashSet::new);
        Self { view, query, way, payload, piece: VecDeque::new(), after, told, ended: false }
    }

    /// What comes after a place, and the damage that was not told of.
    pub(super) fn going_on(self, after: Option<Place>, told: HashSet<Damage>) -> Self {
        Self { after: after.or(self.after), told: Some(told), ..self }
    }

    /// The place of a rank, and the other way about: reversed where the last comes first.
    fn turned(&self, place: Place) -> Place {
        match self.query.newest_first {
            true => Place { time: !place.time, number: !place.number },
            false => place,
        }
    }

    /// Looks at all candidates for those that come next.
    fn next_piece(&mut self) -> Result<(), ReadError> {
        let mut by_creation = (*self.query).clone();
        (by_creation.after, by_creation.limit) = (None, None);
        let order = by_creation.order;
        // The order of completion leaves out what has not ended, which is not a matter of order here.
        if order == OrderBy::Modified {
            by_creation.order = OrderBy::Created;
        }
        let most = piece(&self.query);
        let after = self.after.map(|place| self.turned(place));
        let mut next = BinaryHeap::with_capacity(most + 1);
        let mut left = false;
        for row in candidates(self.view, Arc::new(by_creation), &self.way, false)? {
            let found = match row.found {
                Ok(found) => found,
                Err(error @ ReadError::Storage(_)) => return Err(error),
                Err(error) => {
                    let knows = |damage| self.told.as_ref().is_none_or(|told| told.contains(damage));
                    if !matches!(&error, ReadError::Damaged(damage) if knows(damage)) {
                        self.piece.push_back(Piece::Error(error));
                    }
                    continue;
                }
            };
            let Some(place) = place_of(order, &found) else { continue };
            let rank = Rank(self.turned(place), found.number);
            if after.is_none_or(|after| rank.0 > after) {
                next.push(rank);
                if next.len() > most {
                    next.pop();
                    left = true;
                }
            }
        }
        (self.told, self.ended) = (None, !left);
        for Rank(place, number) in next.into_sorted_vec() {
            let place = self.turned(place);
            self.after = Some(place);
            self.piece.push_back(Piece::Found(place, number));
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
        match self.piece.pop_front()? {
            Piece::Error(error) => Some(Row::error(error)),
            Piece::Found(place, number) => {
                let pick = Pick { keep: &|_| true, payload: self.payload };
                let lifecycle = &self.view.settings().lifecycle;
                let found = self.view.tables().execution_if(number, lifecycle, pick);
                let found = found.map(Option::flatten).transpose()?;
                Some(Row { place: Some(place), found })
            }
        }
    }
}
