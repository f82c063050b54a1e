//! Text from outside made safe to print (`Shown`), "did you mean" (`nearest`, `Hint`), an error with
//! its causes in one line (`chain`), and the hash that table names and headings share. Knows nothing
//! of routes, options or files.

use std::error::Error;
use std::fmt;

/// Whether a character is none that a terminal shows as itself: a control character, or one of
/// Unicode's that only steer how others are shown.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text from outside, safe to print: control characters escaped, cut to a readable length.
pub struct Shown<'a>(pub &'a str);

impl Shown<'_> {
    /// Longest text shown whole, in characters: a line on a terminal.
    const LONGEST: usize = 80;
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(Self::LONGEST) {
            if is_hidden(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        let length = self.0.chars().count();
        if length > Self::LONGEST {
            write!(f, "... ({length} characters)")?;
        }
        Ok(())
    }
}

/// The one of some known words that a misspelt one resembles.
pub fn nearest(word: &str, known: &[&str]) -> Option<String> {
    let word: String = word.chars().take(64).collect();
    // Of three letters two would leave one to resemble.
    let furthest = |known: &str| match known.len() {
        0..=3 => 1,
        length => 2.max(length / 4),
    };
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word, known), known))
        .filter(|(distance, known)| *distance <= furthest(known))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| (*known).to_owned())
}

/// What ends a message about a word that resembles a known one.
pub fn did_you_mean(nearest: &str) -> String {
    format!("did you mean \"{nearest}\"?")
}

/// The same behind a message, where there is a word to name.
pub struct Hint<'a>(pub Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; {}", did_you_mean(nearest)),
            None => Ok(()),
        }
    }
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

/// The FNV-1a hash of a text, of 32 bits.
pub fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_is_safe_and_short() {
        assert_eq!(Shown("a\u{1b}[2J\n").to_string(), "a\\u{1b}[2J\\n");
        let long = "x".repeat(10_000);
        let shown = Shown(&long).to_string();
        assert!(
            shown.len() < 120 && shown.ends_with("... (10000 characters)"),
            "{shown}"
        );
    }

    #[test]
    fn nearest_finds_slips_and_nothing_else() {
        let known = ["policy-table", "policy-gateway", "from"];
        assert_eq!(
            nearest("policy-tabel", &known).as_deref(),
            Some("policy-table")
        );
        assert_eq!(nearest("form", &known).as_deref(), Some("from"));
        assert_eq!(nearest("zebra", &known), None);
        assert_eq!(nearest("via", &["iif"]), None);
        assert_eq!(nearest("vai", &["via"]).as_deref(), Some("via"));
        assert_eq!(nearest("", &known), None);
    }
}
