//! A device as a netlink message: `struct ifinfomsg` of `linux/rtnetlink.h`. Only its flags are
//! read.

use neli::consts::rtnl::RtAddrFamily;
use neli::rtnl::{Ifinfomsg, IfinfomsgBuilder};
use neli::types::RtBuffer;

use super::message::WireError;

/// `IFF_UP` of `linux/if.h`.
const UP: u32 = 0x1;

/// Where `ifi_flags` stands.
const FLAGS: std::ops::Range<usize> = 8..12;

/// The message that asks for one device.
pub fn encode_get(index: u32) -> Result<Ifinfomsg, WireError> {
    let index = i32::try_from(index).map_err(WireError::new)?;
    IfinfomsgBuilder::default()
        .ifi_family(RtAddrFamily::Unspecified)
        .ifi_index(index)
        .rtattrs(RtBuffer::new())
        .build()
        .map_err(WireError::new)
}

/// Whether the device in a message of the kernel's is up.
pub fn is_up(payload: &[u8]) -> Option<bool> {
    let flags = payload.get(FLAGS)?.try_into().ok()?;
    Some(u32::from_ne_bytes(flags) & UP != 0)
}
