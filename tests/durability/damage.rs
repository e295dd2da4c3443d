//! Damage to a closed file: no panic gets out, no process ends, and nothing wrong is given for right.
//!
//! The cases run in child processes, because redb can end a process where it cannot panic.

use std::backtrace::Backtrace;
use std::io::Write;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use execstore::error::OpenError;
use execstore::{Builder, Json, NewEvent, NewExecution, Store, Timestamp, Update};

use support::children::child;
use support::dice::Dice;
use support::original::Original;

const PAGE: usize = 4096;
const RANGE: &str = "EXECSTORE_DAMAGE_RANGE";
/// Set, the child prints every panic.
const LOUD: &str = "EXECSTORE_DAMAGE_LOUD";
const FILE: &str = "EXECSTORE_DAMAGE_FILE";
/// Set, a case is a page that is noise.
const NOISE: &str = "EXECSTORE_DAMAGE_NOISE";
/// Set, what opens is written to as well.
const WRITES: &str = "EXECSTORE_DAMAGE_WRITES";

fn seed() -> u64 {
    std::env::var("EXECSTORE_SEED").map_or(20_260_103, |text| text.parse().unwrap())
}

fn builder() -> Builder {
    let mut builder = Store::builder();
    builder.set_cache_size(4 * 1024 * 1024).set_clock(|| Timestamp::from_nanos(7));
    builder
}

fn filled(bytes: usize) -> Json {
    Json::from_text(&format!("{{\"fill\":\"{}\"}}", "x".repeat(bytes))).unwrap()
}

/// A closed store with everything in it.
fn make(path: &Path) {
    let store = builder().create_new(path).unwrap();
    for n in 0..40 {
        let id = format!("e{n}");
        let job = format!("j{}", n / 4);
        let new = NewExecution::new(job).id(&id).label("n", n.to_string()).payload(filled(n * 60));
        store.write(|w| Ok(w.create(new.event(NewEvent::new("created").message(&id)))?)).unwrap();
        for state in ["BidAccepted", "Running", "Completed"].iter().take(n % 4) {
            let update = Update::to(state).message(*state).payload(filled(n * 50 + state.len()));
            store.write(|w| Ok(w.update(&id, update.event(NewEvent::new(*state)))?)).unwrap();
        }
        if n % 10 == 9 {
            store.write(|w| Ok(w.delete(&id)?)).unwrap();
        }
    }
    store.write(|w| Ok(w.set_checkpoint("reader", execstore::ChangeSeq(17))?)).unwrap();
}

/// One damage, by its number alone.
fn damage(bytes: &mut Vec<u8>, case: u64) -> String {
    let mut dice = Dice::new(seed() ^ case << 20);
    let len = bytes.len();
    // Most of a file this small is empty: hit what is not.
    let used: Vec<_> = (0..len / PAGE)
        .filter(|page| bytes[page * PAGE..(page + 1) * PAGE].iter().any(|byte| *byte != 0))
        .collect();
    let mut page = || used[dice.roll(used.len() as u64) as usize];
    let (one, two) = (page(), page());
    let kind = dice.roll(20);
    match kind {
        0 => {
            let at = 1 + dice.roll(len as u64 - 1) as usize;
            bytes.truncate(at);
            format!("truncated to {at}")
        }
        1 => {
            let more = 1 + dice.roll(20_000) as usize;
            bytes.resize(len + more, dice.roll(256) as u8);
            format!("{more} more bytes")
        }
        2 | 3 => {
            bytes[one * PAGE..(one + 1) * PAGE].fill(0);
            format!("page {one} zeroed")
        }
        4 | 5 => {
            for byte in 0..PAGE {
                bytes.swap(one * PAGE + byte, two * PAGE + byte);
            }
            format!("pages {one} and {two} swapped")
        }
        6 => {
            let at = one * PAGE + 512 * dice.roll(8) as usize;
            bytes[at..at + 512].fill_with(|| dice.next() as u8);
            format!("512 random bytes at {at}")
        }
        _ => {
            // The header and the beginnings of pages count most.
            let at = match kind {
                7 | 8 => dice.roll(320),
                9..=12 => (one * PAGE) as u64 + dice.roll(64),
                _ => (one * PAGE) as u64 + dice.roll(PAGE as u64),
            } as usize;
            let bit = dice.roll(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
    }
}

/// A page of noise, by its number.
fn noise(bytes: &mut [u8], page: u64) -> String {
    let mut dice = Dice::new(page);
    bytes[page as usize * PAGE..][..PAGE].fill_with(|| dice.next() as u8);
    format!("page {page} is noise")
}

/// Writes to what is damaged, several operations to a transaction, whatever each of them says: redb's tables are open while others fail.
/// `true` if any of it was committed.
fn write(store: &Store, case: u64) -> bool {
    let mut any = false;
    for round in 0..4 {
        let written = store.write(|w| {
            for step in 0..4 {
                let id = format!("e{}", (case + 7 * step + round) % 44);
                let _ = match (case + step + round) % 4 {
                    0 => w
                        .create(NewExecution::new("new").id(&id).label("n", "new").payload(filled(900)))
                        .map(drop),
                    1 => w
                        .update(&id, Update::new().payload(filled(1_500)).event(NewEvent::new("late")))
                        .map(drop),
                    2 => w.delete(&id).map(drop),
                    _ => w.append_events(&id, [NewEvent::new("more")]).map(drop),
                };
            }
            Ok(())
        });
        any |= written.is_ok();
    }
    any | store.write(|w| Ok(w.trim_changes(execstore::ChangeSeq(20))?)).is_ok()
}

/// What became of a damaged file.
#[derive(Clone, Copy)]
enum Fate {
    Refused,
    Read,
    Written,
}

/// Opens the damaged file, reads all of it, and writes to it if that was asked for. Gives what is wrong with the answers.
fn examine(original: &Original, path: &Path, case: u64) -> Result<Fate, String> {
    let store = match builder().open(path) {
        Ok(store) => store,
        Err(OpenError::AlreadyOpen { .. }) => return Err("the file before it is still open".to_owned()),
        Err(_) => return Ok(Fate::Refused),
    };
    let Ok(r) = store.begin_read() else { return Ok(Fate::Refused) };
    let found = original.compare(&r);
    drop(r);
    let noticed = !store.verify().is_ok_and(|report| report.is_clean());
    let changed = !found.missing.is_empty() || !found.stale.is_empty();
    if !found.wrong.is_empty() || (changed && !noticed) {
        return Err(format!("{found:?}, noticed by verify: {noticed}"));
    }
    let written = std::env::var_os(WRITES).is_some() && write(&store, case);
    Ok(if written { Fate::Written } else { Fate::Read })
}

/// The calls of a backtrace that are ours, and what they called.
fn ours(trace: Option<Backtrace>) -> String {
    let text = trace.map(|trace| trace.to_string()).unwrap_or_default();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| {
            line.contains(" redb::") || line.contains("execstore::") || line.contains("drop_in_place")
        })
        .collect();
    let outer = lines.len().saturating_sub(12);
    lines[outer..].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" < ")
}

#[test]
#[ignore = "the child of the test below"]
fn child_that_reads() {
    let Ok(range) = std::env::var(RANGE) else { return };
    let (from, to) = range.split_once("..").unwrap();
    let whole = PathBuf::from(std::env::var(FILE).unwrap());
    let bytes = std::fs::read(&whole).unwrap();
    let folder = tempfile::tempdir_in(whole.parent().unwrap()).unwrap();
    let path = folder.path().join("damaged.redb");
    std::fs::copy(&whole, &path).unwrap();
    let original = Original::of(&builder().open(&path).unwrap());
    // Most panics are caught in the library: only where one gets out is it told where it came from.
    static LAST: Mutex<Option<Backtrace>> = Mutex::new(None);
    if std::env::var_os(LOUD).is_none() {
        std::panic::set_hook(Box::new(|_| *LAST.lock().unwrap() = Some(Backtrace::force_capture())));
    }
    let mut fates = [0; 3];
    for case in from.parse::<u64>().unwrap()..to.parse().unwrap() {
        let mut damaged = bytes.clone();
        let what = match std::env::var_os(NOISE) {
            Some(_) => noise(&mut damaged, case),
            None => damage(&mut damaged, case),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "\ncase {case}: {what}").unwrap();
        out.flush().unwrap();
        drop(out);
        // Always the same file: whatever became of the store before, nobody has it any more.
        std::fs::write(&path, damaged).unwrap();
        match catch_unwind(AssertUnwindSafe(|| examine(&original, &path, case))) {
            Ok(Ok(fate)) => fates[fate as usize] += 1,
            Ok(Err(what)) => println!("\nWRONG {case}: {what}"),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                println!("\nPANIC {case}: {text:?} in {}", ours(LAST.lock().unwrap().take()));
            }
        }
    }
    println!("\nFATES {} {} {}\nEND", fates[0], fates[1], fates[2]);
}

/// Has damaged copies of a file examined. Gives how many were refused, read, and written to as well.
fn examine_all(file: &Path, cases: Range<u64>, noise: bool) -> [u64; 3] {
    const BATCH: u64 = 250;
    let mut failures = Vec::new();
    let mut examined = 0;
    let mut fates = [0; 3];
    let mut from = cases.start;
    while from < cases.end {
        let to = (from + BATCH).min(cases.end);
        let output = child(module_path!(), "child_that_reads")
            .env(RANGE, format!("{from}..{to}"))
            .env(FILE, file)
            .env("EXECSTORE_SEED", seed().to_string())
            .envs(noise.then_some((NOISE, "1")))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let bad = text.lines().filter(|line| line.starts_with("WRONG") || line.starts_with("PANIC"));
        failures.extend(bad.map(str::to_owned));
        let last = text.lines().rfind(|line| line.starts_with("case "));
        examined += text.lines().filter(|line| line.starts_with("case ")).count();
        if let Some(line) = text.lines().find_map(|line| line.strip_prefix("FATES ")) {
            let of_batch = line.split(' ').map(|many| many.parse::<u64>().unwrap());
            fates.iter_mut().zip(of_batch).for_each(|(sum, many)| *sum += many);
        }
        if text.lines().any(|line| line == "END") {
            from = to;
            continue;
        }
        let last = last.unwrap_or_else(|| panic!("the child did not begin: {output:?}"));
        let error = String::from_utf8_lossy(&output.stderr);
        // The last panic is the one that ended it; EXECSTORE_DAMAGE_LOUD=1 prints those before it as well.
        failures.push(format!("ENDED the process, {:?}: {last}: {error}", output.status));
        from = 1 + last["case ".len()..].split(':').next().unwrap().parse::<u64>().unwrap();
    }
    let listed = failures.iter().map(|line| line.chars().take(900).collect::<String>());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), listed.collect::<Vec<_>>().join("\n"));
    assert_eq!(examined as u64, cases.end - cases.start);
    let [refused, read, written] = fates;
    println!("{refused} were not opened, {read} were read, {written} were written to as well");
    fates
}

/// A closed store, not on a disk, where there is something else.
fn made() -> (tempfile::TempDir, PathBuf) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let file = folder.path().join("store.redb");
    make(&file);
    (folder, file)
}

#[test]
fn no_damage_is_given_for_right() {
    println!("EXECSTORE_SEED={}", seed());
    let cases: u64 = std::env::var("EXECSTORE_DAMAGE_CASES").map_or(3_000, |text| text.parse().unwrap());
    let first: u64 = std::env::var("EXECSTORE_DAMAGE_FIRST").map_or(0, |text| text.parse().unwrap());
    let (_folder, file) = made();
    let [_, read, written] = examine_all(&file, first..first + cases, false);
    assert!(cases < 1_000 || read + written > cases / 4, "hardly anything was opened");
}

#[test]
fn nor_is_a_page_of_noise() {
    let (_folder, file) = made();
    let pages = std::fs::metadata(&file).unwrap().len() / PAGE as u64;
    let [refused, read, written] = examine_all(&file, 0..pages, true);
    assert!(refused > 0 && read + written > 0);
}
