//! What the kernel makes of words that `ip` takes: it refuses some in a rule or a route of one
//! family, whatever the host has, and ignores others. A line that has them is wrong before the kernel
//! is asked. The lists of `tests/kernel/roundtrip.rs` try it.

use crate::routing::{Family, Hop, Kind, Route, Rule, Scope};

/// What the kernel refuses in a rule of its family, if there is something. `tos` is the DS field
/// as written.
pub fn rule<Table>(rule: &Rule<Table>, tos: &str) -> Option<String> {
    // Of IPv4 it knows the bits of the old type of service alone (`fib4_rule_configure()`).
    let known = match rule.family {
        Family::Inet => 0x1c,
        Family::Inet6 => 0xfc,
    };
    if rule.tos & !known != 0 {
        let instead = match rule.family {
            Family::Inet if rule.tos.trailing_zeros() >= 2 => {
                "; dscp takes the others, on newer kernels"
            }
            _ => "",
        };
        return Some(format!(
            "\"{tos}\": expected a DS field with no bit beyond {known:#x} in an {} rule{instead}",
            rule.family.name()
        ));
    }
    if rule.tos != 0 && rule.dscp.is_some() {
        return Some(format!("\"{tos}\": the rule has a \"dscp\" already"));
    }
    if rule.family == Family::Inet && rule.flow_label.is_some() {
        return Some("\"flowlabel\": IPv4 packets have none".to_owned());
    }
    None
}

/// The bits of a DS field that belong to congestion notification.
const ECN: u8 = 0x03;

/// What the kernel refuses in a route, or would ignore, if there is something. `tos` is the DS field
/// as written.
pub fn route(route: &Route<()>, tos: &str) -> Option<String> {
    match route.family() {
        Family::Inet if route.tos & ECN != 0 => {
            return Some(format!("\"{tos}\": expected a DS field without bits 0x03"));
        }
        Family::Inet6 if route.tos != 0 => {
            return Some(format!("\"{tos}\": IPv6 routes have none"));
        }
        _ => {}
    }
    let text = ignored(route).or_else(|| refused(route));
    text.map(str::to_owned)
}

/// A word that the kernel would take and ignore in a route of this family.
fn ignored(route: &Route<()>) -> Option<&'static str> {
    let has_realms = route.realms != 0 || route.hops.iter().any(|hop| hop.realms != 0);
    match route.family() {
        Family::Inet6 if has_realms => {
            Some("\"realms\": IPv6 routes have none; the kernel would ignore them")
        }
        Family::Inet6 if route.preference != 0 && !route.kind.has_device() => {
            Some("a route that drops or throws packets has no \"pref\"")
        }
        Family::Inet if route.preference != 0 => {
            Some("\"pref\": IPv4 routes have none; the kernel would ignore it")
        }
        _ => None,
    }
}

/// What the kernel refuses in any route of this family, whatever the host has (`fib_semantics.c`,
/// `net/ipv6/route.c`).
fn refused(route: &Route<()>) -> Option<&'static str> {
    let has_gateway = route.hops.iter().any(|hop| hop.gateway.is_some());
    let by_ipv4 = |hop: &Hop| hop.gateway.is_some_and(|gateway| gateway.is_ipv4());
    match (route.family(), route.kind, route.scope) {
        (Family::Inet6, _, _) if route.hops.iter().any(by_ipv4) => {
            Some("\"via\": expected an IPv6 address in an IPv6 route")
        }
        (Family::Inet6, _, _)
            if route.hops.len() > 1 && route.hops.iter().any(|hop| hop.gateway.is_none()) =>
        {
            Some("\"nexthop\": each of several needs a \"via\" in an IPv6 route")
        }
        (Family::Inet, Kind::LOCAL, Scope(..=253)) => {
            Some("\"scope\": expected host in a local route")
        }
        (Family::Inet, Kind::BROADCAST | Kind::ANYCAST, Scope(..=252)) => {
            Some("\"scope\": expected link or host in a broadcast or anycast route")
        }
        (Family::Inet, kind, Scope(u8::MAX)) if kind.has_device() => {
            Some("\"scope nowhere\": expected global, site, link, host or a number of 0 to 254")
        }
        (Family::Inet, _, Scope::HOST) if has_gateway || route.hops.len() > 1 => {
            Some("\"scope host\" cannot stand beside \"via\", nor with several \"nexthop\"")
        }
        _ => None,
    }
}
