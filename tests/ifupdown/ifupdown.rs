//! The real `ifup` and `ifdown` of Debian, with the package's links, judged by `ip`.

use crate::support::lab::{lab, lab_of, Release};

const HOWTO: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10
    netmask 255.255.255.0
    policy-table rt2
";

#[test]
fn the_howtos_stanza_gives_two_routes_and_two_rules_and_nothing_else() {
    for release in [Release::Debian12, Release::Debian13] {
        lab_of(release, |lab| {
            lab.device("eth1");
            lab.interfaces(HOWTO);
            let said = lab.sh("ifup eth1");
            assert_eq!(
                (said.code, said.out.as_str(), said.err.as_str()),
                (0, "", "")
            );
            assert_eq!(
                lab.routes("-4", "20611"),
                [
                    "default via 10.10.0.1 dev eth1 proto policy-table",
                    "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
                ]
            );
            let file = match release {
                Release::Debian12 => "/etc/iproute2/rt_tables",
                Release::Debian13 => "/etc/iproute2/rt_tables.d/policy-table.conf",
            };
            assert!(lab
                .text(file)
                .ends_with("20611\trt2\t# ifupdown-policy-table\n"));
            // The name is in a file that this machine's ip reads, whatever the layout.
            assert_eq!(
                lab.rules("-4"),
                [
                    "21000: from 10.10.0.10 lookup rt2 proto policy-table",
                    "21000: from all to 10.10.0.10 lookup rt2 proto policy-table",
                ]
            );
            assert!(lab.rules("-6").is_empty() && lab.tagged().len() == 4);

            let said = lab.sh("ifdown eth1");
            assert_eq!((said.code, said.err.as_str()), (0, ""));
            assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
            assert!(lab.text(file).contains("rt2"), "the name stays");
            assert_eq!(lab.ok("ls -A /run/policy-table"), "");
        });
    }
}

#[test]
fn up_twice_changes_nothing() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(HOWTO);
        lab.ok("ifup eth1");
        let (routing, record) = (lab.routing(), lab.text("/run/policy-table/eth1"));
        let names = lab.text("/etc/iproute2/rt_tables");
        let said = lab.sh("ifup --force --ignore-errors eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(lab.routing(), routing);
        assert_eq!(lab.text("/run/policy-table/eth1"), record);
        assert_eq!(lab.text("/etc/iproute2/rt_tables"), names);
    });
}

#[test]
fn an_ipv6_stanza_is_the_same_again() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet6 static
                address 2001:db8:1::10/64
                gateway 2001:db8:1::1
                dad-attempts 0
                policy-table rt2",
        );
        lab.ok("ifup eth1");
        assert_eq!(
            lab.routes("-6", "rt2"),
            [
                "2001:db8:1::/64 dev eth1 proto policy-table metric 1024 pref medium",
                "default via 2001:db8:1::1 dev eth1 proto policy-table metric 1024 pref medium",
            ]
        );
        assert_eq!(
            lab.rules("-6"),
            [
                "21000: from 2001:db8:1::10 lookup rt2 proto policy-table",
                "21000: from all to 2001:db8:1::10 lookup rt2 proto policy-table",
            ]
        );
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn the_smallest_ipv6_network_has_room_for_a_router() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet6 static
                address 2001:db8:1::1/127
                dad-attempts 0
                policy-table rt2
                policy-gateway 2001:db8:1::",
        );
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert_eq!(
            lab.routes("-6", "rt2"),
            [
                "2001:db8:1::/127 dev eth1 proto policy-table metric 1024 pref medium",
                "default via 2001:db8:1:: dev eth1 proto policy-table metric 1024 pref medium",
            ]
        );
    });
}

#[test]
fn stanzas_without_an_address_are_told_apart() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual
                up ip link set eth1 up
                policy-rule from 10.1.0.0/16 lookup 100
            iface eth1 inet manual
                policy-rule from 10.2.0.0/16 lookup 100 priority 30000
            iface eth1 inet manual
                up ip address add 10.3.0.3/24 dev eth1
                policy-table rt3",
        );
        lab.ok("ifup eth1");
        assert_eq!(
            lab.rules("-4"),
            [
                "20701: from 10.1.0.0/16 lookup 100 proto policy-table",
                "21000: from 10.3.0.3 lookup rt3 proto policy-table",
                "21000: from all to 10.3.0.3 lookup rt3 proto policy-table",
                "30000: from 10.2.0.0/16 lookup 100 proto policy-table",
            ]
        );
        lab.ok("ifdown eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn options_taken_out_of_the_file_take_their_routing_along() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(HOWTO);
        lab.ok("ifup eth1");
        lab.interfaces(&HOWTO.replace("policy-table rt2", "mtu 1400"));
        lab.ok("ifup --force --ignore-errors eth1");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}
