//! Which lines can be replaced, and which have to stay because of others: all lines together, as
//! they run when everything comes up in the order of the file.

use super::effect::{takes_route, Effect};
use crate::migrate::lines::{CommandLine, IpCommand, IpVerb, Meaning, ScriptedStanza, WhyItStays};
use crate::migrate::replay::{Commands, Script};
use crate::routing::syntax::TableNames;

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Options say it, or make it needless.
    Replaced,
    /// It stays, and the administrator is told why.
    Stays(WhyItStays),
    /// It is not about routes or rules.
    Other,
}

/// The lines of a file, and what becomes of each.
pub struct Fates<'a> {
    script: Script<'a>,
    /// What becomes of the lines of each stanza.
    pub fates: Vec<Vec<Fate>>,
    /// What is left by those that are replaced.
    pub effect: Effect,
}

impl<'a> Fates<'a> {
    /// Takes all lines apart, and finds out which can be replaced at all.
    pub fn of(stanzas: &'a [ScriptedStanza], names: TableNames<'_>) -> Self {
        let script = Script::of(stanzas, names);
        let stanzas = stanzas.iter().zip(&script.meanings);
        let fates = stanzas.map(|(stanza, meanings)| {
            let lines = stanza.lines.iter().zip(meanings);
            lines
                .map(|(line, meaning)| first_fate(stanza, line, meaning))
                .collect()
        });
        let mut hand = Self {
            fates: fates.collect(),
            script,
            effect: Effect::default(),
        };
        hand.settle();
        hand
    }

    /// The stanzas.
    pub fn stanzas(&self) -> &'a [ScriptedStanza] {
        self.script.stanzas
    }

    /// Whether a line that stays may put in a rule.
    pub fn has_rules_that_stay(&self) -> bool {
        let meanings = self.script.meanings.iter().flatten();
        let mut lines = self.fates.iter().flatten().zip(meanings);
        lines.any(|(fate, meaning)| matches!(fate, Fate::Stays(_)) && meaning.about().rules)
    }

    /// Has a line stay; `true` if it did not before.
    pub fn stay(&mut self, stanza: usize, line: usize, reason: &WhyItStays) -> bool {
        let fate = self
            .fates
            .get_mut(stanza)
            .and_then(|lines| lines.get_mut(line));
        match fate {
            Some(fate @ Fate::Replaced) => {
                *fate = Fate::Stays(reason.clone());
                true
            }
            _ => false,
        }
    }

    /// Has all lines of a stanza stay.
    pub fn stay_all(&mut self, stanza: usize, reason: &WhyItStays) -> bool {
        let lines = self
            .stanzas()
            .get(stanza)
            .map_or(0, |stanza| stanza.lines.len());
        let stayed = (0..lines).filter(|line| self.stay(stanza, *line, reason));
        stayed.count() > 0
    }

    /// Follows what the lines that stay mean for the others, to the end.
    pub fn settle(&mut self) {
        while self.come_up() || self.stay_beside() || self.stay_behind() || self.go_down() {}
        self.leave_alone();
    }

    /// The commands of a line that is to be replaced.
    fn commands(&self, stanza: usize, line: usize) -> Option<Commands> {
        let fate = self.fates.get(stanza)?.get(line)?;
        self.script
            .commands(stanza, line)
            .filter(|_| *fate == Fate::Replaced)
    }

    /// Runs the lines of `ifup` that are to be replaced; `true` if one has to stay.
    fn come_up(&mut self) -> bool {
        let mut effect = Effect::default();
        for (s, l) in self.script.lines(true) {
            let Some(commands) = self.commands(s, l) else {
                continue;
            };
            let mut after = effect.clone();
            match self.script.line(&mut after, s, l, commands) {
                Ok(()) => effect = after,
                Err(reason) => {
                    let stayed = self.stay(s, l, &reason);
                    if reason == WhyItStays::Fails {
                        // Where ifup stops, options are not in force.
                        let stops = WhyItStays::Bound("ifup fails at another line of the stanza");
                        self.stay_all(s, &stops);
                    }
                    return stayed;
                }
            }
        }
        self.effect = effect;
        false
    }

    /// What stays puts rules among those that are replaced, or needs their routes: it runs before
    /// the options act. `true` if more has to stay.
    fn stay_beside(&mut self) -> bool {
        let mut stay = Vec::new();
        for (s, at) in self.script.lines(true) {
            let (Some(lines), Some(fates)) = (self.script.meanings.get(s), self.fates.get(s))
            else {
                continue;
            };
            let Some((Fate::Stays(_), meaning)) = fates.get(at).zip(lines.get(at)) else {
                continue;
            };
            let number = self.script.number(s, at);
            for (l, other) in lines.iter().enumerate() {
                if meaning.about().rules && other.about().rules {
                    stay.push((s, l, WhyItStays::Beside(number)));
                } else if meaning.about().routes && other.about().routes && l < at {
                    stay.push((s, l, WhyItStays::NeededBy(number)));
                }
            }
        }
        let stayed = stay
            .iter()
            .filter(|(s, l, reason)| self.stay(*s, *l, reason));
        stayed.count() > 0
    }

    /// A rule without a priority goes before all that are there, also before one of an earlier
    /// stanza that stays and has a priority; options could not tell by how much. `true` if more
    /// has to stay.
    fn stay_behind(&mut self) -> bool {
        let mut stay = Vec::new();
        for (s, at) in self.script.lines(true) {
            let fate = self.fates.get(s).and_then(|fates| fates.get(at));
            if !matches!(fate, Some(Fate::Stays(_))) || !self.script.names_priority(s, at) {
                continue;
            }
            let later = self.script.lines(true).into_iter().filter(|(t, _)| *t > s);
            let unnamed = later.filter(|(t, l)| !self.script.names_priority(*t, *l));
            let stanza = self.script.stanzas.get(s);
            let name = stanza.map_or_else(String::new, |stanza| stanza.call.interface.clone());
            let reason = WhyItStays::Order(name);
            stay.extend(unnamed.map(|(t, l)| (t, l, reason.clone())));
        }
        let about_rules = |s: usize, l: usize| {
            let meaning = self
                .script
                .meanings
                .get(s)
                .and_then(|meanings| meanings.get(l));
            meaning.is_some_and(|meaning| meaning.about().rules)
        };
        stay.retain(|(s, l, _)| about_rules(*s, *l));
        let stayed = stay
            .iter()
            .filter(|(s, l, reason)| self.stay(*s, *l, reason));
        stayed.count() > 0
    }

    /// Looks at the lines of `ifdown`, which are needless if they take out what options will have
    /// taken out; `true` if one has to stay.
    fn go_down(&mut self) -> bool {
        for (s, l) in self.script.lines(false) {
            let Some((_, commands)) = self.commands(s, l) else {
                continue;
            };
            let wrong = commands
                .iter()
                .find_map(|(_, command)| self.needed(s, command));
            let Some(reason) = wrong else {
                continue;
            };
            let taken = commands
                .iter()
                .flat_map(|(_, command)| self.taken(s, command));
            let taken: Vec<usize> = taken.collect();
            let undone = WhyItStays::Undone(self.script.number(s, l));
            for line in taken {
                self.stay(s, line, &undone);
            }
            return self.stay(s, l, &reason);
        }
        false
    }

    /// Why a command of `ifdown` is still needed, if it is.
    fn needed(&self, s: usize, command: &IpCommand) -> Option<WhyItStays> {
        let owners: Vec<usize> = match command {
            IpCommand::Nothing => return None,
            IpCommand::Rule(IpVerb::Delete, said) => {
                let taken = self
                    .effect
                    .rules
                    .iter()
                    .filter(|rule| said.takes(&rule.what.rule));
                taken.map(|rule| rule.stanza).collect()
            }
            IpCommand::Route(IpVerb::Delete, _) | IpCommand::Flush(..) => {
                let taken = self.effect.routes.iter();
                taken
                    .filter(|route| takes_route(command, &route.what))
                    .map(|route| route.stanza)
                    .collect()
            }
            _ => return Some(WhyItStays::AddsAtDown),
        };
        match owners.first() {
            None if self.script.is_put_in(s, command) || self.script.may_put_in(s, command) => {
                Some(WhyItStays::Pair)
            }
            None => Some(WhyItStays::NotOurs),
            Some(_) if owners.contains(&s) => None,
            Some(owner) => Some(self.script.of_other(*owner)),
        }
    }

    /// The lines of the stanza whose objects a command of `ifdown` takes out.
    fn taken(&self, s: usize, command: &IpCommand) -> Vec<usize> {
        let rules = self.effect.rules.iter().filter(|rule| {
            matches!(command, IpCommand::Rule(IpVerb::Delete, said) if said.takes(&rule.what.rule))
        });
        let routes = self
            .effect
            .routes
            .iter()
            .filter(|route| takes_route(command, &route.what));
        let rules = rules.map(|rule| (rule.stanza, rule.line));
        let owned = rules.chain(routes.map(|route| (route.stanza, route.line)));
        owned
            .filter(|(stanza, _)| *stanza == s)
            .map(|(_, line)| line)
            .collect()
    }

    /// Where nothing becomes an option nothing becomes needless either.
    fn leave_alone(&mut self) {
        for (s, fates) in self.fates.iter_mut().enumerate() {
            let has = self.effect.rules.iter().any(|rule| rule.stanza == s)
                || self.effect.routes.iter().any(|route| route.stanza == s);
            if !has {
                let replaced = fates.iter_mut().filter(|fate| **fate == Fate::Replaced);
                replaced.for_each(|fate| *fate = Fate::Other);
            }
        }
    }
}

/// What becomes of a line by itself.
fn first_fate(stanza: &ScriptedStanza, line: &CommandLine, meaning: &Meaning) -> Fate {
    let bound = line.stays.as_ref().or(stanza.bound.as_ref());
    match (meaning, bound) {
        (Meaning::Other, _) => Fate::Other,
        (_, Some(reason)) | (Meaning::Unclear(reason, _), None) => Fate::Stays(reason.clone()),
        (Meaning::Routing(_) | Meaning::Guarded(..), None) => Fate::Replaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ifupdown::interfaces::Phase;
    use crate::ifupdown::HookCall;
    use crate::routing::Family;

    fn stanza(interface: &str, address: &str, lines: &[(&str, &str)]) -> ScriptedStanza {
        let lines = lines
            .iter()
            .enumerate()
            .map(|(at, (option, text))| CommandLine {
                number: at + 1,
                phase: Phase::of(option).unwrap(),
                text: (*text).to_owned(),
                stays: None,
            });
        ScriptedStanza {
            call: HookCall {
                interface: interface.to_owned(),
                family: Some(Family::Inet),
                method: "static".to_owned(),
                address: Some(address.to_owned()),
                ..HookCall::default()
            },
            variables: vec![("IFACE".to_owned(), interface.to_owned())],
            lines: lines.collect(),
            bound: None,
        }
    }

    /// What becomes of each line, and what is left.
    fn shown(stanzas: &[ScriptedStanza]) -> Vec<String> {
        let hand = Fates::of(stanzas, &|_| None);
        let fates = hand.fates.iter().flatten().map(|fate| match fate {
            Fate::Replaced => "-".to_owned(),
            Fate::Other => "other".to_owned(),
            Fate::Stays(reason) => reason.to_string(),
        });
        let rules = hand
            .effect
            .rules
            .iter()
            .map(|rule| rule.what.rule.to_string());
        let routes = hand
            .effect
            .routes
            .iter()
            .map(|route| route.what.route.to_string());
        fates.chain(rules).chain(routes).collect()
    }

    #[test]
    fn rules_without_a_priority_go_before_all_others() {
        let eth1 = stanza(
            "eth1",
            "10.0.0.5/24",
            &[
                ("up", "ip rule add from 10.0.0.5 lookup 1"),
                ("up", "ip rule add to 10.9.0.0/16 lookup main"),
                ("up", "ip rule add pref 100 fwmark 1 lookup 1"),
                ("up", "ip rule add fwmark 2 lookup 1"),
            ],
        );
        assert_eq!(
            shown(&[eth1])[4..],
            [
                "priority 32765 from 10.0.0.5 lookup 1 proto 157",
                "priority 32764 to 10.9.0.0/16 lookup 254 proto 157",
                "priority 100 from all fwmark 0x1 lookup 1 proto 157",
                "priority 99 from all fwmark 0x2 lookup 1 proto 157",
            ]
        );
    }

    #[test]
    fn taking_out_first_and_at_ifdown_becomes_needless() {
        let eth1 = stanza(
            "eth1",
            "10.0.0.5/24",
            &[
                ("pre-up", "ip route flush table 1 || true"),
                (
                    "up",
                    "ip rule del from 10.0.0.5 2>/dev/null; ip rule add from 10.0.0.5 lookup 1",
                ),
                ("up", "ip route add default via 10.0.0.1 table 1"),
                ("up", "ip route flush cache"),
                (
                    "down",
                    "ip rule del from 10.0.0.5 lookup 1 && ip route flush table 1",
                ),
                ("down", "ip rule del pref 5"),
            ],
        );
        assert_eq!(
            shown(&[eth1]),
            [
                "-",
                "-",
                "-",
                "-",
                "-",
                "nothing in this file puts in what it takes out",
                "priority 32765 from 10.0.0.5 lookup 1 proto 157",
                "default via 10.0.0.1 dev eth1 table 1 proto 157",
            ]
        );
    }

    #[test]
    fn what_stays_holds_what_it_needs() {
        let eth1 = stanza(
            "eth1",
            "10.0.0.5/24",
            &[
                ("up", "ip route add 10.9.0.1 dev eth1"),
                ("up", "ip rule add from 10.0.0.5 lookup 1"),
                ("up", "ip route add default via $(cat /gw)"),
                ("up", "ip route add 10.8.0.0/16 via 10.0.0.1 dev eth1"),
                (
                    "up",
                    "ip rule show | grep -q [5] || ip rule add from 5.0.0.0/8 lookup 1",
                ),
                ("down", "ip rule del pref 7; ip route del 10.8.0.0/16"),
            ],
        );
        assert_eq!(
            shown(&[eth1]),
            [
                "line 3, which stays, may need it",
                "line 5, which stays, puts in a rule too, and the order of the two would change",
                "it runs a command for its output",
                "line 6, which stays, takes it out",
                "it is a pipeline",
                "a line that stays may put in what it takes out",
            ]
        );
    }

    #[test]
    fn what_is_not_certain_stays() {
        let eth1 = stanza(
            "eth1",
            "10.0.0.5/24",
            &[
                ("up", "ip route add default via 10.7.0.1 table 1"),
                (
                    "pre-up",
                    "ip route add default via 10.0.0.1 dev eth1 table 1",
                ),
                ("up", "ip route replace 10.0.0.0/24 dev eth1"),
                ("up", "ip route del default"),
                ("up", "ip route add 10.8.0.0/16 dev eth1 table 2"),
                ("up", "ip route add 10.8.0.0/16 dev eth1 table 2"),
                ("down", "ip route add blackhole 10.8.0.0/16"),
            ],
        );
        assert_eq!(
            shown(&[eth1]),
            [
                "it names no device, and which one it uses is not certain; add dev NAME",
                "at pre-up the interface is not up, and the options act when it is",
                "what else stands in its place is not certain",
                "nothing in this file puts in what it takes out",
                "ifup fails at another line of the stanza",
                "it fails when the interface comes up for the first time",
                "ifup fails at another line of the stanza",
            ]
        );
    }

    #[test]
    fn a_router_on_two_networks_may_be_behind_either() {
        let line = [("up", "ip route add default via 10.0.0.1 table 1")];
        let stanzas = [
            stanza("eth1", "10.0.0.5/24", &line),
            stanza("eth2", "10.0.0.6/24", &[]),
        ];
        assert!(shown(&stanzas)[0].starts_with("it names no device"));
        let stanzas = [
            stanza("eth1", "10.0.0.5/24", &line),
            stanza("eth1:1", "10.0.0.6/24", &[]),
        ];
        assert_eq!(shown(&stanzas)[0], "-");
    }
}
