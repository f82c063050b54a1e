//! converge

pub mod drift;
pub mod outcome;
pub mod remove;
pub mod put_in;
pub mod orphans;
pub mod error;
pub mod observe;
pub mod table_ids;
pub mod settle;
pub mod renamed_device;
pub mod stanza;
pub mod survey;
pub mod snapshot;
