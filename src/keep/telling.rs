//! What is said how often: a line for the first time, the second, the fourth and so on; and what
//! stands for longer, once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pause::Moment;
use crate::routing::InterfaceName;

/// After so long without one the next is the first again.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// What a repair was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mending {
    /// What was in force was lost.
    Lost,
    /// An address, the router or what else a stanza goes by is another, or has come.
    Changed,
    /// VPN software takes all packets, or does so no more.
    InFront,
}

impl Mending {
    /// What was done, or would be done by one that acts.
    pub fn done(self, acts: bool) -> &'static str {
        match (self, acts) {
            (Self::Lost, true) => "put back",
            (Self::Lost, false) => "would be put back",
            (Self::Changed, true) => "brought in step with the interface",
            (Self::Changed, false) => "would be brought in step with the interface",
            (Self::InFront, true) => "done beside VPN software",
            (Self::InFront, false) => "would be done beside VPN software",
        }
    }
}

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
    rows: BTreeMap<Mending, Row>,
}

/// Repairs that follow each other.
#[derive(Debug, Default)]
struct Row {
    count: u64,
    last: Moment,
}

impl Row {
    /// Counts one; returns its number where it is to be told.
    fn next(&mut self, now: Moment) -> Option<u64> {
        if now.saturating_sub(self.last) >= FORGOTTEN {
            self.count = 0;
        }
        self.count += 1;
        self.last = now;
        self.count.is_power_of_two().then_some(self.count)
    }
}

impl Telling {
    /// Counts a repair; returns what it was for as far as that is to be told, each with its number.
    pub fn repaired(
        &mut self,
        device: &InterfaceName,
        kinds: impl IntoIterator<Item = Mending>,
        now: Moment,
    ) -> Vec<(Mending, u64)> {
        let repairs = self.repairs.entry(device.clone()).or_default();
        repairs.all += 1;
        let mut number = |of| Some((of, repairs.rows.entry(of).or_default().next(now)?));
        kinds.into_iter().filter_map(&mut number).collect()
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
        let mut told = |kinds: &[Mending], seconds| {
            telling.repaired(&device, kinds.iter().copied(), Duration::from_secs(seconds))
        };
        let lost = |number| vec![(Mending::Lost, number)];
        let numbers: Vec<_> = (0..20)
            .flat_map(|n| told(&[Mending::Lost], 31 * n))
            .collect();
        assert_eq!(numbers, [1, 2, 4, 8, 16].map(|n| (Mending::Lost, n)));
        // A lease that changes in between is told by itself.
        assert_eq!(
            told(&[Mending::Lost, Mending::Changed], 700),
            [(Mending::Changed, 1)]
        );
        assert_eq!(told(&[Mending::Lost], 9_000), lost(1));
        assert_eq!(telling.repairs().next(), Some((&device, 22)));
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
