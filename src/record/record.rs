//! What was put in for a device, stanza by stanza, as text. Pure; `store` keeps it.
//!
//! One record serves a device with all its stanzas and aliases: `ifdown eth0` must take the routing
//! of `eth0:1` along, whose own hook ifupdown never runs.

use std::fmt;

use crate::ifupdown::HookCall;
use crate::routing::{InterfaceName, Object, State, PROTOCOL};
use crate::text::fnv1a;

/// One stanza's part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The line that heads it.
    pub stanza: String,
    /// What the stanza put in.
    pub state: State,
}

impl Section {
    /// The interface or alias that the stanza brought up.
    pub fn interface(&self) -> &str {
        let name = self.name();
        name.split_once('=')
            .map_or(name, |(interface, _)| interface)
    }

    /// The name that the stanza bears in the file.
    pub fn logical(&self) -> &str {
        let name = self.name();
        name.split_once('=').map_or(name, |(_, logical)| logical)
    }

    fn name(&self) -> &str {
        self.stanza.split(' ').nth(1).unwrap_or_default()
    }
}

/// The record of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    sections: Vec<Section>,
    /// Lines that could not be read, by number: what they said must come from elsewhere.
    pub damaged: Vec<usize>,
}

/// The line that heads a stanza's part. Several stanzas of one interface and family differ in
/// their address; those that have none, in their table or else in what they ask for.
pub fn heading(call: &HookCall) -> String {
    let distinction = match (&call.address, value(call, "policy-table")) {
        (Some(_), _) => String::new(),
        (None, Some(table)) => format!(" {}", word(&table)),
        (None, None) => format!(" {:08x}", fnv1a(&format!("{:?}", call.options))),
    };
    heading_of_all(call) + &distinction
}

/// The beginning of the lines that head the parts of a stanza, whatever its options are.
pub fn heading_of_all(call: &HookCall) -> String {
    let logical = if call.logical.is_empty() || call.logical == call.interface {
        String::new()
    } else {
        format!("={}", word(&call.logical))
    };
    let family = call
        .family
        .map_or_else(|| "-".to_owned(), |family| family.to_string());
    // It may carry its prefix length: `ifupdown/call.rs` says where.
    let address = call.address.as_deref().and_then(|it| it.split('/').next());
    let address = address.map_or_else(|| "-".to_owned(), word);
    let (interface, method) = (word(&call.interface), word(&call.method));
    format!("iface {interface}{logical} {family} {method} {address}")
}

fn value(call: &HookCall, option: &str) -> Option<String> {
    let (_, value) = call.options.iter().find(|(name, _)| name == option)?;
    Some(value.to_string_lossy().into_owned())
}

/// A text from outside as one word of the heading.
fn word(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_whitespace() || c.is_control() {
                '?'
            } else {
                c
            }
        })
        .collect()
}

/// The last line: without it, something is missing.
const END: &str = "# end";

impl Record {
    /// Reads a record's text. What cannot be read is noted, and the rest still counts.
    pub fn read(text: &str) -> Self {
        let mut record = Self::default();
        for (number, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let object = line.strip_prefix('\t').map(str::parse::<Object>);
            match (object, record.sections.last_mut()) {
                (None, _) if line.starts_with("iface ") => {
                    let section = Section {
                        // An editor's line ends are none of the heading.
                        stanza: line.trim_end_matches('\r').to_owned(),
                        state: State::default(),
                    };
                    record.sections.push(section);
                }
                // Nothing that is not ours is deleted, whatever a record says.
                (Some(Ok(object)), Some(section)) if object.protocol() == PROTOCOL => {
                    section.state.insert(object);
                }
                _ => record.damaged.push(number + 1),
            }
        }
        let last = text.lines().next_back().unwrap_or_default();
        let is_whole = text.ends_with('\n') && last.trim_end_matches('\r') == END;
        if !text.is_empty() && !is_whole {
            record.damaged.push(text.lines().count());
        }
        record
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Its parts, in the order in which the stanzas came up.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// What a stanza put in.
    pub fn of_stanza(&self, stanza: &str) -> State {
        self.collect(|section| section.stanza == stanza)
    }

    /// The headings that begin as given, as words.
    pub fn headings(&self, beginning: &str) -> Vec<String> {
        let longer = format!("{beginning} ");
        let all = self.sections.iter().map(|section| &section.stanza);
        all.filter(|stanza| *stanza == beginning || stanza.starts_with(&longer))
            .cloned()
            .collect()
    }

    fn collect(&self, take: impl Fn(&Section) -> bool) -> State {
        let taken = self.sections.iter().filter(|section| take(section));
        taken.flat_map(|section| section.state.objects()).collect()
    }

    /// Notes what a stanza put in; of nothing, no note is kept.
    pub fn set(&mut self, stanza: &str, state: State) {
        let place = self
            .sections
            .iter()
            .position(|section| section.stanza == stanza);
        if let Some(place) = place {
            self.sections.remove(place);
        }
        if !state.is_empty() {
            let section = Section {
                stanza: stanza.to_owned(),
                state,
            };
            self.sections
                .insert(place.unwrap_or(self.sections.len()), section);
        }
    }

    /// Splits off what goes when an interface goes: with a device all of it, its aliases
    /// included, with an alias its own part.
    pub fn split(self, interface: &InterfaceName) -> (Self, Self) {
        let device = interface.device() == *interface;
        let (going, staying) = self
            .sections
            .into_iter()
            .partition(|section| device || section.interface() == interface.as_str());
        (
            Self {
                sections: going,
                damaged: self.damaged,
            },
            Self {
                sections: staying,
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
        for section in &self.sections {
            writeln!(f, "{}", section.stanza)?;
            for object in section.state.objects() {
                writeln!(f, "\t{object}")?;
            }
        }
        writeln!(f, "{END}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Family;

    fn rule(address: &str) -> State {
        let line = format!("rule priority 21000 from {address} lookup 200 proto 157");
        [line.parse::<Object>().unwrap()].into_iter().collect()
    }

    fn record() -> Record {
        let mut record = Record::default();
        record.set("iface eth1 inet static 10.0.0.1", rule("10.0.0.1"));
        record.set("iface eth1:1 inet static 10.0.0.2", rule("10.0.0.2"));
        record.set("iface eth1=home inet static 10.0.0.3", rule("10.0.0.3"));
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
            assert_eq!(
                read.headings("iface eth1 inet static 10.0.0.1"),
                record().headings("iface eth1 inet static 10.0.0.1")
            );
            assert_eq!(Record::read(&read.to_string()), read);
        }
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
    fn a_stanzas_part_is_replaced_and_goes_when_empty() {
        let mut record = record();
        let stanza = "iface eth1 inet static 10.0.0.1";
        record.set(stanza, rule("10.0.0.9"));
        assert_eq!(record.of_stanza(stanza), rule("10.0.0.9"));
        record.set(stanza, State::default());
        assert!(record.of_stanza(stanza).is_empty() && !record.is_empty());
    }

    #[test]
    fn headings_are_one_line_whatever_the_environment_says() {
        let call = HookCall {
            interface: "eth1".to_owned(),
            logical: "ho me\n".to_owned(),
            family: Some(Family::Inet6),
            method: "auto".to_owned(),
            options: vec![("policy-table".to_owned(), "rt\n2".into())],
            ..HookCall::default()
        };
        assert_eq!(heading(&call), "iface eth1=ho?me? inet6 auto - rt?2");
    }
}
