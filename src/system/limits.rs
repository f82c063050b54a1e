//! Limits that whoever calls has set.

use nix::sys::signal::{SigSet, Signal};

/// Has a file that would grow beyond what is allowed (`RLIMIT_FSIZE`) be an error like others: the
/// signal would end the run in the middle of what it does.
pub fn outlive_limits() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    let _ = signals.thread_block();
}
