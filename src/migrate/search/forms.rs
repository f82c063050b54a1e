//! The forms that the options of a stanza can take, whatever they have to do.

use crate::routing::TableId;

/// A form that the options of a stanza can take.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The table of `policy-table`.
    pub table: Option<TableId>,
    /// `policy-source`; `None` where all rules are lines.
    pub source: Option<&'static str>,
    /// `policy-mode`.
    pub mode: &'static str,
    /// Whether the default route is a line.
    pub default_line: bool,
    /// Whether rules get the number that the kernel would have chosen.
    pub numbered: bool,
    /// Whether rules stand in the order of the lines, and not in that in which they are tried.
    pub as_written: bool,
}

/// All forms for some tables, the shortest to write first.
pub fn all_forms(tables: &[TableId]) -> Vec<Form> {
    const DERIVED: [(Option<&str>, &str); 4] = [
        (Some("address"), "strict"),
        (Some("subnet"), "strict"),
        (Some("address"), "main"),
        (Some("subnet"), "main"),
    ];
    const BY_LINES: [(Option<&str>, &str); 1] = [(None, "strict")];
    const CHOICES: [(bool, bool); 4] = [(false, true), (true, true), (false, false), (true, false)];
    let mut forms = Vec::new();
    for numbered in [false, true] {
        for sources in [DERIVED.as_slice(), BY_LINES.as_slice()] {
            for table in tables {
                for (source, mode) in sources {
                    forms.extend(CHOICES.map(|(default_line, as_written)| Form {
                        table: Some(*table),
                        source: *source,
                        mode,
                        default_line,
                        numbered,
                        as_written,
                    }));
                }
            }
        }
        forms.extend([true, false].map(|as_written| Form {
            table: None,
            source: None,
            mode: "strict",
            default_line: true,
            numbered,
            as_written,
        }));
    }
    forms
}
