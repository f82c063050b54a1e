//! What stanzas do to each other in tables, addresses, networks and gateways, and by their rules
//! (`rule_order.rs`, `last_resort.rs`), and what none does (`main_default.rs`).
//!
//! Each question is put to an index (by table, network, address, priority), never to all pairs:
//! a file may have thousands of stanzas.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::net::IpAddr;

use super::finding::{Code, Finding};
use super::last_resort;
use super::main_default;
use super::marks;
use super::rule_order;
use super::stanza::{CheckedStanza, Policy};
use crate::routing::{Family, Hop, InterfaceName, Kind, Prefix, Route, TableId};
use crate::stanza::{Notice, Table};
use crate::text::Shown;

/// What stanzas do to each other if they are up at the same time. `arp_is_set` says whether a device
/// answers ARP for its own addresses alone.
pub fn clashes(
    stanzas: &[CheckedStanza<'_>],
    arp_is_set: &dyn Fn(&InterfaceName) -> bool,
) -> Vec<Finding> {
    let mut findings = ids(stanzas);
    findings.extend(tables(stanzas));
    findings.extend(rule_order::clashes(stanzas));
    findings.extend(last_resort::clashes(stanzas));
    findings.extend(marks::findings(stanzas));
    findings.extend(networks(stanzas, arp_is_set));
    findings.extend(own_gateways(stanzas));
    findings.extend(main_defaults(stanzas));
    findings.extend(main_default::findings(stanzas));
    findings.extend(all_twice(stanzas));
    findings
}

/// One table name with two IDs, and one ID with two names.
fn ids(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut ids: HashMap<&str, (TableId, &CheckedStanza<'_>)> = HashMap::new();
    let mut names: HashMap<TableId, (&str, &CheckedStanza<'_>)> = HashMap::new();
    let mut findings = Vec::new();
    for stanza in stanzas {
        let table = stanza.policy.as_ref().map(|policy| &policy.stanza.table);
        let Some(Some(Table::Named(name, Some(fixed)))) = table else {
            continue;
        };
        let (id, first) = *ids.entry(name.as_str()).or_insert((fixed.id, stanza));
        let place = || stanza.written.of_option("policy-table-id");
        if id != fixed.id {
            let text = format!(
                "table {name} is given ID {} here and {id} by {}",
                fixed.id,
                first.named()
            );
            findings.push(
                Finding::at(Code::TwoIds, place(), text)
                    .hint("write the same ID, or policy-table-id in one stanza alone"),
            );
        }
        let (other, first) = *names.entry(fixed.id).or_insert((name.as_str(), stanza));
        if other != name.as_str() {
            let text = format!(
                "ID {id} is given to table {name} here and to {other} by {}",
                first.named(),
                id = fixed.id
            );
            findings.push(Finding::at(Code::TwoNames, place(), text).hint("choose another ID"));
        }
    }
    findings
}

/// The default route that a stanza's table gets when the interface is up: the router is not known
/// before, but that there will be a route is.
fn default_to_come(policy: &Policy, device: InterfaceName) -> Option<Route> {
    let comes = policy
        .notices
        .iter()
        .any(|notice| matches!(notice, Notice::NoNetwork(_)));
    let hop = Hop {
        device: Some(device),
        ..Hop::direct()
    };
    let table = policy.table.filter(|_| comes)?;
    Some(Route::to(Prefix::any(policy.stanza.family), table, hop))
}

/// Of routes that are alike in these the kernel has one: table, destination, tos and metric.
type RouteKey = (TableId, Prefix, u8, u32);

/// Where the first route of a key leads, and whose it is.
type Holder<'a> = (Vec<Hop>, Kind, &'a CheckedStanza<'a>);

/// Routes for one destination of one table that lead different ways.
fn tables(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut holders: HashMap<RouteKey, Holder<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for stanza in stanzas {
        let Some(policy) = &stanza.policy else {
            continue;
        };
        let to_come = default_to_come(policy, stanza.device());
        let mut routes: Vec<&Route> = policy.state.routes().iter().chain(&to_come).collect();
        // One finding a stanza is enough, and that about the default route says most.
        routes.sort_by_key(|route| route.destination.length());
        let mut is_told = false;
        for route in routes {
            let key = (route.table, route.destination, route.tos, route.metric);
            match holders.entry(key) {
                Entry::Vacant(free) => {
                    free.insert((route.hops.clone(), route.kind, stanza));
                }
                Entry::Occupied(holder) => {
                    if !is_told && differ(route, stanza, holder.get()) {
                        let (_, _, first) = holder.get();
                        findings.push(route_clash(route, stanza, policy, first));
                        is_told = true;
                    }
                }
            }
        }
    }
    findings
}

/// Whether a route leads another way than the one that has its key. Of two stanzas of one device
/// it need not: routes that differ in their source alone stand behind each other, and what a stanza
/// without an address will get is not known.
fn differ(route: &Route, stanza: &CheckedStanza<'_>, (hops, kind, first): &Holder<'_>) -> bool {
    let is_open = |stanza: &CheckedStanza<'_>| stanza.call.address.is_none();
    let leads_the_same_way = *hops == route.hops && *kind == route.kind;
    stanza.is_on_other_device(first) || !(leads_the_same_way || is_open(stanza) || is_open(first))
}

fn route_clash(
    route: &Route,
    stanza: &CheckedStanza<'_>,
    policy: &Policy,
    first: &CheckedStanza<'_>,
) -> Finding {
    let text = format!(
        "{} by {} and that of {} are in one table; only the first is used",
        destination(route),
        way(&route.hops),
        first.named(),
    );
    let place = if Some(route.table) == policy.table {
        stanza.written.of_option("policy-table")
    } else {
        stanza.written.of_first(&["policy-route", "policy-table"])
    };
    Finding::at(Code::SamePlace, place, text)
        .hint("give each interface a table of its own, or one of the routes a metric")
}

fn destination(route: &Route) -> String {
    if route.destination.is_any() {
        "the default route".to_owned()
    } else {
        format!("the route to {}", route.destination)
    }
}

fn way(hops: &[Hop]) -> String {
    let Some(hop) = hops.first() else {
        return "no interface".to_owned();
    };
    let device = hop.device.as_ref().map_or("", InterfaceName::as_str);
    match hop.gateway {
        Some(gateway) => format!("{gateway} dev {device}"),
        None => device.to_owned(),
    }
}

/// One address on two interfaces, and two interfaces in one IPv4 network.
fn networks(
    stanzas: &[CheckedStanza<'_>],
    arp_is_set: &dyn Fn(&InterfaceName) -> bool,
) -> Vec<Finding> {
    let mut addresses: HashMap<IpAddr, &CheckedStanza<'_>> = HashMap::new();
    let mut networks: HashMap<Prefix, &CheckedStanza<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for stanza in stanzas {
        let Some(own) = stanza.address else {
            continue;
        };
        let counts = |first: &&mut &CheckedStanza<'_>| {
            stanza.is_on_other_device(first) && (stanza.policy.is_some() || first.policy.is_some())
        };
        let mut same = addresses.get_mut(&own.address);
        if let Some(first) = same.as_mut().filter(|first| counts(first)) {
            let text = format!("{} is also an address of {}", own.address, first.named());
            let place = stanza.written.of_option("address");
            findings.push(
                Finding::at(Code::SameAddress, place, text)
                    .hint("rules on an address cannot tell the two interfaces apart"),
            );
            continue;
        }
        addresses.entry(own.address).or_insert(stanza);
        let network = own.network();
        if !own.address.is_ipv4() || network.is_host() || own.is_point_to_point() {
            continue;
        }
        let mut same = networks.get_mut(&network);
        if let Some(first) = same.as_mut().filter(|first| counts(first)) {
            if !(arp_is_set(&stanza.device()) && arp_is_set(&first.device())) {
                let text = format!(
                    "{network} is also the network of {}; by default each answers ARP for the \
                     other",
                    first.named()
                );
                let place = stanza.written.of_option("address");
                findings.push(Finding::at(Code::ArpFlux, place, text).hint(
                    "set the sysctls arp_ignore=1 and arp_announce=2 of net.ipv4.conf for both",
                ));
            }
        }
        networks.entry(network).or_insert(stanza);
    }
    findings
}

/// Gateways that are an address of this host.
fn own_gateways(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let with_address = stanzas
        .iter()
        .filter_map(|stanza| Some((stanza.address?.address, stanza)));
    let own: HashMap<IpAddr, &CheckedStanza<'_>> = with_address.collect();
    let mut findings = Vec::new();
    for stanza in stanzas {
        let Some(policy) = &stanza.policy else {
            continue;
        };
        let mut hops = policy.state.routes().iter().flat_map(|route| &route.hops);
        let gateway = hops.find_map(|hop| own.get_key_value(&hop.gateway?));
        if let Some((gateway, by)) = gateway {
            let text = format!(
                "gateway {gateway} is this host's own address, that of {}",
                by.named()
            );
            let names = ["policy-gateway", "gateway", "policy-route", "policy-table"];
            let place = stanza.written.of_first(&names);
            findings.push(
                Finding::at(Code::OwnGateway, place, text).hint("expected the router's address"),
            );
        }
    }
    findings
}

/// Default routes of the main table that cannot stand beside each other.
fn main_defaults(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    // The first with each metric.
    let mut leases: HashMap<String, &CheckedStanza<'_>> = HashMap::new();
    let mut gateways: HashMap<String, &CheckedStanza<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for stanza in stanzas {
        let family = stanza.definition.family.as_str();
        let (same_kind, code) = match stanza.definition.method.as_str() {
            "dhcp" => (&mut leases, Code::SameMetric),
            "static" if stanza.call.gateway.is_some() => (&mut gateways, Code::TwoGateways),
            _ => continue,
        };
        if family != "inet" {
            continue;
        }
        let metric = stanza.definition.option("metric");
        let metric = metric.map(|metric| Shown(metric.to_string_lossy().trim()).to_string());
        let metric = metric.unwrap_or_else(|| "0".to_owned());
        let first = *same_kind.entry(metric.clone()).or_insert(stanza);
        let needs_it = |stanza: &CheckedStanza<'_>| {
            let policy = stanza.policy.as_ref();
            policy.is_some_and(|policy| policy.stanza.asks_gateway())
        };
        // That ifup fails concerns every file, options or none.
        let matters = code == Code::TwoGateways || needs_it(stanza) || needs_it(first);
        if !stanza.is_on_other_device(first) || !matters {
            continue;
        }
        let (what, effect, option) = if code == Code::SameMetric {
            ("a lease", "the router of the second is not known", "metric")
        } else {
            ("a gateway", "ifup of the second fails", "gateway")
        };
        let text = format!(
            "{what} with metric {metric}, as {} has one: the main table takes one such default \
             route, and {effect}",
            first.named()
        );
        let place = stanza.written.of_first(&[option]);
        findings.push(Finding::at(code, place, text).hint("write metric, with another number"));
    }
    findings
}

/// Stanzas of one device and family that both ask for all of its addresses.
fn all_twice(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut firsts: HashMap<(InterfaceName, Family), &CheckedStanza<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for stanza in stanzas {
        let policy = stanza.policy.as_ref();
        let Some(policy) = policy.filter(|policy| policy.stanza.asks_all()) else {
            continue;
        };
        let key = (stanza.device(), policy.stanza.family);
        let first = *firsts.entry(key).or_insert(stanza);
        if !std::ptr::eq(first, stanza) {
            let text = format!(
                "{} asks for all addresses of {} too; the first to come up gets them",
                first.named(),
                stanza.device()
            );
            let place = stanza.written.of_option("policy-source");
            findings.push(
                Finding::at(Code::AllTwice, place, text)
                    .hint("write policy-source all in one stanza of an interface"),
            );
        }
    }
    findings
}
