//! migrate

mod same_walk;
pub(crate) mod lines;
mod replay;
mod search;
mod rewrite;
pub mod verify;
mod draft;

pub use draft::Draft;
pub(crate) use rewrite::Rewriting;
