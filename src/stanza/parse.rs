//! From a call's options to a stanza.
//!
//! Every fault is collected, not the first alone, and each names the option as the
//! administrator wrote it, the value, and what is expected.

use super::address::read_address;
use super::fault::{OptionError, OptionFault};
use super::gateway::{check_against, read_gateway};
use super::options::Options;
use super::stanza::{
    Connmark, FixedId, Gateway, Keep, Mode, OnError, Source, Stanza, Table, PRIORITY,
};
use crate::ifupdown::HookCall;
use crate::routing::{
    parse_number, Family, InterfaceAddress, InterfaceName, TableId, TableName, WordError,
};

impl Stanza {
    /// Reads a call's options; `None` where it has none.
    pub fn parse(call: &HookCall) -> Result<Option<Self>, Vec<OptionError>> {
        if call.options.is_empty() {
            return Ok(None);
        }
        let mut parser = Parser {
            call,
            options: Options::of(call),
        };
        let stanza = parser.stanza();
        match stanza {
            Some(stanza) if parser.options.errors.is_empty() => Ok(Some(stanza)),
            _ => Err(parser.options.errors),
        }
    }
}

/// What the stanza says of errors; `warn` where that itself is in error.
pub fn on_error(call: &HookCall) -> OnError {
    let fail = |(name, value): &(String, std::ffi::OsString)| {
        // Contradicting values must not cost the host its network.
        let said = value.to_str().unwrap_or_default();
        let mut values = said.split('\n');
        name == "policy-on-error" && values.all(|value| value.trim() == "fail")
    };
    if call.options.iter().any(fail) {
        OnError::Fail
    } else {
        OnError::Warn
    }
}

/// What the stanza says of the keeper; `yes` where that itself is in error.
pub fn keep(call: &HookCall) -> Keep {
    let said = call.options.iter().find(|(name, _)| name == "policy-keep");
    let value = said.and_then(|(_, value)| value.to_str());
    let of_word = |value: &str| KEEP.iter().find(|(word, _)| *word == value.trim());
    value.and_then(of_word).map_or(Keep::Yes, |(_, keep)| *keep)
}

/// The words of `policy-keep`.
const KEEP: [(&str, Keep); 3] = [
    ("yes", Keep::Yes),
    ("in-place", Keep::InPlace),
    ("no", Keep::No),
];

/// A call on the way to being a stanza.
struct Parser<'a> {
    call: &'a HookCall,
    options: Options<'a>,
}

impl Parser<'_> {
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
                _ => Err(OptionFault::Priority),
            });
        let address = self.address();
        let called = || self.call.family.unwrap_or(Family::Inet);
        let family = address.map_or_else(called, |address| address.family());
        let unnamed_source = match (family, self.call.method.as_str()) {
            // It outlives privacy addresses.
            (Family::Inet6, "auto") => Source::Subnet,
            _ => Source::Address,
        };
        let mut stanza = Stanza {
            family,
            method: self.call.method.clone(),
            address,
            table,
            gateway: Gateway::Auto(None),
            mode: self.mode().unwrap_or(Mode::Strict),
            source: self.source().unwrap_or(unnamed_source),
            priority: priority.unwrap_or(PRIORITY),
            connmark: Connmark::No,
            rules: Vec::new(),
            routes: Vec::new(),
            // A fault in the name has been noted; the rest is judged all the same.
            interface: interface.or_else(|| "lo".parse().ok())?,
        };
        self.on_error();
        self.options
            .choice("policy-keep", &KEEP, "yes, in-place or no");
        stanza.connmark = self.connmark(&stanza).unwrap_or(stanza.connmark);
        stanza.gateway = self.gateway(&stanza).unwrap_or(stanza.gateway);
        // Where policy-table itself is at fault, its lines are not, for want of it.
        let has_table = self.options.has("policy-table");
        let read = rules.into_iter().enumerate().map(|(n, line)| {
            let rule = stanza.rule(n, &line, has_table)?;
            Ok((line, rule))
        });
        let rules = self.options.all(read);
        let read = routes.into_iter().map(|line| {
            let route = stanza.route(&line, has_table)?;
            Ok((line, route))
        });
        let routes = self.options.all(read);
        Some(Stanza {
            rules,
            routes,
            ..stanza
        })
    }

    fn interface(&mut self) -> Option<InterfaceName> {
        let text = &self.call.interface;
        let parsed = text.parse().map_err(OptionFault::Word);
        parsed
            .map_err(|fault| self.options.fault("IFACE", Some(text), fault))
            .ok()
    }

    fn mode(&mut self) -> Option<Mode> {
        let words = [("strict", Mode::Strict), ("main", Mode::Main)];
        self.options.choice("policy-mode", &words, "strict or main")
    }

    fn source(&mut self) -> Option<Source> {
        let words = [
            ("address", Source::Address),
            ("all", Source::All),
            ("subnet", Source::Subnet),
            ("none", Source::None),
        ];
        self.options
            .choice("policy-source", &words, "address, all, subnet or none")
    }

    /// The mark of connections. `None` after a fault.
    fn connmark(&mut self, stanza: &Stanza) -> Option<Connmark> {
        let device = stanza.interface.device();
        self.options.one("policy-connmark", |text| match text {
            "no" => Ok(Connmark::No),
            _ if stanza.method == "loopback" => Err(OptionFault::NoMarksOnLoopback),
            // Between its quotes nft(8) knows no way to write these.
            _ if device.as_str().contains(['"', '\\', '*']) => {
                Err(OptionFault::NotForNft(device.clone()))
            }
            "auto" => Ok(Connmark::Auto),
            mark => Ok(Connmark::Given(mark.parse()?)),
        })
    }

    fn on_error(&mut self) {
        let words = [("warn", OnError::Warn), ("fail", OnError::Fail)];
        self.options
            .choice("policy-on-error", &words, "warn or fail");
    }

    /// The table; a stanza of lines alone does well without one.
    fn table(&mut self, interface: Option<&InterfaceName>, has_lines: bool) -> Option<Table> {
        if !self.options.has("policy-table") {
            let mut needing = vec![
                "policy-table-id",
                "policy-gateway",
                "policy-mode",
                "policy-source",
                "policy-connmark",
            ];
            if !has_lines {
                needing.extend(["policy-priority", "policy-on-error", "policy-keep"]);
            }
            needing.retain(|name| self.options.has(name));
            for name in &needing {
                self.options
                    .one(name, |_| Err::<(), _>(OptionFault::NeedsTable));
            }
            return None;
        }
        let id = self.options.one("policy-table-id", |text| {
            Ok(FixedId {
                id: TableId::parse(text)?,
                written: text.to_owned(),
            })
        });
        let table = self
            .options
            .one("policy-table", |text| read_table(text, interface))??;
        match table {
            Table::Id(_) if self.options.has("policy-table-id") => {
                let value = id.map(|id| id.written);
                self.options
                    .fault("policy-table-id", value.as_deref(), OptionFault::IdTwice);
                None
            }
            Table::Named(name, _) => Some(Table::Named(name, id)),
            Table::Id(_) => Some(table),
        }
    }

    /// The address, where the stanza says it.
    fn address(&mut self) -> Option<InterfaceAddress> {
        if self.call.address.is_none() {
            let method = self.call.method.as_str();
            if method == "static" && self.options.has("policy-table") {
                let fault = OptionFault::NoAddress(method.to_owned());
                self.options.fault("address", None, fault);
            }
        }
        let address = read_address(self.call);
        address.unwrap_or_else(|error| {
            self.options.errors.push(error);
            None
        })
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
                    .map_err(|_| OptionFault::Address)
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
}

/// `None` where the name is the interface's, which has been found wrong itself.
fn read_table(text: &str, interface: Option<&InterfaceName>) -> Result<Option<Table>, OptionFault> {
    if text == "auto" {
        let Some(device) = interface.map(InterfaceName::device) else {
            return Ok(None);
        };
        return match device.as_str().parse() {
            Ok(name) => Ok(Some(Table::Named(name, None))),
            Err(error) => Err(OptionFault::NoTableOfThisName(device, error)),
        };
    }
    match text.parse::<TableName>() {
        Ok(name) => Ok(Some(Table::Named(name, None))),
        Err(WordError::NumericName) => Ok(Some(Table::Id(TableId::parse(text)?))),
        Err(error) => Err(error.into()),
    }
}
