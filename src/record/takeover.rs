//! Which parts of a record today's stanzas take over.
//!
//! A stanza is known by the line that heads its part, and that line changes when the stanza is
//! edited: with another address, or another method, the old part would have no stanza any more. It
//! passes to the stanza of the same interface and family, so that what it put in is replaced and
//! not merely left. Parts without a family are of hooks that are called once for all stanzas of an
//! interface, and pass from them to the first stanza, and back.

use super::record::{heading, Record};
use crate::ifupdown::HookCall;
use crate::routing::State;

/// A stanza of now, and what it takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// What heads its part of the record.
    pub heading: String,
    /// The parts that pass to it.
    pub superseded: Vec<String>,
}

impl Takeover {
    /// A stanza that takes nothing over but its own part.
    pub fn alone(heading: String) -> Self {
        Self {
            heading,
            superseded: Vec::new(),
        }
    }

    /// A call that stands for all stanzas of its interface. It knows one address: what `apply` put
    /// in for the others stays, unless no stanza has options any more.
    pub fn of_all(call: &HookCall, record: &Record) -> Self {
        let mut heir = Self::alone(heading(call));
        let address = |heading: &str| heading.split(' ').nth(4).map(str::to_owned);
        let own = address(&heir.heading);
        heir.superseded = record.headings("iface");
        heir.superseded.retain(|part| {
            let is_told = address(part) == own || call.options.is_empty();
            *part != heir.heading && is_told && Self::alone(part.clone()).is_of(&call.interface)
        });
        heir
    }

    /// Whether it is of an interface.
    pub fn is_of(&self, interface: &str) -> bool {
        let word = interface_and_family(&self.heading)
            .next()
            .unwrap_or_default();
        word.split('=').next() == Some(interface)
    }

    /// What the other stanzas of the device put in.
    pub fn others(&self, record: &Record) -> State {
        let mut record = record.clone();
        for heading in self.superseded.iter().chain([&self.heading]) {
            record.set(heading, State::default());
        }
        record.state()
    }

    /// What was put in before by the stanza as it was.
    pub fn previous(&self, record: &Record) -> State {
        let parts = self.superseded.iter().chain([&self.heading]);
        parts
            .flat_map(|heading| record.of_stanza(heading).objects().collect::<Vec<_>>())
            .collect()
    }
}

/// The heirs of a record, one for each stanza in their order, and the parts that have none.
pub fn succession(record: &Record, calls: &[HookCall]) -> (Vec<Takeover>, Vec<String>) {
    let mut heirs: Vec<Takeover> = calls
        .iter()
        .map(|call| Takeover::alone(heading(call)))
        .collect();
    let mut left = Vec::new();
    for part in record.headings("iface") {
        if heirs.iter().any(|heir| heir.heading == part) {
            continue;
        }
        let kin = |heir: &Takeover| is_kin(&part, &heir.heading);
        // One that has no part yet is the edited one: it puts in before the old part goes.
        let is_new = |heir: &Takeover| record.of_stanza(&heir.heading).is_empty();
        let edited = heirs.iter().position(|heir| kin(heir) && is_new(heir));
        let place = edited.or_else(|| heirs.iter().position(kin));
        match place.and_then(|place| heirs.get_mut(place)) {
            Some(heir) => heir.superseded.push(part),
            None => left.push(part),
        }
    }
    (heirs, left)
}

/// Whether what a part without an heir put in is left alone: its interface has no stanza any more
/// and keeps its address, so nothing says what to do.
pub fn stays(heading: &str, calls: &[HookCall]) -> bool {
    let heir = Takeover::alone(heading.to_owned());
    !calls.iter().any(|call| heir.is_of(&call.interface))
}

/// Whether a part may pass to a stanza: it is of the same interface and family, or was put in for
/// all stanzas of the interface at once, which is how ifupdown-ng and ifupdown2 call a hook.
fn is_kin(part: &str, heading: &str) -> bool {
    let mut part = interface_and_family(part);
    let mut heading = interface_and_family(heading);
    part.next() == heading.next()
        && part
            .next()
            .is_some_and(|of| of == "-" || heading.next() == Some(of))
}

/// The words of a heading behind `iface` that stay the same when a stanza is edited.
fn interface_and_family(heading: &str) -> impl Iterator<Item = &str> {
    heading.split(' ').skip(1).take(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Family;

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
            format!("{heading}\n\trule priority 1 from 10.0.0.1 lookup 200 proto 157\n")
        };
        Record::read(&headings.iter().map(part).collect::<String>())
    }

    #[test]
    fn an_edited_stanza_takes_its_old_part_over() {
        let record = record(&[
            "iface eth1 inet static 10.0.0.1",
            "iface eth1 inet6 static 2001:db8::1",
            "iface eth1:1 inet static 10.0.0.2",
        ]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.9"),
            call("eth1", Family::Inet6, "2001:db8::1"),
        ];
        let (heirs, left) = succession(&record, &calls);
        assert_eq!(heirs[0].superseded, ["iface eth1 inet static 10.0.0.1"]);
        assert_eq!(heirs[0].previous(&record).rules().len(), 1);
        assert_eq!(heirs[1].superseded, [""; 0]);
        assert_eq!(left, ["iface eth1:1 inet static 10.0.0.2"]);
    }

    #[test]
    fn what_was_put_in_for_all_stanzas_at_once_passes_to_the_first() {
        let record = record(&["iface eth1 - none 10.0.0.1", "iface eth2 - none -"]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.1"),
            call("eth1", Family::Inet6, "2001:db8::1"),
        ];
        let (heirs, left) = succession(&record, &calls);
        assert_eq!(heirs[0].superseded, ["iface eth1 - none 10.0.0.1"]);
        assert_eq!(heirs[1].superseded, [""; 0]);
        assert_eq!(left, ["iface eth2 - none -"]);
    }

    #[test]
    fn a_call_for_all_stanzas_takes_over_what_it_is_told_of() {
        let record = record(&[
            "iface eth1 inet static 10.0.0.1",
            "iface eth1 inet6 static 2001:db8::1",
            "iface eth1:1 inet static 10.0.0.2",
        ]);
        let call = HookCall {
            interface: "eth1".to_owned(),
            method: "none".to_owned(),
            address: Some("10.0.0.1/24".to_owned()),
            ..HookCall::default()
        };
        let parts = [
            "iface eth1 inet static 10.0.0.1",
            "iface eth1 inet6 static 2001:db8::1",
        ];
        let without_options = Takeover::of_all(&call, &record);
        assert_eq!(without_options.heading, "iface eth1 - none 10.0.0.1");
        assert_eq!(without_options.superseded, parts);
        let options = vec![("policy-table".to_owned(), "rt2".into())];
        let heir = Takeover::of_all(&HookCall { options, ..call }, &record);
        assert_eq!(heir.superseded, parts[..1]);
    }

    #[test]
    fn of_two_stanzas_of_a_family_only_the_lost_one_passes() {
        let record = record(&[
            "iface eth1 inet static 10.0.0.1",
            "iface eth1 inet static 10.0.0.2",
        ]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.1"),
            call("eth1", Family::Inet, "10.0.0.3"),
        ];
        let (heirs, left) = succession(&record, &calls);
        assert_eq!(heirs[0].superseded, [""; 0]);
        assert_eq!(heirs[1].superseded, ["iface eth1 inet static 10.0.0.2"]);
        assert!(left.is_empty());
    }
}
