//! Running the lines of a file in the model of the kernel, as the shell and `ip` would.

mod devices;
mod effect;
mod fate;

pub(crate) use effect::Placed;
pub(crate) use fate::{Fate, Fates};

use std::net::IpAddr;

use crate::ifupdown::interfaces::Phase;
use crate::migrate::lines::{
    meaning, Guard, IpCommand, IpVerb, Joint, Meaning, SaidRoute, ScriptedStanza, WhyItStays,
};
use crate::routing::syntax::{abbreviates, TableNames};
use crate::routing::{Action, Family, InterfaceName, Rule, TableId};
use devices::{is_always_possible, Devices};
use effect::Effect;

/// The commands of a line, and the guard in front of them.
pub type Commands = (Option<Guard>, Vec<(Joint, IpCommand)>);

/// The lines of all stanzas, taken apart.
pub struct Script<'a> {
    /// The stanzas.
    pub stanzas: &'a [ScriptedStanza],
    /// What the lines of each stanza mean.
    pub meanings: Vec<Vec<Meaning>>,
    surroundings: Devices<'a>,
}

impl<'a> Script<'a> {
    /// Takes all lines apart.
    pub fn of(stanzas: &'a [ScriptedStanza], names: TableNames<'_>) -> Self {
        let of_stanza = |stanza: &ScriptedStanza| {
            let lines = stanza.lines.iter();
            let meanings = lines.map(|line| meaning(line, &stanza.variables, names));
            meanings.collect::<Vec<Meaning>>()
        };
        Self {
            stanzas,
            meanings: stanzas.iter().map(of_stanza).collect(),
            surroundings: Devices::of(stanzas),
        }
    }

    /// The commands of a line that consists of such about routes and rules.
    pub fn commands(&self, stanza: usize, line: usize) -> Option<Commands> {
        match self.meanings.get(stanza)?.get(line)? {
            Meaning::Routing(commands) => Some((None, commands.clone())),
            Meaning::Guarded(guard, commands) => Some((Some(guard.clone()), commands.clone())),
            Meaning::Other | Meaning::Unclear(..) => None,
        }
    }

    /// Every line of a direction, by stanza and place; those of `pre-up` come before those of `up`.
    pub fn lines(&self, up: bool) -> Vec<(usize, usize)> {
        let mut lines = Vec::new();
        for (s, stanza) in self.stanzas.iter().enumerate() {
            for phase in [Phase::PreUp, Phase::Up, Phase::Down, Phase::PostDown] {
                let of_phase = stanza.lines.iter().enumerate();
                let of_phase =
                    of_phase.filter(|(_, line)| line.phase == phase && phase.is_up() == up);
                lines.extend(of_phase.map(|(l, _)| (s, l)));
            }
        }
        lines
    }

    /// Runs a line.
    /// Errors: why options cannot do what it does.
    pub fn line(
        &self,
        effect: &mut Effect,
        s: usize,
        l: usize,
        (guard, commands): Commands,
    ) -> Result<(), WhyItStays> {
        match guard {
            Some(guard) if !effect.passes(&guard, &commands)? => Ok(()),
            _ => self.run(effect, s, l, commands),
        }
    }

    /// Runs a line as the shell does.
    fn run(
        &self,
        effect: &mut Effect,
        s: usize,
        l: usize,
        commands: Vec<(Joint, IpCommand)>,
    ) -> Result<(), WhyItStays> {
        let mut success = true;
        let tolerant = commands.len() > 1;
        for (joint, command) in commands {
            if let (true, IpCommand::Route(_, said)) = (tolerant, &command) {
                self.surroundings.is_here(s, &said.route)?;
            }
            let runs = match joint {
                Joint::Then => true,
                Joint::And => success,
                Joint::Or => !success,
            };
            if runs {
                success = self.command(effect, s, l, command)?;
            }
        }
        if success {
            Ok(())
        } else {
            Err(WhyItStays::Fails)
        }
    }

    /// Runs a command, and says whether it succeeds.
    fn command(
        &self,
        effect: &mut Effect,
        s: usize,
        l: usize,
        command: IpCommand,
    ) -> Result<bool, WhyItStays> {
        match command {
            IpCommand::Nothing => Ok(true),
            IpCommand::Rule(IpVerb::Add, said) => Ok(effect.add_rule(s, l, said)),
            IpCommand::Rule(_, said) => {
                let found = effect
                    .rules
                    .iter()
                    .position(|rule| said.takes(&rule.what.rule));
                match found.and_then(|at| Some((at, effect.rules.get(at)?.stanza))) {
                    Some((at, owner)) if owner == s => {
                        effect.rules.remove(at);
                        Ok(true)
                    }
                    Some((_, owner)) => Err(self.of_other(owner)),
                    None if self.is_put_in(s, &IpCommand::Rule(IpVerb::Delete, said)) => Ok(false),
                    None => Err(WhyItStays::NotOurs),
                }
            }
            IpCommand::Flush(family, table) => {
                let there = |route: &Placed<SaidRoute>| route.what.is_in(family, table);
                if let Some(other) = effect
                    .routes
                    .iter()
                    .find(|route| there(route) && route.stanza != s)
                {
                    return Err(self.of_other(other.stanza));
                }
                if !self.is_put_in(s, &IpCommand::Flush(family, table)) {
                    return Err(WhyItStays::NotOurs);
                }
                let before = effect.routes.len();
                effect.routes.retain(|route| !there(route));
                Ok(effect.routes.len() < before)
            }
            IpCommand::Route(IpVerb::Delete, said) => {
                let found = effect
                    .routes
                    .iter()
                    .position(|route| said.takes(&route.what.route));
                match found.and_then(|at| Some((at, effect.routes.get(at)?.stanza))) {
                    Some((at, owner)) if owner == s => {
                        effect.routes.remove(at);
                        Ok(true)
                    }
                    Some((_, owner)) => Err(self.of_other(owner)),
                    None if said.route.table == TableId::MAIN
                        || said.route.table == TableId::LOCAL =>
                    {
                        Err(WhyItStays::NotOurs)
                    }
                    None if self.is_put_in(s, &IpCommand::Route(IpVerb::Delete, said)) => Ok(false),
                    None => Err(WhyItStays::NotOurs),
                }
            }
            IpCommand::Route(verb, said) => self.put_route(effect, s, l, verb, said),
        }
    }

    fn put_route(
        &self,
        effect: &mut Effect,
        s: usize,
        l: usize,
        verb: IpVerb,
        mut said: SaidRoute,
    ) -> Result<bool, WhyItStays> {
        let unnamed = said.route.hops.iter().filter(|hop| hop.device.is_none());
        let routers: Vec<IpAddr> = unnamed.filter_map(|hop| hop.gateway).collect();
        self.surroundings.name_devices(s, &mut said.route)?;
        let own = self.surroundings.device(s);
        let table = said.route.table;
        let mut routers = routers.into_iter();
        if routers.any(|router| self.may_be_elsewhere(router, table, own.as_ref())) {
            return Err(WhyItStays::NoDevice);
        }
        if self.phase(s, l) == Phase::PreUp && !is_always_possible(&said.route) {
            return Err(WhyItStays::TooEarly);
        }
        let found = effect.routes.iter();
        let found = found.filter(|route| route.what.route.same_place(&said.route));
        let there: Vec<usize> = found.map(|route| route.stanza).collect();
        let put = |effect: &mut Effect, said| {
            effect.routes.push(Placed {
                stanza: s,
                line: l,
                what: said,
            });
            Ok(true)
        };
        match (verb, there.first()) {
            (IpVerb::Replace, None) if self.surroundings.may_be_taken(s, &said.route) => {
                Err(WhyItStays::Place)
            }
            (IpVerb::Change, None) => Err(WhyItStays::NotOurs),
            (_, None) => put(effect, said),
            (IpVerb::Replace | IpVerb::Change, Some(owner)) if *owner == s => {
                effect
                    .routes
                    .retain(|route| !route.what.route.same_place(&said.route));
                put(effect, said)
            }
            (IpVerb::Replace | IpVerb::Change, Some(owner)) => Err(self.of_other(*owner)),
            (IpVerb::Beside, Some(_)) => Err(WhyItStays::Place),
            (IpVerb::Add | IpVerb::Delete, Some(_)) => Ok(false),
        }
    }

    /// Whether the kernel, which looks for a router as for any destination, may find it by another
    /// device than a stanza's own: in the route's table, in main, or where a rule leads.
    fn may_be_elsewhere(
        &self,
        router: IpAddr,
        table: TableId,
        own: Option<&InterfaceName>,
    ) -> bool {
        let mut tables = vec![table, TableId::MAIN];
        for said in self.put_in().filter_map(|(_, command)| match command {
            IpCommand::Rule(IpVerb::Add, said) => Some(said),
            _ => None,
        }) {
            match said.rule.action {
                _ if !sees(&said.rule, router) => {}
                Action::Lookup(table) => tables.push(table),
                _ => return true,
            }
        }
        let mut meanings = self.meanings.iter().flatten();
        let unclear =
            |meaning: &Meaning| matches!(meaning, Meaning::Unclear(_, about) if about.rules);
        meanings.any(unclear)
            || self.put_in().any(|(s, command)| match command {
                IpCommand::Rule(..) | IpCommand::Route(IpVerb::Delete, _) => false,
                IpCommand::Route(_, said) => {
                    let route = &said.route;
                    let behind = route.table == TableId::MAIN && route.destination.is_any();
                    let own_of = self.surroundings.device(s);
                    let mut devices = route.hops.iter().map(|hop| {
                        let said = hop.device.as_ref().map(InterfaceName::device);
                        said.or_else(|| own_of.clone())
                    });
                    tables.contains(&route.table)
                        && !behind
                        && route.destination.contains(router)
                        && devices.any(|device| device.as_ref() != own)
                }
                _ => false,
            })
    }

    /// The commands of all lines that can be taken apart, with the places of their stanzas.
    fn put_in(&self) -> impl Iterator<Item = (usize, &IpCommand)> {
        let meanings = self.meanings.iter().enumerate();
        let meanings = meanings.flat_map(|(s, lines)| lines.iter().map(move |line| (s, line)));
        meanings.flat_map(|(s, meaning)| {
            let commands = match meaning {
                Meaning::Routing(commands) | Meaning::Guarded(_, commands) => commands.as_slice(),
                Meaning::Other | Meaning::Unclear(..) => &[],
            };
            commands.iter().map(move |(_, command)| (s, command))
        })
    }

    fn phase(&self, s: usize, l: usize) -> Phase {
        let line = self.stanzas.get(s).and_then(|stanza| stanza.lines.get(l));
        line.map_or(Phase::Up, |line| line.phase)
    }

    /// The reason that something belongs to another stanza.
    pub fn of_other(&self, owner: usize) -> WhyItStays {
        let stanza = self.stanzas.get(owner);
        WhyItStays::OtherStanza(
            stanza.map_or_else(String::new, |stanza| stanza.call.interface.clone()),
        )
    }

    /// Whether a line of the stanza puts in what a command takes out: at boot it is not there yet.
    pub fn is_put_in(&self, s: usize, taken: &IpCommand) -> bool {
        let lines = self.meanings.get(s).into_iter().flatten();
        let commands = lines.filter_map(|meaning| match meaning {
            Meaning::Routing(commands) | Meaning::Guarded(_, commands) => Some(commands),
            _ => None,
        });
        let mut put = commands.flatten().filter(|(_, command)| {
            !matches!(
                command,
                IpCommand::Rule(IpVerb::Delete, _) | IpCommand::Route(IpVerb::Delete, _)
            )
        });
        put.any(|(_, command)| match (taken, command) {
            (IpCommand::Rule(_, taken), IpCommand::Rule(_, put)) => taken.takes(&put.rule),
            (IpCommand::Route(_, taken), IpCommand::Route(_, put)) => taken.takes(&put.route),
            (IpCommand::Flush(family, table), IpCommand::Route(_, put)) => {
                put.is_in(*family, *table)
            }
            _ => false,
        })
    }

    /// Whether a line of the stanza that cannot be taken apart may put in what a command takes out.
    pub fn may_put_in(&self, s: usize, command: &IpCommand) -> bool {
        let meanings = self.meanings.get(s).into_iter().flatten();
        let mut abouts = meanings.filter_map(|meaning| match meaning {
            Meaning::Unclear(_, about) => Some(about),
            _ => None,
        });
        let about_rules = matches!(command, IpCommand::Rule(..));
        abouts.any(|about| {
            if about_rules {
                about.rules
            } else {
                about.routes
            }
        })
    }

    /// Whether a line is about rules and has a word for their priority.
    pub fn names_priority(&self, s: usize, l: usize) -> bool {
        let line = self.stanzas.get(s).and_then(|stanza| stanza.lines.get(l));
        let meaning = self.meanings.get(s).and_then(|meanings| meanings.get(l));
        let mut words = line.iter().flat_map(|line| line.text.split_whitespace());
        let is_priority = |word: &str| {
            let full = ["priority", "preference", "order"];
            full.iter().any(|full| abbreviates(word, full))
        };
        meaning.is_some_and(|meaning| meaning.about().rules) && words.any(is_priority)
    }

    /// The number of a line in its file.
    pub fn number(&self, s: usize, l: usize) -> usize {
        let line = self.stanzas.get(s).and_then(|stanza| stanza.lines.get(l));
        line.map_or(0, |line| line.number)
    }
}

/// Whether a rule may match when the kernel looks for a router: from no address, without a mark.
fn sees(rule: &Rule, router: IpAddr) -> bool {
    let selects = rule.from.is_some() || rule.mark.is_some() || rule.oif.is_some();
    let selects = selects
        || rule
            .iif
            .as_ref()
            .is_some_and(|device| device.as_str() != "lo");
    let apart = rule.to.is_some_and(|to| !to.contains(router));
    rule.family == Family::of(router) && (rule.invert || !(selects || apart))
}
