//! Whether an administrator has switched the package off for good. Removing a link of the hooks
//! would not last: an upgrade puts it back.

use std::fs;

/// The file that says so, where there is one.
pub const DEFAULTS: &str = "/etc/default/ifupdown-policy-table";

/// Whether up hooks and the keeper may put anything in. What cannot be read says nothing.
pub fn is_enabled() -> bool {
    // One open(2) where there is none, as nearly everywhere.
    match fs::read(DEFAULTS) {
        Ok(text) => !says_no(&String::from_utf8_lossy(&text)),
        Err(_) => true,
    }
}

/// Whether the last word of a file of assignments, as a shell would source it, is a no.
fn says_no(text: &str) -> bool {
    let mut values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ENABLED="));
    let last = values.next_back().map(|value| {
        let value = value.split('#').next().unwrap_or_default();
        value.trim().trim_matches(['"', '\''])
    });
    last.is_some_and(|value| ["no", "false", "0"].contains(&value.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_no_is_one() {
        for (text, expected) in [
            ("ENABLED=no\n", true),
            ("# why\n  ENABLED=\"no\"  # until the move\n", true),
            ("ENABLED='NO'", true),
            ("ENABLED=false\nENABLED=yes\n", false),
            ("ENABLED=yes\nENABLED=0\n", true),
            ("#ENABLED=no\n", false),
            ("ENABLED=\n", false),
            ("ENABLED=nothing\n", false),
            ("", false),
        ] {
            assert_eq!(says_no(text), expected, "{text}");
        }
    }
}
