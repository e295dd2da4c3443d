//! Opening and creating a store: every error has its own variant and says what to do.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use execstore::error::OpenError;
use execstore::lifecycle::Lifecycle;
use execstore::redb::{Database, ReadableTable, TableDefinition};
use execstore::{Readable, Store};
use support::children::child;
use support::{TestStore, create};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("execstore/meta");

/// The error's kind and text.
fn shown(result: Result<Store, OpenError>) -> (String, String) {
    let error = result.unwrap_err();
    let kind = format!("{error:?}").split([' ', '(']).next().unwrap().to_owned();
    (kind, error.to_string())
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_in_use_by_this_process_is_refused_with_a_hint() {
    let store = TestStore::new();
    for builder in [Store::builder(), Store::builder().set_journal(false).clone()] {
        let (kind, text) = shown(builder.open(store.path()));
        assert_eq!(kind, "AlreadyOpen");
        assert!(text.contains("store.redb is in use") && text.contains("share one `Store`"), "{text}");
        let (kind, _) = shown(builder.open_or_create(store.path()));
        assert_eq!(kind, "AlreadyOpen");
    }
    create(&store, "unharmed");
}

#[test]
#[ignore = "the other process of the tests below"]
fn another_process() {
    let path = std::env::var("STORE_TO_HOLD").unwrap();
    match Store::open(path) {
        Ok(_store) => {
            println!("holding");
            std::io::stdin().read_line(&mut String::new()).unwrap();
        }
        Err(error) => println!("refused {error:?}"),
    }
}

/// The other process, and what it said. Its output stays open until it has ended.
struct Other {
    process: Child,
    output: BufReader<ChildStdout>,
    said: String,
}

impl Other {
    fn new(path: &Path) -> Self {
        let mut process = child(module_path!(), "another_process")
            .env("STORE_TO_HOLD", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("holding") && !said.contains("refused") {
            assert_ne!(output.read_line(&mut said).unwrap(), 0, "{said}");
        }
        Self { process, output, said }
    }

    fn end(mut self) {
        drop(self.process.stdin.take());
        self.output.read_to_string(&mut self.said).unwrap();
        assert!(self.process.wait().unwrap().success(), "{}", self.said);
    }
}

#[test]
fn a_file_in_use_by_another_process_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    drop(Store::create_new(&path).unwrap());
    let other = Other::new(&path);
    assert!(other.said.contains("holding"), "{}", other.said);
    let (kind, text) = shown(Store::open(&path));
    assert_eq!(kind, "AlreadyOpen");
    assert!(text.contains("another process"), "{text}");
    other.end();
    // The other way about, also after a refused attempt of our own.
    let store = Store::open(&path).unwrap();
    assert_eq!(shown(Store::open(&path)).0, "AlreadyOpen");
    let other = Other::new(&path);
    assert!(other.said.contains("refused AlreadyOpen"), "{}", other.said);
    other.end();
    create(&store, "e");
}

#[test]
fn what_is_no_store_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("byte"), "r").unwrap();
    std::fs::write(at("text"), "This is a text, longer than any header would be. ".repeat(100)).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let db = Database::create(at("bare")).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(TableDefinition::<u64, u64>::new("own")).unwrap();
    txn.commit().unwrap();
    drop(db);
    let mut cases = vec![
        ("missing", "NotFound", "`Store::create_new` makes a new store"),
        ("empty", "Empty", "`Store::open_or_create` makes one in it"),
        ("byte", "NotADatabase", "check the path"),
        ("text", "NotADatabase", "check the path"),
        ("folder", "NotADatabase", "check the path"),
        ("bare", "NotAStore", "`Builder::attach` makes one"),
    ];
    if cfg!(unix) && Command::new("mkfifo").arg(at("pipe")).status().is_ok_and(|status| status.success()) {
        cases.push(("pipe", "NotADatabase", "check the path"));
    }
    for (name, expected, hint) in cases {
        let (kind, text) = shown(Store::open(at(name)));
        assert_eq!(kind, expected, "{name}");
        assert!(text.contains(hint), "{name}: {text}");
        assert!(expected == "NotAStore" || text.contains(at(name).to_str().unwrap()), "{text}");
    }
    assert!(!at("missing").exists());
}

#[test]
fn create_refuses_a_path_that_exists_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "precious").unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    drop(Store::create_new(at("store")).unwrap());
    let before = entries(folder.path());
    assert_eq!(before, ["file", "folder", "store"], "no temporary file, no journal");
    for name in ["file", "folder", "store"] {
        let (kind, text) = shown(Store::create_new(at(name)));
        assert_eq!(kind, "AlreadyExists");
        assert!(text.contains("`Store::open_or_create` does either"), "{text}");
    }
    assert_eq!(std::fs::read(at("file")).unwrap(), b"precious");
    // A folder that is not there is the operating system's own error, and no folder is made.
    for result in [Store::create_new(at("no/such")), Store::builder().open_or_create(at("no/such"))] {
        assert_eq!(shown(result).0, "Io");
    }
    assert_eq!(entries(folder.path()), before);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        assert_eq!(shown(Store::create_new(at("link"))).0, "DanglingLink");
        assert!(!at("nowhere").exists());
    }
}

#[test]
fn open_or_create_does_either() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let store = Store::builder().open_or_create(&path).unwrap();
    create(&store, "e");
    let id = store.id();
    drop(store);
    let store = Store::builder().open_or_create(&path).unwrap();
    assert_eq!((store.id(), store.read(|r| Ok(r.log().head()?)).unwrap().get()), (id, 1));
    drop(store);
    std::fs::write(&path, "no store").unwrap();
    assert_eq!(shown(Store::builder().open_or_create(&path)).0, "NotADatabase");
    assert_eq!(std::fs::read(&path).unwrap(), b"no store");
}

#[test]
fn stores_have_ids_of_their_own_that_stay() {
    let mut one = TestStore::new();
    let other = TestStore::new();
    let id = one.id();
    assert_ne!(id, other.id());
    one.reopen();
    assert_eq!(one.id(), id);
}

/// Changes the body of the meta record and makes its checksum right again.
fn rewrite_meta(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let key: &[u8] = b"store";
    let db = Database::open(path).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let mut table = txn.open_table(META).unwrap();
        let mut value = table.get(key).unwrap().unwrap().value().to_vec();
        // Eight bytes of checksum, one of version, then the format, which is below 128.
        change(&mut value);
        let sum = xxh3_64(&value[8..]) ^ xxh3_64_with_seed(key, 0);
        value[..8].copy_from_slice(&sum.to_le_bytes());
        table.insert(key, value.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

#[test]
fn a_newer_format_is_refused_and_the_file_is_not_changed() {
    let newer: [fn(&mut Vec<u8>); 2] = [
        |value| value[9] += 1,
        |value| {
            // Whatever a newer release has put behind the number.
            value.truncate(9);
            value.extend([2, 0xff, 0xff, 0xff]);
        },
    ];
    for change in newer {
        let store = TestStore::with(Store::builder().set_journal(false));
        create(&store, "e");
        let path = store.path();
        let folder = store.into_folder();
        rewrite_meta(&path, change);
        let before = std::fs::read(&path).unwrap();
        for result in [
            Store::open(&path),
            Store::builder().set_lifecycle(Lifecycle::compute_node()).open(&path),
            Store::builder().set_journal(false).open_or_create(&path),
        ] {
            let error = result.unwrap_err();
            assert!(matches!(error, OpenError::Format { found: 2, supported: 1 }), "{error:?}");
            assert!(error.to_string().contains("use a newer release"), "{error}");
        }
        assert!(std::fs::read(&path).unwrap() == before, "the file was changed");
        assert_eq!(entries(folder.path()), ["store.redb"]);
        let db = Arc::new(Database::open(&path).unwrap());
        assert_eq!(shown(Store::attach(db)).0, "Format");
    }
}

#[test]
fn a_damaged_meta_record_is_damage() {
    let store = TestStore::with(Store::builder().set_journal(false));
    let path = store.path();
    let _folder = store.into_folder();
    rewrite_meta(&path, |value| value.truncate(20));
    let (kind, text) = shown(Store::open(&path));
    assert_eq!(kind, "Damaged");
    assert!(text.contains("restore it from a backup"), "{text}");
}

#[test]
fn a_store_in_memory_and_one_attached_work_like_any_other() {
    let backend = execstore::redb::backends::InMemoryBackend::new();
    let db = Arc::new(execstore::redb::Builder::new().create_with_backend(backend).unwrap());
    let first = Store::attach(db.clone()).unwrap();
    create(&first, "e");
    let id = first.id();
    drop(first);
    let again = Store::attach(db).unwrap();
    assert_eq!((again.id(), again.read(|r| Ok(r.log().head()?)).unwrap().get()), (id, 1));
    let memory = Store::in_memory().unwrap();
    create(&memory, "e");
    for store in [again, memory] {
        assert!(store.read(|r| Ok(r.get("e")?)).unwrap().is_some() && store.verify().unwrap().is_clean());
    }
}
