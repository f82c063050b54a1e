//! What happens to links, addresses, routes and rules between `ifup` and `ifdown`. Each case ends
//! with `ifdown`, after which nothing of ours is left and nothing of others gone, and with another
//! `ifup`, after which all is as it was.

use crate::support::ip_json::{self, assert_same, foreign, ours};
use crate::support::lab::{lab, Lab};

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-rule iif eth1 fwmark 5
    policy-route 192.0.2.0/24 via 10.10.0.254
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
iface eth1:1 inet static
    address 10.10.1.10/24
    policy-table rt2
    policy-gateway 10.10.1.1
";

/// A name for the trouble, the trouble, and what has to be mended before `ifup` can work again.
type Trouble = (&'static str, &'static str, &'static str);

const DEVICE: &str = "ip link add eth1 type veth peer name eth1p; ip link set eth1p up";

const LINK: [Trouble; 6] = [
    ("admin-down", "ip link set eth1 down", ""),
    (
        "admin-down and up again",
        "ip link set eth1 down; ip link set eth1 up",
        "",
    ),
    ("carrier lost", "ip link set eth1p down", ""),
    (
        "carrier lost and back",
        "ip link set eth1p down; ip link set eth1p up",
        "",
    ),
    ("peer deleted", "ip link del eth1p", DEVICE),
    (
        "IPv6 switched off",
        "echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6",
        "echo 0 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6",
    ),
];

const DEVICES: [Trouble; 6] = [
    ("device deleted", "ip link del eth1", DEVICE),
    (
        "device deleted and made again",
        "ip link del eth1; ip link add eth1 type veth peer name eth1p; ip link set eth1p up",
        "",
    ),
    (
        "device renamed",
        "ip link set eth1 down; ip link set eth1 name lan1; ip link set lan1 up",
        "ip link del lan1; ip link add eth1 type veth peer name eth1p; ip link set eth1p up",
    ),
    (
        "device renamed while up",
        "ip link set eth1 name lan1",
        "ip link del lan1; ip link add eth1 type veth peer name eth1p; ip link set eth1p up",
    ),
    (
        "another device under its name",
        "ip link set eth1 name lan1; ip link add eth1 type veth peer name eth9p; ip link set eth1 up",
        "ip link del lan1",
    ),
    (
        "moved to another namespace",
        "ip netns add away; ip link set eth1 netns away",
        "ip -n away link set eth1 netns $$",
    ),
];

const BY_HAND: [Trouble; 8] = [
    ("addresses flushed", "ip addr flush dev eth1", ""),
    (
        "address removed",
        "ip addr del 10.10.0.10/24 dev eth1; ip -6 addr del 2001:db8:10::10/64 dev eth1",
        "",
    ),
    (
        "address of the alias removed",
        "ip addr del 10.10.1.10/24 dev eth1",
        "",
    ),
    (
        "rule removed",
        "ip rule del pref 21000 from 10.10.0.10 lookup 20611 protocol 157",
        "",
    ),
    (
        "route removed",
        "ip route del default table 20611 proto 157; ip -6 route del default table 20611 proto 157",
        "",
    ),
    (
        "rules and routes flushed",
        "ip rule flush protocol 157; ip route flush table 20611 proto 157; \
         ip -6 rule flush protocol 157; ip -6 route flush table 20611 proto 157",
        "",
    ),
    (
        "rules doubled",
        "ip rule save >/run/rules; ip rule restore </run/rules; \
         ip -6 rule save >/run/rules; ip -6 rule restore </run/rules",
        "",
    ),
    (
        "routes doubled",
        "ip route append default via 10.10.0.1 dev eth1 table 20611 proto 157 metric 5; \
         ip route add default via 10.10.0.1 dev eth1 table 20611 metric 6; \
         ip route append default via 10.10.0.77 dev eth1 table 20611",
        "",
    ),
];

fn up(lab: &Lab) {
    let said = lab.sh("ifup eth1 eth1:1");
    assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
}

fn survives(cases: &[Trouble]) {
    for (name, trouble, repair) in cases {
        println!("{name}");
        lab(|lab| {
            lab.device("eth1");
            ip_json::place(lab);
            lab.interfaces(FILE);
            up(lab);
            let there = ours(lab);
            assert_eq!(there.len(), 14, "{there:#?}");
            lab.ok(trouble);
            let before = foreign(lab, "eth1");

            // Of the alias no hook runs; what ifdown itself makes of the trouble is its affair.
            lab.sh("ifdown eth1");
            assert_eq!(ours(lab), [""; 0], "{name}");
            assert_same(&foreign(lab, "eth1"), &before);
            assert_eq!(lab.sh("ls -A /run/policy-table").out, "", "{name}");

            lab.sh("ifdown eth1:1");
            lab.ok(&format!("{repair}\ntrue"));
            let before = foreign(lab, "eth1");
            up(lab);
            assert_eq!(ours(lab), there, "{name}");
            assert_same(&foreign(lab, "eth1"), &before);
        });
    }
    println!("{} cases survived", cases.len());
}

#[test]
fn links_that_go_down() {
    survives(&LINK);
}

#[test]
fn devices_that_go_away() {
    survives(&DEVICES);
}

#[test]
fn hands_that_change_what_is_ours() {
    survives(&BY_HAND);
}
