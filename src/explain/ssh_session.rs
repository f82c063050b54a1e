//! The way back to who is logged in over ssh, and what a change would make of it.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::after_steps;
use super::best_route::Candidate;
use super::packet::Packet;
use super::walk::{walk, End, Walk};
use crate::cli::host;
use crate::netlink::{Kernel, KernelError};
use crate::routing::Step;
use crate::system::variable_above;

/// Where sshd notes the addresses and ports of a connection.
const CONNECTION: &str = "SSH_CONNECTION";

/// `IPPROTO_TCP`.
const TCP: u8 = 6;

/// The packets that answer the client of this session.
///
/// sshd notes the connection in `SSH_CONNECTION` (ssh(1)). sudo(8) drops it, so the processes
/// above this one are asked as well.
pub fn answers() -> Option<Packet> {
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
    let mut question = Packet::to(plain(client)?, 0);
    question.from = Some(plain(server)?).filter(|from| from.is_ipv4() == question.to.is_ipv4());
    question.ip_protocol = TCP;
    question.sport = own_port.parse().ok()?;
    question.dport = port.parse().ok()?;
    Some(question)
}

/// What the steps would make of the way of some packets: a sentence, if it is another one after.
pub fn moved(
    kernel: &mut Kernel,
    answers: &Packet,
    steps: &[Step],
) -> Result<Option<String>, KernelError> {
    let rules = kernel.rules(answers.family())?;
    let host = host(kernel, answers, &rules)?;
    let now = walk(answers.clone(), &rules, &host, |table, to| {
        kernel.candidates(table, to)
    })?;
    let rules = after_steps::rules(rules, steps);
    let after = walk(answers.clone(), &rules, &host, |table, to| {
        let found = kernel.candidates(table, to)?;
        Ok::<_, KernelError>(after_steps::candidates(found, table, to, steps))
    })?;
    let (now, after) = (way(&now), way(&after));
    if now == after {
        return Ok(None);
    }
    Ok(Some(format!(
        "this moves the way back to you, {}: now it is {now}, then {after}",
        answers.to
    )))
}

/// Where packets leave.
fn way(walk: &Walk) -> String {
    match &walk.outcome {
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
        let question = parse("192.0.2.7 50000 10.10.0.10 22").unwrap();
        assert_eq!(question.to.to_string(), "192.0.2.7");
        assert_eq!((question.dport, question.sport), (50000, 22));
        let mapped = parse("::ffff:192.0.2.7 1 ::ffff:10.10.0.10 22").unwrap();
        assert_eq!(mapped.to, question.to);
        assert!(parse("fe80::1%eth1 1 fe80::2%eth1 22").is_some());
        for wrong in ["", "192.0.2.7", "a b c d", "192.0.2.7 1 10.0.0.1 99999"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
