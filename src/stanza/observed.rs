//! What had to be asked to know what a stanza stands for: of the kernel, and of the record where the
//! kernel does not know any more.

use std::net::IpAddr;

use crate::routing::{Hop, InterfaceAddress, InterfaceName, Route, TableId};

/// What the kernel had to be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The addresses of the interface, or the stanza's.
    pub addresses: Vec<InterfaceAddress>,
    /// The way of its default route in main.
    pub default: Option<Hop>,
    /// Where main has none: the default routes by the interface that the stanza had in tables
    /// before, the foremost first.
    pub before: Vec<Route>,
    /// Where connections are marked: the name that the kernel itself has for the device, which nft(8)
    /// compares, and not an altname of it.
    pub marked: Option<InterfaceName>,
}

impl Observed {
    /// The way of the default route that the stanza's table keeps where main has none any more:
    /// what is not known now is no reason to change what was. One through a network that the
    /// interface has no more cannot be kept.
    pub fn kept(&self, table: TableId) -> Option<&Hop> {
        let own = self.before.iter().find(|route| route.table == table);
        let hop = own.or(self.before.first())?.hops.first()?;
        let is_reached = |gateway: IpAddr| {
            let mut own = self.addresses.iter();
            hop.onlink
                || is_link_local(gateway)
                || own.any(|own| own.is_point_to_point() || own.network().contains(gateway))
        };
        Some(hop).filter(|hop| hop.gateway.is_none_or(is_reached))
    }

    /// Whether that way leads through a router, and not just to what is at the other end.
    pub fn keeps_router(&self, table: TableId) -> bool {
        self.kept(table).is_some_and(|hop| hop.gateway.is_some())
    }
}

/// Whether an address is of a link alone, so that it is reached whatever the network is.
pub fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
