//! The stanzas in force that hooks are run for: all but those that `no-scripts` names.

use std::collections::HashMap;

use super::parts::BlockKind;
use super::sourced::{Interfaces, StanzaInForce};
use crate::ifupdown::HookCall;

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
        found
    }

    /// The names and patterns behind a keyword: `auto`, `allow-hotplug`, `no-scripts` …
    pub fn selected<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a str> {
        let read = self.files.iter().flat_map(|file| {
            let stop = file.stop.unwrap_or(usize::MAX);
            let blocks = file.text.blocks.iter();
            blocks.filter(move |block| block.lines.start < stop)
        });
        let names = read.filter_map(move |block| match &block.kind {
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
    let mut single = String::new();
    for c in pattern.chars() {
        if c != '*' || !single.ends_with('*') {
            single.push(c);
        }
    }
    glob::Pattern::new(&single).is_ok_and(|pattern| pattern.matches(name))
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
