//! What the lines behind `post-up`, `down` and their like say of routes and rules, each line by
//! itself.
//!
//! - `shell`: a line as commands of plain words, joined by `;`, `&&` and `||`; whatever is more is
//!   refused, for nothing here may guess what a shell would do.
//! - `host_bits`: prefixes as the kernel takes them.
//! - `ip_command`: the words of an `ip route` or `ip rule` command, abbreviated or not.
//! - `why_it_stays`: the reasons that `migrate` gives for a line that stays as it is.
//! - `guard`: `ip rule | grep -q TEXT || …` in front of a command.
//! - `meaning`: the types of a line and of a stanza with its lines, and what a line means.
//! - `programs`: whether a line runs a program that nobody knows.
//! - `in_trial`: which lines `verify/` may run.
//! - `ifupdown_multi`: the options of another package, as the commands that it runs for them.
//! - `from_file`: the lines of one stanza of interfaces(5).
//!
//! Nothing here knows what the lines before have done, which is `replay/`'s; no line is run, and
//! nothing is read but what `ifupdown/interfaces` has read.

mod shell;
mod host_bits;
mod ip_command;
mod why_it_stays;
mod guard;
mod programs;
mod meaning;
mod in_trial;
mod ifupdown_multi;
mod from_file;

pub(crate) use from_file::{scripted_stanza, OtherLines};
pub(crate) use guard::Guard;
pub use host_bits::HostBits;
pub(crate) use host_bits::{all_host_bits, without_host_bits};
pub(crate) use in_trial::{why_not_run, WhyNotRun};
pub(crate) use ip_command::{IpCommand, IpVerb, SpelledRoute, SpelledRule};
pub(crate) use meaning::{meaning, CommandLine, Meaning, RoutingCommands, ScriptedStanza};
pub(crate) use programs::stranger;
pub(crate) use shell::Joint;
pub(crate) use why_it_stays::WhyItStays;
