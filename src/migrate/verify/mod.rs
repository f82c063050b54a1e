//! Proof that a rewritten file has the effect of the old one, for `migrate --verify`: each is tried,
//! and what was seen in the two trials is compared.
//!
//! In a trial the interfaces of a file are brought up and down again with the real `ifup` and
//! `ifdown`, on a machine that stands in for this one in namespaces of its own. While they are up,
//! routes and rules are read, and the kernel is asked what way packets take.
//!
//! - `lookups`: what to ask the kernel.
//! - `compare`: what was seen in a trial, and the differences between two.
//! - `machine`: the devices, addresses and routers that a file takes for granted.
//! - `trial_text`: a stanza without what has no place in a trial.
//! - `ip_output`: what `ip` prints, read and made comparable.
//! - `sandbox`: the namespaces that a trial runs in, from which nothing outside is reached.
//! - `namespaces`: running a trial.
//!
//! Only the last two touch anything, and of the host nothing. Nothing here knows why lines became the options that they became.

mod lookups;
mod compare;
mod machine;
mod trial_text;
mod ip_output;
mod sandbox;
mod namespaces;

pub use compare::{differences, Seen};
pub use machine::Machine;
pub use namespaces::{other_hooks, run_trial, MULTI};
pub use sandbox::TrialError;
pub(crate) use trial_text::trial_text;
