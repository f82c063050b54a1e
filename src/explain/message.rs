//! What the kernel says of a packet: the messages that ask it (`RTM_GETROUTE`) and those that tell
//! what a walk needs to know, and whether the kernel says the same as a walk.

use std::net::IpAddr;

use neli::consts::rtnl::{Nud, RtScope, RtTable, Rta, RtmF, Rtn, Rtprot};
use neli::rtnl::{Ndmsg, NdmsgBuilder, Rtmsg, RtmsgBuilder};
use neli::types::Buffer;
use nix::errno::Errno;

use super::best_route::Candidate;
use super::packet::Packet;
use super::walk::{End, Walk};
use crate::netlink::{
    address, address_bytes, decode_route, family_number, nested, number, short, Attributes,
    Refusal, WireError,
};
use crate::routing::{Family, Hop, InterfaceName, Kind, Prefix, Route};

/// `RTA_UID`, and `RTM_F_LOOKUP_TABLE` and `RTM_F_FIB_MATCH`, which neli names with glibc only.
const UID: u16 = 25;
const LOOKUP_TABLE: u32 = 0x1000;
const FIB_MATCH: u32 = 0x2000;

/// `RTA_IP_PROTO`, `RTA_SPORT` and `RTA_DPORT`, which neli does not name.
const IP_PROTO: u16 = 27;
const SPORT: u16 = 28;
const DPORT: u16 = 29;

/// Bytes of a `struct rtmsg`, and where its flags are.
const HEADER: usize = 12;
const FLAGS: usize = 8;

/// `RTNH_F_DEAD`: the kernel sets it too where a device has no carrier and
/// `ignore_routes_with_linkdown` is set.
const DEAD: u8 = 1;

/// What the kernel says of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelAnswer {
    /// There is no way.
    Refused(Refusal),
    /// The way.
    Taken {
        /// The one hop that is taken, with the packet's destination and source.
        way: Route,
        /// The route that it is taken from; `None` for a way without a route.
        route: Option<Candidate>,
    },
}

impl KernelAnswer {
    /// Whether IPv4 refused a packet for its source.
    pub fn is_bad_source(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.errno, Errno::EINVAL | Errno::EXDEV),
            Self::Taken { .. } => false,
        }
    }

    /// Whether a walk comes to the same: the table, the route in it and, where that shares packets
    /// out over several hops, one of those; or the same error.
    pub fn agrees(&self, walk: &Walk) -> bool {
        match (&walk.end, self) {
            (End::Route(_, best), Self::Taken { way, route }) => {
                // The hop and the route are two questions, and of several routes that are as good
                // each may be answered by another one. The tos that is told is the first one's.
                let first = best.first().map_or(0, |first| first.route.tos);
                let is_one = |route: &Candidate| {
                    let mut best = best.iter();
                    best.any(|ours| same(ours, route) || same(&ours.with_tos(first), route))
                };
                let mut leading = best.iter();
                leading.any(|ours| leads(ours, way)) && route.as_ref().is_none_or(is_one)
            }
            (End::OnLink(device), Self::Taken { way, route }) => {
                route.is_none() && way.hops.iter().all(|hop| is_direct(hop, device))
            }
            (end, Self::Refused(refusal)) => end.errno() == Some(refusal.errno),
            _ => false,
        }
    }
}

fn is_direct(hop: &Hop, device: &InterfaceName) -> bool {
    hop.gateway.is_none() && hop.device.as_ref() == Some(device)
}

/// Whether a way is one of a route's. The way to this host itself is by lo, and that of packets to
/// a group or to all hosts through no router.
fn leads(candidate: &Candidate, way: &Route) -> bool {
    let to_many = matches!(way.kind, Kind::MULTICAST | Kind::BROADCAST);
    let ends_here = matches!(candidate.route.kind, Kind::LOCAL | Kind::BROADCAST);
    let is_taken = |hop: &Hop, taken: &Hop| {
        hop.device == taken.device && (to_many || hop.gateway == taken.gateway)
    };
    let led = |taken: &Hop| candidate.living().any(|hop| is_taken(hop, taken));
    candidate.route.table == way.table && (ends_here || way.hops.iter().all(led))
}

/// Whether two are one route of a table; the kernel may list the hops in another order, and says
/// of a unicast route to a group or to all hosts that it is for such.
fn same(ours: &Candidate, theirs: &Candidate) -> bool {
    let place = |candidate: &Candidate| {
        let Route {
            destination,
            tos,
            metric,
            table,
            ..
        } = candidate.route;
        (destination, tos, metric, table, candidate.sources)
    };
    let kind = |candidate: &Candidate| match candidate.route.kind {
        Kind::MULTICAST | Kind::BROADCAST => Kind::UNICAST,
        kind => kind,
    };
    let hops = |candidate: &Candidate| {
        let hops = candidate.route.hops.iter();
        let mut hops: Vec<_> = hops.map(|hop| (hop.gateway, hop.device.clone())).collect();
        hops.sort();
        hops
    };
    place(ours) == place(theirs) && kind(ours) == kind(theirs) && hops(ours) == hops(theirs)
}

/// What of a packet's way is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The one hop that it takes.
    Hop,
    /// The whole route that it takes.
    Route,
}

/// The message that asks for a packet's way; `iif` and `oif` are the numbers of its devices.
pub fn encode(
    packet: &Packet,
    iif: Option<u32>,
    oif: Option<u32>,
    asked: Asked,
) -> Result<Rtmsg, WireError> {
    let mut attrs = Attributes::new();
    attrs.add(Rta::Dst, address_bytes(packet.to))?;
    attrs.add_some(Rta::Src, packet.from.map(address_bytes))?;
    attrs.add_some(Rta::Iif, iif)?;
    attrs.add_some(Rta::Oif, oif)?;
    if packet.mark != 0 {
        attrs.add(Rta::Mark, packet.mark)?;
    }
    attrs.add(Rta::from(UID), packet.user)?;
    attrs.add(Rta::from(IP_PROTO), packet.ip_protocol)?;
    for (kind, port) in [(SPORT, packet.sport), (DPORT, packet.dport)] {
        if port != 0 {
            let network_order = Buffer::from(port.to_be_bytes().to_vec());
            attrs.add(Rta::from(kind), network_order)?;
        }
    }
    let bits = packet.family().bits();
    // IPv6 tells the table in any case, and refuses to be asked for it.
    let mut flags = match packet.family() {
        Family::Inet => RtmF::from_bits_retain(LOOKUP_TABLE),
        Family::Inet6 => RtmF::empty(),
    };
    if asked == Asked::Route {
        flags |= RtmF::from_bits_retain(FIB_MATCH);
    }
    RtmsgBuilder::default()
        .rtm_family(family_number(packet.family()))
        .rtm_dst_len(bits)
        .rtm_src_len(packet.from.map_or(0, |_| bits))
        .rtm_tos(packet.tos)
        .rtm_table(RtTable::Unspec)
        .rtm_protocol(Rtprot::Unspec)
        .rtm_scope(RtScope::Universe)
        .rtm_type(Rtn::Unspec)
        .rtm_flags(flags)
        .rtattrs(attrs.finish())
        .build()
        .map_err(WireError::new)
}

/// The route in a message of the kernel's, with what the choice of one depends on; `None` where it
/// does not lead to the address. That is seen before the rest is read: there may be many.
pub fn decode(
    payload: &[u8],
    to: IpAddr,
    device: impl FnMut(u32) -> Option<InterfaceName>,
) -> Result<Option<Candidate>, WireError> {
    let cut = || WireError::new("a route is cut short");
    let (Some(&length), Some(attributes)) = (payload.get(1), payload.get(HEADER..)) else {
        return Err(cut());
    };
    let attribute = |wanted: Rta| {
        let mut all = nested(attributes);
        let found = all.find(|(kind, _)| *kind == u16::from(wanted));
        found.map(|(_, value)| value)
    };
    let destination = attribute(Rta::Dst).and_then(address);
    let destination = destination.unwrap_or(Family::of(to).unspecified());
    if !Prefix::around(destination, length).contains(to) {
        return Ok(None);
    }
    // An answer about one packet says that it may be cached, as a clone in the IPv6 cache does.
    let mut whole = payload.to_vec();
    let cloned = RtmF::CLONED.bits().to_ne_bytes();
    for (byte, cloned) in whole.iter_mut().skip(FLAGS).zip(cloned) {
        *byte &= !cloned;
    }
    let Some(mut route) = decode_route(&whole, device)? else {
        return Ok(None);
    };
    let sources = attribute(Rta::Src).and_then(address);
    let sources = sources.zip(payload.get(2).copied());
    let sources = sources.map(|(source, length)| Prefix::around(source, length));
    let one = payload.get(FLAGS).is_some_and(|flags| flags & DEAD != 0);
    let several = attribute(Rta::Multipath).map_or(Vec::new(), dead_hops);
    let mut dead = several.into_iter();
    let dead = route.hops.iter().map(|_| dead.next().unwrap_or(one));
    let dead: Vec<bool> = dead.collect();
    route.unread.clear();
    Ok(Some(Candidate {
        route,
        sources,
        gone: vec![false; dead.len()],
        dead,
    }))
}

/// For each `struct rtnexthop` whether it is dead.
fn dead_hops(mut rest: &[u8]) -> Vec<bool> {
    let mut dead = Vec::new();
    while let (Some(length), Some(flags)) = (short(rest, 0), rest.get(2)) {
        dead.push(flags & DEAD != 0);
        let length = usize::from(length).next_multiple_of(4).max(4);
        rest = rest.get(length..).unwrap_or_default();
    }
    dead
}

/// `struct ndmsg`, `NDA_DST` of a neighbour, and `NUD_FAILED`.
const NEIGHBOUR_HEADER: usize = 12;
const NEIGHBOUR_ADDRESS: u16 = 1;
const FAILED: u16 = 0x20;

/// The message that asks for all IPv6 neighbours.
pub fn encode_neighbours() -> Result<Ndmsg, WireError> {
    NdmsgBuilder::default()
        .ndm_family(family_number(Family::Inet6))
        .ndm_index(0)
        .ndm_state(Nud::empty())
        .ndm_type(Rtn::Unspec)
        .build()
        .map_err(WireError::new)
}

/// The number of the device and the address of a neighbour that does not answer.
pub fn decode_gone(payload: &[u8]) -> Option<(u32, IpAddr)> {
    let index = number(payload.get(4..8)?)?;
    let state = short(payload, 8)?;
    let mut attributes = nested(payload.get(NEIGHBOUR_HEADER..)?);
    let (_, value) = attributes.find(|(kind, _)| *kind == NEIGHBOUR_ADDRESS)?;
    (state & FAILED != 0).then_some((index, address(value)?))
}
