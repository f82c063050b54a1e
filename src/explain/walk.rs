//! The walk of a packet through the rules and the tables they look up: what `fib_rules_lookup` of
//! the kernel's `net/core/fib_rules.c` does, and IPv4 before and after it (`net/ipv4/route.c`),
//! measured on 6.18. VRFs are not followed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nix::errno::Errno;

use super::best_route::{choose, Candidate};
use super::packet::{try_rule, Match, Packet};
use crate::routing::{Action, Family, InterfaceName, Kind, Route, Rule, TableId};

/// What a walk depends on besides rules and routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether IPv4 packets that come in by the packet's device are forwarded.
    pub forwards: bool,
    /// Whether the device that the packet's socket is bound to is up.
    pub bound_is_up: bool,
    /// The groups of devices, where a rule goes by them; 0 for those that are not here.
    pub groups: BTreeMap<InterfaceName, u32>,
}

/// A rule that was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    pub rule: Rule,
    pub matches: Match,
    /// What it did, if it does.
    pub then: Option<Then>,
}

/// What a rule that matches did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Its table was looked up.
    Looked(TableId, TableAnswer),
    /// The walk goes on at the rule of its target, or behind it where there is none.
    Went {
        /// The priority.
        target: u32,
        /// Whether there is such a rule.
        there: bool,
    },
    /// Nothing.
    Nop,
    /// It ended the walk.
    Dropped,
    /// It looks up a VRF's table, which is not followed.
    NotFollowed,
}

/// What a table had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAnswer {
    /// No route that is fit.
    Nothing,
    /// A `throw`, which sends the packet to the next rule.
    Thrown(Candidate),
    /// A route that the rule does not take, and the words that say so.
    Suppressed(Candidate, String),
    /// The route that is taken, or drops the packet; behind it those that are as good.
    Taken(Vec<Candidate>),
}

/// Where a walk ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// At a route of a table; behind it those that are as good.
    Route(TableId, Vec<Candidate>),
    /// At a route that drops packets.
    DroppedByRoute(TableId, Route),
    /// At a rule that does.
    DroppedByRule(Rule),
    /// Behind the last rule.
    NoRoute,
    /// Before the first one: this host sends no IPv4 packet from an address that is not its own.
    ForeignSource(IpAddr),
    /// Before the first one: the device is down.
    Down(InterfaceName),
    /// Without a route, onto the link of the device that the socket is bound to. IPv4 takes all
    /// destinations without a route to be there, and some in any case.
    OnLink(InterfaceName),
    /// At a route that is not taken: packets that come in by this device are not forwarded.
    NotForwarded(InterfaceName),
}

impl End {
    /// What a program that sends such a packet is told; `None` where there is a way.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Route(..) | Self::OnLink(_) => None,
            Self::DroppedByRoute(_, route) => Some(match route.kind {
                Kind::UNREACHABLE => Errno::EHOSTUNREACH,
                Kind::PROHIBIT => Errno::EACCES,
                _ => Errno::EINVAL,
            }),
            Self::DroppedByRule(rule) => Some(match rule.action {
                Action::Unreachable => Errno::ENETUNREACH,
                Action::Prohibit => Errno::EACCES,
                _ => Errno::EINVAL,
            }),
            Self::NoRoute | Self::ForeignSource(_) | Self::Down(_) => Some(Errno::ENETUNREACH),
            Self::NotForwarded(_) => Some(Errno::EHOSTUNREACH),
        }
    }
}

/// A packet's walk through the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    pub packet: Packet,
    /// The rules that were tried, in their order.
    pub tried: Vec<Tried>,
    pub end: End,
}

/// Walks. `rules` are in the kernel's order; `routes` gives those of a table that lead to an
/// address, in the kernel's order too, and is asked for the tables that the walk comes to only.
pub fn walk<E>(
    packet: Packet,
    rules: &[Rule],
    settings: &Settings,
    routes: impl FnMut(TableId, IpAddr) -> Result<Vec<Candidate>, E>,
) -> Result<Walk, E> {
    let mut walker = Walker::new(&packet, settings, routes);
    let end = if let Some(end) = walker.before()? {
        end
    } else {
        let end = walker.try_in_order(rules)?;
        after(&packet, settings, end)
    };
    let tried = walker.tried;
    Ok(Walk { packet, tried, end })
}

/// The rules alone, as the kernel looks the way back up of a packet that comes in.
pub fn look_up<E>(
    packet: Packet,
    rules: &[Rule],
    settings: &Settings,
    routes: impl FnMut(TableId, IpAddr) -> Result<Vec<Candidate>, E>,
) -> Result<Walk, E> {
    let mut walker = Walker::new(&packet, settings, routes);
    let end = walker.try_in_order(rules)?;
    let tried = walker.tried;
    Ok(Walk { packet, tried, end })
}

/// What IPv4 makes of the end of a walk.
fn after(packet: &Packet, settings: &Settings, end: End) -> End {
    if packet.family() == Family::Inet6 {
        return end;
    }
    if let Some(device) = packet.iif.as_ref().filter(|_| !settings.forwards) {
        let stays = |route: &Route| matches!(route.kind, Kind::LOCAL | Kind::BROADCAST);
        let kept = match &end {
            End::Route(_, found) => found.iter().any(|found| stays(&found.route)),
            _ => false,
        };
        return if kept {
            end
        } else {
            End::NotForwarded(device.clone())
        };
    }
    match (end.errno(), &packet.oif) {
        (Some(_), Some(device)) => End::OnLink(device.clone()),
        _ => end,
    }
}

struct Walker<'a, Routes> {
    packet: &'a Packet,
    settings: &'a Settings,
    routes: Routes,
    tried: Vec<Tried>,
}

impl<'a, Routes> Walker<'a, Routes> {
    fn new(packet: &'a Packet, settings: &'a Settings, routes: Routes) -> Self {
        Self {
            packet,
            settings,
            routes,
            tried: Vec::new(),
        }
    }
}

impl<E, Routes> Walker<'_, Routes>
where
    Routes: FnMut(TableId, IpAddr) -> Result<Vec<Candidate>, E>,
{
    /// What is settled before any rule is tried: packets of this host over IPv4 only.
    fn before(&mut self) -> Result<Option<End>, E> {
        let packet = self.packet;
        let IpAddr::V4(to) = packet.to else {
            return Ok(None);
        };
        if packet.iif.is_some() {
            return Ok(None);
        }
        if let Some(from) = packet.from {
            let own = (self.routes)(TableId::LOCAL, from)?;
            let plain = Packet::to(from, packet.user);
            let own = choose(own, &plain).into_iter().next();
            let Some(own) = own.filter(|own| own.route.kind == Kind::LOCAL) else {
                return Ok(Some(End::ForeignSource(from)));
            };
            if packet.oif.is_none() && (to.is_multicast() || to.is_broadcast()) {
                let device = own.route.hops.into_iter().find_map(|hop| hop.device);
                return Ok(device.map(End::OnLink));
            }
        }
        let Some(device) = &packet.oif else {
            return Ok(None);
        };
        if !self.settings.bound_is_up {
            return Ok(Some(End::Down(device.clone())));
        }
        let of_the_link = to.octets().starts_with(&[224, 0, 0]) || to.is_broadcast();
        Ok(of_the_link.then(|| End::OnLink(device.clone())))
    }

    fn try_in_order(&mut self, rules: &[Rule]) -> Result<End, E> {
        let mut next = 0;
        while let Some(rule) = rules.get(next) {
            next += 1;
            let matches = try_rule(rule, self.packet);
            let (mut then, mut end) = (None, None);
            if matches.is_match() {
                let (did, ended) = self.act(rule)?;
                if let Then::Went { target, .. } = did {
                    let to = rules.iter().position(|rule| rule.priority == target);
                    let to = to.filter(|to| *to >= next);
                    next = to.unwrap_or(next);
                    let there = to.is_some();
                    then = Some(Then::Went { target, there });
                } else {
                    then = Some(did);
                }
                end = ended;
            }
            self.tried.push(Tried {
                rule: rule.clone(),
                matches,
                then,
            });
            if let Some(end) = end {
                return Ok(end);
            }
        }
        Ok(End::NoRoute)
    }

    /// What a rule that matches does, and the end if it ends the walk.
    fn act(&mut self, rule: &Rule) -> Result<(Then, Option<End>), E> {
        let table = match rule.action {
            Action::Lookup(table) => table,
            Action::L3mdev => return Ok((Then::NotFollowed, None)),
            Action::Nop => return Ok((Then::Nop, None)),
            Action::Goto(target) => {
                let there = false;
                return Ok((Then::Went { target, there }, None));
            }
            _ => return Ok((Then::Dropped, Some(End::DroppedByRule(rule.clone())))),
        };
        let candidates = (self.routes)(table, self.packet.to)?;
        let answer = self.weigh(rule, choose(candidates, self.packet));
        let end = match &answer {
            TableAnswer::Taken(taken) => taken.first().map(|first| match first.route.kind {
                kind if kind.has_device() => End::Route(table, taken.clone()),
                _ => End::DroppedByRoute(table, first.route.clone()),
            }),
            _ => None,
        };
        Ok((Then::Looked(table, answer), end))
    }

    /// What a table's best routes come to under a rule, which may not take them.
    fn weigh(&self, rule: &Rule, best: Vec<Candidate>) -> TableAnswer {
        let Some(first) = best.first() else {
            return TableAnswer::Nothing;
        };
        if first.route.kind == Kind::THROW {
            return TableAnswer::Thrown(first.clone());
        }
        // A route that drops packets is not suppressed.
        match self.suppressed(rule, first) {
            Some(words) if first.route.kind.has_device() => {
                TableAnswer::Suppressed(first.clone(), words)
            }
            _ => TableAnswer::Taken(best),
        }
    }

    /// The words of a rule for which it does not take a route.
    fn suppressed(&self, rule: &Rule, best: &Candidate) -> Option<String> {
        let length = u32::from(best.route.destination.length());
        if let Some(least) = rule.suppress_length.filter(|least| length <= *least) {
            return Some(format!("suppress_prefixlength {least}"));
        }
        let group = rule.suppress_group?;
        let is_in = |device: &InterfaceName| {
            self.settings.groups.get(device).copied().unwrap_or(0) == group
        };
        let devices = best.route.hops.iter().map(|hop| hop.device.as_ref());
        let mut devices = devices.map(|device| device.is_some_and(is_in));
        // IPv4 looks at the first of several hops, whichever it takes; IPv6 at the one that it
        // takes, by a hash that it alone knows.
        let suppressed = match self.packet.family() {
            Family::Inet => devices.next() == Some(true),
            Family::Inet6 => devices.all(|is_in| is_in),
        };
        suppressed.then(|| format!("suppress_ifgroup {group}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(packet: Packet, rules: &[&str], routes: &[&str]) -> Walk {
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let all: Vec<Route> = routes.iter().map(|route| route.parse().unwrap()).collect();
        let settings = Settings {
            bound_is_up: true,
            ..Settings::default()
        };
        let fetch = |table, _| {
            let of_table = all.iter().filter(|route| route.table == table);
            Ok::<_, ()>(of_table.cloned().map(Candidate::new).collect())
        };
        walk(packet, &rules, &settings, fetch).unwrap()
    }

    fn end(rules: &[&str], routes: &[&str]) -> Option<Errno> {
        let packet = Packet::to("10.0.0.1".parse().unwrap(), 0);
        walked(packet, rules, routes).end.errno()
    }

    #[test]
    fn rules_are_tried_until_one_settles_it() {
        let routes = [
            "throw 10.0.0.0/24 table 7",
            "unreachable default table 8",
            "default dev eth1 table 9",
            "blackhole default table 10",
        ];
        for (rules, errno) in [
            (
                &["priority 1 from all lookup 7"][..],
                Some(Errno::ENETUNREACH),
            ),
            (
                &["priority 1 from all lookup 7", "priority 2 lookup 9"],
                None,
            ),
            (&["priority 1 lookup 8"], Some(Errno::EHOSTUNREACH)),
            (
                &[
                    "priority 1 lookup 9 suppress_prefixlength 0",
                    "priority 2 prohibit",
                ],
                Some(Errno::EACCES),
            ),
            (
                &[
                    "priority 1 lookup 8 suppress_prefixlength 0",
                    "priority 2 lookup 9",
                ],
                Some(Errno::EHOSTUNREACH),
            ),
            (
                &[
                    "priority 1 goto 3",
                    "priority 2 lookup 8",
                    "priority 3 lookup 9",
                ],
                None,
            ),
            (
                &["priority 1 goto 5", "priority 2 blackhole"],
                Some(Errno::EINVAL),
            ),
            (
                &["priority 1 nop", "priority 2 unreachable"],
                Some(Errno::ENETUNREACH),
            ),
            (&["priority 1 lookup 10"], Some(Errno::EINVAL)),
        ] {
            assert_eq!(end(rules, &routes), errno, "{rules:?}");
        }
    }

    #[test]
    fn only_tables_that_the_walk_comes_to_are_asked_for() {
        let rules: Vec<Rule> = ["priority 1 lookup 7", "priority 2 lookup 8"]
            .iter()
            .map(|rule| rule.parse().unwrap())
            .collect();
        let packet = Packet::to("10.0.0.1".parse().unwrap(), 0);
        let mut asked = Vec::new();
        let walk = walk(packet, &rules, &Settings::default(), |table, _| {
            asked.push(table);
            let route = "prohibit default table 7".parse().unwrap();
            Ok::<_, ()>(vec![Candidate::new(route)])
        });
        assert_eq!(walk.unwrap().tried.len(), 1);
        assert_eq!(asked, [TableId::numbered(7)]);
    }

    #[test]
    fn a_socket_bound_to_a_device_needs_no_route() {
        let mut packet = Packet::to("10.0.0.1".parse().unwrap(), 0);
        packet.oif = "eth1".parse().ok();
        let walk = walked(packet, &["priority 1 prohibit"], &[]);
        assert_eq!(walk.end, End::OnLink("eth1".parse().unwrap()));
    }

    #[test]
    fn a_packet_of_this_host_has_an_address_of_its_own() {
        let mut packet = Packet::to("10.0.0.1".parse().unwrap(), 0);
        packet.from = "10.9.9.9".parse().ok();
        let routes = [
            "local 10.0.0.2 dev eth1 table 255",
            "default dev eth1 table 7",
        ];
        let walk = walked(packet.clone(), &["priority 1 lookup 7"], &routes);
        assert!(matches!(walk.end, End::ForeignSource(_)));
        packet.from = "10.0.0.2".parse().ok();
        let walk = walked(packet, &["priority 1 lookup 7"], &routes);
        assert_eq!(walk.end.errno(), None);
    }
}
