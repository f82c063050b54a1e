//! What ifupdown refuses in an interfaces(5) file.

use thiserror::Error;

use super::methods::{families, methods};

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFault {
    /// Which of the text's lines.
    pub line: usize,
    /// The number that ifupdown names: that of the last line in the file.
    pub number: usize,
    /// The line in the file and the column at which it shows, in characters from 1.
    pub place: (usize, usize),
    /// What is wrong.
    pub kind: FaultKind,
}

/// What ifupdown 0.8.41 and 0.8.44 do not take.
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
    NoMethod {
        /// The family.
        family: String,
    },
    /// `inherits` alone.
    #[error("'inherits' without a name")]
    NoParent,
    /// `inherits` of a name of which there is no stanza above.
    #[error("no stanza '{name}' to inherit from above this line")]
    UnknownParent {
        /// The name.
        name: String,
    },
    /// An option without a value.
    #[error("option '{name}' has no value")]
    NoValue {
        /// The option.
        name: String,
    },
    /// A second `script`.
    #[error("a second 'script' in one mapping")]
    SecondScript,
    /// A line that belongs to no stanza, or an option that a mapping does not have.
    #[error("'{word}' belongs to no stanza here")]
    Misplaced {
        /// Its first word.
        word: String,
    },
    /// Too much on an `iface` line: ignored.
    #[error("'{word}' on an 'iface' line is not understood and ignored")]
    Extra {
        /// The word.
        word: String,
    },
}

impl FaultKind {
    /// Whether ifupdown reads no further in the file.
    pub fn stops(&self) -> bool {
        !matches!(self, Self::Extra { .. })
    }
}
