//! A stanza of interfaces(5) as far as policy routing goes: its options, judged. Floor 1, pure.
//!
//! Every fault is collected, not the first alone, and each names the option as the
//! administrator wrote it, the value, and what is expected.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;

use crate::environment::Call;
use crate::line::Names;
use crate::net::{
    parse_length, parse_number, Family, InterfaceAddress, InterfaceName, Prefix, TableId,
    TableName, WordError,
};
use crate::options::{check_gateway, Fault, OptionError, OptionLine, Options};
use crate::route::Route;
use crate::route_line::{self, Unsaid};
use crate::rule::Rule;
use crate::rule_line;

/// Priority of the `from` and `to` rules where the stanza names none. Lower than main's 32766
/// by enough that rules of VPNs and of administrators find room on both sides.
pub const PRIORITY: u32 = 21000;

/// How far below the derived rules those of `policy-rule` start.
const RULES_BELOW: u32 = 300;

/// How many rules without a priority fit before those of `policy-mode main` begin.
const MOST_RULES: u32 = 99;

/// The table that a stanza names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// By number, which needs no registration.
    Id(TableId),
    /// By name, with the ID to register it under if it is new.
    Named(TableName, Option<TableId>),
}

/// As the option has it.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Named(name, _) => name.fmt(f),
        }
    }
}

/// What the stanza says of the default route of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// Nothing, or `auto`; the stanza's own `gateway` comes first.
    Auto(Option<IpAddr>),
    /// This one.
    Given(IpAddr),
    /// The first host of the network.
    First,
    /// There shall be none.
    None,
}

/// What stays reachable from the address, `policy-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What is in the table.
    Strict,
    /// Networks that main has routes for, too.
    Main,
}

/// What the derived rules select on, `policy-source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The interface's addresses.
    Address,
    /// Their networks.
    Subnet,
    /// There are none.
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
    /// Its address family.
    pub family: Family,
    /// How it gets its address.
    pub method: String,
    /// Its address, where the stanza says it.
    pub address: Option<InterfaceAddress>,
    /// Its table, if it has one.
    pub table: Option<Table>,
    /// Its table's default route.
    pub gateway: Gateway,
    /// What stays reachable.
    pub mode: Mode,
    /// What the derived rules select on.
    pub source: Source,
    /// Priority of the derived rules.
    pub priority: u32,
    /// The lines of `policy-rule`.
    pub rules: Vec<OptionLine>,
    /// The lines of `policy-route`.
    pub routes: Vec<OptionLine>,
    /// The names of tables in these lines.
    pub names: Vec<TableName>,
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
            options: Options::of(call),
        };
        let stanza = judge.stanza();
        match stanza {
            Some(stanza) if judge.options.errors.is_empty() => Ok(Some(stanza)),
            _ => Err(judge.options.errors),
        }
    }

    /// Whether routes and rules follow from the table and the address. The loopback interface
    /// has no network of its own, only what its lines say.
    #[must_use]
    pub fn derives(&self) -> bool {
        self.table.is_some() && self.method != "loopback"
    }

    /// Whether the interface's addresses have to be asked of the kernel.
    #[must_use]
    pub fn asks_address(&self) -> bool {
        self.derives() && self.address.is_none()
    }

    /// Whether the interface's default route in main is the one for its table too: where the
    /// stanza names none, and something else than the stanza configures the interface.
    #[must_use]
    pub fn asks_gateway(&self) -> bool {
        self.derives() && self.gateway == Gateway::Auto(None) && self.method != "static"
    }

    /// The rule of the `n`-th `policy-rule`, counted from 0. Its place in the file decides its
    /// priority where it names none, so that the order survives any repair.
    ///
    /// # Errors
    /// The line is no rule, or leaves open what it does.
    pub fn rule(
        &self,
        n: usize,
        line: &OptionLine,
        table: Option<TableId>,
        names: Names<'_>,
    ) -> Result<Rule, OptionError> {
        let place = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        let priority = self
            .priority
            .saturating_sub(RULES_BELOW)
            .saturating_add(place);
        let unsaid = Rule::lookup(self.family, priority, table.unwrap_or(TableId(0)));
        match rule_line::read(&line.text, unsaid, names) {
            Err(error) => Err(line.error(error.into())),
            Ok((_, said)) if !said.action && table.is_none() => Err(line.error(Fault::NeedsAction)),
            Ok((_, said)) if !said.priority && place > MOST_RULES => {
                Err(line.error(Fault::TooMany(MOST_RULES)))
            }
            Ok((rule, _)) => Ok(rule),
        }
    }

    /// The route of a `policy-route`.
    ///
    /// # Errors
    /// The line is no route.
    pub fn route(
        &self,
        line: &OptionLine,
        table: Option<TableId>,
        names: Names<'_>,
    ) -> Result<Route, OptionError> {
        let device = Some(self.interface.device());
        let unsaid = Unsaid {
            table,
            device,
            family: Some(self.family),
        };
        route_line::read(&line.text, &unsaid, names).map_err(|error| line.error(error.into()))
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

/// A call on the way to being a stanza.
struct Judge<'a> {
    call: &'a Call,
    options: Options<'a>,
}

impl Judge<'_> {
    fn stanza(&mut self) -> Option<Stanza> {
        let interface = self.interface();
        let rules = self.options.lines("policy-rule", interface.as_ref());
        let routes = self.options.lines("policy-route", interface.as_ref());
        let has_lines = !(rules.is_empty() && routes.is_empty());
        let table = self.table(interface.as_ref(), has_lines);
        let priority = self
            .options
            .one("policy-priority", |text| match parse_number(text) {
                Some(priority @ 301..=32765) => Ok(priority),
                _ => Err(Fault::Priority),
            });
        let address = self.address();
        let family = match address {
            Some(Some(address)) => address.family(),
            _ => self.call.family.unwrap_or(Family::Inet),
        };
        let unnamed_source = match (family, self.call.method.as_str()) {
            // It outlives privacy addresses.
            (Family::Inet6, "auto") => Source::Subnet,
            _ => Source::Address,
        };
        let mut stanza = Stanza {
            family,
            method: self.call.method.clone(),
            address: address.flatten(),
            gateway: Gateway::Auto(None),
            mode: self.mode().unwrap_or(Mode::Strict),
            source: self.source().unwrap_or(unnamed_source),
            priority: priority.unwrap_or(PRIORITY),
            rules,
            routes,
            names: Vec::new(),
            // A fault in these two has been noted; the rest is judged all the same.
            interface: interface.or_else(|| "lo".parse().ok())?,
            table: table.flatten(),
        };
        self.on_error();
        stanza.gateway = self.gateway(&stanza)?;
        stanza.names = self.lines(&stanza);
        address.is_some().then_some(stanza)
    }

    fn interface(&mut self) -> Option<InterfaceName> {
        let text = &self.call.interface;
        let parsed = text.parse();
        parsed
            .map_err(|error| self.options.fault("IFACE", Some(text), Fault::Word(error)))
            .ok()
    }

    fn mode(&mut self) -> Option<Mode> {
        let words = [("strict", Mode::Strict), ("main", Mode::Main)];
        self.options.choice("policy-mode", &words, "strict or main")
    }

    fn source(&mut self) -> Option<Source> {
        let words = [
            ("address", Source::Address),
            ("subnet", Source::Subnet),
            ("none", Source::None),
        ];
        self.options
            .choice("policy-source", &words, "address, subnet or none")
    }

    fn on_error(&mut self) {
        let words = [("warn", OnError::Warn), ("fail", OnError::Fail)];
        self.options
            .choice("policy-on-error", &words, "warn or fail");
    }

    /// The table, `Some(None)` where the stanza does well without one. `None` after a fault.
    fn table(
        &mut self,
        interface: Option<&InterfaceName>,
        has_lines: bool,
    ) -> Option<Option<Table>> {
        if !self.options.has("policy-table") {
            let mut needing = vec![
                "policy-table-id",
                "policy-gateway",
                "policy-mode",
                "policy-source",
            ];
            if !has_lines {
                needing.extend(["policy-priority", "policy-on-error"]);
            }
            needing.retain(|name| self.options.has(name));
            for name in &needing {
                self.options.fault(name, None, Fault::NeedsTable);
            }
            return needing.is_empty().then_some(None);
        }
        let id = self
            .options
            .one("policy-table-id", |text| Ok(TableId::parse(text)?));
        let table = self
            .options
            .one("policy-table", |text| read_table(text, interface))?;
        match table {
            Table::Id(_) if self.options.has("policy-table-id") => {
                let value = id.map(|id| id.to_string());
                self.options
                    .fault("policy-table-id", value.as_deref(), Fault::IdTwice);
                None
            }
            Table::Named(name, _) => Some(Some(Table::Named(name, id))),
            Table::Id(_) => Some(Some(table)),
        }
    }

    /// The address, `Some(None)` where the kernel is to be asked. `None` after a fault.
    fn address(&mut self) -> Option<Option<InterfaceAddress>> {
        let Some(written) = &self.call.address else {
            let method = self.call.method.as_str();
            if method == "static" && self.options.has("policy-table") {
                self.options
                    .fault("address", None, Fault::NoAddress(method.to_owned()));
                return None;
            }
            return Some(None);
        };
        let (address, length) = match written.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (written.as_str(), self.call.netmask.as_deref()),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            self.options.fault("address", Some(written), Fault::Address);
            return None;
        };
        let family = Family::of(address);
        let in_address = written.contains('/');
        let length = length.map_or(Ok(family.bits()), |length| parse_length(length, family));
        let paired = length.and_then(|length| InterfaceAddress::new(address, length));
        match paired {
            Ok(paired) => {
                let peer = self.call.peer.as_deref().and_then(|peer| peer.parse().ok());
                Some(Some(paired.facing(peer)))
            }
            Err(error) => {
                let option = if in_address { "address" } else { "netmask" };
                let value = if in_address {
                    Some(written)
                } else {
                    self.call.netmask.as_ref()
                };
                self.options
                    .fault(option, value.map(String::as_str), Fault::Word(error));
                None
            }
        }
    }

    /// What is said of the default route. `None` after a fault.
    fn gateway(&mut self, stanza: &Stanza) -> Option<Gateway> {
        let said = if self.options.has("policy-gateway") {
            self.options
                .one("policy-gateway", |text| read_gateway(text, stanza))?
        } else {
            Gateway::Auto(None)
        };
        match &self.call.gateway {
            Some(text) if said == Gateway::Auto(None) && stanza.derives() => {
                let checked = text
                    .parse()
                    .map_err(|_| Fault::Address)
                    .and_then(|gateway| {
                        check_against(gateway, stanza)?;
                        Ok(Gateway::Auto(Some(gateway)))
                    });
                checked
                    .map_err(|fault| self.options.fault("gateway", Some(text), fault))
                    .ok()
            }
            _ => Some(said),
        }
    }

    /// Judges the lines, and returns the tables they name.
    fn lines(&mut self, stanza: &Stanza) -> Vec<TableName> {
        let found = RefCell::new(Vec::new());
        let names = |text: &str| {
            let name: TableName = text.parse().ok()?;
            if !found.borrow().contains(&name) {
                found.borrow_mut().push(name);
            }
            Some(TableId(u32::MAX))
        };
        // Where policy-table itself is at fault, its lines are not, for want of it.
        let table = self
            .options
            .has("policy-table")
            .then_some(TableId(u32::MAX));
        let rules = stanza.rules.iter().enumerate();
        let of_rules = rules.filter_map(|(n, line)| stanza.rule(n, line, table, &names).err());
        let of_routes = stanza
            .routes
            .iter()
            .filter_map(|line| stanza.route(line, table, &names).err());
        let errors: Vec<OptionError> = of_rules.chain(of_routes).collect();
        self.options.errors.extend(errors);
        found.into_inner()
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

fn read_gateway(text: &str, stanza: &Stanza) -> Result<Gateway, Fault> {
    match text {
        "auto" => Ok(Gateway::Auto(None)),
        "none" => Ok(Gateway::None),
        "first" => {
            if let Some(own) = &stanza.address {
                first_host(own)?;
            }
            Ok(Gateway::First)
        }
        _ => {
            let gateway = text.parse().map_err(|_| Fault::Gateway(stanza.family))?;
            check_against(gateway, stanza)?;
            Ok(Gateway::Given(gateway))
        }
    }
}

/// Holds a gateway against the stanza's address, or only its family where it is not known yet.
fn check_against(gateway: IpAddr, stanza: &Stanza) -> Result<(), Fault> {
    let Some(own) = &stanza.address else {
        let nobody = stanza.family.unspecified();
        return match check_gateway(gateway, nobody, Prefix::host(nobody)) {
            // It is no address of this interface that is equal here.
            Err(Fault::OwnAddress) => Err(Fault::unspecified()),
            checked => checked,
        };
    };
    check_gateway(gateway, own.address, own.network())
}

/// The first host of an address's network, where that can be the router.
///
/// # Errors
/// The network has none, or it is the address itself.
pub fn first_host(own: &InterfaceAddress) -> Result<IpAddr, Fault> {
    match own.network().first_host() {
        Some(first) if first != own.address => Ok(first),
        Some(_) => Err(Fault::FirstIsOwn),
        None => Err(Fault::NoFirst(own.network())),
    }
}
