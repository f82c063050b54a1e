//! What a stanza leaves to the kernel to know: the interface's addresses and its default route in
//! main. Asks, and waits for an address that is on its way.

use std::io;
use std::time::{Duration, Instant};

use super::outcome::Failure;
use crate::netlink::{Assigned, Kernel, KernelError, Standing, Watch};
use crate::routing::{Family, Hop, InterfaceAddress, InterfaceName, Kind, TableId};
use crate::stanza::{Observed, OptionError, OptionFault, Source, Stanza};

/// Longest wait for an address: what ifupdown's own settle-dad gives one.
const LONGEST: Duration = Duration::from_secs(6);

/// Longest wait for a default route that comes from where the address came from.
const ROUTE_BEHIND: Duration = Duration::from_secs(1);

/// What a stanza that comes up needs, waited for.
/// Errors: rules are to be derived from addresses, and none came.
pub fn awaited(kernel: &mut Kernel, stanza: &Stanza) -> Result<Observed, Failure> {
    // Without rules on addresses there is nothing to wait for.
    let longest = if stanza.source == Source::None {
        Duration::ZERO
    } else {
        LONGEST
    };
    let found = find(kernel, stanza, longest)?;
    require_address(stanza, found, LONGEST)
}

/// What a stanza that is up needs, as it is now.
/// Errors: rules are to be derived from addresses, and there is none.
pub fn required(kernel: &mut Kernel, stanza: &Stanza) -> Result<Observed, Failure> {
    let found = at_once(kernel, stanza)?;
    require_address(stanza, found, Duration::ZERO)
}

/// What there is now of what a stanza needs.
pub fn at_once(kernel: &mut Kernel, stanza: &Stanza) -> Result<Observed, KernelError> {
    find(kernel, stanza, Duration::ZERO)
}

fn require_address(
    stanza: &Stanza,
    found: Observed,
    waited: Duration,
) -> Result<Observed, Failure> {
    if !stanza.asks_address() || !found.addresses.is_empty() || stanza.source == Source::None {
        return Ok(found);
    }
    let fault = OptionFault::NoAddressYet {
        interface: stanza.interface.clone(),
        family: stanza.family,
        seconds: waited.as_secs(),
    };
    let table = stanza.table.as_ref().map(ToString::to_string);
    let error = OptionError::new("policy-table", table.as_deref(), fault);
    Err(Failure::Options(vec![error]))
}

fn find(kernel: &mut Kernel, stanza: &Stanza, longest: Duration) -> Result<Observed, KernelError> {
    let addresses = if stanza.asks_address() {
        addresses(kernel, &stanza.interface, stanza.family, longest)?
    } else {
        stanza.address.into_iter().collect()
    };
    let addresses = if stanza.asks_all() {
        with_further(kernel, stanza, addresses)?
    } else {
        addresses
    };
    let default = if stanza.asks_gateway() {
        let longest = longest.min(route_behind(stanza, &addresses));
        let device = stanza.interface.device();
        wait_for(longest, Watch::routes, || {
            let way = default_way(kernel, &device, stanza.family)?;
            let ready = way.is_some();
            Ok((way, ready))
        })?
    } else {
        None
    };
    Ok(Observed { addresses, default })
}

/// The usable addresses of an interface, waited for while there is none, the kernel still checks
/// whether one is a duplicate, or the device is not up.
fn addresses(
    kernel: &mut Kernel,
    interface: &InterfaceName,
    family: Family,
    longest: Duration,
) -> Result<Vec<InterfaceAddress>, KernelError> {
    let device = interface.device();
    wait_for(longest, Watch::addresses, || {
        let mut found = kernel.addresses(&device, family)?;
        found.retain(|assigned| is_of(assigned, interface));
        let standing = |wanted| move |assigned: &&Assigned| assigned.standing == wanted;
        let usable = found.iter().filter(standing(Standing::Usable));
        let usable: Vec<InterfaceAddress> = usable.map(|assigned| assigned.address).collect();
        let mut tentative = found.iter().filter(standing(Standing::Tentative));
        let is_checked = tentative.next().is_none();
        // pppd gives its device the addresses first and takes it up then; until then no route
        // can leave by it.
        let ready = is_checked && !usable.is_empty() && kernel.is_up(&device)?;
        Ok((usable, ready))
    })
}

/// With all other addresses of the interface that are valid and may be used, for `policy-source all`.
fn with_further(
    kernel: &mut Kernel,
    stanza: &Stanza,
    mut addresses: Vec<InterfaceAddress>,
) -> Result<Vec<InterfaceAddress>, KernelError> {
    let found = kernel.addresses(&stanza.interface.device(), stanza.family)?;
    let fit = [Standing::Usable, Standing::Fleeting];
    for assigned in found {
        let own = assigned.address;
        let known = addresses.iter().any(|other| other.address == own.address);
        if !known && fit.contains(&assigned.standing) && is_of(&assigned, &stanza.interface) {
            addresses.push(own);
        }
    }
    Ok(addresses)
}

/// Looks again at each change until what is found is ready, but not for longer than given;
/// returns what was found last.
fn wait_for<T>(
    longest: Duration,
    set_watch: impl Fn() -> io::Result<Watch>,
    mut look: impl FnMut() -> Result<(T, bool), KernelError>,
) -> Result<T, KernelError> {
    let deadline = Instant::now() + longest;
    let mut watch = None;
    loop {
        let (found, ready) = look()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || ready {
            return Ok(found);
        }
        match &watch {
            // What changed before the watch was set would otherwise be missed.
            None => watch = Some(set_watch()?),
            Some(watch) => watch.wait(left)?,
        }
    }
}

/// An alias has the addresses that bear its label; a device all of its own.
fn is_of(assigned: &Assigned, interface: &InterfaceName) -> bool {
    let alias = interface.device() != *interface;
    !alias || assigned.label.as_deref() == Some(interface.as_str())
}

/// How long a default route may be on its way behind the addresses.
///
/// dhcpcd leaves for the background once it has an address of either family; the other's comes
/// later, and its route a moment after it (seen with 9.4.1: the router was guessed, wrongly). A
/// lease of IPv6 names no router; routers advertise themselves, and whoever asks may ask every four
/// seconds (RFC 4861). On a point-to-point link the other end is the router, and no route is
/// waited for.
fn route_behind(stanza: &Stanza, addresses: &[InterfaceAddress]) -> Duration {
    let method = stanza.method.as_str();
    let has_network = addresses.iter().any(|own| !own.is_point_to_point());
    if !has_network || !stanza.asks_address() || method == "manual" {
        Duration::ZERO
    } else if (stanza.family, method) == (Family::Inet6, "dhcp") {
        LONGEST
    } else {
        ROUTE_BEHIND
    }
}

/// The way of the default route in main that leaves by a device, the one of lowest metric.
fn default_way(
    kernel: &mut Kernel,
    device: &InterfaceName,
    family: Family,
) -> Result<Option<Hop>, KernelError> {
    let mut routes = kernel.routes_by(family, TableId::MAIN, device)?;
    let device = &kernel.devices().same(device);
    // One with a DS field is for some packets, and says nothing of the way of the others.
    routes.retain(|route| {
        route.destination.is_any() && route.kind == Kind::UNICAST && route.tos == 0
    });
    routes.sort_by_key(|route| route.metric);
    let mut hops = routes.into_iter().flat_map(|route| route.hops);
    let hop = hops.find(|hop| hop.device.as_ref() == Some(device));
    Ok(hop.map(|hop| Hop {
        weight: 1,
        realms: 0,
        ..hop
    }))
}
