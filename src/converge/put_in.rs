//! Bringing the kernel to a wanted state: all of it, or nothing.

use std::collections::BTreeSet;

use nix::errno::Errno;

use super::existing::{existing_route, existing_rule, Existing};
use super::line::{stands_in_line, RouteOrder};
use super::occupants::Occupants;
use super::outcome::{Outcome, Removal, StepError};
use super::remove::take_out;
use crate::netlink::{Answer, Kernel, KernelError};
use crate::routing::{Object, Route, RoutePlace, State, Step, Verb};

/// What the records say before a run.
pub struct Known<'a> {
    /// What an earlier run for the same stanza put in.
    pub previous: &'a State,
    /// What other stanzas put in.
    pub claimed: &'a State,
    /// What several devices put in, or stand in line for.
    pub shared: &'a State,
    /// Where the stanza's routes belong among those of the others, if these are known.
    pub line: Option<RouteOrder<'a>>,
}

/// Why nothing of what was wanted is in force: what the run had put in was taken out again.
#[derive(Debug)]
pub struct Undone {
    /// Every step that failed.
    pub errors: Vec<StepError>,
    /// What this run put in and could not take out again.
    pub stuck: State,
}

/// Puts in what is wanted, then takes out what was there for the same stanza beyond that and
/// nobody else needs. Where a step fails, all steps of this run are undone.
pub fn put_in(kernel: &mut Kernel, wanted: &State, known: &Known<'_>) -> Result<Outcome, Undone> {
    let mut run = Run {
        kernel,
        known,
        outcome: Outcome::default(),
        undo: Vec::new(),
    };
    let routes: Vec<Object> = wanted.routes().iter().cloned().map(Object::Route).collect();
    let rules: Vec<Object> = wanted.rules().iter().cloned().map(Object::Rule).collect();
    // A rule must not lead into a table that is only half filled.
    for objects in [routes, rules] {
        let errors = run.add(&objects);
        if !errors.is_empty() {
            let stuck = run.undo();
            let errors = errors.into_iter().map(|error| with_vrf(run.kernel, error));
            return Err(Undone {
                errors: errors.collect(),
                stuck,
            });
        }
    }
    let mut outcome = run.outcome;
    let leftover = known.previous.without(&outcome.in_force);
    outcome.add_removal(take_out(kernel, &leftover.without(known.claimed)));
    Ok(outcome)
}

/// What was refused of a device that belongs to a VRF is told with the name of that.
fn with_vrf(kernel: &mut Kernel, error: StepError) -> StepError {
    let StepError::Refused { step, refusal } = error else {
        return error;
    };
    let device = match &step.object {
        Object::Route(route) => route.hops.iter().find_map(|hop| hop.device.clone()),
        Object::Rule(_) => None,
    };
    let vrf = device.and_then(|device| Some((kernel.vrf_of(&device)?, device)));
    match vrf {
        Some(((vrf, table), device)) => StepError::InVrf {
            step,
            refusal,
            device,
            vrf,
            table,
        },
        None => StepError::Refused { step, refusal },
    }
}

/// A run that puts in.
struct Run<'a> {
    kernel: &'a mut Kernel,
    known: &'a Known<'a>,
    outcome: Outcome,
    undo: Vec<Undo>,
}

/// What would undo a step.
struct Undo {
    step: Step,
    /// What the step to undo put in.
    made: Object,
}

impl Undo {
    fn delete(made: Object) -> Self {
        let step = Step::delete(made.clone());
        Self { step, made }
    }
}

impl Run<'_> {
    /// Adds objects of one kind, all in one go but for those whose place has to be looked up.
    fn add(&mut self, objects: &[Object]) -> Vec<StepError> {
        let steps = objects.iter().cloned().map(Step::add);
        let shared = self.known.shared.routes().iter();
        let shared: BTreeSet<RoutePlace> = shared.map(Route::place).collect();
        let line = self.known.line.as_ref();
        let (in_line, steps): (Vec<Step>, Vec<Step>) = steps.partition(|step| match &step.object {
            Object::Route(route) => stands_in_line(route, &shared, line),
            Object::Rule(_) => false,
        });
        let answers = match self.kernel.execute(&steps) {
            Ok(answers) => answers,
            Err(error) => {
                self.note_unanswered(steps);
                return vec![error.into()];
            }
        };
        let exists = |answer: &Answer| matches!(answer, Answer::Refused(refusal) if refusal.errno == Errno::EEXIST);
        let there = steps.iter().zip(&answers);
        let there = there.filter_map(|(step, answer)| exists(answer).then_some(&step.object));
        let in_question: Vec<&Object> = there
            .chain(in_line.iter().map(|step| &step.object))
            .collect();
        // One look for all of them, not one for each.
        let mut occupants = Occupants::ask(self.kernel, &in_question);
        let mut errors = Vec::new();
        for (step, answer) in steps.into_iter().zip(answers) {
            let done = match &mut occupants {
                Ok(occupants) if exists(&answer) => self.exists(step, occupants),
                Err(_) if exists(&answer) => Ok(()),
                _ => self.judge_answer(step, answer),
            };
            errors.extend(done.err());
        }
        if let Ok(occupants) = &mut occupants {
            let steps = in_line.into_iter();
            errors.extend(steps.filter_map(|step| self.exists(step, occupants).err()));
        }
        errors.extend(occupants.err().map(StepError::from));
        errors
    }

    /// Notes steps of which it is not known whether they took place. Each may have, unless its
    /// object was there before.
    fn note_unanswered(&mut self, steps: Vec<Step>) {
        let Known {
            previous,
            claimed,
            shared,
            ..
        } = self.known;
        for step in steps {
            let mut known = [previous, claimed, shared].into_iter();
            if !known.any(|state| state.contains(&step.object)) {
                self.note_undo(step);
            }
        }
    }

    /// Notes what a step did. A rule of which the kernel made another one is no success.
    fn judge_answer(&mut self, step: Step, answer: Answer) -> Result<(), StepError> {
        match answer {
            Answer::Refused(refusal) => Err(StepError::Refused { step, refusal }),
            Answer::Done(Some(made)) if made != step.object => {
                self.undo.push(Undo::delete(made.clone()));
                Err(StepError::Thinned { step, made })
            }
            Answer::Done(_) => {
                self.outcome.added += 1;
                self.outcome.in_force.insert(step.object.clone());
                self.note_undo(step);
                Ok(())
            }
        }
    }

    /// Notes what would undo a step that took place, or may have.
    fn note_undo(&mut self, step: Step) {
        if step.verb == Verb::Replace {
            let replaced = |old: &&Route| match &step.object {
                Object::Route(new) => old.same_place(new),
                Object::Rule(_) => false,
            };
            let Known {
                previous, claimed, ..
            } = self.known;
            let mut known = previous.routes().iter().chain(claimed.routes());
            let old = known.find(replaced).cloned().map(Object::Route);
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

    /// Looks what is there when the kernel says that something is, and does what is left to do.
    fn exists(&mut self, step: Step, occupants: &mut Occupants) -> Result<(), StepError> {
        let existing = match &step.object {
            Object::Route(route) => {
                let Known {
                    previous,
                    claimed,
                    shared,
                    line,
                } = self.known;
                let is_noted = |route: &Route| {
                    let object = Object::Route(route.clone());
                    let mut noted = [previous, claimed, shared].into_iter();
                    noted.any(|state| state.contains(&object))
                };
                let found = occupants.routes(route);
                existing_route(route, found, previous, line.as_ref(), is_noted)
            }
            Object::Rule(rule) => existing_rule(rule, occupants.rules(rule)),
        };
        match existing {
            Existing::InForce(object) => {
                self.outcome.already.insert(object.clone());
                self.outcome.in_force.insert(object);
                Ok(())
            }
            Existing::Misplaced(_) => self.put_behind(step.object, occupants),
            Existing::Served(foreign) => {
                self.outcome.warnings.push(format!(
                    "\"{foreign}\" is there already and not ours; it serves, and ifdown will leave it"
                ));
                Ok(())
            }
            Existing::Blocked(foreign) => Err(StepError::Blocked { step, foreign }),
            Existing::Instead(instead) => {
                // Whether or not it succeeds: one step that fails undoes all.
                occupants.note(&instead);
                self.do_instead(instead, &step.object)
            }
        }
    }

    /// Puts an IPv4 route in once more, behind those of its place. One of these is always there.
    fn put_behind(&mut self, object: Object, occupants: &mut Occupants) -> Result<(), StepError> {
        let append = Step {
            verb: Verb::Append,
            object: object.clone(),
        };
        for step in [Step::delete(object.clone()), append] {
            occupants.note(&step);
            if let Answer::Refused(refusal) = self.execute(&step)? {
                return Err(StepError::Refused { step, refusal });
            }
        }
        self.outcome.moved += 1;
        self.outcome.already.insert(object.clone());
        self.outcome.in_force.insert(object);
        Ok(())
    }

    /// Takes another step than the one that was refused.
    fn do_instead(&mut self, instead: Step, wanted: &Object) -> Result<(), StepError> {
        let answer = match self.execute(&instead) {
            Ok(answer) => answer,
            // Its object was not there a moment ago; whether it is now is not known.
            Err(error) => {
                self.note_undo(instead);
                return Err(error.into());
            }
        };
        if instead.object != *wanted && matches!(answer, Answer::Done(_)) {
            self.outcome.behind.insert(instead.object.clone());
        }
        self.judge_answer(instead, answer)
    }

    fn execute(&mut self, step: &Step) -> Result<Answer, KernelError> {
        let answer = self.kernel.execute(std::slice::from_ref(step))?.pop();
        Ok(answer.unwrap_or(Answer::Done(None)))
    }

    /// Undoes what this run did, last first, and returns what it could not undo. Errors of its own
    /// would add nothing to the one that led here.
    fn undo(&mut self) -> State {
        let mut undone = Removal::default();
        for Undo { step, made } in std::mem::take(&mut self.undo).into_iter().rev() {
            if step.verb == Verb::Delete {
                undone.add(take_out(self.kernel, &[made].into_iter().collect()));
            } else if !matches!(self.execute(&step), Ok(Answer::Done(_))) {
                undone.stuck.insert(made);
            }
        }
        undone.stuck
    }
}
