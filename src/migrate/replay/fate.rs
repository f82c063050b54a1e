//! Which lines can be replaced, and which have to stay because of others: all lines together, as
//! they run when everything comes up in the order of the file.

use super::effect::Effect;
use super::entries::{Clue, LineRef};
use super::held::{Fate, Held};
use super::run::Replay;
use super::script::Script;
use crate::migrate::lines::{
    CommandLine, IpCommand, Meaning, RoutingCommands, ScriptedStanza, WhyItStays,
};
use crate::routing::syntax::TableNames;
use crate::routing::InterfaceName;

/// The lines of a file, and what becomes of each.
pub struct Fates<'a> {
    script: Script<'a>,
    /// What becomes of the lines of each stanza.
    pub by_stanza: Vec<Vec<Fate>>,
    /// What is left by those that are replaced.
    pub effect: Effect,
}

impl<'a> Fates<'a> {
    /// Takes all lines apart, and finds out which can be replaced at all.
    pub fn of(stanzas: &'a [ScriptedStanza], names: TableNames<'_>) -> Self {
        let script = Script::of(stanzas, names);
        let by_stanza = stanzas.iter().enumerate().map(|(s, stanza)| {
            let lines = stanza.lines.iter().zip(script.meanings(s));
            lines
                .map(|(line, meaning)| first_fate(stanza, line, meaning))
                .collect()
        });
        let mut fates = Self {
            by_stanza: by_stanza.collect(),
            script,
            effect: Effect::default(),
        };
        fates.name_without_effect();
        fates.follow();
        fates
    }

    /// The stanzas.
    pub fn stanzas(&self) -> &'a [ScriptedStanza] {
        self.script.stanzas
    }

    /// Whether a line that stays may put in a rule.
    pub fn has_rules_that_stay(&self) -> bool {
        let mut lines = [true, false]
            .into_iter()
            .flat_map(|up| self.script.lines(up));
        let is_without = |line| self.fate(line) == Some(&Fate::Stays(WhyItStays::NoEffect));
        lines.any(|line| self.stays(line) && !is_without(line) && self.script.is_about_rules(line))
    }

    /// Has all lines of a stanza stay; `true` if one of them did not before.
    pub fn stay_all(&mut self, s: usize, reason: &WhyItStays) -> bool {
        let lines = self.by_stanza.get(s).map_or(0, Vec::len);
        let lines = (0..lines).map(|line| (LineRef { stanza: s, line }, reason.clone()));
        self.stay_each(lines.collect())
    }

    /// Follows what the lines that stay mean for the others, to the end.
    pub fn follow(&mut self) {
        loop {
            self.come_up();
            if !self.hold_back() && !self.go_down() {
                break;
            }
        }
        self.leave_alone();
    }

    fn stays(&self, line: LineRef) -> bool {
        matches!(self.fate(line), Some(Fate::Stays(_)))
    }

    fn fate(&self, line: LineRef) -> Option<&Fate> {
        fate(&self.by_stanza, line)
    }

    /// Has a line stay; `true` if it was to be replaced.
    fn stay(&mut self, line: LineRef, reason: WhyItStays) -> bool {
        stay(&mut self.by_stanza, line, reason)
    }

    /// Has lines stay; `true` if one of them was to be replaced.
    fn stay_each(&mut self, lines: Vec<(LineRef, WhyItStays)>) -> bool {
        let stayed = lines
            .into_iter()
            .filter(|(line, reason)| self.stay(*line, reason.clone()));
        stayed.count() > 0
    }

    /// The commands of a line that is to be replaced.
    fn commands(&self, line: LineRef) -> Option<&RoutingCommands> {
        let is_replaced = self.fate(line) == Some(&Fate::Replaced);
        self.script.commands(line).filter(|_| is_replaced)
    }

    /// Runs the lines of `ifup` that are to be replaced, and finds those that have to stay: each
    /// stanza's until all of them run, for what comes before it is not changed by that.
    fn come_up(&mut self) {
        let Self {
            script, by_stanza, ..
        } = self;
        let mut replay = Replay::of(script);
        for lines in script.up_by_stanza() {
            loop {
                let fates = &*by_stanza;
                let run = lines
                    .iter()
                    .filter(|line| fate(fates, **line) == Some(&Fate::Replaced));
                let run = run.filter_map(|line| Some((*line, script.commands(*line)?)));
                let Err((line, reason)) = replay.stanza(run) else {
                    break;
                };
                let stops = matches!(reason, WhyItStays::Fails | WhyItStays::AlwaysFails(_));
                stay(by_stanza, line, reason);
                if stops {
                    let all = by_stanza.get(line.stanza).map_or(0, Vec::len);
                    for other in 0..all {
                        let other = LineRef {
                            line: other,
                            ..line
                        };
                        stay(by_stanza, other, WhyItStays::IfupStops);
                    }
                }
            }
        }
        self.effect = replay.effect;
    }

    /// Has the lines stay that others need or hold; `true` if there are some more.
    fn hold_back(&mut self) -> bool {
        let held = self.held();
        let held = [
            held.beside(),
            held.before_programs(),
            held.behind(),
            held.in_place(),
        ];
        held.into_iter().any(|held| self.stay_each(held))
    }

    /// Names rules that change no packet's way; before all else, for where `ifup` stops at another
    /// line they are the same still.
    fn name_without_effect(&mut self) {
        let rules = self.held().without_effect();
        let rules = rules.into_iter().map(|line| (line, WhyItStays::NoEffect));
        self.stay_each(rules.collect());
    }

    /// What is known, for finding out what the lines that stay mean for others.
    fn held(&self) -> Held<'_> {
        Held::of(&self.script, &self.by_stanza, &self.effect)
    }

    /// Looks at the lines of `ifdown`, which are needless if they take out what options will have
    /// taken out; `true` if one has to stay.
    fn go_down(&mut self) -> bool {
        let lines: Vec<LineRef> = self.script.lines(false).collect();
        let mut stayed = false;
        for line in lines {
            let Some(commands) = self.commands(line) else {
                continue;
            };
            let commands = commands.list.iter().map(|(_, command)| command);
            let needed = |command| self.why_needed(line.stanza, command);
            let Some(reason) = commands.clone().find_map(needed) else {
                continue;
            };
            let undone = WhyItStays::Undone(self.script.number(line));
            let taken = commands.flat_map(|command| self.lines_undone_by(line.stanza, command));
            let taken = taken.map(|line| (line, undone.clone())).collect();
            let is_less_left = self.stay_each(taken);
            stayed |= self.stay(line, reason);
            if is_less_left {
                return true;
            }
        }
        stayed
    }

    /// Why a command of `ifdown` is still needed, if it is.
    fn why_needed(&self, s: usize, command: &IpCommand) -> Option<WhyItStays> {
        match command {
            IpCommand::Nothing => return None,
            _ if !command.takes_out() => return Some(WhyItStays::AddsAtDown),
            _ => {}
        }
        let owners: Vec<usize> = self.taken(command).map(|line| line.stanza).collect();
        match owners.first() {
            None if self.script.puts_in(s, command) || self.script.may_put_in(s, command) => {
                Some(WhyItStays::Pair)
            }
            None => Some(WhyItStays::NotOurs),
            Some(_) if owners.contains(&s) => None,
            Some(owner) => Some(self.script.of_other(*owner)),
        }
    }

    /// The lines of the stanza that a command of `ifdown` undoes.
    fn lines_undone_by(&self, s: usize, command: &IpCommand) -> Vec<LineRef> {
        let taken = self.taken(command);
        taken.filter(|line| line.stanza == s).collect()
    }

    /// The lines that put in what a command takes out.
    fn taken<'b>(&'b self, command: &'b IpCommand) -> impl Iterator<Item = LineRef> + 'b {
        let clue = Clue::of_taking(command);
        let effect = &self.effect;
        let rules = effect.rules.with(clue.clone());
        let rules = rules.filter(|rule| command.takes_rule(&rule.what.rule));
        let routes = effect.routes.with(clue);
        let routes = routes.filter(|route| command.takes_route(&route.what.route));
        let rules = rules.map(|rule| rule.line);
        rules.chain(routes.map(|route| route.line))
    }

    /// Where nothing becomes an option nothing becomes needless either.
    fn leave_alone(&mut self) {
        for (s, fates) in self.by_stanza.iter_mut().enumerate() {
            let effect = &self.effect;
            let has = effect.rules.of_stanza(s).next().is_some()
                || effect.routes.of_stanza(s).next().is_some();
            if !has {
                let replaced = fates.iter_mut().filter(|fate| **fate == Fate::Replaced);
                replaced.for_each(|fate| *fate = Fate::Other);
            }
        }
    }
}

fn fate(by_stanza: &[Vec<Fate>], line: LineRef) -> Option<&Fate> {
    by_stanza.get(line.stanza)?.get(line.line)
}

/// Has a line stay; `true` if it was to be replaced.
fn stay(by_stanza: &mut [Vec<Fate>], line: LineRef, reason: WhyItStays) -> bool {
    let fates = by_stanza.get_mut(line.stanza);
    match fates.and_then(|fates| fates.get_mut(line.line)) {
        Some(fate @ Fate::Replaced) => {
            *fate = Fate::Stays(reason);
            true
        }
        _ => false,
    }
}

/// What becomes of a line by itself.
fn first_fate(stanza: &ScriptedStanza, line: &CommandLine, meaning: &Meaning) -> Fate {
    let stays = line.stays.as_ref().or(stanza.stays.as_ref());
    match (meaning, stays) {
        (Meaning::Other, _) => Fate::Other,
        (_, Some(reason)) | (Meaning::Unclear(reason, _), None) => Fate::Stays(reason.clone()),
        (Meaning::Routing(commands), None) => {
            let mut commands = commands.list.iter().map(|(_, command)| command);
            if stanza.is_mapped && commands.any(|command| names_interface(command, stanza)) {
                Fate::Stays(WhyItStays::Mapped(stanza.call.interface.clone()))
            } else {
                Fate::Replaced
            }
        }
    }
}

/// Whether an option in the place of a command would have to name the interface of the stanza.
fn names_interface(command: &IpCommand, stanza: &ScriptedStanza) -> bool {
    let is_it = |name: &InterfaceName| name.as_str() == stanza.call.interface;
    match command {
        IpCommand::Rule(_, spelled) => {
            let rule = &spelled.rule;
            [&rule.iif, &rule.oif].into_iter().flatten().any(is_it)
        }
        IpCommand::Route(_, spelled) => {
            let hops = &spelled.route.hops;
            let mut devices = hops.iter().filter_map(|hop| hop.device.as_ref());
            hops.len() > 1 && devices.any(is_it)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of each line, and what is left.
    fn shown(stanzas: &[ScriptedStanza]) -> Vec<String> {
        let fates = Fates::of(stanzas, &|_| None);
        let each = fates.by_stanza.iter().flatten().map(|fate| match fate {
            Fate::Replaced => "-".to_owned(),
            Fate::Other => "other".to_owned(),
            Fate::Stays(reason) => reason.to_string(),
        });
        let rules = fates
            .effect
            .rules
            .iter()
            .map(|rule| rule.what.rule.to_string());
        let routes = fates
            .effect
            .routes
            .iter()
            .map(|route| route.what.route.to_string());
        each.chain(rules).chain(routes).collect()
    }

    #[test]
    fn rules_without_a_priority_go_before_all_others() {
        let eth1 = ScriptedStanza::of_lines(
            "eth1",
            "10.0.0.5/24",
            &[
                "up ip rule add from 10.0.0.5 lookup 1",
                "up ip rule add to 10.9.0.0/16 lookup main",
                "up ip rule add pref 100 fwmark 1 lookup 1",
                "up ip rule add fwmark 2 lookup 1",
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
        let eth1 = ScriptedStanza::of_lines(
            "eth1",
            "10.0.0.5/24",
            &[
                "pre-up ip route flush table 1 || true",
                "up ip rule del from 10.0.0.5 2>/dev/null; ip rule add from 10.0.0.5 lookup 1",
                "up ip route add default via 10.0.0.1 table 1",
                "up ip route flush cache",
                "down ip rule del from 10.0.0.5 lookup 1 && ip route flush table 1",
                "down ip rule del pref 5",
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
        let eth1 = ScriptedStanza::of_lines(
            "eth1",
            "10.0.0.5/24",
            &[
                "up ip route add 10.9.0.1 dev eth1",
                "up ip rule add from 10.0.0.5 lookup 1",
                "up ip route add default via $(cat /gw)",
                "up ip route add 10.8.0.0/16 via 10.0.0.1 dev eth1",
                "up ip rule show | grep -q [5] || ip rule add from 5.0.0.0/8 lookup 1",
                "down ip rule del pref 7; ip route del 10.8.0.0/16",
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
        let eth1 = ScriptedStanza::of_lines(
            "eth1",
            "10.0.0.5/24",
            &[
                "up ip route add default via 10.7.0.1 table 1",
                "pre-up ip route add default via 10.0.0.1 dev eth1 table 1",
                "up ip route replace 10.0.0.0/24 dev eth1",
                "up ip route del default",
                "up ip route add 10.8.0.0/16 dev eth1 table 2",
                "up ip route add 10.8.0.0/16 dev eth1 table 2",
                "down ip route add blackhole 10.8.0.0/16",
            ],
        );
        assert_eq!(
            shown(&[eth1]),
            [
                "its router 10.7.0.1 is in the network of no address of this file, so by which \
                 device it leaves is not certain; add dev NAME",
                "at pre-up the interface is not up, and the options act when it is",
                "it replaces the kernel's own route to that network, if that is there, and an \
                 option replaces nothing of others",
                "nothing in this file puts in what it takes out",
                "ifup fails at another line of the stanza",
                "it fails when the interface comes up for the first time",
                "ifup fails at another line of the stanza",
            ]
        );
    }

    #[test]
    fn a_router_on_two_networks_may_be_behind_either() {
        let line = ["up ip route add default via 10.0.0.1 table 1"];
        let stanzas = [
            ScriptedStanza::of_lines("eth1", "10.0.0.5/24", &line),
            ScriptedStanza::of_lines("eth2", "10.0.0.6/24", &[]),
        ];
        assert!(shown(&stanzas)[0]
            .starts_with("its router 10.0.0.1 is in networks of both eth1 and eth2"));
        let stanzas = [
            ScriptedStanza::of_lines("eth1", "10.0.0.5/24", &line),
            ScriptedStanza::of_lines("eth1:1", "10.0.0.6/24", &[]),
        ];
        assert_eq!(shown(&stanzas)[0], "-");
    }
}
