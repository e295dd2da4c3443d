//! The results: the table, and the array in `scoreboard.json`.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cases::{Case, REDB_LEAST, Target};
use crate::peer::median;

/// A case with what each subject gave in each round.
pub struct Line {
    pub case: Case,
    pub samples: Vec<Vec<Option<f64>>>,
}

impl Line {
    /// The rounds of one subject; empty if it has no figure.
    fn of(&self, names: &[&str], name: &str) -> Vec<f64> {
        let Some(at) = names.iter().position(|is| *is == name) else {
            return Vec::new();
        };
        self.samples.iter().filter_map(|round| round[at]).collect()
    }

    /// How many times as good as the other execstore is: the median over the rounds.
    fn ratio(&self, names: &[&str], other: &str) -> Option<f64> {
        let (ours, theirs) = (self.of(names, "execstore"), self.of(names, other));
        let pairs = ours.iter().zip(&theirs);
        let ratios = pairs.map(|(a, b)| if self.case.higher { a / b } else { b / a });
        let ratios: Vec<_> = ratios.collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    /// What is asked of the case, and whether it is reached.
    fn verdict(&self, lines: &[Line], names: &[&str]) -> String {
        let mut parts = Vec::new();
        let mut judge = |asked: String, reached: bool| {
            parts.push(format!("{asked} {}", if reached { "yes" } else { "NO" }));
        };
        match (self.case.target, self.ratio(names, "sqlite")) {
            (Target::Sqlite(least), Some(ratio)) => judge(format!("sqlite x{least}"), ratio >= least),
            (Target::Both(least, batched), Some(ratio)) => {
                judge(format!("sqlite x{least}"), ratio >= least);
                let reached = self.ratio(names, "sqlite_batched").is_some_and(|ratio| ratio >= batched);
                judge(format!("batched x{batched}"), reached);
            }
            (Target::AtMost(most), _) => {
                let ours = self.of(names, "execstore");
                judge(format!("at most {most}"), !ours.is_empty() && median(ours) <= most);
            }
            (Target::SideData(name, most), _) => {
                let other = lines.iter().find(|line| line.case.name == name);
                let other = other.map(|line| line.of(names, "execstore")).unwrap_or_default();
                let ours = self.of(names, "execstore");
                if !ours.is_empty() && !other.is_empty() {
                    judge(format!("{name} x{most}"), median(ours) <= most * median(other));
                }
            }
            _ => {}
        }
        if let Some(ratio) = self.ratio(names, "redb") {
            judge(format!("redb x{REDB_LEAST}"), ratio >= REDB_LEAST);
        }
        parts.join(", ")
    }
}

pub fn print(lines: &[Line], names: &[&str]) {
    print!("\n{:<16} {:<15}", "case", "unit");
    names.iter().for_each(|name| print!(" {name:>14}"));
    println!(" {:>9} {:>8}  asked", "x sqlite", "x redb");
    for line in lines {
        print!("{:<16} {:<15}", line.case.name, line.case.unit);
        for name in names {
            let values = line.of(names, name);
            let value = (!values.is_empty()).then(|| median(values));
            print!(" {:>14}", value.map_or_else(|| "-".into(), figure));
        }
        let times = |other| line.ratio(names, other).map_or_else(|| "-".into(), |r| format!("{r:.2}"));
        println!(" {:>9} {:>8}  {}", times("sqlite"), times("redb"), line.verdict(lines, names));
    }
    println!(
        "\nMedians of {} rounds; ratios are the medians of the rounds' own, above 1 where execstore is better.",
        lines.first().map_or(0, |line| line.samples.len())
    );
}

/// Writes an array of `{case, unit, better, values}`, with the medians.
pub fn save(lines: &[Line], names: &[&str], path: &Path) {
    let rows = lines.iter().map(|line| {
        let values = names.iter().filter_map(|name| {
            let values = line.of(names, name);
            (!values.is_empty()).then(|| ((*name).to_owned(), Value::from(rounded(median(values)))))
        });
        json!({
            "case": line.case.name,
            "unit": line.case.unit,
            "better": if line.case.higher { "higher" } else { "lower" },
            "values": values.collect::<Map<_, _>>(),
        })
    });
    let text = serde_json::to_string_pretty(&Value::Array(rows.collect())).unwrap();
    std::fs::write(path, text + "\n").unwrap();
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// With thousands apart; small ones with decimals.
pub fn figure(value: f64) -> String {
    if value < 1_000.0 {
        let decimals = if value < 10.0 { 2 } else { 1 };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
