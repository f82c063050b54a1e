//! What the guard of a change does (`guard.rs`): it finds out what is in force before the change, as
//! the run that asks does, and waits. Where that run is killed, it goes back; but where somebody had
//! said yes, it does what was left to do. It belongs to no terminal and outlives every signal that
//! ends one; only SIGKILL ends it, and then the run that asks goes back.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use log::warn;
use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use super::command::Trouble;
use super::cut_short;
use super::drafted::{by_hand, read, table_names};
use super::guard::{CHANGED, CONFIRMED, DONE, READY};
use super::migrate::files_of;
use super::move_over::{write_files, NewFile};
use super::trial::{go_back, GoesBack};
use crate::converge::Snapshot;
use crate::keep::Truce;
use crate::migrate::Draft;
use crate::system::{hold_messages, start_logging};

/// A guard that knows the way back.
struct OnGuard {
    before: Snapshot,
    /// The files that are to be written once somebody has said yes.
    files: Vec<NewFile>,
}

/// Runs the guard; `arguments` are the words of [`GoesBack::guard`].
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let _ = SigSet::all().thread_block();
    // The leader of a group, as which a shell may have started it, has a session of its own already.
    let _ = setsid();
    start_logging(false);
    let messages = hold_messages();
    let arguments: Vec<String> = arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    let guarded = OnGuard::find(&arguments).and_then(|way| Ok(way.stand()?));
    drop(messages);
    match guarded {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            let _ = writeln!(io::stderr(), "policy-table: {trouble}");
            ExitCode::from(2)
        }
    }
}

impl OnGuard {
    /// Finds the way back from a change.
    fn find(arguments: &[String]) -> Result<Self, Trouble> {
        let [command, rest @ ..] = arguments else {
            return Err(Trouble::Usage("nothing to guard".to_owned()));
        };
        let (goes_back, files) = match (command.as_str(), rest) {
            ("apply", []) => (GoesBack::of_apply(), Vec::new()),
            ("migrate", [path, caller]) => {
                let failed = |error: &dyn std::fmt::Display| Trouble::Usage(error.to_string());
                let caller = caller.parse().map_err(|error| failed(&error))?;
                let interfaces = read(Path::new(path), caller)?;
                let draft = Draft::of(&interfaces, &table_names());
                let goes_back = GoesBack {
                    by_hand: by_hand(&draft)?,
                    guard: Vec::new(),
                };
                (goes_back, files_of(&draft))
            }
            _ => return Err(Trouble::Usage(format!("nothing guards {command:?}"))),
        };
        Ok(Self {
            before: goes_back.snapshot()?,
            files,
        })
    }

    /// Waits until nothing is left to guard, or the run that asks is dead.
    fn stand(mut self) -> io::Result<()> {
        let mut out = io::stdout();
        writeln!(out, "{READY}")?;
        out.flush()?;
        let mut is_changed = false;
        let mut is_confirmed = false;
        for line in io::stdin().lock().lines() {
            match line.as_deref() {
                Ok(CHANGED) => {
                    self.before.note_change();
                    is_changed = true;
                }
                Ok(CONFIRMED) => is_confirmed = true,
                Ok(DONE) => return Ok(()),
                _ => {}
            }
        }
        if !is_changed {
            self.before.note_change();
        }
        self.act(is_confirmed);
        cut_short::forget();
        Truce::end();
        Ok(())
    }

    /// Does what the dead can not.
    fn act(&self, is_confirmed: bool) {
        const KILLED: &str = "the run that asked was killed";
        if is_confirmed {
            match self.write_rest() {
                Ok(()) => {
                    warn!("{KILLED}, after somebody had said yes: the change stays");
                    return;
                }
                Err(error) => warn!("{error}"),
            }
            // Some of several may be new.
            if let Err(error) = self.take_back() {
                warn!("{error}");
            }
        }
        warn!("{}", go_back(&self.before, KILLED));
    }

    /// Writes the files that are not new yet.
    fn write_rest(&self) -> Result<(), String> {
        let old = self.files.iter().filter(|file| !file.is_new());
        let left: Vec<NewFile> = old.cloned().collect();
        let written = write_files(&left);
        written.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Has those be old again that are new.
    fn take_back(&self) -> Result<(), String> {
        let new = self.files.iter().filter(|file| file.is_new());
        let back: Vec<NewFile> = new.map(NewFile::reversed).collect();
        let written = write_files(&back);
        written.map(|_| ()).map_err(|error| error.to_string())
    }
}
