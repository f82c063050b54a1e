//! From lines behind `post-up` to the options that say the same.
//!
//! Options are tried from the shortest way of saying it to the longest, and each try is judged by
//! the program's own reckoning: what `ifup` would put in for the options has to be what the lines
//! leave, routes and rules alike. So nothing here has to know what an option means.

mod option_value;
mod forms;

pub(crate) use forms::OptionValue;

use crate::ifupdown::HookCall;
use crate::migrate::lines::{SaidRule, ScriptedStanza, WhyItStays};
use crate::migrate::replay::{own_address, Fate, Fates, Placed};
use crate::migrate::same_walk::{
    is_never_reached, order_matters, reached_in_order, same_but_priority, same_walk,
};
use crate::routing::syntax::TableNames;
use crate::routing::{Family, InterfaceName, Route, Rule, State};
use crate::stanza::{wanted_state, Notice, Observed, Stanza, Table, TableIds};
use forms::{gateway, priority, tables_of, ways, Form, Wanted};
use option_value::{route_text, rule_text, written_table};

/// What becomes of the lines of a file, and what comes in their place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// For each stanza, what becomes of its lines.
    pub fates: Vec<Vec<Fate>>,
    /// For each stanza, its new options.
    pub options: Vec<Vec<OptionValue>>,
}

/// Finds the options that do what lines do. `names` knows the tables that lines name.
pub fn migrate(stanzas: &[ScriptedStanza], names: TableNames<'_>) -> Migration {
    let mut search = Search {
        hand: Fates::of(stanzas, names),
        names,
        numbered: vec![false; stanzas.len()],
        found: Vec::new(),
    };
    while search.again() {}
    let options = search.found.into_iter();
    Migration {
        options: options
            .map(|found| found.map_or_else(Vec::new, |found| found.options))
            .collect(),
        fates: search.hand.fates,
    }
}

/// Options that were found to do it, and the rules they make.
struct FoundOptions {
    options: Vec<OptionValue>,
    rules: Vec<Rule>,
}

struct Search<'a> {
    hand: Fates<'a>,
    names: TableNames<'a>,
    /// The stanzas whose rules need their numbers, because of those of other stanzas.
    numbered: Vec<bool>,
    found: Vec<Option<FoundOptions>>,
}

impl Search<'_> {
    /// Looks for options for all stanzas; `true` if it has to be done again, since lines of one
    /// have to stay.
    fn again(&mut self) -> bool {
        self.found.clear();
        let mut stayed = false;
        for s in 0..self.hand.stanzas().len() {
            let wanted = self.wanted(s);
            if wanted.routes.is_empty() && wanted.rules.is_empty() {
                self.found.push(None);
                continue;
            }
            let found = self.best(s, &wanted);
            if found.is_none() {
                stayed |= self.hand.stay_all(s, &WhyItStays::Inexpressible);
            }
            self.found.push(found);
        }
        stayed |= self.keep_order();
        if stayed {
            self.hand.settle();
        }
        stayed
    }

    fn wanted(&self, s: usize) -> Wanted {
        let effect = &self.hand.effect;
        let routes = effect.routes.iter().filter(|route| route.stanza == s);
        let mut rules: Vec<(usize, SaidRule)> = Vec::new();
        let mut walked: Vec<&Placed<SaidRule>> = effect
            .rules
            .iter()
            .filter(|rule| rule.stanza == s)
            .collect();
        walked.sort_by_key(|rule| rule.what.rule.priority);
        for Placed { what, line, .. } in walked {
            if !rules
                .iter()
                .any(|(_, rule)| same_but_priority(&rule.rule, &what.rule))
            {
                rules.push((*line, what.clone()));
            }
        }
        Wanted {
            routes: routes.map(|route| route.what.clone()).collect(),
            rules,
        }
    }

    /// The shortest of the ways that do it; with numbers, or without a table, only where no other
    /// way does.
    fn best(&self, s: usize, wanted: &Wanted) -> Option<FoundOptions> {
        let stanza = self.hand.stanzas().get(s)?;
        let numbered = self.numbered.get(s).copied().unwrap_or_default();
        let ways = ways(&tables_of(wanted)).into_iter();
        // What stays is given its priorities when it runs, and numbers would not fit to them.
        let fixed = self.hand.has_rules_that_stay();
        let possible = |way: &Form| (way.numbers || !numbered) && !(way.numbers && fixed);
        let ways = ways.filter(possible);
        let found = ways.filter_map(|way| {
            let options = self.options(stanza, wanted, way)?;
            let rules = self.does_it(stanza, wanted, &options)?;
            Some((way, FoundOptions { options, rules }))
        });
        let cost = |way: &Form, found: &FoundOptions| {
            let order = !way.as_written;
            (way.table.is_none(), way.numbers, found.options.len(), order)
        };
        let (_, best) = found.min_by_key(|(way, found)| cost(way, found))?;
        Some(self.without_needless(stanza, wanted, best))
    }

    /// The rules of options, if they do it.
    fn does_it(
        &self,
        stanza: &ScriptedStanza,
        wanted: &Wanted,
        options: &[OptionValue],
    ) -> Option<Vec<Rule>> {
        let state = self.state(&stanza.call, options)?;
        is_same(&stanza.call, wanted, &state).then(|| state.rules().to_vec())
    }

    /// Leaves out what says how to derive something where the rest does it, too.
    fn without_needless(
        &self,
        stanza: &ScriptedStanza,
        wanted: &Wanted,
        mut found: FoundOptions,
    ) -> FoundOptions {
        for name in ["policy-mode", "policy-source", "policy-gateway"] {
            let mut fewer = found.options.clone();
            fewer.retain(|(option, _)| *option != name);
            let rules = self.does_it(stanza, wanted, &fewer);
            // More rules of the same effect are nothing that is easier to read.
            if let Some(rules) = rules.filter(|rules| rules.len() <= found.rules.len()) {
                found = FoundOptions {
                    options: fewer,
                    rules,
                };
            }
        }
        found
    }

    /// The options of a way, if it can be gone.
    fn options(
        &self,
        stanza: &ScriptedStanza,
        wanted: &Wanted,
        way: Form,
    ) -> Option<Vec<OptionValue>> {
        let mut options: Vec<OptionValue> = Vec::new();
        if let Some(table) = way.table {
            let lines = wanted.rules.iter().map(|(_, rule)| rule.words.as_str());
            let lines: Vec<&str> = lines
                .chain(wanted.routes.iter().map(|route| route.words.as_str()))
                .collect();
            options.push(("policy-table", written_table(table, &lines, self.names)));
            options.extend(gateway(&stanza.call, wanted, table, way));
            if way.mode != "strict" {
                options.push(("policy-mode", way.mode.to_owned()));
            }
            match way.source {
                Some("address") => {}
                source => options.push(("policy-source", source.unwrap_or("none").to_owned())),
            }
            if way.source.is_some() {
                options.extend(priority(stanza, wanted, table, way)?);
            }
        }
        let mut first = options.clone();
        if way.default_line {
            first.push(("policy-gateway", "none".to_owned()));
        }
        let derived = match way.table {
            Some(_) => self.state(&stanza.call, &first)?,
            None => State::default(),
        };
        let family = stanza.call.family.unwrap_or(Family::Inet);
        let mut rules: Vec<&(usize, SaidRule)> = wanted.rules.iter().collect();
        if way.as_written {
            rules.sort_by_key(|(line, _)| *line);
        }
        for (_, said) in rules {
            let fixed = said.said.priority || way.numbers;
            let covers = |rule: &Rule| {
                same_but_priority(rule, &said.rule)
                    && (!fixed || rule.priority == said.rule.priority)
            };
            if !derived.rules().iter().any(covers) {
                options.push((
                    "policy-rule",
                    rule_text(said, family, way.table, way.numbers),
                ));
            }
        }
        let device = stanza
            .call
            .interface
            .parse::<InterfaceName>()
            .ok()?
            .device();
        for said in &wanted.routes {
            if !derived.routes().contains(&said.route) {
                options.push(("policy-route", route_text(said, family, way.table, &device)));
            }
        }
        Some(options)
    }

    /// What `ifup` would put in for options; `None` where they are in error, or only the running
    /// interface could tell.
    fn state(&self, call: &HookCall, options: &[OptionValue]) -> Option<State> {
        let mut joined: Vec<(String, std::ffi::OsString)> = Vec::new();
        for (name, value) in options {
            match joined.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => {
                    values.push("\n");
                    values.push(value);
                }
                None => joined.push(((*name).to_owned(), value.into())),
            }
        }
        joined.sort();
        let call = HookCall {
            options: joined,
            ..call.clone()
        };
        let stanza = Stanza::judge(&call).ok()??;
        if stanza.asks_address() || stanza.asks_gateway() {
            return None;
        }
        let own = match &stanza.table {
            None => None,
            Some(Table::Id(id)) => Some(*id),
            Some(Table::Named(name, _)) => Some((self.names)(name.as_str())?),
        };
        let tables = TableIds {
            own,
            names: self.names,
        };
        let found = Observed {
            addresses: stanza.address.into_iter().collect(),
            default: None,
        };
        let (state, notices) = wanted_state(&stanza, &tables, &found).ok()?;
        // A router that is only guessed may be another one day.
        let certain = |notice: &Notice| matches!(notice, Notice::Onlink(..));
        notices.iter().all(certain).then_some(state)
    }

    /// Holds the rules of the stanzas against each other; `true` if some need their numbers, or
    /// have to stay as lines.
    fn keep_order(&mut self) -> bool {
        let mut disordered: Vec<(usize, usize)> = Vec::new();
        let rules = &self.hand.effect.rules;
        // Of equal rules of a stanza the kernel comes to the lowest first, and that is all.
        let repeats = |rule: &&Placed<SaidRule>| {
            let (own, priority) = (&rule.what.rule, rule.what.rule.priority);
            let mut others = rules.iter().filter(|other| other.stanza == rule.stanza);
            others.any(|other| {
                other.what.rule.priority < priority && same_but_priority(&other.what.rule, own)
            })
        };
        let rules: Vec<_> = rules.iter().filter(|rule| !repeats(rule)).collect();
        let before = |rule: &Placed<SaidRule>, n: usize| (rule.what.rule.priority, n);
        for (n, a) in rules.iter().enumerate() {
            for (m, b) in rules.iter().enumerate().skip(n + 1) {
                if a.stanza == b.stanza || !order_matters(&a.what.rule, &b.what.rule) {
                    continue;
                }
                let (Some(a_after), Some(b_after)) = (self.place(a), self.place(b)) else {
                    continue;
                };
                if (before(a, n) < before(b, m)) != (a_after < b_after) {
                    disordered.push((a.stanza, b.stanza));
                }
            }
        }
        let mut stayed = false;
        for (s, t) in disordered {
            let name = |s: usize| {
                self.hand
                    .stanzas()
                    .get(s)
                    .map_or("", |stanza| stanza.call.interface.as_str())
            };
            let reason = WhyItStays::Order(name(t).to_owned());
            for s in [s, t] {
                match self.numbered.get_mut(s) {
                    Some(numbered) if !*numbered => {
                        *numbered = true;
                        stayed = true;
                    }
                    _ => {}
                }
            }
            if !stayed {
                stayed |= self.hand.stay_all(s, &reason);
            }
        }
        stayed
    }

    /// Where the kernel tries a rule with the options found; `None` for one that no packet
    /// reaches.
    fn place(&self, placed: &Placed<SaidRule>) -> Option<(u32, usize, usize)> {
        let stanza = self.hand.stanzas().get(placed.stanza)?;
        let rules = &self.found.get(placed.stanza)?.as_ref()?.rules;
        let own: Vec<_> = own_address(&stanza.call)
            .iter()
            .map(|own| own.address)
            .collect();
        if is_never_reached(&placed.what.rule, &own) {
            return None;
        }
        let at = rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| same_but_priority(rule, &placed.what.rule));
        at.map(|(at, rule)| (rule.priority, placed.stanza, at))
            .min()
    }
}

/// Whether options leave what lines left: the same routes, and rules that lead every packet the same
/// way, with the priorities that were said.
fn is_same(call: &HookCall, wanted: &Wanted, state: &State) -> bool {
    let sorted = |mut routes: Vec<Route>| {
        routes.sort();
        routes
    };
    let routes = wanted
        .routes
        .iter()
        .map(|said| said.route.clone())
        .collect();
    if sorted(routes) != sorted(state.routes().to_vec()) {
        return false;
    }
    let own: Vec<_> = own_address(call).iter().map(|own| own.address).collect();
    let before = wanted.rules.iter().map(|(_, said)| said.rule.clone());
    let before = reached_in_order(before, &own);
    let after = reached_in_order(state.rules().to_vec(), &own);
    let rules = wanted.rules.iter().map(|(_, said)| said);
    let mut fixed = rules.filter(|said| said.said.priority);
    same_walk(&before, &after)
        && fixed.all(|said| is_never_reached(&said.rule, &own) || after.contains(&said.rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrate::lines::{CommandLine, Phase};
    use crate::routing::TableId;

    fn stanza(interface: &str, address: &str, lines: &[&str]) -> ScriptedStanza {
        let lines = lines.iter().enumerate().map(|(at, line)| {
            let (option, text) = line.split_once(' ').unwrap();
            CommandLine {
                number: at + 1,
                phase: Phase::of(option).unwrap(),
                text: text.to_owned(),
                stays: None,
            }
        });
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let family = if address.contains(':') {
            Family::Inet6
        } else {
            Family::Inet
        };
        ScriptedStanza {
            call: HookCall {
                interface: interface.to_owned(),
                family: Some(family),
                method: if address.is_empty() { "dhcp" } else { "static" }.to_owned(),
                address: known(address),
                ..HookCall::default()
            },
            variables: vec![("IFACE".to_owned(), interface.to_owned())],
            lines: lines.collect(),
            bound: None,
        }
    }

    fn options(stanzas: &[ScriptedStanza]) -> Vec<String> {
        let names = |name: &str| match name {
            "isp" => Some(TableId(102)),
            "new" => Some(TableId(20000)),
            _ => None,
        };
        let migration = migrate(stanzas, &names);
        let said = |options: &Vec<OptionValue>| {
            let lines = options
                .iter()
                .map(|(name, value)| format!("{name} {value}"));
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
        migration.options.iter().map(said).chain(stays).collect()
    }

    const CONNECTED: &str = "up ip route add 10.20.0.0/24 dev eth1 src 10.20.0.10 table 102";
    const DEFAULT: &str = "up ip route add default via 10.20.0.1 dev eth1 table 102";
    const FROM: &str = "up ip rule add from 10.20.0.10 lookup 102";

    fn eth1(lines: &[&str]) -> String {
        let said = options(&[stanza("eth1", "10.20.0.10/24", lines)]);
        said.join("\n")
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
            stanza(
                "eth1",
                "10.20.0.10/24",
                &[
                    "up ip route add default dev eth1 table 1",
                    "up ip rule add fwmark 1 lookup 1",
                ],
            ),
            stanza(
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
        let eth1 = stanza(
            "eth1",
            "",
            &[
                "up ip -6 rule add fwmark 1 lookup isp",
                "up ip -6 route add default dev $IFACE table isp proto static",
                "up ip rule add iif eth2",
                "up ip rule add unreachable",
            ],
        );
        assert_eq!(
            options(&[eth1]),
            [
                "policy-rule unreachable\npolicy-rule -6 fwmark 1 lookup isp\n\
             policy-rule iif eth2 lookup main\npolicy-route -6 default table isp"
            ]
        );
    }

    #[test]
    fn ipv6_is_the_same_again() {
        let eth1 = stanza(
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
