//! The fsync floor: what the disk asks for one durable write of 4 KiB at the end of a file.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use crate::cases::{Case, What};
use crate::peer::Side;
use crate::plan::Plan;

pub struct Floor {
    pub folder: PathBuf,
}

impl Side for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn run(&mut self, case: &Case, plan: Plan) -> Option<f64> {
        // Only where each operation is a commit of its own.
        if !matches!(case.what, What::Single | What::Grouped | What::Threads(_)) {
            return None;
        }
        let syncs = plan.count(2_000, 100);
        let path = self.folder.join("floor");
        let mut file = File::create(&path).unwrap();
        let page = [0x5a; 4096];
        let start = Instant::now();
        for _ in 0..syncs {
            file.write_all(&page).unwrap();
            file.sync_data().unwrap();
        }
        let rate = syncs as f64 / start.elapsed().as_secs_f64();
        std::fs::remove_file(path).unwrap();
        Some(rate)
    }

    fn end_round(&mut self) {}
}
