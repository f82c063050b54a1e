//! How what is wanted stands against what the kernel has, object by object. What `status` shows,
//! `plan` prints and `apply` mends are readings of this.

use super::existing::{existing_route, Existing};
use crate::routing::{Object, State, Step};

/// How one object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is there.
    InPlace,
    /// Somebody else's is there that does the same.
    Served(Object),
    /// It is not there; the step puts it in.
    Missing(Step),
    /// It is not there, and somebody else's stands in its place.
    Blocked(Object),
    /// It is there, put in by an earlier run, and no longer wanted.
    Stale,
}

/// An object and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The object.
    pub object: Object,
    /// How it stands.
    pub condition: Condition,
}

/// Judges each object that a stanza wants, and each that it had put in before. `found` is what
/// the kernel has in the tables in question, `claimed` what other stanzas put in.
pub fn assess(wanted: &State, previous: &State, claimed: &State, found: &State) -> Vec<Item> {
    let mut in_force = State::default();
    let mut items = Vec::new();
    for object in wanted.objects() {
        let item = judge(&object, previous, found);
        if item.condition == Condition::InPlace {
            in_force.insert(item.object.clone());
        }
        items.push(item);
    }
    let left = previous.without(&in_force).without(claimed).only(found);
    items.extend(left.objects().map(|object| Item {
        object,
        condition: Condition::Stale,
    }));
    items
}

fn judge(object: &Object, previous: &State, found: &State) -> Item {
    let condition = |condition| Item {
        object: object.clone(),
        condition,
    };
    if found.contains(object) {
        return condition(Condition::InPlace);
    }
    let existing = match object {
        Object::Route(route) => {
            let taken = found.routes().iter().any(|there| there.same_place(route));
            let in_line = || previous_behind(object, previous);
            if !taken && !in_line() {
                return condition(Condition::Missing(Step::add(object.clone())));
            }
            existing_route(route, found.routes(), previous)
        }
        // Beside a rule of somebody else that does the same the kernel takes ours.
        Object::Rule(_) => return condition(Condition::Missing(Step::add(object.clone()))),
    };
    match existing {
        Existing::InForce(there) => Item {
            object: there,
            condition: Condition::InPlace,
        },
        Existing::Served(foreign) => condition(Condition::Served(foreign)),
        Existing::Instead(step) => condition(Condition::Missing(step)),
        Existing::Blocked(foreign) => condition(Condition::Blocked(foreign)),
    }
}

/// Whether the stanza had put a route in that stands for this one behind another's.
fn previous_behind(object: &Object, previous: &State) -> bool {
    match object {
        Object::Route(route) => {
            let mut before = previous.routes().iter();
            before.any(|other| other.is_rival(route) && other.metric > route.metric)
        }
        Object::Rule(_) => false,
    }
}

/// The steps that mend what is amiss, in the order of a run: what misses is put in, routes before
/// rules, then what is stale is taken out, rules before routes.
pub fn steps(items: &[Item]) -> Vec<Step> {
    let missing = items.iter().filter_map(|item| match &item.condition {
        Condition::Missing(step) => Some(step.clone()),
        _ => None,
    });
    let stale = items
        .iter()
        .filter(|item| item.condition == Condition::Stale);
    let stale = stale.map(|item| Step::delete(item.object.clone())).rev();
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "route default via 10.0.0.1 dev eth1 table 200 proto 157";
    const RULE: &str = "rule priority 21000 from 10.0.0.2 lookup 200 proto 157";

    fn state(lines: &[&str]) -> State {
        lines
            .iter()
            .map(|line| line.parse::<Object>().unwrap())
            .collect()
    }

    fn assessed(
        wanted: &[&str],
        previous: &[&str],
        claimed: &[&str],
        found: &[&str],
    ) -> Vec<String> {
        let items = assess(
            &state(wanted),
            &state(previous),
            &state(claimed),
            &state(found),
        );
        let mut lines: Vec<String> = items
            .iter()
            .map(|item| match &item.condition {
                Condition::InPlace => format!("in place: {}", item.object),
                Condition::Served(by) => format!("served by: {by}"),
                Condition::Missing(_) => format!("missing: {}", item.object),
                Condition::Blocked(by) => format!("blocked by: {by}"),
                Condition::Stale => format!("stale: {}", item.object),
            })
            .collect();
        lines.extend(steps(&items).iter().map(ToString::to_string));
        lines
    }

    #[test]
    fn what_is_there_needs_no_step() {
        assert_eq!(
            assessed(&[DEFAULT, RULE], &[], &[], &[RULE, DEFAULT]),
            [format!("in place: {DEFAULT}"), format!("in place: {RULE}")]
        );
    }

    #[test]
    fn what_misses_is_put_in_and_what_is_stale_goes_after_it() {
        let old = "rule priority 21000 from 10.0.0.9 lookup 200 proto 157";
        let gone = "rule priority 21000 from 10.0.0.8 lookup 200 proto 157";
        assert_eq!(
            assessed(&[DEFAULT, RULE], &[old, gone], &[], &[old]),
            [
                format!("missing: {DEFAULT}"),
                format!("missing: {RULE}"),
                format!("stale: {old}"),
                format!("ip route add {}", &DEFAULT[6..]),
                format!("ip rule add {}", &RULE[5..]),
                format!("ip rule del {}", &old[5..]),
            ]
        );
        assert_eq!(assessed(&[], &[old], &[old], &[old]), [""; 0]);
    }

    #[test]
    fn what_others_have_there_is_told_and_left() {
        let foreign = DEFAULT.replace("157", "3");
        assert_eq!(
            assessed(&[DEFAULT], &[], &[], &[&foreign]),
            [format!("served by: {foreign}")]
        );
        let other = foreign.replace("10.0.0.1", "10.0.0.7");
        assert_eq!(
            assessed(&[DEFAULT], &[], &[], &[&other]),
            [format!("blocked by: {other}")]
        );
        let rule = RULE.replace("157", "3");
        assert_eq!(
            assessed(&[RULE], &[], &[], &[&rule]),
            [
                format!("missing: {RULE}"),
                format!("ip rule add {}", &RULE[5..])
            ]
        );
    }

    #[test]
    fn a_route_that_stands_behind_anothers_is_in_place() {
        let wanted = "-6 route default via fe80::1 dev eth1 table 200 proto 157 metric 1024";
        let other = "-6 route default via fe80::9 dev eth2 table 200 proto 157 metric 1024";
        let behind = "-6 route default via fe80::1 dev eth1 table 200 proto 157 metric 1025";
        assert_eq!(
            assessed(&[wanted], &[behind], &[other], &[other, behind]),
            [format!("in place: {behind}")]
        );
        assert_eq!(
            assessed(&[wanted], &[behind], &[], &[behind]),
            [format!("in place: {behind}")]
        );
    }
}
