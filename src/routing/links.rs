//! What is on the links of this host: the addresses that its devices have, and the networks that
//! these are in. Decides only; `Kernel::look_around` asks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::address::{Family, InterfaceAddress, InterfaceName, Prefix};
use super::table::TableId;

/// The devices, as far as they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The usable addresses.
    pub addresses: BTreeMap<InterfaceName, Vec<InterfaceAddress>>,
    /// The aliases whose label an address has.
    pub labels: BTreeMap<(InterfaceName, IpAddr), InterfaceName>,
    /// Those that are down: no network is reached by these.
    pub down: BTreeSet<InterfaceName>,
    /// The networks on the links of those whose addresses are in none, as far as main says.
    pub on_link: BTreeMap<InterfaceName, Vec<Prefix>>,
    /// The networks that somebody has asked about, by the table that was to lead there, and whether
    /// nothing does.
    pub lost: RefCell<BTreeMap<(TableId, Prefix), bool>>,
    /// The networks that somebody was told of, or that are taken for such: they are none to look at.
    pub told: BTreeSet<Prefix>,
}

impl Links {
    /// Those that are up, `lo` aside, whose addresses of a family are in no network: tunnels, and
    /// what has an address of a hoster. What is on the link is known to main alone.
    pub fn without_network(&self, family: Family) -> Vec<InterfaceName> {
        let is_without = |device: &InterfaceName, addresses: &[InterfaceAddress]| {
            let mut own = addresses.iter().filter(|own| own.family() == family);
            let has_some = own.clone().next().is_some();
            let is_up = device.as_str() != "lo" && !self.down.contains(device);
            is_up && has_some && own.all(InterfaceAddress::is_alone)
        };
        let all = self.addresses.iter();
        let found = all.filter(|(device, addresses)| is_without(device, addresses));
        found.map(|(device, _)| device.clone()).collect()
    }

    /// The networks of a family on the links of those that are up.
    pub fn networks(&self, family: Family) -> impl Iterator<Item = (Prefix, &InterfaceName)> {
        let by_address = self.addresses.iter().flat_map(|(device, addresses)| {
            let in_networks = addresses.iter().filter(|own| !own.is_alone());
            in_networks.map(move |own| (own.network(), device))
        });
        let by_route = self.on_link.iter();
        let by_route = by_route
            .flat_map(|(device, networks)| networks.iter().map(move |network| (*network, device)));
        by_address.chain(by_route).filter(move |(network, device)| {
            let is_of_matter = !network.is_any() && !self.told.contains(network);
            network.family() == family && is_of_matter && !self.down.contains(*device)
        })
    }

    /// The usable addresses that an interface calls its own: an alias those that bear its label, a
    /// device all of them.
    pub fn addresses_of(&self, interface: &InterfaceName) -> Vec<InterfaceAddress> {
        let device = interface.device();
        let is_its_own = |own: &&InterfaceAddress| {
            device == *interface
                || self.labels.get(&(device.clone(), own.address)) == Some(interface)
        };
        let of_device = self.addresses.get(&device).into_iter().flatten();
        of_device.filter(is_its_own).copied().collect()
    }
}

/// What is asked of the kernel about single packets.
pub trait Reach {
    /// The device by which a packet that this host sends leaves now, and the table that says so; `None`
    /// where there is no way, or the kernel does not say.
    fn way(&mut self, from: IpAddr, to: IpAddr) -> Option<(InterfaceName, TableId)>;

    /// Whether main has a route to an address by a device, one that is none of those that stand for
    /// a default route.
    fn main_has(&mut self, to: IpAddr, device: &InterfaceName) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_those_of_addresses_and_of_routes_where_these_have_none() {
        let mut links = Links::default();
        for (device, address, length, peer) in [
            ("docker0", "172.17.0.1", 16, None),
            ("docker0", "10.99.0.1", 32, None),
            ("eth2", "10.2.0.1", 24, None),
            ("lo", "10.98.0.1", 32, None),
            ("tun0", "10.8.0.6", 32, Some("10.8.0.5")),
            ("wg0", "10.9.0.2", 32, None),
            ("wg0", "2001:db8::2", 64, None),
            ("wg1", "10.7.0.2", 32, None),
        ] {
            let own = InterfaceAddress::new(address.parse().unwrap(), length).unwrap();
            let own = own.facing(peer.map(|peer: &str| peer.parse().unwrap()));
            let of_device = links.addresses.entry(device.parse().unwrap()).or_default();
            of_device.push(own);
        }
        for down in ["eth2", "wg1"] {
            links.down.insert(down.parse().unwrap());
        }
        let [wg0] = &links.without_network(Family::Inet)[..] else {
            panic!("{links:?}")
        };
        assert_eq!(wg0.as_str(), "wg0");
        assert_eq!(links.without_network(Family::Inet6), []);
        let routed = vec!["10.9.0.0/24".parse().unwrap()];
        links.on_link.insert(wg0.clone(), routed);
        let shown = |family| {
            let all = links.networks(family);
            let all = all.map(|(network, device)| format!("{network} {device}"));
            all.collect::<Vec<_>>().join(", ")
        };
        let expected = "172.17.0.0/16 docker0, 10.8.0.5 tun0, 10.9.0.0/24 wg0";
        assert_eq!(shown(Family::Inet), expected);
        assert_eq!(shown(Family::Inet6), "2001:db8::/64 wg0");
        links.told.insert("10.8.0.5/32".parse().unwrap());
        let expected = "172.17.0.0/16 docker0, 10.9.0.0/24 wg0";
        let shown = links.networks(Family::Inet);
        let shown = shown.map(|(network, device)| format!("{network} {device}"));
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expected);
    }
}
