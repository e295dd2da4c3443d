//! Ids computed from what an execution is: the test vectors, what is refused, creating once.

use execstore::identity::Identity;
use execstore::{Error, Json, NewExecution, Query, Readable, Update};

use crate::Engine;

fn identity(inputs: &str) -> Identity {
    Identity::new("job", "task").inputs(Json::from_text(inputs).unwrap())
}

pub fn an_execution_is_created_once(engine: &dyn Engine) {
    let store = engine.store();
    let identity = identity("{\"n\": 1}").parent("above").label("k", "v");
    let new = NewExecution::identified(&identity).unwrap();
    let first = store.write(|w| Ok(w.create_or_get(new.clone())?)).unwrap();
    assert!(first.is_new());
    let id = identity.id().unwrap();
    let made = first.into_execution();
    assert_eq!(
        (made.id.as_str(), made.job_id.as_str(), made.name.as_deref()),
        (id.as_str(), "job", Some("task"))
    );
    assert_eq!((made.parent.as_ref().unwrap().as_str(), made.labels.len()), ("above", 1));
    store.update(&id, Update::new().message("changed")).unwrap();
    let now = store.get(&id).unwrap().unwrap();
    let second = store.write(|w| Ok(w.create_or_get(new.clone())?)).unwrap();
    assert!(!second.is_new());
    assert_eq!(*second.execution(), now, "as it is, not as it would be");
    assert_eq!(store.read(|r| Ok(r.query(&Query::new()).count()?)).unwrap(), 1);
    assert_eq!(store.read(|r| Ok(r.log().head()?)).unwrap().get(), 2);
    // An id of the caller's own does as well; one without an id is always new.
    for expected in [true, false] {
        let made = store.write(|w| Ok(w.create_or_get(NewExecution::new("j").id("mine"))?)).unwrap();
        assert_eq!(made.is_new(), expected);
    }
    assert!(store.write(|w| Ok(w.create_or_get(NewExecution::new("j"))?)).unwrap().is_new());
    let refused = store.create(new);
    assert!(matches!(refused, Err(Error::Write(execstore::error::WriteError::AlreadyExists { .. }))));
}

pub fn an_identity_belongs_to_its_id(engine: &dyn Engine) {
    let store = engine.store();
    let new = NewExecution::identified(&identity("1")).unwrap().id("mine");
    store.create(new).unwrap();
    assert_eq!(store.read(|r| Ok(r.verify_identity("mine")?)).unwrap(), None, "not under another id");
}

/// Keys by which `serde_json` passes numbers and raw text to itself are keys like any other.
pub fn private_keys_of_the_json_library_are_ordinary_ones(engine: &dyn Engine) {
    let store = engine.store();
    let mut ids = Vec::new();
    for key in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
        for value in ["\"1\"", "\"1.0\"", "\"no number\"", "1", "{\"a\":1}"] {
            let identity = identity(&format!("{{\"{key}\":{value}}}"));
            ids.push(identity.id().unwrap());
            store.create(NewExecution::identified(&identity).unwrap()).unwrap();
            assert_eq!(store.read(|r| Ok(r.verify_identity(ids.last().unwrap())?)).unwrap(), Some(identity));
        }
    }
    ids.extend([identity("1").id().unwrap(), identity("{\"a\":1}").id().unwrap()]);
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

pub fn inputs_may_be_deep(engine: &dyn Engine) {
    let store = engine.store();
    let depth = 200_000;
    let identity = identity(&format!("{}{}", "[{\"a\":".repeat(depth) + "1", "}]".repeat(depth)));
    let id = identity.id().unwrap();
    store.create(NewExecution::identified(&identity).unwrap()).unwrap();
    assert_eq!(store.read(|r| Ok(r.verify_identity(&id)?)).unwrap(), Some(identity));
}
