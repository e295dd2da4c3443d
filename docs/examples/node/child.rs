//! One child process: started, waited for, and killed when its time is over.

use std::collections::BTreeMap;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use execstore::{Error, ExecutionId, Store};
use serde::{Deserialize, Serialize};

use crate::capture::Capture;
use crate::jobs::Job;
use crate::output::{Captured, Streams};

/// How an attempt ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    pub timed_out: bool,
    /// Why there is no exit at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub duration_ms: u64,
    pub outputs: BTreeMap<String, Captured>,
}

impl Outcome {
    pub fn error(reason: String) -> Self {
        Self { error: Some(reason.chars().take(500).collect()), ..Self::default() }
    }

    pub fn is_success(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out
    }

    /// How many bytes the child wrote, and how many of them are not kept.
    pub fn written(&self) -> (u64, u64) {
        let outputs = self.outputs.values();
        outputs.fold((0, 0), |(all, dropped), output| {
            let gap = output.dropped.as_ref().map_or(0, |gap| gap.end.saturating_sub(gap.start));
            (all + output.length, dropped + gap)
        })
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        match (&self.error, self.exit_code, self.signal) {
            (Some(reason), ..) => reason.clone(),
            _ if self.timed_out => "timed out".to_owned(),
            (_, Some(code), _) => format!("exit code {code}"),
            (_, _, Some(signal)) => format!("signal {signal}"),
            _ => "no exit code".to_owned(),
        }
    }
}

/// A child that runs. It does not outlive this value.
pub struct Running<'s> {
    child: Child,
    began: Instant,
    timeout: Duration,
    streams: Streams<'s>,
}

/// Starts the job's program for an execution. `env` is added to its environment.
pub fn start<'s>(
    store: &'s Store,
    id: &ExecutionId,
    job: &Job,
    env: &[(&str, &str)],
) -> io::Result<Running<'s>> {
    let began = Instant::now();
    let mut child = Command::new(&job.program)
        .args(&job.args)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    match Capture::begin(&mut child) {
        Ok(capture) => {
            let streams = Streams::new(store, id, capture);
            Ok(Running { child, began, timeout: Duration::from_millis(job.timeout_ms), streams })
        }
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

impl Running<'_> {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end, or makes it. What the child writes goes into the store meanwhile; an error is one
    /// of the store.
    pub fn finish(mut self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        match self.wait(&mut outcome.timed_out)? {
            Ok(status) => {
                outcome.exit_code = status.code();
                outcome.signal = signal(status);
            }
            Err(error) => outcome.error = Some(format!("cannot wait for the child: {error}")),
        }
        outcome.duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        outcome.outputs = self.streams.end()?;
        Ok(outcome)
    }

    fn wait(&mut self, timed_out: &mut bool) -> Result<io::Result<ExitStatus>, Error> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(ended) = self.child.try_wait().transpose() {
                return Ok(ended);
            }
            let left = self.timeout.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                *timed_out = true;
                return Ok(self.child.kill().and_then(|()| self.child.wait()));
            }
            self.streams.pass_on(pause.min(left))?;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Of a child that has ended this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}
