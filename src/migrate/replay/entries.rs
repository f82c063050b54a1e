//! Routes or rules in the order in which they came, found by what they have in common, so that of
//! thousands only those are looked at that can be meant. What was done last can be taken back.

use std::collections::{BTreeMap, BTreeSet};

use crate::migrate::lines::{IpCommand, IpVerb, SpelledRoute, SpelledRule};
use crate::routing::{Family, InterfaceName, Prefix, Route, Rule, TableId};

/// A line, by the place of its stanza among all and its own place in the stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRef {
    /// The stanza's place.
    pub stanza: usize,
    /// The line's place.
    pub line: usize,
}

/// Something in the kernel, and the line that put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromLine<T> {
    /// The line.
    pub line: LineRef,
    /// What it put there, or found there as another stanza's: then there is one for each. Of rules
    /// the priority is the one that the kernel chose where none was given.
    pub what: T,
}

/// Something that routes or rules can have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clue {
    /// The stanza whose line put them in.
    Stanza(usize),
    From(Prefix),
    To(Prefix),
    Mark(u32, u32),
    Iif(InterfaceName),
    Priority(Family, u32),
    Table(TableId),
    /// Table and destination.
    Place(TableId, Prefix),
}

/// What has clues by which it is found.
pub trait Clued {
    /// All of them.
    fn clues(&self) -> Vec<Clue>;
}

/// Those of a rule, that of the fewest rules first.
fn of_rule(rule: &Rule) -> impl Iterator<Item = Clue> + '_ {
    let from = rule.from.map(Clue::From).into_iter();
    let mark = rule.mark.map(|(mark, mask)| Clue::Mark(mark, mask));
    from.chain(rule.to.map(Clue::To))
        .chain(mark)
        .chain(rule.iif.clone().map(Clue::Iif))
}

impl Clued for SpelledRule {
    fn clues(&self) -> Vec<Clue> {
        let priority = Clue::Priority(self.rule.family, self.rule.priority);
        of_rule(&self.rule).chain([priority]).collect()
    }
}

impl Clued for SpelledRoute {
    fn clues(&self) -> Vec<Clue> {
        vec![Clue::of_route(&self.route), Clue::Table(self.route.table)]
    }
}

impl Clue {
    /// The one that all rules have that are equal to one.
    pub fn of_rule(rule: &Rule) -> Self {
        let first = of_rule(rule).next();
        first.unwrap_or(Self::Priority(rule.family, rule.priority))
    }

    /// The one that all routes have that are in the place of one.
    pub fn of_route(route: &Route) -> Self {
        Self::Place(route.table, route.destination)
    }

    /// One that all rules and routes have that a command takes out; `None` where it says too little.
    pub fn of_taking(command: &IpCommand) -> Option<Self> {
        match command {
            IpCommand::Rule(IpVerb::Delete, spelled) => {
                let rule = &spelled.rule;
                let priority = Self::Priority(rule.family, rule.priority);
                let priority = spelled.given.priority.then_some(priority);
                of_rule(rule).chain(priority).next()
            }
            IpCommand::Route(IpVerb::Delete, spelled) => Some(Self::of_route(&spelled.route)),
            IpCommand::Flush(_, table) => Some(Self::Table(*table)),
            _ => None,
        }
    }
}

/// Routes or rules in the order in which they came.
#[derive(Debug)]
pub struct Entries<T> {
    all: BTreeMap<usize, FromLine<T>>,
    next: usize,
    by_clue: BTreeMap<Clue, BTreeSet<usize>>,
    /// What was done, for taking it back.
    done: Vec<Deed<T>>,
}

#[derive(Debug)]
enum Deed<T> {
    Came(usize),
    Went(usize, FromLine<T>),
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            next: 0,
            by_clue: BTreeMap::new(),
            done: Vec::new(),
        }
    }
}

impl<T: Clued> Entries<T> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &FromLine<T>> {
        self.all.values()
    }

    /// Those with a clue, or all, each with its number: of two the later has the greater one.
    pub fn numbered(&self, clue: Option<Clue>) -> impl Iterator<Item = (usize, &FromLine<T>)> {
        let is_all = clue.is_none();
        let numbers = clue.and_then(|clue| self.by_clue.get(&clue));
        let found = numbers.into_iter().flatten();
        let found = found.filter_map(|number| Some((*number, self.all.get(number)?)));
        let all = self.all.iter().map(|(number, one)| (*number, one));
        // Not filtered: thousands would be looked at for one.
        found.chain(all.take(if is_all { usize::MAX } else { 0 }))
    }

    /// Those from a number on, each with its own.
    pub fn since(&self, number: usize) -> impl Iterator<Item = (usize, &FromLine<T>)> {
        self.all.range(number..).map(|(number, one)| (*number, one))
    }

    /// The one of a number, if it is there.
    pub fn get(&self, number: usize) -> Option<&FromLine<T>> {
        self.all.get(&number)
    }

    /// Those with a clue, or all.
    pub fn with(&self, clue: Option<Clue>) -> impl Iterator<Item = &FromLine<T>> {
        self.numbered(clue).map(|(_, one)| one)
    }

    /// Those that a stanza's lines have put in.
    pub fn of_stanza(&self, s: usize) -> impl Iterator<Item = &FromLine<T>> {
        self.with(Some(Clue::Stanza(s)))
    }

    /// The first of some clues that there is.
    pub fn first_clue(&self, clues: std::ops::RangeInclusive<Clue>) -> Option<&Clue> {
        self.by_clue.range(clues).next().map(|(clue, _)| clue)
    }

    /// Puts one behind the others.
    pub fn push(&mut self, one: FromLine<T>) {
        self.put(self.next, one);
        self.done.push(Deed::Came(self.next));
        self.next += 1;
    }

    /// Puts one in the place of another.
    pub fn replace(&mut self, number: usize, one: FromLine<T>) {
        if let Some(former) = self.remove(number) {
            self.done.push(Deed::Went(number, former));
            self.put(number, one);
            self.done.push(Deed::Came(number));
        }
    }

    /// Takes out those with a clue that are meant, and says whether there were any.
    pub fn take(&mut self, clue: &Clue, is_meant: impl Fn(&T) -> bool) -> bool {
        let meant = self
            .numbered(Some(clue.clone()))
            .filter(|(_, one)| is_meant(&one.what));
        let meant: Vec<usize> = meant.map(|(number, _)| number).collect();
        for number in &meant {
            if let Some(one) = self.remove(*number) {
                self.done.push(Deed::Went(*number, one));
            }
        }
        !meant.is_empty()
    }

    /// Takes back what was done since the last time that this or `keep` was called.
    pub fn go_back(&mut self) {
        while let Some(done) = self.done.pop() {
            match done {
                Deed::Came(number) => {
                    self.remove(number);
                }
                Deed::Went(number, one) => self.put(number, one),
            }
        }
    }

    /// Leaves what was done for good.
    pub fn keep(&mut self) {
        self.done.clear();
    }

    fn put(&mut self, number: usize, one: FromLine<T>) {
        for clue in clues(&one) {
            self.by_clue.entry(clue).or_default().insert(number);
        }
        self.all.insert(number, one);
    }

    fn remove(&mut self, number: usize) -> Option<FromLine<T>> {
        let one = self.all.remove(&number)?;
        for clue in clues(&one) {
            if let Some(numbers) = self.by_clue.get_mut(&clue) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_clue.remove(&clue);
                }
            }
        }
        Some(one)
    }
}

fn clues<T: Clued>(one: &FromLine<T>) -> Vec<Clue> {
    let mut clues = one.what.clues();
    clues.push(Clue::Stanza(one.line.stanza));
    clues
}
