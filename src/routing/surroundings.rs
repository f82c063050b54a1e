//! What others have in the kernel that decides what becomes of a stanza's packets before its own
//! rules do, or in spite of them: their rules, the wide routes of the tables that these look up,
//! and what is on the links of this host. Decides only; `Kernel::look_around` asks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::address::{Family, Prefix, PROTOCOL};
use super::links::Links;
use super::route::{Kind, Route};
use super::rule::{Action, Rule};
use super::table::TableId;

/// A rule of somebody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ForeignRule {
    rule: Rule,
    /// Whether one of ours has the same priority and comes before it.
    behind_ours: bool,
}

/// Rules of others in the kernel's order, and what is needed to see where a walk ends at one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    rules: Vec<ForeignRule>,
    /// Those of ours that settle what they match, by the sources that they match. A hook has an empty
    /// one, and a hash map, also an empty one, asks the kernel for random bytes.
    ours: BTreeMap<(Family, Option<Prefix>), Vec<Rule>>,
    /// Priorities that some rule has: a `goto` to another one is passed over.
    priorities: BTreeSet<(Family, u32)>,
    wide: BTreeMap<(Family, TableId), Vec<(Prefix, Kind)>>,
    /// The sources that rules select on.
    sources: BTreeSet<Prefix>,
    /// Those that rules of others do.
    sources_of_others: BTreeSet<Prefix>,
    /// What is on the links of this host.
    pub links: Links,
}

/// A destination of this length or shorter may be part of what stands for a default route, in either
/// family: see [`super::Family::nearly_all`].
pub const WIDEST: u8 = 4;

/// The priority of the kernel's own rule for main.
const MAIN: u32 = 32766;

impl Surroundings {
    /// Notes all rules of a family, in the kernel's order.
    pub fn note_rules(&mut self, rules: &[Rule]) {
        let mut priorities = BTreeSet::new();
        for rule in rules {
            self.priorities.insert((rule.family, rule.priority));
            if let Some(from) = rule.from.filter(|_| rule.priority < MAIN && !rule.invert) {
                self.sources.insert(from);
                if rule.protocol != PROTOCOL {
                    self.sources_of_others.insert(from);
                }
            }
            if rule.protocol == PROTOCOL {
                priorities.insert(rule.priority);
                if settles(rule) {
                    let of_source = self.ours.entry((rule.family, rule.from)).or_default();
                    of_source.push(rule.clone());
                }
            } else {
                self.rules.push(ForeignRule {
                    rule: rule.clone(),
                    behind_ours: priorities.contains(&rule.priority),
                });
            }
        }
    }

    /// The same without the rules by which VPN software takes all.
    pub fn without_catch_alls(&self) -> Self {
        let mut rest = self.clone();
        rest.rules.retain(|foreign| !foreign.rule.is_catch_all());
        rest
    }

    /// The tables whose wide routes have to be known: those that rules of others look up before
    /// main has its turn.
    pub fn tables(&self) -> BTreeSet<(Family, TableId)> {
        let rules = self.rules.iter().map(|foreign| &foreign.rule);
        let before = rules.filter(|rule| rule.priority < MAIN);
        let tables = before.filter_map(|rule| Some((rule.family, table(rule)?)));
        // That one has the addresses of this host.
        tables.filter(|(_, id)| *id != TableId::LOCAL).collect()
    }

    /// Notes the routes of a table that are no longer than [`WIDEST`].
    pub fn note_routes(&mut self, family: Family, id: TableId, routes: &[Route]) {
        let wide = routes.iter().map(|route| (route.destination, route.kind));
        self.wide.insert((family, id), wide.collect());
    }

    /// Whether a rule is about an address as a source.
    pub fn has_rule_about(&self, address: IpAddr) -> bool {
        is_inside(address, &self.sources)
    }

    /// Whether a rule of somebody else is.
    pub fn others_have_rule_about(&self, address: IpAddr) -> bool {
        is_inside(address, &self.sources_of_others)
    }

    /// The rule of somebody else at which the walk ends before it comes to a rule of ours: for the
    /// packets that ours is for, to anywhere, without a mark unless ours has one. A rule that looks
    /// up the same table takes nothing away, nor does one that comes behind another of ours.
    pub fn in_front(&self, own: &Rule) -> Option<&Rule> {
        let foreign = self.walk_to(own).end?;
        (!self.is_settled(&probe(own), foreign)).then_some(&foreign.rule)
    }

    /// The rules of somebody else that come before a rule of ours and take a part of its packets:
    /// those to a port, of a program, from one of several addresses.
    pub fn before_a_part(&self, own: &Rule) -> Vec<&Rule> {
        let probe = probe(own);
        let parts = self.walk_to(own).parts.into_iter();
        let parts = parts.filter(|foreign| {
            let part = narrowed(&probe, &foreign.rule);
            self.may_be_sent(&probe, &part) && !self.is_settled(&part, foreign)
        });
        parts.map(|foreign| &foreign.rule).collect()
    }

    /// Whether a rule of ours before one of somebody else has taken some packets already.
    fn is_settled(&self, packets: &Rule, foreign: &ForeignRule) -> bool {
        let is_before = |ours: &Rule| match ours.priority {
            at if at == foreign.rule.priority => foreign.behind_ours,
            at => at < foreign.rule.priority,
        };
        let around = |from: Prefix| {
            (0..=from.length()).map(move |length| Some(Prefix::around(from.address(), length)))
        };
        let sources = packets.from.into_iter().flat_map(around).chain([None]);
        let ours = sources.filter_map(|from| self.ours.get(&(packets.family, from)));
        let mut ours = ours.flatten();
        ours.any(|ours| is_before(ours) && catches(ours, packets))
    }

    /// Whether this host sends packets of a part, or forwards them: where ours is about addresses of
    /// this host, so is what can be taken from it.
    fn may_be_sent(&self, probe: &Rule, part: &Rule) -> bool {
        let is_own = |network: Prefix| {
            let mut all = self.links.addresses.values().flatten();
            all.any(|own| network.contains(own.address))
        };
        let is_sent = probe.iif.as_ref().is_some_and(|iif| iif.as_str() == "lo");
        let is_about_own = probe.from.is_none_or(is_own);
        part.from == probe.from || !is_sent || !is_about_own || part.from.is_none_or(is_own)
    }

    /// The rules of somebody else at which the walk to one of ours would end, if there were none of
    /// ours before.
    fn walk_to(&self, own: &Rule) -> WayTo<'_> {
        let probe = probe(own);
        let mut way = WayTo::default();
        let mut from = 0;
        for foreign in self.before(own) {
            let rule = &foreign.rule;
            let same = table(rule).is_some() && table(rule) == table(own);
            if rule.priority < from || same {
                continue;
            }
            if !catches(rule, &probe) {
                let takes_part = !rule.invert && rule.may_meet(&probe);
                if takes_part && self.becomes_of(rule, own) == Becomes::Ends {
                    way.parts.push(foreign);
                }
                continue;
            }
            match self.becomes_of(rule, own) {
                Becomes::GoesOn => {}
                Becomes::GoesOnAt(target) => from = target,
                Becomes::Ends => {
                    way.end = Some(foreign);
                    break;
                }
            }
        }
        way
    }

    /// What becomes of a walk to one of ours that comes to a rule of somebody else which matches.
    fn becomes_of(&self, rule: &Rule, own: &Rule) -> Becomes {
        match rule.action {
            Action::Goto(target) if !self.priorities.contains(&(rule.family, target)) => {
                Becomes::GoesOn
            }
            Action::Goto(target) if target <= own.priority => Becomes::GoesOnAt(target),
            Action::Nop | Action::L3mdev | Action::Other(_) => Becomes::GoesOn,
            Action::Lookup(table) if !self.leads_anywhere(rule, table) => Becomes::GoesOn,
            _ => Becomes::Ends,
        }
    }

    /// Whether a rule of somebody else before ours has main looked up for a network.
    pub fn main_is_asked(&self, own: &Rule, network: Prefix) -> bool {
        let own = Rule {
            to: Some(network),
            ..own.clone()
        };
        let mut before = self.before(&own);
        before.any(|foreign| asks_main(&foreign.rule, &own))
    }

    /// The rules of others that are tried before one of ours.
    fn before(&self, own: &Rule) -> impl Iterator<Item = &ForeignRule> {
        let (family, priority) = (own.family, own.priority);
        let of_family = move |foreign: &&ForeignRule| foreign.rule.family == family;
        let is_before = move |foreign: &&ForeignRule| match foreign.rule.priority {
            at if at == priority => !foreign.behind_ours,
            at => at < priority,
        };
        self.rules.iter().filter(of_family).take_while(is_before)
    }

    /// Whether the table that a rule looks up has a route for any destination that the rule takes.
    fn leads_anywhere(&self, rule: &Rule, table: TableId) -> bool {
        // Which group a device is in is not known here.
        if rule.suppress_group.is_some() {
            return false;
        }
        let wide = self.wide.get(&(rule.family, table));
        let wide = wide.into_iter().flatten();
        let is_taken = |(to, kind): &&(Prefix, Kind)| {
            let least = rule.suppress_length;
            // What drops packets is not suppressed.
            let is_long = least.is_none_or(|least| u32::from(to.length()) > least);
            *kind != Kind::THROW && (is_long || !kind.has_device())
        };
        let taken: Vec<Prefix> = wide.filter(is_taken).map(|(to, _)| *to).collect();
        let all = match (rule.to, rule.family) {
            (Some(to), _) if is_narrow(to) => to,
            (_, Family::Inet) => Prefix::any(Family::Inet),
            // Where addresses are given out.
            (_, Family::Inet6) => Prefix::around([0x2000, 0, 0, 0, 0, 0, 0, 0].into(), 3),
        };
        covers(&taken, all)
    }
}

/// Where the walk to a rule of ours ends before.
#[derive(Default)]
struct WayTo<'a> {
    /// For some of its packets.
    parts: Vec<&'a ForeignRule>,
    /// For all of them.
    end: Option<&'a ForeignRule>,
}

/// What becomes of a walk at a rule that matches.
#[derive(PartialEq, Eq)]
enum Becomes {
    GoesOn,
    GoesOnAt(u32),
    Ends,
}

/// Whether a network is less than one of two halves, which is as good as all.
fn is_narrow(network: Prefix) -> bool {
    network.length() > 1
}

/// The packets of a probe that another rule matches, too.
fn narrowed(probe: &Rule, rule: &Rule) -> Rule {
    Rule {
        from: Prefix::narrower(probe.from, rule.from),
        to: Prefix::narrower(probe.to, rule.to),
        tos: if rule.tos == 0 { probe.tos } else { rule.tos },
        dscp: rule.dscp.or(probe.dscp),
        flow_label: rule.flow_label.or(probe.flow_label),
        iif: rule.iif.clone().or_else(|| probe.iif.clone()),
        oif: rule.oif.clone().or_else(|| probe.oif.clone()),
        users: rule.users.or(probe.users),
        ip_protocol: rule.ip_protocol.or(probe.ip_protocol),
        sport: rule.sport.or(probe.sport),
        dport: rule.dport.or(probe.dport),
        ..probe.clone()
    }
}

/// Whether an address is in one of some networks.
pub fn is_inside(address: IpAddr, networks: &BTreeSet<Prefix>) -> bool {
    let mut around = (1..=Family::of(address).bits()).map(|length| Prefix::around(address, length));
    around.any(|network| networks.contains(&network))
}

/// Whether what a rule matches goes where it says, whatever comes behind it.
fn settles(rule: &Rule) -> bool {
    match rule.action {
        Action::Lookup(_) => rule.suppress_length.is_none() && rule.suppress_group.is_none(),
        Action::Blackhole | Action::Unreachable | Action::Prohibit => true,
        Action::Goto(_) | Action::Nop | Action::L3mdev | Action::Other(_) => false,
    }
}

/// The table that a rule looks up.
fn table(rule: &Rule) -> Option<TableId> {
    match rule.action {
        Action::Lookup(table) => Some(table),
        _ => None,
    }
}

/// The packets that a rule of ours is for, as a rule: of this host and unmarked, where it does not
/// say otherwise.
fn probe(own: &Rule) -> Rule {
    Rule {
        mark: own.mark.or(Some((0, u32::MAX))),
        iif: own.iif.clone().or_else(|| "lo".parse().ok()),
        ..own.clone()
    }
}

/// Whether a rule has main looked up for all packets of another one.
pub fn asks_main(rule: &Rule, own: &Rule) -> bool {
    rule.action == Action::Lookup(TableId::MAIN) && takes_all_of(rule, own)
}

/// Whether a rule matches all packets of another one, marked ones aside.
pub fn takes_all_of(rule: &Rule, own: &Rule) -> bool {
    catches(rule, &probe(own))
}

/// Whether a rule matches the packets of a probe: any of them, but for those to few destinations or
/// of few programs.
fn catches(rule: &Rule, probe: &Rule) -> bool {
    if !asks_no_more(rule, probe) {
        return rule.invert;
    }
    let plain = Rule {
        invert: false,
        ..rule.clone()
    };
    plain.may_meet(probe) != rule.invert
}

/// Whether a rule selects on nothing that the packets of a probe may differ in.
fn asks_no_more(rule: &Rule, probe: &Rule) -> bool {
    let inside = |outer: Prefix, inner: Option<Prefix>| {
        inner.is_some_and(|inner| {
            outer.length() <= inner.length() && outer.contains(inner.address())
        })
    };
    let to = rule
        .to
        .is_none_or(|to| !is_narrow(to) || inside(to, probe.to));
    let from = rule
        .from
        .is_none_or(|from| from.is_any() || inside(from, probe.from));
    let everybody = |users: (u32, u32)| users.0 == 0 && users.1 >= u32::MAX - 1;
    let users = rule.users.is_none_or(everybody) || rule.users == probe.users;
    to && from
        && users
        && (rule.oif.is_none() || rule.oif == probe.oif)
        && (rule.ip_protocol.is_none() || rule.ip_protocol == probe.ip_protocol)
        && (rule.sport.is_none() || rule.sport == probe.sport)
        && (rule.dport.is_none() || rule.dport == probe.dport)
        && (rule.dscp.is_none() || rule.dscp == probe.dscp)
        && (rule.flow_label.is_none() || rule.flow_label == probe.flow_label)
        && (rule.tos == 0 || rule.tos == probe.tos)
        && (rule.tunnel == 0 || rule.tunnel == probe.tunnel)
        && rule.unread.is_empty()
}

/// Whether some networks, none of them narrower than [`WIDEST`], hold all of another one.
fn covers(networks: &[Prefix], all: Prefix) -> bool {
    let holds =
        |network: &Prefix| network.length() <= all.length() && network.contains(all.address());
    if networks.iter().any(holds) {
        return true;
    }
    all.length() < WIDEST && halves(all).iter().all(|half| covers(networks, *half))
}

/// The two halves of a network.
fn halves(network: Prefix) -> [Prefix; 2] {
    use std::net::IpAddr;
    let length = network.length() + 1;
    let upper = match network.address() {
        IpAddr::V4(at) => IpAddr::V4((u32::from(at) | 1_u32.rotate_right(length.into())).into()),
        IpAddr::V6(at) => IpAddr::V6((u128::from(at) | 1_u128.rotate_right(length.into())).into()),
    };
    [network.address(), upper].map(|at| Prefix::around(at, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::InterfaceAddress;

    const OWN: &str = "priority 21000 from 198.51.100.10 lookup 500 proto 157";

    /// The place of the rule that is in front of ours.
    fn in_front(own: &str, rules: &[&str], routes: &[&str]) -> Option<usize> {
        let own: Rule = own.parse().unwrap();
        let mut surroundings = Surroundings::default();
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        surroundings.note_rules(&rules);
        let routes: Vec<Route> = routes.iter().map(|route| route.parse().unwrap()).collect();
        for (family, id) in surroundings.tables() {
            let of = routes.iter().filter(|route| route.table == id);
            let of: Vec<Route> = of.cloned().collect();
            surroundings.note_routes(family, id, &of);
        }
        let found = surroundings.in_front(&own)?;
        rules.iter().position(|rule| rule == found)
    }

    /// What wg-quick(8) and `redirect-gateway def1` of openvpn(8) add, and what leads nowhere.
    #[test]
    fn a_rule_in_front_leads_to_a_default_route_or_what_stands_for_it() {
        let wg = "priority 20799 not fwmark 51820 lookup 51820 proto 0";
        let main = "priority 20798 lookup main suppress_prefixlength 0 proto 0";
        let tunnel = "default dev wg0 table 51820";
        let router = "default via 192.0.2.1 dev eth0 table main";
        let halves = [
            "0.0.0.0/1 dev tun0 table main",
            "128.0.0.0/1 dev tun0 table main",
        ];
        let to_7 = "priority 9 lookup 7 suppress_prefixlength 0 proto 0";
        for (rules, routes, found) in [
            (&[main, wg][..], &[tunnel, router][..], Some(1)),
            (&[main], &[router], None),
            (&[main], &halves, Some(0)),
            (&[main], &halves[..1], None),
            (&[wg], &[], None),
            (&[to_7], &["throw default table 7"], None),
            (&[to_7], &["unreachable default table 7"], Some(0)),
        ] {
            assert_eq!(in_front(OWN, rules, routes), found, "{rules:?} {routes:?}");
        }
        // The same table is as good.
        let same = ["priority 9 lookup 500 proto 0"];
        assert_eq!(in_front(OWN, &same, &["default dev eth1 table 500"]), None);
    }

    #[test]
    fn a_rule_in_front_matches_whatever_ours_is_for() {
        for (selectors, is_in_front) in [
            ("from 198.51.100.0/24", true),
            ("from 198.51.100.11", false),
            ("not from 198.51.100.0/24", false),
            ("not from 10.0.0.0/8", true),
            ("fwmark 1", false),
            ("iif eth5", false),
            ("iif lo", true),
            ("oif eth1", false),
            ("uidrange 5-5", false),
            ("not uidrange 5-5", true),
            ("to 10.0.0.0/8", false),
            ("to 0.0.0.0/1", true),
            ("ipproto tcp dport 80", false),
        ] {
            let rule = format!("priority 9 {selectors} prohibit proto 0");
            let found = in_front(OWN, &[&rule], &[]);
            assert_eq!(found.is_some(), is_in_front, "{selectors}");
        }
    }

    /// The places of the rules that take a part of what ours is for.
    fn before_a_part(own: &str, rules: &[&str], addresses: &[&str]) -> Vec<usize> {
        let own: Rule = own.parse().unwrap();
        let mut surroundings = Surroundings::default();
        let rules: Vec<Rule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        surroundings.note_rules(&rules);
        let default: Route = "default dev t0 table 7".parse().unwrap();
        surroundings.note_routes(Family::Inet, default.table, std::slice::from_ref(&default));
        let addresses = addresses.iter().map(|own| own.parse().unwrap());
        let addresses = addresses.map(|own| InterfaceAddress::new(own, 24).unwrap());
        let device = "eth1".parse().unwrap();
        surroundings
            .links
            .addresses
            .insert(device, addresses.collect());
        let found = surroundings.before_a_part(&own).into_iter();
        let place = |found| rules.iter().position(|rule| rule == found).unwrap();
        found.map(place).collect()
    }

    #[test]
    fn a_rule_takes_a_part_where_one_packet_can_match_both() {
        for (selectors, takes_part) in [
            ("ipproto tcp dport 25", true),
            ("sport 53", true),
            ("uidrange 5-5", true),
            ("tos 0x10", true),
            ("dscp 46", true),
            ("oif eth5", true),
            ("to 10.0.0.0/8", true),
            ("from 198.51.100.10 ipproto udp", true),
            // All of it.
            ("iif lo", false),
            ("from 198.51.100.0/24", false),
            ("not ipproto udp", false),
            // Nothing of it.
            ("from 198.51.100.11 ipproto tcp", false),
            ("fwmark 1 ipproto tcp", false),
            ("iif eth5 ipproto tcp", false),
            ("not from 198.51.100.0/24", false),
            ("not from 198.51.100.10", false),
        ] {
            for (effect, ends) in [("lookup 7", true), ("prohibit", true), ("lookup 8", false)] {
                let rule = format!("priority 9 {selectors} {effect} proto 0");
                let found = before_a_part(OWN, &[&rule], &["198.51.100.10"]);
                assert_eq!(found, vec![0; usize::from(takes_part && ends)], "{rule}");
            }
        }
    }

    #[test]
    fn a_part_is_of_packets_that_there_are_and_come_that_far() {
        let to_25 = "priority 9 ipproto tcp dport 25 lookup 7 proto 0";
        let ours = "priority 8 from 198.51.100.10 dport 25 ipproto tcp lookup 500 proto 157";
        let all = "priority 8 lookup 7 proto 0";
        let behind = "priority 21001 ipproto tcp lookup 7 proto 0";
        let same = "priority 9 ipproto tcp lookup 500 proto 0";
        let other = "priority 9 from 198.51.100.77 lookup 7 proto 0";
        let subnet = "priority 21000 from 198.51.100.0/24 lookup 500 proto 157";
        let behind_lan = "priority 21000 from 198.51.100.64/26 lookup 500 proto 157";
        let here = &["198.51.100.10"][..];
        for (own, rules, addresses, found) in [
            (OWN, &[to_25][..], here, &[0][..]),
            (OWN, &[ours, to_25], here, &[]),
            (OWN, &[all, to_25], here, &[]),
            (OWN, &[behind], here, &[]),
            (OWN, &[same], here, &[]),
            // Nobody here has that address; of a network that is forwarded one may.
            (subnet, &[other], here, &[]),
            (subnet, &[other], &["198.51.100.10", "198.51.100.77"], &[0]),
            (behind_lan, &[other], here, &[0]),
        ] {
            assert_eq!(
                before_a_part(own, rules, addresses),
                found,
                "{own} {rules:?}"
            );
        }
    }

    #[test]
    fn what_is_tried_before_decides() {
        let at_9 = "priority 9 prohibit proto 0";
        let at_21000 = "priority 21000 prohibit proto 0";
        let from_8 = "priority 8 from 198.51.100.0/24 lookup 501 proto 157";
        let from_10 = "priority 10 from 198.51.100.10 lookup 500 proto 157";
        let jump = "priority 8 goto 10 proto 0";
        for (rules, found) in [
            (&["priority 21001 prohibit proto 0"][..], None),
            (&[at_21000, OWN], Some(0)),
            (&[OWN, at_21000], None),
            (&["priority 9 prohibit proto 157"], None),
            (&[from_8, at_9], None),
            (&[at_9, from_10], Some(0)),
            (&[jump, at_9], Some(1)),
            (&[jump, at_9, "priority 10 nop proto 0"], None),
            (
                &[
                    "priority 8 goto 30000 proto 0",
                    "priority 30000 nop proto 0",
                ],
                Some(0),
            ),
        ] {
            assert_eq!(in_front(OWN, rules, &[]), found, "{rules:?}");
        }
    }

    #[test]
    fn ipv6_has_its_own_halves() {
        let own = "priority 21000 from 2001:db8::1 lookup 500 proto 157";
        let rule = "priority 9 from 2001:db8::/32 lookup 7 proto 0";
        let parts = ["2000::/4 dev tun0 table 7", "3000::/4 dev tun0 table 7"];
        assert!(in_front(own, &[rule], &parts).is_some());
        assert!(in_front(own, &[rule], &parts[..1]).is_none());
    }
}
