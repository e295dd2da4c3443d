//! Pages of executions: both orders, cursors through text, and paging while others insert and delete.

use execstore::error::{InputError, ReadError};
use execstore::query::Cursor;
use execstore::{Error, NewExecution, Page, Query, Readable, Store};
use support::create;

use crate::{Engine, TestStore};

fn filled(engine: &dyn Engine, count: usize) -> TestStore {
    let store = engine.store();
    store
        .write(|w| {
            for n in 0..count {
                w.create(NewExecution::new("j").id(n.to_string()))?;
            }
            Ok(())
        })
        .unwrap();
    store
}

fn ids(page: &Page<execstore::Execution>) -> Vec<String> {
    assert!(page.damaged.is_empty());
    page.executions.iter().map(|execution| execution.id.to_string()).collect()
}

/// Every id, page by page, each page in a transaction of its own, the cursor through text.
fn walk(
    store: &Store,
    request: fn(usize) -> Query,
    limit: usize,
    mut between: impl FnMut(usize),
) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for turn in 0..1_000 {
        let mut ask = request(limit);
        if let Some(text) = &cursor {
            ask = ask.after(text.parse().unwrap());
        }
        let page = store.read(|r| Ok(r.query(&ask).page()?)).unwrap();
        assert!(page.executions.len() <= limit);
        found.extend(ids(&page));
        match page.next {
            Some(next) => {
                assert_eq!(page.executions.len(), limit, "only the last page is short");
                cursor = Some(next.to_string());
            }
            None => return found,
        }
        between(turn);
    }
    panic!("the pages have no end")
}

pub fn pages_of_every_size_give_everything_once_in_both_orders(engine: &dyn Engine) {
    for count in [0, 1, 2, 5, 12] {
        let store = filled(engine, count);
        let oldest: Vec<_> = (0..count).map(|n| n.to_string()).collect();
        let newest: Vec<_> = oldest.iter().rev().cloned().collect();
        for limit in [1, 2, 3, 5, 12, 13, 10_000] {
            assert_eq!(walk(&store, oldest_first, limit, |_| ()), oldest, "{count} by {limit}");
            assert_eq!(walk(&store, newest_first, limit, |_| ()), newest, "{count} by {limit}");
        }
    }
}

pub fn a_page_that_ends_with_the_last_execution_has_no_next(engine: &dyn Engine) {
    let store = filled(engine, 4);
    let reader = store.begin_read().unwrap();
    let first = reader.query(&Query::new().limit(2)).page().unwrap();
    assert_eq!(ids(&first), ["3", "2"]);
    let second = reader.query(&Query::new().limit(2).after(first.next.unwrap())).page().unwrap();
    assert_eq!((ids(&second), second.next), (vec!["1".into(), "0".into()], None));
}

pub fn nothing_that_is_there_throughout_is_missed_or_given_twice(engine: &dyn Engine) {
    for request in [oldest_first, newest_first] {
        let store = filled(engine, 60);
        // Every third goes while the pages are read, some before the cursor and some after it.
        let mut doomed: Vec<usize> = (0..60).filter(|n| n % 3 == 0).collect();
        let mut next = 1_000;
        let found = walk(&store, request, 4, |turn| {
            for _ in 0..2 {
                if let Some(id) = (!doomed.is_empty()).then(|| doomed.remove((turn * 7) % doomed.len())) {
                    store.write(|w| Ok(w.delete(id.to_string())?)).unwrap();
                }
            }
            // An end to the walk towards the newest.
            if next < 1_010 {
                create(&store, &next.to_string());
                next += 1;
            }
        });
        let mut once = found.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), found.len(), "twice: {found:?}");
        for n in (0..60).filter(|n| n % 3 != 0) {
            assert!(found.contains(&n.to_string()), "{n} is missing: {found:?}");
        }
        let mut sorted: Vec<u64> = found.iter().map(|id| id.parse().unwrap()).collect();
        let in_order = sorted.clone();
        sorted.sort();
        if request(1) == Query::new().limit(1) {
            sorted.reverse();
        }
        assert_eq!(in_order, sorted);
    }
}

pub fn a_cursor_outlives_the_execution_that_it_was_made_at(engine: &dyn Engine) {
    let mut store = filled(engine, 6);
    let page = store.read(|r| Ok(r.query(&Query::new().oldest_first().limit(3)).page()?)).unwrap();
    let cursor = page.next.unwrap();
    for id in ["2", "3"] {
        store.write(|w| Ok(w.delete(id)?)).unwrap();
    }
    store.reopen();
    let page = store
        .read(|r| Ok(r.query(&Query::new().oldest_first().limit(3).after(cursor.clone())).page()?))
        .unwrap();
    assert_eq!(ids(&page), ["4", "5"]);
    for id in ["0", "1", "4", "5"] {
        store.write(|w| Ok(w.delete(id)?)).unwrap();
    }
    let page =
        store.read(|r| Ok(r.query(&Query::new().oldest_first().limit(3).after(cursor)).page()?)).unwrap();
    assert!(page.executions.is_empty() && page.next.is_none());
}

pub fn an_id_that_is_created_again_has_a_new_place(engine: &dyn Engine) {
    let store = filled(engine, 3);
    store.write(|w| Ok(w.delete("0")?)).unwrap();
    create(&store, "0");
    let page = store.read(|r| Ok(r.query(&Query::new().oldest_first().limit(10)).page()?)).unwrap();
    assert_eq!(ids(&page), ["1", "2", "0"]);
}

pub fn cursors_of_another_store_or_the_other_order_are_refused(engine: &dyn Engine) {
    let (one, other) = (filled(engine, 3), filled(engine, 3));
    let newest = one.read(|r| Ok(r.query(&Query::new().limit(1)).page()?)).unwrap().next.unwrap();
    let oldest =
        one.read(|r| Ok(r.query(&Query::new().oldest_first().limit(1)).page()?)).unwrap().next.unwrap();
    let cases = [
        (&*one, Query::new().oldest_first().limit(1).after(newest.clone()), "another order"),
        (&*one, Query::new().limit(1).after(oldest.clone()), "another order"),
        (&*other, Query::new().limit(1).after(newest.clone()), "another store"),
        (&*other, Query::new().oldest_first().limit(1).after(oldest), "another store"),
    ];
    for (store, request, part) in cases {
        let error = store.read(|r| Ok(r.query(&request).page()?)).unwrap_err();
        assert!(matches!(&error, Error::Input(InputError::InvalidCursor { .. })), "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let text = newest.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{text} is safe in a URL");
    for bad in ["", "x", &text[1..], &text[..17], &format!("{text} "), &format!("{text}g"), "1n\u{e9}"] {
        assert!(matches!(bad.parse::<Cursor>(), Err(InputError::InvalidCursor { .. })), "{bad:?}");
    }
    assert_eq!(text.parse::<Cursor>().unwrap(), newest);
}

pub fn limits_of_a_page_are_checked(engine: &dyn Engine) {
    let store = filled(engine, 2);
    let reader = store.begin_read().unwrap();
    for request in [oldest_first, newest_first] {
        let none = reader.query(&request(0)).page().unwrap_err();
        assert!(matches!(none, ReadError::Input(InputError::Invalid { what: "page limit", .. })), "{none}");
        for limit in [10_001, usize::MAX] {
            match reader.query(&request(limit)).page().unwrap_err() {
                ReadError::Input(InputError::TooLarge { what, actual, maximum }) => {
                    assert_eq!((what, actual, maximum), ("page limit", limit, 10_000));
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!(reader.query(&request(10_000)).page().unwrap().executions.len(), 2);
    }
}

pub fn a_writer_pages_over_its_own_writes(engine: &dyn Engine) {
    let store = filled(engine, 2);
    store
        .write(|w| {
            w.create(NewExecution::new("j").id("new"))?;
            w.delete("0")?;
            assert_eq!(ids(&w.query(&Query::new().limit(5)).page()?), ["new", "1"]);
            Ok(())
        })
        .unwrap();
}

fn newest_first(limit: usize) -> Query {
    Query::new().limit(limit)
}

fn oldest_first(limit: usize) -> Query {
    Query::new().oldest_first().limit(limit)
}
