//! What options have to do in the place of a stanza's lines, and whether they do it.

use std::net::IpAddr;

use crate::migrate::lines::{ScriptedStanza, SpelledRoute, SpelledRule};
use crate::migrate::replay::Effect;
use crate::migrate::same_walk::{is_never_reached, reached_in_order, same_walk};
use crate::routing::{Action, InterfaceAddress, Route, State, TableId};
use crate::stanza::own_address;

/// What a stanza's lines leave, of those that are to be replaced.
pub struct Goal {
    /// The routes.
    pub routes: Vec<SpelledRoute>,
    /// The rules in the order in which the kernel tries them, each with the place of its line.
    pub rules: Vec<(usize, SpelledRule)>,
    /// The address that the stanza says it has.
    pub own: Option<InterfaceAddress>,
}

impl Goal {
    /// The goal of a stanza, by its place among all.
    pub fn of(effect: &Effect, s: usize, stanza: &ScriptedStanza) -> Self {
        let routes = effect.routes.of_stanza(s);
        let mut in_order: Vec<_> = effect.rules.of_stanza(s).collect();
        in_order.sort_by_key(|rule| rule.what.rule.priority);
        let mut rules: Vec<(usize, SpelledRule)> = Vec::new();
        for (what, line) in in_order.into_iter().map(|rule| (&rule.what, &rule.line)) {
            let mut earlier = rules.iter();
            if !earlier.any(|(_, earlier)| earlier.rule.same_but_priority(&what.rule)) {
                rules.push((line.line, what.clone()));
            }
        }
        Self {
            routes: routes.map(|route| route.what.clone()).collect(),
            rules,
            own: own_address(&stanza.call),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.rules.is_empty()
    }

    /// The tables that it is about and that may be a stanza's own.
    pub fn tables(&self) -> Vec<TableId> {
        let of_routes = self.routes.iter().map(|spelled| spelled.route.table);
        let of_rules = self
            .rules
            .iter()
            .filter_map(|(_, spelled)| match spelled.rule.action {
                Action::Lookup(table) => Some(table),
                _ => None,
            });
        let mut tables: Vec<TableId> = Vec::new();
        for table in of_routes.chain(of_rules) {
            if TableId::of_policy(table.number()).is_ok() && !tables.contains(&table) {
                tables.push(table);
            }
        }
        tables
    }

    /// Whether a state is what the lines left: the same routes, and rules that lead every packet
    /// the same way, with the priorities that were given.
    pub fn is_met_by(&self, state: &State) -> bool {
        let mut left: Vec<&Route> = self.routes.iter().map(|spelled| &spelled.route).collect();
        let mut found: Vec<&Route> = state.routes().iter().collect();
        left.sort();
        found.sort();
        let own: Vec<IpAddr> = self.own.iter().map(|own| own.address).collect();
        let rules = self.rules.iter().map(|(_, spelled)| spelled);
        let before = reached_in_order(rules.clone().map(|spelled| spelled.rule.clone()), &own);
        let after = reached_in_order(state.rules().to_vec(), &own);
        let mut fixed = rules.filter(|spelled| spelled.given.priority);
        left == found
            && same_walk(&before, &after)
            && fixed.all(|spelled| {
                is_never_reached(&spelled.rule, &own) || after.contains(&spelled.rule)
            })
    }
}
