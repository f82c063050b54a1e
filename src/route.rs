//! A route, and its line in the words of ip-route(8). Floor 0.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::line::{abbreviates, nearest, no_names, LineError, Names, Words};
use crate::net::{parse_number, Family, InterfaceName, Prefix, TableId, PROTOCOL};

/// How far a destination is; `RT_SCOPE_*` of `linux/rtnetlink.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(pub u8);

impl Scope {
    /// Beyond a gateway.
    pub const GLOBAL: Self = Self(0);
    /// On the link.
    pub const LINK: Self = Self(253);
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::GLOBAL => f.write_str("global"),
            Self::LINK => f.write_str("link"),
            Self(number) => number.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "global" => Ok(Self::GLOBAL),
            "link" => Ok(Self::LINK),
            _ => text.parse().map(Self).map_err(|_| ()),
        }
    }
}

/// A unicast route. Equality is identity: all of it decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Where it leads; its family is the route's.
    pub destination: Prefix,
    /// The table it stands in.
    pub table: TableId,
    /// The next hop, if there is one.
    pub gateway: Option<IpAddr>,
    /// The device packets leave by.
    pub device: Option<InterfaceName>,
    /// Who put it there: `RTPROT_*` of `linux/rtnetlink.h`, or [`PROTOCOL`].
    pub protocol: u8,
    /// How far the destination is; IPv6 knows `global` alone.
    pub scope: Scope,
    /// The address that packets of this host leave with.
    pub source: Option<IpAddr>,
    /// Lower goes first. The kernel's default is 0 for IPv4 and 1024 for IPv6.
    pub metric: u32,
    /// Whether the gateway is taken to be on the link, whatever its address.
    pub onlink: bool,
    /// Attributes that have no word here, by number and raw value: they make a route of another
    /// program differ from ours instead of seeming equal.
    pub unread: Vec<(u16, Vec<u8>)>,
}

impl Route {
    /// The metric that the kernel gives a route which names none.
    #[must_use]
    pub fn usual_metric(family: Family) -> u32 {
        match family {
            Family::Inet => 0,
            Family::Inet6 => 1024,
        }
    }

    /// The scope that `ip route add` gives a unicast route which names none.
    #[must_use]
    pub fn usual_scope(family: Family, has_gateway: bool) -> Scope {
        match (family, has_gateway) {
            (Family::Inet, false) => Scope::LINK,
            _ => Scope::GLOBAL,
        }
    }

    /// A route of ours that has no next hop yet.
    #[must_use]
    pub fn to(destination: Prefix, table: TableId) -> Self {
        let family = destination.family();
        Self {
            destination,
            table,
            gateway: None,
            device: None,
            protocol: PROTOCOL,
            scope: Self::usual_scope(family, false),
            source: None,
            metric: Self::usual_metric(family),
            onlink: false,
            unread: Vec::new(),
        }
    }

    /// The same through a gateway.
    #[must_use]
    pub fn via(self, gateway: IpAddr) -> Self {
        let scope = Self::usual_scope(self.family(), true);
        Self {
            gateway: Some(gateway),
            scope,
            ..self
        }
    }

    /// The same out of a device.
    #[must_use]
    pub fn dev(self, device: InterfaceName) -> Self {
        Self {
            device: Some(device),
            ..self
        }
    }

    /// The route's address family.
    #[must_use]
    pub fn family(&self) -> Family {
        self.destination.family()
    }

    /// Whether two routes lead alike, whoever put them there.
    #[must_use]
    pub fn same_effect(&self, other: &Self) -> bool {
        *self
            == Self {
                protocol: self.protocol,
                ..other.clone()
            }
    }

    /// Whether the kernel has room for only one of the two: `NLM_F_EXCL` goes by destination
    /// and metric within a table.
    #[must_use]
    pub fn same_place(&self, other: &Self) -> bool {
        (self.destination, self.table, self.metric)
            == (other.destination, other.table, other.metric)
    }

    const KEYWORDS: [&'static str; 9] = [
        "via", "dev", "table", "protocol", "scope", "src", "metric", "onlink", "default",
    ];

    /// Reads the words of ip-route(8). `table` and `device` stand where the line names none.
    ///
    /// # Errors
    /// The first word that ip-route(8) would not take.
    pub fn read(
        line: &str,
        table: TableId,
        device: Option<InterfaceName>,
        names: Names<'_>,
    ) -> Result<Self, LineError> {
        let mut family = None;
        let mut destination = None;
        let (mut metric, mut scope) = (None, None);
        let mut route = Self {
            device,
            ..Self::to(Prefix::any(Family::Inet), table)
        };
        let mut words = Words::new(line);
        while let Some(word) = words.keyword() {
            match word {
                "-4" => family = Some(Family::Inet),
                "-6" => family = Some(Family::Inet6),
                "via" => route.gateway = Some(address(&mut words, &mut family)?),
                "src" => route.source = Some(address(&mut words, &mut family)?),
                "dev" | "oif" => {
                    route.device =
                        Some(words.parsed("an interface name", |text| text.parse().ok())?);
                }
                "scope" => {
                    scope = Some(
                        words.parsed("a scope such as global or link", |text| text.parse().ok())?,
                    );
                }
                "onlink" => route.onlink = true,
                "preference" => metric = Some(words.number()?),
                _ if ["metric", "priority"].iter().any(|k| abbreviates(word, k)) => {
                    metric = Some(words.number()?);
                }
                _ if abbreviates(word, "protocol") => {
                    route.protocol = words.parsed("a protocol number", |text| {
                        parse_number(text).and_then(|number| u8::try_from(number).ok())
                    })?;
                }
                _ if abbreviates(word, "table") => route.table = words.table(names)?,
                _ if destination.is_none() => {
                    destination = Some(words.as_prefix(word, &mut family).map_err(|_| {
                        LineError::Unknown {
                            word: word.to_owned(),
                            nearest: nearest(word, &Self::KEYWORDS),
                        }
                    })?);
                }
                _ => {
                    return Err(LineError::Unknown {
                        word: word.to_owned(),
                        nearest: nearest(word, &Self::KEYWORDS),
                    })
                }
            }
        }
        let family = family.unwrap_or(Family::Inet);
        let destination = destination
            .ok_or_else(|| LineError::Contradiction("a route needs a destination".to_owned()))?;
        route.destination = destination.unwrap_or_else(|| Prefix::any(family));
        route.metric = metric.unwrap_or_else(|| Self::usual_metric(family));
        route.scope = scope.unwrap_or_else(|| Self::usual_scope(family, route.gateway.is_some()));
        Ok(route)
    }
}

fn address(words: &mut Words<'_>, family: &mut Option<Family>) -> Result<IpAddr, LineError> {
    let value = words.value()?;
    let address = value
        .parse()
        .map_err(|_| words.wrong(value, "an address"))?;
    words.settle(family, Family::of(address), value)?;
    Ok(address)
}

/// The line that `ip route add` takes, in the order in which `ip route show` prints it.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.destination.is_any() {
            f.write_str("default")?;
        } else {
            self.destination.fmt(f)?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(device) = &self.device {
            write!(f, " dev {device}")?;
        }
        write!(f, " table {} proto {}", self.table, self.protocol)?;
        let unsaid = Self::usual_scope(self.family(), self.gateway.is_some());
        if self.scope != Scope::GLOBAL || self.scope != unsaid {
            write!(f, " scope {}", self.scope)?;
        }
        if let Some(source) = self.source {
            write!(f, " src {source}")?;
        }
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if self.onlink {
            f.write_str(" onlink")?;
        }
        for (number, _) in &self.unread {
            write!(f, " attribute {number}")?;
        }
        Ok(())
    }
}

impl FromStr for Route {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        Self::read(line, TableId(254), None, &no_names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routes_line_reads_back_as_the_route() {
        for line in [
            "default via 10.10.0.1 dev eth1 table 24242 proto 157",
            "default via 10.9.0.1 dev eth1 table 24242 proto 157 onlink",
            "10.10.0.0/24 dev eth1 table 24242 proto 157 scope link src 10.10.0.10",
            "10.0.0.5 dev eth1 table 7 proto 4 scope global metric 5",
            "default via fe80::1 dev eth1 table 24242 proto 157 metric 1024",
            "2001:db8::/64 dev eth1 table 24242 proto 157 metric 256",
        ] {
            assert_eq!(line.parse::<Route>().unwrap().to_string(), line);
        }
        let route: Route = "-6 default dev eth1".parse().unwrap();
        assert_eq!(
            route.to_string(),
            "default dev eth1 table 254 proto 157 metric 1024"
        );
    }

    #[test]
    fn bad_lines_name_the_word() {
        for (line, message) in [
            ("", "a route needs a destination"),
            ("default via", "\"via\" needs a value"),
            (
                "default vai 10.0.0.1",
                "unknown word \"vai\"; did you mean \"via\"?",
            ),
            (
                "default via 10.0.0.300",
                "\"via 10.0.0.300\": expected an address",
            ),
            (
                "10.0.0.0/8 via fe80::1",
                "\"via fe80::1\": expected an IPv4 address here",
            ),
        ] {
            assert_eq!(line.parse::<Route>().unwrap_err().to_string(), message);
        }
    }
}
