//! The program that the package's links in ifupdown's hook folders lead to: `ifup` and `ifdown` start
//! it for every interface. The commands are not linked in: what is half as large has half the pages to
//! map and half the addresses to relocate, which saves a tenth of a run.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use policy_table::hook;
use policy_table::ifupdown::Direction;

fn main() -> ExitCode {
    if let Some(direction) = Direction::of_path(&env::args_os().next().unwrap_or_default()) {
        return hook::run(direction, env::vars_os());
    }
    let _ = io::stderr().write_all(
        b"policy-table-hook: this is for ifup and ifdown, through links in /etc/network/if-up.d, \
          if-down.d, if-post-up.d and if-pre-down.d; the commands are policy-table's\n",
    );
    ExitCode::from(2)
}
