//! What is wrong with an interfaces(5) file, before `ifup` finds it: in it, between its stanzas, and
//! on this host.
//!
//! - `finding.rs`: a finding: its number (PT101 and so on, as the manual page explains them), how
//!   grave it is, its place in a file, and how it is printed;
//! - `origin.rs`: from an error in an option's value back to file, line and column;
//! - `stanza.rs`: a stanza with what it asks for; errors and notices of it alone (PT104 to PT107,
//!   PT201 to PT207);
//! - `dialects.rs`: what ifupdown2, Proxmox and ifupdown-ng do otherwise (PT208 to PT212);
//! - `commands.rs`: commands that do by hand what options do, or undo it (PT204);
//! - `rule_order.rs`: rules of two stanzas whose order nobody has decided (PT304);
//! - `last_resort.rs`: default routes that drop packets, and rules that pass over routes (PT312,
//!   PT313);
//! - `marks.rs`: marks of connections (PT213, PT314, PT414, PT415);
//! - `main_default.rs`: no stanza gives main a default route (PT311);
//! - `between_stanzas.rs`: what else two stanzas do to each other, in tables, addresses, networks
//!   and gateways (PT301 to PT311);
//! - `this_host.rs`: what this host does to them (PT401 to PT415);
//! - `examine.rs`: all of it for one file, and what ifupdown itself refuses (PT101 to PT103).
//!
//! A new finding is a `Code` here, a function in one of these files, and an entry under FINDINGS in
//! policy-table(8).
//!
//! Reads, and changes nothing: not the kernel, not the file, not the names of tables. All that is
//! asked of the host is asked in `this_host.rs`; without one the file alone decides. Options are
//! understood by `stanza/`, as a hook has them understood. Must not use `converge`, `explain` or
//! `migrate`.

mod finding;
mod origin;
mod stanza;
mod dialects;
mod commands;
mod rule_order;
mod last_resort;
mod marks;
mod main_default;
mod between_stanzas;
mod this_host;
mod examine;

pub use examine::{examine, examine_beside};
pub(crate) use finding::{summary, Finding};
pub use finding::{Code, Severity};
pub(crate) use this_host::ThisHost;
