//! Only ours: any routes and rules of others, then any ups and downs of stanzas that may share
//! tables, routes and rules. After each step all of the others' are as they were, byte for byte
//! in what `ip -d -j` prints, and ours are what the stanzas that are up ask for.
//!
//! The others' are mostly what the kernel takes for ours: the same but for the protocol, a
//! selector, `not`, a `goto`, realms, a metric; and some bear our protocol. The model is small: a
//! stanza is up or it is not. The hooks are called as `ifup` calls them (`tests/ifupdown` has the
//! real one); addresses and links stay as they are, so that no change is the kernel's own.
//!
//! `MODEL_SEED` is the first sequence's seed, and `MODEL_COUNT` says how many sequences there
//! are: the seed that a failure prints repeats it with a count of 1.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use crate::support::lab::{lab, pieces, Lab, Said, DOWN, UP};
use crate::support::random::{number_in, Random};
use policy_table::ifupdown::{Direction, HookCall};
use policy_table::netlink::Kernel;
use policy_table::record::Heading;
use policy_table::routing::{
    Action, Family, Hop, Object, Prefix, Route, Rule, State, TableId, TableName, PROTOCOL,
};
use policy_table::stanza::{wanted_state, Observed, Stanza as Judged, TableIds};

/// The tables that stanzas and others use; the first has a name.
const TABLES: [u32; 5] = [20611, 501, 502, 503, 254];
const NAME: &str = "rt2";

/// Protocols that others have: boot, static, one without a name, none, ours.
const PROTOCOLS: [u8; 5] = [3, 4, 99, 0, PROTOCOL];

fn flag(family: Family) -> &'static str {
    match family {
        Family::Inet => "-4",
        Family::Inet6 => "-6",
    }
}

/// A stanza of an interface: what its hooks are told, and what that asks for.
struct Stanza {
    interface: &'static str,
    environment: Vec<(String, String)>,
    wanted: State,
    heading: String,
}

impl Stanza {
    /// Any stanza whose options are right.
    fn random(random: &mut Random, interface: &'static str, family: Family) -> Self {
        loop {
            let options = options(random, &interface[3..4], family);
            if let Some(stanza) = Self::of(interface, family, &options) {
                return stanza;
            }
        }
    }

    fn of(
        interface: &'static str,
        family: Family,
        options: &[(&'static str, String)],
    ) -> Option<Self> {
        let n = &interface[3..4];
        let last = if interface.contains(':') { 11 } else { 10 };
        let (address, netmask) = match family {
            Family::Inet => (format!("10.{n}.0.{last}"), "255.255.255.0"),
            Family::Inet6 => (format!("2001:db8:{n}::{last}"), "64"),
        };
        let mut environment: Vec<(String, String)> = [
            ("IFACE", interface),
            ("LOGICAL", interface),
            ("ADDRFAM", &family.to_string()),
            ("METHOD", "static"),
            ("VERBOSITY", "0"),
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ("IF_ADDRESS", &address),
            ("IF_NETMASK", netmask),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (option, value) in options {
            let name = option.to_uppercase().replace('-', "_");
            environment.push((format!("IF_{name}"), value.clone()));
        }
        let told = with_phase(&environment, Direction::Up);
        let told = told.map(|(name, value)| (name.into(), value.into()));
        let call = HookCall::read(Direction::Up, told).unwrap();
        let judged = Judged::parse(&call).ok()??;
        Some(Self {
            interface,
            environment,
            wanted: wanted(&judged)?,
            heading: Heading::of(&call).to_string(),
        })
    }

    fn hook(&self, direction: Direction) -> Said {
        let hook = match direction {
            Direction::Up => UP,
            _ => DOWN,
        };
        let mut command = Command::new(hook);
        let told = with_phase(&self.environment, direction);
        command.env_clear().envs(told);
        Said::new(&command.output().unwrap())
    }
}

fn with_phase(
    environment: &[(String, String)],
    direction: Direction,
) -> impl Iterator<Item = (String, String)> + '_ {
    let phase = match direction {
        Direction::Up => [("MODE", "start"), ("PHASE", "post-up")],
        _ => [("MODE", "stop"), ("PHASE", "pre-down")],
    };
    let phase = phase.map(|(name, value)| (name.to_owned(), value.to_owned()));
    environment.iter().cloned().chain(phase)
}

fn wanted(stanza: &Judged) -> Option<State> {
    let id = |name: &TableName, _| match name.as_str() {
        NAME => Ok(TableId::numbered(TABLES[0])),
        _ => Err(()),
    };
    let ids = TableIds::of(stanza, id).unwrap();
    let found = Observed {
        addresses: stanza.address.into_iter().collect(),
        ..Observed::default()
    };
    Some(wanted_state(stanza, &ids, &found).ok()?.0)
}

/// Options of a stanza on the `n`-th device, in the words of the manual page.
fn options(random: &mut Random, n: &str, family: Family) -> Vec<(&'static str, String)> {
    let mut options = vec![(
        "policy-table",
        random.pick(&[NAME, "501", "502"]).to_owned(),
    )];
    let (net, address) = match family {
        Family::Inet => (format!("10.{n}.0."), format!("10.{n}.0.10")),
        Family::Inet6 => (format!("2001:db8:{n}::"), format!("2001:db8:{n}::10")),
    };
    if random.one_in(3) {
        options.push(("policy-mode", "main".to_owned()));
    }
    if random.one_in(3) {
        let source = random.pick(&["subnet", "none", "address"]);
        options.push(("policy-source", source.to_owned()));
    }
    if random.one_in(5) {
        options.push((
            "policy-priority",
            random.pick(&["1000", "20900"]).to_owned(),
        ));
    }
    if random.one_in(2) {
        let gateway = [format!("{net}9"), format!("{net}8"), "none".to_owned()];
        options.push(("policy-gateway", gateway[random.place(3)].clone()));
    }
    let fill = |line: &str| {
        let line = match family {
            Family::Inet => line.to_owned(),
            Family::Inet6 => line
                .replace("192.0.2.0/24", "2001:db8:a::/48")
                .replace("198.51.100.0/24", "2001:db8:b::/48")
                .replace("203.0.113.0/24", "2001:db8:c::/48")
                .replace("10.0.0.0/8", "2001:db8::/32")
                .replace(" tos 0x10", ""),
        };
        line.replace("NET", &net)
            .replace("OWN", &address)
            .replace("DEV", &format!("eth{n}"))
    };
    let mut lines = |option, from: &[&str], most: u64| {
        let count = random.below(most + 1);
        let chosen: Vec<String> = (0..count).map(|_| fill(random.pick(from))).collect();
        if !chosen.is_empty() {
            options.push((option, chosen.join("\n")));
        }
    };
    lines(
        "policy-rule",
        &[
            "to 192.0.2.0/24",
            "fwmark 5",
            "fwmark 5/0xff pref 700",
            "fwmark 5 pref 700 lookup 503",
            "fwmark 5 realms 3 pref 700 lookup 503",
            "not from 10.0.0.0/8 pref 701 lookup 503",
            "from 10.0.0.0/8 pref 701 lookup 503",
            "iif eth2 pref 702",
            "oif DEV",
            "to 192.0.2.0/24 pref 700",
            "to 192.0.2.0/24 pref 700 lookup 503",
            "from 192.0.2.0/24 goto 30000 pref 703",
            "from 192.0.2.0/24 goto 30001 pref 703",
            "from 192.0.2.0/24 nop pref 703",
            "ipproto tcp dport 443 pref 700",
            "to 198.51.100.0/24 prohibit pref 704",
            "pref 705 lookup 503 suppress_prefixlength 1",
            "pref 705 lookup 503",
            "uidrange 1000-1999 pref 700 lookup 503",
            "tos 0x10 pref 700 lookup 503",
        ],
        3,
    );
    lines(
        "policy-route",
        &[
            "192.0.2.0/24 via NET9",
            "192.0.2.0/24 via NET9 metric 50",
            "192.0.2.0/24 via NET7 table 503",
            "192.0.2.0/24 via NET7 src OWN table 503",
            "192.0.2.0/24 via NET7 table main",
            "198.51.100.0/24 via NET9 metric 50 mtu 1400",
            "unreachable default metric 4294967295",
            "blackhole 203.0.113.0/24",
            "blackhole 203.0.113.0/24 table 503",
            "203.0.113.0/24 dev DEV tos 0x10",
            "203.0.113.0/24 dev DEV",
            "default via NET5",
            "198.51.100.0/24 nexthop via NET5 weight 1 nexthop via NET6 weight 2",
        ],
        3,
    );
    options
}

/// An object of somebody else's: one of ours, or of our kind, with something changed.
fn foreign(random: &mut Random, stanzas: &[Stanza]) -> Option<Object> {
    let of = &stanzas[random.place(stanzas.len())].wanted;
    let mut object = of.objects().nth(random.place(of.objects().count()))?;
    for _ in 0..random.below(3) {
        object = match object {
            Object::Rule(rule) => Object::Rule(twin_rule(random, rule)),
            Object::Route(route) => Object::Route(twin_route(random, route)),
        };
    }
    let protocol = random.pick(&PROTOCOLS);
    match &mut object {
        Object::Rule(rule) => rule.protocol = protocol,
        // In main, what takes one without a protocol out again may take the kernel's instead.
        Object::Route(route) if route.table == TableId::MAIN && protocol == 0 => return None,
        Object::Route(route) => route.protocol = protocol,
    }
    // What is ours to the last bit is taken for ours.
    let ours = |stanza: &Stanza| stanza.wanted.contains(&object);
    (!stanzas.iter().any(ours)).then_some(object)
}

fn network(family: Family) -> Option<Prefix> {
    match family {
        Family::Inet => "198.51.100.0/24".parse().ok(),
        Family::Inet6 => "2001:db8:b::/48".parse().ok(),
    }
}

fn twin_rule(random: &mut Random, rule: Rule) -> Rule {
    let (to, from) = (network(rule.family), network(rule.family));
    match random.below(15) {
        0 => Rule { from: None, ..rule },
        1 => Rule { to: None, ..rule },
        2 => Rule { from, ..rule },
        3 => Rule { to, ..rule },
        4 => Rule {
            mark: Some((5, u32::MAX)),
            ..rule
        },
        5 => Rule { mark: None, ..rule },
        6 => Rule {
            iif: "eth2".parse().ok(),
            ..rule
        },
        7 => Rule {
            ip_protocol: Some(6),
            ..rule
        },
        // `ip` has no word for the opposite of a rule without a selector.
        8 if rule.from.is_some() || rule.to.is_some() => Rule {
            invert: !rule.invert,
            ..rule
        },
        9 => Rule {
            action: Action::Goto(30000 + u32::from(random.one_in(2))),
            ..rule
        },
        // IPv6 has no realms: the kernel would make the same rule of it.
        10 if rule.family == Family::Inet => Rule { realms: 7, ..rule },
        11 => Rule { realms: 0, ..rule },
        12 => Rule {
            action: Action::Lookup(TableId::numbered(random.pick(&TABLES))),
            ..rule
        },
        13 => Rule {
            priority: rule.priority + 1,
            ..rule
        },
        _ => Rule {
            suppress_length: Some(1),
            ..rule
        },
    }
}

fn twin_route(random: &mut Random, mut route: Route) -> Route {
    match random.below(9) {
        0 => route.metric = route.metric.wrapping_add(1),
        1 => route.metric = route.metric.saturating_add(50),
        2 => route.tos = 0x10 * u8::from(route.family() == Family::Inet),
        3 => route.table = TableId::numbered(random.pick(&TABLES)),
        4 => route.source = None,
        5 => {
            let own = route.hops.first().and_then(|hop| hop.device.clone());
            let own = own.map(|device| device.as_str().replace("eth", ""));
            route.source = own.and_then(|n| match route.family() {
                Family::Inet => format!("10.{n}.0.11").parse().ok(),
                Family::Inet6 => format!("2001:db8:{n}::11").parse().ok(),
            });
        }
        6 => route.destination = network(route.family()).unwrap(),
        7 => route.realms = 7 * u32::from(route.family() == Family::Inet),
        _ => {
            let gateway = route.hops.first_mut().map(|hop| &mut hop.gateway);
            if let Some(Some(gateway)) = gateway {
                *gateway = match gateway.to_string().rsplit_once(['.', ':']) {
                    Some((net, _)) if gateway.is_ipv4() => format!("{net}.6").parse().unwrap(),
                    Some((net, _)) => format!("{net}:6").parse().unwrap(),
                    None => *gateway,
                };
            }
        }
    }
    route
}

/// What `ip` shows of all rules and routes, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    lists: [Vec<String>; 4],
}

const LISTS: &str = "ip -4 -d -j rule show && echo && ip -6 -d -j rule show && echo \
    && ip -4 -d -j route show table all && echo && ip -6 -d -j route show table all";

fn is_tagged(piece: &str) -> bool {
    piece.contains("\"protocol\":\"policy-table\"")
}

impl Shown {
    fn now(lab: &Lab) -> Self {
        let text = lab.ok(LISTS);
        let lists: Vec<Vec<String>> = text.split("\n\n").map(pieces).collect();
        Self {
            lists: lists.try_into().expect("four lists"),
        }
    }

    /// What is not as it was of what does not bear our protocol, and what is gone of that which
    /// does. A rule that was put back stands behind its equals: of those the order may change.
    fn lost(&self, now: &Self) -> Vec<String> {
        let mut lost = Vec::new();
        for (before, now) in self.lists.iter().zip(&now.lists) {
            let others = |list: &[String]| -> Vec<String> {
                let others = list.iter().filter(|piece| !is_tagged(piece));
                others.cloned().collect()
            };
            let (theirs, left) = (others(before), others(now));
            if theirs != left {
                lost.push(format!("theirs were {theirs:#?}\nand are {left:#?}"));
            }
            let mut tagged: Vec<&String> = now.iter().filter(|piece| is_tagged(piece)).collect();
            for piece in before.iter().filter(|piece| is_tagged(piece)) {
                match tagged.iter().position(|other| *other == piece) {
                    Some(place) => drop(tagged.swap_remove(place)),
                    None => lost.push(piece.clone()),
                }
            }
        }
        lost
    }

    fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }
}

/// Everything in the tables of the test, as this program reads it.
fn objects(kernel: &mut Kernel) -> Vec<Object> {
    let mut found = Vec::new();
    for family in Family::ALL {
        found.extend(kernel.rules(family).unwrap().into_iter().map(Object::Rule));
        for table in TABLES {
            let routes = kernel.routes(family, TableId::numbered(table)).unwrap();
            found.extend(routes.into_iter().map(Object::Route));
        }
    }
    found
}

/// Whether one object is there for the other: the same, or for an IPv6 route the same under a
/// higher metric, behind another stanza's.
fn stands_for(there: &Object, wanted: &Object) -> bool {
    match (there, wanted) {
        (Object::Route(there), Object::Route(wanted)) if there.family() == Family::Inet6 => {
            let same = Route {
                metric: wanted.metric,
                ..there.clone()
            };
            same == *wanted && there.metric >= wanted.metric
        }
        _ => there == wanted,
    }
}

fn same_effect(one: &Object, other: &Object) -> bool {
    match (one, other) {
        (Object::Route(one), Object::Route(other)) => one.same_effect(other),
        (Object::Rule(one), Object::Rule(other)) => one.same_effect(other),
        _ => false,
    }
}

/// A sequence under way.
struct Run<'a> {
    lab: &'a Lab,
    kernel: Kernel,
    stanzas: Vec<Stanza>,
    up: Vec<bool>,
    foreign: Vec<Object>,
    before: Shown,
    story: String,
}

impl Run<'_> {
    /// The model: a device's down takes all of the device's stanzas along, an alias' its own.
    fn step(&mut self, n: usize, direction: Direction) {
        let interface = self.stanzas[n].interface;
        let said = self.stanzas[n].hook(direction);
        let heading = &self.stanzas[n].heading;
        let _ = writeln!(self.story, "{direction:?} {heading}\n{}", said.err);
        match direction {
            Direction::Up => {
                let failed = said.err.contains("is not in force");
                let hidden = [
                    "the gateway is not reached",
                    "prohibits packets to the gateway",
                ];
                let hidden = hidden.iter().any(|hint| said.err.contains(hint));
                let blocked = self.is_blocked(n) || hidden && self.is_hidden();
                self.require(
                    !failed || (blocked && !self.up[n]),
                    "up fails for no reason",
                );
                self.up[n] = !failed;
            }
            _ => {
                for (other, up) in self.stanzas.iter().zip(&mut self.up) {
                    let alias_of_it = other.interface.split(':').next() == Some(interface);
                    *up &= other.interface != interface && !alias_of_it;
                }
            }
        }
        let quiet = said.code == 0 && !said.err.contains("panicked");
        self.require(quiet, "the hook ends badly");
        self.check();
    }

    /// Whether somebody else's route is where one of the stanza's has to go.
    fn is_blocked(&self, n: usize) -> bool {
        let wanted = self.stanzas[n].wanted.routes();
        wanted.iter().any(|route| {
            let in_the_way = |object: &Object| match object {
                Object::Route(other) => other.protocol != PROTOCOL && other.same_place(route),
                Object::Rule(_) => false,
            };
            let object = Object::Route(route.clone());
            let served = self.foreign.iter().any(|other| same_effect(other, &object));
            !served && self.foreign.iter().any(in_the_way)
        })
    }

    /// Whether rules of others may hide a router: the kernel looks up the way to it, and they drop
    /// its packets, or find a default route for them before the main table is asked.
    fn is_hidden(&self) -> bool {
        let hides = |object: &Object| match object {
            Object::Rule(rule) => match rule.action {
                Action::Blackhole | Action::Prohibit | Action::Unreachable => true,
                Action::Lookup(table) => rule.priority < 32766 && TABLES.contains(&table.number()),
                _ => false,
            },
            Object::Route(_) => false,
        };
        self.foreign.iter().any(hides)
    }

    fn check(&mut self) {
        let now = Shown::now(self.lab);
        let lost = self.before.lost(&now).join("\n");
        self.require(lost.is_empty(), &format!("others lost\n{lost}"));

        let mut ours = objects(&mut self.kernel);
        for object in &self.foreign {
            if let Some(place) = ours.iter().position(|other| other == object) {
                ours.remove(place);
            }
        }
        ours.retain(|object| object.protocol() == PROTOCOL);
        self.require(
            now.len() - self.before.len() == ours.len(),
            "ip and this program disagree on how many are ours",
        );
        let up = self.stanzas.iter().zip(&self.up).filter(|(_, up)| **up);
        let wanted: Vec<Object> = up.flat_map(|(stanza, _)| stanza.wanted.objects()).collect();
        // Of what several stanzas want there is one, or for an IPv6 route that stands behind
        // another one for each.
        let mut elsewhere = Vec::new();
        for (n, object) in wanted.iter().enumerate() {
            match ours.iter().position(|there| there == object) {
                Some(place) => drop(ours.remove(place)),
                None => elsewhere.push((n, object)),
            }
        }
        for (n, object) in elsewhere {
            let place = ours.iter().position(|there| stands_for(there, object));
            let another = wanted[..n].contains(object);
            let served = self.foreign.iter().any(|there| same_effect(there, object));
            match place {
                Some(place) => drop(ours.remove(place)),
                None => self.require(another || served, &format!("missing: {object}")),
            }
        }
        let left: Vec<String> = ours.iter().map(ToString::to_string).collect();
        self.require(left.is_empty(), &format!("left over: {left:#?}"));
    }

    fn require(&self, holds: bool, what: &str) {
        if holds {
            return;
        }
        let mut story = String::new();
        for object in &self.foreign {
            let _ = writeln!(story, "theirs: {object}");
        }
        for stanza in &self.stanzas {
            let _ = writeln!(story, "{}", stanza.heading);
            for object in stanza.wanted.objects() {
                let _ = writeln!(story, "\t{object}");
            }
        }
        panic!("{what}\n\n{story}{}", self.story);
    }
}

/// Puts objects in with `ip`, as their owners would; what the kernel refuses is not there.
fn put_in(lab: &Lab, random: &mut Random, objects: &[Object]) {
    for family in Family::ALL {
        let mut batch = String::new();
        for object in objects.iter().filter(|object| object.family() == family) {
            // IPv4 has room for several in one place.
            let append = family == Family::Inet && random.one_in(2);
            let (noun, verb, line) = match object {
                Object::Rule(rule) => ("rule", "add", rule.to_string()),
                Object::Route(route) if append => ("route", "append", route.to_string()),
                Object::Route(route) => ("route", "add", route.to_string()),
            };
            // Who names no protocol gets boot's.
            let line = line.replace(" proto 3", "");
            let _ = writeln!(batch, "{noun} {verb} {line}");
        }
        lab.write("/run/batch", &batch);
        lab.sh(&format!("ip {} -force -batch /run/batch", flag(family)));
    }
}

fn flush(lab: &Lab) {
    let mut batch = String::new();
    for protocol in PROTOCOLS {
        let _ = writeln!(batch, "rule flush protocol {protocol}");
        let _ = writeln!(batch, "route flush table main proto {protocol}");
    }
    for table in TABLES.iter().filter(|table| **table != 254) {
        let _ = writeln!(batch, "route flush table {table}");
    }
    // Which ip's flush passes over.
    for table in TABLES {
        let last_resort = "unreachable default metric 4294967295";
        let _ = writeln!(batch, "route del {last_resort} table {table}");
    }
    lab.write("/run/batch", &batch);
    let batch = "-force -batch /run/batch";
    lab.sh(&format!(
        "ip -4 {batch}; ip -6 {batch}; rm -rf /run/policy-table"
    ));
}

/// An IPv6 route loses its `src` when the address goes, and a way when its device does. Of one that
/// bears our protocol, and lacks nothing else of what a stanza asks for, nobody can say that it is
/// not what is left of ours.
fn is_taken_for_ours(object: &Object, stanzas: &[Stanza]) -> bool {
    let Object::Route(route) = object else {
        return false;
    };
    let lacks = |own: &Route| own.source.is_some() || own.hops.len() > route.hops.len();
    let is_way = |own: &Route| {
        let has = |hop: &Hop| own.hops.iter().any(|way| way.gateway == hop.gateway);
        route.hops.iter().all(has)
    };
    let mut wanted = stanzas.iter().flat_map(|stanza| stanza.wanted.routes());
    route.family() == Family::Inet6
        && wanted.any(|own| {
            let (source, hops) = (None, route.hops.clone());
            let left = Route {
                source,
                hops,
                ..own.clone()
            };
            lacks(own) && is_way(own) && *route == left
        })
}

/// One sequence; returns how many steps and objects of others there were.
fn sequence(lab: &Lab, seed: u64, empty: &Shown) -> (usize, usize) {
    let mut random = Random::new(seed, 0);
    let mut places = vec![
        ("eth1", Family::Inet),
        ("eth1", Family::Inet6),
        ("eth1:1", Family::Inet),
        ("eth2", Family::Inet),
        ("eth2", Family::Inet6),
    ];
    random.shuffle(&mut places);
    places.truncate(1 + random.place(3));
    let stanzas: Vec<Stanza> = places
        .into_iter()
        .map(|(interface, family)| Stanza::random(&mut random, interface, family))
        .collect();
    let count = random.below(16);
    let theirs: Vec<Object> = (0..count)
        .filter_map(|_| foreign(&mut random, &stanzas))
        .filter(|object| !is_taken_for_ours(object, &stanzas))
        .collect();
    put_in(lab, &mut random, &theirs);

    let mut kernel = Kernel::open().unwrap();
    let before = Shown::now(lab);
    let mut run = Run {
        lab,
        foreign: objects(&mut kernel),
        kernel,
        up: vec![false; stanzas.len()],
        stanzas,
        before,
        story: String::new(),
    };
    let mut steps: Vec<(usize, Direction)> = (0..3 + random.below(6))
        .map(|_| {
            let n = random.place(run.stanzas.len());
            let up = !random.one_in(3);
            (n, if up { Direction::Up } else { Direction::Down })
        })
        .collect();
    let mut last: Vec<usize> = (0..run.stanzas.len()).collect();
    random.shuffle(&mut last);
    steps.extend(last.into_iter().map(|n| (n, Direction::Down)));
    for (n, direction) in &steps {
        run.step(*n, *direction);
    }
    let noted = lab.ok("cat /run/policy-table/* 2>/dev/null; true");
    run.require(noted.is_empty(), &format!("still noted: {noted}"));
    let others = run.before.len() - empty.len();
    // ip's flush ends early where a deletion took a near-twin that was still to come.
    let flushed = (0..20).any(|_| {
        flush(lab);
        Shown::now(lab) == *empty
    });
    assert!(flushed, "not flushed: {:?}", Shown::now(lab));
    (steps.len(), others)
}

#[test]
fn whatever_comes_and_goes_the_others_stay_and_ours_are_what_is_up() {
    lab(|lab| {
        lab.two_networks();
        for n in [1, 2] {
            lab.ok(&format!("ip addr add 10.{n}.0.11/24 dev eth{n}"));
            lab.ok(&format!("ip addr add 2001:db8:{n}::11/64 dev eth{n} nodad"));
        }
        let tables = lab.text("/etc/iproute2/rt_tables");
        let named = format!("{tables}{}\t{NAME}\n", TABLES[0]);
        lab.write("/etc/iproute2/rt_tables", &named);
        flush(lab);
        let empty = Shown::now(lab);
        let first = number_in("MODEL_SEED", 1);
        let count = number_in("MODEL_COUNT", 150);
        let (mut steps, mut others, start) = (0, 0, Instant::now());
        for seed in first..first + count {
            println!("MODEL_SEED={seed}");
            let done = sequence(lab, seed, &empty);
            steps += done.0;
            others += done.1;
        }
        println!(
            "{count} sequences, {steps} steps, {others} routes and rules of others, {} s",
            start.elapsed().as_secs()
        );
        assert!(steps > 0 && (others > 0 || count < 10));
    });
}
