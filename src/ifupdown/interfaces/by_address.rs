//! The calls of a stanza of ifupdown2 or ifupdown-ng, which has addresses of both families, each as
//! often as it likes: one for each address, as if it were written as so many stanzas of Debian's
//! ifupdown.
//!
//! What can be meant for one family alone goes to that family's calls: a `gateway` or
//! `policy-gateway` by its address, a line of `policy-rule` or `policy-route` by the addresses in it.
//! What holds for a table once, its default route, and `policy-rule` lines, whose number is their
//! priority, goes to the first call of a family. All else goes to all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;

use super::definition::Definition;
use super::family_of_line::{family_of_line, is_line, FamilyOfLine};
use super::shared_stanza::{family_of_gateway, text, ServedAddress, SharedStanza};
use super::variable_names::OptionKind;
use crate::ifupdown::{Caller, Direction, HookCall};

impl Definition {
    /// The calls of a hook that bring up what it says, in their order: one of Debian's ifupdown, of
    /// the others one for each address.
    pub fn calls(&self, interface: &str) -> Vec<HookCall> {
        self.calls_of(interface, &[OptionKind::Addresses, OptionKind::Other])
    }

    /// The calls as far as their addresses and routers are concerned: without options of ours, which
    /// a long line of parents makes many.
    pub fn calls_for_addresses(&self, interface: &str) -> Vec<HookCall> {
        self.calls_of(interface, &[OptionKind::Addresses])
    }

    fn calls_of(&self, interface: &str, kinds: &[OptionKind]) -> Vec<HookCall> {
        if self.caller != Caller::Ifupdown {
            return calls(self, interface, kinds);
        }
        let call = HookCall::read(Direction::Up, self.variables_for_us(interface, kinds));
        call.into_iter().collect()
    }
}

/// The calls for an interface, in the order of its addresses.
fn calls(definition: &Definition, interface: &str, kinds: &[OptionKind]) -> Vec<HookCall> {
    let stanza = SharedStanza::of(definition, kinds);
    let places = stanza.places(&definition.family);
    let metric = definition.option("metric");
    let calls = places.iter().enumerate().map(|(n, place)| {
        let nth = places.iter().take(n).filter(|p| p.family == place.family);
        let call = CallOfFamily {
            stanza: &stanza,
            place,
            nth: nth.count(),
            all: &places,
        };
        HookCall {
            caller: definition.caller,
            interface: interface.to_owned(),
            logical: definition.name.clone(),
            family: Some(place.family),
            method: place.method.clone(),
            address: place.address.clone(),
            netmask: place.netmask.clone(),
            gateway: call.gateway().map(str::to_owned),
            metric: metric.map(|it| it.to_string_lossy().into_owned()),
            peer: place.peer.clone(),
            options: call.options(),
            verbose: false,
        }
    });
    calls.collect()
}

/// One of the calls, among those of its family.
struct CallOfFamily<'a> {
    stanza: &'a SharedStanza<'a>,
    place: &'a ServedAddress,
    /// How many of its family come before it.
    nth: usize,
    all: &'a [ServedAddress],
}

impl<'a> CallOfFamily<'a> {
    /// Whether a router is this call's: it lies in the network of its address, or in none and it is
    /// the first.
    fn has_router(&self, router: &str) -> bool {
        let Ok(router) = router.parse::<IpAddr>() else {
            return self.nth == 0;
        };
        let holds = |place: &&ServedAddress| {
            let own = place.own_address();
            own.is_some_and(|own| own.network().contains(router))
        };
        let mut own = self
            .all
            .iter()
            .filter(|place| place.family == self.place.family);
        let place = own.position(|place| holds(&place));
        place.unwrap_or(0) == self.nth
    }

    fn gateway(&self) -> Option<&'a str> {
        let mut gateways = self.stanza.gateways.iter().copied();
        gateways.find(|gateway| {
            let family = family_of_gateway(gateway);
            // What is no address is told once.
            let is_ours = family.map_or(self.is_first(), |family| family == self.place.family);
            is_ours && self.has_router(gateway)
        })
    }

    fn options(&self) -> Vec<(String, OsString)> {
        let mut options: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for (name, values) in &self.stanza.options {
            let kept = self.kept(name, values);
            if !kept.is_empty() {
                options.insert(name, kept.join(&b'\n'));
            }
        }
        let has_table = options.contains_key("policy-table");
        let is_line = |name: &&str| is_line(name);
        let others_have = self
            .stanza
            .options
            .keys()
            .any(|name| is_line(&name.as_str()));
        if !has_table && others_have && !options.keys().any(is_line) {
            // All that it says is about lines of the other family.
            return Vec::new();
        }
        let names_router = options.contains_key("policy-gateway") || self.gateway().is_some();
        if has_table && self.nth > 0 && !names_router {
            // The table has the default route of the family's first address.
            options.insert("policy-gateway", b"none".to_vec());
        }
        let options = options.into_iter();
        options
            .map(|(name, value)| (name.to_owned(), OsString::from_vec(value)))
            .collect()
    }

    /// Those of an option's values that are this call's.
    fn kept(&self, name: &str, values: &[&'a [u8]]) -> Vec<Vec<u8>> {
        if is_line(name) {
            let is_rule = name.starts_with("policy-rule");
            if is_rule && self.nth > 0 {
                return Vec::new();
            }
            let kept = values.iter().map(|value| self.lines(is_rule, value));
            return kept.filter(|value| !value.is_empty()).collect();
        }
        let kept = values.iter().filter(|value| {
            let value = text(value);
            match name {
                "policy-gateway" => match family_of_gateway(value) {
                    Some(family) => family == self.place.family && self.has_router(value),
                    None => self.nth == 0 || value == "none",
                },
                // The first call's asks for the others' addresses, too.
                "policy-source" => self.nth == 0 || value != "all",
                _ => true,
            }
        });
        kept.map(|value| value.to_vec()).collect()
    }

    /// The lines of a value that are this call's; the value itself where all are.
    fn lines(&self, is_rule: bool, value: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(value) else {
            return if self.is_first() {
                value.to_vec()
            } else {
                Vec::new()
            };
        };
        let pieces = text.split(['\n', ';']).map(str::trim);
        let pieces: Vec<&str> = pieces.filter(|piece| !piece.is_empty()).collect();
        let is_ours = |piece: &&str| match family_of_line(is_rule, piece) {
            Some(FamilyOfLine::One(family)) => {
                let has_other = self.all.iter().any(|place| place.family == family);
                family == self.place.family || !has_other && self.is_first()
            }
            Some(FamilyOfLine::Either) => true,
            None => self.is_first(),
        };
        let ours: Vec<&str> = pieces.iter().copied().filter(is_ours).collect();
        if ours.len() == pieces.len() {
            // Also where there is none: an empty value is an error to tell of.
            return if pieces.is_empty() && !self.is_first() {
                Vec::new()
            } else {
                value.to_vec()
            };
        }
        ours.join("; ").into_bytes()
    }

    /// Whether it is the first of all.
    fn is_first(&self) -> bool {
        self.all
            .first()
            .is_some_and(|first| std::ptr::eq(first, self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Text;
    use super::*;

    #[test]
    fn the_call_is_that_of_the_hook() {
        let text = Text::read("iface home inet6 static\n address 2001:db8::1/64\n policy-table a");
        let stanza = text.stanza(0).unwrap();
        let definition = Definition::new("home", "inet6", "static", None, &stanza.options);
        let call = definition.calls("eth1").remove(0);
        assert_eq!(
            (call.interface.as_str(), call.logical.as_str()),
            ("eth1", "home")
        );
        assert_eq!(call.caller, Caller::Ifupdown);
        assert_eq!(call.address.as_deref(), Some("2001:db8::1"));
        assert_eq!(call.netmask.as_deref(), Some("64"));
        assert_eq!(call.options, [("policy-table".to_owned(), "a".into())]);
    }
}
