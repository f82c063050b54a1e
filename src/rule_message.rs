//! A rule as a netlink message, both ways: `struct fib_rule_hdr` and the `FRA_*` attributes of
//! `linux/fib_rules.h`. Floor 1, pure. One encoder serves adding and deleting.

use std::io::Cursor;

use neli::consts::rtnl::{FrAct, Frattr, Frf, RtTable};
use neli::rtnl::{Fibmsg, FibmsgBuilder};
use neli::types::{Buffer, RtBuffer};
use neli::FromBytesWithInput;

use crate::net::{Family, Prefix, TableId};
use crate::rule::{Action, Rule};
use crate::wire::{
    address, attribute, attributes, family, family_number, number, octets, WireError,
};

/// The message that adds or deletes a rule.
///
/// # Errors
/// neli could not write an attribute, or the rule holds what has no encoding.
pub fn encode(rule: &Rule) -> Result<Fibmsg, WireError> {
    let mut attrs = RtBuffer::<Frattr, Buffer>::new();
    for (kind, prefix) in [(Frattr::Src, rule.from), (Frattr::Dst, rule.to)] {
        if let Some(prefix) = prefix {
            attrs.push(attribute(kind, octets(prefix.address()))?);
        }
    }
    attrs.push(attribute(Frattr::Priority, rule.priority)?);
    attrs.push(attribute(Frattr::Protocol, rule.protocol)?);
    let action = match rule.action {
        Action::Lookup(TableId(table)) => {
            attrs.push(attribute(Frattr::Table, table)?);
            FrAct::FrActToTbl
        }
        Action::Other(number) => FrAct::from(number),
    };
    // A rule of another program that has to be put back is put back whole.
    for (kind, value) in rule.unread.iter().filter(|(kind, _)| *kind != TOS) {
        attrs.push(attribute(Frattr::from(*kind), Buffer::from(value.clone()))?);
    }
    let tos = rule.unread.iter().find(|(kind, _)| *kind == TOS);
    let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.length());
    FibmsgBuilder::default()
        .fib_family(family_number(rule.family))
        .fib_src_len(length(rule.from))
        .fib_dst_len(length(rule.to))
        .fib_tos(
            tos.and_then(|(_, value)| value.first().copied())
                .unwrap_or(0),
        )
        // The attribute says the table; the header has room for IDs below 256 only.
        .fib_table(RtTable::Unspec)
        .fib_action(action)
        .fib_flags(if rule.invert {
            Frf::INVERT
        } else {
            Frf::empty()
        })
        .rtattrs(attrs)
        .build()
        .map_err(WireError::new)
}

/// The message that asks for all rules of a family.
///
/// # Errors
/// neli could not write it.
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
///
/// # Errors
/// The message does not hold what its header says.
pub fn decode(payload: &[u8]) -> Result<Option<Rule>, WireError> {
    let message = Fibmsg::from_bytes_with_input(&mut Cursor::new(payload), payload.len())
        .map_err(WireError::new)?;
    let Some(family) = family(*message.fib_family()) else {
        return Ok(None);
    };
    let table = TableId(u8::from(*message.fib_table()).into());
    // Priority 0 and protocol 0 are not sent by old kernels; absent means zero.
    let mut rule = Rule {
        protocol: 0,
        ..Rule::lookup(family, 0, table)
    };
    rule.invert = message.fib_flags().contains(Frf::INVERT);
    if *message.fib_tos() != 0 {
        rule.unread.push((TOS, vec![*message.fib_tos()]));
    }
    for (kind, value) in attributes(message.rtattrs()) {
        match Frattr::from(kind) {
            Frattr::Src => rule.from = prefix(value, *message.fib_src_len()),
            Frattr::Dst => rule.to = prefix(value, *message.fib_dst_len()),
            Frattr::Priority => rule.priority = number(value).unwrap_or(0),
            Frattr::Protocol => rule.protocol = value.first().copied().unwrap_or(0),
            Frattr::Table => {
                let table = number(value).map_or(table, TableId);
                rule.action = Action::Lookup(table);
            }
            // The kernel sends -1 where the rule has none.
            Frattr::SuppressPrefixlen | Frattr::SuppressIfgroup
                if number(value) == Some(u32::MAX) => {}
            _ => rule.unread.push((kind, value.to_vec())),
        }
    }
    let action = u8::from(*message.fib_action());
    if action != u8::from(FrAct::FrActToTbl) {
        rule.action = Action::Other(action);
    }
    Ok(Some(rule))
}

/// Stands for the header's `tos` among the attributes that have no word yet; no attribute can
/// have this number.
const TOS: u16 = u16::MAX;

fn prefix(payload: &[u8], length: u8) -> Option<Prefix> {
    address(payload).map(|address| Prefix::around(address, length))
}
