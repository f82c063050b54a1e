//! A stanza of interfaces(5) as far as policy routing goes. Pure; `parse.rs` makes one of a call's
//! options.

use std::fmt;
use std::net::IpAddr;

use super::fault::{OptionError, OptionFault};
use super::options::IpLine;
use crate::routing::syntax::{read_route, read_rule, RouteDefaults};
use crate::routing::{
    Action, Family, InterfaceAddress, InterfaceName, Mark, Route, Rule, TableId, TableName,
    PROTOCOL,
};

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
    Named(TableName, Option<FixedId>),
}

/// A table as a line of `policy-rule` or `policy-route` means it, before names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableRef {
    /// The line names none: the stanza's own.
    Own,
    /// By number, or by a name of the kernel's own.
    Id(TableId),
    /// By name.
    Named(TableName),
}

impl From<TableId> for TableRef {
    fn from(id: TableId) -> Self {
        Self::Id(id)
    }
}

impl TableRef {
    /// What a name in a line stands for, if it is one.
    fn named(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::Named)
    }
}

/// The ID that `policy-table-id` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedId {
    /// The ID.
    pub id: TableId,
    /// As the administrator wrote it.
    pub written: String,
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
    /// All addresses of the interface, also those that the stanza does not name.
    All,
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

/// What the keeper does for the stanza, `policy-keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It repairs what is lost, and keeps it in front of rules of others that catch everything.
    Yes,
    /// It repairs, and puts nothing in front.
    InPlace,
    /// Nothing.
    No,
}

/// By which mark connections that come in through the interface are answered through it,
/// `policy-connmark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connmark {
    /// By none.
    No,
    /// By one that no other table has.
    Auto,
    /// By this one.
    Given(Mark),
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
    /// The mark of connections that come in by the interface.
    pub connmark: Connmark,
    /// The lines of `policy-rule`, and the rules that they say.
    pub rules: Vec<(IpLine, Rule<TableRef>)>,
    /// The lines of `policy-route`, and the routes that they say.
    pub routes: Vec<(IpLine, Route<TableRef>)>,
}

impl Stanza {
    /// Whether routes and rules follow from the table and the address. The loopback interface
    /// has no network of its own, only what its lines say.
    pub fn derives(&self) -> bool {
        self.table.is_some() && self.method != "loopback"
    }

    /// Whether it may be that its packets go by its own table whatever they are for.
    pub fn may_cut_off(&self) -> bool {
        self.derives() && self.mode == Mode::Strict
    }

    /// Whether the connections that come in by its interface are to be marked.
    pub fn asks_for_marks(&self) -> bool {
        self.derives() && self.connmark != Connmark::No
    }

    /// Whether the interface's addresses have to be asked of the kernel.
    pub fn asks_address(&self) -> bool {
        self.derives() && self.address.is_none()
    }

    /// Whether the interface's further addresses have to be asked of the kernel, too.
    pub fn asks_all(&self) -> bool {
        self.derives() && self.source == Source::All
    }

    /// Whether the interface's default route in main is the one for its table too: where the
    /// stanza names none, and something else than the stanza configures the interface.
    pub fn asks_gateway(&self) -> bool {
        self.derives() && self.gateway == Gateway::Auto(None) && self.method != "static"
    }

    /// The names of tables in the lines, as often as they stand there.
    pub fn names_in_lines(&self) -> impl Iterator<Item = &TableName> {
        let by_rules = self
            .rules
            .iter()
            .filter_map(|(_, rule)| match &rule.action {
                Action::Lookup(TableRef::Named(name)) => Some(name),
                _ => None,
            });
        let by_routes = self
            .routes
            .iter()
            .filter_map(|(_, route)| match &route.table {
                TableRef::Named(name) => Some(name),
                _ => None,
            });
        by_rules.chain(by_routes)
    }

    /// The tables that it names by number.
    pub fn numbers(&self) -> Vec<TableId> {
        let own = match &self.table {
            Some(Table::Id(id)) => Some(*id),
            _ => None,
        };
        let by_rules = self.rules.iter().filter_map(|(_, rule)| match rule.action {
            Action::Lookup(TableRef::Id(id)) => Some(id),
            _ => None,
        });
        let by_routes = self
            .routes
            .iter()
            .filter_map(|(_, route)| match route.table {
                TableRef::Id(id) => Some(id),
                _ => None,
            });
        own.into_iter().chain(by_rules).chain(by_routes).collect()
    }

    /// The rule of the `n`-th `policy-rule`, counted from 0. Its place in the file decides its
    /// priority where it names none, so that the order survives any repair. `has_table`: a line
    /// may leave its table to the stanza.
    /// Errors: the line is no rule, or leaves open what it does.
    pub(super) fn rule(
        &self,
        n: usize,
        line: &IpLine,
        has_table: bool,
    ) -> Result<Rule<TableRef>, OptionError> {
        let place = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        let priority = self
            .priority
            .saturating_sub(RULES_BELOW)
            .saturating_add(place);
        let unsaid = Rule::lookup(self.family, priority, TableRef::Own);
        match read_rule(&line.text, unsaid, &TableRef::named) {
            Err(error) => Err(line.error(error.into())),
            Ok((_, said)) if !said.action && !has_table => {
                Err(line.error(OptionFault::NeedsAction))
            }
            Ok((_, said)) if !said.priority && place > MOST_RULES => {
                Err(line.error(OptionFault::TooMany(MOST_RULES)))
            }
            Ok((rule, _)) if rule.protocol != PROTOCOL => Err(line.error(OptionFault::Protocol)),
            Ok((rule, _)) => Ok(rule),
        }
    }

    /// Whether a route goes to a router by the stanza's own interface.
    fn leads_through(&self, route: &Route<TableRef>) -> bool {
        let device = Some(self.interface.device());
        route
            .hops
            .iter()
            .any(|hop| hop.gateway.is_some() && hop.device == device)
    }

    /// The route of a `policy-route`. `has_table`: a line may leave its table to the stanza.
    /// Errors: the line is no route.
    pub(super) fn route(
        &self,
        line: &IpLine,
        has_table: bool,
    ) -> Result<Route<TableRef>, OptionError> {
        let unsaid = RouteDefaults {
            table: has_table.then_some(TableRef::Own),
            device: Some(self.interface.device()),
            family: Some(self.family),
        };
        match read_route(&line.text, unsaid, &TableRef::named) {
            Err(error) => Err(line.error(error.into())),
            Ok(route) if route.protocol != PROTOCOL => Err(line.error(OptionFault::Protocol)),
            Ok(route) if self.method == "loopback" && self.leads_through(&route) => {
                Err(line.error(OptionFault::NoRouterOnLoopback))
            }
            Ok(route) => Ok(route),
        }
    }
}
