//! The rights that a run needs, and no others.
//!
//! Routes and rules take `CAP_NET_ADMIN`; the files take none, since root owns them. Everything
//! else root may do is given up before a word of a stanza is read.

use std::io;

use nix::errno::Errno;
use nix::sys::stat::{umask, Mode};
use rustix::thread::{
    capabilities, set_capabilities, set_no_new_privs, CapabilitySet, CapabilitySets,
};
use thiserror::Error;

/// Why a run cannot do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("root is needed: without CAP_NET_ADMIN the kernel lets nobody change routes and rules")]
pub struct NotPermitted;

/// Gives up all capabilities but `CAP_NET_ADMIN`, and makes what this process creates readable
/// by everybody and writable by its owner, whatever its caller's umask.
///
/// Clearing the inheritable set clears the ambient one, too. The bounding set matters only to
/// a program that is started by this one; there is none, and with `no_new_privs` it would get
/// back nothing (capabilities(7): root otherwise regains the bounding set with `execve`).
/// Errors: the process does not have `CAP_NET_ADMIN`.
pub fn keep_net_admin() -> Result<(), NotPermitted> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    let needed = CapabilitySet::NET_ADMIN;
    let kept = CapabilitySets {
        effective: needed,
        permitted: needed,
        inheritable: CapabilitySet::empty(),
    };
    if let Err(error) = set_capabilities(None, kept) {
        if !has(needed) {
            return Err(NotPermitted);
        }
        // A sandbox that forbids the call itself is no reason to leave a host without its routes.
        let reason = Errno::from_raw(error.raw_os_error()).desc();
        log::warn!("capabilities that are not needed cannot be given up: {reason}");
    }
    // A kernel without it is no worse off than before.
    let _ = set_no_new_privs(true);
    Ok(())
}

fn has(needed: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|held| held.effective.contains(needed))
}

/// What to do about a file that even root may not open here, to stand behind the error.
pub fn permission_hint(error: &io::Error) -> &'static str {
    if error.raw_os_error() == Some(Errno::EACCES as i32) {
        " (it must belong to root and be writable by its owner: all other rights are given up)"
    } else {
        ""
    }
}
