//! Waiting for an administrator to confirm a change that may just have cost the connection.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What came of the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// ENTER was pressed.
    Keep,
    /// It was not, for this reason.
    GoBack(&'static str),
}

/// The signals of a connection that breaks, held back: they must not end the process before it has
/// gone back.
#[derive(Debug)]
pub struct Confirm {
    signals: SignalFd,
}

impl Confirm {
    /// Holds back the signals of a broken connection, of the keyboard and of `kill`.
    pub fn prepare() -> io::Result<Self> {
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
        Ok(Self {
            signals: SignalFd::with_flags(&set, flags)?,
        })
    }

    /// Waits for ENTER on standard input.
    pub fn wait(&self, patience: Duration) -> io::Result<Confirmed> {
        let deadline = Instant::now() + patience;
        let stdin = io::stdin();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Confirmed::GoBack("no confirmation"));
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [
                PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, timeout) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [keyboard, signals] = fds;
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
            if ready(&signals) {
                return Ok(Confirmed::GoBack("interrupted"));
            }
            if ready(&keyboard) {
                let mut byte = [0];
                return Ok(match stdin.lock().read(&mut byte) {
                    Ok(1..) => Confirmed::Keep,
                    Ok(0) => Confirmed::GoBack("standard input is closed"),
                    Err(_) => Confirmed::GoBack("standard input cannot be read"),
                });
            }
        }
    }
}
