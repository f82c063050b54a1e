//! An interface's address as a netlink message: `struct ifaddrmsg` and the `IFA_*` attributes of
//! `linux/if_addr.h`. Addresses are only ever read.

use std::io::Cursor;

use neli::consts::rtnl::{Ifa, RtScope};
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder};
use neli::types::RtBuffer;
use neli::FromBytesWithInput;

use super::message::{address, attributes, c_string, family_number, number, WireError};
use crate::routing::{Family, InterfaceAddress};

/// `IFA_F_*`; the first is `IFA_F_SECONDARY` of IPv4.
const TEMPORARY: u32 = 0x01;
const DAD_FAILED: u32 = 0x08;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;
/// `IFA_FLAGS`, which holds all of the flags; the header holds eight.
const FLAGS: u16 = 8;

/// Whether packets may leave with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Usable,
    /// Not before duplicate address detection is over.
    Tentative,
    /// Still, but no new connection should begin with it (RFC 4862).
    Deprecated,
    /// Not for long.
    Temporary,
    /// Not for policy routing: of the link alone, or a duplicate.
    Unfit,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    pub address: InterfaceAddress,
    /// `eth0`, or `eth0:1` for the address of an alias; IPv6 has none.
    pub label: Option<String>,
    pub standing: Standing,
}

/// The message that asks for the addresses of one device, or for those of all by number 0.
pub fn encode_dump(family: Family, index: u32) -> Result<Ifaddrmsg, WireError> {
    IfaddrmsgBuilder::default()
        .ifa_family(family_number(family))
        .ifa_prefixlen(0)
        .ifa_scope(RtScope::Universe)
        .ifa_index(index)
        .rtattrs(RtBuffer::new())
        .build()
        .map_err(WireError::new)
}

/// The address in a message of the kernel's; `None` if it is another device's.
pub fn decode(payload: &[u8], index: u32) -> Result<Option<Assigned>, WireError> {
    let found = decode_any(payload)?;
    let found = found.filter(|(device, _)| *device == index);
    Ok(found.map(|(_, assigned)| assigned))
}

/// The address in a message of the kernel's, with the number of its device.
pub fn decode_any(payload: &[u8]) -> Result<Option<(u32, Assigned)>, WireError> {
    let message = Ifaddrmsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map_err(WireError::new)?;
    let (mut local, mut other, mut label) = (None, None, None);
    let mut flags = u32::from(message.ifa_flags().bits());
    for (kind, value) in attributes(message.rtattrs()) {
        match Ifa::from(kind) {
            Ifa::Local => local = address(value),
            // The other end's where there is one, else the same again.
            Ifa::Address => other = address(value),
            Ifa::Label => label = c_string(value).map(str::to_owned),
            _ if kind == FLAGS => flags = number(value).unwrap_or(flags),
            _ => {}
        }
    }
    let Some(own) = local.or(other) else {
        return Ok(None);
    };
    let Ok(paired) = InterfaceAddress::new(own, *message.ifa_prefixlen()) else {
        return Ok(None);
    };
    let address = paired.facing(other);
    let temporary = address.family() == Family::Inet6 && flags & TEMPORARY != 0;
    let standing = if *message.ifa_scope() != RtScope::Universe || flags & DAD_FAILED != 0 {
        Standing::Unfit
    } else if temporary || flags & DEPRECATED != 0 {
        if flags & TENTATIVE != 0 {
            Standing::Unfit
        } else if temporary {
            Standing::Temporary
        } else {
            Standing::Deprecated
        }
    } else if flags & TENTATIVE != 0 {
        Standing::Tentative
    } else {
        Standing::Usable
    };
    let assigned = Assigned {
        address,
        label,
        standing,
    };
    Ok(Some((*message.ifa_index(), assigned)))
}
