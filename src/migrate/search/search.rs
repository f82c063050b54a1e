//! The shortest options with the same effect as lines.
//!
//! Forms of options are tried from the shortest to write to the longest, and each try is judged by
//! what `ifup` would put in for it, which has to be what the lines leave, routes and rules alike.

use super::between_stanzas::disordered;
use super::fill_in::fill_in;
use super::forms::{all_forms, Form};
use super::goal::Goal;
use super::option_value::NewOption;
use super::reckon::reckon;
use crate::ifupdown::HookCall;
use crate::migrate::lines::{ScriptedStanza, WhyItStays};
use crate::migrate::replay::{left_by_lines, taking_out, Fate, Fates, LeftByLine, TakingOut};
use crate::routing::syntax::TableNames;
use crate::routing::Rule;

/// What becomes of the lines of a file, and what comes in their place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// For each stanza, what becomes of its lines.
    pub fates: Vec<Vec<Fate>>,
    /// For each stanza, its new options.
    pub options: Vec<Vec<NewOption>>,
    /// For each stanza, the commands that take out what its lines have put in.
    pub taking_out: Vec<Vec<TakingOut>>,
    /// All that they have put in.
    pub left: Vec<LeftByLine>,
}

/// Finds the options that do what lines do. `names` knows the tables that lines name.
pub fn migrate(stanzas: &[ScriptedStanza], names: TableNames<'_>) -> Migration {
    let mut search = Search {
        fates: Fates::of(stanzas, names),
        names,
        numbered: vec![false; stanzas.len()],
        found: Vec::new(),
    };
    while search.again() {}
    let left = left_by_lines(&search.fates.effect);
    let taking_out = taking_out(&search.fates.effect, stanzas.len());
    let found = search.found.into_iter();
    let options = found.map(|found| found.map_or_else(Vec::new, |found| found.options));
    Migration {
        options: options.collect(),
        taking_out,
        left,
        fates: search.fates.by_stanza,
    }
}

/// Options that were found to do it, and the rules they make.
struct FoundOptions {
    options: Vec<NewOption>,
    rules: Vec<Rule>,
}

struct Search<'a> {
    fates: Fates<'a>,
    names: TableNames<'a>,
    /// The stanzas whose rules need their numbers, because of those of other stanzas.
    numbered: Vec<bool>,
    /// What was found for each stanza; `None` where there is nothing to do, or no way to do it.
    found: Vec<Option<FoundOptions>>,
}

impl Search<'_> {
    /// Looks for options for all stanzas; `true` if it has to be done again, since lines of one
    /// have to stay or its rules need numbers.
    fn again(&mut self) -> bool {
        self.found.clear();
        let mut changed = false;
        // What stays is given its priorities when it runs, and numbers would not fit to them. What
        // has to stay from here on is seen the next time.
        let allows_numbers = !self.fates.has_rules_that_stay();
        for (s, stanza) in self.fates.stanzas().iter().enumerate() {
            let goal = Goal::of(&self.fates.effect, s, stanza);
            let found = self.best(s, &stanza.call, &goal, allows_numbers);
            if found.is_none() && !goal.is_empty() {
                changed |= self.fates.stay_all(s, &WhyItStays::Inexpressible);
            }
            self.found.push(found);
        }
        changed |= self.keep_order();
        if changed {
            self.fates.follow();
        }
        changed
    }

    /// The shortest of the options that do it; with numbers, or without a table, only where no
    /// others do.
    fn best(
        &self,
        s: usize,
        call: &HookCall,
        goal: &Goal,
        allows_numbers: bool,
    ) -> Option<FoundOptions> {
        if goal.is_empty() {
            return None;
        }
        let needs_numbers = self.numbered.get(s).copied().unwrap_or_default();
        let forms = all_forms(&goal.tables()).into_iter().filter(|form| {
            if form.numbered {
                allows_numbers
            } else {
                !needs_numbers
            }
        });
        let found = forms.filter_map(|form| {
            let options = fill_in(form, call, goal, self.names)?;
            Some((form, self.judge(call, goal, options)?))
        });
        let cost = |form: &Form, found: &FoundOptions| {
            let is_reordered = !form.as_written;
            (
                form.table.is_none(),
                form.numbered,
                found.options.len(),
                is_reordered,
            )
        };
        let (_, best) = found.min_by_key(|(form, found)| cost(form, found))?;
        Some(self.without_needless(call, goal, best))
    }

    /// Options with the rules they make, if they do it.
    fn judge(&self, call: &HookCall, goal: &Goal, options: Vec<NewOption>) -> Option<FoundOptions> {
        let state = reckon(call, &options, self.names)?;
        goal.is_met_by(&state).then(|| FoundOptions {
            options,
            rules: state.rules().to_vec(),
        })
    }

    /// Leaves out what says how to derive something where the rest does it, too.
    fn without_needless(
        &self,
        call: &HookCall,
        goal: &Goal,
        mut best: FoundOptions,
    ) -> FoundOptions {
        for name in ["policy-mode", "policy-source", "policy-gateway"] {
            let mut fewer = best.options.clone();
            fewer.retain(|option| option.name != name);
            let fewer = self.judge(call, goal, fewer);
            // More rules of the same effect are nothing that is easier to read.
            if let Some(fewer) = fewer.filter(|fewer| fewer.rules.len() <= best.rules.len()) {
                best = fewer;
            }
        }
        best
    }

    /// Holds the rules of the stanzas against each other; `true` if some need their numbers, or
    /// have to stay as lines.
    fn keep_order(&mut self) -> bool {
        let found = self.found.iter();
        let found: Vec<Option<&[Rule]>> = found
            .map(|found| found.as_ref().map(|found| found.rules.as_slice()))
            .collect();
        let stanzas = self.fates.stanzas();
        let pairs = disordered(stanzas, &self.fates.effect.rules, &found);
        let mut changed = false;
        for s in pairs.iter().flat_map(|(s, t)| [*s, *t]) {
            if let Some(numbered @ false) = self.numbered.get_mut(s) {
                *numbered = true;
                changed = true;
            }
        }
        // With numbers it is tried again before lines have to stay.
        if !changed {
            for (s, t) in pairs {
                let other = stanzas.get(t).map_or("", |other| &other.call.interface);
                let reason = WhyItStays::Order(other.to_owned());
                changed |= self.fates.stay_all(s, &reason);
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::TableId;

    fn options(stanzas: &[ScriptedStanza]) -> Vec<String> {
        let names = |name: &str| match name {
            "isp" => Some(TableId::numbered(102)),
            "new" => Some(TableId::numbered(20000)),
            _ => None,
        };
        let migration = migrate(stanzas, &names);
        let lines = |options: &Vec<NewOption>| {
            let lines = options.iter().map(NewOption::to_string);
            lines.collect::<Vec<_>>().join("\n")
        };
        let stays = migration
            .fates
            .iter()
            .flatten()
            .filter_map(|fate| match fate {
                Fate::Stays(reason) => Some(format!("stays: {reason}")),
                _ => None,
            });
        migration.options.iter().map(lines).chain(stays).collect()
    }

    const CONNECTED: &str = "up ip route add 10.20.0.0/24 dev eth1 src 10.20.0.10 table 102";
    const DEFAULT: &str = "up ip route add default via 10.20.0.1 dev eth1 table 102";
    const FROM: &str = "up ip rule add from 10.20.0.10 lookup 102";

    fn eth1(lines: &[&str]) -> String {
        let found = options(&[ScriptedStanza::of_lines("eth1", "10.20.0.10/24", lines)]);
        found.join("\n")
    }

    #[test]
    fn the_plain_stanza_is_preferred() {
        assert_eq!(
            eth1(&[CONNECTED, DEFAULT, FROM]),
            "policy-table 102\npolicy-gateway 10.20.0.1"
        );
        assert_eq!(
            eth1(&[
                CONNECTED,
                DEFAULT,
                "up ip rule add from 10.20.0.10 table isp pref 900"
            ]),
            "policy-table isp\npolicy-gateway 10.20.0.1\npolicy-priority 900"
        );
        assert_eq!(
            eth1(&[
                CONNECTED,
                FROM,
                "up ip rule add to 10.96.0.0/12 lookup main",
                "up ip rule add fwmark 7 lookup 102 priority 100",
                "up ip route add 10.30.0.0/16 via 10.20.0.2 dev eth1 table 102",
            ]),
            "policy-table 102\npolicy-gateway none\n\
             policy-rule to 10.96.0.0/12 lookup main\npolicy-rule fwmark 7 priority 100\n\
             policy-route 10.30.0.0/16 via 10.20.0.2"
        );
        assert_eq!(
            eth1(&[
                CONNECTED,
                DEFAULT,
                "up ip rule add from 10.20.0.10 lookup 102 suppress_prefixlength 0 pref 800",
                "up ip rule add from 10.20.0.10 lookup main suppress_prefixlength 1 pref 900",
                "up ip rule add from 10.20.0.10 lookup 102 pref 1000",
            ]),
            "policy-table 102\npolicy-gateway 10.20.0.1\npolicy-mode main\npolicy-priority 1000"
        );
    }

    #[test]
    fn what_would_be_derived_beyond_the_lines_is_not() {
        // Without its network in the table neighbours are reached through the router.
        assert_eq!(
            eth1(&[DEFAULT, FROM]),
            "policy-rule from 10.20.0.10 lookup 102\npolicy-route default via 10.20.0.1 table 102"
        );
        // Without src the route is another one.
        assert_eq!(
            eth1(&[
                "up ip route add 10.20.0.0/24 dev eth1 table isp",
                DEFAULT,
                FROM
            ]),
            "policy-table isp\npolicy-gateway 10.20.0.1\npolicy-route 10.20.0.0/24"
        );
        // A rule to the network would be one too many.
        assert_eq!(
            eth1(&[
                CONNECTED,
                DEFAULT,
                "up ip rule add from 10.20.0.0/24 lookup 102"
            ]),
            "policy-table 102\npolicy-gateway 10.20.0.1\npolicy-source none\n\
             policy-rule from 10.20.0.0/24"
        );
        assert_eq!(
            eth1(&[
                CONNECTED,
                DEFAULT,
                "up ip rule add from 10.20.0.0/24 lookup 102",
                "up ip rule add to 10.20.0.0/24 lookup 102",
            ]),
            "policy-table 102\npolicy-gateway 10.20.0.1\npolicy-source subnet"
        );
        assert_eq!(
            eth1(&["up ip route add default via 10.20.0.1"]),
            "policy-route default via 10.20.0.1 table main"
        );
    }

    #[test]
    fn the_order_of_rules_is_kept() {
        // The later one goes first, so the exception was of no use before, either.
        assert_eq!(
            eth1(&[
                "up ip rule add to 10.96.0.0/12 lookup main",
                CONNECTED,
                DEFAULT,
                FROM
            ]),
            "policy-table 102\npolicy-gateway 10.20.0.1\npolicy-source none\n\
             policy-rule from 10.20.0.10\npolicy-rule to 10.96.0.0/12 lookup main"
        );
        let two = [
            ScriptedStanza::of_lines(
                "eth1",
                "10.20.0.10/24",
                &[
                    "up ip route add default dev eth1 table 1",
                    "up ip rule add fwmark 1 lookup 1",
                ],
            ),
            ScriptedStanza::of_lines(
                "eth2",
                "10.30.0.10/24",
                &[
                    "up ip route add default dev eth2 table 2",
                    "up ip rule add from 10.30.0.10 lookup 2",
                ],
            ),
        ];
        assert_eq!(
            options(&two),
            [
                "policy-rule priority 32765 fwmark 1 lookup 1\npolicy-route default table 1",
                "policy-rule priority 32764 from 10.30.0.10 lookup 2\npolicy-route default table 2",
            ]
        );
    }

    #[test]
    fn without_an_address_the_lines_are_said_one_by_one() {
        let eth1 = ScriptedStanza::of_lines(
            "eth1",
            "",
            &[
                "up ip -6 rule add fwmark 1 lookup isp",
                "up ip -6 route add default dev $IFACE table isp proto static",
                "up ip rule add iif eth2 table main",
                "up ip rule add unreachable",
            ],
        );
        assert_eq!(
            options(&[eth1]),
            [
                "policy-rule unreachable\npolicy-rule -6 fwmark 1 lookup isp\n\
             policy-rule iif eth2 table main\npolicy-route -6 default table isp"
            ]
        );
    }

    #[test]
    fn ipv6_is_the_same_again() {
        let eth1 = ScriptedStanza::of_lines(
            "eth1",
            "2001:db8::10/64",
            &[
                "up ip -6 route add 2001:db8::/64 dev eth1 table new",
                "up ip -6 route add default via 2001:db8::1 dev eth1 table new",
                "up ip -6 rule add from 2001:db8::10 table new",
            ],
        );
        assert_eq!(
            options(&[eth1]),
            ["policy-table new\npolicy-gateway 2001:db8::1"]
        );
    }
}
