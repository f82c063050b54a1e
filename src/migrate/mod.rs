//! migrate

pub mod lines;
pub mod replay;
pub mod search;
pub mod rewrite;
pub mod verify;
pub mod draft;
