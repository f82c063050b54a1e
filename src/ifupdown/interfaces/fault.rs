//! What ifupdown refuses in an interfaces(5) file.

use thiserror::Error;

use super::methods::{families, methods};
use crate::ifupdown::Caller;
use crate::text::Shown;

/// How many interfaces a range may stand for.
pub const MOST_IN_RANGE: u32 = 4096;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Which of the lines of its `Text`.
    pub line: usize,
    /// The number that ifupdown names: that of the last line in the file.
    pub number: usize,
    /// The line in the file and the column at which it shows, in characters from 1.
    pub place: (usize, usize),
    /// Whether the program reads no further: Debian's ifupdown in that file, the others at all.
    pub stops: bool,
    pub kind: FaultKind,
}

/// What ifupdown 0.8.41 and 0.8.44 refuse, then what they ignore, and last what the others have
/// against a file.
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
    /// `source` or `allow-` alone, at which ifupdown2 ends.
    #[error("there is no name behind it")]
    NoNames,
    /// A family that ifupdown2 does not know, with which it drops the method.
    #[error(
        "'{}' is no address family that ifupdown2 knows (inet, inet6); it takes none, and no method",
        Shown(.family)
    )]
    OtherFamily { family: String },
    /// A range that no host has the interfaces for.
    #[error("'{}' stands for more than {MOST_IN_RANGE} interfaces and is not read", Shown(.name))]
    Range { name: String },
}

impl FaultKind {
    /// Whether a program reads no further.
    pub fn stops(&self, caller: Caller) -> bool {
        match caller {
            Caller::Ifupdown => !matches!(self, Self::Extra { .. }),
            // It raises an exception.
            Caller::Ifupdown2 => matches!(self, Self::NoName | Self::NoNames),
            Caller::IfupdownNg => false,
        }
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
