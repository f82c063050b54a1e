//! The process that goes back where the run that asks cannot any more: one that was killed. Here is
//! what that run has of it; what it does itself is `stand_guard.rs`.
//!
//! It learns what happens by words on its standard input, and that the run is dead by the end of
//! that, whatever killed it. The run learns of the guard's death by the end of its output.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::command::Trouble;

/// The first word of a guard's command line; no command that a person would give.
pub const WORD: &str = "--stand-guard";

/// What it says once it knows the way back.
pub const READY: &str = "ready";

/// The change has been made.
pub const CHANGED: &str = "changed";

/// Somebody has said yes: what is left to do is to be done.
pub const CONFIRMED: &str = "confirmed";

/// All is done; there is nothing left to guard.
pub const DONE: &str = "done";

/// The guard of a change.
#[derive(Debug)]
pub struct TrialGuard {
    child: Child,
    told: ChildStdin,
    heard: BufReader<ChildStdout>,
}

impl TrialGuard {
    /// Starts it, with the words that say what it guards, and waits until it knows the way back.
    /// `handing_down` starts it with what it is to hold as long as it lives.
    /// Errors: it cannot be started, or did not find the way back; then nothing may be changed.
    pub fn start(
        words: &[String],
        handing_down: impl FnOnce(&mut dyn FnMut() -> io::Result<Child>) -> io::Result<Child>,
    ) -> Result<Self, Trouble> {
        let failed = |error: io::Error| {
            Trouble::Failed(format!(
                "the process that would go back if this one were killed cannot be started: {error}; \
                 nothing was done"
            ))
        };
        let mut command = Command::new("/proc/self/exe");
        let command = command.arg(WORD).args(words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = handing_down(&mut || command.spawn()).map_err(failed)?;
        let (Some(told), Some(heard)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let mut guard = Self {
            child,
            told,
            heard: BufReader::new(heard),
        };
        let mut line = String::new();
        guard.heard.read_line(&mut line).map_err(failed)?;
        if line.trim_end() == READY {
            return Ok(guard);
        }
        guard.dismiss();
        Err(failed(io::Error::other("it ended at once")))
    }

    /// Tells it that the change has been made.
    pub fn tell_changed(&mut self) {
        self.tell(CHANGED);
    }

    /// Tells it that somebody has said yes.
    pub fn tell_confirmed(&mut self) {
        self.tell(CONFIRMED);
    }

    /// Has it end: all is done.
    pub fn dismiss(mut self) {
        self.tell(DONE);
        let _ = self.child.wait();
    }

    fn tell(&mut self, word: &str) {
        // One that is dead has been seen, or will be.
        let _ = writeln!(self.told, "{word}");
    }
}

/// Ready to be read once the guard is dead: it says nothing more.
impl AsFd for TrialGuard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.heard.get_ref().as_fd()
    }
}
