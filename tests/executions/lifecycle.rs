//! The lifecycle that is recorded in the file, and opening with another one.

use conformance::executions::lifecycle::reviewed;
use execstore::error::OpenError;
use execstore::lifecycle::Lifecycle;
use execstore::{NewExecution, Store};

#[test]
fn another_lifecycle_is_refused_and_both_are_named() {
    let start = || Lifecycle::builder().live("Working").pending("Waiting").terminal("Done");
    let fewer = Lifecycle::builder().live("Working").terminal("Done").transition("Working", "Done");
    let no_way = start().transition("Waiting", "Working");
    let phase = Lifecycle::builder().pending("Working").pending("Waiting").terminal("Done");
    let phase = phase.transition("Waiting", "Working").transition("Working", "Done");
    for other in
        [Lifecycle::compute_node(), fewer.build().unwrap(), no_way.build().unwrap(), phase.build().unwrap()]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let store = Store::builder().set_lifecycle(reviewed()).create_new(&path).unwrap();
        store.create(NewExecution::new("j").state("Waiting")).unwrap();
        drop(store);
        let bytes = std::fs::read(&path).unwrap();
        let error = Store::builder().set_lifecycle(other.clone()).open(&path).unwrap_err();
        let OpenError::Lifecycle { expected, found } = &error else { panic!("{error}") };
        assert_eq!(expected, &other.to_string());
        assert!(found.starts_with(&reviewed().to_string()), "{found}");
        assert!(error.to_string().contains(expected) && error.to_string().contains(found));
        assert!(
            std::fs::read(&path).unwrap() == bytes || Store::open(&path).unwrap().lifecycle() == &reviewed()
        );
    }
}
