//! The scoreboard: the measured workload side by side on execstore, its peers, and the fsync floor.
//!
//! `cargo bench -p scoreboard`, or of some cases and smaller, `cargo bench -p scoreboard -- W1 R1 --scale 0.05`.
//! `--subjects execstore,sqlite` runs those alone, `--rounds 1` so many rounds: two builds of execstore are
//! compared by running them in turn. `M` and `O` are asked for at the full scale; the depth in the name of `R5/50000` is scaled, too. execstore
//! runs with its defaults; every subject has the same page cache, of 128 MiB.

mod batching;
mod beside;
mod cases;
mod checks;
mod child;
mod crash;
mod execstore;
mod fjall_bare;
mod floor;
mod history;
mod keys;
mod latency;
mod lmdb_bare;
mod memory;
mod peer;
mod plan;
mod queue;
mod rate;
mod reads;
mod record;
mod redb_bare;
mod side_data;
mod sizes;
mod sql;
mod sqlite;
mod sqlite_batched;
mod subject;
mod table;
mod task;
mod threads;
mod workload;

use std::path::{Path, PathBuf};
use std::time::Instant;

use cases::Case;
use peer::{Peer, Side};
use plan::Plan;
use table::Line;

const ROUNDS: usize = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == task::ARGUMENT) {
        return child::run(&arguments[1..]);
    }
    // `cargo bench` says so; `cargo test --benches` does not, and is not to wait for this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    match parse(&arguments) {
        Ok(run) => run.go(),
        Err(message) => {
            eprintln!("{message}");
            std::process::exit(2);
        }
    }
}

/// What was asked for.
struct Run {
    cases: Vec<Case>,
    plan: Plan,
    rounds: usize,
    /// None: all of them.
    subjects: Option<Vec<String>>,
}

fn parse(arguments: &[String]) -> Result<Run, String> {
    let (mut names, mut plan) = (Vec::new(), Plan { scale: 1.0 });
    let (mut rounds, mut subjects) = (ROUNDS, None);
    let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--scale" => {
                let value = arguments.next().and_then(|value| value.parse().ok());
                plan.scale = value
                    .filter(|scale| *scale > 0.0 && *scale <= 10.0)
                    .ok_or("--scale takes a factor of at most 10")?;
            }
            "--rounds" => {
                let value = arguments.next().and_then(|value| value.parse().ok());
                rounds = value.filter(|rounds| *rounds > 0).ok_or("--rounds takes a number of at least 1")?;
            }
            "--subjects" => {
                let value = arguments.next().ok_or("--subjects takes names with commas between")?;
                subjects = Some(value.split(',').map(str::to_owned).collect());
            }
            _ => names.push(argument.clone()),
        }
    }
    Ok(Run { cases: cases::selected(&names)?, plan, rounds, subjects })
}

/// The `target` folder.
fn target() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let folder = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace.join(folder)
}

impl Run {
    fn go(self) {
        let Self { cases, plan, rounds, subjects } = self;
        let target = target();
        let parent = target.join("scoreboard-tmp");
        std::fs::create_dir_all(&parent).unwrap();
        let folder = tempfile::tempdir_in(&parent).unwrap();
        let mut sides: Vec<Box<dyn Side>> = vec![
            Box::new(Peer::<execstore::Execstore>::new(folder.path())),
            Box::new(Peer::<sqlite::Sqlite>::new(folder.path())),
            Box::new(Peer::<sqlite_batched::Batched>::new(folder.path())),
            Box::new(Peer::<redb_bare::Redb>::new(folder.path())),
            Box::new(Peer::<fjall_bare::Fjall>::new(folder.path())),
            Box::new(Peer::<lmdb_bare::Lmdb>::new(folder.path())),
            Box::new(floor::Floor { folder: folder.path().to_owned() }),
        ];
        if let Some(subjects) = subjects {
            sides.retain(|side| subjects.iter().any(|subject| subject == side.name()));
        }
        let names: Vec<_> = sides.iter().map(|side| side.name()).collect();
        let line = |case: &Case| Line { case: *case, samples: Vec::new() };
        let mut lines: Vec<_> = cases.iter().map(line).collect();
        let start = Instant::now();
        for round in 1..=rounds {
            for line in &mut lines {
                // In turn: the subjects meet the same minute of the machine.
                let samples: Vec<_> = sides.iter_mut().map(|side| side.run(&line.case, plan)).collect();
                let told: Vec<_> = names
                    .iter()
                    .zip(&samples)
                    .filter_map(|(name, value)| value.map(|value| format!("{name} {}", table::figure(value))))
                    .collect();
                let seconds = start.elapsed().as_secs();
                eprintln!("{seconds:>5} s  round {round}  {}: {}", line.case.name, told.join(", "));
                line.samples.push(samples);
            }
            sides.iter_mut().for_each(|side| side.end_round());
        }
        drop(sides);
        drop(folder);
        // Another run may have its folder there.
        let _ = std::fs::remove_dir(&parent);
        table::print(&lines, &names);
        if plan.scale != 1.0 {
            println!("At scale {}: not the figures to quote.", plan.scale);
        }
        let path = target.join("scoreboard.json");
        table::save(&lines, &names, &path);
        println!("Written to {}.", path.display());
    }
}
