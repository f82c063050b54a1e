//! The options of a stanza as they stand in the file, and what can be wrong with one.

use std::fmt::{self, Write as _};

use thiserror::Error;

use crate::ifupdown::HookCall;
use crate::routing::syntax::LineError;
use crate::routing::{Family, InterfaceName, Prefix, WordError, PROTOCOL};
use crate::text::{did_you_mean, nearest, Shown};

/// The options there are.
pub const OPTIONS: [&str; 9] = [
    "policy-table",
    "policy-table-id",
    "policy-gateway",
    "policy-mode",
    "policy-source",
    "policy-priority",
    "policy-rule",
    "policy-route",
    "policy-on-error",
];

/// Options that hold lines of `ip` syntax, as many as wanted, and bear a number where an ifupdown
/// keeps one option of a name only.
const LINES: [&str; 2] = ["policy-rule", "policy-route"];

/// How many of an option's contradicting values a message shows.
const SHOWN: usize = 3;

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionFault {
    /// Not an option of ours, though its name says so.
    #[error("no such option")]
    Unknown(Option<String>),
    /// Bytes that are no text.
    #[error("the value is not UTF-8")]
    NotText,
    /// No value.
    #[error("the value is empty")]
    Empty,
    /// interfaces(5) knows comments on lines of their own only.
    #[error(
        "interfaces(5) has no comments behind a value, all of it arrived here; \
         put the comment on a line of its own"
    )]
    Comment,
    /// Given twice.
    #[error("given more than once with different values: {0}")]
    Repeated(String),
    /// An option that only says something about the table of `policy-table`.
    #[error("it needs policy-table in the same stanza")]
    NeedsTable,
    /// `policy-table 200` says the ID already.
    #[error("policy-table is a number here, which is the ID; remove one of the two")]
    IdTwice,
    /// A word that is wrong in itself.
    #[error(transparent)]
    Word(#[from] WordError),
    /// A line that is no rule or route.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A rule that says nothing of what it does, and no table to look up instead.
    #[error("it needs an action such as \"lookup TABLE\", or policy-table in the same stanza")]
    NeedsAction,
    /// A tag that would make the object somebody else's.
    #[error("it names a protocol; what this stanza puts in bears policy-table's own, {PROTOCOL}: leave it out")]
    Protocol,
    /// A route that would stand behind another one of the same stanza for ever.
    #[error(
        "it has the same destination and metric as \"{}\"; give one of them a metric",
        Shown(.0)
    )]
    SamePlace(String),
    /// A network that is everything.
    #[error("the network of {0} is every address there is; write policy-source address")]
    SubnetIsAll(String),
    /// A router that is not on the loopback interface.
    #[error("lo has no routers; name the interface: dev NAME")]
    NoRouterOnLoopback,
    /// More rules than the band below the derived ones has room for.
    #[error("more than {0} rules without a priority in one stanza; give them priorities")]
    TooMany(u32),
    /// `policy-table auto` on an interface whose name cannot name a table.
    #[error("interface {0} cannot lend its name to a table: {1}; write a name")]
    NoTableOfThisName(InterfaceName, #[source] WordError),
    /// Not a priority.
    #[error("expected a number of 301 to 32765")]
    Priority,
    /// Not one of a few words.
    #[error("expected {0}")]
    Choice(&'static str),
    /// Not a gateway.
    #[error("expected an {} address, auto, first or none", .0.name())]
    Gateway(Family),
    /// A gateway of the other family.
    #[error("it is an {} address and the stanza is {}", .0.name(), .1.name())]
    OtherFamily(Family, Family),
    /// The interface's own address.
    #[error("it is the interface's own address; expected the router's")]
    OwnAddress,
    /// An address that no router can have.
    #[error("it is {0}; expected the router's address{1}")]
    NoRouter(&'static str, &'static str),
    /// `first` where the network has no first host.
    #[error("network {0} has no first host address; write the router's address, or none")]
    NoFirst(Prefix),
    /// `first` where the first host is this one.
    #[error(
        "the first address of the network is this interface's own; write the router's, or none"
    )]
    FirstIsOwn,
    /// The stanza gives no address.
    #[error("the stanza gives no address (method {0}); policy routing needs one")]
    NoAddress(String),
    /// The interface has no address either.
    #[error(
        "interface {interface} has no usable {} address{}",
        .family.name(),
        waited(*.seconds)
    )]
    NoAddressYet {
        /// The interface.
        interface: InterfaceName,
        /// What was looked for.
        family: Family,
        /// How long, in seconds; 0 if nobody waited.
        seconds: u64,
    },
    /// Not an address.
    #[error("expected an address")]
    Address,
    /// `0.0.0.0`, `::` or a group's.
    #[error("expected an address that an interface can have")]
    NobodysAddress,
}

impl OptionFault {
    /// `0.0.0.0` or `::` where a router should be.
    pub fn unspecified() -> Self {
        Self::NoRouter("no address", ", or none for no default route")
    }
}

/// A fault with the option and value it was found in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError {
    /// The option, as written.
    pub option: String,
    /// Its value, where it has one.
    pub value: Option<String>,
    /// Where in all that the option's value is the text at fault begins, in bytes: of several
    /// lines of `ip` syntax one is meant.
    pub at: usize,
    /// What is wrong.
    pub fault: Box<OptionFault>,
}

impl OptionError {
    /// Puts a fault beside where it was found.
    pub fn new(option: &str, value: Option<&str>, fault: OptionFault) -> Self {
        Self {
            option: option.to_owned(),
            value: value.map(str::to_owned),
            at: 0,
            fault: Box::new(fault),
        }
    }

    /// The same, of a text that begins further on in the option's value.
    pub fn at(self, at: usize) -> Self {
        Self { at, ..self }
    }
}

impl OptionError {
    /// What is wrong, without the suggestion that the whole message ends with.
    pub fn statement(&self) -> String {
        let mut text = Shown(&self.option).to_string();
        if let Some(value) = &self.value {
            let _ = write!(text, " \"{}\"", Shown(value));
        }
        let _ = match &*self.fault {
            OptionFault::Line(error) => write!(text, ": {}", error.statement()),
            fault => write!(text, ": {fault}"),
        };
        text
    }

    /// What may have been meant, or where to look.
    pub fn suggestion(&self) -> Option<String> {
        match &*self.fault {
            OptionFault::Unknown(None) => {
                Some("policy-table-interfaces(5) has them all".to_owned())
            }
            OptionFault::Unknown(nearest) => nearest.as_deref().map(did_you_mean),
            OptionFault::Line(error) => error.nearest().map(did_you_mean),
            _ => None,
        }
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.statement())?;
        match self.suggestion() {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OptionError {}

/// A line of `ip` syntax and the option it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpLine {
    /// The option, as written.
    pub option: String,
    /// The line, `$IFACE` filled in.
    pub text: String,
    /// Where it begins in the option's value, in bytes.
    pub at: usize,
}

impl IpLine {
    /// An error about this line.
    pub fn error(&self, fault: OptionFault) -> OptionError {
        OptionError::new(&self.option, Some(&self.text), fault).at(self.at)
    }
}

/// A call's options, and the faults found so far in them.
pub struct Options<'a> {
    call: &'a HookCall,
    /// What was found wrong.
    pub errors: Vec<OptionError>,
}

impl<'a> Options<'a> {
    /// Starts on a call by looking at the names: no ifupdown reports an option that it does not
    /// know, so this must.
    pub fn of(call: &'a HookCall) -> Self {
        let mut options = Self {
            call,
            errors: Vec::new(),
        };
        for (name, _) in &call.options {
            if !OPTIONS.contains(&name.as_str()) && numbered(name).is_none() {
                options.fault(name, None, OptionFault::Unknown(nearest(name, &OPTIONS)));
            }
        }
        options
    }

    /// Notes a fault.
    pub fn fault(&mut self, option: &str, value: Option<&str>, fault: OptionFault) {
        self.errors.push(OptionError::new(option, value, fault));
    }

    /// All that could be read; what could not is noted.
    pub fn all<T>(&mut self, read: impl Iterator<Item = Result<T, OptionError>>) -> Vec<T> {
        read.filter_map(|one| one.map_err(|error| self.errors.push(error)).ok())
            .collect()
    }

    /// Whether an option is given.
    pub fn has(&self, option: &str) -> bool {
        self.call.options.iter().any(|(name, _)| name == option)
    }

    /// The one value of an option, through its reader.
    pub fn one<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, OptionFault>,
    ) -> Option<T> {
        let text = self.text(name)?;
        read(&text)
            .map_err(|fault| self.fault(name, Some(&text), fault))
            .ok()
    }

    /// The one value of an option that takes one of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
        expected: &'static str,
    ) -> Option<T> {
        self.one(name, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found
                .map(|(_, value)| *value)
                .ok_or(OptionFault::Choice(expected))
        })
    }

    /// The one value of an option that is given.
    fn text(&mut self, name: &str) -> Option<String> {
        let (_, value) = self.call.options.iter().find(|(other, _)| other == name)?;
        let Some(text) = value.to_str() else {
            self.fault(name, Some(&value.to_string_lossy()), OptionFault::NotText);
            return None;
        };
        let mut values: Vec<&str> = text.split('\n').map(str::trim).collect();
        values.dedup();
        match values.as_slice() {
            [""] => self.fault(name, None, OptionFault::Empty),
            [one] if one.contains('#') => self.fault(name, Some(one), OptionFault::Comment),
            [one] => return Some((*one).to_owned()),
            several => {
                let quoted = |value: &&str| format!("\"{}\"", Shown(value));
                let mut shown: Vec<String> = several.iter().take(SHOWN).map(quoted).collect();
                if several.len() > SHOWN {
                    shown.push(format!("... ({} values)", several.len()));
                }
                let first = text.split('\n').next().unwrap_or_default();
                let error = OptionError::new(name, None, OptionFault::Repeated(shown.join(", ")));
                self.errors.push(error.at(first.len() + 1));
            }
        }
        None
    }

    /// The lines of an option that may repeat, in the order of the file: ifupdown joins repeats
    /// by newlines; `;` and numbers serve the ifupdowns that keep one value only.
    pub fn lines(&mut self, name: &str, interface: Option<&InterfaceName>) -> Vec<IpLine> {
        let mut given: Vec<(u32, &'a str, &'a std::ffi::OsStr)> = Vec::new();
        for (option, value) in &self.call.options {
            let number = match numbered(option) {
                Some((base, number)) if base == name => number,
                _ if option == name => 0,
                _ => continue,
            };
            given.push((number, option, value));
        }
        given.sort_by_key(|(number, _, _)| *number);
        let mut lines = Vec::new();
        for (_, option, value) in given {
            let Some(text) = value.to_str() else {
                self.fault(option, Some(&value.to_string_lossy()), OptionFault::NotText);
                continue;
            };
            let before = lines.len();
            for (at, line) in pieces(text) {
                if line.contains('#') {
                    let error = OptionError::new(option, Some(line), OptionFault::Comment);
                    self.errors.push(error.at(at));
                }
                let text = fill_in(line, interface);
                lines.push(IpLine {
                    option: option.to_owned(),
                    text,
                    at,
                });
            }
            if lines.len() == before {
                self.fault(option, None, OptionFault::Empty);
            }
        }
        lines
    }
}

/// The lines that one value holds, each with the place of its first byte.
fn pieces(value: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    let pieces = value.split(['\n', ';']).map(move |piece| {
        let begin = next + piece.len() - piece.trim_start().len();
        next += piece.len() + 1;
        (begin, piece.trim())
    });
    pieces.filter(|(_, piece)| !piece.is_empty())
}

/// The option and number of a numbered form, `policy-rule-2`.
fn numbered(option: &str) -> Option<(&'static str, u32)> {
    LINES.into_iter().find_map(|base| {
        let digits = option.strip_prefix(base)?.strip_prefix('-')?;
        let number = digits
            .parse()
            .ok()
            .filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        Some((base, number))
    })
}

/// `$IFACE` is the interface, as in the lines of `post-up`; of an alias it is the device.
fn fill_in(line: &str, interface: Option<&InterfaceName>) -> String {
    let device = interface.map(InterfaceName::device);
    let device = device.as_ref().map_or("", InterfaceName::as_str);
    line.replace("${IFACE}", device).replace("$IFACE", device)
}

fn waited(seconds: u64) -> String {
    if seconds == 0 {
        return " at this moment".to_owned();
    }
    format!(", after waiting {seconds} seconds for one")
}
