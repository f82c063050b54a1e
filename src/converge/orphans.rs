//! What is left of ours and belongs to nothing that is up.
//!
//! No hook runs for a stanza that was deleted, for a device that was pulled out, or after a record
//! was lost. The hooks of other interfaces leave orphans alone; `apply --all` removes them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io;
use std::path::Path;

use thiserror::Error;

use super::marking::{told_chains, SeenMarks};
use super::occupants::Occupants;
use super::outcome::Removal;
use super::remove::{take_out, take_out_once};
use super::unnoted::{count_unnoted, of_records};
use crate::ifupdown::Ifstate;
use crate::marks::{remove_beside, DeviceMarks, MarksError};
use crate::netlink::{Kernel, KernelError};
use crate::record::{Heading, Part, Record, Store, FOLDER};
use crate::routing::{Family, InterfaceName, Object, Route, Rule, State};

/// Why nothing can be said of orphans.
#[derive(Debug, Error)]
pub enum OrphanError {
    /// What ifup notes of the interfaces cannot be read.
    #[error("cannot read which interfaces are up")]
    Ifstate(#[source] io::Error),
    /// The records are not to be had.
    #[error("no records in {FOLDER}")]
    Records(#[source] io::Error),
    /// The kernel could not be asked.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// Why a stanza is not in use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// ifup does not note it as up.
    Down,
    /// Its device, which its routes or rules name, is gone.
    DeviceGone,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "not up",
            Self::DeviceGone => "the device is gone",
        })
    }
}

/// A stanza that left something behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The device whose record holds it.
    pub device: InterfaceName,
    /// What heads it there.
    pub heading: Heading,
    pub why: Why,
    /// What it put in and no other stanza claims. Of those that were looked for, what is there.
    pub state: State,
}

/// Everything of ours that belongs to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    /// The stanzas that are not in use, by their records.
    pub stanzas: Vec<Orphan>,
    /// What bears our protocol and is in no record; and a rule of a record as often as it is there
    /// beyond once. If an interface that is up lost its record, what it has is among this, so such
    /// interfaces converge first.
    pub unclaimed: Vec<Object>,
    /// The chains of nft(8) that mark connections of devices for which no record has marks. Known to
    /// a view, and to who has removed them.
    pub chains: Vec<String>,
    /// What nft(8) is told to take them out. Known to a view.
    pub to_nft: String,
    /// Devices in use whose record is damaged. What it said is not known, so while there is one
    /// nothing counts as unclaimed.
    pub damaged: Vec<InterfaceName>,
}

impl Orphans {
    /// Whether nothing of them is there.
    pub fn is_empty(&self) -> bool {
        let mut stanzas = self.stanzas.iter();
        stanzas.all(|orphan| orphan.state.is_empty())
            && self.unclaimed.is_empty()
            && self.chains.is_empty()
    }

    /// Whether the records say nothing of them either.
    pub fn is_forgotten(&self) -> bool {
        self.stanzas.is_empty() && self.unclaimed.is_empty() && self.chains.is_empty()
    }

    /// What is in no record, as it is told.
    pub fn told_unclaimed(&self) -> Vec<String> {
        let objects = self.unclaimed.iter().map(ToString::to_string);
        let chains = Some(&self.chains).filter(|chains| !chains.is_empty());
        objects.chain(chains.map(|all| told_chains(all))).collect()
    }

    /// All routes and rules of the stanzas that are not in use.
    pub fn of_stanzas(&self) -> State {
        let stanzas = self.stanzas.iter();
        let objects = stanzas.flat_map(|orphan| orphan.state.objects().collect::<Vec<_>>());
        objects.collect()
    }
}

/// Finds the orphans of the host whose files are below `root`, without waiting for a lock: a
/// hook at work beside it may be seen half way. Changes nothing.
/// Errors: what ifup notes cannot be read, or the kernel cannot be asked.
pub fn find_orphans(kernel: &mut Kernel, root: &Path) -> Result<Orphans, OrphanError> {
    let ours = kernel.ours()?;
    among(kernel, &ours, root)
}

/// As [`find_orphans`], of this host, where our rules have been asked for before; with chains of
/// nft(8).
/// Errors: as there.
pub fn find_orphans_beside(
    kernel: &mut Kernel,
    rules: &[Rule],
    marks: &mut SeenMarks,
) -> Result<Orphans, OrphanError> {
    let mut ours = Vec::new();
    for family in Family::ALL {
        let routes = kernel.our_routes(family)?;
        ours.extend(routes.into_iter().map(Object::Route));
        let rules = rules.iter().filter(|rule| rule.family == family);
        ours.extend(rules.cloned().map(Object::Rule));
    }
    let mut orphans = among(kernel, &ours, Path::new("/"))?;
    if orphans.damaged.is_empty() {
        orphans.chains = marks.in_no_record();
        orphans.to_nft = marks.without(&orphans.chains);
    }
    Ok(orphans)
}

/// The orphans among what the kernel has of ours: it is asked before the records are read, since a
/// hook notes what it is going to put in.
fn among(kernel: &mut Kernel, ours: &[Object], root: &Path) -> Result<Orphans, OrphanError> {
    let records = Store::devices().map(|device| {
        let record = Store::peek(&device);
        (
            device,
            record.with_states(|state| kernel.devices().same_in(state)),
        )
    });
    let records: Vec<_> = records.collect();
    let mut ifstate = Ifstate::below(root).map_err(OrphanError::Ifstate)?;
    let signs = of_records(records.iter().map(|(_, record)| record));
    count_unnoted(&mut ifstate, kernel, signs);
    let mut orphans = tell_apart(&records, &ifstate, ours, |device| kernel.has_device(device));
    let there = Occupants::among(ours.iter().cloned());
    for orphan in &mut orphans.stanzas {
        let state = orphan.state.objects();
        orphan.state = state.filter(|object| is_there(object, &there)).collect();
    }
    Ok(orphans)
}

/// Whether the kernel has what was put in, perhaps in another guise.
fn is_there(object: &Object, there: &Occupants) -> bool {
    match object {
        Object::Rule(rule) => there.rules(rule).contains(rule),
        Object::Route(route) => {
            let mut shown = there.routes(route).iter();
            shown.any(|other| other == route || is_guise(other, route))
        }
    }
}

/// Removes the orphans from the kernel and from the records, other runs being kept out; returns
/// what was found and what became of it. What could not be removed stays in its record.
/// Errors: the records cannot be locked, read or written, what ifup notes cannot be read, or the
/// kernel cannot be asked.
pub fn remove_orphans(kernel: &mut Kernel, root: &Path) -> Result<(Orphans, Removal), OrphanError> {
    let store = Store::open().map_err(OrphanError::Records)?;
    let read = Store::devices().map(|device| {
        let record = store.read(&device)?;
        Ok((
            device,
            record.with_states(|state| kernel.devices().same_in(state)),
        ))
    });
    let records: io::Result<Vec<_>> = read.collect();
    let records = records.map_err(OrphanError::Records)?;
    // After the lock: ifup notes an interface before its hook asks for the lock.
    let mut ifstate = Ifstate::below(root).map_err(OrphanError::Ifstate)?;
    let signs = of_records(records.iter().map(|(_, record)| record));
    count_unnoted(&mut ifstate, kernel, signs);
    let ours = kernel.ours()?;
    let mut orphans = tell_apart(&records, &ifstate, &ours, |device| {
        kernel.has_device(device)
    });
    let mut removal = delete(kernel, &orphans);
    let marked: Vec<InterfaceName> = records
        .iter()
        .flat_map(|(_, record)| DeviceMarks::devices(record))
        .collect();
    let shared = kernel.devices().same_in(store.shared());
    forget(&store, records, &shared, &orphans, &removal.stuck).map_err(OrphanError::Records)?;
    match forget_marks(&store, &marked) {
        Ok(chains) => orphans.chains = chains,
        // A host without marks need not have a kernel for them.
        Err(error) if !marked.is_empty() => removal.warnings.push(error.to_string()),
        Err(_) => {}
    }
    Ok((orphans, removal))
}

/// Deletes what is there of the orphans, as often as it is there.
fn delete(kernel: &mut Kernel, orphans: &Orphans) -> Removal {
    let mut removal = take_out(kernel, &orphans.of_stanzas());
    let mut waiting = orphans.unclaimed.clone();
    while !waiting.is_empty() {
        let mut once = HashSet::new();
        let (now, later) = waiting
            .into_iter()
            .partition(|object| once.insert(object.clone()));
        let now: Vec<Object> = now;
        removal.add(take_out_once(kernel, &now.into_iter().collect()));
        waiting = later;
    }
    removal
}

/// Takes the orphans out of the records, but for what is stuck.
fn forget(
    store: &Store,
    records: Vec<(InterfaceName, Record)>,
    shared: &State,
    orphans: &Orphans,
    stuck: &State,
) -> io::Result<()> {
    let mut gone: HashMap<&InterfaceName, Vec<&Orphan>> = HashMap::new();
    for orphan in &orphans.stanzas {
        gone.entry(&orphan.device).or_default().push(orphan);
    }
    for (device, record) in records {
        let gone = gone.get(&device).map(Vec::as_slice).unwrap_or_default();
        let is_damaged = orphans.damaged.contains(&device);
        if let Some(record) = without(record, gone, is_damaged, stuck) {
            store.write(&device, &record)?;
        }
    }
    let left = shared.without(&orphans.of_stanzas().without(stuck));
    if left == *shared {
        return Ok(());
    }
    store.set_shared(&left)
}

/// Takes out the chains of devices for which no record has marks any more; returns which. Where a
/// record is damaged only those that had some are known to be such.
fn forget_marks(store: &Store, before: &[InterfaceName]) -> Result<Vec<String>, MarksError> {
    let records: Vec<Record> = Store::devices()
        .filter_map(|device| store.read(&device).ok())
        .collect();
    let wanted: Vec<DeviceMarks> = records.iter().flat_map(DeviceMarks::of).collect();
    let is_damaged = records.iter().any(|record| !record.damaged.is_empty());
    let known: Vec<String> = before.iter().flat_map(DeviceMarks::names).collect();
    remove_beside(&wanted, |chain| !is_damaged || known.contains(chain))
}

/// A record without its orphans, but for what is stuck; `None` where it stays as it is.
fn without(
    mut record: Record,
    gone: &[&Orphan],
    is_damaged: bool,
    stuck: &State,
) -> Option<Record> {
    let nothing_to_do = gone.is_empty() && record.damaged.is_empty();
    // Written anew, a record in use would not tell any more that it was damaged.
    if nothing_to_do || is_damaged {
        return None;
    }
    for orphan in gone {
        record.leave(&orphan.heading, orphan.state.only(stuck));
    }
    Some(record)
}

/// Tells the orphans from what is in use.
fn tell_apart(
    records: &[(InterfaceName, Record)],
    ifstate: &Ifstate,
    ours: &[Object],
    mut has_device: impl FnMut(&InterfaceName) -> bool,
) -> Orphans {
    let mut orphans = Orphans::default();
    let mut used = Vec::new();
    for (device, record) in records {
        let is_there = has_device(device);
        for part in record.parts() {
            match why(part, device, is_there, ifstate) {
                Some(why) => orphans.stanzas.push(Orphan {
                    device: device.clone(),
                    heading: part.heading.clone(),
                    why,
                    state: part.state.clone(),
                }),
                None => used.extend(part.state.objects()),
            }
        }
        if !record.damaged.is_empty() && is_there && !ifstate.is_device_down(device) {
            orphans.damaged.push(device.clone());
        }
    }
    // A set: a host may have thousands of interfaces, with several objects each.
    let mut known: HashSet<Object> = used.into_iter().collect();
    for orphan in &mut orphans.stanzas {
        let left = orphan.state.objects();
        orphan.state = left.filter(|object| !known.contains(object)).collect();
    }
    if orphans.damaged.is_empty() {
        known.extend(orphans.of_stanzas().objects());
        orphans.unclaimed = unclaimed(ours, &known);
    }
    orphans
}

/// Why a stanza's part of a record is an orphan, if it is one.
fn why(part: &Part, device: &InterfaceName, is_there: bool, ifstate: &Ifstate) -> Option<Why> {
    if ifstate.is_down(part.heading.interface(), part.heading.logical()) {
        Some(Why::Down)
    } else if !is_there && names_device(&part.state, device) {
        Some(Why::DeviceGone)
    } else {
        None
    }
}

/// Whether a route or a rule names a device. An interface need not be a device, as that of a
/// provider for ppp is none: nothing that it puts in names one that could be gone.
fn names_device(state: &State, device: &InterfaceName) -> bool {
    let of_route = |route: &Route| {
        let mut devices = route.hops.iter().filter_map(|hop| hop.device.as_ref());
        devices.any(|own| own == device)
    };
    let mut rules = state.rules().iter();
    state.routes().iter().any(of_route)
        || rules.any(|rule| [&rule.iif, &rule.oif].contains(&&Some(device.clone())))
}

/// Of what the kernel has of ours, what is not known. Of a rule that is there several times, one is
/// known.
fn unclaimed(ours: &[Object], known: &HashSet<Object>) -> Vec<Object> {
    let mut seen = HashSet::new();
    let mut left = Vec::new();
    let is_ipv6 = |object: &&Object| object.family() == Family::Inet6;
    let ipv6 = Occupants::among(known.iter().filter(is_ipv6).cloned());
    for object in ours {
        if !seen.insert(object) || !is_known(object, known, &ipv6) {
            left.push(object.clone());
        }
    }
    left
}

/// Whether an object is known, perhaps in another guise.
fn is_known(object: &Object, known: &HashSet<Object>, ipv6: &Occupants) -> bool {
    if known.contains(object) {
        return true;
    }
    let Object::Route(route) = object else {
        return false;
    };
    let mut known = ipv6.routes(route).iter();
    known.any(|other| is_guise(route, other))
}

/// Whether a route that the kernel shows may be one that was put in: it takes `src` from an IPv6
/// route whose address is gone, and shows IPv6 routes to one destination as one of several ways.
fn is_guise(shown: &Route, known: &Route) -> bool {
    let with = |hop| Route {
        hops: vec![hop],
        source: shown.source.or(known.source),
        ..shown.clone()
    };
    shown.hops.iter().cloned().any(|hop| with(hop) == *known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ifupdown::UpInterface;

    const ROUTE: &str = "route default via 10.0.0.1 dev eth1 table 200 proto 157";
    const RULE: &str = "rule priority 21000 from 10.0.0.9 lookup 200 proto 157";
    const ALIAS: &str = "rule priority 21000 from 10.0.0.10 lookup 200 proto 157";
    const ALONE: &str = "rule priority 900 from 10.9.0.0/16 lookup 300 proto 157";

    fn objects(lines: &[&str]) -> Vec<Object> {
        lines.iter().map(|line| line.parse().unwrap()).collect()
    }

    fn heading(text: &str) -> Heading {
        let Ok(heading) = text.parse();
        heading
    }

    /// eth1 with an alias, and an interface without a device of its own.
    fn records() -> Vec<(InterfaceName, Record)> {
        let state = |lines: &[&str]| objects(lines).into_iter().collect();
        let mut eth1 = Record::default();
        eth1.set(
            &heading("eth1=home inet static 10.0.0.9"),
            state(&[ROUTE, RULE]),
        );
        eth1.set(
            &heading("eth1:1 inet static 10.0.0.10"),
            state(&[ROUTE, ALIAS]),
        );
        let mut provider = Record::default();
        provider.set(&heading("provider inet ppp -"), state(&[ALONE]));
        let name = |name: &str| name.parse().unwrap();
        vec![(name("eth1"), eth1), (name("provider"), provider)]
    }

    fn up(pairs: &[(&str, &str)]) -> Ifstate {
        let up = pairs.iter().map(|(interface, logical)| UpInterface {
            interface: interface.parse().unwrap(),
            logical: Some((*logical).to_owned()),
        });
        Ifstate {
            up: up.collect(),
            changing: Vec::new(),
            is_complete: true,
            ..Ifstate::default()
        }
    }

    const ALL_UP: [(&str, &str); 3] = [
        ("eth1", "home"),
        ("eth1:1", "eth1:1"),
        ("provider", "provider"),
    ];

    fn found(ifstate: &Ifstate, ours: &[&str], devices: &[&str]) -> Vec<String> {
        let has = |device: &InterfaceName| devices.contains(&device.as_str());
        let orphans = tell_apart(&records(), ifstate, &objects(ours), has);
        let stanzas = orphans.stanzas.iter().flat_map(|orphan| {
            let heading = format!("{}: {}", orphan.heading, orphan.why);
            let objects = orphan.state.objects().map(|object| object.to_string());
            std::iter::once(heading).chain(objects.collect::<Vec<_>>())
        });
        let unclaimed = orphans.unclaimed.iter().map(ToString::to_string);
        stanzas.chain(unclaimed).collect()
    }

    const ALL: [&str; 4] = [ROUTE, RULE, ALIAS, ALONE];

    #[test]
    fn what_is_up_is_no_orphan_and_needs_no_device_that_it_does_not_name() {
        assert_eq!(found(&up(&ALL_UP), &ALL, &["eth1"]), [""; 0]);
        let unknown = Ifstate::default();
        assert_eq!(found(&unknown, &ALL, &["eth1"]), [""; 0]);
        let busy = Ifstate {
            changing: vec!["eth1".parse().unwrap()],
            ..up(&ALL_UP[1..])
        };
        assert_eq!(found(&busy, &ALL, &["eth1"]), [""; 0]);
    }

    #[test]
    fn a_stanza_that_is_not_up_keeps_what_another_claims() {
        for state in [
            up(&ALL_UP[1..]),
            up(&[("eth1", "away"), ALL_UP[1], ALL_UP[2]]),
        ] {
            let heading = "eth1=home inet static 10.0.0.9: not up";
            assert_eq!(found(&state, &ALL, &["eth1"]), [heading, RULE]);
        }
    }

    #[test]
    fn a_device_that_is_gone_leaves_its_aliases_orphans_too() {
        let gone = found(&up(&ALL_UP), &[RULE, ALIAS, ALONE], &[]);
        let heading = |stanza| format!("{stanza}: the device is gone");
        assert_eq!(
            gone,
            [
                &heading("eth1=home inet static 10.0.0.9"),
                ROUTE,
                RULE,
                &heading("eth1:1 inet static 10.0.0.10"),
                ROUTE,
                ALIAS
            ]
        );
    }

    #[test]
    fn what_no_record_claims_counts_as_often_as_it_is_there() {
        let other = "rule priority 5 from all lookup 9 proto 157";
        let ours = [ROUTE, RULE, RULE, other, other];
        assert_eq!(found(&up(&ALL_UP), &ours, &["eth1"]), [RULE, other, other]);
    }

    #[test]
    fn the_kernels_guises_of_a_route_are_known() {
        let known: State = objects(&[
            "-6 route 2001:db8::/32 dev eth1 src fd00::1 table 200 proto 157",
            "-6 route default via fe80::1 dev eth1 table 200 proto 157",
        ])
        .into_iter()
        .collect();
        for (line, expected) in [
            ("-6 route 2001:db8::/32 dev eth1 table 200 proto 157", true),
            (
                "-6 route 2001:db8::/32 dev eth1 src fd00::2 table 200 proto 157",
                false,
            ),
            (
                "-6 route default proto 157 table 200 nexthop via fe80::1 dev eth1 \
                 nexthop via fe80::2 dev eth2",
                true,
            ),
            (
                "-6 route default via fe80::2 dev eth1 table 200 proto 157",
                false,
            ),
        ] {
            let object: Object = line.parse().unwrap();
            assert_eq!(
                is_known(
                    &object,
                    &known.objects().collect(),
                    &Occupants::among(known.objects())
                ),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn while_a_record_in_use_is_damaged_nothing_is_unclaimed() {
        let mut records = records();
        records[0].1.damaged.push(3);
        let other = objects(&["rule priority 5 from all lookup 9 proto 157"]);
        let orphans = tell_apart(&records, &up(&ALL_UP), &other, |_| true);
        assert!(orphans.is_empty() && orphans.damaged.len() == 1);
        let orphans = tell_apart(&records, &up(&ALL_UP[2..]), &other, |_| true);
        assert_eq!((orphans.unclaimed, orphans.damaged), (other, Vec::new()));
    }
}
