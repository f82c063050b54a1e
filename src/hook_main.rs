//! The door that the package's hooks lead to: the program without its commands. Half of it has
//! half the pages to read in and half the addresses to relocate, which is a twentieth of a run.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use policy_table::environment::Direction;
use policy_table::hook;

fn main() -> ExitCode {
    if let Some(direction) = Direction::of_path(&env::args_os().next().unwrap_or_default()) {
        return hook::run(direction, env::vars_os());
    }
    let _ = io::stderr().write_all(
        b"policy-table-hook: not called from if-up.d or if-down.d of /etc/network; \
          commands are policy-table's\n",
    );
    ExitCode::from(2)
}
