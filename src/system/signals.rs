//! Signals that a program waits for like for anything else: they do not interrupt what it does.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that end a program or make it look again.
pub struct Signals(SignalFd);

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTold {
    End,
    LookAgain,
}

impl Signals {
    /// From now on they wait until they are asked for.
    pub fn hold() -> io::Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&signals, flags)?))
    }

    /// The next one that came in, if any did.
    pub fn next(&self) -> Option<SignalTold> {
        let told = self.0.read_signal().ok()??;
        let hung_up = i32::try_from(told.ssi_signo) == Ok(Signal::SIGHUP as i32);
        Some(if hung_up {
            SignalTold::LookAgain
        } else {
            SignalTold::End
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
