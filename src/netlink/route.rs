//! A route as a netlink message, both ways: `struct rtmsg` and the `RTA_*` attributes of
//! `linux/rtnetlink.h`. One encoder serves adding and deleting.

use std::io::Cursor;
use std::net::IpAddr;

use neli::consts::rtnl::{RtScope, RtTable, Rta, RtmF, Rtn, Rtprot};
use neli::rtnl::{Rtmsg, RtmsgBuilder};
use neli::types::Buffer;
use neli::FromBytesWithInput;

use super::message::{
    address, address_bytes, attribute_bytes, attributes, c_string, family, family_number, nested,
    number, short, small, whole, Attributes, WireError,
};
use crate::routing::syntax::{RTAX_CC_ALGO, RTAX_LOCK};
use crate::routing::{Family, Hop, InterfaceName, Kind, Metrics, Prefix, Route, Scope, TableId};

/// `RTNH_F_ONLINK`, which shares the flags of a message with `RTM_F_*`.
const ONLINK: u32 = 4;
/// `RTM_F_FIB_MATCH`: not the way of a packet, which may end on a link for want of a route, but the
/// route.
const FIB_MATCH: u32 = 0x2000;
/// `RTM_F_LOOKUP_TABLE`: in the answer stands the table that has the route.
const LOOKUP_TABLE: u32 = 0x1000;
/// `RTA_VIA` and `RTA_PREF`, which neli names for glibc only.
const VIA: u16 = 18;
const PREF: u16 = 20;
/// Bytes of a `struct rtnexthop`.
const HOP: usize = 8;
/// Stands among the unread attributes for a part of the header that no word of ours can say; no
/// attribute can have this number.
const HEADER: u16 = u16::MAX;

/// The message that adds or deletes a route. `indexes` are the numbers of its hops' devices.
pub fn encode(route: &Route, indexes: &[Option<u32>]) -> Result<Rtmsg, WireError> {
    let mut attrs = Attributes::new();
    if !route.destination.is_any() {
        attrs.add(Rta::Dst, address_bytes(route.destination.address()))?;
    }
    let flags = add_hops(&mut attrs, route, indexes)?;
    attrs.add_some(Rta::Prefsrc, route.source.map(address_bytes))?;
    if route.metric != 0 {
        attrs.add(Rta::Priority, route.metric)?;
    }
    if route.realms != 0 {
        attrs.add(Rta::Flow, route.realms)?;
    }
    if route.metrics != Metrics::default() {
        attrs.add(Rta::Metrics, encode_metrics(&route.metrics))?;
    }
    if route.preference != 0 {
        attrs.add(Rta::from(PREF), route.preference)?;
    }
    attrs.add(Rta::Table, route.table.number())?;
    message(route.family(), attrs)
        .rtm_dst_len(route.destination.length())
        .rtm_tos(route.tos)
        .rtm_protocol(Rtprot::from(route.protocol))
        .rtm_scope(RtScope::from(route.scope.0))
        .rtm_type(Rtn::from(route.kind.0))
        .rtm_flags(flags)
        .build()
        .map_err(WireError::new)
}

/// Adds the ways of a route, and gives the flags of the message: those of a single hop, which
/// stand there and not in an attribute.
fn add_hops(
    attrs: &mut Attributes<Rta>,
    route: &Route,
    indexes: &[Option<u32>],
) -> Result<RtmF, WireError> {
    match route.hops.as_slice() {
        [] => {}
        [hop] => {
            if let Some(gateway) = hop.gateway {
                let (kind, value) = gateway_attribute(gateway, route.family());
                attrs.add(Rta::from(kind), value)?;
            }
            attrs.add_some(Rta::Oif, indexes.first().copied().flatten())?;
            if hop.onlink {
                return Ok(RtmF::from_bits_retain(ONLINK));
            }
        }
        hops => {
            let each = hops.iter().zip(indexes);
            let bytes: Vec<u8> = each
                .flat_map(|(hop, index)| encode_hop(hop, *index, route.family()))
                .collect();
            attrs.add(Rta::Multipath, Buffer::from(bytes))?;
        }
    }
    Ok(RtmF::empty())
}

/// Number and payload of the attribute for a gateway: `RTA_VIA` says the gateway's family where it
/// is not the route's.
fn gateway_attribute(gateway: IpAddr, family: Family) -> (u16, Buffer) {
    if Family::of(gateway) == family {
        return (Rta::Gateway.into(), address_bytes(gateway));
    }
    let number = u16::from(u8::from(family_number(Family::of(gateway))));
    let mut payload = number.to_ne_bytes().to_vec();
    payload.extend(address_bytes(gateway).as_ref());
    (VIA, payload.into())
}

/// `struct rtnexthop` and its attributes.
fn encode_hop(hop: &Hop, index: Option<u32>, family: Family) -> Vec<u8> {
    let mut attrs = Vec::new();
    if let Some(gateway) = hop.gateway {
        let (kind, payload) = gateway_attribute(gateway, family);
        attrs.extend(attribute_bytes(kind, payload.as_ref()));
    }
    if hop.realms != 0 {
        attrs.extend(attribute_bytes(Rta::Flow.into(), &hop.realms.to_ne_bytes()));
    }
    let length = u16::try_from(HOP + attrs.len()).unwrap_or(u16::MAX);
    let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend([u8::from(hop.onlink) << 2, weight]);
    bytes.extend(index.unwrap_or(0).to_ne_bytes());
    bytes.extend(attrs);
    bytes
}

fn encode_metrics(metrics: &Metrics) -> Buffer {
    let lock = Some((RTAX_LOCK, metrics.locked)).filter(|(_, locked)| *locked != 0);
    let numbers = lock
        .into_iter()
        .chain(metrics.values.iter().map(|(kind, value)| (*kind, *value)));
    let mut bytes: Vec<u8> = numbers
        .flat_map(|(kind, value)| attribute_bytes(kind, &value.to_ne_bytes()))
        .collect();
    if let Some(congctl) = &metrics.congctl {
        let name = [congctl.as_bytes(), b"\0"].concat();
        bytes.extend(attribute_bytes(RTAX_CC_ALGO, &name));
    }
    bytes.into()
}

/// The message that asks for the routes of one table, by one device if that is given.
pub fn encode_dump(family: Family, table: TableId, index: Option<u32>) -> Result<Rtmsg, WireError> {
    let mut attrs = Attributes::new();
    attrs.add(Rta::Table, table.number())?;
    attrs.add_some(Rta::Oif, index)?;
    message(family, attrs).build().map_err(WireError::new)
}

/// As [`encode_dump`], for routes of a kind alone.
pub fn encode_dump_of(family: Family, table: TableId, kind: Kind) -> Result<Rtmsg, WireError> {
    let mut attrs = Attributes::new();
    attrs.add(Rta::Table, table.number())?;
    message(family, attrs)
        .rtm_type(Rtn::from(kind.0))
        .build()
        .map_err(WireError::new)
}

/// As [`encode_dump`], for those that bear the protocol of what commands put in.
pub fn encode_dump_by_commands(
    family: Family,
    table: TableId,
    index: u32,
) -> Result<Rtmsg, WireError> {
    let mut attrs = Attributes::new();
    attrs.add(Rta::Table, table.number())?;
    attrs.add(Rta::Oif, index)?;
    message(family, attrs)
        .rtm_protocol(Rtprot::Boot)
        .build()
        .map_err(WireError::new)
}

/// The message that asks for the routes of all tables that bear a protocol.
pub fn encode_dump_by(family: Family, protocol: u8) -> Result<Rtmsg, WireError> {
    message(family, Attributes::new())
        .rtm_protocol(Rtprot::from(protocol))
        .build()
        .map_err(WireError::new)
}

/// The message that asks which way a packet goes.
pub fn encode_question(from: IpAddr, to: IpAddr) -> Result<Rtmsg, WireError> {
    let family = Family::of(to);
    let mut attrs = Attributes::new();
    attrs.add(Rta::Dst, address_bytes(to))?;
    attrs.add(Rta::Src, address_bytes(from))?;
    message(family, attrs)
        .rtm_dst_len(family.bits())
        .rtm_src_len(family.bits())
        .rtm_flags(RtmF::from_bits_retain(LOOKUP_TABLE))
        .build()
        .map_err(WireError::new)
}

/// The message that asks which route leads to an address by a device, whatever it comes from.
pub fn encode_question_by(to: IpAddr, index: u32) -> Result<Rtmsg, WireError> {
    let family = Family::of(to);
    let mut attrs = Attributes::new();
    attrs.add(Rta::Dst, address_bytes(to))?;
    attrs.add(Rta::Oif, index)?;
    message(family, attrs)
        .rtm_dst_len(family.bits())
        .rtm_flags(RtmF::from_bits_retain(FIB_MATCH))
        .build()
        .map_err(WireError::new)
}

fn message(family: Family, attrs: Attributes<Rta>) -> RtmsgBuilder {
    RtmsgBuilder::default()
        .rtm_family(family_number(family))
        .rtm_dst_len(0)
        .rtm_src_len(0)
        .rtm_tos(0)
        // The attribute says the table; the header could say IDs below 256 only.
        .rtm_table(RtTable::Unspec)
        .rtm_protocol(Rtprot::Unspec)
        .rtm_scope(RtScope::Universe)
        .rtm_type(Rtn::Unspec)
        .rtattrs(attrs.finish())
}

/// The route in a message of the kernel's; `None` for a clone in the IPv6 cache, or a family other
/// than IPv4 and IPv6. `device` knows the names of device numbers.
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
            RTAX_CC_ALGO => metrics.congctl = Some(whole(c_string(value), kind)?.to_owned()),
            RTAX_LOCK => metrics.locked = whole(number(value), kind)?,
            _ => {
                metrics.values.insert(kind, whole(number(value), kind)?);
            }
        }
    }
    Ok(metrics)
}
