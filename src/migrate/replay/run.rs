//! Running lines in the model of the kernel, as the shell and `ip` would when everything comes up
//! for the first time. A line that options cannot stand for is refused, with the reason.

use super::devices::needs_no_interface;
use super::effect::Effect;
use super::entries::{Clue, Clued, Entries, FromLine, LineRef};
use super::guarded::{FoundByGuards, Guarded};
use super::script::Script;
use crate::ifupdown::interfaces::Phase;
use crate::migrate::lines::{
    IpCommand, IpVerb, Joint, RoutingCommands, SpelledRoute, SpelledRule, WhyItStays,
};
use crate::routing::{InterfaceName, Route, Rule, TableId};

/// The kernel as the lines so far have left it.
pub struct Replay<'a> {
    script: &'a Script<'a>,
    /// What they have put in.
    pub effect: Effect,
    /// Which of that guards find.
    found: FoundByGuards,
    /// Why a command of the line that runs does not do what it says, where the line may bear it.
    borne: Option<WhyItStays>,
    /// Rules that the stanza has taken out as another's, too, and puts in again.
    rules_away: Vec<Rule>,
    /// Routes of that kind.
    routes_away: Vec<Route>,
}

impl<'a> Replay<'a> {
    /// Begins with nothing put in.
    pub fn of(script: &'a Script<'a>) -> Self {
        Self {
            script,
            effect: Effect::default(),
            found: FoundByGuards::default(),
            borne: None,
            rules_away: Vec::new(),
            routes_away: Vec::new(),
        }
    }

    /// Runs the lines of a stanza that are to be run.
    /// Errors: the first that options cannot stand for, and why; then nothing of the stanza is done.
    pub fn stanza<'b>(
        &mut self,
        lines: impl Iterator<Item = (LineRef, &'b RoutingCommands)>,
    ) -> Result<(), (LineRef, WhyItStays)> {
        let away = (self.rules_away.clone(), self.routes_away.clone());
        for (line, commands) in lines {
            if let Err(reason) = self.line(line, commands) {
                self.effect.rules.go_back();
                self.effect.routes.go_back();
                (self.rules_away, self.routes_away) = away;
                return Err((line, reason));
            }
        }
        self.effect.rules.keep();
        self.effect.routes.keep();
        Ok(())
    }

    /// Runs a line.
    /// Errors: why options cannot do what it does; it is then left half done.
    fn line(&mut self, line: LineRef, commands: &RoutingCommands) -> Result<(), WhyItStays> {
        if let Some(guard) = &commands.guard {
            let guarded = (guard, commands);
            let lets_in = self
                .found
                .lets_in(&self.script.sought, &self.effect, guarded)?;
            if let Guarded::Out(rule) = lets_in {
                self.effect.share_rule(line, rule);
                self.found.look_at(&self.effect.rules, &self.script.sought);
                return Ok(());
            }
        }
        self.borne = None;
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
        match (success, self.borne.take()) {
            (true, None) => Ok(()),
            (true, Some(WhyItStays::AlwaysFails(there))) => Err(WhyItStays::DoesNothing(there)),
            (true, Some(reason)) | (false, Some(reason @ WhyItStays::AlwaysFails(_))) => {
                Err(reason)
            }
            (false, _) => Err(WhyItStays::Fails),
        }
    }

    /// Runs a command, and says whether it succeeds.
    fn command(&mut self, line: LineRef, command: &IpCommand) -> Result<bool, WhyItStays> {
        match command {
            IpCommand::Nothing => Ok(true),
            IpCommand::Rule(IpVerb::Add, rule) => Ok(self.add_rule(line, rule.clone())),
            IpCommand::Rule(..) | IpCommand::Route(IpVerb::Delete, _) => {
                self.delete(line.stanza, command)
            }
            IpCommand::Flush(..) => self.flush(line.stanza, command),
            IpCommand::Route(verb, route) => self.put_route(line, *verb, route.clone()),
        }
    }

    /// Puts a rule in. What has been taken out for that, although it is another's, too, is there.
    fn add_rule(&mut self, line: LineRef, rule: SpelledRule) -> bool {
        let was_away = take(&mut self.rules_away, &rule.rule);
        let is_new = self.effect.add_rule(line, rule);
        self.found.look_at(&self.effect.rules, &self.script.sought);
        is_new || was_away
    }

    /// Takes out the first rule or route that a command means. It fails if none is there, which is
    /// as it should be if the stanza puts one in later. What is another stanza's, too, and comes
    /// back at once, has not been away.
    fn delete(&mut self, s: usize, command: &IpCommand) -> Result<bool, WhyItStays> {
        let Effect { rules, routes, .. } = &mut self.effect;
        let rule = take_first(
            rules,
            s,
            command,
            |rule| command.takes_rule(&rule.rule),
            |one, other| one.rule == other.rule,
            |rule| rule.rule.priority,
        );
        let owner = if let Some((owner, rule)) = rule {
            if owner != s && self.script.puts_rule_in(s, &rule) {
                self.rules_away.push(rule.rule);
                return Ok(true);
            }
            Some(owner)
        } else {
            let route = take_first(
                routes,
                s,
                command,
                |route| command.takes_route(&route.route),
                |one, other| one.route == other.route,
                |_| 0,
            );
            if let Some((owner, route)) = &route {
                if *owner != s && self.script.puts_route_in(s, route) {
                    self.routes_away.push(route.route.clone());
                    return Ok(true);
                }
            }
            route.map(|(owner, _)| owner)
        };
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
        let is_meant = |route: &SpelledRoute| command.takes_route(&route.route);
        let clue = Clue::of_taking(command).ok_or(WhyItStays::NotOurs)?;
        let routes = &mut self.effect.routes;
        let mut meant = routes
            .with(Some(clue.clone()))
            .filter(|route| is_meant(&route.what));
        if let Some(other) = meant.find(|route| route.line.stanza != s) {
            return Err(self.script.of_other(other.line.stanza));
        }
        drop(meant);
        if !self.script.puts_in(s, command) {
            return Err(WhyItStays::NotOurs);
        }
        Ok(routes.take(&clue, is_meant))
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
        if verb == IpVerb::Add {
            if let Some(there) = self
                .script
                .devices
                .put_in_by_itself(line.stanza, &spelled.route)
            {
                self.borne = Some(WhyItStays::AlwaysFails(there));
                return Ok(false);
            }
        }
        if self.is_anothers(line, verb, &spelled) {
            let was_away = take(&mut self.routes_away, &spelled.route);
            self.effect.share_route(line, spelled);
            return Ok(was_away || verb == IpVerb::Replace);
        }
        if verb == IpVerb::Beside {
            if let Some(joins) = self.effect.join_ways(line.stanza, &spelled.route) {
                return Ok(joins);
            }
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

    /// Whether another stanza has put in the very same route, and what the verb does leaves it.
    fn is_anothers(&self, line: LineRef, verb: IpVerb, spelled: &SpelledRoute) -> bool {
        let clue = Clue::of_route(&spelled.route);
        let same = |other: &&FromLine<SpelledRoute>| other.what.route == spelled.route;
        let others = self.effect.routes.with(Some(clue.clone()));
        let mut others = others.filter(same);
        matches!(verb, IpVerb::Add | IpVerb::Replace)
            && others.any(|other| other.line.stanza != line.stanza)
    }

    /// Takes out what a route replaces, and says whether the route goes in.
    fn clear_place(&mut self, s: usize, verb: IpVerb, route: &Route) -> Result<bool, WhyItStays> {
        let routes = &mut self.effect.routes;
        let clue = Clue::of_route(route);
        let is_there = |other: &SpelledRoute| other.route.same_place(route);
        let owner = routes
            .with(Some(clue.clone()))
            .find(|other| is_there(&other.what));
        let there = owner.map(|owner| self.script.number(owner.line));
        let owner = owner.map(|owner| owner.line.stanza);
        let by_itself = self.script.devices.may_be_there(route);
        match (verb, owner) {
            (IpVerb::Replace, None) => {
                by_itself.map_or(Ok(true), |it| Err(WhyItStays::Replaces(it)))
            }
            (IpVerb::Beside, None) => by_itself.map_or(Ok(true), |it| Err(WhyItStays::Appends(it))),
            (IpVerb::Change, None) => Err(WhyItStays::NotOurs),
            (_, None) => Ok(true),
            (IpVerb::Replace | IpVerb::Change, Some(owner)) if owner == s => {
                routes.take(&clue, is_there);
                Ok(true)
            }
            (IpVerb::Replace | IpVerb::Change, Some(owner)) => Err(self.script.of_other(owner)),
            (IpVerb::Beside, Some(_)) => {
                let there = there.unwrap_or_default();
                Err(WhyItStays::Appends(format!("the route of line {there}")))
            }
            (IpVerb::Add | IpVerb::Delete, Some(owner)) => {
                if owner != s {
                    let owner = self.script.interface(owner);
                    self.borne = Some(WhyItStays::GivesWay(owner));
                }
                Ok(false)
            }
        }
    }

    /// Fills in the devices that a command leaves to the kernel.
    /// Errors: one of them is not certain.
    fn name_devices(&self, s: usize, spelled: &mut SpelledRoute) -> Result<(), WhyItStays> {
        let route = &mut spelled.route;
        let is_unnamed: Vec<bool> = route.hops.iter().map(|hop| hop.device.is_none()).collect();
        self.script.devices.name_devices(route)?;
        let own = self.script.devices.device(s);
        let mut unnamed = route
            .hops
            .iter()
            .zip(is_unnamed)
            .filter(|(_, unnamed)| *unnamed);
        let is_one = route.hops.len() == 1;
        // Only of a single way the option can name another device than the line does.
        let is_own = |device: &InterfaceName| is_one || own.as_ref() == Some(device);
        let why = unnamed.find_map(|(hop, _)| {
            let (router, device) = (hop.gateway?, hop.device.as_ref()?);
            let ways = self.script.ways();
            if ways.may_be_elsewhere(router, route.table, device) {
                return Some(WhyItStays::RouterElsewhere(router, device.clone()));
            }
            (!is_own(device)).then(|| WhyItStays::WayElsewhere(router, device.clone()))
        });
        why.map_or(Ok(()), Err)
    }
}

/// Takes something off a list, and says whether it was there.
fn take<T: PartialEq>(all: &mut Vec<T>, wanted: &T) -> bool {
    let at = all.iter().position(|one| one == wanted);
    at.is_some_and(|at| {
        all.remove(at);
        true
    })
}

/// The first that is meant, the one of the lowest number, and another stanza whose it is, or else
/// the stanza's own: then it is taken out.
fn take_first<T: Clone + Clued>(
    all: &mut Entries<T>,
    s: usize,
    command: &IpCommand,
    is_meant: impl Fn(&T) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
    number: impl Fn(&T) -> u32,
) -> Option<(usize, T)> {
    let clue = Clue::of_taking(command);
    let meant = all.with(clue).filter(|one| is_meant(&one.what));
    let first = meant.min_by_key(|one| number(&one.what))?.what.clone();
    let clue = first.clues().into_iter().next()?;
    let mut owners = all
        .with(Some(clue.clone()))
        .filter(|one| is_same(&one.what, &first));
    let other = owners.find(|one| one.line.stanza != s);
    let other = other.map(|one| one.line.stanza);
    drop(owners);
    if other.is_none() {
        all.take(&clue, |one| is_same(one, &first));
    }
    Some((other.unwrap_or(s), first))
}

/// Whether a command is about a route of a table that the host fills, too.
fn is_shared(command: &IpCommand) -> bool {
    let shared = [TableId::MAIN, TableId::LOCAL];
    matches!(command, IpCommand::Route(_, route) if shared.contains(&route.route.table))
}
