//! An `iface` stanza as it is written in one file.

use std::ffi::OsString;

/// An `iface` stanza as written: nothing is inherited yet, and no method has added its defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IfaceStanza {
    /// The logical interface's name.
    pub name: String,
    /// The address family; `None` where it is inherited.
    pub family: Option<String>,
    /// The method; `None` where it is inherited.
    pub method: Option<String>,
    /// The stanza that it inherits from.
    pub inherits: Option<String>,
    /// Others that its first line names, with ifupdown-ng.
    pub also_inherits: Vec<String>,
    /// Those that its options name, with ifupdown-ng.
    pub further_parents: Vec<String>,
    pub options: Vec<OptionLine>,
    /// The number of its first line in the file, from 1.
    pub number: usize,
    /// Whether it is there for others to inherit: a `template` of ifupdown-ng's.
    pub is_template: bool,
}

/// An option of a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionLine {
    pub name: String,
    /// The value as ifupdown takes it.
    pub value: OsString,
    /// Which of the text's lines it is.
    pub line: usize,
    /// Where in that line's text the value begins: for [`LogicalLine::place`].
    pub at: usize,
    /// The number of the line in the file in which the option begins, from 1.
    pub number: usize,
}

impl IfaceStanza {
    /// The stanzas that it inherits from.
    pub fn parents(&self) -> impl Iterator<Item = &str> {
        let further = self.also_inherits.iter().chain(&self.further_parents);
        self.inherits.iter().chain(further).map(String::as_str)
    }
}
