//! Whether options keep the order in which the kernel tries the rules of several stanzas.

use std::net::IpAddr;

use crate::migrate::lines::{ScriptedStanza, SpelledRule};
use crate::migrate::replay::FromLine;
use crate::migrate::same_walk::is_never_reached;
use crate::routing::Rule;
use crate::stanza::own_address;

/// The pairs of stanzas whose rules the kernel would try in another order than it does with their
/// lines. `left` is what the lines leave, `found` has for each stanza the rules that its options
/// make; none where it has no options.
pub fn disordered(
    stanzas: &[ScriptedStanza],
    left: &[FromLine<SpelledRule>],
    found: &[Option<&[Rule]>],
) -> Vec<(usize, usize)> {
    let mut disordered = Vec::new();
    let rules = left.iter().filter(|rule| !repeats(rule, left));
    let rules: Vec<&FromLine<SpelledRule>> = rules.collect();
    let before = |rule: &FromLine<SpelledRule>, n: usize| (rule.what.rule.priority, n);
    for (n, a) in rules.iter().enumerate() {
        for (m, b) in rules.iter().enumerate().skip(n + 1) {
            let (s, t) = (a.line.stanza, b.line.stanza);
            if s == t || !a.what.rule.order_matters(&b.what.rule) {
                continue;
            }
            let after = |rule| place(stanzas, rule, found);
            let (Some(a_after), Some(b_after)) = (after(a), after(b)) else {
                continue;
            };
            if (before(a, n) < before(b, m)) != (a_after < b_after) {
                disordered.push((s, t));
            }
        }
    }
    disordered
}

/// Whether a rule stands behind an equal one of its stanza: the kernel comes to that first, and
/// never acts on this one.
fn repeats(rule: &FromLine<SpelledRule>, all: &[FromLine<SpelledRule>]) -> bool {
    let own = &rule.what.rule;
    let mut others = all
        .iter()
        .filter(|other| other.line.stanza == rule.line.stanza);
    others.any(|other| {
        other.what.rule.priority < own.priority && other.what.rule.same_but_priority(own)
    })
}

/// Where the kernel tries a rule with the options found; `None` for one that no packet reaches.
fn place(
    stanzas: &[ScriptedStanza],
    rule: &FromLine<SpelledRule>,
    found: &[Option<&[Rule]>],
) -> Option<(u32, usize, usize)> {
    let s = rule.line.stanza;
    let own = own_address(&stanzas.get(s)?.call);
    let own: Vec<IpAddr> = own.iter().map(|own| own.address).collect();
    if is_never_reached(&rule.what.rule, &own) {
        return None;
    }
    let made = (*found.get(s)?)?.iter().enumerate();
    let same = made.filter(|(_, made)| made.same_but_priority(&rule.what.rule));
    same.map(|(at, made)| (made.priority, s, at)).min()
}
