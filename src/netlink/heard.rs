//! What the kernel tells of changes, message by message, as values. Only as much is read as decides
//! whom it concerns: what there is now, whoever it concerns has to look up.

use neli::consts::rtnl::Rtm;

use super::address::{self, Assigned};
use super::message::{nested, number, Reply};
use super::{link, rule};
use crate::routing::{InterfaceName, Rule, TableId, PROTOCOL};

/// A change that the kernel told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A device came, or something of it changed. It is known by its number: its name may change.
    Link {
        index: u32,
        /// All of them.
        names: Vec<InterfaceName>,
        /// Whether it is up in the administrator's eyes.
        is_up: bool,
    },
    /// A device is gone.
    LinkGone { index: u32 },
    /// A device has an address, which is new or has another standing now.
    Address { index: u32, assigned: Assigned },
    /// A device has an address no more.
    AddressGone { index: u32, assigned: Assigned },
    /// A rule was added.
    Rule(Rule),
    /// A rule was deleted.
    RuleGone(Rule),
    /// A route was added or deleted.
    Route(HeardRoute),
    /// Something of our table of nft(8) was added or deleted.
    Marks,
}

/// What is told of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardRoute {
    pub table: TableId,
    pub is_ours: bool,
    pub is_default: bool,
    /// The number of the device it leaves by, where it is one.
    pub device: Option<u32>,
    pub is_gone: bool,
}

/// What a message tells; none where it is of another kind, or cannot be read.
pub fn heard(reply: &Reply<'_>) -> Option<Heard> {
    let is = |kind: Rtm| reply.kind == u16::from(kind);
    let payload = reply.payload;
    if is(Rtm::Newlink) || is(Rtm::Dellink) {
        return heard_of_link(payload, is(Rtm::Dellink));
    }
    if is(Rtm::Newaddr) || is(Rtm::Deladdr) {
        let (index, assigned) = address::decode_any(payload).ok()??;
        return Some(if is(Rtm::Newaddr) {
            Heard::Address { index, assigned }
        } else {
            Heard::AddressGone { index, assigned }
        });
    }
    if is(Rtm::Newrule) || is(Rtm::Delrule) {
        let rule = rule::decode(payload).ok()??;
        return Some(if is(Rtm::Newrule) {
            Heard::Rule(rule)
        } else {
            Heard::RuleGone(rule)
        });
    }
    let is_gone = is(Rtm::Delroute);
    if is_gone || is(Rtm::Newroute) {
        return heard_of_route(payload, is_gone).map(Heard::Route);
    }
    None
}

/// Of another family than none, the message is of what a device does as part of a bridge: one
/// that is released from it is not gone.
fn heard_of_link(payload: &[u8], is_gone: bool) -> Option<Heard> {
    if payload.first() != Some(&0) {
        return None;
    }
    let index = number(payload.get(4..8)?)?;
    if is_gone {
        return Some(Heard::LinkGone { index });
    }
    let names = link::names(payload).into_iter();
    Some(Heard::Link {
        index,
        names: names.filter_map(|name| name.parse().ok()).collect(),
        is_up: link::is_up(payload)?,
    })
}

/// Bytes of a `struct rtmsg`, and attributes behind it.
const ROUTE_HEADER: usize = 12;
const DEVICE: u16 = 4;
const TABLE: u16 = 15;

fn heard_of_route(payload: &[u8], is_gone: bool) -> Option<HeardRoute> {
    let mut found = HeardRoute {
        table: TableId::numbered(u32::from(*payload.get(4)?)),
        is_ours: *payload.get(5)? == PROTOCOL,
        is_default: *payload.get(1)? == 0,
        device: None,
        is_gone,
    };
    for (kind, value) in nested(payload.get(ROUTE_HEADER..)?) {
        match kind {
            TABLE => found.table = number(value).map_or(found.table, TableId::numbered),
            DEVICE => found.device = number(value),
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::attribute_bytes;

    fn reply(kind: Rtm, payload: &[u8]) -> Reply<'_> {
        Reply {
            kind: kind.into(),
            flags: 0,
            sequence: 0,
            payload,
        }
    }

    fn link(family: u8, flags: u8) -> Vec<u8> {
        let mut payload = vec![family, 0, 0, 0, 7, 0, 0, 0, flags, 0, 0, 0, 0, 0, 0, 0];
        payload[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        payload[8..12].copy_from_slice(&u32::from(flags).to_ne_bytes());
        payload.extend(attribute_bytes(3, b"eth1\0"));
        payload
    }

    #[test]
    fn a_port_that_leaves_a_bridge_is_not_gone() {
        let gone = link(0, 1);
        let gone = heard(&reply(Rtm::Dellink, &gone));
        assert_eq!(gone, Some(Heard::LinkGone { index: 7 }));
        // AF_BRIDGE
        let released = link(7, 1);
        assert_eq!(heard(&reply(Rtm::Dellink, &released)), None);
        let names = vec!["eth1".parse().unwrap()];
        let (index, is_up) = (7, false);
        let down = link(0, 0);
        let expected = Heard::Link {
            index,
            names,
            is_up,
        };
        assert_eq!(heard(&reply(Rtm::Newlink, &down)), Some(expected));
    }

    #[test]
    fn a_route_is_known_by_its_table_whose_it_is_and_where_it_leaves() {
        let mut payload = vec![2, 24, 0, 0, 252, PROTOCOL, 0, 1, 0, 0, 0, 0];
        payload.extend(attribute_bytes(15, &70_000_u32.to_ne_bytes()));
        payload.extend(attribute_bytes(4, &9_u32.to_ne_bytes()));
        let expected = HeardRoute {
            table: TableId::numbered(70_000),
            is_ours: true,
            is_default: false,
            device: Some(9),
            is_gone: true,
        };
        let told = heard(&reply(Rtm::Delroute, &payload));
        assert_eq!(told, Some(Heard::Route(expected)));
        for length in 0..payload.len() {
            let _ = heard(&reply(Rtm::Newroute, &payload[..length]));
            let _ = heard(&reply(Rtm::Newlink, &payload[..length]));
            let _ = heard(&reply(Rtm::Newaddr, &payload[..length]));
            let _ = heard(&reply(Rtm::Newrule, &payload[..length]));
        }
        assert_eq!(heard(&reply(Rtm::Newneigh, &payload)), None);
    }
}
