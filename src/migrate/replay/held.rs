//! Which lines have to stay because of others that do, or because of programs that nobody knows.

use std::collections::HashMap;
use std::net::IpAddr;

use super::effect::Effect;
use super::entries::{Clue, Clued, FromLine, LineRef};
use super::script::Script;
use crate::migrate::lines::{IpCommand, IpVerb, Meaning, SpelledRoute, SpelledRule, WhyItStays};
use crate::routing::{Action, Rule, TableId};

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

/// What is known of all lines so far.
pub struct Held<'a> {
    /// The lines.
    script: &'a Script<'a>,
    /// What becomes of those of each stanza.
    fates: &'a [Vec<Fate>],
    /// What is left by those that are replaced.
    effect: &'a Effect,
    /// The commands of `ifup` that take something out, by what that has.
    taking_up: HashMap<Option<Clue>, Vec<(LineRef, &'a IpCommand)>>,
}

/// Lines that stay, and why.
type Stay = Vec<(LineRef, WhyItStays)>;

impl<'a> Held<'a> {
    /// What is known of the lines, and of what becomes of those of each stanza.
    pub fn of(script: &'a Script<'a>, fates: &'a [Vec<Fate>], effect: &'a Effect) -> Self {
        let mut taking_up: HashMap<Option<Clue>, Vec<(LineRef, &IpCommand)>> = HashMap::new();
        for line in script.lines(true) {
            let commands = script.meaning(line).map_or(&[][..], Meaning::commands);
            for (_, command) in commands.iter().filter(|(_, command)| command.takes_out()) {
                let clue = Clue::of_taking(command);
                taking_up.entry(clue).or_default().push((line, command));
            }
        }
        Self {
            script,
            fates,
            effect,
            taking_up,
        }
    }
}

impl Held<'_> {
    /// Whether a line stays, and has an effect.
    fn stays(&self, line: LineRef) -> bool {
        let fates = self.fates.get(line.stanza);
        match fates.and_then(|fates| fates.get(line.line)) {
            Some(Fate::Stays(reason)) => *reason != WhyItStays::NoEffect,
            _ => false,
        }
    }

    /// The lines of `ifup` that stay, or those of `ifdown`.
    fn staying(&self, up: bool) -> impl Iterator<Item = LineRef> + '_ {
        let lines = self.script.lines(up);
        lines.filter(|line| self.stays(*line))
    }

    /// What stays puts rules among those that are replaced, or needs their routes: it runs before
    /// the options act.
    pub fn beside(&self) -> Stay {
        let mut stay = Vec::new();
        for line in self.staying(true) {
            let Some(about) = self.script.meaning(line).map(Meaning::about) else {
                continue;
            };
            let number = self.script.number(line);
            let together = self.script.acts_with(line.stanza).into_iter();
            let others = together.flat_map(|stanza| {
                let meanings = self.script.meanings(stanza).iter().enumerate();
                meanings.map(move |(l, meaning)| (LineRef { stanza, line: l }, meaning))
            });
            for (held, meaning) in others {
                let other = meaning.about();
                let is_above = (held.stanza, held.line) < (line.stanza, line.line);
                if about.rules && other.rules && !self.are_apart(line, held) {
                    stay.push((held, WhyItStays::Beside(number)));
                } else if about.routes && other.routes && is_above && self.may_need(line, meaning) {
                    stay.push((held, WhyItStays::NeededBy(number)));
                }
            }
        }
        stay
    }

    /// Whether all rules of two lines have priorities of their own, and none that one of the other has:
    /// then it is the same which of them comes in first.
    fn are_apart(&self, line: LineRef, other: LineRef) -> bool {
        let priorities = [line, other].map(|line| self.priorities(line));
        match priorities {
            [Some(one), Some(other)] => !one.iter().any(|priority| other.contains(priority)),
            _ => false,
        }
    }

    /// The priorities of the rules that a line puts in, if it says all of them.
    fn priorities(&self, line: LineRef) -> Option<Vec<u32>> {
        let Some(Meaning::Routing(commands)) = self.script.meaning(line) else {
            return None;
        };
        let rules = commands
            .list
            .iter()
            .filter_map(|(_, command)| match command {
                IpCommand::Rule(IpVerb::Add, spelled) => Some(spelled),
                _ => None,
            });
        let priorities = rules.map(|spelled| {
            let priority = spelled.rule.priority;
            spelled.given.priority.then_some(priority)
        });
        priorities.collect()
    }

    /// Whether a line may need a route that another puts in: it stands for the way to a router.
    fn may_need(&self, line: LineRef, other: &Meaning) -> bool {
        let Some(Meaning::Routing(commands)) = self.script.meaning(line) else {
            return true;
        };
        let needing = commands
            .list
            .iter()
            .filter_map(|(_, command)| match command {
                IpCommand::Route(_, spelled) => Some(&spelled.route),
                _ => None,
            });
        let sought = needing.flat_map(|route| {
            let sought = route.hops.iter().filter_map(|hop| hop.gateway);
            sought.map(|router| (router, self.script.ways().tables(router, route.table)))
        });
        let sought: Vec<(IpAddr, Option<Vec<TableId>>)> = sought.collect();
        let mut others = other.commands().iter();
        others.any(|(_, command)| match command {
            IpCommand::Route(_, spelled) => {
                // A router is reached without another.
                let is_direct = spelled.route.hops.iter().any(|hop| hop.gateway.is_none());
                let leads = |(router, tables): &(IpAddr, Option<Vec<TableId>>)| {
                    let is_there = |tables: &Vec<TableId>| tables.contains(&spelled.route.table);
                    spelled.route.destination.contains(*router)
                        && tables.as_ref().is_none_or(is_there)
                };
                is_direct && sought.iter().any(leads)
            }
            _ => false,
        })
    }

    /// Rules that a program puts in without a priority go before all that are there already, and
    /// so before those of the lines above. Options act when all lines have run.
    pub fn before_programs(&self) -> Stay {
        let mut stay = Vec::new();
        let mut behind: Option<(LineRef, WhyItStays)> = None;
        let acts_with = |line: LineRef, last: LineRef| {
            line.stanza == last.stanza || self.script.acts_with(last.stanza).contains(&line.stanza)
        };
        for line in self.script.lines(true).rev() {
            let program = behind.as_ref().filter(|(last, _)| acts_with(line, *last));
            if let Some((_, reason)) = program {
                if self.script.is_about_rules(line) {
                    stay.push((line, reason.clone()));
                }
            }
            if let Some(program) = self.script.stranger(line) {
                let number = self.script.number(line);
                let reason = WhyItStays::BeforeProgram(number, program.to_owned());
                behind = Some((line, reason));
            }
        }
        stay
    }

    /// A rule without a priority goes before all that are there, also before one of an earlier
    /// stanza that stays and has a priority; options could not tell by how much.
    pub fn behind(&self) -> Stay {
        let named = self
            .staying(true)
            .filter(|line| self.script.names_priority(*line));
        let Some(first) = named.min_by_key(|line| line.stanza) else {
            return Vec::new();
        };
        let reason = WhyItStays::Order(self.script.interface(first.stanza));
        let lines = self.script.lines(true);
        let later = lines.filter(|later| later.stanza > first.stanza);
        let unnamed = later.filter(|later| {
            self.script.is_about_rules(*later) && !self.script.names_priority(*later)
        });
        unnamed.map(|later| (later, reason.clone())).collect()
    }

    /// What stays puts in the same, or may put something else in its place: in the place of main's
    /// default route, which many programs fill, every program that nobody knows may.
    pub fn in_place(&self) -> Stay {
        let mut stay = Vec::new();
        let staying: Vec<LineRef> = self.staying(true).chain(self.staying(false)).collect();
        for line in &staying {
            let commands = self
                .script
                .meaning(*line)
                .map_or(&[][..], Meaning::commands);
            for (_, command) in commands {
                stay.extend(self.in_place_of(*line, command));
                stay.extend(self.taking_out(command));
            }
        }
        let is_unclear = |line: &&LineRef| {
            let meaning = self.script.meaning(**line);
            matches!(meaning, Some(Meaning::Unclear(_, about)) if about.routes)
        };
        let unclear: Vec<&LineRef> = staying.iter().filter(is_unclear).collect();
        let replacing = self.effect.routes.iter();
        let replacing = replacing.filter(|route| self.replaces_in_main(route.line, &route.what));
        for route in replacing {
            let unclear = unclear
                .iter()
                .filter(|line| self.may_fill(***line, &route.what));
            stay.extend(
                unclear.map(|line| (route.line, WhyItStays::MayFill(self.script.number(**line)))),
            );
            if route.what.route.destination.is_any() {
                stay.extend(self.program_for(route.line));
            }
        }
        stay
    }

    /// The lines of `ifup` that take out what a command puts in: when it comes up again there may
    /// be something to take out.
    fn taking_out(&self, command: &IpCommand) -> Stay {
        let takes = |taking: &IpCommand| match command {
            IpCommand::Rule(IpVerb::Add, spelled) => taking.takes_rule(&spelled.rule),
            IpCommand::Route(IpVerb::Delete, _) => false,
            IpCommand::Route(_, spelled) => taking.takes_route(&spelled.route),
            _ => false,
        };
        let clues = match command {
            IpCommand::Rule(_, spelled) => spelled.clues(),
            IpCommand::Route(_, spelled) => spelled.clues(),
            _ => Vec::new(),
        };
        let clues = clues.into_iter().map(Some).chain([None]);
        let lines = clues.filter_map(|clue| self.taking_up.get(&clue)).flatten();
        let taking = lines.filter(|(_, taking)| takes(taking));
        taking.map(|(line, _)| (*line, WhyItStays::Pair)).collect()
    }

    /// The lines to be replaced that put in what a command puts in, or what has its place.
    fn in_place_of(&self, line: LineRef, command: &IpCommand) -> Stay {
        let number = self.script.number(line);
        match command {
            IpCommand::Rule(IpVerb::Add, spelled) => {
                let same = |rule: &&FromLine<SpelledRule>| rule.what.rule == spelled.rule;
                let clue = Clue::of_rule(&spelled.rule);
                let same = self.effect.rules.with(Some(clue)).filter(same);
                let same = same.filter(|rule| self.may_run_beside(line, rule.line));
                same.map(|rule| (rule.line, WhyItStays::Same(number)))
                    .collect()
            }
            IpCommand::Route(IpVerb::Delete, _) => Vec::new(),
            IpCommand::Route(_, spelled) => {
                let rival =
                    |route: &&FromLine<SpelledRoute>| route.what.route.same_place(&spelled.route);
                let clue = Clue::of_route(&spelled.route);
                let rivals = self.effect.routes.with(Some(clue)).filter(rival);
                rivals
                    .filter(|route| self.may_run_beside(line, route.line))
                    .map(|route| (route.line, WhyItStays::MayFill(number)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a line that stays may run although another has: it does not where `ifup` of the same
    /// interface stops at it or before.
    fn may_run_beside(&self, line: LineRef, other: LineRef) -> bool {
        let fates = self.fates.get(line.stanza);
        let fate = fates.and_then(|fates| fates.get(line.line));
        let stopped = [WhyItStays::Fails, WhyItStays::IfupStops].map(Fate::Stays);
        let is_stopped = fate.is_some_and(|fate| stopped.contains(fate));
        !is_stopped || self.script.interface(line.stanza) != self.script.interface(other.stanza)
    }

    /// Whether a line puts its route in the place of another one of main.
    fn replaces_in_main(&self, line: LineRef, spelled: &SpelledRoute) -> bool {
        let mut commands = self
            .script
            .meaning(line)
            .map_or(&[][..], Meaning::commands)
            .iter();
        spelled.route.table == TableId::MAIN
            && commands.any(|(_, command)| {
                matches!(command, IpCommand::Route(IpVerb::Replace | IpVerb::Change, other)
                    if other.route.same_place(&spelled.route))
            })
    }

    /// Whether a line that cannot be taken apart may put a route in a place of main.
    fn may_fill(&self, line: LineRef, spelled: &SpelledRoute) -> bool {
        let Some(Meaning::Unclear(_, about)) = self.script.meaning(line) else {
            return false;
        };
        let words = self.script.words(line);
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
        let puts_in = !has(&["del", "delete", "flush"]) || has(&["add", "replace", "change"]);
        let destination = spelled.route.destination;
        let written = destination.to_string();
        let is_named = has(&[written.as_str()])
            || destination.is_any() && has(&["default", "0/0", "0.0.0.0/0", "::/0"]);
        let is_open = words
            .iter()
            .any(|word| word.contains('$') || word.starts_with("-b"));
        about.routes && puts_in && !has(&["table"]) && (is_named || is_open)
    }

    /// The first program that nobody knows, of any line, as the reason for a line to stay.
    fn program_for(&self, route: LineRef) -> Option<(LineRef, WhyItStays)> {
        let line = self.script.first_stranger()?;
        Some((route, WhyItStays::MayFill(self.script.number(line))))
    }

    /// Rules that name no table, and so look up main, where nothing that the kernel comes to
    /// behind them and before main can do anything else: what has no priority of its own goes
    /// before what is there, and nothing that is not known is.
    pub fn without_effect(&self) -> Vec<LineRef> {
        let mut known = Effect::default();
        let mut found = Vec::new();
        for line in self.script.lines(true) {
            let Some(meaning) = self.script.meaning(line) else {
                continue;
            };
            let is_unclear = matches!(meaning, Meaning::Unclear(..)) && meaning.about().rules;
            if is_unclear || self.script.stranger(line).is_some() {
                // Whatever comes now may be in front of something.
                return found;
            }
            let commands = meaning.commands();
            let mut rules = commands.iter().filter_map(|(_, command)| match command {
                IpCommand::Rule(IpVerb::Add, rule) => Some(rule),
                _ => None,
            });
            let rule = rules.next();
            if let (Some(spelled), None, true) = (rule, rules.next(), meaning.about().rules) {
                let is_plain = !spelled.given.action && !spelled.given.priority;
                let matters = |other: &FromLine<SpelledRule>| {
                    other.what.rule.priority != 0 && other.what.rule.order_matters(&spelled.rule)
                };
                let is_without =
                    is_plain && is_plain_lookup(&spelled.rule) && !known.rules.iter().any(matters);
                if is_without {
                    found.push(line);
                    continue;
                }
            }
            for (_, command) in commands {
                if let IpCommand::Rule(IpVerb::Add, rule) = command {
                    known.add_rule(line, rule.clone());
                }
            }
        }
        found
    }
}

fn is_plain_lookup(rule: &Rule) -> bool {
    rule.action == Action::Lookup(TableId::MAIN)
        && rule.suppress_length.is_none()
        && rule.suppress_group.is_none()
        && rule.realms == 0
}
