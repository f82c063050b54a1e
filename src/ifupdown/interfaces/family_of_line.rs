//! Which family a line of `policy-rule` or `policy-route` is of, where a stanza has both.

use crate::routing::syntax::{read_route, read_rule, RouteDefaults};
use crate::routing::{Family, InterfaceName, Rule, TableId};

/// Whether an option holds lines of `ip` syntax.
pub fn is_line(name: &str) -> bool {
    let numbered = |base| {
        let rest = name.strip_prefix(base)?;
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        Some(digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    numbered("policy-rule")
        .or_else(|| numbered("policy-route"))
        .unwrap_or(false)
}

/// Which family a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyOfLine {
    One(Family),
    /// The stanza's, whichever that is.
    Either,
}

/// `None` for what is no line.
pub fn family_of_line(is_rule: bool, line: &str) -> Option<FamilyOfLine> {
    // The names of tables say nothing here.
    let any_table = |_: &str| Some(TableId::MAIN);
    let device: Option<InterfaceName> = "lo".parse().ok();
    let read = |family| {
        if is_rule {
            let unsaid = Rule::lookup(family, 1000, TableId::MAIN);
            let read = read_rule(line, unsaid, &any_table);
            return read.ok().map(|(rule, _)| rule.family);
        }
        let unsaid = RouteDefaults {
            table: Some(TableId::MAIN),
            device: device.clone(),
            family: Some(family),
        };
        read_route(line, unsaid, &any_table)
            .ok()
            .map(|route| route.family())
    };
    match (read(Family::Inet), read(Family::Inet6)) {
        (Some(one), Some(other)) if one == other => Some(FamilyOfLine::One(one)),
        (Some(_), Some(_)) => Some(FamilyOfLine::Either),
        // With the other family it contradicts itself.
        (Some(one), None) | (None, Some(one)) => Some(FamilyOfLine::One(one)),
        (None, None) => None,
    }
}
