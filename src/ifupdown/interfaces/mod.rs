//! The reader of interfaces(5): what ifupdown makes of `/etc/network/interfaces` and all that it
//! sources, before and besides any hook. The commands, `check` and `migrate` read the file with it.
//!
//! - `line.rs`: lines with their continuations, and which line and column a byte came from;
//! - `methods.rs`: address families and methods, and what a method makes of the options;
//! - `commands.rs`: `up`, `post-up` and their like: when they run, and whether they are about
//!   routes or rules;
//! - `fault.rs`: what ifupdown refuses;
//! - `parts.rs`: one file, in blocks: stanzas, mappings, `auto`, `source`, comments;
//! - `selection.rs`: which names `auto` and `allow-` select, and which are models for others;
//! - `inherited.rs`: options above those of a parent;
//! - `definition.rs`: a stanza with all that it inherits and its method adds; the hook's call;
//! - `wordexp.rs`, `paths.rs`: the words of a `source` line, and the files that it leads to;
//! - `sourced.rs`: the main file with all that it sources;
//! - `devices.rs`: devices with their aliases, and the hook's calls for the stanzas of them all.
//!
//! A stanza has one name at each level of its life:
//!
//! - `IfaceStanza`: as it is written in one file, with nothing inherited;
//! - `StanzaInForce`: in its place among all files, with its `Definition`: what is inherited, repeats
//!   joined;
//! - `HookCall` (`call.rs` above): as a hook is told of it, the method's defaults and
//!   conversions included; nothing is judged yet;
//! - `Stanza` (`stanza/`): its `policy-*` options, understood;
//! - `CheckedStanza` (`check/`): the same beside the place where each option is written;
//! - `ScriptedStanza` (`migrate/`): its call beside the commands that stand in it;
//! - `StanzaStatus` (`converge/`): what it wants, held against what the kernel has.
//!
//! Reads files and writes none; knows interfaces(5) as ifupdown does, and nothing of `policy-*`
//! options.

mod line;
mod methods;
mod commands;
mod fault;
mod parts;
mod selection;
mod inherited;
mod definition;
mod wordexp;
mod paths;
mod sourced;
mod devices;

pub(crate) use commands::{about, About, Phase};
pub(crate) use definition::{mangled, Definition};
pub use devices::Device;
pub(crate) use fault::FaultKind;
pub(crate) use line::{is_blank, LogicalLine};
pub use parts::Text;
pub(crate) use parts::{IfaceStanza, OptionLine};
pub(crate) use selection::Selection;
pub(crate) use sourced::StanzaInForce;
pub use sourced::{Interfaces, FILE};
