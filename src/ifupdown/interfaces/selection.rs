//! What the names of stanzas stand for: interfaces, or models for other stanzas and for interfaces
//! of other names.

use std::collections::HashSet;

use super::parts::{Block, What};

/// What the files say of names beside the stanzas that bear them.
#[derive(Debug, Default)]
pub struct Selection {
    selected: HashSet<String>,
    patterns: Vec<glob::Pattern>,
    models: HashSet<String>,
}

impl Selection {
    /// As the parts of all files say.
    pub fn of<'a>(parts: impl Iterator<Item = &'a Block>) -> Self {
        let mut usage = Self::default();
        for part in parts {
            match &part.what {
                What::Selection(word, names) if word == "auto" || word.starts_with("allow-") => {
                    for name in names {
                        usage.select(name);
                    }
                }
                What::Mapping(mapping) => {
                    let mapped = mapping.map.iter().map(|line| line.to_string_lossy());
                    let last = mapped.filter_map(|line| line.rsplit(' ').next().map(str::to_owned));
                    usage.models.extend(last);
                }
                What::Stanza(stanza) => usage.models.extend(stanza.inherits.clone()),
                _ => {}
            }
        }
        usage
    }

    fn select(&mut self, name: &str) {
        if let Some(pattern) = name.strip_prefix('/') {
            // Behind a second slash is which of those that match.
            let pattern = pattern.split('/').next().unwrap_or_default();
            self.patterns.extend(glob::Pattern::new(pattern));
        } else {
            let device = name.split('=').next().unwrap_or(name);
            self.selected.insert(device.to_owned());
        }
    }

    /// Whether an `auto` or `allow-` line has the name.
    pub fn is_selected(&self, name: &str) -> bool {
        self.selected.contains(name) || self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether a stanza is there for others, or for an interface of another name, of which it is
    /// not known what else is up with it.
    pub fn is_model(&self, name: &str) -> bool {
        self.models.contains(name) && !self.is_selected(name)
    }
}
