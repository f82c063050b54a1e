//! The machine that stands in for this one when a configuration is tried. What the file names is
//! there, and what DHCP and its like would bring is made up from what the lines say.

use std::net::IpAddr;
use std::path::PathBuf;

use super::namespaces::Machine;
use crate::migrate::lines::ScriptedStanza;
use crate::routing::{Family, InterfaceAddress, InterfaceName, Prefix};
use crate::stanza::own_address;

/// The machine for some stanzas, whose hooks lead to a program.
pub fn machine(stanzas: &[ScriptedStanza], program: PathBuf) -> Machine {
    let mut machine = Machine {
        program,
        ..Machine::default()
    };
    for stanza in stanzas {
        let name = &stanza.call.interface;
        if !machine.names.contains(name) {
            machine.names.push(name.clone());
        }
        let device = name.parse::<InterfaceName>().ok().map(|name| name.device());
        let named = stanza
            .lines
            .iter()
            .flat_map(|line| values(&line.text, &["dev", "iif", "oif"]));
        let named = named.filter_map(|name| Some(name.parse::<InterfaceName>().ok()?.device()));
        for device in device.into_iter().chain(named) {
            let device = device.as_str().to_owned();
            // Not what the shell would have filled in.
            let is_name = !device.contains(['$', '"', '\'', '`', ';', '&', '|', '(']);
            if is_name && device != "lo" && !machine.devices.contains(&device) {
                machine.devices.push(device);
            }
        }
        from_elsewhere(stanza, &mut machine);
    }
    machine
}

/// The words of a line that stand behind one of some keywords.
fn values<'a>(text: &'a str, keywords: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let behind = text.split_whitespace().skip(1);
    let pairs = text.split_whitespace().zip(behind);
    let pairs = pairs.filter(|(keyword, _)| keywords.contains(keyword));
    pairs.map(|(_, value)| value.trim_end_matches([';', '&', '|', ')', '"', '\'']))
}

/// Addresses and routers of an interface that something else than its stanza configures: those
/// that its lines take for granted.
fn from_elsewhere(stanza: &ScriptedStanza, machine: &mut Machine) {
    let Ok(name) = stanza.call.interface.parse::<InterfaceName>() else {
        return;
    };
    let device = name.device().as_str().to_owned();
    if stanza.call.method == "loopback" {
        return;
    }
    let own = own_address(&stanza.call).filter(|_| stanza.call.method == "static");
    let mut networks: Vec<Prefix> = own.iter().map(InterfaceAddress::network).collect();
    let adds_its_own = stanza.lines.iter().any(|line| line.text.contains(" addr"));
    if own.is_none() && !adds_its_own {
        let addresses = stanza
            .lines
            .iter()
            .flat_map(|line| values(&line.text, &["from", "src"]));
        for address in addresses.filter_map(host) {
            let length = match Family::of(address) {
                Family::Inet => 24,
                Family::Inet6 => 64,
            };
            networks.push(Prefix::around(address, length));
            let address = (device.clone(), format!("{address}/{length}"));
            if !machine.addresses.contains(&address) {
                machine.addresses.push(address);
            }
        }
        let routers = stanza
            .lines
            .iter()
            .flat_map(|line| values(&line.text, &["via"]));
        for router in routers.filter_map(host) {
            let link_local = matches!(router, IpAddr::V6(router) if router.is_unicast_link_local());
            let near = networks.iter().any(|network| network.contains(router));
            let router = (device.clone(), router);
            if !near && !link_local && !machine.routers.contains(&router) {
                machine.routers.push(router);
            }
        }
    }
}

/// An address, or a prefix that is one.
fn host(word: &str) -> Option<IpAddr> {
    let prefix: Prefix = word.parse().ok()?;
    Some(prefix.address()).filter(|_| prefix.is_host())
}
