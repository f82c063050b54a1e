//! What a survey has seen of the kernel, asked for once for all stanzas; and what will be there when
//! those surveyed so far are mended. A host may have thousands of stanzas, with a table each or one
//! for all, and what concerns one of them is found at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::occupants::Occupants;
use crate::ifupdown::HookCall;
use crate::netlink::{Kernel, KernelError};
use crate::record::Record;
use crate::routing::{
    Action, Family, InterfaceName, Object, Route, RoutePlace, Rule, State, Step, TableId, PROTOCOL,
};

/// Most routes that are kept of the tables that were looked at. A table with more is dumped for each
/// stanza that uses it: a host may have the internet's routes in one.
const KEPT: usize = 100_000;

#[derive(Default)]
pub struct SeenKernel {
    rules: HashSet<Rule>,
    /// The tables that rules of others look up.
    looked_up: HashSet<TableId>,
    /// The routes of the tables that were looked at.
    tables: BTreeMap<(Family, TableId), Occupants>,
    /// How many those are.
    kept: usize,
    /// What would mend the stanzas surveyed so far, where that counts as done, by what it touches.
    ahead: Option<HashMap<Touched, Vec<Step>>>,
}

/// What steps have in common that depend on each other.
#[derive(PartialEq, Eq, Hash)]
enum Touched {
    Place(RoutePlace),
    Rule(Rule),
}

impl Touched {
    fn by(object: &Object) -> Self {
        match object {
            Object::Route(route) => Self::Place(route.place()),
            Object::Rule(rule) => Self::Rule(rule.clone()),
        }
    }
}

impl SeenKernel {
    /// Notes a rule that is there.
    pub fn note_rule(&mut self, rule: Rule) {
        match rule.action {
            Action::Lookup(table) if rule.protocol != PROTOCOL => {
                self.looked_up.insert(table);
            }
            _ => {}
        }
        self.rules.insert(rule);
    }

    /// Whether a rule of others looks a table up.
    pub fn is_looked_up(&self, table: TableId) -> bool {
        self.looked_up.contains(&table)
    }

    /// From here on what is foreseen counts as done.
    pub fn look_ahead(&mut self) {
        self.ahead = Some(HashMap::new());
    }

    /// Where a plan is made, what follows finds what would mend the stanza before it.
    pub fn foresee(&mut self, steps: Vec<Step>) {
        if let Some(ahead) = &mut self.ahead {
            for step in steps {
                let touched = Touched::by(&step.object);
                ahead.entry(touched).or_default().push(step);
            }
        }
    }

    /// What the kernel has that is one of some objects, or stands where one would.
    pub fn found(&mut self, kernel: &mut Kernel, objects: &State) -> Result<State, KernelError> {
        let mut found = State::default();
        let mut tables: BTreeMap<_, Vec<&Route>> = BTreeMap::new();
        for route in objects.routes() {
            let of_table = tables.entry((route.family(), route.table)).or_default();
            of_table.push(route);
        }
        for ((family, table), wanted) in tables {
            found.extend(self.rivals(kernel, family, table, &wanted)?);
        }
        let rules = objects.rules().iter();
        let rules = rules.filter(|rule| self.rules.contains(rule));
        found.extend(rules.cloned().map(Object::Rule));
        let Some(ahead) = &self.ahead else {
            return Ok(found);
        };
        let touched: HashSet<Touched> = objects.objects().map(|it| Touched::by(&it)).collect();
        let ahead = touched.iter().filter_map(|touched| ahead.get(touched));
        Ok(ahead.flatten().fold(found, State::after))
    }

    /// The routes of a table that stand where one of some would. Several stanzas may share one.
    fn rivals(
        &mut self,
        kernel: &mut Kernel,
        family: Family,
        table: TableId,
        wanted: &[&Route],
    ) -> Result<Vec<Object>, KernelError> {
        let of = |occupants: &Occupants| {
            let places: BTreeMap<RoutePlace, &Route> =
                wanted.iter().map(|it| (it.place(), *it)).collect();
            let routes = places.values().flat_map(|route| occupants.routes(route));
            routes.cloned().map(Object::Route).collect()
        };
        if let Some(known) = self.tables.get(&(family, table)) {
            return Ok(of(known));
        }
        let routes = kernel.routes(family, table)?;
        let kept = self.kept + routes.len();
        let occupants = Occupants::among(routes.into_iter().map(Object::Route));
        let found = of(&occupants);
        if kept <= KEPT {
            self.kept = kept;
            self.tables.insert((family, table), occupants);
        }
        Ok(found)
    }
}

/// A device whose stanzas are surveyed, one after another.
pub struct SurveyedDevice<'a> {
    pub name: &'a InterfaceName,
    pub calls: &'a [HookCall],
    /// What is noted, or will be when the stanzas surveyed so far are mended.
    pub record: Record,
    /// What those have then.
    pub before: State,
}

/// Rules of each priority, in their order.
pub type RulesByPriority = BTreeMap<(Family, u32), Vec<Rule>>;
