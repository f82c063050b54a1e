//! A run that waits for a yes, and the yes that another session says to it.
//!
//! The yes is a connection to a socket, so that there is nobody to hear it once the run is gone:
//! a run that was killed leaves a name behind, and no answer that a later run could take for its
//! own.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{
    bind, listen, socket, AddressFamily, Backlog, SockFlag, SockType, UnixAddr,
};
use nix::sys::stat::{umask, Mode};

use super::lock::Lock;
use super::processes::describe;

/// Only root may connect to it.
const SOCKET: &str = "/run/policy-table-confirm";

/// Held as long as a run waits: of two that go back to what was before, the first to do so would
/// take the other's change along.
const LOCK: &str = "/run/policy-table-confirm.lock";

/// Longest time to wait for an answer to a yes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A run that will wait for a yes, or does.
#[derive(Debug)]
pub struct Consent {
    socket: UnixListener,
    lock: Lock,
}

impl Consent {
    /// Makes ready to wait. Nobody can say yes yet: there is nothing to say it to.
    /// Errors: another run waits already; or a file or the socket cannot be made.
    pub fn prepare() -> io::Result<Self> {
        let lock = Lock::at_once(Path::new(LOCK))?;
        match fs::remove_file(SOCKET) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(&error)),
            _ => {}
        }
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let made = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let address = UnixAddr::new(SOCKET)?;
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = bind(made.as_raw_fd(), &address);
        umask(before);
        bound.map_err(|errno| named(&errno.into()))?;
        Ok(Self {
            socket: OwnedFd::into(made),
            lock,
        })
    }

    /// Has what is started meanwhile keep others from asking for as long as it lives.
    pub fn handed_down<T>(&self, start: impl FnOnce() -> T) -> io::Result<T> {
        self.lock.handed_down(start)
    }

    /// From now on a yes counts.
    pub fn begin(&self) -> io::Result<()> {
        Ok(listen(&self.socket, Backlog::new(1)?)?)
    }

    /// Takes a yes, if there is one. Who said it and heard nothing in time has gone, and been told
    /// that it does not count.
    pub fn given(&self) -> Option<Yes> {
        let (peer, _) = self.socket.accept().ok()?;
        let yes = Yes(peer);
        yes.waits().then_some(yes)
    }
}

/// A yes, and who said it: waiting to hear what came of it.
#[derive(Debug)]
pub struct Yes(UnixStream);

impl Yes {
    /// Whether somebody still waits.
    fn waits(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        // Only of the other end's being closed is told what nobody asks for.
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
    }

    /// Tells that the change stays.
    pub fn tell(mut self) {
        let name = describe(std::process::id());
        let _ = self.0.write_all(name.as_bytes());
    }
}

impl AsFd for Consent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Consent {
    fn drop(&mut self) {
        let _ = fs::remove_file(SOCKET);
    }
}

/// Keeps others from asking, where nobody does: no process that has asked is there any more, nor one
/// that would go back for it.
pub fn nobody_asks() -> Option<Lock> {
    Lock::at_once(Path::new(LOCK)).ok()
}

/// Says yes to the run that waits, and returns which one that is; `None` where none does.
/// Errors: the socket cannot be used, or the run ended before it heard the yes.
pub fn say_yes() -> io::Result<Option<String>> {
    let mut stream = match UnixStream::connect(SOCKET) {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => return Ok(None),
            _ => return Err(named(&error)),
        },
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut heard = String::new();
    let read = stream.read_to_string(&mut heard);
    match read {
        Ok(1..) => Ok(Some(heard)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "what waits does not answer; nothing was confirmed",
        )),
        Ok(0) | Err(_) => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "what waited went back before it heard of this",
        )),
    }
}

fn named(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{SOCKET}: {error}"))
}
