//! A rule as a netlink message, both ways: `struct fib_rule_hdr` and the `FRA_*` attributes of
//! `linux/fib_rules.h`. One encoder serves adding and deleting.

use std::io::Cursor;

use neli::consts::rtnl::{FrAct, Frattr, Frf, RtTable};
use neli::rtnl::{Fibmsg, FibmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::FromBytesWithInput;

use super::message::{
    address, attribute, attributes, family, family_number, name, named, number, octets, small,
    whole, WireError,
};
use crate::routing::{Action, Family, InterfaceName, Ports, Prefix, Rule, TableId};

/// The message that adds or deletes a rule.
pub fn encode(rule: &Rule) -> Result<Fibmsg, WireError> {
    let mut attrs = Attributes(RtBuffer::new());
    attrs.selectors(rule)?;
    attrs.add(Frattr::Priority, rule.priority)?;
    attrs.add(Frattr::Protocol, rule.protocol)?;
    let action = attrs.action(rule.action)?;
    attrs.option(Frattr::SuppressPrefixlen, rule.suppress_length)?;
    attrs.option(Frattr::SuppressIfgroup, rule.suppress_group)?;
    attrs.option(
        Frattr::Flow,
        Some(rule.realms).filter(|realms| *realms != 0),
    )?;
    // A rule of another program that has to be put back is put back whole.
    for (kind, value) in &rule.unread {
        attrs.add(Frattr::from(*kind), Buffer::from(value.clone()))?;
    }
    let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.length());
    FibmsgBuilder::default()
        .fib_family(family_number(rule.family))
        .fib_src_len(length(rule.from))
        .fib_dst_len(length(rule.to))
        .fib_tos(rule.tos)
        // The attribute says the table; the header has room for IDs below 256 only.
        .fib_table(RtTable::Unspec)
        .fib_action(action)
        .fib_flags(if rule.invert {
            Frf::INVERT
        } else {
            Frf::empty()
        })
        .rtattrs(attrs.0)
        .build()
        .map_err(WireError::new)
}

struct Attributes(RtBuffer<Frattr, Buffer>);

impl Attributes {
    fn add(
        &mut self,
        kind: Frattr,
        value: impl neli::Size + neli::ToBytes,
    ) -> Result<(), WireError> {
        self.0.push(attribute(kind, value)?);
        Ok(())
    }

    fn option(
        &mut self,
        kind: Frattr,
        value: Option<impl neli::Size + neli::ToBytes>,
    ) -> Result<(), WireError> {
        value.map_or(Ok(()), |value| self.add(kind, value))
    }

    fn selectors(&mut self, rule: &Rule) -> Result<(), WireError> {
        self.option(Frattr::Src, rule.from.map(|from| octets(from.address())))?;
        self.option(Frattr::Dst, rule.to.map(|to| octets(to.address())))?;
        self.option(Frattr::Iifname, rule.iif.as_ref().map(name))?;
        self.option(Frattr::Oifname, rule.oif.as_ref().map(name))?;
        if let Some((mark, mask)) = rule.mark {
            self.add(Frattr::Fwmark, mark)?;
            self.add(Frattr::Fwmask, mask)?;
        }
        if let Some((first, last)) = rule.users {
            self.add(
                Frattr::UidRange,
                pair(first.to_ne_bytes(), last.to_ne_bytes()),
            )?;
        }
        self.option(Frattr::IpProto, rule.ip_protocol)?;
        self.ports(Frattr::SportRange, Frattr::SportMask, rule.sport)?;
        self.ports(Frattr::DportRange, Frattr::DportMask, rule.dport)?;
        if let Some((dscp, mask)) = rule.dscp {
            self.add(Frattr::Dscp, dscp)?;
            self.option(Frattr::DscpMask, mask)?;
        }
        if let Some((label, mask)) = rule.flow_label {
            self.add(
                Frattr::Flowlabel,
                Buffer::from(label.to_be_bytes().to_vec()),
            )?;
            self.add(
                Frattr::FlowlabelMask,
                Buffer::from(mask.to_be_bytes().to_vec()),
            )?;
        }
        if rule.tunnel != 0 {
            self.add(
                Frattr::TunId,
                Buffer::from(rule.tunnel.to_be_bytes().to_vec()),
            )?;
        }
        Ok(())
    }

    fn ports(
        &mut self,
        range: Frattr,
        mask: Frattr,
        ports: Option<Ports>,
    ) -> Result<(), WireError> {
        let Some(ports) = ports else {
            return Ok(());
        };
        self.add(
            range,
            pair(ports.first.to_ne_bytes(), ports.last.to_ne_bytes()),
        )?;
        self.option(mask, ports.mask)
    }

    fn action(&mut self, action: Action) -> Result<FrAct, WireError> {
        Ok(match action {
            Action::Lookup(table) => {
                self.add(Frattr::Table, table.number())?;
                FrAct::FrActToTbl
            }
            Action::L3mdev => {
                self.add(Frattr::L3mdev, 1_u8)?;
                FrAct::FrActToTbl
            }
            Action::Goto(target) => {
                self.add(Frattr::Goto, target)?;
                FrAct::FrActGoto
            }
            Action::Nop => FrAct::FrActNop,
            Action::Blackhole => FrAct::FrActBlackhole,
            Action::Unreachable => FrAct::FrActUnreachable,
            Action::Prohibit => FrAct::FrActProhibit,
            Action::Other(number) => FrAct::from(number),
        })
    }
}

/// Two numbers side by side, as the kernel's ranges are.
fn pair<const N: usize>(first: [u8; N], last: [u8; N]) -> Buffer {
    Buffer::from([first, last].concat())
}

/// The message that asks for all rules of a family.
pub fn encode_dump(family: Family) -> Result<Fibmsg, WireError> {
    FibmsgBuilder::default()
        .fib_family(family_number(family))
        .fib_src_len(0)
        .fib_dst_len(0)
        .fib_tos(0)
        .fib_table(RtTable::Unspec)
        .fib_action(FrAct::Unspec)
        .rtattrs(RtBuffer::new())
        .build()
        .map_err(WireError::new)
}

/// The rule that a message of the kernel's tells of; `None` for one of a family that is not ours.
pub fn decode(payload: &[u8]) -> Result<Option<Rule>, WireError> {
    let message = Fibmsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map_err(WireError::new)?;
    let Some(family) = family(*message.fib_family()) else {
        return Ok(None);
    };
    let table = TableId::numbered(u8::from(*message.fib_table()).into());
    // Priority 0 and protocol 0 are not sent by old kernels; absent means zero.
    let mut rule = Rule {
        protocol: 0,
        ..Rule::lookup(family, 0, table)
    };
    rule.invert = message.fib_flags().contains(Frf::INVERT);
    rule.tos = *message.fib_tos();
    let action = u8::from(*message.fib_action());
    let mut target = 0;
    for (kind, value) in attributes(message.rtattrs()) {
        match Frattr::from(kind) {
            Frattr::Src => {
                rule.from = Some(whole(prefix(value, *message.fib_src_len()), kind)?);
            }
            Frattr::Dst => {
                rule.to = Some(whole(prefix(value, *message.fib_dst_len()), kind)?);
            }
            Frattr::Priority => rule.priority = whole(number(value), kind)?,
            Frattr::Protocol => rule.protocol = whole(small(value), kind)?,
            Frattr::Table => {
                let table = TableId::numbered(whole(number(value), kind)?);
                // An l3mdev rule has table 0 beside the attribute that tells what it is.
                if rule.action != Action::L3mdev {
                    rule.action = Action::Lookup(table);
                }
            }
            Frattr::L3mdev if value != [0] => rule.action = Action::L3mdev,
            Frattr::Goto => target = whole(number(value), kind)?,
            // The kernel sends -1 where a rule suppresses nothing.
            Frattr::SuppressPrefixlen => {
                rule.suppress_length = suppressed(whole(number(value), kind)?);
            }
            Frattr::SuppressIfgroup => {
                rule.suppress_group = suppressed(whole(number(value), kind)?);
            }
            Frattr::Flow => rule.realms = whole(number(value), kind)?,
            attribute => {
                if !whole(decode_selector(&mut rule, attribute, value), kind)? {
                    rule.unread.push((kind, value.to_vec()));
                }
            }
        }
    }
    rule.action = match action {
        1 => rule.action,
        2 => Action::Goto(target),
        3 => Action::Nop,
        6 => Action::Blackhole,
        7 => Action::Unreachable,
        8 => Action::Prohibit,
        _ => Action::Other(action),
    };
    Ok(Some(rule))
}

/// Takes an attribute that says what the rule matches; `Some(false)` for one that has no word,
/// `None` for one that is not of its size.
fn decode_selector(rule: &mut Rule, attribute: Frattr, value: &[u8]) -> Option<bool> {
    match attribute {
        Frattr::Iifname => rule.iif = Some(device(value)?),
        Frattr::Oifname => rule.oif = Some(device(value)?),
        Frattr::Fwmark => {
            let mask = rule.mark.map_or(u32::MAX, |(_, mask)| mask);
            rule.mark = Some((number(value)?, mask));
        }
        Frattr::Fwmask => {
            let mark = rule.mark.map_or(0, |(mark, _)| mark);
            rule.mark = Some((mark, number(value)?));
        }
        Frattr::UidRange => {
            rule.users = Some((number(value.get(..4)?)?, number(value.get(4..)?)?));
        }
        Frattr::IpProto => rule.ip_protocol = Some(small(value)?),
        Frattr::SportRange => rule.sport = Some(ports(value)?),
        Frattr::DportRange => rule.dport = Some(ports(value)?),
        Frattr::SportMask => set_mask(&mut rule.sport, port(value)?),
        Frattr::DportMask => set_mask(&mut rule.dport, port(value)?),
        Frattr::Dscp => {
            let mask = rule.dscp.and_then(|(_, mask)| mask);
            rule.dscp = Some((small(value)?, mask));
        }
        // Newer kernels send the mask of all bits where none was given.
        Frattr::DscpMask => {
            let mask = Some(small(value)?).filter(|mask| *mask != 0x3f);
            rule.dscp = rule.dscp.map(|(dscp, _)| (dscp, mask));
        }
        Frattr::Flowlabel => {
            let mask = rule.flow_label.map_or(0xf_ffff, |(_, mask)| mask);
            rule.flow_label = Some((big_endian(value)?, mask));
        }
        Frattr::FlowlabelMask => {
            let label = rule.flow_label.map_or(0, |(label, _)| label);
            rule.flow_label = Some((label, big_endian(value)?));
        }
        Frattr::TunId => rule.tunnel = u64::from_be_bytes(value.try_into().ok()?),
        Frattr::Pad => {}
        _ => return Some(false),
    }
    Some(true)
}

fn prefix(payload: &[u8], length: u8) -> Option<Prefix> {
    address(payload).map(|address| Prefix::around(address, length))
}

fn device(payload: &[u8]) -> Option<InterfaceName> {
    named(payload)?.parse().ok()
}

fn suppressed(value: u32) -> Option<u32> {
    Some(value).filter(|value| *value != u32::MAX)
}

fn port(payload: &[u8]) -> Option<u16> {
    payload.try_into().map(u16::from_ne_bytes).ok()
}

fn ports(payload: &[u8]) -> Option<Ports> {
    let (first, last) = (port(payload.get(..2)?)?, port(payload.get(2..)?)?);
    Some(Ports {
        first,
        last,
        mask: None,
    })
}

/// Newer kernels send the mask of all bits where none was given.
fn set_mask(ports: &mut Option<Ports>, mask: u16) {
    if let Some(ports) = ports {
        ports.mask = Some(mask).filter(|mask| *mask != u16::MAX);
    }
}

fn big_endian(payload: &[u8]) -> Option<u32> {
    payload.try_into().map(u32::from_be_bytes).ok()
}
