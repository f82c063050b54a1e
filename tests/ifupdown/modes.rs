//! `policy-mode` and `policy-source`, in packets: what stays reachable from the policy address.

use crate::support::lab::{lab, Lab};

/// A host with a first network, a second one with the table, a bridge as Docker makes one, and
/// a network behind a static route; somebody on each of them. Nobody is the table's gateway.
fn host(lab: &Lab) {
    lab.ok("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter");
    lab.ok("echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter");
    for (name, address, gateway) in [
        ("neighbour", "10.10.0.20/24", "10.10.0.10"),
        ("container", "172.17.0.2/16", "172.17.0.1"),
    ] {
        lab.ok(&format!(
            "ip netns add {name}
            ip link add to-{name} type veth peer name eth0 netns {name}
            ip -n {name} link set lo up; ip -n {name} link set eth0 up
            ip -n {name} address add {address} dev eth0
            ip -n {name} route add default via {gateway}"
        ));
    }
    lab.ok("ip -n neighbour address add 10.1.1.1/32 dev lo");
    lab.ok("ip link add docker0 type bridge; ip link set docker0 up");
    lab.ok("ip link set to-container master docker0 up; ip address add 172.17.0.1/16 dev docker0");
    lab.ok("ip link set to-neighbour name eth0");
    lab.device("eth1");
}

fn interfaces(lab: &Lab, mode: &str) {
    lab.interfaces(&format!(
        "iface eth0 inet static
            address 10.10.0.10/24
            up ip route add 10.1.1.0/24 via 10.10.0.20
        iface eth1 inet static
            address 10.10.1.10/24
            policy-table rt2
            policy-mode {mode}"
    ));
    let said = lab.sh("ifup eth0 eth1");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

/// The gateway and device of packets from an address to another.
fn way(lab: &Lab, to: &str, from: &str) -> String {
    let route = lab.ok(&format!("ip route get {to} from {from}"));
    let words: Vec<&str> = route.split_whitespace().collect();
    let after = |keyword| {
        let place = words.iter().position(|word| *word == keyword);
        place
            .and_then(|place| words.get(place + 1))
            .copied()
            .unwrap_or("-")
    };
    format!("{} {}", after("via"), after("dev"))
}

fn answers(lab: &Lab, address: &str) -> bool {
    lab.sh(&format!("ping -n -c 1 -W 2 -I 10.10.1.10 {address}"))
        .code
        == 0
}

/// In main's table: a second network card, a Docker-like bridge, a static route.
const OF_MAIN: [(&str, &str); 3] = [
    ("10.10.0.20", "- eth0"),
    ("172.17.0.2", "- docker0"),
    ("10.1.1.1", "10.10.0.20 eth0"),
];

#[test]
fn strict_sends_everything_else_to_the_gateway() {
    lab(|lab| {
        host(lab);
        interfaces(lab, "strict");
        for (address, _) in OF_MAIN {
            assert_eq!(
                way(lab, address, "10.10.1.10"),
                "10.10.1.1 eth1",
                "{address}"
            );
            assert!(!answers(lab, address), "{address}");
        }
        assert_eq!(way(lab, "8.8.8.8", "10.10.1.10"), "10.10.1.1 eth1");
        assert_eq!(way(lab, "10.10.1.99", "10.10.1.10"), "- eth1");
    });
}

#[test]
fn main_keeps_what_main_knows_reachable() {
    lab(|lab| {
        host(lab);
        interfaces(lab, "main");
        assert_eq!(
            lab.rules("-4"),
            [
                "20800: from 10.10.1.10 lookup rt2 suppress_prefixlength 0 proto policy-table",
                "20900: from 10.10.1.10 lookup main suppress_prefixlength 1 proto policy-table",
                "21000: from 10.10.1.10 lookup rt2 proto policy-table",
                "21000: from all to 10.10.1.10 lookup rt2 proto policy-table",
            ]
        );
        for (address, of_main) in OF_MAIN {
            assert_eq!(way(lab, address, "10.10.1.10"), of_main, "{address}");
            assert!(answers(lab, address), "{address}");
        }
        assert_eq!(way(lab, "8.8.8.8", "10.10.1.10"), "10.10.1.1 eth1");
        assert_eq!(way(lab, "10.10.1.99", "10.10.1.10"), "- eth1");
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn wg_quicks_clean_up_leaves_the_rules_alone() {
    lab(|lab| {
        host(lab);
        interfaces(lab, "main");
        let before = lab.rules("-4");
        // The loop of `wg-quick down`, as long as it finds a rule.
        lab.sh(
            "while ip rule show | grep -q 'lookup main suppress_prefixlength 0$'; do
            ip rule delete table main suppress_prefixlength 0; done",
        );
        assert_eq!(
            lab.sh("ip rule delete table main suppress_prefixlength 0")
                .code,
            2
        );
        assert_eq!(lab.rules("-4"), before);
    });
}

#[test]
fn two_cards_in_one_subnet_use_each_its_own() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.1.10/24
                policy-table rt2
                policy-mode main
            iface eth2 inet static
                address 10.10.1.11/24
                policy-table rt3
                policy-mode main",
        );
        lab.ok("ifup eth1 eth2");
        assert_eq!(way(lab, "10.10.1.99", "10.10.1.10"), "- eth1");
        assert_eq!(way(lab, "10.10.1.99", "10.10.1.11"), "- eth2");
        assert_eq!(way(lab, "8.8.8.8", "10.10.1.11"), "10.10.1.1 eth2");
    });
}

#[test]
fn source_subnet_and_none_say_what_the_rules_select() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.1.10/24
                policy-table rt2
                policy-source subnet
            iface eth2 inet static
                address 10.10.2.10/24
                policy-table rt3
                policy-source none
                policy-rule fwmark 7",
        );
        lab.ok("ifup eth1 eth2");
        lab.ok("ip address add 10.10.1.77/24 dev eth1");
        assert_eq!(
            lab.rules("-4"),
            [
                "20701: from all fwmark 0x7 lookup rt3 proto policy-table",
                "21000: from 10.10.1.0/24 lookup rt2 proto policy-table",
                "21000: from all to 10.10.1.0/24 lookup rt2 proto policy-table",
            ]
        );
        assert_eq!(way(lab, "8.8.8.8", "10.10.1.77"), "10.10.1.1 eth1");
        assert_eq!(way(lab, "8.8.8.8 mark 7", "10.10.2.10"), "10.10.2.1 eth2");
        assert_eq!(lab.routes("-4", "rt3").len(), 2);
    });
}

/// A host as above with both families, whose main table has a default route to somebody who
/// answers for all the world; eth1 has a table that refuses packets rather than let them go there.
fn host_with_kill_switch(lab: &Lab, mode: &str, last_resort: &str, rules: &str) {
    host(lab);
    lab.ok("ip -n neighbour address add 2001:db8::20/64 dev eth0 nodad
        ip -n neighbour address add 8.8.8.8/32 dev lo
        ip -n neighbour address add 2001:db8:8888::8/128 dev lo
        ip -n neighbour route add default via 2001:db8::10
        ip -n container address add 2001:db8:17::2/64 dev eth0 nodad
        ip -n container route add default via 2001:db8:17::1
        ip address add 2001:db8:17::1/64 dev docker0 nodad
        ip netns add other; ip link set eth1p netns other
        ip -n other link set lo up; ip -n other link set eth1p up
        ip -n other address add 10.10.1.99/24 dev eth1p
        ip -n other address add 2001:db8:1::99/64 dev eth1p nodad");
    lab.interfaces(&format!(
        "iface eth0 inet static
            address 10.10.0.10/24
            gateway 10.10.0.20
            up ip route add 10.1.1.0/24 via 10.10.0.20
        iface eth0 inet6 static
            address 2001:db8::10/64
            gateway 2001:db8::20
            dad-attempts 0
        iface eth1 inet static
            address 10.10.1.10/24
            policy-table rt2
            policy-mode {mode}
            policy-gateway 10.10.1.1
            policy-route {last_resort}
            {rules}
        iface eth1 inet6 static
            address 2001:db8:1::10/64
            dad-attempts 0
            policy-table rt2
            policy-mode {mode}
            policy-gateway 2001:db8:1::1
            policy-route {last_resort}
            {rules}"
    ));
    let said = lab.sh("ifup eth0 eth1");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

/// Whether a ping from eth1's address of the destination's family reaches it. A link that has come
/// up takes a second until it lets all packets through: what is to be reached is asked again.
fn reaches(lab: &Lab, to: &str, expected: bool) -> bool {
    let from = if to.contains(':') {
        "2001:db8:1::10"
    } else {
        "10.10.1.10"
    };
    let mut asked = 0..if expected { 10 } else { 1 };
    asked.any(|_| {
        let said = lab.sh(&format!("ping -n -c 1 -W 1 -I {from} {to}"));
        said.code == 0
    })
}

/// What the link's going down and coming up leaves: table and IPv6 address are gone.
fn flap(lab: &Lab) {
    lab.ok("ip link set eth1 down; ip link set eth1 up
        ip address add 2001:db8:1::10/64 dev eth1 nodad");
}

/// Who answers behind main's default route.
const AWAY: [&str; 2] = ["8.8.8.8", "2001:db8:8888::8"];

const LAST_RESORTS: [&str; 3] = [
    "unreachable default metric 4294967295",
    "prohibit default metric 100",
    "blackhole default",
];

#[test]
fn main_and_a_kill_switch_work_together() {
    for last_resort in LAST_RESORTS {
        lab(|lab| {
            host_with_kill_switch(lab, "main", last_resort, "");
            for is_up in [true, false] {
                let case = format!("{last_resort}, in force: {is_up}");
                for known in [
                    "172.17.0.2",
                    "2001:db8:17::2",
                    "10.10.1.99",
                    "2001:db8:1::99",
                    "10.10.0.20",
                    "2001:db8::20",
                ] {
                    assert!(reaches(lab, known, true), "{case}: {known}");
                }
                // The router is nobody; where main's is asked, there is an answer.
                for away in AWAY {
                    assert!(!reaches(lab, away, false), "{case}: {away}");
                }
                let used = is_up && !last_resort.ends_with("default");
                for (to, from, router) in [
                    ("8.8.8.8", "10.10.1.10", "via 10.10.1.1 dev eth1"),
                    (
                        "2001:db8:8888::8",
                        "2001:db8:1::10",
                        "via 2001:db8:1::1 dev eth1",
                    ),
                ] {
                    let said = lab.sh(&format!("ip route get {to} from {from}"));
                    assert_eq!(said.out.contains(router), used, "{case}: {said:?}");
                    assert_eq!(said.code == 0, used, "{case}: {said:?}");
                }
                if is_up {
                    flap(lab);
                }
            }
            lab.ok("policy-table apply eth1; policy-table status eth1");
            let said = lab.ok("policy-table check");
            assert_eq!(said, "policy-table check: no findings\n");
            lab.ok("policy-table flush eth1");
            for away in AWAY {
                assert!(reaches(lab, away, true), "{away} is nobody to main either");
            }
            lab.ok("ifdown eth1");
            assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        });
    }
}

/// A program's packets that come to the table by a mark are not let through either, and stand behind
/// the rule in the place that it has.
#[test]
fn the_kill_switch_of_main_holds_for_further_rules_too() {
    let last_resort = LAST_RESORTS[0];
    lab(|lab| {
        let more = "policy-rule fwmark 7; fwmark 8 lookup main; fwmark 9 suppress_prefixlength 0";
        host_with_kill_switch(lab, "main", last_resort, more);
        let expected = [
            "20701: from all fwmark 0x7 lookup rt2 proto policy-table",
            "20701: from all fwmark 0x7 unreachable proto policy-table",
            "20702: from all fwmark 0x8 lookup main proto policy-table",
            "20703: from all fwmark 0x9 lookup rt2 suppress_prefixlength 0 proto policy-table",
            "20800: from 10.10.1.10 lookup rt2 suppress_prefixlength 0 proto policy-table",
            "20900: from 10.10.1.10 lookup main suppress_prefixlength 1 proto policy-table",
            "21000: from 10.10.1.10 lookup rt2 proto policy-table",
            "21000: from all to 10.10.1.10 lookup rt2 proto policy-table",
            "21001: from 10.10.1.10 unreachable proto policy-table",
        ];
        assert_eq!(lab.rules("-4"), expected);
        assert_eq!(lab.routes("-4", "rt2").len(), 2);
        flap(lab);
        for (to, refused) in [("8.8.8.8", true), ("172.17.0.2", true)] {
            let said = lab.sh(&format!("ip route get {to} mark 7"));
            assert_eq!(said.code == 2, refused, "{said:?}");
        }
        assert_eq!(lab.sh("ip route get 8.8.8.8 mark 9").code, 0);
    });
}

/// With `strict` it is a route, and the table's rules are the two that they were.
#[test]
fn the_kill_switch_of_strict_is_a_route() {
    lab(|lab| {
        host_with_kill_switch(lab, "strict", LAST_RESORTS[0], "");
        assert_eq!(lab.rules("-4").len(), 2);
        let routes = lab.routes("-4", "rt2");
        assert!(routes.iter().any(|route| route.starts_with("unreachable")));
        flap(lab);
        for away in AWAY {
            assert!(!reaches(lab, away, false), "{away}");
        }
    });
}

#[test]
fn behind_the_last_priority_there_is_no_room_for_a_kill_switch() {
    lab(|lab| {
        lab.device("eth1");
        let file = |mode: &str| {
            lab.interfaces(&format!(
                "iface eth1 inet static
                    address 10.10.1.10/24
                    policy-table rt2
                    policy-mode {mode}
                    policy-priority 32765
                    policy-route unreachable default metric 5"
            ));
            lab.sh("policy-table check --offline")
        };
        assert!(!file("strict").out.contains("error"));
        let said = file("main");
        let expected = "policy-priority \"32765\": expected at most 32764 here: with policy-mode \
                        main a default route that drops packets is a rule behind this one";
        assert!(said.code == 2 && said.out.contains(expected), "{said:?}");
    });
}
