//! The program `policy-table`: the commands. Where it is called through a hook folder of ifupdown's it
//! is a hook, too: `migrate --verify` tries a file with itself as the hook.

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
