//! What the tests of more than one folder use.

// No folder uses all of it; the methods of a lab take it to show that they act inside one.
#![allow(dead_code, clippy::unused_self)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

pub mod callgrind;
pub mod ip_json;
pub mod lab;
pub mod needs;
pub mod others;
pub mod random;
pub mod router;
pub mod terminal;
pub mod tree;
pub mod wg_quick;
