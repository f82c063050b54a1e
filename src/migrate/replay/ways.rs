//! Where the kernel may find a router, as far as the lines of all stanzas tell: whether that is
//! somewhere else than it seems.

use std::collections::HashMap;
use std::net::IpAddr;

use super::by_prefix::ByPrefix;
use super::devices::FileDevices;
use crate::migrate::lines::{IpCommand, IpVerb, Meaning};
use crate::routing::{Action, Family, InterfaceName, Prefix, Route, Rule, TableId};

/// What lines put in that may lead to a router, each found by its address.
#[derive(Debug, Default)]
pub struct Ways {
    /// Whether some line may put in a rule of which nothing is known.
    has_unclear_rules: bool,
    /// Rules that the kernel may come to when it looks for a router: from no address, without a
    /// mark. By their destinations, and those that have none.
    rules: ByPrefix<Action>,
    inverted: Vec<Rule>,
    /// The devices by which routes leave, by table and destination.
    routes: HashMap<TableId, ByPrefix<Option<InterfaceName>>>,
}

impl Ways {
    /// Those of the lines of all stanzas.
    pub fn of(meanings: &[Vec<Meaning>], devices: &FileDevices<'_>) -> Self {
        let mut ways = Self::default();
        for (s, meanings) in meanings.iter().enumerate() {
            for meaning in meanings {
                ways.has_unclear_rules |=
                    matches!(meaning, Meaning::Unclear(_, about) if about.rules);
                for (_, command) in meaning.commands() {
                    match command {
                        IpCommand::Rule(IpVerb::Add, spelled) => ways.add_rule(&spelled.rule),
                        IpCommand::Route(IpVerb::Delete, _) => {}
                        IpCommand::Route(_, spelled) => {
                            ways.add_route(&spelled.route, || devices.device(s));
                        }
                        _ => {}
                    }
                }
            }
        }
        ways
    }

    fn add_rule(&mut self, rule: &Rule) {
        let is_other_than_lo = |device: &InterfaceName| device.as_str() != "lo";
        let selects = rule.from.is_some()
            || rule.mark.is_some()
            || rule.oif.is_some()
            || rule.iif.as_ref().is_some_and(is_other_than_lo);
        if rule.invert {
            self.inverted.push(rule.clone());
        } else if !selects {
            let to = rule.to.unwrap_or(Prefix::any(rule.family));
            self.rules.push(to, rule.action);
        }
    }

    fn add_route(&mut self, route: &Route, own: impl Fn() -> Option<InterfaceName>) {
        let is_last_resort = route.table == TableId::MAIN && route.destination.is_any();
        if is_last_resort {
            return;
        }
        let by_destination = self.routes.entry(route.table).or_default();
        for hop in &route.hops {
            let named = hop.device.as_ref().map(InterfaceName::device);
            by_destination.push(route.destination, named.or_else(&own));
        }
    }

    /// The tables in which the kernel looks for the router of a route in a table; `None` where that
    /// cannot be told.
    pub fn tables(&self, router: IpAddr, table: TableId) -> Option<Vec<TableId>> {
        if self.has_unclear_rules {
            return None;
        }
        let family = Family::of(router);
        let inverted = self.inverted.iter().filter(|rule| rule.family == family);
        let actions = inverted.map(|rule| &rule.action);
        let mut tables = vec![table, TableId::MAIN];
        for action in actions.chain(self.rules.holding(router)) {
            let Action::Lookup(table) = *action else {
                return None;
            };
            tables.push(table);
        }
        Some(tables)
    }

    /// Whether the kernel, which looks for a router as for any destination, may find it by another
    /// device than the one it is near to: in the route's table, in main, or where a rule leads.
    pub fn may_be_elsewhere(&self, router: IpAddr, table: TableId, near: &InterfaceName) -> bool {
        let Some(tables) = self.tables(router, table) else {
            return true;
        };
        let by_table = tables.iter().filter_map(|table| self.routes.get(table));
        let mut devices = by_table.flat_map(|routes| routes.holding(router));
        devices.any(|device| device.as_ref() != Some(near))
    }
}
