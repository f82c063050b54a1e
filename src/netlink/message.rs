//! Netlink messages as bytes, requests and replies, and the values in their attributes.
//!
//! Framing is read here and not by neli, whose reader of error replies trusts the lengths in
//! them; what is inside a frame is neli's again (`address.rs`, `route.rs`, `rule.rs`).

use std::fmt;
use std::io::Cursor;
use std::net::IpAddr;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{RtAddrFamily, RtaType, Rtm};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::rtnl::RtattrBuilder;
use neli::types::{Buffer, RtBuffer};
use neli::{Size, ToBytes};
use nix::errno::Errno;
use thiserror::Error;

use crate::routing::{Family, InterfaceName};

/// A message that could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("netlink message: {0}")]
pub struct WireError(String);

impl WireError {
    pub(crate) fn new(cause: impl fmt::Display) -> Self {
        Self(cause.to_string())
    }
}

/// One request, ready to send; several may stand in one buffer.
pub fn request<P: Size + ToBytes>(
    kind: Rtm,
    flags: NlmF,
    sequence: u32,
    payload: P,
) -> Result<Vec<u8>, WireError> {
    let message = NlmsghdrBuilder::default()
        .nl_type(kind)
        .nl_flags(NlmF::REQUEST | flags)
        .nl_seq(sequence)
        .nl_payload(NlPayload::Payload(payload))
        .build()
        .map_err(WireError::new)?;
    let mut bytes = Cursor::new(Vec::with_capacity(message.padded_size()));
    message.to_bytes(&mut bytes).map_err(WireError::new)?;
    Ok(bytes.into_inner())
}

/// The attributes of a request, as they are added to it; `T` are their numbers.
pub(crate) struct Attributes<T: RtaType>(RtBuffer<T, Buffer>);

impl<T: RtaType> Attributes<T> {
    pub fn new() -> Self {
        Self(RtBuffer::new())
    }

    pub fn add(&mut self, kind: T, value: impl Size + ToBytes) -> Result<(), WireError> {
        let builder = RtattrBuilder::default().rta_type(kind).rta_payload(value);
        self.0.push(builder.build().map_err(WireError::new)?);
        Ok(())
    }

    /// Adds an attribute if there is a value for it.
    pub fn add_some(
        &mut self,
        kind: T,
        value: Option<impl Size + ToBytes>,
    ) -> Result<(), WireError> {
        value.map_or(Ok(()), |value| self.add(kind, value))
    }

    pub fn finish(self) -> RtBuffer<T, Buffer> {
        self.0
    }
}

/// An address as an attribute's payload.
pub(crate) fn address_bytes(address: IpAddr) -> Buffer {
    match address {
        IpAddr::V4(address) => address.octets().to_vec().into(),
        IpAddr::V6(address) => address.octets().to_vec().into(),
    }
}

/// A value from an attribute that has to hold one: a wrong size must not read as absent.
pub(crate) fn whole<T>(value: Option<T>, kind: u16) -> Result<T, WireError> {
    value.ok_or_else(|| WireError::new(format!("attribute {kind} is not of its size")))
}

/// An address of either family from an attribute's payload.
pub(crate) fn address(payload: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(payload).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(payload).map(IpAddr::from))
        .ok()
}

/// A number of 8 bits from an attribute's payload.
pub(crate) fn small(payload: &[u8]) -> Option<u8> {
    match payload {
        [number] => Some(*number),
        _ => None,
    }
}

/// A number of 32 bits from an attribute's payload.
pub(crate) fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().map(u32::from_ne_bytes).ok()
}

/// A name as an attribute's payload, with the NUL that ends it.
pub(crate) fn name_bytes(name: &InterfaceName) -> Buffer {
    [name.as_str().as_bytes(), b"\0"].concat().into()
}

/// A text from an attribute's payload, up to the NUL that ends it.
pub(crate) fn c_string(payload: &[u8]) -> Option<&str> {
    let text = payload.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(text).ok()
}

/// An attribute as bytes, padded, to stand inside another one.
pub(crate) fn attribute_bytes(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The attributes inside another one, as far as they are whole.
pub(crate) fn nested(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(short(rest, 0)?);
        let attribute = (short(rest, 2)? & 0x3fff, rest.get(4..length)?);
        rest = rest.get(aligned(length)?..).unwrap_or_default();
        Some(attribute)
    })
}

/// Numbers and payloads of the attributes in a reply.
pub(crate) fn attributes<T: RtaType>(
    attributes: &RtBuffer<T, Buffer>,
) -> impl Iterator<Item = (u16, &[u8])> {
    attributes.iter().map(|attribute| {
        let number: u16 = (*attribute.rta_type()).into();
        // The two upper bits say how the payload is made, NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        (number & 0x3fff, attribute.rta_payload().as_ref())
    })
}

/// The kernel's number of a family.
pub(crate) fn family_number(family: Family) -> RtAddrFamily {
    match family {
        Family::Inet => RtAddrFamily::Inet,
        Family::Inet6 => RtAddrFamily::Inet6,
    }
}

/// The family of a kernel's number, if routes and rules have it.
pub(crate) fn family(number: RtAddrFamily) -> Option<Family> {
    match number {
        RtAddrFamily::Inet => Some(Family::Inet),
        RtAddrFamily::Inet6 => Some(Family::Inet6),
        _ => None,
    }
}

/// One message of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// `RTM_*`, or one of the kinds below 16 that netlink(7) keeps for itself.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Of the request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The kernel's no to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kernel's error number.
    pub errno: Errno,
    /// Its extended-ack text, where it gives one.
    pub text: Option<String>,
}

/// In the kernel's own words where it gave some, which say more than the error alone.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.errno.desc();
        match &self.text {
            Some(text) => write!(f, "{text} ({error})"),
            None => f.write_str(error),
        }
    }
}

/// Bytes of a `struct nlmsghdr`.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSGERR_ATTR_MSG: u16 = 1;

impl Reply<'_> {
    /// Whether the reply ends its request: an acknowledgement or the end of a dump, `Ok`, or a
    /// refusal. `None` for any other message.
    pub fn verdict(&self) -> Option<Result<(), Refusal>> {
        if !matches!(self.kind, NLMSG_ERROR | NLMSG_DONE) {
            return None;
        }
        // A negative errno; a reply too short to hold one is no success.
        let code = self
            .payload
            .get(..4)
            .and_then(number)
            .map_or(Errno::EPROTO as u32, u32::wrapping_neg);
        if code == 0 {
            return Some(Ok(()));
        }
        let errno = Errno::from_raw(i32::try_from(code).unwrap_or(Errno::EPROTO as i32));
        Some(Err(Refusal {
            errno,
            text: self.text(),
        }))
    }

    /// The extended ack: behind the error number, and behind the request it repeats.
    fn text(&self) -> Option<String> {
        let rest = self.payload.get(4..)?;
        let rest = if self.kind == NLMSG_ERROR {
            let capped = self.flags & NlmF::CAPPED.bits() != 0;
            let echoed = usize::try_from(number(rest.get(..4)?)?).ok()?;
            rest.get(if capped { HEADER } else { aligned(echoed)? }..)?
        } else {
            rest
        };
        let (_, text) = nested(rest).find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)?;
        Some(
            String::from_utf8_lossy(text)
                .trim_end_matches(['\0', '.'])
                .to_owned(),
        )
    }
}

/// A number of 16 bits at a place in some bytes.
pub(crate) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at + 2)?
        .try_into()
        .map(u16::from_ne_bytes)
        .ok()
}

/// Messages and attributes start at multiples of four, `NLMSG_ALIGN`.
fn aligned(length: usize) -> Option<usize> {
    length.checked_next_multiple_of(4)
}

/// The messages in one received buffer. A message cut short ends them with an error.
pub fn replies(buffer: &[u8]) -> impl Iterator<Item = Result<Reply<'_>, WireError>> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = read_reply(rest);
        rest = read.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(
            read.map(|(reply, _)| reply)
                .ok_or_else(|| WireError::new("a reply is cut short")),
        )
    })
}

fn read_reply(bytes: &[u8]) -> Option<(Reply<'_>, &[u8])> {
    let length = usize::try_from(number(bytes.get(..4)?)?).ok()?;
    let reply = Reply {
        kind: short(bytes, 4)?,
        flags: short(bytes, 6)?,
        sequence: number(bytes.get(8..12)?)?,
        payload: bytes.get(HEADER..length)?,
    };
    Some((reply, bytes.get(aligned(length)?..).unwrap_or_default()))
}
