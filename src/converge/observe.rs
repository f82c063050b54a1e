//! What a stanza leaves to the kernel to know: the interface's addresses and its default route in
//! main. Asks, and waits for an address that is on its way. Where the kernel knows less than when
//! the stanza came up, the record is asked too: what is missing is no reason to change anything.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::outcome::{Failure, Waiting};
use super::patience::{wait_for, Patience, Waits, LONGEST};
use crate::netlink::{Assigned, Kernel, KernelError, Standing, Watch};
use crate::routing::{
    Family, Hop, InterfaceAddress, InterfaceName, Kind, Prefix, Route, State, TableId,
};
use crate::stanza::{Observed, Source, Stanza};

/// Longest wait for a default route that comes from where the address came from.
const ROUTE_BEHIND: Duration = Duration::from_secs(1);

/// What the record has of a stanza; asked for only where the kernel's answer leaves a question.
type Recorded<'a> = &'a dyn Fn() -> State;

/// What a stanza needs, waited for.
/// Errors: rules are to be derived from addresses, and none came.
pub fn awaited(
    kernel: &mut Kernel,
    stanza: &Stanza,
    known: Recorded<'_>,
    patience: Patience,
) -> Result<Observed, Failure> {
    let mut ways = DefaultWays::default();
    let mut waits = patience.waits();
    let found = find(kernel, stanza, &mut waits, known, &mut ways)?;
    require_address(stanza, found, waits.seconds())
}

/// Whether [`awaited`] would wait for what a stanza that is up needs.
pub fn is_on_its_way(
    kernel: &mut Kernel,
    stanza: &Stanza,
    known: Recorded<'_>,
    ways: &mut DefaultWays,
) -> Result<bool, KernelError> {
    let device = stanza.interface.device();
    if stanza.asks_address() {
        let mut found = kernel.addresses(&device, stanza.family)?;
        found.retain(|assigned| is_of(assigned, &stanza.interface));
        if found.iter().any(|it| it.standing == Standing::Tentative) {
            return Ok(true);
        }
    }
    if stanza.source == Source::None {
        return Ok(false);
    }
    let found = find(kernel, stanza, &mut Patience::NONE.waits(), known, ways)?;
    let knows_router = found.default.is_some() || !found.before.is_empty();
    let asks = stanza.asks_gateway() && !knows_router;
    Ok(asks && !route_behind(stanza, &found.addresses).is_zero())
}

/// What a stanza that is up needs, as it is now.
/// Errors: rules are to be derived from addresses, and there is none.
pub fn required(
    kernel: &mut Kernel,
    stanza: &Stanza,
    known: Recorded<'_>,
    ways: &mut DefaultWays,
) -> Result<Observed, Failure> {
    let found = find(kernel, stanza, &mut Patience::NONE.waits(), known, ways)?;
    require_address(stanza, found, 0)
}

/// What there is now of what a stanza needs, with nothing known from before.
pub fn at_once(kernel: &mut Kernel, stanza: &Stanza) -> Result<Observed, KernelError> {
    let mut ways = DefaultWays::default();
    let mut waits = Patience::NONE.waits();
    find(kernel, stanza, &mut waits, &State::default, &mut ways)
}

/// What a stanza that has come up lacks of what it had then: the device is gone, was taken down, or
/// lost the address that the stanza gives. An answer of the kernel's that cannot be trusted is an error.
pub fn lost(kernel: &mut Kernel, stanza: &Stanza) -> Result<Option<Waiting>, KernelError> {
    let device = stanza.interface.device();
    let leaves_by_it = |route: &Route<_>| {
        let mut hops = route.hops.iter();
        hops.any(|hop| hop.device.as_ref() == Some(&device))
    };
    if !stanza.derives() && !stanza.routes.iter().any(|(_, route)| leaves_by_it(route)) {
        return Ok(None);
    }
    match kernel.is_admin_up(&device)? {
        None => return Ok(Some(Waiting::Device(device))),
        Some(false) => return Ok(Some(Waiting::Link(device))),
        Some(true) => {}
    }
    let Some(own) = stanza.address.filter(|_| stanza.derives()) else {
        return Ok(None);
    };
    let found = kernel.addresses(&device, stanza.family)?;
    let is_there = found.iter().any(|of| of.address.address == own.address);
    Ok((!is_there).then_some(Waiting::OwnAddress(own.address, device)))
}

fn require_address(stanza: &Stanza, found: Observed, seconds: u64) -> Result<Observed, Failure> {
    if !stanza.asks_address() || !found.addresses.is_empty() || stanza.source == Source::None {
        return Ok(found);
    }
    Err(Failure::Waiting(Waiting::Address {
        family: stanza.family,
        seconds,
    }))
}

fn find(
    kernel: &mut Kernel,
    stanza: &Stanza,
    waits: &mut Waits,
    known: Recorded<'_>,
    ways: &mut DefaultWays,
) -> Result<Observed, KernelError> {
    let addresses = if stanza.asks_address() {
        addresses(kernel, stanza, waits, known)?
    } else {
        stanza.address.into_iter().collect()
    };
    let addresses = if stanza.asks_all() {
        with_further(kernel, stanza, addresses)?
    } else {
        addresses
    };
    let (mut default, mut before) = (None, Vec::new());
    if stanza.asks_gateway() {
        let device = stanza.interface.device();
        default = ways.by(kernel, &device, stanza.family)?;
        if default.is_none() {
            before = routers(&known(), &stanza.interface);
            before.retain(|route| route.family() == stanza.family);
        }
        // A router that is known already need not be waited for.
        if default.is_none() && before.is_empty() {
            let longest = match stanza.source {
                Source::None => Duration::ZERO,
                _ => route_behind(stanza, &addresses),
            };
            default = wait_for(waits, longest, Watch::routes, || {
                let way = default_way(kernel, &device, stanza.family)?;
                let ready = way.is_some();
                Ok((way, ready))
            })?;
        }
    }
    let marked = stanza.asks_for_marks().then(|| {
        let device = stanza.interface.device();
        kernel.devices().told(&device)
    });
    Ok(Observed {
        addresses,
        default,
        before,
        marked,
    })
}

/// The default routes of a family by an interface's device, the one of lowest metric first.
fn routers(known: &State, interface: &InterfaceName) -> Vec<Route> {
    let device = Some(interface.device());
    let is_default = |route: &&Route| {
        route.destination.is_any()
            && route.tos == 0
            && route.kind == Kind::UNICAST
            && matches!(route.hops.as_slice(), [hop] if hop.device == device)
    };
    let mut found: Vec<Route> = known.routes().iter().filter(is_default).cloned().collect();
    found.sort_by_key(|route| route.metric);
    found
}

/// The foremost of the default routes by an interface that a stanza has.
pub fn router(known: &State, interface: &InterfaceName) -> Option<Route> {
    routers(known, interface).into_iter().next()
}

/// The usable addresses of an interface, waited for while there is none, the kernel still checks
/// whether one is a duplicate, or the device is not up. Behind them those that are deprecated and
/// have rules: connections that began with them go on (RFC 4862).
fn addresses(
    kernel: &mut Kernel,
    stanza: &Stanza,
    waits: &mut Waits,
    known: Recorded<'_>,
) -> Result<Vec<InterfaceAddress>, KernelError> {
    let interface = &stanza.interface;
    let device = interface.device();
    // Without rules on addresses one that is there already is waited for, since its network is of
    // use, and none else.
    let needs_one = waits.comes_up() && stanza.source != Source::None;
    wait_for(waits, LONGEST, Watch::addresses, || {
        let mut found = kernel.addresses(&device, stanza.family)?;
        found.retain(|assigned| is_of(assigned, interface));
        let of = |wanted| {
            let of = found.iter().filter(move |it| it.standing == wanted);
            of.map(|assigned| assigned.address)
        };
        let mut usable: Vec<InterfaceAddress> = of(Standing::Usable).collect();
        let deprecated: Vec<InterfaceAddress> = of(Standing::Deprecated).collect();
        if !deprecated.is_empty() {
            let known = known();
            usable.extend(deprecated.into_iter().filter(|own| has_rules(&known, own)));
        }
        let is_checked = of(Standing::Tentative).next().is_none();
        // pppd gives its device the addresses first and takes it up then; until then no route
        // can leave by it.
        let ready = is_checked && (!needs_one || !usable.is_empty() && kernel.is_up(&device)?);
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
    let fit = [Standing::Usable, Standing::Deprecated, Standing::Temporary];
    for assigned in found {
        let own = assigned.address;
        let known = addresses.iter().any(|other| other.address == own.address);
        if !known && fit.contains(&assigned.standing) && is_of(&assigned, &stanza.interface) {
            addresses.push(own);
        }
    }
    Ok(addresses)
}

/// Whether rules select on an address, or on its network.
fn has_rules(known: &State, own: &InterfaceAddress) -> bool {
    let sources = [Prefix::host(own.address), own.network()];
    let mut rules = known.rules().iter();
    rules.any(|rule| rule.from.is_some_and(|from| sources.contains(&from)))
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
    let routes = kernel.routes_by(family, TableId::MAIN, device)?;
    Ok(way_by(routes, &kernel.devices().same(device)))
}

/// The way of the one of lowest metric among routes.
fn way_by(mut routes: Vec<Route>, device: &InterfaceName) -> Option<Hop> {
    // One with a DS field is for some packets, and says nothing of the way of the others.
    routes.retain(|route| {
        route.destination.is_any() && route.kind == Kind::UNICAST && route.tos == 0
    });
    routes.sort_by_key(|route| route.metric);
    let mut hops = routes.into_iter().flat_map(|route| route.hops);
    let hop = hops.find(|hop| hop.device.as_ref() == Some(device));
    hop.map(|hop| Hop {
        weight: 1,
        realms: 0,
        ..hop
    })
}

/// The ways of the default routes in main, for who looks once at several devices. For a few of them
/// the kernel is asked for each one's; for many, once for all: it goes through the whole table each
/// time.
#[derive(Default)]
pub struct DefaultWays {
    asked: usize,
    all: BTreeMap<Family, BTreeMap<InterfaceName, Vec<Route>>>,
}

/// So many devices are asked for one by one.
const FEW: usize = 8;

impl DefaultWays {
    /// The way of the default route that leaves by a device, the one of lowest metric.
    fn by(
        &mut self,
        kernel: &mut Kernel,
        device: &InterfaceName,
        family: Family,
    ) -> Result<Option<Hop>, KernelError> {
        self.asked += 1;
        if self.asked <= FEW {
            return default_way(kernel, device, family);
        }
        // Before the dump, that it has the device under this name.
        let device = kernel.devices().same(device);
        let all = match self.all.entry(family) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(default_routes(kernel, family)?),
        };
        let routes = all.get(&device).cloned().unwrap_or_default();
        Ok(way_by(routes, &device))
    }
}

/// The default routes in main by each device that they leave by.
fn default_routes(
    kernel: &mut Kernel,
    family: Family,
) -> Result<BTreeMap<InterfaceName, Vec<Route>>, KernelError> {
    let mut all: BTreeMap<_, Vec<Route>> = BTreeMap::new();
    for route in kernel.default_routes(family, TableId::MAIN)? {
        let devices = route.hops.iter().filter_map(|hop| hop.device.clone());
        for device in devices.collect::<BTreeSet<_>>() {
            all.entry(device).or_default().push(route.clone());
        }
    }
    Ok(all)
}
