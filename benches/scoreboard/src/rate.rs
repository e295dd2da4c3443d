//! How often something can be done in a second.

use std::time::{Duration, Instant};

/// Calls per second, after as many calls to warm up. Slow ones end after a while.
pub fn rate(count: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut pass = |limit: Duration| {
        let (start, mut done) = (Instant::now(), 0);
        while done < count && (done % 16 != 0 || start.elapsed() < limit) {
            call(done);
            done += 1;
        }
        done as f64 / start.elapsed().as_secs_f64()
    };
    pass(Duration::from_secs(1));
    pass(Duration::from_secs(2))
}
