//! The keeper: what the last `ifup` or `apply` put in force comes back, and nothing else does. Real
//! links, leases, daemons and floods; the judge is `ip`.
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

mod keeper;

mod adversity;
mod answers;
mod by_the_record;
mod floods;
mod in_front;
mod kill;
mod leases;
mod limits;
mod losses;
mod marks;
mod packets;
mod side_by_side;
mod unit;
