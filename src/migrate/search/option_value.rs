//! The words of a line as the value of an option: what the option says already is left out, the
//! rest stays as it was written.

use crate::migrate::lines::{SaidRoute, SaidRule};
use crate::routing::syntax::{abbreviates, read_rule, TableNames};
use crate::routing::{Action, Family, InterfaceName, Rule, TableId, TableName};

/// A table as the lines write it: by name where one of them does.
pub fn written_table(table: TableId, lines: &[&str], names: TableNames<'_>) -> String {
    let words = lines.iter().flat_map(|line| pairs(line));
    let mut values = words
        .filter(|(keyword, _)| is_table(keyword))
        .filter_map(|(_, value)| value);
    let by_name =
        values.find(|value| value.parse::<TableName>().is_ok() && names(value) == Some(table));
    by_name.map_or_else(|| table.to_string(), str::to_owned)
}

/// The value of `policy-rule` for a rule; `numbered` where it gets the priority that the kernel
/// chose.
pub fn rule_text(said: &SaidRule, family: Family, own: Option<TableId>, numbered: bool) -> String {
    let in_own = own.is_some_and(|own| said.rule.action == Action::Lookup(own));
    let without = |keyword: &str| is_protocol(keyword) || (in_own && is_table(keyword));
    let mut text = kept(&said.words, without);
    if !said.said.action && !in_own {
        // `ip rule add` without a table looks up main; the option would look up the stanza's.
        text += " lookup main";
    }
    if numbered && !said.said.priority {
        text = format!("priority {} {text}", said.rule.priority);
    }
    if text.trim().is_empty() {
        "from all".clone_into(&mut text);
    }
    let read = read_rule(&text, Rule::lookup(family, 0, TableId::MAIN), &|_| {
        Some(TableId::MAIN)
    });
    let agrees = read.is_ok_and(|(rule, _)| rule.family == said.rule.family);
    flagged(agrees, said.rule.family, text.trim())
}

/// The value of `policy-route` for a route of a stanza for a device.
pub fn route_text(
    said: &SaidRoute,
    family: Family,
    own: Option<TableId>,
    device: &InterfaceName,
) -> String {
    let route = &said.route;
    let in_own = own == Some(route.table);
    let by_own = route
        .hops
        .iter()
        .all(|hop| hop.device.as_ref() == Some(device));
    let by_one = !pairs(&said.words).any(|(word, _)| word == "nexthop");
    let without = |keyword: &str| {
        is_protocol(keyword)
            || (in_own && is_table(keyword))
            || (by_own && by_one && route.kind.has_device() && matches!(keyword, "dev" | "oif"))
    };
    let mut text = kept(&said.words, without);
    if !in_own && !pairs(&said.words).any(|(keyword, _)| is_table(keyword)) {
        text += if route.table == TableId::LOCAL {
            " table local"
        } else {
            " table main"
        };
    }
    let says_family = pairs(&text).any(|(word, value)| {
        word.contains([':', '.']) || value.is_some_and(|value| value.contains([':', '.']))
    });
    flagged(
        says_family || route.family() == family,
        route.family(),
        &text,
    )
}

/// With the family in front where the line does not tell it.
fn flagged(agrees: bool, family: Family, text: &str) -> String {
    match family {
        _ if agrees => text.to_owned(),
        Family::Inet => format!("-4 {text}"),
        Family::Inet6 => format!("-6 {text}"),
    }
}

fn is_table(keyword: &str) -> bool {
    keyword == "lookup" || (abbreviates(keyword, "table") && keyword.len() > 1)
}

/// `p` to `pr` are priorities.
fn is_protocol(keyword: &str) -> bool {
    abbreviates(keyword, "protocol") && keyword.len() > 2
}

/// Each word of a line with the one behind it, which is its value if it takes one.
fn pairs(line: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let behind = line.split_whitespace().skip(1).map(Some);
    line.split_whitespace().zip(behind.chain([None]))
}

/// A line without some keywords and their values.
fn kept(line: &str, without: impl Fn(&str) -> bool) -> String {
    let mut words = line.split_whitespace();
    let mut kept: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        if without(word) {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}
