//! The lines of `rt_tables` files, read as iproute2 reads them.
//!
//! The peculiarities are iproute2's, measured on 6.1 and 6.15: of several IDs that one name has,
//! the one smallest modulo 256 counts, and among equals of those the last one read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::routing::{TableId, TableName};
use crate::text::fnv1a;

/// The names of all files together, by ID and by name: a run may ask for those of thousands of
/// interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tables {
    /// The IDs that lines give a name, in the order in which they are read, each with the place of
    /// its file in `files`.
    ids: BTreeMap<String, Vec<(TableId, usize)>>,
    /// The names that lines give an ID, in that order.
    names: BTreeMap<TableId, Vec<String>>,
    files: Vec<PathBuf>,
}

impl Tables {
    /// Adds the lines of a file, and returns the numbers of those that are malformed: there `ip`
    /// stops reading the file.
    pub fn add(&mut self, file: &Path, text: &[u8]) -> Vec<usize> {
        let mut malformed = Vec::new();
        let place = self.files.len();
        self.files.push(file.to_owned());
        let text = [text, b"\n"].concat();
        let (mut number, mut rest) = (0, text.as_slice());
        while let Some((line, next)) = read_line(rest) {
            number += 1;
            match line {
                NameLine::Entry(id, name) => {
                    self.insert(id, String::from_utf8_lossy(name).into_owned(), place);
                }
                NameLine::Nothing => {}
                NameLine::Malformed => malformed.push(number),
            }
            rest = next;
        }
        malformed
    }

    /// Adds a name as if a file had it.
    pub fn add_name(&mut self, file: &Path, id: TableId, name: &TableName) {
        let place = self.files.len();
        self.files.push(file.to_owned());
        self.insert(id, name.to_string(), place);
    }

    fn insert(&mut self, id: TableId, name: String, place: usize) {
        self.names.entry(id).or_default().push(name.clone());
        self.ids.entry(name).or_default().push((id, place));
    }

    /// The ID that `ip` takes a name for.
    pub fn id(&self, name: &TableName) -> Option<TableId> {
        // Of equal keys min_by_key returns the first, which in reverse is the last one read.
        self.ids(name).rev().min_by_key(|id| id.number() % 256)
    }

    /// All IDs that lines give a name, in the order in which they are read.
    pub fn ids(&self, name: &TableName) -> impl DoubleEndedIterator<Item = TableId> + '_ {
        self.given(name).iter().map(|(id, _)| *id)
    }

    fn given(&self, name: &TableName) -> &[(TableId, usize)] {
        self.ids.get(name.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The names that lines give an ID, in the order in which they are read.
    pub fn names(&self, id: TableId) -> impl Iterator<Item = &str> {
        let names = self.names.get(&id).into_iter().flatten();
        names.map(String::as_str)
    }

    /// The file that gives a name its ID, the last one where several do.
    pub fn file(&self, name: &TableName, id: TableId) -> Option<&Path> {
        let mut given = self.given(name).iter().rev();
        let (_, file) = given.find(|(given, _)| *given == id)?;
        self.files.get(*file).map(PathBuf::as_path)
    }
}

/// What one quick reading of the files tells of one name: enough where nothing is wrong with them.
/// To say what is wrong takes all their lines, as [`Tables`].
#[derive(Debug)]
pub struct Glance<'a> {
    name: &'a TableName,
    /// The IDs that lines give it.
    own: Vec<TableId>,
    /// Those that lines give other names.
    others: Vec<TableId>,
    /// Whether something could not be read or understood.
    incomplete: bool,
    /// The files, with their lengths in bytes.
    files: Vec<(PathBuf, u64)>,
}

impl<'a> Glance<'a> {
    /// A glance for a name, with nothing seen yet.
    pub fn of(name: &'a TableName) -> Self {
        Self {
            name,
            own: Vec::new(),
            others: Vec::new(),
            incomplete: false,
            files: Vec::new(),
        }
    }

    /// Sees the lines that end in a text, and returns how many bytes these are.
    pub fn see(&mut self, text: &[u8]) -> usize {
        let mut rest = text;
        // The quick reader first: where there are thousands of lines, they are ours.
        while let Some((line, next)) = read_own_line(rest).or_else(|| read_line(rest)) {
            match line {
                NameLine::Entry(id, name) if name == self.name.as_str().as_bytes() => {
                    self.own.push(id);
                }
                NameLine::Entry(id, _) => self.others.push(id),
                NameLine::Nothing => {}
                NameLine::Malformed => self.note_unreadable(),
            }
            rest = next;
        }
        text.len() - rest.len()
    }

    /// Notes a file whose lines have been seen, and its length in bytes.
    pub fn note_file(&mut self, file: &Path, length: u64) {
        self.files.push((file.to_owned(), length));
    }

    /// Notes that there is something that cannot be read.
    pub fn note_unreadable(&mut self) {
        self.incomplete = true;
    }

    /// The name's ID, if one line gives it and no other line has that ID.
    pub fn known(&self) -> Option<TableId> {
        match self.own.as_slice() {
            [id] if !self.incomplete && !self.has(*id) => Some(*id),
            _ => None,
        }
    }

    /// Whether no line has the name.
    pub fn is_new(&self) -> bool {
        !self.incomplete && self.own.is_empty()
    }

    /// Takes the IDs that other names have from a whole reading, where the glance was not enough.
    pub fn learn(&mut self, tables: &Tables) {
        self.others = tables.names.keys().copied().collect();
    }

    /// Whether a line gives another name this ID.
    pub fn has(&self, id: TableId) -> bool {
        self.others.contains(&id)
    }

    /// The length that a file had, in bytes.
    pub fn length(&self, file: &Path) -> Option<u64> {
        let seen = self.files.iter().find(|(seen, _)| seen == file)?;
        Some(seen.1)
    }
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
enum NameLine<'a> {
    Entry(TableId, &'a [u8]),
    Nothing,
    Malformed,
}

/// The first line of a text if it is as [`rt_tables_line`] writes one, in few steps, and the text behind it.
fn read_own_line(text: &[u8]) -> Option<(NameLine<'_>, &[u8])> {
    let mut bytes = text.iter();
    let mut id = 0_u32;
    let behind = loop {
        let byte = *bytes.next()?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break byte;
        }
        id = id.wrapping_mul(10).wrapping_add(digit.into());
    };
    let named = bytes.as_slice();
    // Of more digits than these the sum may be wrong.
    let digits = text.len() - named.len() - 1;
    if behind != b'\t' || !(1..=9).contains(&digits) {
        return None;
    }
    // Whatever separates words or ends a line is no larger byte.
    let length = named.iter().position(|byte| *byte <= b' ')?;
    let (name, marked) = named.split_at_checked(length)?;
    let (mark, next) = marked.split_first_chunk::<{ MARK.len() }>()?;
    let is_own = mark == MARK.as_bytes() && !name.is_empty();
    is_own.then_some((NameLine::Entry(TableId::numbered(id), name), next))
}

/// The first line of a text, and the text behind it; `None` where no line ends.
///
/// A line is a decimal or 0x number and a word; what follows is not looked at. `ip` ignores IDs that
/// do not fit 31 bits, the largest it can name.
fn read_line(text: &[u8]) -> Option<(NameLine<'_>, &[u8])> {
    let line = without(text, |byte| matches!(byte, b' ' | b'\t'));
    let (radix, rest) = match line {
        [b'0', b'x', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'+', rest @ ..] => (10, rest),
        _ => (10, line),
    };
    let (negative, mut rest) = match rest {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, rest),
    };
    let (mut id, mut is_number) = (0_u32, false);
    while let [byte, behind @ ..] = rest {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' | b'A'..=b'F' if radix == 16 => (byte | 0x20) - b'a' + 10,
            _ => break,
        };
        id = id.saturating_mul(radix).saturating_add(digit.into());
        (is_number, rest) = (true, behind);
    }
    let name = without(rest, |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\x0c'));
    let behind = without(name, |byte| !byte.is_ascii_whitespace());
    let name = name.get(..name.len() - behind.len()).unwrap_or_default();
    let next = behind.get(behind.iter().position(|byte| *byte == b'\n')? + 1..)?;
    let said = if matches!(line, [b'#' | b'\n' | 0, ..]) {
        NameLine::Nothing
    } else if !is_number || name.is_empty() {
        NameLine::Malformed
    } else if negative || id > LARGEST_NAMED.number() {
        NameLine::Nothing
    } else {
        NameLine::Entry(TableId::numbered(id), name)
    };
    Some((said, next))
}

/// A text without such bytes at its beginning.
fn without(mut text: &[u8], is_such: impl Fn(u8) -> bool) -> &[u8] {
    while let [byte, rest @ ..] = text {
        if !is_such(*byte) {
            break;
        }
        text = rest;
    }
    text
}

/// The largest ID that `ip` reads a name for.
pub const LARGEST_NAMED: TableId = TableId::numbered(i32::MAX as u32);

/// What a line of ours ends in.
const MARK: &str = "\t# ifupdown-policy-table\n";

/// The line that names a table, marked as ours.
pub fn rt_tables_line(id: TableId, name: &TableName) -> String {
    format!("{id}\t{name}{MARK}")
}

/// The ID that a new name gets, before it is known whether it is free: 20000 and the name's
/// hash modulo 10000, so that a name has the same ID on every host.
pub fn derived_id(name: &TableName) -> TableId {
    TableId::numbered(20_000 + fnv1a(name.as_str()) % 10_000)
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
        tables(text).id(&name.parse().unwrap()).map(TableId::number)
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
    fn the_quick_reader_takes_lines_of_ours_alone_and_as_the_other_one_does() {
        for (text, is_own) in [
            ("20000\tfoo", true),
            ("0020000\tfoo", true),
            ("999999999\tx#y", true),
            ("0\t\u{e4}", true),
            ("1000000000\tfoo", false),
            ("4294967296\tfoo", false),
            ("20000 foo", false),
            ("20000\tfoo bar", false),
            ("20000\tfoo\u{b}", false),
            ("20000\t", false),
            ("\tfoo", false),
            ("-1\tfoo", false),
            ("0x10\tfoo", false),
            ("#\tfoo", false),
            ("", false),
        ] {
            for end in [
                MARK,
                "\n",
                "\t# ifupdown-policy-table",
                "\t# ifupdown-policy-tables\n",
            ] {
                let text = format!("{text}{end}100 next\n");
                let quick = read_own_line(text.as_bytes());
                assert_eq!(quick.is_some(), is_own && end == MARK, "{text:?}");
                let other = read_line(text.as_bytes());
                assert!(quick.is_none() || quick == other, "{text:?}");
            }
        }
    }

    #[test]
    fn malformed_lines_are_told_by_number_and_do_not_hide_the_rest() {
        let mut tables = Tables::default();
        let malformed = tables.add(Path::new("a"), b"6 above\nfoo 100\n\n# c\n100\n7 below");
        assert_eq!(malformed, [2, 5]);
        assert_eq!(
            tables.id(&"below".parse().unwrap()),
            Some(TableId::numbered(7))
        );
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
        assert!((20_000..30_000).contains(&derived_id(&name).number()));
        assert_eq!(
            tables(&rt_tables_line(TableId::numbered(7), &name)).id(&name),
            Some(TableId::numbered(7))
        );
    }
}
