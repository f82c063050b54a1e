//! Both halves of a connection: a packet that comes in, and the one that answers it; and whether
//! the answer leaves by the device that the first came in by.

use std::net::IpAddr;

use super::ask_kernel::{check_source, is_forwarded, next_that_leads, walk_and_ask};
use super::best_route::Candidate;
use super::message::KernelAnswer;
use super::packet::Packet;
use super::source_check::{BadSource, SourceCheck};
use super::walk::{End, Walk};
use crate::netlink::{Kernel, KernelError};
use crate::routing::{InterfaceName, Kind};

/// One of the halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Half {
    pub walk: Walk,
    /// What IPv4 says of the source of a packet that comes in and has a way.
    pub source: Option<SourceCheck>,
    pub answer: KernelAnswer,
}

/// A connection, and how it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The packet that comes in.
    pub first: Half,
    /// The one that answers it.
    pub reply: Half,
    pub answered: Answered,
}

/// How a connection is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// By the device that it came in by.
    Here(InterfaceName),
    /// By others.
    Elsewhere(OtherWay),
    /// By none: IPv4 takes a packet in by the device for no such source. If the way back is by other
    /// devices, by which.
    BadSource(InterfaceName, BadSource, Option<OtherWay>),
    /// By none: this is where the first packet or the reply ends.
    Ends(End),
    /// By none: IPv6 packets that come in by the device are not forwarded.
    NotForwarded(InterfaceName),
    /// Kernel and walk do not agree.
    Unknown,
}

/// A way by other devices than the one asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherWay {
    /// The devices; several where packets are shared out.
    pub devices: Vec<InterfaceName>,
    /// The priority of the rule that leads there.
    pub rule: Option<u32>,
    /// The device asked for.
    pub wanted: InterfaceName,
    /// Whether a rule behind it leads to that device.
    pub comes_first: bool,
}

impl Half {
    fn of(kernel: &mut Kernel, packet: Packet) -> Result<Self, KernelError> {
        let (walk, answer) = walk_and_ask(kernel, packet)?;
        let coming_in = walk.packet.iif.clone().filter(|_| walk.packet.to.is_ipv4());
        let source = match coming_in.zip(arrival(&walk.end)) {
            Some((device, arrival)) => {
                let mut packet = walk.packet.clone();
                let leaves_by = match arrival {
                    Arrival::Delivered => None,
                    Arrival::Broadcast => {
                        packet.to = packet.family().unspecified();
                        None
                    }
                    Arrival::Forwarded(devices) => devices.into_iter().next(),
                };
                Some(check_source(kernel, &packet, device, leaves_by)?)
            }
            None => None,
        };
        Ok(Self {
            walk,
            source,
            answer,
        })
    }

    /// What the packet is dropped for, if for its source.
    pub fn refused(&self) -> Option<(&SourceCheck, BadSource)> {
        let source = self.source.as_ref()?;
        Some((source, source.refused?))
    }

    /// Whether the kernel comes to the same.
    pub fn agrees(&self) -> bool {
        match self.refused() {
            Some(_) => self.answer.is_bad_source(),
            None => self.answer.agrees(&self.walk),
        }
    }

    /// The devices that the packet leaves by. Of several routes that are as good the kernel's is
    /// meant.
    fn devices(&self) -> Option<Vec<InterfaceName>> {
        let End::Route(_, best) = &self.walk.end else {
            return None;
        };
        match &self.answer {
            KernelAnswer::Taken { way, .. } if best.len() > 1 => {
                let devices = way.hops.iter().filter_map(|hop| hop.device.clone());
                Some(devices.collect())
            }
            _ => best.first().map(devices),
        }
    }
}

/// What becomes of a packet that has a way.
enum Arrival {
    /// It is for this host.
    Delivered,
    /// It is for all hosts of a link.
    Broadcast,
    /// It leaves again, by one of these.
    Forwarded(Vec<InterfaceName>),
}

fn arrival(end: &End) -> Option<Arrival> {
    let End::Route(_, best) = end else {
        return None;
    };
    let first = best.first()?;
    match first.route.kind {
        Kind::LOCAL | Kind::ANYCAST => Some(Arrival::Delivered),
        Kind::BROADCAST => Some(Arrival::Broadcast),
        Kind::UNICAST => Some(Arrival::Forwarded(devices(first))),
        _ => None,
    }
}

/// The devices of a route, each once.
fn devices(route: &Candidate) -> Vec<InterfaceName> {
    let mut devices: Vec<InterfaceName> = Vec::new();
    for device in route.living().filter_map(|hop| hop.device.clone()) {
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    devices
}

/// Follows a packet in and its answer out. The answer is of the user that the packet names, and has
/// its mark; where the packet is for another host than this one, it comes in by the device that leads
/// there.
pub fn follow(
    kernel: &mut Kernel,
    device: &InterfaceName,
    first: Packet,
) -> Result<Connection, KernelError> {
    let user = first.user;
    let first = Packet { user: 0, ..first };
    let first = Half::of(kernel, first)?;
    let arrived = arrival(&first.walk.end);
    let back = match &arrived {
        Some(Arrival::Forwarded(devices)) => devices.first().cloned(),
        _ => None,
    };
    let packet = &first.walk.packet;
    let reply = Packet {
        to: packet.from.unwrap_or(packet.family().unspecified()),
        from: Some(packet.to),
        user: if back.is_some() { 0 } else { user },
        // A link-local address means the link.
        oif: (back.is_none() && on_link(packet)).then(|| device.clone()),
        iif: back,
        sport: packet.dport,
        dport: packet.sport,
        ..packet.clone()
    };
    let reply = Half::of(kernel, reply)?;
    let answered = answered(kernel, device, arrived, &first, &reply)?;
    Ok(Connection {
        first,
        reply,
        answered,
    })
}

fn on_link(packet: &Packet) -> bool {
    let is_local = |address: IpAddr| match address {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    is_local(packet.to) || packet.from.is_some_and(is_local)
}

fn answered(
    kernel: &mut Kernel,
    device: &InterfaceName,
    arrived: Option<Arrival>,
    first: &Half,
    reply: &Half,
) -> Result<Answered, KernelError> {
    if !first.agrees() || !reply.agrees() {
        return Ok(Answered::Unknown);
    }
    let Some(arrived) = arrived else {
        return Ok(Answered::Ends(first.walk.end.clone()));
    };
    for (half, by) in [
        (first, Some(device)),
        (reply, reply.walk.packet.iif.as_ref()),
    ] {
        if let (Some((source, why)), Some(by)) = (half.refused(), by) {
            let back = match arrival(&source.back.end) {
                Some(Arrival::Forwarded(devices)) if why == BadSource::OtherDevice => {
                    Some(other_way(kernel, &source.back, devices, by)?)
                }
                _ => None,
            };
            return Ok(Answered::BadSource(by.clone(), why, back));
        }
        let is_out = matches!(arrived, Arrival::Forwarded(_));
        if let Some(by) = by.filter(|by| is_out && !is_forwarded(&half.walk.packet, by)) {
            return Ok(Answered::NotForwarded(by.clone()));
        }
    }
    // A packet to this host itself leaves by no device.
    let is_here = matches!(arrival(&reply.walk.end), Some(Arrival::Delivered));
    let devices = match &reply.walk.end {
        End::OnLink(by) => vec![by.clone()],
        end => match reply.devices().filter(|_| !is_here) {
            Some(devices) => devices,
            None => return Ok(Answered::Ends(end.clone())),
        },
    };
    if devices.iter().all(|by| by == device) {
        return Ok(Answered::Here(device.clone()));
    }
    other_way(kernel, &reply.walk, devices, device).map(Answered::Elsewhere)
}

fn other_way(
    kernel: &mut Kernel,
    walk: &Walk,
    devices: Vec<InterfaceName>,
    wanted: &InterfaceName,
) -> Result<OtherWay, KernelError> {
    let leads = |end: &End| match arrival(end) {
        Some(Arrival::Forwarded(devices)) => devices.iter().all(|device| device == wanted),
        _ => false,
    };
    Ok(OtherWay {
        devices,
        rule: walk.tried.last().map(|tried| tried.rule.priority),
        wanted: wanted.clone(),
        comes_first: next_that_leads(kernel, walk, leads)?,
    })
}
