//! Interfaces that the keeper lets be while somebody is asked whether a change to them stays: what
//! that change brings and takes, and what goes back, is then nobody else's.

use std::time::Duration;

use super::folder::change_pauses;
use super::pause::Pause;
use crate::routing::InterfaceName;
use crate::system::since_start;

/// Longer than the question by this, for what goes back. Should the run be killed, it ends by then.
const MARGIN: Duration = Duration::from_secs(10);

/// Whose pauses these are: those of the one run that may ask at a time.
const WHO: &str = "policy-table";

/// Why.
const REASON: &str = "a change waits to be confirmed";

/// The pauses of a run, which end with this.
#[derive(Debug)]
pub struct Truce {
    _of_this_run: (),
}

impl Truce {
    /// For interfaces, or with `None` for all, as long as a question may take. Whose own pause
    /// stands keeps that one. Where it cannot be noted the change is made all the same.
    pub fn of(interfaces: &[Option<InterfaceName>], time: Duration) -> Self {
        let pause = |interface: &Option<InterfaceName>| Pause {
            interface: interface.clone(),
            until: since_start() + time + MARGIN,
            who: WHO.to_owned(),
            reason: Some(REASON.to_owned()),
        };
        let mut wanted: Vec<Pause> = interfaces.iter().map(pause).collect();
        let _ = change_pauses(|all| {
            all.withdraw(WHO, REASON);
            wanted.retain(|pause| all.iter().all(|other| other.interface != pause.interface));
            for pause in wanted {
                all.add(pause);
            }
        });
        Self { _of_this_run: () }
    }

    /// Ends those of the run that asks, also for it where it was killed.
    pub fn end() {
        // Where that fails they end by themselves.
        let _ = change_pauses(|all| all.withdraw(WHO, REASON));
    }
}

impl Drop for Truce {
    fn drop(&mut self) {
        Self::end();
    }
}
