//! A route as a netlink message, both ways: `struct rtmsg` and the `RTA_*` attributes of
//! `linux/rtnetlink.h`. Floor 1, pure. One encoder serves adding and deleting.

use std::io::Cursor;

use neli::consts::rtnl::{RtScope, RtTable, Rta, RtmF, Rtn, Rtprot};
use neli::rtnl::{Rtmsg, RtmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::FromBytesWithInput;

use crate::net::{Family, InterfaceName, Prefix, TableId};
use crate::route::{Route, Scope};
use crate::wire::{
    address, attribute, attributes, family, family_number, number, octets, WireError,
};

/// `RTNH_F_ONLINK`, which shares the flags of a message with `RTM_F_*`.
const ONLINK: u32 = 4;

/// The message that adds or deletes a route. `index` is the number of its device.
///
/// # Errors
/// neli could not write an attribute.
pub fn encode(route: &Route, index: Option<u32>) -> Result<Rtmsg, WireError> {
    let mut attrs = RtBuffer::<Rta, Buffer>::new();
    if !route.destination.is_any() {
        attrs.push(attribute(Rta::Dst, octets(route.destination.address()))?);
    }
    if let Some(gateway) = route.gateway {
        attrs.push(attribute(Rta::Gateway, octets(gateway))?);
    }
    if let Some(index) = index {
        attrs.push(attribute(Rta::Oif, index)?);
    }
    if let Some(source) = route.source {
        attrs.push(attribute(Rta::Prefsrc, octets(source))?);
    }
    if route.metric != 0 {
        attrs.push(attribute(Rta::Priority, route.metric)?);
    }
    attrs.push(attribute(Rta::Table, route.table.0)?);
    message(route.family(), attrs)
        .rtm_dst_len(route.destination.length())
        .rtm_protocol(Rtprot::from(route.protocol))
        .rtm_scope(RtScope::from(route.scope.0))
        .rtm_type(Rtn::Unicast)
        .rtm_flags(RtmF::from_bits_retain(if route.onlink {
            ONLINK
        } else {
            0
        }))
        .build()
        .map_err(WireError::new)
}

/// The message that asks for the routes of one table.
///
/// # Errors
/// neli could not write it.
pub fn encode_dump(family: Family, table: TableId) -> Result<Rtmsg, WireError> {
    let mut attrs = RtBuffer::<Rta, Buffer>::new();
    attrs.push(attribute(Rta::Table, table.0)?);
    message(family, attrs).build().map_err(WireError::new)
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
///
/// # Errors
/// The message does not hold what its header says.
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
    let table = TableId(u8::from(*message.rtm_table()).into());
    let mut route = Route {
        protocol: u8::from(*message.rtm_protocol()),
        scope: Scope(u8::from(*message.rtm_scope())),
        onlink: message.rtm_flags().bits() & ONLINK != 0,
        metric: 0,
        ..Route::to(Prefix::any(family), table)
    };
    let (kind, tos) = (u8::from(*message.rtm_type()), *message.rtm_tos());
    if kind != u8::from(Rtn::Unicast) || tos != 0 || *message.rtm_src_len() != 0 {
        route
            .unread
            .push((HEADER, vec![kind, tos, *message.rtm_src_len()]));
    }
    for (kind, value) in attributes(message.rtattrs()) {
        match Rta::from(kind) {
            Rta::Dst => {
                let to = address(value).map(|to| Prefix::around(to, *message.rtm_dst_len()));
                route.destination = to.unwrap_or(route.destination);
            }
            Rta::Gateway => route.gateway = address(value),
            Rta::Oif => route.device = number(value).and_then(&mut device),
            Rta::Prefsrc => route.source = address(value),
            Rta::Priority => route.metric = number(value).unwrap_or(0),
            Rta::Table => route.table = number(value).map_or(route.table, TableId),
            // Age and users of the entry, nothing of what it is.
            Rta::Cacheinfo => {}
            // Router preference; 0 is "medium", what every route without one has.
            _ if kind == PREF && value == [0] => {}
            _ => route.unread.push((kind, value.to_vec())),
        }
    }
    Ok(Some(route))
}

/// Stands for what the header says and no word of ours can, among the attributes; no attribute
/// can have this number.
const HEADER: u16 = u16::MAX;
/// `RTA_PREF`, which neli names for glibc only.
const PREF: u16 = 20;
