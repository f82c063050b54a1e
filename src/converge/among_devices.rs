//! The order among devices whose rules have one priority, or whose routes lead to one destination in
//! one table: that of the file, as a fresh `ifup -a` of ifupdown leaves it. Whoever calls a hook for a
//! whole interface says where the file is.
//!
//! Each call lines up what its device has with what the others have: what has to stand behind others
//! moves there, be it the device's own or that of one that comes later in the file. It may have come up
//! before: ifupdown2 goes by stanzas and not by `auto` lines, and to a bridge after its ports. Routes
//! that lead to one destination are few, and where they are out of order, all of their devices are
//! brought in step: of IPv6 routes the place is in the metric, which the records hold.

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

/// Gives what a device has in force its place among what the others have. `order` are the interfaces
/// of the file, aliases among them, in the order in which a fresh `ifup -a` comes to them.
/// Errors: something was refused; it is in force, but perhaps not in its order.
pub fn put_in_file_order(device: &InterfaceName, order: &[InterfaceName]) -> Result<(), Failure> {
    let is_own = |other: &InterfaceName| is_on(other, device);
    if !order.iter().any(is_own) {
        return Ok(());
    }
    // Alone it has no order.
    let mut others = order.iter().filter(|other| !is_own(other));
    if !others.any(|other| Store::has(&other.device())) {
        return Ok(());
    }
    let mut kernel = Kernel::open()?;
    line_up_routes(&mut kernel, device, order)?;
    line_up_rules(&mut kernel, device, order).map_err(|error| Failure::Steps(vec![error]))
}

/// Whether an interface is this device, or an alias on it.
fn is_on(interface: &InterfaceName, device: &InterfaceName) -> bool {
    let rest = interface.as_str().strip_prefix(device.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// What the stanzas of a device have in force. Copies in front of VPN software have an order of their
/// own.
fn of_stanzas(kernel: &mut Kernel, record: &Record) -> State {
    let parts = record.parts().iter();
    state_of(kernel, parts.filter(|part| is_of_stanza(part)))
}

/// The same of an interface, without its aliases, or of an alias.
fn of_interface(kernel: &mut Kernel, interface: &InterfaceName) -> State {
    let record = Store::peek(&interface.device());
    let parts = record.parts().iter();
    state_of(kernel, parts.filter(|part| is_stanza_of(part, interface)))
}

fn state_of<'a>(kernel: &mut Kernel, parts: impl Iterator<Item = &'a Part>) -> State {
    let state = parts.flat_map(|part| part.state.objects()).collect();
    kernel.devices().same_in(state)
}

fn is_stanza_of(part: &Part, interface: &InterfaceName) -> bool {
    is_of_stanza(part) && part.heading.interface() == interface.as_str()
}

fn is_of_stanza(part: &Part) -> bool {
    !part.is_leaving && !part.heading.is_of_copies()
}

/// Gives the rules of a device their place among those of the others.
fn line_up_rules(
    kernel: &mut Kernel,
    device: &InterfaceName,
    order: &[InterfaceName],
) -> Result<(), StepError> {
    // Locked, so that no ifdown takes out meanwhile what is put in once more. Without it, nothing moves.
    let Ok(store) = Store::open() else {
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
        let priorities: BTreeSet<u32> = own.rules().iter().map(|rule| rule.priority).collect();
        let mut standing = kernel.rules(family)?;
        standing.retain(|rule| rule.protocol == PROTOCOL && priorities.contains(&rule.priority));
        if rules_stand_in_order(&own, &standing, device, order) {
            continue;
        }
        let wanted = in_file_order(kernel, &standing, order);
        let standing: Places = standing.into_iter().collect();
        let misplaced = misplaced(wanted.rules(), &standing).into_iter();
        let moved: Vec<Rule> = misplaced.map(|it| it.rule).collect();
        put_behind(kernel, &moved, &standing)?;
    }
    Ok(())
}

/// Whether none of a device's rules stands in front of one of a device before it, or behind one of a
/// device that comes later. Of few hosts any rules depend on that, so records are read last.
fn rules_stand_in_order(
    own: &State,
    standing: &[Rule],
    device: &InterfaceName,
    order: &[InterfaceName],
) -> bool {
    let (ahead, behind) = rivals(own, standing);
    let has_any = |interfaces: Option<&[InterfaceName]>, rules: &State| {
        let rules: ObjectLines = rules.objects().collect();
        let mut others = interfaces.unwrap_or_default().iter();
        others.any(|other| mentions(other, &rules))
    };
    // An alias may come up long behind its device.
    let is_own = |other: &InterfaceName| is_on(other, device);
    let first = order.iter().position(is_own).unwrap_or_default();
    let last = order.iter().rposition(is_own).unwrap_or_default();
    (behind.is_empty() || !has_any(order.get(..last), &behind))
        && (ahead.is_empty() || !has_any(order.get(first + 1..), &ahead))
}

/// The rules in front of some of a device's own, and those behind some, with which the order matters.
fn rivals(own: &State, standing: &[Rule]) -> (State, State) {
    let all: HashSet<&Rule> = own.rules().iter().collect();
    let (own, others): (Vec<_>, Vec<_>) =
        (standing.iter().enumerate()).partition(|(_, rule)| all.contains(rule));
    let (mut ahead, mut behind) = (State::default(), State::default());
    for (place, rule) in others {
        let rivals = own
            .iter()
            .filter(|(_, own)| own.priority == rule.priority && own.order_matters(rule));
        let (mut is_ahead, mut is_behind) = (false, false);
        for (own, _) in rivals {
            is_ahead |= place < *own;
            is_behind |= *own < place;
        }
        let rule = || Object::Rule(rule.clone());
        if is_ahead {
            ahead.insert(rule());
        }
        if is_behind {
            behind.insert(rule());
        }
    }
    (ahead, behind)
}

/// Of the rules that stand, those of stanzas, in the order of the interfaces. Of two that have one, it
/// is the first's.
fn in_file_order(kernel: &mut Kernel, standing: &[Rule], order: &[InterfaceName]) -> State {
    let standing: State = standing.iter().cloned().map(Object::Rule).collect();
    let lines: ObjectLines = standing.objects().collect();
    let mut wanted = State::default();
    for interface in order.iter().filter(|it| mentions(it, &lines)) {
        let state = of_interface(kernel, interface);
        wanted.extend(state.only(&standing).objects());
    }
    wanted
}

/// Whether the record of an interface's device has one of some objects.
fn mentions(interface: &InterfaceName, objects: &ObjectLines) -> bool {
    Store::mentions(&interface.device(), objects)
}

/// An interface that has routes to a destination that others have routes to, in the same table.
struct Sharer<'a> {
    interface: &'a InterfaceName,
    routes: State,
}

/// Gives the routes of all interfaces that share a destination with this one their order.
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
    for interface in order.iter().filter(|it| mentions(it, &held)) {
        let state = of_interface(kernel, interface);
        let routes = state.routes().iter();
        let routes = routes.filter(|route| places.contains(&route.place()));
        let routes: State = routes.cloned().map(Object::Route).collect();
        if !routes.is_empty() {
            sharers.push(Sharer { interface, routes });
        }
    }
    if sharers.len() < 2 || stand_in_order(&contested, &sharers) {
        return Ok(());
    }
    let mut before = State::default();
    for (place, sharer) in sharers.iter().enumerate() {
        let others = sharers.iter().skip(place + 1);
        let later = others.flat_map(|other| other.routes.objects()).collect();
        bring_in_step(sharer.interface, &mut before, &later)?;
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

/// Whether routes stand in the order of their interfaces; those of IPv6 also under the metrics that a
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

/// Brings the stanzas of an interface in step, behind those before it, to which they are added.
fn bring_in_step(
    interface: &InterfaceName,
    before: &mut State,
    later: &State,
) -> Result<(), Failure> {
    let device = interface.device();
    let record = Store::peek(&device);
    let recorded = RecordedDevice {
        device: &device,
        record: &record,
    };
    for part in (record.parts().iter()).filter(|part| is_stanza_of(part, interface)) {
        match recorded.mend_among(part, before, later) {
            // Another run sees to it, or will when it is there.
            Ok(()) | Err(Failure::Overtaken | Failure::Waiting(_)) => {}
            Err(failure) => return Err(failure),
        }
        let now = Store::peek(&device).of_stanza(&part.heading);
        let routes = now.routes().iter().cloned();
        before.extend(routes.map(Object::Route));
    }
    Ok(())
}
