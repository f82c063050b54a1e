//! What was put in for a device, stanza by stanza, as text; `store.rs` keeps it on disk.
//!
//! One record serves a device with all its stanzas and aliases: `ifdown eth0` must take the routing
//! of `eth0:1` along, whose own hook ifupdown never runs.
//!
//! A line `iface HEADING` begins the part of a stanza, a line for each of its routes and rules
//! follows behind a tab. Lines of `#:` between them say more of the stanza; 0.1.0 takes them for
//! comments.

use std::collections::HashSet;
use std::fmt;

use super::heading::Heading;
use super::part::Part;
use crate::ifupdown::Caller;
use crate::routing::{InterfaceName, Object, State, PROTOCOL};

/// The record of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    parts: Vec<Part>,
    /// Lines that could not be read, by number: what they said must come from elsewhere.
    pub damaged: Vec<usize>,
}

/// What a heading stands behind.
const KEYWORD: &str = "iface ";

/// What a line about the part begins with.
const NOTE: &str = "#: ";

/// The last line: without it, something is missing.
const END: &str = "# end";

/// Some objects as records have them, a line each.
pub struct ObjectLines(HashSet<Vec<u8>>);

impl FromIterator<Object> for ObjectLines {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let lines = objects.into_iter().map(|it| format!("\t{it}").into_bytes());
        Self(lines.collect())
    }
}

impl ObjectLines {
    /// Whether one of them stands in the text of a record.
    pub fn stand_in(&self, text: &[u8]) -> bool {
        let mut lines = text.split(|byte| *byte == b'\n');
        lines.any(|line| line.starts_with(b"\t") && self.0.contains(line))
    }
}

impl Record {
    /// Reads a record's text. What cannot be read is noted, and the rest still counts.
    pub fn read(text: &str) -> Self {
        let mut record = Self::default();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('#') {
                record.read_note(line);
            } else if !line.is_empty() && !record.read_line(line) {
                record.damaged.push(number + 1);
            }
        }
        let last = text.lines().next_back().unwrap_or_default();
        let is_whole = text.ends_with('\n') && last.trim_end_matches('\r') == END;
        if !text.is_empty() && !is_whole {
            record.damaged.push(text.lines().count());
        }
        record
    }

    /// Reads a line, unless it is damaged.
    fn read_line(&mut self, line: &str) -> bool {
        if let Some(heading) = line.strip_prefix(KEYWORD) {
            // An editor's line ends are none of the heading.
            let Ok(heading) = heading.trim_end_matches('\r').parse::<Heading>();
            self.parts.push(Part::new(heading));
            return true;
        }
        let object = line.strip_prefix('\t').map(str::parse::<Object>);
        match (object, self.parts.last_mut()) {
            // Nothing that is not ours is deleted, whatever a record says.
            (Some(Ok(object)), Some(part)) if object.protocol() == PROTOCOL => {
                part.state.insert(object);
                true
            }
            _ => false,
        }
    }

    /// Reads what a line of `#:` says of the part above; others are comments.
    fn read_note(&mut self, line: &str) {
        let note = line.strip_prefix(NOTE);
        if let (Some(part), Some(note)) = (self.parts.last_mut(), note) {
            part.read_note(note.trim_end_matches('\r'));
        }
    }

    /// The record with each state as `change` makes it.
    pub fn with_states(mut self, mut change: impl FnMut(State) -> State) -> Self {
        for part in &mut self.parts {
            part.state = change(std::mem::take(&mut part.state));
        }
        self
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Its parts, in the order in which the stanzas came up.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The headings of its parts, in that order.
    pub fn headings(&self) -> impl Iterator<Item = &Heading> {
        self.parts.iter().map(|part| &part.heading)
    }

    /// A stanza's part, or an empty one.
    pub fn part(&self, heading: &Heading) -> Part {
        let part = self.parts.iter().find(|part| part.heading == *heading);
        part.cloned().unwrap_or_else(|| Part::new(heading.clone()))
    }

    /// The program that the interface was brought up by, as far as that is known.
    pub fn caller(&self) -> Option<Caller> {
        let mut calls = self.parts.iter().filter_map(Part::call);
        calls.next().map(|call| call.caller)
    }

    /// Whether a stanza has a part.
    pub fn has(&self, heading: &Heading) -> bool {
        self.headings().any(|of| of == heading)
    }

    /// Whether it has one part, which is a stanza's, with these routes and rules.
    pub fn is_only(&self, heading: &Heading, state: &State) -> bool {
        let is_it = |part: &Part| part.heading == *heading && part.state == *state;
        matches!(self.parts.as_slice(), [part] if is_it(part))
    }

    /// What a stanza put in.
    pub fn of_stanza(&self, heading: &Heading) -> State {
        self.collect(|part| part.heading == *heading)
    }

    fn collect(&self, take: impl Fn(&Part) -> bool) -> State {
        let taken = self.parts.iter().filter(|part| take(part));
        taken.flat_map(|part| part.state.objects()).collect()
    }

    /// Notes what a stanza put in, whatever else is known of it; of nothing, no note is kept.
    pub fn set(&mut self, heading: &Heading, state: State) {
        let part = self.part(heading);
        self.put(Part { state, ..part });
    }

    /// Notes what a stanza left that is down.
    pub fn leave(&mut self, heading: &Heading, state: State) {
        self.put(Part::leaving(heading.clone(), state));
    }

    /// Puts a part in the place of the one with its heading.
    pub fn put(&mut self, part: Part) {
        let mut parts = self.parts.iter();
        match parts.position(|old| old.heading == part.heading) {
            Some(place) if part.is_empty() => {
                self.parts.remove(place);
            }
            Some(place) => self.parts.get_mut(place).map_or((), |old| *old = part),
            None if part.is_empty() => {}
            None => self.parts.push(part),
        }
    }

    /// Puts a part in the place of those that it takes over, so that parts that are alike keep
    /// their order. What was put in for all stanzas at once has no place among them.
    pub fn replace(&mut self, is_replaced: impl Fn(&Heading) -> bool, part: Part) {
        let has_place = |old: &Heading| is_replaced(old) && !old.is_for_all();
        let place = self.headings().position(has_place);
        self.parts.retain(|old| !is_replaced(&old.heading));
        if !part.is_empty() {
            let place = place.unwrap_or(self.parts.len());
            self.parts.insert(place.min(self.parts.len()), part);
        }
    }

    /// The record with the parts of some stanzas in their order; what is of none of them, as an alias's
    /// that comes up by itself, stays where it is.
    pub fn in_order(&self, stanzas: &[&Heading]) -> Self {
        let place = |part: &Part| stanzas.iter().position(|of| **of == part.heading);
        let mut own: Vec<&Part> = self.parts.iter().filter(|it| place(it).is_some()).collect();
        own.sort_by_key(|part| place(part));
        let mut own = own.into_iter();
        let mut ordered = self.clone();
        for part in &mut ordered.parts {
            if place(part).is_some() {
                if let Some(next) = own.next() {
                    *part = next.clone();
                }
            }
        }
        ordered
    }

    /// Splits off what goes when an interface goes: with a device all of it, its aliases
    /// included, with an alias its own part.
    pub fn split(self, interface: &InterfaceName) -> (Self, Self) {
        let is_device = interface.device() == *interface;
        let goes = |part: &Part| is_device || part.heading.interface() == interface.as_str();
        let (going, staying) = self.parts.into_iter().partition(goes);
        (
            Self {
                parts: going,
                damaged: self.damaged,
            },
            Self {
                parts: staying,
                damaged: Vec::new(),
            },
        )
    }

    /// All of it.
    pub fn state(&self) -> State {
        self.collect(|_| true)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# what policy-table(8) put in for this interface; ifdown(8) goes by it"
        )?;
        for part in &self.parts {
            writeln!(f, "{KEYWORD}{}", part.heading)?;
            write!(f, "{part}")?;
        }
        writeln!(f, "{END}")
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::ifupdown::HookCall;

    fn heading(text: &str) -> Heading {
        let Ok(heading) = text.parse();
        heading
    }

    fn rule(address: &str) -> State {
        let line = format!("rule priority 21000 from {address} lookup 200 proto 157");
        [line.parse::<Object>().unwrap()].into_iter().collect()
    }

    fn record() -> Record {
        let mut record = Record::default();
        for (stanza, address) in [
            ("eth1 inet static 10.0.0.1", "10.0.0.1"),
            ("eth1:1 inet static 10.0.0.2", "10.0.0.2"),
            ("eth1=home inet static 10.0.0.3", "10.0.0.3"),
        ] {
            record.set(&heading(stanza), rule(address));
        }
        record
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let record = record();
        assert_eq!(Record::read(&record.to_string()), record);
        assert!(Record::read("").is_empty());
    }

    #[test]
    fn a_heading_is_known_whatever_its_line_ends_in() {
        for end in ["\r\n", "\r\r\n"] {
            let read = Record::read(&record().to_string().replace('\n', end));
            assert_eq!(read.parts, record().parts);
            assert_eq!(Record::read(&read.to_string()), read);
        }
    }

    #[test]
    fn what_stands_below_a_damaged_heading_is_that_of_its_interface() {
        let text = record()
            .to_string()
            .replace("iface eth1:1 inet static", "iface eth1:1 in");
        let damaged = Record::read(&text);
        assert_eq!(damaged.to_string(), text);
        let (going, _) = damaged.split(&"eth1:1".parse().unwrap());
        assert_eq!(going.state(), rule("10.0.0.2"));
    }

    #[test]
    fn damage_is_noted_and_the_rest_kept() {
        let text = record().to_string().replace("from 10.0.0.2", "fro\u{0}");
        let damaged = Record::read(&text);
        assert_eq!(damaged.damaged, [5]);
        assert_eq!(damaged.state().rules().len(), 2);
        let whole = record().to_string();
        for cut in 1..whole.len() {
            assert!(!Record::read(&whole[..cut]).damaged.is_empty(), "{cut}");
        }
        assert_eq!(Record::read("\troute default\n# end\n").damaged, [1]);
    }

    /// 0.1.0 takes these lines for comments.
    #[test]
    fn what_the_stanza_had_reads_back_whatever_it_is() {
        let call = HookCall {
            interface: "eth1".to_owned(),
            method: "manual".to_owned(),
            options: vec![
                ("policy-\u{e4} b".to_owned(), " 100%, 50%25\n\tx \r".into()),
                (
                    "policy-rule".to_owned(),
                    OsString::from_vec(vec![0xff, b'%', 0]),
                ),
                ("policy-table".to_owned(), OsString::new()),
            ],
            ..HookCall::default()
        };
        let router = |line: &str| match line.parse() {
            Ok(Object::Route(route)) => Some(route),
            _ => None,
        };
        for line in [
            "route default via 10.0.0.1 dev eth1 table 200 proto 157",
            "-6 route default dev eth1 table 200 proto 157",
        ] {
            let mut record = record();
            let part = Part {
                router: router(line),
                ..Part::new(Heading::of(&call))
            };
            assert!(part.router.is_some());
            record.replace(|_| false, part);
            let text = record.to_string();
            let read = Record::read(&text);
            assert_eq!((&read, read.damaged.len()), (&record, 0));
            let of_0_1_0 = |line: &&str| {
                !line.starts_with('#') && !line.starts_with(KEYWORD) && !line.starts_with('\t')
            };
            assert_eq!(text.lines().find(of_0_1_0), None);
        }
    }

    #[test]
    fn a_device_takes_its_aliases_along_and_an_alias_only_itself() {
        let (going, staying) = record().split(&"eth1".parse().unwrap());
        assert_eq!(
            (going.state().rules().len(), staying.state().rules().len()),
            (3, 0)
        );
        let (going, staying) = record().split(&"eth1:1".parse().unwrap());
        assert_eq!(
            (going.state(), staying.state().rules().len()),
            (rule("10.0.0.2"), 2)
        );
    }

    #[test]
    fn what_is_of_other_stanzas_stays_where_it_is() {
        let [first, alias, last] = record().parts.try_into().unwrap();
        let ordered = record().in_order(&[&last.heading, &first.heading]);
        assert_eq!(ordered.parts, [last, alias, first]);
    }

    #[test]
    fn a_stanzas_part_is_replaced_and_goes_when_empty() {
        let mut record = record();
        let stanza = &heading("eth1 inet static 10.0.0.1");
        record.set(stanza, rule("10.0.0.9"));
        assert_eq!(record.of_stanza(stanza), rule("10.0.0.9"));
        record.set(stanza, State::default());
        assert!(record.of_stanza(stanza).is_empty() && !record.is_empty());
    }
}
