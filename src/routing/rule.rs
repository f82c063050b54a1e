//! A rule of the routing policy database. What is equal here is the same rule to the kernel;
//! `syntax/rule.rs` spells it and `netlink/rule.rs` carries it there.

use super::address::{Family, InterfaceName, Prefix, PROTOCOL};
use super::table::TableId;

/// What a rule does with a packet that it matches; `FR_ACT_*` of `linux/fib_rules.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Look the destination up in a table; go on with the next rule where it is not there.
    Lookup(TableId),
    /// Look it up in the table of the device's VRF.
    L3mdev,
    /// Go on at the rule of this priority.
    Goto(u32),
    /// Go on.
    Nop,
    /// Drop the packet in silence.
    Blackhole,
    /// Drop it with "network unreachable".
    Unreachable,
    /// Drop it with "communication prohibited".
    Prohibit,
    /// An action that is none of ip-rule(8)'s, by number.
    Other(u8),
}

/// Ports of TCP, UDP and their like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// Bits that count; a selector of newer kernels.
    pub mask: Option<u16>,
}

/// A rule. Equality is identity: all of it decides, as the kernel's own look-up does not
/// (measured on 6.18: `RTM_DELRULE` takes the first rule that agrees in what is given).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The address family whose packets it sees.
    pub family: Family,
    /// Its place in the walk, lowest first.
    pub priority: u32,
    /// Whether it matches what its selectors do not.
    pub invert: bool,
    /// Source addresses; `None` is all.
    pub from: Option<Prefix>,
    /// Destination addresses; `None` is all.
    pub to: Option<Prefix>,
    /// The DS field, as `tos` compares it; 0 is any.
    pub tos: u8,
    /// The DSCP and the bits of it that count; a selector of newer kernels.
    pub dscp: Option<(u8, Option<u8>)>,
    /// The IPv6 flow label and the bits of it that count.
    pub flow_label: Option<(u32, u32)>,
    /// The packet's mark, and the bits of it that count.
    pub mark: Option<(u32, u32)>,
    /// The device it came in by; `lo` for packets of this host.
    pub iif: Option<InterfaceName>,
    /// The device that a program bound its socket to.
    pub oif: Option<InterfaceName>,
    /// First and last user ID of the socket's owner.
    pub users: Option<(u32, u32)>,
    /// `IPPROTO_*`.
    pub ip_protocol: Option<u8>,
    /// Source ports.
    pub sport: Option<Ports>,
    /// Destination ports.
    pub dport: Option<Ports>,
    /// The tunnel key; 0 is any.
    pub tunnel: u64,
    /// What it does.
    pub action: Action,
    /// Routes found are not taken if their prefix is of this length or shorter.
    pub suppress_length: Option<u32>,
    /// Routes found are not taken if their device is in this group.
    pub suppress_group: Option<u32>,
    /// Realms for tc(8) and accounting; 0 is none.
    pub realms: u32,
    /// Who put it there: `RTPROT_*` of `linux/rtnetlink.h`, or [`PROTOCOL`].
    pub protocol: u8,
    /// Attributes that have no word here, by number and raw value: they make a rule of another
    /// program differ from ours instead of seeming equal.
    pub unread: Vec<(u16, Vec<u8>)>,
}

impl Rule {
    /// A rule of ours without selectors.
    pub fn lookup(family: Family, priority: u32, table: TableId) -> Self {
        Self {
            family,
            priority,
            invert: false,
            from: None,
            to: None,
            tos: 0,
            dscp: None,
            flow_label: None,
            mark: None,
            iif: None,
            oif: None,
            users: None,
            ip_protocol: None,
            sport: None,
            dport: None,
            tunnel: 0,
            action: Action::Lookup(table),
            suppress_length: None,
            suppress_group: None,
            realms: 0,
            protocol: PROTOCOL,
            unread: Vec::new(),
        }
    }

    /// Whether some kernel that is still in use would take the rule without all of its selectors:
    /// attributes it does not know it ignores (measured on 6.18 with numbers nobody has).
    pub fn may_be_thinned(&self) -> bool {
        let masked = |ports: &Option<Ports>| ports.is_some_and(|ports| ports.mask.is_some());
        self.dscp.is_some()
            || self.flow_label.is_some()
            || masked(&self.sport)
            || masked(&self.dport)
            || !self.unread.is_empty()
    }

    /// Whether two rules route alike, whoever put them there.
    pub fn same_effect(&self, other: &Self) -> bool {
        *self
            == Self {
                protocol: self.protocol,
                ..other.clone()
            }
    }
}
