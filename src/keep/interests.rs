//! Whom a change concerns: what the records hold, and what was heard of their devices so far.
//!
//! A device is known by its number, since names come and go. Of its addresses those that packets may
//! leave with make a set; what is told anew with another lifetime, as every lease and every router
//! does, changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::netlink::{Assigned, Heard, HeardRoute, Standing};
use crate::routing::{
    Family, InterfaceAddress, InterfaceName, Object, Rule, State, TableId, PROTOCOL,
};

/// What the record of a device has, as far as it matters to whom a change concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptRecord {
    /// What was put in.
    pub state: State,
    /// The tables that it is in, and those that its stanzas name.
    pub tables: BTreeSet<TableId>,
    /// Whether a stanza goes by the default route that main has.
    pub asks_gateway: bool,
    /// Whether it has connections marked.
    pub has_marks: bool,
    /// Whether it has copies in front of VPN software: of rules of any device's.
    pub has_copies: bool,
    /// The stanzas whose packets may not get to networks of other devices.
    pub confined: Vec<Confined>,
}

/// A stanza, by its interface and family.
pub type Confined = (InterfaceName, Family);

impl KeptRecord {
    /// Whether a rule is one that its copies may be of.
    fn may_copy(&self, rule: &Rule) -> bool {
        self.has_copies && rule.protocol == PROTOCOL
    }
}

/// How a device is, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceSeen {
    /// Its number, while there is one.
    pub index: Option<u32>,
    pub is_up: bool,
    /// The addresses that packets may leave with.
    pub addresses: BTreeMap<InterfaceAddress, Use>,
}

/// What an address is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Any,
    /// For connections that have begun with it.
    Begun,
    /// Not for long.
    Temporary,
}

impl DeviceSeen {
    /// Notes an address, or that one is of no use yet or any more.
    pub fn note(&mut self, assigned: &Assigned) {
        let good_for = match assigned.standing {
            Standing::Usable => Use::Any,
            Standing::Deprecated => Use::Begun,
            Standing::Temporary => Use::Temporary,
            Standing::Tentative | Standing::Unfit => {
                self.addresses.remove(&assigned.address);
                return;
            }
        };
        self.addresses.insert(assigned.address, good_for);
    }
}

#[derive(Debug, Default)]
struct Interest {
    recorded: KeptRecord,
    seen: DeviceSeen,
}

/// The devices that have a record.
#[derive(Debug, Default)]
pub struct Interests {
    devices: BTreeMap<InterfaceName, Interest>,
}

impl Interests {
    /// Notes what the record of a device has now. What was heard of the device stays known. Returns
    /// whether nothing is.
    pub fn record(&mut self, device: &InterfaceName, recorded: KeptRecord) -> bool {
        let is_new = !self.devices.contains_key(device);
        let interest = self.devices.entry(device.clone()).or_default();
        interest.recorded = recorded;
        is_new
    }

    /// A device has no record any more.
    pub fn forget(&mut self, device: &InterfaceName) {
        self.devices.remove(device);
    }

    /// Notes how a device is, as the kernel lists it.
    pub fn see(&mut self, device: &InterfaceName, seen: DeviceSeen) {
        if let Some(interest) = self.devices.get_mut(device) {
            interest.seen = seen;
        }
    }

    /// All devices that have a record.
    pub fn devices(&self) -> impl Iterator<Item = &InterfaceName> {
        self.devices.keys()
    }

    /// All tables that records are about.
    pub fn tables(&self) -> BTreeSet<TableId> {
        let each = self.devices.values();
        each.flat_map(|interest| interest.recorded.tables.iter().copied())
            .collect()
    }

    /// Whether a record has connections marked.
    pub fn has_marks(&self) -> bool {
        let mut devices = self.devices.values();
        devices.any(|interest| interest.recorded.has_marks)
    }

    /// The devices that have stanzas whose packets may not get everywhere, with those.
    pub fn confined(&self) -> impl Iterator<Item = (&InterfaceName, &[Confined])> {
        let each = self.devices.iter();
        let each = each.map(|(device, interest)| (device, &interest.recorded.confined[..]));
        each.filter(|(_, stanzas)| !stanzas.is_empty())
    }

    /// The devices that a change concerns. It is noted.
    pub fn concerned(&mut self, heard: &Heard) -> Vec<InterfaceName> {
        match heard {
            Heard::Link {
                index,
                names,
                is_up,
            } => self.link(*index, names, *is_up),
            Heard::LinkGone { index } => self.of_index(*index, |seen| {
                *seen = DeviceSeen::default();
                true
            }),
            Heard::Address { index, assigned } => self.of_index(*index, |seen| {
                let before = seen.addresses.clone();
                seen.note(assigned);
                seen.addresses != before
            }),
            Heard::AddressGone { index, assigned } => self.of_index(*index, |seen| {
                seen.addresses.remove(&assigned.address).is_some()
            }),
            // By one of VPN software all may go another way; who has no rules of a source in front
            // of it, or needs them no more, a look finds out.
            Heard::Rule(rule) | Heard::RuleGone(rule) if rule.is_catch_all() => {
                self.devices.keys().cloned().collect()
            }
            Heard::RuleGone(rule) => {
                let object = Object::Rule(rule.clone());
                self.matching(|Interest { recorded, .. }| {
                    recorded.state.contains(&object) || recorded.may_copy(rule)
                })
            }
            Heard::Rule(rule) => self.matching(|interest| interest.recorded.may_copy(rule)),
            Heard::Route(route) => self.route(*route),
            Heard::Marks => self.matching(|interest| interest.recorded.has_marks),
        }
    }

    fn route(&self, route: HeardRoute) -> Vec<InterfaceName> {
        // That of a table of VPN software, perhaps, which takes all only with it.
        let is_elsewhere = route.is_default && TableId::of_policy(route.table.number()).is_ok();
        self.matching(|interest| {
            let leaves_by_it = interest.seen.index.is_some() && route.device == interest.seen.index;
            // One with several ways names no device of its own.
            let leaves_by_it = leaves_by_it || route.device.is_none();
            let is_router = route.is_default && route.table == TableId::MAIN && leaves_by_it;
            interest.recorded.tables.contains(&route.table)
                || is_elsewhere && !route.is_ours
                || is_router && interest.recorded.asks_gateway
        })
    }

    /// A device was told of. Most of what is told of one is nobody's matter here.
    fn link(&mut self, index: u32, names: &[InterfaceName], is_up: bool) -> Vec<InterfaceName> {
        let mut concerned = Vec::new();
        for (device, interest) in &mut self.devices {
            let seen = &mut interest.seen;
            let is_it = names.contains(device);
            if is_it && seen.index == Some(index) {
                if seen.is_up != is_up {
                    seen.is_up = is_up;
                    concerned.push(device.clone());
                }
            } else if is_it || seen.index == Some(index) {
                // It has come, or goes by another name now.
                *seen = DeviceSeen::default();
                if is_it {
                    seen.index = Some(index);
                    seen.is_up = is_up;
                }
                concerned.push(device.clone());
            }
        }
        concerned
    }

    fn of_index(
        &mut self,
        index: u32,
        mut change: impl FnMut(&mut DeviceSeen) -> bool,
    ) -> Vec<InterfaceName> {
        let all = self.devices.iter_mut();
        let own = all.filter(|(_, interest)| interest.seen.index == Some(index));
        let changed =
            own.filter_map(|(device, interest)| change(&mut interest.seen).then(|| device.clone()));
        changed.collect()
    }

    fn matching(&self, is_meant: impl Fn(&Interest) -> bool) -> Vec<InterfaceName> {
        let all = self.devices.iter();
        let meant = all.filter(|(_, interest)| is_meant(interest));
        meant.map(|(device, _)| device.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::Rule;

    const RULE: &str = "rule priority 21000 from 10.0.0.2 lookup 200 proto 157";

    fn name(text: &str) -> InterfaceName {
        text.parse().unwrap()
    }

    fn names(concerned: &[InterfaceName]) -> Vec<&str> {
        concerned.iter().map(InterfaceName::as_str).collect()
    }

    /// `eth1` of number 5 with a rule and table 200, and `eth2` of number 6 with table 300.
    fn interests() -> Interests {
        let mut interests = Interests::default();
        let recorded = |table, line: Option<&str>| KeptRecord {
            state: line.map(|line| line.parse().unwrap()).into_iter().collect(),
            tables: BTreeSet::from([TableId::numbered(table)]),
            asks_gateway: table == 300,
            ..KeptRecord::default()
        };
        let records = [
            (name("eth1"), recorded(200, Some(RULE))),
            (name("eth2"), recorded(300, None)),
        ];
        for (device, recorded) in &records {
            assert!(interests.record(device, recorded.clone()));
        }
        for (device, index) in [("eth1", 5), ("eth2", 6)] {
            let seen = DeviceSeen {
                index: Some(index),
                is_up: true,
                ..DeviceSeen::default()
            };
            interests.see(&name(device), seen);
        }
        for (device, recorded) in records {
            assert!(!interests.record(&device, recorded));
        }
        interests
    }

    fn link(index: u32, name: &str, is_up: bool) -> Heard {
        Heard::Link {
            index,
            names: vec![name.parse().unwrap()],
            is_up,
        }
    }

    fn address(text: &str, standing: Standing) -> Assigned {
        let (address, length) = text.split_once('/').unwrap();
        let length = length.parse().unwrap();
        Assigned {
            address: InterfaceAddress::new(address.parse().unwrap(), length).unwrap(),
            label: None,
            standing,
        }
    }

    #[test]
    fn only_a_change_of_the_set_of_usable_addresses_concerns_anybody() {
        let mut interests = interests();
        let mut told = |gone: bool, text: &str, standing| {
            let (index, assigned) = (5, address(text, standing));
            let heard = if gone {
                Heard::AddressGone { index, assigned }
            } else {
                Heard::Address { index, assigned }
            };
            interests.concerned(&heard).len()
        };
        let own = "2001:db8::1/64";
        assert_eq!(told(false, own, Standing::Tentative), 0);
        assert_eq!(told(false, own, Standing::Usable), 1);
        // A router advertises itself again.
        assert_eq!(told(false, own, Standing::Usable), 0);
        assert_eq!(told(false, own, Standing::Deprecated), 1);
        assert_eq!(told(true, own, Standing::Deprecated), 1);
        assert_eq!(told(true, own, Standing::Usable), 0);
        assert_eq!(told(false, "fe80::1/64", Standing::Unfit), 0);
    }

    #[test]
    fn a_device_is_known_by_its_number_and_only_up_and_down_matter() {
        let mut interests = interests();
        let mut told = |heard: &Heard| {
            let concerned = interests.concerned(heard);
            names(&concerned).join(" ")
        };
        assert_eq!(told(&link(5, "eth1", true)), "", "statistics, a carrier");
        assert_eq!(told(&link(5, "eth1", false)), "eth1");
        assert_eq!(told(&link(5, "eth1", true)), "eth1");
        assert_eq!(told(&link(9, "veth9", true)), "");
        // Renamed there and back.
        assert_eq!(told(&link(5, "wan0", true)), "eth1");
        assert_eq!(told(&link(5, "eth1", true)), "eth1");
        // Gone, and another one in its place.
        assert_eq!(told(&Heard::LinkGone { index: 5 }), "eth1");
        assert_eq!(told(&Heard::LinkGone { index: 5 }), "");
        assert_eq!(told(&link(11, "eth1", false)), "eth1");
        assert_eq!(told(&link(11, "eth1", true)), "eth1");
    }

    #[test]
    fn rules_of_any_device_of_ours_concern_who_has_copies() {
        let mut interests = interests();
        let Ok(Object::Rule(rule)) = "rule priority 7 to 10.96.0.0/12 lookup 254 proto 157".parse()
        else {
            panic!("no rule");
        };
        let of_others = Rule {
            protocol: 3,
            ..rule.clone()
        };
        let with_copies = KeptRecord {
            has_copies: true,
            ..KeptRecord::default()
        };
        assert!(!interests.record(&name("eth2"), with_copies));
        for (rule, expected) in [(rule, &["eth2"][..]), (of_others, &[])] {
            for heard in [Heard::Rule(rule.clone()), Heard::RuleGone(rule)] {
                assert_eq!(names(&interests.concerned(&heard)), expected, "{heard:?}");
            }
        }
    }

    #[test]
    fn rules_concern_who_has_them_and_routes_who_has_the_table_or_the_router() {
        let mut interests = interests();
        let mut told = |heard: &Heard| {
            let concerned = interests.concerned(heard);
            names(&concerned).join(" ")
        };
        let Object::Rule(rule) = RULE.parse().unwrap() else {
            panic!("no rule");
        };
        assert_eq!(told(&Heard::RuleGone(rule.clone())), "eth1");
        let other = Rule {
            priority: 7,
            ..rule.clone()
        };
        assert_eq!(told(&Heard::RuleGone(other)), "");
        let all = Rule {
            mark: Some((51820, u32::MAX)),
            invert: true,
            protocol: 3,
            ..Rule::lookup(rule.family, 20_999, TableId::numbered(51820))
        };
        assert_eq!(told(&Heard::Rule(all.clone())), "eth1 eth2");
        assert_eq!(told(&Heard::RuleGone(all)), "eth1 eth2");
        assert_eq!(told(&Heard::Rule(rule.clone())), "");
        let route = |table, is_default, device| {
            Heard::Route(HeardRoute {
                table: TableId::numbered(table),
                is_ours: false,
                is_default,
                device,
                is_gone: true,
            })
        };
        assert_eq!(told(&route(200, false, Some(6))), "eth1");
        assert_eq!(told(&route(254, true, Some(5))), "", "its router is given");
        assert_eq!(told(&route(254, true, Some(6))), "eth2");
        assert_eq!(told(&route(254, true, None)), "eth2", "several ways");
        assert_eq!(told(&route(51820, true, Some(9))), "eth1 eth2", "a VPN's");
        assert_eq!(told(&route(51820, false, Some(9))), "");
        assert_eq!(told(&route(254, false, Some(6))), "");
        assert_eq!(told(&route(254, true, Some(9))), "");
    }
}
