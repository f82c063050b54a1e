//! Stanzas of many kinds through the real `ifup` and `ifdown`: what each gets, what they share,
//! and what is left when something is in the way.

use std::fs;

use crate::support::lab::{lab, Lab, NAMES};

const RECORD: &str = "/run/policy-table/eth1";

fn inet(interface: &str, address: &str, options: &str) -> String {
    format!("iface {interface} inet static\naddress {address}\n{options}\n")
}

fn inet6(interface: &str, address: &str, options: &str) -> String {
    format!("iface {interface} inet6 static\naddress {address}\ndad-attempts 0\n{options}\n")
}

/// Brings an interface up, with nothing to be said about it.
fn up(lab: &Lab, interface: &str) {
    let said = lab.sh(&format!("ifup {interface}"));
    assert_eq!(
        (said.code, said.out.as_str(), said.err.as_str()),
        (0, "", ""),
        "{interface}"
    );
}

/// Takes an interface down, with nothing of ours to be said about it.
fn down(lab: &Lab, interface: &str) {
    let said = lab.sh(&format!("ifdown {interface}"));
    assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
}

fn rules_of(address: &str, table: &str) -> [String; 2] {
    ["from", "from all to"]
        .map(|selector| format!("21000: {selector} {address} lookup {table} proto policy-table"))
}

fn connected(network: &str, device: &str, address: &str) -> String {
    format!("{network} dev {device} proto policy-table scope link src {address}")
}

fn default(gateway: &str, device: &str) -> String {
    format!("default via {gateway} dev {device} proto policy-table")
}

fn assert_nothing_left(lab: &Lab) {
    assert_eq!(lab.tagged(), [""; 0]);
    assert_eq!(lab.ok("ls -A /run/policy-table"), "");
}

/// A lab with eth1 and eth2 and a file.
fn two(file: &str, test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(file);
        test(lab);
    });
}

#[test]
fn two_interfaces_have_two_tables() {
    let file = inet("eth1", "10.10.0.10/24", "policy-table rt2")
        + &inet("eth2", "10.20.0.10/24", "policy-table rt3");
    two(&file, |lab| {
        up(lab, "eth1 eth2");
        let first = [
            default("10.10.0.1", "eth1"),
            connected("10.10.0.0/24", "eth1", "10.10.0.10"),
        ];
        let second = [
            default("10.20.0.1", "eth2"),
            connected("10.20.0.0/24", "eth2", "10.20.0.10"),
        ];
        assert_eq!(lab.routes("-4", "rt2"), first);
        assert_eq!(lab.routes("-4", "rt3"), second);
        let rules = [rules_of("10.10.0.10", "rt2"), rules_of("10.20.0.10", "rt3")].concat();
        assert_eq!(lab.rules("-4"), rules);
        down(lab, "eth1");
        assert_eq!(lab.rules("-4"), rules_of("10.20.0.10", "rt3"));
        assert_eq!(lab.routes("-4", "rt3"), second);
        assert_eq!(lab.routes("-4", "rt2"), [""; 0]);
        down(lab, "eth2");
        assert_nothing_left(lab);
    });
}

/// Which device a packet from an address leaves by.
fn way(lab: &Lab, from: &str) -> String {
    let to = if from.contains(':') {
        "2001:db8:ffff::1"
    } else {
        "203.0.113.9"
    };
    let line = lab.ok(&format!("ip route get {to} from {from}"));
    let (_, rest) = line.split_once(" dev ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

const SHARING: [(&str, &str); 2] = [
    ("10.10.0.10", "10.20.0.10"),
    ("2001:db8:1::10", "2001:db8:2::10"),
];

fn sharing() -> String {
    inet("eth1", "10.10.0.10/24", "policy-table rt2")
        + &inet("eth2", "10.20.0.10/24", "policy-table rt2")
        + &inet6(
            "eth1",
            "2001:db8:1::10/64",
            "gateway fe80::1\npolicy-table rt2",
        )
        + &inet6(
            "eth2",
            "2001:db8:2::10/64",
            "gateway fe80::2\npolicy-table rt2",
        )
}

#[test]
fn of_two_defaults_in_one_table_the_first_is_in_force_and_the_second_takes_over() {
    two(&sharing(), |lab| {
        up(lab, "eth1 eth2");
        assert_eq!(lab.tagged().len(), 16);
        for (one, two) in SHARING {
            assert_eq!(
                (way(lab, one), way(lab, two)),
                ("eth1".into(), "eth1".into())
            );
        }
        down(lab, "eth1");
        assert_eq!(lab.tagged().len(), 8);
        for (_, two) in SHARING {
            assert_eq!(way(lab, two), "eth2");
        }
        down(lab, "eth2");
        assert_nothing_left(lab);
    });
}

#[test]
fn the_second_in_a_table_can_go_and_come_without_the_first_noticing() {
    two(&sharing(), |lab| {
        up(lab, "eth1");
        let alone = lab.tagged();
        up(lab, "eth2");
        let both = lab.tagged();
        down(lab, "eth2");
        assert_eq!(lab.tagged(), alone);
        up(lab, "eth2");
        assert_eq!(lab.tagged(), both);
        let said = lab.sh("ifup --force --ignore-errors eth2 eth1");
        assert_eq!(
            (said.ours().len(), lab.tagged()),
            (0, both),
            "again changes nothing"
        );
    });
}

/// Who came first stays first: a flap must not move the other's traffic to and fro.
fn the_one_that_comes_back_stands_behind(addresses: (&str, &str)) {
    two(&sharing(), |lab| {
        up(lab, "eth1 eth2");
        down(lab, "eth1");
        up(lab, "eth1");
        assert_eq!(
            (way(lab, addresses.0), way(lab, addresses.1)),
            ("eth2".into(), "eth2".into())
        );
        down(lab, "eth1 eth2");
        assert_nothing_left(lab);
    });
}

#[test]
fn an_ipv4_default_that_comes_back_stands_behind() {
    the_one_that_comes_back_stands_behind(SHARING[0]);
}

#[test]
fn an_ipv6_default_that_comes_back_stands_behind() {
    the_one_that_comes_back_stands_behind(SHARING[1]);
}

/// One address on two interfaces, as when a service moves or is reached by two links: the rules
/// are the same objects, which go with the last of the two.
#[test]
fn what_two_interfaces_claim_goes_with_the_last_of_them() {
    let options = "policy-table rt2\npolicy-gateway 10.10.0.1";
    let file = inet("eth1", "10.10.0.10/32", options) + &inet("eth2", "10.10.0.10/32", options);
    two(&file, |lab| {
        up(lab, "eth1 eth2");
        assert_eq!(lab.rules("-4"), rules_of("10.10.0.10", "rt2"));
        down(lab, "eth1");
        assert_eq!(
            lab.rules("-4"),
            rules_of("10.10.0.10", "rt2"),
            "eth2 still needs them"
        );
        assert_eq!(way(lab, "10.10.0.10"), "eth2");
        down(lab, "eth2");
        assert_nothing_left(lab);
    });
}

#[test]
fn two_stanzas_of_one_interface_each_get_their_own() {
    for (second, table) in [("10.20.0.10", "rt3"), ("10.20.0.10", "rt2")] {
        let file = inet("eth1", "10.10.0.10/24", "policy-table rt2")
            + &inet(
                "eth1",
                &format!("{second}/24"),
                &format!("policy-table {table}"),
            );
        two(&file, |lab| {
            up(lab, "eth1");
            let rules = [rules_of("10.10.0.10", "rt2"), rules_of(second, table)].concat();
            assert_eq!(lab.rules("-4"), rules);
            assert_eq!(lab.tagged().len(), 8);
            assert!(lab
                .routes("-4", table)
                .contains(&connected("10.20.0.0/24", "eth1", second)));
            down(lab, "eth1");
            assert_nothing_left(lab);
        });
    }
}

#[test]
fn two_addresses_of_one_network_share_its_default() {
    let file = inet("eth1", "10.10.0.10/24", "policy-table rt2")
        + &inet("eth1", "10.10.0.11/24", "policy-table rt2");
    two(&file, |lab| {
        up(lab, "eth1");
        assert_eq!(
            lab.routes("-4", "rt2"),
            [
                default("10.10.0.1", "eth1"),
                connected("10.10.0.0/24", "eth1", "10.10.0.10"),
                connected("10.10.0.0/24", "eth1", "10.10.0.11"),
            ]
        );
        let said = lab.sh("ifup --force --ignore-errors eth1");
        assert_eq!((said.ours().len(), lab.tagged().len()), (0, 7), "{said:?}");
        down(lab, "eth1");
        assert_nothing_left(lab);
    });
}

#[test]
fn an_alias_goes_alone_and_its_device_takes_it_along() {
    for table in ["rt3", "rt2"] {
        let file = inet("eth1", "10.10.0.10/24", "policy-table rt2")
            + &inet("eth1:1", "10.10.0.11/24", &format!("policy-table {table}"));
        two(&file, |lab| {
            up(lab, "eth1");
            let alone = lab.tagged();
            up(lab, "eth1:1");
            let rules = [rules_of("10.10.0.10", "rt2"), rules_of("10.10.0.11", table)].concat();
            assert_eq!(lab.rules("-4"), rules);
            assert!(lab
                .routes("-4", table)
                .contains(&default("10.10.0.1", "eth1")));
            down(lab, "eth1:1");
            assert_eq!(lab.tagged(), alone, "{table}");
            assert_eq!(way(lab, "10.10.0.10"), "eth1");
            up(lab, "eth1:1");
            down(lab, "eth1");
            assert_nothing_left(lab);
            // ifupdown believes the alias to be up still.
            down(lab, "eth1:1");
            assert_nothing_left(lab);
        });
    }
}

/// The hook alone: the kernel would take the device's address with the alias's, its elder.
#[test]
fn an_alias_that_came_first_keeps_what_the_device_shares() {
    let file = inet("eth1", "10.10.0.10/24", "policy-table rt2")
        + &inet("eth1:1", "10.10.0.11/24", "policy-table rt2");
    two(&file, |lab| {
        lab.ok("ip link set eth1 up");
        up(lab, "eth1:1");
        up(lab, "eth1");
        lab.ok(
            "env -i IFACE=eth1:1 LOGICAL=eth1:1 MODE=stop PHASE=pre-down \
                /etc/network/if-down.d/zz-policy-table",
        );
        assert_eq!(lab.rules("-4"), rules_of("10.10.0.10", "rt2"));
        let left = [
            default("10.10.0.1", "eth1"),
            connected("10.10.0.0/24", "eth1", "10.10.0.10"),
        ];
        assert_eq!(lab.routes("-4", "rt2"), left);
        down(lab, "eth1");
        assert_nothing_left(lab);
    });
}

#[test]
fn tables_by_name_number_and_interface() {
    for (interface, table, shown, id) in [
        ("eth1", "auto", "eth1", 29431),
        ("eth1:1", "auto", "eth1", 29431),
        ("eth1", "rt2", "rt2", 20611),
        ("eth1", "200", "200", 200),
        ("eth1", "0xc8", "200", 200),
        ("eth1", "4294967295", "4294967295", 4_294_967_295_u32),
        ("eth1", "1", "1", 1),
        ("eth1", "252", "252", 252),
        ("eth1", "256", "256", 256),
        ("eth1", "rt2\npolicy-table-id 777", "rt2", 777),
        ("eth1", "rt2\npolicy-table-id 0x309", "rt2", 777),
        ("eth1", "auto\npolicy-table-id 777", "eth1", 777),
    ] {
        two(
            &inet(interface, "10.10.0.10/24", &format!("policy-table {table}")),
            |lab| {
                lab.ok("ip link set eth1 up");
                let names = lab.text(NAMES);
                up(lab, interface);
                assert_eq!(lab.rules("-4"), rules_of("10.10.0.10", shown), "{table}");
                assert_eq!(lab.routes("-4", &id.to_string()).len(), 2, "{table}");
                let new = lab.text(NAMES);
                if shown == id.to_string() {
                    assert_eq!(new, names, "a number needs no name");
                } else {
                    assert_eq!(
                        new,
                        format!("{names}{id}\t{shown}\t# ifupdown-policy-table\n")
                    );
                }
                down(lab, interface);
                assert_nothing_left(lab);
            },
        );
    }
}

#[test]
fn the_priority_is_the_stanzas() {
    for (written, priority) in [("301", 301), ("32765", 32765), ("0x1f4", 500)] {
        let options = format!("policy-table rt2\npolicy-priority {written}");
        two(&inet("eth1", "10.10.0.10/24", &options), |lab| {
            up(lab, "eth1");
            let rules = rules_of("10.10.0.10", "rt2");
            let expected = rules.map(|rule| rule.replace("21000:", &format!("{priority}:")));
            assert_eq!(lab.rules("-4"), expected);
            down(lab, "eth1");
            assert_nothing_left(lab);
        });
    }
}

#[test]
fn gateways_named_guessed_and_none() {
    let cases = [
        ("10.10.0.10/24", "", Some("10.10.0.1")),
        ("10.10.0.10/24", "policy-gateway auto", Some("10.10.0.1")),
        ("10.10.0.10/24", "policy-gateway first", Some("10.10.0.1")),
        (
            "10.10.0.10/24",
            "policy-gateway 10.10.0.254",
            Some("10.10.0.254"),
        ),
        (
            "10.10.0.10/24",
            "policy-gateway 192.0.2.1",
            Some("192.0.2.1"),
        ),
        ("10.10.0.10/24", "policy-gateway none", None),
        ("10.10.0.10/24", "gateway 10.10.0.99", Some("10.10.0.99")),
        (
            "10.10.0.10/24",
            "gateway 10.10.0.99\npolicy-gateway auto",
            Some("10.10.0.99"),
        ),
        (
            "10.10.0.10/24",
            "gateway 10.10.0.99\npolicy-gateway first",
            Some("10.10.0.1"),
        ),
        (
            "10.10.0.10/24",
            "gateway 10.10.0.99\npolicy-gateway none",
            None,
        ),
        ("10.10.0.10/24", "gateway 192.0.2.1", Some("192.0.2.1")),
        (
            "10.10.0.1/24",
            "policy-gateway 10.10.0.254",
            Some("10.10.0.254"),
        ),
        ("10.10.0.10/16", "", Some("10.10.0.1")),
        ("10.10.0.10/30", "", Some("10.10.0.9")),
        (
            "10.10.0.10/31",
            "policy-gateway 10.10.0.11",
            Some("10.10.0.11"),
        ),
        (
            "10.10.0.10/32",
            "policy-gateway 10.10.0.1",
            Some("10.10.0.1"),
        ),
        ("10.10.0.10/32", "policy-gateway none", None),
    ];
    for (address, options, gateway) in cases {
        two(
            &inet("eth1", address, &format!("policy-table rt2\n{options}")),
            |lab| {
                up(lab, "eth1");
                let found = lab.routes("-4", "rt2");
                let defaults: Vec<&String> = found
                    .iter()
                    .filter(|route| route.starts_with("default"))
                    .collect();
                let inside =
                    gateway.is_some_and(|g| g.starts_with("10.10.") && !address.ends_with("/32"));
                let onlink = if inside { "" } else { " onlink" };
                let expected: Vec<String> = gateway
                    .iter()
                    .map(|g| default(g, "eth1") + onlink)
                    .collect();
                assert_eq!(
                    defaults,
                    expected.iter().collect::<Vec<_>>(),
                    "{address} {options}"
                );
                let neighbours = usize::from(!address.ends_with("/32"));
                assert_eq!(
                    found.len(),
                    defaults.len() + neighbours,
                    "{address} {options}"
                );
                let own = address.split('/').next().unwrap();
                assert_eq!(lab.rules("-4"), rules_of(own, "rt2"));
                down(lab, "eth1");
                assert_nothing_left(lab);
            },
        );
    }
}

#[test]
fn a_router_that_nobody_names_is_warned_about() {
    let cases = [
        (
            inet("eth1", "10.10.0.1/24", "policy-table rt2"),
            "10.10.0.0/24",
            "-4",
        ),
        (
            inet("eth1", "10.10.0.10/31", "policy-table rt2"),
            "10.10.0.10/31",
            "-4",
        ),
        (
            inet("eth1", "10.10.0.10/32", "policy-table rt2"),
            "10.10.0.10",
            "-4",
        ),
        (
            inet("eth1", "10.10.0.9/30", "policy-table rt2"),
            "10.10.0.8/30",
            "-4",
        ),
        (
            inet6("eth1", "2001:db8:1::10/64", "policy-table rt2"),
            "2001:db8:1::/64",
            "-6",
        ),
    ];
    for (file, network, family) in cases {
        two(&file, |lab| {
            let said = lab.sh("ifup eth1");
            assert_eq!((said.code, said.ours().len()), (0, 1), "{said:?}");
            let message = said.ours()[0].to_owned();
            assert!(
                message.starts_with("eth1: no default route in table "),
                "{message}"
            );
            let what = format!(
                "the router of {network} is not known; \
                 write policy-gateway ADDRESS, or policy-gateway none"
            );
            assert!(message.ends_with(&what), "{message}");
            let routes = lab.routes(family, "rt2");
            assert!(
                routes.iter().all(|route| !route.contains("default")),
                "{routes:?}"
            );
            assert_eq!(lab.rules(family).len(), 2);
            down(lab, "eth1");
            assert_nothing_left(lab);
        });
    }
}

/// The administrator wrote rt2 and knows no table 20611.
#[test]
fn warnings_call_a_table_by_the_name_it_has() {
    two(&inet("eth1", "10.10.0.10/32", "policy-table rt2"), |lab| {
        let said = lab.sh("ifup eth1");
        assert!(
            said.ours()[0].contains("no default route in table rt2"),
            "{said:?}"
        );
    });
}

#[test]
fn ipv6_gateways() {
    for (options, gateway) in [
        (
            "gateway fe80::1",
            "fe80::1 dev eth1 proto policy-table metric 1024",
        ),
        (
            "policy-gateway fe80::1",
            "fe80::1 dev eth1 proto policy-table metric 1024",
        ),
        (
            "policy-gateway FE80:0::1",
            "fe80::1 dev eth1 proto policy-table metric 1024",
        ),
        (
            "policy-gateway 2001:db8:1::1",
            "2001:db8:1::1 dev eth1 proto policy-table metric 1024",
        ),
        (
            "policy-gateway 2001:db8:9::1",
            "2001:db8:9::1 dev eth1 proto policy-table metric 1024 onlink",
        ),
    ] {
        two(
            &inet6(
                "eth1",
                "2001:db8:1::10/64",
                &format!("policy-table rt2\n{options}"),
            ),
            |lab| {
                up(lab, "eth1");
                assert_eq!(
                    lab.routes("-6", "rt2"),
                    [
                        "2001:db8:1::/64 dev eth1 proto policy-table metric 1024 pref medium"
                            .to_owned(),
                        format!("default via {gateway} pref medium"),
                    ],
                    "{options}"
                );
                assert_eq!(lab.rules("-6"), rules_of("2001:db8:1::10", "rt2"));
                down(lab, "eth1");
                assert_nothing_left(lab);
            },
        );
    }
}

/// The hook alone: this ifupdown waits for the address, others have not.
#[test]
fn an_ipv6_address_that_is_still_tentative_is_routed() {
    lab(|lab| {
        lab.device("eth1");
        let said = lab.sh(
            "ip link set eth1 up; ip addr add 2001:db8:1::10/64 dev eth1; \
             env -i IFACE=eth1 ADDRFAM=inet6 MODE=start PHASE=post-up IF_ADDRESS=2001:db8:1::10 \
             IF_NETMASK=64 IF_GATEWAY=fe80::1 IF_POLICY_TABLE=rt2 \
             /etc/network/if-up.d/00-policy-table; ip addr show dev eth1 tentative",
        );
        assert!(
            said.out.contains("2001:db8:1::10"),
            "the address was not tentative: {said:?}"
        );
        assert_eq!(said.err, "");
        assert_eq!(
            (lab.routes("-6", "rt2").len(), lab.rules("-6").len()),
            (2, 2)
        );
    });
}

#[test]
fn a_logical_interface_is_its_devices_stanza() {
    let file = inet("home", "10.10.0.10/24", "policy-table auto")
        + &inet("away", "10.20.0.10/24", "policy-table rt3");
    two(&file, |lab| {
        up(lab, "eth1=home");
        // Table auto is the device's, not the logical name's.
        assert_eq!(lab.rules("-4"), rules_of("10.10.0.10", "eth1"));
        assert!(lab
            .text(RECORD)
            .contains("iface eth1=home inet static 10.10.0.10"));
        down(lab, "eth1");
        assert_nothing_left(lab);
        up(lab, "eth1=away");
        assert_eq!(lab.rules("-4"), rules_of("10.20.0.10", "rt3"));
        down(lab, "eth1");
        assert_nothing_left(lab);
    });
}

fn not_in_force() -> String {
    "eth1: policy routing is not in force, the interface itself is up; correct the cause, \
     then run: ifup --force --ignore-errors eth1"
        .to_owned()
}

/// Brings eth1 up with something in the way, which the error names; nothing of ours stays.
fn blocked(first: &str, expected: &[&str]) {
    lab(|lab| {
        lab.device("eth1");
        lab.write(NAMES, "20611 rt2\n");
        lab.interfaces(&inet(
            "eth1",
            "10.10.0.10/24",
            &format!("policy-table rt2\n{first}"),
        ));
        let said = lab.sh("ifup eth1");
        let mut lines: Vec<String> = expected
            .iter()
            .map(|line| format!("eth1: {line}"))
            .collect();
        lines.push(not_in_force());
        assert_eq!(
            (said.code, said.ours()),
            (0, lines.iter().map(String::as_str).collect())
        );
        assert_eq!(lab.ok("ifquery --state eth1"), "eth1=eth1\n");
        assert_nothing_left(lab);
        let foreign = lab.routes("-4", "20611");
        assert_eq!(
            foreign.len(),
            first.matches("table 20611").count(),
            "{foreign:?}"
        );
        down(lab, "eth1");
    });
}

#[test]
fn a_foreign_route_in_the_way_is_named() {
    let in_the_way = "is in the way and not ours; remove it, or name another table";
    blocked(
        "post-up ip route add default via 10.10.0.254 dev eth1 table 20611",
        &[&format!(
            "\"ip route add default via 10.10.0.1 dev eth1 table 20611 proto 157\": \
             \"route default via 10.10.0.254 dev eth1 table 20611 proto 3\" {in_the_way}"
        )],
    );
    blocked(
        "post-up ip route add 10.10.0.0/24 dev eth1 table 20611",
        &[&format!(
            "\"ip route add 10.10.0.0/24 dev eth1 table 20611 proto 157 scope link \
             src 10.10.0.10\": \"route 10.10.0.0/24 dev eth1 table 20611 proto 3 scope link\" \
             {in_the_way}"
        )],
    );
}

/// In the words that `ip route del` takes, so that it can be removed as the message says.
#[test]
fn a_foreign_route_of_another_type_is_named_as_ip_names_it() {
    for (foreign, named) in [
        (
            "unreachable default",
            "\"route unreachable default table 20611 proto 3",
        ),
        (
            "blackhole default",
            "\"route blackhole default table 20611 proto 3",
        ),
        ("default via 10.10.0.254 dev eth1 mtu 1400", "mtu 1400"),
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.write(NAMES, "20611 rt2\n");
            let options = format!("policy-table rt2\npost-up ip route add {foreign} table 20611");
            lab.interfaces(&inet("eth1", "10.10.0.10/24", &options));
            let said = lab.sh("ifup eth1");
            assert_eq!((said.code, said.ours().len()), (0, 2), "{said:?}");
            assert_nothing_left(lab);
            let message = said.ours()[0].to_owned();
            assert!(
                message.contains(named) && !message.contains("attribute"),
                "{message}"
            );
        });
    }
}

#[test]
fn a_device_that_is_down_or_has_lost_its_address_is_waited_for() {
    for (lost, noted, waiting, back) in [
        (
            "ip link set eth1 down",
            "#: waiting link",
            "the link: eth1 is down",
            "ip link set eth1 up",
        ),
        (
            "ip addr flush dev eth1",
            "#: waiting address",
            "its address 10.10.0.10, which is not on eth1",
            "ip addr add 10.10.0.10/24 dev eth1",
        ),
    ] {
        for on_error in ["warn", "fail"] {
            lab(|lab| {
                lab.device("eth1");
                let options =
                    format!("policy-table rt2\npolicy-on-error {on_error}\npost-up {lost}");
                lab.interfaces(&inet("eth1", "10.10.0.10/24", &options));
                let said = lab.sh("ifup eth1");
                let told = format!(
                    "eth1: waiting for {waiting}; policy routing is not in force until then; \
                     when it is there, run: policy-table apply eth1"
                );
                assert_eq!((said.code, said.ours()), (0, vec![told.as_str()]));
                assert_eq!(lab.ok("ifquery --state eth1"), "eth1=eth1\n");
                assert_eq!(lab.tagged(), [""; 0]);
                assert!(lab.text("/run/policy-table/eth1").contains(noted));
                lab.ok(&format!("{back}; policy-table apply eth1"));
                assert_eq!(lab.rules("-4"), rules_of("10.10.0.10", "rt2"));
                down(lab, "eth1");
                assert_nothing_left(lab);
            });
        }
    }
}

#[test]
fn foreign_routes_that_do_the_same_serve_and_stay() {
    let by_hand = "policy-table rt2\n\
                   post-up ip route add 10.10.0.0/24 dev eth1 src 10.10.0.10 table 20611\n\
                   post-up ip route add default via 10.10.0.1 dev eth1 table 20611";
    lab(|lab| {
        lab.device("eth1");
        lab.write(NAMES, "20611 rt2\n");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", by_hand));
        let said = lab.sh("ifup eth1");
        let serves = "is there already and not ours; it serves, and ifdown will leave it";
        assert_eq!(
            said.ours(),
            [
                format!(
                    "eth1: \"route 10.10.0.0/24 dev eth1 table 20611 proto 3 scope link \
                     src 10.10.0.10\" {serves}"
                ),
                format!(
                    "eth1: \"route default via 10.10.0.1 dev eth1 table 20611 proto 3\" {serves}"
                ),
            ]
        );
        assert_eq!(
            (said.code, lab.rules("-4")),
            (0, rules_of("10.10.0.10", "rt2").to_vec())
        );
        let foreign = lab.routes("-4", "rt2");
        assert!(foreign.len() == 2 && lab.tagged().len() == 2, "{foreign:?}");
        // The hook alone: with ifdown they would go with the address.
        lab.ok("env -i IFACE=eth1 LOGICAL=eth1 MODE=stop PHASE=pre-down \
                /etc/network/if-down.d/zz-policy-table");
        assert_eq!(lab.routes("-4", "rt2"), foreign);
        assert_nothing_left(lab);
    });
}

#[test]
fn a_foreign_rule_that_does_the_same_stays_when_ours_goes() {
    lab(|lab| {
        lab.device("eth1");
        lab.write(NAMES, "20611 rt2\n");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 lookup 20611");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 fwmark 5 lookup 20611 proto static");
        let foreign = lab.rules("-4");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
        up(lab, "eth1");
        assert_eq!(
            lab.rules("-4"),
            [foreign.clone(), rules_of("10.10.0.10", "rt2").to_vec()].concat()
        );
        up(lab, "--force --ignore-errors eth1 2>/dev/null");
        assert_eq!(lab.rules("-4").len(), 4);
        down(lab, "eth1");
        assert_eq!(lab.rules("-4"), foreign);
    });
}

/// The same selector and protocol beside another: a deletion must not take the wrong one.
#[test]
fn a_rule_that_says_more_is_not_taken_for_ours() {
    lab(|lab| {
        lab.device("eth1");
        lab.write(NAMES, "20611 rt2\n");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 fwmark 5 lookup 20611 proto 157");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 to 192.0.2.0/24 lookup 20611 proto 157");
        let others = lab.rules("-4");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
        up(lab, "eth1");
        assert_eq!(lab.rules("-4").len(), 4);
        down(lab, "eth1");
        let mut left = lab.rules("-4");
        left.sort();
        let mut expected = others;
        expected.sort();
        assert_eq!(left, expected);
    });
}

#[test]
fn a_second_run_that_fails_leaves_what_the_first_put_in() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
        up(lab, "eth1");
        let (tagged, record) = (lab.tagged(), lab.text(RECORD));
        lab.ok("ip route add default via 10.10.0.99 dev eth1 table 500");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table 500"));
        let said = lab.sh("ifup --force --ignore-errors eth1");
        assert_eq!(said.ours().len(), 2, "{said:?}");
        assert_eq!((lab.tagged(), lab.text(RECORD)), (tagged, record));
        down(lab, "eth1");
        assert_nothing_left(lab);
    });
}

#[test]
fn up_again_follows_the_file() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
        up(lab, "eth1");
        for (options, table, gateway, priority) in [
            (
                "policy-table rt2\npolicy-gateway 10.10.0.254",
                "rt2",
                Some("10.10.0.254"),
                21000,
            ),
            ("policy-table rt2\npolicy-gateway none", "rt2", None, 21000),
            (
                "policy-table 600\npolicy-priority 500",
                "600",
                Some("10.10.0.1"),
                500,
            ),
            ("policy-table rt2", "rt2", Some("10.10.0.1"), 21000),
        ] {
            lab.interfaces(&inet("eth1", "10.10.0.10/24", options));
            let said = lab.sh("ifup --force --ignore-errors eth1");
            assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
            let mut routes: Vec<String> = gateway.iter().map(|g| default(g, "eth1")).collect();
            routes.push(connected("10.10.0.0/24", "eth1", "10.10.0.10"));
            assert_eq!(lab.routes("-4", table), routes, "{options}");
            let rules = rules_of("10.10.0.10", table);
            assert_eq!(
                lab.rules("-4"),
                rules.map(|r| r.replace("21000:", &format!("{priority}:")))
            );
            assert_eq!(lab.tagged().len(), routes.len() + 2, "{options}");
        }
        down(lab, "eth1");
        assert_nothing_left(lab);
    });
}

#[test]
fn down_goes_by_what_was_put_in_not_by_the_file() {
    for file in [
        inet("eth1", "10.10.0.10/24", "policy-table rt7"),
        inet("eth1", "10.10.0.77/24", "policy-table rt2"),
        inet(
            "eth1",
            "10.10.0.10/24",
            "policy-table rt2\npolicy-priority 400",
        ),
        inet("eth1", "10.10.0.10/24", "policy-tabel rt2"),
        inet("eth1", "10.10.0.10/24", ""),
        inet6("eth1", "2001:db8:1::10/64", ""),
        "iface eth1 inet manual\n".to_owned(),
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
            up(lab, "eth1");
            lab.interfaces(&file);
            down(lab, "eth1");
            assert_nothing_left(lab);
        });
    }
}

/// ifupdown runs no hook for a stanza that is gone; putting it back and taking it down helps.
#[test]
fn a_stanza_that_is_gone_can_be_put_back_to_be_taken_down() {
    lab(|lab| {
        let file = inet("eth1", "10.10.0.10/24", "policy-table rt2");
        lab.device("eth1");
        lab.interfaces(&file);
        up(lab, "eth1");
        lab.interfaces("");
        lab.sh("ifdown eth1");
        assert_eq!(lab.tagged().len(), 4, "no hook was run");
        lab.interfaces(&file);
        lab.sh("ifdown --force eth1");
        assert_nothing_left(lab);
    });
}

#[test]
fn down_without_a_record_goes_by_the_stanza() {
    let half = "iface eth1 inet static 10.10.0.10\n\trule priority 21000 from 10.10.0.10 look";
    for damage in [
        "garbage\n",
        "\u{0}\u{1}\u{2}",
        "",
        half,
        "\n\n\n",
        "iface\n",
        "\troute\n",
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
            up(lab, "eth1");
            lab.write(RECORD, damage);
            down(lab, "eth1");
            assert_eq!(lab.tagged(), [""; 0], "{damage:?}");
            up(lab, "eth1");
            lab.ok(&format!("printf '\\377\\376\\n' > {RECORD}"));
            down(lab, "eth1");
            assert_eq!(lab.tagged(), [""; 0], "bytes that are no text");
            up(lab, "eth1");
            fs::remove_dir_all("/run/policy-table").unwrap();
            down(lab, "eth1");
            assert_eq!(lab.tagged(), [""; 0], "no folder");
        });
    }
}

#[test]
fn a_folder_in_place_of_the_record_is_told_and_does_no_harm() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
        lab.ok(&format!("mkdir -p {RECORD}"));
        let warning = "eth1: no record in /run/policy-table: Is a directory (os error 21); \
                       ifdown will go by the stanza";
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours()), (0, vec![warning]));
        assert_eq!(lab.tagged().len(), 4);
        let said = lab.sh("ifdown eth1");
        assert_eq!((said.code, said.ours()), (0, vec![warning]));
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// Whatever a record says: what is not marked as ours is never deleted.
#[test]
fn a_record_cannot_make_us_delete_what_is_not_ours() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.ok("ip link set eth2 up; ip addr add 192.0.2.2/24 dev eth2");
        lab.ok("ip route add default via 192.0.2.1");
        lab.interfaces(&inet("eth1", "10.10.0.10/24", "policy-table rt2"));
        let before = lab.routing();
        up(lab, "eth1");
        lab.ok(&format!(
            "printf '\\troute default via 192.0.2.1 dev eth2 table 254 proto 3\\n\
             \\trule priority 32766 from all lookup 254 proto 2\\n' >> {RECORD}"
        ));
        lab.sh("ifdown eth1");
        assert_eq!(lab.routing(), before);
    });
}

/// `auto` is the way that packets take, not one for those with a DS field.
#[test]
fn a_default_for_a_tos_is_not_the_interfaces_default() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual\n pre-up ip link set eth1 up\n \
             pre-up ip addr add 10.10.0.10/24 dev eth1\n \
             up ip route add default via 10.10.0.9 dev eth1 tos 0x10\n \
             up ip route add default via 10.10.0.7 dev eth1 metric 100\n policy-table rt2\n",
        );
        lab.ok("ifup eth1");
        let routes = lab.routes("-4", "rt2");
        assert_eq!(
            routes[0], "default via 10.10.0.7 dev eth1 proto policy-table",
            "{routes:?}"
        );
    });
}
