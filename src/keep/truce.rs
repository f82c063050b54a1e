//! Interfaces that the keeper lets be while somebody is asked whether a change to them stays: what
//! that change brings and takes, and what goes back, is then nobody else's.

use std::time::Duration;

use super::folder::change_pauses;
use super::pause::Pause;
use crate::routing::InterfaceName;
use crate::system::since_start;

/// Longer than the question by this, for what goes back. Should the run be killed, it ends by then.
const MARGIN: Duration = Duration::from_secs(10);

/// A pause of a run of its own, which ends with this.
#[derive(Debug)]
pub struct Truce(Vec<Pause>);

impl Truce {
    /// For interfaces, or with `None` for all, as long as a question may take. Whose own pause
    /// stands keeps that one. Where it cannot be noted the change is made all the same.
    pub fn of(interfaces: &[Option<InterfaceName>], time: Duration) -> Self {
        let pause = |interface: &Option<InterfaceName>| Pause {
            interface: interface.clone(),
            until: since_start() + time + MARGIN,
            who: "apply".to_owned(),
            reason: Some("a change waits to be confirmed".to_owned()),
        };
        let mut wanted: Vec<Pause> = interfaces.iter().map(pause).collect();
        let noted = change_pauses(|all| {
            wanted.retain(|pause| all.iter().all(|other| other.interface != pause.interface));
            for pause in &wanted {
                all.add(pause.clone());
            }
        });
        Self(noted.map_or_else(|_| Vec::new(), |()| wanted))
    }
}

impl Drop for Truce {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        // Where that fails they end by themselves.
        let _ = change_pauses(|all| {
            for pause in &self.0 {
                all.withdraw(pause);
            }
        });
    }
}
