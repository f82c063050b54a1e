//! What the kernel makes of what it is told, held against `ip`, against lines written by hand and
//! against packets; what it takes for the same; and that nobody else's routes and rules change.
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
#![allow(clippy::cast_possible_truncation, clippy::too_many_lines)]

#[path = "../support/mod.rs"]
mod support;

mod devices;
mod networkd;
mod others_untouched;
mod connmark;
mod packets;
mod roundtrip;
mod rules_alike;
mod same_as_by_hand;
mod without_ipv6;
