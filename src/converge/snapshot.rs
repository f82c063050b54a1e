//! What is in force at a moment, and the way back to it.

use super::error::Failure;
use super::put_in;
use super::settle::settle;
use crate::netlink::{Kernel, KernelError};
use crate::record::{Store, Takeover};
use crate::routing::{InterfaceName, State};

/// What of ours is in force, by device and stanza.
#[derive(Debug)]
pub struct Snapshot {
    /// All that bears our protocol.
    all: State,
    devices: Vec<(InterfaceName, Vec<(String, State)>)>,
    unclaimed: State,
}

fn in_force(kernel: &mut Kernel) -> Result<State, KernelError> {
    Ok(kernel.ours()?.into_iter().collect())
}

impl Snapshot {
    /// Takes one: of what the records say, that which is there.
    pub fn take(kernel: &mut Kernel) -> Result<Self, KernelError> {
        let all = in_force(kernel)?;
        let mut unclaimed = all.clone();
        let mut devices = Vec::new();
        for device in Store::devices() {
            let record = Store::peek(&device);
            let parts = record.sections().iter();
            let parts = parts.map(|part| (part.stanza.clone(), part.state.only(&all)));
            let parts: Vec<(String, State)> = parts.collect();
            for (_, state) in &parts {
                unclaimed = unclaimed.without(state);
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
        let known = self.devices.iter().map(|(device, _)| device.clone());
        let new = Store::devices().filter(|device| self.parts(device).is_empty());
        let devices: Vec<InterfaceName> = known.chain(new).collect();
        for device in devices {
            for (heir, wanted) in self.way_back(&device) {
                let settled = Kernel::open()
                    .map_err(Failure::from)
                    .and_then(|mut kernel| settle(&mut kernel, &device, &heir, &wanted));
                if let Err(failure) = settled {
                    failures.push((device.clone(), failure));
                }
            }
        }
        if let Ok(mut kernel) = Kernel::open() {
            let none = State::default();
            // What nobody claims may be refused without harm to anybody.
            let _ = put_in::up(&mut kernel, &self.unclaimed, &none, &none, &none);
        }
        failures
    }

    fn parts(&self, device: &InterfaceName) -> &[(String, State)] {
        let mut devices = self.devices.iter();
        devices
            .find(|(other, _)| other == device)
            .map_or(&[], |(_, parts)| parts)
    }

    /// What each part goes back to; the first one takes over what the record has gained since.
    fn way_back(&self, device: &InterfaceName) -> Vec<(Takeover, State)> {
        let parts = self.parts(device);
        let is_old = |heading: &String| parts.iter().any(|(old, _)| old == heading);
        let mut new = Store::peek(device).headings("iface");
        new.retain(|heading| !is_old(heading));
        let mut way: Vec<(Takeover, State)> = parts
            .iter()
            .map(|(heading, state)| (Takeover::alone(heading.clone()), state.clone()))
            .collect();
        match way.first_mut() {
            Some((heir, _)) => heir.superseded = new,
            None => way.extend(
                new.into_iter()
                    .map(|heading| (Takeover::alone(heading), State::default())),
            ),
        }
        way
    }
}
