//! What systemd is told by a program that it runs (`sd_notify(3)`): a datagram to a socket whose name
//! stands in the environment. Without systemd there is none, and nothing happens.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The service manager of this program, if it has one.
pub struct Service {
    socket: Option<UnixDatagram>,
}

impl Service {
    /// Finds it.
    pub fn find() -> Self {
        let name = env::var_os("NOTIFY_SOCKET");
        Self {
            socket: name.and_then(|name| connect(&name)),
        }
    }

    /// Tells it, in lines of `NAME=VALUE`. Nobody can be told where that fails.
    pub fn tell(&self, lines: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(lines.as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> Option<UnixDatagram> {
    let socket = UnixDatagram::unbound().ok()?;
    // One that is not read is not waited for.
    socket.set_nonblocking(true).ok()?;
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest).ok()?,
        _ => SocketAddr::from_pathname(name).ok()?,
    };
    socket.connect_addr(&address).ok()?;
    Some(socket)
}
