//! What stanzas do to each other.
//!
//! Each question is put to an index (by table, network, address, priority), never to all pairs:
//! a file may have thousands of stanzas.

use std::collections::hash_map::Entry;
use std::collections::HashMap;
use std::net::IpAddr;

use super::finding::{Code, Finding};
use super::rule_order;
use super::stanza::{CheckedStanza, Policy};
use crate::routing::{Hop, InterfaceName, Kind, Prefix, Route, TableId};
use crate::stanza::{Notice, Table};
use crate::text::Shown;

/// All that is to be said of stanzas that may be up at the same time. `arp_is_set` says of a
/// device whether its ARP has been told to keep to its own addresses.
pub fn clashes(
    subjects: &[CheckedStanza<'_>],
    arp_is_set: &dyn Fn(&InterfaceName) -> bool,
) -> Vec<Finding> {
    let mut findings = ids(subjects);
    findings.extend(tables(subjects));
    findings.extend(rule_order::clashes(subjects));
    findings.extend(networks(subjects, arp_is_set));
    findings.extend(own_gateways(subjects));
    findings.extend(main_defaults(subjects));
    findings
}

/// Table names and the IDs that stanzas give them.
fn ids(subjects: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut ids: HashMap<&str, (TableId, &CheckedStanza<'_>)> = HashMap::new();
    let mut names: HashMap<TableId, (&str, &CheckedStanza<'_>)> = HashMap::new();
    let mut findings = Vec::new();
    for subject in subjects {
        let table = subject.policy.as_ref().map(|policy| &policy.stanza.table);
        let Some(Some(Table::Named(name, Some(fixed)))) = table else {
            continue;
        };
        let (id, first) = *ids.entry(name.as_str()).or_insert((fixed.id, subject));
        let place = || subject.origin.of_option("policy-table-id");
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
        let (other, first) = *names.entry(fixed.id).or_insert((name.as_str(), subject));
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

/// The default route of a table that is not known before the interface is up.
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

/// What the kernel has room for one route under: table, destination, tos and metric.
type Slot = (TableId, Prefix, u8, u32);

/// Where the first route in a place leads, and whose it is.
type Holder<'a> = (Vec<Hop>, Kind, &'a CheckedStanza<'a>);

/// Routes for one destination of one table that lead different ways.
fn tables(subjects: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut places: HashMap<Slot, Holder<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for subject in subjects {
        let Some(policy) = &subject.policy else {
            continue;
        };
        let to_come = default_to_come(policy, subject.device());
        // The default route says most.
        let mut routes: Vec<&Route> = policy.state.routes().iter().chain(&to_come).collect();
        routes.sort_by_key(|route| route.destination.length());
        let mut told = false;
        for route in routes {
            let key = (route.table, route.destination, route.tos, route.metric);
            let (hops, kind, first) = match places.entry(key) {
                Entry::Vacant(place) => {
                    place.insert((route.hops.clone(), route.kind, subject));
                    continue;
                }
                Entry::Occupied(place) => place.into_mut(),
            };
            let same_device = !subject.is_beside(first);
            let only_source = same_device && *hops == route.hops && *kind == route.kind;
            let to_come = |other: &CheckedStanza<'_>| other.call.address.is_none() && same_device;
            if told || only_source || to_come(subject) || to_come(first) {
                continue;
            }
            told = true;
            let (what, own) = (destination(route), Some(route.table) == policy.table);
            let text = format!(
                "{what} by {} and that of {} are in one table; the first to come up is used",
                way(&route.hops),
                first.named(),
            );
            let place = if own {
                subject.origin.of_option("policy-table")
            } else {
                subject.origin.of_first(&["policy-route", "policy-table"])
            };
            findings.push(
                Finding::at(Code::SamePlace, place, text)
                    .hint("give each interface a table of its own, or one of the routes a metric"),
            );
        }
    }
    findings
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
    subjects: &[CheckedStanza<'_>],
    arp_is_set: &dyn Fn(&InterfaceName) -> bool,
) -> Vec<Finding> {
    let mut addresses: HashMap<IpAddr, &CheckedStanza<'_>> = HashMap::new();
    let mut networks: HashMap<Prefix, &CheckedStanza<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for subject in subjects {
        let Some(own) = subject.address else {
            continue;
        };
        let counts = |first: &&mut &CheckedStanza<'_>| {
            subject.is_beside(first) && (subject.policy.is_some() || first.policy.is_some())
        };
        let mut same = addresses.get_mut(&own.address);
        if let Some(first) = same.as_mut().filter(|first| counts(first)) {
            let text = format!("{} is also an address of {}", own.address, first.named());
            let place = subject.origin.of_option("address");
            findings.push(
                Finding::at(Code::SameAddress, place, text)
                    .hint("rules on an address cannot tell the two interfaces apart"),
            );
            continue;
        }
        addresses.entry(own.address).or_insert(subject);
        let network = own.network();
        if !own.address.is_ipv4() || network.is_host() || own.is_point_to_point() {
            continue;
        }
        let mut same = networks.get_mut(&network);
        if let Some(first) = same.as_mut().filter(|first| counts(first)) {
            if !(arp_is_set(&subject.device()) && arp_is_set(&first.device())) {
                let text = format!(
                    "{network} is also the network of {}; by default each answers ARP for the \
                     other",
                    first.named()
                );
                let place = subject.origin.of_option("address");
                findings.push(Finding::at(Code::ArpFlux, place, text).hint(
                    "set the sysctls arp_ignore=1 and arp_announce=2 of net.ipv4.conf for both",
                ));
            }
        }
        networks.entry(network).or_insert(subject);
    }
    findings
}

/// Routers that are this host.
fn own_gateways(subjects: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let with_address = subjects
        .iter()
        .filter_map(|subject| Some((subject.address?.address, subject)));
    let own: HashMap<IpAddr, &CheckedStanza<'_>> = with_address.collect();
    let mut findings = Vec::new();
    for subject in subjects {
        let Some(policy) = &subject.policy else {
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
            let place = subject.origin.of_first(&names);
            findings.push(
                Finding::at(Code::OwnGateway, place, text).hint("expected the router's address"),
            );
        }
    }
    findings
}

/// Default routes of the main table that cannot stand beside each other.
fn main_defaults(subjects: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut leases: HashMap<String, &CheckedStanza<'_>> = HashMap::new();
    let mut gateways: HashMap<String, &CheckedStanza<'_>> = HashMap::new();
    let mut findings = Vec::new();
    for subject in subjects {
        let family = subject.definition.family.as_str();
        let (kind, code) = match subject.definition.method.as_str() {
            "dhcp" => (&mut leases, Code::SameMetric),
            "static" if subject.call.gateway.is_some() => (&mut gateways, Code::TwoGateways),
            _ => continue,
        };
        if family != "inet" {
            continue;
        }
        let metric = subject.definition.option("metric");
        let metric = metric.map(|metric| Shown(metric.to_string_lossy().trim()).to_string());
        let metric = metric.unwrap_or_else(|| "0".to_owned());
        let first = *kind.entry(metric.clone()).or_insert(subject);
        let asks = |subject: &CheckedStanza<'_>| {
            let policy = subject.policy.as_ref();
            policy.is_some_and(|policy| code == Code::TwoGateways || policy.stanza.asks_gateway())
        };
        if !subject.is_beside(first) || !(asks(subject) || asks(first)) {
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
        let place = subject.origin.of_first(&[option]);
        findings.push(Finding::at(code, place, text).hint("write metric, with another number"));
    }
    findings
}
