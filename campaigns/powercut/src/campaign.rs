//! The campaign: what is asked for, whether it can run here, all rounds, and the table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::child::{counters, joined};
use crate::dice::Dice;
use crate::disk::Image;
use crate::fs::{KINDS, Kind};
use crate::fuse::Disks;
use crate::mount::scratch;
use crate::round::{Bench, Case, Trial, Verdict};
use crate::table::Table;
use crate::work::{MODES, Mode, Outcome};

const USAGE: &str = "\
powercut [--cuts N] [--seed N] [--fs NAME,..] [--work NAME,..] [--keep FOLDER]
powercut again CASE.txt

  --cuts   cuts of the store's own kinds of work; the control and SQLite come on top (default 400)
  --seed   another seed (default: from the clock); it is printed
  --fs     ext4, ext4/journal, ext4/writeback, xfs, btrfs (default: all)
  --work   single, group, large, trim, reopen, create, recover, moved, copied, overlay, no-sync, sqlite, sqlite-moved
  --keep   where the images of bad cases are kept (default target/powercut)
  again    looks again at a case that was kept
";

/// How many cuts one worker sees.
const CUTS_A_ROUND: u64 = 8;

struct Wanted {
    cuts: u64,
    seed: u64,
    kinds: Vec<Kind>,
    modes: Vec<Mode>,
    keep: PathBuf,
}

impl Wanted {
    fn parse(args: &[String]) -> Option<Self> {
        let clock = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
        let mut wanted = Self {
            cuts: 400,
            seed: Dice::new(clock).roll(1 << 32),
            kinds: KINDS.to_vec(),
            modes: MODES.iter().map(|(_, mode)| *mode).collect(),
            keep: PathBuf::from("target/powercut"),
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next()?;
            let mut names = value.split(',');
            match name.as_str() {
                "--cuts" => wanted.cuts = value.parse().ok()?,
                "--seed" => wanted.seed = value.parse().ok()?,
                "--fs" => wanted.kinds = names.map(kind).collect::<Option<_>>()?,
                "--work" => wanted.modes = names.by_ref().map(Mode::parse).collect::<Option<_>>()?,
                "--keep" => wanted.keep = PathBuf::from(value),
                _ => return None,
            }
        }
        Some(wanted)
    }
}

fn kind(name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.name == name)
}

pub fn main(args: &[String]) -> i32 {
    let outcome = match args {
        [again, case] if again == "again" => look_again(Path::new(case)),
        _ => match Wanted::parse(args) {
            Some(wanted) => run(&wanted),
            None => {
                eprint!("{USAGE}");
                return 2;
            }
        },
    };
    match outcome {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            eprintln!("{error}");
            2
        }
    }
}

/// Says what is missing, all of it at once. Installs nothing.
fn can_run(kinds: &[Kind]) -> Outcome<()> {
    let mut missing = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push("it needs root, to mount".to_owned());
    }
    for (device, what) in [("/dev/fuse", "FUSE"), ("/dev/loop-control", "loop devices")] {
        if !Path::new(device).exists() {
            missing.push(format!("{device} is not there: this kernel or container has no {what}"));
        }
    }
    for kind in kinds {
        if kind.mkfs().is_none() {
            let (driver, package) = (kind.driver, kind.package());
            missing.push(format!("mkfs.{driver} is not there: install {package}, or leave it out with --fs"));
        }
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!("the campaign of power cuts cannot run here:\n  {}", missing.join("\n  ")).into())
}

fn bench() -> Outcome<Bench> {
    let (scratch, anchor) =
        scratch().map_err(|error| format!("no mounts of our own can be made here: {error}"))?;
    let disks = Disks::mount(&scratch.join("disks")).map_err(|error| format!("FUSE: {error}"))?;
    Ok(Bench { disks, scratch, _anchor: anchor })
}

fn run(wanted: &Wanted) -> Outcome<bool> {
    can_run(&wanted.kinds)?;
    std::fs::create_dir_all(&wanted.keep)?;
    let keep = wanted.keep.canonicalize()?;
    println!("seed {}", wanted.seed);
    let bench = bench()?;
    let mut fresh: BTreeMap<&str, Image> = BTreeMap::new();
    for kind in &wanted.kinds {
        if !fresh.contains_key(kind.driver) {
            fresh.insert(kind.driver, kind.make(&bench.scratch)?);
        }
    }
    let mut lines = Vec::new();
    for kind in &wanted.kinds {
        for mode in &wanted.modes {
            lines.push((*kind, *mode, true));
            if !mode.is_sqlite() {
                lines.push((*kind, *mode, false));
            }
        }
    }
    let ours = lines.iter().filter(|(_, mode, _)| mode.is_ours()).count().max(1) as u64;
    let quota = wanted.cuts.div_ceil(ours).max(1);
    let mut table = Table::default();
    let mut dice = Dice::new(wanted.seed);
    let began = Instant::now();
    let mut troubles = 0;
    while !lines.is_empty() {
        for (kind, mode, journal) in std::mem::take(&mut lines) {
            let done = table.row(kind, mode, journal).cuts;
            let trial = Trial { kind, mode, journal, seed: dice.next() };
            let cuts = CUTS_A_ROUND.min(quota - done);
            let outcome = bench.round(&trial, &fresh[kind.driver], cuts, |case| {
                table.add(kind, mode, journal, &case);
                report(&trial, &case, &keep);
            });
            if let Err(error) = outcome {
                println!("trouble: {}: {error}", describe(&trial));
                troubles += 1;
                if troubles > 20 {
                    return Err("too much trouble".into());
                }
            }
            if table.row(kind, mode, journal).cuts < quota {
                lines.push((kind, mode, journal));
            }
        }
        let (cuts, bad, _) = table.sums();
        eprintln!("{cuts} cuts, {bad} bad, {:.0} s", began.elapsed().as_secs_f64());
    }
    let (cuts, bad, control) = table.sums();
    println!("\nseed {}\n\n{table}", wanted.seed);
    println!("{cuts} cuts, {bad} bad");
    if !control {
        println!("the control has let a cut pass: the campaign proves nothing");
    }
    Ok(bad == 0 && control && troubles == 0)
}

fn describe(trial: &Trial) -> String {
    let Trial { kind, mode, journal, seed } = trial;
    format!("{} {} journal={journal} seed={seed}", kind.name, mode.name())
}

/// Tells of a case that is not good, and keeps it.
fn report(trial: &Trial, case: &Case, keep: &Path) {
    let (word, text) = match &case.verdict {
        Verdict::Good(_) => return,
        Verdict::Bad(_) if trial.mode == Mode::NoSync => return,
        Verdict::Bad(text) => ("bad", text),
        Verdict::NoFileSystem(text) => ("file system gone", text),
    };
    println!("{word}: {}: {text}", describe(trial));
    let name = format!("{}-{}-{}", trial.kind.name.replace('/', "-"), trial.mode.name(), trial.seed);
    let Some(place) = (0..100)
        .map(|nth| keep.join(format!("{name}-{nth}")))
        .find(|place| !place.with_extension("txt").exists())
    else {
        return;
    };
    let note = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n\n{text}\n",
        trial.kind.name,
        trial.mode.name(),
        trial.journal,
        trial.seed,
        joined(&case.acknowledged),
        joined(&case.begun)
    );
    let kept = case.image.save(&place.with_extension("img"));
    match kept.and_then(|()| std::fs::write(place.with_extension("txt"), note)) {
        Ok(()) => println!("  kept; to look again: powercut again {}", place.with_extension("txt").display()),
        Err(error) => println!("  not kept: {error}"),
    }
}

fn look_again(case: &Path) -> Outcome<bool> {
    let text = std::fs::read_to_string(case).map_err(|error| format!("{}: {error}", case.display()))?;
    let mut lines = text.lines();
    let mut next = || lines.next().ok_or("the case is not complete");
    let kind = kind(next()?).ok_or("an unknown file system")?;
    let mode = Mode::parse(next()?).ok_or("an unknown kind of work")?;
    let trial = Trial { kind, mode, journal: next()?.parse()?, seed: next()?.parse()? };
    let (acknowledged, begun) = (counters(next()?)?, counters(next()?)?);
    can_run(&[])?;
    let image = Image::load(&case.with_extension("img"))?;
    let bench = bench()?;
    bench.prepare(&trial)?;
    let (good, text) = match bench.verdict(&trial, &image, &acknowledged, &begun).0 {
        Verdict::Good(found) => (true, format!("good: {} acknowledged and found", found.checked)),
        Verdict::Bad(text) => (false, format!("bad: {text}")),
        Verdict::NoFileSystem(text) => (false, format!("file system gone: {text}")),
    };
    println!("{}: {text}", describe(&trial));
    Ok(good)
}
