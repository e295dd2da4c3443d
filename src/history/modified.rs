//! The order of modification: the entries of the change log that are the last ones of their executions, and before it the
//! executions whose last changes were trimmed.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::ask::Ask;
use super::time_blocks::blocks;
use super::{Row, Steps};
use crate::format::{BLOCK, LastChangeBits, TimeKind, block_of};
use crate::model::error::ReadError;
use crate::model::query::Position;
use crate::model::row_id::RowId;
use crate::read::View;
use crate::storage::Pick;

/// Changes and the numbers of their executions; `None` for what was looked at and is no last change.
type Changed<'r> = Box<dyn Iterator<Item = Result<Option<(u64, RowId)>, ReadError>> + 'r>;

pub(super) fn walk<'r, V: View + ?Sized>(
    view: &'r V,
    ask: Ask<'r>,
    payload: bool,
) -> Result<Steps<'r>, ReadError> {
    let totals = view.totals()?;
    let (mut first, mut last) = (1, totals.head);
    if let Some(place) = ask.after {
        match ask.newest_first {
            true => last = last.min(place.key.saturating_sub(1)),
            false => first = place.key.saturating_add(1),
        }
    }
    // Trimmed entries that are still there have no row in `last_changes` yet.
    let swept = view.tables().swept(totals.trimmed)?;
    let current = block_of(totals.head).saturating_mul(BLOCK).max(swept + 1);
    let mut parts = Vec::new();
    for range in blocks(view, TimeKind::Changes, ask.query.modified, first..=last)? {
        let (start, end) = range.into_inner();
        for (part, least, most) in [
            (Part::Settled, 0, swept),
            (Part::Full, swept + 1, current - 1),
            (Part::Current, current, u64::MAX),
        ] {
            let range = start.max(least)..=end.min(most);
            if !range.is_empty() {
                parts.push((part, range));
            }
        }
    }
    let newest_first = ask.newest_first;
    if newest_first {
        parts.reverse();
    }
    let changed = parts.into_iter().flat_map(move |(part, range)| {
        part.changes(view, range, newest_first).unwrap_or_else(|error| Box::new(std::iter::once(Err(error))))
    });
    // A damaged record cannot say which of its changes is the last: it is told of once.
    let mut damaged = HashSet::new();
    Ok(Box::new(changed.map(move |row| {
        let (seq, number) = match row {
            Ok(row) => row?,
            Err(error) => return Some(Row::error(error)),
        };
        let pick = Pick { keep: &|seen| seen.last_change == seq && ask.matches(seen.header), payload };
        match view.tables().execution_if(number, &view.settings().lifecycle, pick) {
            Ok(found) => {
                let found = found.flatten()?;
                Some(Row { place: Some(Position { time: 0, key: seq }), found: Ok(found) })
            }
            Err(error) => damaged.insert(number).then(|| Row::error(error)),
        }
    })))
}

/// Where the last changes of executions are found.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Those that are gone from the log: in `last_changes`.
    Settled,
    /// Those of full blocks of the log: in `last_change_bits`, in which a change may be noted that is not the last one any more since the
    /// current block has a later one.
    Full,
    /// Those of the current block: among all of its changes.
    Current,
}

impl Part {
    fn changes<V: View + ?Sized>(
        self,
        view: &V,
        range: RangeInclusive<u64>,
        newest_first: bool,
    ) -> Result<Changed<'_>, ReadError> {
        let tables = view.tables();
        Ok(match self {
            Part::Settled => directed(tables.last_change_rows(range)?, newest_first),
            Part::Full => {
                let rows = tables.last_change_bits_rows(block_of(*range.start())..=block_of(*range.end()))?;
                let seqs = rows.flat_map(move |row| {
                    let (block, last_change_bits, error) = match row {
                        Ok((block, Ok(last_change_bits))) => (block, last_change_bits, None),
                        // Any of them may be one.
                        Ok((block, Err(error))) => (block, LastChangeBits::all(), Some(Err(error))),
                        Err(error) => (0, LastChangeBits::default(), Some(Err(error))),
                    };
                    let within = range.clone();
                    let seqs =
                        last_change_bits.of_block(block).filter(move |seq| within.contains(seq)).map(Ok);
                    error.into_iter().chain(seqs)
                });
                let change = move |seq: Result<u64, ReadError>| {
                    let seq = match seq {
                        Ok(seq) => seq,
                        Err(error) => return Some(Err(error)),
                    };
                    tables.changed_number(seq).map(|number| Some((seq, number?))).transpose()
                };
                directed(seqs.filter_map(change), newest_first)
            }
            Part::Current => {
                let rows = tables.follows_rows(range)?;
                let rows =
                    rows.filter_map(|row| row.map(|(seq, follows)| Some((seq, follows?.number))).transpose());
                if !newest_first {
                    return Ok(directed(rows, false));
                }
                // Whoever was met has no later change than that.
                let mut met = HashSet::new();
                Box::new(rows.rev().map(move |row| row.map(|row| met.insert(row.1).then_some(row))))
            }
        })
    }
}

fn directed<'r>(
    rows: impl DoubleEndedIterator<Item = Result<(u64, RowId), ReadError>> + 'r,
    newest_first: bool,
) -> Changed<'r> {
    let rows = rows.map(|row| row.map(Some));
    if newest_first { Box::new(rows.rev()) } else { Box::new(rows) }
}

#[cfg(test)]
mod tests {
    use crate::storage::counted;
    use crate::{ChangeSeq, NewExecution, OrderBy, Query, Readable, Store, Update};

    fn heartbeats(store: &Store, id: &str, many: u64) {
        let beat =
            |w: &mut crate::Writer<'_>, n: u64| w.update(id, Update::new().message(n.to_string())).map(drop);
        store.write(|w| Ok((0..many).try_for_each(|n| beat(w, n))?)).unwrap();
    }

    fn ids(store: &Store, query: &Query) -> (u64, Vec<String>) {
        let reader = store.begin_read().unwrap();
        counted::rows(|| {
            let page = reader.query(query).page().unwrap();
            assert!(page.damaged.is_empty());
            page.executions.iter().map(|execution| execution.id.to_string()).collect()
        })
    }

    #[test]
    fn a_page_costs_what_is_on_it_however_often_one_execution_has_changed() {
        let store = Store::in_memory().unwrap();
        let create = |n: u64| store.create(NewExecution::new("j").id(format!("{n:03}"))).unwrap();
        (0..100).for_each(|n| drop(create(n)));
        heartbeats(&store, "050", 9_000);
        (100..110).for_each(|n| drop(create(n)));
        heartbeats(&store, "007", 9_000);
        let newest = Query::new().order_by(OrderBy::Modified).limit(20);
        let expected: Vec<_> = ["007".to_owned()]
            .into_iter()
            .chain((100..110).rev().map(|n| n.to_string()))
            .chain(["050".to_owned()])
            .chain((92..100).rev().map(|n| format!("{n:03}")))
            .collect();
        for _ in ["as it is", "trimmed"] {
            let (rows, found) = ids(&store, &newest);
            assert_eq!(found, expected);
            // The current block, and a few for each execution.
            assert!(rows < 1_100 + 20 * 8, "{rows} rows");
            let (rows, found) = ids(&store, &newest.clone().oldest_first());
            assert_eq!(found[..8], ["000", "001", "002", "003", "004", "005", "006", "008"]);
            assert!(rows < 20 * 8, "{rows} rows");
            store.write(|w| Ok(w.trim_changes(ChangeSeq(12_000))?)).unwrap();
            store.maintain().unwrap();
        }
        // Not a row for each of those that are gone either.
        store.write(|w| Ok((100..110).try_for_each(|n| w.delete(n.to_string()).map(drop))?)).unwrap();
        heartbeats(&store, "008", 3_000);
        let (rows, found) = ids(&store, &newest);
        assert_eq!(found[..4], ["008", "007", "050", "099"]);
        assert!(rows < 1_100 + 20 * 8, "{rows} rows");
        assert!(store.verify().unwrap().is_clean());
    }
}
