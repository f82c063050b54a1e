//! What ifupdown2 has brought up and not noted. Where a hook of an interface fails, whoever's it is,
//! it ends there: it runs no hook behind that, and notes nothing (measured on 3.0.0). The interface is
//! up all the same, and has its address.

use std::net::IpAddr;

use crate::ifupdown::{HookCall, Ifstate, UpInterface};
use crate::netlink::Kernel;
use crate::record::Record;
use crate::routing::{Family, InterfaceName, Prefix};
use crate::stanza::own_address;

/// Counts as up what is not noted and has one of the addresses that are its own. What cannot be asked
/// is as it is noted.
pub fn count_unnoted(
    ifstate: &mut Ifstate,
    kernel: &mut Kernel,
    own: impl IntoIterator<Item = (InterfaceName, IpAddr)>,
) {
    if !ifstate.is_of_ifupdown2 {
        return;
    }
    for (interface, address) in own {
        let mut noted = ifstate.up.iter();
        if noted.any(|up| up.interface == interface) {
            continue;
        }
        let found = kernel.addresses(&interface.device(), Family::of(address));
        let mut found = found.unwrap_or_default().into_iter();
        if found.any(|assigned| assigned.address.address == address) {
            ifstate.up.push(UpInterface::as_named(interface));
        }
    }
}

/// The addresses that stanzas with options name.
pub fn of_stanzas(calls: &[HookCall]) -> Vec<(InterfaceName, IpAddr)> {
    let calls = calls.iter().filter(|call| !call.options.is_empty());
    let own = calls.filter_map(|call| {
        let own = own_address(call)?;
        Some((call.interface.parse().ok()?, own.address))
    });
    own.collect()
}

/// The addresses that rules in records select on.
pub fn of_records(records: &[(InterfaceName, Record)]) -> Vec<(InterfaceName, IpAddr)> {
    let parts = records.iter().flat_map(|(_, record)| record.parts());
    let own = parts.flat_map(|part| {
        let interface = part.heading.interface().parse::<InterfaceName>().ok();
        let sources = part.state.rules().iter().filter_map(|rule| rule.from);
        let hosts = sources.filter(Prefix::is_host);
        hosts.filter_map(move |host| Some((interface.clone()?, host.address())))
    });
    own.collect()
}
