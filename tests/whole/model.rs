//! Random sequences of operations against a store of plain maps: every result, error and list must be equal.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use execstore::error::WriteError;
use execstore::redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use execstore::{Builder, Error, ExecutionId, Readable, Store, Timestamp, Writer};
use proptest::test_runner::{Config, TestRunner};

use support::cases::{Case, End, How, Step, cases};
use support::compare::{compare_all, compare_touched};
use support::copy::copy_at_once;
use support::dice::Dice;
use support::memory::Memory;
use support::model::Model;
use support::ops::{Op, perform};
use support::records::MAX_PAYLOAD;

const OWN: TableDefinition<'_, u8, u8> = TableDefinition::new("the caller's own");

/// Where a store is.
enum Home {
    Memory(Memory),
    File(tempfile::TempDir),
}

impl Home {
    fn path(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("store.redb")
    }

    fn open(&self, builder: &Builder, journal: bool) -> Store {
        match self {
            Home::Memory(main) if journal => builder.create_file_with_backend(main.clone()).unwrap(),
            Home::Memory(main) => builder.create_with_backend(main.clone()).unwrap(),
            Home::File(folder) => {
                builder.clone().set_journal(journal).open_or_create(Self::path(folder)).unwrap()
            }
        }
    }

    /// What a crash of the process leaves.
    fn copy(&self) -> Self {
        match self {
            Home::Memory(main) => Home::Memory(Memory::new(main.image())),
            Home::File(folder) => {
                let copy = tempfile::tempdir().unwrap();
                for file in std::fs::read_dir(folder.path()).unwrap() {
                    let file = file.unwrap();
                    copy_at_once(&file.path(), &copy.path().join(file.file_name()));
                }
                Home::File(copy)
            }
        }
    }
}

type OwnRows = BTreeMap<u8, u8>;

struct Run {
    builder: Builder,
    journal: bool,
    /// The caller writes by himself, too. Else the store keeps its database to itself, and redb's transaction stays open.
    shares: bool,
    home: Home,
    store: Option<Store>,
    clock: Arc<AtomicI64>,
    /// Nanoseconds that each operation takes.
    tick: i64,
    dice: Dice,
    model: Model,
    /// What a crash may not lose.
    durable: Model,
    /// What it may leave besides: the removal of what was deleted waits for the disk at every so many steps, and takes along what was
    /// committed without waiting.
    lazy: Vec<Model>,
    own: OwnRows,
    /// What a crash may leave of the caller's rows.
    own_after_crash: Vec<OwnRows>,
}

impl Run {
    fn new(case: &Case, file: bool) -> Self {
        let clock = Arc::new(AtomicI64::new(1_000));
        let shared = clock.clone();
        let mut builder = Store::builder();
        builder
            .set_cache_size(4 * 1024 * 1024)
            .set_max_payload(MAX_PAYLOAD)
            .set_tamper_evident(case.seed & 2 != 0)
            // Most deletions of those with few have more.
            .set_removal_step([512, 30, 5, 1][case.seed as usize >> 2 & 3])
            .set_clock(move || Timestamp::from_nanos(shared.load(Ordering::Relaxed)));
        let home = match file {
            true => Home::File(tempfile::tempdir().unwrap()),
            false => Home::Memory(Memory::default()),
        };
        let store = Some(home.open(&builder, case.journal));
        Self {
            builder,
            journal: case.journal,
            shares: case.seed & 16 != 0,
            home,
            store,
            clock,
            tick: 1,
            dice: Dice::new(case.seed),
            model: Model::default(),
            durable: Model::default(),
            lazy: Vec::new(),
            own: OwnRows::new(),
            own_after_crash: vec![OwnRows::new()],
        }
    }

    fn store(&self) -> Store {
        self.store.clone().unwrap()
    }

    fn now(&self) -> i64 {
        self.clock.fetch_add(self.tick, Ordering::Relaxed) + self.tick
    }

    fn own_rows(&self) -> OwnRows {
        fn rows(table: &impl ReadableTable<u8, u8>) -> OwnRows {
            let rows = table.iter().unwrap();
            rows.map(|row| row.map(|(key, value)| (key.value(), value.value())).unwrap()).collect()
        }
        if !self.shares {
            let txn = self.store().begin_write().unwrap();
            let rows = rows(&txn.enter_redb().open_table(OWN).unwrap());
            txn.abort().unwrap();
            return rows;
        }
        let txn = self.store().share_database().begin_read().unwrap();
        txn.open_table(OWN).map_or(OwnRows::new(), |table| rows(&table))
    }

    fn run(&mut self, steps: &[Step]) {
        let mut at = 0;
        while at < steps.len() {
            match &steps[at] {
                Step::Write { .. } => at += self.transaction(&steps[at..]) - 1,
                Step::Reopen => self.reopen(),
                Step::Crash => self.crash(),
                Step::Clock(0) => self.tick = 1 - self.tick,
                Step::Clock(jump) => drop(self.clock.fetch_add(*jump, Ordering::Relaxed)),
            }
            at += 1;
        }
        self.compare();
        self.reopen();
        self.compare();
    }

    fn compare(&mut self) {
        let store = self.store();
        compare_all(&store.begin_read().unwrap(), &self.model, &mut self.dice);
        let report = store.verify().unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!(self.own_rows(), self.own);
    }

    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(self.home.open(&self.builder, self.journal));
        self.durable = self.model.clone();
        self.lazy.clear();
        self.own_after_crash = vec![self.own.clone()];
        compare_touched(&self.store().begin_read().unwrap(), &self.model, &[]);
    }

    fn crash(&mut self) {
        let copy = self.home.copy();
        let store = copy.open(&self.builder, self.journal);
        self.store = Some(store);
        self.home = copy;
        self.model = self.found();
        self.durable = self.model.clone();
        self.lazy.clear();
        self.own = self.own_rows();
        assert!(self.own_after_crash.contains(&self.own), "{:?} after {:?}", self.own, self.own_after_crash);
        self.own_after_crash = vec![self.own.clone()];
        self.compare();
    }

    /// Which of the states that a crash may leave it has left.
    fn found(&self) -> Model {
        let txn = self.store().begin_read().unwrap();
        let head = txn.log().head().unwrap().get();
        let mut like: Vec<_> = self.lazy.iter().filter(|model| model.log.len() as u64 == head).collect();
        // The differences to the others are nothing to print.
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|_| ()));
        like.retain(|model| {
            let compared = AssertUnwindSafe(|| compare_all(&txn, model, &mut self.dice.clone()));
            panic::catch_unwind(compared).is_ok()
        });
        panic::set_hook(hook);
        // The newest, if they cannot be told apart.
        like.last().map_or(&self.durable, |model| *model).clone()
    }

    /// Runs the operations of the transaction that begins here; gives how many.
    fn transaction(&mut self, steps: &[Step]) -> usize {
        let mut ops = Vec::new();
        let mut end = End::Commit;
        for step in steps {
            let Step::Write { op, end: then, own, .. } = step else {
                break;
            };
            ops.push((op, *own));
            end = *then;
            if end != End::GoOn {
                break;
            }
        }
        let Step::Write { how, .. } = &steps[0] else { unreachable!() };
        let how = match how {
            How::Joined if !self.shares => &How::Entered,
            how => how,
        };
        if let How::Alone = how {
            return self.alone(ops[0].0);
        }
        let (mut model, mut own) = (self.model.clone(), self.own.clone());
        let store = self.store();
        let mut touched = Vec::new();
        let abort = end == End::Abort;
        let write_own = |txn: &WriteTransaction, own: &mut OwnRows| {
            let mut table = txn.open_table(OWN).unwrap();
            for (_, byte) in &ops {
                table.insert(byte % 8, *byte).unwrap();
                own.insert(byte % 8, *byte);
            }
        };
        match how {
            How::Alone => unreachable!(),
            How::Closure => {
                let result = store.write(|w| {
                    for (op, _) in &ops {
                        let ids = perform(w, &mut model, op, self.now());
                        compare_touched(w, &model, &ids);
                        touched.extend(ids);
                    }
                    if abort {
                        Err(WriteError::NotFound { id: ExecutionId::new("abort").unwrap() }.into())
                    } else {
                        Ok(())
                    }
                });
                assert!(
                    result.is_ok()
                        || (abort && matches!(result, Err(Error::Write(WriteError::NotFound { .. }))))
                );
            }
            How::Batch => {
                let (before, clock, tick) = (model.clone(), self.clock.clone(), self.tick);
                let ops: Vec<_> = ops.iter().map(|(op, _)| Op::clone(op)).collect();
                let run = move |w: &mut Writer<'_>| {
                    let (mut model, mut touched) = (before.clone(), Vec::new());
                    for op in &ops {
                        let now = clock.fetch_add(tick, Ordering::Relaxed) + tick;
                        let ids = perform(w, &mut model, op, now);
                        compare_touched(w, &model, &ids);
                        touched.extend(ids);
                    }
                    Ok(if abort {
                        Err(WriteError::NotFound { id: ExecutionId::new("abort").unwrap() })
                    } else {
                        Ok((model, touched))
                    }?)
                };
                let result = match self.dice.roll(2) {
                    0 => store.batch(run),
                    _ => store.submit(run).unwrap().wait(),
                };
                match result {
                    Ok(done) => (model, touched) = done,
                    Err(Error::Write(WriteError::NotFound { .. })) if abort => {}
                    Err(error) => panic!("{error}"),
                }
            }
            How::Held | How::Entered => {
                let mut txn = store.begin_write().unwrap();
                if end == End::Lazy {
                    txn.set_durability(Durability::None);
                }
                for (op, _) in &ops {
                    let mut w = txn.writer().unwrap();
                    touched.extend(perform(&mut w, &mut model, op, self.now()));
                    compare_touched(&w, &model, &touched);
                }
                if matches!(how, How::Entered) {
                    write_own(txn.enter_redb(), &mut own);
                }
                if abort { txn.abort().unwrap() } else { txn.commit().unwrap() }
            }
            How::Joined => {
                let mut txn = store.share_database().begin_write().unwrap();
                if end == End::Lazy {
                    txn.set_durability(Durability::None).unwrap();
                }
                let receipt = {
                    let mut w = store.join(&txn).unwrap();
                    for (op, _) in &ops {
                        touched.extend(perform(&mut w, &mut model, op, self.now()));
                        compare_touched(&w, &model, &touched);
                    }
                    w.finish()
                };
                write_own(&txn, &mut own);
                let (before, after) = (self.model.log.len() as u64, model.log.len() as u64);
                assert_eq!(receipt.head().get(), after);
                let changes = receipt.changes().map(|seqs| (seqs.start().get(), seqs.end().get()));
                assert_eq!(changes, (after > before).then_some((before + 1, after)));
                if abort {
                    txn.abort().unwrap()
                } else {
                    txn.commit().unwrap()
                }
                if !abort {
                    store.notify(receipt);
                }
            }
        }
        if !abort {
            self.committed(*how, end == End::Lazy, model, own);
        }
        compare_touched(&store.begin_read().unwrap(), &self.model, &touched);
        ops.len()
    }

    /// Runs one operation by a method of the store.
    fn alone(&mut self, op: &Op) -> usize {
        let (mut store, mut model, own) = (self.store(), self.model.clone(), self.own.clone());
        let touched = perform(&mut store, &mut model, op, self.now());
        // Most go through the group commit, and none asks for less than it gives.
        self.committed(How::Batch, false, model, own);
        compare_touched(&store.begin_read().unwrap(), &self.model, &touched);
        1
    }

    fn committed(&mut self, how: How, lazy: bool, model: Model, own: OwnRows) {
        let wrote = model.version != self.model.version;
        // A closure cannot ask for less.
        let lazy = lazy && !matches!(how, How::Closure | How::Batch);
        (self.model, self.own) = (model, own);
        let entered = matches!(how, How::Entered);
        // Entered transactions of a store with a journal are always redb's durable ones.
        let whole = match how {
            How::Joined => !lazy,
            How::Entered => self.journal || !lazy,
            _ => !self.journal && !lazy && wrote,
        };
        let journaled = self.journal && !matches!(how, How::Joined);
        if whole || (journaled && (wrote || entered)) {
            self.durable = self.model.clone();
            self.lazy.clear();
        } else {
            self.lazy.push(self.model.clone());
        }
        if whole {
            self.own_after_crash.clear();
        }
        self.own_after_crash.push(self.own.clone());
    }
}

#[test]
fn the_store_equals_plain_maps() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let config = Config {
        cases: number("EXECSTORE_MODEL_CASES", 1_000),
        failure_persistence: None,
        max_shrink_iters: number("PROPTEST_MAX_SHRINK_ITERS", 2_000),
        ..Config::default()
    };
    let turn = AtomicU64::new(0);
    let result = TestRunner::new(config).run(&cases(), |case| {
        let file = turn.fetch_add(1, Ordering::Relaxed) % 20 == 19;
        Run::new(&case, file).run(&case.steps);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
