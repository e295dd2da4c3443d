//! Says whether the recorded executions are there, so that the test that needs them counts as ignored where they are not.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(recorded_executions)");
    println!("cargo::rerun-if-changed=build.rs");
    if Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces").is_dir() {
        println!("cargo::rustc-cfg=recorded_executions");
    }
}
