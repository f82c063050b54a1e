//! Whether options keep the order in which the kernel tries the rules of several stanzas.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::migrate::lines::{ScriptedStanza, SpelledRule};
use crate::migrate::replay::Entries;
use crate::migrate::same_walk::is_never_reached;
use crate::routing::{InterfaceName, Prefix, Rule};
use crate::stanza::own_address;

/// A rule of a stanza, and when the kernel tries it: with the lines, and with the options.
struct TriedRule<'a> {
    stanza: usize,
    rule: &'a Rule,
    before: (u32, usize),
    after: (u32, usize, usize),
}

impl TriedRule<'_> {
    /// Whether the order of two has to be kept and is not.
    fn is_disordered(&self, other: &Self) -> bool {
        (self.before < other.before) != (self.after < other.after)
            && self.stanza != other.stanza
            && self.rule.order_matters(other.rule)
    }
}

/// Pairs of stanzas whose rules the kernel would try in another order than it does with their
/// lines. `left` is what the lines leave, `found` has for each stanza the rules that its options
/// make; none where it has no options. Not all such pairs, of which there can be the square of the
/// rules: for each rule the first that comes behind it and the last that comes before it.
pub fn disordered(
    stanzas: &[ScriptedStanza],
    left: &Entries<SpelledRule>,
    found: &[Option<&[Rule]>],
) -> Vec<(usize, usize)> {
    let rules = placed(stanzas, left, found);
    if is_in_order(&rules) {
        return Vec::new();
    }
    let kinds = BySelector::of(&rules);
    let pairs = rules.iter().enumerate().flat_map(|(n, rule)| {
        let lists = || kinds.that_may_meet(rule.rule);
        let is_disordered = |other: &&usize| {
            let other = rules.get(**other);
            other.is_some_and(|other| rule.is_disordered(other))
        };
        let behind = lists().filter_map(|list| {
            let (_, behind) = list.split_at(list.partition_point(|other| *other <= n));
            behind.iter().find(is_disordered)
        });
        let before = lists().filter_map(|list| {
            let (before, _) = list.split_at(list.partition_point(|other| *other < n));
            before.iter().rev().find(is_disordered)
        });
        let pair =
            |one: usize, other: usize| Some((rules.get(one)?.stanza, rules.get(other)?.stanza));
        let behind = behind.min().and_then(|other| pair(n, *other));
        let before = before.max().and_then(|other| pair(*other, n));
        [
            behind.map(|pair| (false, pair)),
            before.map(|pair| (true, pair)),
        ]
    });
    let mut pairs: Vec<_> = pairs.flatten().collect();
    // The reason why a stanza's lines stay is the first that comes behind them.
    pairs.sort_by_key(|(is_before, _)| *is_before);
    pairs.into_iter().map(|(_, pair)| pair).collect()
}

/// The rules of which options make one that packets reach, in the order in which lines put them in.
fn placed<'a>(
    stanzas: &[ScriptedStanza],
    left: &'a Entries<SpelledRule>,
    found: &[Option<&[Rule]>],
) -> Vec<TriedRule<'a>> {
    let mut placed = Vec::new();
    for (n, rule) in left.iter().enumerate() {
        let stanza = rule.line.stanza;
        let own = &rule.what.rule;
        if repeats(own, stanza, left) {
            continue;
        }
        placed.extend(place(stanzas, own, stanza, found).map(|after| TriedRule {
            stanza,
            rule: own,
            before: (own.priority, n),
            after,
        }));
    }
    placed
}

/// Whether all are tried in the same order before and after.
fn is_in_order(rules: &[TriedRule<'_>]) -> bool {
    let mut by_before: Vec<&TriedRule<'_>> = rules.iter().collect();
    by_before.sort_by_key(|rule| rule.before);
    by_before.is_sorted_by_key(|rule| rule.after)
}

/// Whether a rule stands behind an equal one of its stanza: the kernel comes to that first, and
/// never acts on this one.
fn repeats(own: &Rule, stanza: usize, all: &Entries<SpelledRule>) -> bool {
    let mut others = all.of_stanza(stanza).map(|other| &other.what.rule);
    others.any(|other| other.priority < own.priority && other.same_but_priority(own))
}

/// Where the kernel tries a rule with the options found; `None` for one that no packet reaches.
fn place(
    stanzas: &[ScriptedStanza],
    rule: &Rule,
    s: usize,
    found: &[Option<&[Rule]>],
) -> Option<(u32, usize, usize)> {
    let own = own_address(&stanzas.get(s)?.call);
    let own: Vec<IpAddr> = own.iter().map(|own| own.address).collect();
    if is_never_reached(rule, &own) {
        return None;
    }
    let made = (*found.get(s)?)?.iter().enumerate();
    let same = made.filter(|(_, made)| made.same_but_priority(rule));
    same.map(|(at, made)| (made.priority, s, at)).min()
}

/// Rules by what they select: two of one kind that select different things never see one packet.
#[derive(Default)]
struct BySelector<'a> {
    kinds: HashMap<Option<SelectorKind>, Vec<usize>>,
    alike: HashMap<Selector<'a>, Vec<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum SelectorKind {
    From,
    To,
    Mark(u32),
    Iif,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Selector<'a> {
    From(Prefix),
    To(Prefix),
    Mark(u32, u32),
    Iif(&'a InterfaceName),
}

impl Selector<'_> {
    fn kind(&self) -> SelectorKind {
        match self {
            Self::From(_) => SelectorKind::From,
            Self::To(_) => SelectorKind::To,
            Self::Mark(_, mask) => SelectorKind::Mark(*mask),
            Self::Iif(_) => SelectorKind::Iif,
        }
    }
}

/// What sets a rule apart from others of its kind.
fn selector(rule: &Rule) -> Option<Selector<'_>> {
    if rule.invert {
        return None;
    }
    let host = |prefix: Option<Prefix>| prefix.filter(Prefix::is_host);
    let from = host(rule.from).map(Selector::From);
    let mark = rule.mark.map(|(mark, mask)| Selector::Mark(mark, mask));
    from.or(host(rule.to).map(Selector::To))
        .or(mark)
        .or(rule.iif.as_ref().map(Selector::Iif))
}

impl<'a> BySelector<'a> {
    fn of(rules: &[TriedRule<'a>]) -> Self {
        let mut kinds = Self::default();
        for (n, rule) in rules.iter().enumerate() {
            let selector = selector(rule.rule);
            let kind = selector.as_ref().map(Selector::kind);
            kinds.kinds.entry(kind).or_default().push(n);
            if let Some(selector) = selector {
                kinds.alike.entry(selector).or_default().push(n);
            }
        }
        kinds
    }

    /// Lists of those that may see a packet that a rule sees, each in order.
    fn that_may_meet<'b>(&'b self, rule: &'b Rule) -> impl Iterator<Item = &'b [usize]> {
        let selector = selector(rule);
        let kind = selector.as_ref().map(Selector::kind);
        let alike = selector.and_then(|selector| self.alike.get(&selector));
        let others = self.kinds.iter();
        let others = others.filter(move |(other, _)| kind.is_none() || **other != kind);
        others.map(|(_, list)| list).chain(alike).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_one_kind_that_may_meet_are_found() {
        let lines = [
            "pref 1 from 10.0.0.1 lookup 1",
            "pref 1 from 10.0.0.2 lookup 2",
            "pref 1 from 10.0.0.1 fwmark 1 lookup 3",
            "pref 1 to 10.9.0.0/16 lookup 4",
            "pref 1 fwmark 1 lookup 5",
            "pref 1 fwmark 2 lookup 6",
            "pref 1 fwmark 2/0xf lookup 7",
            "pref 1 not from 10.0.0.1 lookup 8",
            "pref 1 iif eth1 lookup 9",
            "pref 1 iif eth2 lookup 10",
            "pref 1 to 10.9.0.1 lookup 11",
        ];
        let rules: Vec<Rule> = lines.iter().map(|line| line.parse().unwrap()).collect();
        let placed = rules.iter().enumerate().map(|(n, rule)| TriedRule {
            stanza: n,
            rule,
            before: (rule.priority, n),
            after: (rule.priority, n, 0),
        });
        let kinds = BySelector::of(&placed.collect::<Vec<_>>());
        for (n, one) in rules.iter().enumerate() {
            let found: Vec<usize> = kinds.that_may_meet(one).flatten().copied().collect();
            for (m, other) in rules.iter().enumerate().filter(|(m, _)| *m != n) {
                assert!(found.contains(&m) || !one.may_meet(other), "{one} {other}");
            }
            // Of its kind there is another one that it cannot meet, but for these.
            let is_alone = [3, 6, 7, 10].contains(&n);
            assert_eq!(found.len() == rules.len(), is_alone, "{one}");
        }
    }
}
