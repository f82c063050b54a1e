//! What `check` finds: its number, how grave it is, where it stands, and how it is printed.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::ifupdown::interfaces::{is_blank, LogicalLine};
use crate::text::{counted, is_hidden, Shown};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; it does not count.
    Note,
    /// It works, but perhaps not as meant.
    Warning,
    /// It does not work.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What can be found; FINDINGS in policy-table(8) explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A file cannot be read.
    Unread = 101,
    /// ifupdown refuses a line.
    Refused = 102,
    /// ifupdown ignores a word.
    Ignored = 103,
    /// An option that there is not.
    UnknownOption = 104,
    /// An option's value is wrong.
    Value = 105,
    /// A `policy-rule` or `policy-route` is wrong.
    Line = 106,
    /// Options of a stanza contradict each other, or lack one.
    Together = 107,
    /// Nothing names the router.
    Guessed = 201,
    /// The table gets no default route.
    NoDefault = 202,
    /// The router is outside the interface's network.
    Onlink = 203,
    /// Hand-written commands beside options.
    Leftover = 204,
    /// A rule before which there is no room.
    LowPriority = 205,
    /// A table that wg-quick takes for its own.
    LikeWgQuick = 206,
    /// ifupdown runs no hooks for the stanza.
    NoScripts = 207,
    /// Proxmox moves options behind a blank line to another stanza.
    BlankLine = 208,
    /// Proxmox keeps the last address of a family alone.
    LostAddress = 209,
    /// The other two bring an interface up all the same.
    NoFail = 210,
    /// ifupdown-ng takes one name behind `auto`.
    AutoOne = 211,
    /// ifupdown2 makes another file of this one.
    Templated = 212,
    /// Marks of connections beside `policy-mode strict`.
    NoHairpin = 213,
    /// One table name, two IDs.
    TwoIds = 301,
    /// One ID, two table names.
    TwoNames = 302,
    /// Two stanzas lead to one destination of one table.
    SamePlace = 303,
    /// The order of two rules is that of `ifup`.
    RuleOrder = 304,
    /// Two interfaces in one subnet.
    ArpFlux = 305,
    /// One address on two interfaces.
    SameAddress = 306,
    /// The router is this host.
    OwnGateway = 307,
    /// Two leases, one metric.
    SameMetric = 308,
    /// Two `gateway`s in the main table, one metric.
    TwoGateways = 309,
    /// Two stanzas ask for all addresses of one interface.
    AllTwice = 310,
    /// Every interface has a table, and main gets no default route.
    NoMainDefault = 311,
    /// A last resort is taken by a rule that is to pass over it.
    Stopped = 312,
    /// A last resort by rules does not hold for another stanza's.
    LetThrough = 313,
    /// A rule takes the mark of a stanza for another one.
    MarkClash = 314,
    /// The reverse path filter drops what comes in.
    ReversePath = 401,
    /// systemd-networkd removes rules.
    Networkd = 402,
    /// `ip` does not understand a line of `rt_tables`.
    TableFile = 403,
    /// `rt_tables` contradicts the stanza.
    TableId = 404,
    /// The table has routes of others.
    ForeignRoutes = 405,
    /// There is no such device.
    NoDevice = 406,
    /// The kernel has no policy routing.
    NoRules = 407,
    /// A rule of somebody else comes first.
    InFront = 408,
    /// Addresses that no rule is about.
    Unserved = 409,
    /// Networks that `policy-mode strict` cuts off.
    CutOff = 410,
    /// An example of this package is installed.
    Example = 411,
    /// As `Stopped`, by a route that is there and that no stanza has.
    StoppedHere = 412,
    /// A rule of somebody else's comes first for a part of the packets.
    InFrontOfPart = 413,
    /// As `MarkClash`, by a rule of somebody else's.
    MarkClashHere = 414,
    /// Connections cannot be marked.
    NoNft = 415,
}

impl Code {
    pub const ALL: [Self; 49] = [
        Self::Unread,
        Self::Refused,
        Self::Ignored,
        Self::UnknownOption,
        Self::Value,
        Self::Line,
        Self::Together,
        Self::Guessed,
        Self::NoDefault,
        Self::Onlink,
        Self::Leftover,
        Self::LowPriority,
        Self::LikeWgQuick,
        Self::NoScripts,
        Self::BlankLine,
        Self::LostAddress,
        Self::NoFail,
        Self::AutoOne,
        Self::Templated,
        Self::NoHairpin,
        Self::TwoIds,
        Self::TwoNames,
        Self::SamePlace,
        Self::RuleOrder,
        Self::ArpFlux,
        Self::SameAddress,
        Self::OwnGateway,
        Self::SameMetric,
        Self::TwoGateways,
        Self::AllTwice,
        Self::NoMainDefault,
        Self::Stopped,
        Self::LetThrough,
        Self::MarkClash,
        Self::ReversePath,
        Self::Networkd,
        Self::TableFile,
        Self::TableId,
        Self::ForeignRoutes,
        Self::NoDevice,
        Self::NoRules,
        Self::InFront,
        Self::Unserved,
        Self::CutOff,
        Self::Example,
        Self::StoppedHere,
        Self::InFrontOfPart,
        Self::MarkClashHere,
        Self::NoNft,
    ];

    pub fn severity(self) -> Severity {
        match self {
            Self::Unread
            | Self::Refused
            | Self::UnknownOption
            | Self::Value
            | Self::Line
            | Self::Together
            | Self::TwoIds
            | Self::TwoNames
            | Self::TableId
            | Self::NoRules => Severity::Error,
            Self::Templated
            | Self::NoHairpin
            | Self::NoDevice
            | Self::CutOff
            | Self::Example
            | Self::InFrontOfPart => Severity::Note,
            _ => Severity::Warning,
        }
    }
}

/// `PT101`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PT{}", *self as u16)
    }
}

/// Where a text stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// The line as written.
    pub source: String,
    /// How many characters are meant.
    pub width: usize,
}

impl Span {
    /// The place of some bytes in the text of a line.
    pub fn of(path: &Path, line: &LogicalLine, at: usize, length: usize) -> Self {
        let bytes = line.text.get(at..).unwrap_or_default();
        let bytes = bytes.get(..length).unwrap_or(bytes);
        Self::at(path, line, line.place(at), text(bytes).chars().count())
    }

    /// The place of the word at a line and column of the file.
    pub fn of_word(path: &Path, line: &LogicalLine, place: (usize, usize)) -> Self {
        let source = text(line.physical(place.0));
        let word = source.chars().skip(place.1.saturating_sub(1));
        let word = word.take_while(|c| !u8::try_from(*c).is_ok_and(is_blank));
        Self::at(path, line, place, word.count())
    }

    fn at(path: &Path, line: &LogicalLine, (number, column): (usize, usize), width: usize) -> Self {
        let source = text(line.physical(number));
        let source = source.trim_end_matches('\r').to_owned();
        // What is meant may go on in the next line.
        let left = (source.chars().count() + 1).saturating_sub(column);
        Self {
            path: path.to_owned(),
            line: number,
            column,
            source,
            width: width.min(left).max(1),
        }
    }

    /// The line, and below it a caret and tildes under what is meant; nothing for a line that no
    /// terminal shows whole.
    fn shown(&self) -> Option<String> {
        const LONGEST: usize = 500;
        if self.source.chars().count() > LONGEST {
            return None;
        }
        let safe = |c| {
            if is_hidden(c) && c != '\t' {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        let source: String = self.source.chars().map(safe).collect();
        let before = self.source.chars().take(self.column.saturating_sub(1));
        let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let tildes = "~".repeat(self.width.saturating_sub(1));
        Some(format!("{source}\n{indent}^{tildes}"))
    }
}

/// `FILE:LINE`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Shown(&self.path.to_string_lossy()), self.line)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    /// Where it shows, if in a file of interfaces(5).
    pub place: Option<Span>,
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding at a place.
    pub fn at(code: Code, place: Span, text: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            ..Self::new(code, text)
        }
    }

    /// A finding that is not of one place.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            place: None,
            text: text.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// For people: `file:line:column: error: text [PT101]`, the line with a caret, and the hint.
    pub fn told(&self, coloured: bool) -> String {
        let place = self.place.as_ref();
        let at = place.map(|place| format!("{place}:{}: ", place.column));
        let severity = self.code.severity();
        let colour = match severity {
            Severity::Error => "31",
            Severity::Warning => "33",
            Severity::Note => "36",
        };
        let severity = if coloured {
            format!("\x1b[{colour}m{severity}:\x1b[0m")
        } else {
            format!("{severity}:")
        };
        let at = at.unwrap_or_default();
        let mut told = format!("{at}{severity} {} [{}]\n", self.text, self.code);
        let hint = self.hint.as_ref().map(|hint| format!("hint: {hint}"));
        for more in place.and_then(Span::shown).into_iter().chain(hint) {
            told += &more;
            told.push('\n');
        }
        told
    }
}

/// How many there are of each severity, in a line: `2 errors, 1 warning`.
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity| {
        let of = findings.iter().filter(|f| f.code.severity() == severity);
        let (count, one) = (of.count(), severity.to_string());
        (count > 0).then(|| counted(count, &one, &format!("{one}s")))
    };
    let all = [Severity::Error, Severity::Warning, Severity::Note];
    let counts: Vec<String> = all.into_iter().filter_map(count).collect();
    if counts.is_empty() {
        "no findings".to_owned()
    } else {
        counts.join(", ")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_and_each_there_once() {
        let numbers: Vec<u16> = Code::ALL.iter().map(|code| *code as u16).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(Code::Unread.to_string(), "PT101");
    }

    #[test]
    fn the_caret_counts_characters_and_keeps_tabs() {
        let line = LogicalLine::all("\t\u{fc}\u{4e2d}\tb\x1bad  \r\n".as_bytes());
        let at = "\u{fc}\u{4e2d}\t".len();
        let place = Span::of(Path::new("f"), &line[0], at, 4);
        assert_eq!((place.line, place.column), (1, 5));
        let told = Finding::at(Code::Value, place, "x").hint("y").told(false);
        let expected =
            "f:1:5: error: x [PT105]\n\t\u{fc}\u{4e2d}\tb\u{fffd}ad  \n\t  \t^~~~\nhint: y\n";
        assert_eq!(told, expected);
        let red = Finding::new(Code::Value, "x").told(true);
        assert_eq!(red, "\x1b[31merror:\x1b[0m x [PT105]\n");
    }

    #[test]
    fn the_caret_stays_in_the_line_that_a_continuation_ends() {
        let line = LogicalLine::all(b"a one\\\ntwo");
        let place = Span::of(Path::new("f"), &line[0], 2, 100);
        assert_eq!((place.line, place.column, place.width), (1, 3, 4));
        let place = Span::of(Path::new("f"), &line[0], 5, 3);
        assert_eq!((place.line, place.column, place.width), (2, 1, 3));
    }

    #[test]
    fn what_was_found_is_counted() {
        let one = |code| Finding::new(code, "");
        assert_eq!(summary(&[]), "no findings");
        let all = [Code::Value, Code::Line, Code::Guessed, Code::NoDevice].map(one);
        assert_eq!(summary(&all), "2 errors, 1 warning, 1 note");
    }
}
