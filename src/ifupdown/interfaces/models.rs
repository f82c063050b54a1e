//! What stanzas of ifupdown-ng inherit: all that stands above under a name, stanza by stanza, as often
//! as it is named, and where it is named.
//!
//! Measured on 0.11.4: `inherits NAME` on the `iface` line and lines `inherit NAME` add, at their
//! place, what NAME has by then, without repeats of the same option with the same value; an unknown
//! name is an empty stanza.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;

use super::definition::Definition;
use super::iface_stanza::{IfaceStanza, OptionLine};
use super::inherited::InheritedOptions;

/// What is known so far of each name.
#[derive(Debug, Default)]
pub struct Models(HashMap<String, Model>);

#[derive(Debug, Clone, Default)]
struct Model {
    /// Which stanzas it is, in their order.
    stanzas: Vec<usize>,
    options: InheritedOptions,
}

impl Models {
    /// The options of a stanza with all that it inherits, and the stanzas that these are of.
    pub fn options<'a>(
        &self,
        stanza: &IfaceStanza,
        own: impl Iterator<Item = &'a OptionLine>,
    ) -> (Vec<usize>, InheritedOptions) {
        let mut parents = Vec::new();
        let mut options = InheritedOptions::default();
        let mut is_empty = true;
        let mut inherit = |name: &str, options: &mut InheritedOptions, is_empty: bool| {
            let Some(model) = self.0.get(name) else {
                return;
            };
            parents.extend(&model.stanzas);
            if is_empty {
                // Not as a copy, of which a long line of them would take the square of its length.
                *options = model.options.inherited();
                return;
            }
            let there = options.clone();
            let mut there: HashSet<(&str, &[u8])> = there.all().into_iter().collect();
            for (name, value) in model.options.all() {
                if there.insert((name, value)) || name == "address" {
                    options.push(name, value);
                }
            }
        };
        for name in stanza.inherits.iter().chain(&stanza.also_inherits) {
            inherit(name, &mut options, is_empty);
            is_empty = false;
        }
        for option in own {
            if option.name == "inherit" {
                let name = option.value.to_string_lossy();
                let name = name.split_whitespace().next().unwrap_or_default();
                inherit(name, &mut options, is_empty);
            } else {
                options.push(&option.name, option.value.as_bytes());
            }
            is_empty = false;
        }
        (parents, options)
    }

    /// Notes a stanza, the place of which among all is given.
    pub fn note(&mut self, place: usize, next: &Definition) {
        let model = self.0.entry(next.name.clone()).or_default();
        if model.stanzas.is_empty() {
            model.options = next.options().clone();
        } else {
            let mut options = model.options.inherited();
            for (name, value) in next.options().all() {
                options.push(name, value);
            }
            model.options = options;
        }
        model.stanzas.push(place);
    }
}
