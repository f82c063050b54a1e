//! From a stanza to the routes and rules it stands for. Floor 1, pure: the policy is this page.

use std::net::IpAddr;

use thiserror::Error;

use crate::net::{Prefix, TableId};
use crate::route::Route;
use crate::rule::Rule;
use crate::stanza::{Gateway, Stanza};
use crate::state::{Object, State};

/// What the administrator should know of how the wanted state came about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Notice {
    /// Nothing names the router.
    #[error(
        "no gateway is named; taking {0}, the first address of the network, \
         for the router (policy-gateway says otherwise)"
    )]
    Guessed(IpAddr),
    /// The router is reached all the same, as with ifupdown's own `gateway`.
    #[error("gateway {0} is outside {1}; its route is marked onlink")]
    Onlink(IpAddr, Prefix),
    /// Traffic from the address falls through to main.
    #[error(
        "no default route in table {0}: the router of {1} is not known; \
         write policy-gateway ADDRESS, or policy-gateway none"
    )]
    NoDefault(TableId, Prefix),
}

/// The state that a stanza asks for, and what is to be said about it.
#[must_use]
pub fn of_stanza(stanza: &Stanza, table: TableId) -> (State, Vec<Notice>) {
    let mut notices = Vec::new();
    let objects = connected(stanza, table)
        .into_iter()
        .chain(default(stanza, table, &mut notices))
        .map(Object::Route)
        .chain(selectors(stanza, table).map(Object::Rule));
    (objects.collect(), notices)
}

/// Without it neighbours on the own network would be reached through the router. A network of
/// one address has no neighbours, and the kernel gives it no such route either.
fn connected(stanza: &Stanza, table: TableId) -> Option<Route> {
    let network = stanza.address.network();
    let route = Route::to(network, table).dev(stanza.interface.device());
    match stanza.address.address {
        _ if network.is_host() => None,
        // Without src, a program that asks this table for a source could get another address.
        IpAddr::V4(own) => Some(Route {
            source: Some(IpAddr::V4(own)),
            ..route
        }),
        // The kernel refuses src while the address is tentative (EINVAL, measured on 6.18).
        IpAddr::V6(_) => Some(route),
    }
}

/// What the table is for: everything else goes through this interface's own router.
fn default(stanza: &Stanza, table: TableId, notices: &mut Vec<Notice>) -> Option<Route> {
    let network = stanza.address.network();
    let gateway = match stanza.gateway {
        Gateway::OfStanza(gateway) | Gateway::Given(gateway) => gateway,
        Gateway::Guessed(gateway) => {
            notices.push(Notice::Guessed(gateway));
            gateway
        }
        Gateway::Unknown => {
            notices.push(Notice::NoDefault(table, network));
            return None;
        }
        Gateway::None => return None,
    };
    let onlink = !network.contains(gateway) && !is_link_local(gateway);
    if onlink {
        notices.push(Notice::Onlink(gateway, network));
    }
    let everywhere = Prefix::any(network.family());
    let route = Route::to(everywhere, table)
        .via(gateway)
        .dev(stanza.interface.device());
    Some(Route { onlink, ..route })
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// `from`: replies, and programs bound to the address, take the table. `to` comes from the howto
/// that this replaces; the kernel finds the address in table local first and never gets there.
fn selectors(stanza: &Stanza, table: TableId) -> impl Iterator<Item = Rule> {
    let own = Some(Prefix::host(stanza.address.address));
    let lookup = Rule::lookup(stanza.address.family(), stanza.priority, table);
    [
        Rule {
            from: own,
            ..lookup.clone()
        },
        Rule { to: own, ..lookup },
    ]
    .into_iter()
}
