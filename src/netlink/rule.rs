//! A rule as a netlink message, both ways: `struct fib_rule_hdr` and the `FRA_*` attributes of
//! `linux/fib_rules.h`. One encoder serves adding and deleting.

use std::io::Cursor;

use neli::consts::rtnl::{FrAct, Frattr, Frf, RtTable};
use neli::rtnl::{Fibmsg, FibmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::FromBytesWithInput;

use super::message::{
    address, address_bytes, attributes, c_string, family, family_number, name_bytes, number, small,
    whole, Attributes, WireError,
};
use crate::routing::{Action, Family, InterfaceName, Ports, Prefix, Rule, TableId};

/// The message that adds or deletes a rule.
pub fn encode(rule: &Rule) -> Result<Fibmsg, WireError> {
    let mut attrs = Attributes::new();
    add_selectors(&mut attrs, rule)?;
    attrs.add(Frattr::Priority, rule.priority)?;
    attrs.add(Frattr::Protocol, rule.protocol)?;
    let action = add_action(&mut attrs, rule.action)?;
    attrs.add_some(Frattr::SuppressPrefixlen, rule.suppress_length)?;
    attrs.add_some(Frattr::SuppressIfgroup, rule.suppress_group)?;
    if rule.realms != 0 {
        attrs.add(Frattr::Flow, rule.realms)?;
    }
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
        // The attribute says the table; the header could say IDs below 256 only.
        .fib_table(RtTable::Unspec)
        .fib_action(action)
        .fib_flags(if rule.invert {
            Frf::INVERT
        } else {
            Frf::empty()
        })
        .rtattrs(attrs.finish())
        .build()
        .map_err(WireError::new)
}

fn add_selectors(attrs: &mut Attributes<Frattr>, rule: &Rule) -> Result<(), WireError> {
    let bytes = |prefix: Prefix| address_bytes(prefix.address());
    attrs.add_some(Frattr::Src, rule.from.map(bytes))?;
    attrs.add_some(Frattr::Dst, rule.to.map(bytes))?;
    attrs.add_some(Frattr::Iifname, rule.iif.as_ref().map(name_bytes))?;
    attrs.add_some(Frattr::Oifname, rule.oif.as_ref().map(name_bytes))?;
    if let Some((mark, mask)) = rule.mark {
        attrs.add(Frattr::Fwmark, mark)?;
        attrs.add(Frattr::Fwmask, mask)?;
    }
    if let Some((first, last)) = rule.users {
        let users = pair(first.to_ne_bytes(), last.to_ne_bytes());
        attrs.add(Frattr::UidRange, users)?;
    }
    attrs.add_some(Frattr::IpProto, rule.ip_protocol)?;
    add_ports(attrs, Frattr::SportRange, Frattr::SportMask, rule.sport)?;
    add_ports(attrs, Frattr::DportRange, Frattr::DportMask, rule.dport)?;
    if let Some((dscp, mask)) = rule.dscp {
        attrs.add(Frattr::Dscp, dscp)?;
        attrs.add_some(Frattr::DscpMask, mask)?;
    }
    if let Some((label, mask)) = rule.flow_label {
        attrs.add(Frattr::Flowlabel, network_order(label.to_be_bytes()))?;
        attrs.add(Frattr::FlowlabelMask, network_order(mask.to_be_bytes()))?;
    }
    if rule.tunnel != 0 {
        attrs.add(Frattr::TunId, network_order(rule.tunnel.to_be_bytes()))?;
    }
    Ok(())
}

fn add_ports(
    attrs: &mut Attributes<Frattr>,
    range: Frattr,
    mask: Frattr,
    ports: Option<Ports>,
) -> Result<(), WireError> {
    let Some(ports) = ports else {
        return Ok(());
    };
    let both = pair(ports.first.to_ne_bytes(), ports.last.to_ne_bytes());
    attrs.add(range, both)?;
    attrs.add_some(mask, ports.mask)
}

/// Adds the attribute that an action needs, and gives its number for the header.
fn add_action(attrs: &mut Attributes<Frattr>, action: Action) -> Result<FrAct, WireError> {
    Ok(match action {
        Action::Lookup(table) => {
            attrs.add(Frattr::Table, table.number())?;
            FrAct::FrActToTbl
        }
        Action::L3mdev => {
            attrs.add(Frattr::L3mdev, 1_u8)?;
            FrAct::FrActToTbl
        }
        Action::Goto(target) => {
            attrs.add(Frattr::Goto, target)?;
            FrAct::FrActGoto
        }
        Action::Nop => FrAct::FrActNop,
        Action::Blackhole => FrAct::FrActBlackhole,
        Action::Unreachable => FrAct::FrActUnreachable,
        Action::Prohibit => FrAct::FrActProhibit,
        Action::Other(number) => FrAct::from(number),
    })
}

/// The bytes of a number that the kernel has in network order.
fn network_order<const N: usize>(bytes: [u8; N]) -> Buffer {
    Buffer::from(bytes.to_vec())
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

/// The rule in a message of the kernel's; `None` for one of a family other than IPv4 and IPv6.
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
                // An l3mdev rule has table 0 beside the attribute that makes it one.
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
    rule.action = match *message.fib_action() {
        // An attribute has said which table.
        FrAct::FrActToTbl => rule.action,
        FrAct::FrActGoto => Action::Goto(target),
        FrAct::FrActNop => Action::Nop,
        FrAct::FrActBlackhole => Action::Blackhole,
        FrAct::FrActUnreachable => Action::Unreachable,
        FrAct::FrActProhibit => Action::Prohibit,
        other => Action::Other(other.into()),
    };
    Ok(Some(rule))
}

/// Takes an attribute that says what the rule matches. `Some(false)`: no word of ours stands for
/// it; `None`: it is not of its size.
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
    c_string(payload)?.parse().ok()
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
