//! The address that a stanza gives its interface: `address`, `netmask`, `pointopoint`.

use std::net::IpAddr;

use super::fault::{OptionError, OptionFault};
use crate::ifupdown::HookCall;
use crate::routing::{parse_length, Family, InterfaceAddress};

/// The address that a stanza says it has, where that is one.
pub fn own_address(call: &HookCall) -> Option<InterfaceAddress> {
    read_address(call).ok().flatten()
}

/// The same with what is wrong with it; `None` where the stanza gives none.
pub fn read_address(call: &HookCall) -> Result<Option<InterfaceAddress>, OptionError> {
    let Some(written) = &call.address else {
        return Ok(None);
    };
    let wrong = |option, value: Option<&String>, fault| {
        Err(OptionError::new(option, value.map(String::as_str), fault))
    };
    let (address, length) = match written.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (written.as_str(), call.netmask.as_deref()),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return wrong("address", Some(written), OptionFault::Address);
    };
    // `from 0.0.0.0` would be all packets that have no source yet: whatever this host sends.
    if address.is_unspecified() || address.is_multicast() {
        return wrong("address", Some(written), OptionFault::NobodysAddress);
    }
    let family = Family::of(address);
    let length = length.map_or(Ok(family.bits()), |length| parse_length(length, family));
    match length.and_then(|length| InterfaceAddress::new(address, length)) {
        Ok(own) => Ok(Some(facing(call, own))),
        Err(error) if written.contains('/') => wrong("address", Some(written), error.into()),
        Err(error) => wrong("netmask", call.netmask.as_ref(), error.into()),
    }
}

/// The address with its other end, if there is one. As with `ip address add … peer`, the length
/// is then the other end's: all of it, unless that is written with one.
fn facing(call: &HookCall, own: InterfaceAddress) -> InterfaceAddress {
    let Some(written) = &call.peer else {
        return own;
    };
    let (peer, length) = match written.split_once('/') {
        Some((peer, length)) => (peer, parse_length(length, own.family())),
        None => (written.as_str(), Ok(own.family().bits())),
    };
    let faced = length.and_then(|length| InterfaceAddress::new(own.address, length));
    match (peer.parse::<IpAddr>(), faced) {
        (Ok(peer), Ok(faced)) if Family::of(peer) == own.family() && peer != own.address => {
            faced.facing(Some(peer))
        }
        _ => own,
    }
}
