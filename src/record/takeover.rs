//! Which parts of a record today's stanzas take over.
//!
//! A stanza is known by the heading of its part, and that changes when the stanza is edited: with
//! another address, or another method, the old part would have no stanza any more. It passes to
//! the stanza of the same interface and family, so that what it put in is replaced and not merely
//! left. Parts without a family are of hooks that are called once for all stanzas of an interface,
//! and pass from them to the first stanza, and back.

use super::heading::Heading;
use super::record::Record;
use crate::ifupdown::HookCall;
use crate::routing::{InterfaceName, State};

/// A stanza of now, and what it takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// What heads its part of the record.
    pub heading: Heading,
    /// The headings of the other parts that pass to it.
    superseded: Vec<Heading>,
}

impl Takeover {
    /// What a hook's call takes over: one for all stanzas of an interface also the parts that
    /// `apply` made for each of them. The record is asked for only then.
    pub fn of_call(call: &HookCall, record: impl FnOnce(&InterfaceName) -> Record) -> Self {
        match call.interface.parse::<InterfaceName>() {
            Ok(interface) if call.merged => Self::of_merged(call, &record(&interface.device())),
            _ => Self::of_own_part(Heading::of(call)),
        }
    }

    /// Such a call knows one address: what `apply` put in for stanzas with others stays, unless no
    /// stanza has options any more.
    fn of_merged(call: &HookCall, record: &Record) -> Self {
        let heading = Heading::of(call);
        let is_told = |part: &Heading| call.options.is_empty() || part.has_address_of(&heading);
        let parts = record.headings().filter(|part| {
            **part != heading && part.interface() == call.interface && is_told(part)
        });
        Self {
            superseded: parts.cloned().collect(),
            heading,
        }
    }

    /// What all stanzas of a device take over, in their order, and the parts that none of them
    /// does, each as if its stanza were still there.
    pub fn of_all(calls: &[HookCall], record: &Record) -> (Vec<Self>, Vec<Self>) {
        let own = calls
            .iter()
            .map(|call| Self::of_own_part(Heading::of(call)));
        let mut takeovers: Vec<Self> = own.collect();
        let mut left = Vec::new();
        for part in record.headings() {
            if takeovers.iter().any(|stanza| stanza.heading == *part) {
                continue;
            }
            let may_pass = |to: &Self| part.may_pass_to(&to.heading);
            // One that has no part yet is the edited one: it puts in before the old part goes.
            let is_new = |stanza: &Self| record.of_stanza(&stanza.heading).is_empty();
            let edited = takeovers.iter().position(|to| may_pass(to) && is_new(to));
            let place = edited.or_else(|| takeovers.iter().position(may_pass));
            match place.and_then(|place| takeovers.get_mut(place)) {
                Some(stanza) => stanza.superseded.push(part.clone()),
                None => left.push(Self::of_own_part(part.clone())),
            }
        }
        (takeovers, left)
    }

    /// For going back to the parts that a record had: each takes over itself, and the first one
    /// also what the record has gained since.
    pub fn of_former<'a>(former: impl Iterator<Item = &'a Heading>, record: &Record) -> Vec<Self> {
        let mut takeovers: Vec<Self> = former.cloned().map(Self::of_own_part).collect();
        let is_new = |part: &&Heading| !takeovers.iter().any(|old| old.heading == **part);
        let new: Vec<Heading> = record.headings().filter(is_new).cloned().collect();
        match takeovers.first_mut() {
            Some(first) => first.superseded = new,
            None => takeovers = new.into_iter().map(Self::of_own_part).collect(),
        }
        takeovers
    }

    fn of_own_part(heading: Heading) -> Self {
        Self {
            heading,
            superseded: Vec::new(),
        }
    }

    /// With all parts of the same stanza as well, whatever its options were.
    pub fn with_any_options(mut self, record: &Record) -> Self {
        let is_alike = |part: &&Heading| {
            **part != self.heading && part.is_alike_but_for_options(&self.heading)
        };
        let alike = record.headings().filter(is_alike).cloned();
        self.superseded.extend(alike.collect::<Vec<_>>());
        self
    }

    /// Whether what a part without a stanza put in is left alone: its interface has no stanza any
    /// more and keeps its address, so nothing says what to do.
    pub fn stays(&self, calls: &[HookCall]) -> bool {
        let interface = self.heading.interface();
        !calls.iter().any(|call| call.interface == interface)
    }

    /// What was put in before by the stanza as it was.
    pub fn previous(&self, record: &Record) -> State {
        self.parts()
            .flat_map(|heading| record.of_stanza(heading).objects().collect::<Vec<_>>())
            .collect()
    }

    /// What the other stanzas of the device put in.
    pub fn others(&self, record: &Record) -> State {
        let mut record = record.clone();
        self.set(&mut record, State::default());
        record.state()
    }

    /// Notes in a record what is in force now in the place of what was taken over.
    pub fn set(&self, record: &mut Record, state: State) {
        for heading in &self.superseded {
            record.set(heading, State::default());
        }
        record.set(&self.heading, state);
    }

    fn parts(&self) -> impl Iterator<Item = &Heading> {
        self.superseded.iter().chain([&self.heading])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Family;

    fn texts(headings: &[Heading]) -> Vec<String> {
        headings.iter().map(ToString::to_string).collect()
    }

    fn headings(takeovers: &[Takeover]) -> Vec<String> {
        let headings = takeovers.iter().map(|stanza| stanza.heading.to_string());
        headings.collect()
    }

    fn call(interface: &str, family: Family, address: &str) -> HookCall {
        HookCall {
            interface: interface.to_owned(),
            family: Some(family),
            method: "static".to_owned(),
            address: Some(address.to_owned()),
            ..HookCall::default()
        }
    }

    fn record(headings: &[&str]) -> Record {
        let part = |heading: &&str| {
            format!("iface {heading}\n\trule priority 1 from 10.0.0.1 lookup 200 proto 157\n")
        };
        Record::read(&headings.iter().map(part).collect::<String>())
    }

    #[test]
    fn an_edited_stanza_takes_its_old_part_over() {
        let record = record(&[
            "eth1 inet static 10.0.0.1",
            "eth1 inet6 static 2001:db8::1",
            "eth1:1 inet static 10.0.0.2",
        ]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.9"),
            call("eth1", Family::Inet6, "2001:db8::1"),
        ];
        let (stanzas, left) = Takeover::of_all(&calls, &record);
        assert_eq!(texts(&stanzas[0].superseded), ["eth1 inet static 10.0.0.1"]);
        assert_eq!(stanzas[0].previous(&record).rules().len(), 1);
        assert_eq!(texts(&stanzas[1].superseded), [""; 0]);
        assert_eq!(headings(&left), ["eth1:1 inet static 10.0.0.2"]);
    }

    #[test]
    fn what_was_put_in_for_all_stanzas_at_once_passes_to_the_first() {
        let record = record(&["eth1 - none 10.0.0.1", "eth2 - none -"]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.1"),
            call("eth1", Family::Inet6, "2001:db8::1"),
        ];
        let (stanzas, left) = Takeover::of_all(&calls, &record);
        assert_eq!(texts(&stanzas[0].superseded), ["eth1 - none 10.0.0.1"]);
        assert_eq!(texts(&stanzas[1].superseded), [""; 0]);
        assert_eq!(headings(&left), ["eth2 - none -"]);
    }

    #[test]
    fn a_call_for_all_stanzas_takes_over_what_it_is_told_of() {
        let record = record(&[
            "eth1 inet static 10.0.0.1",
            "eth1 inet6 static 2001:db8::1",
            "eth1:1 inet static 10.0.0.2",
        ]);
        let call = HookCall {
            interface: "eth1".to_owned(),
            method: "none".to_owned(),
            address: Some("10.0.0.1/24".to_owned()),
            merged: true,
            ..HookCall::default()
        };
        let parts = ["eth1 inet static 10.0.0.1", "eth1 inet6 static 2001:db8::1"];
        let without_options = Takeover::of_call(&call, |_| record.clone());
        assert_eq!(without_options.heading.to_string(), "eth1 - none 10.0.0.1");
        assert_eq!(texts(&without_options.superseded), parts);
        let options = vec![("policy-table".to_owned(), "rt2".into())];
        let call = HookCall { options, ..call };
        let with_options = Takeover::of_call(&call, |_| record.clone());
        assert_eq!(texts(&with_options.superseded), parts[..1]);
    }

    #[test]
    fn of_two_stanzas_of_a_family_only_the_lost_one_passes() {
        let record = record(&["eth1 inet static 10.0.0.1", "eth1 inet static 10.0.0.2"]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.1"),
            call("eth1", Family::Inet, "10.0.0.3"),
        ];
        let (stanzas, left) = Takeover::of_all(&calls, &record);
        assert_eq!(texts(&stanzas[0].superseded), [""; 0]);
        assert_eq!(texts(&stanzas[1].superseded), ["eth1 inet static 10.0.0.2"]);
        assert!(left.is_empty());
    }
}
