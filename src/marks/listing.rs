//! What `nft list table inet policy-table` says is there. Of a rule only its comment is read: how
//! rules are printed changes from version to version of nft(8).

use super::ruleset::{Chain, DeviceMarks, OURS};

/// The table as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Whether there is a table of that name.
    is_there: bool,
    /// What the table says of itself.
    comment: Option<String>,
    /// Its chains, each with the comments of its rules; a rule without one has an empty one.
    chains: Vec<(String, Vec<String>)>,
}

impl Listing {
    /// Reads what nft(8) printed.
    pub fn of(text: &str) -> Self {
        let mut listing = Self::default();
        // A set that is long goes on in further lines.
        let mut open = 0_usize;
        let mut depth = 0_usize;
        let mut rule = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if depth == 2 && (open > 0 || line != "}") {
                rule.push_str(line);
                let count = |c| unquoted(line).filter(|found| *found == c).count();
                open = (open + count('{')).saturating_sub(count('}'));
                if open == 0 {
                    listing.read_line(&rule);
                    rule.clear();
                } else {
                    rule.push(' ');
                }
            } else if line == "}" {
                depth = depth.saturating_sub(1);
            } else if let Some(head) = line.strip_suffix('{') {
                depth += 1;
                listing.is_there = true;
                if let Some(name) = head.trim().strip_prefix("chain ") {
                    listing.chains.push((name.to_owned(), Vec::new()));
                } else if depth == 2 {
                    // A set or a map, which we never have.
                    listing.chains.push((head.trim().to_owned(), Vec::new()));
                }
            } else if depth == 1 {
                if let Some(said) = line.strip_prefix("comment ") {
                    listing.comment = Some(said.trim_matches('"').to_owned());
                }
            }
        }
        listing
    }

    /// Reads a line of the last chain: its type, or a rule.
    fn read_line(&mut self, line: &str) {
        if line.starts_with("type ") || line.starts_with("comment ") {
            return;
        }
        let comment = line.rsplit_once(" comment \"").map(|(_, rest)| rest);
        let comment = comment.and_then(|rest| rest.strip_suffix('"'));
        if let Some((_, rules)) = self.chains.last_mut() {
            rules.push(comment.unwrap_or_default().to_owned());
        }
    }

    /// Whether there is a table of the name, whosever it is.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// Whether there is one, and it is somebody else's.
    pub fn is_foreign(&self) -> bool {
        self.is_there && self.comment.as_deref() != Some(OURS)
    }

    /// The names of its chains.
    pub fn chains(&self) -> impl Iterator<Item = &String> {
        self.chains.iter().map(|(name, _)| name)
    }

    /// Of a table that is ours, the chains of devices that are none of these.
    pub fn beside(&self, devices: &[DeviceMarks]) -> Vec<String> {
        let known: Vec<String> = devices
            .iter()
            .flat_map(|marks| DeviceMarks::names(marks.device()))
            .collect();
        let chains = self.chains().filter(|_| !self.is_foreign());
        chains
            .filter(|name| DeviceMarks::is_name(name) && !known.contains(name))
            .cloned()
            .collect()
    }

    /// Whether a chain is there as it is to be.
    pub fn has(&self, chain: &Chain) -> bool {
        let mut chains = self.chains.iter();
        let found = chains.find(|(name, _)| *name == chain.name);
        found.is_some_and(|(_, rules)| rules.iter().eq(chain.rules.iter().map(|(_, own)| own)))
    }
}

/// The characters outside quotes.
fn unquoted(line: &str) -> impl Iterator<Item = char> + '_ {
    line.split('"').step_by(2).flat_map(str::chars)
}
