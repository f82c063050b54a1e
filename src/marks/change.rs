//! The commands that bring nft(8) from what it has to what it is to have. Only decides.

use std::fmt::Write;

use super::listing::Listing;
use super::ruleset::{Chain, DeviceMarks, OURS, TABLE};

/// The commands that bring nft(8) from what is there to what is wanted: the chains `going` go,
/// but for those wanted, and where none is left the table goes. Nothing where all is so already.
pub fn commands(there: &Listing, going: &[String], wanted: &[DeviceMarks]) -> String {
    let mut text = String::new();
    let chains: Vec<Chain> = wanted.iter().flat_map(DeviceMarks::chains).collect();
    let differs: Vec<&Chain> = chains.iter().filter(|chain| !there.has(chain)).collect();
    let stale = |name: &&String| !chains.iter().any(|chain| chain.name == **name);
    let mut leaving: Vec<String> = going.iter().filter(stale).cloned().collect();
    leaving.extend(differs.iter().map(|chain| chain.name.clone()));
    leaving.retain(|name| there.chains().any(|chain| chain == name));
    if chains.is_empty() && there.is_there() {
        let left = there.chains().filter(|name| !leaving.contains(name));
        if left.count() == 0 {
            return format!("delete table inet {TABLE}\n");
        }
    }
    for name in &leaving {
        let _ = writeln!(text, "flush chain inet {TABLE} {name}");
        let _ = writeln!(text, "delete chain inet {TABLE} {name}");
    }
    if !differs.is_empty() {
        let _ = writeln!(text, "add table inet {TABLE} {{ comment \"{OURS}\"; }}");
    }
    for chain in differs {
        chain.write(&mut text);
    }
    text
}
