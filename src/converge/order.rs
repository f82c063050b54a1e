//! Which of our rules stand in another order than `ifdown` and `ifup` would give them. Decides only.
//!
//! The kernel tries rules of equal priority in the order in which they were put in. So a rule that
//! was put in after the others stands behind all of them, wherever the file has it; where one packet
//! can match two rules that do different things, it then goes elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::routing::{Family, Rule};

/// A rule that has to be put in again, behind all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    pub rule: Rule,
    /// What it has to stand behind; none where it is only in the way of another one's deletion.
    pub behind: Option<Rule>,
}

type Place = (Family, u32);

fn by_place<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> BTreeMap<Place, Vec<&'a Rule>> {
    let mut places: BTreeMap<Place, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        let place = places.entry((rule.family, rule.priority)).or_default();
        place.push(rule);
    }
    places
}

/// Whether the order of some rules may matter at all: of most stanzas those of a priority do the
/// same, and the kernel need not be asked.
pub fn may_matter<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> bool {
    by_place(rules).values().any(|alike| {
        let mut pairs = alike.iter().zip(alike.iter().skip(1));
        pairs.any(|(a, b)| !a.does_as(b))
    })
}

/// Where rules stand, each as often as it is there.
#[derive(Default)]
pub struct Places {
    places: BTreeMap<Rule, Vec<usize>>,
    end: usize,
}

impl Places {
    /// Puts a rule in behind all others.
    pub fn push(&mut self, rule: Rule) {
        self.places.entry(rule).or_default().push(self.end);
        self.end += 1;
    }

    /// Takes a rule out, however often it is there.
    pub fn remove(&mut self, rule: &Rule) {
        self.places.remove(rule);
    }

    /// The place at which the kernel comes to it.
    fn first(&self, rule: &Rule) -> Option<usize> {
        self.places.get(rule)?.first().copied()
    }

    /// Some rules that are to be put in again, and behind them those that the kernel would take out in
    /// their place, whosever these are.
    pub fn with_those_in_the_way(&self, rules: &[Rule]) -> Vec<Rule> {
        let mut moved = rules.to_vec();
        let mut next = 0;
        while let Some(own) = moved.get(next).cloned() {
            let last = self.places.get(&own).and_then(|places| places.last());
            let others = self.places.iter().filter(|(other, places)| {
                places.first() < last && own.may_be_taken_for(other) && !moved.contains(other)
            });
            let mut others: Vec<(&Rule, &Vec<usize>)> = others.collect();
            others.sort_by_key(|(_, places)| *places);
            moved.extend(others.into_iter().map(|(rule, _)| rule.clone()));
            next += 1;
        }
        moved
    }

    /// Some rules as they stand, each as often as it is there.
    pub fn standing(&self, rules: &[Rule]) -> Vec<Rule> {
        let each = rules.iter().flat_map(|rule| {
            let places = self.places.get(rule).into_iter().flatten();
            places.map(move |place| (*place, rule))
        });
        let mut standing: Vec<(usize, &Rule)> = each.collect();
        standing.sort_by_key(|(place, _)| *place);
        standing.into_iter().map(|(_, rule)| rule.clone()).collect()
    }
}

impl FromIterator<Rule> for Places {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        let mut places = Self::default();
        for rule in rules {
            places.push(rule);
        }
        places
    }
}

/// Of the rules of a device, in the order in which ifup puts them in, those that have to be put in
/// again, in that order. One that does not stand yet has no place.
pub fn misplaced(wanted: &[Rule], standing: &Places) -> Vec<Misplaced> {
    let mut found = Vec::new();
    for alike in by_place(wanted).values() {
        let mut there: Vec<PlacedRule<'_>> = Vec::new();
        let mut seen = BTreeSet::new();
        for rule in alike {
            // A rule of two stanzas is put in by the first.
            if let Some(place) = standing.first(rule).filter(|_| seen.insert(rule)) {
                there.push(PlacedRule::new(rule, place));
            }
        }
        if !there.is_sorted_by_key(|own| own.place) {
            found.extend(misplaced_of(there));
        }
    }
    found
}

/// A rule among those of its priority.
struct PlacedRule<'a> {
    rule: &'a Rule,
    place: usize,
    moves: bool,
    behind: Option<&'a Rule>,
}

impl<'a> PlacedRule<'a> {
    fn new(rule: &'a Rule, place: usize) -> Self {
        Self {
            rule,
            place,
            moves: false,
            behind: None,
        }
    }

    /// Whether it ends up behind a rule that has to stand behind it.
    fn is_passed_by(&self, later: &Self) -> bool {
        (self.moves || self.place > later.place) && self.rule.order_matters(later.rule)
    }

    /// Whether the deletion of a rule that moves would take this one.
    fn is_in_the_way_of(&self, other: &Self) -> bool {
        other.moves && self.place < other.place && other.rule.may_be_taken_for(self.rule)
    }
}

/// Of rules of one priority, those that have to move to the end.
fn misplaced_of(mut rules: Vec<PlacedRule<'_>>) -> Vec<Misplaced> {
    loop {
        for n in 0..rules.len() {
            let (before, rest) = rules.split_at_mut(n);
            if let Some(own) = rest.first_mut().filter(|own| !own.moves) {
                let passed = before.iter().find(|other| other.is_passed_by(own));
                own.behind = passed.map(|other| other.rule);
                own.moves = passed.is_some();
            }
        }
        let in_the_way = rules.iter().position(|own| {
            let mut others = rules.iter();
            !own.moves && others.any(|other| own.is_in_the_way_of(other))
        });
        match in_the_way.and_then(|place| rules.get_mut(place)) {
            Some(own) => own.moves = true,
            None => break,
        }
    }
    let found = rules.into_iter().filter(|own| own.moves);
    let found = found.map(|own| Misplaced {
        rule: own.rule.clone(),
        behind: own.behind.cloned(),
    });
    found.collect()
}

/// What makes rules stand as they stood, as far as that can be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WayBack {
    /// Rules of ours to be put in again, in this order.
    pub moved: Vec<Rule>,
    /// A rule of ours that stood in front of somebody else's, and stands behind it now. Others'
    /// are not moved.
    pub behind: Vec<(Rule, Rule)>,
}

/// The way back from the rules that are there now to those of before; all rules, whosever they are,
/// in the kernel's order. What is missing now has no place. `is_ours` says which may be moved.
pub fn way_back(before: &[Rule], now: &[Rule], is_ours: &dyn Fn(&Rule) -> bool) -> WayBack {
    let mut way = WayBack::default();
    let now = by_place(now);
    for (place, alike) in by_place(before) {
        if !alike.iter().any(|rule| is_ours(rule)) {
            continue;
        }
        if let Some(now) = now.get(&place) {
            way_back_of(&alike, now, is_ours, &mut way);
        }
    }
    way
}

/// The same for the rules of one priority.
fn way_back_of(
    before: &[&Rule],
    now: &[&Rule],
    is_ours: &dyn Fn(&Rule) -> bool,
    way: &mut WayBack,
) {
    let target = once_of(before, now);
    let now = once_of(now, before);
    if target == now {
        return;
    }
    let is_ours = |rule: &&&Rule| is_ours(rule);
    let place = |rule: &Rule| now.iter().position(|other| *other == rule);
    // What stands as before, seen from the front, stays.
    let mut there = now.iter();
    let mut staying = target.iter().take_while(|rule| there.any(|it| it == *rule));
    let mut length = staying.by_ref().count();
    loop {
        let (staying, moved) = target.split_at(length);
        let moved: Vec<&&Rule> = moved.iter().filter(is_ours).collect();
        let in_the_way = |rule: &&Rule| {
            let mut moved = moved.iter();
            moved.any(|other| place(rule) < place(other) && other.may_be_taken_for(rule))
        };
        match staying.iter().position(in_the_way) {
            Some(shorter) => length = shorter,
            None => break,
        }
    }
    let (staying, moved) = target.split_at(length);
    for (n, rule) in target.iter().enumerate().filter(|(_, rule)| is_ours(rule)) {
        let later = target.iter().skip(n + 1);
        let mut foreign = later.filter(|rule| !is_ours(rule));
        let is_passed = |other: &&&Rule| n >= staying.len() || place(other) < place(rule);
        if let Some(other) = foreign.find(is_passed) {
            way.behind.push(((*rule).clone(), (*other).clone()));
        }
    }
    let moved = moved.iter().filter(is_ours);
    way.moved.extend(moved.map(|rule| (*rule).clone()));
}

/// The rules that are also in another list, each once.
fn once_of<'a>(rules: &[&'a Rule], of: &[&Rule]) -> Vec<&'a Rule> {
    let mut once: Vec<&Rule> = Vec::new();
    for rule in rules.iter().filter(|rule| of.contains(rule)) {
        if !once.contains(rule) {
            once.push(rule);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::PROTOCOL;

    fn rules(lines: &[&str]) -> Vec<Rule> {
        let rule = |line: &&str| format!("pref 9 {line} proto 157").parse().unwrap();
        lines.iter().map(rule).collect()
    }

    fn moved(wanted: &[&str], standing: &[&str]) -> Vec<String> {
        let found = misplaced(&rules(wanted), &rules(standing).into_iter().collect());
        let line = |rule: &Rule| {
            let line = rule.to_string();
            line.replace("priority 9 ", "").replace(" proto 157", "")
        };
        let say = |it: &Misplaced| match &it.behind {
            Some(behind) => format!("{} behind {}", line(&it.rule), line(behind)),
            None => format!("{} on the way", line(&it.rule)),
        };
        found.iter().map(say).collect()
    }

    const A: &str = "from 10.0.0.5 lookup 1";
    const B: &str = "from 10.0.0.0/24 lookup 2";
    const C: &str = "to 10.9.0.0/16 lookup 3";
    const APART: &str = "from 10.7.0.5 lookup 4";

    #[test]
    fn what_stands_in_front_of_what_comes_before_it_moves_behind_it() {
        assert_eq!(moved(&[A, B, C], &[A, B, C]), [""; 0]);
        assert_eq!(moved(&[A, B], &[B, A]), [format!("{B} behind {A}")]);
        assert_eq!(
            moved(&[A, B, C], &[B, C, A]),
            [format!("{B} behind {A}"), format!("{C} behind {A}")]
        );
        // What comes after one that moves moves, too.
        assert_eq!(
            moved(&[A, B, C], &[B, A, C]),
            [format!("{B} behind {A}"), format!("{C} behind {B}")]
        );
        assert_eq!(moved(&[A, APART], &[APART, A]), [""; 0]);
        assert_eq!(moved(&[A, B], &[C, B]), [""; 0]);
        assert_eq!(moved(&[A, B, A], &[A, B, A]), [""; 0]);
    }

    #[test]
    fn what_a_deletion_would_take_instead_moves_along() {
        let narrow = "from 10.0.0.0/24 fwmark 0x5 lookup 2";
        // The deletion of B would take the narrow one.
        assert_eq!(
            moved(&[narrow, A, B], &[narrow, B, A]),
            [
                format!("{narrow} on the way"),
                format!("{A} behind {narrow}"),
                format!("{B} behind {A}")
            ]
        );
    }

    #[test]
    fn whose_deletion_would_take_another_ones_takes_that_along() {
        let narrow = "from 10.0.0.0/24 fwmark 0x5 lookup 2";
        let moved = |standing: &[&str]| {
            let standing: Places = rules(standing).into_iter().collect();
            standing.with_those_in_the_way(&rules(&[B]))
        };
        assert_eq!(moved(&[A, narrow, B, C]), rules(&[B, narrow]));
        assert_eq!(moved(&[B, narrow]), rules(&[B]));
        assert_eq!(moved(&[B, narrow, B]), rules(&[B, narrow]), "twice");
        assert_eq!(moved(&[narrow]), rules(&[B]), "not there");
    }

    #[test]
    fn only_rules_of_one_priority_that_do_different_things_have_an_order() {
        assert!(may_matter(&rules(&[A, B])));
        assert!(!may_matter(&rules(&[A, "to 10.0.0.5 lookup 1"])));
        let other: Rule = "pref 10 from 10.0.0.0/24 lookup 2 proto 157"
            .parse()
            .unwrap();
        assert!(!may_matter([&rules(&[A])[0], &other]));
    }

    fn back(before: &[&str], now: &[&str]) -> (usize, usize) {
        let rule = |line: &&str| -> Rule { format!("pref 9 {line}").parse().unwrap() };
        let list = |lines: &[&str]| lines.iter().map(rule).collect::<Vec<_>>();
        let is_ours = |rule: &Rule| rule.protocol == PROTOCOL;
        let way = way_back(&list(before), &list(now), &is_ours);
        (way.moved.len(), way.behind.len())
    }

    #[test]
    fn the_way_back_moves_ours_and_says_what_it_cannot_do() {
        let [a, b, c] = [A, B, C].map(|line| format!("{line} proto 157"));
        let [a, b, c] = [a.as_str(), b.as_str(), c.as_str()];
        let foreign = "to 10.8.0.0/16 lookup 5 proto 3";
        assert_eq!(back(&[a, b, c], &[a, b, c]), (0, 0));
        assert_eq!(back(&[a, b, c], &[b, c, a]), (2, 0));
        assert_eq!(back(&[a, b, c], &[a, c, b]), (1, 0));
        assert_eq!(back(&[a, foreign, b], &[a, foreign, b]), (0, 0));
        assert_eq!(back(&[a, foreign, b], &[foreign, b, a]), (1, 1));
        assert_eq!(back(&[foreign, a], &[a, foreign]), (1, 0));
        assert_eq!(back(&[foreign], &[a, foreign]), (0, 0));
        assert_eq!(back(&[a, foreign], &[a]), (0, 0));
    }
}
