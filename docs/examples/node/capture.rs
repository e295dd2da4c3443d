//! The pipes of a child: a thread for each reads what comes, as it comes, and hands it on.

use std::io::{self, Read};
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::Duration;

/// The names of the outputs: those of the streams in the store.
pub const NAMES: [&str; 2] = ["stdout", "stderr"];

/// How much is read at a time, in bytes.
const PIECE: usize = 16 * 1024;
/// How many pieces wait to be taken. When there is no room the pipe fills, and then the child waits: what it
/// writes without end is never all in memory.
const PIECES: usize = 8;

/// Some bytes of an output; none at its end.
pub struct Piece {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

/// What comes out of a child.
pub struct Capture {
    pieces: Receiver<Piece>,
    open: Vec<&'static str>,
}

impl Capture {
    pub fn begin(child: &mut Child) -> io::Result<Self> {
        let [stdout, stderr] = NAMES;
        let (send, pieces) = mpsc::sync_channel(PIECES);
        read(stdout, child.stdout.take(), send.clone())?;
        read(stderr, child.stderr.take(), send)?;
        Ok(Self { pieces, open: NAMES.to_vec() })
    }

    /// The outputs that have not ended.
    pub fn open(&self) -> &[&'static str] {
        &self.open
    }

    /// The next piece, waited for no longer than this.
    pub fn next(&mut self, wait: Duration) -> Option<Piece> {
        match self.pieces.recv_timeout(wait) {
            Ok(piece) if piece.bytes.is_empty() => {
                self.open.retain(|name| *name != piece.name);
                None
            }
            Ok(piece) => Some(piece),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.open.clear();
                // The child may go on without its outputs: the caller still wants to wait.
                thread::sleep(wait);
                None
            }
        }
    }
}

/// Reads an output to its end, or until nobody takes it any more.
fn read(
    name: &'static str,
    output: Option<impl Read + Send + 'static>,
    send: SyncSender<Piece>,
) -> io::Result<()> {
    let mut output = output.ok_or_else(|| io::Error::other("the child has no output"))?;
    thread::Builder::new().spawn(move || {
        let mut buffer = vec![0; PIECE];
        loop {
            let read = match output.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.unwrap_or_default(),
            };
            let bytes = buffer.get(..read).unwrap_or_default().to_vec();
            if send.send(Piece { name, bytes }).is_err() || read == 0 {
                return;
            }
        }
    })?;
    Ok(())
}
