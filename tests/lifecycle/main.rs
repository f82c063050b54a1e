//! What happens between an `ifup` and the `ifdown` that follows: changed files, broken links, runs
//! side by side, runs that are killed. Afterwards nothing of ours is left, and nothing of others
//! is gone.
//!
//! Needs root: each test is a lab of its own.

// A test says what went wrong by panicking, and what it tried or skipped by printing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "../support/mod.rs"]
mod support;

mod altnames;
mod between_up_and_down;
mod former_records;
mod kill;
mod links_that_break;
mod marks;
mod orphans;
mod races;
mod switched_off;
mod waiting;
