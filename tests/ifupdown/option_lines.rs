//! `policy-rule` and `policy-route` as people write them today behind `post-up`.

use crate::support::lab::{lab, Lab};

/// Brings one interface up in silence.
fn up(lab: &Lab, interface: &str) {
    let said = lab.sh(&format!("ifup {interface}"));
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{interface}");
}

#[test]
fn several_tables_in_one_stanza() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-rule fwmark 0x5/0xff lookup voip
                policy-rule ipproto tcp dport 25 lookup mail priority 900
                policy-route default via 10.10.0.2 table voip
                policy-route default via 10.10.0.3 table mail ; unreachable 192.0.2.0/24 table mail",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.routes("-4", "voip"),
            ["default via 10.10.0.2 dev eth1 proto policy-table"]
        );
        assert_eq!(
            lab.routes("-4", "mail"),
            [
                "default via 10.10.0.3 dev eth1 proto policy-table",
                "unreachable 192.0.2.0/24 proto policy-table",
            ]
        );
        assert_eq!(
            lab.rules("-4"),
            [
                "900: from all ipproto tcp dport 25 lookup mail proto policy-table",
                "20701: from all fwmark 0x5/0xff lookup voip proto policy-table",
                "21000: from 10.10.0.10 lookup rt2 proto policy-table",
                "21000: from all to 10.10.0.10 lookup rt2 proto policy-table",
            ]
        );
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn rules_without_priority_keep_the_order_of_the_file() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-priority 1000
                policy-rule to 10.96.0.0/12 lookup main
                policy-rule fwmark 1
                policy-rule-10 uidrange 1000-1999 blackhole
                policy-rule-2 iif eth9 prohibit",
        );
        up(lab, "eth1");
        let rules: Vec<String> = lab.rules("-4").into_iter().take(4).collect();
        assert_eq!(
            rules,
            [
                "701: from all to 10.96.0.0/12 lookup main proto policy-table",
                "702: from all fwmark 0x1 lookup rt2 proto policy-table",
                "703: from all iif eth9 [detached] prohibit proto policy-table",
                "704: from all uidrange 1000-1999 blackhole proto policy-table",
            ]
        );
    });
}

#[test]
fn a_neighbours_table_is_fed_from_here() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt1
                policy-route 10.10.0.0/24 src 10.10.0.10 table rt2
            iface eth2 inet static
                address 10.20.0.10/24
                policy-table rt2
                policy-route 10.20.0.0/24 dev $IFACE src 10.20.0.10 table rt1",
        );
        up(lab, "eth1 eth2");
        let both = [
            "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
            "10.20.0.0/24 dev eth2 proto policy-table scope link src 10.20.0.10",
        ];
        for (table, default) in [("rt1", "10.10.0.1 dev eth1"), ("rt2", "10.20.0.1 dev eth2")] {
            let routes = lab.routes("-4", table);
            assert_eq!(
                routes[0],
                format!("default via {default} proto policy-table")
            );
            assert_eq!(routes[1..], both, "{table}");
        }
        lab.ok("ifdown eth1");
        assert_eq!(lab.routes("-4", "rt1"), [both[1]]);
        lab.ok("ifdown eth2");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn lines_of_the_other_family() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-rule -6 from 2001:db8::/32
                policy-rule to 2001:db8:9::/48 unreachable
                policy-route -6 default via fe80::1
                policy-route 2001:db8:7::/64",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.rules("-6"),
            [
                "20701: from 2001:db8::/32 lookup rt2 proto policy-table",
                "20702: from all to 2001:db8:9::/48 unreachable proto policy-table",
            ]
        );
        assert_eq!(
            lab.routes("-6", "rt2"),
            [
                "2001:db8:7::/64 dev eth1 proto policy-table metric 1024 pref medium",
                "default via fe80::1 dev eth1 proto policy-table metric 1024 pref medium",
            ]
        );
        // The default of the other family is not the one the address needs.
        assert_eq!(lab.routes("-4", "rt2").len(), 2);
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn rules_alone_need_no_table_and_derive_nothing() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-rule from 10.0.0.0/8 lookup main
                policy-rule iif $IFACE blackhole",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.tagged(),
            [
                "20701: from 10.0.0.0/8 lookup main proto policy-table",
                "20702: from all iif eth1 blackhole proto policy-table",
            ]
        );
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn lo_with_a_local_route_is_a_transparent_proxys() {
    lab(|lab| {
        lab.interfaces(
            "iface lo inet loopback
                policy-rule fwmark 1 lookup 100
                policy-route local default table 100",
        );
        lab.ok("ifdown --force lo");
        up(lab, "lo");
        assert_eq!(
            lab.tagged(),
            [
                "local default dev lo table 100 scope host",
                "20701: from all fwmark 0x1 lookup 100 proto policy-table",
            ]
        );
        let way = lab.ok("ip route get 198.51.100.7 mark 1");
        assert!(way.starts_with("local 198.51.100.7 dev lo"), "{way}");
        lab.ok("ifdown lo");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn a_last_resort_outlives_a_link_flap() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-route unreachable default metric 4294967295",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.routes("-4", "rt2"),
            [
                "default via 10.10.0.1 dev eth1 proto policy-table",
                "unreachable default proto policy-table metric 4294967295",
                "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
            ]
        );
        lab.ok("ip link set eth1 down; ip link set eth1 up");
        assert_eq!(
            lab.routes("-4", "rt2"),
            ["unreachable default proto policy-table metric 4294967295"]
        );
        assert_ne!(lab.sh("ip route get 198.51.100.7 from 10.10.0.10").code, 0);
        // The way to mend it without taking the interface down.
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(lab.routes("-4", "rt2").len(), 3);
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn a_default_of_the_stanza_replaces_the_derived_one() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.ok("ip link set eth2 up; ip address add 10.20.0.10/24 dev eth2");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-route default nexthop via 10.10.0.1 weight 2 nexthop via 10.20.0.1 dev eth2",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.routes("-4", "rt2"),
            [
                "default proto policy-table",
                "nexthop via 10.10.0.1 dev eth1 weight 2",
                "nexthop via 10.20.0.1 dev eth2 weight 1",
                "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
            ]
        );
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn what_two_interfaces_put_in_goes_with_the_last() {
    lab(|lab| {
        for device in ["eth1", "eth2"] {
            lab.device(device);
        }
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set eth1 up
                policy-rule fwmark 9 lookup 77 priority 500
            iface eth2 inet manual
                up ip link set eth2 up
                policy-rule fwmark 9 lookup 77 priority 500",
        );
        let rule = ["500: from all fwmark 0x9 lookup 77 proto policy-table"];
        for order in [["eth1", "eth2"], ["eth2", "eth1"]] {
            up(lab, "eth1 eth2");
            assert_eq!(lab.tagged(), rule);
            lab.ok(&format!("ifdown {}", order[0]));
            assert_eq!(lab.tagged(), rule);
            lab.ok(&format!("ifdown {}", order[1]));
            assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        }
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

/// Brings eth1 up with options that cannot be, and expects to hear of it and to find nothing.
fn refused(lab: &Lab, stanza: &str, error: &str) {
    lab.interfaces(stanza);
    let said = lab.sh("ifup eth1");
    let ours = said.ours();
    assert_eq!((said.code, ours.len()), (0, 2), "{said:?}");
    assert_eq!(ours[0], format!("eth1: {error}"));
    assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    lab.ok("ifdown eth1");
}

#[test]
fn what_cannot_work_together_is_told() {
    lab(|lab| {
        lab.device("eth1");
        let stanza = |options: &str| {
            format!("iface eth1 inet static\n address 10.10.0.10/24\n policy-table rt2\n {options}")
        };
        for (options, error) in [
            (
                "policy-route 10.9.0.0/16 via 10.10.0.1\n policy-route 10.9.0.0/16 via 10.10.0.2",
                "policy-route \"10.9.0.0/16 via 10.10.0.2\": it has the same destination and \
                 metric as \"10.9.0.0/16 via 10.10.0.1\"; give one of them a metric",
            ),
            (
                "policy-rule ip rule add from 10.0.0.0/8",
                "policy-rule \"ip rule add from 10.0.0.0/8\": \"ip\": write only what follows \
                 \"ip rule add\" or \"ip route add\"",
            ),
            (
                "policy-route 10.9.0.0/16 proto static",
                "policy-route \"10.9.0.0/16 proto static\": it names a protocol; what this stanza \
                 puts in bears policy-table's own, 157: leave it out",
            ),
        ] {
            refused(lab, &stanza(options), error);
        }
        refused(
            lab,
            "iface eth1 inet static
                address 10.10.0.10
                netmask 0.0.0.0
                policy-table rt2
                policy-source subnet
                policy-gateway none",
            "policy-source \"subnet\": the network of 10.10.0.10/0 is every address there is; \
             write policy-source address",
        );
        lab.interfaces(
            "iface lo inet loopback
                policy-route default via 10.6.0.1 table 100",
        );
        lab.ok("ifdown --force lo");
        let said = lab.sh("ifup lo");
        let told = "lo: policy-route \"default via 10.6.0.1 table 100\": lo has no routers; \
                    name the interface: dev NAME";
        assert_eq!(said.ours()[0], told);
    });
}

#[test]
fn a_line_for_the_own_network_stands_for_the_derived_route() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet6 static
                address 2001:db8:1::10/64
                dad-attempts 0
                policy-table rt2
                policy-gateway fe80::1
                policy-route 2001:db8:1::/64 mtu 1400",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.routes("-6", "rt2"),
            [
                "2001:db8:1::/64 dev eth1 proto policy-table metric 1024 mtu 1400 pref medium",
                "default via fe80::1 dev eth1 proto policy-table metric 1024 pref medium",
            ]
        );
    });
}

#[test]
fn the_subnet_of_a_point_to_point_link_is_the_own_address() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.8.0.6/32
                pointopoint 10.8.0.5
                policy-table vpn
                policy-source subnet",
        );
        up(lab, "eth1");
        assert_eq!(
            lab.rules("-4"),
            [
                "21000: from 10.8.0.6 lookup vpn proto policy-table",
                "21000: from all to 10.8.0.6 lookup vpn proto policy-table",
            ]
        );
    });
}

#[test]
fn a_table_that_is_new_and_stays_empty_is_most_likely_a_slip() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table rt2
                policy-rule to 10.96.0.0/12 lookup mian",
        );
        let said = lab.sh("ifup eth1");
        let told = "eth1: table mian is new, and no route goes into it here: is the name right?";
        assert_eq!((said.code, said.ours()), (0, vec![told]));
        assert_eq!(lab.tagged().len(), 5);
    });
}
