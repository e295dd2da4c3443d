//! The processes that touch the file systems: a worker, and one that looks at what a cut has left.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::acks::Acks;
use crate::mount::Anchor;
use crate::work::{self, Found, Job, Mode, Outcome};

/// Longer than any look takes; after that it counts as hung.
const PATIENCE: Duration = Duration::from_secs(120);

impl Job {
    fn to_args(&self) -> [String; 4] {
        let folder = self.folder.display().to_string();
        [self.mode.name().into(), self.journal.to_string(), self.seed.to_string(), folder]
    }

    fn from_args(args: &mut impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            mode: Mode::parse(&args.next()?)?,
            journal: args.next()?.parse().ok()?,
            seed: args.next()?.parse().ok()?,
            folder: PathBuf::from(args.next()?),
        })
    }
}

/// What the process does if it is one of them: `Some` with its exit code.
pub fn main(args: &[String]) -> Option<i32> {
    let mut args = args.iter().cloned();
    let what = args.next()?;
    if what == "anchor" {
        Anchor::hold();
        return Some(0);
    }
    if what != "worker" && what != "look" {
        return None;
    }
    // Nobody is left to stop it when the campaign has ended.
    let result = set_pdeathsig(Signal::SIGKILL).map_err(Into::into).and_then(|()| {
        let job = Job::from_args(&mut args).ok_or("no job")?;
        let (first, second) = (args.next().ok_or("no counters")?, args.next().ok_or("no counters")?);
        if what == "worker" {
            work::work(&job, &Acks::open(first.as_ref())?, second.parse()?)?;
            return Ok(());
        }
        let found = work::check(&job, &counters(&first)?, &counters(&second)?)?;
        println!("{} {} {}", found.checked, found.next, found.leftovers);
        Ok(())
    });
    Some(match result {
        Ok(()) => 0,
        Err(error) => {
            let error: Box<dyn std::error::Error + Send + Sync> = error;
            eprintln!("{}", full(&*error));
            1
        }
    })
}

/// An error with its sources.
fn full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

pub fn counters(text: &str) -> Outcome<Vec<u64>> {
    Ok(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

pub fn joined(counters: &[u64]) -> String {
    counters.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

/// A worker under way.
pub struct Worker(Child);

impl Worker {
    pub fn start(job: &Job, acks: &std::path::Path, from: u64) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("worker").args(job.to_args()).arg(acks).arg(from.to_string());
        Ok(Self(command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?))
    }

    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        // It may have ended.
        let _ = kill(Pid::from_raw(self.0.id() as i32), signal);
    }

    /// Whether it has ended, with what it said if it failed.
    pub fn ended(&mut self) -> Option<Outcome<()>> {
        let status = self.0.try_wait().ok().flatten()?;
        let mut text = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            // What cannot be read is not said.
            let _ = stderr.read_to_string(&mut text);
        }
        Some(if status.success() { Ok(()) } else { Err(format!("{status}: {}", text.trim()).into()) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has another process look, so that one that hangs or aborts is found, too.
pub fn look(job: &Job, acknowledged: &[u64], begun: &[u64]) -> Outcome<Found> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("look").args(job.to_args()).arg(joined(acknowledged)).arg(joined(begun));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            return Err("it did not end".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.trim().chars().take(2_000).collect::<String>().into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()?;
    match numbers[..] {
        [checked, next, leftovers] => Ok(Found { checked, next, leftovers }),
        _ => Err("it said nothing".into()),
    }
}
