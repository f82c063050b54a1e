//! A stanza's part of a record: what it asked for, what it put in, and what it waits for.
//!
//! The call that the stanza was stands in it whole, so that what it asks for can be derived anew
//! without the file, which may be half edited. 0.1.0 recorded no calls, and takes the lines of `#:`
//! for comments: its ifdown goes by the routes and rules alone.

use std::fmt;
use std::str::FromStr;

use super::escape::{unescaped, unescaped_word, Escaped};
use super::heading::Heading;
use super::recorded_call::RecordedCall;
use crate::ifupdown::HookCall;
use crate::routing::{Object, Route, State, TableId, TableName};
use crate::stanza::{Stanza, TableIds};

/// What one stanza put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which stanza it was.
    pub heading: Heading,
    /// The call that the stanza was, but for the options, which the heading has.
    pub(crate) call: Option<RecordedCall>,
    /// The tables that the stanza names, by number.
    pub(crate) tables: Vec<(TableName, TableId)>,
    /// What it waits for.
    pub waiting: Option<Wait>,
    /// Since when main has no default route by the interface, in seconds of the clock, where that
    /// was noticed: the stanza keeps the router that it had.
    pub no_default_since: Option<u64>,
    /// The default route that it had, while the stanza waits and has none in force: what is not
    /// known of the router when it gets one again.
    pub router: Option<Route>,
    /// Whether the stanza is down, and what is left could not be taken out: nobody puts it in again.
    pub is_leaving: bool,
    /// Its routes and rules.
    pub state: State,
}

/// What a stanza waits for, and since when, in seconds of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub what: Lack,
    pub since: u64,
}

/// What is not there, and may come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    Address,
    Link,
    Device,
}

impl Part {
    /// What is known of a stanza by its heading alone.
    pub fn new(heading: Heading) -> Self {
        Self {
            heading,
            call: None,
            tables: Vec::new(),
            waiting: None,
            no_default_since: None,
            router: None,
            is_leaving: false,
            state: State::default(),
        }
    }

    /// What a stanza asks for, under the heading of its call; nothing is put in yet.
    pub fn of(heading: Heading, call: &HookCall) -> Self {
        Self {
            call: Some(RecordedCall::of(call)),
            ..Self::new(heading)
        }
    }

    /// The same with the tables that the stanza names.
    pub fn with_tables(self, tables: &[(TableName, TableId)]) -> Self {
        Self {
            tables: tables.to_vec(),
            ..self
        }
    }

    /// The same of a stanza that has put in something else.
    pub fn with_state(&self, state: State) -> Self {
        Self {
            heading: self.heading.clone(),
            call: self.call.clone(),
            tables: self.tables.clone(),
            waiting: self.waiting,
            no_default_since: self.no_default_since,
            router: self.router.clone(),
            is_leaving: self.is_leaving,
            state,
        }
    }

    /// What was left of a stanza that went down.
    pub fn leaving(heading: Heading, state: State) -> Self {
        Self {
            is_leaving: true,
            state,
            ..Self::new(heading)
        }
    }

    /// The call that the stanza was: equal to the hook's, but for `verbose`, which is of the run.
    /// None of a part of 0.1.0, and of one that is damaged or a later version's.
    pub fn call(&self) -> Option<HookCall> {
        let call = self.call.as_ref()?.call()?;
        Some(HookCall {
            options: self.heading.options()?.to_vec(),
            ..call
        })
    }

    /// Whether its rules are on all addresses that no other stanza has, and so on those of one that
    /// comes up later.
    pub fn takes_the_rest(&self) -> bool {
        let mut options = self.heading.options().unwrap_or_default().iter();
        options.any(|(name, value)| name == "policy-source" && value == "all")
    }

    /// Whether the connections that come in by its interface are to be marked.
    pub fn asks_for_marks(&self) -> bool {
        let mut options = self.heading.options().unwrap_or_default().iter();
        options.any(|(name, value)| name == "policy-connmark" && value != "no")
    }

    /// The numbers that the tables of a stanza were found to have; none where one is not recorded.
    pub fn table_ids(&self, stanza: &Stanza) -> Option<TableIds> {
        let ids = TableIds::of(stanza, |name, _| {
            let known = self.tables.iter().find(|(own, _)| own == name);
            known.map(|(_, id)| *id).ok_or(())
        });
        ids.ok()
    }

    /// Whether it is of 0.1.0, which noted no calls: nobody can derive anew what its stanza asked for.
    pub fn is_of_0_1_0(&self) -> bool {
        self.call.is_none() && !self.is_leaving && !self.heading.is_of_copies()
    }

    /// Whether it says what another one does, or neither anything; since when is no matter.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        let timeless = |part: &Self| Self {
            waiting: part.waiting.map(|wait| Wait { since: 0, ..wait }),
            no_default_since: part.no_default_since.map(|_| 0),
            ..part.clone()
        };
        let is_empty = self.is_empty() && other.is_empty();
        is_empty || timeless(self) == timeless(other)
    }

    /// The numbers of the tables that the stanza names.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        self.tables.iter().map(|(_, id)| *id)
    }

    /// The call that the stanza was, where all that it needs besides is recorded, too, so that nothing
    /// has to be looked up in a file.
    pub fn whole_call(&self) -> Option<HookCall> {
        let call = self.call()?;
        let stanza = Stanza::parse(&call).ok()??;
        self.table_ids(&stanza).map(|_| call)
    }

    /// What is known of the stanza by what it put in, and the default route that it had when it began
    /// to wait; but no router that the stanza itself named: who takes that out of the file wants it no
    /// more.
    pub(super) fn known(&self) -> impl Iterator<Item = Object> + '_ {
        let router = self.router.clone().map(Object::Route);
        let objects = self.state.objects().chain(router);
        objects.filter(|object| match object {
            Object::Route(route) if route.destination.is_any() => !self.named_router_of(route),
            _ => true,
        })
    }

    /// Whether the stanza named where a default route leads.
    fn named_router_of(&self, route: &Route) -> bool {
        let parsed = self.call().map(|call| Stanza::parse(&call));
        let Some(Ok(Some(stanza))) = parsed else {
            return false;
        };
        let ids = self.table_ids(&stanza);
        let mut lines = stanza.routes.iter().map(|(_, line)| line);
        !stanza.asks_gateway()
            || lines.any(|line| {
                let table = ids.as_ref().and_then(|ids| ids.of_ref(&line.table));
                let is_default = line.destination.is_any() && line.hops == route.hops;
                is_default && table == Some(route.table)
            })
    }

    /// Whether it says nothing that has to be kept.
    pub(super) fn is_empty(&self) -> bool {
        self.state.is_empty() && self.router.is_none() && self.waiting.is_none()
    }

    /// Reads what a line says behind `#:`; others are comments.
    pub(super) fn read_note(&mut self, line: &str) {
        let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
        match keyword {
            CALL => {
                self.heading.note_options();
                self.call = Some(RecordedCall::read(rest));
            }
            OPTION => {
                if let Some((name, value)) = rest.split_once(' ') {
                    let (name, value) = (unescaped_word(name), unescaped(value));
                    self.heading.note_option(name, value);
                }
            }
            TABLE => self.tables.extend(read_table(rest)),
            WAITING => self.waiting = rest.parse().ok(),
            NO_DEFAULT => self.no_default_since = rest.parse().ok(),
            ROUTER => {
                if let Ok(Object::Route(route)) = rest.parse() {
                    self.router = Some(route);
                }
            }
            LEAVING => self.is_leaving = true,
            _ => {}
        }
    }
}

const CALL: &str = "call";
const OPTION: &str = "option";
const TABLE: &str = "table";
const WAITING: &str = "waiting";
const NO_DEFAULT: &str = "no-default";
const ROUTER: &str = "router";
const LEAVING: &str = "leaving";

fn read_table(words: &str) -> Option<(TableName, TableId)> {
    let (name, id) = words.split_once(' ')?;
    let name = unescaped_word(name).parse().ok()?;
    Some((name, TableId::parse(id).ok()?))
}

/// The lines below the heading.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(call) = &self.call {
            writeln!(f, "#: {CALL} {call}")?;
        }
        for (name, value) in self.heading.options().into_iter().flatten() {
            let (name, value) = (Escaped::word(name), Escaped::rest(value));
            writeln!(f, "#: {OPTION} {name} {value}")?;
        }
        for (name, id) in &self.tables {
            let name = name.to_string();
            writeln!(f, "#: {TABLE} {} {id}", Escaped::word(&name))?;
        }
        if let Some(waiting) = &self.waiting {
            writeln!(f, "#: {WAITING} {waiting}")?;
        }
        if let Some(since) = self.no_default_since {
            writeln!(f, "#: {NO_DEFAULT} {since}")?;
        }
        if let Some(router) = &self.router {
            writeln!(f, "#: {ROUTER} {}", Object::Route(router.clone()))?;
        }
        if self.is_leaving {
            writeln!(f, "#: {LEAVING}")?;
        }
        for object in self.state.objects() {
            writeln!(f, "\t{object}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Lack::Address => "address",
            Lack::Link => "link",
            Lack::Device => "device",
        };
        write!(f, "{what} {}", self.since)
    }
}

/// A line that says neither what nor since when.
#[derive(Debug)]
pub struct NoWait;

impl FromStr for Wait {
    type Err = NoWait;

    fn from_str(text: &str) -> Result<Self, NoWait> {
        let (what, since) = text.split_once(' ').ok_or(NoWait)?;
        let what = match what {
            "address" => Lack::Address,
            "link" => Lack::Link,
            "device" => Lack::Device,
            _ => return Err(NoWait),
        };
        let since = since.parse().map_err(|_| NoWait)?;
        Ok(Self { what, since })
    }
}
