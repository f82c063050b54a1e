//! Policy routing tables as one word in a stanza of interfaces(5).
//!
//! The rooms, floor by floor from the ground up; each may use only those above it in this list.

#![forbid(unsafe_code)]

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

// floor 0, words: what things are called, valid from birth

// floor 1, reckoning: from the environment to what is to be done, without doing it
pub mod stanza;
pub mod routing;

// floor 2, edges: the only rooms that do I/O
pub mod netlink;
pub mod tables;
pub mod ifupdown;
pub mod system;

// floor 3, errands: the edges put to use, one room for each thing that is asked of the program
pub mod record;
pub mod hook;
pub mod migrate;
pub mod converge;
pub mod explain;
pub mod check;
pub mod cli;
