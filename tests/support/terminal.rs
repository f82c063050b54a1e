//! A program in a terminal of its own.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

/// A run in a terminal of its own.
pub struct InTerminal {
    pub child: Child,
    pub terminal: File,
}

impl InTerminal {
    pub fn start(shell: &str) -> Self {
        // Its own end must not be open in any other process: a lost terminal is one test.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let terminal = posix_openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname_r(&terminal).unwrap();
        let end = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true);
            let end = options.custom_flags(OFlag::O_NOCTTY.bits()).open(&name);
            Stdio::from(end.unwrap())
        };
        let child = Command::new("setsid")
            .args(["--ctty", "/bin/sh", "-c", shell])
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self {
            child,
            terminal: File::from(OwnedFd::from(terminal)),
        }
    }

    pub fn typed(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Reads what is printed until it holds a text.
    pub fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        let mut some = [0; 1024];
        while !seen.contains(text) {
            // At the end of a terminal reading fails.
            let length = self.terminal.read(&mut some).unwrap_or(0);
            assert!(length > 0, "no {text:?} in {seen}");
            seen.push_str(&String::from_utf8_lossy(&some[..length]));
        }
        seen
    }

    /// Its exit code, and what is printed until then.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut seen = Vec::new();
        let _ = self.terminal.read_to_end(&mut seen);
        let code = self.child.wait().unwrap().code();
        (code, String::from_utf8_lossy(&seen).into_owned())
    }
}
