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
        let mut depth = 0_usize;
        for line in whole_lines(text) {
            if line == "}" {
                depth = depth.saturating_sub(1);
            } else if let Some(head) = line.strip_suffix('{') {
                depth += 1;
                listing.open(depth, head.trim());
            } else if depth == 1 {
                listing.read_of_table(&line);
            } else {
                listing.read_of_chain(&line);
            }
        }
        listing
    }

    /// Reads the head of the table, or of something in it.
    fn open(&mut self, depth: usize, head: &str) {
        self.is_there = true;
        if depth == 2 {
            // A set or a map goes for a chain: we never have one.
            let name = head.strip_prefix("chain ").unwrap_or(head);
            self.chains.push((name.to_owned(), Vec::new()));
        }
    }

    fn read_of_table(&mut self, line: &str) {
        if let Some(said) = line.strip_prefix("comment ") {
            self.comment = Some(said.trim_matches('"').to_owned());
        }
    }

    /// Reads a line of the last chain: its type, or a rule.
    fn read_of_chain(&mut self, line: &str) {
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

/// The lines of a listing, but for empty ones; a rule whose set goes on in further lines is one.
fn whole_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    std::iter::from_fn(move || {
        let mut whole = lines.next()?.to_owned();
        while !whole.ends_with('{') && is_open(&whole) {
            whole.push(' ');
            whole.push_str(lines.next()?);
        }
        Some(whole)
    })
}

/// Whether more braces are opened than closed, outside quotes.
fn is_open(line: &str) -> bool {
    let outside = || line.split('"').step_by(2).flat_map(str::chars);
    let count = |brace| outside().filter(|c| *c == brace).count();
    count('{') > count('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As nft(8) 1.0.6 and 1.1.3 print it.
    const TEXT: &str = "table inet policy-table {
\tcomment \"put in by policy-table(8)\"
\tchain prerouting-eth1 {
\t\ttype filter hook prerouting priority mangle + 10; policy accept;
\t\tiifname \"eth1\" ct original ip daddr { 10.0.0.1, 10.0.0.2,
\t\t\t\t       10.0.0.3 } ct mark set ct mark & 0x00ffffff | 0x01000000 comment \"one\"
\t\tiifname \"}{\" accept
\t}

\tchain empty-eth1 {
\t}
\tset addresses {
\t\ttype ipv4_addr
\t\telements = { 10.0.0.1,
\t\t\t     10.0.0.2 }
\t}
}
";

    #[test]
    fn what_is_there_is_read() {
        let listing = Listing::of(TEXT);
        assert!(listing.is_there() && !listing.is_foreign());
        let chain = |name: &str, rules: &[&str]| {
            let rules = rules.iter().map(ToString::to_string).collect();
            (name.to_owned(), rules)
        };
        let expected = [
            chain("prerouting-eth1", &["one", ""]),
            chain("empty-eth1", &[]),
            chain("set addresses", &[""]),
        ];
        assert_eq!(listing.chains, expected);
        assert_eq!(listing.beside(&[]), ["prerouting-eth1"]);
    }

    #[test]
    fn a_table_that_says_nothing_of_us_is_somebody_elses() {
        for comment in ["", "\tcomment \"mine\"\n"] {
            let text = format!("table inet policy-table {{\n{comment}}}\n");
            assert!(Listing::of(&text).is_foreign(), "{text}");
        }
        for nothing in ["", "\n"] {
            let listing = Listing::of(nothing);
            assert!(!listing.is_there() && !listing.is_foreign());
        }
        // What is cut off is no reason to panic.
        for end in 0..TEXT.len() {
            Listing::of(&TEXT[..end]);
        }
    }
}
