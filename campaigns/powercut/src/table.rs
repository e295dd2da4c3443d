//! What came out, as a table.

use std::collections::BTreeMap;
use std::fmt;

use crate::fs::Kind;
use crate::round::{Case, Verdict};
use crate::work::{MODES, Mode};

#[derive(Default)]
pub struct Row {
    pub cuts: u64,
    pub bad: u64,
    /// Cuts after which the file system could not be mounted.
    pub gone: u64,
    /// Cuts after which it had to be repaired first.
    pub repaired: u64,
    /// Cuts at a moment when something was not flushed.
    pub uncertain: u64,
    pub checked: u64,
    pub leftovers: u64,
}

#[derive(Default)]
pub struct Table(BTreeMap<(Kind, usize, bool), Row>);

impl Table {
    pub fn row(&mut self, kind: Kind, mode: Mode, journal: bool) -> &mut Row {
        let place = MODES.iter().position(|(_, other)| *other == mode).unwrap_or_default();
        self.0.entry((kind, place, journal)).or_default()
    }

    pub fn add(&mut self, kind: Kind, mode: Mode, journal: bool, case: &Case) {
        let row = self.row(kind, mode, journal);
        row.cuts += 1;
        row.repaired += u64::from(case.repaired);
        row.uncertain += u64::from(case.unflushed > 0);
        match &case.verdict {
            Verdict::Good(found) => {
                row.checked += found.checked;
                row.leftovers += found.leftovers;
            }
            Verdict::Bad(_) => row.bad += 1,
            Verdict::NoFileSystem(_) => row.gone += 1,
        }
    }

    /// The store's own cuts, bad ones, and whether the control found what it had to.
    pub fn sums(&self) -> (u64, u64, bool) {
        let (mut cuts, mut bad, mut control) = (0, 0, true);
        for ((_, mode, _), row) in &self.0 {
            let mode = MODES[*mode].1;
            if mode.is_ours() {
                cuts += row.cuts;
                bad += row.bad;
            } else if mode == Mode::NoSync {
                control &= row.bad + row.gone == row.cuts;
            }
        }
        (cuts, bad, control)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| file system | work | journal | cuts | with unflushed writes | bad | file system repaired | gone | acknowledged and checked | leftovers |"
        )?;
        writeln!(f, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")?;
        for ((kind, mode, journal), row) in &self.0 {
            let (name, mode) = MODES[*mode];
            let journal = match (mode.is_sqlite(), journal) {
                (true, _) => "",
                (false, true) => "yes",
                (false, false) => "no",
            };
            let Row { cuts, bad, gone, repaired, uncertain, checked, leftovers } = row;
            writeln!(
                f,
                "| {} | {name} | {journal} | {cuts} | {uncertain} | {bad} | {repaired} | {gone} | {checked} | {leftovers} |",
                kind.name
            )?;
        }
        Ok(())
    }
}
