//! Queries: lists, pages, the history, lineage, bulk operations and export.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod export;
mod history;
mod lineage;
mod namespaces;
mod query_properties;
