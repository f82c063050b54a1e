//! Giving our rules of equal priority their order, without a moment in which one is not there.

use super::order::{may_matter, misplaced, Misplaced, Places};
use super::outcome::StepError;
use crate::netlink::{Answer, Kernel, KernelError};
use crate::routing::{Family, Object, Rule, State, Step, Verb, PROTOCOL};

/// Puts the rules of a device that stand in front of what they have to stand behind in again, and
/// returns how many. `rules` are all that are in force, in the order in which ifup puts them in;
/// `elsewhere` says which of some rules other devices put in, too: those stay where they are.
pub fn put_in_order(
    kernel: &mut Kernel,
    rules: &[Rule],
    elsewhere: impl Fn(&State) -> State,
) -> Result<usize, StepError> {
    let mut moved = 0;
    for family in Family::ALL {
        let rules = rules.iter().filter(|rule| rule.family == family);
        let rules: Vec<Rule> = rules.cloned().collect();
        if !may_matter(&rules) {
            continue;
        }
        let standing = kernel.rules(family)?.into_iter();
        let standing: Places = standing.filter(|rule| rule.protocol == PROTOCOL).collect();
        let found = misplaced_here(&rules, &standing, &elsewhere);
        let again: Vec<Rule> = found.into_iter().map(|it| it.rule).collect();
        put_behind(kernel, &again, &standing)?;
        moved += again.len();
    }
    Ok(moved)
}

/// As [`misplaced`], of the rules that no other device put in, too.
pub fn misplaced_here(
    rules: &[Rule],
    standing: &Places,
    elsewhere: impl Fn(&State) -> State,
) -> Vec<Misplaced> {
    let found = misplaced(rules, standing);
    if found.is_empty() {
        return found;
    }
    // Asked only where it matters: the answer is in the records of all devices.
    let all: State = rules.iter().cloned().map(Object::Rule).collect();
    let shared = elsewhere(&all);
    let is_own = |rule: &&Rule| !shared.rules().contains(rule);
    let own: Vec<Rule> = rules.iter().filter(is_own).cloned().collect();
    misplaced(&own, standing)
}

/// Puts rules in once more, behind all others of their priority, and then takes out those that
/// were there. What would be taken out in the place of these moves, too. `standing` is what the kernel
/// has before that.
pub fn put_behind(kernel: &mut Kernel, rules: &[Rule], standing: &Places) -> Result<(), StepError> {
    // Without NLM_F_EXCL the kernel puts in what is there already.
    let append = |rule: &Rule| Step {
        verb: Verb::Append,
        object: Object::Rule(rule.clone()),
    };
    let rules = standing.with_those_in_the_way(rules);
    let adds: Vec<Step> = rules.iter().map(append).collect();
    let answers = kernel.execute(&adds)?;
    for (step, answer) in adds.into_iter().zip(answers) {
        if let Answer::Refused(refusal) = answer {
            return Err(StepError::Refused { step, refusal });
        }
    }
    // From the front: each deletion takes the first that agrees.
    let former = standing.standing(&rules).into_iter().map(Object::Rule);
    let former: Vec<Step> = former.map(Step::delete).collect();
    let answers = kernel.execute(&former)?;
    for (step, answer) in former.into_iter().zip(answers) {
        match answer {
            Answer::Done(Some(Object::Rule(other)))
                if Object::Rule(other.clone()) != step.object =>
            {
                put_back(kernel, &other)?;
            }
            // What is gone meanwhile need not go.
            Answer::Done(_) | Answer::Refused(_) => {}
        }
    }
    Ok(())
}

/// Puts a rule back that was taken out in the place of another one.
fn put_back(kernel: &mut Kernel, rule: &Rule) -> Result<(), KernelError> {
    let step = Step {
        verb: Verb::Append,
        object: Object::Rule(rule.clone()),
    };
    kernel.execute(&[step]).map(|_| ())
}
