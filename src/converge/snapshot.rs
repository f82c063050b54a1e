//! What is in force at a moment, and the way back to it, for a change that may not stay.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::former::Former;
use super::go_back::{asked, go_back, put_in_each, PutBack};
use super::order::{way_back, WayBack};
use super::outcome::{Failure, StepError};
use super::put_in::Known;
use super::remove::take_out_once;
use super::reorder::put_behind;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Part, Record, Store};
use crate::routing::{
    Family, InterfaceName, Object, Route, RoutePlace, Rule, State, Step, Verb, PROTOCOL,
};
use crate::text::chain;

/// What of ours is in force, by device and stanza.
#[derive(Debug)]
pub struct Snapshot {
    /// All that bears our protocol.
    all: State,
    /// Of the records, what is there.
    devices: Vec<(InterfaceName, Vec<Part>)>,
    /// What is in none of them.
    unclaimed: State,
    /// All rules, in their order, whosever they are.
    rules: Vec<Rule>,
    /// What lines of the file have put in that the change takes out.
    former: Former,
    /// The records once the change was made. Whose is another one by then has been brought up or
    /// down meanwhile, which stands.
    changed: BTreeMap<InterfaceName, Record>,
}

/// What is not as it was.
#[derive(Debug, Default)]
pub struct Restored {
    pub failures: Vec<(InterfaceName, Failure)>,
    /// What the administrator should know besides.
    pub warnings: Vec<String>,
}

impl Restored {
    /// Notes what of a device is not as it was.
    fn note(&mut self, device: &InterfaceName, put_back: PutBack) {
        if !put_back.errors.is_empty() {
            let failure = Failure::Steps(put_back.errors);
            self.failures.push((device.clone(), failure));
        }
        let warnings = put_back.outcome.warnings.into_iter();
        let warnings = warnings.map(|warning| format!("{device}: {warning}"));
        self.warnings.extend(warnings);
    }
}

fn rules(kernel: &mut Kernel) -> Result<Vec<Rule>, KernelError> {
    let mut rules = Vec::new();
    for family in Family::ALL {
        rules.extend(kernel.rules(family)?);
    }
    Ok(rules)
}

fn in_force(kernel: &mut Kernel) -> Result<State, KernelError> {
    Ok(kernel.ours()?.into_iter().collect())
}

impl Snapshot {
    /// Takes one, without waiting for a lock.
    pub fn take(kernel: &mut Kernel, former: Former) -> Result<Self, KernelError> {
        let all = in_force(kernel)?;
        let rules = rules(kernel)?;
        let mut claimed = State::default();
        let mut devices = Vec::new();
        for device in Store::devices() {
            let mut parts = Store::peek(&device).parts().to_vec();
            for part in &mut parts {
                let state = kernel.devices().same_in(std::mem::take(&mut part.state));
                part.state = state.only(&all);
                claimed.extend(part.state.objects());
            }
            devices.push((device, parts));
        }
        Ok(Self {
            unclaimed: all.without(&claimed),
            all,
            devices,
            rules,
            former,
            changed: BTreeMap::new(),
        })
    }

    /// What lines of the file have put in.
    pub fn former(&self) -> &Former {
        &self.former
    }

    /// Notes that the change has been made, from which there is a way back.
    pub fn note_change(&mut self) {
        let records = Store::devices().map(|device| {
            let record = Store::peek(&device);
            (device, record)
        });
        self.changed = records.collect();
    }

    /// The devices that are not as the change left them: somebody has brought them up or down.
    pub fn changed_since(&self) -> Vec<InterfaceName> {
        let mut devices: BTreeSet<InterfaceName> = Store::devices().collect();
        devices.extend(self.changed.keys().cloned());
        let nothing = Record::default();
        let mut devices: Vec<InterfaceName> = devices.into_iter().collect();
        devices.retain(|device| {
            let left = self.changed.get(device).unwrap_or(&nothing);
            asked(&Store::peek(device)) != asked(left)
        });
        devices
    }

    /// Whether the same routes and rules are in force, in the same order.
    pub fn is_still_so(&self, kernel: &mut Kernel) -> Result<bool, KernelError> {
        Ok(in_force(kernel)? == self.all && self.way_back(&rules(kernel)?) == WayBack::default())
    }

    /// The way back to the order of the rules. Those of lines are moved as ours are: to put them back
    /// is to move them.
    fn way_back(&self, now: &[Rule]) -> WayBack {
        let is_ours = |rule: &Rule| rule.protocol == PROTOCOL || self.former.has_rule(rule);
        way_back(&self.rules, now, &is_ours)
    }

    /// Goes back to it, as far as that can be done.
    pub fn restore(&self) -> Restored {
        let mut restored = Restored::default();
        let mut kernel = match Kernel::open() {
            Ok(kernel) => kernel,
            Err(error) => {
                restored.warnings.push(chain(&error));
                return restored;
            }
        };
        // First: what leaves then was of use until now.
        restored.warnings.extend(self.former.put_back(&mut kernel));
        let known: BTreeSet<_> = self.devices.iter().map(|(known, _)| known).collect();
        let new = Store::devices().filter(|device| !known.contains(device));
        let new = new.map(|device| (device, Vec::new()));
        let all = self.devices.iter().cloned().chain(new);
        let mut others = Vec::new();
        for (device, parts) in all {
            let left = self.changed.get(&device).cloned().unwrap_or_default();
            match go_back(&mut kernel, &device, &parts, &left) {
                Some(put_back) => restored.note(&device, put_back),
                None => others.push(device),
            }
        }
        let nothing = State::default();
        let known = Known {
            previous: &nothing,
            claimed: &nothing,
            shared: &nothing,
            line: None,
        };
        let unclaimed = put_in_each(&mut kernel, &self.unclaimed, &known);
        let errors = unclaimed.errors.iter().map(ToString::to_string);
        restored.warnings.extend(errors);
        if let Err(error) = self.restore_lines(&mut kernel) {
            restored.warnings.push(format!(
                "routes to one network are not in their former order: {}",
                chain(&error)
            ));
        }
        match self.restore_order(&mut kernel) {
            Ok(warnings) => restored.warnings.extend(warnings),
            Err(error) => restored.warnings.push(format!(
                "rules of equal priority are not in their former order: {}",
                chain(&error)
            )),
        }
        restored.warnings.extend(others.iter().map(|device| {
            format!("{device} has been brought up or down meanwhile, and stays as it is")
        }));
        restored
    }

    /// Gives IPv4 routes that stand in one place, of which the kernel uses the first, their order
    /// again. One is always there: at each moment only one of them is not.
    fn restore_lines(&self, kernel: &mut Kernel) -> Result<(), KernelError> {
        let now = in_force(kernel)?;
        let (before, now) = (self.all.only(&now), now.only(&self.all));
        if before.routes() == now.routes() {
            return Ok(());
        }
        for route in out_of_line(before.routes(), now.routes()) {
            let object = Object::Route(route.clone());
            let removal = take_out_once(kernel, &[object.clone()].into_iter().collect());
            if removal.removed > 0 {
                let verb = Verb::Append;
                kernel.execute(&[Step { verb, object }])?;
            }
        }
        Ok(())
    }

    /// Gives the rules that are there again the places that they had among those of their priority,
    /// as far as they can have them without another program's being moved; where they cannot, a
    /// sentence says so.
    fn restore_order(&self, kernel: &mut Kernel) -> Result<Vec<String>, StepError> {
        let now = rules(kernel)?;
        let way = self.way_back(&now);
        put_behind(kernel, &way.moved, &now.into_iter().collect())?;
        let told = way.behind.into_iter().map(|(rule, foreign)| {
            let (rule, foreign) = (Object::Rule(rule), Object::Rule(foreign));
            format!(
                "\"{rule}\" stands behind \"{foreign}\" now, and not in front of it as before: \
                 that is not ours to move"
            )
        });
        Ok(told.collect())
    }
}

/// IPv4 routes that stand in one place.
#[derive(Default)]
struct Queue {
    /// Where the furthest of them stands now.
    furthest: Option<usize>,
    /// Whether one of them has to be put in again, and so all behind it.
    moves: bool,
}

/// Of routes that are there before and now, those that have to be put in again, in that order.
fn out_of_line<'a>(before: &'a [Route], now: &[Route]) -> Vec<&'a Route> {
    let places: HashMap<&Route, usize> = now.iter().zip(0..).collect();
    let mut queues: BTreeMap<(RoutePlace, u32), Queue> = BTreeMap::new();
    let mut moved: Vec<&Route> = Vec::new();
    let inet = before.iter().filter(|route| route.family() == Family::Inet);
    for route in inet {
        let place = places.get(route).copied();
        let queue = queues.entry((route.place(), route.metric)).or_default();
        if queue.moves || queue.furthest > place {
            queue.moves = true;
            moved.push(route);
        }
        queue.furthest = queue.furthest.max(place);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_stood_behind_another_goes_behind_it_again() {
        let routes = ["1", "2", "3"].map(|n| -> Route {
            format!("default via 10.0.0.{n} dev eth1 table 200 proto 157")
                .parse()
                .unwrap()
        });
        let [a, b, c] = routes.clone();
        let apart: Route = "10.0.0.0/24 dev eth1 table 200 proto 157".parse().unwrap();
        let now = [b.clone(), c.clone(), apart.clone(), a.clone()];
        assert_eq!(out_of_line(&routes, &now), [&b, &c]);
        assert!(out_of_line(&[a, b, c, apart], &routes).is_empty());
    }
}
