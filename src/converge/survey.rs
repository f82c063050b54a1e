//! How the stanzas of a device stand: what they want, held against the kernel. For `status`, `plan`
//! and the questions that `apply` asks first. Reads only, and takes no lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::drift::{assess, Condition, Item};
use super::observe;
use super::order::{may_matter, Places};
use super::outcome::Failure;
use super::reorder::misplaced_here;
use super::share::leave_to_others;
use super::stanza_status::StanzaStatus;
use super::table_ids::StanzaTables;
use crate::ifupdown::HookCall;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Record, Store, Takeover};
use crate::routing::{
    Action, Family, InterfaceName, Object, Route, Rule, State, Step, Surroundings, TableId,
    PROTOCOL,
};
use crate::stanza::{remarks, unserved, Remark, Stanza};
use crate::tables::{KnownNames, Registry};

/// The kernel and the table names, with what is asked of them once for all stanzas.
pub struct View {
    pub kernel: Kernel,
    pub names: KnownNames,
    rules: BTreeMap<TableKey, Vec<Rule>>,
    around: Surroundings,
    /// Where ours stand, or will when the stanzas surveyed so far are mended.
    standing: Places,
    /// Whether the interfaces are up, so that what they have lost is missed.
    are_up: bool,
    /// What would mend the stanzas surveyed so far, where that counts as done.
    ahead: Option<BTreeMap<TableKey, Vec<Step>>>,
}

/// Rules of each priority, in their order.
type RulesByPriority = BTreeMap<(Family, u32), Vec<Rule>>;

/// What routes and rules are kept under: their table, or that which a rule looks up, if it does.
/// A host may have thousands of rules, and those that concern an object are found at once.
type TableKey = (Family, Option<TableId>);

fn key_of_rule(rule: &Rule) -> TableKey {
    let table = match rule.action {
        Action::Lookup(table) => Some(table),
        _ => None,
    };
    (rule.family, table)
}

fn key_of(object: &Object) -> TableKey {
    match object {
        Object::Route(route) => (route.family(), Some(route.table)),
        Object::Rule(rule) => key_of_rule(rule),
    }
}

impl View {
    /// Looks at the rules and the names.
    pub fn open() -> Result<Self, KernelError> {
        let mut kernel = Kernel::open()?;
        let mut rules: BTreeMap<_, Vec<Rule>> = BTreeMap::new();
        let mut standing = Places::default();
        let mut around = Surroundings::default();
        for family in Family::ALL {
            let found = kernel.rules(family)?;
            around.note_rules(&found);
            for rule in found {
                if rule.protocol == PROTOCOL {
                    standing.push(rule.clone());
                }
                rules.entry(key_of_rule(&rule)).or_default().push(rule);
            }
        }
        Ok(Self {
            kernel,
            names: Registry::below(Path::new("/")).names(),
            rules,
            around,
            standing,
            are_up: true,
            ahead: None,
        })
    }

    /// Looks at the kernel as it will be when each stanza finds what those before it were given:
    /// two of them may share a table.
    pub fn open_for_apply() -> Result<Self, KernelError> {
        Ok(Self {
            ahead: Some(BTreeMap::new()),
            ..Self::open()?
        })
    }

    /// The same, of interfaces that need not be up: `ifup` gives them link and address.
    pub fn open_for_plan() -> Result<Self, KernelError> {
        Ok(Self {
            are_up: false,
            ..Self::open_for_apply()?
        })
    }

    /// Surveys the stanzas of a device and its aliases, each with what it takes over of the
    /// record, and behind them what is left of the record.
    pub fn stanzas(&mut self, device: &InterfaceName, calls: &[HookCall]) -> Vec<StanzaStatus> {
        let record = Store::peek(device);
        let record = record.with_states(|state| self.kernel.devices().same_in(state));
        let (takeovers, left) = Takeover::of_all(calls, &record);
        let mut found = Vec::new();
        let mut in_order = BTreeMap::new();
        for (call, takeover) in calls.iter().zip(takeovers) {
            let mut status = StanzaStatus::new(takeover.heading.clone());
            status.recorded = !takeover.previous(&record).is_empty();
            let filled = self.fill(&mut status, device, call, calls, &takeover, &record);
            status.call = Some(call.clone());
            status.failure = filled.err();
            self.put_in_order(device, &mut status, &mut in_order);
            self.foresee(&status);
            found.push(status);
        }
        for takeover in left {
            let mut status = StanzaStatus::new(takeover.heading.clone());
            status.recorded = true;
            status.stays = takeover.stays(calls);
            match self.held_against(device, &takeover, &record, &State::default()) {
                Ok(items) => status.items = items,
                Err(error) => status.failure = Some(error.into()),
            }
            self.foresee(&status);
            found.push(status);
        }
        found
    }

    /// Asks for what others have, before there is anything to remark.
    /// Errors: the kernel could not be asked.
    pub fn look_around(&mut self) -> Result<(), KernelError> {
        self.kernel.look_around(&mut self.around)
    }

    /// Adds what this host makes of the stanzas of a device.
    pub fn remark(&self, stanzas: &mut [StanzaStatus]) {
        let (mut places, mut policies) = (Vec::new(), Vec::new());
        for (place, status) in stanzas.iter().enumerate() {
            if let Some((stanza, state)) = &status.policy {
                places.push(place);
                policies.push((stanza, state));
            }
        }
        let mut found: Vec<(usize, Remark)> = unserved(&policies, &self.around);
        for (n, (stanza, state)) in policies.iter().enumerate() {
            let table = places
                .get(n)
                .and_then(|place| stanzas.get(*place)?.tables.own());
            let table = table.map(|(id, _)| id);
            let all = remarks(stanza, state, table, &self.around);
            found.extend(all.into_iter().map(|remark| (n, remark)));
        }
        for (n, remark) in found {
            let status = places.get(n).and_then(|place| stanzas.get_mut(*place));
            if let Some(status) = status {
                status.remarks.push(remark);
            }
        }
    }

    /// Looks whether the rules of a stanza stand in their order, behind those of the stanzas before
    /// it, which are `in_order` and to which they are added.
    fn put_in_order(
        &mut self,
        device: &InterfaceName,
        status: &mut StanzaStatus,
        in_order: &mut RulesByPriority,
    ) {
        let mut places = BTreeSet::new();
        for item in &status.items {
            let Object::Rule(rule) = &item.object else {
                continue;
            };
            let place = (rule.family, rule.priority);
            match item.condition {
                Condition::InPlace => {}
                Condition::Missing(_) => self.standing.push(rule.clone()),
                _ => continue,
            }
            in_order.entry(place).or_default().push(rule.clone());
            places.insert(place);
        }
        for place in places {
            let alike = in_order.entry(place).or_default();
            if may_matter(&*alike) {
                reorder(device, alike, &mut self.standing, status);
            }
        }
    }

    /// Where a plan is made, what follows finds what would mend this stanza.
    fn foresee(&mut self, status: &StanzaStatus) {
        if let Some(ahead) = &mut self.ahead {
            for step in status.steps() {
                ahead.entry(key_of(&step.object)).or_default().push(step);
            }
        }
    }

    /// Looks up what a stanza wants, and how that stands.
    fn fill(
        &mut self,
        status: &mut StanzaStatus,
        device: &InterfaceName,
        call: &HookCall,
        calls: &[HookCall],
        takeover: &Takeover,
        record: &Record,
    ) -> Result<(), Failure> {
        let mut wanted = State::default();
        if let Some(stanza) = Stanza::parse(call).map_err(Failure::Options)? {
            status.tables = self.tables(&stanza)?;
            let known = || takeover.known(record);
            let lost = if self.are_up {
                observe::lost(&mut self.kernel, &stanza)?
            } else {
                None
            };
            let found = match lost {
                Some(waiting) => Err(waiting.into()),
                None => observe::required(&mut self.kernel, &stanza, &known),
            };
            if let Err(Failure::Waiting(waiting)) = &found {
                status.keeps = waiting.keeps(takeover, record);
                let wanted = if status.keeps {
                    takeover.previous(record)
                } else {
                    State::default()
                };
                status.items = self.held_against(device, takeover, record, &wanted)?;
            }
            let mut found = found?;
            if stanza.asks_all() {
                leave_to_others(&mut found, &stanza, takeover, record, calls);
            }
            let asked = status.tables.wanted(&stanza, &found);
            (wanted, status.notices) = asked.map_err(Failure::Options)?;
            wanted = self.kernel.devices().same_in(wanted);
            status.policy = Some((stanza, wanted.clone()));
        }
        status.items = self.held_against(device, takeover, record, &wanted)?;
        Ok(())
    }

    /// The IDs that the stanza's tables have or would get.
    fn tables(&mut self, stanza: &Stanza) -> Result<StanzaTables, Failure> {
        let Self {
            kernel,
            names,
            rules,
            ..
        } = self;
        let looked_up = |id: TableId| {
            let looking = Family::ALL
                .into_iter()
                .filter_map(|family| rules.get(&(family, Some(id))));
            looking.flatten().any(|rule| rule.protocol != PROTOCOL)
        };
        let occupied = |id| looked_up(id) || kernel.has_routes_of_others(id);
        StanzaTables::foreseen(stanza, names, occupied)
    }

    /// How what a stanza wants stands, and what it put in before.
    fn held_against(
        &mut self,
        device: &InterfaceName,
        takeover: &Takeover,
        record: &Record,
        wanted: &State,
    ) -> Result<Vec<Item>, KernelError> {
        let previous = takeover.previous(record);
        let found = self.found(&wanted.with(&previous))?;
        let mut claimed = takeover.others(record);
        let leftover = previous.without(wanted);
        if !leftover.is_empty() {
            claimed = claimed.with(&Store::claimed_elsewhere(device, &leftover));
        }
        Ok(assess(wanted, &previous, &claimed, &found))
    }

    /// What the kernel has that is one of some objects, or stands where one would.
    fn found(&mut self, objects: &State) -> Result<State, KernelError> {
        let is_rival = |route: &Route| objects.routes().iter().any(|own| own.is_rival(route));
        let mut found = Vec::new();
        let routes = objects.routes().iter();
        let tables: BTreeSet<_> = routes.map(|route| (route.family(), route.table)).collect();
        for (family, table) in tables {
            let mut routes = self.kernel.routes(family, table)?;
            routes.retain(is_rival);
            found.extend(routes.into_iter().map(Object::Route));
        }
        let of_rules: BTreeSet<TableKey> = objects.rules().iter().map(key_of_rule).collect();
        for key in &of_rules {
            let rules = self.rules.get(key).into_iter().flatten();
            found.extend(rules.cloned().map(Object::Rule));
        }
        let concerns = |step: &&Step| match &step.object {
            Object::Route(route) => is_rival(route),
            Object::Rule(rule) => of_rules.contains(&key_of_rule(rule)),
        };
        let keys: BTreeSet<TableKey> = objects.objects().map(|object| key_of(&object)).collect();
        let ahead = self.ahead.as_ref();
        let ahead = keys.iter().filter_map(|key| ahead?.get(key));
        let ahead = ahead.flatten().filter(concerns);
        Ok(ahead.fold(found.into_iter().collect(), State::after))
    }
}

/// Says of rules of one priority which are not in their order, and puts them there in what stands.
fn reorder(
    device: &InterfaceName,
    rules: &[Rule],
    standing: &mut Places,
    status: &mut StanzaStatus,
) {
    let elsewhere = |rules: &State| Store::claimed_elsewhere(device, rules);
    let found = misplaced_here(rules, standing, elsewhere);
    for it in &found {
        let object = Object::Rule(it.rule.clone());
        let mut items = status.items.iter_mut();
        let own = items.find(|item| item.condition == Condition::InPlace && item.object == object);
        if let (Some(own), Some(behind)) = (own, &it.behind) {
            own.condition = Condition::Misplaced(Object::Rule(behind.clone()));
        }
    }
    let moved: Vec<Rule> = found.into_iter().map(|it| it.rule).collect();
    // `ip rule add` takes no rule that is there, so there is a moment without it.
    let former = standing.standing(&moved).into_iter().map(Object::Rule);
    status.reorder.extend(former.map(Step::delete));
    for rule in moved {
        standing.remove(&rule);
        standing.push(rule.clone());
        status.reorder.push(Step::add(Object::Rule(rule)));
    }
}
