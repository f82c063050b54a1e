//! What is in force at a moment, and the way back to it: for `apply --confirm`.

use super::outcome::Failure;
use super::put_in::{put_in, Known};
use super::stanza::settle;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Part, Store, Takeover};
use crate::routing::{InterfaceName, State};

/// What of ours is in force, by device and stanza.
#[derive(Debug)]
pub struct Snapshot {
    /// All that bears our protocol.
    all: State,
    /// Of the records, what is there.
    devices: Vec<(InterfaceName, Vec<Part>)>,
    /// What is in none of them.
    unclaimed: State,
}

fn in_force(kernel: &mut Kernel) -> Result<State, KernelError> {
    Ok(kernel.ours()?.into_iter().collect())
}

impl Snapshot {
    /// Takes one, without waiting for a lock.
    pub fn take(kernel: &mut Kernel) -> Result<Self, KernelError> {
        let all = in_force(kernel)?;
        let mut unclaimed = all.clone();
        let mut devices = Vec::new();
        for device in Store::devices() {
            let mut parts = Store::peek(&device).parts().to_vec();
            for part in &mut parts {
                part.state = part.state.only(&all);
                unclaimed = unclaimed.without(&part.state);
            }
            devices.push((device, parts));
        }
        Ok(Self {
            all,
            devices,
            unclaimed,
        })
    }

    /// Whether the same routes and rules are in force.
    pub fn is_still_so(&self, kernel: &mut Kernel) -> Result<bool, KernelError> {
        Ok(in_force(kernel)? == self.all)
    }

    /// Goes back to it, as far as that can be done; returns what failed.
    pub fn restore(&self) -> Vec<(InterfaceName, Failure)> {
        let mut failures = Vec::new();
        for (device, parts) in &self.devices {
            restore_device(device, parts, &mut failures);
        }
        let is_known =
            |device: &InterfaceName| self.devices.iter().any(|(known, _)| known == device);
        for device in Store::devices().filter(|device| !is_known(device)) {
            restore_device(&device, &[], &mut failures);
        }
        if let Ok(mut kernel) = Kernel::open() {
            let nothing = State::default();
            let known = Known {
                previous: &nothing,
                claimed: &nothing,
                shared: &nothing,
            };
            // What nobody claims may be refused without harm to anybody.
            let _ = put_in(&mut kernel, &self.unclaimed, &known);
        }
        failures
    }
}

/// Goes back to the parts that a device had.
fn restore_device(
    device: &InterfaceName,
    parts: &[Part],
    failures: &mut Vec<(InterfaceName, Failure)>,
) {
    let former = parts.iter().map(|part| &part.heading);
    for takeover in Takeover::of_former(former, &Store::peek(device)) {
        let mut before = parts.iter();
        let before = before.find(|part| part.heading == takeover.heading);
        let wanted = before.map_or_else(State::default, |part| part.state.clone());
        let settled = Kernel::open()
            .map_err(Failure::from)
            .and_then(|mut kernel| settle(&mut kernel, device, &takeover, &wanted));
        if let Err(failure) = settled {
            failures.push((device.clone(), failure));
        }
    }
}
