//! What the kernel's "File exists" means, once the objects that are there are known.
//!
//! The kernel says it of a rule that merely resembles the wanted one, since an absent selector is a
//! wildcard to it, and of a route whose place is taken, by whatever route. Decides only:
//! `put_in.rs` asks the kernel what is there, and `drift.rs` shows what this makes of it.

use super::line::{behind, is_behind, RouteOrder};
use crate::routing::{Family, Object, Route, Rule, State, Step, Verb};

/// What is there in the place of a wanted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// The object itself, ours; an IPv6 route perhaps under a higher metric, behind another's.
    InForce(Object),
    /// The object itself, ours, in front of another one of the device that it has to stand behind.
    Misplaced(Object),
    /// Somebody else's, which does the same.
    Served(Object),
    /// Nothing that would keep it out: this step, other than a plain `add`, puts it in.
    Instead(Step),
    /// Somebody else's, which does something else.
    Blocked(Object),
}

/// Judges "File exists" for a rule. The kernel takes an absent selector for a wildcard when it
/// looks for an equal rule (measured on 6.18), so only an exact comparison is to be believed.
pub fn existing_rule(wanted: &Rule, found: &[Rule]) -> Existing {
    if found.contains(wanted) {
        Existing::InForce(Object::Rule(wanted.clone()))
    } else if let Some(foreign) = found.iter().find(|rule| rule.same_effect(wanted)) {
        Existing::Served(Object::Rule(foreign.clone()))
    } else {
        // Without NLM_F_EXCL the kernel does not compare at all.
        Existing::Instead(Step {
            verb: Verb::Append,
            object: Object::Rule(wanted.clone()),
        })
    }
}

/// Judges "File exists" for a route. `found` are the routes of its table, `previous` is what an
/// earlier run for the same stanza put in. Where all stanzas of the device are known, its `line` is.
/// What bears our protocol is ours only if some stanza has noted it: `is_noted` tells.
pub fn existing_route(
    wanted: &Route,
    found: &[Route],
    previous: &State,
    line: Option<&RouteOrder<'_>>,
    is_noted: impl Fn(&Route) -> bool,
) -> Existing {
    let object = |route: &Route| Object::Route(route.clone());
    let own_place = line.filter(|_| wanted.family() == Family::Inet6);
    let own_place = own_place.map(|line| line.place_of(wanted, found, previous));
    let there = own_place.as_ref().unwrap_or(wanted);
    if found.contains(there) {
        return match line.and_then(|line| line.passed(there, found)) {
            Some(passed) => Existing::Misplaced(object(passed)),
            None => Existing::InForce(object(there)),
        };
    }
    let mut rivals = found.iter();
    match rivals.find(|route| is_behind(route, wanted) && is_noted(route)) {
        Some(behind) if own_place.is_none() => return Existing::InForce(object(behind)),
        _ => {}
    }
    if let Some(foreign) = found.iter().find(|route| route.same_effect(wanted)) {
        return Existing::Served(object(foreign));
    }
    let in_place = |of: &Route| found.iter().filter(|route| route.same_place(of)).collect();
    let at_wanted: Vec<&Route> = in_place(wanted);
    if let Some(foreign) = at_wanted
        .iter()
        .find(|route| route.protocol != wanted.protocol)
    {
        return Existing::Blocked(object(foreign));
    }
    let may_go = |route: &&Route| match line {
        Some(line) => line.may_go(route, previous),
        None => previous.contains(&object(route)),
    };
    let (verb, route) = match (wanted.family(), own_place) {
        // The old one is deleted afterwards, so that there is no moment without a route.
        (Family::Inet, _) => (Verb::Append, wanted.clone()),
        // Appended, IPv6 would make one multipath route of the two.
        (Family::Inet6, Some(place)) if in_place(&place).iter().any(may_go) => {
            (Verb::Replace, place)
        }
        (Family::Inet6, Some(place)) => (Verb::Add, place),
        (Family::Inet6, None) if at_wanted.iter().any(may_go) => (Verb::Replace, wanted.clone()),
        (Family::Inet6, None) => {
            let own = |route: &Route| previous.contains(&object(route));
            (Verb::Add, behind(wanted, found, own))
        }
    };
    Existing::Instead(Step {
        verb,
        object: object(&route),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(line: &str) -> Route {
        line.parse().unwrap()
    }

    fn rule(line: &str) -> Rule {
        line.parse().unwrap()
    }

    fn previous(routes: &[&str]) -> State {
        routes
            .iter()
            .map(|line| Object::Route(route(line)))
            .collect()
    }

    const OURS: &str = "default via 10.0.0.1 dev eth1 table 200 proto 157";
    const OTHER: &str = "default via 10.9.0.1 dev eth2 table 200 proto 157";
    const FOREIGN: &str = "default via 10.0.0.1 dev eth1 table 200 proto 3";
    const IN_THE_WAY: &str = "default via 10.0.0.2 dev eth1 table 200 proto 3";

    fn judge(wanted: &str, found: &[&str], before: &[&str]) -> String {
        let found: Vec<Route> = found.iter().map(|line| route(line)).collect();
        let noted = previous(before);
        let is_noted = |route: &Route| noted.contains(&Object::Route(route.clone()));
        match existing_route(&route(wanted), &found, &noted, None, is_noted) {
            Existing::InForce(object) => format!("in force: {object}"),
            Existing::Misplaced(behind) => format!("misplaced: {behind}"),
            Existing::Served(object) => format!("served by: {object}"),
            Existing::Instead(step) => step.to_string(),
            Existing::Blocked(object) => format!("blocked: {object}"),
        }
    }

    #[test]
    fn a_route_that_exists_is_judged_by_who_put_it_there() {
        assert_eq!(
            judge(OURS, &[OTHER, OURS], &[]),
            format!("in force: route {OURS}")
        );
        assert_eq!(
            judge(OURS, &[FOREIGN], &[]),
            format!("served by: route {FOREIGN}")
        );
        assert_eq!(
            judge(OURS, &[IN_THE_WAY], &[]),
            format!("blocked: route {IN_THE_WAY}")
        );
        assert_eq!(
            judge(OURS, &[OTHER], &[]),
            format!("ip route append {OURS}")
        );
        assert_eq!(
            judge(OURS, &[OTHER], &[OTHER]),
            format!("ip route append {OURS}")
        );
    }

    #[test]
    fn an_ipv6_route_stands_behind_another_stanzas_and_replaces_its_own() {
        let line = |n: u8, metric: u32| {
            format!("default via fe80::{n} dev eth{n} table 200 proto 157 metric {metric}")
        };
        let (first, second, behind) = (line(1, 1024), line(2, 1024), line(2, 1025));
        let ours = |wanted: &str, found: &[&str], before: &[&str]| judge(wanted, found, before);
        assert_eq!(
            ours(&second, &[&first], &[]),
            format!("ip -6 route add {behind}")
        );
        assert_eq!(
            ours(&second, &[&first, &behind], &[&behind]),
            format!("in force: -6 route {behind}")
        );
        assert_eq!(
            ours(&second, &[&first], &[&first]),
            format!("ip -6 route replace {second}")
        );
        let in_front = line(2, 50);
        assert_eq!(
            ours(&second, &[&in_front, &first], &[&in_front]),
            format!("ip -6 route add {behind}")
        );
    }

    #[test]
    fn an_ipv6_route_finds_a_place_beside_last_resorts_and_others() {
        let last = "unreachable default table 200 proto 157 metric 4294967295";
        let line = |n: u8, metric: u32, protocol: u8| {
            format!("default via fe80::{n} dev eth{n} table 200 proto {protocol} metric {metric}")
        };
        let (first, second) = (line(1, 1024, 157), line(2, 1024, 157));
        let foreign = line(3, 1025, 3);
        assert_eq!(
            judge(&second, &[&first, &format!("-6 {last}")], &[]),
            format!("ip -6 route add {}", line(2, 1025, 157))
        );
        assert_eq!(
            judge(&second, &[&first, &foreign], &[]),
            format!("ip -6 route add {}", line(2, 1026, 157))
        );
    }

    #[test]
    fn a_rule_that_exists_is_believed_only_when_it_is_the_same() {
        let ours = rule("priority 9 to 192.0.2.0/24 lookup 200 proto 157");
        let theirs = Rule {
            protocol: 4,
            ..ours.clone()
        };
        let twin = rule("priority 9 from 10.0.0.0/8 to 192.0.2.0/24 lookup 200 proto 157");
        let object = Object::Rule(ours.clone());
        assert_eq!(
            existing_rule(&ours, &[twin.clone(), ours.clone()]),
            Existing::InForce(object.clone())
        );
        assert_eq!(
            existing_rule(&ours, std::slice::from_ref(&theirs)),
            Existing::Served(Object::Rule(theirs))
        );
        assert_eq!(
            existing_rule(&ours, &[twin]),
            Existing::Instead(Step {
                verb: Verb::Append,
                object
            })
        );
    }
}
