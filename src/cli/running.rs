//! The interfaces that are up, with their stanzas as the file has them now.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use nix::ifaddrs::getifaddrs;

use super::command::Trouble;
use crate::ifupdown::interfaces::{Interfaces, Selection, StanzaInForce, FILE};
use crate::ifupdown::{HookCall, Ifstate, Up};
use crate::routing::InterfaceName;

/// A device, with all that is up on it.
#[derive(Debug)]
pub struct Device {
    /// Its name.
    pub name: InterfaceName,
    /// The stanzas of it and its aliases, in the order in which they came up.
    pub calls: Vec<HookCall>,
    /// What is up on it without a stanza in the file, or with one that runs no hooks.
    pub without_stanza: Vec<InterfaceName>,
}

/// What is up, and the file.
#[derive(Debug)]
pub struct Running {
    file: Interfaces,
    ifstate: Ifstate,
}

impl Running {
    /// Reads what ifup notes, and `file` or else `/etc/network/interfaces`.
    /// Errors: one of them cannot be read, or ifup would refuse the file.
    pub fn read(file: Option<&str>) -> Result<Self, Trouble> {
        let file = Interfaces::read(Path::new(file.unwrap_or(FILE)));
        if let Some((file, fault)) = file.refused() {
            let (path, line) = (file.path.display(), fault.number);
            let kind = &fault.kind;
            return Err(Trouble::Failed(format!("{path}:{line}: {kind}")));
        }
        // Whoever may not read a sourced file would take its stanzas for deleted.
        let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let mut unread = file.unread.iter();
        if let Some((path, error)) =
            unread.find(|(_, error)| file.files.is_empty() || denied(error))
        {
            let path = path.display();
            return Err(Trouble::Failed(format!("cannot read {path}: {error}")));
        }
        let ifstate = Ifstate::below(Path::new("/"));
        let ifstate = ifstate.map_err(|error| {
            Trouble::Failed(format!("cannot read which interfaces are up: {error}"))
        })?;
        Ok(Self { file, ifstate })
    }

    /// The devices of these interfaces, or of all in the file, as if they were up. A stanza that
    /// others inherit, or a mapping chooses, is of no interface where no device has its name.
    /// Errors: an interface is neither up nor in the file.
    pub fn devices_of_file(&self, interfaces: &[InterfaceName]) -> Result<Vec<Device>, Trouble> {
        let mut up = self.up();
        let usage = Selection::of(self.file.blocks());
        let is_named = |name: &str| interfaces.iter().any(|named| named.as_str() == name);
        let devices = there();
        let is_model = |name: &str| {
            let device = name.split(':').next().unwrap_or(name);
            usage.is_model(name) && !devices.contains(device)
        };
        let mut seen: HashSet<String> = up.iter().map(|up| up.logical().to_owned()).collect();
        let all = self.file.stanzas().map(|stanza| &stanza.definition.name);
        for name in all.filter(|name| is_named(name) || !is_model(name)) {
            if seen.insert(name.clone()) {
                up.extend(name.parse().ok().map(as_named));
            }
        }
        for interface in interfaces {
            let is_it = |up: &Up| up.interface == *interface || up.interface.device() == *interface;
            if !up.iter().any(is_it) {
                return Err(Trouble::Failed(format!(
                    "{interface} is neither up nor in the file"
                )));
            }
        }
        up.retain(|up| {
            let mut devices = interfaces.iter().map(InterfaceName::device);
            interfaces.is_empty() || devices.any(|device| device == up.interface.device())
        });
        Ok(self.gathered(up))
    }

    /// The devices of these interfaces, or all that something is up on.
    /// Errors: an interface is not up.
    pub fn devices(&self, interfaces: &[InterfaceName]) -> Result<Vec<Device>, Trouble> {
        Ok(self.gathered(self.chosen(interfaces)?))
    }

    fn gathered(&self, up: Vec<Up>) -> Vec<Device> {
        let stanzas = self.file.stanzas_with_hooks();
        let mut devices: Vec<Device> = Vec::new();
        let mut places: HashMap<InterfaceName, usize> = HashMap::new();
        for up in up {
            let calls = calls(&stanzas, &up);
            let place = *places
                .entry(up.interface.device())
                .or_insert_with_key(|name| {
                    devices.push(Device {
                        name: name.clone(),
                        calls: Vec::new(),
                        without_stanza: Vec::new(),
                    });
                    devices.len() - 1
                });
            if let Some(device) = devices.get_mut(place) {
                if calls.is_empty() {
                    device.without_stanza.push(up.interface);
                }
                device.calls.extend(calls);
            }
        }
        devices
    }

    fn chosen(&self, interfaces: &[InterfaceName]) -> Result<Vec<Up>, Trouble> {
        for interface in interfaces {
            let is_it = |up: &Up| up.interface == *interface || up.interface.device() == *interface;
            if self.ifstate.is_complete && !self.up().iter().any(is_it) {
                return Err(Trouble::Failed(format!("{interface} is not up")));
            }
        }
        // An alias has no record of its own: what is up on a device is seen as a whole.
        let is_wanted = |up: &Up| {
            let mut devices = interfaces.iter().map(InterfaceName::device);
            interfaces.is_empty() || devices.any(|device| device == up.interface.device())
        };
        let mut up = self.up();
        up.retain(is_wanted);
        // Where it is not known what is up, who names an interface knows better.
        let unknown = |interface: &&InterfaceName| {
            !self.ifstate.is_complete && !up.iter().any(|up| up.interface == **interface)
        };
        let unknown: Vec<Up> = interfaces
            .iter()
            .filter(unknown)
            .cloned()
            .map(as_named)
            .collect();
        up.extend(unknown);
        Ok(up)
    }

    /// What is up. Where ifup leaves no note that can be read, the devices of the file that are
    /// there count.
    fn up(&self) -> Vec<Up> {
        if self.ifstate.is_complete {
            return self.ifstate.up.clone();
        }
        let names = self.file.stanzas().map(|stanza| &stanza.definition.name);
        // An interface may have several stanzas, anywhere in the file.
        let mut interfaces: Vec<InterfaceName> = Vec::new();
        for name in names.filter_map(|name| name.parse().ok()) {
            if !interfaces.contains(&name) {
                interfaces.push(name);
            }
        }
        let devices = there();
        interfaces.retain(|interface| devices.contains(interface.device().as_str()));
        interfaces.into_iter().map(as_named).collect()
    }

    /// The stanzas of an interface, under its own name if it is not up, and of its aliases that
    /// are up.
    pub fn stanzas(&self, interface: &InterfaceName) -> Vec<HookCall> {
        let is_it = |up: &Up| up.interface == *interface || up.interface.device() == *interface;
        let mut up = self.up();
        up.retain(is_it);
        if !up.iter().any(|up| up.interface == *interface) {
            up.push(as_named(interface.clone()));
        }
        let stanzas = self.file.stanzas_with_hooks();
        up.iter().flat_map(|up| calls(&stanzas, up)).collect()
    }
}

/// The hook's calls for what is up, of the stanzas that there are by logical name.
fn calls(stanzas: &HashMap<&str, Vec<&StanzaInForce>>, up: &Up) -> Vec<HookCall> {
    let stanzas = stanzas.get(up.logical()).into_iter().flatten();
    stanzas
        .filter_map(|stanza| stanza.definition.call(up.interface.as_str()))
        .collect()
}

/// The names of the devices. Of one that is asked for by its name and is not there, the kernel
/// would look for a module to load.
fn there() -> HashSet<String> {
    let entries = getifaddrs().into_iter().flatten();
    entries.map(|entry| entry.interface_name).collect()
}

/// An interface that is up under its own name, as far as is known.
fn as_named(interface: InterfaceName) -> Up {
    Up {
        interface,
        logical: None,
    }
}
