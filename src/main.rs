//! The door: a hook where the folder it was called from is one of ifupdown's, else a command.

use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use policy_table::environment::Direction;
use policy_table::{cli, hook};

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_default();
    let folder = Path::new(&name).parent().and_then(Path::file_name);
    match folder.and_then(OsStr::to_str) {
        Some("if-up.d") => hook::run(Direction::Up, env::vars_os()),
        Some("if-down.d") => hook::run(Direction::Down, env::vars_os()),
        _ => cli::run(arguments),
    }
}
