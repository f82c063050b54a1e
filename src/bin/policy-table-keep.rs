//! The keeper's program: its unit and its init script start it, and `policy-table keep` becomes it. The
//! commands are not linked in: of a program that stays, the pages around those that run stay in memory,
//! and of a small one these are fewer.

use std::env;
use std::process::ExitCode;

use policy_table::keep::run;

fn main() -> ExitCode {
    run(env::args_os().skip(1))
}
