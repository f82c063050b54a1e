//! Things found by an address that their prefixes hold.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use crate::routing::Prefix;

/// Things, each under a prefix.
#[derive(Debug)]
pub struct ByPrefix<T> {
    there: HashMap<Prefix, Vec<T>>,
    /// The lengths of these, of which there are few.
    lengths: BTreeSet<u8>,
}

impl<T> Default for ByPrefix<T> {
    fn default() -> Self {
        Self {
            there: HashMap::new(),
            lengths: BTreeSet::new(),
        }
    }
}

impl<T> ByPrefix<T> {
    /// Puts something under a prefix, behind the others.
    pub fn push(&mut self, prefix: Prefix, what: T) {
        self.there.entry(prefix).or_default().push(what);
        self.lengths.insert(prefix.length());
    }

    /// Whether there is something under this very prefix.
    pub fn has(&self, prefix: Prefix) -> bool {
        self.there.contains_key(&prefix)
    }

    /// All whose prefixes hold an address.
    pub fn holding(&self, address: IpAddr) -> impl Iterator<Item = &T> {
        let prefixes = self.lengths.iter();
        let prefixes = prefixes.map(move |length| Prefix::around(address, *length));
        // A length that its family does not have is the one of a host once more.
        let prefixes: BTreeSet<Prefix> = prefixes.collect();
        let found = prefixes.into_iter();
        found.flat_map(|prefix| self.there.get(&prefix).into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_finds_the_prefixes_that_hold_it_alone() {
        let mut all = ByPrefix::default();
        for prefix in [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.1.0.5/32",
            "10.2.0.0/16",
            "2001:db8::/64",
        ] {
            all.push(prefix.parse().unwrap(), prefix);
        }
        let found = |address: &str| {
            let found = all.holding(address.parse().unwrap());
            found.copied().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("10.1.0.5"), "0.0.0.0/0 10.0.0.0/8 10.1.0.5/32");
        assert_eq!(found("10.2.0.5"), "0.0.0.0/0 10.0.0.0/8 10.2.0.0/16");
        assert_eq!(found("2001:db8::1"), "2001:db8::/64");
        assert!(all.has("10.0.0.0/8".parse().unwrap()) && !all.has("10.0.0.0/9".parse().unwrap()));
    }
}
