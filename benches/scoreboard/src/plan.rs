//! How much of the workload is run.

/// The counts of the workload, scaled.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub scale: f64,
}

impl Plan {
    pub fn count(self, full: u64, least: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(least)
    }

    /// The executions of the prepared store, in whole hundreds.
    pub fn prepared(self) -> u64 {
        self.count(100_000, 1_000).div_ceil(100) * 100
    }
}
