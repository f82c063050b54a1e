//! The interfaces that are up, with their stanzas as the file has them now.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::command::Trouble;
use crate::converge::{count_unnoted, of_records, of_stanzas};
use crate::ifupdown::interfaces::{main_file, Device, Interfaces, Selection};
use crate::ifupdown::{Caller, HookCall, Ifstate, UpInterface};
use crate::netlink::Kernel;
use crate::record::{Record, Store};
use crate::routing::InterfaceName;

/// The names of all devices; none where they cannot be listed.
fn device_names() -> HashSet<String> {
    let listed = Kernel::open().and_then(|mut kernel| kernel.device_names());
    listed.unwrap_or_default()
}

/// Tells devices apart by their numbers, since each may have several names (altnames of ip-link(8)).
struct ByNumber(Option<Kernel>);

impl ByNumber {
    fn new() -> Self {
        Self(Kernel::open().ok())
    }

    /// A name that all names of an interface's device have in common.
    fn device(&mut self, interface: &InterfaceName) -> InterfaceName {
        let device = interface.device();
        match &mut self.0 {
            Some(kernel) => kernel.devices().same(&device),
            None => device,
        }
    }
}

/// The names that the device of an interface has in records, the interface's own first.
pub fn names_in_records(interface: &InterfaceName) -> Vec<InterfaceName> {
    let mut names = vec![interface.clone()];
    if interface.device() == *interface {
        let mut devices = ByNumber::new();
        let own = devices.device(interface);
        let others = Store::devices().filter(|other| other != interface);
        names.extend(others.filter(|other| devices.device(other) == own));
    }
    names
}

/// Which interfaces are up, and the file that says what they should have.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
    file: Interfaces,
    ifstate: Ifstate,
    /// How many of those that are up are noted. The others stand behind them.
    noted: usize,
    /// Whether all of it is in the dialect that the command line says.
    is_said: bool,
}

impl Running {
    /// Reads what ifup notes, and `file` or else `/etc/network/interfaces`.
    /// Errors: one of them cannot be read, or ifup would refuse the file.
    pub fn read(file: Option<&str>, said: Option<Caller>) -> Result<Self, Trouble> {
        let caller = said.unwrap_or_else(|| Caller::of_host(Path::new("/")));
        let path = file.map_or_else(|| main_file(caller), PathBuf::from);
        let read = Interfaces::read_as(&path, caller);
        Self::of(path, read, said.is_some())
    }

    /// As [`Running::read`], of a file that has been read.
    /// Errors: as there.
    pub fn of(path: PathBuf, file: Interfaces, is_said: bool) -> Result<Self, Trouble> {
        if let Some((file, fault)) = file.refused() {
            let (path, line) = (file.path.display(), fault.number);
            let kind = &fault.kind;
            return Err(Trouble::Failed(format!("{path}:{line}: {kind}")));
        }
        // Whoever may not read a sourced file, or will not, would take its stanzas for deleted.
        let denied = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::Other
            )
        };
        let mut unread = file.unread.iter();
        if let Some((path, error)) =
            unread.find(|(_, error)| file.files.is_empty() || denied(error))
        {
            let path = path.display();
            return Err(Trouble::Failed(format!("cannot read {path}: {error}")));
        }
        let ifstate = ifstate()?;
        let mut running = Self {
            path,
            file,
            noted: ifstate.up.len(),
            ifstate,
            is_said,
        };
        running.look_for_unnoted();
        Ok(running)
    }

    /// Counts what ifupdown2 has brought up, and has not noted.
    fn look_for_unnoted(&mut self) {
        if !self.ifstate.is_of_ifupdown2 {
            return;
        }
        let names = self.file.stanzas().map(|stanza| &stanza.definition.name);
        let names: BTreeSet<InterfaceName> = names.filter_map(|name| name.parse().ok()).collect();
        let all: Vec<UpInterface> = names.into_iter().map(UpInterface::as_named).collect();
        let mut signs = of_stanzas(&self.file.calls_of(&all));
        let records: Vec<Record> = Store::devices().map(|own| Store::peek(&own)).collect();
        signs.extend(of_records(&records));
        if let Ok(mut kernel) = Kernel::open() {
            count_unnoted(&mut self.ifstate, &mut kernel, signs);
        }
    }

    /// What was up, as it is noted, when this was read.
    pub fn noted_up(&self) -> impl Iterator<Item = &InterfaceName> {
        let noted = self.ifstate.up.iter().take(self.noted);
        noted.map(|up| &up.interface)
    }

    /// What is up now.
    /// Errors: it cannot be read.
    pub fn up_now() -> Result<Vec<UpInterface>, Trouble> {
        Ok(ifstate()?.up)
    }

    /// Of these devices those that an ifdown has begun to take down since this was read. Of what was not
    /// noted then that is not known.
    /// Errors: it cannot be read.
    pub fn down_since(&self, devices: &[Device]) -> Result<HashSet<InterfaceName>, Trouble> {
        let now = ifstate()?;
        if !now.is_complete {
            return Ok(HashSet::new());
        }
        let mut by_number = ByNumber::new();
        let up = now.up.iter().map(|up| by_number.device(&up.interface));
        let up: HashSet<InterfaceName> = up.collect();
        let then = self.noted_up().map(|own| by_number.device(own));
        let then: HashSet<InterfaceName> = then.collect();
        let names = devices.iter().map(|device| &device.name);
        let down = names.filter(|name| {
            let device = by_number.device(name);
            then.contains(&device) && !up.contains(&device)
        });
        Ok(down.cloned().collect())
    }

    /// The devices of these interfaces, or of all in the file, as if they were up. A stanza that
    /// others inherit, or a mapping chooses, is of no interface where no device has its name.
    /// Errors: an interface is neither up nor in the file.
    pub fn devices_of_file(&self, interfaces: &[InterfaceName]) -> Result<Vec<Device>, Trouble> {
        let mut up = self.up();
        // Where it is not known what is up, the plan is that of ifup.
        let noted = up.iter().filter(|_| self.ifstate.is_complete);
        let before: HashSet<InterfaceName> = noted.map(|up| up.interface.device()).collect();
        let selection = Selection::of(self.file.blocks());
        let named: HashSet<&str> = interfaces.iter().map(InterfaceName::as_str).collect();
        let is_named = |name: &str| named.contains(name);
        let devices = device_names();
        let is_model = |name: &str| {
            let device = name.split(':').next().unwrap_or(name);
            selection.is_model(name) && !devices.contains(device)
        };
        let mut seen: HashSet<String> = up.iter().map(|up| up.logical().to_owned()).collect();
        let all = self.file.stanzas().map(|stanza| &stanza.definition.name);
        for name in all.filter(|name| is_named(name) || !is_model(name)) {
            if seen.insert(name.clone()) {
                up.extend(name.parse().ok().map(UpInterface::as_named));
            }
        }
        let mut by_number = ByNumber::new();
        if let Some(interface) = first_unknown(&up, interfaces, &mut by_number) {
            return Err(Trouble::Failed(format!(
                "{interface} is neither up nor in the file"
            )));
        }
        retain_those_on(&mut up, interfaces, &mut by_number);
        let mut devices = self.known_devices(up, interfaces)?;
        for device in &mut devices {
            device.is_up = before.contains(&device.name);
        }
        Ok(devices)
    }

    /// The devices of these interfaces, or all that something is up on.
    /// Errors: an interface is not up.
    pub fn devices(&self, interfaces: &[InterfaceName]) -> Result<Vec<Device>, Trouble> {
        self.known_devices(self.chosen(interfaces)?, interfaces)
    }

    /// The devices of what is up, but for those of which a template may say what nobody has read.
    /// Errors: one of these is among the interfaces that were named.
    fn known_devices(
        &self,
        up: Vec<UpInterface>,
        named: &[InterfaceName],
    ) -> Result<Vec<Device>, Trouble> {
        let mut devices = self.devices_by_dialect(up);
        devices.retain(|device| !self.file.may_be_templated(device.name.as_str()));
        for interface in named {
            let device = interface.device();
            let known = devices.iter().any(|known| known.name == device);
            if let Some(path) = self.file.templated.first().filter(|_| !known) {
                let path = path.display();
                return Err(Trouble::Failed(format!(
                    "what {interface} shall have may stand in {path}, a template, which is not read \
                     here; ifreload -a serves it"
                )));
            }
        }
        Ok(devices)
    }

    /// The devices of what is up, each as the program that brought it up reads the file: a host may
    /// have two of them.
    fn devices_by_dialect(&self, up: Vec<UpInterface>) -> Vec<Device> {
        if self.is_said || !self.ifstate.has_others {
            return self.file.devices(up);
        }
        let own = self.file.caller;
        let mut order: Vec<InterfaceName> = Vec::new();
        let mut dialects: BTreeMap<&'static str, (Caller, Vec<UpInterface>)> = BTreeMap::new();
        for up in up {
            let device = up.interface.device();
            let caller = Store::peek(&device).caller().unwrap_or(own);
            order.push(device);
            let of_caller = dialects.entry(caller.as_str());
            of_caller.or_insert((caller, Vec::new())).1.push(up);
        }
        let mut devices = Vec::new();
        for (caller, up) in dialects.into_values() {
            let other = (caller != own).then(|| Interfaces::read_as(&self.path, caller));
            // A host that has changed its program may have a file that only the new one reads.
            let other = other.filter(|file| file.refused().is_none() && file.unread.is_empty());
            devices.extend(other.as_ref().unwrap_or(&self.file).devices(up));
        }
        let places = order.iter().enumerate().rev();
        let places: HashMap<&InterfaceName, usize> = places.map(|(n, name)| (name, n)).collect();
        devices.sort_by_key(|device| places.get(&device.name).copied());
        devices
    }

    /// The files that were not read because they are templates.
    pub fn templates(&self) -> &[PathBuf] {
        &self.file.templated
    }

    /// What is up of some interfaces, or all that is.
    fn chosen(&self, interfaces: &[InterfaceName]) -> Result<Vec<UpInterface>, Trouble> {
        let mut up = self.up();
        let mut by_number = ByNumber::new();
        match first_unknown(&up, interfaces, &mut by_number) {
            Some(interface) if self.ifstate.is_complete => {
                // ifup may have stopped half way, and then refuses the address that is there.
                let remedy = match self.file.caller {
                    Caller::Ifupdown => {
                        format!(", or where that has failed: ifdown --force {interface}; ifup {interface}")
                    }
                    Caller::Ifupdown2 | Caller::IfupdownNg => String::new(),
                };
                return Err(Trouble::Failed(format!(
                    "{interface} is not up; run: ifup {interface}{remedy}"
                )));
            }
            _ => {}
        }
        // An alias has no record of its own: what is up on a device is seen as a whole.
        retain_those_on(&mut up, interfaces, &mut by_number);
        // Where it is not known what is up, who names an interface knows better.
        let unknown = |interface: &&InterfaceName| {
            !self.ifstate.is_complete && !up.iter().any(|up| up.interface == **interface)
        };
        let unknown: Vec<InterfaceName> = interfaces.iter().filter(unknown).cloned().collect();
        up.extend(unknown.into_iter().map(UpInterface::as_named));
        Ok(up)
    }

    /// What is up. Where ifup leaves no note that can be read, the devices of the file that are
    /// there count.
    fn up(&self) -> Vec<UpInterface> {
        if self.ifstate.is_complete {
            return self.ifstate.up.clone();
        }
        let names = self.file.stanzas().map(|stanza| &stanza.definition.name);
        // An interface may have several stanzas, anywhere in the file.
        let mut seen = HashSet::new();
        let names = names.filter(|name| seen.insert(name.as_str()));
        let mut interfaces: Vec<InterfaceName> =
            names.filter_map(|name| name.parse().ok()).collect();
        let devices = device_names();
        interfaces.retain(|interface| devices.contains(interface.device().as_str()));
        interfaces.into_iter().map(UpInterface::as_named).collect()
    }

    /// The stanzas of an interface, under its own name if it is not up, and of its aliases that
    /// are up.
    pub fn stanzas(&self, interface: &InterfaceName) -> Vec<HookCall> {
        let mut up = self.up();
        up.retain(|up| up.is_on(interface));
        if !up.iter().any(|up| up.interface == *interface) {
            up.push(UpInterface::as_named(interface.clone()));
        }
        self.file.calls_of(&up)
    }
}

fn ifstate() -> Result<Ifstate, Trouble> {
    let read = Ifstate::below(Path::new("/"));
    read.map_err(|error| Trouble::Failed(format!("cannot read which interfaces are up: {error}")))
}

/// The first interface that is not among what is up, and has nothing up on its device.
fn first_unknown<'a>(
    up: &[UpInterface],
    interfaces: &'a [InterfaceName],
    devices: &mut ByNumber,
) -> Option<&'a InterfaceName> {
    if interfaces.is_empty() {
        return None;
    }
    let on: HashSet<_> = up.iter().map(|up| devices.device(&up.interface)).collect();
    let known: HashSet<_> = up.iter().map(|up| &up.interface).collect();
    let mut unknown = interfaces.iter().filter(|interface| {
        let is_device = interface.device() == **interface;
        !(known.contains(interface) || is_device && on.contains(&devices.device(interface)))
    });
    unknown.next()
}

/// Leaves what is up on the devices of some interfaces; all where none is named.
fn retain_those_on(
    up: &mut Vec<UpInterface>,
    interfaces: &[InterfaceName],
    devices: &mut ByNumber,
) {
    if !interfaces.is_empty() {
        let named = interfaces.iter().map(|named| devices.device(named));
        let named: HashSet<_> = named.collect();
        up.retain(|up| named.contains(&devices.device(&up.interface)));
    }
}
