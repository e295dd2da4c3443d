//! Looking up and listing what is stored, the same for snapshots and for write transactions.

pub(crate) mod buckets;
mod list;
pub(crate) mod lookup;
pub(crate) mod sequence;
pub(crate) mod side_data;
pub(crate) mod view;

use crate::model::change::Change;
use crate::model::events::Event;
use crate::read::sequence::Numbered;
use crate::storage::Noticed;

pub use list::List;
pub(crate) use lookup::{find, load, payload};
pub(crate) use view::View;

impl Numbered for Event {
    fn number(&self) -> u64 {
        self.seq.0
    }
}

impl Numbered for Noticed {
    fn number(&self) -> u64 {
        self.seq
    }
}

impl Numbered for Change {
    fn number(&self) -> u64 {
        self.seq.0
    }
}
