//! A stanza of interfaces(5) as far as policy routing goes: its options, judged. Floor 1, pure.
//!
//! Every fault is collected, not the first alone, and each names the option as the
//! administrator wrote it, the value, and what is expected.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use crate::environment::Call;
use crate::line::{nearest, Hint, Shown};
use crate::net::{
    parse_length, parse_number, Family, InterfaceAddress, InterfaceName, Prefix, TableId,
    TableName, WordError,
};

/// Priority of the `from` and `to` rules where the stanza names none. Lower than main's 32766
/// by enough that rules of VPNs and of administrators find room on both sides.
pub const PRIORITY: u32 = 21000;

/// The options there are.
pub const OPTIONS: [&str; 5] = [
    "policy-table",
    "policy-table-id",
    "policy-gateway",
    "policy-priority",
    "policy-on-error",
];

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Not an option of ours, though its name says so.
    #[error("no such option{}", Hint(.0))]
    Unknown(Option<String>),
    /// Bytes that are no text.
    #[error("the value is not UTF-8")]
    NotText,
    /// No value.
    #[error("the value is empty")]
    Empty,
    /// interfaces(5) knows comments on lines of their own only.
    #[error(
        "interfaces(5) has no comments behind a value, all of it arrived here; \
         put the comment on a line of its own"
    )]
    Comment,
    /// Given twice.
    #[error("given more than once with different values: {0}")]
    Repeated(String),
    /// An option that only says something about the table of `policy-table`.
    #[error("it needs policy-table in the same stanza")]
    NeedsTable,
    /// `policy-table 200` says the ID already.
    #[error("policy-table is a number here, which is the ID; remove one of the two")]
    IdTwice,
    /// A word that is wrong in itself.
    #[error(transparent)]
    Word(#[from] WordError),
    /// `policy-table auto` on an interface whose name cannot name a table.
    #[error("interface {0} cannot lend its name to a table: {1}; write a name")]
    NoTableOfThisName(InterfaceName, #[source] WordError),
    /// Not a priority.
    #[error("expected a number of 301 to 32765")]
    Priority,
    /// Not a way to take errors.
    #[error("expected warn or fail")]
    OnError,
    /// Not a gateway.
    #[error("expected an {} address, auto, first or none", .0.name())]
    Gateway(Family),
    /// A gateway of the other family.
    #[error("it is an {} address and the stanza is {}", .0.name(), .1.name())]
    OtherFamily(Family, Family),
    /// The interface's own address.
    #[error("it is the interface's own address; expected the router's")]
    OwnAddress,
    /// An address that no router can have.
    #[error("it is {0}; expected the router's address{1}")]
    NoRouter(&'static str, &'static str),
    /// `first` where the network has no first host.
    #[error("network {0} has no first host address; write the router's address, or none")]
    NoFirst(Prefix),
    /// `first` where the first host is this one.
    #[error(
        "the first address of the network is this interface's own; write the router's, or none"
    )]
    FirstIsOwn,
    /// The stanza gives no address.
    #[error("the stanza gives no address (method {0}); policy routing needs one")]
    NoAddress(String),
    /// Not an address.
    #[error("expected an address")]
    Address,
}

/// A fault with the option and value it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError {
    /// The option, as written.
    pub option: String,
    /// Its value, where it has one.
    pub value: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl OptionError {
    fn new(option: &str, value: Option<&str>, fault: Fault) -> Self {
        Self {
            option: option.to_owned(),
            value: value.map(str::to_owned),
            fault,
        }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.option))?;
        if let Some(value) = &self.value {
            write!(f, " \"{}\"", Shown(value))?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for OptionError {}

/// The table that a stanza names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// By number, which needs no registration.
    Id(TableId),
    /// By name, with the ID to register it under if it is new.
    Named(TableName, Option<TableId>),
}

/// Where the default route of the table leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// The stanza's own `gateway`.
    OfStanza(IpAddr),
    /// What `policy-gateway` says, or the first host it stands for.
    Given(IpAddr),
    /// The first host of the network, because nothing says otherwise: a guess.
    Guessed(IpAddr),
    /// Nothing says it and it cannot be guessed.
    Unknown,
    /// `policy-gateway none`.
    None,
}

/// What becomes of `ifup` when policy routing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// It goes on; the network matters more.
    Warn,
    /// It fails, as with a failing `post-up` line.
    Fail,
}

/// A stanza in which all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// The interface, or alias, it brings up.
    pub interface: InterfaceName,
    /// Its address.
    pub address: InterfaceAddress,
    /// Its table.
    pub table: Table,
    /// Its table's default route.
    pub gateway: Gateway,
    /// Priority of the derived rules.
    pub priority: u32,
}

impl Stanza {
    /// Judges a call's options; `None` where it has none.
    ///
    /// # Errors
    /// Every fault there is.
    pub fn judge(call: &Call) -> Result<Option<Self>, Vec<OptionError>> {
        if call.options.is_empty() {
            return Ok(None);
        }
        let mut judge = Judge {
            call,
            errors: Vec::new(),
        };
        let stanza = judge.stanza();
        match stanza {
            Some(stanza) if judge.errors.is_empty() => Ok(Some(stanza)),
            _ => Err(judge.errors),
        }
    }
}

/// What the stanza says of errors; `warn` where that itself is in error.
#[must_use]
pub fn on_error(call: &Call) -> OnError {
    let fail = |(name, value): &(String, std::ffi::OsString)| {
        name == "policy-on-error" && value.to_str().is_some_and(|value| value.trim() == "fail")
    };
    if call.options.iter().any(fail) {
        OnError::Fail
    } else {
        OnError::Warn
    }
}

/// The faults found so far in a call.
struct Judge<'a> {
    call: &'a Call,
    errors: Vec<OptionError>,
}

impl Judge<'_> {
    fn stanza(&mut self) -> Option<Stanza> {
        self.names();
        let interface = self.word::<InterfaceName>("IFACE", &self.call.interface);
        let table = self.table(interface.as_ref());
        let priority = self.option("policy-priority", |text| match parse_number(text) {
            Some(priority @ 301..=32765) => Ok(priority),
            _ => Err(Fault::Priority),
        });
        self.option("policy-on-error", |text| match text {
            "warn" | "fail" => Ok(()),
            _ => Err(Fault::OnError),
        });
        let address = self.address();
        let gateway = address.and_then(|address| self.gateway(address));
        Some(Stanza {
            interface: interface?,
            address: address?,
            table: table?,
            gateway: gateway?,
            priority: priority.unwrap_or(PRIORITY),
        })
    }

    fn fault(&mut self, option: &str, value: Option<&str>, fault: Fault) {
        self.errors.push(OptionError::new(option, value, fault));
    }

    /// No ifupdown reports an option that it does not know, so this must.
    fn names(&mut self) {
        for (name, _) in &self.call.options {
            if !OPTIONS.contains(&name.as_str()) {
                self.fault(name, None, Fault::Unknown(nearest(name, &OPTIONS)));
            }
        }
    }

    /// A word from outside the options.
    fn word<T: FromStr<Err = WordError>>(&mut self, name: &str, text: &str) -> Option<T> {
        text.parse()
            .map_err(|error| self.fault(name, Some(text), Fault::Word(error)))
            .ok()
    }

    fn has(&self, option: &str) -> bool {
        self.call.options.iter().any(|(name, _)| name == option)
    }

    /// The one value of an option, through its reader.
    fn option<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        let text = self.text(name)?;
        read(&text)
            .map_err(|fault| self.fault(name, Some(&text), fault))
            .ok()
    }

    /// The one value of an option that is given.
    fn text(&mut self, name: &str) -> Option<String> {
        let (_, value) = self.call.options.iter().find(|(other, _)| other == name)?;
        let Some(text) = value.to_str() else {
            self.fault(name, Some(&value.to_string_lossy()), Fault::NotText);
            return None;
        };
        let mut values: Vec<&str> = text.split('\n').map(str::trim).collect();
        values.dedup();
        match values.as_slice() {
            [""] => self.fault(name, None, Fault::Empty),
            [one] if one.contains('#') => self.fault(name, Some(one), Fault::Comment),
            [one] => return Some((*one).to_owned()),
            several => {
                let shown: Vec<String> = several
                    .iter()
                    .map(|value| format!("\"{}\"", Shown(value)))
                    .collect();
                self.fault(name, None, Fault::Repeated(shown.join(", ")));
            }
        }
        None
    }

    fn table(&mut self, interface: Option<&InterfaceName>) -> Option<Table> {
        if !self.has("policy-table") {
            let needing = self.call.options.clone();
            for (name, _) in needing
                .iter()
                .filter(|(name, _)| OPTIONS.contains(&name.as_str()))
            {
                self.fault(name, None, Fault::NeedsTable);
            }
            return None;
        }
        let id = self.option("policy-table-id", |text| Ok(TableId::parse(text)?));
        let table = self.option("policy-table", |text| read_table(text, interface))?;
        match table {
            Table::Id(_) if self.has("policy-table-id") => {
                let value = id.map(|id| id.to_string());
                self.fault("policy-table-id", value.as_deref(), Fault::IdTwice);
                None
            }
            Table::Named(name, _) => Some(Table::Named(name, id)),
            Table::Id(_) => Some(table),
        }
    }

    fn address(&mut self) -> Option<InterfaceAddress> {
        let Some(written) = &self.call.address else {
            let method = self.call.method.clone();
            self.fault("address", None, Fault::NoAddress(method));
            return None;
        };
        let (address, length) = match written.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (written.as_str(), self.call.netmask.as_deref()),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            self.fault("address", Some(written), Fault::Address);
            return None;
        };
        let family = Family::of(address);
        let option = if written.contains('/') {
            "address"
        } else {
            "netmask"
        };
        let length = length.map_or(Ok(family.bits()), |length| parse_length(length, family));
        let paired = length.and_then(|length| InterfaceAddress::new(address, length));
        let shown = if option == "address" {
            Some(written)
        } else {
            self.call.netmask.as_ref()
        };
        paired
            .map_err(|error| self.fault(option, shown.map(String::as_str), Fault::Word(error)))
            .ok()
    }

    /// Where the default route leads. `None` after a fault.
    fn gateway(&mut self, own: InterfaceAddress) -> Option<Gateway> {
        if self.has("policy-gateway") {
            if let Some(written) = self.option("policy-gateway", |text| read_gateway(text, own))? {
                return Some(written);
            }
        }
        match &self.call.gateway {
            Some(text) => match text.parse::<IpAddr>().map_err(|_| Fault::Address) {
                Ok(gateway) => match check_gateway(gateway, own) {
                    Ok(()) => Some(Gateway::OfStanza(gateway)),
                    Err(fault) => self.bad_gateway(text, fault),
                },
                Err(fault) => self.bad_gateway(text, fault),
            },
            None => Some(match own.network().first_host() {
                Some(first) if first != own.address => Gateway::Guessed(first),
                _ => Gateway::Unknown,
            }),
        }
    }

    fn bad_gateway(&mut self, text: &str, fault: Fault) -> Option<Gateway> {
        self.fault("gateway", Some(text), fault);
        None
    }
}

fn read_table(text: &str, interface: Option<&InterfaceName>) -> Result<Table, Fault> {
    if text == "auto" {
        let device = interface
            .map(InterfaceName::device)
            .ok_or(WordError::Interface)?;
        return match device.as_str().parse() {
            Ok(name) => Ok(Table::Named(name, None)),
            Err(error) => Err(Fault::NoTableOfThisName(device, error)),
        };
    }
    match text.parse::<TableName>() {
        Ok(name) => Ok(Table::Named(name, None)),
        Err(WordError::NumericName) => Ok(Table::Id(TableId::parse(text)?)),
        Err(error) => Err(error.into()),
    }
}

/// `None` is `auto`: what the option says when it is not there.
fn read_gateway(text: &str, own: InterfaceAddress) -> Result<Option<Gateway>, Fault> {
    match text {
        "auto" => Ok(None),
        "none" => Ok(Some(Gateway::None)),
        "first" => match own.network().first_host() {
            Some(first) if first != own.address => Ok(Some(Gateway::Given(first))),
            Some(_) => Err(Fault::FirstIsOwn),
            None => Err(Fault::NoFirst(own.network())),
        },
        _ => {
            let gateway = text.parse().map_err(|_| Fault::Gateway(own.family()))?;
            check_gateway(gateway, own)?;
            Ok(Some(Gateway::Given(gateway)))
        }
    }
}

fn check_gateway(gateway: IpAddr, own: InterfaceAddress) -> Result<(), Fault> {
    let network = own.network();
    let ends = [
        network.broadcast(),
        network.first_host().map(|_| network.address()),
    ];
    if Family::of(gateway) != own.family() {
        Err(Fault::OtherFamily(Family::of(gateway), own.family()))
    } else if gateway == own.address {
        Err(Fault::OwnAddress)
    } else if gateway.is_unspecified() {
        Err(Fault::NoRouter(
            "no address",
            ", or none for no default route",
        ))
    } else if gateway.is_multicast() {
        Err(Fault::NoRouter("a multicast address", ""))
    } else if gateway.is_loopback() {
        Err(Fault::NoRouter("a loopback address", ""))
    } else if ends.contains(&Some(gateway)) || gateway == IpAddr::from([255; 4]) {
        Err(Fault::NoRouter(
            "the network's own or its broadcast address",
            "",
        ))
    } else {
        Ok(())
    }
}
