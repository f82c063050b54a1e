//! Other processes, as far as proc(5) tells of them.

use std::fs;
use std::os::unix::process::parent_id;

/// How many processes above this one are asked. A chain of them is finite; a run is not to hang on
/// a strange `/proc`.
const GENERATIONS: usize = 64;

/// A process by ID and command name, as far as it can be told.
pub fn describe(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => {
            let name: String = name.trim_end().chars().map(printable).collect();
            format!("process {pid} ({name})")
        }
        Err(_) => format!("process {pid}"),
    }
}

/// A process may call itself anything.
fn printable(c: char) -> char {
    if c.is_control() {
        '?'
    } else {
        c
    }
}

/// Whether a program runs in the network namespace of this process.
pub fn runs_here(program: &str) -> bool {
    let own = fs::read_link("/proc/self/ns/net").ok();
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes.flatten().any(|process| {
        let name = process.file_name();
        let is_process = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let is_it = || {
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let path = command.split(|byte| *byte == 0).next().unwrap_or_default();
            path.rsplit(|byte| *byte == b'/').next() == Some(program.as_bytes())
        };
        // That of a container is none of ours. Without root it cannot be told.
        let elsewhere = || {
            let its = fs::read_link(process.path().join("ns/net")).ok();
            its.is_some() && its != own
        };
        is_process && is_it() && !elsewhere()
    })
}

/// An environment variable of the nearest process above this one that has it. Programs such as
/// sudo(8) give their children a cleaned environment.
pub fn variable_above(name: &str) -> Option<String> {
    let lead = format!("{name}=");
    let mut process = parent_id();
    for _ in 0..GENERATIONS {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        if let Some(value) = variables.find_map(|line| line.strip_prefix(lead.as_bytes())) {
            return Some(String::from_utf8_lossy(value).into_owned());
        }
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        process = parent.trim().parse().ok().filter(|parent| *parent > 1)?;
    }
    None
}
