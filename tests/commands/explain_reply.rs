//! `explain --reply` held against the kernel: random rules and routes, random clients; both halves
//! of the connection end where `RTM_GETROUTE` and `ip route get` say, `rp_filter` included; and
//! echoes between namespaces come out where it was told.
//!
//! `EXPLAIN_SEED` and `EXPLAIN_COUNT` as in `explain.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::explain::{batch, by_ip, flag, set, set_up, wait_for};
use crate::support::lab::{lab, Lab};
use crate::support::random::{number_in, Random};
use policy_table::explain::{follow, Answered, BadSource, Connection, End, Packet, Report};
use policy_table::netlink::Kernel;
use policy_table::routing::{Family, InterfaceName};

const DEVICES: [&str; 3] = ["eth1", "eth2", "eth3"];

fn clients(family: Family) -> &'static [&'static str] {
    match family {
        Family::Inet => &[
            "198.51.100.7",
            "8.8.4.4",
            "10.1.0.77",
            "10.2.0.77",
            "172.16.1.1",
            "172.16.1.130",
        ],
        Family::Inet6 => &[
            "2600::7",
            "2001:db8:1::77",
            "2001:db8:2::77",
            "2001:db8:f:1::1",
            "fd00::5",
        ],
    }
}

/// The addresses of the three devices.
fn own(family: Family) -> &'static [&'static str] {
    match family {
        Family::Inet => &["10.1.0.10", "10.2.0.10", "10.3.0.10"],
        Family::Inet6 => &["2001:db8:1::10", "2001:db8:2::10", "2001:db8:3::10"],
    }
}

fn first_packet(random: &mut Random, family: Family) -> (InterfaceName, Packet) {
    let behind: &[&str] = match family {
        Family::Inet => &["172.16.1.9", "10.3.0.9", "172.20.0.1", "10.2.0.255"],
        Family::Inet6 => &["2001:db8:f:1::9", "2001:db8:3::9", "fd01::1"],
    };
    let for_this_host = !random.one_in(4);
    let to = random.pick(if for_this_host { own(family) } else { behind });
    let mut packet = Packet::to(to.parse().unwrap(), random.pick(&[0, 0, 5, 1000]));
    let spoofed = random.one_in(12);
    let from = random.pick(if spoofed {
        own(family)
    } else {
        clients(family)
    });
    packet.from = from.parse().ok();
    let device: InterfaceName = random.pick(&DEVICES).parse().unwrap();
    packet.iif = Some(device.clone());
    packet.mark = random.pick(&[0, 0, 1, 2, 3]);
    packet.tos = random.pick(&[0, 0, 0x10, 0x08]);
    packet.ip_protocol = random.pick(&[17, 6]);
    packet.sport = random.pick(&[0, 8, 53]);
    packet.dport = random.pick(&[0, 8, 53, 443]);
    (device, packet)
}

fn sysctl(lab: &Lab, name: &str, value: u64) {
    lab.write(&format!("/proc/sys/net/{name}"), &value.to_string());
}

/// Filters and forwarding of all kinds.
fn settings(lab: &Lab, random: &mut Random) -> String {
    let mut told = String::new();
    let mut set = |name: &str, value| {
        sysctl(lab, name, value);
        write!(told, "{name}={value} ").unwrap();
    };
    let forwarding = random.below(2);
    set("ipv4/conf/all/forwarding", forwarding);
    set("ipv6/conf/all/forwarding", forwarding);
    set("ipv4/conf/all/rp_filter", random.pick(&[0, 0, 0, 1, 2]));
    for device in DEVICES {
        set(&format!("ipv4/conf/{device}/rp_filter"), random.below(3));
        let with_mark = random.below(2);
        set(&format!("ipv4/conf/{device}/src_valid_mark"), with_mark);
        let own = u64::from(random.one_in(6));
        set(&format!("ipv4/conf/{device}/accept_local"), own);
    }
    told
}

fn told(connection: &Connection) -> String {
    let mut text = String::new();
    let report = Report {
        table: &|table| table.to_string(),
        all: true,
    };
    report.connection(&mut text, connection).unwrap();
    text
}

/// What came of it, lest a run proves nothing.
fn kind(connection: &Connection) -> &'static str {
    let is_for_another = connection.reply.walk.packet.iif.is_some();
    match &connection.answered {
        Answered::Here(_) if is_for_another => "forwarded both ways",
        Answered::Here(_) => "here",
        Answered::Elsewhere(way) if way.devices.len() > 1 => "shared out",
        Answered::Elsewhere(way) if way.comes_first => "comes first",
        Answered::Elsewhere(_) => "elsewhere",
        Answered::BadSource(_, BadSource::Own, _) => "own source",
        Answered::BadSource(_, BadSource::NoHost, _) => "no host's source",
        Answered::BadSource(_, BadSource::NoWay, _) => "no way back",
        Answered::BadSource(_, BadSource::OtherDevice, _) => "other way back",
        Answered::Ends(End::NotForwarded(_)) | Answered::NotForwarded(_) => "not forwarded",
        Answered::Ends(_) => "ends",
        Answered::Unknown => "unknown",
    }
}

/// Which of the hops a packet takes that comes in, and so what its source is checked for, is the
/// business of a hash.
fn is_shared_out(connection: &Connection) -> bool {
    let first = &connection.first.walk;
    match &first.end {
        End::Route(_, best) => best[0].route.hops.len() > 1,
        _ => false,
    }
}

/// The device that `ip route get` says the answer leaves by; `None` if it does not.
fn device_by_ip(lab: &Lab, reply: &Packet) -> Option<String> {
    let said = by_ip(lab, reply, false);
    let mut words = said.out.split_whitespace();
    words.find(|word| *word == "dev")?;
    words.next().filter(|_| said.code == 0).map(str::to_owned)
}

/// Whether `ip` says of the answer what is told of it.
fn is_so_by_ip(lab: &Lab, connection: &Connection) -> bool {
    let device = device_by_ip(lab, &connection.reply.walk.packet);
    match &connection.answered {
        Answered::Here(here) => device.as_deref() == Some(here.as_str()),
        Answered::Elsewhere(way) => device.is_some_and(|device| {
            let mut devices = way.devices.iter();
            devices.any(|told| told.as_str() == device)
        }),
        _ => true,
    }
}

fn prove(lab: &Lab, family: Family, sets: u64, wanted: &[&str]) {
    let stream = if family == Family::Inet { 3 } else { 4 };
    let mut random = Random::seeded("EXPLAIN_SEED", 20_240_717, stream);
    let mut kernel = Kernel::open().unwrap();
    let (mut seen, mut faults) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for n in 0..sets {
        let settings = settings(lab, &mut random);
        batch(family, &set(&mut random, family));
        for m in 0..8 {
            let (device, packet) = first_packet(&mut random, family);
            let connection = follow(&mut kernel, &device, packet).unwrap();
            if is_shared_out(&connection) {
                continue;
            }
            let by_ip = m != 0 || is_so_by_ip(lab, &connection);
            *seen.entry(kind(&connection)).or_default() += 1;
            // A hash decides of an IPv6 route of several hops whether it is in a group.
            let by_hash = family == Family::Inet6 && told(&connection).contains("ifgroup");
            let agrees = connection.first.agrees() && connection.reply.agrees();
            if !(by_hash || agrees && by_ip) {
                let there = lab.ok(&format!("ip {} route show table all", flag(family)));
                let text = told(&connection);
                faults.push(format!("set {n}: {settings}\n{text}{by_ip}\n{there}"));
            }
        }
    }
    println!("{sets} sets: {seen:?}");
    let count = faults.len();
    faults.truncate(6);
    assert!(faults.is_empty(), "{count} faults\n{}", faults.join("\n"));
    for what in wanted {
        assert!(seen.contains_key(what), "never seen: {what}");
    }
}

const WANTED: [&str; 6] = [
    "here",
    "comes first",
    "elsewhere",
    "ends",
    "forwarded both ways",
    "not forwarded",
];

#[test]
fn both_halves_over_ipv4_end_where_the_kernels_do() {
    lab(|lab| {
        set_up(lab);
        let sources = ["own source", "no way back", "other way back"];
        let wanted: Vec<&str> = WANTED.into_iter().chain(sources).collect();
        prove(lab, Family::Inet, number_in("EXPLAIN_COUNT", 150), &wanted);
    });
}

#[test]
fn both_halves_over_ipv6_end_where_the_kernels_do() {
    lab(|lab| {
        set_up(lab);
        prove(lab, Family::Inet6, number_in("EXPLAIN_COUNT", 150), &WANTED);
    });
}

/// Three networks, on each of which all clients and routers there are can be reached.
fn wires(lab: &Lab) {
    lab.ok("for conf in all default; do
            echo 0 >/proc/sys/net/ipv4/conf/$conf/rp_filter
            echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_dad
        done");
    for n in 1..=3 {
        let mut lines = format!(
            "set -e
            ip netns add far{n}
            ip link add eth{n} type veth peer name host netns far{n}
            ip link set eth{n} address 02:00:00:00:00:0{n} up
            ip addr add 10.{n}.0.10/24 dev eth{n}
            ip addr add 2001:db8:{n}::10/64 dev eth{n} nodad
            ip netns exec far{n} sh -c 'for conf in all default host; do
                echo 0 >/proc/sys/net/ipv4/conf/$conf/rp_filter
                echo 0 >/proc/sys/net/ipv6/conf/$conf/accept_dad; done'
            ip -n far{n} link set lo up
            ip -n far{n} link set host up
            ip -n far{n} route add 10.0.0.0/8 dev host
            ip -n far{n} -6 route add 2001:db8::/32 dev host\n"
        );
        for router in 1..=3 {
            write!(
                lines,
                "ip -n far{n} addr add 10.{n}.0.{router}/32 dev host
                ip -n far{n} addr add 2001:db8:{n}::{router}/128 dev host nodad\n"
            )
            .unwrap();
        }
        for client in clients(Family::Inet) {
            writeln!(lines, "ip -n far{n} addr add {client}/32 dev host").unwrap();
        }
        for client in clients(Family::Inet6) {
            writeln!(lines, "ip -n far{n} addr add {client}/128 dev host nodad").unwrap();
        }
        // Who asks for these would ask in the name of a client, and be checked for that.
        for address in own(Family::Inet).iter().chain(own(Family::Inet6)) {
            writeln!(
                lines,
                "ip -n far{n} neigh replace {address} lladdr 02:00:00:00:00:0{n} dev host \
                 nud permanent"
            )
            .unwrap();
        }
        lab.ok(&lines);
    }
    // The kernel takes up to a second to let packets through a link that came up.
    for n in 1..=3 {
        for router in [format!("10.{n}.0.1"), format!("2001:db8:{n}::1")] {
            let ping = format!("ping -n -c1 -W1 {router}");
            assert!((0..10).any(|_| lab.sh(&ping).code == 0), "{router}");
        }
    }
}

/// How many answers to pings each network has seen.
fn answers(lab: &Lab, family: Family) -> [u64; 3] {
    [1, 2, 3].map(|n| {
        let (file, field) = match family {
            Family::Inet => (
                "snmp",
                "$1 == \"Icmp:\" { value = $11 } END { print value }",
            ),
            Family::Inet6 => ("snmp6", "$1 == \"Icmp6InEchoReplies\" { print $2 }"),
        };
        let script = format!("ip netns exec far{n} awk '{field}' /proc/net/{file}");
        lab.ok(&script).trim().parse().unwrap()
    })
}

/// The networks that have seen more answers than before, waited for.
fn answered_in(lab: &Lab, family: Family, before: [u64; 3], is_awaited: bool) -> Vec<String> {
    let patience = Duration::from_millis(if is_awaited { 5000 } else { 200 });
    let limit = Instant::now() + patience;
    loop {
        let now = answers(lab, family);
        let counts = DEVICES.iter().zip(now.iter().zip(before));
        let more = counts.filter(|(_, (now, before))| **now > *before);
        let found: Vec<String> = more.map(|(device, _)| (*device).to_owned()).collect();
        if !found.is_empty() || Instant::now() > limit {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn echoes_leave_where_it_is_told() {
    lab(|lab| {
        wires(lab);
        let mut random = Random::seeded("EXPLAIN_SEED", 20_240_717, 5);
        let mut kernel = Kernel::open().unwrap();
        let mut seen = BTreeMap::<&str, usize>::new();
        for n in 0..32 {
            let family = random.pick(&Family::ALL);
            let settings = settings(lab, &mut random);
            // All routers answer here.
            let lines = set(&mut random, family);
            let lines: Vec<&str> = lines
                .lines()
                .filter(|line| !line.starts_with("neigh"))
                .collect();
            batch(family, &(lines.join("\n") + "\n"));
            let icmp = if family == Family::Inet { 1 } else { 58 };
            let from = random.pick(clients(family));
            let to = random.pick(own(family));
            let device: InterfaceName = random.pick(&DEVICES).parse().unwrap();
            let mut packet = Packet::to(to.parse().unwrap(), 0);
            packet.from = from.parse().ok();
            packet.iif = Some(device.clone());
            packet.ip_protocol = icmp;
            let connection = follow(&mut kernel, &device, packet).unwrap();
            // Where table local is looked up behind others nobody has the address.
            let is_for_another = connection.reply.walk.packet.iif.is_some();
            if is_for_another || connection.answered == Answered::Unknown {
                continue;
            }
            let expected: Vec<String> = match &connection.answered {
                Answered::Here(device) => vec![device.to_string()],
                Answered::Elsewhere(way) => way.devices.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            };
            let before = answers(lab, family);
            let far = device.as_str().replace("eth", "far");
            let ping = lab.sh(&format!(
                "ip netns exec {far} ping -n -c 1 -W 0.3 -I {from} {to}"
            ));
            let found = answered_in(lab, family, before, !expected.is_empty());
            *seen.entry(kind(&connection)).or_default() += 1;
            let is_one = found.len() == 1 && expected.contains(&found[0]);
            let text = told(&connection);
            assert!(
                is_one || expected.is_empty() && found.is_empty(),
                "set {n}: {settings}\n{text}{found:?}{}{}",
                ping.out,
                ping.err
            );
        }
        println!("{seen:?}");
        for what in ["here", "elsewhere", "ends", "other way back"] {
            assert!(seen.contains_key(what), "never seen: {what}");
        }
    });
}

fn document(path: &str) -> String {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(top.join(path)).unwrap()
}

/// A tunnel that takes all, as wg-quick sets one up, and its rule in front of those of eth1.
fn tunnel(lab: &Lab) {
    lab.device("wg0");
    lab.ok("ip link set wg0 up; ip address add 10.66.66.2/32 dev wg0
        ip route add default dev wg0 table 51820
        ip rule add not fwmark 51820 table 51820");
}

#[test]
fn what_the_page_shows_of_a_connection_is_what_is_printed() {
    let readme = document("README.md");
    let mut blocks = readme.split("```\n");
    let stanza = blocks.find(|block| block.starts_with("auto eth1")).unwrap();
    let page = document("man/policy-table.8").replace("\\-", "-");
    let blocks = page.split(".EX\n").map(|block| block.split(".EE").next());
    let mut blocks = blocks.map(Option::unwrap);
    let shown = blocks.find(|block| block.starts_with("# policy-table explain --reply"));
    let (command, expected) = shown.unwrap().split_once('\n').unwrap();
    lab(|lab| {
        sysctl(lab, "ipv4/conf/all/rp_filter", 2);
        lab.device("eth1");
        lab.interfaces(stanza);
        lab.ok("ifup eth1");
        tunnel(lab);
        let said = lab.sh(command.trim_start_matches("# "));
        assert_eq!(
            (said.out.as_str(), said.code),
            (expected, 1),
            "{}",
            said.out
        );
    });
}

/// The last line and the exit code of a connection.
fn last_line(lab: &Lab, arguments: &str) -> (String, i32) {
    let said = lab.sh(&format!("policy-table explain --reply {arguments}"));
    assert_eq!(said.err, "", "{arguments}");
    (said.out.lines().last().unwrap().to_owned(), said.code)
}

#[test]
fn the_last_line_says_how_a_connection_is_answered() {
    lab(|lab| {
        sysctl(lab, "ipv4/conf/all/rp_filter", 0);
        sysctl(lab, "ipv4/conf/all/forwarding", 0);
        for device in ["eth0", "eth1", "docker0"] {
            lab.device(device);
            sysctl(lab, &format!("ipv4/conf/{device}/rp_filter"), 0);
        }
        lab.ok("ip link set docker0 up; ip address add 172.17.0.1/16 dev docker0");
        lab.interfaces(
            "iface eth0 inet static
                address 192.0.2.10/24
                gateway 192.0.2.1
            iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-gateway 10.10.0.1
                policy-rule fwmark 7
            iface eth1 inet6 static
                address 2001:db8:1::10/64
                dad-attempts 0
                policy-table rt2
                policy-gateway 2001:db8:1::1",
        );
        lab.ok("ifup eth0 eth1");
        // Until then nothing is delivered to it.
        wait_for(lab, "ip -o addr show dev eth1 tentative");
        let eth1 = "--iif eth1 --from 203.0.113.9";
        let expect = |arguments: &str, line: &str| {
            let code = i32::from(!line.starts_with("answered"));
            assert_eq!(
                last_line(lab, arguments),
                (line.to_owned(), code),
                "{arguments}"
            );
        };
        expect(&format!("{eth1} 10.10.0.10:443"), "answered by eth1");
        expect(&format!("{eth1} 10.10.0.10"), "answered by eth1");
        expect(
            "--iif eth1 --from 2001:db8:cafe::9 [2001:db8:1::10]:22",
            "answered by eth1",
        );
        expect(
            "--iif eth1 --from fe80::5 2001:db8:1::10",
            "answered by eth1",
        );
        // The address of one uplink, asked for through the other.
        let by_main = "leaves by eth0: rule 32766, and none behind it leads to eth1";
        expect(&format!("{eth1} 192.0.2.10"), by_main);
        expect(
            "--iif eth0 --from 203.0.113.9 10.10.0.10",
            "leaves by eth1: rule 21000 comes first",
        );
        // A published port, seen behind its address translation.
        let container = "172.17.0.2:80";
        let not_forwarded = "not answered: dropped: packets from eth1 are not forwarded \
                             (net.ipv4.conf.eth1.forwarding is 0)";
        expect(&format!("{eth1} {container}"), not_forwarded);
        sysctl(lab, "ipv4/conf/all/forwarding", 1);
        expect(&format!("{eth1} {container}"), by_main);
        expect(&format!("{eth1} --mark 7 {container}"), "answered by eth1");
        // A strict filter lets no such packet in, unless it looks at the mark.
        sysctl(lab, "ipv4/conf/eth1/rp_filter", 1);
        let filtered =
            "not answered: eth1 takes no packet from there (rp_filter): the way back is \
                        by eth0: rule 32766, and none behind it leads to eth1";
        expect(&format!("{eth1} --mark 7 {container}"), filtered);
        sysctl(lab, "ipv4/conf/eth1/src_valid_mark", 1);
        expect(&format!("{eth1} --mark 7 {container}"), "answered by eth1");
        let own = "not answered: eth1 takes no packet from there: it is an address of this host";
        expect("--iif eth1 --from 192.0.2.10 10.10.0.10", own);
        expect(&format!("{eth1} 10.10.0.10"), "answered by eth1");
        tunnel(lab);
        let tunnelled =
            "not answered: eth1 takes no packet from there (rp_filter): the way back is \
                         by wg0: rule 20700 comes first";
        expect(&format!("{eth1} 10.10.0.10"), tunnelled);
        sysctl(lab, "ipv4/conf/eth1/rp_filter", 2);
        expect(
            &format!("{eth1} 10.10.0.10"),
            "leaves by wg0: rule 20700 comes first",
        );
        expect(
            &format!("{eth1} --mark 51820 10.10.0.10"),
            "answered by eth1",
        );
        lab.ok("ip rule add priority 5 to 203.0.113.0/24 prohibit");
        sysctl(lab, "ipv4/conf/eth1/rp_filter", 0);
        let dropped = "not answered: dropped by rule 5: to 203.0.113.0/24 prohibit";
        expect(&format!("{eth1} 10.10.0.10"), dropped);
    });
}

#[test]
fn a_wrong_question_about_a_connection_is_told() {
    lab(|lab| {
        lab.device("eth1");
        let from = "--iif eth1 --from 203.0.113.9";
        for (arguments, expected) in [
            ("10.0.0.1", "--reply needs --iif and --from"),
            (
                "--from 203.0.113.9 10.0.0.1",
                "--reply needs --iif and --from",
            ),
            (
                &format!("{from} 10.0.0.1:x"),
                "DESTINATION \"10.0.0.1:x\": expected an address of a",
            ),
            (
                &format!("{from} 10.0.0.1:0"),
                "DESTINATION \"10.0.0.1:0\": expected an address of a",
            ),
            (
                &format!("{from} 127.0.0.1"),
                "DESTINATION \"127.0.0.1\": expected an address of a",
            ),
            (
                &format!("{from} 224.0.0.1"),
                "DESTINATION \"224.0.0.1\": expected an address of a",
            ),
            (
                "--iif eth1 --from 127.0.0.1 10.0.0.1",
                "--from \"127.0.0.1\": expected an address of",
            ),
            (
                "--iif eth1 --from ::1 10.0.0.1",
                "--from \"::1\": expected an IPv4 address",
            ),
            (
                &format!("{from} --oif eth1 10.0.0.1"),
                "--oif is for a packet that this host sends",
            ),
            (
                &format!("{from} --dport 5 10.0.0.1"),
                "--dport: with --reply write DESTINATION:PORT",
            ),
            (
                "--iif eth9 --from 203.0.113.9 10.0.0.1",
                "there is no device eth9",
            ),
            (
                &format!("{from} 2001:db8::1:x"),
                "DESTINATION \"2001:db8::1:x\": expected an address",
            ),
        ] {
            let said = lab.sh(&format!("policy-table explain --reply {arguments}"));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments}");
            assert!(said.err.contains(expected), "{arguments}: {}", said.err);
        }
    });
}
