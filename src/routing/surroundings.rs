//! What others have in the kernel that decides what becomes of a stanza's packets before its own
//! rules do, or in spite of them: their rules, the wide routes of the tables that these look up,
//! and the addresses of this host. Decides only; `Kernel::look_around` asks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::address::{Family, InterfaceAddress, InterfaceName, Prefix, PROTOCOL};
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
    /// Those of ours that settle what they match, by the sources that they match.
    ours: HashMap<(Family, Option<Prefix>), Vec<Rule>>,
    /// Priorities that some rule has: a `goto` to another one is passed over.
    priorities: BTreeSet<(Family, u32)>,
    wide: BTreeMap<(Family, TableId), Vec<(Prefix, Kind)>>,
    /// The usable addresses of all devices.
    pub addresses: BTreeMap<InterfaceName, Vec<InterfaceAddress>>,
}

/// A destination of this length or shorter is part of what stands for a default route: VPN
/// software writes halves, and for IPv6 `::/3 2000::/4 3000::/4 fc00::/7`.
pub const WIDEST: u8 = 4;

/// The priority of the kernel's own rule for main.
const MAIN: u32 = 32766;

impl Surroundings {
    /// Notes all rules of a family, in the kernel's order.
    pub fn note_rules(&mut self, rules: &[Rule]) {
        let mut priorities = BTreeSet::new();
        for rule in rules {
            self.priorities.insert((rule.family, rule.priority));
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

    /// The rule of somebody else at which the walk ends before it comes to a rule of ours: for the
    /// packets that ours is for, to anywhere, without a mark unless ours has one. A rule that looks
    /// up the same table takes nothing away, nor does one that comes behind another of ours.
    pub fn in_front(&self, own: &Rule) -> Option<&Rule> {
        let foreign = self.end_before(own)?;
        let is_before = |ours: &Rule| match ours.priority {
            at if at == foreign.rule.priority => foreign.behind_ours,
            at => at < foreign.rule.priority,
        };
        let probe = probe(own);
        let around = |from: Prefix| {
            (0..=from.length()).map(move |length| Some(Prefix::around(from.address(), length)))
        };
        let sources = own.from.into_iter().flat_map(around).chain([None]);
        let ours = sources.filter_map(|from| self.ours.get(&(own.family, from)));
        let mut ours = ours.flatten();
        let is_settled = ours.any(|ours| is_before(ours) && catches(ours, &probe));
        (!is_settled).then_some(&foreign.rule)
    }

    /// The rule of somebody else at which the walk would end if there were none of ours before.
    fn end_before(&self, own: &Rule) -> Option<&ForeignRule> {
        let probe = probe(own);
        let mut from = 0;
        for foreign in self.before(own) {
            let rule = &foreign.rule;
            let same = table(rule).is_some() && table(rule) == table(own);
            if rule.priority < from || same || !catches(rule, &probe) {
                continue;
            }
            match rule.action {
                Action::Goto(target) if !self.priorities.contains(&(rule.family, target)) => {}
                Action::Goto(target) if target > own.priority => return Some(foreign),
                Action::Goto(target) => from = target,
                Action::Nop | Action::L3mdev | Action::Other(_) => {}
                Action::Lookup(table) if !self.leads_anywhere(rule, table) => {}
                _ => return Some(foreign),
            }
        }
        None
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
        let all = match rule.family {
            Family::Inet => Prefix::any(Family::Inet),
            // Where addresses are given out.
            Family::Inet6 => Prefix::around([0x2000, 0, 0, 0, 0, 0, 0, 0].into(), 3),
        };
        covers(&taken, all)
    }
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
    rule.action == Action::Lookup(TableId::MAIN) && catches(rule, &probe(own))
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
    // One of two halves is as good as all.
    let to = rule
        .to
        .is_none_or(|to| to.length() <= 1 || inside(to, probe.to));
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
