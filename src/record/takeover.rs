//! Which parts of a record today's stanzas take over.
//!
//! A stanza is known by the heading of its part, and that changes when the stanza is edited: with
//! another address, or another method, the old part would have no stanza any more. It passes to
//! the stanza of the same interface and family, so that what it put in is replaced and not merely
//! left. Parts without a family are of hooks that are called once for all stanzas of an interface,
//! and pass from them to the last stanza, so that nothing is taken out and put back, and back.
//!
//! Stanzas with one heading are told apart by their options, and where those were edited by their
//! order among those alike, so that no other stanza's coming or going makes one of them another.

use std::ffi::OsString;

use super::heading::Heading;
use super::part::Part;
use super::record::Record;
use crate::ifupdown::HookCall;
use crate::routing::State;

/// A stanza of now, and what it takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// What heads its part of the record.
    pub heading: Heading,
    /// The headings of the other parts that pass to it.
    superseded: Vec<Heading>,
    /// The headings of parts that pass to a later stanza, but were put in for this one as well.
    kin: Vec<Heading>,
    /// Which parts do that none has named.
    unnamed: Unnamed,
    /// The part as it was seen by who held no lock then, and changes nothing if it has changed.
    seen: Option<Part>,
}

/// Parts that pass to a stanza by what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unnamed {
    None,
    /// Those with its heading of which the options are not known.
    LikeWithoutOptions,
    /// Those with its heading, whatever its options were.
    Like,
    /// Those of its family, method and address, whatever its options and so its table were.
    AlikeButForOptions,
}

impl Takeover {
    /// What a hook's call for one stanza takes over.
    ///
    /// Whoever is called by ifupdown reads no file and cannot know whether a part with the same
    /// heading is of the stanza as it was, or of another one that is alike and was brought up just
    /// before. Where there may be two it stays: `apply` and `ifdown` know better.
    pub fn of_call(call: &HookCall) -> Self {
        let heading = Heading::of(call);
        let unnamed = match (heading.is_unique(), call.options.is_empty()) {
            (true, true) => Unnamed::AlikeButForOptions,
            (true, false) => Unnamed::Like,
            (false, true) => Unnamed::None,
            (false, false) => Unnamed::LikeWithoutOptions,
        };
        Self {
            unnamed,
            ..Self::of_own_part(heading)
        }
    }

    /// What the copies of an interface's rules take over: those that are there.
    pub fn of_copies(stanza: &Heading) -> Self {
        Self::of_own_part(stanza.of_copies())
    }

    /// What all stanzas of a device take over, in their order, and the parts that none of them
    /// does, each as if its stanza were still there.
    pub fn of_all(calls: &[HookCall], record: &Record) -> (Vec<Self>, Vec<Self>) {
        let own = calls
            .iter()
            .map(|call| Self::of_own_part(Heading::of(call)));
        let mut takeovers: Vec<Self> = own.collect();
        let is_own = |part: &&Heading| takeovers.iter().any(|stanza| stanza.heading == **part);
        // Copies are no stanza's alone: `converge/in_front.rs` sees to them.
        let of_stanzas = record.headings().filter(|part| !part.is_of_copies());
        let parts: Vec<&Heading> = of_stanzas.filter(|part| !is_own(part)).collect();
        let (mut others, mut left) = (Vec::new(), Vec::new());
        for part in parts {
            // Of those alike the first is the first, whatever stands between them. Before the
            // options were recorded the last one had the part of them all.
            let mut edited = takeovers
                .iter_mut()
                .filter(|stanza| part.is_like(&stanza.heading) && stanza.is_without_part(record));
            let edited = match part.options() {
                Some(_) => edited.next(),
                None => edited.last(),
            };
            match edited {
                Some(stanza) => stanza.superseded.push(part.clone()),
                None => others.push(part),
            }
        }
        for part in others {
            let may_pass = |to: &Self| part.may_pass_to(&to.heading);
            if part.is_for_all() {
                // What of it each stanza wants is there already when the last one takes it over.
                let mut kin: Vec<&mut Self> =
                    takeovers.iter_mut().filter(|to| may_pass(to)).collect();
                match kin.pop() {
                    Some(last) => last.superseded.push(part.clone()),
                    None => left.push(Self::of_own_part(part.clone())),
                }
                for to in kin {
                    to.kin.push(part.clone());
                }
                continue;
            }
            // One that has no part yet is the edited one: it puts in before the old part goes.
            let edited = |to: &Self| may_pass(to) && to.is_without_part(record);
            let place = takeovers.iter().position(edited);
            let place = place.or_else(|| takeovers.iter().position(may_pass));
            match place.and_then(|place| takeovers.get_mut(place)) {
                Some(stanza) => stanza.superseded.push(part.clone()),
                None => left.push(Self::of_own_part(part.clone())),
            }
        }
        (takeovers, left)
    }

    /// A part that is held to what it says, as long as it says that.
    pub fn of_part(part: &Part) -> Self {
        Self {
            seen: Some(part.clone()),
            ..Self::of_own_part(part.heading.clone())
        }
    }

    /// The part as it was seen, where that matters.
    pub fn seen(&self) -> Option<&Part> {
        self.seen.as_ref()
    }

    /// Whether a record, which is locked now, still has what was seen.
    pub fn is_current(&self, record: &Record) -> bool {
        let is_as = |seen: &Part| record.parts().iter().any(|part| part == seen);
        self.seen.as_ref().is_none_or(is_as)
    }

    fn of_own_part(heading: Heading) -> Self {
        Self {
            seen: None,
            heading,
            superseded: Vec::new(),
            kin: Vec::new(),
            unnamed: Unnamed::None,
        }
    }

    /// Whether no part with its heading is its own, whatever its options were.
    fn is_without_part(&self, record: &Record) -> bool {
        let mut superseded = self.superseded.iter();
        !record.has(&self.heading) && !superseded.any(|part| part.is_like(&self.heading))
    }

    /// Whether what a part without a stanza put in is left alone: its interface has no stanza any
    /// more and keeps its address, so nothing says what to do.
    pub fn stays(&self, calls: &[HookCall]) -> bool {
        let interface = self.heading.interface();
        !calls.iter().any(|call| call.interface == interface)
    }

    /// Whether a record has nothing of the stanza but this part of its own.
    pub fn is_settled(&self, record: &Record, part: &Part) -> bool {
        let own = record.part(&self.heading);
        self.superseded.is_empty() && own.says_as(part)
    }

    /// The options that the stanza had before, as far as the record has them.
    pub fn former_options<'a>(
        &'a self,
        record: &'a Record,
    ) -> impl Iterator<Item = &'a (String, OsString)> {
        let own = record.headings().filter(|part| self.takes(part));
        own.flat_map(|part| part.options().unwrap_or_default())
    }

    /// What was put in before by the stanza as it was.
    pub fn previous(&self, record: &Record) -> State {
        let parts = record.parts().iter();
        let own = parts.filter(|part| self.takes(&part.heading));
        own.flat_map(|part| part.state.objects()).collect()
    }

    /// What is noted of the stanza, or of it as it was.
    pub fn part<'a>(&self, record: &'a Record) -> Option<&'a Part> {
        let mut parts = record.parts().iter();
        parts.find(|part| self.takes(&part.heading))
    }

    /// What is known of the stanza as it was.
    pub fn known(&self, record: &Record) -> State {
        let parts = record.parts().iter();
        let own = parts.filter(|part| {
            let is_kin = self.kin.contains(&part.heading);
            is_kin || self.takes(&part.heading)
        });
        own.flat_map(Part::known).collect()
    }

    /// Whether anything was put in before by the stanza, or by one that may be it.
    pub fn has_previous(&self, record: &Record) -> bool {
        let is_own = |part: &Heading| self.takes(part) || part.is_like(&self.heading);
        let mut parts = record.parts().iter();
        parts.any(|part| !part.state.is_empty() && is_own(&part.heading))
    }

    /// Whether what was put in before is of another address: the stanza was edited, and its
    /// interface need not have the new one yet.
    pub fn is_of_other_address(&self, record: &Record) -> bool {
        let mut parts = record.headings().filter(|part| self.takes(part));
        parts.any(|part| !part.has_address_of(&self.heading))
    }

    /// What the other stanzas of the device put in.
    pub fn others(&self, record: &Record) -> State {
        let parts = record.parts().iter();
        let others = parts.filter(|part| !self.takes(&part.heading));
        others.flat_map(|part| part.state.objects()).collect()
    }

    /// Puts the stanza's part into a record, in the place of what was taken over.
    pub fn set(&self, record: &mut Record, part: Part) {
        record.replace(|heading| self.takes(heading), part);
    }

    /// A record without what was taken over.
    pub fn without(&self, mut record: Record) -> Record {
        self.set(&mut record, Part::new(self.heading.clone()));
        record
    }

    /// Whether a part passes to the stanza, or is its own.
    fn takes(&self, part: &Heading) -> bool {
        let is_meant = match self.unnamed {
            Unnamed::None => false,
            Unnamed::LikeWithoutOptions => part.options().is_none() && part.is_like(&self.heading),
            Unnamed::Like => part.is_like(&self.heading),
            Unnamed::AlikeButForOptions => part.is_alike_but_for_options(&self.heading),
        };
        is_meant || *part == self.heading || self.superseded.contains(part)
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
        // The same stanza, but of 0.1.0, which noted no options.
        let own = ["eth1 inet6 static 2001:db8::1"];
        assert_eq!(texts(&stanzas[1].superseded), own);
        assert_eq!(headings(&left), ["eth1:1 inet static 10.0.0.2"]);
    }

    #[test]
    fn what_was_put_in_for_all_stanzas_at_once_passes_to_the_last() {
        let record = record(&["eth1 - none 10.0.0.1", "eth2 - none -"]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.1"),
            call("eth1", Family::Inet6, "2001:db8::1"),
        ];
        let (stanzas, left) = Takeover::of_all(&calls, &record);
        assert_eq!(texts(&stanzas[0].superseded), [""; 0]);
        assert_eq!(texts(&stanzas[1].superseded), ["eth1 - none 10.0.0.1"]);
        // The router that it had is the first one's as well.
        for stanza in &stanzas {
            assert_eq!(stanza.known(&record).rules().len(), 1);
        }
        assert_eq!(headings(&left), ["eth2 - none -"]);
    }

    #[test]
    fn of_two_stanzas_of_a_family_only_the_lost_one_passes() {
        let record = record(&["eth1 inet static 10.0.0.1", "eth1 inet static 10.0.0.2"]);
        let calls = [
            call("eth1", Family::Inet, "10.0.0.1"),
            call("eth1", Family::Inet, "10.0.0.3"),
        ];
        let (stanzas, left) = Takeover::of_all(&calls, &record);
        assert_eq!(texts(&stanzas[0].superseded), ["eth1 inet static 10.0.0.1"]);
        assert_eq!(texts(&stanzas[1].superseded), ["eth1 inet static 10.0.0.2"]);
        assert!(left.is_empty());
    }

    /// A call of a stanza without an address, and the part that it has.
    fn manual(selector: &str) -> (HookCall, String) {
        let option = |name: &str, value: &str| (name.to_owned(), value.into());
        let call = HookCall {
            interface: "eth1".to_owned(),
            family: Some(Family::Inet),
            method: "manual".to_owned(),
            options: vec![
                option("policy-rule", selector),
                option("policy-table", "rt2"),
            ],
            ..HookCall::default()
        };
        let part = format!(
            "iface eth1 inet manual - rt2\n#: option policy-rule {selector}\n\
             #: option policy-table rt2\n\
             \trule priority 1 {selector} lookup 200 proto 157\n"
        );
        (call, part)
    }

    #[test]
    fn stanzas_alike_are_told_apart_by_options_and_then_by_order() {
        // The stanzas of before and of now, and to which place of now each part passes.
        for (before, now, expected) in [
            ("12", "12", "01"),
            ("12", "21", "10"),
            ("12", "132", "02"),
            ("12", "312", "12"),
            ("12", "32", "01"),
            ("12", "13", "01"),
            ("12", "34", "01"),
            ("123", "13", "001"),
            ("123", "43", "001"),
            ("12", "2", "00"),
            ("11", "1", "00"),
        ] {
            let selector = |digit: char| format!("fwmark 0x{digit}");
            let parts = before.chars().map(|digit| manual(&selector(digit)).1);
            let record = Record::read(&parts.collect::<String>());
            let calls = now.chars().map(|digit| manual(&selector(digit)).0);
            let calls: Vec<HookCall> = calls.collect();
            let (stanzas, left) = Takeover::of_all(&calls, &record);
            assert!(left.is_empty());
            let place = |part: &Heading| stanzas.iter().position(|to| to.takes(part));
            let places = record
                .headings()
                .map(|part| place(part).unwrap().to_string());
            assert_eq!(places.collect::<String>(), expected, "{before} to {now}");
        }
    }

    #[test]
    fn a_hook_takes_away_only_what_must_be_of_its_stanza() {
        let (one, part) = manual("fwmark 0x1");
        let (other, _) = manual("fwmark 0x2");
        let record = Record::read(&part);
        let takes = |call: &HookCall, record: &Record| {
            let takeover = Takeover::of_call(call);
            !takeover.previous(record).is_empty()
        };
        assert!(takes(&one, &record) && !takes(&other, &record));
        let without = HookCall {
            options: Vec::new(),
            ..one.clone()
        };
        assert!(!takes(&without, &record));
        // 0.1.0 noted no options.
        let old: Vec<&str> = part.lines().filter(|line| !line.starts_with('#')).collect();
        let old = Record::read(&(old.join("\n") + "\n"));
        assert!(takes(&other, &old));
        // There cannot be two of these.
        let dhcp = Record::read(&part.replace("manual", "dhcp"));
        let of = |call: HookCall| HookCall {
            method: "dhcp".to_owned(),
            ..call
        };
        assert!(takes(&of(other), &dhcp) && takes(&of(without), &dhcp));
    }
}
