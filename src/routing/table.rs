//! The numbers and names of routing tables. A name that is valid here can stand in a line of
//! `rt_tables` and be read back by `ip`.

use std::fmt;
use std::str::FromStr;

use super::address::{parse_number, WordError};
use crate::text::is_hidden;

/// The number of a routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(u32);

impl TableId {
    /// `RT_TABLE_LOCAL`.
    pub const LOCAL: Self = Self(255);

    /// `RT_TABLE_MAIN`.
    pub const MAIN: Self = Self(254);

    /// `RT_TABLE_DEFAULT`.
    pub const DEFAULT: Self = Self(253);

    /// Whatever the kernel, or a file of names, has under this number.
    pub const fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Refuses the tables that are the kernel's own, `RT_TABLE_*` of `linux/rtnetlink.h`.
    /// Errors: the ID is 0 or 253 to 255.
    pub fn of_policy(id: u32) -> Result<Self, WordError> {
        match id {
            0 | 253..=255 => Err(WordError::ReservedTable(id)),
            _ => Ok(Self(id)),
        }
    }

    /// Reads an ID that a stanza names.
    /// Errors: not a number that fits, or one of the kernel's own tables.
    pub fn parse(text: &str) -> Result<Self, WordError> {
        Self::of_policy(parse_number(text).ok_or(WordError::TableId)?)
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A table name that can stand in a line of `rt_tables` and be read back by `ip`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName(String);

impl TableName {
    /// Longest name in bytes; iproute2 reads lines of at most 511 bytes.
    pub const LONGEST: usize = 255;

    /// Names that `ip` gives a meaning of its own.
    const RESERVED: [&'static str; 6] = ["local", "main", "default", "unspec", "all", "cache"];

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TableName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        // What is no text is shown as the replacement character, and is not the same name.
        let bad = |c: char| {
            c == '#' || c == char::REPLACEMENT_CHARACTER || c.is_whitespace() || is_hidden(c)
        };
        if text.is_empty() || text.len() > Self::LONGEST || text.contains(bad) {
            return Err(WordError::TableName(Self::LONGEST));
        }
        if Self::RESERVED.contains(&text) {
            return Err(WordError::ReservedName(text.to_owned()));
        }
        if reads_as_number(text) {
            return Err(WordError::NumericName);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether strtoul(3) with base 0, which `ip` tries, would take the whole text.
fn reads_as_number(text: &str) -> bool {
    let unsigned = text.trim_start_matches(['+', '-']);
    match unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        Some(digits) => digits.chars().all(|c| c.is_ascii_hexdigit()),
        None => unsigned.chars().all(|c| c.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_ids_leave_the_kernels_own_alone() {
        assert_eq!(TableId::parse("200"), Ok(TableId(200)));
        assert_eq!(TableId::parse("0xc8"), Ok(TableId(200)));
        assert_eq!(TableId::parse("4294967295"), Ok(TableId(u32::MAX)));
        for id in ["0", "253", "254", "0xff"] {
            assert!(
                matches!(TableId::parse(id), Err(WordError::ReservedTable(_))),
                "{id}"
            );
        }
        for id in [
            "",
            "-1",
            "+1",
            "4294967296",
            "0100",
            "1e3",
            "0x",
            "0x+1",
            "12 ",
        ] {
            assert_eq!(TableId::parse(id), Err(WordError::TableId), "{id:?}");
        }
    }

    #[test]
    fn table_names_are_what_ip_can_read_back() {
        for name in ["rt2", "uplink-b", "1st", "eth0.100", "größe", "0x1g"] {
            assert!(name.parse::<TableName>().is_ok(), "{name}");
        }
        for name in TableName::RESERVED {
            assert!(matches!(
                name.parse::<TableName>(),
                Err(WordError::ReservedName(_))
            ));
        }
        for name in ["200", "0x64", "007", "-1", "+5"] {
            assert_eq!(
                name.parse::<TableName>(),
                Err(WordError::NumericName),
                "{name}"
            );
        }
        let long = "a".repeat(TableName::LONGEST + 1);
        for name in [
            "",
            "a b",
            "rt2#x",
            "a\tb",
            "a\u{0}b",
            "\u{1b}[2J",
            long.as_str(),
        ] {
            assert_eq!(
                name.parse::<TableName>(),
                Err(WordError::TableName(TableName::LONGEST)),
                "{name:?}"
            );
        }
    }
}
