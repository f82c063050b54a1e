//! How what is wanted stands against what the kernel has, object by object: what `status` shows and
//! `plan` prints. Decides only; `survey.rs` asks the kernel.

use std::collections::BTreeSet;

use super::existing::{existing_route, Existing};
use super::line::{stands_in_line, RouteOrder};
use super::occupants::Occupants;
use crate::routing::{Object, Route, RoutePlace, State, Step, Verb};

/// How one object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    InPlace,
    /// It is not there, but somebody else's is that does the same.
    Served(Object),
    /// It is not there; the step puts it in.
    Missing(Step),
    /// It is not there, and somebody else's stands in its place.
    Blocked(Object),
    /// It is there, a rule or route that has to stand behind this one and does not, or will not once
    /// that is put in.
    Misplaced(Object),
    /// It is there, put in by an earlier run, and no longer wanted.
    Stale,
}

/// An object and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub object: Object,
    pub condition: Condition,
}

/// Assesses each object that a stanza wants, and each that it put in before. `found` is what the
/// kernel has in the tables in question, `claimed` is what other stanzas put in, and `places` says
/// where the stanza's routes belong.
pub fn assess(
    wanted: &State,
    previous: &State,
    claimed: &State,
    found: &State,
    places: &OwnPlaces<'_>,
) -> Vec<Item> {
    let mut in_force = State::default();
    let mut items = Vec::new();
    let there = Occupants::among(found.objects());
    for object in wanted.objects() {
        let item = item_of(object, previous, &there, places);
        if let Condition::InPlace | Condition::Misplaced(_) = item.condition {
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

/// Where the routes of a stanza belong among those of others.
pub struct OwnPlaces<'a> {
    /// Where several devices have routes, or stand in line.
    pub shared: &'a BTreeSet<RoutePlace>,
    /// What the other stanzas of the device have.
    pub line: RouteOrder<'a>,
}

/// An object that is wanted, and how it stands.
fn item_of(object: Object, previous: &State, there: &Occupants, places: &OwnPlaces<'_>) -> Item {
    let line = Some(&places.line);
    let existing = match &object {
        Object::Route(route) => {
            let found = there.routes(route);
            let is_taken = found.iter().any(|other| other.same_place(route));
            if is_taken || stands_in_line(route, places.shared, line) {
                let is_noted = |route: &Route| {
                    previous.contains(&Object::Route(route.clone()))
                        || places.line.has(route)
                        || places.shared.contains(&route.place())
                };
                existing_route(route, found, previous, line, is_noted)
            } else {
                Existing::Instead(Step::add(object.clone()))
            }
        }
        Object::Rule(rule) if there.rules(rule).contains(rule) => Existing::InForce(object.clone()),
        // A rule of somebody else's that does the same does not keep ours out.
        Object::Rule(_) => Existing::Instead(Step::add(object.clone())),
    };
    let (object, condition) = match existing {
        Existing::InForce(there) => (there, Condition::InPlace),
        Existing::Misplaced(behind) => (object, Condition::Misplaced(behind)),
        Existing::Served(foreign) => (object, Condition::Served(foreign)),
        Existing::Instead(step) => (object, Condition::Missing(step)),
        Existing::Blocked(foreign) => (object, Condition::Blocked(foreign)),
    };
    Item { object, condition }
}

/// The steps that mend what is amiss, in the order of a run: what is missing is put in, routes
/// before rules, then what is stale is taken out, rules before routes.
pub fn steps(items: &[Item]) -> Vec<Step> {
    let missing = items
        .iter()
        .flat_map(|item| match (&item.condition, &item.object) {
            (Condition::Missing(step), _) => vec![step.clone()],
            // Rules move when all of a priority are there.
            (Condition::Misplaced(_), Object::Route(_)) => {
                let object = item.object.clone();
                let verb = Verb::Append;
                vec![Step::delete(object.clone()), Step { verb, object }]
            }
            _ => Vec::new(),
        });
    let missing: Vec<Step> = missing.collect();
    let stale = items
        .iter()
        .filter(|item| item.condition == Condition::Stale && !is_replaced(&item.object, &missing));
    let stale = stale.map(|item| Step::delete(item.object.clone())).rev();
    missing.iter().cloned().chain(stale).collect()
}

/// Whether a step takes a route out by putting another one in its place.
fn is_replaced(object: &Object, steps: &[Step]) -> bool {
    let Object::Route(old) = object else {
        return false;
    };
    let mut steps = steps.iter().filter(|step| step.verb == Verb::Replace);
    steps.any(|step| matches!(&step.object, Object::Route(new) if new.same_place(old)))
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
            &OwnPlaces {
                shared: &BTreeSet::new(),
                line: RouteOrder::new(&state(claimed), &state(claimed)),
            },
        );
        let mut lines: Vec<String> = items
            .iter()
            .map(|item| match &item.condition {
                Condition::InPlace => format!("in place: {}", item.object),
                Condition::Served(by) => format!("served by: {by}"),
                Condition::Missing(_) => format!("missing: {}", item.object),
                Condition::Blocked(by) => format!("blocked by: {by}"),
                Condition::Misplaced(behind) => format!("misplaced: {}, {behind}", item.object),
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
            [
                format!("missing: {wanted}"),
                format!("stale: {behind}"),
                format!("ip {}", wanted.replace("route", "route add")),
                format!("ip {}", behind.replace("route", "route del")),
            ]
        );
    }
}
