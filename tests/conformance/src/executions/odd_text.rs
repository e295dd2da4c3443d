//! Odd texts, which every field must keep exactly and no index may confuse.

use support::odd_text::{ODD_IDS, odd_texts};

use execstore::lifecycle::Lifecycle;
use execstore::{Json, Labels, NewEvent, NewExecution, Query, Readable, Store, Update};

use crate::Engine;

pub fn every_field_keeps_every_text(engine: &dyn Engine) {
    let mut store = engine.store();
    let texts: Vec<_> = odd_texts().collect();
    for (place, text) in texts.iter().enumerate() {
        let id = ODD_IDS[place % ODD_IDS.len()];
        let new = NewExecution::new("j")
            .id(place.to_string())
            .namespace(*text)
            .name(*text)
            .node_id(*text)
            .message(*text)
            .parent(id)
            .previous(id)
            .labels([(*text, *text), ("k", *text)])
            .payload(Json::from_serialize(text).unwrap());
        let event = NewEvent::new(*text).message(*text);
        let event =
            event.details(Json::from_serialize(&Labels::from([((*text).into(), (*text).into())])).unwrap());
        store.write(|w| Ok(w.create(new.event(event))?)).unwrap();
        // The same through an update of an execution that has none of it.
        let other = format!("u{place}");
        let edit = Update::new().name(*text).node_id(*text).message(*text).parent(id).previous(id);
        let edit = edit.label(*text, *text).label("k", *text).payload(Json::from_serialize(text).unwrap());
        store
            .write(|w| {
                w.create(NewExecution::new("j").id(&other).namespace(*text))?;
                Ok(w.update(&other, edit)?)
            })
            .unwrap();
    }
    let copy = store.crash_copy();
    store.reopen();
    for store in [&store, &copy] {
        let reader = store.begin_read().unwrap();
        for (place, text) in texts.iter().enumerate() {
            for id in [place.to_string(), format!("u{place}")] {
                let read = reader.get(&id).unwrap().unwrap();
                assert_eq!(read.namespace, *text);
                for part in [&read.name, &read.node_id, &read.message] {
                    assert_eq!(part.as_deref(), Some(*text));
                }
                for link in [&read.parent, &read.previous] {
                    assert_eq!(link.as_ref().unwrap(), &ODD_IDS[place % ODD_IDS.len()]);
                }
                let labels = Labels::from([("k".into(), (*text).into()), ((*text).into(), (*text).into())]);
                assert_eq!(read.labels, labels, "{text:?}");
                assert_eq!(read.payload::<String>().unwrap(), *text);
            }
            let event = reader.events(place.to_string(), ..).unwrap().next().unwrap().unwrap();
            assert_eq!((event.topic.as_str(), event.message.as_str()), (*text, *text));
            assert_eq!(event.details.parse::<Labels>().unwrap().get(*text).unwrap(), text);
        }
    }
}

pub fn ids_and_jobs_that_resemble_each_other_stay_apart(engine: &dyn Engine) {
    let mut store = engine.store();
    for id in ODD_IDS {
        store
            .write(|w| {
                w.create(NewExecution::new(*id).id(*id).event(NewEvent::new(*id)))?;
                Ok(w.create(NewExecution::new(*id).name(*id))?)
            })
            .unwrap();
    }
    store.reopen();
    let reader = store.begin_read().unwrap();
    for id in ODD_IDS {
        let read = reader.get(id).unwrap().unwrap();
        assert_eq!((read.id.as_str(), read.job_id.as_str()), (*id, *id));
        assert_eq!(reader.events(id, ..).unwrap().next().unwrap().unwrap().topic, *id);
        let job: Vec<_> = reader.by_job(id).unwrap().map(Result::unwrap).collect();
        assert_eq!(job.len(), 2, "{id:?}");
        assert_eq!((job[0].id.as_str(), job[1].name.as_deref()), (*id, Some(*id)));
    }
    // A deletion takes the one and leaves those that resemble it.
    drop(reader);
    for (place, id) in ODD_IDS.iter().enumerate() {
        store.write(|w| Ok(w.delete(*id)?)).unwrap();
        let reader = store.begin_read().unwrap();
        for (other, id) in ODD_IDS.iter().enumerate() {
            assert_eq!(reader.get(id).unwrap().is_some(), other > place, "{id:?}");
            assert_eq!(reader.by_job(id).unwrap().count(), 1 + usize::from(other > place), "{id:?}");
        }
    }
}

pub fn the_change_log_names_odd_ids_exactly(engine: &dyn Engine) {
    let store = engine.store();
    for id in ODD_IDS {
        store.write(|w| Ok(w.create(NewExecution::new(*id).id(*id))?)).unwrap();
    }
    let reader = store.begin_read().unwrap();
    let logged: Vec<_> = reader.log().range(..).unwrap().map(Result::unwrap).collect();
    assert_eq!(logged.len(), ODD_IDS.len());
    for (change, id) in logged.iter().zip(ODD_IDS) {
        assert_eq!((change.execution_id().unwrap().as_str(), change.job_id().unwrap().as_str()), (*id, *id));
    }
}

pub fn states_and_checkpoints_may_have_odd_names(engine: &dyn Engine) {
    let names: Vec<_> = odd_texts().filter(|text| !text.is_empty()).collect();
    let states = names.iter().fold(Lifecycle::builder(), |all, name| all.live(name));
    let mut store = engine.store_with(Store::builder().set_lifecycle(states.build().unwrap()));
    store
        .write(|w| {
            for name in &names {
                w.create(NewExecution::new("j").state(name).name(*name))?;
                let head = w.log().head()?;
                w.set_checkpoint(name, head)?;
            }
            Ok(())
        })
        .unwrap();
    store.reopen();
    let reader = store.begin_read().unwrap();
    for (name, seq) in names.iter().zip(1..) {
        let found: Vec<_> = reader
            .query(&Query::new().state(name).oldest_first())
            .rows()
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!((found.len(), found[0].name.as_deref()), (1, Some(*name)));
        assert_eq!(reader.log().checkpoint(name).unwrap().unwrap().get(), seq);
    }
    assert_eq!(reader.log().checkpoints().unwrap().len(), names.len());
}
