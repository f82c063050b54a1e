//! How often: no fight is faster than this, and none is given up.

use std::time::Duration;

use super::pause::Moment;

/// Repairs of an interface that are made at once.
const AT_ONCE: u32 = 5;
/// After them there is one in this time.
const ONE_IN: Duration = Duration::from_secs(30);

/// Messages of one cause come in a burst: so long after the last of them is the time to act.
const QUIET: Duration = Duration::from_millis(100);
/// But not later than this after the first of them.
const LONGEST: Duration = Duration::from_secs(1);

/// How many repairs of an interface are left, at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    left: u32,
    /// When the last one was given back, or began to be.
    since: Moment,
}

impl Bound {
    /// All of them.
    pub fn new(now: Moment) -> Self {
        Self {
            left: AT_ONCE,
            since: now,
        }
    }

    fn refill(&mut self, now: Moment) {
        while self.left < AT_ONCE && now.saturating_sub(self.since) >= ONE_IN {
            self.left += 1;
            self.since += ONE_IN;
        }
        if self.left == AT_ONCE {
            self.since = now;
        }
    }

    /// Takes one.
    pub fn take(&mut self, now: Moment) {
        self.refill(now);
        self.left = self.left.saturating_sub(1);
    }

    /// From when on there is one.
    pub fn allows_at(&self) -> Moment {
        match self.left {
            0 => self.since + ONE_IN,
            _ => Duration::ZERO,
        }
    }
}

/// Messages that were heard and not yet looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    first: Moment,
    due: Moment,
}

impl Burst {
    /// One more.
    pub fn heard(burst: Option<Self>, now: Moment) -> Self {
        let first = burst.map_or(now, |burst| burst.first);
        Self {
            first,
            due: (now + QUIET).min(first + LONGEST),
        }
    }

    /// What is to be looked into at a moment, unless something is heard before.
    pub fn due_at(moment: Moment) -> Self {
        Self {
            first: moment,
            due: moment,
        }
    }

    /// When to look into it.
    pub fn due(&self) -> Moment {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_at_once_then_one_in_thirty_seconds() {
        let seconds = Duration::from_secs;
        let mut bound = Bound::new(seconds(100));
        let mut now = seconds(1000);
        let mut taken = Vec::new();
        while taken.len() < 8 {
            now = now.max(bound.allows_at());
            bound.take(now);
            taken.push(now.as_secs());
        }
        assert_eq!(taken, [1000, 1000, 1000, 1000, 1000, 1030, 1060, 1090]);
        // So much time gives them all back, and no more.
        bound.take(seconds(100_000));
        assert_eq!(bound.left, AT_ONCE - 1);
    }

    #[test]
    fn a_burst_is_due_after_quiet_or_at_the_latest() {
        let ms = Duration::from_millis;
        let mut burst = None;
        for n in 0..4 {
            burst = Some(Burst::heard(burst, ms(1000 + 50 * n)));
        }
        assert_eq!(burst.unwrap().due(), ms(1250));
        for n in 4..100 {
            burst = Some(Burst::heard(burst, ms(1000 + 50 * n)));
        }
        assert_eq!(burst.unwrap().due(), ms(2000));
        assert_eq!(Burst::due_at(ms(5000)).due(), ms(5000));
    }
}
