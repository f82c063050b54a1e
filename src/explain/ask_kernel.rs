//! A walk through what the kernel has, and the kernel's own word on the packet.

use std::net::IpAddr;

use neli::consts::rtnl::Rtm;

use super::after_steps;
use super::best_route::Candidate;
use super::message::{decode, decode_gone, encode, encode_neighbours, Asked, KernelAnswer};
use super::packet::Packet;
use super::source_check::{way_back, SourceCheck, SourceSettings};
use super::walk::{look_up, walk, End, Settings, Walk};
use crate::netlink::{Kernel, KernelError, WireError};
use crate::routing::{Family, InterfaceName, Rule, Step, TableId};
use crate::system::{
    ipv4_forwards, ipv6_forwards, ipv6_forwards_from, rp_filter, source_is_checked_with_mark,
    takes_own_sources,
};

/// The walk of a packet, and what the kernel says of it.
pub fn walk_and_ask(
    kernel: &mut Kernel,
    packet: Packet,
) -> Result<(Walk, KernelAnswer), KernelError> {
    let walk = walk_after(kernel, packet, &[])?;
    let answer = ask(kernel, &walk.packet)?;
    Ok((walk, answer))
}

/// The walk of a packet as it would be after some steps; after none, as it is.
pub fn walk_after(
    kernel: &mut Kernel,
    packet: Packet,
    steps: &[Step],
) -> Result<Walk, KernelError> {
    let rules = after_steps::rules(kernel.required_rules(packet.family())?, steps);
    let rules = by_one_name(kernel, rules);
    let settings = settings(kernel, &packet, &rules)?;
    walk(packet, &rules, &settings, |table, to| {
        let found = candidates(kernel, table, to)?;
        Ok(after_steps::candidates(found, table, to, steps))
    })
}

/// Checks the source of an IPv4 packet that comes in by a device and is to leave by another one, or
/// to stay.
pub fn check_source(
    kernel: &mut Kernel,
    packet: &Packet,
    device: InterfaceName,
    leaves_by: Option<InterfaceName>,
) -> Result<SourceCheck, KernelError> {
    let settings = SourceSettings {
        rp_filter: rp_filter(&device),
        with_mark: source_is_checked_with_mark(&device),
        accepts_own: takes_own_sources(&device),
        has_address: !kernel.addresses(&device, packet.family())?.is_empty(),
    };
    let rules = kernel.rules(packet.family())?;
    let rules = by_one_name(kernel, rules);
    let back = way_back(packet, leaves_by, settings.with_mark, &rules);
    let back = look_up_by(kernel, back, &rules)?;
    Ok(SourceCheck::of(settings, device, back))
}

/// Whether one of the rules behind the one that a walk ended at leads to an end that is looked for,
/// before the others were tried.
pub fn next_that_leads(
    kernel: &mut Kernel,
    walk: &Walk,
    is_wanted: impl Fn(&End) -> bool,
) -> Result<bool, KernelError> {
    let rules = kernel.rules(walk.packet.family())?;
    let mut rules = by_one_name(kernel, rules);
    let mut last = walk.tried.last().map(|tried| tried.rule.clone());
    while let Some(rule) = last {
        let Some(place) = rules.iter().position(|other| *other == rule) else {
            break;
        };
        rules.drain(..=place);
        let next = look_up_by(kernel, walk.packet.clone(), &rules)?;
        if is_wanted(&next.end) {
            return Ok(true);
        }
        let ended = !matches!(next.end, End::NoRoute);
        last = next
            .tried
            .last()
            .filter(|_| ended)
            .map(|tried| tried.rule.clone());
    }
    Ok(false)
}

/// Rules with the names that devices go by here: the kernel knows a device in a rule by any name.
fn by_one_name(kernel: &mut Kernel, mut rules: Vec<Rule>) -> Vec<Rule> {
    for rule in &mut rules {
        for device in [&mut rule.iif, &mut rule.oif].into_iter().flatten() {
            *device = kernel.devices().same(device);
        }
    }
    rules
}

fn look_up_by(kernel: &mut Kernel, packet: Packet, rules: &[Rule]) -> Result<Walk, KernelError> {
    let settings = settings(kernel, &packet, rules)?;
    look_up(packet, rules, &settings, |table, to| {
        candidates(kernel, table, to)
    })
}

/// Whether a packet that comes in by a device and is not for this host may go on. Of IPv4 that is
/// the walk's.
pub fn is_forwarded(packet: &Packet, device: &InterfaceName) -> bool {
    packet.to.is_ipv4() || ipv6_forwards_from(device)
}

/// What the walk depends on besides, asked for only where it does.
fn settings(kernel: &mut Kernel, packet: &Packet, rules: &[Rule]) -> Result<Settings, KernelError> {
    let mut settings = Settings {
        bound_is_up: true,
        ..Settings::default()
    };
    if let Some(iif) = &packet.iif {
        settings.forwards = ipv4_forwards(&kernel.devices().told(iif));
    }
    if let Some(oif) = &packet.oif {
        settings.bound_is_up = kernel.is_up(oif)?;
    }
    if rules.iter().any(|rule| rule.suppress_group.is_some()) {
        settings.groups = kernel.device_groups()?;
    }
    Ok(settings)
}

/// The routes of a table that lead to an address, in the kernel's order.
fn candidates(
    kernel: &mut Kernel,
    table: TableId,
    to: IpAddr,
) -> Result<Vec<Candidate>, KernelError> {
    let mut found = kernel.list_routes(Family::of(to), table, None, |kernel, payload| {
        decode(payload, to, |index| kernel.device(index))
    })?;
    found.retain(|candidate| candidate.route.table == table);
    let mut hops = found.iter().flat_map(|candidate| &candidate.route.hops);
    let has_router = hops.any(|hop| hop.gateway.is_some());
    if has_router && to.is_ipv6() && !ipv6_forwards() {
        note_gone(kernel, &mut found)?;
    }
    Ok(found)
}

/// Notes the hops whose routers are known to be gone.
fn note_gone(kernel: &mut Kernel, candidates: &mut [Candidate]) -> Result<(), KernelError> {
    let neighbours = kernel.dump(
        "neighbours",
        Rtm::Getneigh,
        encode_neighbours,
        |_, payload| Ok(decode_gone(payload)),
    )?;
    for candidate in candidates {
        for (hop, is_gone) in candidate.route.hops.iter().zip(&mut candidate.gone) {
            let index = index(kernel, hop.device.as_ref())?;
            let router = index.zip(hop.gateway);
            *is_gone = router.is_some_and(|router| neighbours.contains(&router));
        }
    }
    Ok(())
}

/// What the kernel itself would do with a packet.
/// Errors: it could not be asked. That there is no way is an answer.
fn ask(kernel: &mut Kernel, packet: &Packet) -> Result<KernelAnswer, KernelError> {
    let way = match ask_for(kernel, packet, Asked::Hop) {
        Ok(way) => way,
        // With a text of its own the kernel refuses the question, not the packet.
        Err(KernelError::Dump { refusal, .. }) if refusal.text.is_none() => {
            return Ok(KernelAnswer::Refused(refusal))
        }
        Err(error) => return Err(error),
    };
    let Some(Candidate { route: way, .. }) = way else {
        return Err(WireError::new("no route in the answer about one").into());
    };
    let route = match ask_for(kernel, packet, Asked::Route) {
        Ok(route) => route,
        // A way without a route; or one that has just gone, which is as good.
        Err(KernelError::Dump { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(KernelAnswer::Taken { way, route })
}

fn ask_for(
    kernel: &mut Kernel,
    packet: &Packet,
    asked: Asked,
) -> Result<Option<Candidate>, KernelError> {
    let iif = index(kernel, packet.iif.as_ref())?;
    let oif = index(kernel, packet.oif.as_ref())?;
    let what = format!("the way to {}", packet.to);
    let request = encode(packet, iif, oif, asked)?;
    kernel.ask(&what, Rtm::Getroute, request, |kernel, payload| {
        decode(payload, packet.to, |index| kernel.device(index))
    })
}

fn index(kernel: &mut Kernel, device: Option<&InterfaceName>) -> Result<Option<u32>, KernelError> {
    match device {
        Some(device) => kernel.index(device),
        None => Ok(None),
    }
}
