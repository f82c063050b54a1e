//! When to look at which interface: a value without a socket, a file or a clock. It is told what
//! was heard and what was found, each with the moment, and says what to look at and when to wake.
//!
//! What is heard of an interface makes a burst, which is looked into when it is over. A look that
//! finds a loss repairs it, and takes one of the interface's repairs; where none is left nobody
//! looks either. Of what may have been missed there is a full look.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bound::{Bound, Burst};
use super::pause::{Moment, Pause, Pauses};
use crate::routing::InterfaceName;

/// Full looks are at least so far apart.
const BETWEEN_FULL: Duration = Duration::from_secs(10);
/// What no event tells is found after about this time.
const PERIOD: Duration = Duration::from_secs(15 * 60);
/// A network that has come is looked at after this: its address is there before its link is up and
/// its routes are.
const SETTLING: Duration = Duration::from_secs(2);
/// Where the kernel gave no answer that counts, it is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookResult {
    /// All is in force that can be, or nothing of what is amiss is the keeper's to mend.
    Settled,
    /// Something was lost, and it was put back.
    Repaired,
    /// Something was lost, and the kernel refused to take it back.
    Refused,
    /// The kernel gave no answer that counts, or another run was faster.
    Unknown,
}

/// What to look at now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub devices: Vec<InterfaceName>,
    /// Whether all that is known beside the records is to be asked anew.
    pub full: bool,
    /// Whether a network has come.
    pub network: bool,
}

/// What is known of an interface that has a record.
#[derive(Debug)]
struct Kept {
    burst: Option<Burst>,
    bound: Bound,
}

impl Kept {
    /// When it is to be looked at.
    fn due(&self) -> Option<Moment> {
        Some(self.burst?.due().max(self.bound.allows_at()))
    }
}

/// The keeper's judgement.
#[derive(Debug)]
pub struct Judgement {
    devices: BTreeMap<InterfaceName, Kept>,
    pauses: Pauses,
    /// That a full look is wanted.
    full: Option<Burst>,
    last_full: Option<Moment>,
    next_full: Moment,
    /// When to look at networks that have come.
    network: Option<Moment>,
    random: u64,
}

impl Judgement {
    /// Of a keeper that starts: it begins with a full look. The seed varies the time between those
    /// that nothing asks for, so that not all hosts of a cluster look at once.
    pub fn new(seed: u64, now: Moment) -> Self {
        Self {
            devices: BTreeMap::new(),
            pauses: Pauses::default(),
            full: Some(Burst::due_at(now)),
            last_full: None,
            next_full: now,
            network: None,
            random: seed | 1,
        }
    }

    /// These have records, and no others.
    pub fn keep(&mut self, devices: impl IntoIterator<Item = InterfaceName>, now: Moment) {
        let mut before = std::mem::take(&mut self.devices);
        for device in devices {
            let kept = before.remove(&device).unwrap_or_else(|| Kept {
                burst: None,
                bound: Bound::new(now),
            });
            self.devices.insert(device, kept);
        }
    }

    /// Something was heard that may concern an interface. Of one without a record it is nothing.
    pub fn heard(&mut self, device: &InterfaceName, now: Moment) {
        if let Some(kept) = self.devices.get_mut(device) {
            kept.burst = Some(Burst::heard(kept.burst, now));
        }
    }

    /// Something may have been missed.
    pub fn missed(&mut self, now: Moment) {
        self.full = Some(Burst::heard(self.full, now));
    }

    /// A network has come that may be cut off from an interface.
    pub fn network_came(&mut self, now: Moment) {
        self.network.get_or_insert(now + SETTLING);
    }

    /// These are the pauses now. Where one was ended there is a full look.
    pub fn pause(&mut self, pauses: Pauses, now: Moment) {
        self.expire(now);
        let stays = |old: &Pause| pauses.iter().any(|new| new.interface == old.interface);
        if !self.pauses.iter().all(stays) {
            self.full = Some(Burst::due_at(now));
        }
        self.pauses = pauses;
        self.expire(now);
    }

    /// What is due, with all that is over; it counts as looked at. Those that are paused, or have
    /// been repaired too often, stay for later.
    pub fn look(&mut self, now: Moment) -> Look {
        self.expire(now);
        let full = self.full_due() <= now;
        if full {
            self.full = None;
            self.last_full = Some(now);
            self.next_full = now + self.period();
            for kept in self.devices.values_mut() {
                kept.burst = Some(Burst::due_at(now));
            }
        }
        let mut devices = Vec::new();
        for (device, kept) in &mut self.devices {
            let is_due = kept.due().is_some_and(|due| due <= now);
            if is_due && self.pauses.of(device, now).is_none() {
                kept.burst = None;
                devices.push(device.clone());
            }
        }
        let network = self.network.take_if(|due| *due <= now).is_some();
        Look {
            devices,
            full,
            network,
        }
    }

    /// What a look at an interface came to.
    pub fn found(&mut self, device: &InterfaceName, finding: LookResult, now: Moment) {
        let Some(kept) = self.devices.get_mut(device) else {
            return;
        };
        match finding {
            LookResult::Settled => {}
            LookResult::Repaired | LookResult::Refused => kept.bound.take(now),
            LookResult::Unknown => {
                kept.burst = kept.burst.or(Some(Burst::due_at(now + ASK_AGAIN)));
            }
        }
    }

    /// When there is something to do, if nothing is heard until then.
    pub fn wake(&self, now: Moment) -> Moment {
        let looks = self.devices.iter().filter_map(|(device, kept)| {
            let is_paused = self.pauses.of(device, now).is_some();
            kept.due().filter(|_| !is_paused)
        });
        let ends = self.pauses.next_end();
        let others = ends.into_iter().chain(self.network);
        looks.chain(others).fold(self.full_due(), Moment::min)
    }

    /// The pauses, as far as they are not over.
    pub fn pauses(&self) -> &Pauses {
        &self.pauses
    }

    /// When the next full look is due.
    fn full_due(&self) -> Moment {
        let wanted = self.full.map_or(self.next_full, |burst| burst.due());
        let earliest = self
            .last_full
            .map_or(Moment::ZERO, |last| last + BETWEEN_FULL);
        wanted.min(self.next_full).max(earliest)
    }

    fn expire(&mut self, now: Moment) {
        if !self.pauses.expire(now).is_empty() {
            self.full = Some(Burst::due_at(now));
        }
    }

    /// [`PERIOD`], a tenth more or less.
    fn period(&mut self) -> Duration {
        // Marsaglia's xorshift.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let tenth = PERIOD / 10;
        let spread = u64::try_from((2 * tenth).as_millis()).unwrap_or(u64::MAX);
        9 * tenth + Duration::from_millis(self.random % spread.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// How many histories, and how many events each.
    const HISTORIES: u64 = if cfg!(debug_assertions) {
        40_000
    } else {
        400_000
    };
    const EVENTS: u64 = 6;

    /// Says which history it was that failed.
    struct History(u64);

    impl Drop for History {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("history {}", self.0);
            }
        }
    }

    struct Random(u64);

    impl Random {
        fn new(seed: u64) -> Self {
            let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            for _ in 0..8 {
                random.below(2);
            }
            random
        }

        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) % n
        }
    }

    fn name(n: u64) -> InterfaceName {
        format!("eth{n}").parse().unwrap()
    }

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A host with some interfaces that made-up things happen to, and its keeper.
    struct World {
        now: Moment,
        judgement: Judgement,
        recorded: BTreeSet<InterfaceName>,
        /// What is lost, since when the keeper could have mended it.
        lost: BTreeMap<InterfaceName, Moment>,
        /// The pauses, and until when each is.
        paused: BTreeMap<Option<InterfaceName>, Moment>,
        repairs: BTreeMap<InterfaceName, Vec<Moment>>,
        full: Vec<Moment>,
        /// When the first of the networks has come that are not looked at.
        network: Option<Moment>,
        looks: u64,
    }

    impl World {
        fn new(seed: u64) -> Self {
            let now = Duration::from_secs(seed % 1000);
            let mut world = Self {
                now,
                judgement: Judgement::new(seed, now),
                recorded: (0..3).map(name).collect(),
                lost: BTreeMap::new(),
                paused: BTreeMap::new(),
                repairs: BTreeMap::new(),
                full: Vec::new(),
                network: None,
                looks: 0,
            };
            world.judgement.keep(world.recorded.clone(), now);
            world
        }

        fn is_paused(&self, device: &InterfaceName) -> bool {
            let of = |whom: Option<InterfaceName>| self.paused.get(&whom);
            let mut ends = of(None).into_iter().chain(of(Some(device.clone())));
            ends.any(|end| *end > self.now)
        }

        /// Lets time pass, and the keeper do what it is to do.
        fn pass(&mut self, time: Duration) {
            let end = self.now + time;
            loop {
                let wake = self.judgement.wake(self.now).max(self.now);
                if wake > end {
                    break;
                }
                self.now = wake;
                let before = self.looks;
                self.act();
                // Whoever wakes has something to do, or is told to wake later.
                let is_later = self.judgement.wake(self.now) > self.now;
                assert!(
                    self.looks > before || is_later,
                    "wakes for nothing at {wake:?}"
                );
            }
            self.now = end;
            self.in_time();
        }

        fn act(&mut self) {
            let look = self.judgement.look(self.now);
            if look.full {
                self.looks += 1;
                if let Some(last) = self.full.last() {
                    assert!(self.now >= *last + BETWEEN_FULL);
                }
                self.full.push(self.now);
            }
            if look.network {
                self.looks += 1;
                let due = self.network.take().expect("one has come");
                assert_eq!(self.now, due + SETTLING);
            }
            for device in look.devices {
                self.looks += 1;
                assert!(!self.is_paused(&device), "{device} is paused");
                assert!(self.recorded.contains(&device), "{device} has no record");
                let finding = match self.lost.remove(&device) {
                    Some(_) => LookResult::Repaired,
                    None => LookResult::Settled,
                };
                if finding == LookResult::Repaired {
                    let repairs = self.repairs.entry(device.clone()).or_default();
                    repairs.push(self.now);
                    // Never more than the bound, in whatever span of time.
                    for (n, first) in repairs.iter().rev().enumerate() {
                        let span = self.now.saturating_sub(*first).as_secs() / 30;
                        assert!(n as u64 <= 5 + span, "{n} more in {span} times 30 seconds");
                    }
                }
                self.judgement.found(&device, finding, self.now);
                if finding == LookResult::Repaired {
                    // What it did itself comes back to it.
                    self.judgement.heard(&device, self.now);
                }
            }
        }

        /// What is lost is mended a second later, or once the bound allows.
        fn in_time(&self) {
            for (device, since) in &self.lost {
                let mut bound = Bound::new(Moment::ZERO);
                let repairs = self.repairs.get(device).into_iter().flatten();
                repairs.for_each(|moment| bound.take(*moment));
                let latest = (*since + ms(1000)).max(bound.allows_at());
                let is_kept = self.recorded.contains(device) && !self.is_paused(device);
                assert!(
                    !is_kept || self.now <= latest,
                    "{device} is lost since {since:?}"
                );
            }
        }

        fn happen(&mut self, random: &mut Random) {
            let device = name(random.below(3));
            match random.below(12) {
                // A loss that is heard of.
                0..5 => {
                    if self.recorded.contains(&device) {
                        self.lost.entry(device.clone()).or_insert(self.now);
                    }
                    self.judgement.heard(&device, self.now);
                }
                // Noise.
                5 => (0..random.below(50)).for_each(|_| {
                    self.judgement.heard(&device, self.now);
                    self.pass(ms(random.below(120)));
                }),
                6 => self.judgement.missed(self.now),
                7 | 8 => {
                    let whom = (random.below(3) > 0).then_some(device);
                    if random.below(2) == 0 {
                        self.paused.remove(&whom);
                    } else {
                        let end = self.now + ms(random.below(100_000));
                        self.paused.insert(whom, end);
                    }
                    self.paused.retain(|_, end| *end > self.now);
                    let mut pauses = Pauses::default();
                    for (interface, until) in &self.paused {
                        pauses.add(Pause {
                            interface: interface.clone(),
                            until: *until,
                            who: String::new(),
                            reason: None,
                        });
                    }
                    self.judgement.pause(pauses, self.now);
                    // From when on it can be mended, in case this or its end is the end of a pause.
                    self.restart();
                }
                9 => {
                    // ifdown, and ifup.
                    if self.recorded.remove(&device) {
                        self.lost.remove(&device);
                        self.repairs.remove(&device);
                    } else {
                        self.recorded.insert(device);
                    }
                    self.judgement.keep(self.recorded.clone(), self.now);
                }
                // A fight: it is gone again as soon as it is back.
                10 => (0..random.below(12)).for_each(|_| {
                    if self.recorded.contains(&device) {
                        self.lost.entry(device.clone()).or_insert(self.now);
                        self.restart();
                    }
                    self.judgement.heard(&device, self.now);
                    self.pass(ms(random.below(2500)));
                }),
                _ => {
                    self.network.get_or_insert(self.now);
                    self.judgement.network_came(self.now);
                }
            }
        }

        fn restart(&mut self) {
            for (device, since) in &mut self.lost {
                let ends = self.paused.iter();
                let about = ends.filter(|(whom, _)| whom.as_ref().is_none_or(|it| it == device));
                let end = about.map(|(_, end)| *end).max();
                *since = (*since).max(end.unwrap_or(self.now));
            }
        }
    }

    #[test]
    fn whatever_happens_the_bounds_hold_and_what_is_lost_comes_back() {
        let mut repairs = 0;
        for seed in 0..HISTORIES {
            let mut random = Random::new(seed);
            let mut world = World::new(seed);
            let _history = History(seed);
            for _ in 0..EVENTS {
                world.happen(&mut random);
                world.restart();
                let span = [50, 900, 40_000][usize::try_from(random.below(3)).unwrap()];
                world.pass(ms(random.below(span)));
            }
            // All pauses end, all bounds allow; then nothing but the look in a quarter of an hour.
            world.pass(Duration::from_secs(600));
            let kept = |device: &InterfaceName| world.recorded.contains(device);
            assert!(!world.lost.keys().any(kept));
            assert_eq!(world.network, None);
            let (before, looks) = (world.full.len(), world.looks);
            world.pass(Duration::from_secs(3600));
            let full = world.full.len() - before;
            assert!((3..=5).contains(&full), "{full} looks in an hour");
            assert_eq!(
                world.looks - looks,
                full as u64 * (1 + world.recorded.len() as u64)
            );
            repairs += world.repairs.values().map(Vec::len).sum::<usize>();
        }
        assert!(repairs as u64 > HISTORIES, "{repairs}");
    }

    #[test]
    fn a_loss_is_looked_into_a_tenth_of_a_second_later() {
        let mut judgement = Judgement::new(1, ms(0));
        judgement.keep([name(1)], ms(0));
        assert!(judgement.look(ms(0)).full);
        judgement.heard(&name(1), ms(20_000));
        judgement.heard(&name(1), ms(20_018));
        assert_eq!(judgement.wake(ms(20_018)), ms(20_118));
        assert_eq!(judgement.look(ms(20_117)), Look::default());
        assert_eq!(judgement.look(ms(20_118)).devices, [name(1)]);
        assert!(judgement.wake(ms(20_118)) > ms(700_000));
    }

    #[test]
    fn one_interfaces_fight_is_no_others_matter() {
        let mut judgement = Judgement::new(1, ms(0));
        judgement.keep([name(1), name(2)], ms(0));
        judgement.look(ms(0));
        for _ in 0..5 {
            judgement.found(&name(1), LookResult::Repaired, ms(1000));
        }
        judgement.heard(&name(1), ms(2000));
        judgement.heard(&name(2), ms(2000));
        assert_eq!(judgement.look(ms(2100)).devices, [name(2)]);
        assert_eq!(judgement.wake(ms(2100)), ms(31_000));
        assert_eq!(judgement.look(ms(31_000)).devices, [name(1)]);
    }

    #[test]
    fn what_the_kernel_does_not_answer_is_asked_again() {
        let mut judgement = Judgement::new(1, ms(0));
        judgement.keep([name(1)], ms(0));
        judgement.look(ms(0));
        judgement.found(&name(1), LookResult::Unknown, ms(5));
        assert_eq!(judgement.wake(ms(5)), ms(2005));
        assert_eq!(judgement.look(ms(2005)).devices, [name(1)]);
    }
}
