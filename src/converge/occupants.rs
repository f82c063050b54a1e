//! What stands where routes and rules are wanted, found at once for each of them: a stanza may want
//! thousands, and a table or the list of rules may have as many.

use std::collections::{BTreeMap, BTreeSet};

use crate::netlink::{Kernel, KernelError};
use crate::routing::{Object, Route, RoutePlace, Rule, State, Step};

/// Routes by their place, and rules by all but who put them there.
#[derive(Debug, Default)]
pub struct Occupants {
    routes: BTreeMap<RoutePlace, State>,
    rules: BTreeMap<Rule, State>,
}

/// What rules have in common that do the same.
fn nobodys(rule: &Rule) -> Rule {
    Rule {
        protocol: 0,
        ..rule.clone()
    }
}

impl Occupants {
    /// Those among some objects.
    pub fn among(objects: impl Iterator<Item = Object>) -> Self {
        let mut occupants = Self::default();
        occupants.extend(objects);
        occupants
    }

    /// Asks the kernel for those of some objects, by one dump of the rules and of each table.
    pub fn ask(kernel: &mut Kernel, wanted: &[&Object]) -> Result<Self, KernelError> {
        let (mut places, mut tables) = (BTreeSet::new(), BTreeSet::new());
        let (mut rules, mut families) = (BTreeSet::new(), BTreeSet::new());
        for object in wanted {
            match object {
                Object::Route(route) => {
                    places.insert(route.place());
                    tables.insert((route.family(), route.table));
                }
                Object::Rule(rule) => {
                    families.insert(rule.family);
                    rules.insert(nobodys(rule));
                }
            }
        }
        let mut occupants = Self::default();
        for (family, table) in tables {
            let found = kernel.routes(family, table)?.into_iter();
            let found = found.filter(|route| places.contains(&route.place()));
            occupants.extend(found.map(Object::Route));
        }
        for family in families {
            let found = kernel.rules(family)?.into_iter();
            let found = found.filter(|rule| rules.contains(&nobodys(rule)));
            occupants.extend(found.map(Object::Rule));
        }
        Ok(occupants)
    }

    fn of(&mut self, object: &Object) -> &mut State {
        match object {
            Object::Route(route) => self.routes.entry(route.place()).or_default(),
            Object::Rule(rule) => self.rules.entry(nobodys(rule)).or_default(),
        }
    }

    /// The routes for the same destination in the same table.
    pub fn routes(&self, route: &Route) -> &[Route] {
        let found = self.routes.get(&route.place());
        found.map(State::routes).unwrap_or_default()
    }

    /// The rules that do the same.
    pub fn rules(&self, rule: &Rule) -> &[Rule] {
        let found = self.rules.get(&nobodys(rule));
        found.map(State::rules).unwrap_or_default()
    }

    /// Notes what a step has changed.
    pub fn note(&mut self, step: &Step) {
        let found = self.of(&step.object);
        *found = std::mem::take(found).after(step);
    }
}

impl Extend<Object> for Occupants {
    fn extend<I: IntoIterator<Item = Object>>(&mut self, objects: I) {
        for object in objects {
            self.of(&object).insert(object);
        }
    }
}
