//! The marks of connections, `policy-connmark`: which mark a table has, and the rules of nft(8) that
//! give it to what comes in by an interface, so that the replies of a published port find the table.
//!
//! What is to be there follows from a device's record, whose rules name the mark: it is never noted a
//! second time. The rules are in one table of ours, some chains a device, which are replaced in one
//! step. A table of that name that does not say that it is ours is left alone.
//!
//! - `allotted.rs`: which mark each table has, until the next boot.
//! - `ruleset.rs`: a device's rules as text for nft(8). Only decides.
//! - `listing.rs`: what nft(8) says is there. Only reads.
//! - `change.rs`: from the one to the other. Only decides.
//! - `load.rs`: the two held against each other, and nft(8) told.
//!
//! Nothing here starts a process or opens a file for a device without marks.

mod allotted;
mod ruleset;
mod listing;
mod change;
mod load;

pub(crate) use allotted::{may_be_there, note, AllotError, Allotted};
pub(crate) use change::commands;
pub(crate) use listing::Listing;
pub(crate) use load::{found, load_marks, remove_all, remove_beside, MarksError};
pub(crate) use ruleset::{DeviceMarks, TABLE};
