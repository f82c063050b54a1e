//! Taking routes and rules out of the kernel, and nothing but what is meant. Floor 3.

use nix::errno::Errno;

use crate::kernel::{Answer, Kernel, KernelError};
use crate::outcome::{Outcome, StepError};
use crate::plan::{Step, Verb};
use crate::state::{Object, State};

/// Deletes objects: rules first, so that none leads into a table that is half empty.
pub(crate) fn take_out(kernel: &mut Kernel, objects: &State, outcome: &mut Outcome) {
    let mut rules = take_out_once(kernel, objects, outcome);
    rules.retain(|step| matches!(step.object, Object::Rule(_)));
    if let Err(error) = delete_doubles(kernel, rules, outcome) {
        outcome.warnings.push(error.to_string());
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
        match delete(kernel, steps, outcome) {
            Ok(steps) => deleted.extend(steps),
            Err(error) => outcome.warnings.push(error.to_string()),
        }
    }
    deleted
}

/// Deletes what the steps say, and returns those that found what they meant at once.
fn delete(
    kernel: &mut Kernel,
    steps: Vec<Step>,
    outcome: &mut Outcome,
) -> Result<Vec<Step>, KernelError> {
    let mut deleted = Vec::new();
    if steps.is_empty() {
        return Ok(deleted);
    }
    let answers = kernel.execute(&steps).inspect_err(|_| {
        for step in &steps {
            outcome.stuck.insert(step.object.clone());
        }
    })?;
    for (step, answer) in steps.into_iter().zip(answers) {
        match answer {
            Answer::Done(Some(other)) if !is_meant(&other, &step.object) => {
                put_back(kernel, other, &step, outcome)?;
            }
            Answer::Done(_) => {
                outcome.removed += 1;
                deleted.push(step);
            }
            Answer::Refused(refusal) if is_gone(refusal.errno) => outcome.gone.insert(step.object),
            Answer::Refused(refusal) => outcome.stick(step, refusal),
        }
    }
    Ok(deleted)
}

/// The kernel may have a rule several times: `ip rule restore` puts in what is there.
fn delete_doubles(
    kernel: &mut Kernel,
    mut rules: Vec<Step>,
    outcome: &mut Outcome,
) -> Result<(), KernelError> {
    while !rules.is_empty() {
        let answers = kernel.repeat(&rules)?;
        let mut again = Vec::new();
        for (step, answer) in rules.into_iter().zip(answers) {
            match answer {
                Answer::Done(Some(other)) if !is_meant(&other, &step.object) => {
                    put_back(kernel, other, &step, outcome)?;
                }
                Answer::Done(_) => {
                    outcome.removed += 1;
                    again.push(step);
                }
                Answer::Refused(_) => {}
            }
        }
        rules = again;
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

/// Whether the kernel took out what was meant. It drops `src` from an IPv6 route whose address
/// is gone, and the device of a route may have been renamed; for these its choice is right.
fn is_meant(removed: &Object, meant: &Object) -> bool {
    match (removed, meant) {
        (Object::Rule(removed), Object::Rule(meant)) => removed == meant,
        _ => true,
    }
}

/// How many rules of ours may stand in front of the one that is meant, each agreeing in all
/// that a deletion can say.
const TWINS: usize = 16;

/// `RTM_DELRULE` takes the first rule that agrees in what the request says, and cannot say "no
/// other selector": so the wrong one is put back, behind the right one, and the right one
/// deleted after it.
fn put_back(
    kernel: &mut Kernel,
    mut wrong: Object,
    step: &Step,
    outcome: &mut Outcome,
) -> Result<(), KernelError> {
    for _ in 0..TWINS {
        append(kernel, wrong, outcome)?;
        match kernel.execute(std::slice::from_ref(step))?.pop() {
            Some(Answer::Done(Some(other))) if !is_meant(&other, &step.object) => wrong = other,
            Some(Answer::Refused(refusal)) if !is_gone(refusal.errno) => {
                outcome.stick(step.clone(), refusal);
                return Ok(());
            }
            Some(Answer::Refused(_)) => return Ok(()),
            _ => {
                outcome.removed += 1;
                return Ok(());
            }
        }
    }
    append(kernel, wrong, outcome)?;
    outcome.stuck.insert(step.object.clone());
    outcome.warnings.push(format!(
        "\"{step}\": {TWINS} other rules stand in front of it"
    ));
    Ok(())
}

/// Puts somebody's rule back. That it should be refused would be news worth telling.
fn append(kernel: &mut Kernel, object: Object, outcome: &mut Outcome) -> Result<(), KernelError> {
    let step = Step {
        verb: Verb::Append,
        object,
    };
    if let Some(Answer::Refused(refusal)) = kernel.execute(std::slice::from_ref(&step))?.pop() {
        outcome
            .warnings
            .push(StepError::Refused { step, refusal }.to_string());
    }
    Ok(())
}
