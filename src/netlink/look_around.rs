//! What others have that decides what becomes of a stanza's packets, asked of the kernel at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use neli::consts::rtnl::{RtTable, Rta, Rtm};
use neli::rtnl::Rtmsg;
use nix::errno::Errno;

use super::address::{self, Assigned, Standing};
use super::kernel::{Kernel, KernelError};
use super::message::{nested, number, WireError};
use super::route;
use crate::routing::{
    Family, InterfaceAddress, InterfaceName, Kind, Links, Prefix, Reach, Route, Surroundings,
    TableId, WIDEST,
};

/// How far a look goes for networks of others, on a host of thousands.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// In how many networks addresses are read.
    networks: usize,
    /// Of how many devices without one main is asked what is on their links, for each of which the
    /// kernel goes through it.
    tunnels: usize,
}

impl Extent {
    /// In a hook, for one stanza.
    pub const OF_ONE: Self = Self {
        networks: 64,
        tunnels: 8,
    };
    /// Once for all stanzas.
    pub const OF_ALL: Self = Self {
        networks: 1024,
        tunnels: 64,
    };
}

impl Kernel {
    /// Adds to rules that are noted already what they look up, and the addresses of all devices.
    pub fn look_around(&mut self, around: &mut Surroundings) -> Result<(), KernelError> {
        for (family, table) in around.tables() {
            // Of the hundred thousand routes that there may be, a few are read.
            let routes = self.list_routes(family, table, None, |kernel, payload| match payload
                .get(DESTINATION_LENGTH)
            {
                Some(length) if *length <= WIDEST => {
                    route::decode(payload, |index| kernel.device(index))
                }
                _ => Ok(None),
            })?;
            let routes: Vec<_> = routes
                .into_iter()
                .filter(|route| route.table == table)
                .collect();
            around.note_routes(family, table, &routes);
        }
        around.links.down = self.devices_down()?;
        for family in Family::ALL {
            self.filter_dumps()?;
            let what = format!("{} addresses", family.name());
            let encode = || address::encode_dump(family, 0);
            let found = self.dump_of(family, &what, Rtm::Getaddr, encode, |_, payload| {
                address::decode_any(payload)
            });
            let found = match found {
                Err(KernelError::Dump { refusal, .. }) if is_unknown(refusal.errno) => Vec::new(),
                found => found?,
            };
            // Of a family that it does not know a kernel may list what it has of others.
            let of_family = |(_, assigned): &(u32, Assigned)| assigned.address.family() == family;
            for (index, assigned) in found.into_iter().filter(of_family) {
                let device = self.device(index);
                if let Some(device) = device.filter(|_| assigned.standing == Standing::Usable) {
                    let label = assigned.label.and_then(|label| label.parse().ok());
                    if let Some(alias) = label.filter(|label| *label != device) {
                        let key = (device.clone(), assigned.address.address);
                        around.links.labels.insert(key, alias);
                    }
                    let of_device = around.links.addresses.entry(device).or_default();
                    of_device.push(assigned.address);
                }
            }
            self.note_on_link(&mut around.links, family, Extent::OF_ALL)?;
        }
        Ok(())
    }

    /// The usable addresses of a family that devices have, but for one of them; where they are in
    /// too many networks, those in the first of these.
    pub fn addresses_beside(
        &mut self,
        device: Option<&InterfaceName>,
        family: Family,
        extent: Extent,
    ) -> Result<BTreeMap<InterfaceName, Vec<InterfaceAddress>>, KernelError> {
        let most = extent.networks;
        let own = device.map(|device| self.index(device)).transpose()?;
        let own = own.flatten();
        // A server of web sites has hundreds in one, or in none.
        let network = |(index, assigned): &(u32, Assigned)| {
            let own = assigned.address;
            (*index, (!own.is_alone()).then(|| own.network()))
        };
        let is_enough = |found: &[(u32, Assigned)]| {
            found.len() >= most && found.iter().map(network).collect::<BTreeSet<_>>().len() >= most
        };
        let what = format!("{} addresses", family.name());
        let encode = || address::encode_dump(family, 0);
        let found = self.dump_first_of(
            is_enough,
            family,
            &what,
            Rtm::Getaddr,
            encode,
            |_, payload| {
                // Most hosts have no other than that of lo, which is of the host alone.
                let is_of_use = payload.get(SCOPE) == Some(&UNIVERSE)
                    && payload.get(INDEX..INDEX + 4).and_then(number) != own;
                if !is_of_use {
                    return Ok(None);
                }
                let found = address::decode_any(payload)?;
                Ok(found.filter(|(_, assigned)| assigned.standing == Standing::Usable))
            },
        )?;
        let mut beside: BTreeMap<InterfaceName, Vec<InterfaceAddress>> = BTreeMap::new();
        let mut networks = BTreeSet::new();
        for found in &found {
            networks.insert(network(found));
            if networks.len() > most {
                break;
            }
            let (index, assigned) = found;
            if let Some(device) = self.device(*index) {
                beside.entry(device).or_default().push(assigned.address);
            }
        }
        Ok(beside)
    }

    /// Adds what is on the link of devices whose addresses are in no network: the destinations of
    /// routes by them that need no router, and are none.
    pub fn note_on_link(
        &mut self,
        links: &mut Links,
        family: Family,
        extent: Extent,
    ) -> Result<(), KernelError> {
        for device in links
            .without_network(family)
            .into_iter()
            .take(extent.tunnels)
        {
            let routes = self.routes_by_commands(family, &device)?;
            let hops = || routes.iter().flat_map(|route| &route.hops);
            let gateways: BTreeSet<IpAddr> = hops().filter_map(|hop| hop.gateway).collect();
            let is_on_link = |route: &&Route| {
                let to = route.destination;
                let is_router = to.is_host() && gateways.contains(&to.address());
                route.kind == Kind::UNICAST
                    && route.hops.iter().all(|hop| hop.gateway.is_none())
                    && to.length() > WIDEST
                    && !is_link_local(to.address())
                    && !is_router
            };
            let networks = routes.iter().filter(is_on_link).take(ON_LINK);
            let networks: Vec<Prefix> = networks.map(|route| route.destination).collect();
            links.on_link.entry(device).or_default().extend(networks);
        }
        Ok(())
    }

    /// What `decode` makes of the kernel's answer to the question which way a packet goes.
    fn ask_way<T>(
        &mut self,
        question: Result<Rtmsg, WireError>,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let answer = self.ask("a way", Rtm::Getroute, question.ok()?, |_, payload| {
            Ok(decode(payload))
        });
        answer.ok()?
    }
}

impl Reach for Kernel {
    fn way(&mut self, from: IpAddr, to: IpAddr) -> Option<(InterfaceName, TableId)> {
        let way = |payload: &[u8]| Some((out(payload)?, table(payload)?));
        let (index, table) = self.ask_way(route::encode_question(from, to), way)?;
        Some((self.device(index)?, table))
    }

    fn main_has(&mut self, to: IpAddr, device: &InterfaceName) -> bool {
        let Ok(Some(index)) = self.index(device) else {
            return false;
        };
        let of_main = |payload: &[u8]| {
            let header = |place: usize| payload.get(place).copied().unwrap_or_default();
            let is_narrow = header(DESTINATION_LENGTH) > WIDEST;
            let is_main = header(TABLE) == u8::from(RtTable::Main);
            (is_narrow && is_main).then(|| out(payload)).flatten()
        };
        self.ask_way(route::encode_question_by(to, index), of_main) == Some(index)
    }
}

/// The number of the device in a message about a route.
fn out(payload: &[u8]) -> Option<u32> {
    attribute(payload, Rta::Oif)
}

/// The table in one.
fn table(payload: &[u8]) -> Option<TableId> {
    attribute(payload, Rta::Table).map(TableId::numbered)
}

fn attribute(payload: &[u8], wanted: Rta) -> Option<u32> {
    let mut attributes = nested(payload.get(ROUTE_HEADER..).unwrap_or_default());
    let found = attributes.find(|(kind, _)| *kind == u16::from(wanted));
    found.and_then(|(_, value)| number(value))
}

/// Whether an address is of one link and no network.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Bytes of a `struct rtmsg`.
const ROUTE_HEADER: usize = 12;

/// Where `ifa_scope` and `ifa_index` stand in a message about an address.
const SCOPE: usize = 3;
const INDEX: usize = 4;
/// `RT_SCOPE_UNIVERSE`.
const UNIVERSE: u8 = 0;

/// How many networks are read that one device has on its link.
const ON_LINK: usize = 64;

/// What a kernel says of a family that it was booted without.
fn is_unknown(errno: Errno) -> bool {
    matches!(errno, Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
}

/// Where `rtm_dst_len` and `rtm_table` stand in a message about a route.
const DESTINATION_LENGTH: usize = 1;
const TABLE: usize = 4;
