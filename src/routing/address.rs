//! The words of the network: families, addresses, prefixes, interface names.
//!
//! Each type is valid from birth; what cannot be built cannot be sent to the kernel.
//! Nothing here does I/O or knows of options, routes or rules.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use crate::text::is_hidden;

/// The routing protocol number that says a route or rule is ours, `rtm_protocol` and
/// `FRA_PROTOCOL`; a file in `rt_protos.d` names it `policy-table`. Free in the kernel's
/// `linux/rtnetlink.h` and in iproute2's `rt_protos`.
pub const PROTOCOL: u8 = 157;

/// Why a text is none of these words. Each message says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WordError {
    /// Neither an IPv4 nor an IPv6 prefix.
    #[error("expected a prefix such as 192.0.2.0/24 or 2001:db8::/32")]
    Prefix,
    /// The kernel would silently match the whole network (measured on 6.18).
    #[error("it has host bits set; write {network} for the network, or {host} for one address")]
    HostBits {
        /// What the kernel would make of it.
        network: Prefix,
        /// The address alone.
        host: IpAddr,
    },
    /// A prefix length beyond the family's, or a mask with holes.
    #[error("expected a prefix length of 0 to {0}, or a netmask without holes")]
    Length(u8),
    /// Not an interface name the kernel would take.
    #[error(
        "expected an interface name: 1 to 127 characters, without \"/\", white space \
         or control characters"
    )]
    Interface,
    /// Zero or one of the kernel's own tables.
    #[error("table ID {0} is the kernel's own; expected 1 to 4294967295, but not 253 to 255")]
    ReservedTable(u32),
    /// Not a number that fits a table ID.
    #[error("expected a table ID of 1 to 4294967295, in decimal or 0x notation")]
    TableId,
    /// A name that iproute2 gives a meaning of its own.
    #[error("\"{0}\" is a name of the kernel's or ip's own; choose another")]
    ReservedName(String),
    /// A name that could not stand in a line of `rt_tables`.
    #[error("a table name has 1 to {0} bytes, without white space, \"#\" or control characters")]
    TableName(usize),
    /// A name that `ip` would read as an ID.
    #[error("a table name may not be a number; a number is taken as the table's ID")]
    NumericName,
}

/// An address family of the routing policy database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl Family {
    /// Both, in the order in which they are asked of the kernel.
    pub const ALL: [Self; 2] = [Self::Inet, Self::Inet6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Inet,
            IpAddr::V6(_) => Self::Inet6,
        }
    }

    /// A network of this length or shorter is part of what stands for a default route: VPN software
    /// writes halves, and for IPv6 `::/3 2000::/4 3000::/4 fc00::/7`.
    pub fn nearly_all(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Inet6 => 4,
        }
    }

    /// Bits of an address: 32 or 128.
    pub fn bits(self) -> u8 {
        match self {
            Self::Inet => 32,
            Self::Inet6 => 128,
        }
    }

    /// The address that stands for none: `0.0.0.0` or `::`.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::Inet => Ipv4Addr::UNSPECIFIED.into(),
            Self::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inet => "IPv4",
            Self::Inet6 => "IPv6",
        }
    }
}

/// The word of interfaces(5): `inet` or `inet6`.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Inet6 => "inet6",
        })
    }
}

/// An address as it sits on an interface: with the length of its network's prefix, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress {
    /// The address itself.
    pub address: IpAddr,
    peer: Option<IpAddr>,
    length: u8,
}

impl InterfaceAddress {
    /// Pairs an address with a prefix length in bits.
    /// Errors: the length is longer than the family's addresses.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, WordError> {
        let bits = Family::of(address).bits();
        if length > bits {
            return Err(WordError::Length(bits));
        }
        Ok(Self {
            address,
            peer: None,
            length,
        })
    }

    /// The same with the other end of a point-to-point link; its own address is no other end.
    pub fn facing(self, peer: Option<IpAddr>) -> Self {
        Self {
            peer: peer.filter(|peer| *peer != self.address),
            ..self
        }
    }

    /// The network on the link: the one the address is in, or the other end's.
    pub fn network(&self) -> Prefix {
        Prefix::around(self.peer.unwrap_or(self.address), self.length)
    }

    /// Whether the link has one other end.
    pub fn is_point_to_point(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether nobody else is in its network.
    pub fn is_alone(&self) -> bool {
        self.peer.is_none() && self.network().is_host()
    }

    /// The address's family.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// A network: an address without host bits, and a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The network of `length` bits around an address; a length beyond the family's is the host.
    pub fn around(address: IpAddr, length: u8) -> Self {
        let length = length.min(Family::of(address).bits());
        let address = match address {
            IpAddr::V4(a) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(a) & mask))
            }
            IpAddr::V6(a) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(a) & mask))
            }
        };
        Self { address, length }
    }

    /// The prefix that holds this address alone.
    pub fn host(address: IpAddr) -> Self {
        Self::around(address, u8::MAX)
    }

    /// The prefix of length 0, the destination of a default route.
    pub fn any(family: Family) -> Self {
        Self::around(family.unspecified(), 0)
    }

    /// Of two selectors, of which an absent one takes all, the one that takes less.
    pub fn narrower(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if one.length < other.length => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// The network's own address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length in bits.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Its family.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Whether it covers every address of its family.
    pub fn is_any(&self) -> bool {
        self.length == 0
    }

    /// Whether it is one address only.
    pub fn is_host(&self) -> bool {
        self.length == self.family().bits()
    }

    /// Whether an address lies in it; one of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && Self::around(address, self.length) == *self
    }

    /// The first address of an IPv4 network that a host can have: the howtos' router.
    /// Networks of one or two addresses, and IPv6, have none.
    pub fn first_host(&self) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(network) if self.length <= 30 => {
                Some(IpAddr::V4(Ipv4Addr::from(u32::from(network) + 1)))
            }
            _ => None,
        }
    }

    /// The first addresses in it that somebody can have.
    pub fn hosts(self) -> impl Iterator<Item = IpAddr> {
        let of_hosts = self.family().bits() - self.length;
        let (first, last) = match 1_u8.checked_shl(of_hosts.into()) {
            // The first is the network's own, the last of IPv4 for all of them.
            Some(count @ ..=2) => (0, count - 1),
            count => (1, count.map_or(254, |count| count - 2)),
        };
        (first..=last).map(move |n| match self.address {
            IpAddr::V4(first) => IpAddr::V4((u32::from(first) | u32::from(n)).into()),
            IpAddr::V6(first) => IpAddr::V6((u128::from(first) | u128::from(n)).into()),
        })
    }

    /// The broadcast address of an IPv4 network that has one.
    pub fn broadcast(&self) -> Option<IpAddr> {
        match self.address {
            IpAddr::V4(network) if self.length <= 30 => {
                let host_bits = u32::MAX.checked_shr(u32::from(self.length)).unwrap_or(0);
                Some(IpAddr::V4(Ipv4Addr::from(u32::from(network) | host_bits)))
            }
            _ => None,
        }
    }
}

/// As `ip` writes it: a host without its length.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host() {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.length)
        }
    }
}

impl FromStr for Prefix {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let host: IpAddr = address.parse().map_err(|_| WordError::Prefix)?;
        let Some(length) = length else {
            return Ok(Self::host(host));
        };
        let network = Self::around(host, parse_length(length, Family::of(host))?);
        if network.address == host {
            Ok(network)
        } else {
            Err(WordError::HostBits { network, host })
        }
    }
}

/// Reads a prefix length as ifupdown takes one: a number of bits, or a dotted mask.
/// Errors: too long for the family, or a mask with holes.
pub fn parse_length(text: &str, family: Family) -> Result<u8, WordError> {
    let wrong = WordError::Length(family.bits());
    if let (Family::Inet, Ok(mask)) = (family, text.parse::<Ipv4Addr>()) {
        let mask = u32::from(mask);
        let length = mask.leading_ones();
        return if length == mask.count_ones() {
            u8::try_from(length).map_err(|_| wrong)
        } else {
            Err(wrong)
        };
    }
    match text.parse::<u8>() {
        Ok(length) if length <= family.bits() => Ok(length),
        _ => Err(wrong),
    }
}

/// The name of a network device, or of an alias `eth0:1` on one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The device: of alias `eth0:1` it is `eth0`.
    pub fn device(&self) -> Self {
        let device = self.0.split(':').next().unwrap_or_default();
        Self(device.to_owned())
    }

    /// Whether it is too long for a device's own name (`IFNAMSIZ`), so that it can only be an
    /// altname.
    pub fn is_long(&self) -> bool {
        self.0.len() > 15
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InterfaceName {
    type Err = WordError;

    /// The rule of the kernel's `dev_valid_name()`, but as long as an altname of ip-link(8) may be:
    /// shorter than 128 bytes (`ALTIFNAMSIZ`).
    fn from_str(text: &str) -> Result<Self, WordError> {
        let bad = |c: char| c == '/' || c.is_whitespace() || is_hidden(c);
        let device = text.split(':').next().unwrap_or_default();
        if text.len() > 127 || matches!(device, "" | "." | "..") || text.contains(bad) {
            return Err(WordError::Interface);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Decimal or 0x notation. A leading zero, which `ip` reads as octal and people as decimal, is
/// no number of ours.
pub fn parse_number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let octal = radix == 10 && digits.len() > 1 && digits.starts_with('0');
    if octal || !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_what_somebody_can_have() {
        for (network, first, last, count) in [
            ("172.17.0.0/16", "172.17.0.1", "172.17.0.254", 254),
            ("10.0.0.0/24", "10.0.0.1", "10.0.0.254", 254),
            ("10.0.0.128/25", "10.0.0.129", "10.0.0.254", 126),
            ("192.0.2.4/30", "192.0.2.5", "192.0.2.6", 2),
            ("192.0.2.4/31", "192.0.2.4", "192.0.2.5", 2),
            ("10.8.0.1", "10.8.0.1", "10.8.0.1", 1),
            ("2001:db8::/64", "2001:db8::1", "2001:db8::fe", 254),
            ("2001:db8::/127", "2001:db8::", "2001:db8::1", 2),
        ] {
            let hosts: Vec<IpAddr> = network.parse::<Prefix>().unwrap().hosts().collect();
            let shown = |host: Option<&IpAddr>| host.unwrap().to_string();
            assert_eq!(hosts.len(), count, "{network}");
            let ends = (shown(hosts.first()), shown(hosts.last()));
            assert_eq!(ends, (first.into(), last.into()), "{network}");
        }
    }

    #[test]
    fn prefixes_are_networks() {
        for (text, shown) in [
            ("10.10.0.0/24", "10.10.0.0/24"),
            ("10.10.0.10", "10.10.0.10"),
            ("10.10.0.10/32", "10.10.0.10"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "10.10.0",
            "10.10.0.0/33",
            "10.10.0.0/",
            "x/8",
            "2001:db8::/129",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
        let error = "192.0.2.5/24".parse::<Prefix>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "it has host bits set; write 192.0.2.0/24 for the network, or 192.0.2.5 for one address"
        );
    }

    #[test]
    fn first_host_and_broadcast_need_a_network_with_room() {
        let net = |text: &str| text.parse::<Prefix>().unwrap();
        assert_eq!(net("10.10.0.0/24").first_host(), "10.10.0.1".parse().ok());
        assert_eq!(net("10.10.0.0/24").broadcast(), "10.10.0.255".parse().ok());
        assert_eq!(net("10.10.0.4/30").first_host(), "10.10.0.5".parse().ok());
        for none in ["10.10.0.0/31", "10.10.0.1/32", "2001:db8::/64"] {
            assert_eq!(net(none).first_host(), None, "{none}");
            assert_eq!(net(none).broadcast(), None, "{none}");
        }
    }

    #[test]
    fn lengths_are_numbers_or_whole_masks() {
        assert_eq!(parse_length("24", Family::Inet), Ok(24));
        assert_eq!(parse_length("255.255.255.0", Family::Inet), Ok(24));
        assert_eq!(parse_length("0.0.0.0", Family::Inet), Ok(0));
        assert_eq!(parse_length("64", Family::Inet6), Ok(64));
        for (text, family) in [
            ("255.0.255.0", Family::Inet),
            ("33", Family::Inet),
            ("-1", Family::Inet),
            ("", Family::Inet),
            ("129", Family::Inet6),
            ("255.255.255.0", Family::Inet6),
        ] {
            assert!(parse_length(text, family).is_err(), "{text} {family}");
        }
    }

    #[test]
    fn interface_names_are_the_kernels() {
        for name in ["eth0", "eth0:1", "br-lan", "enp3s0f1np1", "eth0.100"] {
            assert!(name.parse::<InterfaceName>().is_ok(), "{name}");
        }
        let (longest, longer) = ("x".repeat(127), "x".repeat(128));
        assert!(longest
            .parse::<InterfaceName>()
            .is_ok_and(|name| name.is_long()));
        for name in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "a b",
            "a\n",
            ":1",
            &longer,
            "\u{1b}[2J",
        ] {
            assert_eq!(
                name.parse::<InterfaceName>(),
                Err(WordError::Interface),
                "{name:?}"
            );
        }
        let alias: InterfaceName = "eth0:1".parse().unwrap();
        assert_eq!(alias.device().as_str(), "eth0");
    }
}
