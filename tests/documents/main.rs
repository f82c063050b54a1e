//! What the documents, the completion, the licences and the source say, held against the program
//! and against one another.
//!
//! Most of it needs nothing; the examples and recipes of the documents need root, since they are
//! brought up in a lab.

// A test says what went wrong by panicking, and what it tried or skipped by printing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::format_push_string
)]

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod completion;
mod documents;
mod examples;
mod failover;
mod licences;
mod paths;
mod recipes;
mod recipes_for_uplinks;
mod usage;
