//! Rules of two stanzas of which the order of `ifup` decides which counts.

use std::collections::BTreeMap;

use super::finding::{Code, Finding};
use super::stanza::{CheckedStanza, Policy};
use crate::routing::{Action, Family, Prefix, Rule};

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
            // One address on two interfaces is reported as that.
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
                    && rule.may_meet(other)
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
        rule.selectors(),
        other.selectors(),
        by.named(),
        rule.priority
    );
    let place = subject.origin.of_first(&["policy-rule", "policy-table"]);
    Finding::at(Code::RuleOrder, place, text).hint("write priority in both rules")
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
