//! Output that perhaps nobody reads: a terminal that was stopped (Ctrl-S), a pager, a connection
//! that is dead. It is written as far as it is taken, and never waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::mem::take;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{send, MsgFlags};
use nix::unistd::write;

/// Most that a pipe takes at once that is ready at all (`PIPE_BUF`).
const PIPE: usize = 4096;

/// An output, and what it has not taken yet.
#[derive(Debug)]
pub struct UnreadOutput {
    stream: OwnedFd,
    access: Access,
    left: Vec<u8>,
}

/// How to write without waiting.
#[derive(Debug)]
enum Access {
    /// The stream has been opened once more, for this run alone, and does not block.
    Own,
    Socket,
    /// Others write to it, too, and would be surprised if it did not block: so much at a time, when
    /// it is ready.
    Shared(usize),
    /// A file on a disk.
    Disk,
}

impl UnreadOutput {
    /// An output that stays open.
    /// Errors: it is closed.
    pub fn to(stream: impl AsFd) -> io::Result<Self> {
        let stream = stream.as_fd();
        let file = File::from(stream.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let shared = Access::Shared(if stream.is_terminal() { 1 } else { PIPE });
        let (stream, access) = if kind.is_socket() {
            (file, Access::Socket)
        } else if kind.is_file() {
            (file, Access::Disk)
        } else if kind.is_fifo() || stream.is_terminal() {
            match reopen(stream) {
                Ok(own) => (own, Access::Own),
                Err(_) => (file, shared),
            }
        } else {
            (file, shared)
        };
        Ok(Self {
            stream: stream.into(),
            access,
            left: Vec::new(),
        })
    }

    /// Adds to what is to be written.
    pub fn push(&mut self, bytes: &[u8]) {
        self.left.extend_from_slice(bytes);
    }

    /// Whether all has been taken.
    pub fn is_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Writes what is taken now.
    /// Errors: it takes no more; what is left is given up.
    pub fn write_some(&mut self) -> io::Result<()> {
        while !self.left.is_empty() {
            match self.write_once() {
                Ok(0) | Err(Errno::EAGAIN) => break,
                Ok(length) => drop(self.left.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    self.left.clear();
                    return Err(errno.into());
                }
            }
        }
        Ok(())
    }

    fn write_once(&self) -> nix::Result<usize> {
        let most = match self.access {
            Access::Socket => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                return send(self.stream.as_raw_fd(), &self.left, flags);
            }
            Access::Shared(_) if !is_ready(self.stream.as_fd())? => return Ok(0),
            Access::Shared(most) => most,
            Access::Own | Access::Disk => self.left.len(),
        };
        let piece = self.left.get(..most).unwrap_or(&self.left);
        write(&self.stream, piece)
    }

    /// What it has not taken, for who may wait for that.
    pub fn take_left(&mut self) -> Vec<u8> {
        take(&mut self.left)
    }
}

/// Opens what stands behind a descriptor once more: whether it blocks is not of the descriptor, but
/// of all that share it, as a shell does.
fn reopen(stream: BorrowedFd<'_>) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(flags.bits());
    options.open(format!("/proc/self/fd/{}", stream.as_raw_fd()))
}

fn is_ready(stream: BorrowedFd<'_>) -> nix::Result<bool> {
    let mut fds = [PollFd::new(stream, PollFlags::POLLOUT)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use nix::unistd::pipe;

    use super::*;

    /// Far more than a pipe or a socket holds.
    const MUCH: usize = 10_000_000;

    fn takes_what_is_read(mut output: UnreadOutput, mut reader: impl Read) {
        output.push(&vec![b'x'; MUCH]);
        output.write_some().unwrap();
        assert!(!output.is_done());
        let (mut read, mut some) = (0, vec![0; 70_000]);
        while !output.is_done() {
            read += reader.read(&mut some).unwrap();
            output.write_some().unwrap();
        }
        drop(output);
        read += reader.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(read, MUCH);
    }

    #[test]
    fn what_nobody_reads_is_not_waited_for() {
        let (reader, writer) = pipe().unwrap();
        let output = UnreadOutput::to(&writer).unwrap();
        assert!(matches!(output.access, Access::Own));
        drop(writer);
        takes_what_is_read(output, File::from(reader));

        let (reader, writer) = pipe().unwrap();
        let shared = UnreadOutput {
            stream: writer,
            access: Access::Shared(PIPE),
            left: Vec::new(),
        };
        takes_what_is_read(shared, File::from(reader));

        let (reader, writer) = UnixStream::pair().unwrap();
        let output = UnreadOutput::to(&writer).unwrap();
        drop(writer);
        takes_what_is_read(output, reader);
    }

    #[test]
    fn where_nobody_can_read_any_more_that_is_an_error() {
        let (reader, writer) = pipe().unwrap();
        let mut output = UnreadOutput::to(&writer).unwrap();
        drop(reader);
        output.push(b"x");
        let error = output.write_some().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(output.is_done());
    }
}
