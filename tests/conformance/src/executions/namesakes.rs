//! Things of the same name that are not the same: ids in two namespaces, and a copy of the file.

use execstore::error::WriteError;
use execstore::{CreateOutcome, Error, NewExecution, Query, Readable, Update};
use support::json;

use crate::Engine;

pub fn an_id_of_another_job_or_namespace_is_not_given_in_the_place_of_the_one_asked_for(engine: &dyn Engine) {
    let store = engine.store();
    let new = |job: &str, namespace: &str| {
        NewExecution::new(job).id("e").namespace(namespace).payload(json(r#"{"of":"the first"}"#))
    };
    assert!(store.write(|w| Ok(w.create_or_get(new("j", "a"))?)).unwrap().is_new());
    for (job, namespace) in [("j", "b"), ("k", "a"), ("k", "b"), ("j", "default")] {
        match store.write(|w| Ok(w.create_or_get(new(job, namespace))?)) {
            Err(Error::Write(error @ WriteError::OtherExecution { .. })) => {
                let (there, asked) =
                    (r#"job "j" in namespace "a""#, format!("job {job:?} in namespace {namespace:?}"));
                let text = format!("there is an execution \"e\" already, of {there}, not of {asked}");
                assert_eq!(error.to_string(), text);
                let WriteError::OtherExecution { found, job_id, namespace: other } = error else { panic!() };
                assert_eq!(&*found, store.get("e").unwrap().unwrap().header());
                assert_eq!((job_id.as_str(), &*other), (job, namespace));
            }
            other => panic!("{other:?}"),
        }
    }
    let refused = store.write(|w| Ok(w.create_or_get(NewExecution::new("j").id("e"))?));
    assert!(
        matches!(refused, Err(Error::Write(WriteError::OtherExecution { .. }))),
        "the default is one, too"
    );
    // Updated since, it is still the one.
    store.update("e", Update::to("Running").payload(json("1"))).unwrap_err();
    store.update("e", Update::new().payload(json("1"))).unwrap();
    match store.write(|w| Ok(w.create_or_get(new("j", "a"))?)).unwrap() {
        CreateOutcome::Existing(existing) => assert_eq!(existing.payload_json().as_str(), "1"),
        CreateOutcome::New(_) => panic!("it was there"),
    }
    assert_eq!(store.read(|r| Ok(r.query(&Query::new()).count()?)).unwrap(), 1);
}
