//! What follows from values and files of the tree alone: environments and their plans, bytes of
//! the kernel and what they mean, lines and what is said of them.
//!
//! Needs nothing: no root, no network, no namespaces. The package's build runs it.

// A test says what went wrong by panicking, and what it tried by printing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    clippy::cast_possible_truncation,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::too_many_lines, // tables
    unknown_lints,          // the next one is newer than the oldest clippy served
    clippy::unnecessary_debug_formatting
)]

// Not all of support/: what stands here can enter no lab.
#[allow(dead_code)]
#[path = "../support/random.rs"]
mod random;
#[allow(dead_code)]
#[path = "../support/tree.rs"]
mod tree;

mod byte_order;
mod dialects;
mod fuzz_corpus;
mod keywords;
mod recorded_calls;
mod registry;
mod scenarios;
mod wire;
