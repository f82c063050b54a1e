//! How long is waited for what the kernel does not know yet, and the waiting. What a hook does not
//! wait for any longer the keeper finishes, if it runs.

use std::io;
use std::time::{Duration, Instant};

use crate::netlink::{KernelError, Watch};
use crate::record::keeper_is_running;

/// Longest wait for an address: what ifupdown's own settle-dad gives one.
pub const LONGEST: Duration = Duration::from_secs(6);

/// Longest wait of a hook for one stanza while the keeper runs, which finishes it.
const BESIDE_KEEPER: Duration = Duration::from_secs(2);

/// Longest wait where others wait for it to end.
const SHORT: Duration = Duration::from_secs(1);

/// How long is waited for addresses and routers.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// When the waits of a whole run began; none where each counts from its own beginning.
    pub since: Option<Instant>,
    /// Longest wait.
    pub most: Duration,
    /// Whether the interface is just coming up. Of one that is up since long an address is on its
    /// way only if the kernel still checks it.
    pub comes_up: bool,
}

impl Patience {
    /// None at all.
    pub const NONE: Self = Self {
        since: None,
        most: Duration::ZERO,
        comes_up: false,
    };

    /// That of a hook that is called for one stanza.
    pub const OF_HOOK: Self = Self {
        since: None,
        most: LONGEST,
        comes_up: true,
    };

    /// That of a run for interfaces that are up: all of them wait side by side, from now on.
    pub fn side_by_side() -> Self {
        Self {
            since: Some(Instant::now()),
            comes_up: false,
            ..Self::OF_HOOK
        }
    }

    /// That of a hook that is called for an interface: as short as all other interfaces can bear, which
    /// come up one after another.
    pub fn of_interface() -> Self {
        Self {
            since: Some(Instant::now()),
            most: SHORT,
            ..Self::OF_HOOK
        }
    }

    /// Until when a wait goes on that begins now and would take at most so long by itself.
    pub fn until(self, longest: Duration) -> Instant {
        self.since.unwrap_or_else(Instant::now) + longest.min(self.most)
    }

    /// The waits of a stanza.
    pub fn waits(self) -> Waits {
        Waits {
            patience: self,
            began: false,
            end: None,
        }
    }
}

/// The waits of one stanza, of which there may be several.
#[derive(Debug)]
pub struct Waits {
    patience: Patience,
    began: bool,
    /// When all of them end, where the keeper runs.
    end: Option<Instant>,
}

impl Waits {
    /// Whether the interface is just coming up.
    pub fn comes_up(&self) -> bool {
        self.patience.comes_up
    }

    /// Until when a wait goes on that begins now and would take at most so long by itself. Whether
    /// the keeper runs is asked only where there is something to wait for.
    fn until(&mut self, longest: Duration) -> Instant {
        let Patience { most, comes_up, .. } = self.patience;
        if !self.began && !longest.is_zero() {
            self.began = true;
            if comes_up && most > BESIDE_KEEPER && keeper_is_running() {
                self.end = Some(Instant::now() + BESIDE_KEEPER);
            }
        }
        let by_itself = self.patience.until(longest);
        self.end.map_or(by_itself, |end| end.min(by_itself))
    }

    /// How many seconds an address was waited for in vain.
    pub fn seconds(&self) -> u64 {
        let most = self.end.map_or(self.patience.most, |_| BESIDE_KEEPER);
        if self.patience.comes_up {
            most.as_secs()
        } else {
            0
        }
    }
}

/// Looks again at each change until what is found is ready, but for no longer than this wait may take;
/// returns what was found last.
pub fn wait_for<T>(
    waits: &mut Waits,
    longest: Duration,
    set_watch: impl Fn() -> io::Result<Watch>,
    mut look: impl FnMut() -> Result<(T, bool), KernelError>,
) -> Result<T, KernelError> {
    let mut watch = None;
    let mut deadline = None;
    loop {
        let (found, ready) = look()?;
        if ready {
            return Ok(found);
        }
        // The clock is looked at only here: the first look alone is two page faults.
        let deadline = *deadline.get_or_insert_with(|| waits.until(longest));
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(found);
        }
        match &watch {
            // What changed before the watch was set would otherwise be missed.
            None => watch = Some(set_watch()?),
            Some(watch) => watch.wait(left)?,
        }
    }
}
