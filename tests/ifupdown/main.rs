//! What comes of stanzas with the real `ifup` and `ifdown`, and of calls of the hooks: what is put
//! in, what is said, and whom nothing is taken from, whatever is wrong.
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
#![allow(clippy::format_collect)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod connmark;
mod disks;
mod hooks;
mod ifupdown;
mod ifupdown_ng_and_2;
mod journal;
mod like_stanzas;
mod methods;
mod modes;
mod option_lines;
mod own_spellings;
mod privileges;
mod proxmox;
mod refusals;
mod same_by_chance;
mod same_on_all_three;
mod source_all;
mod sourced_files;
mod stanzas;
mod table_names;
