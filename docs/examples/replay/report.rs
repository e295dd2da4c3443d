//! What the program prints.

use std::collections::HashMap;
use std::fmt::{Result, Write};
use std::time::Duration;

use execstore::integrity::VerifyReport;

use super::files::Kind;
use super::joins::Joins;
use super::lineage::Walks;
use super::plan::{Plan, Source};
use super::record::Record;

/// How many mismatches are named.
const NAMED: usize = 10;

/// The records of a file that were written.
pub fn written(source: &Source) -> impl Iterator<Item = &Record> {
    let cases = source.cases.iter();
    let cases = cases.filter(|case| case.refusal.is_none() && !case.is_checkpoint());
    source.records.iter().chain(cases.map(|case| &case.record))
}

/// The table: a line for each kind and one for all.
pub fn table(plan: &Plan, times: &HashMap<Kind, Duration>, out: &mut String) -> Result {
    writeln!(
        out,
        "{:<9} {:>6} {:>11} {:>9} {:>8} {:>13} {:>9}",
        "kind", "files", "executions", "events", "seconds", "executions/s", "events/s"
    )?;
    let mut all = (0, 0, 0, Duration::ZERO);
    for kind in Kind::ALL {
        let sources = plan.of(kind);
        let executions = sources.iter().flat_map(written).count();
        let events = sources.iter().flat_map(written).map(|record| record.events().count()).sum();
        let time = times.get(&kind).copied().unwrap_or_default();
        line(out, &kind.to_string(), (sources.len(), executions, events, time))?;
        all = (all.0 + sources.len(), all.1 + executions, all.2 + events, all.3 + time);
    }
    line(out, "all", all)
}

fn line(
    out: &mut String,
    name: &str,
    (files, executions, events, time): (usize, usize, usize, Duration),
) -> Result {
    let seconds = time.as_secs_f64();
    let rate = |count: usize| {
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    };
    writeln!(
        out,
        "{name:<9} {files:>6} {executions:>11} {events:>9} {seconds:>8.3} {:>13.0} {:>9.0}",
        rate(executions),
        rate(events)
    )
}

/// How the runs hang together, and what was refused.
pub fn links(plan: &Plan, out: &mut String) -> Result {
    let histories = || plan.of(Kind::Temporal).iter().chain(plan.of(Kind::Cadence));
    let runs: HashMap<&str, &Record> =
        histories().flat_map(|source| &source.records).map(|record| (record.id.as_str(), record)).collect();
    let count = |link: fn(&Record) -> Option<&String>| {
        let links = runs.values().filter_map(|record| link(record));
        let inside = links.clone().filter(|id| runs.contains_key(id.as_str())).count();
        (links.count(), inside)
    };
    let (previous, previous_inside) = count(|record| record.previous.as_ref());
    let (parents, parents_inside) = count(|record| record.parent.as_ref());
    // A run that names the one after it should be named by that one, where it is among the files.
    let mut pairs = 0;
    let mut contradictions = Vec::new();
    for source in histories() {
        let first = source.records.first().filter(|record| record.taken.is_none());
        let (Some(record), Some(next)) = (first, &source.next) else {
            continue;
        };
        if let Some(after) = runs.get(next.as_str()) {
            pairs += 1;
            if after.previous.as_ref() != Some(&record.id) {
                contradictions
                    .push(format!("{} names {next} as the next run, which does not name it", record.id));
            }
        }
    }
    writeln!(
        out,
        "links: {previous} previous ({previous_inside} to a run in these files), {parents} parent ({parents_inside}); \
         {pairs} named from both sides, {} contradictions",
        contradictions.len()
    )?;
    for contradiction in contradictions {
        writeln!(out, "  {contradiction}")?;
    }
    let again = plan.all().flat_map(|source| &source.records).filter(|record| record.taken.is_some()).count();
    writeln!(
        out,
        "executions that another file has too: {again}, refused under the same id and kept as id~2 and so on"
    )?;
    let cases = || plan.of(Kind::Strings).iter().flat_map(|source| &source.cases);
    let refused = cases().filter(|case| case.refusal.is_some()).count();
    let checkpoints = cases().filter(|case| case.is_checkpoint()).count();
    writeln!(
        out,
        "strings: {checkpoints} different ones in {} places, of which the limits refuse {refused}",
        cases().count()
    )
}

/// What the walks along the links found in the store.
pub fn walks(walks: &Walks, joins: &Joins, out: &mut String) -> Result {
    let chains = walks.chains.iter().map(|(kind, lengths)| {
        let lengths: Vec<_> =
            lengths.iter().rev().map(|(length, count)| format!("{count} of {length}")).collect();
        format!("{kind} {}", lengths.join(", "))
    });
    writeln!(out, "chains of attempts: {}", chains.collect::<Vec<_>>().join("; "))?;
    let trees = walks.trees.iter().filter(|(_, trees)| trees.largest > 1).map(|(kind, trees)| {
        format!("{kind} {} with {} at most, {} deep", trees.roots, trees.largest, trees.deepest)
    });
    writeln!(out, "trees: {}", trees.collect::<Vec<_>>().join("; "))?;
    let Joins { edges, one_sided, cut, .. } = joins;
    writeln!(
        out,
        "steps from task to task: {edges}, of which {one_sided} are named on one side only and {cut} have no label"
    )
}

/// The files that were not read.
pub fn left_out(plan: &Plan, out: &mut String) -> Result {
    writeln!(out, "skipped {}", plan.skipped.len())?;
    for path in &plan.skipped {
        writeln!(out, "  {}: not one of the kinds", path.display())?;
    }
    writeln!(out, "unreadable {}", plan.unreadable.len())?;
    for (file, reason) in &plan.unreadable {
        writeln!(out, "  {}: {reason}", file.path.display())?;
    }
    Ok(())
}

/// The end: what was found wrong.
pub fn verdict(report: &VerifyReport, mismatches: &[String], out: &mut String) -> Result {
    writeln!(out, "verify: {report}")?;
    writeln!(out, "mismatches {}", mismatches.len())?;
    for mismatch in mismatches.iter().take(NAMED) {
        writeln!(out, "  {mismatch}")?;
    }
    Ok(())
}
