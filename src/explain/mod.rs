//! The way of one packet through rules and tables, worked out here step by step, and held against
//! what the kernel says of the same packet.
//!
//! - `packet.rs`: [`Packet`], and whether a rule matches it.
//! - `best_route.rs`: which route of a table it takes.
//! - `walk.rs`: [`Walk`], rule after rule to the end.
//! - `source_check.rs`: whether IPv4 takes a packet in, going by its source (`rp_filter`).
//! - `message.rs`: the kernel asked about a packet, its answer, and whether a walk agrees with it.
//! - `report.rs`: walk and answer as `policy-table explain` prints them.
//! - `after_steps.rs`: rules and routes as they would be after some steps.
//! - `ask_kernel.rs`: the walk through what the kernel has, now or after steps, and its answer.
//! - `reply.rs`: both halves of a connection, and whether the answer leaves where the first packet
//!   came in; `reply_report.rs` prints it.
//! - `ssh_session.rs`: whether steps would move the way back to who is logged in.
//!
//! The first four know neither socket nor file: the kernel's routes come to them by a function.
//! Nothing here changes anything, and nothing knows of stanzas: steps come from those who call.
//! Sysctls and other processes are asked by `system/`.

mod packet;
mod best_route;
mod walk;
mod source_check;
mod message;
mod report;
mod after_steps;
mod ask_kernel;
mod reply;
mod reply_report;
mod ssh_session;

pub use ask_kernel::walk_and_ask;
pub use message::KernelAnswer;
pub use packet::{Match, Packet};
pub use reply::{follow, Answered, Connection, Half};
pub use report::Report;
pub use source_check::{BadSource, SourceCheck};
pub(crate) use ssh_session::{ssh_replies, warning_of_move};
pub use walk::{End, TableAnswer, Then, Walk};
