//! The stanzas in force that hooks are run for: all but those that `no-scripts` names.

use std::collections::HashMap;

use super::parts::BlockKind;
use super::paths::with_single_stars;
use super::sourced::{Interfaces, StanzaInForce};
use crate::ifupdown::{Caller, HookCall};

impl Interfaces {
    /// The stanzas in force that ifup and ifdown run hooks for, by logical name; those of one name
    /// in the order in which `ifup` brings them up. `no-scripts` takes patterns of fnmatch(3) and
    /// compares them with the logical name, not the interface's (measured).
    pub fn stanzas_with_hooks(&self) -> HashMap<&str, Vec<&StanzaInForce>> {
        self.stanzas_by_hooks(true)
    }

    /// The stanzas in force that ifup and ifdown run no hooks for, in the same way.
    pub fn stanzas_without_hooks(&self) -> HashMap<&str, Vec<&StanzaInForce>> {
        self.stanzas_by_hooks(false)
    }

    fn stanzas_by_hooks(&self, wanted: bool) -> HashMap<&str, Vec<&StanzaInForce>> {
        let quiet: Vec<&str> = self.selected("no-scripts").collect();
        let mut found: HashMap<&str, Vec<&StanzaInForce>> = HashMap::new();
        for stanza in self.stanzas() {
            let name = stanza.definition.name.as_str();
            let has_hooks = !quiet.iter().any(|pattern| fits(pattern, name));
            if has_hooks == wanted {
                found.entry(name).or_default().push(stanza);
            }
        }
        self.put_aliases_behind(&mut found);
        found
    }

    /// To ifupdown2 an alias is its device. On ifupdown it is an interface that comes up later,
    /// wherever its stanzas stand: they go behind the device's, in the order in which `ifup -a` would
    /// take them.
    fn put_aliases_behind(&self, found: &mut HashMap<&str, Vec<&StanzaInForce>>) {
        if self.caller != Caller::Ifupdown2 {
            return;
        }
        let written = |stanza: &StanzaInForce| self.stanza(stanza).map(|own| own.name.as_str());
        let alias = |stanza: &StanzaInForce| written(stanza).filter(|name| name.contains(':'));
        let mut order: Option<HashMap<&str, usize>> = None;
        for stanzas in found.values_mut() {
            if stanzas.len() > 1 && stanzas.iter().any(|stanza| alias(stanza).is_some()) {
                // Few files have any.
                let order = order.get_or_insert_with(|| self.order_of_aliases());
                stanzas.sort_by_key(|stanza| alias(stanza).map(|name| order.get(name).copied()));
            }
        }
    }

    /// The places of all aliases: first those behind `auto`, then by their stanzas.
    fn order_of_aliases(&self) -> HashMap<&str, usize> {
        let stanzas = self.stanzas().filter_map(|stanza| self.stanza(stanza));
        let names = self.selected("auto");
        let names = names.chain(stanzas.map(|stanza| stanza.name.as_str()));
        let mut order = HashMap::new();
        for name in names.filter(|name| name.contains(':')) {
            let next = order.len();
            order.entry(name).or_insert(next);
        }
        order
    }

    /// The names and patterns behind a keyword: `auto`, `allow-hotplug`, `no-scripts` …
    pub fn selected<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let read = self.blocks_of_files().filter(|(file, block)| {
            let stop = file.stop.unwrap_or(usize::MAX);
            block.lines.start < stop
        });
        let names = read.filter_map(move |(_, block)| match &block.kind {
            BlockKind::Selection(word, names) if word == keyword => Some(names),
            _ => None,
        });
        names.flatten().map(String::as_str)
    }

    /// The calls of a hook that bring an interface up, as the stanzas in force of its name say them.
    pub fn calls(&self, interface: &str) -> Vec<HookCall> {
        let own = self.stanzas_with_hooks();
        let own = own.get(interface).into_iter().flatten();
        own.flat_map(|stanza| stanza.definition.calls(interface))
            .collect()
    }
}

/// Whether a name fits a pattern of fnmatch(3).
fn fits(pattern: &str, name: &str) -> bool {
    glob::Pattern::new(&with_single_stars(pattern)).is_ok_and(|pattern| pattern.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_fnmatch() {
        for (pattern, name) in [
            ("eth*", "eth0"),
            ("**", ".x"),
            ("[e]th?", "eth/"),
            ("[!a]", "b"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("eth", "eth0"),
            ("eth?", "eth"),
            ("/eth*", "eth0"),
            ("[e", "e"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
