//! What was seen in a trial, and the differences between two.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::lookups::Query;
use crate::migrate::same_walk::{reached_in_order, same_walk};
use crate::routing::{Route, Rule};

/// What was there when all had come up, and what was left when all had gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The routes of all tables.
    pub routes: Vec<Route>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Rules that this program does not read, as `ip` prints them.
    pub strange: Vec<String>,
    /// What the kernel was asked, and its answers.
    pub lookups: Vec<(Query, String)>,
    /// The addresses of the machine.
    pub addresses: Vec<IpAddr>,
    /// What `ifup` and `ifdown` said and where they failed.
    pub said: Vec<String>,
    /// The interfaces that did not come up: of them less was seen than there may be.
    pub failed: Vec<String>,
    /// Rules and routes that were left in the end, the kernel's own aside.
    pub left: Vec<String>,
}

impl Seen {
    /// What the kernel was asked.
    pub fn queries(&self) -> impl Iterator<Item = &Query> {
        self.lookups.iter().map(|(query, _)| query)
    }
}

/// Every difference between two trials that matters; none where they are equal.
pub fn differences(before: &Seen, after: &Seen) -> Vec<String> {
    let mut found = of_routes(before, after);
    found.extend(of_rules(before, after));
    if before.strange != after.strange {
        found.push(format!(
            "rules before: {:?}, after: {:?}",
            before.strange, after.strange
        ));
    }
    found.extend(of_lookups(before, after));
    found
}

fn of_routes(before: &Seen, after: &Seen) -> Vec<String> {
    let before: BTreeSet<&Route> = before.routes.iter().collect();
    let after: BTreeSet<&Route> = after.routes.iter().collect();
    let missing = before.difference(&after);
    let missing = missing.map(|route| format!("missing: route {route}"));
    let more = after.difference(&before);
    let more = more.map(|route| format!("too much: route {route}"));
    missing.chain(more).collect()
}

fn of_rules(before: &Seen, after: &Seen) -> Option<String> {
    let reached = |seen: &Seen| reached_in_order(seen.rules.clone(), &seen.addresses);
    let (before, after) = (reached(before), reached(after));
    let lines = |rules: &[Rule]| {
        let lines = rules.iter();
        let lines = lines.map(|rule| format!("\n  {} {rule}", rule.family.name()));
        lines.collect::<String>()
    };
    (!same_walk(&before, &after)).then(|| {
        format!(
            "rules before:{}\nrules after:{}",
            lines(&before),
            lines(&after)
        )
    })
}

fn of_lookups(before: &Seen, after: &Seen) -> Vec<String> {
    let pairs = before.lookups.iter().zip(&after.lookups);
    let differ = pairs.filter(|((_, old), (_, new))| old != new);
    let differ = differ
        .map(|((query, old), (_, new))| format!("ip {query}\n  before: {old}\n  after:  {new}"));
    let mut found: Vec<String> = differ.collect();
    if before.lookups.len() != after.lookups.len() {
        found.push("the kernel was not asked the same".to_owned());
    }
    found
}
