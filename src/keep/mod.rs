//! The keeper: what the last `ifup` or `apply` put in force stays in force. Linked into no hook; the
//! loop into no program but its own.
//!
//! - `pause.rs`: that an interface is left alone for a while, as a line.
//! - `bound.rs`: how often an interface is repaired, and how long a burst of messages may be.
//! - `judgement.rs`: when to look at which interface, by what was heard and found.
//! - `interests.rs`: whom a change concerns.
//! - `telling.rs`: how often the same is said.
//! - `main_rules.rs`: says where a rule is deleted that looks up main.
//! - `marks_watch.rs`: hears what becomes of our table of nft(8).
//! - `folder.rs`: the keeper's own files in `/run`.
//! - `manner.rs`: how a keeper goes about it, and the words that say so.
//! - `place.rs`: what a keeper has in `/run` while it runs.
//! - `truce.rs`: interfaces let be while somebody is asked about a change to them.
//! - `repair.rs`: one look at a device, by its record, and the repair.
//! - `networks.rs`: names networks that come and that `policy-mode strict` cuts off.
//! - `once.rs`: one look at all of them.
//! - `keeper.rs`: the loop around all that.
//! - `program.rs`: the program that has the loop, and how `policy-table keep` becomes it.
//!
//! The files up to `telling.rs` decide, in values with made-up time in their tests: none has a socket,
//! a file or a clock.
//!
//! What is kept are the records, never the file: who edits it has asked for nothing yet.

mod pause;
mod bound;
mod judgement;
mod interests;
mod telling;
mod main_rules;
mod marks_watch;
mod folder;
mod manner;
mod place;
mod truce;
mod repair;
mod networks;
mod once;
mod keeper;
mod program;

pub(crate) use folder::{change_pauses, pauses, repairs};
pub(crate) use manner::Manner;
pub(crate) use once::{keep_once, LookedOnce};
pub(crate) use pause::Pause;
pub(crate) use program::become_keeper;
pub use program::run;
pub(crate) use truce::Truce;
