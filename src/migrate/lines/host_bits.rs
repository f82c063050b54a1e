//! Prefixes of rules with host bits, as the kernel takes them: `from 10.0.7.4/24` is the network
//! 10.0.7.0/24 to it (measured on 6.18), which nobody sees who reads the line.

use std::net::IpAddr;

use crate::routing::Prefix;

/// A prefix, and what it is to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostBits {
    /// As it is written.
    pub written: String,
    /// The network.
    pub network: String,
}

/// The prefix that a word behind `from` or `to` has with host bits.
fn host_bits(word: &str) -> Option<HostBits> {
    let (address, length) = word.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let network = Prefix::around(address, length.parse().ok()?);
    (network.address() != address).then(|| HostBits {
        written: word.to_owned(),
        network: network.to_string(),
    })
}

/// The prefixes with host bits among the words of a rule.
pub fn all_host_bits<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Vec<HostBits> {
    let pairs = words.clone().zip(words.skip(1));
    let named = pairs.filter(|(keyword, _)| matches!(*keyword, "from" | "to"));
    named.filter_map(|(_, word)| host_bits(word)).collect()
}

/// The words of a rule with its prefixes as the kernel takes them.
pub fn without_host_bits<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let found = all_host_bits(words.clone());
    let network = |word: &str| {
        let mut found = found.iter();
        found
            .find(|bits| bits.written == word)
            .map(|bits| bits.network.clone())
    };
    let words = words.map(|word| network(word).unwrap_or_else(|| word.to_owned()));
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_what_the_kernel_makes_of_them() {
        let text = |line: &str| without_host_bits(line.split(' ')).join(" ");
        for (line, taken) in [
            ("from 10.0.7.4/24 table 5", "from 10.0.7.0/24 table 5"),
            ("to 2001:db8::5/64 table 5", "to 2001:db8::/64 table 5"),
            (
                "from 10.0.7.0/24 to 10.0.7.4",
                "from 10.0.7.0/24 to 10.0.7.4",
            ),
            ("from all fwmark 0x1/0xff", "from all fwmark 0x1/0xff"),
        ] {
            assert_eq!(text(line), taken);
        }
    }
}
