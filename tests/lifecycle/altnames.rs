//! A stanza under another name of its device (`altname` of ip-link(8)): what the kernel lists under
//! the device's first name is the stanza's all the same.

use crate::support::lab::{lab, Lab};

const RULES: [&str; 2] = [
    "21000: from 10.10.0.10 lookup rt2 proto policy-table",
    "21000: from all to 10.10.0.10 lookup rt2 proto policy-table",
];

const ROUTES: [&str; 2] = [
    "default via 10.10.0.1 dev eth1 proto policy-table",
    "10.10.0.0/24 dev eth1 proto policy-table scope link src 10.10.0.10",
];

fn device(lab: &Lab) {
    lab.device("eth1");
    lab.ok("ip link property add dev eth1 altname enx0011223344");
}

fn all_is_there(lab: &Lab, after: &str) {
    assert_eq!(lab.rules("-4"), RULES, "{after}");
    assert_eq!(lab.routes("-4", "rt2"), ROUTES, "{after}");
}

/// The commands, from each of which the stanza must come out as it was.
fn in_step(lab: &Lab) {
    for (command, expected) in [
        ("status", "in step"),
        ("status enx0011223344", "in step"),
        ("status eth1", "in step"),
        ("plan eth1", "# nothing to do"),
        ("apply eth1", "0 added, 0 removed"),
        ("plan", "# nothing to do"),
        ("apply --all --dry-run", "# nothing to do"),
        ("apply enx0011223344", "0 added, 0 removed"),
        ("apply --all", "0 added, 0 removed"),
        ("status", "in step"),
    ] {
        let said = lab.sh(&format!("policy-table {command}"));
        assert!(
            said.code == 0 && said.out.contains(expected) && !said.out.contains("orphan"),
            "{command}: {said:?}"
        );
        all_is_there(lab, command);
    }
}

#[test]
fn a_stanza_under_an_altname_is_the_devices() {
    lab(|lab| {
        device(lab);
        for method in [
            "static\n    address 10.10.0.10/24",
            "manual\n    pre-up ip link set eth1 up\n    pre-up ip addr add 10.10.0.10/24 dev eth1",
        ] {
            lab.interfaces(&format!(
                "iface enx0011223344 inet {method}\n    policy-table rt2\n    \
                 policy-route 192.0.2.0/24 dev eth1 table 300\n"
            ));
            let said = lab.sh("ifup enx0011223344");
            assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
            all_is_there(lab, method);
            assert_eq!(lab.routes("-4", "300").len(), 1, "{method}");
            in_step(lab);

            for name in ["eth1", "enx0011223344"] {
                lab.ok("policy-table apply enx0011223344");
                lab.ok(&format!("policy-table flush {name}"));
                assert_eq!(lab.tagged(), [""; 0], "{method}");
            }
            lab.ok("policy-table apply enx0011223344");
            all_is_there(lab, method);

            // A link that flaps takes the routes; they come back, and nothing twice.
            lab.ok("ip link set eth1 down; ip link set eth1 up");
            lab.ok("policy-table apply --all");
            all_is_there(lab, method);

            lab.ok("ifdown enx0011223344");
            assert_eq!(lab.tagged(), [""; 0], "{method}");
            assert!(lab
                .sh("ls /run/policy-table/eth1 /run/policy-table/enx*")
                .out
                .is_empty());
            lab.ok("ip addr flush dev eth1");
        }
    });
}

#[test]
fn two_stanzas_may_each_have_a_name_of_one_device() {
    lab(|lab| {
        device(lab);
        lab.interfaces(
            "iface eth1 inet6 static\n    address 2001:db8::10/64\n    gateway 2001:db8::1\n    \
             dad-attempts 0\n    policy-table rt2\n\
             iface enx0011223344 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n",
        );
        lab.ok("ifup eth1 && ifup enx0011223344");
        let before = lab.tagged();
        in_step(lab);
        assert_eq!(lab.tagged(), before);
        lab.ok("ifdown enx0011223344");
        assert_eq!(lab.rules("-4"), [""; 0]);
    });
}

#[test]
fn a_stanza_under_an_altname_that_is_not_up_is_an_orphan_as_any_other() {
    lab(|lab| {
        device(lab);
        lab.interfaces(
            "iface enx0011223344 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n",
        );
        lab.ok("ifup enx0011223344");
        lab.write("/run/network/ifstate", "");
        let said = lab.sh("policy-table status");
        assert!(said.code == 1 && said.out.contains("orphan"), "{said:?}");
        lab.ok("policy-table apply --all");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// An altname may be longer than a device's own name; routes take it, rules do not.
#[test]
fn a_stanza_under_a_long_altname_is_the_devices() {
    const LONG: &str = "uplink-of-the-second-provider";
    lab(|lab| {
        lab.device("eth1");
        // What is longer ifupdown itself cuts off.
        let longest = "x".repeat(79);
        for name in [LONG, &longest] {
            lab.ok(&format!("ip link property add dev eth1 altname {name}"));
            lab.interfaces(&format!(
                "auto {name}\niface {name} inet manual\n    pre-up ip link set $IFACE up\n    \
                 pre-up ip addr add 10.10.0.10/24 dev $IFACE\n    policy-table rt2\n    \
                 policy-route 192.0.2.0/24 dev {name} table 300\n"
            ));
            let said = lab.sh("policy-table check");
            assert!(!said.out.contains("PT1"), "{name}: {said:?}");
            let said = lab.sh(&format!("ifup {name}"));
            assert_eq!((said.code, said.ours()), (0, vec![]), "{name}: {said:?}");
            all_is_there(lab, name);
            let found = lab.routes("-4", "300");
            assert_eq!(
                found,
                ["192.0.2.0/24 dev eth1 proto policy-table scope link"]
            );
            for (command, expected) in [
                ("status".to_owned(), "in step"),
                (format!("status {name}"), "in step"),
                ("status eth1".to_owned(), "in step"),
                ("plan".to_owned(), "# nothing to do"),
                ("apply --all".to_owned(), "0 added, 0 removed"),
            ] {
                let said = lab.sh(&format!("policy-table {command}"));
                assert!(
                    said.code == 0 && said.out.contains(expected),
                    "{command}: {said:?}"
                );
                all_is_there(lab, &command);
            }
            lab.ok("ip link set eth1 down; ip link set eth1 up");
            lab.ok("policy-table apply --all");
            all_is_there(lab, name);
            lab.ok(&format!("ifdown {name}"));
            assert_eq!(
                (lab.tagged(), lab.ok("ls -A /run/policy-table")),
                (vec![], String::new())
            );
            lab.ok(&format!(
                "ip addr flush dev eth1; ip link property del dev eth1 altname {name}"
            ));
        }
        let heading = format!("iface {LONG} inet manual\n    policy-table rt2\n    ");
        lab.interfaces(&format!("auto {LONG}\n{heading}policy-rule iif $IFACE\n"));
        let said = lab.sh("policy-table check");
        let expected = format!("\"iif {LONG}\": expected an interface name of 1 to 15 characters");
        assert!(said.code == 2 && said.out.contains(&expected), "{said:?}");
    });
}

/// `explain` goes by the device, whichever of its names it and the rules are given.
#[test]
fn a_packet_that_came_in_by_a_device_meets_its_rules_under_all_names() {
    lab(|lab| {
        device(lab);
        lab.ok("ip addr add 10.10.0.10/24 dev eth1; ip link set eth1 up");
        lab.ok("sysctl -qw net.ipv4.conf.eth1.forwarding=1 net.ipv4.conf.eth1.rp_filter=0");
        lab.ok("ip route add default via 10.10.0.1 dev eth1 table 77");
        for of_rule in ["eth1", "enx0011223344"] {
            lab.ok(&format!("ip rule add pref 100 iif {of_rule} lookup 77"));
            for iif in ["eth1", "enx0011223344"] {
                let ask = format!("policy-table explain --from 10.10.0.7 --iif {iif} 192.0.2.1");
                let said = lab.sh(&ask);
                assert_eq!(said.code, 0, "{of_rule}, {iif}: {said:?}");
                assert!(said.out.contains("table 77"), "{of_rule}, {iif}: {said:?}");
            }
            lab.ok("ip rule del pref 100");
        }
    });
}
