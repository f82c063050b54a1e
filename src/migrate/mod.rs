//! From lines behind `post-up`, `down` and their like, which run `ip route` and `ip rule`, to
//! policy-* options with the same effect: `policy-table migrate`.
//!
//! - `same_walk`: whether two sets of rules lead every packet the same way.
//! - `lines/`: what each line says, by itself.
//! - `replay/`: what all lines leave together, and which of them options can stand for.
//! - `search/`: the shortest options with that effect.
//! - `rewrite`: the file with its changed lines, every other byte kept; also as a diff.
//! - `verify/`: proof, by the real `ifup` in namespaces, that both versions do the same.
//! - `draft`: all of it put together: a configuration, and what becomes of it.
//!
//! A line that is not understood to the end stays, with the reason; a guess could cost somebody a
//! host. Only `verify/` starts programs, in a room of their own: interfaces(5) comes read from
//! `ifupdown/`, and `cli/` writes the files.

mod same_walk;
mod lines;
mod replay;
mod search;
mod rewrite;
pub mod verify;
mod draft;

pub use draft::Draft;
pub use lines::HostBits;
pub(crate) use rewrite::Rewriting;
