//! The devices that stanzas are for: each with its aliases, and with the stanzas of all of them.

use std::collections::{HashMap, HashSet};

use super::selection::Selection;
use super::sourced::{Interfaces, StanzaInForce};
use crate::ifupdown::{Caller, HookCall, UpInterface};
use crate::routing::InterfaceName;

/// A device, with all that is up on it.
#[derive(Debug)]
pub struct Device {
    pub name: InterfaceName,
    /// Whether ifup has brought anything on it up.
    pub is_up: bool,
    /// The stanzas of it and its aliases, in the order in which `ifup -a` takes them.
    pub calls: Vec<HookCall>,
    /// What is up on it without a stanza in the file, or with one that runs no hooks.
    pub without_stanza: Vec<InterfaceName>,
    /// What is up on it with options in its stanza, and has no hooks run for it.
    pub without_hooks: Vec<InterfaceName>,
}

impl Device {
    fn new(name: InterfaceName) -> Self {
        Self {
            name,
            is_up: true,
            calls: Vec::new(),
            without_stanza: Vec::new(),
            without_hooks: Vec::new(),
        }
    }
}

impl Interfaces {
    /// The devices of what is up, with the stanzas that it was brought up from.
    pub fn devices(&self, up: impl IntoIterator<Item = UpInterface>) -> Vec<Device> {
        let stanzas = self.stanzas_with_hooks();
        let quiet = self.stanzas_without_hooks();
        let up = self.in_order(up.into_iter().collect());
        let mut devices: Vec<Device> = Vec::new();
        let mut places: HashMap<InterfaceName, usize> = HashMap::new();
        for up in up {
            let calls = calls(&stanzas, &up);
            let place = *places
                .entry(up.interface.device())
                .or_insert_with_key(|name| {
                    devices.push(Device::new(name.clone()));
                    devices.len() - 1
                });
            let Some(device) = devices.get_mut(place) else {
                continue;
            };
            let mut of_quiet = self::calls(&quiet, &up).into_iter();
            if of_quiet.any(|call| !call.options.is_empty()) {
                device.without_hooks.push(up.interface.clone());
            }
            if calls.is_empty() {
                device.without_stanza.push(up.interface);
            }
            device.calls.extend(calls);
        }
        devices
    }

    /// What is up, on each device in the order of a fresh start and not in that of the last ones to
    /// come up: an interface that was taken down and up again has not changed the file. What no
    /// `auto` line names comes behind, in the order of the stanzas.
    fn in_order(&self, mut up: Vec<UpInterface>) -> Vec<UpInterface> {
        let mut devices: HashMap<InterfaceName, usize> = HashMap::new();
        for up in &up {
            let next = devices.len();
            devices.entry(up.interface.device()).or_insert(next);
        }
        let selection = Selection::of(self.blocks());
        let mut names: HashMap<&str, usize> = HashMap::new();
        for (place, stanza) in self.stanzas().enumerate() {
            names.entry(&stanza.definition.name).or_insert(place);
        }
        up.sort_by_cached_key(|up| {
            let started = selection.place_of_auto(up.interface.as_str());
            let written = names.get(up.logical()).copied();
            (
                devices.get(&up.interface.device()).copied(),
                started.unwrap_or(usize::MAX),
                written,
            )
        });
        up
    }

    /// The interfaces of the file in the order in which a fresh `ifup -a` of ifupdown comes to them:
    /// first those behind `auto`, then by their stanzas. Where it is ifupdown2 that reads the file, an
    /// alias comes up with its device.
    pub fn interfaces_in_order(&self) -> Vec<InterfaceName> {
        let stanzas = self.stanzas().map(|stanza| stanza.definition.name.as_str());
        let names = self.selected("auto").chain(stanzas);
        let mut seen = HashSet::new();
        let names = names.filter(|name| seen.insert(*name));
        let mut all: Vec<InterfaceName> = names.filter_map(|name| name.parse().ok()).collect();
        if self.caller == Caller::Ifupdown2 && all.iter().any(|it| it.as_str().contains(':')) {
            let mut places: HashMap<InterfaceName, usize> = HashMap::new();
            for (place, interface) in all.iter().enumerate() {
                places.entry(interface.device()).or_insert(place);
            }
            all.sort_by_cached_key(|it| {
                let device = it.device();
                (places.get(&device).copied(), device != *it)
            });
        }
        all
    }

    /// The hook's calls for what is up, one after another.
    pub fn calls_of<'a>(&self, up: impl IntoIterator<Item = &'a UpInterface>) -> Vec<HookCall> {
        let stanzas = self.stanzas_with_hooks();
        let up = up.into_iter();
        up.flat_map(|up| calls(&stanzas, up)).collect()
    }
}

/// The hook's calls for what is up, of the stanzas that there are by logical name.
fn calls(stanzas: &HashMap<&str, Vec<&StanzaInForce>>, up: &UpInterface) -> Vec<HookCall> {
    let stanzas = stanzas.get(up.logical()).into_iter().flatten();
    stanzas
        .flat_map(|stanza| stanza.definition.calls(up.interface.as_str()))
        .collect()
}
