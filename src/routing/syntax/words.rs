//! Reading a line of `ip` syntax word by word, and the error that says what is wrong with it.
//! Routes and rules are read with these; nothing here knows what they are.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::routing::{parse_number, Family, InterfaceName, Prefix, TableId, WordError};
use crate::text::{nearest, Hint, Shown};

/// Why a line is no route or rule. Each message names the word as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// The line ends where a value should stand.
    #[error("\"{0}\" needs a value")]
    Missing(String),
    /// A value that its keyword does not take.
    #[error("\"{}\": expected {expected}", Pair(.keyword, .value))]
    Value {
        /// The keyword in front of it.
        keyword: String,
        /// The value as written.
        value: String,
        /// What may stand there.
        expected: String,
    },
    /// A prefix or name that is wrong in itself.
    #[error("\"{}\": {source}", Pair(.keyword, .value))]
    Word {
        /// The keyword in front of it.
        keyword: String,
        /// The value as written.
        value: String,
        /// What is wrong with it.
        #[source]
        source: WordError,
    },
    /// No keyword of this object.
    #[error("{}{}", self.statement(), Hint(.nearest.as_deref()))]
    Unknown {
        /// The word as written.
        word: String,
        /// The keyword that it resembles.
        nearest: Option<String>,
    },
    /// The beginning of a command, which is not part of the line.
    #[error("\"{0}\": write only what follows \"ip rule add\" or \"ip route add\"")]
    Command(String),
    /// Words that cannot stand together.
    #[error("{0}")]
    Contradiction(String),
}

/// A keyword and its value; the destination of a route is both in one word.
struct Pair<'a>(&'a str, &'a str);

impl fmt::Display for Pair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(keyword, value) = self;
        if keyword != value {
            write!(f, "{} ", Shown(keyword))?;
        }
        Shown(value).fmt(f)
    }
}

impl LineError {
    /// The error about a name that no table has.
    pub fn unknown_table(name: &str) -> Self {
        Self::Value {
            keyword: "table".to_owned(),
            value: name.to_owned(),
            expected: TABLE.to_owned(),
        }
    }

    /// The error about a word that is none of the known ones.
    pub fn unknown(word: &str, known: &[&str]) -> Self {
        match word {
            "ip" | "add" | "append" | "prepend" | "replace" | "change" | "del" | "delete" => {
                Self::Command(word.to_owned())
            }
            _ => Self::Unknown {
                word: word.to_owned(),
                nearest: nearest(word, known),
            },
        }
    }

    /// What is wrong, without the suggestion that the whole message ends with.
    pub fn statement(&self) -> String {
        match self {
            Self::Unknown { word, .. } => format!("unknown word \"{}\"", Shown(word)),
            error => error.to_string(),
        }
    }

    /// The keyword that may have been meant.
    pub fn nearest(&self) -> Option<&str> {
        match self {
            Self::Unknown { nearest, .. } => nearest.as_deref(),
            _ => None,
        }
    }
}

/// What may stand behind `table` and `lookup`.
const TABLE: &str = "a table name that is known, or an ID of 1 to 4294967295";

/// Whether `word` is `full` or a beginning of it, as iproute2 abbreviates most keywords.
pub fn abbreviates(word: &str, full: &str) -> bool {
    !word.is_empty() && full.starts_with(word)
}

/// The words of a line, and the keyword last read, which errors name.
pub struct Words<'a> {
    rest: std::str::SplitWhitespace<'a>,
    keyword: &'a str,
}

impl<'a> Words<'a> {
    /// Splits a line at white space.
    pub fn new(line: &'a str) -> Self {
        Self {
            rest: line.split_whitespace(),
            keyword: "",
        }
    }

    /// The next keyword, or the end of the line. One that is repeated counts as `ip` has it: the
    /// last one does.
    pub fn keyword(&mut self) -> Option<&'a str> {
        self.keyword = self.rest.next()?;
        Some(self.keyword)
    }

    /// Goes on to the next keyword if it is one of a kind, which `take` says.
    pub fn keyword_if(&mut self, take: impl Fn(&str) -> bool) -> bool {
        let next = self.value_if(take);
        self.keyword = next.unwrap_or(self.keyword);
        next.is_some()
    }

    /// The keyword last read.
    pub fn last(&self) -> &'a str {
        self.keyword
    }

    /// The value of the keyword just read.
    pub fn value(&mut self) -> Result<&'a str, LineError> {
        self.rest
            .next()
            .ok_or_else(|| LineError::Missing(self.keyword.to_owned()))
    }

    /// The value that follows if it is one of a kind, which `take` says; else nothing is read.
    pub fn value_if(&mut self, take: impl Fn(&str) -> bool) -> Option<&'a str> {
        let mut ahead = self.rest.clone();
        let word = ahead.next().filter(|word| take(word))?;
        self.rest = ahead;
        Some(word)
    }

    /// An error about a value of the keyword just read.
    pub fn wrong(&self, value: &str, expected: &str) -> LineError {
        LineError::Value {
            keyword: self.keyword.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// The value of the keyword just read, through any reader.
    pub fn parsed<T>(
        &mut self,
        expected: &str,
        mut read: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, LineError> {
        let value = self.value()?;
        read(value).ok_or_else(|| self.wrong(value, expected))
    }

    /// The name of a rule's interface, which need not be there. The kernel keeps rules by the name,
    /// and has no room for a longer one.
    pub fn interface(&mut self) -> Result<InterfaceName, LineError> {
        let expected = "an interface name of 1 to 15 characters";
        self.parsed(expected, |text| {
            let name = text.parse().ok();
            name.filter(|name: &InterfaceName| !name.is_long())
        })
    }

    /// The name of a route's device, any that it has: routes are kept by the number.
    pub fn device(&mut self) -> Result<InterfaceName, LineError> {
        let expected = "an interface name of 1 to 127 characters";
        self.parsed(expected, |text| text.parse().ok())
    }

    /// A number of 32 bits.
    pub fn number(&mut self) -> Result<u32, LineError> {
        self.parsed("a number of 0 to 4294967295", parse_number)
    }

    /// A prefix, or `None` for the word that stands for all addresses.
    /// Errors: no value, no prefix, host bits, or the wrong family.
    pub fn prefix(&mut self, family: &mut Option<Family>) -> Result<Option<Prefix>, LineError> {
        let value = self.value()?;
        self.as_prefix(value, family)
    }

    /// As [`Words::prefix`], of a word already read.
    /// Errors: no prefix, host bits, or the wrong family.
    pub fn as_prefix(
        &self,
        value: &str,
        family: &mut Option<Family>,
    ) -> Result<Option<Prefix>, LineError> {
        if matches!(value, "all" | "any" | "default") {
            return Ok(None);
        }
        let prefix: Prefix = padded(value).parse().map_err(|source| LineError::Word {
            keyword: self.keyword.to_owned(),
            value: value.to_owned(),
            source,
        })?;
        self.settle(family, prefix.family(), value)?;
        Ok(Some(prefix).filter(|prefix| !prefix.is_any()))
    }

    /// Holds a line to one family: the first address decides where nothing did before.
    /// Errors: the value is of the other family.
    pub fn settle(
        &self,
        family: &mut Option<Family>,
        of_value: Family,
        value: &str,
    ) -> Result<(), LineError> {
        match *family.get_or_insert(of_value) {
            settled if settled == of_value => Ok(()),
            settled => Err(self.wrong(value, &format!("an {} address here", settled.name()))),
        }
    }

    /// A table by ID or name; `names` knows the names beside the kernel's own.
    /// Errors: no value, or a name that nobody knows.
    pub fn table<Table: From<TableId>>(
        &mut self,
        names: TableNames<'_, Table>,
    ) -> Result<Table, LineError> {
        self.parsed(TABLE, |text| match text {
            "default" => Some(TableId::DEFAULT.into()),
            "main" => Some(TableId::MAIN.into()),
            "local" => Some(TableId::LOCAL.into()),
            // The kernel takes another table for table 0: main, or for a rule one of its choice.
            _ => match parse_number(text) {
                Some(0) => None,
                Some(id) => Some(TableId::numbered(id).into()),
                None => names(text),
            },
        })
    }
}

/// An IPv4 network with the zeros that `ip` lets people leave out at its end: `10/8`.
fn padded(prefix: &str) -> Cow<'_, str> {
    let Some((address, length)) = prefix.split_once('/') else {
        return Cow::Borrowed(prefix);
    };
    let dots = address.bytes().filter(|byte| *byte == b'.').count();
    let ends_in_number = address.ends_with(|c: char| c.is_ascii_digit());
    if dots >= 3 || !ends_in_number || address.contains(|c| c != '.' && !char::is_ascii_digit(&c)) {
        return Cow::Borrowed(prefix);
    }
    Cow::Owned(format!("{address}{}/{length}", ".0".repeat(3 - dots)))
}

/// What stands for a table of that name: its number, or the name itself where that comes later.
pub type TableNames<'a, Table = TableId> = &'a dyn Fn(&str) -> Option<Table>;

/// For lines that name tables by ID alone, as records do.
pub fn no_names(_: &str) -> Option<TableId> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_may_be_left_out_at_the_end_of_a_network() {
        for (text, full) in [
            ("10/8", "10.0.0.0/8"),
            ("172.16/12", "172.16.0.0/12"),
            ("0/0", "0.0.0.0/0"),
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("10", "10"),
            ("/8", "/8"),
            ("10./8", "10./8"),
            ("fe80::/64", "fe80::/64"),
        ] {
            assert_eq!(padded(text), full);
        }
    }

    #[test]
    fn a_line_keeps_to_one_family() {
        let mut words = Words::new("from 192.0.2.1 to 2001:db8::1");
        let mut family = None;
        assert_eq!(words.keyword(), Some("from"));
        assert_eq!(words.prefix(&mut family).unwrap(), "192.0.2.1".parse().ok());
        assert_eq!(words.keyword(), Some("to"));
        let error = words.prefix(&mut family).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"to 2001:db8::1\": expected an IPv4 address here"
        );
        assert_eq!(words.value(), Err(LineError::Missing("to".to_owned())));
    }
}
