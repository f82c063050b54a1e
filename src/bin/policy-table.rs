//! The program `policy-table`: a hook where the folder it was called from is one of ifupdown's, else a command.

use std::env;
use std::process::ExitCode;

use policy_table::ifupdown::Direction;
use policy_table::{cli, hook};

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    match Direction::of_path(&arguments.next().unwrap_or_default()) {
        Some(direction) => hook::run(direction, env::vars_os()),
        None => cli::run(arguments),
    }
}
