//! What ifupdown refuses in an interfaces(5) file.

use thiserror::Error;

use super::methods::{families, methods};
use crate::text::Shown;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Which of the lines of its `Text`.
    pub line: usize,
    /// The number that ifupdown names: that of the last line in the file.
    pub number: usize,
    /// The line in the file and the column at which it shows, in characters from 1.
    pub place: (usize, usize),
    pub kind: FaultKind,
}

/// What ifupdown 0.8.41 and 0.8.44 refuse, and last what they ignore.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaultKind {
    /// `iface` alone.
    #[error("'iface' without a name: expected 'iface NAME FAMILY METHOD'")]
    NoName,
    /// Not one of the families.
    #[error(
        "no address family that ifupdown knows ({}), and no 'inherits'",
        families()
    )]
    NoFamily,
    /// Not one of the family's methods.
    #[error(
        "no method that ifupdown knows for {family} ({}), and no 'inherits'",
        methods(family)
    )]
    NoMethod { family: String },
    /// `inherits` alone.
    #[error("'inherits' without a name")]
    NoParent,
    /// `inherits` of a name of which there is no stanza above.
    #[error("no stanza '{}' to inherit from above this line", Shown(.name))]
    UnknownParent { name: String },
    /// An option without a value.
    #[error("option '{}' has no value", Shown(.name))]
    NoValue { name: String },
    /// A second `script`.
    #[error("a second 'script' in one mapping")]
    SecondScript,
    /// A line that belongs to no stanza, or an option that a mapping does not have.
    #[error("'{}' belongs to no stanza here", Shown(.word))]
    Misplaced { word: String },
    /// Too much on an `iface` line: ignored.
    #[error("'{}' on an 'iface' line is not understood and ignored", Shown(.word))]
    Extra { word: String },
}

impl FaultKind {
    /// Whether ifupdown reads no further in the file.
    pub fn stops(&self) -> bool {
        !matches!(self, Self::Extra { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_safe_to_print() {
        let word = "a\u{1b}[2J\u{202e}".to_owned();
        let fault = FaultKind::Misplaced { word };
        let text = "'a\\u{1b}[2J\\u{202e}' belongs to no stanza here";
        assert_eq!(fault.to_string(), text);
    }
}
