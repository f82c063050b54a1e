//! Whether two sets of rules lead every packet the same way, whatever their priorities.
//!
//! The kernel goes along the rules from the lowest priority to the highest. Only rules that one
//! packet can match both of, and that do different things, have an order that matters.

use std::net::IpAddr;

use crate::routing::{Action, Prefix, Rule};

/// Whether no packet gets as far as a rule on a host with these addresses: those to an address of
/// its own are found in table local by the kernel's rule of priority 0, and the rule is for no
/// others.
pub fn is_never_reached(rule: &Rule, own: &[IpAddr]) -> bool {
    let to_own = |to: Prefix| to.is_host() && own.contains(&to.address());
    rule.priority != 0
        && !rule.invert
        && rule.to.is_some_and(to_own)
        // `goto`, too, would act on packets that never come; of an unknown action nobody can tell.
        && !matches!(rule.action, Action::Other(_))
}

/// The rules that packets reach on a host with these addresses, in the order in which the kernel
/// tries them.
pub fn reached_in_order(rules: impl IntoIterator<Item = Rule>, own: &[IpAddr]) -> Vec<Rule> {
    let rules = rules.into_iter();
    in_order(rules.filter(|rule| !is_never_reached(rule, own)))
}

/// Rules in the order in which the kernel tries them: of equal priorities the older goes first,
/// that is, the earlier here. A rule that repeats an earlier one decides nothing and is left out.
fn in_order(rules: impl Iterator<Item = Rule>) -> Vec<Rule> {
    let mut sorted: Vec<Rule> = rules.collect();
    sorted.sort_by_key(|rule| rule.priority);
    let mut kept: Vec<Rule> = Vec::new();
    for rule in sorted {
        if !kept.iter().any(|earlier| earlier.same_but_priority(&rule)) {
            kept.push(rule);
        }
    }
    kept
}

/// Whether every packet fares alike along both: the same rules, and each two whose order matters
/// in the same order. Both are as `reached_in_order` has them.
pub fn same_walk(a: &[Rule], b: &[Rule]) -> bool {
    let place = |rule: &Rule| b.iter().position(|other| rule.same_but_priority(other));
    let places: Option<Vec<usize>> = a.iter().map(place).collect();
    let Some(places) = places.filter(|places| places.len() == b.len()) else {
        return false;
    };
    let mut pairs = a.iter().zip(&places).enumerate();
    pairs.all(|(n, (first, at))| {
        let mut behind = a.iter().zip(&places).skip(n + 1);
        behind.all(|(second, then)| at < then || !first.order_matters(second))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(line: &str) -> Rule {
        line.parse().unwrap()
    }

    #[test]
    fn a_walk_is_the_same_whatever_the_priorities_if_the_order_is() {
        let rules = |lines: &[&str]| in_order(lines.iter().map(|line| rule(line)));
        let a = rules(&[
            "pref 9 from 10.0.0.5 lookup 1",
            "pref 8 to 10.9.0.0/16 lookup 254",
        ]);
        let b = rules(&[
            "pref 700 from 10.0.0.5 lookup 1",
            "pref 600 to 10.9.0.0/16 lookup 254",
        ]);
        let reversed = rules(&[
            "pref 6 from 10.0.0.5 lookup 1",
            "pref 7 to 10.9.0.0/16 lookup 254",
        ]);
        let twice = rules(&[
            "pref 6 from 10.0.0.5 lookup 1",
            "pref 7 from 10.0.0.5 lookup 1",
        ]);
        assert!(same_walk(&a, &b) && !same_walk(&a, &reversed));
        assert!(!same_walk(&a, &twice) && !same_walk(&twice, &a));
        assert_eq!(twice.len(), 1);
    }

    #[test]
    fn packets_to_an_own_address_are_found_in_table_local_first() {
        let own = ["10.0.0.5".parse().unwrap()];
        let never = |line: &str| is_never_reached(&rule(line), &own);
        assert!(never("pref 9 to 10.0.0.5 lookup 1"));
        assert!(never("pref 9 from 10.9.0.0/16 to 10.0.0.5 blackhole"));
        assert!(!never("pref 0 to 10.0.0.5 lookup 1"));
        assert!(!never("pref 9 not to 10.0.0.5 lookup 1"));
        assert!(!never("pref 9 to 10.0.0.0/24 lookup 1"));
        assert!(!never("pref 9 from 10.0.0.5 lookup 1"));
    }
}
