//! What the kernel's "File exists" means, once the objects that are there are known.
//!
//! The kernel says it of a rule that merely resembles the wanted one, since an absent selector is a
//! wildcard to it, and of a route whose place is taken, by whatever route. Decides only:
//! `put_in.rs` asks the kernel what is there, and `drift.rs` shows what this makes of it.

use crate::routing::{Family, Object, Route, Rule, State, Step, Verb};

/// What is there in the place of a wanted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// The object itself, ours; an IPv6 route perhaps under a higher metric, behind another's.
    InForce(Object),
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
/// earlier run for the same stanza put in.
pub fn existing_route(wanted: &Route, found: &[Route], previous: &State) -> Existing {
    let object = |route: &Route| Object::Route(route.clone());
    if found.contains(wanted) {
        return Existing::InForce(object(wanted));
    }
    if let Some(behind) = found
        .iter()
        .find(|route| is_behind(route, wanted, previous))
    {
        return Existing::InForce(object(behind));
    }
    if let Some(foreign) = found.iter().find(|route| route.same_effect(wanted)) {
        return Existing::Served(object(foreign));
    }
    let there = || found.iter().filter(|route| route.same_place(wanted));
    if let Some(foreign) = there().find(|route| route.protocol != wanted.protocol) {
        return Existing::Blocked(object(foreign));
    }
    let ours_before = there().any(|route| previous.contains(&object(route)));
    let (verb, route) = match wanted.family() {
        // The old one is deleted afterwards, so that there is no moment without a route.
        Family::Inet => (Verb::Append, wanted.clone()),
        // Appended, IPv6 would make one multipath route of the two.
        Family::Inet6 if ours_before => (Verb::Replace, wanted.clone()),
        Family::Inet6 => (Verb::Add, behind_others(wanted, found, previous)),
    };
    Existing::Instead(Step {
        verb,
        object: object(&route),
    })
}

/// Whether `route` is what `wanted` became when it had to stand behind another stanza's.
fn is_behind(route: &Route, wanted: &Route, previous: &State) -> bool {
    let same_but_metric = *route
        == Route {
            metric: route.metric,
            ..wanted.clone()
        };
    let ours = previous.contains(&Object::Route(route.clone()));
    // Under a lower metric it is another route that the stanza asks for.
    same_but_metric && route.metric > wanted.metric && ours
}

/// The wanted route under a metric behind the routes that other stanzas have for its destination.
/// A last resort under the highest metric does not count: nothing can stand behind it.
fn behind_others(wanted: &Route, found: &[Route], previous: &State) -> Route {
    let rivals = || found.iter().filter(|route| wanted.is_rival(route));
    let in_line = rivals().filter(|route| {
        route.protocol == wanted.protocol
            && route.metric != u32::MAX
            && !previous.contains(&Object::Route((*route).clone()))
    });
    let mut metric = in_line
        .map(|route| route.metric.saturating_add(1))
        .fold(wanted.metric, u32::max);
    // Another one of that metric, whoever put it there, would again be "File exists".
    while rivals().any(|route| route.metric == metric) && metric != u32::MAX {
        metric += 1;
    }
    Route {
        metric,
        ..wanted.clone()
    }
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
        match existing_route(&route(wanted), &found, &previous(before)) {
            Existing::InForce(object) => format!("in force: {object}"),
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
