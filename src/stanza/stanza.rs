//! A stanza of interfaces(5) as far as policy routing goes. Pure; `parse.rs` makes one of a call's
//! options.

use std::fmt;
use std::net::IpAddr;

use super::options::{IpLine, OptionError, OptionFault};
use crate::routing::syntax::{read_route, read_rule, TableNames, UnsaidInRoute};
use crate::routing::{
    Family, InterfaceAddress, InterfaceName, Route, Rule, TableId, TableName, PROTOCOL,
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
    pub rules: Vec<IpLine>,
    /// The lines of `policy-route`.
    pub routes: Vec<IpLine>,
    /// The names of tables in these lines.
    pub names: Vec<TableName>,
}

impl Stanza {
    /// Whether routes and rules follow from the table and the address. The loopback interface
    /// has no network of its own, only what its lines say.
    pub fn derives(&self) -> bool {
        self.table.is_some() && self.method != "loopback"
    }

    /// Whether the interface's addresses have to be asked of the kernel.
    pub fn asks_address(&self) -> bool {
        self.derives() && self.address.is_none()
    }

    /// Whether the interface's default route in main is the one for its table too: where the
    /// stanza names none, and something else than the stanza configures the interface.
    pub fn asks_gateway(&self) -> bool {
        self.derives() && self.gateway == Gateway::Auto(None) && self.method != "static"
    }

    /// The rule of the `n`-th `policy-rule`, counted from 0. Its place in the file decides its
    /// priority where it names none, so that the order survives any repair.
    /// Errors: the line is no rule, or leaves open what it does.
    pub fn rule(
        &self,
        n: usize,
        line: &IpLine,
        table: Option<TableId>,
        names: TableNames<'_>,
    ) -> Result<Rule, OptionError> {
        let place = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        let priority = self
            .priority
            .saturating_sub(RULES_BELOW)
            .saturating_add(place);
        let unsaid = Rule::lookup(self.family, priority, table.unwrap_or(TableId(0)));
        match read_rule(&line.text, unsaid, names) {
            Err(error) => Err(line.error(error.into())),
            Ok((_, said)) if !said.action && table.is_none() => {
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
    fn leads_through(&self, route: &Route) -> bool {
        let device = Some(self.interface.device());
        route
            .hops
            .iter()
            .any(|hop| hop.gateway.is_some() && hop.device == device)
    }

    /// The route of a `policy-route`.
    pub fn route(
        &self,
        line: &IpLine,
        table: Option<TableId>,
        names: TableNames<'_>,
    ) -> Result<Route, OptionError> {
        let device = Some(self.interface.device());
        let unsaid = UnsaidInRoute {
            table,
            device,
            family: Some(self.family),
        };
        match read_route(&line.text, &unsaid, names) {
            Err(error) => Err(line.error(error.into())),
            Ok(route) if route.protocol != PROTOCOL => Err(line.error(OptionFault::Protocol)),
            Ok(route) if self.method == "loopback" && self.leads_through(&route) => {
                Err(line.error(OptionFault::NoRouterOnLoopback))
            }
            Ok(route) => Ok(route),
        }
    }
}
