//! The devices of a file's stanzas, with the networks that they are on: by which device a route
//! leaves, and whether that is the stanza's own.

use std::net::IpAddr;

use super::by_prefix::ByPrefix;
use crate::migrate::lines::{ScriptedStanza, WhyItStays};
use crate::routing::{Family, InterfaceAddress, InterfaceName, Kind, Route, TableId};
use crate::stanza::own_address;

/// The stanzas of a file with their devices and addresses.
pub struct FileDevices<'a> {
    stanzas: &'a [ScriptedStanza],
    /// The address of each, where it says one.
    addresses: Vec<Option<InterfaceAddress>>,
    /// Those that have one, by its network.
    by_network: ByPrefix<usize>,
    /// Whether one of them brings main a default route.
    brings_default: bool,
}

/// Whether a route can be put in before its stanza's interface is up: it leaves by none, or by lo.
pub fn needs_no_interface(route: &Route) -> bool {
    let lo = |device: &InterfaceName| device.as_str() == "lo";
    let mut hops = route.hops.iter();
    !route.kind.has_device() && route.kind != Kind::UNICAST
        || hops.all(|hop| hop.device.as_ref().is_some_and(lo))
}

impl<'a> FileDevices<'a> {
    /// Those of the stanzas of a file.
    pub fn of(stanzas: &'a [ScriptedStanza]) -> Self {
        let addresses = stanzas.iter().map(|stanza| own_address(&stanza.call));
        let addresses: Vec<Option<InterfaceAddress>> = addresses.collect();
        let mut by_network = ByPrefix::default();
        for (at, address) in addresses.iter().enumerate() {
            if let Some(address) = address {
                by_network.push(address.network(), at);
            }
        }
        let brings_default = |stanza: &ScriptedStanza| {
            let method = stanza.call.method.as_str();
            stanza.call.gateway.is_some() || !matches!(method, "static" | "manual" | "loopback")
        };
        Self {
            stanzas,
            addresses,
            by_network,
            brings_default: stanzas.iter().any(brings_default),
        }
    }

    /// What stands in a route's place in main as soon as the stanza's interface is up, before any
    /// of its lines runs: the kernel's route to the network of an address, or the default route of
    /// `gateway`.
    pub fn put_in_by_itself(&self, s: usize, route: &Route) -> Option<String> {
        let stanza = self.stanzas.get(s)?;
        let (call, own) = (&stanza.call, self.addresses.get(s).copied().flatten()?);
        let usual = Route::usual_metric(route.family());
        let in_main = route.table == TableId::MAIN && route.tos == 0;
        if !in_main || call.method != "static" || Family::of(own.address) != route.family() {
            return None;
        }
        // The kernel's routes have a metric of their own in IPv6.
        let has_network = own.family() == Family::Inet && !own.network().is_host();
        if has_network && route.metric == usual && own.network() == route.destination {
            return Some("the kernel's own route to that network".to_owned());
        }
        let metric = stanza.variables.iter();
        let mut metric = metric.filter(|(name, _)| name == "IF_METRIC");
        let metric = metric.next().map(|(_, value)| value.trim().parse().ok());
        let metric = metric.unwrap_or(Some(usual));
        let is_default = route.destination.is_any() && metric == Some(route.metric);
        let gateway = call.gateway.as_ref().filter(|_| is_default)?;
        Some(format!("the default route of \"gateway {gateway}\""))
    }

    /// What may stand in a route's place without any line: main's connected route, or a default
    /// route of ifupdown's or DHCP's.
    pub fn may_be_there(&self, route: &Route) -> Option<String> {
        if route.table != TableId::MAIN {
            return None;
        }
        if self.by_network.has(route.destination) {
            return Some("the kernel's own route to that network".to_owned());
        }
        let is_brought = route.destination.is_any() && self.brings_default;
        is_brought.then(|| "the default route that gateway or DHCP brings".to_owned())
    }

    /// The device of a stanza.
    pub fn device(&self, s: usize) -> Option<InterfaceName> {
        let name = &self.stanzas.get(s)?.call.interface;
        Some(name.parse::<InterfaceName>().ok()?.device())
    }

    /// Fills in the devices that the kernel finds itself, where there is no doubt: the router is on
    /// the network of one device's stanzas and of no other.
    pub fn name_devices(&self, route: &mut Route) -> Result<(), WhyItStays> {
        if !route.kind.has_device() {
            return Ok(());
        }
        for hop in &mut route.hops {
            hop.device = match (&hop.device, hop.gateway) {
                // The kernel takes the label of an alias for the device (measured on 6.18).
                (Some(device), _) => Some(device.device()),
                (None, Some(gateway)) => Some(self.near(gateway)?),
                (None, None) => return Err(WhyItStays::NoWay),
            };
        }
        Ok(())
    }

    /// The only device whose stanzas have an address in a router's network.
    /// Errors: there is none, or another one.
    fn near(&self, gateway: IpAddr) -> Result<InterfaceName, WhyItStays> {
        let near = self.by_network.holding(gateway);
        let mut devices = near.filter_map(|at| self.device(*at));
        let first = devices.next();
        let first = first.ok_or(WhyItStays::RouterNowhere(gateway))?;
        match devices.find(|device| *device != first) {
            Some(other) => Err(WhyItStays::RouterTwice(gateway, first, other)),
            None => Ok(first),
        }
    }

    /// Refuses a route by an interface other than the stanza's: it may be down.
    pub fn check_own(&self, s: usize, route: &Route) -> Result<(), WhyItStays> {
        let own = self.device(s);
        let mut devices = route
            .hops
            .iter()
            .filter_map(|hop| hop.device.as_ref())
            .map(InterfaceName::device);
        let other = devices.find(|device| Some(device) != own.as_ref() && device.as_str() != "lo");
        other.map_or(Ok(()), |other| {
            Err(WhyItStays::Elsewhere(other.to_string()))
        })
    }
}
