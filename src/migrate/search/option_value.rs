//! An option that comes in the place of lines. The words of a line become its value: what other
//! options say already is left out, the rest stays as it was written.

use std::fmt;

use crate::migrate::lines::{SpelledRoute, SpelledRule};
use crate::routing::syntax::{abbreviates, TableNames};
use crate::routing::{Action, Family, InterfaceName, TableId, TableName};

/// An option that comes in the place of lines; it is displayed as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOption {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

impl NewOption {
    /// An option of a name and a value.
    pub fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name,
            value: value.into(),
        }
    }
}

impl fmt::Display for NewOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.value)
    }
}

/// A table as lines write it: by name where one of them does.
pub fn written_table<'a>(
    table: TableId,
    lines: impl Iterator<Item = &'a [String]>,
    names: TableNames<'_>,
) -> String {
    let mut values = lines.flat_map(values).filter(|(word, _)| is_table(word));
    let by_name =
        values.find(|(_, value)| value.parse::<TableName>().is_ok() && names(value) == Some(table));
    by_name.map_or_else(|| table.to_string(), |(_, value)| value.to_owned())
}

/// The value of `policy-rule` for a rule, in a stanza of a family with a table of its own;
/// `numbered` where the rule gets the priority that the kernel chose.
pub fn rule_value(
    spelled: &SpelledRule,
    family: Family,
    own: Option<TableId>,
    numbered: bool,
) -> String {
    let rule = &spelled.rule;
    let in_own = own.is_some_and(|own| rule.action == Action::Lookup(own));
    let mut words = without(&spelled.words, |keyword| {
        is_protocol(keyword) || (in_own && is_table(keyword))
    });
    if !spelled.given.action && !in_own {
        // `ip rule add` without a table looks up main; the option would look up the stanza's.
        words.extend(["lookup", "main"]);
    }
    let priority = rule.priority.to_string();
    if numbered && !spelled.given.priority {
        words.splice(..0, ["priority", &priority]);
    }
    if words.is_empty() {
        words.extend(["from", "all"]);
    }
    let tells_family = values(&spelled.words).any(|(keyword, value)| {
        matches!(keyword, "from" | "to") && !matches!(value, "all" | "any" | "default")
    });
    flagged(&words, tells_family, rule.family, family)
}

/// The value of `policy-route` for a route, in a stanza for a device.
pub fn route_value(
    spelled: &SpelledRoute,
    family: Family,
    own: Option<TableId>,
    device: &InterfaceName,
) -> String {
    let route = &spelled.route;
    let has = |is: fn(&str) -> bool| spelled.words.iter().any(|word| is(word));
    let in_own = own == Some(route.table);
    let mut hops = route.hops.iter();
    let says_own_device = route.kind.has_device()
        && hops.all(|hop| hop.device.as_ref() == Some(device))
        && !has(|word| word == "nexthop");
    let mut words = without(&spelled.words, |keyword| {
        is_protocol(keyword)
            || (in_own && is_table(keyword))
            || (says_own_device && matches!(keyword, "dev" | "oif"))
    });
    let mut hops = route.hops.iter();
    let found = match (hops.next(), hops.next()) {
        (Some(hop), None) if !has(|word| matches!(word, "dev" | "oif")) => hop.device.as_ref(),
        _ => None,
    };
    if let Some(found) = found.filter(|found| *found != device && route.kind.has_device()) {
        // The kernel finds it by the router; the option takes the stanza's own.
        words.extend(["dev", found.as_str()]);
    }
    if !in_own && !has(is_table) {
        let is_local = route.table == TableId::LOCAL;
        words.extend(["table", if is_local { "local" } else { "main" }]);
    }
    let tells_family = words.iter().any(|word| word.contains([':', '.']));
    flagged(&words, tells_family, route.family(), family)
}

/// The words of a value, with the family in front where neither they nor the stanza tell it.
fn flagged(words: &[&str], tells_family: bool, family: Family, of_stanza: Family) -> String {
    let text = words.join(" ");
    match family {
        _ if tells_family || family == of_stanza => text,
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
fn values(words: &[String]) -> impl Iterator<Item = (&str, &str)> {
    let behind = words.iter().skip(1);
    words
        .iter()
        .zip(behind)
        .map(|(word, value)| (word.as_str(), value.as_str()))
}

/// The words of a line without some keywords and their values.
fn without(words: &[String], is_left_out: impl Fn(&str) -> bool) -> Vec<&str> {
    let mut words = words.iter().map(String::as_str);
    let mut kept: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        if is_left_out(word) {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept
}
