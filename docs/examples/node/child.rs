//! One child process: started, waited for, and killed when its time is over.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::capture::Capture;
use crate::jobs::Job;

/// How long the output may stay open after the child has ended. What the child started may hold it.
const GRACE: Duration = Duration::from_millis(500);

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
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn error(reason: String) -> Self {
        Self { error: Some(reason.chars().take(500).collect()), ..Self::default() }
    }

    pub fn is_success(&self) -> bool {
        self.exit_code == Some(0) && !self.timed_out
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

/// A child that runs.
pub struct Running {
    child: Child,
    began: Instant,
    timeout: Duration,
    stdout: Capture,
    stderr: Capture,
}

/// Starts the job's program. `env` is added to its environment.
pub fn start(job: &Job, env: &[(&str, &str)]) -> io::Result<Running> {
    let began = Instant::now();
    let mut child = Command::new(&job.program)
        .args(&job.args)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let captures = Capture::begin(child.stdout.take())
        .and_then(|stdout| Ok((stdout, Capture::begin(child.stderr.take())?)));
    match captures {
        Ok((stdout, stderr)) => {
            Ok(Running { child, began, timeout: Duration::from_millis(job.timeout_ms), stdout, stderr })
        }
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end, or makes it.
    pub fn finish(mut self) -> Outcome {
        let mut outcome = Outcome::default();
        match self.wait(&mut outcome.timed_out) {
            Ok(status) => {
                outcome.exit_code = status.code();
                outcome.signal = signal(status);
            }
            Err(error) => outcome.error = Some(format!("cannot wait for the child: {error}")),
        }
        outcome.duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let until = Instant::now() + GRACE;
        outcome.stdout = self.stdout.end(until);
        outcome.stderr = self.stderr.end(until);
        outcome
    }

    fn wait(&mut self, timed_out: &mut bool) -> io::Result<ExitStatus> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            let left = self.timeout.saturating_sub(self.began.elapsed());
            if left.is_zero() {
                *timed_out = true;
                self.child.kill()?;
                return self.child.wait();
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(20));
        }
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
