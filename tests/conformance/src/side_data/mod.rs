//! What lies beside an execution: attachments, outputs, tasks, visits.

pub mod attachments;
pub mod outputs;
pub mod tasks;
pub mod visits;
