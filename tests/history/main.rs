//! Queries: lists, pages, the history, lineage, bulk operations and export.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bulk;
mod export;
mod history;
mod lineage;
mod listing;
mod namespaces;
mod pages;
mod query_properties;
