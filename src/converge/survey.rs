//! How the stanzas of a device stand: what they want, held against the kernel. For `status`, `plan`
//! and the questions that `apply` asks first. Reads only, and takes no lock.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::path::Path;

use super::drift::{assess, Condition, Item, OwnPlaces};
use super::in_front::{explain_front, wanted_copies, Front};
use super::intent::{no_default_since, part_that_waits};
use super::line::RouteOrder;
use super::marking::SeenMarks;
use super::observe::{self, DefaultWays};
use super::order::{may_matter, Places};
use super::orphans::{find_orphans_beside, OrphanError, Orphans};
use super::outcome::Failure;
use super::seen::{RulesByPriority, SeenKernel, SurveyedDevice};
use super::share::{leave_to_others, may_share};
use super::stanza_status::{note_marking, LeftToDo, StanzaStatus};
use super::table_ids::StanzaTables;
use crate::ifupdown::HookCall;
use crate::marks::Allotted;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Part, Record, Store, Takeover};
use crate::routing::{
    Family, InterfaceName, Object, Route, RoutePlace, Rule, State, Surroundings, PROTOCOL,
};
use crate::stanza::{own_address, remarks, unserved, Remark, Stanza};
use crate::tables::{KnownNames, Registry};

/// The kernel and the table names, with what is asked of them once for all stanzas.
pub struct View {
    pub kernel: Kernel,
    pub names: KnownNames,
    pub(super) seen: SeenKernel,
    ways: DefaultWays,
    /// Our rules, each as often as it is there.
    ours: Vec<Rule>,
    /// What several devices put in.
    shared: State,
    /// Where that leads.
    shared_places: BTreeSet<RoutePlace>,
    around: Surroundings,
    /// Where rules of others take all, what has to stand in front of them.
    front: Option<Front>,
    pub(super) marks: SeenMarks,
    allotted: Allotted,
    /// Where ours stand, or will when the stanzas surveyed so far are mended.
    standing: Places,
    /// Whether something will be done about what is found.
    for_apply: bool,
    /// Whether what is looked at next is up, so that what it has lost is missed: `ifup` would give
    /// it link and address.
    pub is_up: bool,
}

impl View {
    /// Looks at the rules and the names.
    pub fn open() -> Result<Self, KernelError> {
        let mut kernel = Kernel::open()?;
        let mut seen = SeenKernel::default();
        let mut standing = Places::default();
        let (mut around, mut ours) = (Surroundings::default(), Vec::new());
        let mut all = Vec::new();
        for family in Family::ALL {
            let found = kernel.rules(family)?;
            around.note_rules(&found);
            all.extend(found.iter().cloned());
            for rule in found {
                if rule.protocol == PROTOCOL {
                    standing.push(rule.clone());
                    ours.push(rule.clone());
                }
                seen.note_rule(rule);
            }
        }
        let shared = kernel.devices().same_in(Store::peek_shared());
        let front = Front::of(&mut kernel, all)?;
        Ok(Self {
            kernel,
            names: Registry::below(Path::new("/")).names(),
            seen,
            ways: DefaultWays::default(),
            ours,
            shared_places: shared.routes().iter().map(Route::place).collect(),
            shared,
            around,
            front,
            marks: SeenMarks::default(),
            allotted: Allotted::default(),
            standing,
            for_apply: false,
            is_up: true,
        })
    }

    /// Looks at the kernel as it will be when each stanza finds what those before it were given:
    /// two of them may share a table.
    pub fn open_for_apply() -> Result<Self, KernelError> {
        let mut view = Self::open()?;
        view.seen.look_ahead();
        view.for_apply = true;
        Ok(view)
    }

    /// Surveys the stanzas of a device and its aliases, each with what it takes over of the
    /// record, and behind them what is left of the record.
    pub fn stanzas(&mut self, device: &InterfaceName, calls: &[HookCall]) -> Vec<StanzaStatus> {
        let record = Store::peek(device);
        let record = record.with_states(|state| self.kernel.devices().same_in(state));
        let (takeovers, left) = Takeover::of_all(calls, &record);
        let mut of_device = SurveyedDevice {
            name: device,
            calls,
            record: record.clone(),
            before: State::default(),
        };
        let mut found = Vec::new();
        let mut in_order = BTreeMap::new();
        for (call, takeover) in calls.iter().zip(takeovers) {
            found.push(self.stanza(&mut of_device, &record, call, &takeover, &mut in_order));
        }
        for takeover in left {
            let mut status = StanzaStatus::new(takeover.heading.clone());
            status.recorded = true;
            status.noted = takeover.part(&record).cloned();
            status.stays = takeover.stays(calls);
            match self.held_against(&of_device, &takeover, &State::default()) {
                Ok(items) => status.items = items,
                Err(error) => status.failure = Some(error.into()),
            }
            self.seen.foresee(status.steps());
            found.push(status);
        }
        note_marking(&mut found, self.marks.look(&record, &of_device.record));
        if self.is_up {
            let copies = self.copies(&found, &of_device);
            found.extend(copies);
        }
        found
    }

    /// How copies of the device's rules stand.
    pub(super) fn copies(
        &mut self,
        found: &[StanzaStatus],
        of: &SurveyedDevice<'_>,
    ) -> Vec<StanzaStatus> {
        let wanted = wanted_copies(self.front.as_ref(), found, &of.record);
        let statuses = wanted.into_iter().map(|(heading, copies)| {
            let takeover = Takeover::of_copies(&heading);
            let mut status = StanzaStatus::new(heading);
            status.recorded = of.record.has(&status.heading);
            match self.held_against(of, &takeover, &copies.state()) {
                Ok(items) => status.items = items,
                Err(error) => status.failure = Some(error.into()),
            }
            self.seen.foresee(status.steps());
            status.copies = Some(copies);
            status
        });
        statuses.collect()
    }

    /// Notes of a stanza whether there is nothing to do, or what it needs may come.
    fn settle(
        &mut self,
        status: &mut StanzaStatus,
        call: &HookCall,
        takeover: &Takeover,
        record: &Record,
    ) {
        let asked = Part::of(takeover.heading.clone(), call).with_tables(status.tables.named());
        let part = Part {
            state: status.in_place(),
            no_default_since: no_default_since(&status.notices, takeover, record),
            ..asked.clone()
        };
        let is_whole = record.damaged.is_empty() && status.tables.new_lines().is_empty();
        let is_in_step = status.is_in_step() && status.reorder.is_empty();
        if is_in_step && is_whole && takeover.is_settled(record, &part) {
            status.left_to_do = LeftToDo::Nothing;
            return;
        }
        let Ok(Some(stanza)) = Stanza::parse(call) else {
            return;
        };
        let known = || takeover.known(record);
        let comes = observe::is_on_its_way(&mut self.kernel, &stanza, &known, &mut self.ways);
        if comes.unwrap_or_default() {
            status.left_to_do = LeftToDo::Waiting;
        } else if let Some(waiting) = status.waiting() {
            let part = part_that_waits(asked, &stanza.interface, takeover, record, waiting);
            let is_known = takeover.is_of_other_address(record);
            let is_noted = is_known || takeover.is_settled(record, &part);
            if is_whole && is_noted && (status.keeps || !status.recorded) {
                status.left_to_do = LeftToDo::Nothing;
            }
        }
    }

    /// Whether a rule of others takes all.
    pub fn has_front(&self) -> bool {
        self.front.is_some()
    }

    /// What others have, as far as it was asked for.
    pub fn around(&self) -> &Surroundings {
        &self.around
    }

    /// What belongs to nothing that is up, by the rules that were there when the view was opened.
    /// Errors: as of [`find_orphans`].
    pub fn orphans(&mut self) -> Result<Orphans, OrphanError> {
        find_orphans_beside(&mut self.kernel, &self.ours, &mut self.marks)
    }

    /// Surveys a stanza, by the record as it is, behind those that have been surveyed; then it is one
    /// of them.
    pub(super) fn stanza(
        &mut self,
        device: &mut SurveyedDevice<'_>,
        record: &Record,
        call: &HookCall,
        takeover: &Takeover,
        in_order: &mut RulesByPriority,
    ) -> StanzaStatus {
        let mut status = StanzaStatus::new(takeover.heading.clone());
        status.recorded = !takeover.previous(record).is_empty();
        status.noted = takeover.part(record).cloned();
        let filled = self.fill(&mut status, call, takeover, device);
        status.call = Some(call.clone());
        status.failure = filled.err();
        self.put_in_order(device.name, &mut status, in_order);
        if self.for_apply {
            self.settle(&mut status, call, takeover, record);
        }
        self.seen.foresee(status.steps());
        if status.errors().is_empty() {
            let then = status.in_force_then();
            device.before.extend(then.objects());
            let part = Part {
                state: then,
                ..Part::new(takeover.heading.clone())
            };
            takeover.set(&mut device.record, part);
        }
        status
    }

    /// Asks for what others have, before there is anything to remark.
    /// Errors: the kernel could not be asked.
    pub fn look_around(&mut self) -> Result<(), KernelError> {
        self.kernel.look_around(&mut self.around)
    }

    /// Adds what this host makes of the stanzas of a device.
    pub fn remark(&mut self, stanzas: &mut [StanzaStatus]) {
        let (mut places, mut policies) = (Vec::new(), Vec::new());
        for (place, status) in stanzas.iter().enumerate() {
            if let Some((stanza, state)) = &status.policy {
                places.push(place);
                policies.push((stanza, state));
            }
        }
        // A stanza that waits keeps its rules, and what is wrong with another is said.
        let others = stanzas.iter().filter(|status| status.failure.is_some());
        let known: HashSet<IpAddr> = others
            .filter_map(|status| Some(own_address(status.call.as_ref()?)?.address))
            .collect();
        let is_known = |own: IpAddr| known.contains(&own) || self.around.has_rule_about(own);
        let mut found: Vec<(usize, Remark)> = unserved(&policies, &self.around, &is_known);
        for (n, (stanza, state)) in policies.iter().enumerate() {
            let status = places.get(n).and_then(|place| stanzas.get(*place));
            let table = status.and_then(|status| Some(status.tables.own()?.0));
            let all = remarks(stanza, state, table, &self.around, &mut self.kernel);
            found.extend(all.into_iter().map(|remark| (n, remark)));
        }
        for (n, remark) in found {
            let status = places.get(n).and_then(|place| stanzas.get_mut(*place));
            if let Some(status) = status {
                status.remarks.push(remark);
            }
        }
        explain_front(stanzas);
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
                status.note_order(device, alike, &mut self.standing);
            }
        }
    }

    /// Looks up what a stanza wants, and how that stands.
    fn fill(
        &mut self,
        status: &mut StanzaStatus,
        call: &HookCall,
        takeover: &Takeover,
        device: &SurveyedDevice<'_>,
    ) -> Result<(), Failure> {
        let SurveyedDevice { calls, record, .. } = device;
        let mut wanted = State::default();
        if let Some(stanza) = Stanza::parse(call).map_err(Failure::Options)? {
            status.tables = self.tables(&stanza, takeover)?;
            let known = || takeover.known(record);
            let lost = if self.is_up {
                observe::lost(&mut self.kernel, &stanza)?
            } else {
                None
            };
            let found = match lost {
                Some(waiting) => Err(waiting.into()),
                None => observe::required(&mut self.kernel, &stanza, &known, &mut self.ways),
            };
            if let Err(Failure::Waiting(waiting)) = &found {
                status.keeps = waiting.keeps(takeover, record);
                let wanted = if status.keeps {
                    takeover.previous(record)
                } else {
                    State::default()
                };
                status.items = self.held_against(device, takeover, &wanted)?;
            }
            let mut found = found?;
            if may_share(&stanza, &found) {
                let kernel = &mut self.kernel;
                leave_to_others(kernel, &mut found, &stanza, takeover, record, calls)?;
            }
            let asked = status.tables.wanted(&stanza, &found);
            (wanted, status.notices) = asked.map_err(Failure::Options)?;
            wanted = self.kernel.devices().same_in(wanted);
            status.policy = Some((stanza, wanted.clone()));
        }
        status.items = self.held_against(device, takeover, &wanted)?;
        Ok(())
    }

    /// The IDs that the stanza's tables have or would get.
    fn tables(&mut self, stanza: &Stanza, takeover: &Takeover) -> Result<StanzaTables, Failure> {
        let Self {
            kernel,
            names,
            seen,
            allotted,
            ..
        } = self;
        let occupied = |id| seen.is_looked_up(id) || kernel.has_routes_of_others(id);
        StanzaTables::known(stanza, takeover, names, allotted, occupied)
    }

    /// How what a stanza wants stands, and what it put in before.
    pub(super) fn held_against(
        &mut self,
        device: &SurveyedDevice<'_>,
        takeover: &Takeover,
        wanted: &State,
    ) -> Result<Vec<Item>, KernelError> {
        let previous = takeover.previous(&device.record);
        let found = self.seen.found(&mut self.kernel, &wanted.with(&previous))?;
        let others = takeover.others(&device.record);
        let places = OwnPlaces {
            shared: &self.shared_places,
            line: RouteOrder::new(&device.before, &others),
        };
        let mut claimed = others;
        let leftover = previous.without(wanted);
        if !leftover.is_empty() {
            let shared = leftover.only(&self.shared);
            claimed = claimed.with(&Store::claimed_elsewhere(device.name, &shared));
        }
        Ok(assess(wanted, &previous, &claimed, &found, &places))
    }
}
