//! What every operation of one store needs to know. Values only.

use std::sync::Arc;

use crate::lifecycle::Lifecycle;
use crate::time::Clock;

pub struct Context {
    pub(crate) store_id: u128,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) max_payload: usize,
    pub(crate) clock: Arc<dyn Clock>,
}
