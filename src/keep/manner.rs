//! How a keeper goes about it, and the words of its command line that say so.

use std::ffi::OsString;

/// Only says what it would do.
const DRY_RUN: &str = "--dry-run";

/// Goes on where no interface has a record.
const STAY: &str = "--stay";

/// How a keeper goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Whether it puts back what is lost, or only says what it would do.
    pub acts: bool,
    /// Whether it goes on where no interface has a record.
    pub stays: bool,
}

impl Manner {
    /// Reads the words that stand behind the program's name.
    /// Errors: one that says nothing to it, which it returns.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, OsString> {
        let mut manner = Self {
            acts: true,
            stays: false,
        };
        for word in words {
            match word.to_str() {
                Some(DRY_RUN) => manner.acts = false,
                Some(STAY) => manner.stays = true,
                _ => return Err(word),
            }
        }
        Ok(manner)
    }

    /// The words that say it.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let dry_run = (!self.acts).then_some(DRY_RUN);
        let stay = self.stays.then_some(STAY);
        dry_run.into_iter().chain(stay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_read() {
        for (acts, stays) in [(true, true), (true, false), (false, true), (false, false)] {
            let manner = Manner { acts, stays };
            let words: Vec<OsString> = manner.words().map(OsString::from).collect();
            assert_eq!(Manner::read(words), Ok(manner));
        }
    }

    #[test]
    fn a_word_that_says_nothing_is_told() {
        for word in ["--once", "--stay=1", "eth1", ""] {
            let words = ["--stay", word].map(OsString::from);
            assert_eq!(Manner::read(words), Err(word.into()));
        }
    }
}
