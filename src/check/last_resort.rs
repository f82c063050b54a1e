//! Default routes that drop packets, the last resorts of tables: where they refuse what a later rule
//! would let through, and where they do not refuse what they are meant to.
//!
//! `suppress_prefixlength` holds for routes that lead somewhere: one that drops packets is taken,
//! however short (measured on 6.18). A stanza with `policy-mode main` has two rules of that kind, and
//! makes rules of its own last resort; one that comes from elsewhere it cannot see.

use std::collections::HashMap;

use super::finding::{Code, Finding, Span};
use super::stanza::{CheckedStanza, Policy};
use crate::routing::syntax::ListedRoute;
use crate::routing::{Action, Family, Kind, Route, TableId};
use crate::stanza::{Mode, Source};

/// A rule's look at a table that is to pass over its shortest routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Passing {
    pub family: Family,
    pub table: TableId,
    /// Routes of this length and shorter are passed over.
    pub length: u32,
}

impl Passing {
    /// Whether a route is taken all the same.
    pub fn is_stopped_by(self, route: &Route) -> bool {
        drops(route.kind)
            && route.family() == self.family
            && route.table == self.table
            && u32::from(route.destination.length()) <= self.length
    }
}

/// What drops packets, and does not send them back to the rules.
pub const DROPPING: [Kind; 3] = [Kind::UNREACHABLE, Kind::BLACKHOLE, Kind::PROHIBIT];

fn drops(kind: Kind) -> bool {
    DROPPING.contains(&kind)
}

/// The looks of a stanza's rules. Those that it derives are there though its address is not known
/// yet.
pub fn passing(policy: &Policy) -> Vec<Passing> {
    let family = policy.stanza.family;
    let by_main = policy.stanza.mode == Mode::Main
        && policy.stanza.derives()
        && policy.stanza.source != Source::None;
    let derived = [(policy.table, 0), (Some(TableId::MAIN), 1)];
    let derived = derived.into_iter().filter(|_| by_main);
    let derived = derived.filter_map(|(table, length)| {
        table.map(|table| Passing {
            family,
            table,
            length,
        })
    });
    let rules = policy.state.rules().iter();
    let said = rules.filter_map(|rule| match (rule.action, rule.suppress_length) {
        (Action::Lookup(table), Some(length)) => Some(Passing {
            family: rule.family,
            table,
            length,
        }),
        _ => None,
    });
    let mut all: Vec<Passing> = Vec::new();
    for passing in derived.chain(said) {
        if !all.contains(&passing) {
            all.push(passing);
        }
    }
    all
}

/// What stanzas' last resorts do to rules, of their own stanza and of others.
pub fn clashes(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut findings = stopped(stanzas);
    findings.extend(let_through(stanzas));
    findings
}

/// Routes that drop packets in a table that a rule is to pass over.
fn stopped(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    // Of each family and table the look that passes over most, and the first stanza that has it.
    let mut widest: HashMap<(Family, TableId), (Passing, &CheckedStanza<'_>)> = HashMap::new();
    for (stanza, policy) in policies(stanzas) {
        for passing in passing(policy) {
            let key = (passing.family, passing.table);
            let held = widest.entry(key).or_insert((passing, stanza));
            if held.0.length < passing.length {
                *held = (passing, stanza);
            }
        }
    }
    let mut findings = Vec::new();
    for (stanza, policy) in policies(stanzas) {
        let held = policy.state.routes().iter().find_map(|route| {
            let (passing, of) = widest.get(&(route.family(), route.table))?;
            passing.is_stopped_by(route).then_some((route, of))
        });
        if let Some((route, of)) = held {
            let whose = if std::ptr::eq(*of, stanza) {
                "this stanza".to_owned()
            } else {
                of.named()
            };
            let place = stanza.written.of_first(&["policy-route", "policy-table"]);
            findings.push(refuses(route, &whose, place));
        }
    }
    findings
}

fn refuses(route: &Route, whose: &str, place: Span) -> Finding {
    let text = format!(
        "\"{}\" is taken by the rule of {whose} with suppress_prefixlength on that table, which \
         passes over no route that drops packets: it refuses what later rules know",
        ListedRoute {
            route,
            sources: None
        }
    );
    Finding::at(Code::Stopped, place, text).hint(
        "write it into the stanza with policy-mode main, which makes a rule of it, or a \
         policy-rule that drops in its place",
    )
}

/// Rules that look up to the end a table whose last resort is rules of another stanza.
fn let_through(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut by_rules: HashMap<(Family, TableId), &CheckedStanza<'_>> = HashMap::new();
    for (stanza, policy) in policies(stanzas) {
        if let Some(table) = policy.table.filter(|_| policy.refuses_by_rules) {
            let key = (policy.stanza.family, table);
            by_rules.entry(key).or_insert(stanza);
        }
    }
    let mut findings = Vec::new();
    for (stanza, policy) in policies(stanzas) {
        if policy.refuses_by_rules || has_last_resort(policy) {
            continue;
        }
        let own = policy.table.filter(|_| policy.stanza.derives());
        let own = own.filter(|_| policy.stanza.source != Source::None);
        let own = own.map(|table| (policy.stanza.family, table));
        let rules = policy.state.rules().iter();
        let looked_up = rules.filter_map(|rule| match rule.action {
            Action::Lookup(table) if rule.suppress_length.is_none() => Some((rule.family, table)),
            _ => None,
        });
        let first = own
            .into_iter()
            .chain(looked_up)
            .find_map(|key| by_rules.get(&key));
        if let Some(of) = first {
            let text = format!(
                "the default route that drops packets is, by policy-mode main of {}, rules for \
                 what that stanza selects: what this one brings to the table goes on to the main \
                 table when its default route is gone",
                of.named()
            );
            let place = stanza.written.of_first(&["policy-rule", "policy-table"]);
            findings.push(
                Finding::at(Code::LetThrough, place, text)
                    .hint("write that policy-route here as well, if this stanza has the table"),
            );
        }
    }
    findings
}

/// Whether the stanza's table gets a default route that drops packets.
fn has_last_resort(policy: &Policy) -> bool {
    let mut routes = policy.state.routes().iter();
    routes.any(|route| {
        drops(route.kind) && route.destination.is_any() && Some(route.table) == policy.table
    })
}

fn policies<'a>(
    stanzas: &'a [CheckedStanza<'a>],
) -> impl Iterator<Item = (&'a CheckedStanza<'a>, &'a Policy)> {
    let with = stanzas.iter();
    with.filter_map(|stanza| Some((stanza, stanza.policy.as_ref()?)))
}
