//! Children that a test forks, and threads of its own that must not outlive it.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fork::{WEXITSTATUS, WIFEXITED, waitpid_nohang};

/// Far longer than anything that a child does takes.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Waits for the end of a child, which must be its own, with the code 0.
pub fn check_ended(pid: i32) {
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = waitpid_nohang(pid).unwrap() {
            break status;
        }
        assert!(begun.elapsed() < WATCHDOG, "the child {pid} hangs");
        thread::yield_now();
    };
    let code = WIFEXITED(status).then(|| WEXITSTATUS(status));
    assert_eq!(code, Some(0), "the child ended with {status}");
}

/// Ends a child, as another program. `std::process::exit` takes a lock of the standard library's own, which a thread of the parent's that
/// was starting or ending at the fork holds for ever in the child.
pub fn end(code: i32) -> ! {
    let failed = Command::new("sh").args(["-c", &format!("exit {code}")]).exec();
    unreachable!("{failed}")
}

/// Tells the threads of a scope to end, also when the one who holds it panics: the scope waits for them.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
