//! The devices of a file's stanzas, with the networks that they are on: by which device a route
//! leaves, and whether that is the stanza's own.

use std::net::IpAddr;

use crate::migrate::lines::{ScriptedStanza, WhyItStays};
use crate::routing::{InterfaceAddress, InterfaceName, Kind, Route, TableId};
use crate::stanza::own_address;

/// The stanzas of a file with their devices and addresses.
pub struct FileDevices<'a> {
    stanzas: &'a [ScriptedStanza],
    /// The address of each, where it says one.
    addresses: Vec<Option<InterfaceAddress>>,
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
        Self {
            stanzas,
            addresses: addresses.collect(),
        }
    }

    /// Whether something may stand in a route's place without any line: main's connected route, or
    /// a default route of ifupdown's or DHCP's.
    pub fn may_be_taken(&self, s: usize, route: &Route) -> bool {
        let brings_default = |stanza: &ScriptedStanza| {
            let method = stanza.call.method.as_str();
            stanza.call.gateway.is_some() || !matches!(method, "static" | "manual" | "loopback")
        };
        let own = self.addresses.get(s).copied().flatten();
        let connected = own.is_some_and(|own| own.network() == route.destination);
        let default = route.destination.is_any() && self.stanzas.iter().any(brings_default);
        route.table == TableId::MAIN && (connected || default)
    }

    /// The device of a stanza.
    pub fn device(&self, s: usize) -> Option<InterfaceName> {
        let name = &self.stanzas.get(s)?.call.interface;
        Some(name.parse::<InterfaceName>().ok()?.device())
    }

    /// Fills in the devices that the kernel finds itself, where there is no doubt: the router is on
    /// the network of this stanza and of no other.
    pub fn name_devices(&self, s: usize, route: &mut Route) -> Result<(), WhyItStays> {
        if !route.kind.has_device() {
            return Ok(());
        }
        for hop in &mut route.hops {
            hop.device = match (&hop.device, hop.gateway) {
                // The kernel takes the label of an alias for the device (measured on 6.18).
                (Some(device), _) => Some(device.device()),
                (None, Some(gateway)) if self.is_near_alone(s, gateway) => self.device(s),
                (None, _) => return Err(WhyItStays::NoDevice),
            };
        }
        Ok(())
    }

    /// Whether a router is on the network of a stanza, and on that of no other device.
    fn is_near_alone(&self, s: usize, gateway: IpAddr) -> bool {
        let own = self.device(s);
        let near = self.addresses.iter().enumerate().filter(|(_, address)| {
            address.is_some_and(|address| address.network().contains(gateway))
        });
        let mut devices = near.map(|(at, _)| self.device(at)).peekable();
        own.is_some() && devices.peek().is_some() && devices.all(|device| device == own)
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
