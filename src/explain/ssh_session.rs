//! The way back to who is logged in over ssh, and whether a change would move it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::ask_kernel::walk_after;
use super::best_route::Candidate;
use super::packet::Packet;
use super::walk::{End, Walk};
use crate::netlink::{Kernel, KernelError};
use crate::routing::Step;
use crate::system::variable_above;

/// Where sshd notes the addresses and ports of a connection (ssh(1)).
const CONNECTION: &str = "SSH_CONNECTION";

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// The packets back to the client of this session, if it came over ssh. sudo(8) drops the variable
/// that says so; the processes above this one may still have it.
pub fn ssh_replies() -> Option<Packet> {
    let own = std::env::var(CONNECTION).ok();
    let noted = own.or_else(|| variable_above(CONNECTION));
    noted.and_then(|connection| parse(&connection))
}

fn parse(connection: &str) -> Option<Packet> {
    let words: Vec<&str> = connection.split_whitespace().collect();
    let [client, port, server, own_port] = words.as_slice() else {
        return None;
    };
    let plain = |text: &str| -> Option<IpAddr> {
        let address = text.split('%').next()?.parse::<IpAddr>().ok()?;
        Some(address.to_canonical())
    };
    let mut packet = Packet::to(plain(client)?, 0);
    packet.from = Some(plain(server)?).filter(|from| from.is_ipv4() == packet.to.is_ipv4());
    packet.ip_protocol = TCP;
    packet.sport = own_port.parse().ok()?;
    packet.dport = port.parse().ok()?;
    Some(packet)
}

/// A warning, if steps would send the replies another way than they take now.
pub fn warning_of_move(
    kernel: &mut Kernel,
    replies: &Packet,
    steps: &[Step],
) -> Result<Option<String>, KernelError> {
    let now = way(&walk_after(kernel, replies.clone(), &[])?);
    let then = way(&walk_after(kernel, replies.clone(), steps)?);
    if now == then {
        return Ok(None);
    }
    Ok(Some(format!(
        "this moves the way back to you, {}: now it is {now}, then {then}",
        replies.to
    )))
}

/// Where packets leave.
fn way(walk: &Walk) -> String {
    match &walk.end {
        End::Route(_, best) => {
            let mut text = String::new();
            let hops = best.first().into_iter().flat_map(Candidate::living);
            for hop in hops {
                let lead = if text.is_empty() { "" } else { " or " };
                let _ = write!(text, "{lead}");
                if let Some(gateway) = hop.gateway {
                    let _ = write!(text, "via {gateway} ");
                }
                if let Some(device) = &hop.device {
                    let _ = write!(text, "dev {device}");
                }
            }
            text
        }
        End::OnLink(device) => format!("dev {device}"),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_read_as_sshd_notes_it() {
        let packet = parse("192.0.2.7 50000 10.10.0.10 22").unwrap();
        assert_eq!(packet.to.to_string(), "192.0.2.7");
        assert_eq!((packet.dport, packet.sport), (50000, 22));
        let mapped = parse("::ffff:192.0.2.7 1 ::ffff:10.10.0.10 22").unwrap();
        assert_eq!(mapped.to, packet.to);
        assert!(parse("fe80::1%eth1 1 fe80::2%eth1 22").is_some());
        for wrong in ["", "192.0.2.7", "a b c d", "192.0.2.7 1 10.0.0.1 99999"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
