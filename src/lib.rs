//! Policy routing tables as one word in a stanza of interfaces(5).
//!
//! From the ground up; each may use only those above it in this list, which `tests/documents`
//! holds it to. ARCHITECTURE.md tells what happens at `ifup` and at `ifdown`, file by file.

#![forbid(unsafe_code)]

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

// Text from outside made safe to print, and how error messages end.
pub mod text;
// Addresses, tables, routes, rules, and how `ip` spells them.
pub mod routing;
// Messages to the kernel and back, and the socket that carries them.
pub mod netlink;
// Files and calls of this host: locks, privileges, the journal, sysctls.
mod system;
// What ifupdown tells: the call of a hook, ifstate, interfaces(5).
pub mod ifupdown;
// The files that name routing tables: read, look up, register.
pub mod tables;
// The policy-* options of a stanza, and the routes and rules that they stand for.
pub mod stanza;
// What was put in, kept in /run.
pub mod record;
// The marks of connections, by which replies find their table.
mod marks;
// A packet's way through rules and tables.
pub mod explain;
// Bringing the kernel to what stanzas ask for, and finding out how far it is from that.
pub mod converge;
// Keeping it in force between ifup and ifdown.
pub mod keep;
// What is wrong in a file, between its stanzas, and on this host.
pub mod check;
// From post-up lines to options.
pub mod migrate;
// What ifup and ifdown set off.
pub mod hook;
// The commands.
pub mod cli;
