//! What a stanza of ifupdown2 or ifupdown-ng says that is of interest to a hook: its addresses, its
//! gateways, and its `policy-` options, in their order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::definition::Definition;
use super::variable_names::{mangled, OptionKind};
use crate::ifupdown::Caller;
use crate::routing::{parse_length, Family, InterfaceAddress};

/// Where a stanza has something to route: an address, or a family whose addresses come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAddress {
    pub family: Family,
    pub method: String,
    pub address: Option<String>,
    pub netmask: Option<String>,
    pub peer: Option<String>,
}

/// What a stanza says that is of interest to a hook.
#[derive(Debug, Default)]
pub struct SharedStanza<'a> {
    method: String,
    /// The addresses as written, each with the netmask and the other end that are said for it.
    addresses: Vec<(&'a str, Option<&'a str>, Option<&'a str>)>,
    pub gateways: Vec<&'a str>,
    /// The values of each `policy-` option, in their order.
    pub options: BTreeMap<String, Vec<&'a [u8]>>,
    /// What an address has that is written without a length, by family.
    lengths: (u8, u8),
}

/// What an address without a length gets, by family: measured on ifupdown-ng 0.11.4 and ifupdown2
/// 3.0.0.
const OF_NG: (u8, u8) = (24, 64);
const OF_IFUPDOWN2: (u8, u8) = (32, 128);

/// A value as text.
pub fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default().trim()
}

impl<'a> SharedStanza<'a> {
    /// Of a definition, as far as options of some kinds say it.
    pub fn of(definition: &'a Definition, kinds: &[OptionKind]) -> Self {
        let is_ng = definition.caller == Caller::IfupdownNg;
        let mut stanza = Self {
            lengths: if is_ng { OF_NG } else { OF_IFUPDOWN2 },
            ..Self::default()
        };
        let (mut netmask, mut peers) = (None, Vec::new());
        for (name, value) in definition.all_for_us(kinds) {
            match name {
                "address" => stanza.addresses.push((text(value), None, None)),
                // ifupdown2: of the address above; ifupdown-ng: of all that have no length.
                "netmask" if is_ng => netmask = netmask.or(Some(text(value))),
                "netmask" => {
                    if let Some((_, unsaid @ None, _)) = stanza.addresses.last_mut() {
                        *unsaid = Some(text(value));
                    }
                }
                "pointopoint" | "point-to-point" | "dstaddr" => peers.push(text(value)),
                // What stands behind the address is a word that nobody reads.
                "gateway" => stanza
                    .gateways
                    .extend(text(value).split_whitespace().next()),
                _ => {
                    if let Some(option) = policy_option(name) {
                        stanza.options.entry(option).or_default().push(value);
                    }
                }
            }
        }
        for (n, (address, mask, peer)) in stanza.addresses.iter_mut().enumerate() {
            *mask = mask.or(netmask);
            // ifupdown-ng takes it for the other end of all IPv4 addresses.
            let for_all = is_ng && !address.contains(':');
            *peer = peers.get(if for_all { 0 } else { n }).copied();
        }
        stanza.method = stanza.method_of(definition);
        stanza
    }

    /// The method, where it says none: none of both programs needs one.
    fn method_of(&self, definition: &Definition) -> String {
        let said = definition.method.as_str();
        let method = match said {
            _ if definition.name == "lo" => "loopback",
            "" | "manual" | "none" | "static" if !self.addresses.is_empty() => "static",
            "" if definition.says("use", "dhcp") => "dhcp",
            "" | "static" => "manual",
            said => said,
        };
        method.to_owned()
    }

    /// Its addresses, and where these come from elsewhere the families, in their order.
    pub fn places(&self, family: &str) -> Vec<ServedAddress> {
        let said = match family {
            "inet" => Some(Family::Inet),
            "inet6" => Some(Family::Inet6),
            _ => None,
        };
        let mut places: Vec<ServedAddress> = Vec::new();
        let from_elsewhere = |family| ServedAddress {
            family,
            method: self.method.clone(),
            address: None,
            netmask: None,
            peer: None,
        };
        let is_static = matches!(self.method.as_str(), "static" | "loopback");
        if !is_static && (said.is_some() || self.addresses.is_empty()) {
            let mut families: Vec<Family> = said.into_iter().collect();
            if families.is_empty() {
                families.extend(self.families_of_gateways());
            }
            if families.is_empty() {
                families.push(Family::Inet);
            }
            places.extend(families.into_iter().map(from_elsewhere));
        }
        for (written, mask, peer) in &self.addresses {
            let place = self.place(written, *mask, *peer, said);
            // Of the loopback interface nothing follows from its addresses.
            let again = self.method == "loopback" && !places.is_empty();
            if !again && !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() {
            places.push(from_elsewhere(said.unwrap_or(Family::Inet)));
        }
        places
    }

    /// What an address comes to, spelt as in a call of Debian's ifupdown.
    fn place(
        &self,
        written: &str,
        mask: Option<&str>,
        peer: Option<&str>,
        said: Option<Family>,
    ) -> ServedAddress {
        let (address, length) = match written.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (written, mask),
        };
        let parsed = address.parse::<IpAddr>().ok();
        let family = parsed.map(Family::of).or(said).unwrap_or(Family::Inet);
        let default = match family {
            Family::Inet => self.lengths.0,
            Family::Inet6 => self.lengths.1,
        };
        // ifupdown-ng counts the bits of a mask for IPv6, too.
        let read = |length: &str| {
            let is_mask = self.lengths == OF_NG && length.contains('.');
            parse_length(length, if is_mask { Family::Inet } else { family })
        };
        let length = length.map_or(Ok(default), read);
        let method = match self.method.as_str() {
            "loopback" => "loopback",
            _ => "static",
        };
        let place = ServedAddress {
            family,
            method: method.to_owned(),
            address: Some(address.to_owned()),
            netmask: None,
            peer: peer.map(str::to_owned),
        };
        match length {
            Ok(length) if parsed.is_some() => ServedAddress {
                netmask: Some(netmask(family, length)),
                ..place
            },
            // What is wrong with it is told of it as it is written.
            _ => ServedAddress {
                address: Some(written.to_owned()),
                netmask: mask.map(str::to_owned),
                ..place
            },
        }
    }

    fn families_of_gateways(&self) -> Vec<Family> {
        let said = self.options.get("policy-gateway").into_iter().flatten();
        let said = said
            .map(|value| text(value))
            .chain(self.gateways.iter().copied());
        let mut families: Vec<Family> = Vec::new();
        for family in said.filter_map(family_of_gateway) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
        families
    }
}

/// A length as the hooks of Debian's ifupdown have it.
fn netmask(family: Family, length: u8) -> String {
    match family {
        Family::Inet6 => length.to_string(),
        Family::Inet => {
            let hosts = 32_u32.saturating_sub(u32::from(length));
            let mask = u32::MAX.checked_shl(hosts).unwrap_or(0);
            std::net::Ipv4Addr::from(mask).to_string()
        }
    }
}

/// The option that a name becomes on its way through the environment, if it is one of ours.
fn policy_option(name: &str) -> Option<String> {
    let mangled = mangled(name);
    mangled
        .starts_with("POLICY_")
        .then(|| mangled.to_lowercase().replace('_', "-"))
}

/// The family of a router's address; `None` for a word.
pub fn family_of_gateway(value: &str) -> Option<Family> {
    value.parse().ok().map(Family::of)
}

impl ServedAddress {
    /// The address with its network.
    pub fn own_address(&self) -> Option<InterfaceAddress> {
        let address: IpAddr = self.address.as_deref()?.parse().ok()?;
        let length = parse_length(self.netmask.as_deref()?, self.family).ok()?;
        InterfaceAddress::new(address, length).ok()
    }
}
