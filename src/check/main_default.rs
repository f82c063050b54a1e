//! Interfaces that all have tables of their own, where nothing gives the main table a default route:
//! programs that have not bound a socket to an address get nowhere.
//!
//! Told where the file decides. Leases, PPP and router advertisements bring a route that no line
//! names, and so may a script.

use std::collections::HashSet;

use super::finding::{Code, Finding};
use super::origin::Taken;
use super::stanza::{CheckedStanza, Policy};
use crate::ifupdown::interfaces::Phase;
use crate::routing::{Family, InterfaceName, Route, TableId};

/// One finding a family.
pub fn findings(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let of_family = |family| finding(family, stanzas);
    Family::ALL.into_iter().filter_map(of_family).collect()
}

fn finding(family: Family, stanzas: &[CheckedStanza<'_>]) -> Option<Finding> {
    let all = stanzas
        .iter()
        .filter(|stanza| stanza.call.family == Some(family) && stanza.call.method != "loopback");
    let all: Vec<&CheckedStanza<'_>> = all.collect();
    let mut with_table = all.iter().filter(|stanza| has_table(stanza));
    let first = with_table.next()?;
    let are_several = with_table.any(|stanza| stanza.is_on_other_device(first));
    let (mut taken, mut taken_of_ports) = (Taken::new(), Taken::new());
    let is_decided = all
        .iter()
        .all(|stanza| gives_none(stanza, &mut taken_of_ports))
        && !stanzas
            .iter()
            .any(|stanza| writes_one(stanza, family, &mut taken))
        && (family == Family::Inet || no_advertisement_is_taken(stanzas));
    if !are_several || !is_decided {
        return None;
    }
    let text = format!(
        "every interface has a table of its own, and no stanza gives the main table a default \
         route{}: what is not bound to an address has no way out",
        match family {
            Family::Inet => "",
            Family::Inet6 => " for IPv6",
        }
    );
    let place = first.written.of_option("policy-table");
    Some(
        Finding::at(Code::NoMainDefault, place, text)
            .hint("write gateway in the stanza whose router is to be the usual one"),
    )
}

fn has_table(stanza: &CheckedStanza<'_>) -> bool {
    let policy = stanza.policy.as_ref();
    policy.is_some_and(|policy| policy.table.is_some())
}

/// Whether a stanza gives main no default route, unless a line of it says so: it is static with a
/// table of its own, or manual and left to nobody else. `taken` are the lines that say so already.
fn gives_none(stanza: &CheckedStanza<'_>, taken: &mut Taken) -> bool {
    match stanza.call.method.as_str() {
        "static" => has_table(stanza),
        "manual" => match &stanza.policy {
            // Where the router is looked up in main, somebody puts it there.
            Some(policy) => policy.table.is_some() && !policy.stanza.asks_gateway(),
            // A port of a bridge, or what a script configures.
            None => stanza.written.options_beyond(taken).iter().all(|written| {
                let is_up = Phase::of(&written.option.name).is_some_and(Phase::is_up);
                !is_up || written.option.value.to_string_lossy().starts_with("ip ")
            }),
        },
        _ => false,
    }
}

/// Whether a stanza says that main gets a default route: by `gateway`, an option or a command.
/// `taken` are the lines that are known not to.
fn writes_one(stanza: &CheckedStanza<'_>, family: Family, taken: &mut Taken) -> bool {
    let routes = |policy: &Policy| {
        let mut routes = policy.state.routes().iter();
        routes.any(|route: &Route| {
            route.family() == family && route.table == TableId::MAIN && route.destination.is_any()
        })
    };
    let all = stanza.written.options_beyond(taken);
    let mut written = all.iter().map(|written| written.option);
    stanza.policy.as_ref().is_some_and(routes)
        || stanza.call.gateway.is_some() && stanza.call.family == Some(family)
        || written.any(|option| {
            let command = option.value.to_string_lossy();
            Phase::of(&option.name).is_some()
                && ["default", "0.0.0.0/", "::/0", "::/1"]
                    .iter()
                    .any(|all| command.contains(all))
        })
}

/// Whether each interface of the file has advertisements switched off: by default the kernel makes
/// default routes of them.
fn no_advertisement_is_taken(stanzas: &[CheckedStanza<'_>]) -> bool {
    let others = |stanza: &&CheckedStanza<'_>| stanza.call.method != "loopback";
    let devices: HashSet<InterfaceName> = stanzas
        .iter()
        .filter(others)
        .map(CheckedStanza::device)
        .collect();
    let refuses = |stanza: &&CheckedStanza<'_>| {
        let accept = stanza.definition.option("accept_ra");
        accept.is_some_and(|accept| accept.to_string_lossy().trim() == "0")
    };
    let deaf: HashSet<InterfaceName> = stanzas
        .iter()
        .filter(refuses)
        .map(CheckedStanza::device)
        .collect();
    devices == deaf
}
