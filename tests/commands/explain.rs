//! `explain` held against the kernel: random rules and routes of both families are put in with
//! `ip`, packets of all kinds asked for, and the walk ends where `RTM_GETROUTE` does.
//!
//! Random sets come from a seed that is printed; `EXPLAIN_SEED` gives another one, and
//! `EXPLAIN_COUNT` how many sets there are of each family.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::lab::{lab, Lab, Said};
use crate::support::random::{number_in, Random};
use crate::support::tree::text;
use policy_table::explain::{
    walk_and_ask, End, KernelAnswer, Match, Packet, Report, TableAnswer, Then, Walk,
};
use policy_table::netlink::Kernel;
use policy_table::routing::{Family, Route};

/// Whom the random routes are from, to find them again.
const OWNER: u8 = 44;

pub fn flag(family: Family) -> &'static str {
    match family {
        Family::Inet => "-4",
        Family::Inet6 => "-6",
    }
}

/// Three devices with a network each, of which the second is in a group; where the third has no
/// carrier its routes are not to be used.
pub fn set_up(lab: &Lab) {
    lab.ok("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
        echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
        echo 1 >/proc/sys/net/ipv4/conf/all/ignore_routes_with_linkdown");
    for n in 1..=3 {
        lab.device(&format!("eth{n}"));
        for device in [format!("eth{n}"), format!("eth{n}p")] {
            lab.ok(&format!("ip link set {device} down addrgenmode none"));
            lab.ok(&format!("ip link set {device} up"));
        }
        lab.ok(&format!("ip addr add 10.{n}.0.10/24 dev eth{n}"));
        lab.ok(&format!("ip addr add 2001:db8:{n}::10/64 dev eth{n} nodad"));
        lab.ok(&format!(
            "echo 1 >/proc/sys/net/ipv6/conf/eth{n}/ignore_routes_with_linkdown"
        ));
    }
    lab.ok("ip link set eth2 group 5");
    wait_for(lab, "ip -o link show | grep -v UP,LOWER_UP");
}

/// Waits until a command has nothing to say.
pub fn wait_for(lab: &Lab, unsettled: &str) {
    let limit = Instant::now() + Duration::from_secs(60);
    while !lab.sh(unsettled).out.is_empty() {
        assert!(Instant::now() < limit, "{}", lab.ok("ip -d link"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs lines through `ip -batch`; those that the kernel refuses are passed over.
pub fn batch(family: Family, lines: &str) {
    let mut ip = Command::new("ip");
    ip.args([flag(family), "-force", "-batch", "-"]);
    ip.stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut ip = ip.spawn().unwrap();
    ip.stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    ip.wait().unwrap();
}

/// Prefixes of many lengths around the addresses that are asked for.
fn prefix(random: &mut Random, family: Family) -> &'static str {
    match family {
        Family::Inet => random.pick(&[
            "0.0.0.0/0",
            "0.0.0.0/0",
            "0.0.0.0/0",
            "0.0.0.0/1",
            "8.0.0.0/8",
            "172.16.0.0/12",
            "172.16.0.0/16",
            "172.16.1.0/24",
            "172.16.1.128/25",
            "172.16.1.1/32",
            "10.0.0.0/8",
            "10.1.0.0/24",
            "10.1.0.5/32",
            "10.2.0.0/16",
            "192.0.2.0/24",
            "224.0.0.0/4",
        ]),
        Family::Inet6 => random.pick(&[
            "::/0",
            "2000::/3",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "2001:db8:1::/64",
            "2001:db8:1::5/128",
            "2001:db8:2::/48",
            "2001:db8:f::/48",
            "2001:db8:f:1::/64",
            "2001:db8:f:1::1/128",
            "fd00::/8",
            "fd00::/16",
        ]),
    }
}

/// An address to ask for; packets that come in go to no group and not to all hosts.
pub fn destination(random: &mut Random, family: Family, comes_in: bool) -> &'static str {
    let (routed, others): (&[&str], &[&str]) = match family {
        Family::Inet => (
            &[
                "10.1.0.5",
                "10.1.0.10",
                "10.1.0.255",
                "10.2.0.7",
                "10.3.0.9",
                "172.16.1.1",
                "172.16.1.129",
                "172.16.9.9",
                "172.20.0.1",
                "192.0.2.1",
                "8.8.8.8",
            ],
            &["127.0.0.1", "224.0.0.9", "224.1.1.1", "255.255.255.255"],
        ),
        Family::Inet6 => (
            &[
                "2001:db8:1::5",
                "2001:db8:1::10",
                "2001:db8:2::7",
                "2001:db8:3::9",
                "2001:db8:f::1",
                "2001:db8:f:1::1",
                "2001:db8:f:1::2",
                "2001:db8:9::9",
                "fd00::1",
                "fd01::1",
                "2600::1",
                "fe80::5",
                "::1",
            ],
            &["ff02::1", "ff05::7"],
        ),
    };
    let is_other = !comes_in && random.one_in(8);
    random.pick(if is_other { others } else { routed })
}

/// A rule of any selectors and any action.
fn rule(random: &mut Random, family: Family) -> String {
    // Dense enough for targets to be there.
    let priority = 1 + random.below(24);
    let mut line = format!("rule add priority {priority}");
    if random.one_in(5) {
        line += " not";
    }
    for word in ["from", "to"] {
        if random.one_in(3) {
            write!(line, " {word} {}", prefix(random, family)).unwrap();
        }
    }
    for (chance, words) in [
        (
            5,
            &[
                "fwmark 1",
                "fwmark 0x2/0x2",
                "fwmark 0/1",
                "fwmark 0x3/0xff",
            ][..],
        ),
        (5, &["iif lo", "iif eth1", "iif eth2", "iif gone"]),
        (8, &["oif eth1", "oif eth2", "oif gone"]),
        (10, &["tos 0x10", "tos 0x08"]),
        (10, &["uidrange 0-0", "uidrange 1-9", "uidrange 0-1000"]),
        (10, &["ipproto udp", "ipproto tcp"]),
        (12, &["dport 53", "dport 1-60", "sport 7-9"]),
        (30, &["tun_id 5"]),
    ] {
        if random.one_in(chance) {
            write!(line, " {}", random.pick(words)).unwrap();
        }
    }
    match random.below(16) {
        0 => write!(line, " goto {}", priority + 1 + random.below(6)),
        1 => write!(line, " nop"),
        2 => write!(
            line,
            " {}",
            random.pick(&["blackhole", "unreachable", "prohibit"])
        ),
        _ => write!(line, " table {}", random.pick(&TABLES)),
    }
    .unwrap();
    if line.contains(" table ") {
        if random.one_in(4) {
            let length = random.pick(&[0, 1, 8, 16, 24, 48, 64]);
            write!(line, " suppress_prefixlength {length}").unwrap();
        }
        if random.one_in(8) {
            line += " suppress_ifgroup 5";
        }
    }
    line
}

/// Those that have random routes, and one that never has any.
const TABLES: [u32; 8] = [100, 101, 102, 103, 104, 253, 254, 999];

fn way(random: &mut Random, family: Family) -> String {
    let n = 1 + random.below(3);
    match (random.below(3), family) {
        (0, _) => format!("dev eth{n}"),
        (_, Family::Inet) => format!("via 10.{n}.0.{} dev eth{n}", 1 + random.below(3)),
        (_, Family::Inet6) => format!("via 2001:db8:{n}::{} dev eth{n}", 1 + random.below(3)),
    }
}

fn route(random: &mut Random, family: Family) -> String {
    let to = prefix(random, family);
    let mut end = format!("table {} proto {OWNER}", random.pick(&TABLES[..7]));
    if random.one_in(2) {
        write!(end, " metric {}", 1 + random.below(3)).unwrap();
    }
    let mut to = to.to_owned();
    match family {
        Family::Inet if random.one_in(6) => to += " tos 0x10",
        Family::Inet6 if random.one_in(6) => {
            write!(to, " from {}", prefix(random, family)).unwrap();
        }
        _ => {}
    }
    let drops = ["throw", "throw", "unreachable", "blackhole", "prohibit"];
    match random.below(10) {
        0 | 1 => format!("route add {} {to} {end}", random.pick(&drops)),
        2 => {
            let hops = [way(random, family), way(random, family)];
            format!(
                "route add {to} {end} nexthop {} nexthop {}",
                hops[0], hops[1]
            )
        }
        3 if family == Family::Inet6 => {
            let preference = random.pick(&["low", "high"]);
            format!(
                "route add {to} {} {end} pref {preference}",
                way(random, family)
            )
        }
        _ => format!("route add {to} {} {end}", way(random, family)),
    }
}

/// A way to append behind others. The kernel's lists leave out an IPv6 route without a router
/// between the hops of a route of several.
fn further_way(random: &mut Random, family: Family) -> String {
    loop {
        let way = way(random, family);
        if family == Family::Inet || way.starts_with("via") {
            return way;
        }
    }
}

/// What puts a set in place of the one before.
pub fn set(random: &mut Random, family: Family) -> String {
    let mut lines = format!(
        "route flush table all proto {OWNER}\nrule flush\nrule del priority 0\n\
         rule add priority 32766 table main\nrule add priority 32767 table default\n"
    );
    // Somebody may have moved the first rule behind his own.
    let first = if random.one_in(10) { 30 } else { 0 };
    writeln!(lines, "rule add priority {first} table local").unwrap();
    for _ in 0..5 + random.below(25) {
        writeln!(lines, "{}", route(random, family)).unwrap();
    }
    // Routers that do not answer.
    for n in 1..=3 {
        writeln!(lines, "neigh flush dev eth{n}").unwrap();
        if random.one_in(2) {
            let router = match family {
                Family::Inet => format!("10.{n}.0.{}", 1 + random.below(3)),
                Family::Inet6 => format!("2001:db8:{n}::{}", 1 + random.below(3)),
            };
            writeln!(lines, "neigh replace {router} dev eth{n} nud failed").unwrap();
        }
    }
    // One behind the other, as the second of two stanzas with one table puts its own.
    if random.one_in(3) {
        let table = random.pick(&TABLES[..7]);
        for _ in 0..2 + random.below(2) {
            let way = further_way(random, family);
            writeln!(
                lines,
                "route append default {way} table {table} proto {OWNER}"
            )
            .unwrap();
        }
    }
    for _ in 0..=random.below(12) {
        writeln!(lines, "{}", rule(random, family)).unwrap();
    }
    lines
}

fn packet(random: &mut Random, family: Family) -> Packet {
    let comes_in = random.one_in(3);
    let to = destination(random, family, comes_in).parse().unwrap();
    let mut packet = Packet::to(to, random.pick(&[0, 0, 5, 1000]));
    let (own, foreign): (&[&str], &[&str]) = match family {
        Family::Inet => (
            &["10.1.0.10", "10.2.0.10", "10.3.0.10", "172.16.1.1"],
            &["10.1.0.77", "172.16.1.1", "198.51.100.7", "8.8.4.4"],
        ),
        Family::Inet6 => (
            &["2001:db8:1::10", "2001:db8:2::10", "2001:db8:3::10"],
            &["2001:db8:1::77", "2001:db8:f:1::1", "2600::7", "fd00::5"],
        ),
    };
    if comes_in {
        packet.iif = random.pick(&["eth1", "eth2", "eth3"]).parse().ok();
        packet.from = random.pick(foreign).parse().ok();
        packet.user = 0;
    } else {
        if random.one_in(2) {
            packet.from = random.pick(own).parse().ok();
        }
        if random.one_in(4) {
            packet.oif = random.pick(&["eth1", "eth2", "eth3"]).parse().ok();
        }
    }
    packet.mark = random.pick(&[0, 0, 1, 2, 3, 7]);
    packet.tos = random.pick(&[0, 0, 0, 0x10, 0x08, 0xf0]);
    packet.ip_protocol = random.pick(&[17, 17, 6]);
    packet.sport = random.pick(&[0, 0, 8]);
    packet.dport = random.pick(&[0, 0, 53, 443]);
    packet
}

/// The walk as it is told.
fn tell(walk: &Walk) -> String {
    let mut text = String::new();
    let telling = Report {
        table: &|table| table.to_string(),
        all: true,
    };
    telling.walk(&mut text, walk).unwrap();
    text
}

/// Whether what becomes of a packet hangs on the hop that IPv6 takes of several, which is the
/// business of a hash.
fn is_left_to_a_hash(walk: &Walk) -> bool {
    let several = |found: &TableAnswer| match found {
        TableAnswer::Taken(found) => found[0].route.hops.len() > 1,
        _ => false,
    };
    walk.packet.family() == Family::Inet6
        && walk.tried.iter().any(|step| match &step.then {
            Some(Then::Looked(_, found)) => step.rule.suppress_group.is_some() && several(found),
            _ => false,
        })
}

/// What `ip route get` prints for a packet.
pub fn by_ip(lab: &Lab, packet: &Packet, fibmatch: bool) -> Said {
    let mut words = packet.to_string().replace(" ipproto tcp", "");
    let protocol = if packet.ip_protocol == 6 {
        "tcp"
    } else {
        "udp"
    };
    write!(words, " ipproto {protocol}").unwrap();
    if packet.iif.is_some() {
        // As packets that come in have it; `ip` leaves it open.
        words += " uid 0";
    }
    let fibmatch = if fibmatch { "fibmatch " } else { "" };
    lab.sh(&format!(
        "ip {} route get {fibmatch}{words}",
        flag(packet.family())
    ))
}

/// Whether `ip route get` says of a packet what our own question brought.
fn same_by_ip(lab: &Lab, packet: &Packet, told: &KernelAnswer) -> Result<(), String> {
    let way = by_ip(lab, packet, false);
    let (is_way, is_refusal) = (way.code == 0, way.code == 2);
    match told {
        KernelAnswer::Refused(_) if is_refusal => Ok(()),
        KernelAnswer::Taken { route: None, .. } if is_way => Ok(()),
        KernelAnswer::Taken {
            route: Some(route), ..
        } if is_way => {
            let whole = by_ip(lab, packet, true);
            let mut text = whole.out.replace("\n\t", " ");
            for (name, id) in [("local", "255"), ("default", "253")] {
                text = text.replace(&format!("table {name}"), &format!("table {id}"));
            }
            if let Some(iif) = &packet.iif {
                text = text.replace(&format!(" iif {iif} "), " ");
            }
            if let Some(sources) = route.sources {
                text = text.replace(&format!(" from {sources} "), " ");
            }
            let text = format!("{} {text}", flag(packet.family()));
            let shown: Route = text
                .trim()
                .parse()
                .map_err(|error| format!("{text}: {error}"))?;
            // Some routes of the kernel's own have none, which nobody can write.
            let has_none = text.contains("metric 0 ");
            let metric = |route: &Route| if has_none { 0 } else { route.metric };
            let place = |route: &Route| (route.destination, metric(route), route.hops.clone());
            if place(&shown) == place(&route.route) {
                Ok(())
            } else {
                Err(format!("{text}\n{}", route.route))
            }
        }
        _ => Err(format!("{way:?}\n{told:?}")),
    }
}

/// How often each thing came to pass that a walk can come to, lest a run proves nothing.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, usize>);

impl Seen {
    fn note(&mut self, walk: &Walk) {
        let mut note = |what| *self.0.entry(what).or_default() += 1;
        note(match &walk.end {
            End::Route(_, found) if found[0].route.hops.len() > 1 => "several hops",
            End::Route(_, found) if found.len() > 1 => "equal defaults",
            End::Route(..) => "route",
            End::DroppedByRoute(..) => "dropped by route",
            End::DroppedByRule(_) => "dropped by rule",
            End::NoRoute => "no route",
            End::ForeignSource(_) => "foreign source",
            End::Down(_) => "down",
            End::OnLink(_) => "on link",
            End::NotForwarded(_) => "not forwarded",
        });
        for step in &walk.tried {
            note(match &step.matches {
                Match::Yes => "matches",
                Match::YesFor(_) => "matches for not",
                Match::No(_) => "does not match",
                Match::NoForNot => "does not match for not",
            });
            match &step.then {
                Some(Then::Looked(_, TableAnswer::Thrown(_))) => note("thrown"),
                Some(Then::Looked(_, TableAnswer::Suppressed(_, words))) => {
                    note(if words.contains("group") {
                        "group"
                    } else {
                        "length"
                    });
                }
                Some(Then::Went { there: true, .. }) => note("went"),
                Some(Then::Went { .. }) => note("went nowhere"),
                _ => {}
            }
        }
    }
}

/// Sets of rules and routes of a family, and packets through each.
fn prove(lab: &Lab, family: Family, sets: u64, wanted: &[&str]) {
    let stream = if family == Family::Inet { 1 } else { 2 };
    let mut random = Random::seeded("EXPLAIN_SEED", 20_240_717, stream);
    let mut kernel = Kernel::open().unwrap();
    let (mut seen, mut faults, mut packets) = (Seen::default(), Vec::new(), 0);
    for n in 0..sets {
        if n == sets / 2 {
            lab.ok("ip link set eth3p down");
            wait_for(lab, "ip -o link show eth3 | grep -v NO-CARRIER");
        }
        let forwarding = random.below(2);
        lab.write(
            "/proc/sys/net/ipv4/conf/all/forwarding",
            &forwarding.to_string(),
        );
        lab.write(
            "/proc/sys/net/ipv6/conf/all/forwarding",
            &forwarding.to_string(),
        );
        let lines = set(&mut random, family);
        batch(family, &lines);
        for m in 0..8 {
            let packet = packet(&mut random, family);
            let (walk, told) = walk_and_ask(&mut kernel, packet.clone()).unwrap();
            if is_left_to_a_hash(&walk) {
                continue;
            }
            packets += 1;
            seen.note(&walk);
            let by_ip = if m == 0 && n % 5 == 0 {
                same_by_ip(lab, &packet, &told)
            } else {
                Ok(())
            };
            if let (true, Ok(())) = (told.agrees(&walk), &by_ip) {
                continue;
            }
            let there = lab.ok(&format!("ip {} route show table all", flag(family)));
            let text = format!("set {n}:\n{}{told:?}\n{by_ip:?}\n{there}", tell(&walk));
            faults.push(text);
        }
    }
    println!("{sets} sets, {packets} packets: {:?}", seen.0);
    let count = faults.len();
    faults.truncate(12);
    assert!(faults.is_empty(), "{count} faults\n{}", faults.join("\n"));
    for what in wanted {
        assert!(seen.0.contains_key(what), "never seen: {what}");
    }
}

const WANTED: [&str; 14] = [
    "route",
    "several hops",
    "dropped by route",
    "dropped by rule",
    "no route",
    "matches",
    "matches for not",
    "does not match",
    "does not match for not",
    "thrown",
    "length",
    "group",
    "went",
    "went nowhere",
];

#[test]
fn the_walk_over_ipv4_ends_where_the_kernels_does() {
    lab(|lab| {
        set_up(lab);
        let own = [
            "foreign source",
            "on link",
            "not forwarded",
            "equal defaults",
        ];
        let wanted: Vec<&str> = WANTED.into_iter().chain(own).collect();
        prove(lab, Family::Inet, number_in("EXPLAIN_COUNT", 150), &wanted);
    });
}

#[test]
fn the_walk_over_ipv6_ends_where_the_kernels_does() {
    lab(|lab| {
        set_up(lab);
        prove(lab, Family::Inet6, number_in("EXPLAIN_COUNT", 150), &WANTED);
    });
}

/// The command's output and exit code.
fn explained(lab: &Lab, arguments: &str) -> (String, i32) {
    let said = lab.sh(&format!("policy-table explain {arguments}"));
    assert_eq!(said.err, "", "{arguments}");
    (said.out, said.code)
}

#[test]
fn what_the_documents_show_is_what_is_printed() {
    let readme = text("README.md");
    let mut blocks = readme.split("```\n");
    let stanza = blocks.find(|block| block.starts_with("auto eth1")).unwrap();
    let shown = blocks.find(|block| block.starts_with("# policy-table explain"));
    let page = text("man/policy-table.8").replace("\\-", "-");
    let mut blocks = page
        .split(".EX\n")
        .map(|block| block.split(".EE").next().unwrap());
    let in_page = blocks.find(|block| block.starts_with("# policy-table explain"));
    assert_eq!(in_page, shown);
    let (command, expected) = shown.unwrap().split_once('\n').unwrap();
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(stanza);
        lab.ok("ifup eth1");
        assert_eq!(lab.ok(command.trim_start_matches("# ")), expected);
    });
}

#[test]
fn each_kind_of_step_is_told() {
    lab(|lab| {
        set_up(lab);
        // Routes first: where the kernel looks for a router, it walks the rules as well.
        lab.ok("set -e
            ip route add default via 10.2.0.1
            ip route add throw 192.0.2.0/24 table 101
            ip route add default metric 5 table 103 nexthop via 10.1.0.1 nexthop via 10.2.0.1
            ip route add unreachable 192.0.2.0/24 table 103
            ip rule add priority 10 not from 10.1.0.10 blackhole
            ip rule add priority 11 fwmark 0x5/0xff lookup 100
            ip rule add priority 12 lookup main suppress_prefixlength 0
            ip rule add priority 13 goto 20
            ip rule add priority 14 prohibit
            ip rule add priority 20 lookup 101
            ip rule add priority 21 lookup 102
            ip rule add priority 22 nop
            ip rule add priority 23 goto 30
            ip rule add priority 24 lookup 103");
        let expected = "\
192.0.2.1 from 10.1.0.10 mark 0x1 uid 0

0: from all lookup local
    matches
        table local: no route
10: not from 10.1.0.10 blackhole
    does not match: not, and all the rest matches
11: from all fwmark 0x5/0xff lookup 100
    does not match: fwmark 0x5/0xff
12: from all lookup main suppress_prefixlength 0
    matches
        table main: default via 10.2.0.1 dev eth2
            not taken: suppress_prefixlength 0
13: from all goto 20
    matches
20: from all lookup 101
    matches
        table 101: throw 192.0.2.0/24
            back to the rules
21: from all lookup 102
    matches
        table 102: no route
22: from all nop
    matches
23: from all goto 30
    matches
        there is no rule 30; the next one
24: from all lookup 103
    matches
        table 103: unreachable 192.0.2.0/24

By the rules:  unreachable 192.0.2.0/24 (table 103)
By the kernel: No route to host
They agree.
";
        let (out, code) = explained(lab, "--from 10.1.0.10 --mark 1 192.0.2.1");
        assert_eq!((out.as_str(), code), (expected, 0));
        let (out, code) = explained(lab, "192.0.2.1");
        let end = "\nBy the rules:  dropped by rule 10: not from 10.1.0.10 blackhole\n\
                   By the kernel: Invalid argument\nThey agree.\n";
        assert!(code == 0 && out.ends_with(end), "{out}");
        let (out, code) = explained(lab, "--from 10.1.0.10 8.8.8.8");
        let hops = "default metric 5 nexthop via 10.1.0.1 dev eth1 weight 1 \
                    nexthop via 10.2.0.1 dev eth2 weight 1";
        assert!(
            out.contains(&format!("\nBy the rules:  {hops} (table 103)\n")),
            "{out}"
        );
        assert!(
            out.contains(&format!("\nBy the kernel: {hops}, of which via 10.")),
            "{out}"
        );
        assert_eq!(code, 0);
    });
}

#[test]
fn many_rules_that_fail_alike_are_counted() {
    lab(|lab| {
        set_up(lab);
        let mut lines = String::new();
        for n in 0..3000 {
            let (third, fourth) = (n / 250, n % 250);
            writeln!(
                lines,
                "rule add priority 21000 from 10.9.{third}.{fourth} lookup {}",
                1000 + n
            )
            .unwrap();
        }
        batch(Family::Inet, &lines);
        let (out, code) = explained(lab, "10.1.0.5");
        let expected = "\
21000: from 10.9.0.15 lookup 1015
    does not match: from 10.9.0.15
... 2984 more that do not match, up to 21000
32766: from all lookup main
";
        assert!(code == 0 && out.contains(expected), "{out}");
        let (out, _) = explained(lab, "--all 10.1.0.5");
        assert_eq!(out.matches("does not match: from").count(), 3000);
    });
}

#[test]
fn who_is_not_root_is_told_too_and_sees_his_own_rules() {
    lab(|lab| {
        set_up(lab);
        lab.ok("ip rule add priority 10 uidrange 65534-65534 prohibit");
        let nobody = "setpriv --reuid 65534 --clear-groups policy-table explain";
        let said = lab.sh(&format!("{nobody} 10.1.0.5"));
        let end = "dropped by rule 10: from all uidrange 65534-65534 prohibit\n\
                   By the kernel: Permission denied\nThey agree.\n";
        assert!(said.code == 0 && said.out.ends_with(end), "{said:?}");
        assert_eq!(explained(lab, "--uid 65534 10.1.0.5").1, 0);
        assert!(explained(lab, "10.1.0.5").0.contains("dev eth1"));
    });
}

#[test]
fn the_exit_code_says_whether_they_agree() {
    lab(|lab| {
        set_up(lab);
        lab.ok("echo 1 >/proc/sys/net/ipv4/conf/all/forwarding
            echo 1 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
        // The way back to this source is by eth2, so that eth1 takes none of its packets.
        let (out, code) = explained(lab, "--from 10.2.0.7 --iif eth1 10.3.0.7");
        assert!(
            out.ends_with("(a martian source, or rp_filter).\n"),
            "{out}"
        );
        assert_eq!(code, 1);
        assert_eq!(explained(lab, "--from 10.1.0.7 --iif eth1 10.3.0.7").1, 0);
        assert_eq!(explained(lab, "2001:db8:9::9").1, 0);
        for (arguments, expected) in [
            ("", "expected an address: where the packet goes"),
            (
                "10.0.0.0/8",
                "DESTINATION \"10.0.0.0/8\": expected an address",
            ),
            ("0.0.0.0", "DESTINATION \"0.0.0.0\": expected an address"),
            (
                "::1 --from 10.0.0.1",
                "--from \"10.0.0.1\": expected an IPv6 address",
            ),
            (
                "10.0.0.1 --mark x",
                "--mark \"x\": expected a number of 32 bits",
            ),
            ("10.0.0.1 --tos 3", "--tos \"3\": expected a DS field"),
            (
                "10.0.0.1 --ipproto gre",
                "--ipproto \"gre\": expected udp, tcp or icmp",
            ),
            (
                "10.0.0.1 --dport 70000",
                "--dport \"70000\": expected a port",
            ),
            ("10.0.0.1 --uid root", "--uid \"root\": expected a user ID"),
            ("10.0.0.1 --oif eth9", "there is no device eth9"),
            ("10.0.0.1 --iif eth1", "--iif needs --from"),
            ("ff02::1 --iif eth1", "--iif: a packet to a group"),
            (
                "10.0.0.1 --iif eth1 --from 10.1.0.7 --uid 5",
                "--iif is for packets that came in",
            ),
            ("10.0.0.1 --form 10.0.0.2", "did you mean \"--from\"?"),
            ("10.0.0.1 10.0.0.2", "unexpected argument"),
        ] {
            let said = lab.sh(&format!("policy-table explain {arguments}"));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments}");
            assert!(said.err.contains(expected), "{arguments}: {}", said.err);
        }
    });
}
