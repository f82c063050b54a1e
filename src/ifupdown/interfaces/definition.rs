//! What ifupdown makes of an `iface` stanza before it calls a hook: inherited options, repeats,
//! the defaults and conversions of its method, and so the hook's environment.
//!
//! Measured on ifupdown 0.8.41 and 0.8.44: a stanza starts with a copy of the options that it
//! inherits; an option that is there already gets the new value behind a newline, inherited or
//! not; one whose name ends in `?` is dropped if it is there. The method then adds its defaults
//! and rewrites `address`, `netmask` and a few others, by what stands in `methods.rs`.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::commands::Phase;
use super::iface_stanza::{IfaceStanza, OptionLine};
use super::inherited::InheritedOptions;
use super::methods;
use super::methods::{ipv4, Conversion};
use super::variable_names::{mangled, matters, OptionKind};
use crate::ifupdown::Caller;

/// A logical interface as one stanza defines it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// Whose file it stands in.
    pub caller: Caller,
    /// The logical name.
    pub name: String,
    pub family: String,
    pub method: String,
    options: InheritedOptions,
}

impl Definition {
    /// A stanza of Debian's ifupdown with these options of its own.
    pub fn new<'a>(
        name: &str,
        family: &str,
        method: &str,
        inherited: Option<&Self>,
        own: impl IntoIterator<Item = &'a OptionLine>,
    ) -> Self {
        let mut definition = Self {
            caller: Caller::Ifupdown,
            name: name.to_owned(),
            family: family.to_owned(),
            method: method.to_owned(),
            options: inherited.map_or_else(InheritedOptions::default, |parent| {
                parent.options.inherited()
            }),
        };
        for option in own {
            definition.add(&option.name, option.value.as_bytes());
        }
        definition
    }

    /// A stanza of another program's, above options that it inherits.
    pub fn shared(
        caller: Caller,
        name: &str,
        (family, method): (&str, &str),
        options: InheritedOptions,
    ) -> Self {
        Self {
            caller,
            name: name.to_owned(),
            family: family.to_owned(),
            method: method.to_owned(),
            options,
        }
    }

    /// What others that inherit from it begin with.
    pub fn options(&self) -> &InheritedOptions {
        &self.options
    }

    /// A stanza of Debian's ifupdown above the one that it inherits from, family and method, too.
    pub fn debians<'a>(
        stanza: &IfaceStanza,
        parent: Option<&Self>,
        own: impl Iterator<Item = &'a OptionLine>,
    ) -> Self {
        let inherited = |own: &Option<String>, of: fn(&Self) -> &String| {
            let own = own.as_ref().or_else(|| parent.map(of));
            own.cloned().unwrap_or_default()
        };
        let family = inherited(&stanza.family, |parent| &parent.family);
        let method = inherited(&stanza.method, |parent| &parent.method);
        Self::new(&stanza.name, &family, &method, parent, own)
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        if let Some(phase) = Phase::of(name) {
            // Commands repeat without being joined.
            self.options.push(phase.option(), value);
        } else if let Some(there) = self.options.get(name) {
            let joined = [there, b"\n", value].concat();
            self.options.change(name, joined);
        } else {
            self.set_if_new(name.strip_suffix('?').unwrap_or(name), value);
        }
    }

    fn set_if_new(&mut self, name: &str, value: &[u8]) {
        if self.options.get(name).is_none() {
            self.options.push(name, value);
        }
    }

    /// An option's value, repeats joined by newlines; without what the method makes of it.
    pub fn option(&self, name: &str) -> Option<&OsStr> {
        self.options.get(name).map(OsStr::from_bytes)
    }

    /// The variables that a hook in `if-up.d` gets for it, those of the caller aside (`PATH`,
    /// `VERBOSITY`, `CLASS` and the locks `IFUPDOWN_…`).
    pub fn variables(&self, interface: &str) -> Vec<(OsString, OsString)> {
        use OptionKind::{Addresses, Other};
        self.some_variables(interface, &[Addresses, Other], |_| true)
    }

    /// Those variables of some kinds that matter to policy routing. In a long line of parents each
    /// stanza has the options of all before it, few of which do.
    pub fn variables_for_us(
        &self,
        interface: &str,
        kinds: &[OptionKind],
    ) -> Vec<(OsString, OsString)> {
        self.some_variables(interface, kinds, matters)
    }

    fn some_variables(
        &self,
        interface: &str,
        kinds: &[OptionKind],
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<Option<(String, Vec<u8>)>> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut set = |name: String, value: Vec<u8>| {
            // Two names may be mangled into one; the shell that runs the hooks keeps the last.
            let former = places.insert(name.clone(), variables.len());
            if let Some(former) = former.and_then(|place| variables.get_mut(place)) {
                *former = None;
            }
            variables.push(Some((name, value)));
        };
        let converted = self.converted(interface);
        for (name, value) in converted.options.those(kinds, wanted) {
            // The first "=" ends the name, also where the option has one.
            let (name, value) = match name.split_once('=') {
                Some((name, rest)) => (name, [rest.as_bytes(), b"=", value].concat()),
                None => (name, value.to_vec()),
            };
            set(format!("IF_{}", mangled(name)), value);
        }
        for (name, value) in [
            ("IFACE", interface),
            ("LOGICAL", &self.name),
            ("ADDRFAM", &self.family),
            ("METHOD", &self.method),
            ("MODE", "start"),
            ("PHASE", "post-up"),
        ] {
            set(name.to_owned(), value.as_bytes().to_vec());
        }
        let variables = variables.into_iter().flatten();
        variables
            .map(|(name, value)| (name.into(), OsString::from_vec(value)))
            .collect()
    }

    /// All options, in their order; repeats of one are joined on Debian's ifupdown alone.
    pub fn all(&self) -> Vec<(&str, &[u8])> {
        self.options.all()
    }

    /// Those of some kinds that matter to policy routing.
    pub fn all_for_us(&self, kinds: &[OptionKind]) -> Vec<(&str, &[u8])> {
        self.options.those(kinds, matters)
    }

    /// Whether an option has a value, among others.
    pub fn says(&self, name: &str, value: &str) -> bool {
        self.options.says(name, value.as_bytes())
    }

    /// The stanza with the method's defaults and conversions.
    fn converted(&self, interface: &str) -> Self {
        let mut converted = self.clone();
        let extras = methods::extras(&self.family, &self.method);
        let Some(extras) = extras else {
            return converted;
        };
        for (name, value) in extras.defaults {
            converted.set_if_new(name, value.as_bytes());
        }
        for conversion in extras.conversions {
            converted.convert(*conversion, interface);
        }
        converted
    }

    fn convert(&mut self, conversion: Conversion, interface: &str) {
        match conversion {
            Conversion::InPlace(name, function) => {
                if let Some(value) = self.options.get(name).map(function) {
                    self.options.change(name, value);
                }
            }
            Conversion::New(name, function, new) => {
                let value = self.option(name).map(|value| function(value.as_bytes()));
                if let Some(value) = value {
                    self.set_if_new(new, &value);
                }
            }
            Conversion::Broadcast => {
                if let Some(changed) = self.broadcast() {
                    self.options.change("broadcast", changed);
                }
            }
            Conversion::Lifetime => {
                if interface.split(':').filter(|part| !part.is_empty()).count() > 1 {
                    self.options.change("preferred-lifetime", b"0".to_vec());
                }
            }
        }
    }

    /// `broadcast +` and `broadcast -` spelled out; RFC 3021 networks have no such address.
    fn broadcast(&self) -> Option<Vec<u8>> {
        let sign = self.option("broadcast")?.as_bytes();
        let address = u32::from(ipv4(self.option("address")?.as_bytes())?);
        let mask = u32::from(ipv4(self.option("netmask")?.as_bytes())?);
        let broadcast = match (sign, mask) {
            (b"+", 0xffff_fffe) => u32::MAX,
            (b"-", 0xffff_fffe) => 0,
            (b"+", mask) => address | !mask,
            (b"-", mask) => address & mask,
            _ => return None,
        };
        Some(Ipv4Addr::from(broadcast).to_string().into_bytes())
    }
}

/// Options one behind the other, as ifupdown2 keeps them: `_` is `-` in a name.
pub fn listed<'a>(own: impl Iterator<Item = &'a OptionLine>) -> InheritedOptions {
    let mut options = InheritedOptions::default();
    for option in own {
        options.push(&option.name.replace('_', "-"), option.value.as_bytes());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::super::parts::Text;
    use super::*;

    fn variables(text: &str, interface: &str) -> Vec<String> {
        let text = Text::read(text);
        assert!(text.faults.is_empty(), "{:?}", text.faults);
        let stanza = text.stanza(0).unwrap();
        let (family, method) = (stanza.family.as_ref(), stanza.method.as_ref());
        let definition = Definition::new(
            &stanza.name,
            family.unwrap(),
            method.unwrap(),
            None,
            &stanza.options,
        );
        let variables = definition.variables(interface);
        let told = variables.iter().filter_map(|(name, value)| {
            let name = name.to_str().unwrap().strip_prefix("IF_")?;
            Some(format!("{name}={}", value.to_str().unwrap()))
        });
        told.collect()
    }

    #[test]
    fn an_address_gives_netmask_and_broadcast() {
        for (options, expected) in [
            ("address 172.16.0.9/25", "172.16.0.127 255.255.255.128"),
            ("address 10.1.2.3", "10.255.255.255 255.0.0.0"),
            ("address 172.16.0.9", "172.16.255.255 255.255.0.0"),
            ("address 192.0.2.1", "192.0.2.255 255.255.255.0"),
            ("address 192.0.2.1/31", "255.255.255.255 255.255.255.254"),
            ("address 192.0.2.1/32", "192.0.2.1 255.255.255.255"),
            (
                "address 192.0.2.1/255.255.255.0",
                "192.0.2.255 255.255.255.0",
            ),
            ("address 10.0.0.1/0", "255.255.255.255 0.0.0.0"),
            ("address 10.0.0.1/33", "255.255.255.255 0.0.0.0"),
            ("address 192.0.2.1/24x", "192.0.2.255 255.255.255.0"),
            ("address 192.0.2.1/24\n netmask 16", "+ 16"),
            (
                "address 192.0.2.1/24\n broadcast -",
                "192.0.2.0 255.255.255.0",
            ),
            ("address rubbish", "+ rubbish"),
        ] {
            let all = variables(&format!("iface e inet static\n {options}"), "e");
            let value = |name: &str| {
                let mut all = all.iter();
                all.find_map(|line| line.strip_prefix(name)).unwrap()
            };
            let found = format!("{} {}", value("BROADCAST="), value("NETMASK="));
            assert_eq!(found, expected, "{options}");
        }
    }

    #[test]
    fn names_and_repeats_arrive_as_from_ifup() {
        let text = "iface e inet manual\n a-b.c 1\n up x\n a-b.c 2\n d?  3\n d? 4\n e=f g\n\
             a_bc 5\n address 10.0.0.1/24\n hwaddress ETHER 00:01\n";
        assert_eq!(
            variables(text, "e"),
            [
                "D=3",
                "E=f=g",
                "A_BC=5",
                "ADDRESS=10.0.0.1/24",
                "HWADDRESS=00:01"
            ]
        );
    }
}
