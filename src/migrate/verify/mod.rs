//! Proof that a rewritten file has the effect of the old one, for `migrate --verify`: each is tried,
//! and what was seen in the two trials is compared.
//!
//! In a trial the interfaces of a file are brought up and down again with the real `ifup` and
//! `ifdown`, on a machine that stands in for this one in namespaces of its own. While they are up,
//! routes and rules are read, and the kernel is asked what way packets take. Then each is brought
//! up alone, all in the other order, and each once more.
//!
//! - `lookups`: what to ask the kernel.
//! - `compare`: what was seen in a trial, and the differences between two.
//! - `trial_text`: a stanza without what has no place in a trial.
//! - `machine`: the devices, addresses and routers that a file takes for granted.
//! - `ip_output`: what `ip` prints, read and made comparable.
//! - `sandbox`: the namespaces that a trial runs in, from which nothing outside is reached.
//! - `commands`: the commands that are run there, each for a limited time.
//! - `stand_ins`: the devices there.
//! - `turns`: interfaces brought up alone, in the other order, and once more.
//! - `why_not_up`: at which line `ifup` stopped, and why.
//! - `namespaces`: running a trial.
//!
//! Only the last six but one touch anything, and of the host nothing. Nothing here knows why lines
//! became the options that they became.

mod lookups;
mod compare;
mod trial_text;
mod machine;
mod ip_output;
mod sandbox;
mod commands;
mod stand_ins;
mod turns;
mod why_not_up;
mod namespaces;

pub use compare::{differences, notes, Seen};
pub use machine::Machine;
pub use namespaces::{other_hooks, run_after, run_trial, run_trial_telling, MULTI};
pub use sandbox::TrialError;
pub(crate) use trial_text::{is_tried, is_tried_stanza, trial_text};
pub use why_not_up::{why_not_up, WhyNotUp};
