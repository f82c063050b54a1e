//! What ifupdown2 has brought up and not noted. Where a hook of an interface fails, whoever's it is,
//! it ends there: it runs no hook behind that, and notes nothing (measured on 3.0.0). The interface is
//! up all the same, and has its address. Where it is killed while it writes, or the disk is full, its
//! state is empty, as after an ifdown of all.

use std::net::IpAddr;

use crate::ifupdown::{HookCall, Ifstate, UpInterface};
use crate::netlink::Kernel;
use crate::record::Record;
use crate::routing::{Family, InterfaceName, Prefix};
use crate::stanza::own_address;

/// What shows that an interface is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It has this address, which is its own.
    Address(IpAddr),
    /// Its device is up: that alone is believed where nothing at all is noted.
    Device,
}

/// Counts as up what is not noted and shows a sign of it. What cannot be asked is as it is noted.
pub fn count_unnoted(
    ifstate: &mut Ifstate,
    kernel: &mut Kernel,
    signs: impl IntoIterator<Item = (InterfaceName, Sign)>,
) {
    if !ifstate.is_of_ifupdown2 {
        return;
    }
    let is_blank = ifstate.up.is_empty();
    for (interface, sign) in signs {
        let mut noted = ifstate.up.iter();
        if noted.any(|up| up.interface == interface) {
            continue;
        }
        let device = interface.device();
        let is_up = match sign {
            Sign::Address(address) => has_address(kernel, &device, address),
            Sign::Device => is_blank && kernel.is_up(&device).unwrap_or_default(),
        };
        if is_up {
            ifstate.up.push(UpInterface::as_named(interface));
        }
    }
}

fn has_address(kernel: &mut Kernel, device: &InterfaceName, address: IpAddr) -> bool {
    let found = kernel.addresses(device, Family::of(address));
    let mut found = found.unwrap_or_default().into_iter();
    found.any(|assigned| assigned.address.address == address)
}

/// The addresses that stanzas with options name.
pub fn of_stanzas(calls: &[HookCall]) -> Vec<(InterfaceName, Sign)> {
    let calls = calls.iter().filter(|call| !call.options.is_empty());
    let own = calls.filter_map(|call| {
        let own = own_address(call)?;
        Some((call.interface.parse().ok()?, Sign::Address(own.address)))
    });
    own.collect()
}

/// The addresses of stanzas in records, and those that their rules select on; the device of what is in
/// force without any.
pub fn of_records<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<(InterfaceName, Sign)> {
    let parts = records.into_iter().flat_map(Record::parts);
    let own = parts
        .filter(|part| !part.state.is_empty())
        .flat_map(|part| {
            let interface = part.heading.interface().parse::<InterfaceName>().ok();
            let sources = part.state.rules().iter().filter_map(|rule| rule.from);
            let hosts = sources.filter(Prefix::is_host).map(|host| host.address());
            let addresses = part.heading.address().into_iter().chain(hosts);
            let mut signs: Vec<Sign> = addresses.map(Sign::Address).collect();
            if signs.is_empty() {
                signs.push(Sign::Device);
            }
            let named = |sign| Some((interface.clone()?, sign));
            signs.into_iter().filter_map(named).collect::<Vec<_>>()
        });
    own.collect()
}
