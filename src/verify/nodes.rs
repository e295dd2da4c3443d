//! The checks of the nodes within executions: their places, their names, their sums.

use std::collections::HashMap;

use super::checks::{Verifier, hex};
use super::sums::Group;
use crate::format::schema::Tag;
use crate::format::{decode_node, decode_number, decode_progress, name_row, pair_of};
use crate::model::error::StorageError;
use crate::model::progress::{NodeState, Progress};
use crate::storage::Source;

/// The nodes of one execution so far.
#[derive(Default)]
struct Run {
    number: u64,
    counted: Progress,
}

impl<S: Source> Verifier<'_, S> {
    pub(super) fn nodes(&mut self) -> Result<(), StorageError> {
        self.walk(Tag::NodeNames, |verifier, key, value| {
            let number = verifier.of_execution(Tag::NodeNames, key)?;
            match decode_number(Tag::NodeNames as u8, key, value) {
                Err(reason) => verifier.problem(Tag::NodeNames, format!("key {}: {reason}", hex(key))),
                Ok(_) if verifier.waiting.execution(number) => {}
                Ok(place) => verifier.sums.find(Group::Names, number, &[key, &place.to_be_bytes()]),
            }
            Ok(())
        })?;
        let mut run = Run::default();
        self.walk(Tag::Nodes, |verifier, key, value| {
            verifier.report.nodes += 1;
            let number = verifier.of_execution(Tag::Nodes, key)?;
            let (_, place) = key.try_into().map(pair_of).unwrap_or_default();
            match decode_node(Tag::Nodes as u8, key, value) {
                Err(reason) => verifier.problem(Tag::Nodes, format!("key {}: {reason}", hex(key))),
                Ok(_) if verifier.waiting.execution(number) => {}
                Ok(node) => {
                    if number != run.number {
                        verifier.end_of_nodes(&run);
                        run = Run { number, counted: Progress::default() };
                    }
                    *run.counted.slot(node.state) += 1;
                    if place != run.counted.total() {
                        // Told of where the names are searched.
                        verifier.sums.doubt(Group::Names, number);
                    }
                    let name = name_row(number, &node.name);
                    verifier.sums.expect(Group::Names, number, &[&name, &place.to_be_bytes()]);
                }
            }
            Ok(())
        })?;
        self.end_of_nodes(&run);
        self.walk(Tag::Progress, |verifier, key, value| {
            let number = verifier.of_execution(Tag::Progress, key)?;
            match decode_progress(Tag::Progress as u8, key, value) {
                Err(reason) => verifier.problem(Tag::Progress, format!("key {}: {reason}", hex(key))),
                Ok(_) if verifier.waiting.execution(number) => {}
                Ok(kept) => {
                    verifier.sums.find(Group::Progress, number, &[&number.to_be_bytes(), &bytes(&kept)]);
                }
            }
            Ok(())
        })?;
        if self.sums.agree(Group::Names) && self.sums.agree(Group::Progress) {
            return Ok(());
        }
        self.search_nodes()
    }

    fn end_of_nodes(&mut self, run: &Run) {
        if run.counted != Progress::default() {
            let number = run.number;
            self.sums.expect(Group::Progress, number, &[&number.to_be_bytes(), &bytes(&run.counted)]);
        }
    }

    fn is_node_in_question(&self, number: u64) -> bool {
        !self.waiting.execution(number)
            && (self.sums.differ(Group::Names, number) || self.sums.differ(Group::Progress, number))
    }

    /// Which nodes, names and sums do not fit together.
    fn search_nodes(&mut self) -> Result<(), StorageError> {
        let number_of = |key: &[u8]| key.first_chunk::<8>().copied().map_or(0, u64::from_be_bytes);
        // How many names each execution has, less the nodes that have them.
        let mut unused: HashMap<u64, i64> = HashMap::new();
        self.again(Tag::NodeNames, |verifier, key, value| {
            let number = number_of(key);
            if verifier.is_node_in_question(number) && decode_number(Tag::NodeNames as u8, key, value).is_ok()
            {
                *unused.entry(number).or_default() += 1;
            }
            Ok(())
        })?;
        let mut counted: HashMap<u64, Progress> = HashMap::new();
        self.again(Tag::Nodes, |verifier, key, value| {
            let (number, place) = key.try_into().map(pair_of).unwrap_or_default();
            if !verifier.is_node_in_question(number) {
                return Ok(());
            }
            let Ok(node) = decode_node(Tag::Nodes as u8, key, value) else { return Ok(()) };
            let counted = counted.entry(number).or_default();
            *counted.slot(node.state) += 1;
            let expected = counted.total();
            let named = verifier.tables.node_place(number, &node.name);
            if place != expected || verifier.row(Tag::NodeNames, named)?.flatten() != Some(place) {
                let what = format!("key {}: place or name are not its own", hex(key));
                verifier.problem(Tag::Nodes, what);
            }
            *unused.entry(number).or_default() -= 1;
            Ok(())
        })?;
        for (number, unused) in unused.into_iter().filter(|(_, unused)| *unused != 0) {
            let what = format!("execution number {number}: {unused} more names than nodes");
            self.problem(Tag::NodeNames, what);
        }
        self.again(Tag::Progress, |verifier, key, value| {
            let number = number_of(key);
            if verifier.is_node_in_question(number)
                && let Ok(kept) = decode_progress(Tag::Progress as u8, key, value)
                && counted.remove(&number) != Some(kept)
            {
                verifier.problem(Tag::Progress, format!("key {}: its sums are wrong", hex(key)));
            }
            Ok(())
        })?;
        for number in counted.into_keys() {
            self.problem(Tag::Progress, format!("execution number {number}: it has no row"));
        }
        Ok(())
    }
}

fn bytes(progress: &Progress) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, state) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(NodeState::ALL) {
        *place = progress.of(state).to_be_bytes();
    }
    bytes
}
