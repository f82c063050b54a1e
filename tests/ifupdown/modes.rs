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
