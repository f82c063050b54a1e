//! Asking an administrator whether a change stays that may just have cost the connection.
//!
//! Yes is an empty line that is typed into a terminal after the question, or
//! `policy-table confirm` in another session. Everything else is no, and so is an output that nobody
//! takes: it is written as far as it is taken, and the time runs meanwhile.

use std::io::{self, IsTerminal, Stdin, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use log::warn;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{tcflush, FlushArg};
use nix::unistd::{getpgrp, read, tcgetpgrp};
use rustix::io::ioctl_fionread;

use super::command::{say, Trouble};
use super::guard::TrialGuard;
use crate::system::{Consent, UnreadOutput, Yes};
use crate::text::counted;

/// What came of the question.
#[derive(Debug)]
pub enum Confirmed {
    /// Somebody said yes: in another session this one, who waits to hear what came of it.
    Keep(Option<Yes>),
    /// Nobody did, for this reason.
    GoBack(&'static str),
}

/// Longer than the lines of one paste are apart.
const PASTE: Duration = Duration::from_millis(100);

/// After so long an output that took no more is tried again. What says that it is ready may be wrong.
const AGAIN: Duration = Duration::from_millis(50);

/// Standard output, and standard error where it is open.
#[derive(Debug)]
pub struct Outputs {
    out: UnreadOutput,
    err: Option<UnreadOutput>,
}

impl Outputs {
    /// Makes ready to write to them: as long as the run has all its rights, so that it may open
    /// anew what its caller has open.
    /// Errors: standard output is closed.
    pub fn prepare() -> io::Result<Self> {
        Ok(Self {
            out: UnreadOutput::to(io::stdout())?,
            err: UnreadOutput::to(io::stderr()).ok(),
        })
    }

    /// Adds to what standard error is told.
    pub fn warn(&mut self, messages: &[u8]) {
        if let Some(err) = &mut self.err {
            err.push(messages);
        }
    }

    /// Adds to what standard output is told.
    pub fn say(&mut self, text: &[u8]) {
        self.out.push(text);
    }

    /// Writes what is taken now.
    /// Errors: standard output takes no more.
    fn write_some(&mut self) -> io::Result<()> {
        // Of what cannot be told there is nobody to tell.
        let _ = self.err.as_mut().map(UnreadOutput::write_some);
        self.out.write_some()
    }

    fn is_done(&self) -> bool {
        self.out.is_done() && self.err.as_ref().is_none_or(UnreadOutput::is_done)
    }

    /// Writes what is left, and waits for that.
    pub fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(err) = &mut self.err {
            let _ = io::stderr().write_all(&err.take_left());
        }
        say(out, &self.out.take_left())
    }
}

/// A question that will be asked, with the signals of a connection that breaks held back: they must
/// not end the process before it has gone back. Dropped, it lets them through again.
#[derive(Debug)]
pub struct Question {
    signals: SignalFd,
    /// What was held back before.
    mask: SigSet,
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
        let (signals, mask) = hold_back_signals()?;
        Ok(Self {
            signals,
            mask,
            keyboard,
            consent,
        })
    }

    /// Has what is started meanwhile keep others from asking for as long as it lives.
    pub fn handed_down<T>(&self, start: &mut dyn FnMut() -> io::Result<T>) -> io::Result<T> {
        match &self.consent {
            Some(consent) => consent.handed_down(start)?,
            None => start(),
        }
    }

    /// Tells all others who say yes that the change stays.
    pub fn tell_all(&self) {
        let consent = self.consent.as_ref();
        while let Some(yes) = consent.and_then(Consent::given) {
            yes.tell();
        }
    }

    /// Asks behind what the outputs are to be told anyway, and waits for the answer. The time runs
    /// from now, whether or not they take anything.
    pub fn ask(
        &self,
        patience: Duration,
        outputs: &mut Outputs,
        guard: &TrialGuard,
    ) -> io::Result<Confirmed> {
        let deadline = Instant::now() + patience;
        if let Some(consent) = &self.consent {
            consent.begin()?;
        }
        let ways = match (&self.keyboard, &self.consent) {
            (Some(_), Some(_)) => "Press ENTER here, or run 'policy-table confirm' elsewhere,",
            (Some(_), None) => "Press ENTER here",
            (None, _) => "Run 'policy-table confirm' in another session",
        };
        let seconds = counted(patience.as_secs(), "second", "seconds");
        let question = format!("{ways} within {seconds} to keep this; otherwise it goes back.\n");
        outputs.say(question.as_bytes());
        self.wait(deadline, outputs, guard)
    }

    fn wait(
        &self,
        deadline: Instant,
        outputs: &mut Outputs,
        guard: &TrialGuard,
    ) -> io::Result<Confirmed> {
        loop {
            if !outputs.out.is_done() {
                // What is typed before the question is there to read is no answer to it.
                self.keyboard.iter().for_each(forget_typed);
            }
            outputs.write_some()?;
            let is_asked = outputs.out.is_done();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Confirmed::GoBack(if is_asked {
                    "no confirmation"
                } else {
                    "nobody took what is said here, so nobody was asked"
                }));
            }
            let left = if outputs.is_done() {
                left
            } else {
                left.min(AGAIN)
            };
            if let Some(answer) = self.answer(left, is_asked, guard)? {
                return Ok(answer);
            }
        }
    }

    /// Waits for an answer, for so long; at the keyboard only where the question can be read there.
    fn answer(
        &self,
        longest: Duration,
        is_asked: bool,
        guard: &TrialGuard,
    ) -> io::Result<Option<Confirmed>> {
        let keyboard = self.keyboard.as_ref().filter(|_| is_asked);
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(guard.as_fd(), PollFlags::POLLIN),
        ];
        // What is not there is not looked at.
        let consent = self.consent.as_ref().map(AsFd::as_fd);
        for fd in [consent, keyboard.map(AsFd::as_fd)].into_iter().flatten() {
            fds.push(PollFd::new(fd, PollFlags::POLLIN));
        }
        wait_for(&mut fds, longest)?;
        let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
        if ready.next() == Some(true) {
            return Ok(Some(Confirmed::GoBack("interrupted")));
        }
        if ready.next() == Some(true) {
            return Ok(Some(Confirmed::GoBack(
                "what would go back if this process were killed is not there any more",
            )));
        }
        if let Some(consent) = &self.consent {
            let said = (ready.next() == Some(true)).then_some(consent);
            if let Some(yes) = said.and_then(Consent::given) {
                return Ok(Some(Confirmed::Keep(Some(yes))));
            }
        }
        match keyboard {
            Some(keyboard) if ready.next() == Some(true) => typed(keyboard).map(Some),
            _ => Ok(None),
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // What has been answered already ends nothing any more; what comes later ends a run that
        // waits for its output.
        while matches!(self.signals.read_signal(), Ok(Some(_))) {}
        // A terminal may stop whoever writes to it from the background; not before it is told.
        self.mask.add(Signal::SIGTTOU);
        let _ = self.mask.thread_set_mask();
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
                Confirmed::Keep(None)
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
/// Returns what they are heard by, and what was held back before.
fn hold_back_signals() -> io::Result<(SignalFd, SigSet)> {
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
    let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    Ok((SignalFd::with_flags(&set, flags)?, before))
}
