//! What is said how often: a line for the first time, the second, the fourth and so on; and what
//! stands for longer, once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pause::Moment;
use crate::routing::InterfaceName;

/// After so long without one the next is the first again.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// How often interfaces were repaired, and what was said of it.
#[derive(Debug, Default)]
pub struct Telling {
    repairs: BTreeMap<InterfaceName, Repairs>,
    /// What stands and was said, by interface.
    said: BTreeMap<InterfaceName, BTreeSet<Statement>>,
}

/// What stands of an interface for longer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// Whether somebody has to do something.
    pub is_warning: bool,
    pub text: String,
}

#[derive(Debug, Default)]
struct Repairs {
    /// Since the keeper started.
    all: u64,
    /// Since the last time that one was the first.
    row: u64,
    last: Moment,
}

impl Telling {
    /// Counts a repair; returns its number where it is to be told.
    pub fn repaired(&mut self, device: &InterfaceName, now: Moment) -> Option<u64> {
        let repairs = self.repairs.entry(device.clone()).or_default();
        if now.saturating_sub(repairs.last) >= FORGOTTEN {
            repairs.row = 0;
        }
        repairs.all += 1;
        repairs.row += 1;
        repairs.last = now;
        repairs.row.is_power_of_two().then_some(repairs.row)
    }

    /// What stands of an interface now; returns what was not said yet. What stands no more is said
    /// again when it comes back.
    pub fn stands(&mut self, device: &InterfaceName, now: BTreeSet<Statement>) -> Vec<Statement> {
        let before = self.said.insert(device.clone(), now.clone());
        let before = before.unwrap_or_default();
        now.into_iter().filter(|it| !before.contains(it)).collect()
    }

    /// These have records, and no others.
    pub fn keep(&mut self, devices: &BTreeSet<InterfaceName>) {
        self.said.retain(|device, _| devices.contains(device));
        self.repairs.retain(|device, _| devices.contains(device));
    }

    /// How often each interface was repaired.
    pub fn repairs(&self) -> impl Iterator<Item = (&InterfaceName, u64)> {
        let each = self.repairs.iter();
        each.map(|(device, repairs)| (device, repairs.all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_told_at_powers_of_two() {
        let device = "eth1".parse().unwrap();
        let mut telling = Telling::default();
        let told = (0..20).filter_map(|n| telling.repaired(&device, Duration::from_secs(31 * n)));
        assert_eq!(told.collect::<Vec<_>>(), [1, 2, 4, 8, 16]);
        assert_eq!(
            telling.repaired(&device, Duration::from_secs(9_000)),
            Some(1)
        );
        assert_eq!(telling.repairs().next(), Some((&device, 21)));
    }

    #[test]
    fn what_stands_is_told_once_until_it_stood_no_more() {
        let device = "eth1".parse().unwrap();
        let mut telling = Telling::default();
        let mut told = |words: &[&str]| {
            let statements = words.iter().map(|word| Statement {
                is_warning: false,
                text: (*word).to_owned(),
            });
            let told = telling.stands(&device, statements.collect());
            told.into_iter().map(|it| it.text).collect::<String>()
        };
        assert_eq!(told(&["a"]), "a");
        assert_eq!(told(&["a", "b"]), "b");
        assert_eq!(told(&[]), "");
        assert_eq!(told(&["a"]), "a");
    }
}
