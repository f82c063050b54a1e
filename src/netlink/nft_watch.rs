//! The socket on which the kernel reports changes of one table of nft(8).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    bind, recv, socket, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
};

use super::message::{nested, replies, Reply};

/// Bit of the group `NFNLGRP_NFTABLES` (7).
const GROUP: u32 = 1 << 6;

/// `NFNL_SUBSYS_NFTABLES`, the upper byte of a message's kind.
const SUBSYSTEM: u16 = 10;

/// Bytes of a `struct nfgenmsg`, in front of the attributes.
const HEADER: usize = 4;

/// The attribute that names the table, in messages of tables, chains, rules and sets alike.
const TABLE: u16 = 1;

/// Bytes for some messages: each is of one rule or chain.
const MESSAGES: usize = 32 << 10;

/// Such a socket.
pub struct NftWatch {
    socket: OwnedFd,
    table: &'static str,
}

impl NftWatch {
    /// Opens one.
    /// Errors: the kernel has no nftables, or does not let this process listen.
    pub fn of_table(table: &'static str) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let kind = SockProtocol::NetlinkNetFilter;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, kind)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP))?;
        Ok(Self { socket, table })
    }

    /// Whether something of the table has changed, or may have; does not wait.
    pub fn hear(&self) -> io::Result<bool> {
        let mut buffer = vec![0; MESSAGES];
        let mut has_changed = false;
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => {
                    let received = buffer.get(..length).unwrap_or_default();
                    has_changed |= replies(received).any(|reply| match reply {
                        Ok(reply) => is_of(&reply, self.table),
                        Err(_) => true,
                    });
                }
                Err(Errno::EAGAIN) => return Ok(has_changed),
                // There was no room for a message.
                Err(Errno::ENOBUFS) => has_changed = true,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Whether a message is of a table.
fn is_of(reply: &Reply<'_>, table: &str) -> bool {
    let attributes = reply.payload.get(HEADER..).unwrap_or_default();
    let name = nested(attributes).find(|(kind, _)| *kind == TABLE);
    let is_named = name.is_some_and(|(_, name)| name.strip_suffix(b"\0") == Some(table.as_bytes()));
    reply.kind >> 8 == SUBSYSTEM && is_named
}

/// To wait for several things at once.
impl AsFd for NftWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
