//! Asking an administrator whether a change stays that may just have cost the connection.
//!
//! Yes is an empty line that is typed into a terminal after the question, or
//! `policy-table confirm` in another session. Everything else is no.

use std::io::{self, IsTerminal, Stdin, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use log::warn;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{tcflush, FlushArg};
use nix::unistd::{getpgrp, read, tcgetpgrp};
use rustix::io::ioctl_fionread;

use super::command::Trouble;
use crate::system::Consent;

/// What came of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// Somebody said yes.
    Keep,
    /// Nobody did, for this reason.
    GoBack(&'static str),
}

/// Longer than the lines of one paste are apart.
const PASTE: Duration = Duration::from_millis(100);

/// A question that will be asked, with the signals of a connection that breaks held back: they must
/// not end the process before it has gone back.
#[derive(Debug)]
pub struct Question {
    signals: SignalFd,
    /// Where ENTER can be pressed.
    keyboard: Option<Stdin>,
    /// What `policy-table confirm` in another session is heard by.
    consent: Option<Consent>,
}

impl Question {
    /// Makes ready to ask, before anything is changed.
    /// Errors: nobody could answer, or not in a way that is sure to be meant.
    pub fn prepare() -> Result<Self, Trouble> {
        let keyboard = keyboard()?;
        let consent = match Consent::prepare() {
            Ok(consent) => Some(consent),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(Trouble::Failed(format!(
                    "{error} waits for a confirmation already; nothing was done"
                )));
            }
            Err(error) if keyboard.is_none() => {
                return Err(Trouble::Failed(format!(
                    "nobody could confirm: standard input is no terminal, and {error}"
                )));
            }
            Err(error) => {
                warn!("no other session can confirm: {error}");
                None
            }
        };
        Ok(Self {
            signals: hold_back_signals()?,
            keyboard,
            consent,
        })
    }

    /// Asks, and waits for the answer.
    pub fn ask(&self, patience: Duration, out: &mut dyn Write) -> io::Result<Confirmed> {
        if let Some(consent) = &self.consent {
            consent.begin()?;
        }
        if let Some(keyboard) = &self.keyboard {
            forget_typed(keyboard);
        }
        let ways = match (&self.keyboard, &self.consent) {
            (Some(_), Some(_)) => "Press ENTER here, or run 'policy-table confirm' elsewhere,",
            (Some(_), None) => "Press ENTER here",
            (None, _) => "Run 'policy-table confirm' in another session",
        };
        let seconds = patience.as_secs();
        writeln!(
            out,
            "{ways} within {seconds} seconds to keep this; otherwise it goes back."
        )?;
        out.flush()?;
        self.wait(Instant::now() + patience)
    }

    fn wait(&self, deadline: Instant) -> io::Result<Confirmed> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Confirmed::GoBack("no confirmation"));
            }
            let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            // What is not there is not looked at.
            let consent = self.consent.as_ref().map(AsFd::as_fd);
            let keyboard = self.keyboard.as_ref().map(AsFd::as_fd);
            for fd in [consent, keyboard].into_iter().flatten() {
                fds.push(PollFd::new(fd, PollFlags::POLLIN));
            }
            wait_for(&mut fds, left)?;
            let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
            if ready.next() == Some(true) {
                return Ok(Confirmed::GoBack("interrupted"));
            }
            if let Some(consent) = &self.consent {
                if ready.next() == Some(true) && consent.is_given() {
                    return Ok(Confirmed::Keep);
                }
            }
            if let Some(keyboard) = &self.keyboard {
                if ready.next() == Some(true) {
                    return typed(keyboard);
                }
            }
        }
    }
}

/// The terminal that the question can be answered in; `None` where only another session can. A
/// script on standard input would answer with its next line.
fn keyboard() -> Result<Option<Stdin>, Trouble> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        // In the background what is typed is for others.
        let in_front = tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
        return Ok(in_front.then_some(stdin));
    }
    match ioctl_fionread(&stdin) {
        Ok(1..) => Err(Trouble::Failed(
            "--confirm: standard input is no terminal, and what stands in it confirms nothing; \
             expected a terminal, or </dev/null and 'policy-table confirm' in another session; \
             nothing was done"
                .to_owned(),
        )),
        _ => Ok(None),
    }
}

/// Drops what was typed before a question was there to be read.
pub fn forget_typed(keyboard: &Stdin) {
    // Where it cannot be done, the terminal is gone, and reading will say so.
    let _ = tcflush(keyboard, FlushArg::TCIFLUSH);
}

/// Judges what is typed: an empty line counts, if it is alone.
fn typed(keyboard: &Stdin) -> io::Result<Confirmed> {
    let mut line = [0; 4096];
    Ok(match read(keyboard, &mut line) {
        Ok(0) => Confirmed::GoBack("standard input is closed"),
        Ok(1) if matches!(line, [b'\n' | b'\r', ..]) => {
            let mut more = [PollFd::new(keyboard.as_fd(), PollFlags::POLLIN)];
            wait_for(&mut more, PASTE)?;
            if more.iter().any(|fd| fd.any().unwrap_or(false)) {
                Confirmed::GoBack("more than an empty line was typed")
            } else {
                Confirmed::Keep
            }
        }
        Ok(_) => Confirmed::GoBack("something else than an empty line was typed"),
        Err(_) => Confirmed::GoBack("standard input cannot be read"),
    })
}

fn wait_for(fds: &mut [PollFd<'_>], longest: Duration) -> io::Result<()> {
    let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
    match poll(fds, timeout) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Holds back the signals of a broken connection, of the keyboard and of `kill`.
fn hold_back_signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGQUIT,
        Signal::SIGTSTP,
        // In the background reading fails then, instead of stopping the process for good.
        Signal::SIGTTIN,
        Signal::SIGTTOU,
    ] {
        set.add(signal);
    }
    set.thread_block()?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    Ok(SignalFd::with_flags(&set, flags)?)
}
