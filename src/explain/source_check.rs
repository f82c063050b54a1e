//! Whether IPv4 takes a packet in by a device, going by its source: `fib_validate_source` of the
//! kernel's `net/ipv4/fib_frontend.c`, held against 6.18. IPv6 has no such check.

use super::best_route::Candidate;
use super::packet::Packet;
use super::walk::{End, Walk};
use crate::routing::{InterfaceName, Kind, Rule};

/// What the check goes by besides the way back, all of it of the device that a packet comes in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// The sysctl `rp_filter`: 1 is strict, 2 is loose.
    pub rp_filter: i32,
    /// The sysctl `src_valid_mark`: the way back is looked up with the packet's mark.
    pub with_mark: bool,
    /// The sysctl `accept_local`: a packet may have an address of this host as its source.
    pub accepts_own: bool,
    /// Whether the device has an IPv4 address.
    pub has_address: bool,
}

/// The check of a packet's source, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCheck {
    pub settings: SourceSettings,
    /// The device that the packet comes in by.
    pub device: InterfaceName,
    /// The look-up of the way back.
    pub back: Walk,
    /// Why the packet is dropped; `None` if it is let in.
    pub refused: Option<BadSource>,
}

/// Why a packet is dropped for its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSource {
    /// It is an address of this host.
    Own,
    /// It is no host's.
    NoHost,
    /// There is no way back, and `rp_filter` is set.
    NoWay,
    /// The way back is by another device, and `rp_filter` is strict.
    OtherDevice,
}

/// The packet whose way is looked up for the check: back from the packet's destination. Where the
/// packet is to be forwarded the kernel has it come in by the device that the packet leaves by.
/// Protocol and ports it looks at only where a rule for packets that come in may select on them: those
/// of this host it knows without.
pub fn way_back(
    packet: &Packet,
    leaves_by: Option<InterfaceName>,
    with_mark: bool,
    rules: &[Rule],
) -> Packet {
    let to = packet.from.unwrap_or(packet.family().unspecified());
    let looks_inside = |rule: &Rule| {
        let selects = rule.ip_protocol.is_some() || rule.sport.is_some() || rule.dport.is_some();
        selects && rule.iif.as_ref().is_none_or(|iif| iif.as_str() != "lo")
    };
    let packet = if rules.iter().any(looks_inside) {
        packet.clone()
    } else {
        Packet {
            ip_protocol: 0,
            sport: 0,
            dport: 0,
            ..packet.clone()
        }
    };
    Packet {
        from: Some(packet.to),
        iif: leaves_by,
        mark: if with_mark { packet.mark } else { 0 },
        tos: packet.tos,
        ip_protocol: packet.ip_protocol,
        sport: packet.dport,
        dport: packet.sport,
        ..Packet::to(to, 0)
    }
}

impl SourceCheck {
    pub fn of(settings: SourceSettings, device: InterfaceName, back: Walk) -> Self {
        let refused = refused(&settings, &device, &back.end);
        Self {
            settings,
            device,
            back,
            refused,
        }
    }
}

fn refused(settings: &SourceSettings, device: &InterfaceName, end: &End) -> Option<BadSource> {
    let unless_off = |fault| (settings.rp_filter != 0).then_some(fault);
    let End::Route(_, best) = end else {
        return unless_off(BadSource::NoWay);
    };
    let first: &Candidate = best.first()?;
    match first.route.kind {
        Kind::LOCAL if !settings.accepts_own => return Some(BadSource::Own),
        Kind::LOCAL | Kind::UNICAST => {}
        _ => return Some(BadSource::NoHost),
    }
    // Whichever of several hops a packet would take.
    let mut hops = first.route.hops.iter();
    if hops.any(|hop| hop.device.as_ref() == Some(device)) {
        None
    } else if !settings.has_address {
        unless_off(BadSource::OtherDevice)
    } else {
        (settings.rp_filter == 1).then_some(BadSource::OtherDevice)
    }
}

#[cfg(test)]
mod tests {
    use super::BadSource::{NoHost, NoWay, OtherDevice, Own};
    use super::*;

    #[test]
    fn ports_count_where_a_rule_for_what_comes_in_has_some() {
        let mut packet = Packet::to("10.0.0.1".parse().unwrap(), 0);
        packet.from = "192.0.2.1".parse().ok();
        (packet.sport, packet.dport) = (7, 25);
        for (rule, ports) in [
            ("dport 9 lookup 7", (25, 7)),
            ("iif eth1 ipproto tcp lookup 7", (25, 7)),
            ("iif lo dport 25 lookup 7", (0, 0)),
            ("from 10.0.0.1 lookup 7", (0, 0)),
        ] {
            let back = way_back(&packet, None, false, &[rule.parse().unwrap()]);
            assert_eq!((back.sport, back.dport), ports, "{rule}");
            assert_eq!(back.ip_protocol != 0, ports.0 != 0, "{rule}");
        }
    }

    #[test]
    fn strict_loose_and_off() {
        let device: InterfaceName = "eth1".parse().unwrap();
        let route = |line: &str| {
            let route = Candidate::new(line.parse().unwrap());
            End::Route(route.route.table, vec![route])
        };
        let (here, there) = (route("default dev eth1"), route("default dev eth2"));
        let both = route("default nexthop dev eth2 nexthop dev eth1");
        let own = route("local 10.0.0.1 dev lo table 255");
        let many = route("broadcast 10.0.0.255 dev eth1 table 255");
        for (end, off, strict, loose) in [
            (&here, None, None, None),
            (&both, None, None, None),
            (&there, None, Some(OtherDevice), None),
            (&End::NoRoute, None, Some(NoWay), Some(NoWay)),
            (&own, Some(Own), Some(Own), Some(Own)),
            (&many, Some(NoHost), Some(NoHost), Some(NoHost)),
        ] {
            for (rp_filter, expected) in [(0, off), (1, strict), (2, loose)] {
                let mut settings = SourceSettings {
                    rp_filter,
                    with_mark: false,
                    accepts_own: false,
                    has_address: true,
                };
                assert_eq!(refused(&settings, &device, end), expected, "{end:?}");
                settings.has_address = false;
                let bare = refused(&settings, &device, end);
                let stricter = *end == there && rp_filter == 2;
                assert_eq!(
                    bare,
                    if stricter {
                        Some(OtherDevice)
                    } else {
                        expected
                    }
                );
            }
        }
    }
}
