//! duroxide's stress tests on execstore and on its own SQLite provider, side by side, in rounds.
//!
//! `cargo run --release [-- [ROUNDS] [SECONDS] [NAME OF A ROW ...]]` in this folder; `RUST_LOG=off` keeps the peer quiet about its locks, and
//! `SUBJECTS=execstore,sqlite` leaves the others out. Each subject begins each row with a new file. `sqlite` is the provider as it comes, whose
//! commits do not wait for the disk; `sqlite-full` is the same with `synchronous = FULL`. execstore always waits; `memory` is the same
//! provider without a file, which shows what the engine and its test allow.

mod latency;
mod subjects;

use std::time::Duration;

use duroxide::provider_stress_tests::StressTestConfig;
use duroxide::provider_stress_tests::large_payload::{
    LargePayloadConfig, run_large_payload_test_with_config,
};
use duroxide::provider_stress_tests::parallel_orchestrations::run_parallel_orchestrations_test_with_config;

use subjects::Subject;

/// What is run: dispatchers of each kind, how long an activity takes, how many orchestrations at once.
enum Row {
    Fanout { dispatchers: usize, delay_ms: u64, at_once: usize },
    Large,
    Latency,
}

const ROWS: [(&str, Row); 6] = [
    ("1/1-10ms", Row::Fanout { dispatchers: 1, delay_ms: 10, at_once: 20 }),
    ("2/2-10ms", Row::Fanout { dispatchers: 2, delay_ms: 10, at_once: 20 }),
    ("2/2-0ms", Row::Fanout { dispatchers: 2, delay_ms: 0, at_once: 20 }),
    ("4/4-0ms-64", Row::Fanout { dispatchers: 4, delay_ms: 0, at_once: 64 }),
    ("large", Row::Large),
    ("latency", Row::Latency),
];

/// The orchestrations a second, or the milliseconds that one takes: median and 99th percentile.
async fn measure(row: &Row, subject: Subject, seconds: u64) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let place = subjects::Place::new(subject)?;
    let result = match *row {
        Row::Fanout { dispatchers, delay_ms, at_once } => {
            let config = StressTestConfig {
                max_concurrent: at_once,
                duration_secs: seconds,
                activity_delay_ms: delay_ms,
                orch_concurrency: dispatchers,
                worker_concurrency: dispatchers,
                ..StressTestConfig::default()
            };
            run_parallel_orchestrations_test_with_config(&place, config).await?
        }
        Row::Large => {
            let mut config = LargePayloadConfig::default();
            config.base.duration_secs = seconds;
            run_large_payload_test_with_config(&place, config).await?
        }
        Row::Latency => return latency::measure(&place, Duration::from_secs(seconds)).await,
    };
    if result.completed != result.launched {
        eprintln!("{}: of {} orchestrations {} completed", subject.name(), result.launched, result.completed);
    }
    Ok(vec![result.orch_throughput])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut number = |otherwise: u64| match arguments.peek().and_then(|argument| argument.parse().ok()) {
        Some(number) => {
            arguments.next();
            number
        }
        None => otherwise,
    };
    let (rounds, seconds) = (number(3), number(10));
    let only: Vec<String> = arguments.collect();
    let subjects = std::env::var("SUBJECTS").ok();
    println!("{rounds} rounds of {seconds} s; orchestrations a second, or milliseconds for one: p50 and p99");
    for (name, row) in ROWS.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|o| o == name)) {
        let mut found: Vec<(Subject, Vec<Vec<f64>>)> = Subject::ALL
            .into_iter()
            .filter(|subject| {
                subjects.as_ref().is_none_or(|all| all.split(',').any(|one| one == subject.name()))
            })
            .map(|subject| (subject, Vec::new()))
            .collect();
        for _ in 0..rounds {
            for (subject, values) in &mut found {
                values.push(measure(row, *subject, seconds).await?);
            }
        }
        for (subject, values) in found {
            let width = values.first().map_or(0, Vec::len);
            let medians: Vec<String> = (0..width)
                .map(|place| {
                    format!("{:.2}", median(values.iter().filter_map(|v| v.get(place).copied()).collect()))
                })
                .collect();
            let all: Vec<String> = values
                .iter()
                .map(|v| v.iter().map(|v| format!("{v:.1}")).collect::<Vec<_>>().join("/"))
                .collect();
            println!("{name:<12} {subject:<12} {:<16} ({})", medians.join(" / "), all.join(" "));
        }
    }
    Ok(())
}
