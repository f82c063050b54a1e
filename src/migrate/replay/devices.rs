//! What a file says of the devices and networks around its lines.

use crate::migrate::lines::{ScriptedStanza, WhyItStays};
use crate::routing::{InterfaceAddress, InterfaceName, Kind, Route, TableId};
use crate::stanza::own_address;

/// The stanzas of a file with their addresses.
pub struct Devices<'a> {
    stanzas: &'a [ScriptedStanza],
    /// The addresses of the stanzas, where they say them.
    addresses: Vec<Option<InterfaceAddress>>,
}

/// Whether a route can be put in before its stanza's interface is up.
pub fn is_always_possible(route: &Route) -> bool {
    let lo = |device: &InterfaceName| device.as_str() == "lo";
    let mut hops = route.hops.iter();
    !route.kind.has_device() && route.kind != Kind::UNICAST
        || hops.all(|hop| hop.device.as_ref().is_some_and(lo))
}

impl<'a> Devices<'a> {
    /// Those of some stanzas.
    pub fn of(stanzas: &'a [ScriptedStanza]) -> Self {
        let addresses = stanzas.iter().map(|stanza| own_address(&stanza.call));
        Self {
            stanzas,
            addresses: addresses.collect(),
        }
    }

    /// Whether something that is in main without these lines may stand where a route goes.
    pub fn may_be_taken(&self, s: usize, route: &Route) -> bool {
        let configures_itself = |stanza: &ScriptedStanza| {
            let method = stanza.call.method.as_str();
            stanza.call.gateway.is_some() || !matches!(method, "static" | "manual" | "loopback")
        };
        let own = self.addresses.get(s).copied().flatten();
        let connected = own.is_some_and(|own| own.network() == route.destination);
        let default = route.destination.is_any() && self.stanzas.iter().any(configures_itself);
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
            if let Some(device) = &hop.device {
                // The kernel takes the label of an alias for the device (measured on 6.18).
                hop.device = Some(device.device());
                continue;
            }
            let gateway = hop.gateway.ok_or(WhyItStays::NoDevice)?;
            let on_link = |own: &Option<InterfaceAddress>| {
                own.is_some_and(|own| own.network().contains(gateway))
            };
            let on = self
                .addresses
                .iter()
                .enumerate()
                .filter(|(_, own)| on_link(own));
            let devices: Vec<Option<InterfaceName>> = on.map(|(at, _)| self.device(at)).collect();
            let own = self.device(s);
            if own.is_none() || devices.is_empty() || devices.iter().any(|device| *device != own) {
                return Err(WhyItStays::NoDevice);
            }
            hop.device = own;
        }
        Ok(())
    }

    /// Refuses a route by an interface other than the stanza's: it may be down.
    pub fn is_here(&self, s: usize, route: &Route) -> Result<(), WhyItStays> {
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
