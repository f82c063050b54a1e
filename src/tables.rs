//! The text of `rt_tables` files, read as iproute2 reads it. Floor 1, pure.
//!
//! The peculiarities are iproute2's, measured on 6.1 and 6.15: of several IDs that one name
//! has, the one smallest modulo 256 counts, and among equals of those the last one read.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::table::{TableId, TableName};

/// One line that names a table, and the place of its file among those read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: TableId,
    /// Where its name is in the text of all names.
    name: Range<usize>,
    file: usize,
}

/// The names of all files together, in the order in which they are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    entries: Vec<Entry>,
    /// The names one behind the other: with thousands of them, a text for each would cost an up
    /// more than all the rest.
    text: String,
    files: Vec<PathBuf>,
}

impl Tables {
    /// Adds the lines of a file, and returns the numbers of those that are malformed: there `ip`
    /// stops reading the file.
    pub fn add(&mut self, file: &Path, text: &[u8]) -> Vec<usize> {
        let mut malformed = Vec::new();
        let place = self.files.len();
        self.files.push(file.to_owned());
        let text = String::from_utf8_lossy(text);
        for (number, line) in text.split('\n').enumerate() {
            match read_line(line) {
                Line::Entry(id, name) => {
                    let start = self.text.len();
                    self.text.push_str(name);
                    self.entries.push(Entry {
                        id: TableId(id),
                        name: start..self.text.len(),
                        file: place,
                    });
                }
                Line::Nothing => {}
                Line::Malformed => malformed.push(number + 1),
            }
        }
        malformed
    }

    fn name(&self, entry: &Entry) -> &str {
        self.text.get(entry.name.clone()).unwrap_or_default()
    }

    /// The ID that `ip` takes a name for.
    #[must_use]
    pub fn id(&self, name: &TableName) -> Option<TableId> {
        // Of equal keys min_by_key returns the first, which in reverse is the last one read.
        self.ids(name).rev().min_by_key(|id| id.0 % 256)
    }

    /// All IDs that lines give a name, in the order in which they are read.
    #[must_use = "an iterator does nothing by itself"]
    pub fn ids<'a>(&'a self, name: &'a TableName) -> impl DoubleEndedIterator<Item = TableId> + 'a {
        self.entries
            .iter()
            .filter(|entry| self.name(entry) == name.as_str())
            .map(|entry| entry.id)
    }

    /// The names that lines give an ID.
    pub fn names(&self, id: TableId) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(move |entry| entry.id == id)
            .map(|entry| self.name(entry))
    }

    /// The file that gives a name its ID, the last one where several do.
    #[must_use]
    pub fn file(&self, name: &TableName, id: TableId) -> Option<&Path> {
        let gives = |entry: &&Entry| entry.id == id && self.name(entry) == name.as_str();
        let entry = self.entries.iter().rev().find(gives)?;
        self.files.get(entry.file).map(PathBuf::as_path)
    }
}

/// What a line says.
enum Line<'a> {
    Entry(u32, &'a str),
    Nothing,
    Malformed,
}

/// A decimal or 0x number and a word; what follows is not looked at. `ip` ignores IDs that do
/// not fit 31 bits, the largest it can name.
fn read_line(line: &str) -> Line<'_> {
    let line = line.trim_start_matches([' ', '\t']);
    if line.is_empty() || line.starts_with(['#', '\0']) {
        return Line::Nothing;
    }
    let (radix, rest) = match line.strip_prefix("0x") {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, rest),
        _ => (10, line.strip_prefix('+').unwrap_or(line)),
    };
    let negative = rest.starts_with('-');
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let end = rest
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(end);
    let name = rest.split_ascii_whitespace().next();
    let (false, Some(name)) = (digits.is_empty(), name) else {
        return Line::Malformed;
    };
    match u32::from_str_radix(digits, radix) {
        Ok(id) if !negative && id <= LARGEST_NAMED.0 => Line::Entry(id, name),
        _ => Line::Nothing,
    }
}

/// The largest ID that `ip` reads a name for.
pub const LARGEST_NAMED: TableId = TableId(i32::MAX as u32);

/// The line that names a table, marked as ours.
#[must_use]
pub fn line(id: TableId, name: &TableName) -> String {
    format!("{id}\t{name}\t# ifupdown-policy-table\n")
}

/// The ID that a new name gets, before it is known whether it is free: 20000 and the name's
/// hash modulo 10000, so that a name has the same ID on every host.
#[must_use]
pub fn derived_id(name: &TableName) -> TableId {
    TableId(20_000 + fnv1a(name.as_str()) % 10_000)
}

/// The FNV-1a hash of a text, of 32 bits.
#[must_use]
pub fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(text: &str) -> Tables {
        let mut tables = Tables::default();
        tables.add(Path::new("rt_tables"), text.as_bytes());
        tables
    }

    fn id(text: &str, name: &str) -> Option<u32> {
        tables(text).id(&name.parse().unwrap()).map(|id| id.0)
    }

    #[test]
    fn lines_are_read_as_iproute2_reads_them() {
        for (line, expected) in [
            ("100 foo", Some(100)),
            ("  100\tfoo\t# comment", Some(100)),
            ("100 foo #comment", Some(100)),
            ("100 foo bar", Some(100)),
            ("100foo", Some(100)),
            ("0x64 foo", Some(100)),
            ("0100 foo", Some(100)),
            ("+100 foo", Some(100)),
            ("100 foo\r", Some(100)),
            ("2147483647 foo", Some(2_147_483_647)),
            ("2147483648 foo", None),
            ("-5 foo", None),
            ("0X64 foo", None),
            ("# 100 foo", None),
            ("100", None),
            ("foo 100", None),
        ] {
            assert_eq!(id(line, "foo"), expected, "{line:?}");
        }
    }

    #[test]
    fn malformed_lines_are_told_by_number_and_do_not_hide_the_rest() {
        let mut tables = Tables::default();
        let malformed = tables.add(Path::new("a"), b"6 above\nfoo 100\n\n# c\n100\n7 below");
        assert_eq!(malformed, [2, 5]);
        assert_eq!(tables.id(&"below".parse().unwrap()), Some(TableId(7)));
        assert_eq!(
            Tables::default().add(Path::new("a"), b"1 \xff\xfe\n\xff"),
            [2]
        );
    }

    #[test]
    fn a_name_with_several_ids_is_what_ip_takes_it_for() {
        for (text, expected) in [
            ("100 foo\n200 foo", 100),
            ("200 foo\n100 foo", 100),
            ("200 foo\n300 foo", 300),
            ("255 foo\n256 foo", 256),
            ("100 foo\n356 foo", 356),
            ("356 foo\n100 foo", 100),
        ] {
            assert_eq!(id(text, "foo"), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn derived_ids_are_stable_and_our_line_reads_back() {
        let name: TableName = "rt2".parse().unwrap();
        assert_eq!(derived_id(&name), derived_id(&"rt2".parse().unwrap()));
        assert!((20_000..30_000).contains(&derived_id(&name).0));
        assert_eq!(tables(&line(TableId(7), &name)).id(&name), Some(TableId(7)));
    }
}
