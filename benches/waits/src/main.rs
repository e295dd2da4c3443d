//! How long writers wait while something big is deleted, beside how long the same writers wait while nothing is.
//!
//! `cargo bench -p waits`, or of some kinds and smaller, `cargo bench -p waits -- events trim --scale 0.1`. For each kind one process
//! builds a store, and another, whose memory is measured, opens it, lets two writers go on for some seconds, then deletes while
//! they go on, until nothing waits to be removed. `--build events FILE` and `--run events FILE` do these by hand.
//! `cargo bench -p waits -- --bounds` measures what must not be slow besides.

mod bounds;
mod kinds;
mod writers;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use execstore::Store;
use kinds::Kind;
use writers::{Meanwhile, sync_times, while_writing};

/// How long the writers go on while nothing is deleted.
const BASELINE: Duration = Duration::from_secs(5);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` says so; `cargo test --benches` does not, and is not to wait for this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    if let Err(message) = parse(&arguments) {
        eprintln!("{message}");
        std::process::exit(2);
    }
}

fn parse(arguments: &[String]) -> Result<(), String> {
    let (mut kinds, mut scale, mut by_hand, mut bounds_alone) = (Vec::new(), 1.0, None, false);
    let mut arguments = arguments.iter().filter(|argument| *argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--scale" => {
                let value = arguments.next().and_then(|value| value.parse().ok());
                scale = value
                    .filter(|scale| *scale > 0.0 && *scale <= 10.0)
                    .ok_or("--scale takes a factor of at most 10")?;
            }
            "--bounds" => bounds_alone = true,
            "--build" | "--run" => {
                let kind = Kind::named(arguments.next().map_or("", String::as_str))?;
                by_hand = Some((argument, kind, arguments.next().ok_or("and a file")?));
            }
            name => kinds.push(Kind::named(name)?),
        }
    }
    if bounds_alone {
        bounds::all(scale);
        return Ok(());
    }
    match by_hand {
        Some((what, kind, file)) if what == "--build" => kind.build(Path::new(file), scale),
        Some((_, kind, file)) => run(kind, Path::new(file)),
        None => each(if kinds.is_empty() { &Kind::ALL } else { &kinds }, scale),
    }
    Ok(())
}

fn each(kinds: &[Kind], scale: f64) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let folder = tempfile::tempdir_in(target).unwrap();
    for kind in kinds {
        let file = folder.path().join(kind.name());
        for step in ["--build", "--run"] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--bench", step, kind.name()]).arg(&file).args(["--scale", &scale.to_string()]);
            assert!(command.status().unwrap().success(), "{} {step}", kind.name());
        }
        std::fs::remove_file(&file).unwrap();
    }
    if scale != 1.0 {
        println!("At scale {scale}: not the figures to quote.");
    }
}

/// What the store's status has said while the operation went on.
#[derive(Default)]
struct Seen {
    /// The longest that a step of the removal had the turn to write.
    step: Duration,
    /// The longest that any transaction had it.
    turn: (Duration, Cow<'static, str>),
}

fn run(kind: Kind, file: &Path) {
    println!("{}", kind.name());
    println!("  sync of 4 KiB appended         {}", sync_times(file));
    let store = Store::open(file).unwrap();
    let before = while_writing(&store, || std::thread::sleep(BASELINE)).1;
    tell("baseline", &before);
    let memory = resident("VmRSS:");
    // From here on the peak is counted anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let ended = AtomicBool::new(false);
    let (all, begin) = (Instant::now(), begun(&store));
    let ((call, seen), during) = while_writing(&store, || {
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&store, &ended));
            let start = Instant::now();
            kind.delete(&store);
            let call = start.elapsed();
            while store.status().unwrap().removals > 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            ended.store(true, Ordering::Relaxed);
            (call, watching.join().unwrap())
        })
    });
    let time = all.elapsed();
    tell("meanwhile", &during);
    println!("  the call {:.1} ms, the whole {:.1} s", ms(call), time.as_secs_f64());
    println!(
        "  the longest step of the removal {:.1} ms, the longest turn {:.1} ms ({})",
        ms(seen.step),
        ms(seen.turn.0),
        seen.turn.1
    );
    let peak = resident("VmHWM:");
    println!(
        "  memory {memory} MiB before, {peak} MiB at the most; file {begin} MiB, {} MiB at the end",
        len(file)
    );
    store.close().unwrap();
}

fn begun(store: &Store) -> u64 {
    let sizes = store.read(|reader| Ok(reader.table_sizes()?)).unwrap();
    sizes.iter().map(|size| size.stored_bytes).sum::<u64>() >> 20
}

fn len(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len() >> 20
}

fn watch(store: &Store, ended: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !ended.load(Ordering::Relaxed) {
        if let Some((by, held)) = store.status().unwrap().writer {
            if by.starts_with("the removal") {
                seen.step = seen.step.max(held);
            }
            seen.turn = seen.turn.max((held, by));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    seen
}

fn tell(when: &str, meanwhile: &Meanwhile) {
    for (who, waits) in meanwhile {
        println!("  {when:<10} {who:<19} {waits}");
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// MiB.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}
