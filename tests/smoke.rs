//! A thin slice through everything: create, write, crash, reopen, verify.
use execstore::*;

#[test]
fn a_store_survives_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.redb");
    let store = Store::create(&path).unwrap();
    for n in 0..500 {
        let id = format!("e{n}");
        store
            .write(|w| {
                w.create(
                    NewExecution::new(format!("j{}", n / 4))
                        .id(&id)
                        .payload(Json::from_text("{\"a\":1}").unwrap()),
                    &[NewEvent::new("t")],
                )
            })
            .unwrap();
        for state in ["BidAccepted", "Running", "Publishing", "Completed"] {
            store
                .write(|w| {
                    w.update(
                        &id,
                        &Expect::any(),
                        Update::to(state).message(state),
                        &[NewEvent::new(state).message("m")],
                    )
                })
                .unwrap();
        }
    }
    println!("{}", store.verify().unwrap());
    assert!(store.verify().unwrap().is_clean());
    // A crash: copy the files as they are.
    let crash = dir.path().join("c.redb");
    std::fs::copy(&path, &crash).unwrap();
    std::fs::copy(
        dir.path().join("s.redb-journal"),
        dir.path().join("c.redb-journal"),
    )
    .unwrap();
    let counts = store.read(|r| r.counts()).unwrap();
    drop(store);
    assert!(!dir.path().join("s.redb-journal").exists());
    for path in [&path, &crash] {
        let store = Store::open(path).unwrap();
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(
            (report.executions, report.events, report.changes),
            (500, 2500, 2500)
        );
        assert_eq!(store.read(|r| r.counts()).unwrap(), counts);
        store.write(|w| w.delete("e7", &Expect::any())).unwrap();
        assert!(store.verify().unwrap().is_clean());
    }
}
