//! tables

pub mod rt_tables;
pub mod append;
pub mod files;
pub mod registry;
