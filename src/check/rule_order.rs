//! Rules of two stanzas that can match one packet and are of one priority: which of the two comes
//! first depends on the order in which the interfaces come up.

use std::collections::BTreeMap;

use super::finding::{Code, Finding};
use super::stanza::{CheckedStanza, Policy};
use crate::routing::{Action, Family, Prefix, Rule};

/// A rule, and whose it is.
#[derive(Clone, Copy)]
struct StanzaRule<'a> {
    /// The sources that it matches at most.
    from: Prefix,
    rule: &'a Rule,
    stanza: &'a CheckedStanza<'a>,
}

/// Rules of one priority that can match one packet and do different things to it.
pub fn clashes(stanzas: &[CheckedStanza<'_>]) -> Vec<Finding> {
    let mut levels: BTreeMap<(Family, u32), Vec<StanzaRule<'_>>> = BTreeMap::new();
    for stanza in stanzas {
        let Some(policy) = &stanza.policy else {
            continue;
        };
        for rule in policy.state.rules() {
            if !is_to_itself(rule, stanza, policy) {
                let whole = Prefix::any(rule.family);
                let from = rule.from.filter(|_| !rule.invert).unwrap_or(whole);
                let level = levels.entry((rule.family, rule.priority)).or_default();
                level.push(StanzaRule { from, rule, stanza });
            }
        }
    }
    levels.into_values().flat_map(of_level).collect()
}

/// The clashes among the rules of one priority.
fn of_level(mut level: Vec<StanzaRule<'_>>) -> Vec<Finding> {
    // In this order a prefix comes after all that contain it, and a stack has those around the last
    // one: no rule is held against all others.
    level.sort_by_key(|own| own.from);
    let mut around: Vec<StanzaRule<'_>> = Vec::new();
    let mut findings = Vec::new();
    for own in level {
        while around
            .last()
            .is_some_and(|outer| !outer.from.contains(own.from.address()))
        {
            around.pop();
        }
        if let Some(other) = around.iter().find(|other| clash(own, **other)) {
            findings.push(order(own, *other));
        }
        around.push(own);
    }
    findings
}

fn clash(own: StanzaRule<'_>, other: StanzaRule<'_>) -> bool {
    // What costs most comes last.
    !std::ptr::eq(own.stanza, other.stanza)
        && differ(own.rule, other.rule)
        && own.rule.may_meet(other.rule)
        && !have_one_address(own.stanza, other.stanza)
}

/// Whether two interfaces have one address, which is reported as that.
fn have_one_address(a: &CheckedStanza<'_>, b: &CheckedStanza<'_>) -> bool {
    let address = |of: &CheckedStanza<'_>| of.address.map(|own| own.address);
    a.is_on_other_device(b) && address(a).is_some() && address(a) == address(b)
}

fn order(own: StanzaRule<'_>, other: StanzaRule<'_>) -> Finding {
    let text = format!(
        "the rule \"{}\" and \"{}\" of {} have priority {} and can match the same packet; \
         only the first is used",
        own.rule.selectors(),
        other.rule.selectors(),
        other.stanza.named(),
        own.rule.priority
    );
    let options = ["policy-rule", "policy-table"];
    let place = own.stanza.written.of_first(&options);
    Finding::at(Code::RuleOrder, place, text).hint("write priority in both rules")
}

/// Whether a rule is the derived one `to` the stanza's own address. It decides little: the kernel has
/// looked that address up in table local before.
fn is_to_itself(rule: &Rule, stanza: &CheckedStanza<'_>, policy: &Policy) -> bool {
    let own = |to: Prefix| {
        stanza
            .address
            .is_some_and(|own| to == Prefix::host(own.address) || to == own.network())
    };
    rule.from.is_none() && rule.priority == policy.stanza.priority && rule.to.is_some_and(own)
}

/// Whether two rules do different things to a packet.
fn differ(a: &Rule, b: &Rule) -> bool {
    let does = |rule: &Rule| (rule.action, rule.suppress_length, rule.suppress_group);
    does(a) != does(b) && a.action != Action::Nop && b.action != Action::Nop
}
