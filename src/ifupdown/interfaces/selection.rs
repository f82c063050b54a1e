//! What the name of a stanza stands for: an interface, or a model that other stanzas inherit or a
//! mapping gives to interfaces of other names.

use std::collections::{HashMap, HashSet};

use super::parts::{Block, BlockKind};

/// What the files say of names beside the stanzas that bear them.
#[derive(Debug, Default)]
pub struct Selection {
    selected: HashSet<String>,
    /// Those that `ifup -a` starts, each with its place among them.
    started: HashMap<String, usize>,
    patterns: Vec<glob::Pattern>,
    models: HashSet<String>,
    /// Those among them that a mapping names.
    mapped: HashSet<String>,
    /// Whether there is a mapping; what its script chooses nobody knows.
    has_mappings: bool,
}

impl Selection {
    /// As the blocks of all files say.
    pub fn of<'a>(blocks: impl Iterator<Item = &'a Block>) -> Self {
        let mut selection = Self::default();
        for block in blocks {
            match &block.kind {
                BlockKind::Selection(word, names)
                    if word == "auto" || word.starts_with("allow-") =>
                {
                    for name in names {
                        if word == "auto" || word == "allow-auto" {
                            let place = selection.started.len();
                            selection.started.entry(name.clone()).or_insert(place);
                        }
                        selection.select(name);
                    }
                }
                BlockKind::Mapping(mapping) => {
                    selection.has_mappings = true;
                    let mapped = mapping.map.iter().map(|line| line.to_string_lossy());
                    let last = mapped.filter_map(|line| line.rsplit(' ').next().map(str::to_owned));
                    selection.mapped.extend(last);
                }
                BlockKind::Stanza(stanza) => {
                    selection.models.extend(stanza.parents().map(str::to_owned));
                    if stanza.is_template {
                        selection.models.insert(stanza.name.clone());
                    }
                }
                _ => {}
            }
        }
        selection.models.extend(selection.mapped.iter().cloned());
        selection
    }

    fn select(&mut self, name: &str) {
        if let Some(pattern) = name.strip_prefix('/') {
            // Behind a second slash stands which of the interfaces that match is meant.
            let pattern = pattern.split('/').next().unwrap_or_default();
            self.patterns.extend(glob::Pattern::new(pattern));
        } else {
            let device = name.split('=').next().unwrap_or(name);
            self.selected.insert(device.to_owned());
        }
    }

    /// When `ifup -a` comes to an interface, if an `auto` line names it.
    pub fn place_of_auto(&self, name: &str) -> Option<usize> {
        self.started.get(name).copied()
    }

    /// Whether an `auto` or `allow-` line has the name.
    pub fn is_selected(&self, name: &str) -> bool {
        self.selected.contains(name) || self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether something brings an interface up with the stanzas of a name: an `auto` or `allow-`
    /// line, or a mapping.
    pub fn is_used(&self, name: &str) -> bool {
        self.is_selected(name) || self.mapped.contains(name)
    }

    /// Whether a mapping may give the stanzas of a name to interfaces of other names.
    pub fn may_be_mapped(&self, name: &str) -> bool {
        self.has_mappings && !self.is_selected(name)
    }

    /// Whether a stanza of that name is there for others to inherit, or for an interface of another
    /// name: which stanzas are up beside it cannot be known.
    pub fn is_model(&self, name: &str) -> bool {
        self.models.contains(name) && !self.is_selected(name)
    }
}
