//! A route. `syntax/route.rs` spells it, `netlink/route.rs` carries it to the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address::{Family, InterfaceName, Prefix, PROTOCOL};
use super::table::TableId;

/// What becomes of packets for a destination; `RTN_*` of `linux/rtnetlink.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// Through a gateway or onto a link.
    pub const UNICAST: Self = Self(1);
    /// To this host.
    pub const LOCAL: Self = Self(2);
    /// To all hosts of a link.
    pub const BROADCAST: Self = Self(3);
    /// To this host among others.
    pub const ANYCAST: Self = Self(4);
    /// To a group.
    pub const MULTICAST: Self = Self(5);
    /// Dropped in silence.
    pub const BLACKHOLE: Self = Self(6);
    /// Dropped with "host unreachable".
    pub const UNREACHABLE: Self = Self(7);
    /// Dropped with "communication prohibited".
    pub const PROHIBIT: Self = Self(8);
    /// Back to the rules, as if the table had no route.
    pub const THROW: Self = Self(9);

    /// Whether its packets leave by a device.
    pub fn has_device(self) -> bool {
        (Self::UNICAST.0..=Self::MULTICAST.0).contains(&self.0)
    }
}

/// How far a destination is; `RT_SCOPE_*` of `linux/rtnetlink.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(pub u8);

impl Scope {
    /// Beyond a gateway.
    pub const GLOBAL: Self = Self(0);
    /// On the link.
    pub const LINK: Self = Self(253);
    /// On this host.
    pub const HOST: Self = Self(254);
}

/// One way to a destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// The next router, if there is one; it may be of the other family.
    pub gateway: Option<IpAddr>,
    /// The device packets leave by.
    pub device: Option<InterfaceName>,
    /// Whether the gateway is taken to be on the link, whatever its address.
    pub onlink: bool,
    /// Its share among several, 1 to 256.
    pub weight: u16,
    /// Realms of this hop among several; 0 is none.
    pub realms: u32,
}

impl Hop {
    /// A hop onto the link itself, of a device not named yet.
    pub fn direct() -> Self {
        Self {
            gateway: None,
            device: None,
            onlink: false,
            weight: 1,
            realms: 0,
        }
    }
}

/// What a route says of TCP and of packet sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metrics {
    /// `RTAX_*` and their values.
    pub values: BTreeMap<u16, u32>,
    /// Bits `1 << RTAX_*` of values that path MTU discovery may not change.
    pub locked: u32,
    /// The congestion control algorithm.
    pub congctl: Option<String>,
}

/// A route. Equality is identity: all of it decides.
///
/// `Table` is the table's number, or how a line names the table before its number is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route<Table = TableId> {
    /// What becomes of packets.
    pub kind: Kind,
    /// Where it leads; its family is the route's.
    pub destination: Prefix,
    /// The DS field it is for; 0 is any.
    pub tos: u8,
    /// The table it stands in.
    pub table: Table,
    /// The ways; none where packets do not leave, several to share them out.
    pub hops: Vec<Hop>,
    /// Who put it there: `RTPROT_*` of `linux/rtnetlink.h`, or [`PROTOCOL`].
    pub protocol: u8,
    /// How far the destination is; IPv6 knows `global` alone.
    pub scope: Scope,
    /// The address that packets of this host leave with.
    pub source: Option<IpAddr>,
    /// Lower goes first. The kernel's default is 0 for IPv4 and 1024 for IPv6.
    pub metric: u32,
    /// Realms for tc(8) and accounting; 0 is none.
    pub realms: u32,
    /// RFC 4191's preference among routers, IPv6 only; 0 is medium.
    pub preference: u8,
    /// TCP's and packet sizes' own.
    pub metrics: Metrics,
    /// Attributes that have no word here, by number and raw value: they make a route of another
    /// program differ from ours instead of seeming equal.
    pub unread: Vec<(u16, Vec<u8>)>,
}

impl<Table> Route<Table> {
    /// The scope that `ip route add` gives a route which names none.
    pub fn usual_scope(&self) -> Scope {
        let through_a_gateway =
            self.hops.len() > 1 || self.hops.iter().any(|hop| hop.gateway.is_some());
        match (self.family(), self.kind) {
            (Family::Inet6, _) => Scope::GLOBAL,
            (_, Kind::LOCAL) => Scope::HOST,
            (_, Kind::BROADCAST | Kind::ANYCAST | Kind::MULTICAST) => Scope::LINK,
            (_, Kind::UNICAST) if !through_a_gateway => Scope::LINK,
            _ => Scope::GLOBAL,
        }
    }

    /// A unicast route of ours by one hop.
    pub fn to(destination: Prefix, table: Table, hop: Hop) -> Self {
        let mut route = Self {
            kind: Kind::UNICAST,
            destination,
            tos: 0,
            table,
            hops: vec![hop],
            protocol: PROTOCOL,
            scope: Scope::GLOBAL,
            source: None,
            metric: Route::usual_metric(destination.family()),
            realms: 0,
            preference: 0,
            metrics: Metrics::default(),
            unread: Vec::new(),
        };
        route.scope = route.usual_scope();
        route
    }

    /// The route's address family.
    pub fn family(&self) -> Family {
        self.destination.family()
    }

    /// The same route in another table, or in the table that its name turned out to mean.
    pub fn in_table<Other>(self, table: Other) -> Route<Other> {
        Route {
            kind: self.kind,
            destination: self.destination,
            tos: self.tos,
            table,
            hops: self.hops,
            protocol: self.protocol,
            scope: self.scope,
            source: self.source,
            metric: self.metric,
            realms: self.realms,
            preference: self.preference,
            metrics: self.metrics,
            unread: self.unread,
        }
    }
}

/// A table, a destination and a tos: routes that agree in these stand in line.
pub type RoutePlace = (TableId, Prefix, u8);

impl Route {
    /// The metric that the kernel gives a route which names none.
    pub fn usual_metric(family: Family) -> u32 {
        match family {
            Family::Inet => 0,
            Family::Inet6 => 1024,
        }
    }

    /// Whether two routes lead alike, whoever put them there.
    pub fn same_effect(&self, other: &Self) -> bool {
        *self
            == Self {
                protocol: self.protocol,
                ..other.clone()
            }
    }

    /// Whether the other leads to the same destination from the same table, under any metric.
    pub fn is_rival(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    /// What rivals have in common.
    pub fn place(&self) -> RoutePlace {
        (self.table, self.destination, self.tos)
    }

    /// Whether the kernel has room for only one of the two: `NLM_F_EXCL` goes by destination,
    /// tos and metric within a table.
    pub fn same_place(&self, other: &Self) -> bool {
        self.is_rival(other) && self.metric == other.metric
    }
}
