//! A device as a netlink message: `struct ifinfomsg` and the `IFLA_*` attributes of
//! `linux/if_link.h`. Devices are only ever read.

use neli::consts::rtnl::{Arphrd, Iff, Ifla, RtAddrFamily};
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder};

use super::message::{c_string, name_bytes, nested, number, Attributes, WireError};
use crate::routing::InterfaceName;

/// Bytes of a `struct ifinfomsg`.
const HEADER: usize = 16;
/// `IFF_UP` of `linux/if.h`.
const UP: u32 = 0x1;
const NAME: u16 = 3;
const GROUP: u16 = 27;
const MASTER: u16 = 10;
/// `IFLA_LINKINFO`, and what it says of a device that is part of another one: its kind, and, of a
/// VRF, the table.
const INFORMATION: u16 = 18;
const SLAVE_KIND: u16 = 4;
const SLAVE_DATA: u16 = 5;
const VRF_TABLE: u16 = 1;
/// `IFLA_PROP_LIST`, and in it `IFLA_ALT_IFNAME` once for each further name.
const PROPERTIES: u16 = 52;
const ALTNAME: u16 = 53;

/// The message that asks for all devices.
pub fn encode_dump() -> Result<Ifinfomsg, WireError> {
    message(0)
}

fn message(index: i32) -> Result<Ifinfomsg, WireError> {
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_type(Arphrd::from(0))
        .ifi_index(index)
        .ifi_flags(Iff::empty())
        .ifi_change(Iff::empty())
        .build()
        .map_err(WireError::new)
}

fn attributes(payload: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    nested(payload.get(HEADER..).unwrap_or_default())
}

/// The message that asks for the device with an altname, of any length.
pub fn encode_altname(name: &InterfaceName) -> Result<Ifinfomsg, WireError> {
    let mut attributes = Attributes::new();
    attributes.add(Ifla::from(ALTNAME), name_bytes(name))?;
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_type(Arphrd::from(0))
        .ifi_index(0)
        .rtattrs(attributes.finish())
        .build()
        .map_err(WireError::new)
}

/// The number of the device in a message.
pub fn index(payload: &[u8]) -> Option<u32> {
    number(payload.get(4..8)?)
}

/// All names of the device in a message.
pub fn names(payload: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for (kind, value) in attributes(payload) {
        match kind {
            NAME => names.extend(c_string(value).map(str::to_owned)),
            PROPERTIES => {
                let others = nested(value).filter(|(kind, _)| *kind == ALTNAME);
                names.extend(others.filter_map(|(_, name)| c_string(name).map(str::to_owned)));
            }
            _ => {}
        }
    }
    names
}

/// A VRF that a device belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vrf {
    /// The number of its own device.
    pub index: u32,
    /// The table that holds the addresses and routes of its devices.
    pub table: u32,
}

/// The message that asks for one device.
pub fn encode(index: u32) -> Result<Ifinfomsg, WireError> {
    message(i32::try_from(index).map_err(WireError::new)?)
}

/// The VRF of the device in a message; `None` where it belongs to none.
pub fn vrf(payload: &[u8]) -> Option<Vrf> {
    let find =
        |bytes, wanted| nested(bytes).find_map(|(kind, value)| (kind == wanted).then_some(value));
    let attributes = payload.get(HEADER..)?;
    let information = find(attributes, INFORMATION)?;
    let kind = c_string(find(information, SLAVE_KIND)?)?;
    let table = find(find(information, SLAVE_DATA)?, VRF_TABLE)?;
    let vrf = Vrf {
        index: number(find(attributes, MASTER)?)?,
        table: number(table)?,
    };
    (kind == "vrf").then_some(vrf)
}

/// Whether the device in a message is up in the administrator's eyes, with or without a carrier.
pub fn is_up(payload: &[u8]) -> Option<bool> {
    let flags: u32 = number(payload.get(8..12)?)?;
    Some(flags & UP != 0)
}

/// The number of the device in a message, and its group.
pub fn group(payload: &[u8]) -> Option<(u32, u32)> {
    let (_, group) = attributes(payload).find(|(kind, _)| *kind == GROUP)?;
    Some((index(payload)?, number(group)?))
}

#[cfg(test)]
mod tests {
    use super::super::message::attribute_bytes;
    use super::*;

    fn device(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[4..8].copy_from_slice(&7_i32.to_ne_bytes());
        bytes.extend(attributes.concat());
        bytes
    }

    #[test]
    fn a_device_has_its_altnames_beside_its_name() {
        let others = [&b"enx1\0"[..], b"a-name-longer-than-fifteen\0"];
        let others = others.map(|name| attribute_bytes(ALTNAME, name)).concat();
        let message = device(&[
            attribute_bytes(NAME, b"eth1\0"),
            attribute_bytes(GROUP, &5_u32.to_ne_bytes()),
            attribute_bytes(PROPERTIES | 0x8000, &others),
        ]);
        assert_eq!(
            names(&message),
            ["eth1", "enx1", "a-name-longer-than-fifteen"]
        );
        assert_eq!(group(&message), Some((7, 5)));
        assert_eq!(vrf(&message), None);
    }

    #[test]
    fn a_device_is_asked_for_by_an_altname_of_any_length() {
        use neli::consts::{nl::NlmF, rtnl::Rtm};
        let name: InterfaceName = "a-name-longer-than-fifteen".parse().unwrap();
        let request = super::super::message::request(
            Rtm::Getlink,
            NlmF::empty(),
            1,
            encode_altname(&name).unwrap(),
        );
        let request = request.unwrap();
        // Behind the message's header and the device's.
        let attributes: Vec<_> = nested(&request[16 + HEADER..]).collect();
        assert_eq!(
            attributes,
            [(ALTNAME, &b"a-name-longer-than-fifteen\0"[..])]
        );
        assert_eq!(index(&device(&[])), Some(7));
    }

    #[test]
    fn only_a_vrf_makes_its_devices_members_of_a_vrf() {
        for (kind, expected) in [
            (
                &b"vrf\0"[..],
                Some(Vrf {
                    index: 9,
                    table: 10,
                }),
            ),
            (b"bridge\0", None),
        ] {
            let table = attribute_bytes(VRF_TABLE, &10_u32.to_ne_bytes());
            let information = [
                attribute_bytes(SLAVE_KIND, kind),
                attribute_bytes(SLAVE_DATA, &table),
            ];
            let message = device(&[
                attribute_bytes(MASTER, &9_u32.to_ne_bytes()),
                attribute_bytes(INFORMATION, &information.concat()),
            ]);
            assert_eq!(vrf(&message), expected);
        }
    }
}
