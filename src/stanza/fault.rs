//! What can be wrong with an option, in the words of the administrator: the option as written, its
//! value, and what is expected.

use std::fmt::{self, Write as _};

use thiserror::Error;

use crate::routing::syntax::LineError;
use crate::routing::{Family, InterfaceName, MarkError, Prefix, WordError, PROTOCOL};
use crate::text::{did_you_mean, Shown};

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
    /// Not one that leaves room for the rule of a last resort.
    #[error(
        "expected at most {0} here: with policy-mode main a default route that drops packets is a \
         rule behind this one"
    )]
    NoRoomBehind(u32),
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
    /// Not a mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// Connections of this host with itself need no way back.
    #[error("connections by lo need no mark; remove it")]
    NoMarksOnLoopback,
    /// A name that nft(8) would read as something else.
    #[error("nft(8) cannot name interface {0}: no \", \\ and * may stand in the name")]
    NotForNft(InterfaceName),
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
