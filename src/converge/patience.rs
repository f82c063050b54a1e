//! How long is waited for what the kernel does not know yet, and the waiting.

use std::io;
use std::time::{Duration, Instant};

use crate::netlink::{KernelError, Watch};

/// Longest wait for an address: what ifupdown's own settle-dad gives one.
pub const LONGEST: Duration = Duration::from_secs(6);

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

    /// Until when a wait goes on that begins now and would take at most so long by itself.
    pub fn until(self, longest: Duration) -> Instant {
        self.since.unwrap_or_else(Instant::now) + longest.min(self.most)
    }

    /// How many seconds an address was waited for in vain.
    pub fn seconds(self) -> u64 {
        if self.comes_up {
            self.most.as_secs()
        } else {
            0
        }
    }
}

/// Looks again at each change until what is found is ready, but not beyond the time given; returns
/// what was found last.
pub fn wait_for<T>(
    deadline: Instant,
    set_watch: impl Fn() -> io::Result<Watch>,
    mut look: impl FnMut() -> Result<(T, bool), KernelError>,
) -> Result<T, KernelError> {
    let mut watch = None;
    loop {
        let (found, ready) = look()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || ready {
            return Ok(found);
        }
        match &watch {
            // What changed before the watch was set would otherwise be missed.
            None => watch = Some(set_watch()?),
            Some(watch) => watch.wait(left)?,
        }
    }
}
