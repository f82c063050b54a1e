//! Other processes, as far as proc(5) tells of them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::parent_id;
use std::path::Path;

use nix::fcntl::OFlag;
use rustix::process::{pidfd_getfd, pidfd_open, Pid, PidfdFlags, PidfdGetfdFlags};

use super::journal::OtherOutput;

/// How many processes above this one are asked. A chain of them is finite; a run is not to hang on
/// a strange `/proc`.
const GENERATIONS: usize = 64;

/// How many are between a hook and the program that runs it, at most: a shell or two.
const NEAR: usize = 4;

/// A process by ID and command name, as far as it can be told.
pub fn describe(pid: u32) -> String {
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => {
            let name = whole_name(pid, name.trim_end());
            let name: String = name.chars().map(printable).collect();
            format!("process {pid} ({name})")
        }
        Err(_) => format!("process {pid}"),
    }
}

/// A name of which the kernel keeps 15 bytes, where the command line has the rest.
fn whole_name(pid: u32, kept: &str) -> String {
    let word = words_of(pid).into_iter().next().unwrap_or_default();
    let path = Path::new(&word).file_name().and_then(OsStr::to_str);
    let whole = path.filter(|name| kept.len() == 15 && name.starts_with(kept));
    whole.unwrap_or(kept).to_owned()
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
        process = parent_of(process)?;
    }
    None
}

/// A process above this one.
#[derive(Debug)]
pub struct Ancestor {
    pid: u32,
    /// The words of its command line.
    words: Vec<OsString>,
}

impl Ancestor {
    /// The nearest one that runs one of some programs: by itself, or as the script of an interpreter,
    /// which may have an option of its own before that.
    pub fn running(programs: &[&str]) -> Option<Self> {
        let is_one = |word: &OsString| {
            let name = Path::new(word).file_name().unwrap_or_default();
            programs.iter().any(|program| name == *program)
        };
        let mut pid = parent_id();
        for _ in 0..NEAR {
            let words = words_of(pid);
            if words.iter().take(3).any(is_one) {
                return Some(Self { pid, words });
            }
            pid = parent_of(pid)?;
        }
        None
    }

    /// The words of its command line.
    pub fn words(&self) -> &[OsString] {
        &self.words
    }

    /// What it writes messages to, where that is another thing than this process writes to and
    /// somebody reads it.
    pub fn other_error_output(&self) -> Option<OtherOutput> {
        const OWN: &str = "/proc/self/fd/2";
        let its = format!("/proc/{}/fd/2", self.pid);
        let kind = fs::read_link(&its).ok()?;
        let is_socket = kind.as_os_str().as_bytes().starts_with(b"socket:");
        let is_own = fs::read_link(OWN).is_ok_and(|own| own == kind);
        if is_own || is_socket || kind == Path::new("/dev/null") || io::stderr().is_terminal() {
            return None;
        }
        let output = self.duplicate_of(2).or_else(|| {
            let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
            let mut options = File::options();
            options.append(true).custom_flags(flags).open(its).ok()
        });
        output.map(OtherOutput)
    }

    /// What it has open under a number: the same, so that lines of both follow each other.
    fn duplicate_of(&self, number: RawFd) -> Option<File> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let duplicate = pidfd_getfd(process, number, PidfdGetfdFlags::empty()).ok()?;
        Some(File::from(duplicate))
    }

    /// The environment that it was started with.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        let variables = environment.split(|byte| *byte == 0);
        let pairs = variables.filter_map(|variable| {
            let end = variable.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (variable.get(..end)?, variable.get(end + 1..)?);
            Some((text(name), text(value)))
        });
        pairs.collect()
    }
}

fn text(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

/// The words of a process's command line.
fn words_of(pid: u32) -> Vec<OsString> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    line.split(|byte| *byte == 0).map(text).collect()
}

/// The process that started another one, if that is not the first of all.
fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok().filter(|parent| *parent > 1)
}
