//! Tests that run in a process of their own.

use std::process::Command;

/// The test program once more, to run one ignored test of a module: `child(module_path!(), "the_test")`.
pub fn child(module: &str, test: &str) -> Command {
    let (_program, module) = module.split_once("::").expect("a module of a test program");
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = format!("{module}::{test}");
    command.args([test.as_str(), "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command
}
