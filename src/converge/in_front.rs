//! Copies of rules in front of those by which VPN software takes all packets: `routing/copies.rs`
//! says which, here they are put in and taken out, and the record holds them in parts of their own.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Failure, Outcome};
use super::settle::{settle_with, Order};
use super::stanza_status::StanzaStatus;
use crate::ifupdown::HookCall;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Heading, Part, Record, Store, Takeover};
use crate::routing::{
    copies, Action, Copies, Family, InterfaceName, NoCopy, Object, Rule, State, Surroundings,
    PROTOCOL,
};
use crate::stanza::{keep, Keep, Remark};

/// The rules of stanzas that stand for a source, under the names of their interfaces.
pub type Sources = Vec<(Heading, Vec<Rule>)>;

/// All rules but for copies, and what they look up, where there is one that takes all.
pub struct Front {
    /// By family, each in the kernel's order.
    rules: BTreeMap<Family, Vec<Rule>>,
    around: Surroundings,
    without_vpn: Surroundings,
}

impl Front {
    /// Of all rules, in the kernel's order; none where no rule of others takes all.
    /// Errors: the kernel could not be asked.
    pub fn of(kernel: &mut Kernel, all: Vec<Rule>) -> Result<Option<Self>, KernelError> {
        if !all.iter().any(Rule::is_catch_all) {
            return Ok(None);
        }
        let copies = recorded_copies(kernel);
        let mut rules: BTreeMap<Family, Vec<Rule>> = BTreeMap::new();
        for rule in all.into_iter().filter(|rule| !copies.contains(rule)) {
            rules.entry(rule.family).or_default().push(rule);
        }
        let mut around = Surroundings::default();
        for of_family in rules.values() {
            around.note_rules(of_family);
        }
        kernel.look_around(&mut around)?;
        Ok(Some(Self {
            rules,
            without_vpn: around.without_catch_alls(),
            around,
        }))
    }

    /// The rules of a family once some are put in that are not there yet.
    fn rules_with(&self, missing: &[Rule], family: Family) -> Cow<'_, [Rule]> {
        let mut rules = Cow::from(self.rules.get(&family).map_or(&[][..], Vec::as_slice));
        for rule in missing.iter().filter(|rule| rule.family == family) {
            let behind = |other: &Rule| other.priority > rule.priority;
            let place = rules.iter().position(behind).unwrap_or(rules.len());
            if !rules.contains(rule) {
                rules.to_mut().insert(place, rule.clone());
            }
        }
        rules
    }

    /// The copies that some sources need once what is `missing` is there, under the headings that
    /// they have in the record.
    fn copies(&self, sources: &Sources, missing: &[Rule]) -> Vec<(Heading, Copies)> {
        let mut found: Vec<(Heading, Copies)> = Vec::new();
        for family in Family::ALL {
            let rules = self.rules_with(missing, family);
            for (stanza, of_stanza) in sources {
                let heading = stanza.of_copies();
                let own = of_family(of_stanza, family);
                let needed = copies(&rules, &own, &self.around, &self.without_vpn);
                match found.iter_mut().find(|(known, _)| *known == heading) {
                    Some((_, known)) => known.extend(needed),
                    None => found.push((heading, needed)),
                }
            }
        }
        found
    }
}

fn of_family(rules: &[Rule], family: Family) -> Vec<Rule> {
    let of_it = rules.iter().filter(|rule| rule.family == family);
    of_it.cloned().collect()
}

/// The copies that are recorded of all devices.
fn recorded_copies(kernel: &mut Kernel) -> BTreeSet<Rule> {
    let records = Store::devices().map(|device| Store::peek(&device));
    let mut all = BTreeSet::new();
    for record in records {
        let parts = record.parts().iter();
        for part in parts.filter(|part| part.heading.is_of_copies()) {
            let state = kernel.devices().same_in(part.state.clone());
            all.extend(state.rules().iter().cloned());
        }
    }
    all
}

/// The rules of a stanza that stand for a source: they look up all of a table for it, and select
/// nothing else.
fn sources_of(call: Option<&HookCall>, rules: &[Rule]) -> Vec<Rule> {
    let is_of_source = |rule: &&Rule| match rule.action {
        Action::Lookup(table) => {
            let plain = Rule {
                from: rule.from,
                realms: rule.realms,
                ..Rule::lookup(rule.family, rule.priority, table)
            };
            rule.from.is_some() && **rule == plain
        }
        _ => false,
    };
    if call.is_some_and(|call| keep(call) != Keep::Yes) {
        return Vec::new();
    }
    rules.iter().filter(is_of_source).cloned().collect()
}

/// The sources of all stanzas of a record.
fn sources(record: &Record) -> Sources {
    let parts = record.parts().iter();
    let stanzas = parts.filter(|part| !part.heading.is_of_copies());
    stanzas
        .map(|part| {
            let own = sources_of(part.call().as_ref(), part.state.rules());
            (part.heading.clone(), own)
        })
        .collect()
}

/// What became of an interface's copies, where they had to change.
pub struct PutInFront {
    pub heading: Heading,
    pub copies: Copies,
    pub outcome: Result<Outcome, Failure>,
}

/// Puts what some devices' sources need in front, and takes out what they need no more; returns what
/// has changed.
/// Errors: the kernel could not be asked; nothing was changed.
pub fn put_in_front(
    kernel: &mut Kernel,
    devices: &[InterfaceName],
) -> Result<Vec<PutInFront>, KernelError> {
    let mut all = Vec::new();
    for family in Family::ALL {
        all.extend(kernel.rules(family)?);
    }
    let there: BTreeSet<Rule> = all
        .iter()
        .filter(|rule| rule.protocol == PROTOCOL)
        .cloned()
        .collect();
    let front = Front::of(kernel, all)?;
    let mut done = Vec::new();
    for device in devices {
        let record = Store::peek(device);
        let record = record.with_states(|state| kernel.devices().same_in(state));
        let wanted = front
            .as_ref()
            .map(|front| front.copies(&sources(&record), &[]));
        for (heading, copies) in with_recorded(wanted.unwrap_or_default(), &record) {
            let recorded = record.of_stanza(&heading);
            let state = copies.state();
            let is_there = state.rules().iter().all(|rule| there.contains(rule));
            if state != recorded || !is_there {
                let outcome = settle_copies(kernel, device, &heading, state);
                done.push(PutInFront {
                    heading,
                    copies,
                    outcome,
                });
            }
        }
    }
    Ok(done)
}

/// Brings an interface's copies to what is wanted. Where it went down meanwhile they go again.
fn settle_copies(
    kernel: &mut Kernel,
    device: &InterfaceName,
    heading: &Heading,
    state: State,
) -> Result<Outcome, Failure> {
    let takeover = Takeover::of_copies(heading);
    let mut settled = |state: State| {
        let part = Part {
            state,
            ..Part::new(heading.clone())
        };
        settle_with(kernel, device, &takeover, &part, &Order::Own)
    };
    let outcome = settled(state)?;
    let record = Store::peek(device);
    let is_of_interface = |part: &Heading| part.of_copies() == *heading && !part.is_of_copies();
    if record.headings().any(is_of_interface) {
        return Ok(outcome);
    }
    settled(State::default())
}

/// The copies that a device's stanzas need once they are mended, and those that its record has,
/// under their headings.
pub fn wanted_copies(
    front: Option<&Front>,
    stanzas: &[StanzaStatus],
    record: &Record,
) -> Vec<(Heading, Copies)> {
    let mut wanted = Vec::new();
    if let Some(front) = front {
        let (mut sources, mut missing) = (Sources::new(), Vec::new());
        for status in stanzas.iter().filter(|status| status.call.is_some()) {
            let rules = status.rules_to_be();
            let own = sources_of(status.call.as_ref(), &rules);
            sources.push((status.heading.clone(), own));
            missing.extend(rules);
        }
        wanted = front.copies(&sources, &missing);
    }
    with_recorded(wanted, record)
}

/// With those that are recorded and needed no more.
fn with_recorded(mut wanted: Vec<(Heading, Copies)>, record: &Record) -> Vec<(Heading, Copies)> {
    for heading in record.headings().filter(|it| it.is_of_copies()) {
        if !wanted.iter().any(|(known, _)| known == heading) {
            wanted.push((heading.clone(), Copies::default()));
        }
    }
    wanted
}

/// Says of a device's copies what they stand in front of, and of its stanzas, whose walks end at
/// somebody else's rule, why there are none.
pub fn explain_front(stanzas: &mut [StanzaStatus]) {
    let mut all_refused: Vec<(Rule, NoCopy)> = Vec::new();
    for status in stanzas.iter_mut() {
        if let Some(copies) = &status.copies {
            let is_in_step = status.is_in_step();
            for family in Family::ALL.into_iter().filter(|_| is_in_step) {
                let of = |rules: &[Rule]| of_family(rules, family);
                if let Some(to) = of(&copies.rules).first().map(|rule| rule.priority) {
                    let before = of(&copies.before);
                    status.remarks.push(Remark::Copied { to, before });
                }
            }
            all_refused.extend(copies.refused.iter().cloned());
        }
    }
    for status in stanzas {
        for remark in &mut status.remarks {
            if let Remark::InFront { rule, why, .. } = remark {
                let is_of_family = |(own, _): &&(Rule, NoCopy)| own.family == rule.family;
                let mut refused = all_refused.iter().filter(|_| rule.is_catch_all());
                *why = refused.find(is_of_family).map(|(_, why)| why.clone());
            }
        }
    }
}

impl Copies {
    /// The rules as what is put in.
    pub fn state(&self) -> State {
        self.rules.iter().cloned().map(Object::Rule).collect()
    }
}
