//! What this host makes of a stanza whose routes and rules are all in place: a rule of somebody
//! else that comes first, networks that `policy-mode strict` cuts off, addresses that no rule
//! serves. What is looked at is in [`Surroundings`]; nothing is asked here.

use std::fmt;
use std::net::IpAddr;

use super::stanza::{Mode, Source, Stanza};
use crate::routing::{
    asks_main, Action, InterfaceAddress, InterfaceName, Prefix, Rule, State, Surroundings, TableId,
};

/// What an administrator would otherwise learn from those who use the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A walk ends at somebody else's rule before it comes to the stanza's own.
    InFront { rule: Rule, own: Rule },
    /// Addresses of the interface that no rule is about.
    Unserved(InterfaceName, Vec<IpAddr>),
    /// Networks of other interfaces that packets from the stanza's addresses do not get to.
    CutOff(Vec<(Prefix, InterfaceName)>),
}

/// How many of many things a sentence has.
const LISTED: usize = 8;

impl Remark {
    /// Whether packets go another way than the stanza says.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::CutOff(_))
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InFront { .. } => {
                "WITH WG-QUICK AND OPENVPN in policy-table(8) tells what keeps the order"
            }
            Self::Unserved(..) => "policy-source all serves every address of the interface",
            Self::CutOff(_) => "policy-mode main lets it reach them",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFront { rule, own } => write!(
                f,
                "a rule that is not policy-table's, \"{rule}\", comes before priority {} {}, and \
                 takes its packets elsewhere",
                own.priority,
                own.selectors()
            ),
            Self::Unserved(device, addresses) => {
                let all = addresses.iter().map(ToString::to_string);
                write!(f, "no rule is about {} of {device}", listed(all))
            }
            Self::CutOff(networks) => {
                let all = networks.iter();
                let all = all.map(|(network, device)| format!("{network} ({device})"));
                write!(f, "policy-mode strict cuts off {}", listed(all))
            }
        }
    }
}

/// The first of some things, and that there are more.
fn listed(all: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = all.take(LISTED + 1).collect();
    if all.len() > LISTED {
        all.truncate(LISTED);
        return format!("{} and others", all.join(", "));
    }
    all.join(", ")
}

/// What there is to remark on one stanza, whose own table is known.
pub fn remarks(
    stanza: &Stanza,
    state: &State,
    table: Option<TableId>,
    around: &Surroundings,
) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = Vec::new();
    for own in walked_to(state) {
        let Some(rule) = around.in_front(own) else {
            continue;
        };
        let is_told =
            |told: &Remark| matches!(told, Remark::InFront { rule: other, .. } if other == rule);
        if !remarks.iter().any(is_told) {
            let (rule, own) = (rule.clone(), own.clone());
            remarks.push(Remark::InFront { rule, own });
        }
    }
    let table = table.filter(|_| stanza.derives() && stanza.mode == Mode::Strict);
    let networks = table.map(|table| cut_off(stanza, state, table, around));
    let networks = networks.filter(|networks| !networks.is_empty());
    remarks.extend(networks.map(Remark::CutOff));
    remarks
}

/// The rules that packets have to come to: those that look up a table for all that is in it, but for
/// the derived one `to` the own address, which no packet needs.
fn walked_to(state: &State) -> impl Iterator<Item = &Rule> {
    let whole = |rule: &&Rule| {
        matches!(rule.action, Action::Lookup(_))
            && rule.suppress_length.is_none()
            && rule.suppress_group.is_none()
            && !rule.invert
    };
    state.rules().iter().filter(whole).filter(|rule| {
        let is_counterpart = |other: &Rule| {
            let of = |rule: &Rule| (rule.priority, rule.action);
            other.from == rule.to && of(other) == of(rule)
        };
        rule.from.is_some() || rule.to.is_none() || !state.rules().iter().any(is_counterpart)
    })
}

/// Networks of other interfaces that the table sends elsewhere.
fn cut_off(
    stanza: &Stanza,
    state: &State,
    table: TableId,
    around: &Surroundings,
) -> Vec<(Prefix, InterfaceName)> {
    let of_table = || state.routes().iter().filter(|route| route.table == table);
    let derived = |rule: &&Rule| {
        rule.priority == stanza.priority
            && rule.from.is_some()
            && rule.action == Action::Lookup(table)
    };
    let Some(own) = walked_to(state).find(derived) else {
        return Vec::new();
    };
    if !of_table().any(|route| route.destination.is_any()) {
        // What is not in it falls through to main.
        return Vec::new();
    }
    let device = stanza.interface.device();
    let others = around
        .addresses
        .iter()
        .filter(|(other, _)| **other != device);
    let all = others.flat_map(|(other, addresses)| addresses.iter().map(move |own| (own, other)));
    let mut found: Vec<(Prefix, InterfaceName)> = Vec::new();
    for (address, other) in all.filter(|(address, _)| address.family() == stanza.family) {
        let network = address.network();
        let is_alone = network.is_host() && !address.is_point_to_point();
        let is_in_table = || {
            of_table().any(|route| {
                let to = route.destination;
                !to.is_any() && to.length() <= network.length() && to.contains(network.address())
            })
        };
        let by_own = || {
            let to_it = Rule {
                to: Some(network),
                ..own.clone()
            };
            let mut before = state.rules().iter();
            before.any(|rule| rule.priority < own.priority && asks_main(rule, &to_it))
        };
        if is_alone
            || network.is_any()
            || found.iter().any(|(known, _)| *known == network)
            || is_in_table()
            || by_own()
            || around.main_is_asked(own, network)
        {
            continue;
        }
        found.push((network, other.clone()));
        if found.len() > LISTED {
            break;
        }
    }
    found
}

/// The addresses of a device that none of its stanzas has a rule for, each family's with the place of
/// the first stanza that derives rules from addresses.
pub fn unserved(stanzas: &[(&Stanza, &State)], around: &Surroundings) -> Vec<(usize, Remark)> {
    let (mut told, mut families) = (Vec::new(), Vec::new());
    for (place, (stanza, _)) in stanzas.iter().enumerate() {
        let derives = stanza.derives() && stanza.source != Source::None;
        if !derives || families.contains(&stanza.family) {
            continue;
        }
        families.push(stanza.family);
        let device = stanza.interface.device();
        let addresses = around.addresses.get(&device).into_iter().flatten();
        let of_family = addresses.filter(|address| address.family() == stanza.family);
        let is_served = |address: &&InterfaceAddress| {
            let mut rules = stanzas.iter().flat_map(|(_, state)| state.rules());
            rules.any(|rule| rule.from.is_some_and(|from| from.contains(address.address)))
        };
        let without = of_family.filter(|address| !is_served(address));
        let without: Vec<IpAddr> = without.map(|address| address.address).collect();
        if !without.is_empty() {
            told.push((place, Remark::Unserved(device, without)));
        }
    }
    told
}
