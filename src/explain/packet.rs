//! A packet whose way is asked for, and whether a rule matches it: as `fib_rule_match` of the
//! kernel's `net/core/fib_rules.c` and its counterparts of each family do, measured on 6.18.

use std::net::IpAddr;

use crate::routing::syntax::ip_protocol_name;
use crate::routing::{Action, Family, InterfaceName, Ports, Prefix, Rule};

/// `IPPROTO_UDP`, what `RTM_GETROUTE` takes a packet for that names no protocol.
pub const UDP: u8 = 17;

/// A packet, as far as rules and routes look at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it goes.
    pub to: IpAddr,
    /// Where it comes from; `None` where this host has yet to choose its source.
    pub from: Option<IpAddr>,
    /// The device it came in by; `None` for a packet of this host.
    pub iif: Option<InterfaceName>,
    /// The device its socket is bound to.
    pub oif: Option<InterfaceName>,
    /// Its mark; 0 is none.
    pub mark: u32,
    /// Its DS field, of which the upper six bits count.
    pub tos: u8,
    /// `IPPROTO_*`; of those the kernel answers for UDP, TCP and ICMP.
    pub ip_protocol: u8,
    /// Its source port; 0 is none.
    pub sport: u16,
    /// Its destination port; 0 is none.
    pub dport: u16,
    /// The user whose socket it is from; the kernel has 0 for a packet that came in.
    pub user: u32,
}

impl Packet {
    /// A packet of this host to an address, sent by a user.
    pub fn to(to: IpAddr, user: u32) -> Self {
        Self {
            to,
            from: None,
            iif: None,
            oif: None,
            mark: 0,
            tos: 0,
            ip_protocol: UDP,
            sport: 0,
            dport: 0,
            user,
        }
    }

    /// The family of its addresses.
    pub fn family(&self) -> Family {
        Family::of(self.to)
    }

    /// The source that a rule looks at. Of a packet that has none yet it is `0.0.0.0` for IPv4; for
    /// IPv6 the kernel looks at none.
    fn source(&self) -> Option<IpAddr> {
        match self.family() {
            Family::Inet => Some(self.from.unwrap_or(Family::Inet.unspecified())),
            Family::Inet6 => self.from,
        }
    }

    /// What the DS field of an IPv4 rule or route by the word `tos` is compared with: its upper
    /// three bits, once precedence, are not looked at.
    pub fn dsfield(&self) -> u8 {
        match self.family() {
            Family::Inet => self.tos & 0x1c,
            Family::Inet6 => self.tos & 0xfc,
        }
    }
}

/// What a rule makes of a packet, and which selector decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does, being a `not`: this selector fails.
    YesFor(String),
    /// It does not: this selector fails.
    No(String),
    /// It does not, being a `not`: everything in it matches.
    NoForNot,
}

impl Match {
    /// Whether the rule's action is taken.
    pub fn is_match(&self) -> bool {
        matches!(self, Self::Yes | Self::YesFor(_))
    }
}

/// Whether a rule matches a packet, and why.
pub fn try_rule(rule: &Rule, packet: &Packet) -> Match {
    match (failing(rule, packet), rule.invert) {
        (None, false) => Match::Yes,
        (None, true) => Match::NoForNot,
        (Some(selector), false) => Match::No(selector),
        (Some(selector), true) => Match::YesFor(selector),
    }
}

/// The first selector that a packet fails, in the words of ip-rule(8) and in the order in which
/// the kernel looks at them.
fn failing(rule: &Rule, packet: &Packet) -> Option<String> {
    by_device(rule, packet)
        .or_else(|| by_mark(rule, packet))
        .or_else(|| by_address(rule, packet))
        .or_else(|| by_class(rule, packet))
        .or_else(|| by_port(rule, packet))
}

fn by_device(rule: &Rule, packet: &Packet) -> Option<String> {
    // A packet of this host comes in by lo, to the kernel.
    let comes_by = packet.iif.as_ref().map_or("lo", InterfaceName::as_str);
    if let Some(iif) = rule.iif.as_ref().filter(|iif| iif.as_str() != comes_by) {
        return Some(format!("iif {iif}"));
    }
    let bound = packet.oif.as_ref();
    let oif = rule.oif.as_ref().filter(|oif| bound != Some(oif))?;
    Some(format!("oif {oif}"))
}

fn by_mark(rule: &Rule, packet: &Packet) -> Option<String> {
    if let Some((mark, mask)) = rule
        .mark
        .filter(|(mark, mask)| (mark ^ packet.mark) & mask != 0)
    {
        return Some(match mask {
            u32::MAX => format!("fwmark {mark:#x}"),
            _ => format!("fwmark {mark:#x}/{mask:#x}"),
        });
    }
    if rule.tunnel != 0 {
        return Some(format!("tun_id {}", rule.tunnel));
    }
    if rule.action == Action::L3mdev {
        return Some("l3mdev".to_owned());
    }
    let other = |(first, last): &(u32, u32)| !(*first..=*last).contains(&packet.user);
    let (first, last) = rule.users.filter(other)?;
    Some(format!("uidrange {first}-{last}"))
}

fn by_address(rule: &Rule, packet: &Packet) -> Option<String> {
    let lacks = |prefix: &Prefix, address: Option<IpAddr>| {
        !prefix.is_any() && !address.is_some_and(|address| prefix.contains(address))
    };
    if let Some(from) = rule.from.filter(|from| lacks(from, packet.source())) {
        return Some(format!("from {from}"));
    }
    let to = rule.to.filter(|to| lacks(to, Some(packet.to)))?;
    Some(format!("to {to}"))
}

fn by_class(rule: &Rule, packet: &Packet) -> Option<String> {
    if let Some((dscp, mask)) = rule.dscp {
        if (dscp ^ (packet.tos >> 2)) & mask.unwrap_or(0x3f) != 0 {
            return Some(format!("dscp {dscp}"));
        }
    }
    if rule.tos != 0 && rule.tos != packet.dsfield() {
        return Some(format!("tos {:#04x}", rule.tos));
    }
    // The packet that the kernel makes up to answer has none.
    if let Some((label, _)) = rule.flow_label.filter(|(label, mask)| label & mask != 0) {
        return Some(format!("flowlabel {label:#x}"));
    }
    let other = |protocol: &u8| *protocol != packet.ip_protocol;
    let protocol = rule.ip_protocol.filter(other)?;
    Some(format!("ipproto {}", ip_protocol_name(protocol)))
}

fn by_port(rule: &Rule, packet: &Packet) -> Option<String> {
    let each = [
        ("sport", rule.sport, packet.sport),
        ("dport", rule.dport, packet.dport),
    ];
    each.into_iter().find_map(|(word, ports, port)| {
        let ports = ports.filter(|ports| !holds(*ports, port))?;
        Some(match ports.last {
            last if last == ports.first => format!("{word} {last}"),
            last => format!("{word} {}-{last}", ports.first),
        })
    })
}

fn holds(ports: Ports, port: u16) -> bool {
    match ports.mask {
        Some(mask) => (ports.first ^ port) & mask == 0,
        None => (ports.first..=ports.last).contains(&port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(rule: &str, packet: &Packet) -> Match {
        try_rule(&rule.parse().unwrap(), packet)
    }

    fn no(selector: &str) -> Match {
        Match::No(selector.to_owned())
    }

    #[test]
    fn the_first_selector_that_fails_is_named() {
        let packet = Packet::to("192.0.2.1".parse().unwrap(), 1000);
        for (rule, expected) in [
            ("from all lookup 7", Match::Yes),
            ("from 0.0.0.0/8 lookup 7", Match::Yes),
            ("from 10.0.0.1 lookup 7", no("from 10.0.0.1")),
            ("to 10.0.0.0/8 lookup 7", no("to 10.0.0.0/8")),
            ("to 192.0.2.0/24 lookup 7", Match::Yes),
            ("not to 192.0.2.0/24 lookup 7", Match::NoForNot),
            ("iif lo lookup 7", Match::Yes),
            ("iif eth1 fwmark 5 lookup 7", no("iif eth1")),
            ("oif eth1 lookup 7", no("oif eth1")),
            ("fwmark 5 lookup 7", no("fwmark 0x5")),
            ("fwmark 0/0xf lookup 7", Match::Yes),
            ("uidrange 0-999 lookup 7", no("uidrange 0-999")),
            ("ipproto udp lookup 7", Match::Yes),
            ("ipproto tcp lookup 7", no("ipproto tcp")),
            ("dport 22 lookup 7", no("dport 22")),
            ("sport 1-5 lookup 7", no("sport 1-5")),
            ("tos 0x10 lookup 7", no("tos 0x10")),
            ("l3mdev", no("l3mdev")),
        ] {
            assert_eq!(tried(rule, &packet), expected, "{rule}");
        }
        let expected = Match::YesFor("from 10.0.0.1".to_owned());
        assert_eq!(tried("not from 10.0.0.1 lookup 7", &packet), expected);
    }

    #[test]
    fn a_source_not_chosen_yet_is_in_no_ipv6_prefix() {
        let mut packet = Packet::to("2001:db8::1".parse().unwrap(), 0);
        assert_eq!(tried("from ::/8 lookup 7", &packet), no("from ::/8"));
        packet.from = "::5".parse().ok();
        assert_eq!(tried("from ::/8 lookup 7", &packet), Match::Yes);
    }

    #[test]
    fn the_tos_of_ipv4_has_no_precedence() {
        let mut packet = Packet::to("192.0.2.1".parse().unwrap(), 0);
        packet.tos = 0xf0;
        assert_eq!(tried("tos 0x10 lookup 7", &packet), Match::Yes);
        assert_eq!(tried("dscp 4 lookup 7", &packet), no("dscp 4"));
        assert_eq!(tried("dscp 60 lookup 7", &packet), Match::Yes);
    }
}
