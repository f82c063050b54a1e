//! What others have that decides what becomes of a stanza's packets, as `status` and `check` tell of
//! it: rules of VPN software in front, addresses without a rule, networks that are cut off, hooks
//! that do not run; and how much `status` says of what is in step.
//!
//! `FOREIGN_SEED` says which random rules of others are tried, `FOREIGN_COUNT` how many sets.

use serde_json::Value;

use crate::support::lab::{lab, Lab};
use crate::support::random::{number_in, Random};
use crate::support::wg_quick;

/// Two uplinks, IPv4 and IPv6 on the second.
const TWO: &str = "\
auto eth0 eth1
iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1

iface eth1 inet static
    address 198.51.100.10/24
    policy-table isp2
    policy-gateway 198.51.100.1
    policy-mode main

iface eth1 inet6 static
    address 2001:db8:2::10/64
    dad-attempts 0
    policy-table isp2
    policy-gateway 2001:db8:2::1
    policy-mode main
";

fn up(lab: &Lab, interfaces: &str, names: &str) {
    for name in names.split(' ').filter(|name| !name.contains(':')) {
        lab.device(name);
    }
    lab.interfaces(interfaces);
    lab.ok(&format!("ifup {names}"));
}

/// A tunnel that takes all packets of a family.
fn wg_quick(lab: &Lab, family: &str) {
    wg_quick::tunnel(lab, "wg0");
    wg_quick::take_all(lab, family, "wg0", 51820);
}

fn json(lab: &Lab) -> Value {
    serde_json::from_str(&lab.sh("policy-table status --json").out).unwrap()
}

fn warnings(lab: &Lab) -> Vec<String> {
    let status = json(lab);
    let stanzas = status["stanzas"].as_array().unwrap();
    let all = stanzas
        .iter()
        .flat_map(|stanza| stanza["warnings"].as_array().unwrap());
    all.map(|warning| warning.as_str().unwrap().to_owned())
        .collect()
}

fn findings(lab: &Lab, number: &str) -> Vec<String> {
    let said = lab.sh("policy-table check --json");
    let said: Value = serde_json::from_str(&said.out).unwrap();
    let findings = said["findings"].as_array().unwrap();
    let of_number = findings
        .iter()
        .filter(|finding| finding["number"] == number);
    of_number
        .map(|finding| finding["text"].as_str().unwrap().to_owned())
        .collect()
}

/// The device that an answer from an address leaves by.
fn leaves_by(lab: &Lab, from: &str, to: &str, device: &str) -> bool {
    lab.ok(&format!("ip route get {to} from {from}"))
        .contains(&format!(" dev {device} "))
}

#[test]
fn a_vpn_whose_rules_come_first_is_named_where_packets_leave_by_it() {
    lab(|lab| {
        up(lab, TWO, "eth0 eth1");
        assert_eq!(warnings(lab), [""; 0]);
        assert_eq!(findings(lab, "PT408"), [""; 0]);
        for (n, (family, from, to)) in [
            ("-4", "198.51.100.10", "203.0.113.9"),
            ("-6", "2001:db8:2::10", "2001:db8:9::9"),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(leaves_by(lab, from, to, "eth1"));
            wg_quick(lab, family);
            assert!(leaves_by(lab, from, to, "wg0"));
            let told = warnings(lab);
            assert_eq!(told.len(), n + 1, "{told:?}");
            assert!(
                told[n].contains("not from all fwmark 0xca6c lookup 51820"),
                "{told:?}"
            );
            assert!(told[n].contains(&format!("from {from}")), "{told:?}");
            let found = findings(lab, "PT408");
            assert_eq!(found.len(), n + 1, "{found:?}");
        }
        let said = lab.sh("policy-table status");
        let first = said.out.lines().next().unwrap();
        let sum = "policy-table status: 1 stanza not in step, 2 warnings, 2 stanzas in step";
        assert_eq!(first, sum);
        // What wg-quick down does.
        lab.ok("ip rule del table 51820; ip rule del table main suppress_prefixlength 0");
        assert_eq!(warnings(lab).len(), 1);
        assert!(leaves_by(lab, "198.51.100.10", "203.0.113.9", "eth1"));
    });
}

fn notes(lab: &Lab) -> Vec<String> {
    let status = json(lab);
    let stanzas = status["stanzas"].as_array().unwrap();
    let all = stanzas
        .iter()
        .flat_map(|stanza| stanza["notes"].as_array().unwrap());
    all.map(|note| note.as_str().unwrap().to_owned()).collect()
}

/// A rule of somebody else that takes a part of the packets is not the stanza's fault, and yet what an
/// administrator looks for.
#[test]
fn a_rule_that_takes_a_part_is_named_to_who_asks_for_all() {
    lab(|lab| {
        up(lab, TWO, "eth0 eth1");
        lab.ok("ip route add default via 192.0.2.1 table 77");
        for (priority, selector, ask) in [
            (20_849, "ipproto tcp dport 25", "ipproto tcp dport 25"),
            (20_850, "sport 53", "sport 53 ipproto udp dport 9"),
            (20_851, "uidrange 7-9", "uid 8"),
            (20_852, "tos 0x10", "tos 0x10"),
            (20_853, "to 203.0.113.0/24", ""),
        ] {
            let way = || {
                lab.ok(&format!(
                    "ip route get 203.0.113.9 from 198.51.100.10 {ask}"
                ))
            };
            assert!(way().contains(" dev eth1 "), "{}", way());
            lab.ok(&format!(
                "ip rule add priority {priority} {selector} lookup 77"
            ));
            assert!(way().contains(" dev eth0 "), "{}", way());
            let told = notes(lab);
            let expected =
                format!(
                "for a part of the packets from 198.51.100.10 a rule that is not policy-table's \
                 comes before priority 21000: \"priority {priority} {}{selector} lookup 77",
                // As `ip` says it.
                if selector.starts_with("to ") { "" } else { "from all " }
            );
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(&expected), "{expected} {told:?}");
            assert_eq!(warnings(lab), [""; 0]);
            let said = lab.sh("policy-table status");
            assert_eq!((said.code, said.out.contains("77")), (0, false), "{said:?}");
            let said = lab.sh("policy-table status -v");
            assert_eq!(
                (said.code, said.out.contains("lookup 77")),
                (0, true),
                "{said:?}"
            );
            assert_eq!(findings(lab, "PT413"), told);
            assert_eq!(lab.sh("policy-table check").code, 0);
            lab.ok(&format!("ip rule del priority {priority}"));
        }
        // What cannot be its packets, leads nowhere or to the same table.
        lab.ok("ip rule add priority 100 fwmark 5 ipproto tcp lookup 77
            ip rule add priority 101 from 10.9.0.0/16 dport 25 lookup 77
            ip rule add priority 102 iif eth0 dport 25 lookup 77
            ip rule add priority 103 dport 25 lookup 78
            ip rule add priority 104 dport 25 lookup isp2
            ip rule add priority 22000 dport 25 lookup 77
            ip -6 rule add priority 105 from 2001:db8:9::/48 dport 25 prohibit");
        assert_eq!(notes(lab), [""; 0]);
        assert_eq!(findings(lab, "PT413"), [""; 0]);
    });
}

/// `redirect-gateway def1` puts halves into main, which a rule of wg-quick's kind has looked up.
#[test]
fn halves_in_main_count_as_a_default_route() {
    lab(|lab| {
        up(lab, TWO, "eth0 eth1");
        lab.ok("ip rule add table main suppress_prefixlength 0");
        assert_eq!(warnings(lab), [""; 0]);
        lab.device("tun0");
        lab.ok("ip link set tun0 up; ip route add 0.0.0.0/1 dev tun0");
        assert_eq!(warnings(lab), [""; 0]);
        lab.ok("ip route add 128.0.0.0/1 dev tun0");
        assert!(leaves_by(lab, "198.51.100.10", "203.0.113.9", "tun0"));
        assert_eq!(warnings(lab).len(), 1, "{:?}", warnings(lab));
    });
}

/// Rules that select something else, or lead nowhere, or come behind.
#[test]
fn rules_of_others_that_take_nothing_away_are_not_named() {
    lab(|lab| {
        up(lab, TWO, "eth0 eth1");
        lab.ok("ip route add blackhole default table 77
            ip rule add priority 100 fwmark 5 lookup 77
            ip rule add priority 101 from 10.9.0.0/16 lookup 77
            ip rule add priority 102 iif wlan0 lookup 77
            ip rule add priority 103 to 10.8.0.0/16 lookup 77
            ip rule add priority 104 lookup 78
            ip rule add priority 22000 lookup 77
            ip rule add priority 105 from 198.51.100.10 lookup isp2");
        assert!(leaves_by(lab, "198.51.100.10", "203.0.113.9", "eth1"));
        assert_eq!(warnings(lab), [""; 0]);
        lab.ok("ip rule add priority 106 from 198.51.100.0/24 lookup 77");
        assert_eq!(warnings(lab).len(), 1, "{:?}", warnings(lab));
    });
}

const STATIC: &str = "\
auto eth1
iface eth1 inet static
    address 198.51.100.10/24
    policy-table uplink2
    policy-gateway 198.51.100.1
    up ip addr add 203.0.113.50/32 dev eth1
    up ip addr add 203.0.113.51/32 dev eth1
";

#[test]
fn addresses_that_no_rule_is_about_are_named_until_one_is() {
    lab(|lab| {
        up(lab, STATIC, "eth1");
        let told = warnings(lab);
        assert_eq!(
            told,
            ["no rule is about 203.0.113.50, 203.0.113.51 of eth1"]
        );
        assert_eq!(findings(lab, "PT409"), told);
        lab.interfaces(&format!("{STATIC}    policy-rule from 203.0.113.50\n"));
        lab.ok("policy-table apply eth1");
        assert_eq!(warnings(lab), ["no rule is about 203.0.113.51 of eth1"]);
        lab.interfaces(&format!("{STATIC}    policy-source all\n"));
        assert_eq!(lab.sh("policy-table status").code, 1);
        lab.ok("policy-table apply eth1");
        assert_eq!(warnings(lab), [""; 0]);
        assert_eq!(findings(lab, "PT409"), [""; 0]);
    });
}

/// What keeps its rules while it waits, what is wrong with another stanza, and rules of another
/// interface or by hand: the address has a rule, or its trouble is told of already.
#[test]
fn addresses_that_some_rule_is_about_are_not_named() {
    lab(|lab| {
        lab.device("eth0");
        up(lab, STATIC, "eth1");
        let by_hand = "ip rule add from 203.0.113.50 lookup 77 priority 500";
        lab.ok(by_hand);
        assert_eq!(warnings(lab), ["no rule is about 203.0.113.51 of eth1"]);
        assert_eq!(findings(lab, "PT409"), warnings(lab));
        // Another interface has the rule.
        let other = "iface eth0 inet manual\n    policy-rule from 203.0.113.51 lookup 78\n";
        lab.interfaces(&format!("{STATIC}{other}"));
        assert_eq!(findings(lab, "PT409"), [""; 0]);
        lab.ok("ifup eth0");
        assert_eq!(warnings(lab), [""; 0]);
        assert_eq!(findings(lab, "PT409"), [""; 0]);
        lab.ok("ifdown eth0; ip rule del priority 500");
        assert_eq!(warnings(lab).len(), 1);
        // A stanza of the alias that has an error.
        let broken = "iface eth1:1 inet static\n    address 203.0.113.50/32\n    policy-tabel x\n";
        lab.interfaces(&format!("{STATIC}{broken}"));
        assert_eq!(
            findings(lab, "PT409"),
            ["no rule is about 203.0.113.51 of eth1"]
        );
        lab.ok("echo eth1:1=eth1:1 >>/run/network/ifstate");
        assert_eq!(warnings(lab), ["no rule is about 203.0.113.51 of eth1"]);
        // One that waits keeps what it has.
        lab.ok("ifdown eth1; rm -f /run/network/ifstate");
        let second = "iface eth1 inet static\n    address 198.51.100.20/24\n    \
                      policy-table uplink3\n    policy-gateway 198.51.100.1\n";
        let further = "    policy-rule from 203.0.113.50\n    policy-rule from 203.0.113.51\n";
        lab.interfaces(&format!("{STATIC}{further}{second}"));
        lab.ok("ifup eth1; ip addr del 198.51.100.10/24 dev eth1; \
                ip addr add 198.51.100.20/24 dev eth1");
        let status = json(lab);
        assert_eq!(status["stanzas"][0]["verdict"], "waiting", "{status}");
        assert_eq!(warnings(lab), [""; 0]);
    });
}

/// An alias has the addresses with its label, and is not told to serve others.
#[test]
fn the_advice_for_an_alias_is_one_that_helps() {
    lab(|lab| {
        const FILE: &str = "\
iface eth1 inet static
    address 198.51.100.10/24
iface eth1:1 inet static
    address 203.0.113.10/24
    policy-table uplink2
    policy-gateway 203.0.113.1
";
        up(lab, FILE, "eth1 eth1:1");
        assert_eq!(warnings(lab), ["no rule is about 198.51.100.10 of eth1"]);
        let advice = |lab: &Lab| {
            let said = lab.sh("policy-table status").out;
            let line = said.lines().find(|line| line.contains("no rule is about"));
            line.unwrap_or_default().to_owned()
        };
        assert!(
            advice(lab).contains("in a stanza of the interface itself"),
            "{}",
            advice(lab)
        );
        // The plain advice would not help, and is not given.
        lab.interfaces(&format!("{FILE}    policy-source all\n"));
        lab.ok("policy-table apply --all");
        assert_eq!(warnings(lab), ["no rule is about 198.51.100.10 of eth1"]);
        assert_eq!(findings(lab, "PT409"), warnings(lab));
        // What is advised does.
        lab.interfaces(&FILE.replace(
            "/24\niface eth1:1",
            "/24\n    policy-table uplink1\n    policy-gateway 198.51.100.1\n    \
             policy-source all\niface eth1:1",
        ));
        lab.ok("policy-table apply --all");
        assert_eq!(warnings(lab), [""; 0]);
        assert_eq!(findings(lab, "PT409"), [""; 0]);
    });
}

#[test]
fn networks_that_strict_cuts_off_are_named_until_main_is_asked() {
    lab(|lab| {
        up(lab, STATIC, "eth1");
        let notes = || {
            let status = json(lab);
            status["stanzas"][0]["notes"].as_array().unwrap().clone()
        };
        assert!(notes().is_empty(), "{:?}", notes());
        lab.ok("ip link add docker0 type bridge; ip link set docker0 up
            ip addr add 172.17.0.1/16 dev docker0");
        assert_eq!(
            notes(),
            ["policy-mode strict cuts off 172.17.0.0/16 (docker0)"]
        );
        assert_eq!(findings(lab, "PT410").len(), 1);
        // A tunnel behind many that have an address alone, as containers with routes of their own.
        lab.ok("for n in $(seq 20); do
                echo link add a$n up type bridge; echo address add 169.254.0.1/32 dev a$n
            done | ip -batch -
            ip link add wg0 up type bridge
            ip address add 10.8.0.2/32 dev wg0; ip route add 10.8.0.0/24 dev wg0");
        assert_eq!(
            notes(),
            ["policy-mode strict cuts off 172.17.0.0/16 (docker0), 10.8.0.0/24 (wg0)"]
        );
        lab.ok("ip link del wg0");
        // Where somebody else's rule leads elsewhere, main would not be asked either.
        let elsewhere = "to 172.17.0.0/16 lookup 77 priority 20000";
        lab.ok(&format!(
            "ip rule add {elsewhere}; ip route add 172.17.0.0/16 dev eth1 table 77"
        ));
        assert!(notes().is_empty(), "{:?}", notes());
        lab.ok(&format!("ip rule del {elsewhere}; ip route flush table 77"));
        let said = lab.ok("policy-table apply eth1");
        assert!(said.trim_end().ends_with(
            "; policy-mode strict cuts off 172.17.0.0/16 (docker0); policy-mode main cuts off \
                 none"
        ));
        for option in [
            "policy-mode main",
            "policy-rule to 172.16.0.0/12 lookup main",
            "policy-rule to 172.17.0.0/16 lookup 300
             policy-route 172.17.0.0/16 dev docker0 table 300",
        ] {
            lab.interfaces(&format!("{STATIC}    {option}\n"));
            assert_eq!(findings(lab, "PT410"), [""; 0], "before it is in force");
            lab.ok("policy-table apply eth1");
            assert!(notes().is_empty(), "{option}: {:?}", notes());
            assert_eq!(findings(lab, "PT410"), [""; 0]);
        }
    });
}

#[test]
fn what_shares_a_table_is_not_cut_off() {
    lab(|lab| {
        let of = |device: &str, n: u8| {
            format!(
                "iface {device} inet static\n    address 10.{n}.0.10/24\n    \
                 policy-table rt2\n    policy-gateway 10.{n}.0.1\n"
            )
        };
        // More than it pays to ask about one by one.
        let names: Vec<String> = (1..=24).map(|n| format!("eth{n}")).collect();
        let all: String = (1..=24).map(|n| of(&format!("eth{n}"), n)).collect();
        up(lab, &all, &names.join(" "));
        let said = lab.ok("policy-table status; policy-table apply --all");
        assert!(!said.contains("cuts off"), "{said}");
    });
}

#[test]
fn what_is_in_step_is_one_line_and_the_first_line_sums_up() {
    lab(|lab| {
        up(lab, TWO, "eth0 eth1");
        let said = lab.sh("policy-table status");
        let mut lines = said.out.lines();
        assert_eq!(lines.next(), Some("policy-table status: 2 stanzas in step"));
        for family in ["inet static 198.51.100.10", "inet6 static 2001:db8:2::10"] {
            let line = lines.next().unwrap();
            assert!(
                line.starts_with(&format!("eth1 {family}, table isp2")),
                "{line}"
            );
            assert!(line.ends_with(": in step"), "{line}");
        }
        assert_eq!(lines.next(), None);
        let said = lab.ok("policy-table status -v");
        assert_eq!(
            said.lines()
                .filter(|line| line.contains("in place"))
                .count(),
            12
        );
        lab.ok("ip -6 route flush table isp2");
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1);
        let first = said.out.lines().next().unwrap();
        assert_eq!(
            first,
            "policy-table status: 1 stanza not in step, 1 stanza in step"
        );
        assert_eq!(
            json(lab)["summary"],
            "1 stanza not in step, 1 stanza in step"
        );
        let said = lab.ok("policy-table apply eth1");
        for (line, family) in said.lines().zip(["eth1 inet: ", "eth1 inet6: "]) {
            assert!(line.starts_with(family), "{line}");
        }
    });
}

#[test]
fn interfaces_whose_hooks_do_not_run_are_named() {
    lab(|lab| {
        up(lab, &format!("no-scripts eth1\n{TWO}"), "eth0 eth1");
        assert_eq!(lab.tagged(), [""; 0]);
        let said = lab.sh("policy-table status");
        assert!(
            said.out.starts_with("policy-table status: 1 warning\n"),
            "{said:?}"
        );
        assert!(
            said.out.contains("eth1: no-scripts in the file"),
            "{said:?}"
        );
        assert_eq!(findings(lab, "PT207").len(), 2);
        lab.interfaces(TWO);
        assert_eq!(findings(lab, "PT207"), [""; 0]);
    });
}

/// As the examples of version 0.1.0 said that they are to be copied.
#[test]
fn examples_that_are_installed_are_named() {
    lab(|lab| {
        up(lab, TWO, "eth0 eth1");
        let named = || {
            let notes = json(lab)["notes"].as_array().unwrap().clone();
            let paths = notes.iter().map(|note| {
                note.as_str()
                    .unwrap()
                    .split(": ")
                    .next()
                    .unwrap()
                    .to_owned()
            });
            paths.collect::<Vec<_>>()
        };
        lab.ok("rm -f /etc/dhcpcd.exit-hook; rm -rf /etc/dhcp/dhclient-exit-hooks.d");
        assert_eq!(named(), [""; 0]);
        lab.ok(
            "mkdir -p /etc/dhcp/dhclient-exit-hooks.d /etc/systemd/system
            printf '#!/bin/sh\\n# policy-table apply\\n' >/etc/dhcp/dhclient-exit-hooks.d/other
            echo 'policy-table apply \"$interface\"' >/etc/dhcp/dhclient-exit-hooks.d/policy-table
            cp /etc/dhcp/dhclient-exit-hooks.d/policy-table /etc/dhcpcd.exit-hook
            touch /etc/systemd/system/policy-table-apply.timer",
        );
        let paths = [
            "/etc/dhcp/dhclient-exit-hooks.d/policy-table",
            "/etc/dhcpcd.exit-hook",
            "/etc/systemd/system/policy-table-apply.timer",
        ];
        assert_eq!(named(), paths);
        assert_eq!(findings(lab, "PT411").len(), 3);
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

/// Some of what rules can select on; the first three match what is asked for below.
const SELECTORS: [&str; 15] = [
    "from all",
    "from 198.51.100.0/24",
    "from 198.51.100.10 iif lo",
    "not fwmark 51820",
    "not from 10.0.0.0/8",
    "not to 10.0.0.0/8",
    "fwmark 7",
    "from 10.9.0.0/16",
    "to 10.8.0.0/16",
    "iif eth5",
    "not from 198.51.100.10",
    "ipproto tcp",
    "not ipproto tcp",
    "dport 25 uidrange 5-5",
    "fwmark 7 ipproto tcp",
];

/// What they do. Table 601 has a default route, 602 its halves, 603 nothing, 604 a `throw`, 605 an
/// `unreachable`.
const EFFECTS: [&str; 10] = [
    "lookup 601",
    "lookup 601 suppress_prefixlength 0",
    "lookup 602",
    "lookup 602 suppress_prefixlength 0",
    "lookup 602 suppress_prefixlength 1",
    "lookup 603",
    "lookup 604",
    "lookup 605 suppress_prefixlength 0",
    "prohibit",
    "goto 20990",
];

/// Packets that the selectors tell apart.
const PARTS: [&str; 3] = [
    "9.9.9.9 ipproto tcp dport 9",
    "9.9.9.9 ipproto udp dport 25 uid 5",
    "10.8.0.1",
];

/// Random rules of others before, at and behind the stanza's own, with the kernel as the judge: one is
/// named if and only if packets do not leave by the stanza's interface, and one for a part of them if
/// and only if that part does not.
#[test]
fn a_rule_is_named_if_and_only_if_the_kernel_goes_by_it() {
    let mut random = Random::seeded("FOREIGN_SEED", 13, 0);
    let (mut named, mut parts, count) = (0, 0, number_in("FOREIGN_COUNT", 200));
    lab(|lab| {
        up(lab, &TWO.replace("    policy-mode main\n", ""), "eth0 eth1");
        lab.device("t0");
        lab.ok("ip link set t0 up
            ip route add default dev t0 table 601
            ip route add 0.0.0.0/1 dev t0 table 602; ip route add 128.0.0.0/1 dev t0 table 602
            ip route add throw default table 604; ip route add unreachable default table 605");
        for _ in 0..count {
            let rules: Vec<String> = (0..=random.below(3))
                .map(|_| {
                    let priority = random.pick(&[100, 20_980, 20_990, 21_000, 21_001]);
                    let (selector, effect) = (random.pick(&SELECTORS), random.pick(&EFFECTS));
                    if effect.starts_with("goto") && priority >= 20_990 {
                        return format!("priority {priority} {selector} lookup 603");
                    }
                    format!("priority {priority} {selector} {effect}")
                })
                .collect();
            let all = |verb: &str| -> String {
                let lines = rules.iter().map(|rule| format!("rule {verb} {rule}\n"));
                lines.collect()
            };
            lab.write("/run/rules", &all("add"));
            // Of two that are the same the second is refused.
            lab.sh("ip -force -batch /run/rules");
            let leaves = ["9.9.9.9", "203.0.113.9"].map(|to| {
                let way = lab.sh(&format!("ip route get {to} from 198.51.100.10"));
                way.out.contains(" dev eth1 ")
            });
            assert_eq!(leaves[0], leaves[1], "{rules:?}");
            let told = warnings(lab);
            assert_eq!(told.is_empty(), leaves[0], "{rules:?} {told:?}");
            named += usize::from(!leaves[0]);
            let away = PARTS.iter().filter(|part| {
                let (to, more) = part.split_once(' ').unwrap_or((part, ""));
                let way = lab.sh(&format!("ip route get {to} from 198.51.100.10 {more}"));
                !way.out.contains(" dev eth1 ")
            });
            let away = away.count();
            let told = notes(lab);
            let of_part = told.iter().any(|note| note.starts_with("for a part"));
            if leaves[0] {
                assert_eq!(of_part, away > 0, "{rules:?} {told:?}");
                parts += usize::from(of_part);
            }
            lab.write("/run/rules", &all("del"));
            lab.sh("ip -force -batch /run/rules");
            assert_eq!(lab.rules("-4").len(), 2, "{rules:?}");
        }
        eprintln!("{count} sets of rules, {named} with one in front, {parts} with one of a part");
        assert!(named > 20 && parts > 5);
    });
}
