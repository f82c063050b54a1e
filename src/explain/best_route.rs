//! Which route of a table a packet takes: as `fib_table_lookup` of the kernel's
//! `net/ipv4/fib_trie.c` and `fib6_table_lookup` of `net/ipv6/route.c` choose, measured on 6.18.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::packet::Packet;
use crate::routing::{Family, Hop, InterfaceName, Kind, Prefix, Route};

/// A route of a table that may be chosen, with what only the choice depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The route.
    pub route: Route,
    /// IPv6 only: the sources it is for, `from` of ip-route(8).
    pub sources: Option<Prefix>,
    /// For each hop whether the kernel passes over it: its device is down, or has no carrier
    /// where `ignore_routes_with_linkdown` is set.
    pub dead: Vec<bool>,
    /// For each hop whether its router is known to be gone; only a host that does not forward
    /// looks at that, and over IPv6 only.
    pub gone: Vec<bool>,
}

impl Candidate {
    /// A route whose ways are all taken to work, for whatever source.
    pub fn new(route: Route) -> Self {
        let none = vec![false; route.hops.len()];
        Self {
            route,
            sources: None,
            dead: none.clone(),
            gone: none,
        }
    }

    /// The same with another tos.
    pub fn with_tos(&self, tos: u8) -> Self {
        let mut other = self.clone();
        other.route.tos = tos;
        other
    }

    /// The hops that packets may take.
    pub fn living(&self) -> impl Iterator<Item = &Hop> {
        let hops = self.route.hops.iter().zip(&self.dead);
        hops.filter(|(_, dead)| !**dead).map(|(hop, _)| hop)
    }

    /// The same without the hops whose routers are gone.
    fn reachable(&self) -> Self {
        let each = self.dead.iter().zip(&self.gone);
        Self {
            dead: each.map(|(dead, gone)| *dead || *gone).collect(),
            ..self.clone()
        }
    }

    /// Whether it is a default route with one hop, a router.
    fn is_by_router(&self) -> bool {
        let route = &self.route;
        route.destination.is_any()
            && route.kind == Kind::UNICAST
            && matches!(route.hops.as_slice(), [hop] if hop.gateway.is_some())
    }

    fn leaves_by(&self, device: Option<&InterfaceName>) -> bool {
        device.is_some() && self.living().any(|hop| hop.device.as_ref() == device)
    }

    /// Whether the route is for a source; one that is still to be chosen is `::`.
    fn serves(&self, from: Option<IpAddr>) -> bool {
        let from = from.unwrap_or(Family::Inet6.unspecified());
        self.sources.is_none_or(|sources| sources.contains(from))
    }
}

/// The route that a packet takes, first, and those that the kernel may take instead: IPv4 default
/// routes whose router it does not know to be gone.
/// Nothing where no route is fit. `candidates` are in the order in which the kernel lists them.
pub fn choose(candidates: Vec<Candidate>, packet: &Packet) -> Vec<Candidate> {
    let mut fit = candidates;
    fit.retain(|candidate| candidate.route.destination.contains(packet.to));
    match packet.family() {
        Family::Inet => choose_inet(fit, packet),
        Family::Inet6 => choose_inet6(fit, packet),
    }
}

/// The longest prefix, then the tos that is the packet's, then the lowest metric.
fn choose_inet(mut all: Vec<Candidate>, packet: &Packet) -> Vec<Candidate> {
    all.retain(|Candidate { route, .. }| route.tos == 0 || route.tos == packet.dsfield());
    all.sort_by_key(|Candidate { route, .. }| {
        let length = route.destination.length();
        (Reverse(length), Reverse(route.tos), route.metric)
    });
    let bound = packet.oif.as_ref();
    let is_fit = |candidate: &Candidate| {
        let drops = !candidate.route.kind.has_device();
        drops
            || candidate.leaves_by(bound)
            || bound.is_none() && candidate.living().next().is_some()
    };
    let Some(place) = all.iter().position(is_fit) else {
        return Vec::new();
    };
    let first = all.remove(place);
    let mut chosen = Vec::new();
    if first.is_by_router() && bound.is_none() {
        let before = all.iter().take(place);
        // One before it that was passed over ends the search.
        if !before.clone().any(Candidate::is_by_router) {
            chosen = other_defaults(&first, all.split_off(place));
        }
    }
    chosen.insert(0, first);
    chosen
}

/// Of IPv4 default routes behind the one that is first the kernel takes the first whose router it does
/// not know to be gone, and goes from one to the next where it knows of none (`fib_select_default`
/// of `net/ipv4/fib_semantics.c`): those of the same tos and metric, and if that is a tos, those
/// without, whatever their metric is. Whether a device has a carrier is not looked at.
fn other_defaults(first: &Candidate, behind: Vec<Candidate>) -> Vec<Candidate> {
    let (mut tos, mut metric) = (first.route.tos, first.route.metric);
    let mut found = Vec::new();
    for candidate in behind {
        let route = &candidate.route;
        if !route.destination.is_any() {
            continue;
        }
        if route.metric > metric && route.tos == tos {
            if tos == 0 {
                break;
            }
            continue;
        }
        (tos, metric) = (route.tos, route.metric);
        if candidate.is_by_router() {
            found.push(candidate);
        }
    }
    found
}

/// The longest prefix, of one the longest prefix of sources, then the lowest metric; of one
/// metric the device asked for, then the preference. Where no route of the lowest metric is fit,
/// the metrics of the others do not count. Routers that are gone serve where no others do.
fn choose_inet6(fit: Vec<Candidate>, packet: &Packet) -> Vec<Candidate> {
    let reachable = fit.iter().map(Candidate::reachable).collect();
    let chosen = choose_among(reachable, packet);
    if chosen.is_empty() {
        choose_among(fit, packet)
    } else {
        chosen
    }
}

fn choose_among(mut fit: Vec<Candidate>, packet: &Packet) -> Vec<Candidate> {
    let hidden = hidden_below(&fit, packet);
    fit.retain(|candidate| {
        let length = candidate.route.destination.length();
        candidate.serves(packet.from) && hidden.is_none_or(|hidden| length < hidden)
    });
    let place = |candidate: &Candidate| {
        let sources = candidate.sources.map_or(0, |sources| sources.length());
        let destination = candidate.route.destination.length();
        (Reverse(destination), Reverse(sources))
    };
    fit.sort_by_key(|candidate| (place(candidate), candidate.route.metric));
    while let Some(first) = fit.first() {
        let (length, metric) = (place(first), first.route.metric);
        let here = fit
            .iter()
            .take_while(|other| place(other) == length)
            .count();
        let rest = fit.split_off(here);
        let low = fit.iter().take_while(|other| other.route.metric == metric);
        let low = low.count();
        let others = fit.split_off(low);
        if let Some(best) = best(fit, packet).or_else(|| best(others, packet)) {
            return vec![best];
        }
        fit = rest;
    }
    Vec::new()
}

/// The kernel starts at the longest prefix. If that has routes for certain sources, and none of
/// them is the packet's, it is passed over with all its routes, those for any source included, and
/// the next longest is looked at. Gives the shortest length that is passed over.
fn hidden_below(candidates: &[Candidate], packet: &Packet) -> Option<u8> {
    let length = |candidate: &Candidate| candidate.route.destination.length();
    let mut lengths: Vec<u8> = candidates.iter().map(length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut hidden = None;
    // The default route is where the kernel ends up in any case.
    while let Some(longest) = lengths.pop().filter(|longest| *longest > 0) {
        let here = candidates.iter().filter(|other| length(other) == longest);
        let mut choosy = here.filter(|other| other.sources.is_some()).peekable();
        if choosy.peek().is_none() || choosy.any(|other| other.serves(packet.from)) {
            break;
        }
        hidden = Some(longest);
    }
    hidden
}

/// The first of highest score.
fn best(candidates: Vec<Candidate>, packet: &Packet) -> Option<Candidate> {
    let scored = candidates.into_iter();
    let scored = scored.filter_map(|candidate| Some((score(&candidate, packet)?, candidate)));
    // Of equals max_by_key has the last one.
    let mut scored: Vec<_> = scored.collect();
    scored.reverse();
    let best = scored.into_iter().max_by_key(|(score, _)| *score);
    best.map(|(_, candidate)| candidate)
}

/// `rt6_score_route`: the device asked for weighs less than the preference of RFC 4191, but where
/// it is required, routes by other devices are unfit.
fn score(candidate: &Candidate, packet: &Packet) -> Option<u8> {
    let route = &candidate.route;
    if route.kind.has_device() && candidate.living().next().is_none() {
        return None;
    }
    // To the kernel a packet that came in by a device asks for that device.
    let device = packet.oif.as_ref().or(packet.iif.as_ref());
    let drops = !route.kind.has_device();
    // A route that drops packets has the device lo.
    let by_lo = drops && device.is_some_and(|device| device.as_str() == "lo");
    let as_asked = device.is_none() || by_lo || candidate.leaves_by(device);
    if !as_asked && is_strict(packet) {
        return None;
    }
    let preference = match route.preference {
        1 => 12,
        3 => 4,
        _ => 8,
    };
    Some(preference | if as_asked { 2 } else { 0 })
}

/// Whether only routes by the device that is asked for will do.
fn is_strict(packet: &Packet) -> bool {
    let IpAddr::V6(to) = packet.to else {
        return false;
    };
    let near = to.is_multicast() || to.is_loopback() || to.is_unicast_link_local();
    let free_source = packet.from.is_none_or(|from| from.is_unspecified());
    near || packet.oif.is_some() && free_source
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &[&str]) -> Vec<Candidate> {
        let candidate = |line: &&str| Candidate::new(line.parse().unwrap());
        lines.iter().map(candidate).collect()
    }

    fn chosen(candidates: Vec<Candidate>, packet: &Packet) -> Option<String> {
        let first = choose(candidates, packet).into_iter().next()?;
        let hop = first.route.hops.first()?;
        hop.device.as_ref().map(ToString::to_string)
    }

    #[test]
    fn longest_prefix_then_tos_then_metric() {
        let routes = [
            "default dev eth1",
            "10.0.0.0/8 dev eth2 metric 5",
            "10.0.0.0/8 dev eth3 metric 4",
            "10.0.0.0/8 tos 0x10 dev eth4 metric 9",
            "10.1.0.0/16 dev eth5",
        ];
        let mut packet = Packet::to("10.2.0.1".parse().unwrap(), 0);
        assert_eq!(chosen(table(&routes), &packet).as_deref(), Some("eth3"));
        packet.tos = 0x10;
        assert_eq!(chosen(table(&routes), &packet).as_deref(), Some("eth4"));
        packet.oif = "eth1".parse().ok();
        assert_eq!(chosen(table(&routes), &packet).as_deref(), Some("eth1"));
        packet.oif = "eth9".parse().ok();
        assert_eq!(chosen(table(&routes), &packet), None);
    }

    /// As measured on 6.18: it goes from one to the next while it knows of no router.
    #[test]
    fn of_default_routes_by_routers_several_may_be_taken() {
        let all = |lines: &[&str], tos: u8| -> Vec<String> {
            let mut packet = Packet::to("10.2.0.1".parse().unwrap(), 0);
            packet.tos = tos;
            let chosen = choose(table(lines), &packet);
            let hops = chosen.iter().map(|candidate| &candidate.route.hops[0]);
            let devices = hops.map(|hop| hop.device.as_ref().unwrap().to_string());
            devices.collect()
        };
        let plain = [
            "default via 10.0.0.1 dev eth1",
            "default via 10.0.0.2 dev eth2",
            "default via 10.0.0.3 dev eth3 metric 2",
        ];
        assert_eq!(all(&plain, 0), ["eth1", "eth2"]);
        let with_tos = [
            "default via 10.0.0.1 dev eth1",
            "default via 10.0.0.2 dev eth2 metric 2",
            "default tos 0x10 via 10.0.0.3 dev eth3",
            "default tos 0x10 via 10.0.0.4 dev eth4 metric 2",
        ];
        assert_eq!(all(&with_tos, 0x10), ["eth3", "eth1"]);
        assert_eq!(all(&with_tos, 0), ["eth1"]);
        let on_link = ["default dev eth1", "default via 10.0.0.2 dev eth2"];
        assert_eq!(all(&on_link, 0), ["eth1"]);
    }

    #[test]
    fn ipv6_prefers_the_device_asked_for_and_the_better_router() {
        let routes = [
            "-6 default via fe80::1 dev eth1 pref low",
            "-6 default via fe80::1 dev eth2",
            "-6 default via fe80::1 dev eth3 metric 2000 pref high",
        ];
        let mut packet = Packet::to("2001:db8::1".parse().unwrap(), 0);
        assert_eq!(chosen(table(&routes), &packet).as_deref(), Some("eth2"));
        packet.oif = "eth1".parse().ok();
        assert_eq!(chosen(table(&routes), &packet).as_deref(), Some("eth1"));
        packet.from = "2001:db8::2".parse().ok();
        assert_eq!(chosen(table(&routes), &packet).as_deref(), Some("eth2"));
    }

    #[test]
    fn dead_hops_are_passed_over() {
        let mut routes = table(&["10.0.0.0/8 dev eth1", "default dev eth2"]);
        routes[0].dead = vec![true];
        let packet = Packet::to("10.0.0.1".parse().unwrap(), 0);
        assert_eq!(chosen(routes, &packet).as_deref(), Some("eth2"));
    }

    #[test]
    fn a_router_that_is_gone_serves_where_there_is_no_other() {
        let lines = [
            "-6 default via fe80::1 dev eth1",
            "-6 default via fe80::2 dev eth2 metric 2000",
        ];
        let mut routes = table(&lines);
        routes[0].gone = vec![true];
        let packet = Packet::to("2001:db8::1".parse().unwrap(), 0);
        assert_eq!(chosen(routes.clone(), &packet).as_deref(), Some("eth2"));
        routes[1].gone = vec![true];
        assert_eq!(chosen(routes, &packet).as_deref(), Some("eth1"));
    }
}
