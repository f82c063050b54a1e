//! Whether an administrator has switched the package off for good. Removing a link of the hooks
//! would not last: an upgrade puts it back.

use std::fs;

/// The file that says so, where there is one.
pub const DEFAULTS: &str = "/etc/default/ifupdown-policy-table";

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
enum Switch {
    On,
    Off,
    /// A word that is neither a yes nor a no, and switches nothing off.
    Unclear(String),
}

/// Whether up hooks and the keeper may put anything in. What cannot be read says nothing.
pub fn is_enabled() -> bool {
    switch() != Switch::Off
}

/// Says what is neither a yes nor a no there.
pub fn not_understood() -> Option<String> {
    match switch() {
        Switch::Unclear(word) => Some(format!(
            "{DEFAULTS}: ENABLED={word}: expected yes or no; taken for yes"
        )),
        Switch::On | Switch::Off => None,
    }
}

fn switch() -> Switch {
    // One open(2) where there is none, as nearly everywhere.
    let text = fs::read(DEFAULTS);
    text.map_or(Switch::On, |text| said_by(&String::from_utf8_lossy(&text)))
}

fn said_by(text: &str) -> Switch {
    match last_word(text) {
        Some(word) if is_one_of(word, &NO) => Switch::Off,
        Some(word) if !is_one_of(word, &YES) => Switch::Unclear(word.to_owned()),
        _ => Switch::On,
    }
}

const NO: [&str; 5] = ["no", "false", "0", "off", "n"];
const YES: [&str; 6] = ["yes", "true", "1", "on", "y", ""];

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// The last word of a file of assignments. The blanks that a shell would not take leave no doubt
/// of what is meant.
fn last_word(text: &str) -> Option<&str> {
    let mut values = text.lines().filter_map(|line| {
        let line = line.trim();
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')?;
        is_one_of(name.trim(), &["ENABLED"]).then_some(value)
    });
    let value = values.next_back()?.split('#').next().unwrap_or_default();
    Some(value.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_no_is_one() {
        for (text, no, unclear) in [
            ("ENABLED=no\n", true, false),
            ("# why\n  ENABLED=\"no\"  # until the move\n", true, false),
            ("ENABLED='NO'", true, false),
            ("ENABLED=false\nENABLED=yes\n", false, false),
            ("ENABLED=yes\nENABLED=0\n", true, false),
            ("ENABLED = no\r\n", true, false),
            ("export enabled=off", true, false),
            ("#ENABLED=no\n", false, false),
            ("NOT_ENABLED=no\n", false, false),
            ("ENABLED=\n", false, false),
            ("ENABLED=nothing\n", false, true),
            ("ENABLED=yes, no\n", false, true),
            ("", false, false),
        ] {
            let said = said_by(text);
            assert_eq!(said == Switch::Off, no, "{text}");
            assert_eq!(matches!(said, Switch::Unclear(_)), unclear, "{text}");
        }
    }
}
