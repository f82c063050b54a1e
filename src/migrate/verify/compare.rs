//! What was seen in a trial, and the differences between two.

use std::collections::BTreeSet;
use std::fmt;
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
    /// What was seen when interfaces were brought up otherwise than all together.
    pub turns: Vec<Turn>,
    /// What `ifup` ran and said for those that did not come up.
    pub told: Vec<(String, String)>,
}

/// Another way to bring interfaces up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HowUp {
    /// The one alone.
    Alone(String),
    /// All, in the other order.
    Reversed,
    /// The one once more, while all are up.
    Again(String),
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// How they were brought up.
    pub how: HowUp,
    /// What was seen then.
    pub seen: Seen,
}

impl fmt::Display for HowUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone(name) => write!(f, "{name} alone"),
            Self::Reversed => f.write_str("brought up in the other order"),
            Self::Again(name) => write!(f, "after ifdown {name}; ifup {name}"),
        }
    }
}

impl Seen {
    /// What the kernel was asked.
    pub fn queries(&self) -> impl Iterator<Item = &Query> {
        self.lookups.iter().map(|(query, _)| query)
    }
}

/// Every difference between two trials that matters; none where they are equal.
pub fn differences(before: &Seen, after: &Seen) -> Vec<String> {
    let mut found = at_a_moment(before, after);
    found.extend(of_lookups(before, after));
    let failed = after.failed.iter();
    let failed = failed.filter(|name| !before.failed.contains(name));
    found.extend(failed.map(|name| format!("{name} does not come up after")));
    for turn in &after.turns {
        if let Compared::Differs(differences) = compare_turn(before, after, turn) {
            let how = &turn.how;
            found.extend(
                differences
                    .iter()
                    .map(|difference| format!("{how}: {difference}")),
            );
        }
    }
    found
}

/// What is not the same with the old file from one time to the next, and is with the new one; and
/// which interfaces do not come up with the old file unless others are up.
pub fn notes(before: &Seen, after: &Seen) -> Vec<String> {
    let turns = after.turns.iter();
    let notes = turns.filter_map(|turn| match compare_turn(before, after, turn) {
        Compared::OnlyByHandOtherwise => Some(format!(
            "{} with the old file it is not as after a boot; with the new one it is",
            turn.how
        )),
        // What is left behind at `ifdown` is the old file's, and keeps nobody from the new one.
        Compared::NotUpByHand(_) if matches!(turn.how, HowUp::Again(_)) => None,
        Compared::NotUpByHand(said) => Some(format!("{} the old file fails: {said}", turn.how)),
        Compared::Same | Compared::Differs(_) => None,
    });
    notes.collect()
}

/// The interfaces that, brought up once more, were not as after a boot.
pub fn not_as_booted(after: &Seen) -> Vec<String> {
    let turns = after
        .turns
        .iter()
        .filter(|turn| !at_a_moment(after, &turn.seen).is_empty());
    let names = turns.filter_map(|turn| match &turn.how {
        HowUp::Again(name) => Some(name.clone()),
        HowUp::Alone(_) | HowUp::Reversed => None,
    });
    names.collect()
}

/// What comes of a turn.
enum Compared {
    /// The same with both.
    Same,
    /// With the new file it is as after a boot, with the old one it is not.
    OnlyByHandOtherwise,
    /// With the old file it does not come up.
    NotUpByHand(String),
    /// It differs.
    Differs(Vec<String>),
}

fn compare_turn(before: &Seen, after: &Seen, turn: &Turn) -> Compared {
    let by_hand = before.turns.iter().find(|by_hand| by_hand.how == turn.how);
    let has_booted = !matches!(turn.how, HowUp::Alone(_));
    let Some(by_hand) = by_hand else {
        // Only where it is otherwise than after a boot is it tried by hand, too.
        let differences = at_a_moment(after, &turn.seen);
        return if differences.is_empty() {
            Compared::Same
        } else {
            Compared::Differs(differences)
        };
    };
    if !by_hand.seen.failed.is_empty() {
        return Compared::NotUpByHand(by_hand.seen.said.join("; "));
    }
    let mut is_otherwise = false;
    let mut differs = Vec::new();
    for part in PARTS {
        let differences = part(&by_hand.seen, &turn.seen);
        if !differences.is_empty() {
            if has_booted && part(after, &turn.seen).is_empty() {
                is_otherwise = true;
            } else {
                differs.extend(differences);
            }
        }
    }
    if !turn.seen.failed.is_empty() {
        differs.extend(turn.seen.said.iter().cloned());
    }
    if !differs.is_empty() {
        Compared::Differs(differs)
    } else if is_otherwise {
        Compared::OnlyByHandOtherwise
    } else {
        Compared::Same
    }
}

/// What is compared of a moment.
const PARTS: [fn(&Seen, &Seen) -> Vec<String>; 3] = [of_routes, of_rules, of_strange];

/// The differences between two moments.
pub fn at_a_moment(before: &Seen, after: &Seen) -> Vec<String> {
    let found = PARTS.iter().map(|part| part(before, after));
    found.collect::<Vec<_>>().concat()
}

fn of_strange(before: &Seen, after: &Seen) -> Vec<String> {
    let (before, after) = (&before.strange, &after.strange);
    let differ = (before != after).then(|| format!("rules before: {before:?}, after: {after:?}"));
    differ.into_iter().collect()
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

fn of_rules(before: &Seen, after: &Seen) -> Vec<String> {
    let reached = |seen: &Seen| reached_in_order(seen.rules.clone(), &seen.addresses);
    let (before, after) = (reached(before), reached(after));
    let lines = |rules: &[Rule]| {
        let lines = rules.iter();
        let lines = lines.map(|rule| format!("\n  {} {rule}", rule.family.name()));
        lines.collect::<String>()
    };
    let differ = (!same_walk(&before, &after)).then(|| {
        format!(
            "rules before:{}\nrules after:{}",
            lines(&before),
            lines(&after)
        )
    });
    differ.into_iter().collect()
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
