//! migrate/verify

mod lookups;
mod compare;
mod machine;
mod namespaces;

pub use compare::{differences, Seen};
pub use machine::machine;
pub use namespaces::{bring_up, TrialError, MULTI};
