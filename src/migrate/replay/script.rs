//! The lines of all stanzas, taken apart, and what can be told of them without running any: which
//! puts in what another takes out.

use super::devices::FileDevices;
use super::entries::LineRef;
use super::guarded::Sought;
use super::ways::Ways;
use crate::ifupdown::interfaces::Phase;
use crate::ifupdown::Caller;
use crate::migrate::lines::{
    meaning, stranger, CommandLine, Guard, IpCommand, IpVerb, Meaning, RoutingCommands,
    ScriptedStanza, SpelledRoute, SpelledRule, WhyItStays,
};
use crate::routing::syntax::{abbreviates, TableNames};

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
    /// The first of all lines with a program that nobody knows, those of `ifup` first.
    first_stranger: Option<LineRef>,
    /// Where the kernel may find a router.
    ways: Ways,
    /// What the guards of lines look for.
    pub sought: Sought,
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

/// The guards of all lines.
fn guards(meanings: &[Vec<Meaning>]) -> impl Iterator<Item = &Guard> {
    let routing = meanings
        .iter()
        .flatten()
        .filter_map(|meaning| match meaning {
            Meaning::Routing(commands) => Some(commands),
            Meaning::Other | Meaning::Unclear(..) => None,
        });
    routing.filter_map(|commands| commands.guard.as_ref())
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
        let meanings: Vec<Vec<Meaning>> = stanzas.iter().map(of_stanza).collect();
        let devices = FileDevices::of(stanzas);
        let script = Self {
            strangers: stanzas.iter().map(strangers).collect(),
            stanzas,
            ways: Ways::of(&meanings, &devices),
            sought: Sought::of(guards(&meanings)),
            devices,
            meanings,
            up: in_order(stanzas, [Phase::PreUp, Phase::Up]),
            down: in_order(stanzas, [Phase::Down, Phase::PostDown]),
            first_stranger: None,
        };
        let first = |up| {
            script
                .lines(up)
                .find(|line| script.stranger(*line).is_some())
        };
        let first = first(true).or_else(|| first(false));
        Self {
            first_stranger: first,
            ..script
        }
    }

    /// The first of all lines with a program that nobody knows, those of `ifup` first.
    pub fn first_stranger(&self) -> Option<LineRef> {
        self.first_stranger
    }

    /// The lines that `ifup` runs, those of each stanza together.
    pub fn up_by_stanza(&self) -> impl Iterator<Item = &[LineRef]> {
        self.up.chunk_by(|one, next| one.stanza == next.stanza)
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

    /// Where the kernel may find a router.
    pub fn ways(&self) -> &Ways {
        &self.ways
    }

    /// The reason that something belongs to another stanza.
    pub fn of_other(&self, owner: usize) -> WhyItStays {
        WhyItStays::OtherStanza(self.interface(owner))
    }
}
