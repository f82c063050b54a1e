//! A published port, however it is published and whatever is asked.

use super::net::{
    all, answered, assert_answered, host, marking_lab, publish_as_docker, publish_by_nft, stanza,
    up, while_served, Protocol, MARKED, PUBLISHED, SERVED,
};
use crate::packets::{inside, settle};
use crate::support::needs::have;

/// Without the option only the uplink of main's default route answers; with it both do, until the
/// interface goes down, and nothing of ours is left then.
#[test]
fn it_answers_by_the_uplink_it_was_asked_on() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, "")));
        let engine = lab.ok("nft list ruleset");
        while_served(Some("container"), SERVED, || {
            assert_answered(2, PUBLISHED, 100, &all([0]));
            lab.interfaces(&(stanza(0, "") + &stanza(1, MARKED)));
            let said = lab.sh("policy-table apply eth1");
            assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
            assert_answered(2, PUBLISHED, 100, &all([0, 1]));
            // As long as a packet may be, for either family; fragments; and what the router of eth1 refuses as too big, which it says to who sent it.
            for length in [1452, 1472, 4000] {
                assert_answered(2, PUBLISHED, length, &all([0, 1]));
            }
            inside(
                lab,
                "router1",
                "ip route replace 203.0.113.0/24 dev lan mtu lock 1300
                ip -6 route replace 2001:db8:cafe::/64 dev lan mtu 1300",
            );
            answered(2, PUBLISHED, 4000, &[]);
            assert_answered(2, PUBLISHED, 4000, &all([0, 1]));
            // A way in main to where the client is changes nothing.
            lab.ok("ip route add 203.0.113.0/24 via 10.10.0.1
                ip -6 route add 2001:db8:cafe::/64 via 2001:db8:0::1");
            assert_answered(2, PUBLISHED, 100, &all([0, 1]));
            // Again: nothing changes.
            let before = (lab.ok("nft -a list ruleset"), lab.rules("-4"));
            lab.ok("ifup --force --ignore-errors eth1 2>/dev/null");
            assert_eq!((lab.ok("nft -a list ruleset"), lab.rules("-4")), before);
            lab.ok("ifdown eth1 eth0");
            assert_eq!(lab.tagged(), Vec::<String>::new());
            assert_eq!(lab.ok("nft list ruleset"), engine);
        });
    });
}

/// nft(8) and rules know a device by the kernel's own name, which has room for 15 characters.
#[test]
fn it_answers_under_an_altname() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        for name in ["enx0011223344", "uplink-of-the-second-provider"] {
            lab.ok(&format!("ip link property add dev eth1 altname {name}"));
            let mut second = stanza(1, MARKED).replace("eth1", name);
            if name.len() > 15 {
                // ifupdown's static method cannot bring it up.
                second = second.replace("    dad-attempts 0\n", "").replace(
                    "static\n    address",
                    "manual\n    pre-up ip link set $IFACE up\n    \
                     post-down ip addr flush dev $IFACE\n    pre-up ip addr add dev $IFACE",
                );
            }
            lab.interfaces(&(stanza(0, "") + &second));
            lab.ok("ifup eth0");
            let said = lab.sh("policy-table check");
            assert!(said.code < 2, "{name}: {said:?}");
            let said = lab.sh(&format!("ifup {name}"));
            assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
            settle(lab, 2);
            while_served(Some("container"), SERVED, || {
                assert_answered(2, PUBLISHED, 100, &all([0, 1]));
            });
            for command in ["status", "plan", "apply"] {
                let said = lab.sh(&format!("policy-table {command} {name}"));
                assert_eq!(said.code, 0, "{said:?}");
            }
            let said = lab.sh(&format!("policy-table status {name}"));
            assert!(said.out.contains("in step"), "{said:?}");
            lab.ok(&format!("ifdown {name} eth0"));
            assert_eq!(lab.sh("nft list table inet policy-table").code, 1);
            assert_eq!(lab.tagged(), Vec::<String>::new(), "{name}");
        }
    });
}

/// As Docker writes it, on five uplinks.
#[test]
fn five_uplinks_answer_each_for_itself() {
    if !have(&["iptables-nft of iptables"]) {
        return;
    }
    marking_lab(|lab| {
        host(lab, 5);
        publish_as_docker(lab);
        up(
            lab,
            5,
            &(0..5).map(|n| stanza(n, MARKED)).collect::<String>(),
        );
        while_served(Some("container"), SERVED, || {
            assert_answered(5, PUBLISHED, 100, &all(0..5));
        });
        lab.ok("ifdown eth3");
        let left = lab.ok("nft list table inet policy-table");
        assert!(!left.contains("eth3") && left.contains("eth4"), "{left}");
        while_served(Some("container"), SERVED, || {
            assert_answered(5, PUBLISHED, 100, &all([0, 1, 2, 4]));
        });
    });
}

/// What marks replies alone fails where `rp_filter` is strict: what comes in bears no mark then, and
/// its way back is another one.
#[test]
fn marks_on_replies_alone_do_not_pass_a_strict_filter() {
    marking_lab(|lab| {
        host(lab, 2);
        publish_by_nft(lab);
        up(lab, 2, &(stanza(0, "") + &stanza(1, MARKED)));
        lab.ok("nft add rule inet policy-table prerouting-eth1 iifname eth1 meta mark set 0");
        while_served(Some("container"), SERVED, || {
            // IPv6 has no such filter.
            let mut expected = all([0, 1]);
            expected.retain(|(address, _)| {
                address.is_ipv6() || all([0]).iter().any(|(it, _)| it == address)
            });
            assert_answered(2, PUBLISHED, 100, &expected);
            lab.ok("echo 2 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
            assert_answered(2, PUBLISHED, 100, &all([0, 1]));
        });
    });
}

/// A port of the host itself on all addresses: TCP answers by the address that it was asked on, and
/// needs no mark. UDP chooses the address of its answer before there is one: the limit of the page.
#[test]
fn a_port_of_the_host_on_all_addresses() {
    marking_lab(|lab| {
        host(lab, 2);
        up(lab, 2, &(stanza(0, MARKED) + &stanza(1, MARKED)));
        while_served(None, 7000, || {
            let mut expected = all([0, 1]);
            expected.retain(|asked| asked.1 == Protocol::Tcp || all([0]).contains(asked));
            assert_answered(2, 7000, 100, &expected);
        });
    });
}
