//! Which rule the guard of a line finds. There may be thousands of both: what all guards look for is
//! known before a line runs, and each rule is held against all of it at once when it is put in.

use std::collections::{BTreeSet, HashMap};

use super::effect::{printed, Effect};
use super::entries::Entries;
use crate::migrate::lines::{
    Guard, IpCommand, IpVerb, Joint, RoutingCommands, SpelledRule, WhyItStays,
};
use crate::routing::Family;

/// Whether a guard lets in what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarded {
    /// It finds nothing.
    In,
    /// It finds the very same rule.
    Out(SpelledRule),
}

/// What the guards of all lines look for.
#[derive(Debug, Default)]
pub struct Sought {
    inet: Texts,
    inet6: Texts,
}

impl Sought {
    /// All that some guards look for.
    pub fn of<'a>(guards: impl Iterator<Item = &'a Guard>) -> Self {
        let mut sought = Self::default();
        for guard in guards {
            match guard.family {
                Family::Inet => sought.inet.add(&guard.text),
                Family::Inet6 => sought.inet6.add(&guard.text),
            }
        }
        sought
    }

    fn of_family(&self, family: Family) -> &Texts {
        match family {
            Family::Inet => &self.inet,
            Family::Inet6 => &self.inet6,
        }
    }
}

/// Texts as a tree: those that begin alike go together as far as they are alike.
#[derive(Debug, Default)]
struct Texts(Vec<Begun>);

/// What some texts begin with.
#[derive(Debug, Default)]
struct Begun {
    /// Where it goes on with each character; `.` stands for any.
    next: HashMap<char, usize>,
    /// Whether it is all of one.
    is_whole: bool,
}

impl Texts {
    fn add(&mut self, text: &str) {
        if self.0.is_empty() {
            self.0.push(Begun::default());
        }
        let mut at = 0;
        for c in text.chars() {
            let end = self.0.len();
            let Some(begun) = self.0.get_mut(at) else {
                return;
            };
            at = *begun.next.entry(c).or_insert(end);
            if at == end {
                self.0.push(Begun::default());
            }
        }
        if let Some(begun) = self.0.get_mut(at) {
            begun.is_whole = true;
        }
    }

    fn after(&self, at: usize, c: char) -> Option<usize> {
        self.0.get(at)?.next.get(&c).copied()
    }

    /// The place of a text.
    fn place(&self, text: &str) -> Option<usize> {
        text.chars().try_fold(0, |at, c| self.after(at, c))
    }

    /// The places of those that are somewhere in a line.
    fn find(&self, line: &str, found: &mut BTreeSet<usize>) {
        let line: Vec<char> = line.chars().collect();
        for start in 0..line.len() {
            let mut begun = vec![0];
            for c in line.iter().skip(start) {
                let each = begun.iter();
                begun = each
                    .flat_map(|at| [self.after(*at, *c), self.after(*at, '.')])
                    .flatten()
                    .collect();
                let is_whole = |at: &&usize| self.0.get(**at).is_some_and(|begun| begun.is_whole);
                found.extend(begun.iter().filter(is_whole));
                if begun.is_empty() {
                    break;
                }
            }
        }
    }
}

/// The rules that guards find, of those that have been put in so far.
#[derive(Debug, Default)]
pub struct FoundByGuards {
    /// Their numbers in the order in which they came, by what is looked for.
    numbers: HashMap<(Family, usize), Vec<usize>>,
    /// How many numbers have been looked at.
    seen: usize,
}

impl FoundByGuards {
    /// Looks at the rules that have come since the last time.
    pub fn look_at(&mut self, rules: &Entries<SpelledRule>, sought: &Sought) {
        for (number, rule) in rules.since(self.seen) {
            self.seen = number + 1;
            let family = rule.what.rule.family;
            let texts = sought.of_family(family);
            let mut found = BTreeSet::new();
            for line in printed(&rule.what) {
                texts.find(&line, &mut found);
            }
            for text in found {
                self.numbers.entry((family, text)).or_default().push(number);
            }
        }
    }

    /// Whether a guard lets the rule behind it in: it finds none, or else the very same.
    /// Errors: another rule is found, or the guard is not about the rule.
    pub fn lets_in(
        &self,
        sought: &Sought,
        effect: &Effect,
        guarded: (&Guard, &RoutingCommands),
    ) -> Result<Guarded, WhyItStays> {
        const KERNELS: &str = "0: from all lookup local 32766: from all lookup main \
                               32767: from all lookup default";
        let (guard, commands) = guarded;
        let added = |(_, command): &'_ (Joint, IpCommand)| match command {
            IpCommand::Rule(IpVerb::Add, rule) => Some(rule.rule.clone()),
            _ => None,
        };
        let mut added = commands.list.iter().filter_map(added);
        let (Some(added), None) = (added.next(), added.next()) else {
            return Err(WhyItStays::Guarded);
        };
        if guard.finds(KERNELS) || added.family != guard.family {
            return Err(WhyItStays::Guarded);
        }
        let place = sought.of_family(guard.family).place(&guard.text);
        let numbers = place.and_then(|place| self.numbers.get(&(guard.family, place)));
        // Some of them may be gone again.
        let mut there = numbers.into_iter().flatten();
        match there.find_map(|number| effect.rules.get(*number)) {
            None => Ok(Guarded::In),
            Some(rule) if rule.what.rule.same_but_priority(&added) => {
                Ok(Guarded::Out(rule.what.clone()))
            }
            Some(_) => Err(WhyItStays::Guarded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_are_found_that_each_guard_would_find() {
        let texts = [
            "from 10.0.0.5",
            "from 10.0.0.55",
            "10.0",
            "0.5",
            "5",
            "lookup 5",
            "x",
            "from 10.0.0.6",
            "....",
            "all from",
        ];
        let guards = texts.map(|text| Guard {
            family: Family::Inet,
            text: text.to_owned(),
        });
        let sought = Sought::of(guards.iter());
        for line in [
            "9: from 10.0.0.55 lookup 5",
            "from 10x0.0.5",
            "9:",
            "",
            "21000: from all fwmark 0x5 lookup 15",
            "from 1000.0.6",
        ] {
            let mut found = BTreeSet::new();
            sought.inet.find(line, &mut found);
            for guard in &guards {
                let place = sought.inet.place(&guard.text).unwrap();
                assert_eq!(
                    found.contains(&place),
                    guard.finds(line),
                    "{line} {}",
                    guard.text
                );
            }
        }
        assert_eq!(sought.inet6.place("5"), None);
    }
}
