//! Rules of two stanzas of which the order of `ifup` decides which counts.

use std::collections::BTreeMap;

use super::finding::{Code, Finding};
use super::stanza::{CheckedStanza, Policy};
use crate::routing::{Action, Family, Ports, Prefix, Rule};

/// A rule with the sources that it may match at most, and whose it is.
type Placed<'a> = (Prefix, &'a Rule, &'a CheckedStanza<'a>);

/// Rules of one priority that can match one packet and do different things to it.
pub fn clashes(subjects: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut levels: BTreeMap<(Family, u32), Vec<Placed<'_>>> = BTreeMap::new();
    for subject in subjects {
        let Some(policy) = &subject.policy else {
            continue;
        };
        for rule in policy.state.rules() {
            if !is_to_itself(rule, subject, policy) {
                let whole = Prefix::any(rule.family);
                let from = rule.from.filter(|_| !rule.invert).unwrap_or(whole);
                let level = levels.entry((rule.family, rule.priority)).or_default();
                level.push((from, rule, subject));
            }
        }
    }
    let mut findings = Vec::new();
    for mut level in levels.into_values() {
        // Of sorted prefixes those around one are on a stack when it comes.
        level.sort_by_key(|(from, _, _)| *from);
        let mut around: Vec<Placed<'_>> = Vec::new();
        for (from, rule, subject) in level {
            while around
                .last()
                .is_some_and(|(outer, _, _)| !outer.contains(from.address()))
            {
                around.pop();
            }
            let mut rivals = around.iter();
            // Of one address on two interfaces that itself is told.
            let one_address = |by: &CheckedStanza<'_>| {
                let address = |of: &CheckedStanza<'_>| of.address.map(|own| own.address);
                subject.is_beside(by)
                    && address(subject).is_some()
                    && address(subject) == address(by)
            };
            let rival = rivals.find(|(_, other, by)| {
                !std::ptr::eq(*by, subject)
                    && !one_address(by)
                    && differ(rule, other)
                    && overlap(rule, other)
            });
            if let Some((_, other, by)) = rival {
                findings.push(order(rule, subject, other, by));
            }
            around.push((from, rule, subject));
        }
    }
    findings
}

fn order(
    rule: &Rule,
    subject: &CheckedStanza<'_>,
    other: &Rule,
    by: &CheckedStanza<'_>,
) -> Finding {
    let text = format!(
        "the rule \"{}\" and \"{}\" of {} have priority {} and can match the same packet; \
         the first to come up is used",
        selectors(rule),
        selectors(other),
        by.named(),
        rule.priority
    );
    let place = subject.origin.of_first(&["policy-rule", "policy-table"]);
    Finding::at(Code::RuleOrder, place, text).hint("write priority in both rules")
}

/// A rule without its priority, its action and its protocol.
fn selectors(rule: &Rule) -> String {
    let line = rule.to_string();
    let words = line.split(' ').skip(2);
    let selectors = words.take_while(|word| {
        ![
            "lookup",
            "goto",
            "nop",
            "blackhole",
            "unreachable",
            "prohibit",
            "l3mdev",
        ]
        .contains(word)
    });
    selectors.collect::<Vec<_>>().join(" ")
}

/// The kernel finds an own address before it gets to the rule `to` it.
fn is_to_itself(rule: &Rule, subject: &CheckedStanza<'_>, policy: &Policy) -> bool {
    let own = |to: Prefix| {
        subject
            .address
            .is_some_and(|own| to == Prefix::host(own.address) || to == own.network())
    };
    rule.from.is_none() && rule.priority == policy.stanza.priority && rule.to.is_some_and(own)
}

fn differ(a: &Rule, b: &Rule) -> bool {
    let does = |rule: &Rule| (rule.action, rule.suppress_length, rule.suppress_group);
    does(a) != does(b) && a.action != Action::Nop && b.action != Action::Nop
}

fn overlap(a: &Rule, b: &Rule) -> bool {
    if a.invert || b.invert {
        return true;
    }
    let networks = |a: Prefix, b: Prefix| a.contains(b.address()) || b.contains(a.address());
    let range = |a: (u32, u32), b: (u32, u32)| a.0 <= b.1 && b.0 <= a.1;
    let ports = |a: Ports, b: Ports| a.first <= b.last && b.first <= a.last;
    let set = |value: u8| Some(value).filter(|value| *value != 0);
    let key = |value: u64| Some(value).filter(|value| *value != 0);
    let comes_in = |rule: &Rule| rule.iif.as_ref().is_some_and(|iif| iif.as_str() != "lo");
    both(a.to, b.to, networks)
        && both(a.mark, b.mark, |a, b| (a.0 ^ b.0) & a.1 & b.1 == 0)
        && both(a.iif.as_ref(), b.iif.as_ref(), |a, b| a == b)
        && both(a.oif.as_ref(), b.oif.as_ref(), |a, b| a == b)
        // A socket's packets come in by no device.
        && !(comes_in(a) && (b.oif.is_some() || b.users.is_some()))
        && !(comes_in(b) && (a.oif.is_some() || a.users.is_some()))
        && both(a.users, b.users, range)
        && both(a.ip_protocol, b.ip_protocol, |a, b| a == b)
        && both(a.sport, b.sport, ports)
        && both(a.dport, b.dport, ports)
        && both(set(a.tos), set(b.tos), |a, b| a == b)
        && both(a.dscp, b.dscp, |a, b| a == b)
        && both(a.flow_label, b.flow_label, |a, b| a == b)
        && both(key(a.tunnel), key(b.tunnel), |a, b| a == b)
}

/// Whether two selectors can both match; one that is absent matches all.
fn both<T>(a: Option<T>, b: Option<T>, agree: impl Fn(T, T) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => agree(a, b),
        _ => true,
    }
}
