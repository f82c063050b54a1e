//! The machine that stands in for this one in a trial. What the file names is there, and what DHCP
//! and its like would bring is made up from what the lines take for granted.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::migrate::lines::ScriptedStanza;
use crate::routing::{Family, InterfaceAddress, InterfaceName, Prefix};
use crate::stanza::own_address;

/// What stands in for the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// The devices.
    pub devices: Vec<String>,
    /// Addresses, with their lengths, that devices have from elsewhere than the file.
    pub addresses: Vec<(String, String)>,
    /// Routers that are reached directly by a device.
    pub routers: Vec<(String, IpAddr)>,
    /// Files in `/etc` that are others than this machine's.
    pub files: Vec<(PathBuf, String)>,
    /// The interfaces to bring up, in order.
    pub interfaces: Vec<String>,
    /// Those of the devices that are bridges.
    pub bridges: Vec<String>,
    /// Whether interfaces are also brought up alone, in the other order, and once more.
    pub turns: bool,
    /// The program that the hooks lead to.
    pub program: PathBuf,
}

impl Machine {
    /// The machine for some stanzas, whose hooks lead to a program.
    pub fn for_stanzas(stanzas: &[ScriptedStanza], program: PathBuf) -> Self {
        let mut machine = Self {
            program,
            turns: true,
            ..Self::default()
        };
        for stanza in stanzas {
            push_new(&mut machine.interfaces, stanza.call.interface.clone());
            machine.add_devices(stanza);
            machine.add_bridge(stanza);
            machine.add_from_elsewhere(stanza);
        }
        machine
    }

    /// The device of a stanza, and those that its lines name.
    fn add_devices(&mut self, stanza: &ScriptedStanza) {
        let own = stanza.call.interface.as_str();
        let named = values(stanza, &["dev", "iif", "oif"]);
        for name in [own].into_iter().chain(named) {
            let Ok(name) = name.parse::<InterfaceName>() else {
                continue;
            };
            let device = name.device().as_str().to_owned();
            // Not what the shell would have filled in.
            let is_name = super::trial_text::is_plain(&device);
            if is_name && device != "lo" {
                push_new(&mut self.devices, device);
            }
        }
    }

    /// The bridge that a stanza is about, if it is about one, and the devices that it names as its
    /// ports.
    fn add_bridge(&mut self, stanza: &ScriptedStanza) {
        let mut options = stanza.variables.iter();
        let ports = options.find(|(name, _)| name == "IF_BRIDGE_PORTS");
        let Some((_, ports)) = ports else {
            return;
        };
        if let Ok(name) = stanza.call.interface.parse::<InterfaceName>() {
            push_new(&mut self.bridges, name.device().as_str().to_owned());
        }
        for port in ports.split_whitespace().filter(|port| *port != "none") {
            let is_name =
                port.parse::<InterfaceName>().is_ok() && super::trial_text::is_plain(port);
            if is_name && !matches!(port, "all" | "regex") {
                push_new(&mut self.devices, port.to_owned());
            }
        }
    }

    /// The same machine without some interfaces, which are not brought up.
    pub fn without(mut self, names: &[String]) -> Self {
        self.interfaces.retain(|name| !names.contains(name));
        self
    }

    /// Addresses and routers of an interface that something else than its stanza configures.
    fn add_from_elsewhere(&mut self, stanza: &ScriptedStanza) {
        let call = &stanza.call;
        let Ok(name) = call.interface.parse::<InterfaceName>() else {
            return;
        };
        if call.method == "loopback" {
            return;
        }
        let device = name.device().as_str().to_owned();
        let own = own_address(call).filter(|_| call.method == "static");
        let mut networks: Vec<Prefix> = own.iter().map(InterfaceAddress::network).collect();
        if own.is_none() && !adds_addresses(stanza) {
            for address in values(stanza, &["from", "src"]).filter_map(host) {
                let length = match Family::of(address) {
                    Family::Inet => 24,
                    Family::Inet6 => 64,
                };
                networks.push(Prefix::around(address, length));
                let address = format!("{address}/{length}");
                push_new(&mut self.addresses, (device.clone(), address));
            }
        }
        for router in values(stanza, &["via"]).filter_map(host) {
            let link_local = matches!(router, IpAddr::V6(router) if router.is_unicast_link_local());
            let near = networks.iter().any(|network| network.contains(router));
            if !near && !link_local {
                push_new(&mut self.routers, (device.clone(), router));
            }
        }
    }
}

fn push_new<T: PartialEq>(all: &mut Vec<T>, new: T) {
    if !all.contains(&new) {
        all.push(new);
    }
}

/// Whether a line gives the interface an address itself: `ip addr add`.
fn adds_addresses(stanza: &ScriptedStanza) -> bool {
    let mut lines = stanza.lines.iter();
    lines.any(|line| {
        let words = line.command.words();
        words.iter().skip(1).any(|word| word.starts_with("addr"))
    })
}

/// The words in a stanza's lines that stand behind one of some keywords.
fn values<'a>(stanza: &'a ScriptedStanza, keywords: &'a [&str]) -> impl Iterator<Item = &'a str> {
    stanza.lines.iter().flat_map(|line| {
        let words = line.command.words();
        let behind = words.clone().into_iter().skip(1);
        let pairs = words.into_iter().zip(behind);
        let pairs = pairs.filter(|(keyword, _)| keywords.contains(keyword));
        pairs.map(|(_, value)| value.trim_end_matches([';', '&', '|', ')', '"', '\'']))
    })
}

/// An address, or a prefix that is one.
fn host(word: &str) -> Option<IpAddr> {
    let prefix: Prefix = word.parse().ok()?;
    prefix.is_host().then(|| prefix.address())
}
