//! Bringing the kernel to a wanted state, and out of it again. Floor 3: the one room in which
//! plans meet the kernel. Up is all or nothing; down takes out what it can.

use nix::errno::Errno;
use thiserror::Error;

use crate::kernel::{explain, Answer, Kernel, KernelError};
use crate::net::Family;
use crate::plan::{existing_route, existing_rule, Existing, Step, Verb};
use crate::state::{Object, State};
use crate::wire::Refusal;

/// Why a step did not succeed.
#[derive(Debug, Error)]
pub enum StepError {
    /// The kernel refused it.
    #[error("\"{step}\": {}{}", explain(.refusal), hint(.step, .refusal))]
    Refused {
        /// The step.
        step: Step,
        /// The kernel's answer.
        refusal: Refusal,
    },
    /// Something that is not ours stands in its place.
    #[error(
        "\"{step}\": \"{foreign}\" is in the way and not ours; remove it, or name another table"
    )]
    Blocked {
        /// The step.
        step: Step,
        /// What stands there.
        foreign: Object,
    },
    /// The kernel left out what it does not know.
    #[error("\"{step}\": this kernel is too old for all of it and would take it for \"{made}\"")]
    Thinned {
        /// The step.
        step: Step,
        /// What the kernel made of it.
        made: Object,
    },
    /// The kernel could not be asked.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// What an administrator can do about the commonest refusals.
fn hint(step: &Step, refusal: &Refusal) -> &'static str {
    let text = refusal.text.as_deref().unwrap_or_default();
    let is_route = matches!(step.object, Object::Route(_));
    match refusal.errno {
        Errno::EPERM | Errno::EACCES => "; this needs root (CAP_NET_ADMIN)",
        Errno::ENETDOWN => "; the device is down",
        Errno::ENETUNREACH | Errno::EHOSTUNREACH => {
            "; the gateway is not reached through this device: correct its address, or add onlink"
        }
        Errno::EINVAL if text.contains("source address") || text.contains("prefsrc") => {
            "; the address is not on this host, or not yet"
        }
        Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT if is_route => {
            "; this kernel has the address family switched off"
        }
        Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT => {
            "; this kernel has no policy routing (CONFIG_IP_MULTIPLE_TABLES) \
             or the address family switched off"
        }
        _ => "",
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The objects of ours that are in force now.
    pub in_force: State,
    /// Those of them that were there before this run.
    pub already: State,
    /// Those that had to stand behind another stanza's, under a metric of their own.
    pub behind: State,
    /// How many were put in.
    pub added: usize,
    /// How many were taken out.
    pub removed: usize,
    /// What the administrator should know.
    pub warnings: Vec<String>,
    /// What should be gone and could not be removed.
    pub stuck: State,
}

/// Puts in what is wanted, then takes out what `previous` has beyond that, but for what `claimed`
/// says others need. `shared` is what several devices have put in, or stand in line for. Where a
/// step fails all steps of this run are undone.
///
/// # Errors
/// Every step that failed.
pub fn up(
    kernel: &mut Kernel,
    wanted: &State,
    previous: &State,
    claimed: &State,
    shared: &State,
) -> Result<Outcome, Vec<StepError>> {
    let mut run = Run {
        kernel,
        previous,
        shared,
        outcome: Outcome::default(),
        undo: Vec::new(),
    };
    let routes: Vec<Object> = wanted.routes().iter().cloned().map(Object::Route).collect();
    let rules: Vec<Object> = wanted.rules().iter().cloned().map(Object::Rule).collect();
    // A rule must not lead into a table that is only half filled.
    for objects in [routes, rules] {
        let errors = run.put_in(&objects);
        if !errors.is_empty() {
            run.undo();
            return Err(errors);
        }
    }
    let Run {
        kernel,
        mut outcome,
        ..
    } = run;
    let leftover = previous.without(&outcome.in_force).without(claimed);
    take_out(kernel, &leftover, &mut outcome);
    Ok(outcome)
}

/// Takes out what is there of some objects.
pub fn down(kernel: &mut Kernel, objects: &State) -> Outcome {
    let mut outcome = Outcome::default();
    take_out(kernel, objects, &mut outcome);
    outcome
}

/// A run that puts in.
struct Run<'a> {
    kernel: &'a mut Kernel,
    previous: &'a State,
    shared: &'a State,
    outcome: Outcome,
    undo: Vec<Step>,
}

impl Run<'_> {
    fn put_in(&mut self, objects: &[Object]) -> Vec<StepError> {
        let steps = objects.iter().cloned().map(Step::add);
        let (in_line, steps): (Vec<Step>, Vec<Step>) =
            steps.partition(|step| self.stands_in_line(&step.object));
        let answers = match self.kernel.execute(&steps) {
            Ok(answers) => answers,
            Err(error) => {
                // Which of them took place is not known; each may have, but for what was there.
                let new = steps.into_iter().map(|step| step.object);
                let new = new.filter(|object| !self.previous.contains(object));
                self.undo.extend(new.map(Step::delete));
                return vec![error.into()];
            }
        };
        let mut errors = Vec::new();
        for (step, answer) in steps.into_iter().zip(answers) {
            let settled = match answer {
                Answer::Refused(refusal) if refusal.errno == Errno::EEXIST => self.exists(step),
                answer => self.settle(step, answer),
            };
            errors.extend(settled.err());
        }
        errors.extend(
            in_line
                .into_iter()
                .filter_map(|step| self.exists(step).err()),
        );
        errors
    }

    /// Whether a place in the queue for an IPv6 destination has to be looked up: the kernel
    /// would put the route in front of those that stand under higher metrics.
    fn stands_in_line(&self, object: &Object) -> bool {
        match object {
            Object::Route(route) if route.family() == Family::Inet6 => self
                .shared
                .routes()
                .iter()
                .any(|other| other.is_rival(route)),
            _ => false,
        }
    }

    /// Takes an answer as it is; a rule of which the kernel made another one is no success.
    fn settle(&mut self, step: Step, answer: Answer) -> Result<(), StepError> {
        match answer {
            Answer::Refused(refusal) => Err(StepError::Refused { step, refusal }),
            Answer::Done(Some(made)) if made != step.object => {
                self.undo.push(Step::delete(made.clone()));
                Err(StepError::Thinned { step, made })
            }
            Answer::Done(_) => {
                self.done(step);
                Ok(())
            }
        }
    }

    /// Notes a step that succeeded, and what would undo it.
    fn done(&mut self, step: Step) {
        self.outcome.added += 1;
        self.outcome.in_force.insert(step.object.clone());
        if step.verb == Verb::Replace {
            let replaced = |object: &Object| match (object, &step.object) {
                (Object::Route(old), Object::Route(new)) => old.same_place(new),
                _ => false,
            };
            let old = self.previous.objects().find(replaced);
            self.undo.extend(old.map(|object| Step {
                verb: Verb::Replace,
                object,
            }));
        } else {
            self.undo.push(Step::delete(step.object));
        }
    }

    /// Looks what is there when the kernel says that something is.
    fn exists(&mut self, step: Step) -> Result<(), StepError> {
        let existing = match &step.object {
            Object::Route(route) => {
                let found = self.kernel.routes(route.family(), route.table)?;
                existing_route(route, &found, self.previous)
            }
            Object::Rule(rule) => existing_rule(rule, &self.kernel.rules(rule.family)?),
        };
        match existing {
            Existing::InForce(object) => {
                self.outcome.already.insert(object.clone());
                self.outcome.in_force.insert(object);
                Ok(())
            }
            Existing::Foreign(foreign) => {
                self.outcome.warnings.push(format!(
                    "\"{foreign}\" is there already and not ours; it serves, and ifdown will leave it"
                ));
                Ok(())
            }
            Existing::Blocked(foreign) => Err(StepError::Blocked { step, foreign }),
            Existing::Step(instead) => {
                let answer = self.one(&instead)?;
                if instead.object != step.object && matches!(answer, Answer::Done(_)) {
                    self.outcome.behind.insert(instead.object.clone());
                }
                self.settle(instead, answer)
            }
        }
    }

    fn one(&mut self, step: &Step) -> Result<Answer, KernelError> {
        let answer = self.kernel.execute(std::slice::from_ref(step))?.pop();
        Ok(answer.unwrap_or(Answer::Done(None)))
    }

    /// Undoes what this run did, last first. An error here adds nothing to the one that led here.
    fn undo(&mut self) {
        for step in std::mem::take(&mut self.undo).into_iter().rev() {
            if step.verb == Verb::Delete {
                take_out(
                    self.kernel,
                    &[step.object].into_iter().collect(),
                    &mut Outcome::default(),
                );
            } else {
                let _ = self.one(&step);
            }
        }
    }
}

/// Deletes objects: rules first, so that none leads into a table that is half empty.
fn take_out(kernel: &mut Kernel, objects: &State, outcome: &mut Outcome) {
    let steps: Vec<Step> = objects.objects().rev().map(Step::delete).collect();
    let (rules, routes): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .partition(|step| matches!(step.object, Object::Rule(_)));
    for steps in [rules, routes] {
        if let Err(error) = delete(kernel, steps, outcome) {
            outcome.warnings.push(error.to_string());
        }
    }
}

fn delete(kernel: &mut Kernel, steps: Vec<Step>, outcome: &mut Outcome) -> Result<(), KernelError> {
    if steps.is_empty() {
        return Ok(());
    }
    let answers = kernel.execute(&steps).inspect_err(|_| {
        for step in &steps {
            outcome.stuck.insert(step.object.clone());
        }
    })?;
    for (step, answer) in steps.into_iter().zip(answers) {
        match answer {
            Answer::Done(Some(other)) if !is_meant(&other, &step.object) => {
                put_back(kernel, other, step, outcome)?;
            }
            Answer::Done(_) => outcome.removed += 1,
            Answer::Refused(refusal) if is_gone(refusal.errno) => {}
            Answer::Refused(refusal) => {
                outcome.stuck.insert(step.object.clone());
                outcome
                    .warnings
                    .push(StepError::Refused { step, refusal }.to_string());
            }
        }
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
    wrong: Object,
    step: Step,
    outcome: &mut Outcome,
) -> Result<(), KernelError> {
    let mut wrong = Some(wrong);
    for _ in 0..TWINS {
        let Some(object) = wrong.take() else {
            outcome.removed += 1;
            return Ok(());
        };
        kernel.execute(&[Step {
            verb: Verb::Append,
            object,
        }])?;
        match kernel.execute(std::slice::from_ref(&step))?.pop() {
            Some(Answer::Done(Some(other))) if !is_meant(&other, &step.object) => {
                wrong = Some(other);
            }
            Some(Answer::Refused(_)) => return Ok(()),
            _ => {}
        }
    }
    if let Some(object) = wrong {
        kernel.execute(&[Step {
            verb: Verb::Append,
            object,
        }])?;
    }
    outcome.stuck.insert(step.object);
    Ok(())
}
