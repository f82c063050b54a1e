//! Taking routes and rules out of the kernel, and nothing but what is meant.

use nix::errno::Errno;

use super::outcome::{Outcome, StepError};
use crate::netlink::{Answer, Kernel, KernelError};
use crate::routing::{Family, Hop, Object, Route, State, Step, Verb};
use crate::text::chain;

/// Deletes objects: rules first, so that none leads into a table that is half empty.
pub(crate) fn take_out(kernel: &mut Kernel, objects: &State, outcome: &mut Outcome) {
    let mut rules = take_out_once(kernel, objects, outcome);
    rules.retain(|step| matches!(step.object, Object::Rule(_)));
    if let Err(error) = delete_doubles(kernel, rules, outcome) {
        outcome.warnings.push(chain(&error));
    }
}

/// As [`take_out`], of each object one where there are several; returns the steps that
/// took one out.
pub(crate) fn take_out_once(
    kernel: &mut Kernel,
    objects: &State,
    outcome: &mut Outcome,
) -> Vec<Step> {
    let mut deleted = Vec::new();
    let steps: Vec<Step> = objects.objects().rev().map(Step::delete).collect();
    let (rules, routes): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .partition(|step| matches!(step.object, Object::Rule(_)));
    for steps in [rules, routes] {
        let stuck = outcome.stuck.clone();
        match delete(kernel, steps, outcome) {
            Ok(steps) => deleted.extend(steps),
            Err(error) => {
                let objects = outcome.stuck.without(&stuck);
                let objects: Vec<_> = objects.objects().map(|it| format!("\"{it}\"")).collect();
                let (error, objects) = (chain(&error), objects.join(", "));
                outcome
                    .warnings
                    .push(format!("{error}; may still be there: {objects}"));
            }
        }
    }
    deleted
}

/// What came of some deletions.
#[derive(Default)]
struct Round {
    /// Those that took out what they meant.
    deleted: Vec<Step>,
    /// Those that did not, as far as is known.
    unmet: Vec<Step>,
    /// What was taken out instead.
    wrong: Vec<Object>,
}

impl Round {
    /// Notes what came of one. What was not there may have been taken out for another one, and
    /// is unmet until that is known.
    fn note(&mut self, step: Step, answer: Answer, outcome: &mut Outcome) {
        match answer {
            Answer::Done(Some(other)) if !is_meant(&other, &step.object) => {
                self.unmet.push(step);
                self.wrong.push(other);
            }
            Answer::Done(_) => {
                outcome.removed += 1;
                self.deleted.push(step);
            }
            Answer::Refused(refusal) if is_gone(refusal.errno) => self.unmet.push(step),
            Answer::Refused(refusal) => outcome.stick(step, refusal),
        }
    }
}

/// Deletes what the steps say, and returns those that found what they meant.
fn delete(
    kernel: &mut Kernel,
    steps: Vec<Step>,
    outcome: &mut Outcome,
) -> Result<Vec<Step>, KernelError> {
    let mut round = Round::default();
    let steps = without_absent(kernel, steps, outcome)?;
    if steps.is_empty() {
        return Ok(round.deleted);
    }
    let answers = kernel.execute(&steps).inspect_err(|_| {
        for step in &steps {
            outcome.stuck.insert(step.object.clone());
        }
    })?;
    for (step, answer) in steps.into_iter().zip(answers) {
        round.note(step, answer, outcome);
    }
    let right = set_right(kernel, &mut round, outcome);
    for step in round.unmet {
        outcome.stuck.insert(step.object);
    }
    right.map(|()| round.deleted)
}

/// Leaves out IPv6 routes of several ways that are not there: the kernel takes out a twin of one
/// way by way, and tells of each, so that it could not be put back as it was.
fn without_absent(
    kernel: &mut Kernel,
    steps: Vec<Step>,
    outcome: &mut Outcome,
) -> Result<Vec<Step>, KernelError> {
    let mut left = Vec::with_capacity(steps.len());
    for step in steps {
        let shared = |route: &Route| route.family() == Family::Inet6 && route.hops.len() > 1;
        let suspect = matches!(&step.object, Object::Route(route) if shared(route));
        if suspect && !is_there(kernel, &step.object)? {
            outcome.gone.insert(step.object);
        } else {
            left.push(step);
        }
    }
    Ok(left)
}

/// The kernel may have a rule several times: `ip rule restore` puts in what is there.
fn delete_doubles(
    kernel: &mut Kernel,
    mut rules: Vec<Step>,
    outcome: &mut Outcome,
) -> Result<(), KernelError> {
    while !rules.is_empty() {
        let answers = kernel.execute_unlogged(&rules)?;
        let mut round = Round::default();
        for (step, answer) in rules.into_iter().zip(answers) {
            if matches!(answer, Answer::Done(_)) {
                round.note(step, answer, outcome);
            }
        }
        set_right(kernel, &mut round, outcome)?;
        rules = round.deleted;
    }
    Ok(())
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

/// It drops `src` from an IPv6 route whose address is gone, tells of the ways of an IPv6 multipath
/// route one by one, and a device may have been renamed: in these its choice is right.
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

/// Whether a way is one of a route's, whatever its device is called now. Of one by itself the
/// kernel tells no weight.
fn has_way(route: &Route, hop: &Hop) -> bool {
    let mut ways = route.hops.iter().cloned();
    ways.any(|mut of| {
        of.device.clone_from(&hop.device);
        of.weight = hop.weight;
        of == *hop
    })
}

/// Whether an object is there.
fn is_there(kernel: &mut Kernel, meant: &Object) -> Result<bool, KernelError> {
    Ok(match meant {
        Object::Rule(rule) => kernel.rules(rule.family)?.contains(rule),
        Object::Route(route) => {
            let found = kernel.routes(route.family(), route.table)?;
            found.iter().any(|other| is_route_meant(other, route))
        }
    })
}

/// How many objects of ours may stand in front of one that is meant, each agreeing in all that a
/// deletion can say.
const TWINS: usize = 64;

/// The kernel takes out the first object that agrees in what the request says, and a request
/// cannot say "no other selector" or "no src": so the wrong ones are put back, behind the right
/// ones, and the right ones deleted after it, if they are there at all.
fn set_right(
    kernel: &mut Kernel,
    round: &mut Round,
    outcome: &mut Outcome,
) -> Result<(), KernelError> {
    if round.wrong.is_empty() {
        let gone = round.unmet.drain(..).map(|step| step.object);
        gone.for_each(|object| outcome.gone.insert(object));
        return Ok(());
    }
    for _ in 0..TWINS * round.unmet.len() {
        for object in std::mem::take(&mut round.wrong) {
            // One deletion may have taken what another one meant.
            let meant = |step: &Step| is_meant(&object, &step.object);
            match round.unmet.iter().position(meant) {
                Some(place) => {
                    outcome.removed += 1;
                    let step = round.unmet.remove(place);
                    round.deleted.push(step);
                }
                None => append(kernel, object, outcome),
            }
        }
        // It stays unmet until the kernel has spoken.
        let Some(step) = round.unmet.last().cloned() else {
            return Ok(());
        };
        if !is_there(kernel, &step.object)? {
            outcome.gone.insert(step.object);
            round.unmet.pop();
        } else if let Some(answer) = kernel.execute(std::slice::from_ref(&step))?.pop() {
            round.unmet.pop();
            round.note(step, answer, outcome);
        }
    }
    for object in round.wrong.drain(..) {
        append(kernel, object, outcome);
    }
    for step in round.unmet.drain(..) {
        outcome.stuck.insert(step.object.clone());
        outcome
            .warnings
            .push(format!("\"{step}\": {TWINS} others stand in front of it"));
    }
    Ok(())
}

/// Puts somebody's route or rule back. That this should fail would be news worth telling.
fn append(kernel: &mut Kernel, object: Object, outcome: &mut Outcome) {
    let step = Step {
        verb: Verb::Append,
        object,
    };
    match kernel.execute(std::slice::from_ref(&step)) {
        Ok(answers) => {
            if let Some(Answer::Refused(refusal)) = answers.into_iter().next() {
                let refused = StepError::Refused { step, refusal };
                outcome.warnings.push(refused.to_string());
            }
        }
        Err(error) => outcome
            .warnings
            .push(format!("\"{step}\": {}", chain(&error))),
    }
}
