//! Waiting until the kernel reports a change.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{
    bind, recv, socket, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
};

/// A socket on which the kernel reports changes. It is nix's: neli lends its socket to poll(2)
/// as a bare number only, which safe code cannot use.
pub struct Watch {
    socket: OwnedFd,
}

/// Bits of the groups `RTNLGRP_LINK` (1), `RTNLGRP_IPV4_IFADDR` (5) and `RTNLGRP_IPV6_IFADDR` (9).
const ADDRESS_GROUPS: u32 = 1 | (1 << 4) | (1 << 8);
/// Bits of the groups `RTNLGRP_IPV4_ROUTE` (7) and `RTNLGRP_IPV6_ROUTE` (11).
const ROUTE_GROUPS: u32 = (1 << 6) | (1 << 10);

impl Watch {
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
