//! Time since the host was started. The clock of the day may be set, and goes wrong at boot.

use std::time::Duration;

use nix::time::{clock_gettime, ClockId};

/// How long the host has been running, asleep or not.
pub fn since_start() -> Duration {
    now(ClockId::CLOCK_BOOTTIME)
}

/// How long of that it slept.
pub fn slept() -> Duration {
    since_start().saturating_sub(now(ClockId::CLOCK_MONOTONIC))
}

fn now(clock: ClockId) -> Duration {
    // Only a clock that there is not, or a bad address, makes it fail.
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}
