//! Running lines in the model of the kernel, as the shell and `ip` would when everything comes up
//! for the first time. A line that options cannot stand for is refused, with the reason.

use std::net::IpAddr;

use super::devices::needs_no_interface;
use super::effect::{Effect, FromLine, LineRef};
use super::script::Script;
use crate::ifupdown::interfaces::Phase;
use crate::migrate::lines::{IpCommand, IpVerb, Joint, RoutingCommands, SpelledRoute, WhyItStays};
use crate::routing::{Route, TableId};

/// The kernel as the lines so far have left it.
pub struct Replay<'a> {
    script: &'a Script<'a>,
    /// What they have put in.
    pub effect: Effect,
}

impl<'a> Replay<'a> {
    /// Begins with nothing put in.
    pub fn of(script: &'a Script<'a>) -> Self {
        Self {
            script,
            effect: Effect::default(),
        }
    }

    /// Runs a line.
    /// Errors: why options cannot do what it does; it is then left half done.
    pub fn line(&mut self, line: LineRef, commands: &RoutingCommands) -> Result<(), WhyItStays> {
        if let Some(guard) = &commands.guard {
            if !self.effect.lets_in(guard, &commands.list)? {
                return Ok(());
            }
        }
        // Where there are several, one may be there to mend what another could not do.
        let is_tolerant = commands.list.len() > 1;
        let mut success = true;
        for (joint, command) in &commands.list {
            if let (true, IpCommand::Route(_, route)) = (is_tolerant, command) {
                self.script.devices.check_own(line.stanza, &route.route)?;
            }
            let runs = match joint {
                Joint::Then => true,
                Joint::And => success,
                Joint::Or => !success,
            };
            if runs {
                success = self.command(line, command)?;
            }
        }
        if success {
            Ok(())
        } else {
            Err(WhyItStays::Fails)
        }
    }

    /// Runs a command, and says whether it succeeds.
    fn command(&mut self, line: LineRef, command: &IpCommand) -> Result<bool, WhyItStays> {
        match command {
            IpCommand::Nothing => Ok(true),
            IpCommand::Rule(IpVerb::Add, rule) => Ok(self.effect.add_rule(line, rule.clone())),
            IpCommand::Rule(..) | IpCommand::Route(IpVerb::Delete, _) => {
                self.delete(line.stanza, command)
            }
            IpCommand::Flush(..) => self.flush(line.stanza, command),
            IpCommand::Route(verb, route) => self.put_route(line, *verb, route.clone()),
        }
    }

    /// Takes out the first rule or route that a command means. It fails if none is there, which is
    /// as it should be if the stanza puts one in later.
    fn delete(&mut self, s: usize, command: &IpCommand) -> Result<bool, WhyItStays> {
        let Effect { rules, routes } = &mut self.effect;
        let owner = take_first(rules, s, |rule| command.takes_rule(&rule.rule))
            .or_else(|| take_first(routes, s, |route| command.takes_route(&route.route)));
        match owner {
            Some(owner) if owner == s => Ok(true),
            Some(owner) => Err(self.script.of_other(owner)),
            None if is_shared(command) || !self.script.puts_in(s, command) => {
                Err(WhyItStays::NotOurs)
            }
            None => Ok(false),
        }
    }

    /// Takes out all routes that a command means. It fails if there are none.
    fn flush(&mut self, s: usize, command: &IpCommand) -> Result<bool, WhyItStays> {
        let is_meant = |route: &FromLine<SpelledRoute>| command.takes_route(&route.what.route);
        let routes = &mut self.effect.routes;
        let mut meant = routes.iter().filter(|route| is_meant(route));
        if let Some(other) = meant.find(|route| route.line.stanza != s) {
            return Err(self.script.of_other(other.line.stanza));
        }
        if !self.script.puts_in(s, command) {
            return Err(WhyItStays::NotOurs);
        }
        let before = routes.len();
        routes.retain(|route| !is_meant(route));
        Ok(routes.len() < before)
    }

    /// Puts a route in, unless its place is taken.
    fn put_route(
        &mut self,
        line: LineRef,
        verb: IpVerb,
        mut spelled: SpelledRoute,
    ) -> Result<bool, WhyItStays> {
        self.name_devices(line.stanza, &mut spelled)?;
        if self.script.phase(line) == Phase::PreUp && !needs_no_interface(&spelled.route) {
            return Err(WhyItStays::TooEarly);
        }
        let goes_in = self.clear_place(line.stanza, verb, &spelled.route)?;
        if goes_in {
            self.effect.routes.push(FromLine {
                line,
                what: spelled,
            });
        }
        Ok(goes_in)
    }

    /// Takes out what a route replaces, and says whether the route goes in.
    fn clear_place(&mut self, s: usize, verb: IpVerb, route: &Route) -> Result<bool, WhyItStays> {
        let routes = &mut self.effect.routes;
        let is_there = |other: &FromLine<SpelledRoute>| other.what.route.same_place(route);
        let owner = routes.iter().find(|other| is_there(other));
        match (verb, owner.map(|owner| owner.line.stanza)) {
            (IpVerb::Replace, None) if self.script.devices.may_be_taken(s, route) => {
                Err(WhyItStays::Place)
            }
            (IpVerb::Change, None) => Err(WhyItStays::NotOurs),
            (_, None) => Ok(true),
            (IpVerb::Replace | IpVerb::Change, Some(owner)) if owner == s => {
                routes.retain(|other| !is_there(other));
                Ok(true)
            }
            (IpVerb::Replace | IpVerb::Change, Some(owner)) => Err(self.script.of_other(owner)),
            (IpVerb::Beside, Some(_)) => Err(WhyItStays::Place),
            (IpVerb::Add | IpVerb::Delete, Some(_)) => Ok(false),
        }
    }

    /// Fills in the devices that a command leaves to the kernel.
    /// Errors: one of them is not certain.
    fn name_devices(&self, s: usize, spelled: &mut SpelledRoute) -> Result<(), WhyItStays> {
        let route = &mut spelled.route;
        let unnamed = route.hops.iter().filter(|hop| hop.device.is_none());
        let routers: Vec<IpAddr> = unnamed.filter_map(|hop| hop.gateway).collect();
        self.script.devices.name_devices(s, route)?;
        let elsewhere = |router| self.script.may_be_elsewhere(router, route.table, s);
        if routers.into_iter().any(elsewhere) {
            return Err(WhyItStays::NoDevice);
        }
        Ok(())
    }
}

/// Takes out the first that is meant, if it is the stanza's own; the stanza whose it is.
fn take_first<T>(
    all: &mut Vec<FromLine<T>>,
    s: usize,
    is_meant: impl Fn(&T) -> bool,
) -> Option<usize> {
    let at = all.iter().position(|one| is_meant(&one.what))?;
    let owner = all.get(at)?.line.stanza;
    if owner == s {
        all.remove(at);
    }
    Some(owner)
}

/// Whether a command is about a route of a table that the host fills, too.
fn is_shared(command: &IpCommand) -> bool {
    let shared = [TableId::MAIN, TableId::LOCAL];
    matches!(command, IpCommand::Route(_, route) if shared.contains(&route.route.table))
}
