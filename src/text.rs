//! Text from outside made safe to print (`Shown`), "did you mean" (`nearest`, `Hint`), an error with
//! its causes in one line (`chain`), how many there are of what (`counted`), a time of the clock (`utc`), and the hash that table names and
//! headings share. Knows nothing of routes, options or files.

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

/// How many there are of what: `1 rule`, `2 rules`.
pub fn counted<N>(count: N, one: &str, many: &str) -> String
where
    N: Copy + fmt::Display + PartialEq + From<u8>,
{
    let what = if count == N::from(1) { one } else { many };
    format!("{count} {what}")
}

/// The FNV-1a hash of a text, of 32 bits.
pub fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// A second of the clock as people write it: `2026-11-28 13:00:12 UTC`.
pub fn utc(seconds: u64) -> String {
    const DAY: u64 = 86_400;
    // Days since 1 March 0000, of which each 400 years have as many (Howard Hinnant's
    // days_from_civil, turned around).
    let days = seconds / DAY + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    let year = year_of_era + era * 400 + next_year;
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        for (count, expected) in [
            (0, "0 rules"),
            (1, "1 rule"),
            (2, "2 rules"),
            (21, "21 rules"),
        ] {
            assert_eq!(counted::<usize>(count, "rule", "rules"), expected);
        }
        assert_eq!(counted(1.0, "second", "seconds"), "1 second");
        assert_eq!(counted(1.5, "second", "seconds"), "1.5 seconds");
    }

    /// As `date -u -d @SECONDS` has them.
    #[test]
    fn a_second_of_the_clock_is_a_date() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_795_870_812, "2026-11-28 13:00:12 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
        assert!(utc(u64::MAX).ends_with(" UTC"));
    }

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
