//! Queries: lists, pages, the history, lineage, bulk operations and export.

pub mod bulk;
pub mod export;
pub mod history;
pub mod lineage;
pub mod listing;
pub mod namespaces;
pub mod pages;
