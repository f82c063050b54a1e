//! The ways in which options can say what lines do, and what each says of its table. Pure;
//! `migration` tries them.

use crate::ifupdown::HookCall;
use crate::migrate::lines::{SaidRoute, SaidRule, ScriptedStanza};
use crate::migrate::replay::own_address;
use crate::migrate::same_walk::same_but_priority;
use crate::routing::{Action, Family, Prefix, Rule, TableId};
use crate::stanza::PRIORITY;

/// An option and its value.
pub type OptionValue = (&'static str, String);

/// What a stanza's lines leave, of those that are to be replaced.
pub struct Wanted {
    /// The routes.
    pub routes: Vec<SaidRoute>,
    /// In the order in which they are tried, each with the place of its line.
    pub rules: Vec<(usize, SaidRule)>,
}

/// A way of saying it.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The table of `policy-table`.
    pub table: Option<TableId>,
    /// `policy-source`; `None` where all rules are lines.
    pub source: Option<&'static str>,
    /// `policy-mode`.
    pub mode: &'static str,
    /// Whether the default route is a line.
    pub default_line: bool,
    /// Whether rules get the number that the kernel would have chosen.
    pub numbers: bool,
    /// Whether rules stand in the order of the lines, and not in that in which they are tried.
    pub as_written: bool,
}

/// The tables that the wanted speaks of and that may be a stanza's own.
pub fn tables_of(wanted: &Wanted) -> Vec<TableId> {
    let routes = wanted.routes.iter().map(|said| said.route.table);
    let rules = wanted
        .rules
        .iter()
        .filter_map(|(_, said)| match said.rule.action {
            Action::Lookup(table) => Some(table),
            _ => None,
        });
    let mut tables: Vec<TableId> = Vec::new();
    for table in routes.chain(rules) {
        if TableId::of_policy(table.0).is_ok() && !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

/// All ways, the shortest to write first.
pub fn ways(tables: &[TableId]) -> Vec<Form> {
    const DERIVED: [(Option<&str>, &str); 4] = [
        (Some("address"), "strict"),
        (Some("subnet"), "strict"),
        (Some("address"), "main"),
        (Some("subnet"), "main"),
    ];
    const CHOICES: [(bool, bool); 4] = [(false, true), (true, true), (false, false), (true, false)];
    let mut ways = Vec::new();
    for numbers in [false, true] {
        let none = [(None, "strict")];
        for sources in [DERIVED.as_slice(), none.as_slice()] {
            for table in tables {
                for (source, mode) in sources {
                    for (default_line, as_written) in CHOICES {
                        ways.push(Form {
                            table: Some(*table),
                            source: *source,
                            mode,
                            default_line,
                            numbers,
                            as_written,
                        });
                    }
                }
            }
        }
        ways.extend([true, false].map(|as_written| Form {
            table: None,
            source: None,
            mode: "strict",
            default_line: true,
            numbers,
            as_written,
        }));
    }
    ways
}

/// `policy-gateway`, unless the stanza's `gateway` says the same or a line says it.
pub fn gateway(call: &HookCall, wanted: &Wanted, table: TableId, way: Form) -> Option<OptionValue> {
    let family = call.family.unwrap_or(Family::Inet);
    let is_default = |route: &&SaidRoute| {
        route.route.destination == Prefix::any(family) && route.route.table == table
    };
    let default = wanted.routes.iter().find(is_default);
    let Some(SaidRoute { route, .. }) = default else {
        if way.default_line {
            return None;
        }
        return Some(("policy-gateway", "none".to_owned()));
    };
    let gateway = route.hops.first().and_then(|hop| hop.gateway);
    match gateway {
        _ if way.default_line => None,
        Some(gateway)
            if call.gateway.as_ref().and_then(|said| said.parse().ok()) == Some(gateway) =>
        {
            None
        }
        Some(gateway) => Some(("policy-gateway", gateway.to_string())),
        None => None,
    }
}

/// `policy-priority`, where the rule that would be derived has a priority of its own. `None`
/// where nothing is to be derived.
pub fn priority(
    stanza: &ScriptedStanza,
    wanted: &Wanted,
    table: TableId,
    way: Form,
) -> Option<Option<OptionValue>> {
    let own = own_address(&stanza.call)?;
    let source = match way.source {
        Some("subnet") => own.network(),
        _ => Prefix::host(own.address),
    };
    let plain = Rule {
        from: Some(source),
        ..Rule::lookup(own.family(), 0, table)
    };
    let (_, from) = wanted
        .rules
        .iter()
        .find(|(_, said)| same_but_priority(&said.rule, &plain))?;
    let fixed = from.said.priority || way.numbers;
    let said = ("policy-priority", from.rule.priority.to_string());
    Some(Some(said).filter(|_| fixed && from.rule.priority != PRIORITY))
}
