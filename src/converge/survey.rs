//! What stanzas want, held against the kernel. Reads only, and takes no lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::drift::{assess, steps, Condition, Item};
use super::error::Failure;
use super::observe;
use super::table_ids::StanzaTables;
use crate::ifupdown::HookCall;
use crate::netlink::{Kernel, KernelError};
use crate::record::{stays, succession, Record, Store, Takeover};
use crate::routing::{
    Action, Family, InterfaceName, Object, Route, Rule, State, Step, TableId, PROTOCOL,
};
use crate::stanza::{Notice, Stanza};
use crate::tables::{KnownNames, Registry};

/// One stanza of an interface, and how what it wants stands.
#[derive(Debug, Default)]
pub struct StanzaStatus {
    /// What heads it in the record.
    pub heading: String,
    /// The stanza; `None` where only the record knows of it.
    pub call: Option<HookCall>,
    /// Whether the record has it.
    pub recorded: bool,
    /// Whether it is left alone, since nothing says what to do with it.
    pub stays: bool,
    /// Its tables.
    pub tables: StanzaTables,
    /// Its routes and rules.
    pub items: Vec<Item>,
    /// What the administrator should know of how they came about.
    pub notices: Vec<Notice>,
    /// Why it cannot be said what it wants.
    pub failure: Option<Failure>,
}

impl StanzaStatus {
    /// Whether all is as the stanza wants it.
    pub fn is_in_step(&self) -> bool {
        let well =
            |item: &Item| matches!(item.condition, Condition::InPlace | Condition::Served(_));
        self.failure.is_none() && self.items.iter().all(well)
    }

    /// What mends it.
    pub fn steps(&self) -> Vec<Step> {
        if self.stays {
            return Vec::new();
        }
        steps(&self.items)
    }

    /// Whether it neither says nor has anything about policy routing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.failure.is_none()
    }
}

/// The kernel and the table names, with what is asked of them once for all stanzas.
pub struct View {
    /// The kernel.
    pub kernel: Kernel,
    /// The names of tables.
    pub names: KnownNames,
    rules: BTreeMap<Shelf, Vec<Rule>>,
    /// What would mend the stanzas surveyed so far, where that counts as done.
    ahead: Option<BTreeMap<Shelf, Vec<Step>>>,
}

/// Where routes of a table and rules that look it up are kept; rules that look none up are
/// together.
type Shelf = (Family, Option<TableId>);

fn shelf_of_rule(rule: &Rule) -> Shelf {
    let table = match rule.action {
        Action::Lookup(table) => Some(table),
        _ => None,
    };
    (rule.family, table)
}

fn shelf_of_route(route: &Route) -> Shelf {
    (route.family(), Some(route.table))
}

fn shelf_of(object: &Object) -> Shelf {
    match object {
        Object::Route(route) => shelf_of_route(route),
        Object::Rule(rule) => shelf_of_rule(rule),
    }
}

impl View {
    /// Looks at the rules and the names.
    pub fn open() -> Result<Self, KernelError> {
        let mut kernel = Kernel::open()?;
        let mut rules: BTreeMap<_, Vec<Rule>> = BTreeMap::new();
        for family in Family::ALL {
            for rule in kernel.rules(family)? {
                rules.entry(shelf_of_rule(&rule)).or_default().push(rule);
            }
        }
        Ok(Self {
            kernel,
            names: Registry::below(Path::new("/")).names(),
            rules,
            ahead: None,
        })
    }

    /// Looks at the kernel as it will be when each stanza finds what those before it were given:
    /// two of them may share a table.
    pub fn open_for_plan() -> Result<Self, KernelError> {
        Ok(Self {
            ahead: Some(BTreeMap::new()),
            ..Self::open()?
        })
    }

    /// Surveys the stanzas of a device and its aliases, each with what it takes over of the
    /// record; what is left of the record has parts of its own, behind them.
    pub fn device(&mut self, device: &InterfaceName, calls: &[HookCall]) -> Vec<StanzaStatus> {
        let record = Store::peek(device);
        let (heirs, left) = succession(&record, calls);
        let mut parts = Vec::new();
        for (call, heir) in calls.iter().zip(heirs) {
            let mut part = StanzaStatus {
                call: Some(call.clone()),
                recorded: !heir.previous(&record).is_empty(),
                ..StanzaStatus::default()
            };
            let done = self.fill(&mut part, device, call, &heir, &record);
            part.failure = done.err();
            part.heading = heir.heading;
            self.foresee(&part);
            parts.push(part);
        }
        for heading in left {
            let heir = Takeover::alone(heading);
            let mut part = StanzaStatus {
                recorded: true,
                stays: stays(&heir.heading, calls),
                ..StanzaStatus::default()
            };
            match self.held_against(device, &heir, &record, &State::default()) {
                Ok(items) => part.items = items,
                Err(error) => part.failure = Some(error.into()),
            }
            part.heading = heir.heading;
            self.foresee(&part);
            parts.push(part);
        }
        parts
    }

    fn foresee(&mut self, part: &StanzaStatus) {
        if let Some(ahead) = &mut self.ahead {
            for step in part.steps() {
                ahead.entry(shelf_of(&step.object)).or_default().push(step);
            }
        }
    }

    fn fill(
        &mut self,
        part: &mut StanzaStatus,
        device: &InterfaceName,
        call: &HookCall,
        heir: &Takeover,
        record: &Record,
    ) -> Result<(), Failure> {
        let mut wanted = State::default();
        if let Some(stanza) = Stanza::judge(call).map_err(Failure::Options)? {
            let found = observe::at_once(&mut self.kernel, &stanza)?;
            observe::require_address(&stanza, &found, Duration::ZERO)?;
            part.tables = self.tables(&stanza)?;
            let asked = part.tables.wanted(&stanza, &found);
            (wanted, part.notices) = asked.map_err(Failure::Options)?;
        }
        part.items = self.held_against(device, heir, record, &wanted)?;
        Ok(())
    }

    fn tables(&mut self, stanza: &Stanza) -> Result<StanzaTables, Failure> {
        let Self {
            kernel,
            names,
            rules,
            ..
        } = self;
        let looked_up = |id: TableId| {
            let shelves = Family::ALL
                .into_iter()
                .filter_map(|family| rules.get(&(family, Some(id))));
            shelves.flatten().any(|rule| rule.protocol != PROTOCOL)
        };
        let occupied = |id| looked_up(id) || kernel.has_routes_of_others(id);
        StanzaTables::foreseen(stanza, names, occupied)
    }

    /// Judges what a stanza wants and what it had put in before.
    fn held_against(
        &mut self,
        device: &InterfaceName,
        heir: &Takeover,
        record: &Record,
        wanted: &State,
    ) -> Result<Vec<Item>, KernelError> {
        let previous = heir.previous(record);
        let found = self.found(&wanted.with(&previous))?;
        let mut claimed = heir.others(record);
        let leftover = previous.without(wanted);
        if !leftover.is_empty() {
            claimed = claimed.with(&Store::claimed_elsewhere(device, &leftover));
        }
        Ok(assess(wanted, &previous, &claimed, &found))
    }

    /// What the kernel has that is one of some objects, or stands where one would.
    fn found(&mut self, objects: &State) -> Result<State, KernelError> {
        let mut found = Vec::new();
        let tables: BTreeSet<Shelf> = objects.routes().iter().map(shelf_of_route).collect();
        for (family, table) in &tables {
            let Some(table) = table else {
                continue;
            };
            let mut routes = self.kernel.routes(*family, *table)?;
            let matters = |route: &_| objects.routes().iter().any(|own| own.is_rival(route));
            routes.retain(matters);
            found.extend(routes.into_iter().map(Object::Route));
        }
        let shelves: BTreeSet<Shelf> = objects.rules().iter().map(shelf_of_rule).collect();
        for place in &shelves {
            let rules = self.rules.get(place).into_iter().flatten();
            found.extend(rules.cloned().map(Object::Rule));
        }
        let concerns = |step: &&Step| match &step.object {
            Object::Route(route) => objects.routes().iter().any(|own| own.is_rival(route)),
            Object::Rule(rule) => shelves.contains(&shelf_of_rule(rule)),
        };
        let ahead = self.ahead.as_ref();
        let ahead = tables.union(&shelves).filter_map(|place| ahead?.get(place));
        let ahead = ahead.flatten().filter(concerns);
        Ok(ahead.fold(found.into_iter().collect(), State::after))
    }
}
