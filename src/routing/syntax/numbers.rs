//! Numbers that have names in `ip` lines, beside tables.
//!
//! The names are those that iproute2 and netbase ship; what an administrator adds to files in
//! `/etc` is written as a number here, for a hook reads no file that it does not need.

use super::words::abbreviates;
use crate::routing::{parse_number, Kind};

type Name = (&'static str, u8);

/// `rt_protos`, as far as the kernel and routing daemons of Debian go, and ours.
const PROTOCOLS: [Name; 20] = [
    ("unspec", 0),
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("keepalived", 18),
    ("babel", 42),
    ("policy-table", crate::routing::PROTOCOL),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
];

/// `/etc/protocols`, IANA's names.
const IP_PROTOCOLS: [Name; 54] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ax.25", 93),
    ("ipip", 94),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("manet", 138),
    ("hip", 139),
    ("shim6", 140),
    ("wesp", 141),
    ("rohc", 142),
    ("ethernet", 143),
];

/// `rt_dsfield`: values of the whole field, of which the upper six bits are the DSCP.
const DSFIELDS: [Name; 26] = [
    ("default", 0x00),
    ("AF11", 0x28),
    ("AF12", 0x30),
    ("AF13", 0x38),
    ("AF21", 0x48),
    ("AF22", 0x50),
    ("AF23", 0x58),
    ("AF31", 0x68),
    ("AF32", 0x70),
    ("AF33", 0x78),
    ("AF41", 0x88),
    ("AF42", 0x90),
    ("AF43", 0x98),
    ("CS1", 0x20),
    ("CS2", 0x40),
    ("CS3", 0x60),
    ("CS4", 0x80),
    ("CS5", 0xa0),
    ("CS6", 0xc0),
    ("CS7", 0xe0),
    ("EF", 0xb8),
    ("LE", 0x04),
    ("VOICE-ADMIT", 0xb0),
    ("lowdelay", 0x10),
    ("throughput", 0x08),
    ("reliability", 0x04),
];

/// `rt_scopes`.
const SCOPES: [Name; 5] = [
    ("global", 0),
    ("site", 200),
    ("link", 253),
    ("host", 254),
    ("nowhere", 255),
];

/// RFC 4191's router preferences as `RTA_PREF` has them.
const PREFERENCES: [Name; 3] = [("medium", 0), ("high", 1), ("low", 3)];

/// `RTN_*` by the words of ip-route(8), and whether `ip` takes a word cut short; what is short for
/// several of them it takes for the first.
const ROUTE_KINDS: [(&str, Kind, bool); 10] = [
    ("local", Kind::LOCAL, false),
    ("broadcast", Kind::BROADCAST, true),
    ("brd", Kind::BROADCAST, false),
    ("anycast", Kind::ANYCAST, true),
    ("multicast", Kind::MULTICAST, true),
    ("prohibit", Kind::PROHIBIT, true),
    ("unreachable", Kind::UNREACHABLE, true),
    ("blackhole", Kind::BLACKHOLE, true),
    ("unicast", Kind::UNICAST, true),
    ("throw", Kind::THROW, false),
];

fn find(names: &[Name], text: &str) -> Option<u8> {
    names
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, number)| *number)
}

fn name(names: &[Name], number: u8) -> Option<&'static str> {
    names
        .iter()
        .find(|(_, known)| *known == number)
        .map(|(name, _)| *name)
}

/// A number of 8 bits.
pub fn small(text: &str) -> Option<u8> {
    parse_number(text).and_then(|number| u8::try_from(number).ok())
}

/// A routing protocol, by name or number.
pub fn protocol(text: &str) -> Option<u8> {
    small(text).or_else(|| find(&PROTOCOLS, text))
}

/// An IP protocol, by name or number. netbase gives the names in capitals as aliases, and
/// `ip -N` prints `ipproto-6`.
pub fn ip_protocol(text: &str) -> Option<u8> {
    let lower = text.to_ascii_lowercase();
    let number = lower.strip_prefix("ipproto-").unwrap_or(&lower);
    small(number)
        .or_else(|| find(&IP_PROTOCOLS, &lower))
        .or_else(|| {
            // Two names that people write and netbase gives as aliases.
            find(&[("icmpv6", 58), ("ipv6-crypt", 50)], &lower)
        })
}

/// The word `ip` prints for an IP protocol.
pub fn ip_protocol_name(number: u8) -> String {
    name(&IP_PROTOCOLS, number).map_or_else(|| number.to_string(), str::to_owned)
}

/// A DS field: a name, or a number that is hexadecimal with or without 0x, as `ip` reads it.
pub fn dsfield(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let number = Some(digits).filter(|digits| !digits.starts_with('+'));
    // EF is a name before it is a number.
    find(&DSFIELDS, text).or_else(|| u8::from_str_radix(number?, 16).ok())
}

/// A DSCP of 0 to 63: a name, or a number.
pub fn dscp(text: &str) -> Option<u8> {
    let named = || {
        find(&DSFIELDS, text)
            .filter(|field| field.trailing_zeros() >= 2)
            .map(|field| field >> 2)
    };
    small(text).filter(|number| *number < 64).or_else(named)
}

/// A scope, by name or number.
pub fn scope(text: &str) -> Option<u8> {
    small(text).or_else(|| find(&SCOPES, text))
}

/// The word for a scope.
pub fn scope_name(number: u8) -> String {
    name(&SCOPES, number).map_or_else(|| number.to_string(), str::to_owned)
}

/// A router preference.
pub fn preference(text: &str) -> Option<u8> {
    // The kernel takes any other number for medium.
    let known = |number: &u8| name(&PREFERENCES, *number).is_some();
    find(&PREFERENCES, text).or_else(|| small(text).filter(known))
}

/// The word for a router preference.
pub fn preference_name(number: u8) -> String {
    name(&PREFERENCES, number).map_or_else(|| number.to_string(), str::to_owned)
}

/// Two realms in one number: `FROM/TO`, `TO`, or the number itself, as `ip` takes it.
pub fn realms(text: &str) -> Option<u32> {
    // The one name that iproute2 ships; `ip` prints it for a realm of 0 beside another.
    let cosmos = |text: &str| (text == "cosmos").then_some(0);
    let half = |text: &str| cosmos(text).or_else(|| small(text).map(u32::from));
    match text.split_once('/') {
        Some((from, to)) => Some((half(from)? << 16) | half(to)?),
        None => cosmos(text).or_else(|| parse_number(text)),
    }
}

/// As `ip` reads realms back.
pub fn realms_text(realms: u32) -> String {
    match (realms >> 16, realms & 0xffff) {
        (from @ 1..=255, to @ 0..=255) => format!("{from}/{to}"),
        _ => format!("{realms}"),
    }
}

/// A tunnel key, in decimal or 0x notation; a leading zero is octal to `ip` and nothing here.
pub fn tunnel_key(text: &str) -> Option<u64> {
    let large = || match text.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u64::from_str_radix(digits, 16).ok(),
        None if !text.starts_with(['+', '0']) => text.parse().ok(),
        _ => None,
    };
    parse_number(text).map(u64::from).or_else(large)
}

/// A value and a mask, `VALUE[/MASK]`; without one all bits count.
pub fn masked(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((parse_number(value)?, parse_number(mask)?)),
        None => Some((parse_number(text)?, u32::MAX)),
    }
}

/// A DSCP and its mask, `DSCP[/MASK]`; the kernel refuses bits beyond the mask.
pub fn masked_dscp(text: &str) -> Option<(u8, Option<u8>)> {
    let Some((value, mask)) = text.split_once('/') else {
        return Some((dscp(text)?, None));
    };
    let (value, mask) = (dscp(value)?, small(mask)?);
    let fits = mask != 0 && mask <= 0x3f && value & !mask == 0;
    fits.then_some((value, Some(mask).filter(|mask| *mask != 0x3f)))
}

/// A flow label and its mask, `LABEL[/MASK]`.
pub fn flow_label(text: &str) -> Option<(u32, u32)> {
    let (label, mask) = masked(text)?;
    let mask = if text.contains('/') { mask } else { 0xf_ffff };
    (mask <= 0xf_ffff && label & !mask == 0).then_some((label, mask))
}

/// A kind of route, by name.
pub fn route_kind(text: &str) -> Option<u8> {
    let is_it = |name, may_be_cut| text == name || may_be_cut && abbreviates(text, name);
    let mut kinds = ROUTE_KINDS.iter();
    let found = kinds.find(|(name, _, may_be_cut)| is_it(*name, *may_be_cut));
    found.map(|(_, kind, _)| kind.0)
}

/// The word for a kind of route.
pub fn route_kind_name(number: u8) -> String {
    let mut kinds = ROUTE_KINDS.iter();
    let found = kinds.find(|(_, kind, _)| kind.0 == number);
    found.map_or_else(|| number.to_string(), |(name, ..)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_as_ip_reads_them() {
        assert_eq!(
            (protocol("static"), protocol("157"), protocol("x")),
            (Some(4), Some(157), None)
        );
        assert_eq!(
            (ip_protocol("tcp"), ip_protocol("icmpv6")),
            (Some(6), Some(58))
        );
        assert_eq!(
            (ip_protocol("IPv6-ICMP"), ip_protocol("ipproto-6")),
            (Some(58), Some(6))
        );
        assert_eq!(
            (dsfield("10"), dsfield("0x10"), dsfield("EF")),
            (Some(16), Some(16), Some(0xb8))
        );
        assert_eq!((dsfield("100"), dsfield("+1")), (None, None));
        assert_eq!(
            (dscp("10"), dscp("64"), dscp("EF"), dscp("CS6")),
            (Some(10), None, Some(46), Some(48))
        );
        assert_eq!(
            (scope("link"), scope("7"), scope("x")),
            (Some(253), Some(7), None)
        );
        assert_eq!(
            (realms("5"), realms("1/2"), realms("256/1")),
            (Some(5), Some(0x1_0002), None)
        );
        assert_eq!(
            (realms("300"), realms("5/cosmos"), realms("/5")),
            (Some(300), Some(0x5_0000), None)
        );
        for (number, text) in [
            (0x1_0002, "1/2"),
            (0x5_0000, "5/0"),
            (300, "300"),
            (0x100_0001, "16777217"),
        ] {
            assert_eq!(realms_text(number), text);
            assert_eq!(realms(text), Some(number));
        }
        assert_eq!(masked("0x10/0xff"), Some((16, 255)));
        assert_eq!(
            (tunnel_key("0x100000000"), tunnel_key("4294967296")),
            (Some(1 << 32), Some(1 << 32))
        );
        for text in ["010", "+5", "0x", "0x+1", "18446744073709551616"] {
            assert_eq!(tunnel_key(text), None, "{text}");
        }
        assert_eq!((preference("high"), preference("2")), (Some(1), None));
        assert_eq!(
            (route_kind("black"), route_kind("b"), route_kind("loc")),
            (Some(6), Some(3), None)
        );
        assert_eq!(
            (route_kind("brd"), route_kind("un"), route_kind("nat")),
            (Some(3), Some(7), None)
        );
        assert_eq!(
            (route_kind_name(3), route_kind_name(10)),
            ("broadcast".into(), "10".into())
        );
    }
}
