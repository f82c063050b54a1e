//! The reader of interfaces(5): what ifupdown makes of `/etc/network/interfaces` and all that it
//! sources, before and besides any hook. The commands, `check` and `migrate` read the file with it.
//!
//! - `line.rs`, `continued.rs`: lines with their continuations, and where a byte came from: of
//!   Debian's ifupdown, and of the two others;
//! - `methods.rs`: families and methods, and what a method makes of the options;
//! - `commands.rs`, `variable_names.rs`: when `up` and its like run; a hook's variables for options;
//! - `fault.rs`, `iface_stanza.rs`, `keywords.rs`, `names.rs`: what each of the three refuses; a
//!   stanza as written; what a line begins; ranges and aliases;
//! - `parts.rs`: one file, in blocks: stanzas, mappings, `auto`, `source`, comments;
//! - `selection.rs`: which names `auto` and `allow-` select, and which are models for others;
//! - `shared_map.rs`, `inherited.rs`, `definition.rs`, `models.rs`: it with all that it inherits;
//! - `shared_stanza.rs`, `family_of_line.rs`, `by_address.rs`: the hook's calls, one for each address;
//! - `wordexp.rs`, `paths.rs`, `sourced.rs`, `mention.rs`: what a `source` line leads to;
//! - `with_hooks.rs`, `devices.rs`: the stanzas that hooks are run for, by name and by device.
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
//! Reads files and writes none; knows interfaces(5) as the three do, and of `policy-*` options no
//! more than which family they are for.

mod line;
mod continued;
mod methods;
mod commands;
mod fault;
mod iface_stanza;
mod keywords;
mod names;
mod parts;
mod selection;
mod variable_names;
mod shared_map;
mod inherited;
mod definition;
mod models;
mod shared_stanza;
mod family_of_line;
mod by_address;
mod wordexp;
mod paths;
mod mention;
mod sourced;
mod with_hooks;
mod devices;

pub(crate) use commands::{about, About, Phase};
pub(crate) use definition::Definition;
pub use devices::Device;
pub(crate) use fault::FaultKind;
pub(crate) use iface_stanza::{IfaceStanza, OptionLine};
pub(crate) use line::{is_blank, LogicalLine};
pub(super) use mention::mentions_options;
pub use parts::Text;
pub(crate) use paths::main_file;
pub use paths::FILE;
pub(crate) use selection::Selection;
pub use sourced::Interfaces;
pub(crate) use sourced::StanzaInForce;
pub(crate) use variable_names::mangled;
