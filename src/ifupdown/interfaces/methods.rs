//! The address families and methods of ifupdown, and what a method makes of a stanza's options
//! before the hooks see them.

use std::net::Ipv4Addr;

/// The families and their methods that ifupdown 0.8.41 and 0.8.44 have on Linux.
pub const METHODS: &[(&str, &[&str])] = &[
    (
        "inet",
        &[
            "loopback", "static", "manual", "dhcp", "bootp", "tunnel", "ppp", "wvdial", "ipv4ll",
        ],
    ),
    (
        "inet6",
        &[
            "auto", "loopback", "static", "manual", "dhcp", "tunnel", "v4tunnel", "6to4",
        ],
    ),
    ("ipx", &["static", "dynamic"]),
    ("can", &["static"]),
    ("meta", &["none"]),
];

/// The families, as a sentence has them.
pub fn families() -> String {
    let names: Vec<&str> = METHODS.iter().map(|(family, _)| *family).collect();
    names.join(", ")
}

/// The methods of a family, as a sentence has them.
pub fn methods(family: &str) -> String {
    methods_of(family).unwrap_or_default().join(", ")
}

/// The methods of a family; `None` for none that ifupdown knows.
pub fn methods_of(family: &str) -> Option<&'static [&'static str]> {
    let mut known = METHODS.iter();
    known
        .find(|(name, _)| *name == family)
        .map(|(_, methods)| *methods)
}

/// What a method adds to a stanza.
#[derive(Debug)]
pub struct Extras {
    family: &'static str,
    methods: &'static [&'static str],
    /// Values of options that are not there.
    pub defaults: &'static [(&'static str, &'static str)],
    /// What is rewritten, in this order.
    pub conversions: &'static [Conversion],
}

/// From one value to another; what it cannot read stays as it is.
pub type Function = fn(&[u8]) -> Vec<u8>;

/// How a method rewrites options.
#[derive(Debug, Clone, Copy)]
pub enum Conversion {
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

/// Measured on ifupdown 0.8.41 and 0.8.44 by `ifquery` and by a hook that dumps its environment.
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

/// What a method adds; `None` where it adds nothing.
pub fn extras(family: &str, method: &str) -> Option<&'static Extras> {
    let mut extras = EXTRAS.iter();
    extras.find(|extras| extras.family == family && extras.methods.contains(&method))
}

/// The longest IPv4 address with mask that ifupdown looks at, in bytes.
const LONGEST: usize = 33;

/// The parts of an address around its slashes, as strtok(3) has them.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = value.split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty())
}

/// An IPv4 address.
pub fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
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

/// The mask of a length; longer than 32 it is all zeros, as ifupdown's shift makes it (`-1` gives
/// it rubbish, and has no answer here).
fn mask(length: i64) -> Option<Ipv4Addr> {
    if length == -1 {
        return None;
    }
    let hosts = u32::try_from(32_i64.checked_sub(length)?.rem_euclid(64)).ok()?;
    let mask = u64::MAX.checked_shl(hosts)? & u64::from(u32::MAX);
    u32::try_from(mask).ok().map(Ipv4Addr::from)
}

/// The number at the beginning of a text, as scanf(3) finds it.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit());
    let end = text.len() - digits.len() + end.unwrap_or(digits.len());
    i64::from(text.get(..end)?.parse::<i32>().ok()?).into()
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
