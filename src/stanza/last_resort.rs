//! A default route that drops packets, the last resort of a table, beside `policy-mode main`.
//!
//! That mode looks at the table twice: first for all but its default, then, behind the main table,
//! for the default. The kernel does not keep the first look from taking a route that drops packets
//! (`suppress_prefixlength` holds for those that lead somewhere, measured on 6.18), so a last resort
//! in the table would refuse what the main table knows. It becomes rules: behind each one that looks
//! the table up to the end one with the same selectors, which drops.

use super::fault::{OptionError, OptionFault};
use super::stanza::{Mode, Source, Stanza};
use super::table_ids::TableIds;
use crate::routing::{Action, Kind, Prefix, Route, Rule, TableId};

/// The last priority that has one behind it before those of the kernel's own rules.
const LAST: u32 = 32764;

/// What a stanza's last resort does as a rule, which is then no longer among the routes; `None`
/// where it has none, or where it does well as a route.
/// Errors: there is no priority for the rule.
pub fn take_out(
    stanza: &Stanza,
    table: TableId,
    routes: &mut Vec<Route>,
) -> Result<Option<Action>, OptionError> {
    if !passes_over(stanza) {
        return Ok(None);
    }
    let action = |route: &Route| as_action(route).filter(|_| is_own(stanza, route, &table));
    let first = routes.iter().filter(|route| action(route).is_some());
    let first = first.min_by_key(|route| route.metric).and_then(action);
    routes.retain(|route| action(route).is_none());
    if first.is_some() && stanza.priority > LAST {
        let value = stanza.priority.to_string();
        let fault = OptionFault::NoRoomBehind(LAST);
        return Err(OptionError::new("policy-priority", Some(&value), fault));
    }
    Ok(first)
}

/// Whether a stanza's last resort is rules: what `take_out` comes to, as the lines say it.
pub fn refuses_by_rules(stanza: &Stanza, tables: &TableIds) -> bool {
    let Some(own) = tables.own().filter(|_| passes_over(stanza)) else {
        return false;
    };
    let mut lines = stanza.routes.iter().map(|(_, route)| route);
    lines.any(|route| {
        tables.of_ref(&route.table) == Some(own)
            && as_action(route).is_some()
            && is_own(stanza, route, &route.table)
    })
}

/// Whether derived rules pass over the table's default. With `policy-source none` there are none,
/// and the table is looked up as `policy-rule` says.
fn passes_over(stanza: &Stanza) -> bool {
    stanza.mode == Mode::Main && stanza.source != Source::None && stanza.derives()
}

/// Whether a route is a default route of the stanza's family in a table.
fn is_own<Table: PartialEq>(stanza: &Stanza, route: &Route<Table>, table: &Table) -> bool {
    route.destination == Prefix::any(stanza.family) && route.table == *table && route.tos == 0
}

/// What a rule does that drops packets as a route does.
fn as_action<Table>(route: &Route<Table>) -> Option<Action> {
    match route.kind {
        Kind::BLACKHOLE => Some(Action::Blackhole),
        Kind::UNREACHABLE => Some(Action::Unreachable),
        Kind::PROHIBIT => Some(Action::Prohibit),
        _ => None,
    }
}

/// The rules of `policy-rule`, and what stands behind those that look up the table: nothing behind
/// one that passes over routes, which asks for the next rule to be tried.
pub fn behind_each(rules: Vec<Rule>, stanza: &Stanza, table: TableId, drops: Action) -> Vec<Rule> {
    let behind = |rule: &Rule| {
        let to_the_end = rule.suppress_length.is_none() && rule.suppress_group.is_none();
        let looks_up = rule.family == stanza.family && rule.action == Action::Lookup(table);
        (to_the_end && looks_up).then(|| Rule {
            action: drops,
            realms: 0,
            ..rule.clone()
        })
    };
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        let behind = behind(&rule);
        all.push(rule);
        all.extend(behind);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ifupdown::{Direction, HookCall};

    fn stanza(options: &[(&str, &str)]) -> Stanza {
        let fixed = [
            ("IFACE", "eth1"),
            ("LOGICAL", "eth1"),
            ("ADDRFAM", "inet"),
            ("METHOD", "static"),
            ("MODE", "start"),
            ("PHASE", "post-up"),
            ("IF_ADDRESS", "10.10.0.10"),
            ("IF_NETMASK", "255.255.255.0"),
            ("IF_POLICY_TABLE", "7"),
        ];
        let all = fixed.iter().chain(options);
        let all = all.map(|(name, value)| ((*name).into(), (*value).into()));
        let call = HookCall::read(Direction::Up, all).unwrap();
        Stanza::parse(&call).unwrap().unwrap()
    }

    #[test]
    fn a_default_that_drops_is_taken_out_beside_the_rules_of_main_alone() {
        let main = ("IF_POLICY_MODE", "main");
        let none = ("IF_POLICY_SOURCE", "none");
        let last = ("IF_POLICY_PRIORITY", "32765");
        for (options, line, expected) in [
            (
                &[main][..],
                "prohibit default metric 9",
                Ok(Some(Action::Prohibit)),
            ),
            (&[main], "blackhole default", Ok(Some(Action::Blackhole))),
            (&[main], "unreachable default tos 0x10", Ok(None)),
            (&[main], "unreachable default table 8", Ok(None)),
            (&[main], "unreachable 10.0.0.0/8", Ok(None)),
            (&[main], "throw default", Ok(None)),
            (&[main], "-6 unreachable default", Ok(None)),
            (&[main, none], "unreachable default", Ok(None)),
            (&[], "unreachable default", Ok(None)),
            (&[last], "unreachable default", Ok(None)),
            (&[last, main], "throw default", Ok(None)),
            (&[last, main], "unreachable default", Err(())),
        ] {
            let line = if line.contains("table") {
                line.to_owned()
            } else {
                format!("{line} table 7")
            };
            let mut routes = vec![line.parse().unwrap()];
            let taken = take_out(&stanza(options), TableId::numbered(7), &mut routes);
            let taken = taken.map_err(|_| ());
            assert_eq!(taken, expected, "{options:?} {line}");
            assert_eq!(routes.is_empty(), !matches!(taken, Ok(None)), "{line}");
        }
    }
}
