//! What ifupdown makes of an `iface` stanza before it calls a hook: inherited options, repeats,
//! the defaults and conversions of its method, and so the hook's environment. Floor 1, pure.
//!
//! Measured on ifupdown 0.8.41: a stanza starts with a copy of the options that it inherits; an
//! option that is there already gets the new value behind a newline, inherited or not; one whose
//! name ends in `?` is dropped if it is there. The method then adds its defaults and rewrites
//! `address`, `netmask` and a few others, by what stands in [`EXTRAS`].

use std::ffi::{OsStr, OsString};
use std::net::Ipv4Addr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::environment::{Call, Direction};
use crate::interfaces_text::OptionLine;

/// A logical interface as one stanza defines it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// The logical name.
    pub name: String,
    /// The address family.
    pub family: String,
    /// The method.
    pub method: String,
    /// The options and commands: names as ifupdown has them (`up` for `post-up`), values joined.
    options: Vec<(String, Vec<u8>)>,
}

/// The names of the commands, which repeat without being joined and are in no environment.
const COMMANDS: [&str; 4] = ["pre-up", "up", "down", "post-down"];

impl Definition {
    /// A stanza with these options of its own.
    #[must_use]
    pub fn new<'a>(
        name: &str,
        family: &str,
        method: &str,
        inherited: Option<&Self>,
        own: impl IntoIterator<Item = &'a OptionLine>,
    ) -> Self {
        let mut definition = Self {
            name: name.to_owned(),
            family: family.to_owned(),
            method: method.to_owned(),
            options: inherited.map_or_else(Vec::new, |parent| parent.options.clone()),
        };
        for option in own {
            definition.add(&option.name, option.value.as_bytes());
        }
        definition
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        let name = match name {
            "post-up" => "up",
            "pre-down" => "down",
            name => name,
        };
        if COMMANDS.contains(&name) {
            self.options.push((name.to_owned(), value.to_vec()));
        } else if let Some(there) = self.get_mut(name) {
            there.push(b'\n');
            there.extend(value);
        } else {
            self.set_if_new(name.strip_suffix('?').unwrap_or(name), value);
        }
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        let mut options = self.options.iter_mut();
        options
            .find(|(there, _)| there == name)
            .map(|(_, value)| value)
    }

    fn set_if_new(&mut self, name: &str, value: &[u8]) {
        if self.option(name).is_none() {
            self.options.push((name.to_owned(), value.to_vec()));
        }
    }

    /// An option's value, repeats joined by newlines; without what the method makes of it.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&OsStr> {
        let mut options = self.options.iter();
        let (_, value) = options.find(|(there, _)| there == name)?;
        Some(OsStr::from_bytes(value))
    }

    /// The variables that a hook in `if-up.d` gets for it, those of the caller aside (`PATH`,
    /// `VERBOSITY`, `CLASS` and the locks `IFUPDOWN_…`).
    #[must_use]
    pub fn variables(&self, interface: &str) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: String, value: Vec<u8>| {
            // Two names may be mangled into one; the shell that runs the hooks keeps the last.
            variables.retain(|(there, _)| there.as_bytes() != name.as_bytes());
            variables.push((name.into(), OsString::from_vec(value)));
        };
        for (name, value) in self.converted(interface).options {
            if COMMANDS.contains(&name.as_str()) {
                continue;
            }
            // The first "=" ends the name, also where the option has one.
            let (name, value) = match name.split_once('=') {
                Some((name, rest)) => (name, [rest.as_bytes(), b"=", &value].concat()),
                None => (name.as_str(), value),
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
        variables
    }

    /// The call of the hook in `if-up.d` for it.
    #[must_use]
    pub fn call(&self, interface: &str) -> Option<Call> {
        Call::read(Direction::Up, self.variables(interface))
    }

    /// The stanza with the method's defaults and conversions.
    fn converted(&self, interface: &str) -> Self {
        let mut converted = self.clone();
        let mut extras = EXTRAS.iter();
        let extras = extras.find(|extras| {
            extras.family == self.family && extras.methods.contains(&self.method.as_str())
        });
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
                if let Some(value) = self.get_mut(name) {
                    *value = function(value);
                }
            }
            Conversion::New(name, function, new) => {
                let value = self.option(name).map(|value| function(value.as_bytes()));
                if let Some(value) = value {
                    self.set_if_new(new, &value);
                }
            }
            Conversion::Broadcast => {
                let changed = self.broadcast();
                if let (Some(value), Some(changed)) = (self.get_mut("broadcast"), changed) {
                    *value = changed;
                }
            }
            Conversion::Lifetime => {
                if interface.split(':').filter(|part| !part.is_empty()).count() > 1 {
                    if let Some(value) = self.get_mut("preferred-lifetime") {
                        *value = b"0".to_vec();
                    }
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

/// An option's name as the hooks' environment has it.
fn mangled(name: &str) -> String {
    let kept = name.chars().filter_map(|c| match c {
        '-' => Some('_'),
        c if c.is_ascii_alphanumeric() || c == '_' => Some(c.to_ascii_uppercase()),
        _ => None,
    });
    kept.collect()
}

/// What a method adds to a stanza.
struct Extras {
    family: &'static str,
    methods: &'static [&'static str],
    /// Values of options that are not there.
    defaults: &'static [(&'static str, &'static str)],
    /// What is rewritten, in this order.
    conversions: &'static [Conversion],
}

/// From one value to another; what it cannot read stays as it is.
type Function = fn(&[u8]) -> Vec<u8>;

#[derive(Clone, Copy)]
enum Conversion {
    /// An option gets another value.
    InPlace(&'static str, Function),
    /// From an option another is made, if that is not there.
    New(&'static str, Function, &'static str),
    /// `broadcast`, from address and netmask.
    Broadcast,
    /// `preferred-lifetime` of an alias is 0.
    Lifetime,
}

const HARDWARE: Conversion = Conversion::InPlace("hwaddress", hardware_address);

/// Measured on ifupdown 0.8.41 by `ifquery` and by a hook that dumps its environment.
const EXTRAS: &[Extras] = &[
    Extras {
        family: "inet",
        methods: &["static"],
        defaults: &[("broadcast", "+")],
        conversions: &[
            HARDWARE,
            Conversion::New("address", netmask4, "netmask"),
            Conversion::InPlace("address", address4),
            Conversion::Broadcast,
        ],
    },
    Extras {
        family: "inet",
        methods: &["manual", "dhcp"],
        defaults: &[],
        conversions: &[HARDWARE],
    },
    Extras {
        family: "inet6",
        methods: &["static"],
        defaults: &[
            ("autoconf", "0"),
            ("preferred-lifetime", ""),
            ("dad-attempts", "60"),
            ("dad-interval", "0.1"),
        ],
        conversions: &[
            HARDWARE,
            Conversion::Lifetime,
            Conversion::New("address", length6, "netmask"),
            Conversion::InPlace("address", address6),
            Conversion::New("gateway", zero, "accept_ra"),
        ],
    },
    Extras {
        family: "inet6",
        methods: &["auto"],
        defaults: &[
            ("accept_ra", "2"),
            ("request_prefix", "0"),
            ("ll-attempts", "60"),
            ("ll-interval", "0.1"),
        ],
        conversions: &[],
    },
    Extras {
        family: "inet6",
        methods: &["manual"],
        defaults: &[],
        conversions: &[HARDWARE],
    },
    Extras {
        family: "inet6",
        methods: &["dhcp"],
        defaults: &[
            ("accept_ra", "1"),
            ("request_prefix", "0"),
            ("ll-attempts", "60"),
            ("ll-interval", "0.1"),
        ],
        conversions: &[HARDWARE],
    },
    Extras {
        family: "inet6",
        methods: &["v4tunnel"],
        defaults: &[("preferred-lifetime", "")],
        conversions: &[Conversion::Lifetime],
    },
    Extras {
        family: "inet6",
        methods: &["6to4"],
        defaults: &[("preferred-lifetime", "")],
        conversions: &[
            Conversion::New("local", hexadecimal, "hexaddress"),
            Conversion::Lifetime,
        ],
    },
];

/// The longest IPv4 address with mask that ifupdown looks at, in bytes.
const LONGEST: usize = 33;

/// The parts of an address around its slashes, as strtok(3) has them.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = value.split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty())
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn address4(value: &[u8]) -> Vec<u8> {
    let seen = value.get(..LONGEST).unwrap_or(value);
    tokens(seen).next().unwrap_or(value).to_vec()
}

/// The netmask of an address as written: behind the slash, or that of its class.
fn netmask4(value: &[u8]) -> Vec<u8> {
    let seen = value.get(..LONGEST).unwrap_or(value);
    mask_of(seen).map_or_else(|| value.to_vec(), |mask| mask.to_string().into_bytes())
}

fn mask_of(address: &[u8]) -> Option<Ipv4Addr> {
    let mut tokens = tokens(address);
    let address = ipv4(tokens.next()?)?;
    match tokens.next() {
        None => mask(match address.octets() {
            [0..=127, ..] => 8,
            [128..=191, ..] => 16,
            [192..=223, ..] => 24,
            _ => 32,
        }),
        Some(token) => ipv4(token).or_else(|| mask(number(token)?)),
    }
}

fn mask(length: u32) -> Option<Ipv4Addr> {
    let hosts = 32_u32.checked_sub(length)?;
    Some(Ipv4Addr::from(u32::MAX.checked_shl(hosts).unwrap_or(0)))
}

/// The number at the beginning of a text, as scanf(3) finds it.
fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.get(..end.unwrap_or(text.len()))?.parse().ok()
}

fn address6(value: &[u8]) -> Vec<u8> {
    tokens(value).next().unwrap_or_default().to_vec()
}

fn length6(value: &[u8]) -> Vec<u8> {
    tokens(value).nth(1).unwrap_or_default().to_vec()
}

fn zero(_: &[u8]) -> Vec<u8> {
    b"0".to_vec()
}

/// `ether 00:…` without the class. (`random` is a new address in each run.)
fn hardware_address(value: &[u8]) -> Vec<u8> {
    let classes = ["ether", "ax25", "arcnet", "netrom"];
    let space = value.iter().position(|byte| *byte == b' ');
    let (class, address) = value.split_at(space.unwrap_or(0));
    let class = class.to_ascii_lowercase();
    match address.get(1..) {
        Some(address) if classes.iter().any(|known| known.as_bytes() == class) => address.to_vec(),
        _ => value.to_vec(),
    }
}

fn hexadecimal(value: &[u8]) -> Vec<u8> {
    match ipv4(value).map(|address| address.octets()) {
        Some([a, b, c, d]) => format!("{a:02x}{b:02x}:{c:02x}{d:02x}").into_bytes(),
        None => value.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interfaces_text::Text;

    fn variables(text: &str, interface: &str) -> Vec<String> {
        let text = Text::read(text);
        assert!(text.faults.is_empty(), "{:?}", text.faults);
        let (_, stanza) = text.stanzas().next().unwrap();
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

    #[test]
    fn the_call_is_that_of_the_hook() {
        let text = Text::read("iface home inet6 static\n address 2001:db8::1/64\n policy-table a");
        let (_, stanza) = text.stanzas().next().unwrap();
        let definition = Definition::new("home", "inet6", "static", None, &stanza.options);
        let call = definition.call("eth1").unwrap();
        assert_eq!(
            (call.interface.as_str(), call.logical.as_str()),
            ("eth1", "home")
        );
        assert_eq!(call.address.as_deref(), Some("2001:db8::1"));
        assert_eq!(call.netmask.as_deref(), Some("64"));
        assert_eq!(call.options, [("policy-table".to_owned(), "a".into())]);
    }
}
