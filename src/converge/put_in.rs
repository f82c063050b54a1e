//! Bringing the kernel to a wanted state, and out of it again. Here alone plans meet the kernel. Up is all or nothing; down takes out what it can.

use nix::errno::Errno;

use super::existing::{existing_route, existing_rule, Existing};
use super::outcome::{Outcome, StepError};
use super::remove::take_out;
use crate::netlink::{Answer, Kernel, KernelError};
use crate::routing::{Family, Object, State, Step, Verb};

/// Why nothing of what was wanted is in force.
#[derive(Debug)]
pub struct Failed {
    /// Every step that failed.
    pub errors: Vec<StepError>,
    /// What this run put in and could not take out again.
    pub stuck: State,
}

/// Puts in what is wanted, then takes out what `previous` has beyond that, but for what `claimed`
/// says others need. `shared` is what several devices have put in, or stand in line for. Where a
/// step fails all steps of this run are undone.
pub fn up(
    kernel: &mut Kernel,
    wanted: &State,
    previous: &State,
    claimed: &State,
    shared: &State,
) -> Result<Outcome, Failed> {
    let mut run = Run {
        kernel,
        previous,
        claimed,
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
            let stuck = run.undo();
            return Err(Failed { errors, stuck });
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
    claimed: &'a State,
    shared: &'a State,
    outcome: Outcome,
    undo: Vec<Undo>,
}

/// What would undo a step.
struct Undo {
    step: Step,
    /// What the step put in.
    made: Object,
}

impl Undo {
    fn delete(made: Object) -> Self {
        let step = Step::delete(made.clone());
        Self { step, made }
    }
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
                for step in steps {
                    let known = [self.previous, self.claimed, self.shared];
                    if !known.iter().any(|state| state.contains(&step.object)) {
                        self.note_undo(step);
                    }
                }
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
                self.undo.push(Undo::delete(made.clone()));
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
        self.note_undo(step);
    }

    /// Notes what would undo a step that took place, or may have.
    fn note_undo(&mut self, step: Step) {
        if step.verb == Verb::Replace {
            let replaced = |object: &Object| match (object, &step.object) {
                (Object::Route(old), Object::Route(new)) => old.same_place(new),
                _ => false,
            };
            let old = self.previous.objects().find(replaced);
            self.undo.extend(old.map(|object| Undo {
                step: Step {
                    verb: Verb::Replace,
                    object,
                },
                made: step.object.clone(),
            }));
        } else {
            self.undo.push(Undo::delete(step.object));
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
            Existing::Served(foreign) => {
                self.outcome.warnings.push(format!(
                    "\"{foreign}\" is there already and not ours; it serves, and ifdown will leave it"
                ));
                Ok(())
            }
            Existing::Blocked(foreign) => Err(StepError::Blocked { step, foreign }),
            Existing::Instead(instead) => {
                let answer = match self.one(&instead) {
                    Ok(answer) => answer,
                    // It was not there a moment ago; whether it is now is not known.
                    Err(error) => {
                        self.note_undo(instead);
                        return Err(error.into());
                    }
                };
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

    /// Undoes what this run did, last first, and returns what it could not undo. An error here
    /// adds nothing to the one that led here.
    fn undo(&mut self) -> State {
        let mut undone = Outcome::default();
        for Undo { step, made } in std::mem::take(&mut self.undo).into_iter().rev() {
            if step.verb == Verb::Delete {
                take_out(self.kernel, &[made].into_iter().collect(), &mut undone);
            } else if !matches!(self.one(&step), Ok(Answer::Done(_))) {
                undone.stuck.insert(made);
            }
        }
        undone.stuck
    }
}
