//! What carries what it was made for: the incarnation of an execution, and that of the store.

use execstore::{Incarnation, Query, Readable};
use support::create;

use crate::Engine;

pub fn an_id_that_is_made_again_has_another_incarnation(engine: &dyn Engine) {
    let store = engine.store();
    let first = create(&store, "e");
    assert_ne!(first.incarnation, Incarnation(0));
    assert_eq!(store.read(|r| Ok(r.get("e")?)).unwrap().unwrap().incarnation, first.incarnation);
    store.delete("e").unwrap();
    let second = create(&store, "e");
    assert!(second.incarnation > first.incarnation);
    store
        .read(|r| {
            let of_log: Vec<_> = r
                .log()
                .range(..)?
                .map(|change| change.map(|change| change.incarnation().unwrap()))
                .collect::<Result<_, _>>()?;
            assert_eq!(of_log, [first.incarnation, first.incarnation, second.incarnation]);
            for found in r.query(&Query::new()).summaries()? {
                assert_eq!(found?.incarnation, second.incarnation);
            }
            Ok(())
        })
        .unwrap();
}
