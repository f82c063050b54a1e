//! Rules, and the routes that lead to an address, as they would be after some steps: what a walk
//! then would come to can be told before anything is done.

use std::net::IpAddr;

use super::best_route::Candidate;
use crate::routing::{Object, Rule, Step, TableId, Verb};

/// The rules, in the kernel's order, after the steps.
pub fn rules(mut rules: Vec<Rule>, steps: &[Step]) -> Vec<Rule> {
    for step in steps {
        let Object::Rule(rule) = &step.object else {
            continue;
        };
        let family = rules.first().map(|first| first.family);
        if family.is_some_and(|family| family != rule.family) {
            continue;
        }
        if step.verb == Verb::Delete {
            let place = rules.iter().position(|other| other == rule);
            place.map(|place| rules.remove(place));
        } else {
            // Among equals the kernel puts the new one last.
            let behind = |other: &Rule| other.priority > rule.priority;
            let place = rules.iter().position(behind).unwrap_or(rules.len());
            rules.insert(place, rule.clone());
        }
    }
    rules
}

/// The routes of a table that lead to an address after the steps.
pub fn candidates(
    mut candidates: Vec<Candidate>,
    table: TableId,
    to: IpAddr,
    steps: &[Step],
) -> Vec<Candidate> {
    for step in steps {
        let Object::Route(route) = &step.object else {
            continue;
        };
        if route.table != table || !route.destination.contains(to) {
            continue;
        }
        match step.verb {
            Verb::Delete => candidates.retain(|candidate| candidate.route != *route),
            Verb::Replace => candidates.retain(|candidate| !candidate.route.same_place(route)),
            Verb::Add | Verb::Append => {}
        }
        if step.verb != Verb::Delete {
            candidates.push(Candidate::new(route.clone()));
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(verb: Verb, line: &str) -> Step {
        Step {
            verb,
            object: line.parse().unwrap(),
        }
    }

    #[test]
    fn a_new_rule_stands_behind_its_equals() {
        let rule = |line: &str| line.parse::<Rule>().unwrap();
        let now = vec![
            rule("priority 0 lookup 255"),
            rule("priority 21000 from 10.0.0.1 lookup 200"),
            rule("priority 32766 lookup 254"),
        ];
        let steps = [
            step(Verb::Add, "rule priority 21000 from 10.0.0.1 lookup 300"),
            step(Verb::Add, "-6 rule priority 5 lookup 300"),
            step(Verb::Delete, "rule priority 21000 from 10.0.0.1 lookup 200"),
            step(Verb::Add, "rule priority 40000 lookup 300"),
        ];
        let after: Vec<String> = rules(now, &steps).iter().map(ToString::to_string).collect();
        assert_eq!(after.len(), 4);
        assert!(after[1].contains("lookup 300") && after[3].starts_with("priority 40000"));
    }

    #[test]
    fn routes_of_other_tables_and_places_are_left() {
        let to: IpAddr = "192.0.2.1".parse().unwrap();
        let line = "route default via 10.0.0.1 dev eth1 table 200";
        let steps = [
            step(Verb::Add, line),
            step(Verb::Add, "route default via 10.0.0.1 dev eth1 table 201"),
            step(Verb::Add, "route 10.0.0.0/8 dev eth1 table 200"),
            step(
                Verb::Replace,
                "route default via 10.0.0.2 dev eth1 table 200",
            ),
        ];
        let found = candidates(Vec::new(), TableId::numbered(200), to, &steps);
        assert_eq!(found.len(), 1);
        let gone = [steps.to_vec(), vec![step(Verb::Delete, line)]].concat();
        assert_eq!(
            candidates(Vec::new(), TableId::numbered(200), to, &gone).len(),
            1
        );
    }
}
