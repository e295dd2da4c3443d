//! An order walked for as long as that is no dearer than to sort what an index gives.
//!
//! How much of the order lies between two matches cannot be known: a job's members may all be among the newest, or all among the
//! oldest. So the walk is tried, and given up once it has looked at as many entries as the sorting would: the two together cost at
//! most twice what the better of them does alone.

use std::collections::HashSet;

use super::ask::Ask;
use super::candidates::numbers;
use super::plan::{COUNTED, to_sort};
use super::sorted::Sorted;
use super::way::{Candidates, Index};
use super::{Row, Steps, steps};
use crate::model::error::{Damage, ReadError};
use crate::model::query::Position;
use crate::model::row_id::RowId;
use crate::read::View;

pub(super) struct Tried<'r, V: ?Sized> {
    view: &'r V,
    ask: Ask<'r>,
    payload: bool,
    walk: Steps<'r>,
    looked: u64,
    /// How much is looked at before it is thought about again.
    most: u64,
    /// The place of the last row that was given, and the damage that was told of.
    after: Option<Position>,
    told: HashSet<Damage>,
    /// The index of the other way, until it is taken, and how many rows it has, if that is known.
    other: Option<(Index, Option<u64>)>,
    sorted: Option<Sorted<'r, V>>,
}

impl<'r, V: View + ?Sized> Tried<'r, V> {
    pub(super) fn new(
        view: &'r V,
        ask: Ask<'r>,
        index: Index,
        rows: Option<u64>,
        payload: bool,
    ) -> Result<Self, ReadError> {
        let walk = steps(view, ask.clone(), payload)?;
        let most = rows.map_or(COUNTED, |rows| to_sort(&ask, rows));
        let (told, other) = (HashSet::new(), Some((index, rows)));
        Ok(Self { view, ask, payload, walk, looked: 0, most, after: None, told, other, sorted: None })
    }

    /// Takes the other way, unless it turns out to be the longer one.
    fn turn(&mut self) -> Result<(), ReadError> {
        let Some((index, mut rows)) = self.other.take() else { return Ok(()) };
        if rows.is_none() {
            // So many rows of an index are counted in a small part of the time that the walk took.
            let most = self.looked.saturating_mul(2);
            let counted = numbers(self.view, &index, RowId::ALL, self.ask.newest_first)?;
            let counted = counted.take(usize::try_from(most).unwrap_or(usize::MAX)).count() as u64;
            rows = (counted < most).then_some(counted);
            self.most = rows.map_or(most, |rows| to_sort(&self.ask, rows));
        }
        if self.looked < self.most {
            self.other = Some((index, rows));
            return Ok(());
        }
        let sorted = Sorted::new(self.view, self.ask.clone(), Candidates::Index(index), self.payload);
        self.sorted = Some(sorted.going_on(self.after, std::mem::take(&mut self.told)));
        Ok(())
    }
}

impl<V: View + ?Sized> Iterator for Tried<'_, V> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(sorted) = &mut self.sorted {
                return sorted.next();
            }
            if self.looked >= self.most
                && self.other.is_some()
                && let Err(error) = self.turn()
            {
                return Some(Row::error(error));
            }
            if self.sorted.is_some() {
                continue;
            }
            let step = self.walk.next()?;
            self.looked += 1;
            let Some(row) = step else { continue };
            match &row.found {
                Ok(_) => self.after = row.place.or(self.after),
                Err(ReadError::Damaged(damage)) => drop(self.told.insert(damage.clone())),
                Err(_) => {}
            }
            return Some(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::query::Access;
    use crate::storage::counted;
    use crate::{Builder, NewExecution, OrderBy, Query, Readable, Store, Update, Writer};

    const OLD: u64 = 4_200;
    const ALL: u64 = 26_000;

    /// Below many others, the job `old`; above them `new`; among them `few`; the rest is `most`.
    fn create(w: &mut Writer<'_>, n: u64) -> Result<(), crate::error::WriteError> {
        let job = match n {
            0..OLD => "old",
            _ if n >= ALL - 3_000 => "new",
            _ if n.is_multiple_of(250) => "few",
            _ => "most",
        };
        let mut new = NewExecution::new(job).id(format!("{n:05}")).state("Running");
        for (key, every) in [("rare", 500), ("often", 2)] {
            if n.is_multiple_of(every) {
                new = new.label(key, "yes");
            }
        }
        w.create(new)?;
        if n.is_multiple_of(5) {
            w.update(format!("{n:05}"), Update::to("Completed"))?;
        }
        Ok(())
    }

    fn store() -> Store {
        let mut builder = Builder::new();
        let store = builder.set_cache_size(1 << 28).in_memory().unwrap();
        store.write(|w| Ok((0..ALL).try_for_each(|n| create(w, n))?)).unwrap();
        store
    }

    #[test]
    fn a_page_in_another_order_costs_no_more_than_a_few_times_the_better_way() {
        let store = store();
        let reader = store.begin_read().unwrap();
        let cost = |query: &Query| {
            counted::rows(|| {
                let page = reader.query(query).summary_page().unwrap();
                assert!(page.damaged.is_empty());
                page.executions.iter().map(|header| header.id.to_string()).collect::<Vec<_>>()
            })
        };
        let job = |job: &str| (Query::new().job(job), Access::Job);
        let asked = [
            job("old"),
            job("new"),
            job("few"),
            job("most"),
            (Query::new().label("rare", "yes"), Access::Label),
            (Query::new().label("often", "yes"), Access::Label),
            (Query::new().label("often", "yes").job("old"), Access::Job),
            (Query::new().state("Completed"), Access::States),
            (Query::new().state("Completed").job("old"), Access::Job),
            (Query::new().state("Running").label("rare", "yes"), Access::Label),
            (Query::new().state("New"), Access::States),
        ];
        for (query, index) in asked {
            for (order, walk) in
                [(OrderBy::Modified, Access::Modified), (OrderBy::Completed, Access::Completed)]
            {
                for limit in [1, 20, 2_000] {
                    for query in [query.clone().newest_first(), query.clone().oldest_first()] {
                        let query = query.order_by(order).limit(limit);
                        let (walked, expected) = cost(&query.clone().using(walk));
                        let (sorted, found) = cost(&query.clone().using(index));
                        assert_eq!(found, expected, "{query:?}");
                        let (chosen, found) = cost(&query);
                        assert_eq!(found, expected, "{query:?}");
                        let plan = reader.query(&query).explain().unwrap();
                        assert!(
                            chosen <= walked.min(sorted) * 4 + 600,
                            "{chosen} rows, {walked} to walk, {sorted} to sort: {plan} for {query:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_list_goes_on_where_the_walk_was_given_up() {
        let store = store();
        let reader = store.begin_read().unwrap();
        for newest_first in [true, false] {
            // The walk finds some of them, then a long way none.
            let query = Query::new().label("often", "yes").job("old").order_by(OrderBy::Modified);
            let query = if newest_first { query.newest_first() } else { query.oldest_first() };
            let ids = |query: &Query| -> Vec<String> {
                reader
                    .query(query)
                    .summaries()
                    .unwrap()
                    .map(|header| header.unwrap().id.to_string())
                    .collect()
            };
            let (expected, query) = (ids(&query.clone().using(Access::Modified)), query.limit(1_500));
            assert_eq!(ids(&query), expected[..1_500]);
            let (mut next, mut paged) = (Some(query.limit(700)), Vec::new());
            while let Some(query) = next {
                let page = reader.query(&query).summary_page().unwrap();
                paged.extend(page.executions.iter().map(|header| header.id.to_string()));
                next = page.next.map(|cursor| query.after(cursor));
            }
            assert_eq!(paged, expected);
        }
    }
}
