//! What to do to the kernel, step by step, and what to make of its "File exists".

use super::address::Family;
use super::route::Route;
use super::rule::Rule;
use super::state::{Object, State};

/// What is done to an object; the flags of netlink(7) in the words of ip-route(8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Put it in; refused where the kernel takes it to be there.
    Add,
    /// Put it in behind what stands in the same place.
    Append,
    /// Put it in the place of what stands there.
    Replace,
    /// Take it out.
    Delete,
}

impl Verb {
    /// The word of `ip`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Append => "append",
            Self::Replace => "replace",
            Self::Delete => "del",
        }
    }
}

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub object: Object,
}

impl Step {
    /// A step that puts an object in.
    pub fn add(object: Object) -> Self {
        Self {
            verb: Verb::Add,
            object,
        }
    }

    /// A step that takes an object out.
    pub fn delete(object: Object) -> Self {
        Self {
            verb: Verb::Delete,
            object,
        }
    }
}

impl State {
    /// What is there after a step.
    pub fn after(mut self, step: &Step) -> Self {
        if let (Verb::Replace, Object::Route(route)) = (step.verb, &step.object) {
            let there = self.routes().iter().cloned();
            let replaced = there.filter(|other| other.same_place(route));
            for route in replaced.collect::<Vec<_>>() {
                self.remove(&Object::Route(route));
            }
        }
        if step.verb == Verb::Delete {
            self.remove(&step.object);
        } else {
            self.insert(step.object.clone());
        }
        self
    }
}

/// The `ip` command that does the same.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.object.command(self.verb.word()))
    }
}

/// What the kernel's "File exists" means for one object, once the objects there are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// It is there and ours; for an IPv6 route perhaps behind another, under a higher metric.
    InForce(Object),
    /// Somebody else's does the same.
    Foreign(Object),
    /// The place is ours or the answer was not to be believed: this puts it in.
    Step(Step),
    /// Somebody else's stands in the way.
    Blocked(Object),
}

/// Judges "File exists" for a rule. The kernel takes an absent selector for a wildcard when it
/// looks for an equal rule (measured on 6.18), so only an exact comparison is to be believed.
pub fn existing_rule(wanted: &Rule, found: &[Rule]) -> Existing {
    if found.contains(wanted) {
        Existing::InForce(Object::Rule(wanted.clone()))
    } else if let Some(foreign) = found.iter().find(|rule| rule.same_effect(wanted)) {
        Existing::Foreign(Object::Rule(foreign.clone()))
    } else {
        // Without NLM_F_EXCL the kernel does not compare at all.
        Existing::Step(Step {
            verb: Verb::Append,
            object: Object::Rule(wanted.clone()),
        })
    }
}

/// Judges "File exists" for a route, `found` being its table and `previous` what an earlier run
/// for the same stanza put in.
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
        return Existing::Foreign(object(foreign));
    }
    let there = || found.iter().filter(|route| route.same_place(wanted));
    if let Some(foreign) = there().find(|route| route.protocol != wanted.protocol) {
        return Existing::Blocked(object(foreign));
    }
    let ours_before = there().any(|route| previous.contains(&object(route)));
    let (verb, route) = match wanted.family() {
        // Behind the old one, which leaves afterwards: there is no moment without a route.
        Family::Inet => (Verb::Append, wanted.clone()),
        // IPv6 would make one multipath route of the two.
        Family::Inet6 if ours_before => (Verb::Replace, wanted.clone()),
        Family::Inet6 => (Verb::Add, behind_others(wanted, found, previous)),
    };
    Existing::Step(Step {
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
    // Under a lower one it is another route of the stanza's.
    same_but_metric && route.metric > wanted.metric && ours
}

/// The route under the metric behind those that other stanzas have for its destination, a last
/// resort under the highest metric there is excepted: behind it there is no room, and no use.
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
    // Whose the ones beyond are is no matter: each has its place.
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
            Existing::Foreign(object) => format!("foreign: {object}"),
            Existing::Step(step) => step.to_string(),
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
            format!("foreign: route {FOREIGN}")
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
            Existing::Foreign(Object::Rule(theirs))
        );
        assert_eq!(
            existing_rule(&ours, &[twin]),
            Existing::Step(Step {
                verb: Verb::Append,
                object
            })
        );
    }

    #[test]
    fn a_replaced_route_is_there_no_more() {
        let first = "route default via 10.0.0.1 dev eth1 table 200";
        let second = "route default via 10.0.0.2 dev eth1 table 200";
        let mut state = State::default();
        for (verb, line, left) in [
            (Verb::Add, first, 1),
            (Verb::Append, second, 2),
            (Verb::Replace, second, 1),
            (Verb::Delete, second, 0),
        ] {
            let object = line.parse().unwrap();
            state = state.after(&Step { verb, object });
            assert_eq!(state.routes().len(), left, "{verb:?} {line}");
        }
    }
}
