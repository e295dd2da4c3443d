//! What is rolled back leaves nothing, in whatever way, whoever writes beside it: every row of every table is as if it had never been.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use execstore::redb::{Database, Key, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};
use execstore::{Builder, Error, NewExecution, Readable, Store, Timestamp, Writer};
use proptest::test_runner::{Config, TestRunner};

use support::cases::{Case, Step, cases};
use support::dice::Dice;
use support::image::database;
use support::model::Model;
use support::ops::{Op, perform};
use support::records::MAX_PAYLOAD;

type Rows = BTreeMap<(String, Vec<u8>), Vec<u8>>;

fn failed() -> Error {
    Error::caller("it is not to be")
}

/// A store, its model, and its clock.
struct Side {
    folder: tempfile::TempDir,
    journal: bool,
    store: Store,
    model: Model,
    clock: Arc<AtomicI64>,
}

impl Side {
    fn new(journal: bool, tamper_evident: bool) -> Self {
        let clock = Arc::new(AtomicI64::new(1_000));
        let shared = clock.clone();
        let mut builder: Builder = Store::builder();
        builder
            .set_max_payload(MAX_PAYLOAD)
            .set_tamper_evident(tamper_evident)
            .set_journal(journal)
            .set_clock(move || Timestamp::from_nanos(shared.load(Ordering::Relaxed)));
        let folder = tempfile::tempdir().unwrap();
        let store = builder.create_new(folder.path().join("store.redb")).unwrap();
        Self { folder, journal, store, model: Model::default(), clock }
    }

    /// Writes, and rolls it back.
    fn try_in_vain(&self, op: &Op, now: i64, way: u64) {
        let mut model = self.model.clone();
        match way {
            0 => {
                let result = self.store.write(|w| {
                    perform(w, &mut model, op, now);
                    Err::<(), _>(failed())
                });
                assert!(matches!(result, Err(Error::Caller(_))), "{result:?}");
            }
            1 => {
                let txn = self.store.begin_write().unwrap();
                perform(&mut txn.writer().unwrap(), &mut model, op, now);
            }
            2 => {
                let op = op.clone();
                let result = self.store.batch(move |w| {
                    perform(w, &mut model, &op, now);
                    Err::<(), _>(failed())
                });
                assert!(matches!(result, Err(Error::Caller(_))), "{result:?}");
            }
            _ => {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    self.store.write(|w| {
                        perform(w, &mut model, op, now);
                        std::panic::resume_unwind(Box::new("it is not to be"));
                        #[allow(unreachable_code)]
                        Ok(())
                    })
                }));
                assert!(panicked.is_err());
            }
        }
    }

    /// Writes by the group commit, all in one transaction if they fit; some of it in vain.
    fn together(&mut self, ops: &[(Op, bool)], now: i64) {
        let runs = Arc::new(AtomicUsize::new(0));
        let held = self.store.begin_write().unwrap();
        // Whatever comes first is taken alone by the thread, which then waits for its turn: the rest is one commit.
        let first = self.store.submit(|_| Ok(())).unwrap();
        let mut pending = Vec::new();
        let shared = Arc::new(std::sync::Mutex::new(self.model.clone()));
        for (op, stays) in ops.iter().cloned() {
            let (runs, shared) = (runs.clone(), shared.clone());
            let run = move |w: &mut Writer<'_>| {
                runs.fetch_add(1, Ordering::SeqCst);
                let mut model = shared.lock().unwrap();
                let mut after = model.clone();
                perform(w, &mut after, &op, now);
                if !stays {
                    return Err(failed());
                }
                *model = after;
                Ok(())
            };
            pending.push((stays, self.store.submit(run).unwrap()));
        }
        drop(held);
        first.wait().unwrap();
        for (stays, pending) in pending {
            let result = pending.wait();
            assert!(
                if stays { result.is_ok() } else { matches!(result, Err(Error::Caller(_))) },
                "{result:?}"
            );
        }
        assert_eq!(runs.load(Ordering::SeqCst), ops.len(), "each closure runs once");
        self.model = shared.lock().unwrap().clone();
    }

    /// The rows of all tables, but those that say which store it is.
    fn rows(self) -> Rows {
        assert!(self.store.verify().unwrap().is_clean());
        self.store.close().unwrap();
        let path = self.folder.path().join("store.redb");
        let database = match self.journal {
            true => database(&path),
            false => Database::open(path).unwrap(),
        };
        let txn = database.begin_read().unwrap();
        let mut rows = Rows::new();
        for table in txn.list_tables().unwrap() {
            let name = table.name().to_owned();
            if name.ends_with("/meta") {
                continue;
            }
            macro_rules! read {
                ($($key:ty),*) => {
                    $(read_as::<$key>(&txn, &name, &mut rows, |key| key.as_ref().to_vec()))||*
                };
            }
            let read = read!(&[u8; 8], &[u8; 9], &[u8; 16], &[u8]);
            assert!(read, "no type is that of the keys of {name}");
        }
        rows
    }
}

fn read_as<K: Key + 'static>(
    txn: &execstore::redb::ReadTransaction,
    name: &str,
    rows: &mut Rows,
    bytes: impl Fn(K::SelfType<'_>) -> Vec<u8>,
) -> bool {
    let Ok(table) = txn.open_table(TableDefinition::<K, &[u8]>::new(name)) else { return false };
    for row in table.iter().unwrap() {
        let (key, value) = row.unwrap();
        rows.insert((name.to_owned(), bytes(key.value())), value.value().to_vec());
    }
    true
}

/// Operations that give the same in two stores: none whose id is made up.
fn ops(case: &Case) -> impl Iterator<Item = Op> + '_ {
    case.steps.iter().filter_map(|step| match step {
        Step::Write { op: Op::Create { id, .. }, .. } if *id > 9 => None,
        Step::Write { op: Op::Many(_), .. } => None,
        Step::Write { op, .. } => Some(op.clone()),
        _ => None,
    })
}

#[test]
fn what_is_rolled_back_leaves_every_row_as_it_was() {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let result = runner.run(&cases(), |case| {
        let mut dice = Dice::new(case.seed);
        let tamper_evident = case.seed & 2 != 0;
        let (mut one, mut other) =
            (Side::new(case.journal, tamper_evident), Side::new(case.journal, tamper_evident));
        let list: Vec<_> = ops(&case).collect();
        let mut rest = list.as_slice();
        let mut now = 1_000;
        while !rest.is_empty() {
            now += 1;
            one.clock.store(now, Ordering::Relaxed);
            other.clock.store(now, Ordering::Relaxed);
            let many = (dice.roll(5) as usize + 1).min(rest.len());
            let (these, others) = rest.split_at(many);
            rest = others;
            if dice.roll(2) == 0 {
                let these: Vec<_> = these.iter().map(|op| (op.clone(), dice.roll(3) > 0)).collect();
                one.together(&these, now);
                for (op, _) in these.iter().filter(|(_, stays)| *stays) {
                    let Side { store, model, .. } = &mut other;
                    drop(store.write(|w| Ok(perform(w, model, op, now))).unwrap());
                }
                continue;
            }
            for op in these {
                one.try_in_vain(op, now, dice.roll(4));
                if dice.roll(3) > 0 {
                    for Side { store, model, .. } in [&mut one, &mut other] {
                        drop(store.write(|w| Ok(perform(w, model, op, now))).unwrap());
                    }
                }
            }
        }
        let (one, other) = (one.rows(), other.rows());
        if tamper_evident {
            // The chain begins with the store's own id. It was verified, with the sum over all rows.
            return Ok(());
        }
        for (key, row) in &one {
            assert_eq!(Some(row), other.get(key), "{key:?}");
        }
        assert_eq!(one.len(), other.len());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// More than one record of the journal takes.
#[test]
fn closures_that_fail_among_those_that_write_much_leave_nothing() {
    let side = Side::new(true, false);
    let held = side.store.begin_write().unwrap();
    let first = side.store.submit(|_| Ok(())).unwrap();
    let many: Vec<_> = (0..60)
        .map(|n| {
            side.store.submit(move |w| {
                w.create(NewExecution::new("j").id(format!("e{n}")))?;
                w.append_output(format!("e{n}"), "o", [7; 60_000])?;
                if n % 20 == 19 { Err(failed()) } else { Ok(()) }
            })
        })
        .collect::<Result<_, _>>()
        .unwrap();
    drop(held);
    first.wait().unwrap();
    for (n, pending) in many.into_iter().enumerate() {
        assert_eq!(pending.wait().is_err(), n % 20 == 19, "{n}");
    }
    assert_eq!(side.store.read(|r| Ok(r.count("New")?)).unwrap(), 57);
    drop(side.rows());
}
