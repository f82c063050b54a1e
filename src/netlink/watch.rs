//! The socket on which the kernel reports changes: waiting until there are any, and hearing what
//! they are.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{
    bind, recv, setsockopt, socket, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol,
    SockType,
};
use socket2::{SockFilter, SockRef};

use super::filter::of_tables;
use super::heard::{heard, Heard};
use super::message::replies;
use crate::routing::TableId;

/// A socket on which the kernel reports changes. It is nix's: neli lends its socket to poll(2)
/// as a bare number only, which safe code cannot use.
pub struct Watch {
    socket: OwnedFd,
}

/// Bits of the groups `RTNLGRP_LINK` (1), `RTNLGRP_IPV4_IFADDR` (5) and `RTNLGRP_IPV6_IFADDR` (9).
const ADDRESS_GROUPS: u32 = 1 | (1 << 4) | (1 << 8);
/// Bits of the groups `RTNLGRP_IPV4_ROUTE` (7) and `RTNLGRP_IPV6_ROUTE` (11).
const ROUTE_GROUPS: u32 = (1 << 6) | (1 << 10);
/// Bits of the groups `RTNLGRP_IPV4_RULE` (8) and `RTNLGRP_IPV6_RULE` (19).
const RULE_GROUPS: u32 = (1 << 7) | (1 << 18);

/// Bytes that the kernel keeps for who hears everything. What it takes for a message is far more
/// than the message: twenty flaps of a link come near to the usual size.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Bytes for one message. That of a device with many virtual functions is long.
const MESSAGE: usize = 32 << 10;

/// What came of hearing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hearing {
    /// Whether there may be more to hear.
    pub more: bool,
    /// Whether something was told that could not be heard: the receive buffer was full, or a
    /// message is not to be read.
    pub missed: bool,
}

impl Watch {
    /// Changes of devices, addresses and rules, and of the routes that [`Watch::only_of`] lets pass:
    /// at first ours and default routes.
    pub fn everything() -> io::Result<Self> {
        let watch = Self::of(ADDRESS_GROUPS | ROUTE_GROUPS | RULE_GROUPS)?;
        // In a user namespace of its own a process may not go beyond the limit that others have.
        let forced = setsockopt(&watch.socket, RcvBufForce, &RECEIVE_BUFFER);
        forced.or_else(|_| setsockopt(&watch.socket, RcvBuf, &RECEIVE_BUFFER))?;
        watch.only_of(&[])?;
        Ok(watch)
    }

    /// Has the kernel pass on changes of the routes of these tables, besides ours and default routes.
    pub fn only_of(&self, tables: &[TableId]) -> io::Result<()> {
        let program = of_tables(tables);
        let program: Vec<SockFilter> = program
            .iter()
            .map(|it| SockFilter::new(it.code, it.skip_if, it.skip_else, it.value))
            .collect();
        SockRef::from(&self.socket).attach_filter(&program)
    }

    /// Tells what has changed, without waiting, but not more than so many messages.
    pub fn hear(&self, most: usize, mut tell: impl FnMut(Heard)) -> io::Result<Hearing> {
        let mut buffer = vec![0; MESSAGE];
        let mut hearing = Hearing::default();
        for _ in 0..most {
            let received = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(Errno::EAGAIN) => return Ok(hearing),
                // The kernel had no room for a message. What comes after it is told as ever.
                Err(Errno::ENOBUFS) => {
                    hearing.missed = true;
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for reply in replies(received) {
                match reply {
                    Ok(reply) => heard(&reply).into_iter().for_each(&mut tell),
                    Err(_) => hearing.missed = true,
                }
            }
        }
        hearing.more = true;
        Ok(hearing)
    }

    pub fn addresses() -> io::Result<Self> {
        Self::of(ADDRESS_GROUPS)
    }

    /// Those of all tables.
    pub fn routes() -> io::Result<Self> {
        Self::of(ROUTE_GROUPS)
    }

    fn of(groups: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let opened = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        );
        let socket = opened?;
        let groups = NetlinkAddr::new(0, groups);
        bind(socket.as_raw_fd(), &groups)?;
        Ok(Self { socket })
    }

    /// Waits until something changes, but not longer than given. What has changed, the caller has
    /// to look up: of many changes at once the kernel may tell a part only.
    pub fn wait(&self, longest: Duration) -> io::Result<()> {
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        match poll(
            &mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)],
            timeout,
        ) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut buffer = [0; 8192];
        while recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()).is_ok() {}
        Ok(())
    }
}

/// To wait for several things at once.
impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
