//! Taking routes and rules out of the kernel, and nothing but what is meant.
//!
//! The kernel takes out the first object that agrees in what a request says, and says in its answer
//! which one that was. Where it was another one than meant, that is put back (`set_right`). What it
//! refuses to take out is looked for: it refuses also what it never took in.

use std::collections::btree_map::{BTreeMap, Entry};

use nix::errno::Errno;

use super::outcome::{Removal, StepError};
use crate::netlink::{Answer, Kernel, KernelError, Refusal};
use crate::routing::{Family, Hop, Object, Route, Rule, State, Step, TableId, Verb};
use crate::text::chain;

/// Deletes objects, as far as it can: rules first, so that none leads into a table that is half
/// empty.
pub fn take_out(kernel: &mut Kernel, objects: &State) -> Removal {
    let (mut removal, mut rules) = delete_each(kernel, objects);
    rules.retain(|step| matches!(step.object, Object::Rule(_)));
    if let Err(error) = delete_doubles(kernel, rules, &mut removal) {
        removal.warnings.push(chain(&error));
    }
    removal
}

/// As [`take_out`], but of a rule that is there several times only one.
pub fn take_out_once(kernel: &mut Kernel, objects: &State) -> Removal {
    let (removal, _) = delete_each(kernel, objects);
    removal
}

/// Deletes objects once each; returns also the steps that took one out.
fn delete_each(kernel: &mut Kernel, objects: &State) -> (Removal, Vec<Step>) {
    let mut removal = Removal::default();
    let mut deleted = Vec::new();
    let steps: Vec<Step> = objects.objects().rev().map(Step::delete).collect();
    let (rules, routes): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .partition(|step| matches!(step.object, Object::Rule(_)));
    for steps in [rules, routes] {
        let stuck = removal.stuck.clone();
        match delete(kernel, steps, &mut removal) {
            Ok(steps) => deleted.extend(steps),
            Err(error) => {
                let objects = removal.stuck.without(&stuck);
                let objects: Vec<_> = objects.objects().map(|it| format!("\"{it}\"")).collect();
                let (error, objects) = (chain(&error), objects.join(", "));
                removal
                    .warnings
                    .push(format!("{error}; may still be there: {objects}"));
            }
        }
    }
    (removal, deleted)
}

/// What came of some deletions.
#[derive(Default)]
struct Round {
    /// Those that took out what they meant.
    deleted: Vec<Step>,
    /// Those that took out nothing, or another object.
    unmet: Vec<Step>,
    /// Those other objects.
    wrong: Vec<Object>,
    /// Those that were refused, and why.
    refused: Vec<(Step, Refusal)>,
}

impl Round {
    /// Notes what came of one. An object that was not there may have been taken out by another of
    /// these deletions; whether it was, `set_right` finds out.
    fn note(&mut self, step: Step, answer: Answer, removal: &mut Removal) {
        match answer {
            Answer::Done(Some(other)) if !is_meant(&other, &step.object) => {
                self.unmet.push(step);
                self.wrong.push(other);
            }
            Answer::Done(_) => {
                removal.removed += 1;
                self.deleted.push(step);
            }
            Answer::Refused(refusal) if is_gone(refusal.errno) => self.unmet.push(step),
            Answer::Refused(refusal) => self.refused.push((step, refusal)),
        }
    }
}

/// What the kernel refused to take out is stuck, if it is there at all.
fn look_for_refused(kernel: &mut Kernel, round: &mut Round, removal: &mut Removal) {
    let mut found: BTreeMap<(Family, Option<TableId>), Option<State>> = BTreeMap::new();
    for (step, refusal) in std::mem::take(&mut round.refused) {
        let key = match &step.object {
            Object::Rule(rule) => (rule.family, None),
            Object::Route(route) => (route.family(), Some(route.table)),
        };
        // One that cannot be looked for may be there.
        let there = found.entry(key).or_insert_with(|| match key {
            (family, None) => {
                let rules = kernel.rules(family).ok()?;
                Some(rules.into_iter().map(Object::Rule).collect())
            }
            (family, Some(table)) => {
                let routes = kernel.routes(family, table).ok()?;
                Some(routes.into_iter().map(Object::Route).collect())
            }
        });
        let is_it = |other: &Object| is_meant(other, &step.object);
        let is_there = |there: &State| match &step.object {
            Object::Rule(_) => there.contains(&step.object),
            Object::Route(_) => there.objects().any(|other| is_it(&other)),
        };
        if there.as_ref().is_none_or(is_there) {
            removal.stick(step, refusal);
        } else {
            removal.gone.insert(step.object);
        }
    }
}

/// Deletes what the steps say, and returns those that found what they meant.
fn delete(
    kernel: &mut Kernel,
    steps: Vec<Step>,
    removal: &mut Removal,
) -> Result<Vec<Step>, KernelError> {
    let mut round = Round::default();
    let steps = without_absent(kernel, steps, removal)?;
    if steps.is_empty() {
        return Ok(round.deleted);
    }
    let answers = kernel.execute(&steps).inspect_err(|_| {
        for step in &steps {
            removal.stuck.insert(step.object.clone());
        }
    })?;
    for (step, answer) in steps.into_iter().zip(answers) {
        round.note(step, answer, removal);
    }
    let right = set_right(kernel, &mut round, removal);
    for step in std::mem::take(&mut round.unmet) {
        removal.stuck.insert(step.object);
    }
    look_for_refused(kernel, &mut round, removal);
    right.map(|()| round.deleted)
}

/// Leaves out IPv6 multipath routes that are not there. In their place the kernel would take out
/// one that has some of their ways, way by way, and it could not be put back as it was.
fn without_absent(
    kernel: &mut Kernel,
    steps: Vec<Step>,
    removal: &mut Removal,
) -> Result<Vec<Step>, KernelError> {
    let mut left = Vec::with_capacity(steps.len());
    for step in steps {
        let is_multipath = |route: &Route| route.family() == Family::Inet6 && route.hops.len() > 1;
        let suspect = matches!(&step.object, Object::Route(route) if is_multipath(route));
        if suspect && !is_there(kernel, &step.object)? {
            removal.gone.insert(step.object);
        } else {
            left.push(step);
        }
    }
    Ok(left)
}

/// Deletes rules again that were there, until no more of them are: `ip rule restore` puts in what
/// is there already.
fn delete_doubles(
    kernel: &mut Kernel,
    mut rules: Vec<Step>,
    removal: &mut Removal,
) -> Result<(), KernelError> {
    loop {
        rules = without_gone(kernel, rules)?;
        if rules.is_empty() {
            return Ok(());
        }
        let answers = kernel.execute_unlogged(&rules)?;
        let mut round = Round::default();
        for (step, answer) in rules.into_iter().zip(answers) {
            if matches!(answer, Answer::Done(_)) {
                round.note(step, answer, removal);
            }
        }
        set_right(kernel, &mut round, removal)?;
        rules = round.deleted;
    }
}

/// Leaves out rules without a protocol that are not there any more. In their place the kernel would take
/// out one with any, as that of ours which serves instead, and until it is back packets go elsewhere.
fn without_gone(kernel: &mut Kernel, rules: Vec<Step>) -> Result<Vec<Step>, KernelError> {
    let mut there: BTreeMap<Family, State> = BTreeMap::new();
    let mut left = Vec::with_capacity(rules.len());
    for step in rules {
        if let Object::Rule(Rule {
            protocol: 0,
            family,
            ..
        }) = step.object
        {
            let of_family = match there.entry(family) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let rules = kernel.rules(family)?.into_iter();
                    unknown.insert(rules.map(Object::Rule).collect())
                }
            };
            if !of_family.contains(&step.object) {
                continue;
            }
        }
        left.push(step);
    }
    Ok(left)
}

/// What the kernel says of an object that is not there, or whose device or table is not.
fn is_gone(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOENT | Errno::ESRCH | Errno::ENODEV | Errno::EAFNOSUPPORT
    )
}

/// Whether the kernel took out what was meant.
fn is_meant(removed: &Object, meant: &Object) -> bool {
    match (removed, meant) {
        (Object::Route(removed), Object::Route(meant)) => is_route_meant(removed, meant),
        _ => removed == meant,
    }
}

/// Whether a route is the one that was meant, though it differs. The kernel drops `src` from an
/// IPv6 route whose address is gone, tells of the ways of an IPv6 multipath route one by one, and
/// knows a renamed device by its new name.
fn is_route_meant(removed: &Route, meant: &Route) -> bool {
    let mut known = removed.clone();
    if removed.family() == Family::Inet6 && removed.source.is_none() {
        known.source = meant.source;
    }
    if known.hops.len() == meant.hops.len() {
        for (hop, of) in known.hops.iter_mut().zip(&meant.hops) {
            hop.device.clone_from(&of.device);
        }
    } else if removed.family() == Family::Inet6
        && removed.hops.iter().all(|hop| has_way(meant, hop))
    {
        known.hops.clone_from(&meant.hops);
    }
    known == *meant
}

/// Whether a way is one of a route's, whatever its device is called now, and whatever its weight:
/// the kernel tells none of a way that stands alone.
fn has_way(route: &Route, hop: &Hop) -> bool {
    let mut ways = route.hops.iter().cloned();
    ways.any(|mut of| {
        of.device.clone_from(&hop.device);
        of.weight = hop.weight;
        of == *hop
    })
}

fn is_there(kernel: &mut Kernel, meant: &Object) -> Result<bool, KernelError> {
    Ok(match meant {
        Object::Rule(rule) => kernel.rules(rule.family)?.contains(rule),
        Object::Route(route) => {
            let found = kernel.routes(route.family(), route.table)?;
            found.iter().any(|other| is_route_meant(other, route))
        }
    })
}

/// How many other objects may be taken out for one that is meant before that one is given up.
const TWINS: usize = 64;

/// Puts back what was taken out and not meant, behind what was meant, and deletes that again if it
/// is there at all. A request cannot be made exact: it cannot say "no other selector" or "no src".
fn set_right(
    kernel: &mut Kernel,
    round: &mut Round,
    removal: &mut Removal,
) -> Result<(), KernelError> {
    if round.wrong.is_empty() {
        let gone = round.unmet.drain(..).map(|step| step.object);
        gone.for_each(|object| removal.gone.insert(object));
        return Ok(());
    }
    for _ in 0..TWINS * round.unmet.len() {
        for object in std::mem::take(&mut round.wrong) {
            // One deletion may have taken what another one meant.
            let meant = |step: &Step| is_meant(&object, &step.object);
            match round.unmet.iter().position(meant) {
                Some(place) => {
                    removal.removed += 1;
                    let step = round.unmet.remove(place);
                    round.deleted.push(step);
                }
                None => append(kernel, object, removal),
            }
        }
        // It stays unmet until the kernel has spoken.
        let Some(step) = round.unmet.last().cloned() else {
            return Ok(());
        };
        if !is_there(kernel, &step.object)? {
            removal.gone.insert(step.object);
            round.unmet.pop();
        } else if let Some(answer) = kernel.execute(std::slice::from_ref(&step))?.pop() {
            round.unmet.pop();
            round.note(step, answer, removal);
        }
    }
    for object in round.wrong.drain(..) {
        append(kernel, object, removal);
    }
    for step in round.unmet.drain(..) {
        removal.stuck.insert(step.object.clone());
        removal
            .warnings
            .push(format!("\"{step}\": {TWINS} others stand in front of it"));
    }
    Ok(())
}

/// Puts somebody's route or rule back; where that fails, the administrator is told.
fn append(kernel: &mut Kernel, object: Object, removal: &mut Removal) {
    let step = Step {
        verb: Verb::Append,
        object,
    };
    match kernel.execute(std::slice::from_ref(&step)) {
        Ok(answers) => {
            if let Some(Answer::Refused(refusal)) = answers.into_iter().next() {
                let refused = StepError::Refused { step, refusal };
                removal.warnings.push(refused.to_string());
            }
        }
        Err(error) => removal
            .warnings
            .push(format!("\"{step}\": {}", chain(&error))),
    }
}
