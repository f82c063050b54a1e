//! From a stanza to the routes and rules it stands for. The policy is this page.

use std::collections::BTreeMap;
use std::net::IpAddr;

use thiserror::Error;

use super::connmark;
use super::fault::{OptionError, OptionFault};
use super::gateway::{check_gateway, first_host};
use super::last_resort;
use super::observed::{is_link_local, Observed};
use super::options::IpLine;
use super::stanza::{Gateway, Mode, Source, Stanza, Table, TableRef};
use super::table_ids::TableIds;
use crate::routing::syntax::LineError;
use crate::routing::{
    Action, Hop, InterfaceAddress, InterfaceName, Kind, Object, Prefix, Route, RoutePlace, Rule,
    State, TableId,
};

/// What the administrator should know of how the wanted state came about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Notice {
    /// Nothing names the router.
    #[error(
        "no gateway is named; taking {0}, the first address of the network, \
         for the router (policy-gateway says otherwise)"
    )]
    Guessed(IpAddr),
    /// The router is reached all the same, as with ifupdown's own `gateway`.
    #[error("gateway {0} is outside {1}; its route is marked onlink")]
    Onlink(IpAddr, Prefix),
    /// Nothing names the router now; what did, or whether it was a guess, is not known.
    #[error(
        "main has no default route by {0}; its table keeps the one it had, {via}",
        via = way(.1)
    )]
    Kept(InterfaceName, Hop),
    /// Traffic from the address falls through to main.
    #[error(
        "no default route in table {0}: the router of {1} is not known; \
         write policy-gateway ADDRESS, or policy-gateway none"
    )]
    NoDefault(Table, Prefix),
    /// As above, and not even a network is known.
    #[error(
        "no default route in table {0}: the interface has no address, and no default route of its \
         own; write policy-gateway ADDRESS, or policy-gateway none"
    )]
    NoNetwork(Table),
}

impl Notice {
    /// Whether it says that the stanza keeps a router that main has no more.
    pub fn is_of_kept_router(&self) -> bool {
        matches!(self, Self::Kept(..))
    }
}

fn way(hop: &Hop) -> String {
    match hop.gateway {
        Some(gateway) => format!("via {gateway}"),
        None => "without a router".to_owned(),
    }
}

/// The state that a stanza asks for, and what is to be said about it.
/// Errors: options that what was found shows to be wrong.
pub fn wanted_state(
    stanza: &Stanza,
    tables: &TableIds,
    found: &Observed,
) -> Result<(State, Vec<Notice>), Vec<OptionError>> {
    let mut notices = Vec::new();
    let mut lines: Vec<Route> = collect(stanza.routes.iter().map(|(line, route)| {
        let table = tables.of_ref(&route.table);
        let table = table.ok_or_else(|| unknown(line, &route.table))?;
        Ok(route.clone().in_table(table))
    }))?;
    one_place_each(stanza, &lines)?;
    let mut routes = Vec::new();
    let further: Vec<Rule> = collect(stanza.rules.iter().map(|(line, rule)| {
        let named = rule
            .clone()
            .with_table(|table| tables.of_ref(&table).ok_or(table));
        named.map_err(|table| unknown(line, &table))
    }))?;
    let mut rules = Vec::new();
    match tables.own().filter(|_| stanza.derives()) {
        None => {
            routes.extend(lines);
            rules.extend(further);
        }
        Some(table) => {
            let derived = connected(stanza, table, found);
            let unsaid = |route: &Route| !lines.iter().any(|line| line.same_place(route));
            routes.extend(derived.into_iter().filter(unsaid));
            let said = lines
                .iter()
                .any(|route| replaces_default(route, stanza, table));
            let last_resort = last_resort::take_out(stanza, table, &mut lines);
            let last_resort = last_resort.map_err(|error| vec![error])?;
            routes.extend(lines);
            // Behind the lines, one of which may lead to the router.
            if !said {
                let default = default(stanza, table, found, &mut notices);
                routes.extend(default.map_err(|error| vec![error])?);
            }
            rules.extend(match last_resort {
                Some(drops) => last_resort::behind_each(further, stanza, table, drops),
                None => further,
            });
            let sources = sources(stanza, found).map_err(|error| vec![error])?;
            for source in sources {
                rules.extend(of_source(stanza, table, source, last_resort));
            }
            let mark = tables.mark().into_iter();
            rules.extend(mark.flat_map(|mark| connmark::rules(stanza, table, mark, found)));
        }
    }
    let routes = routes.into_iter().map(Object::Route);
    Ok((
        routes.chain(rules.into_iter().map(Object::Rule)).collect(),
        notices,
    ))
}

/// Whether a line stands for the derived default route: a default of the table that leads
/// somewhere, or takes its place. A last resort under a higher metric stands behind it.
fn replaces_default(route: &Route, stanza: &Stanza, table: TableId) -> bool {
    let usual = route.metric == Route::usual_metric(route.family());
    let default = route.destination == Prefix::any(stanza.family) && route.table == table;
    default && (route.kind == Kind::UNICAST || usual)
}

/// A line whose table has no number.
fn unknown(line: &IpLine, table: &TableRef) -> OptionError {
    line.error(match table {
        TableRef::Named(name) => LineError::unknown_table(name.as_str()).into(),
        TableRef::Own | TableRef::Id(_) => OptionFault::NeedsAction,
    })
}

/// Of two lines that lead to one destination under one metric the second would never be used.
fn one_place_each(stanza: &Stanza, routes: &[Route]) -> Result<(), Vec<OptionError>> {
    let mut places: BTreeMap<(RoutePlace, u32), (&Route, &IpLine)> = BTreeMap::new();
    for (route, (line, _)) in routes.iter().zip(&stanza.routes) {
        let key = (route.place(), route.metric);
        let (other, first) = *places.entry(key).or_insert((route, line));
        if other != route {
            return Err(vec![line.error(OptionFault::SamePlace(first.text.clone()))]);
        }
    }
    Ok(())
}

/// All values, or all errors.
fn collect<T>(
    results: impl Iterator<Item = Result<T, OptionError>>,
) -> Result<Vec<T>, Vec<OptionError>> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(values)
    } else {
        Err(errors)
    }
}

/// Without these neighbours on the own networks would be reached through the router. A network
/// of one address has no neighbours, and the kernel gives it no such route either.
fn connected(stanza: &Stanza, table: TableId, found: &Observed) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for own in &found.addresses {
        let network = own.network();
        let known = routes.iter().any(|route| route.destination == network);
        // Of a network that is everything the default route has the place.
        // The other end of a further address is no network of the stanza's.
        let is_further = stanza.source == Source::All && stanza.address != Some(*own);
        if known || own.is_alone() || network.is_any() || is_further && own.is_point_to_point() {
            continue;
        }
        let hop = Hop {
            device: Some(stanza.interface.device()),
            ..Hop::direct()
        };
        let route = Route::to(network, table, hop);
        // Without src, a program that asks this table for a source could get another address.
        // IPv6 refuses one while it is tentative (EINVAL, measured on 6.18).
        let source = Some(own.address).filter(IpAddr::is_ipv4);
        routes.push(Route { source, ..route });
    }
    routes
}

/// What the table is for: everything else goes through this interface's own router.
fn default(
    stanza: &Stanza,
    table: TableId,
    found: &Observed,
    notices: &mut Vec<Notice>,
) -> Result<Option<Route>, OptionError> {
    let everywhere = Prefix::any(stanza.family);
    let device = Some(stanza.interface.device());
    let Some(own) = found.addresses.first() else {
        // With `policy-source none` there need not be an address to judge a gateway by.
        let gateway = match stanza.gateway {
            Gateway::Given(gateway) | Gateway::Auto(Some(gateway)) => Some(gateway),
            _ => None,
        };
        let hop = gateway.map(|gateway| Hop {
            gateway: Some(gateway),
            device,
            // The kernel knows of no network that it could lie in.
            onlink: !is_link_local(gateway),
            ..Hop::direct()
        });
        let hop = hop.or(found.default.clone());
        let kept = found.kept(table).filter(|_| hop.is_none());
        notices.extend(kept.map(|hop| Notice::Kept(stanza.interface.device(), hop.clone())));
        let hop = hop.or(kept.cloned());
        if hop.is_none() && stanza.gateway != Gateway::None {
            let table = stanza.table.clone().unwrap_or(Table::Id(table));
            notices.push(Notice::NoNetwork(table));
        }
        return Ok(hop.map(|hop| Route::to(everywhere, table, hop)));
    };
    let Some(gateway) = gateway(stanza, own, found, table, notices)? else {
        return Ok(None);
    };
    let hop = match gateway {
        Way::Device => Hop {
            device,
            ..Hop::direct()
        },
        Way::Via(gateway) => {
            let inside = found
                .addresses
                .iter()
                .any(|own| own.network().contains(gateway));
            let onlink = !inside && !is_link_local(gateway);
            if onlink {
                notices.push(Notice::Onlink(gateway, own.network()));
            }
            Hop {
                gateway: Some(gateway),
                device,
                onlink,
                ..Hop::direct()
            }
        }
    };
    Ok(Some(Route::to(everywhere, table, hop)))
}

/// How packets leave by an interface.
enum Way {
    /// Through a router.
    Via(IpAddr),
    /// As they are: what is at the other end is the router.
    Device,
}

impl Way {
    fn by(hop: &Hop) -> Self {
        hop.gateway.map_or(Self::Device, Self::Via)
    }
}

fn gateway(
    stanza: &Stanza,
    own: &InterfaceAddress,
    found: &Observed,
    table: TableId,
    notices: &mut Vec<Notice>,
) -> Result<Option<Way>, OptionError> {
    let wrong = |option, value: &str, fault| OptionError::new(option, Some(value), fault);
    // A further address may be taken over from the router itself (VRRP): the stanza's own decides.
    let judges = match (stanza.source, &stanza.address) {
        (Source::All, Some(_)) => 1,
        _ => found.addresses.len(),
    };
    // The kernel refuses an own address as a gateway in main alone (measured on 6.18).
    let checked = |option, gateway: IpAddr| {
        let every = found.addresses.iter().take(judges);
        every
            .map(|own| check_gateway(gateway, own.address, own.network()))
            .find_map(Result::err)
            .map_or(Ok(Some(Way::Via(gateway))), |fault| {
                Err(wrong(option, &gateway.to_string(), fault))
            })
    };
    let is_own = |first| found.addresses.iter().any(|own| own.address == first);
    let first = match first_host(own) {
        Ok(first) if is_own(first) => Err(OptionFault::FirstIsOwn),
        first => first,
    };
    match stanza.gateway {
        Gateway::None => Ok(None),
        Gateway::Given(gateway) => checked("policy-gateway", gateway),
        Gateway::First => match first {
            Ok(first) => Ok(Some(Way::Via(first))),
            Err(fault) => Err(wrong("policy-gateway", "first", fault)),
        },
        Gateway::Auto(Some(gateway)) => checked("gateway", gateway),
        Gateway::Auto(None) => Ok(match (&found.default, first) {
            (Some(hop), _) => Some(Way::by(hop)),
            // The other end is the router, whether main named it once or never.
            (None, _) if own.is_point_to_point() && !found.keeps_router(table) => Some(Way::Device),
            (None, _) if found.kept(table).is_some() => found.kept(table).map(|hop| {
                notices.push(Notice::Kept(stanza.interface.device(), hop.clone()));
                Way::by(hop)
            }),
            (None, Ok(first)) => {
                notices.push(Notice::Guessed(first));
                Some(Way::Via(first))
            }
            (None, Err(_)) => {
                let table = stanza.table.clone().unwrap_or(Table::Id(table));
                notices.push(Notice::NoDefault(table, own.network()));
                None
            }
        }),
    }
}

/// The addresses or networks whose packets the derived rules bring to the table.
fn sources(stanza: &Stanza, found: &Observed) -> Result<Vec<Prefix>, OptionError> {
    let mut sources: Vec<Prefix> = Vec::new();
    for own in &found.addresses {
        let source = match stanza.source {
            // The network of a point-to-point link is the other end.
            Source::Subnet if !own.is_point_to_point() => own.network(),
            Source::Address | Source::All | Source::Subnet => Prefix::host(own.address),
            Source::None => continue,
        };
        if source.is_any() {
            let fault = OptionFault::SubnetIsAll(own.to_string());
            return Err(OptionError::new("policy-source", Some("subnet"), fault));
        }
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    Ok(sources)
}

fn of_source(
    stanza: &Stanza,
    table: TableId,
    source: Prefix,
    last_resort: Option<Action>,
) -> Vec<Rule> {
    let source = Some(source);
    let lookup = |table| Rule::lookup(stanza.family, stanza.priority, table);
    let mut rules = Vec::new();
    if stanza.mode == Mode::Main {
        // The own network and the table's other routes first: two interfaces in one subnet.
        rules.push(Rule {
            from: source,
            priority: stanza.priority - 200,
            suppress_length: Some(0),
            ..lookup(table)
        });
        // What main knows better than its default: Docker, VPNs, other interfaces, static
        // routes. Never 0, for wg-quick deletes every rule "lookup main suppress_prefixlength 0"
        // that it finds (measured).
        rules.push(Rule {
            from: source,
            priority: stanza.priority - 100,
            suppress_length: Some(stanza.family.nearly_all().into()),
            ..lookup(TableId::MAIN)
        });
    }
    // Replies, and programs bound to the address.
    rules.push(Rule {
        from: source,
        ..lookup(table)
    });
    // From the howto that this replaces. The kernel finds an own address in table local first
    // and never gets here.
    rules.push(Rule {
        to: source,
        ..lookup(table)
    });
    // Instead of the kernel's next rule, which has main's default route.
    rules.extend(last_resort.map(|action| Rule {
        from: source,
        priority: stanza.priority + 1,
        action,
        ..lookup(table)
    }));
    rules
}
