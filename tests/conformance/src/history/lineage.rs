//! Links between executions: what is refused, the way back, the tree, the attempts.

use execstore::error::WriteError;
use execstore::options::MissingLinks;
use execstore::query::Access;
use execstore::{Error, NewExecution, OrderBy, Query, Readable, Store, Update};

use crate::Engine;

fn new(id: &str) -> NewExecution {
    NewExecution::new("j").id(id)
}

fn put(store: &Store, new: NewExecution) -> Result<(), Error> {
    store.write(|w| Ok(w.create(new)?)).map(drop)
}

fn is_cycle(result: Result<impl Sized, Error>) -> bool {
    matches!(result, Err(Error::Write(WriteError::Cycle { .. })))
}

pub fn a_link_that_leads_back_is_refused_and_leaves_no_trace(engine: &dyn Engine) {
    let store = engine.store();
    assert!(is_cycle(put(&store, new("a").parent("a"))));
    assert!(is_cycle(put(&store, new("a").previous("a"))));
    // A missing one is linked to before it is there.
    put(&store, new("b").parent("a")).unwrap();
    put(&store, new("c").previous("b")).unwrap();
    assert!(is_cycle(put(&store, new("a").parent("c"))), "a is above b, which c replaces");
    assert!(is_cycle(put(&store, new("a").previous("c"))));
    put(&store, new("a").parent("root")).unwrap();
    for update in [Update::new().parent("c"), Update::new().previous("b"), Update::new().parent("a")] {
        let before = store.read(|r| Ok(r.get("a")?)).unwrap().unwrap();
        let refused = store.update("a", update);
        assert!(is_cycle(refused));
        assert_eq!(store.read(|r| Ok(r.get("a")?)).unwrap().unwrap(), before);
    }
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 3);
    // What is linked already can be written as it is, and a link that leads elsewhere is fine.
    store.update("b", Update::new().parent("a").name("x")).unwrap();
    store.update("a", Update::new().parent("other")).unwrap();
    put(&store, new("root").parent("a")).unwrap();
    let way: Vec<_> = store
        .begin_read()
        .unwrap()
        .lineage("c")
        .trace()
        .map(|header| header.unwrap().id.to_string())
        .collect();
    assert_eq!(way, ["c", "b", "a"]);
}

pub fn a_missing_target_is_refused_where_that_is_asked_for(engine: &dyn Engine) {
    let mut builder = Store::builder();
    builder.set_missing_links(MissingLinks::Refuse);
    let store = engine.store_with(&builder);
    for link in [new("a").parent("nobody"), new("a").previous("nobody")] {
        let refused = put(&store, link);
        assert!(
            matches!(&refused, Err(Error::Write(WriteError::MissingLink { missing, .. })) if *missing == "nobody"),
            "{refused:?}"
        );
    }
    put(&store, new("a")).unwrap();
    put(&store, new("b").parent("a").previous("a")).unwrap();
    let refused = store.update("b", Update::new().parent("nobody"));
    assert!(matches!(refused, Err(Error::Write(WriteError::MissingLink { .. }))));
    // The target may go, and its link is not looked at again.
    store.delete("a").unwrap();
    store.update("b", Update::new().name("still")).unwrap();
    assert_eq!(store.read(|r| Ok(r.lineage("b").trace().count())).unwrap(), 1);
}

pub fn a_long_chain_is_walked_back_to_its_root(engine: &dyn Engine) {
    let store = engine.store();
    let depth = 3_000;
    store
        .write(|w| {
            for n in 0..depth {
                let link = new(&n.to_string());
                w.create(if n == 0 { link } else { link.parent((n - 1).to_string()) })?;
            }
            Ok(())
        })
        .unwrap();
    let reader = store.begin_read().unwrap();
    let way: Vec<_> = reader
        .lineage((depth - 1).to_string())
        .trace()
        .map(|header| header.unwrap().id.to_string())
        .collect();
    let expected: Vec<_> = (0..depth).rev().map(|n| n.to_string()).collect();
    assert_eq!(way, expected);
    let mut down = reader.lineage("0").tree().unwrap().map(Result::unwrap);
    assert!((0..depth).all(|n| down.next().is_some_and(|(d, h)| d == n && h.id == n.to_string().as_str())));
    assert!(down.next().is_none());
    // Only one who is linked to can close a cycle, so the last one costs no walk; the first one is refused.
    drop(down);
    let refused = store.update("0", Update::new().parent((depth - 1).to_string()));
    assert!(is_cycle(refused));
}

pub fn attempts_are_found_from_any_of_them(engine: &dyn Engine) {
    let store = engine.store();
    put(&store, new("1").parent("flow")).unwrap();
    put(&store, new("2").previous("1")).unwrap();
    put(&store, new("3").previous("2")).unwrap();
    put(&store, new("2b").previous("1")).unwrap();
    put(&store, new("other")).unwrap();
    let reader = store.begin_read().unwrap();
    for id in ["1", "2", "3", "2b"] {
        let attempts = reader.lineage(id).attempts().unwrap();
        let ids: Vec<_> = attempts.iter().map(|header| header.id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "2b", "3"], "from {id}");
    }
    assert_eq!(reader.lineage("other").attempts().unwrap().len(), 1);
    assert!(reader.lineage("nobody").attempts().unwrap().is_empty());
    assert_eq!(reader.lineage("1").retries().unwrap().count(), 2);
    // From the last attempt over the first one to what began it.
    let mut trace = reader.lineage("3").trace();
    let way: Vec<_> = trace.by_ref().map(|header| header.unwrap().id.to_string()).collect();
    assert_eq!(way, ["3", "2", "1"]);
    assert_eq!(trace.missing().unwrap(), &"flow");
}

pub fn a_writer_sees_the_links_of_its_own_transaction(engine: &dyn Engine) {
    let store = engine.store();
    store
        .write(|w| {
            w.create(new("a").parent("b"))?;
            assert!(matches!(w.create(new("b").parent("a")), Err(WriteError::Cycle { .. })));
            w.create(new("b"))?;
            assert_eq!(w.lineage("b").tree()?.count(), 2);
            w.delete("a")?;
            assert_eq!(w.lineage("b").tree()?.count(), 1);
            // With the link gone, the other direction is free.
            w.create(new("a"))?;
            w.update("b", Update::new().parent("a"))?;
            Ok(())
        })
        .unwrap();
}

/// The ids of a list.
fn ids(found: execstore::query::Rows<'_, execstore::Execution>) -> Vec<String> {
    found.map(|execution| execution.unwrap().id.to_string()).collect()
}

pub fn an_id_that_is_made_again_has_none_of_the_old_ones_children(engine: &dyn Engine) {
    let store = engine.store();
    for new in [new("p").parent("root"), new("c").parent("p"), new("r").previous("p"), new("d").parent("c")] {
        put(&store, new).unwrap();
    }
    store.delete("p").unwrap();
    {
        let r = store.begin_read().unwrap();
        assert_eq!(
            ids(r.lineage("p").children().unwrap()),
            ["c"],
            "nobody else has the id: who names it is found"
        );
        let mut trace = r.lineage("d").trace();
        assert_eq!(trace.by_ref().count(), 2);
        assert_eq!(trace.missing().unwrap(), &"p");
    }
    put(&store, new("p")).unwrap();
    put(&store, new("own").parent("p")).unwrap();
    let r = store.begin_read().unwrap();
    assert_eq!(ids(r.lineage("p").children().unwrap()), ["own"]);
    assert!(ids(r.lineage("p").retries().unwrap()).is_empty());
    assert_eq!(r.lineage("p").tree().unwrap().count(), 2);
    assert_eq!(r.lineage("p").attempts().unwrap().len(), 1);
    assert_eq!(r.lineage("r").attempts().unwrap().len(), 1);
    let mut trace = r.lineage("d").trace();
    assert_eq!(trace.by_ref().map(|header| header.unwrap().id.to_string()).collect::<Vec<_>>(), ["d", "c"]);
    assert_eq!(trace.missing().unwrap(), &"p", "another has its name");
    // In every way of answering.
    for way in [Access::Parent, Access::Scan, Access::Job, Access::Modified] {
        let query = Query::new().job("j").parent("p").using(way);
        assert_eq!(ids(r.query(&query).rows().unwrap()), ["own"], "{way:?}");
        assert_eq!(r.query(&query).count().unwrap(), 1);
        let modified = query.order_by(OrderBy::Modified);
        assert_eq!(ids(r.query(&modified).rows().unwrap()), ["own"], "{way:?}");
    }
    drop(trace);
    drop(r);
    // Set again, it leads to the one that there is; anything else leaves it.
    store.update("c", Update::new().name("n")).unwrap();
    assert_eq!(ids(store.begin_read().unwrap().lineage("p").children().unwrap()), ["own"]);
    store.update("c", Update::new().parent("p")).unwrap();
    assert_eq!(ids(store.begin_read().unwrap().lineage("p").children().unwrap()), ["c", "own"]);
    assert!(is_cycle(store.update("p", Update::new().parent("d"))));
}

pub fn a_link_to_nobody_is_taken_up_by_the_first_of_the_id(engine: &dyn Engine) {
    let store = engine.store();
    put(&store, new("c").parent("p")).unwrap();
    put(&store, new("d").parent("p").previous("p")).unwrap();
    let children = || ids(store.begin_read().unwrap().lineage("p").children().unwrap());
    assert_eq!(children(), ["c", "d"]);
    put(&store, new("p")).unwrap();
    assert_eq!(children(), ["c", "d"]);
    assert_eq!(store.read(|r| Ok(r.lineage("c").trace().count())).unwrap(), 2);
    store.delete("p").unwrap();
    put(&store, new("p")).unwrap();
    assert!(children().is_empty(), "the second is not the first");
    put(&store, new("late").parent("p")).unwrap();
    assert_eq!(children(), ["late"]);
    store.delete("d").unwrap();
}
