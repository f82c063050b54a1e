//! The order among devices whose rules have one priority, or whose routes lead to one destination in
//! one table: that of the file, as a fresh `ifup -a` leaves it. Whoever calls a hook for a whole
//! interface says where the file is, and calls it for all of them after an edit, each in its turn.
//!
//! So the rules of a device move behind those of the devices before it, and those after it will do the
//! same. Routes that lead to one destination are few, and where they are out of order, all of their
//! devices are brought in step: of IPv6 routes the place is in the metric, which the records hold.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::order::{misplaced, Places};
use super::outcome::{Failure, StepError};
use super::recorded::RecordedDevice;
use super::reorder::put_behind;
use crate::netlink::{Kernel, KernelError};
use crate::record::{ObjectLines, Part, Record, Store};
use crate::routing::{
    Family, InterfaceName, Object, Route, RoutePlace, Rule, State, TableId, PROTOCOL,
};

/// Gives what a device has in force its place among what the others have. `order` are the devices of
/// the file, in the order in which a fresh `ifup -a` comes to them.
/// Errors: something was refused; it is in force, but perhaps not in its order.
pub fn put_in_file_order(device: &InterfaceName, order: &[InterfaceName]) -> Result<(), Failure> {
    let Some(place) = order.iter().position(|other| other == device) else {
        return Ok(());
    };
    // Alone it has no order.
    if !order
        .iter()
        .any(|other| other != device && Store::has(other))
    {
        return Ok(());
    }
    let mut kernel = Kernel::open()?;
    line_up_routes(&mut kernel, device, order)?;
    let earlier = order.get(..place).unwrap_or_default();
    move_rules(&mut kernel, device, earlier).map_err(|error| Failure::Steps(vec![error]))
}

/// What the stanzas of a device have in force. Copies in front of VPN software have an order of their
/// own.
fn of_stanzas(kernel: &mut Kernel, record: &Record) -> State {
    let parts = record.parts().iter();
    let stanzas = parts.filter(|part| is_of_stanza(part));
    let state = stanzas.flat_map(|part| part.state.objects()).collect();
    kernel.devices().same_in(state)
}

fn is_of_stanza(part: &Part) -> bool {
    !part.is_leaving && !part.heading.is_of_copies()
}

/// Moves the rules of a device behind those of the devices before it.
fn move_rules(
    kernel: &mut Kernel,
    device: &InterfaceName,
    earlier: &[InterfaceName],
) -> Result<(), StepError> {
    // Locked, so that no ifdown takes out meanwhile what is put in once more. Without it, nothing moves.
    let Some(store) = Store::open().ok().filter(|_| !earlier.is_empty()) else {
        return Ok(());
    };
    let record = store.read(device).unwrap_or_default();
    let all = of_stanzas(kernel, &record);
    for family in Family::ALL {
        let own = all.rules().iter().filter(|rule| rule.family == family);
        let own: State = own.cloned().map(Object::Rule).collect();
        if own.is_empty() {
            continue;
        }
        let standing = kernel.rules(family)?.into_iter();
        let standing: Vec<Rule> = standing.filter(|rule| rule.protocol == PROTOCOL).collect();
        let passed = passed(&own, &standing);
        if !passed.is_empty() {
            let standing = standing.into_iter().collect();
            let moved = passing(kernel, &own, &passed, &standing, earlier);
            put_behind(kernel, &moved, &standing)?;
        }
    }
    Ok(())
}

/// Of a device's rules those that stand in front of some that they have to stand behind, among those
/// that they have `passed`. What an earlier device has, too, is where that has put it.
fn passing(
    kernel: &mut Kernel,
    own: &State,
    passed: &State,
    standing: &Places,
    earlier: &[InterfaceName],
) -> Vec<Rule> {
    let in_question: ObjectLines = passed.objects().chain(own.objects()).collect();
    let (mut before, mut moved) = (State::default(), Vec::new());
    for other in earlier {
        if !Store::mentions(other, &in_question) {
            continue;
        }
        let state = of_stanzas(kernel, &Store::peek(other));
        before.extend(state.only(passed).objects());
        before.extend(state.only(own).objects());
        let own = own.without(&before);
        let misplaced = misplaced(before.with(&own).rules(), standing);
        moved = misplaced.into_iter().map(|it| it.rule).collect();
        moved.retain(|rule| own.rules().contains(rule));
        // As a rule all move, and what else they have to stand behind is no matter.
        if moved.len() == own.rules().len() {
            break;
        }
    }
    moved
}

/// The rules that stand behind some of a device's own, and with which the order matters.
fn passed(own: &State, standing: &[Rule]) -> State {
    let own: HashSet<&Rule> = own.rules().iter().collect();
    let mut in_front: BTreeMap<u32, Vec<&Rule>> = BTreeMap::new();
    let mut passed = State::default();
    for rule in standing {
        if own.contains(rule) {
            in_front.entry(rule.priority).or_default().push(rule);
        } else {
            let mut in_front = in_front.get(&rule.priority).into_iter().flatten();
            if in_front.any(|own| own.order_matters(rule)) {
                passed.insert(Object::Rule(rule.clone()));
            }
        }
    }
    passed
}

/// A device that has routes to a destination that others have routes to, in the same table.
struct Sharer<'a> {
    device: &'a InterfaceName,
    routes: State,
}

/// Gives the routes of all devices that share a destination with this one their order.
fn line_up_routes(
    kernel: &mut Kernel,
    device: &InterfaceName,
    order: &[InterfaceName],
) -> Result<(), Failure> {
    let own = of_stanzas(kernel, &Store::peek(device));
    let contested = contested(kernel, &own)?;
    if contested.is_empty() {
        return Ok(());
    }
    let places: BTreeSet<RoutePlace> = contested.iter().map(Route::place).collect();
    let held = contested.iter().cloned().map(Object::Route);
    let held: ObjectLines = held.collect();
    let mut sharers = Vec::new();
    for device in order.iter().filter(|it| Store::mentions(it, &held)) {
        let state = of_stanzas(kernel, &Store::peek(device));
        let routes = state.routes().iter();
        let routes = routes.filter(|route| places.contains(&route.place()));
        let routes: State = routes.cloned().map(Object::Route).collect();
        if !routes.is_empty() {
            sharers.push(Sharer { device, routes });
        }
    }
    if sharers.len() < 2 || stand_in_order(&contested, &sharers) {
        return Ok(());
    }
    let mut before = State::default();
    for (place, sharer) in sharers.iter().enumerate() {
        let others = sharers.iter().skip(place + 1);
        let later = others.flat_map(|other| other.routes.objects()).collect();
        bring_in_step(sharer.device, &mut before, &later)?;
    }
    Ok(())
}

/// The routes of ours that lead to a destination that another device has a route to in the same table,
/// in the kernel's order. Main is left out: it may have all of the internet's.
fn contested(kernel: &mut Kernel, own: &State) -> Result<Vec<Route>, KernelError> {
    let own_routes = || own.routes().iter().filter(|it| it.table != TableId::MAIN);
    let places: BTreeSet<RoutePlace> = own_routes().map(Route::place).collect();
    let tables: BTreeSet<_> = own_routes().map(|it| (it.family(), it.table)).collect();
    let mut contested = Vec::new();
    for (family, table) in tables {
        let found = kernel.routes(family, table)?.into_iter();
        let found = found.filter(|it| it.protocol == PROTOCOL && places.contains(&it.place()));
        let found: Vec<Route> = found.collect();
        let is_own = |route: &Route| own.contains(&Object::Route(route.clone()));
        let others = found.iter().filter(|route| !is_own(route));
        let others: BTreeSet<RoutePlace> = others.map(Route::place).collect();
        contested.extend(found.into_iter().filter(|it| others.contains(&it.place())));
    }
    Ok(contested)
}

/// Whether routes stand in the order of their devices; those of IPv6 also under the metrics that a
/// fresh start gives them, unless they name some.
fn stand_in_order(contested: &[Route], sharers: &[Sharer<'_>]) -> bool {
    let place_of = |route: &Route| {
        let object = Object::Route(route.clone());
        sharers.iter().position(|it| it.routes.contains(&object))
    };
    let mut lasts: BTreeMap<(RoutePlace, u32), (usize, u32)> = BTreeMap::new();
    contested.iter().all(|route| {
        let Some(place) = place_of(route) else {
            return true;
        };
        let (line, usual) = match route.family() {
            Family::Inet => ((route.place(), route.metric), route.metric),
            Family::Inet6 => ((route.place(), 0), Route::usual_metric(Family::Inet6)),
        };
        let last = lasts.insert(line, (place, route.metric));
        let is_next = |metric: u32| match route.family() {
            Family::Inet => true,
            Family::Inet6 => route.metric == metric.saturating_add(1),
        };
        match last {
            Some((before, metric)) => before <= place && is_next(metric),
            None => route.metric == usual,
        }
    })
}

/// Brings the stanzas of a device in step, behind those before it, to which they are added.
fn bring_in_step(device: &InterfaceName, before: &mut State, later: &State) -> Result<(), Failure> {
    let record = Store::peek(device);
    let recorded = RecordedDevice {
        device,
        record: &record,
    };
    for part in record.parts().iter().filter(|part| is_of_stanza(part)) {
        match recorded.mend_among(part, before, later) {
            // Another run sees to it, or will when it is there.
            Ok(()) | Err(Failure::Overtaken | Failure::Waiting(_)) => {}
            Err(failure) => return Err(failure),
        }
        let now = Store::peek(device).of_stanza(&part.heading);
        let routes = now.routes().iter().cloned();
        before.extend(routes.map(Object::Route));
    }
    Ok(())
}
