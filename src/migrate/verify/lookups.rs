//! What to ask the kernel in order to tell two sets of routes and rules apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::routing::{Action, Family, Prefix, Route, Rule, TableId};

/// One look-up, as `ip` asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    /// Its family.
    pub family: Family,
    /// Where to.
    destination: IpAddr,
    /// Where from, if that is said.
    source: Option<IpAddr>,
    /// Words for what else a rule may look at: a mark, a device, a protocol.
    rest: String,
}

/// The command, without `ip`.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route get {}", self.destination)?;
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        f.write_str(&self.rest)
    }
}

/// Addresses nobody's routes are about: the rest of the world.
const WORLD: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(203, 0, 113, 77),
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xffff, 0, 0, 0, 0x77),
);

/// What is added to a prefix for an address in it that is likely to be nobody's own.
const NOBODYS: u128 = 77;

/// Up to so many rules each is tried with each other; of more, each with some behind it.
const ALL_PAIRS: usize = 48;

/// How far behind a rule those stand that it is tried with.
const DISTANCES: [usize; 9] = [1, 2, 3, 5, 8, 13, 34, 144, 610];

/// How many destinations of a table, and how many rules that lead to it, are tried with each other.
const OF_A_TABLE: usize = 4;

/// The look-ups for a host with these routes, rules, addresses and devices. Each rule is asked for
/// with what it selects, and with what another one selects, too; each route with what the rules
/// select that lead to its table. So their number grows as that of the routes and rules does.
pub fn queries(routes: &[Route], rules: &[Rule], own: &[IpAddr], devices: &[String]) -> Vec<Query> {
    let queries = Family::ALL.into_iter().flat_map(|family| {
        let routes = routes.iter().filter(|route| route.family() == family);
        let rules = rules.iter().filter(|rule| rule.family == family);
        let own = own.iter().filter(|address| Family::of(**address) == family);
        let asking = Asking {
            family,
            routes: routes.collect(),
            rules: rules.collect(),
            own: own.copied().collect(),
            devices,
        };
        asking.queries()
    });
    queries.collect::<BTreeSet<Query>>().into_iter().collect()
}

/// A packet, as far as it is given.
#[derive(Debug, Clone, Default)]
struct GivenPacket {
    source: Option<IpAddr>,
    /// The device it came in by; without one it is the host's own.
    iif: Option<String>,
    destination: Option<IpAddr>,
    mark: String,
    rest: String,
}

impl GivenPacket {
    /// What is both; `None` where nothing is.
    fn and(&self, other: &Self) -> Option<Self> {
        fn one<T: PartialEq + Clone>(a: Option<&T>, b: Option<&T>) -> Option<Option<T>> {
            match (a, b) {
                (Some(a), Some(b)) if a != b => None,
                (Some(both), _) | (None, Some(both)) => Some(Some(both.clone())),
                (None, None) => Some(None),
            }
        }
        let words = |a: &str, b: &str| match (a, b) {
            (a, b) if a.is_empty() || a == b => Some(b.to_owned()),
            (a, "") => Some(a.to_owned()),
            _ => None,
        };
        Some(Self {
            source: one(self.source.as_ref(), other.source.as_ref())?,
            iif: one(self.iif.as_ref(), other.iif.as_ref())?,
            destination: one(self.destination.as_ref(), other.destination.as_ref())?,
            mark: words(&self.mark, &other.mark)?,
            rest: words(&self.rest, &other.rest)?,
        })
    }
}

/// What is there in one family.
struct Asking<'a> {
    family: Family,
    routes: Vec<&'a Route>,
    rules: Vec<&'a Rule>,
    own: Vec<IpAddr>,
    devices: &'a [String],
}

impl Asking<'_> {
    fn queries(&self) -> Vec<Query> {
        let world = self.world();
        let mut queries = Vec::new();
        let mut in_tables: BTreeMap<TableId, Vec<IpAddr>> = BTreeMap::new();
        for route in &self.routes {
            let all = in_tables.entry(route.table).or_default();
            all.extend(self.destinations(route));
        }
        let nowhere = GivenPacket::default();
        for destination in in_tables.values().flatten().chain([&world]) {
            queries.push(self.query(&nowhere, *destination));
        }
        for source in &self.own {
            let own = GivenPacket {
                source: Some(*source),
                ..GivenPacket::default()
            };
            let everywhere = in_tables.values().flatten().take(OF_A_TABLE);
            let asked = everywhere.chain([&world]);
            queries.extend(asked.map(|destination| self.query(&own, *destination)));
        }
        let given: Vec<Vec<GivenPacket>> =
            self.rules.iter().map(|rule| self.of_rule(rule)).collect();
        let mut leading: BTreeMap<TableId, usize> = BTreeMap::new();
        for (rule, packets) in self.rules.iter().zip(&given) {
            let mut asked = vec![world];
            if let Action::Lookup(table) = rule.action {
                let led = leading.entry(table).or_default();
                *led += 1;
                let found = in_tables.get(&table).map_or(&[][..], Vec::as_slice);
                // All of its routes by the first rules, some by the others.
                let most = if *led <= OF_A_TABLE {
                    found.len()
                } else {
                    OF_A_TABLE
                };
                asked.extend(found.iter().take(most));
            }
            for packet in packets {
                queries.extend(
                    asked
                        .iter()
                        .map(|destination| self.query(packet, *destination)),
                );
            }
        }
        queries.extend(self.pairs(&given, world));
        queries
    }

    /// What two rules select, for the order of the two.
    fn pairs(&self, given: &[Vec<GivenPacket>], world: IpAddr) -> Vec<Query> {
        let all: Vec<usize> = (1..given.len()).collect();
        let distances = if given.len() <= ALL_PAIRS {
            all.as_slice()
        } else {
            &DISTANCES
        };
        let mut queries = Vec::new();
        for (n, first) in given.iter().enumerate() {
            for second in distances
                .iter()
                .filter_map(|distance| given.get(n + distance))
            {
                let both = first.iter().flat_map(|first| {
                    let both = second.iter().map(|second| first.and(second));
                    both.flatten()
                });
                queries.extend(both.map(|packet| self.query(&packet, world)));
            }
        }
        queries
    }

    fn query(&self, packet: &GivenPacket, destination: IpAddr) -> Query {
        let mut rest = format!("{}{}", packet.mark, packet.rest);
        if let Some(iif) = &packet.iif {
            let _ = write!(rest, " iif {iif}");
        }
        Query {
            family: self.family,
            destination: packet.destination.unwrap_or(destination),
            source: packet.source,
            rest,
        }
    }

    /// Packets that a rule selects: those of the host itself, and forwarded ones.
    fn of_rule(&self, rule: &Rule) -> Vec<GivenPacket> {
        let (mark, rest) = extra(rule);
        let is_forwarded = rule.iif.as_ref().is_some_and(|iif| iif.as_str() != "lo");
        let own = rule.from.map(|from| {
            let mut own = self.own.iter().copied();
            own.find(|own| from.contains(*own))
        });
        let named = rule.iif.as_ref().map(|iif| iif.as_str().to_owned());
        let packet = |source: Option<IpAddr>, iif: Option<String>| GivenPacket {
            source,
            iif,
            destination: rule.to.map(inside),
            mark: mark.clone(),
            rest: rest.clone(),
        };
        let mut packets = Vec::new();
        if !is_forwarded && own != Some(None) {
            packets.push(packet(own.flatten(), None));
        }
        if rule.oif.is_none() {
            let devices = match named {
                Some(named) => vec![named],
                None => [self.devices.first(), self.devices.last()]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
            };
            let from = rule
                .from
                .map_or_else(|| self.remote(), |from| Some(inside(from)));
            packets.extend(devices.into_iter().map(|device| packet(from, Some(device))));
        }
        if rule.invert {
            packets.push(GivenPacket::default());
        }
        packets
    }

    /// The rest of the world.
    fn world(&self) -> IpAddr {
        match self.family {
            Family::Inet => WORLD.0.into(),
            Family::Inet6 => WORLD.1.into(),
        }
    }

    /// A neighbour of this host's.
    fn remote(&self) -> Option<IpAddr> {
        let mut networks = self.routes.iter().map(|route| route.destination);
        let network = networks.find(|network| !network.is_any() && !network.is_host())?;
        Some(inside(network))
    }

    /// Addresses that a route leads to, and its routers. Multicast and the like have rules of
    /// their own.
    fn destinations(&self, route: &Route) -> Vec<IpAddr> {
        let destination = route.destination;
        let mut all = vec![self.world()];
        if !destination.is_any() {
            all = vec![inside(destination), destination.address()];
        }
        all.extend(route.hops.iter().filter_map(|hop| hop.gateway));
        all.retain(|address| {
            Family::of(*address) == self.family
                && !address.is_multicast()
                && !address.is_loopback()
                && !address.is_unspecified()
        });
        all
    }
}

/// An address in a prefix.
fn inside(prefix: Prefix) -> IpAddr {
    let free = prefix.family().bits() - prefix.length();
    let most = u128::MAX >> (128 - u32::from(free).max(1));
    let offset = if prefix.is_host() { 0 } else { NOBODYS & most };
    match prefix.address() {
        IpAddr::V4(address) => {
            let offset = u32::try_from(offset).unwrap_or_default();
            IpAddr::from((u32::from(address) | offset).to_be_bytes())
        }
        IpAddr::V6(address) => IpAddr::from((u128::from(address) | offset).to_be_bytes()),
    }
}

/// The words for what a rule looks at beside addresses and the device: its mark, and the rest.
fn extra(rule: &Rule) -> (String, String) {
    let (mut words, mut mark) = (String::new(), String::new());
    if let Some((value, mask)) = rule.mark {
        let _ = write!(mark, " mark {:#x}", value & mask);
    }
    if let Some((first, _)) = rule.users {
        let _ = write!(words, " uid {first}");
    }
    if let Some(oif) = &rule.oif {
        let _ = write!(words, " oif {oif}");
    }
    if rule.tos != 0 {
        let _ = write!(words, " tos {:#x}", rule.tos);
    }
    if let Some(protocol @ (6 | 17)) = rule.ip_protocol {
        let _ = write!(words, " ipproto {protocol}");
        for (word, ports) in [("sport", rule.sport), ("dport", rule.dport)] {
            if let Some(ports) = ports {
                let _ = write!(words, " {word} {}", ports.first);
            }
        }
    }
    (mark, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_and_its_neighbours_are_asked_for() {
        let routes = [
            "10.0.0.0/24 dev eth1",
            "default via 10.0.0.1 dev eth1 table 5",
        ];
        let routes: Vec<Route> = routes.iter().map(|line| line.parse().unwrap()).collect();
        let rules: Vec<Rule> = vec!["pref 9 from 10.0.0.5 fwmark 7 lookup 5".parse().unwrap()];
        let own = ["10.0.0.5".parse().unwrap()];
        let asked: Vec<String> = queries(&routes, &rules, &own, &["eth1".to_owned()])
            .iter()
            .map(Query::to_string)
            .collect();
        for line in [
            "route get 203.0.113.77",
            "route get 203.0.113.77 from 10.0.0.5 mark 0x7",
            "route get 10.0.0.77",
            "route get 10.0.0.77 from 10.0.0.5",
            "route get 203.0.113.77 from 10.0.0.5 mark 0x7 iif eth1",
            "route get 10.0.0.1",
            "route get 2001:db8:ffff:ffff::77",
        ] {
            assert!(
                asked.iter().any(|asked| asked == line),
                "{line}: {asked:#?}"
            );
        }
        let text = |prefix: &str| inside(prefix.parse().unwrap()).to_string();
        assert_eq!(
            [
                "10.0.0.0/8",
                "10.0.0.9",
                "10.0.0.8/30",
                "2001:db8::/64",
                "0.0.0.0/0"
            ]
            .map(text),
            [
                "10.0.0.77",
                "10.0.0.9",
                "10.0.0.9",
                "2001:db8::4d",
                "0.0.0.77"
            ]
        );
    }

    #[test]
    fn twice_as_many_routes_and_rules_are_asked_for_about_twice_as_often() {
        let count = |uplinks: u32| {
            let (mut routes, mut rules, mut own) = (Vec::new(), Vec::new(), Vec::new());
            let mut devices = Vec::new();
            for n in 1..=uplinks {
                let (high, low) = (n / 200, n % 200);
                let net = format!("10.{high}.{low}");
                let route = format!("default via {net}.1 dev up{n} table {n}");
                routes.push(route.parse().unwrap());
                routes.push(format!("{net}.0/30 dev up{n}").parse().unwrap());
                let priority = 20000 + n;
                let from = format!("pref {priority} from {net}.2 lookup {n}");
                rules.push(from.parse().unwrap());
                let mark = format!("pref {priority} fwmark {n} lookup {n}");
                rules.push(mark.parse().unwrap());
                own.push(format!("{net}.2").parse().unwrap());
                devices.push(format!("up{n}"));
            }
            queries(&routes, &rules, &own, &devices).len()
        };
        let (some, twice) = (count(100), count(200));
        assert!(twice < some * 9 / 4, "{some} and {twice}");
        assert!(count(40) < 8000, "{}", count(40));
    }
}
