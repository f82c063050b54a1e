//! The lines of all stanzas, taken apart, and what can be told of them without running any: which
//! puts in what another takes out, and whether a router may be somewhere else than it seems.

use std::net::IpAddr;

use super::devices::FileDevices;
use super::effect::LineRef;
use crate::ifupdown::interfaces::Phase;
use crate::ifupdown::Caller;
use crate::migrate::lines::{
    meaning, stranger, CommandLine, IpCommand, IpVerb, Meaning, RoutingCommands, ScriptedStanza,
    SpelledRoute, SpelledRule, WhyItStays,
};
use crate::routing::syntax::{abbreviates, TableNames};
use crate::routing::{Action, Family, InterfaceName, Rule, TableId};

/// The lines of all stanzas, taken apart.
pub struct Script<'a> {
    /// The stanzas.
    pub stanzas: &'a [ScriptedStanza],
    /// Their devices.
    pub devices: FileDevices<'a>,
    /// What the lines of each stanza mean.
    meanings: Vec<Vec<Meaning>>,
    /// The programs of their lines that nobody knows.
    strangers: Vec<Vec<Option<String>>>,
    /// The lines of `ifup`, in the order in which it runs them.
    up: Vec<LineRef>,
    /// Those of `ifdown`.
    down: Vec<LineRef>,
}

/// The lines of two phases, stanza by stanza.
fn in_order(stanzas: &[ScriptedStanza], phases: [Phase; 2]) -> Vec<LineRef> {
    let mut lines = Vec::new();
    for (s, stanza) in stanzas.iter().enumerate() {
        for phase in phases {
            let of_phase = stanza.lines.iter().enumerate();
            let of_phase = of_phase.filter(|(_, line)| line.phase == phase);
            lines.extend(of_phase.map(|(line, _)| LineRef { stanza: s, line }));
        }
    }
    lines
}

impl<'a> Script<'a> {
    /// Takes all lines apart.
    pub fn of(stanzas: &'a [ScriptedStanza], names: TableNames<'_>) -> Self {
        let of_stanza = |stanza: &ScriptedStanza| {
            let lines = stanza.lines.iter();
            let meanings = lines.map(|line| meaning(&line.command, &stanza.variables, names));
            meanings.collect::<Vec<Meaning>>()
        };
        let strangers = |stanza: &ScriptedStanza| {
            let lines = stanza.lines.iter();
            lines
                .map(|line| line.command.shell().and_then(stranger))
                .collect()
        };
        Self {
            strangers: stanzas.iter().map(strangers).collect(),
            stanzas,
            devices: FileDevices::of(stanzas),
            meanings: stanzas.iter().map(of_stanza).collect(),
            up: in_order(stanzas, [Phase::PreUp, Phase::Up]),
            down: in_order(stanzas, [Phase::Down, Phase::PostDown]),
        }
    }

    /// The lines that `ifup` runs, or `ifdown`, in the order in which it does.
    pub fn lines(&self, up: bool) -> impl DoubleEndedIterator<Item = LineRef> + '_ {
        let lines = if up { &self.up } else { &self.down };
        lines.iter().copied()
    }

    /// What the lines of a stanza mean.
    pub fn meanings(&self, s: usize) -> &[Meaning] {
        self.meanings.get(s).map_or(&[], Vec::as_slice)
    }

    /// The first program that a line runs and that may put in anything for all that is known.
    pub fn stranger(&self, line: LineRef) -> Option<&str> {
        let of_stanza = self.strangers.get(line.stanza)?;
        of_stanza.get(line.line)?.as_deref()
    }

    /// What a line means.
    pub fn meaning(&self, line: LineRef) -> Option<&Meaning> {
        self.meanings(line.stanza).get(line.line)
    }

    /// The commands of a line that consists of such about routes and rules.
    pub fn commands(&self, line: LineRef) -> Option<&RoutingCommands> {
        match self.meaning(line)? {
            Meaning::Routing(commands) => Some(commands),
            Meaning::Other | Meaning::Unclear(..) => None,
        }
    }

    /// When a line runs.
    pub fn phase(&self, line: LineRef) -> Phase {
        self.written(line).map_or(Phase::Up, |line| line.phase)
    }

    /// The number of a line in its file.
    pub fn number(&self, line: LineRef) -> usize {
        self.written(line).map_or(0, |line| line.number)
    }

    /// The interface of a stanza.
    pub fn interface(&self, s: usize) -> String {
        let stanza = self.stanzas.get(s);
        stanza.map_or_else(String::new, |stanza| stanza.call.interface.clone())
    }

    /// The stanzas whose options act at once, when the lines of all of them have run: with ifupdown2
    /// and ifupdown-ng all of an interface, with Debian's ifupdown each by itself.
    pub fn acts_with(&self, s: usize) -> Vec<usize> {
        let own = self.stanzas.get(s).map(|stanza| &stanza.call);
        let Some(own) = own.filter(|own| own.caller != Caller::Ifupdown) else {
            return vec![s];
        };
        let stanzas = self.stanzas.iter().enumerate();
        let together = stanzas.filter(|(_, other)| other.call.interface == own.interface);
        together.map(|(s, _)| s).collect()
    }

    /// The words of a line, as far as white space tells them apart.
    pub fn words(&self, line: LineRef) -> Vec<&str> {
        let written = self.written(line);
        written.map_or_else(Vec::new, |line| line.command.words())
    }

    /// Whether a line is about rules and has a word for their priority.
    pub fn names_priority(&self, line: LineRef) -> bool {
        let is_priority = |word: &&str| {
            let full = ["priority", "preference", "order"];
            full.iter().any(|full| abbreviates(word, full))
        };
        self.is_about_rules(line) && self.words(line).iter().any(is_priority)
    }

    /// Whether a line may put in a rule.
    pub fn is_about_rules(&self, line: LineRef) -> bool {
        let meaning = self.meaning(line);
        meaning.is_some_and(|meaning| meaning.about().rules)
    }

    fn written(&self, line: LineRef) -> Option<&CommandLine> {
        self.stanzas.get(line.stanza)?.lines.get(line.line)
    }

    /// Whether a line of the stanza puts in what a command takes out: at boot it is not there yet.
    pub fn puts_in(&self, s: usize, taking: &IpCommand) -> bool {
        let lines = self.meanings(s).iter();
        let mut commands = lines.flat_map(Meaning::commands);
        commands.any(|(_, command)| match command {
            _ if command.takes_out() => false,
            IpCommand::Rule(_, rule) => taking.takes_rule(&rule.rule),
            IpCommand::Route(_, route) => taking.takes_route(&route.route),
            _ => false,
        })
    }

    /// Whether a line of the stanza puts in this very rule, at its priority.
    pub fn puts_rule_in(&self, s: usize, wanted: &SpelledRule) -> bool {
        let lines = self.meanings(s).iter();
        let mut commands = lines.flat_map(Meaning::commands);
        commands.any(|(_, command)| {
            matches!(command, IpCommand::Rule(IpVerb::Add, rule)
                if rule.given.priority && rule.rule == wanted.rule)
        })
    }

    /// Whether a line of the stanza puts in this very route.
    pub fn puts_route_in(&self, s: usize, wanted: &SpelledRoute) -> bool {
        let lines = self.meanings(s).iter();
        let mut commands = lines.flat_map(Meaning::commands);
        commands.any(|(_, command)| {
            matches!(command, IpCommand::Route(IpVerb::Add | IpVerb::Replace, route)
                if route.route == wanted.route)
        })
    }

    /// Whether a line of the stanza that cannot be taken apart may put in what a command takes out.
    pub fn may_put_in(&self, s: usize, taking: &IpCommand) -> bool {
        let takes_rules = matches!(taking, IpCommand::Rule(..));
        let mut meanings = self.meanings(s).iter();
        meanings.any(|meaning| match meaning {
            Meaning::Unclear(_, about) if takes_rules => about.rules,
            Meaning::Unclear(_, about) => about.routes,
            Meaning::Other | Meaning::Routing(_) => false,
        })
    }

    /// Whether the kernel, which looks for a router as for any destination, may find it by another
    /// device than the one it is near to: in the route's table, in main, or where a rule leads.
    pub fn may_be_elsewhere(&self, router: IpAddr, table: TableId, near: &InterfaceName) -> bool {
        let Some(tables) = self.tables_for(router, table) else {
            return true;
        };
        self.all_commands().any(|(of, command)| match command {
            IpCommand::Route(IpVerb::Delete, _) => false,
            IpCommand::Route(_, spelled) => {
                let route = &spelled.route;
                let is_last_resort = route.table == TableId::MAIN && route.destination.is_any();
                let mut devices = route.hops.iter().map(|hop| {
                    let named = hop.device.as_ref().map(InterfaceName::device);
                    named.or_else(|| self.devices.device(of))
                });
                tables.contains(&route.table)
                    && !is_last_resort
                    && route.destination.contains(router)
                    && devices.any(|device| device.as_ref() != Some(near))
            }
            _ => false,
        })
    }

    /// The tables in which the kernel looks for the router of a route in a table; `None` where that
    /// cannot be told.
    pub fn tables_for(&self, router: IpAddr, table: TableId) -> Option<Vec<TableId>> {
        let mut meanings = self.meanings.iter().flatten();
        if meanings.any(|meaning| matches!(meaning, Meaning::Unclear(_, about) if about.rules)) {
            return None;
        }
        let mut tables = vec![table, TableId::MAIN];
        for (_, command) in self.all_commands() {
            match command {
                IpCommand::Rule(IpVerb::Add, rule) if sees(&rule.rule, router) => {
                    let Action::Lookup(table) = rule.rule.action else {
                        return None;
                    };
                    tables.push(table);
                }
                _ => {}
            }
        }
        Some(tables)
    }

    /// The commands of all lines that can be taken apart, with the places of their stanzas.
    fn all_commands(&self) -> impl Iterator<Item = (usize, &IpCommand)> {
        let stanzas = self.meanings.iter().enumerate();
        stanzas.flat_map(|(s, meanings)| {
            let commands = meanings.iter().flat_map(Meaning::commands);
            commands.map(move |(_, command)| (s, command))
        })
    }

    /// The reason that something belongs to another stanza.
    pub fn of_other(&self, owner: usize) -> WhyItStays {
        WhyItStays::OtherStanza(self.interface(owner))
    }
}

/// Whether a rule may match when the kernel looks for a router: from no address, without a mark.
fn sees(rule: &Rule, router: IpAddr) -> bool {
    let is_other_than_lo = |device: &InterfaceName| device.as_str() != "lo";
    let selects = rule.from.is_some()
        || rule.mark.is_some()
        || rule.oif.is_some()
        || rule.iif.as_ref().is_some_and(is_other_than_lo);
    let apart = rule.to.is_some_and(|to| !to.contains(router));
    rule.family == Family::of(router) && (rule.invert || !(selects || apart))
}
