//! Commands in stanzas that do by hand what options do, or undo it.

use std::collections::HashSet;

use super::finding::{Code, Finding};
use super::origin::WrittenOption;
use super::stanza::CheckedStanza;
use crate::ifupdown::interfaces::{about, Phase};
use crate::routing::syntax::abbreviates;
use crate::stanza::Table;

/// Commands about policy routing, among those of each stanza's lines that are wanted: beside options
/// those that put something in, in any stanza those that take out what options of some stanza put in.
pub fn leftovers<'a>(
    stanzas: &[CheckedStanza<'a>],
    mut wanted: impl FnMut(&CheckedStanza<'a>) -> Vec<WrittenOption<'a>>,
) -> Vec<Finding> {
    let tables = tables(stanzas);
    let mut findings = Vec::new();
    for stanza in stanzas {
        for written in wanted(stanza) {
            let command = written.option.value.to_string_lossy();
            let text = match Phase::of(&written.option.name) {
                Some(phase) if phase.is_up() => {
                    let adds = stanza.policy.is_some() && routes_by_policy(&command);
                    adds.then_some(
                        "with a rule, or a route of another table, beside policy-* options",
                    )
                }
                Some(_) => undoes(&command, &tables)
                    .then_some("takes out rules or routes that policy-* options put in"),
                None => None,
            };
            findings.extend(text.and_then(|text| finding(&written, text)));
        }
    }
    findings
}

fn finding(written: &WrittenOption<'_>, text: &str) -> Option<Finding> {
    let is_up = Phase::of(&written.option.name).is_some_and(Phase::is_up);
    let all = 0..written.option.value.len();
    let text = format!("'{}' {text}", written.option.name);
    let finding = Finding::at(Code::Leftover, written.place(all)?, text);
    Some(finding.hint(if is_up {
        "policy-table migrate makes options of such lines"
    } else {
        "remove the line: ifdown takes out what the options put in"
    }))
}

/// How commands may call the tables that options fill: by name, and by number where that is what
/// the stanza says.
fn tables(stanzas: &[CheckedStanza<'_>]) -> HashSet<String> {
    let policies = stanzas.iter().filter_map(|stanza| stanza.policy.as_ref());
    let mut called = HashSet::new();
    for policy in policies {
        called.extend(policy.stanza.table.as_ref().map(Table::to_string));
        called.extend(policy.table.map(|id| id.number().to_string()));
    }
    called
}

/// Whether a shell command has an `ip rule`, or an `ip route` that names a table other than main.
fn routes_by_policy(command: &str) -> bool {
    let about = about(command);
    let other = named_tables(command).any(|table| !["main", "254"].contains(&table));
    about.rules || about.routes && other
}

/// Whether a shell command deletes or flushes in one of some tables, rules that look one up
/// included, or flushes all rules.
fn undoes(command: &str, tables: &HashSet<String>) -> bool {
    let about = about(command);
    let words = || command.split_whitespace();
    let is_one = |word: &str, full| word.len() > 1 && abbreviates(word, full);
    let flushes = words().any(|word| is_one(word, "flush"));
    let deletes = words().any(|word| is_one(word, "delete") || word == "d");
    let is_named = named_tables(command).any(|table| tables.contains(table));
    let names_none = named_tables(command).next().is_none();
    let all_rules = about.rules && flushes && !tables.is_empty() && names_none;
    all_rules || (about.rules || about.routes) && (flushes || deletes) && is_named
}

/// The tables that a shell command names.
fn named_tables(command: &str) -> impl Iterator<Item = &str> {
    let keyword = |word: &&str| ["table", "lookup"].contains(word);
    let words = command.split_whitespace();
    let tables = words.clone().zip(words.skip(1));
    tables
        .filter(move |(word, _)| keyword(word))
        .map(|(_, table)| table.trim_end_matches(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_policy_routing_are_told_from_others() {
        for (command, expected) in [
            ("ip rule add from 10.0.0.1 lookup 7", true),
            ("/sbin/ip -4 ru a from 10.0.0.1 table 7 || true", true),
            ("ip route add default via 10.0.0.1 table 7", true),
            ("ip ro add default via 10.0.0.1 table main", false),
            ("ip route add 10.9.0.0/16 via 10.0.0.1", false),
            ("ip link set eth1 up", false),
            ("echo zip rule", false),
            ("sleep 1; ip -6 rule add from ::1 lookup 7", true),
        ] {
            assert_eq!(routes_by_policy(command), expected, "{command}");
        }
    }

    #[test]
    fn commands_that_undo_are_told_from_others() {
        let tables = HashSet::from(["rt2".to_owned(), "20611".to_owned()]);
        for (command, expected) in [
            ("ip route flush table rt2", true),
            ("ip ro fl table 20611; true", true),
            (
                "/sbin/ip route del default via 10.0.0.1 dev eth1 table rt2",
                true,
            ),
            ("ip rule del from 10.0.0.1 table rt2", true),
            ("ip rule flush", true),
            ("ip rule del from 10.0.0.1 table other", false),
            ("ip route flush table other", false),
            ("ip route flush cache", false),
            ("ip route add default dev eth1 table rt2", false),
            ("ip route del 10.9.0.0/16", false),
            ("ip link set eth1 down", false),
        ] {
            assert_eq!(undoes(command, &tables), expected, "{command}");
        }
        assert!(!undoes("ip rule flush", &HashSet::new()));
    }
}
