//! The output of a child: read while it runs, and kept up to a limit.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// How much is kept of each output, in bytes.
const KEEP: usize = 4096;

/// The beginning of an output, and how much came after it.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    cut: u64,
}

/// A thread that reads one output to its end, so that the child never waits for a reader.
pub struct Capture {
    kept: Arc<Mutex<Kept>>,
    ended: Receiver<()>,
}

impl Capture {
    pub fn begin(output: Option<impl Read + Send + 'static>) -> io::Result<Self> {
        let mut output = output.ok_or_else(|| io::Error::other("the child has no output"))?;
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = kept.clone();
        // Never used to send: the thread's end closes it.
        let (open, ended) = mpsc::channel::<()>();
        thread::Builder::new().spawn(move || {
            let _open = open;
            let mut buffer = [0; 8192];
            loop {
                let read = match output.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Ok(0) | Err(_) => return,
                    Ok(read) => buffer.get(..read).unwrap_or_default(),
                };
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let room = KEEP.saturating_sub(kept.head.len()).min(read.len());
                let (head, rest) = read.split_at(room);
                kept.head.extend_from_slice(head);
                kept.cut += rest.len() as u64;
            }
        })?;
        Ok(Self { kept, ended })
    }

    /// What was read, as text. Waits for the end of the output, but not beyond `until`.
    pub fn end(self, until: Instant) -> String {
        let left = until.saturating_duration_since(Instant::now());
        let still_open = self.ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Do not leave half a character at the cut.
        if kept.cut > 0
            && let Err(error) = std::str::from_utf8(&kept.head)
            && error.error_len().is_none()
        {
            kept.cut += (kept.head.len() - error.valid_up_to()) as u64;
            kept.head.truncate(error.valid_up_to());
        }
        let mut text = String::from_utf8_lossy(&kept.head).into_owned();
        if kept.cut > 0 {
            text.push_str(&format!("\n[{} bytes cut]", kept.cut));
        }
        if still_open {
            text.push_str("\n[still open when the child had ended]");
        }
        text
    }
}
