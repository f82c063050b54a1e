//! What this host makes of a stanza whose routes and rules are all in place: a rule of somebody
//! else that comes first, networks that `policy-mode strict` cuts off, addresses that no rule
//! serves. What is looked at is in [`Surroundings`]; nothing is asked here.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::IpAddr;

use super::stanza::{Source, Stanza};
use crate::routing::{
    is_inside, takes_all_of, Action, Family, InterfaceName, Links, NoCopy, Prefix, Reach, Rule,
    State, Surroundings, TableId,
};

/// What an administrator would otherwise learn from those who use the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// A walk ends at somebody else's rule before it comes to the stanza's own. Why there is no copy
    /// in front of it, where VPN software put it there.
    InFront {
        rule: Rule,
        own: Rule,
        why: Option<NoCopy>,
    },
    /// The stanza's rules stand once more in front of those at which the walk would end.
    Copied { to: u32, before: Vec<Rule> },
    /// Somebody else's rules come before the stanza's own for a part of its packets.
    InFrontOfPart { rules: Vec<Rule>, own: Rule },
    /// Addresses of the interface that no rule is about.
    Unserved {
        device: InterfaceName,
        addresses: Vec<IpAddr>,
        /// The alias that has the one stanza with a table: its addresses are those with its label.
        by_alias: Option<InterfaceName>,
    },
    /// Networks of other interfaces that packets from the stanza's addresses do not get to.
    CutOff(Vec<(Prefix, InterfaceName)>),
}

/// How many of many things a sentence has.
const LISTED: usize = 8;

/// Most networks that a host is asked for the way to.
const QUESTIONS: usize = 500;

impl Remark {
    /// Whether packets go another way than the stanza says. A rule for a part of them is somebody's
    /// intent, more often than not.
    pub fn is_warning(&self) -> bool {
        matches!(self, Self::InFront { .. } | Self::Unserved { .. })
    }

    /// Whether it is for those alone who ask for everything.
    pub fn is_detail(&self) -> bool {
        matches!(self, Self::InFrontOfPart { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InFront { .. } => {
                "WITH WG-QUICK AND OPENVPN in policy-table(8) tells what keeps the order"
            }
            Self::Copied { .. } => "they go with it",
            Self::InFrontOfPart { .. } => {
                "policy-table explain tells which way a packet goes; a policy-rule with a lower \
                 priority comes before them"
            }
            Self::Unserved { by_alias: None, .. } => {
                "policy-source all serves every address of the interface"
            }
            Self::Unserved { .. } => {
                "an alias serves addresses that bear its label; policy-table and policy-source all \
                 in a stanza of the interface itself serve the others"
            }
            Self::CutOff(_) => "policy-mode main cuts off none",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFront { rule, own, why } => {
                write!(
                    f,
                    "a rule that is not policy-table's, \"{rule}\", comes before priority {} {}, \
                     and takes its packets elsewhere",
                    own.priority,
                    own.selectors()
                )?;
                match why {
                    Some(why) => write!(f, "; nothing is put in front of it, since {why}"),
                    None => Ok(()),
                }
            }
            Self::Copied { to, before } => {
                let all = before.iter();
                let all = all.map(|rule| format!("{} ({})", rule.priority, rule.in_brief()));
                write!(f, "copied to {to}, before {}", listed(all))
            }
            Self::InFrontOfPart { rules, own } => {
                let all = rules.iter().map(|rule| format!("\"{rule}\""));
                write!(
                    f,
                    "for a part of the packets {} a rule that is not policy-table's comes before \
                     priority {}: {}",
                    own.selectors(),
                    own.priority,
                    listed(all)
                )
            }
            Self::Unserved {
                device, addresses, ..
            } => {
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
    ways: &mut dyn Reach,
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
            let why = None;
            remarks.push(Remark::InFront { rule, own, why });
        }
    }
    remarks.extend(in_front_of_parts(state, around));
    remarks.extend(table.and_then(|table| cut_off(stanza, state, table, around, ways)));
    remarks
}

/// The rules that take a part of what a stanza's rules are for, each told of once.
fn in_front_of_parts(state: &State, around: &Surroundings) -> Vec<Remark> {
    let mut told: HashSet<&Rule> = HashSet::new();
    let mut remarks = Vec::new();
    for own in walked_to(state) {
        let found = around.before_a_part(own).into_iter();
        let rules: Vec<Rule> = found.filter(|rule| told.insert(rule)).cloned().collect();
        if !rules.is_empty() {
            let own = own.clone();
            remarks.push(Remark::InFrontOfPart { rules, own });
        }
    }
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

/// Whether packets from a stanza's addresses go by its own table whatever they are for.
pub fn is_confined(stanza: &Stanza, state: &State, table: TableId) -> bool {
    confined(stanza, state, table).is_some()
}

/// The rule that has them do so.
fn confined<'a>(stanza: &Stanza, state: &'a State, table: TableId) -> Option<&'a Rule> {
    if !stanza.may_cut_off() {
        return None;
    }
    let derived = |rule: &&Rule| {
        rule.priority == stanza.priority
            && rule.from.is_some()
            && rule.action == Action::Lookup(table)
    };
    let own = walked_to(state).find(derived)?;
    // What is not in it falls through to main.
    let mut all = state.routes().iter();
    let takes_all = all.any(|route| route.table == table && route.destination.is_any());
    takes_all.then_some(own)
}

/// The networks of other interfaces that the table sends elsewhere, and the kernel to no other end:
/// somebody else may have put in what leads there. What main does not lead to either is no matter of
/// the mode: a network of a VRF, or one whose route somebody has taken out.
pub fn cut_off(
    stanza: &Stanza,
    state: &State,
    table: TableId,
    around: &Surroundings,
    ways: &mut dyn Reach,
) -> Option<Remark> {
    let own = confined(stanza, state, table)?;
    let source = source_of(stanza, state, own)?;
    let device = stanza.interface.device();
    let mut found: Vec<(Prefix, InterfaceName)> = Vec::new();
    for (network, other) in around.links.networks(stanza.family) {
        if *other == device
            || found.iter().any(|(known, _)| *known == network)
            || is_in_table(state, table, network)
            || is_decided_on(state, own, network)
            || around.main_is_asked(own, network)
        {
            continue;
        }
        let ask = &mut || is_lost(network, other, (source, table), &around.links, ways);
        // Of thousands of stanzas each would go on through thousands of networks to no end.
        let Some(is_lost) = known_as_lost(table, network, &around.links, ask) else {
            break;
        };
        if is_lost {
            found.push((network, other.clone()));
        }
        if found.len() > LISTED {
            break;
        }
    }
    (!found.is_empty()).then_some(Remark::CutOff(found))
}

/// One of the addresses that packets by a rule come from; a rule for a network tells of none, the
/// routes for it do.
fn source_of(stanza: &Stanza, state: &State, own: &Rule) -> Option<IpAddr> {
    let from = own.from?;
    let given = stanza.address.map(|given| given.address);
    let of_routes = state.routes().iter().filter_map(|route| route.source);
    let mut known = given.into_iter().chain(of_routes);
    let known = known.find(|address| from.contains(*address));
    Some(known.unwrap_or_else(|| from.address()))
}

/// Whether a table has a route of its own to all of a network.
fn is_in_table(state: &State, table: TableId, network: Prefix) -> bool {
    let mut routes = state.routes().iter();
    routes.any(|route| {
        let to = route.destination;
        let has_all = to.length() <= network.length() && to.contains(network.address());
        route.table == table && !to.is_any() && has_all
    })
}

/// Whether a rule of the stanza decides on a network before the table is looked up: it has main
/// looked up, or says where packets to it go.
fn is_decided_on(state: &State, own: &Rule, network: Prefix) -> bool {
    let to_it = Rule {
        to: Some(network),
        ..own.clone()
    };
    let mut rules = state.rules().iter();
    rules.any(|rule| {
        let is_about_it = rule.to.is_some() || rule.action == Action::Lookup(TableId::MAIN);
        rule.priority < own.priority && is_about_it && takes_all_of(rule, &to_it)
    })
}

/// Whether nothing leads to a network by a table; `None` where nobody may be asked any more. The kernel
/// tries rule after rule for an answer, and thousands of stanzas have thousands of rules: it is asked
/// once for each, and not without end, since a network that is not named does less harm than one that
/// is reached and named.
fn known_as_lost(
    table: TableId,
    network: Prefix,
    links: &Links,
    ask: &mut dyn FnMut() -> bool,
) -> Option<bool> {
    let known = links.lost.borrow().get(&(table, network)).copied();
    if known.is_some() || !may_ask(links) {
        return known;
    }
    let is_lost = ask();
    links.lost.borrow_mut().insert((table, network), is_lost);
    Some(is_lost)
}

/// Whether the kernel may be asked about one more network.
pub fn may_ask(links: &Links) -> bool {
    links.lost.borrow().len() < QUESTIONS
}

/// Whether a table keeps packets from an address from a network, while by main they get there.
fn is_lost(
    network: Prefix,
    device: &InterfaceName,
    (source, table): (IpAddr, TableId),
    links: &Links,
    ways: &mut dyn Reach,
) -> bool {
    let its_own = links.addresses.get(device).into_iter().flatten();
    let its_own: Vec<IpAddr> = its_own.map(|own| own.address).collect();
    for host in network.hosts().filter(|host| !its_own.contains(host)) {
        match ways.way(source, host) {
            Some((end, _)) if end == *device => return false,
            // That is this host itself, and says nothing of the others there.
            Some((end, _)) if end.as_str() == "lo" => {}
            // By a rule of somebody else.
            Some((_, by)) if by != table => return false,
            _ => return ways.main_has(host, device),
        }
    }
    false
}

/// The addresses of a device that no rule is about, each family's with the place of a stanza that
/// derives rules from addresses: if there is one, of the device's own rather than of an alias.
/// `is_known` says of which addresses something else is said, or known.
pub fn unserved(
    stanzas: &[(&Stanza, &State)],
    around: &Surroundings,
    is_known: &dyn Fn(IpAddr) -> bool,
) -> Vec<(usize, Remark)> {
    let rules = stanzas.iter().flat_map(|(_, state)| state.rules());
    let sources: BTreeSet<Prefix> = rules.filter_map(|rule| rule.from).collect();
    let mut told = Vec::new();
    for family in Family::ALL {
        let derive = stanzas.iter().enumerate().filter(|(_, (stanza, _))| {
            stanza.family == family && stanza.derives() && stanza.source != Source::None
        });
        let is_alias = |stanza: &Stanza| stanza.interface != stanza.interface.device();
        let Some((place, (stanza, _))) = derive.min_by_key(|(_, (stanza, _))| is_alias(stanza))
        else {
            continue;
        };
        let device = stanza.interface.device();
        let there = around.links.addresses.get(&device).into_iter().flatten();
        let there = there.map(|own| own.address);
        let addresses: Vec<IpAddr> = there
            .filter(|own| Family::of(*own) == family)
            .filter(|own| !is_inside(*own, &sources) && !is_known(*own))
            .collect();
        if !addresses.is_empty() {
            let by_alias = is_alias(stanza).then(|| stanza.interface.clone());
            let remark = Remark::Unserved {
                device,
                addresses,
                by_alias,
            };
            told.push((place, remark));
        }
    }
    told
}
