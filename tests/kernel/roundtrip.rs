//! The same line through `ip` and through this program, in a network namespace each: both leave
//! what `ip -d -j` prints alike, what `ip` prints is read back as the object that was put in,
//! and a deletion takes that object and no other.
//!
//! Random lines come from a seed that is printed; `ROUNDTRIP_SEED` gives another one, and
//! `ROUNDTRIP_COUNT` how many lines of each kind there are.

// The seed is printed; tables of lines are long; a random address is any half of a number.
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::support::lab::{self, lab, pieces, Lab};
use crate::support::random::{number_in, Random};
use policy_table::netlink::{Answer, Kernel};
use policy_table::routing::syntax::{read_route, read_rule, LineError, RouteDefaults};
use policy_table::routing::{
    Action, Family, Object, Prefix, Route, Rule, Scope, Step, TableId, PROTOCOL,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noun {
    Rule,
    Route,
}

/// A line for `ip rule add` or `ip route add`, complete: nothing is left to a stanza.
#[derive(Debug, Clone)]
struct Case {
    noun: Noun,
    family: Family,
    line: String,
}

impl Case {
    fn command(&self) -> String {
        let (flag, noun) = (flag(self.family), self.noun.word());
        format!("ip {flag} {noun} add {}", self.line)
    }
}

impl Noun {
    fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Route => "route",
        }
    }
}

fn flag(family: Family) -> &'static str {
    match family {
        Family::Inet => "-4",
        Family::Inet6 => "-6",
    }
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Taken,
    /// By the kernel.
    Refused(String),
    /// Before the kernel was asked.
    Unread(String),
}

/// What `ip` prints of everything there is of one noun and family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shown {
    /// `-d -j`, an object a piece, sorted.
    json: Vec<String>,
    /// `-N -d`, `-d`, and without either.
    texts: [Vec<String>; 3],
}

/// The table that has a name in every lab.
const NAMED: (&str, u32) = ("rt2", 20611);

fn names(name: &str) -> Option<TableId> {
    (name == NAMED.0).then_some(TableId::numbered(NAMED.1))
}

/// The vendor's files of names, which a lab takes away with all of `/etc/iproute2`. To be called
/// outside of one.
fn vendor_names() -> Vec<(String, String)> {
    let files = ["rt_dsfield", "rt_scopes", "rt_realms", "rt_protos", "group"];
    let texts = files.into_iter().filter_map(|file| {
        let path = format!("/etc/iproute2/{file}");
        Some((path.clone(), fs::read_to_string(path).ok()?))
    });
    texts.collect()
}

/// Two networks with the vendor's names, the same in every lab.
fn set_up(lab: &Lab, names: &[(String, String)]) {
    for (path, text) in names {
        lab.write(path, text);
    }
    let tables = lab.text("/etc/iproute2/rt_tables");
    lab.write(
        "/etc/iproute2/rt_tables",
        &format!("{tables}{}\t{}\n", NAMED.1, NAMED.0),
    );
    lab.two_networks();
}

fn show(lab: &Lab, noun: Noun, family: Family) -> Shown {
    let what = match noun {
        Noun::Rule => "rule show",
        Noun::Route => "route show table all",
    };
    let ip = |options: &str| lab.ok(&format!("ip {} {options} {what}", flag(family)));
    let mut json: Vec<String> = pieces(&ip("-d -j"));
    json.sort();
    // Nexthops stand on lines of their own.
    let texts = ["-N -d", "-d", ""].map(|options| lab::lines(&ip(options).replace("\n\t", " ")));
    Shown { json, texts }
}

/// What `ip` does with the lines, and what is then there by family.
struct Theirs {
    verdicts: Vec<Verdict>,
    shown: [Shown; 2],
}

fn by_ip(lab: &Lab, cases: &[Case]) -> Theirs {
    let verdict = |case: &Case| {
        let said = lab.sh(&case.command());
        match said.code {
            0 => Verdict::Taken,
            2 => Verdict::Refused(said.err),
            _ => Verdict::Unread(said.err),
        }
    };
    let verdicts = cases.iter().map(verdict).collect();
    let shown = Family::ALL.map(|family| show(lab, cases[0].noun, family));
    Theirs { verdicts, shown }
}

fn read(case: &Case) -> Result<Object, LineError> {
    read_line(case.noun, case.family, &case.line)
}

/// As a stanza reads its lines, with what `ip` makes of what is left unsaid. As with `ip -4` and
/// `ip -6`, the family is settled before the first address.
fn read_line(noun: Noun, family: Family, line: &str) -> Result<Object, LineError> {
    let line = &format!("{} {line}", flag(family));
    match noun {
        Noun::Rule => {
            let unsaid = Rule {
                protocol: 0,
                ..Rule::lookup(family, 0, TableId::MAIN)
            };
            read_rule(line, unsaid, &names).map(|(rule, _)| Object::Rule(rule))
        }
        Noun::Route => {
            let unsaid = RouteDefaults {
                table: Some(TableId::MAIN),
                device: None,
                family: Some(family),
            };
            read_route(line, unsaid, &names).map(Object::Route)
        }
    }
}

/// What the kernel has, in its order.
fn dump(kernel: &mut Kernel, noun: Noun, family: Family, tables: &BTreeSet<u32>) -> Vec<Object> {
    match noun {
        Noun::Rule => {
            let rules = kernel.rules(family).unwrap();
            rules.into_iter().map(Object::Rule).collect()
        }
        Noun::Route => {
            let mut routes = Vec::new();
            for table in tables {
                routes.extend(kernel.routes(family, TableId::numbered(*table)).unwrap());
            }
            routes.into_iter().map(Object::Route).collect()
        }
    }
}

/// What is wrong, a paragraph a fault.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn note(&mut self, text: String) {
        self.0.push(text);
    }

    fn check(self, of: usize) {
        let mut shown = String::new();
        for fault in self.0.iter().take(40) {
            writeln!(shown, "\n{fault}").unwrap();
        }
        assert!(
            self.0.is_empty(),
            "{} faults in {of} lines\n{shown}",
            self.0.len()
        );
    }
}

/// Runs the lines through both, and checks everything there is to check.
fn round_trip(cases: &[Case]) -> Faults {
    let vendor = vendor_names();
    let mut theirs = None;
    lab(|lab| {
        set_up(lab, &vendor);
        theirs = Some(by_ip(lab, cases));
    });
    let mut faults = Faults::default();
    if let Some(theirs) = theirs {
        lab(|lab| {
            set_up(lab, &vendor);
            by_us(lab, cases, &theirs, &mut faults);
        });
    }
    faults
}

fn by_us(lab: &Lab, cases: &[Case], theirs: &Theirs, faults: &mut Faults) {
    let noun = cases[0].noun;
    let mut kernel = Kernel::open().unwrap();
    let before = Family::ALL.map(|family| show(lab, noun, family));
    let mut added = Vec::new();
    for (case, verdict) in cases.iter().zip(&theirs.verdicts) {
        let object = read(case);
        let ours = match &object {
            Err(error) => Verdict::Unread(error.to_string()),
            Ok(object) => put_in(&mut kernel, object),
        };
        match (verdict, &ours, object) {
            (Verdict::Taken, Verdict::Taken, Ok(object)) => added.push((case, object)),
            (Verdict::Taken, _, _) | (_, Verdict::Taken, _) => {
                faults.note(format!(
                    "{}\n  ip:  {verdict:?}\n  we: {ours:?}",
                    case.command()
                ));
            }
            // Who refuses does not matter; that a line which both read is judged alike does.
            _ => {}
        }
    }
    println!("{} of {} lines are taken", added.len(), cases.len());
    if added.len() * 2 < cases.len() {
        faults.note("too few lines are taken to show anything".to_owned());
    }
    let tables: BTreeSet<u32> = added
        .iter()
        .filter_map(|(_, object)| match object {
            Object::Route(route) => Some(route.table.number()),
            Object::Rule(_) => None,
        })
        .chain([254, 255])
        .collect();
    for (family, (shown, before)) in Family::ALL
        .into_iter()
        .zip(theirs.shown.iter().zip(&before))
    {
        let added: Vec<_> = added
            .iter()
            .filter(|(case, _)| case.family == family)
            .collect();
        let ours = show(lab, noun, family);
        compare(shown, &ours, faults);
        let there = dump(&mut kernel, noun, family, &tables);
        for (case, object) in &added {
            if !there.contains(object) {
                let nearest = nearest(object, &there);
                faults.note(format!(
                    "{}\n  put in: {object}\n  dumped: {nearest}",
                    case.command()
                ));
            }
        }
        read_back(noun, family, &ours, &there, faults);
        // Ours in the words of ip: each line is taken as it stands, and makes the same.
        let objects: Vec<&Object> = added.iter().map(|(_, object)| object).collect();
        take_out(&mut kernel, noun, family, &tables, &objects, faults);
        let left = show(lab, noun, family);
        if left != *before {
            faults.note(format!(
                "{family} {}s are left:\n{:#?}\nbefore:\n{:#?}",
                noun.word(),
                left.texts[1],
                before.texts[1]
            ));
        }
        for object in &objects {
            let command = object.command("add");
            let said = lab.sh(&command);
            if said.code != 0 {
                faults.note(format!("{command}\n  ip:  {}", said.err));
            }
        }
        compare(&ours, &show(lab, noun, family), faults);
    }
}

fn put_in(kernel: &mut Kernel, object: &Object) -> Verdict {
    let answers = kernel.execute(&[Step::add(object.clone())]).unwrap();
    match &answers[0] {
        Answer::Done(_) => Verdict::Taken,
        Answer::Refused(refusal) => Verdict::Refused(refusal.to_string()),
    }
}

/// What of two dumps of `ip` is in one only.
fn compare(theirs: &Shown, ours: &Shown, faults: &mut Faults) {
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        let rest = these.iter().filter(|piece| !those.contains(piece));
        rest.cloned().collect()
    };
    let (left, right) = (
        only(&theirs.json, &ours.json),
        only(&ours.json, &theirs.json),
    );
    if !(left.is_empty() && right.is_empty()) || theirs.json.len() != ours.json.len() {
        faults.note(format!(
            "of ip's alone:\n    {}\n  of ours alone:\n    {}",
            left.join("\n    "),
            right.join("\n    ")
        ));
    }
}

fn place(object: &Object) -> String {
    match object {
        Object::Rule(rule) => rule.priority.to_string(),
        Object::Route(route) => format!("{} {}", route.table, route.destination),
    }
}

fn nearest(object: &Object, there: &[Object]) -> String {
    let near = there.iter().filter(|other| place(other) == place(object));
    near.map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n  ")
}

/// Every line that `ip` prints is read as an object that the kernel has, and all are read.
fn read_back(noun: Noun, family: Family, shown: &Shown, there: &[Object], faults: &mut Faults) {
    for (way, lines) in shown.texts.iter().enumerate() {
        for line in lines {
            let object = match read_shown(noun, family, line) {
                Ok(object) => object,
                Err(error) => {
                    faults.note(format!("ip prints: {line}\n  we: {error}"));
                    continue;
                }
            };
            let found = there.iter().any(|other| {
                *other == object || unprinted(other, way == 2) == unprinted(&object, way == 2)
            });
            if !found {
                let nearest = nearest(&object, there);
                faults.note(format!(
                    "ip prints: {line}\n  read: {object}\n  dumped: {nearest}"
                ));
            }
        }
        if lines.len() != there.len() {
            faults.note(format!(
                "ip prints {} lines of {} objects",
                lines.len(),
                there.len()
            ));
        }
    }
}

/// An object without what `ip` does not print of it. It leaves out, always, what an l3mdev rule
/// suppresses; without `-d` (`short`), protocol kernel of a rule, and protocol boot and scope
/// global of a route, where `ip route add` would take the line for another route.
fn unprinted(object: &Object, short: bool) -> Object {
    let mut object = object.clone();
    match &mut object {
        Object::Rule(rule) => {
            if rule.action == Action::L3mdev {
                (rule.suppress_length, rule.suppress_group) = (None, None);
            }
            if short && rule.protocol == 2 {
                rule.protocol = 0;
            }
        }
        Object::Route(route) if short => {
            if route.protocol == 3 {
                route.protocol = PROTOCOL;
            }
            if route.scope == Scope::LINK {
                route.scope = Scope::GLOBAL;
            }
        }
        Object::Route(_) => {}
    }
    // The kernel's own IPv6 routes have metric 0, which nobody else can give.
    if let Object::Route(route) = &mut object {
        if route.protocol == 2 && route.metric == 0 {
            route.metric = Route::usual_metric(route.family());
        }
    }
    object
}

/// `RTN_*` in order. `ip -N` writes a route's kind as a number, which `ip` itself would take for
/// an address.
const KINDS: [&str; 10] = [
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
];

fn read_shown(noun: Noun, family: Family, line: &str) -> Result<Object, LineError> {
    if let (Noun::Rule, Some((priority, rest))) = (noun, line.split_once(':')) {
        if family == Family::Inet && !line.contains(NAMED.0) {
            return line.parse().map(Object::Rule);
        }
        return read_line(noun, family, &format!("priority {priority} {rest}"));
    }
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first.parse::<usize>() {
        Ok(kind) => read_line(noun, family, &format!("{} {rest}", KINDS[kind])),
        Err(_) => read_line(noun, family, line),
    }
}

/// Takes the objects out in another order, and sees that each deletion takes just its own.
fn take_out(
    kernel: &mut Kernel,
    noun: Noun,
    family: Family,
    tables: &BTreeSet<u32>,
    objects: &[&Object],
    faults: &mut Faults,
) {
    let mut objects: Vec<&Object> = objects.to_vec();
    Random::new(objects.len() as u64, 0).shuffle(&mut objects);
    for object in objects {
        let mut wanted = dump(kernel, noun, family, tables);
        let before = wanted.len();
        wanted.retain(|other| other != object);
        let answers = kernel.execute(&[Step::delete(object.clone())]).unwrap();
        let left = dump(kernel, noun, family, tables);
        if left != wanted || before != left.len() + 1 {
            let gone: Vec<_> = wanted
                .iter()
                .filter(|other| !left.contains(other))
                .collect();
            faults.note(format!(
                "delete {object}\n  {:?}\n  gone too: {gone:?}",
                answers[0]
            ));
        }
    }
}

/// A stream of this run's; `stream` tells tests apart.
fn random(stream: u64) -> Random {
    Random::seeded("ROUNDTRIP_SEED", 20_240_717, stream)
}

impl Random {
    /// A number in one of the ways in which people write them.
    fn number(&mut self, below: u64) -> String {
        let number = self.below(below);
        match self.below(3) {
            0 => format!("{number:#x}"),
            _ => number.to_string(),
        }
    }

    fn prefix(&mut self, family: Family) -> String {
        if self.one_in(8) {
            let all: &[&str] = match family {
                Family::Inet => &["all", "any", "default", "0.0.0.0/0", "0/0"],
                Family::Inet6 => &["all", "any", "default", "::/0"],
            };
            return self.pick(all).to_owned();
        }
        let length = u8::try_from(1 + self.below(u64::from(family.bits()))).unwrap();
        let address = match family {
            Family::Inet => std::net::Ipv4Addr::from(self.next() as u32).into(),
            Family::Inet6 => {
                std::net::Ipv6Addr::from((u128::from(self.next()) << 64) | u128::from(self.next()))
                    .into()
            }
        };
        let prefix = Prefix::around(address, length);
        let text = prefix.to_string();
        match (family, self.below(4)) {
            (Family::Inet6, 0) => text.to_uppercase(),
            (Family::Inet, 0) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                format!("{}/{}", prefix.address(), std::net::Ipv4Addr::from(mask))
            }
            _ => text,
        }
    }
}

fn count(usual: usize) -> usize {
    usize::try_from(number_in("ROUNDTRIP_COUNT", usual as u64)).unwrap()
}

/// A rule of any keywords that iproute2 6.1 knows, in any order.
fn random_rule(random: &mut Random, family: Family, priority: u64) -> String {
    let mut parts = Vec::new();
    let mut part = |keywords: &[&str], value: String, random: &mut Random| {
        parts.push(format!("{} {value}", random.pick(keywords)));
    };
    let chance = 2 + random.below(4);
    let priority_words = ["priority", "preference", "pref", "order", "prio", "p", "o"];
    part(&priority_words, priority.to_string(), random);
    let protocol = random.pick(&["157", "policy-table", "0x9d", "static", "boot", "7"]);
    part(&["protocol", "proto", "prot"], protocol.to_owned(), random);
    if random.one_in(chance) {
        part(&["from"], random.prefix(family), random);
    }
    if random.one_in(chance) {
        part(&["to"], random.prefix(family), random);
    }
    if random.one_in(chance) {
        let tos = random.pick(&[
            "0x10", "10", "0x08", "8", "AF21", "EF", "CS6", "fc", "0", "default",
        ]);
        part(&["tos", "dsfield", "ds"], tos.to_owned(), random);
    }
    if random.one_in(chance) {
        let mut mark = random.number(1 << 32);
        if random.one_in(2) {
            mark = format!("{mark}/{}", random.number(1 << 32));
        }
        part(&["fwmark"], mark, random);
    }
    let devices = ["eth1", "eth2", "lo", "eth9", "br-lan.100"];
    if random.one_in(chance) {
        part(&["iif", "dev"], random.pick(&devices).to_owned(), random);
    }
    if random.one_in(chance) {
        part(&["oif"], random.pick(&devices).to_owned(), random);
    }
    if random.one_in(chance) {
        let protocols = [
            "tcp",
            "udp",
            "icmp",
            "ipv6-icmp",
            "sctp",
            "gre",
            "6",
            "143",
            "255",
            "UDP",
        ];
        part(&["ipproto"], random.pick(&protocols).to_owned(), random);
    }
    for keyword in ["sport", "dport"] {
        if random.one_in(chance) {
            let first = 1 + random.below(65535);
            let last = first + random.below(65536 - first);
            let value = if random.one_in(2) {
                first.to_string()
            } else {
                format!("{first}-{last}")
            };
            part(&[keyword], value, random);
        }
    }
    if random.one_in(chance) {
        let first = random.below((1 << 32) - 2);
        let last = first + random.below((1 << 32) - 1 - first);
        part(&["uidrange"], format!("{first}-{last}"), random);
    }
    if random.one_in(chance) {
        let bits = random.pick(&[8, 32, 33, 63]);
        part(&["tun_id", "tun"], random.number(1 << bits), random);
    }
    // IPv6 rules have none.
    if family == Family::Inet && random.one_in(chance) {
        let realms = format!("{}/{}", random.below(256), random.below(256));
        let realms = if random.one_in(2) {
            realms
        } else {
            random.number(256)
        };
        part(&["realms", "realm", "r"], realms, random);
    }
    let tables = [
        "main",
        "local",
        "default",
        "254",
        "7",
        "0xc8",
        "rt2",
        "4294967294",
        "256",
    ];
    match random.below(8) {
        0 => parts.push("l3mdev".to_owned()),
        1 => part(
            &["goto", "g"],
            (priority + 1 + random.below(1000)).to_string(),
            random,
        ),
        2 => parts.push("nop".to_owned()),
        3 => parts.push(
            random
                .pick(&["blackhole", "black", "type blackhole"])
                .to_owned(),
        ),
        4 => parts.push(
            random
                .pick(&["unreachable", "unreach", "prohibit"])
                .to_owned(),
        ),
        _ => part(
            &["table", "lookup", "ta"],
            random.pick(&tables).to_owned(),
            random,
        ),
    }
    let looks_up = parts
        .last()
        .is_some_and(|last| last.contains(' ') || last == "l3mdev");
    if looks_up
        && !parts
            .last()
            .is_some_and(|last| last.starts_with('g') || last.contains("type"))
    {
        if random.one_in(chance) {
            parts.push(format!("suppress_prefixlength {}", random.below(129)));
        }
        if random.one_in(chance) {
            parts.push(format!(
                "suppress_ifgroup {}",
                random.pick(&["default", "0", "7", "0x10"])
            ));
        }
    }
    if random.one_in(chance) {
        parts.push("not".to_owned());
    }
    random.shuffle(&mut parts);
    parts.join(" ")
}

#[test]
fn random_rules_are_the_same_through_ip() {
    let mut random = random(1);
    let mut cases = Vec::new();
    for n in 0..count(300) {
        let family = random.pick(&Family::ALL);
        // Gaps for goto to lead into or beyond; each priority once.
        let priority = 1000 + 50 * n as u64 + random.below(50);
        cases.push(Case {
            noun: Noun::Rule,
            family,
            line: random_rule(&mut random, family, priority),
        });
    }
    round_trip(&cases).check(cases.len());
}

/// Ways that a packet can go, by family.
fn random_way(random: &mut Random, family: Family) -> String {
    let n = 1 + random.below(2);
    let host = 1 + random.below(8);
    match (family, random.below(6)) {
        (_, 0) => format!("dev eth{n}"),
        (Family::Inet, 1) => format!("via 10.{n}.0.{host} dev eth{n}"),
        (Family::Inet, 2) => format!("via inet 10.{n}.0.{host} oif eth{n}"),
        (Family::Inet, 3) => format!("via inet6 2001:db8:{n}::{host} dev eth{n}"),
        (Family::Inet, 4) => format!("dev eth{n} via 10.77.0.{host} onlink"),
        (Family::Inet6, 1) => format!("via 2001:db8:{n}::{host} dev eth{n}"),
        (Family::Inet6, 2) => format!("via inet6 2001:db8:{n}::{host} oif eth{n}"),
        (Family::Inet6, 3) => format!("via fe80::{host} dev eth{n}"),
        (Family::Inet6, 4) => format!("dev eth{n} via 2001:db8:77::{host} onlink"),
        _ => String::new(),
    }
}

fn random_hops(random: &mut Random, family: Family) -> String {
    let mut hops = String::new();
    for n in 1..=1 + random.below(3) {
        let device = 1 + n % 2;
        let mut words = vec![match family {
            Family::Inet => format!("via 10.{device}.0.{n}"),
            Family::Inet6 => format!("via 2001:db8:{device}::{n}"),
        }];
        words.push(format!("dev eth{device}"));
        if random.one_in(2) {
            words.push(format!("weight {}", 1 + random.below(256)));
        }
        if random.one_in(4) {
            words.push("onlink".to_owned());
        }
        if family == Family::Inet && random.one_in(4) {
            words.push(format!("realms {}", random.pick(&["5", "3/4", "0x10"])));
        }
        random.shuffle(&mut words);
        write!(hops, " nexthop {}", words.join(" ")).unwrap();
    }
    hops
}

/// A route of any keywords; its destination, or metric, is its own by `n`.
fn random_route(random: &mut Random, family: Family, n: u64) -> String {
    let v4 = family == Family::Inet;
    let chance = 3 + random.below(6);
    let mut parts = Vec::new();
    let default = random.one_in(8);
    let kinds = [
        "unicast",
        "local",
        "broadcast",
        "anycast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibit",
        "throw",
        "uni",
        "brd",
        "mul",
        "black",
        "unr",
        "pro",
    ];
    let kind = if random.one_in(3) {
        random.pick(&kinds)
    } else {
        ""
    };
    // `ip` takes no `to` behind a kind.
    let to = if kind.is_empty() {
        random.pick(&["", "to "])
    } else {
        ""
    };
    let destination = match (default, v4) {
        (true, true) => format!(
            "{to}{}",
            random.pick(&["default", "0.0.0.0/0", "0/0", "all"])
        ),
        (true, false) => format!("{to}{}", random.pick(&["default", "::/0", "all"])),
        (false, true) => format!("{to}10.{}.{}.0/24", 100 + n / 256, n % 256),
        (false, false) => format!("{to}2001:db8:f{n:03x}::/48"),
    };
    let tables = ["7", "0x7", "rt2", "300", "4294967294"];
    parts.push(format!(
        "{} {}",
        random.pick(&["table", "ta"]),
        random.pick(&tables)
    ));
    let protocol = random.pick(&["157", "policy-table", "0x9d", "static", "boot", "7"]);
    parts.push(format!(
        "{} {protocol}",
        random.pick(&["proto", "protocol"])
    ));
    if default || random.one_in(chance) {
        let metric = if default {
            1 + n
        } else {
            random.below(1 << 32)
        };
        parts.push(format!(
            "{} {metric}",
            random.pick(&["metric", "preference", "priority", "m", "prio"])
        ));
    }
    parts.push(format!("{kind} {destination}").trim().to_owned());
    let leaves = !matches!(kind.chars().next(), Some('t' | 'p'))
        && !matches!(kind, "blackhole" | "black" | "unreachable" | "unr");
    let mut hops = String::new();
    if leaves {
        if random.one_in(4) {
            hops = random_hops(random, family);
        } else {
            parts.push(random_way(random, family));
            if random.one_in(chance) {
                let source = if v4 {
                    "src 10.1.0.10"
                } else {
                    "src 2001:db8:1::10"
                };
                parts.push(source.to_owned());
            }
        }
    }
    if random.one_in(chance) {
        parts.push(format!(
            "scope {}",
            random.pick(&["global", "link", "host", "site", "nowhere", "0", "253", "0xfe", "77"])
        ));
    }
    if v4 && random.one_in(chance) {
        parts.push(format!(
            "{} {}",
            random.pick(&["tos", "dsfield", "ds"]),
            random.pick(&["0x10", "8", "AF21", "fc", "0"])
        ));
    }
    if v4 && hops.is_empty() && random.one_in(chance) {
        parts.push(format!(
            "{} {}",
            random.pick(&["realms", "realm"]),
            random.pick(&["5", "1/2", "0x10", "255/255"])
        ));
    }
    if !v4 && leaves && random.one_in(chance) {
        parts.push(format!(
            "pref {}",
            random.pick(&["low", "medium", "high", "0", "1", "3"])
        ));
    }
    let metrics: [(&str, &[&str]); 10] = [
        ("mtu", &["1400", "lock 1280", "0", "65520", "0x500"]),
        ("advmss", &["1360", "0", "lock 536", "65495"]),
        ("initcwnd", &["10", "0", "lock 7"]),
        ("initrwnd", &["20", "0x14"]),
        ("quickack", &["0", "1"]),
        ("congctl", &["reno", "lock cubic", "cubic"]),
        ("window", &["65536", "lock 9"]),
        ("ssthresh", &["20"]),
        ("cwnd", &["lock 40", "40"]),
        ("hoplimit", &["64", "255", "lock 1"]),
    ];
    for (keyword, values) in metrics {
        if random.one_in(chance * 2) {
            parts.push(format!("{keyword} {}", random.pick(values)));
        }
    }
    random.shuffle(&mut parts);
    format!("{}{hops}", parts.join(" "))
}

#[test]
fn random_routes_are_the_same_through_ip() {
    let mut random = random(2);
    let mut cases = Vec::new();
    for n in 0..count(400) {
        let family = random.pick(&Family::ALL);
        let line = random_route(&mut random, family, n as u64);
        cases.push(Case {
            noun: Noun::Route,
            family,
            line,
        });
    }
    round_trip(&cases).check(cases.len());
}

/// Lines completed by a priority, or a table, and protocol of their own in front.
fn each_by_itself<'a>(
    noun: Noun,
    family: Family,
    lines: impl IntoIterator<Item = &'a str>,
) -> Vec<Case> {
    let lines = lines.into_iter().enumerate();
    let complete = |(n, line): (usize, &str)| Case {
        noun,
        family,
        line: match noun {
            Noun::Rule => format!("pref {} proto 157 {line}", 1000 + n),
            Noun::Route => format!("table {} proto 157 {line}", 1000 + n),
        },
    };
    lines.map(complete).collect()
}

const RULES: &str = "
    not from 10.0.0.0/8
    not
    from 192.0.2.1
    from 10.0.0.0/8
    from 10/8
    from 0/0
    from all
    from any
    from default
    from 0.0.0.0/0
    from 0.0.0.0/1
    from 255.255.255.255
    from 10.0.0.0/255.0.0.0
    to 192.0.2.0/25
    to 172.16/12
    to default
    tos 0x10
    tos 8
    tos 1c
    tos 0
    tos 12
    tos 0x100
    tos default
    dsfield 0x08
    dsfield CS1
    fwmark 5
    fwmark 0x5
    fwmark 4294967295
    fwmark 4294967296
    fwmark 0
    fwmark 0/0
    fwmark 5/0
    fwmark 5/0xff
    fwmark 0/0xff
    fwmark 5/
    iif eth1
    iif eth9
    iif lo
    dev eth1
    oif eth2
    ipproto tcp
    ipproto udp
    ipproto UDP
    ipproto icmp
    ipproto ipv6-icmp
    ipproto esp
    ipproto 47
    ipproto 0
    ipproto 143
    ipproto 255
    ipproto 256
    ipproto nonsense
    sport 1
    sport 65535
    sport 65536
    sport 0
    sport 1000-2000
    sport 2000-1000
    dport 53
    dport 53-53
    ipproto tcp dport 1-65535
    uidrange 0-0
    uidrange 1000-1999
    uidrange 9-5
    uidrange 5
    uidrange 0-4294967294
    uidrange 0-4294967295
    l3mdev
    l3mdev protocol static
    tun_id 5
    tun_id 0
    tun_id 0x100000000
    tun_id 18446744073709551615
    suppress_prefixlength 0
    suppress_prefixlength 128
    suppress_prefixlength -1
    sup_pl 1
    suppress_ifgroup 0
    suppress_ifgroup default
    suppress_ifgroup 0x10
    sup_group 7
    suppress_ifgroup 2147483648
    priority 5000
    preference 5001
    pref 5002
    order 5003
    priority 0x1500
    priority 4294967295
    priority 4294967296
    table 7
    table main
    table local
    table default
    table rt2
    table 256
    table 4294967295
    table nonsense
    lookup 7
    lookup 0xff
    goto 30000
    goto 5
    pref 40000 goto 40001
    pref 40002 goto 40002
    nop
    blackhole
    unreachable
    prohibit
    type prohibit
    protocol static
    proto 7
    proto bird
    proto 256
    from 10.0.0.0/33
    from
    nonsense
    from nonsense
    from 2001:db8::/32
    lookup
";

const V4_RULES: &str = "
    realms 5
    realms 1/2
    realms 5/0
    realms 300
    realms 0x10002
    realms 256/1
    realms cosmos
    realms 0
    realm 5
    flowlabel 5
";

const V6_RULES: &str = "
    from 2001:db8::/32
    from 2001:DB8::1
    from ::/0
    to 2001:db8::1/128
    to fe80::/10
    from ::
    from 10.0.0.0/8
    tos EF
    dsfield AF21
    ipproto 58
    iif lo to 2001:db8::/64 lookup rt2 suppress_prefixlength 64
";

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[test]
fn each_keyword_of_a_rule_is_the_same_through_ip() {
    // flowlabel and realms tell the families apart; see below.
    let v4 = lines(RULES).chain(lines(V4_RULES));
    let mut cases = each_by_itself(Noun::Rule, Family::Inet, v4);
    let of_v4 = |line: &&str| !line.contains("10/8") && !line.contains("2001:");
    let v6 = lines(RULES).filter(of_v4).chain(lines(V6_RULES));
    cases.extend(each_by_itself(Noun::Rule, Family::Inet6, v6));
    round_trip(&cases).check(cases.len());
}

const V4_ROUTES: &str = "
    10.9.0.0/16 dev eth1
    10.9.0.5 dev eth1
    to 10.9.0.0/16 dev eth1
    10.9/16 dev eth1
    default dev eth1
    0.0.0.0/0 dev eth1
    0/0 dev eth1
    all via 10.1.0.1 dev eth1
    unicast 10.9.0.0/16 dev eth1
    local 10.9.0.0/16 dev lo
    local default dev lo
    broadcast 10.9.255.255 dev eth1
    brd 10.9.255.255 dev eth1
    anycast 10.9.0.1 dev eth1
    multicast 239.0.0.0/8 dev eth1
    blackhole 10.9.0.0/16
    unreachable default metric 4294967295
    prohibit 10.9.0.0/16
    throw 10.9.0.0/16
    throw default
    blackhole 10.9.0.0/16 src 10.1.0.10
    blackhole 10.9.0.0/16 dev eth1
    blackhole 10.9.0.0/16 via 10.1.0.1
    throw 10.9.0.0/16 nexthop via 10.1.0.1
    default via 10.1.0.1 dev eth1
    default via 10.1.0.1 oif eth1
    default via inet 10.1.0.1 dev eth1
    default via inet6 2001:db8:1::1 dev eth1
    10.9.0.0/16 via inet6 fe80::1 dev eth1
    default via 10.77.0.1 dev eth1
    default via 10.77.0.1 dev eth1 onlink
    default via 10.1.0.1 dev eth2
    default via 10.1.0.1 dev eth9
    default via 2001:db8:1::1 dev eth1
    10.9.0.0/16 dev eth1 src 10.1.0.10
    10.9.0.0/16 dev eth1 src 10.2.0.10
    10.9.0.0/16 dev eth1 src 10.77.0.1
    10.9.0.0/16 dev eth1 metric 5
    10.9.0.0/16 dev eth1 metric 0
    10.9.0.0/16 dev eth1 metric 0xffffffff
    10.9.0.0/16 dev eth1 preference 5
    10.9.0.0/16 dev eth1 priority 5
    10.9.0.0/16 dev eth1 scope global
    10.9.0.0/16 dev eth1 scope link
    10.9.0.0/16 dev eth1 scope host
    10.9.0.0/16 dev eth1 scope site
    10.9.0.0/16 dev eth1 scope nowhere
    10.9.0.0/16 dev eth1 scope 77
    10.9.0.0/16 dev eth1 scope 256
    10.9.0.0/16 dev eth1 scope nonsense
    10.9.0.0/16 via 10.1.0.1 dev eth1 scope link
    10.9.0.0/16 tos 0x10 dev eth1
    10.9.0.0/16 tos 8 dev eth1
    10.9.0.0/16 dsfield AF21 dev eth1
    10.9.0.0/16 tos 12 dev eth1
    10.9.0.0/16 dev eth1 mtu 1400
    10.9.0.0/16 dev eth1 mtu lock 1400
    10.9.0.0/16 dev eth1 mtu lock 0
    10.9.0.0/16 dev eth1 mtu 0
    10.9.0.0/16 dev eth1 mtu
    10.9.0.0/16 dev eth1 advmss 1360
    10.9.0.0/16 dev eth1 advmss lock 1360
    10.9.0.0/16 dev eth1 initcwnd 10
    10.9.0.0/16 dev eth1 initrwnd lock 20
    10.9.0.0/16 dev eth1 quickack 1
    10.9.0.0/16 dev eth1 quickack 0
    10.9.0.0/16 dev eth1 quickack 2
    10.9.0.0/16 dev eth1 quickack lock 1
    10.9.0.0/16 dev eth1 window 65535
    10.9.0.0/16 dev eth1 ssthresh 7
    10.9.0.0/16 dev eth1 cwnd lock 7
    10.9.0.0/16 dev eth1 reordering 4
    10.9.0.0/16 dev eth1 hoplimit 64
    10.9.0.0/16 dev eth1 hoplimit 256
    10.9.0.0/16 dev eth1 fastopen_no_cookie 1
    10.9.0.0/16 dev eth1 fastopen_no_cookie 2
    10.9.0.0/16 dev eth1 congctl reno
    10.9.0.0/16 dev eth1 congctl lock reno
    10.9.0.0/16 dev eth1 congctl nonsense
    10.9.0.0/16 dev eth1 realms 5
    10.9.0.0/16 dev eth1 realm 1/2
    10.9.0.0/16 dev eth1 realms 5/0
    10.9.0.0/16 dev eth1 realms 256/1
    10.9.0.0/16 dev eth1 realms cosmos
    10.9.0.0/16 dev eth1 proto static
    10.9.0.0/16 dev eth1 proto nonsense
    10.9.0.0/16 dev eth1 proto boot table 700
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1 weight 5
    10.9.0.0/16 nexthop dev eth1
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1 realms 3
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1 nexthop via 10.2.0.1 dev eth2
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1 weight 256 nexthop via 10.2.0.1 dev eth2 weight 1
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1 weight 257 nexthop via 10.2.0.1 dev eth2
    10.9.0.0/16 nexthop via 10.1.0.1 dev eth1 weight 0
    10.9.0.0/16 nexthop dev eth1 nexthop dev eth2
    10.9.0.0/16 nexthop via 10.77.0.1 dev eth1 onlink nexthop via 10.2.0.1 dev eth2 realms 3/4
    10.9.0.0/16 nexthop via inet6 2001:db8:1::1 dev eth1 nexthop via 10.2.0.1 dev eth2
    10.9.0.0/16 dev eth1 nexthop via 10.1.0.1 nexthop via 10.2.0.1
    10.9.0.0/16 src 10.1.0.10 mtu 1400 nexthop dev eth1 nexthop dev eth2
    10.9.0.0/16 nexthop
    10.9.0.1/16 dev eth1
    10.9.0.0/33 dev eth1
    dev eth1
    nonsense dev eth1
    10.9.0.0/16 10.10.0.0/16 dev eth1
    10.9.0.0/16 dev eth1 nonsense
    default via
    default dev
    2001:db8:9::/48 dev eth1
";

const V6_ROUTES: &str = "
    2001:db8:9::/48 dev eth1
    2001:DB8:9::1 dev eth1
    default dev eth1
    ::/0 via 2001:db8:1::1 dev eth1
    default via fe80::1 dev eth1
    default via inet6 fe80::1 dev eth1
    default via inet 10.1.0.1 dev eth1
    default via 2001:db8:77::1 dev eth1
    default via 2001:db8:77::1 dev eth1 onlink
    local 2001:db8:9::/48 dev lo
    local default dev lo
    anycast 2001:db8:9::/48 dev eth1
    multicast ff05::/16 dev eth1
    broadcast 2001:db8:9::/48 dev eth1
    blackhole 2001:db8:9::/48
    unreachable default metric 4294967295
    prohibit 2001:db8:9::/48
    throw 2001:db8:9::/48
    blackhole 2001:db8:9::/48 dev lo
    2001:db8:9::/48 dev eth1 src 2001:db8:1::10
    2001:db8:9::/48 dev eth1 src 2001:db8:77::1
    2001:db8:9::/48 dev eth1 metric 5
    2001:db8:9::/48 dev eth1 metric 0
    2001:db8:9::/48 dev eth1 scope link
    2001:db8:9::/48 dev eth1 tos 0x10
    2001:db8:9::/48 dev eth1 pref low
    2001:db8:9::/48 dev eth1 pref medium
    2001:db8:9::/48 dev eth1 pref high
    2001:db8:9::/48 dev eth1 pref 1
    2001:db8:9::/48 dev eth1 pref nonsense
    2001:db8:9::/48 dev eth1 mtu 1400
    2001:db8:9::/48 dev eth1 mtu lock 1400 advmss 1360 initcwnd 10 initrwnd 20 quickack 1
    2001:db8:9::/48 dev eth1 congctl reno
    2001:db8:9::/48 dev eth1 hoplimit 64
    2001:db8:9::/48 nexthop via 2001:db8:1::1 dev eth1 weight 5
    2001:db8:9::/48 nexthop via 2001:db8:1::1 dev eth1 nexthop via 2001:db8:2::1 dev eth2 weight 9
    2001:db8:9::/48 pref high nexthop via fe80::1 dev eth1 nexthop via fe80::2 dev eth1
    2001:db8:9::/48 nexthop dev eth1 nexthop dev eth2
    2001:db8:9::/48 nexthop via 2001:db8:77::1 dev eth1 onlink nexthop via 2001:db8:2::1 dev eth2
    10.9.0.0/16 dev eth1
";

#[test]
fn each_keyword_of_a_route_is_the_same_through_ip() {
    let mut cases = each_by_itself(Noun::Route, Family::Inet, lines(V4_ROUTES));
    cases.extend(each_by_itself(Noun::Route, Family::Inet6, lines(V6_ROUTES)));
    round_trip(&cases).check(cases.len());
}

/// What the kernel says of a line that it takes on another host, or at another time.
const DEPENDS_ON_THE_HOST: [&str; 9] = [
    "File exists",
    "Nexthop has invalid gateway",
    "Invalid prefsrc address",
    "Invalid source address",
    "No route to host",
    "Gateway can not be a local address",
    "No such device",
    "Device does not exist",
    "Unknown tcp congestion algorithm",
];

/// All keywords at their edges, without `ip` but to look at what is there: on a kernel that runs as
/// a process each further process takes a tenth of a second. What is read and refused by the
/// kernel, whatever the host has, would be a stanza that `check` praises and `ifup` cannot bring up.
#[test]
fn what_is_read_is_taken_and_comes_back_as_it_was_put_in() {
    let mut groups = Vec::new();
    let v4 = lines(RULES).chain(lines(V4_RULES)).chain(lines(EDGES));
    groups.push(each_by_itself(Noun::Rule, Family::Inet, v4));
    let v6 = lines(RULES).chain(lines(V6_RULES)).chain(lines(EDGES));
    groups.push(each_by_itself(Noun::Rule, Family::Inet6, v6));
    let v4 = lines(V4_ROUTES).chain(lines(V4_SCOPES));
    groups.push(each_by_itself(Noun::Route, Family::Inet, v4));
    groups.push(each_by_itself(Noun::Route, Family::Inet6, lines(V6_ROUTES)));
    let vendor = vendor_names();
    let mut faults = Faults::default();
    for cases in &groups {
        lab(|lab| {
            set_up(lab, &vendor);
            come_back(lab, cases, &mut faults);
        });
    }
    faults.check(groups.iter().map(Vec::len).sum());
}

fn come_back(lab: &Lab, cases: &[Case], faults: &mut Faults) {
    let (noun, family) = (cases[0].noun, cases[0].family);
    let mut kernel = Kernel::open().unwrap();
    let before = show(lab, noun, family);
    let mut added = Vec::new();
    for (case, object) in cases
        .iter()
        .filter_map(|case| Some((case, read(case).ok()?)))
    {
        match put_in(&mut kernel, &object) {
            Verdict::Taken => added.push(object),
            Verdict::Refused(why) if DEPENDS_ON_THE_HOST.iter().any(|it| why.contains(it)) => {}
            verdict => faults.note(format!("{}\n  {verdict:?}", case.command())),
        }
    }
    println!("{} of {} lines are taken", added.len(), cases.len());
    assert!(
        added.len() * 2 > cases.len(),
        "too few lines are taken to show anything"
    );
    let of_route = |object: &Object| match object {
        Object::Route(route) => Some(route.table.number()),
        Object::Rule(_) => None,
    };
    let tables = added
        .iter()
        .filter_map(of_route)
        .chain([254, 255])
        .collect();
    let there = dump(&mut kernel, noun, family, &tables);
    for object in added.iter().filter(|object| !there.contains(object)) {
        let nearest = nearest(object, &there);
        faults.note(format!("put in: {object}\n  dumped: {nearest}"));
    }
    read_back(noun, family, &show(lab, noun, family), &there, faults);
    let objects: Vec<&Object> = added.iter().collect();
    take_out(&mut kernel, noun, family, &tables, &objects, faults);
    assert_eq!(show(lab, noun, family), before);
}

/// Scopes that not every route may have.
const V4_SCOPES: &str = "
    local 10.9.0.0/16 dev lo scope link
    local 10.9.0.0/16 dev lo scope global
    local 10.9.0.0/16 dev lo scope host
    local 10.9.0.0/16 dev lo scope nowhere
    broadcast 10.9.255.255 dev eth1 scope global
    broadcast 10.9.255.255 dev eth1 scope link
    broadcast 10.9.255.255 dev eth1 scope host
    anycast 10.9.0.1 dev eth1 scope global
    multicast 239.0.0.0/8 dev eth1 scope host
    blackhole 10.9.0.0/16 scope nowhere
    throw 10.9.0.0/16 scope host
    10.9.0.0/16 dev eth1 scope host
    10.9.0.0/16 via 10.1.0.1 dev eth1 scope host
    10.9.0.0/16 via 10.1.0.1 dev eth1 scope link
    10.9.0.0/16 scope host nexthop dev eth1 nexthop dev eth2
    10.9.0.0/16 scope link nexthop dev eth1 nexthop dev eth2
";

/// Of rules, values of which the kernel takes the first and not the second.
const EDGES: &str = "
    dport 65534
    dport 65535
    sport 1-65534
    sport 65535-65535
    sport 1
    sport 0-1
    uidrange 4294967294-4294967294
    uidrange 0-4294967295
    uidrange 4294967295-4294967295
    tos 0x1c
    tos 0x1d
    tos 0x03
    tos 0x20
    tos 0xfc
    tos 0xff
    fwmark 0xffffffff/0x1
    suppress_ifgroup 2147483647
    suppress_prefixlength 33
    suppress_prefixlength 129
    priority 4294967295
    tun_id 1
    ipproto 255
    realms 255/255
    table 4294967295
    goto 4294967295
";

/// Every beginning of every keyword: which are taken, and for what, is iproute2's history.
#[test]
fn keywords_are_cut_short_as_ip_has_it() {
    let beginnings = |pairs: &[(&str, &str)], line: &dyn Fn(&str, &str) -> String| -> Vec<String> {
        let each = |(keyword, value): &(&str, &str)| -> Vec<String> {
            (1..=keyword.len())
                .map(|end| line(&keyword[..end], value))
                .collect()
        };
        pairs.iter().flat_map(each).collect()
    };
    let mut rules = beginnings(
        &[
            ("not", ""),
            ("from", "10.0.0.0/8"),
            ("to", "10.0.0.0/8"),
            ("dsfield", "0x10"),
            ("fwmark", "5"),
            ("iif", "eth1"),
            ("dev", "eth1"),
            ("oif", "eth1"),
            ("ipproto", "tcp"),
            ("sport", "5"),
            ("dport", "5"),
            ("uidrange", "5-9"),
            ("l3mdev", ""),
            ("tun_id", "5"),
            ("suppress_prefixlength", "0"),
            ("suppress_ifgroup", "7"),
            ("realms", "5"),
            ("priority", "5001"),
            ("preference", "5002"),
            ("order", "5003"),
            ("protocol", "157"),
            ("table", "7"),
            ("lookup", "7"),
            ("goto", "30000"),
            ("nop", ""),
            ("blackhole", ""),
            ("unreachable", ""),
            ("prohibit", ""),
        ],
        &|keyword, value| format!("{keyword} {value}"),
    );
    // To `ip` that is broadcast, which no rule can do, and so it makes a nop of it.
    rules.retain(|line| line != "b ");
    let cases = each_by_itself(Noun::Rule, Family::Inet, rules.iter().map(String::as_str));
    round_trip(&cases).check(cases.len());
    let mut routes = beginnings(
        &[
            ("src", "10.1.0.10"),
            ("dsfield", "0x10"),
            ("metric", "5"),
            ("priority", "5"),
            ("scope", "link"),
            ("mtu", "1400"),
            ("hoplimit", "64"),
            ("advmss", "1360"),
            ("reordering", "4"),
            ("window", "9"),
            ("cwnd", "7"),
            ("initcwnd", "7"),
            ("initrwnd", "7"),
            ("quickack", "1"),
            ("congctl", "reno"),
            ("ssthresh", "7"),
            ("fastopen_no_cookie", "1"),
            ("realms", "5"),
            ("onlink", "via 10.1.0.1"),
            ("protocol", "157"),
            ("table", "700"),
            ("via", "10.1.0.1"),
        ],
        &|keyword, value| format!("10.9.0.0/16 dev eth1 {keyword} {value}"),
    );
    let kinds = ["unicast", "local", "broadcast", "anycast", "multicast"];
    let kinds = kinds.map(|kind| (kind, "dev eth1"));
    let dropping = ["blackhole", "unreachable", "prohibit", "throw"].map(|kind| (kind, ""));
    let line = |keyword: &str, value: &str| format!("{keyword} 10.9.0.0/16 {value}");
    routes.extend(beginnings(&kinds, &line));
    routes.extend(beginnings(&dropping, &line));
    let line = |keyword: &str, value: &str| format!("10.9.0.0/16 nexthop {keyword} {value}");
    routes.extend(beginnings(&[("dev", "eth1")], &line));
    let line =
        |keyword: &str, value: &str| format!("10.9.0.0/16 nexthop dev eth1 {keyword} {value}");
    let words_of_hops = [
        ("via", "10.1.0.1"),
        ("weight", "5"),
        ("realms", "5"),
        ("onlink", ""),
    ];
    routes.extend(beginnings(&words_of_hops, &line));
    // Here a route's words may stand behind those of its nexthops, window among them; and there
    // are no features, which is what `ip` has for the one letter.
    routes.retain(|line| !line.ends_with(" w 5") && !line.ends_with(" f 1"));
    let cases = each_by_itself(Noun::Route, Family::Inet, routes.iter().map(String::as_str));
    round_trip(&cases).check(cases.len());
}

/// Keywords that iproute2 6.1 does not have yet, judged by what the kernel then has.
#[test]
fn newer_keywords_of_rules_reach_the_kernel() {
    const LINES: [(Family, &str, &str); 18] = [
        (Family::Inet, "dscp 46", ""),
        (Family::Inet, "dscp 0x2e", "dscp 46"),
        (Family::Inet, "dscp EF", "dscp 46"),
        (
            Family::Inet6,
            "dscp CS6 from 2001:db8::/32",
            "from 2001:db8::/32 dscp 48",
        ),
        (Family::Inet, "dscp default", "dscp 0"),
        (Family::Inet, "dscp 0x10/0x1c", "dscp 16/0x1c"),
        (Family::Inet6, "dscp 46/0x3f", "dscp 46"),
        (Family::Inet, "sport 0x10/0xf0", ""),
        (Family::Inet, "sport 80/0xffff", "sport 80"),
        (Family::Inet6, "dport 80/0xff", "dport 0x50/0xff"),
        (Family::Inet, "ipproto udp sport 1-2 dport 0x50/0xff", ""),
        (Family::Inet6, "flowlabel 5", "flowlabel 0x5"),
        (Family::Inet6, "flowlabel 0", "flowlabel 0x0"),
        (Family::Inet6, "flowlabel 0xfffff", "flowlabel 0xfffff"),
        (Family::Inet6, "flowlabel 0x5/0xff", ""),
        (Family::Inet6, "flowlabel 0/0xff", "flowlabel 0x0/0xff"),
        (
            Family::Inet6,
            "dscp 48/0x30 flowlabel 0x5/0xf sport 0x10/0xf0 dport 100-200",
            "",
        ),
        (Family::Inet, "not dscp 46 fwmark 0x5/0xff", ""),
    ];
    lab(|lab| {
        let mut kernel = Kernel::open().unwrap();
        let mut objects = Vec::new();
        for (n, (family, line, shown)) in LINES.into_iter().enumerate() {
            let line = format!("pref {} {line} lookup 7 proto 157", 1000 + n);
            let object = read_line(Noun::Rule, family, &line).unwrap();
            assert!(object.to_string().contains(shown), "{line}: {object}");
            assert_eq!(put_in(&mut kernel, &object), Verdict::Taken, "{line}");
            assert_eq!(object.to_string().parse().as_ref(), Ok(&object), "{line}");
            objects.push(object);
        }
        let mut faults = Faults::default();
        for family in Family::ALL {
            let of_family = |object: &&Object| object.family() == family;
            let added: Vec<&Object> = objects.iter().filter(of_family).collect();
            let there = dump(&mut kernel, Noun::Rule, family, &BTreeSet::new());
            for object in &added {
                assert!(
                    there.contains(object),
                    "{object}\n{}",
                    nearest(object, &there)
                );
            }
            take_out(
                &mut kernel,
                Noun::Rule,
                family,
                &BTreeSet::new(),
                &added,
                &mut faults,
            );
        }
        faults.check(objects.len());
        assert_eq!(lab.rules("-4").len() + lab.rules("-6").len(), 0);
    });
}

/// Lines that `ip` takes and the kernel makes something else of, or nothing.
#[test]
fn what_ip_lets_through_to_no_good_is_refused_here() {
    const SETTLED: &str = "expected a table name that is known, or an ID of 1 to 4294967295";
    let rules: [(Family, &str, &str); 13] = [
        // Becomes the whole network.
        (
            Family::Inet,
            "from 192.0.2.5/24",
            "\"from 192.0.2.5/24\": it has host bits set; write 192.0.2.0/24 for the network, \
             or 192.0.2.5 for one address",
        ),
        // Becomes the address 10.0.0.0.
        (
            Family::Inet,
            "from 10",
            "\"from 10\": expected a prefix such as 192.0.2.0/24 or 2001:db8::/32",
        ),
        // Becomes a table of the kernel's choice.
        (Family::Inet, "lookup 0", SETTLED),
        // Becomes 8.
        (
            Family::Inet,
            "priority 010",
            "\"priority 010\": expected a number of 0 to 4294967295",
        ),
        (
            Family::Inet,
            "tun_id 010",
            "\"tun_id 010\": expected a tunnel key of 64 bits",
        ),
        // Never comes to look up the table.
        (
            Family::Inet,
            "lookup 7 blackhole",
            "\"blackhole\": the rule has an action already",
        ),
        (
            Family::Inet,
            "lookup 7 goto 30000",
            "\"goto\": the rule has an action already",
        ),
        (
            Family::Inet,
            "lookup 7 lookup 8",
            "\"lookup\": the rule has an action already",
        ),
        (
            Family::Inet,
            "blackhole suppress_prefixlength 0",
            "suppress_prefixlength and suppress_ifgroup need a table to look up",
        ),
        (
            Family::Inet,
            "suppress_prefixlength 129",
            "\"suppress_prefixlength 129\": expected a prefix length of 0 to 128",
        ),
        // Is dropped.
        (
            Family::Inet6,
            "realms 5",
            "\"realms\": IPv6 rules have none; the kernel would ignore them",
        ),
        // Look up table 1 and, in a rule, do nothing.
        (Family::Inet, "unicast", "unknown word \"unicast\""),
        (Family::Inet, "throw", "unknown word \"throw\""),
    ];
    let routes: [(Family, &str, &str); 8] = [
        // Become 65520 and 65495.
        (
            Family::Inet,
            "10.9.0.0/16 dev lo mtu 70000",
            "\"mtu 70000\": expected a number of 0 to 65520",
        ),
        (
            Family::Inet6,
            "2001:db8:9::/48 dev lo advmss 65496",
            "\"advmss 65496\": expected a number of 0 to 65495",
        ),
        // Are dropped.
        (
            Family::Inet,
            "10.9.0.0/16 dev lo pref high",
            "\"pref\": IPv4 routes have none; the kernel would ignore it",
        ),
        (
            Family::Inet6,
            "2001:db8:9::/48 dev lo realms 5",
            "\"realms\": IPv6 routes have none; the kernel would ignore them",
        ),
        (
            Family::Inet6,
            "2001:db8:9::/48 dev lo pref 9",
            "\"pref 9\": expected low, medium or high",
        ),
        (
            Family::Inet6,
            "blackhole 2001:db8:9::/48 pref low",
            "a route that drops or throws packets has no \"pref\"",
        ),
        (
            Family::Inet,
            "blackhole 10.9.0.0/16 onlink",
            "a route that drops or throws packets has no \"onlink\"",
        ),
        // Becomes the network.
        (
            Family::Inet6,
            "2001:db8:9::1/48 dev lo",
            "\"2001:db8:9::1/48\": it has host bits set; write 2001:db8:9::/48 for the network, \
             or 2001:db8:9::1 for one address",
        ),
    ];
    lab(|lab| {
        let rules = rules.map(|(family, line, message)| (Noun::Rule, family, line, message));
        let routes = routes.map(|(family, line, message)| (Noun::Route, family, line, message));
        for (n, (noun, family, line, message)) in rules.into_iter().chain(routes).enumerate() {
            let complete = match noun {
                Noun::Rule => format!("pref {} {line}", 1000 + n),
                Noun::Route => format!("table {} {line}", 1000 + n),
            };
            lab.ok(&format!(
                "ip {} {} add {complete}",
                flag(family),
                noun.word()
            ));
            let error = read_line(noun, family, &complete).map(|object| object.to_string());
            let error = error.unwrap_err().to_string();
            assert!(error.ends_with(message), "{line}: {error}");
        }
    });
}
