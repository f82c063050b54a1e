//! A route as a netlink message, both ways: `struct rtmsg` and the `RTA_*` attributes of
//! `linux/rtnetlink.h`. One encoder serves adding and deleting.

use std::io::Cursor;
use std::net::IpAddr;

use neli::consts::rtnl::{RtScope, RtTable, Rta, RtmF, Rtn, Rtprot};
use neli::rtnl::{Rtmsg, RtmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::FromBytesWithInput;

use super::message::{
    address, attribute, attributes, family, family_number, named, nested, number, octets, raw,
    short, small, whole, WireError,
};
use crate::routing::{Family, Hop, InterfaceName, Kind, Metrics, Prefix, Route, Scope, TableId};

/// `RTNH_F_ONLINK`, which shares the flags of a message with `RTM_F_*`.
const ONLINK: u32 = 4;
/// Numbers that neli names for glibc only.
const VIA: u16 = 18;
const PREF: u16 = 20;
/// `RTAX_LOCK` and `RTAX_CC_ALGO` among the nested metrics.
const LOCK: u16 = 1;
const CC_ALGO: u16 = 16;
/// Stands for what the header says and no word of ours can, among the attributes; no attribute
/// can have this number.
const HEADER: u16 = u16::MAX;

/// The message that adds or deletes a route. `indexes` are the numbers of its hops' devices.
pub fn encode(route: &Route, indexes: &[Option<u32>]) -> Result<Rtmsg, WireError> {
    let mut attrs = Vec::new();
    let mut add = |kind: Rta, payload: Buffer| {
        attribute(kind, payload).map(|attribute| attrs.push(attribute))
    };
    let word = |number: u32| Buffer::from(number.to_ne_bytes().to_vec());
    if !route.destination.is_any() {
        add(Rta::Dst, octets(route.destination.address()))?;
    }
    let mut flags = RtmF::empty();
    match route.hops.as_slice() {
        [] => {}
        [hop] => {
            if let Some(gateway) = hop.gateway {
                let (kind, payload) = way(gateway, route.family());
                add(Rta::from(kind), payload)?;
            }
            if let Some(Some(index)) = indexes.first() {
                add(Rta::Oif, word(*index))?;
            }
            if hop.onlink {
                flags = RtmF::from_bits_retain(ONLINK);
            }
        }
        hops => {
            let each = hops.iter().zip(indexes);
            let payload: Vec<u8> = each
                .flat_map(|(hop, index)| encode_hop(hop, *index, route.family()))
                .collect();
            add(Rta::Multipath, payload.into())?;
        }
    }
    if let Some(source) = route.source {
        add(Rta::Prefsrc, octets(source))?;
    }
    if route.metric != 0 {
        add(Rta::Priority, word(route.metric))?;
    }
    if route.realms != 0 {
        add(Rta::Flow, word(route.realms))?;
    }
    if route.metrics != Metrics::default() {
        add(Rta::Metrics, encode_metrics(&route.metrics).into())?;
    }
    if route.preference != 0 {
        add(Rta::from(PREF), vec![route.preference].into())?;
    }
    add(Rta::Table, word(route.table.number()))?;
    message(route.family(), attrs.into_iter().collect())
        .rtm_dst_len(route.destination.length())
        .rtm_tos(route.tos)
        .rtm_protocol(Rtprot::from(route.protocol))
        .rtm_scope(RtScope::from(route.scope.0))
        .rtm_type(Rtn::from(route.kind.0))
        .rtm_flags(flags)
        .build()
        .map_err(WireError::new)
}

/// A gateway as attribute: `RTA_VIA` says its family where it is not the route's.
fn way(gateway: IpAddr, family: Family) -> (u16, Buffer) {
    if Family::of(gateway) == family {
        return (Rta::Gateway.into(), octets(gateway));
    }
    let number = u16::from(u8::from(family_number(Family::of(gateway))));
    let mut payload = number.to_ne_bytes().to_vec();
    payload.extend(octets(gateway).as_ref());
    (VIA, payload.into())
}

/// `struct rtnexthop` and its attributes.
fn encode_hop(hop: &Hop, index: Option<u32>, family: Family) -> Vec<u8> {
    let mut attrs = Vec::new();
    if let Some(gateway) = hop.gateway {
        let (kind, payload) = way(gateway, family);
        attrs.extend(raw(kind, payload.as_ref()));
    }
    if hop.realms != 0 {
        attrs.extend(raw(Rta::Flow.into(), &hop.realms.to_ne_bytes()));
    }
    let length = u16::try_from(HOP + attrs.len()).unwrap_or(u16::MAX);
    let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend([u8::from(hop.onlink) << 2, weight]);
    bytes.extend(index.unwrap_or(0).to_ne_bytes());
    bytes.extend(attrs);
    bytes
}

/// Bytes of a `struct rtnexthop`.
const HOP: usize = 8;

fn encode_metrics(metrics: &Metrics) -> Vec<u8> {
    let lock = Some((LOCK, metrics.locked)).filter(|(_, locked)| *locked != 0);
    let numbers = lock
        .into_iter()
        .chain(metrics.values.iter().map(|(kind, value)| (*kind, *value)));
    let mut bytes: Vec<u8> = numbers
        .flat_map(|(kind, value)| raw(kind, &value.to_ne_bytes()))
        .collect();
    if let Some(congctl) = &metrics.congctl {
        bytes.extend(raw(CC_ALGO, &[congctl.as_bytes(), b"\0"].concat()));
    }
    bytes
}

/// The message that asks for the routes of one table, by one device if that is given.
pub fn encode_dump(family: Family, table: TableId, index: Option<u32>) -> Result<Rtmsg, WireError> {
    let mut attrs = RtBuffer::<Rta, Buffer>::new();
    attrs.push(attribute(Rta::Table, table.number())?);
    if let Some(index) = index {
        attrs.push(attribute(Rta::Oif, index)?);
    }
    message(family, attrs).build().map_err(WireError::new)
}

/// The message that asks for the routes of all tables that bear a protocol.
pub fn encode_dump_by(family: Family, protocol: u8) -> Result<Rtmsg, WireError> {
    message(family, RtBuffer::new())
        .rtm_protocol(Rtprot::from(protocol))
        .build()
        .map_err(WireError::new)
}

fn message(family: Family, attrs: RtBuffer<Rta, Buffer>) -> RtmsgBuilder {
    RtmsgBuilder::default()
        .rtm_family(family_number(family))
        .rtm_dst_len(0)
        .rtm_src_len(0)
        .rtm_tos(0)
        // The attribute says the table; the header has room for IDs below 256 only.
        .rtm_table(RtTable::Unspec)
        .rtm_protocol(Rtprot::Unspec)
        .rtm_scope(RtScope::Universe)
        .rtm_type(Rtn::Unspec)
        .rtattrs(attrs)
}

/// The route that a message of the kernel's tells of, `device` knowing the names of device
/// numbers; `None` for a clone in the IPv6 cache or a family that is not ours.
pub fn decode(
    payload: &[u8],
    mut device: impl FnMut(u32) -> Option<InterfaceName>,
) -> Result<Option<Route>, WireError> {
    let message = Rtmsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map_err(WireError::new)?;
    let Some(family) = family(*message.rtm_family()) else {
        return Ok(None);
    };
    if message.rtm_flags().contains(RtmF::CLONED) {
        return Ok(None);
    }
    let table = TableId::numbered(u8::from(*message.rtm_table()).into());
    let onlink = message.rtm_flags().bits() & ONLINK != 0;
    let mut hop = Hop {
        onlink,
        ..Hop::direct()
    };
    let mut route = Route {
        kind: Kind(u8::from(*message.rtm_type())),
        tos: *message.rtm_tos(),
        protocol: u8::from(*message.rtm_protocol()),
        scope: Scope(u8::from(*message.rtm_scope())),
        metric: 0,
        hops: Vec::new(),
        ..Route::to(Prefix::any(family), table, Hop::direct())
    };
    if *message.rtm_src_len() != 0 {
        route.unread.push((HEADER, vec![*message.rtm_src_len()]));
    }
    for (kind, value) in attributes(message.rtattrs()) {
        match Rta::from(kind) {
            Rta::Dst => {
                let to = whole(address(value), kind)?;
                route.destination = Prefix::around(to, *message.rtm_dst_len());
            }
            Rta::Gateway => hop.gateway = Some(whole(address(value), kind)?),
            // A device that has just gone has no name any more.
            Rta::Oif => hop.device = device(whole(number(value), kind)?),
            Rta::Multipath => route.hops = decode_hops(value, &mut device)?,
            Rta::Prefsrc => route.source = Some(whole(address(value), kind)?),
            Rta::Priority => route.metric = whole(number(value), kind)?,
            Rta::Flow => route.realms = whole(number(value), kind)?,
            Rta::Metrics => route.metrics = decode_metrics(value)?,
            Rta::Table => route.table = TableId::numbered(whole(number(value), kind)?),
            // Age and users of the entry, nothing of what it is.
            Rta::Cacheinfo => {}
            _ if kind == VIA => hop.gateway = Some(whole(via(value), kind)?),
            _ if kind == PREF => route.preference = whole(small(value), kind)?,
            _ => route.unread.push((kind, value.to_vec())),
        }
    }
    // IPv6 gives routes that drop packets the device lo, which nobody asked for.
    if route.kind.has_device() && route.hops.is_empty() {
        route.hops.push(hop);
    }
    Ok(Some(route))
}

/// The address behind the family in `struct rtvia`.
fn via(payload: &[u8]) -> Option<IpAddr> {
    payload.get(2..).and_then(address)
}

fn decode_hops(
    mut rest: &[u8],
    device: &mut impl FnMut(u32) -> Option<InterfaceName>,
) -> Result<Vec<Hop>, WireError> {
    let mut hops = Vec::new();
    while !rest.is_empty() {
        let (hop, length) = whole(decode_hop(rest, device), Rta::Multipath.into())?;
        hops.push(hop);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

fn decode_hop(
    bytes: &[u8],
    device: &mut impl FnMut(u32) -> Option<InterfaceName>,
) -> Option<(Hop, usize)> {
    let length = usize::from(short(bytes, 0)?);
    let attrs = bytes.get(HOP..length)?;
    let mut hop = Hop {
        onlink: u32::from(*bytes.get(2)?) & ONLINK != 0,
        weight: u16::from(*bytes.get(3)?) + 1,
        device: device(number(bytes.get(4..HOP)?)?),
        ..Hop::direct()
    };
    for (kind, value) in nested(attrs) {
        match Rta::from(kind) {
            Rta::Gateway => hop.gateway = Some(address(value)?),
            Rta::Flow => hop.realms = number(value)?,
            _ if kind == VIA => hop.gateway = Some(via(value)?),
            _ => {}
        }
    }
    Some((hop, length))
}

fn decode_metrics(bytes: &[u8]) -> Result<Metrics, WireError> {
    let mut metrics = Metrics::default();
    for (kind, value) in nested(bytes) {
        match kind {
            CC_ALGO => metrics.congctl = Some(whole(named(value), kind)?.to_owned()),
            LOCK => metrics.locked = whole(number(value), kind)?,
            _ => {
                metrics.values.insert(kind, whole(number(value), kind)?);
            }
        }
    }
    Ok(metrics)
}
