//! One file system, one worker, and several cuts of its power.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::acks::Acks;
use crate::child::{Worker, look};
use crate::dice::Dice;
use crate::disk::Image;
use crate::fs::Kind;
use crate::fuse::{Cut, Disks};
use crate::mount::{Anchor, Mounted, run};
use crate::work::{Found, Job, Mode, Outcome, prepare_lower};

/// When nothing comes to the disk for so long, the power is cut there and then.
const IDLE: Duration = Duration::from_secs(2);

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    pub kind: Kind,
    pub mode: Mode,
    pub journal: bool,
    pub seed: u64,
}

/// A cut, and what was found after it.
pub struct Case {
    pub image: Image,
    pub acknowledged: Vec<u64>,
    pub begun: Vec<u64>,
    pub unflushed: usize,
    /// The file system had to be repaired first.
    pub repaired: bool,
    pub verdict: Verdict,
}

pub enum Verdict {
    Good(Found),
    Bad(String),
    /// The file system itself is gone.
    NoFileSystem(String),
}

pub struct Bench {
    pub disks: Disks,
    pub scratch: PathBuf,
    pub _anchor: Anchor,
}

impl Bench {
    fn folder(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Runs one round and hands over each case. An error is one of the campaign itself or of the worker.
    pub fn round(&self, trial: &Trial, fresh: &Image, cuts: u64, mut tell: impl FnMut(Case)) -> Outcome<()> {
        let mut dice = Dice::new(trial.seed);
        self.prepare(trial)?;
        let disk = Drive::new(&self.disks, fresh.clone());
        let acks_path = self.folder("acks");
        let acks = Acks::create(&acks_path)?;
        let live = self.live(trial, &disk)?;
        let mut worker = Worker::start(&self.job(trial, live.folder()), &acks_path, 0)?;
        if trial.mode == Mode::NoSync {
            self.sync_once(&acks, &mut worker, &live)?;
        } else if dice.roll(4) > 0 {
            wait_for(&acks, &mut worker, dice.spread(early(trial.mode)))?;
        }
        for _ in 0..cuts {
            let cut = if trial.mode == Mode::NoSync {
                // What is acknowledged reaches no disk: so wait for that.
                wait_for(&acks, &mut worker, acks.acknowledged()?[0] + dice.spread(50))?;
                self.disks.arm(disk.number, u64::MAX, Dice::new(dice.next()), acks.try_clone()?);
                self.disks.cut(disk.number, Duration::ZERO)?
            } else {
                let requests = dice.spread(if trial.mode == Mode::Large { 400 } else { 200 });
                self.disks.arm(disk.number, requests, Dice::new(dice.next()), acks.try_clone()?);
                self.disks.cut(disk.number, IDLE)?
            };
            worker.stop();
            let case = self.case(trial, cut, acks.begun()?);
            let deeper = match &case.verdict {
                Verdict::Good(found) if trial.mode == Mode::Recover && !case.repaired => {
                    Some((case.image.clone(), found.next))
                }
                _ => None,
            };
            tell(case);
            if let Some((image, next)) = deeper {
                self.again(trial, image, next, &mut dice, &mut tell)?;
            }
            match worker.ended() {
                Some(Err(error)) => return Err(format!("the worker: {error}").into()),
                Some(Ok(())) => break,
                None => worker.go_on(),
            }
        }
        Ok(())
    }

    /// The power goes again while the file system and the store recover, or soon after.
    fn again(
        &self,
        trial: &Trial,
        mut image: Image,
        mut next: u64,
        dice: &mut Dice,
        tell: &mut impl FnMut(Case),
    ) -> Outcome<()> {
        for _ in 0..dice.spread(4) {
            let disk = Drive::new(&self.disks, image);
            let path = self.folder("acks-again");
            let acks = Acks::create(&path)?;
            // What was found once is there for good.
            acks.begin(0, next)?;
            acks.acknowledge(0, next)?;
            self.disks.arm(disk.number, dice.spread(60), Dice::new(dice.next()), acks.try_clone()?);
            let at = self.folder("over");
            let mounted = trial.kind.mount(&disk.path, &at)?;
            let worker = Worker::start(&self.job(trial, &at), &path, next)?;
            let cut = self.disks.cut(disk.number, IDLE)?;
            worker.stop();
            let case = self.case(trial, cut, acks.begun()?);
            drop((worker, mounted));
            let found = match &case.verdict {
                Verdict::Good(found) if !case.repaired => Some((case.image.clone(), found.next)),
                _ => None,
            };
            tell(case);
            let Some(found) = found else { break };
            (image, next) = found;
        }
        Ok(())
    }

    fn case(&self, trial: &Trial, cut: Cut, begun: Vec<u64>) -> Case {
        let (verdict, repaired) = self.verdict(trial, &cut.image, &cut.acknowledged, &begun);
        let Cut { image, acknowledged, unflushed } = cut;
        Case { image, acknowledged, begun, unflushed, repaired, verdict }
    }

    /// Mounts what a cut left and has it looked at. Says whether the file system had to be repaired first.
    pub fn verdict(
        &self,
        trial: &Trial,
        image: &Image,
        acknowledged: &[u64],
        begun: &[u64],
    ) -> (Verdict, bool) {
        let disk = Drive::new(&self.disks, image.clone());
        match trial.kind.mount_after_cut(&disk.path, &self.folder("cut")) {
            Ok((mounted, repaired)) => (self.look(trial, &mounted, acknowledged, begun), repaired),
            Err(error) => (Verdict::NoFileSystem(error.to_string()), false),
        }
    }

    fn look(&self, trial: &Trial, mounted: &Mounted, acknowledged: &[u64], begun: &[u64]) -> Verdict {
        let over = match trial.mode {
            Mode::Overlay => {
                match Mounted::overlay(&self.folder("lower"), mounted.at(), "", &self.folder("again")) {
                    Ok(over) => Some(over),
                    Err(error) => return Verdict::NoFileSystem(error.to_string()),
                }
            }
            _ => None,
        };
        let folder = match (&over, trial.mode) {
            (Some(over), _) => over.at().to_owned(),
            (None, Mode::NoSync) => mounted.at().join("upper"),
            (None, _) => mounted.at().to_owned(),
        };
        match look(&self.job(trial, &folder), acknowledged, begun) {
            Ok(found) => Verdict::Good(found),
            Err(error) => Verdict::Bad(error.to_string()),
        }
    }

    /// What lies in the lower layer.
    pub fn prepare(&self, trial: &Trial) -> Outcome<()> {
        let lower = self.folder("lower");
        std::fs::remove_dir_all(&lower)?;
        std::fs::create_dir(&lower)?;
        prepare_lower(&self.job(trial, &lower))
    }

    fn job(&self, trial: &Trial, folder: &Path) -> Job {
        let Trial { mode, journal, seed, .. } = *trial;
        Job { mode, journal, seed, folder: folder.to_owned() }
    }

    fn live(&self, trial: &Trial, disk: &Drive<'_>) -> Outcome<Live> {
        let disk = trial.kind.mount(&disk.path, &self.folder("live"))?;
        let options = if trial.mode == Mode::NoSync { ",volatile" } else { "" };
        let over = if trial.mode.is_layered() {
            Some(Mounted::overlay(&self.folder("lower"), disk.at(), options, &self.folder("over"))?)
        } else {
            None
        };
        Ok(Live { over, disk })
    }

    /// Lets the store be made, and puts on the disk what there is until then.
    fn sync_once(&self, acks: &Acks, worker: &mut Worker, live: &Live) -> Outcome<()> {
        wait_for(acks, worker, 4)?;
        worker.stop();
        run(Command::new("sync").arg("-f").arg(live.disk.at()))?;
        worker.go_on();
        Ok(())
    }
}

/// The operations after which the first cut comes at the latest.
fn early(mode: Mode) -> u64 {
    match mode {
        Mode::Large => 40,
        Mode::Create | Mode::Moved | Mode::Copied | Mode::Overlay | Mode::SqliteMoved => 100,
        _ => 400,
    }
}

/// Waits until so many operations were acknowledged, of all threads together.
fn wait_for(acks: &Acks, worker: &mut Worker, operations: u64) -> Outcome<()> {
    let until = Instant::now() + 30 * IDLE;
    while acks.acknowledged()?.iter().sum::<u64>() < operations {
        if let Some(ended) = worker.ended() {
            return ended.map_err(|error| format!("the worker: {error}").into());
        }
        if Instant::now() > until {
            return Err(format!("the worker did not come to {operations} operations").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A disk that goes with its guard.
struct Drive<'a> {
    disks: &'a Disks,
    number: u64,
    path: PathBuf,
}

impl<'a> Drive<'a> {
    fn new(disks: &'a Disks, image: Image) -> Self {
        let number = disks.add(image);
        Self { disks, number, path: disks.path(number) }
    }
}

impl Drop for Drive<'_> {
    fn drop(&mut self) {
        self.disks.remove(self.number);
    }
}

/// The file system that the worker works on. The overlay is unmounted first.
struct Live {
    over: Option<Mounted>,
    disk: Mounted,
}

impl Live {
    fn folder(&self) -> &Path {
        self.over.as_ref().unwrap_or(&self.disk).at()
    }
}
