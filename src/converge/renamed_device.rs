//! Routes that outlived the name of their device. A device that is renamed while it is up keeps its
//! routes, and the record has them under the old name.

use std::collections::BTreeSet;
use std::path::Path;

use crate::ifupdown::Ifstate;
use crate::netlink::{Kernel, KernelError};
use crate::record::Store;
use crate::routing::{InterfaceName, Object, Route, State, PROTOCOL};

/// Of routes by a device that were not found, those that are there under another device's name.
/// A device that is up as an interface of its own, or whose record claims the route, is not the
/// one that was renamed.
pub fn renamed_routes(
    kernel: &mut Kernel,
    device: &InterfaceName,
    gone: &State,
) -> Result<State, KernelError> {
    let tables: BTreeSet<_> = gone
        .routes()
        .iter()
        .map(|r| (r.family(), r.table))
        .collect();
    let mut candidates = State::default();
    for (family, table) in tables {
        let found = kernel.routes(family, table)?.into_iter();
        let ours = found.filter(|route| route.protocol == PROTOCOL);
        let alike = ours.filter(|route| gone.routes().contains(&under(route, device)));
        candidates = candidates.with(&alike.map(Object::Route).collect());
    }
    if candidates.is_empty() {
        return Ok(candidates);
    }
    let ifstate = Ifstate::below(Path::new("/")).unwrap_or_default();
    let up = ifstate.up.iter();
    let in_use: Vec<InterfaceName> = up
        .map(|up| kernel.devices().same(&up.interface.device()))
        .collect();
    let is_up = |route: &Route| {
        let mut devices = route.hops.iter().filter_map(|hop| hop.device.as_ref());
        devices.any(|own| in_use.contains(own))
    };
    let up = candidates.routes().iter().filter(|route| is_up(route));
    let of_others: State = up.cloned().map(Object::Route).collect();
    let claimed = Store::claimed_elsewhere(device, &candidates);
    Ok(candidates.without(&of_others).without(&claimed))
}

/// A route as it would be by another device.
fn under(route: &Route, device: &InterfaceName) -> Route {
    let mut route = route.clone();
    for hop in &mut route.hops {
        hop.device = hop.device.as_ref().map(|_| device.clone());
    }
    route
}
