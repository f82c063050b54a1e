//! What a trial has seen, and the differences between two.

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
    /// Rules and routes that were left in the end, the kernel's own aside.
    pub left: Vec<String>,
}

/// Every difference between two trials that matters; none where they are equal.
pub fn differences(before: &Seen, after: &Seen) -> Vec<String> {
    let mut found = Vec::new();
    let set = |seen: &Seen| seen.routes.iter().cloned().collect::<BTreeSet<Route>>();
    let (old, new) = (set(before), set(after));
    found.extend(
        old.difference(&new)
            .map(|route| format!("missing: route {route}")),
    );
    found.extend(
        new.difference(&old)
            .map(|route| format!("too much: route {route}")),
    );
    let reached = |seen: &Seen| reached_in_order(seen.rules.clone(), &seen.addresses);
    let (old, new) = (reached(before), reached(after));
    if !same_walk(&old, &new) {
        let lines = |rules: &[Rule]| {
            let lines = rules
                .iter()
                .map(|rule| format!("\n  {} {rule}", rule.family.name()));
            lines.collect::<String>()
        };
        found.push(format!(
            "rules before:{}\nrules after:{}",
            lines(&old),
            lines(&new)
        ));
    }
    if before.strange != after.strange {
        found.push(format!(
            "rules before: {:?}, after: {:?}",
            before.strange, after.strange
        ));
    }
    for ((query, old), (_, new)) in before.lookups.iter().zip(&after.lookups) {
        if old != new {
            found.push(format!("ip {query}\n  before: {old}\n  after:  {new}"));
        }
    }
    if before.lookups.len() != after.lookups.len() {
        found.push("the kernel was not asked the same".to_owned());
    }
    found
}
