//! A walk through what the kernel has, and the kernel's own word on the packet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use neli::consts::rtnl::Rtm;

use super::after_steps;
use super::best_route::Candidate;
use super::message::{
    decode, decode_gone, decode_group, encode, encode_devices, encode_neighbours, Asked,
    KernelAnswer,
};
use super::packet::Packet;
use super::walk::{walk, Settings, Walk};
use crate::netlink::{Kernel, KernelError, WireError};
use crate::routing::{Family, InterfaceName, Rule, Step, TableId};
use crate::system::{ipv4_forwards, ipv6_forwards};

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
    let rules = after_steps::rules(kernel.rules(packet.family())?, steps);
    let settings = settings(kernel, &packet, &rules)?;
    walk(packet, &rules, &settings, |table, to| {
        let found = candidates(kernel, table, to)?;
        Ok(after_steps::candidates(found, table, to, steps))
    })
}

/// What the walk depends on besides, asked for only where it does.
fn settings(kernel: &mut Kernel, packet: &Packet, rules: &[Rule]) -> Result<Settings, KernelError> {
    let mut settings = Settings {
        bound_is_up: true,
        ..Settings::default()
    };
    if let Some(iif) = &packet.iif {
        settings.forwards = ipv4_forwards(iif);
    }
    if let Some(oif) = &packet.oif {
        settings.bound_is_up = kernel.is_up(oif)?;
    }
    if rules.iter().any(|rule| rule.suppress_group.is_some()) {
        settings.groups = groups(kernel)?;
    }
    Ok(settings)
}

/// The groups of all devices, `group` of ip-link(8).
fn groups(kernel: &mut Kernel) -> Result<BTreeMap<InterfaceName, u32>, KernelError> {
    let found = kernel.dump("devices", Rtm::Getlink, encode_devices, |_, payload| {
        Ok(decode_group(payload))
    })?;
    Ok(found.into_iter().collect())
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
