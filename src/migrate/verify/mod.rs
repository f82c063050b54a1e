//! migrate/verify

mod lookups;
mod compare;
mod machine;
mod trial_text;
mod ip_output;
mod namespaces;

pub use compare::{differences, Seen};
pub use machine::Machine;
pub use namespaces::{run_trial, TrialError, MULTI};
pub(crate) use trial_text::trial_text;
