//! What to ask the kernel in order to tell two sets of routes and rules apart.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::routing::{Family, Prefix, Route, Rule};

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
const WORLD: [&str; 2] = ["203.0.113.77", "2001:db8:ffff:ffff::77"];

/// What is added to a prefix for an address in it that is likely to be nobody's own.
const NOBODYS: u128 = 77;

/// The look-ups for a host with these routes, rules, addresses and devices: to each destination
/// that is named, a neighbour of it, and the world; from nowhere, each own address and each source
/// that a rule names; with each mark, device and protocol that a rule names.
pub fn queries(routes: &[Route], rules: &[Rule], own: &[IpAddr], devices: &[String]) -> Vec<Query> {
    let queries = Family::ALL.into_iter().flat_map(|family| {
        let routes = routes.iter().filter(|route| route.family() == family);
        let rules = rules.iter().filter(|rule| rule.family == family);
        let own = own.iter().filter(|address| Family::of(**address) == family);
        let routes: Vec<&Route> = routes.collect();
        let rules: Vec<&Rule> = rules.collect();
        let own: Vec<IpAddr> = own.copied().collect();
        of_family(family, &routes, &rules, &own, devices)
    });
    queries.collect::<BTreeSet<Query>>().into_iter().collect()
}

fn of_family(
    family: Family,
    routes: &[&Route],
    rules: &[&Rule],
    own: &[IpAddr],
    devices: &[String],
) -> Vec<Query> {
    let destinations = destinations(family, routes, rules);
    let named = rules.iter().filter_map(|rule| rule.from.map(inside));
    let remote: BTreeSet<IpAddr> = named.chain(destinations.iter().copied().take(2)).collect();
    let extras = extras(rules);
    let mut queries = Vec::new();
    for destination in destinations {
        let query = |source, rest: &str| Query {
            family,
            destination,
            source,
            rest: rest.to_owned(),
        };
        for rest in &extras {
            queries.push(query(None, rest));
            queries.extend(own.iter().map(|source| query(Some(*source), rest)));
            // What is forwarded: from elsewhere, by a device.
            for device in devices {
                let rest = format!("{rest} iif {device}");
                queries.extend(remote.iter().map(|source| query(Some(*source), &rest)));
            }
        }
    }
    queries
}

/// The world, each destination that is named with a neighbour of it, and the routers.
fn destinations(family: Family, routes: &[&Route], rules: &[&Rule]) -> BTreeSet<IpAddr> {
    let world = WORLD.iter().filter_map(|text| text.parse().ok());
    let routes = routes.iter().filter(|route| !route.destination.is_any());
    let to_routes = routes.clone().map(|route| route.destination);
    let to_rules = rules.iter().filter_map(|rule| rule.to);
    let prefixes = to_routes.chain(to_rules);
    let named = prefixes.flat_map(|prefix| [inside(prefix), prefix.address()]);
    let gateways = routes.flat_map(|route| route.hops.iter().filter_map(|hop| hop.gateway));
    let mut all: BTreeSet<IpAddr> = world.chain(named).chain(gateways).collect();
    // Multicast and the like have rules of their own.
    all.retain(|address| {
        Family::of(*address) == family && !address.is_multicast() && !address.is_loopback()
    });
    all
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

/// The words for what rules look at beside addresses; nothing is one of them.
fn extras(rules: &[&Rule]) -> BTreeSet<String> {
    let of_rules = rules.iter().map(|rule| extra(rule));
    [String::new()].into_iter().chain(of_rules).collect()
}

fn extra(rule: &Rule) -> String {
    let mut words = String::new();
    if let Some((mark, mask)) = rule.mark {
        let _ = write!(words, " mark {:#x}", mark & mask);
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
    words
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
            "route get 203.0.113.77 from 10.0.0.0 iif eth1",
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
}
