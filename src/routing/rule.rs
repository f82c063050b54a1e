//! A rule of the routing policy database. What is equal here is the same rule to the kernel;
//! `syntax/rule.rs` spells it and `netlink/rule.rs` carries it there.

use super::address::{Family, InterfaceName, Prefix, PROTOCOL};
use super::table::TableId;

/// What a rule does with a packet that it matches; `FR_ACT_*` of `linux/fib_rules.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action<Table = TableId> {
    /// Look the destination up in a table; go on with the next rule where it is not there.
    Lookup(Table),
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

impl Ports {
    /// Whether some port is one of both.
    fn overlap(self, other: Self) -> bool {
        match (self.mask, other.mask) {
            (None, None) => self.first <= other.last && other.first <= self.last,
            (Some(mask), Some(others)) => (self.first ^ other.first) & mask & others == 0,
            (Some(mask), None) => (other.first..=other.last).any(|port| port & mask == self.first),
            (None, Some(mask)) => (self.first..=self.last).any(|port| port & mask == other.first),
        }
    }
}

/// A rule. Equality is identity: all of it decides, as the kernel's own look-up does not
/// (measured on 6.18: `RTM_DELRULE` takes the first rule that agrees in what is given).
///
/// `Table` is the table's number, or how a line names the table before its number is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule<Table = TableId> {
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
    pub action: Action<Table>,
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

impl<Table> Rule<Table> {
    /// A rule of ours without selectors.
    pub fn lookup(family: Family, priority: u32, table: Table) -> Self {
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

    /// The same rule with the table that its name turned out to mean.
    pub fn with_table<Other, E>(
        self,
        table: impl FnOnce(Table) -> Result<Other, E>,
    ) -> Result<Rule<Other>, E> {
        Ok(Rule {
            family: self.family,
            priority: self.priority,
            invert: self.invert,
            from: self.from,
            to: self.to,
            tos: self.tos,
            dscp: self.dscp,
            flow_label: self.flow_label,
            mark: self.mark,
            iif: self.iif,
            oif: self.oif,
            users: self.users,
            ip_protocol: self.ip_protocol,
            sport: self.sport,
            dport: self.dport,
            tunnel: self.tunnel,
            action: match self.action {
                Action::Lookup(named) => Action::Lookup(table(named)?),
                Action::L3mdev => Action::L3mdev,
                Action::Goto(target) => Action::Goto(target),
                Action::Nop => Action::Nop,
                Action::Blackhole => Action::Blackhole,
                Action::Unreachable => Action::Unreachable,
                Action::Prohibit => Action::Prohibit,
                Action::Other(number) => Action::Other(number),
            },
            suppress_length: self.suppress_length,
            suppress_group: self.suppress_group,
            realms: self.realms,
            protocol: self.protocol,
            unread: self.unread,
        })
    }
}

impl Rule {
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

    /// Whether two rules are the same at any priority, whoever put them there.
    pub fn same_but_priority(&self, other: &Self) -> bool {
        let plain = |rule: &Self| Self {
            priority: 0,
            protocol: 0,
            ..rule.clone()
        };
        plain(self) == plain(other)
    }

    /// Whether it makes a difference which of two rules comes first: one packet can match both,
    /// and they do different things.
    pub fn order_matters(&self, other: &Self) -> bool {
        !self.does_as(other) && self.may_meet(other)
    }

    /// Whether two rules do the same with what they match.
    pub fn does_as(&self, other: &Self) -> bool {
        let does = |rule: &Self| {
            (
                rule.action,
                rule.suppress_length,
                rule.suppress_group,
                rule.realms,
            )
        };
        does(self) == does(other)
    }

    /// Whether the kernel may take out another rule where this one is to be deleted: it takes the
    /// first that agrees in what a request says, and no request can say that there is no selector.
    pub fn may_be_taken_for(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(own: &T, other: &T, absent: &T) -> bool {
            own == absent || own == other
        }
        let is_lookup = |rule: &Self| matches!(rule.action, Action::Lookup(_) | Action::L3mdev);
        self.family == other.family
            && self.priority == other.priority
            && self.protocol == other.protocol
            && (self.action == other.action || !is_lookup(self) && !is_lookup(other))
            && agree(&self.from, &other.from, &None)
            && agree(&self.to, &other.to, &None)
            && agree(&self.tos, &other.tos, &0)
            && agree(&self.dscp, &other.dscp, &None)
            && agree(&self.flow_label, &other.flow_label, &None)
            && agree(&self.mark, &other.mark, &None)
            && agree(&self.iif, &other.iif, &None)
            && agree(&self.oif, &other.oif, &None)
            && agree(&self.users, &other.users, &None)
            && agree(&self.ip_protocol, &other.ip_protocol, &None)
            && agree(&self.sport, &other.sport, &None)
            && agree(&self.dport, &other.dport, &None)
            && agree(&self.tunnel, &other.tunnel, &0)
            && agree(&self.suppress_length, &other.suppress_length, &None)
            && agree(&self.suppress_group, &other.suppress_group, &None)
    }

    /// Whether one packet can match both rules. In doubt it can.
    pub fn may_meet(&self, other: &Self) -> bool {
        if self.family != other.family {
            return false;
        }
        if self.invert || other.invert {
            return true;
        }
        let networks = |a: Prefix, b: Prefix| a.contains(b.address()) || b.contains(a.address());
        let users = |a: (u32, u32), b: (u32, u32)| a.0 <= b.1 && b.0 <= a.1;
        let masked = |a: (u32, u32), b: (u32, u32)| (a.0 ^ b.0) & a.1 & b.1 == 0;
        let dscp =
            |(value, mask): (u8, Option<u8>)| (value.into(), mask.map_or(u32::MAX, u32::from));
        let set = |value: u64| Some(value).filter(|value| *value != 0);
        // The packets of a socket come in by no device.
        let comes_in = |rule: &Self| rule.iif.as_ref().is_some_and(|iif| iif.as_str() != "lo");
        let goes_out = |rule: &Self| rule.oif.is_some() || rule.users.is_some();
        both(self.from, other.from, networks)
            && both(self.to, other.to, networks)
            && both(self.mark, other.mark, masked)
            && both(self.iif.as_ref(), other.iif.as_ref(), |a, b| a == b)
            && both(self.oif.as_ref(), other.oif.as_ref(), |a, b| a == b)
            && !(comes_in(self) && goes_out(other))
            && !(comes_in(other) && goes_out(self))
            && both(self.users, other.users, users)
            && both(self.ip_protocol, other.ip_protocol, |a, b| a == b)
            && both(self.sport, other.sport, Ports::overlap)
            && both(self.dport, other.dport, Ports::overlap)
            && both(set(self.tos.into()), set(other.tos.into()), |a, b| a == b)
            && both(self.dscp.map(dscp), other.dscp.map(dscp), masked)
            && both(self.flow_label, other.flow_label, masked)
            && both(set(self.tunnel), set(other.tunnel), |a, b| a == b)
    }
}

/// Whether two selectors can both match; one that is absent matches all.
fn both<T>(a: Option<T>, b: Option<T>, agree: impl Fn(T, T) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => agree(a, b),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_meet_where_one_packet_can_match_both() {
        for (a, b, meet) in [
            ("from 10.0.0.5", "from 10.0.0.6", false),
            ("from 10.0.0.5", "from 10.0.0.0/24", true),
            ("from 10.0.0.5", "to 10.0.0.6", true),
            ("not from 10.0.0.5", "from 10.0.0.6", true),
            ("-6 from 2001:db8::1", "fwmark 1", false),
            ("fwmark 1", "fwmark 2", false),
            ("fwmark 1/1", "fwmark 2/2", true),
            ("iif eth1", "iif eth2", false),
            ("iif eth1", "oif eth2", false),
            ("iif lo", "oif eth2", true),
            ("iif eth1", "uidrange 0-9", false),
            ("uidrange 0-9", "uidrange 10-19", false),
            ("uidrange 0-10", "uidrange 10-19", true),
            ("ipproto tcp", "ipproto udp", false),
            ("dport 80", "dport 443", false),
            ("dport 80-90", "dport 90-99", true),
            ("dport 80-90", "sport 91", true),
            // 4100 is 0x1004.
            ("dport 0x1000/0xf000", "dport 4100", true),
            ("dport 0x1000/0xf000", "dport 8192", false),
            ("dport 0x1000/0xf000", "dport 0x4/0xf", true),
            ("dport 0x1000/0xf000", "dport 0x2000/0xf000", false),
            ("dport 0x1000/0xf000", "dport 8000-9000", true),
            ("dport 0x1000/0xf000", "dport 8192-9000", false),
            ("dport 0x8/0x8", "dport 16-23", false),
            ("dport 0x8/0x8", "dport 16-24", true),
            ("tos 0x10", "tos 0x08", false),
            ("dscp 8/0x38", "dscp 10", true),
            ("dscp 8/0x38", "dscp 46", false),
            ("dscp 8", "dscp 10", false),
            ("-6 flowlabel 5", "-6 flowlabel 6", false),
            ("-6 flowlabel 0x10/0xf0", "-6 flowlabel 0x12", true),
            ("tun_id 1", "tun_id 2", false),
        ] {
            let [first, second] =
                [a, b].map(|line| format!("{line} lookup 7").parse::<Rule>().unwrap());
            assert_eq!(first.may_meet(&second), meet, "{a}, {b}");
            assert_eq!(second.may_meet(&first), meet, "{b}, {a}");
        }
    }

    #[test]
    fn rules_that_cannot_meet_or_do_the_same_have_no_order() {
        for (a, b, matters) in [
            ("from 10.0.0.5 lookup 1", "from 10.0.0.6 lookup 2", false),
            ("from 10.0.0.5 lookup 1", "from 10.0.0.0/24 lookup 2", true),
            ("from 10.0.0.5 lookup 1", "from 10.0.0.0/24 lookup 1", false),
            ("from 10.0.0.5 lookup 1", "to 10.0.0.6 lookup 2", true),
            ("fwmark 1 lookup 1", "fwmark 2 lookup 2", false),
            ("fwmark 1/1 lookup 1", "fwmark 2/2 lookup 2", true),
            ("iif eth1 lookup 1", "iif eth2 lookup 2", false),
            ("not from 10.0.0.5 lookup 1", "from 10.0.0.6 lookup 2", true),
            ("-6 from 2001:db8::1 lookup 1", "fwmark 1 lookup 2", false),
            (
                "from 10.0.0.5 lookup 1 suppress_prefixlength 0",
                "from 10.0.0.5 lookup 1",
                true,
            ),
        ] {
            let [first, second] = [a, b].map(|line| line.parse::<Rule>().unwrap());
            assert_eq!(first.order_matters(&second), matters, "{a}, {b}");
            assert_eq!(second.order_matters(&first), matters, "{b}, {a}");
        }
    }

    #[test]
    fn a_deletion_may_take_a_rule_with_more_selectors() {
        for (meant, other, may) in [
            (
                "from 10.0.0.5 lookup 1",
                "from 10.0.0.5 fwmark 5 lookup 1",
                true,
            ),
            (
                "from 10.0.0.5 fwmark 5 lookup 1",
                "from 10.0.0.5 lookup 1",
                false,
            ),
            ("from 10.0.0.5 lookup 1", "not from 10.0.0.5 lookup 1", true),
            ("from 10.0.0.5 lookup 1", "from 10.0.0.5 lookup 2", false),
            (
                "from 10.0.0.5 lookup 1",
                "from 10.0.0.5 lookup 1 proto 3",
                false,
            ),
            ("from 10.0.0.5 goto 7", "from 10.0.0.5 goto 8", true),
            (
                "from 10.0.0.5 lookup 1",
                "from 10.0.0.5 lookup 1 suppress_prefixlength 0",
                true,
            ),
        ] {
            let [meant, other] = [meant, other].map(|line| line.parse::<Rule>().unwrap());
            assert_eq!(meant.may_be_taken_for(&other), may, "{meant}, {other}");
        }
    }
}
