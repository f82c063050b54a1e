//! The commands that an administrator calls: `status`, `plan`, `apply`, `flush`, `check`, `explain`
//! and `migrate`, and the reader of interfaces(5) that they share, held against the real `ifup`.
//!
//! Needs root: nearly each test is a lab of its own.

// A test says what went wrong by panicking, and what it tried or skipped by printing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![allow(clippy::format_push_string)]

#[path = "../support/mod.rs"]
mod support;

mod check;
mod confirm;
mod confirm_unread;
mod dialects;
mod explain;
mod explain_reply;
mod in_front;
mod interfaces;
mod interfaces_of_others;
mod limits;
mod many_interfaces;
mod migrate;
mod migrate_by_hand;
mod migrate_elsewhere;
mod migrate_now;
mod migrate_now_spoilt;
mod migrate_on_the_host;
mod migrate_write;
mod order;
mod routes_in_line;
mod status_plan_apply_flush;
mod surroundings;
