//! Rules that the kernel takes for one another, or for less than they say. Measured on 6.18: it
//! compares rules with absent selectors as wildcards, and ignores attributes that it does not
//! know.

use crate::support::lab::{lab, Lab};
use policy_table::converge::{put_in, Known, StepError};
use policy_table::netlink::Kernel;
use policy_table::routing::{Object, Rule, State};

const STANZA: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table 501
";

/// The rules with our tag of somebody else's that a deletion of ours could take instead.
const TWINS: [&str; 3] = [
    "from 10.10.0.10 fwmark 5 iif eth2 lookup 501 pref 21000 protocol 157",
    "from 10.10.0.10 to 192.0.2.0/24 lookup 501 pref 21000 protocol 157",
    "to 10.10.0.10 ipproto tcp lookup 501 pref 21000 protocol 157",
];

fn add(lab: &Lab, rules: &[&str]) {
    for rule in rules {
        lab.ok(&format!("ip rule add {rule}"));
    }
}

#[test]
fn twins_in_front_of_ours_survive_ifdown() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(STANZA);
        add(lab, &TWINS);
        let before = lab.rules("-4");
        lab.ok("ifup eth1");
        assert_eq!(lab.rules("-4").len(), TWINS.len() + 2);
        lab.ok("ifdown eth1");
        let mut after = lab.rules("-4");
        after.sort();
        let mut expected = before;
        expected.sort();
        assert_eq!(after, expected);
    });
}

#[test]
fn a_false_file_exists_does_not_keep_ours_out() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table 501
                policy-rule to 192.0.2.0/24 pref 700
                policy-rule not from 10.0.0.0/8 pref 701",
        );
        add(
            lab,
            &[
                "from 10.0.0.0/8 to 192.0.2.0/24 lookup 501 pref 700 protocol 157",
                "from 10.0.0.0/8 lookup 501 pref 701 protocol 157",
            ],
        );
        let before = lab.rules("-4");
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let rules = lab.rules("-4");
        for ours in [
            "700: from all to 192.0.2.0/24 lookup 501 proto policy-table",
            "701: not from 10.0.0.0/8 lookup 501 proto policy-table",
        ] {
            assert_eq!(
                rules.iter().filter(|rule| *rule == ours).count(),
                1,
                "{rules:?}"
            );
        }
        // Once more: what is there is known for what it is, and nothing doubles.
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(lab.rules("-4"), rules);
        lab.ok("ifdown eth1");
        assert_eq!(lab.rules("-4"), before);
    });
}

#[test]
fn a_rule_of_which_the_kernel_leaves_something_out_is_taken_back() {
    lab(|lab| {
        let plain: Rule = "priority 900 from all lookup 501 proto 157"
            .parse()
            .unwrap();
        // No kernel knows this attribute; an old one knows none of the newer selectors.
        let newer = Rule {
            unread: vec![(200, vec![1, 2, 3, 4])],
            ..plain.clone()
        };
        let wanted: State = [Object::Rule(newer)].into_iter().collect();
        let nothing = State::default();
        let known = Known {
            previous: &nothing,
            claimed: &nothing,
            shared: &nothing,
            line: None,
        };
        let done = put_in(&mut Kernel::open().unwrap(), &wanted, &known);
        let failed = done.expect_err("the kernel does not know it");
        match failed.errors.as_slice() {
            [StepError::Thinned { made, .. }] => assert_eq!(*made, Object::Rule(plain)),
            other => panic!("{other:?}"),
        }
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn two_rules_of_one_stanza_that_the_kernel_takes_for_one_another_both_go() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static
                address 10.10.0.10/24
                policy-table 501
                policy-rule not from 10.0.0.0/8 pref 701
                policy-rule from 10.0.0.0/8 pref 701",
        );
        lab.ok("ifup eth1");
        assert_eq!(lab.rules("-4").len(), 4);
        let said = lab.sh("ifdown eth1");
        assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

#[test]
fn a_rule_that_is_gone_takes_no_twin_along() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(STANZA);
        lab.ok("ifup eth1");
        add(lab, &TWINS);
        lab.ok("ip rule del from 10.10.0.10 pref 21000 protocol 157");
        // The kernel took the first that agrees, which was the right one.
        let before = lab.rules("-4").len();
        let said = lab.sh("ifdown eth1");
        assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
        assert_eq!(lab.rules("-4").len(), before - 1);
        assert_eq!(lab.rules("-4").len(), TWINS.len());
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

/// A deletion that names no `src` fits a route that has one, too.
#[test]
fn a_route_with_another_source_survives() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&format!(
            "{STANZA}    policy-gateway none\n    policy-route 192.0.2.0/24 via 10.10.0.1\n"
        ));
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.11/24 dev eth1");
        lab.ok("ip route add 192.0.2.0/24 via 10.10.0.1 table 501 src 10.10.0.11 proto 157");
        let said = lab.sh("ifup --ignore-errors eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        let hook = "env -i IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD=static MODE=stop \
                    PHASE=pre-down IF_ADDRESS=10.10.0.10 IF_NETMASK=24 IF_POLICY_TABLE=501 \
                    /etc/network/if-down.d/zz-policy-table";
        let said = lab.sh(hook);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        assert_eq!(
            lab.tagged(),
            ["192.0.2.0/24 via 10.10.0.1 dev eth1 table 501 src 10.10.0.11"]
        );
    });
}

/// A deletion that names several ways fits a route with others. Without a record it goes by the
/// stanza.
#[test]
fn a_route_with_other_ways_survives() {
    let hook = "env -i IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD=static MODE=stop \
                PHASE=pre-down IF_ADDRESS=10.10.0.10 IF_NETMASK=24 IF_POLICY_TABLE=501 \
                IF_POLICY_GATEWAY=none IF_POLICY_ROUTE='198.51.100.0/24 nexthop via 10.10.0.5 \
                nexthop via 10.10.0.6 weight 2' /etc/network/if-down.d/zz-policy-table";
    for ways in [
        "via 10.10.0.5",
        "nexthop via 10.10.0.6 dev eth1 nexthop via 10.10.0.6 dev eth1 weight 2",
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.ok("ip link set eth1 up; ip address add 10.10.0.10/24 dev eth1");
            let route = "198.51.100.0/24 table 501 proto 157";
            lab.ok(&format!("ip route add {route} {ways}"));
            let before = lab.routes("-4", "501");
            let said = lab.sh(hook);
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{ways}");
            assert_eq!(lab.routes("-4", "501"), before, "{ways}");
        });
    }
}

/// What a stanza without a record would have put in may be another device's alone.
#[test]
fn a_stanza_that_is_not_up_takes_nothing_of_another_devices() {
    lab(|lab| {
        for device in ["eth1", "eth2"] {
            lab.device(device);
        }
        let stanza = |n: u8| {
            format!(
                "iface eth{n} inet static
                    address 10.{n}.0.10/24
                    policy-table 50{n}
                    policy-route blackhole 192.0.2.0/24 table 503
                    policy-rule to 192.0.2.0/24 lookup 503\n"
            )
        };
        lab.interfaces(&(stanza(1) + &stanza(2)));
        lab.ok("ifup eth1");
        let before = lab.tagged();
        lab.sh("ifdown --force eth2");
        assert_eq!(lab.tagged(), before);
    });
}
