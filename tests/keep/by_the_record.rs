//! What is kept is what the record says, as far as the host lets it be in force.

use std::fs;

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};

const BOTH: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
";

fn up(lab: &Lab, file: &str) -> Vec<String> {
    lab.interfaces(file);
    lab.device("eth1");
    lab.ok("ip link set eth1 addrgenmode none; ip link set eth1p addrgenmode none");
    lab.ok("ifup eth1");
    ours(lab)
}

/// How often a line of the keeper's says something.
fn said(text: &str) -> usize {
    Keeper::log().matches(text).count()
}

#[test]
fn an_address_that_the_link_lost_is_waited_for_and_never_added() {
    lab(|lab| {
        let before = up(lab, BOTH);
        let v4: Vec<String> = before
            .iter()
            .filter(|it| {
                !it.contains(':') || it.starts_with("21000: from 10.") || it.contains("to 10.")
            })
            .cloned()
            .collect();
        let mut keeper = Keeper::start(lab);
        lab.ok("ip link set eth1 down");
        keeper.quiet();
        assert_eq!(
            said("waiting for the link: eth1 is down"),
            1,
            "{}",
            Keeper::log()
        );
        lab.ok("ip link set eth1 up");
        // The kernel took the static IPv6 address along: its rules are for nothing.
        keeper.until("IPv4", || ours(lab) == v4);
        keeper.quiet();
        assert_eq!(ours(lab), v4);
        assert_eq!(lab.ok("ip -6 -o addr show dev eth1"), "");
        let warning = "waiting for its address 2001:db8:10::10, which is not on eth1";
        assert_eq!(said(warning), 1, "{}", Keeper::log());
        assert!(lab.sh("policy-table status").out.contains(warning));
        lab.ok("ip -6 addr add 2001:db8:10::10/64 dev eth1 nodad");
        keeper.until("both", || ours(lab) == before);
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn what_0_1_0_put_in_comes_back_as_it_was() {
    lab(|lab| {
        let before = up(lab, BOTH);
        let record = lab.text("/run/policy-table/eth1");
        let old: Vec<&str> = record
            .lines()
            .filter(|line| !line.starts_with("#:"))
            .collect();
        fs::write("/run/policy-table/eth1", old.join("\n") + "\n").unwrap();
        let mut keeper = Keeper::start(lab);
        assert_eq!((ours(lab), Keeper::repairs()), (before.clone(), 0));
        lab.ok("ip rule flush protocol 157; ip route flush table rt2; ip -6 route flush table rt2");
        keeper.until("back", || ours(lab) == before);
        keeper.quiet();
        // It is told what was asked for by the next ifup or apply, not by the file.
        assert!(!lab.text("/run/policy-table/eth1").contains("#: call"));
        lab.ok("ip link set eth1 down");
        keeper.quiet();
        assert_eq!(lab.sh("policy-table keep --once").code, 1);
        lab.ok("ip link set eth1 up; ip -6 addr add 2001:db8:10::10/64 dev eth1 nodad");
        keeper.until("back again", || ours(lab) == before);
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn what_others_put_in_its_place_is_told_once_and_not_fought() {
    lab(|lab| {
        let before = up(
            lab,
            "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n",
        );
        let mut keeper = Keeper::start(lab);
        lab.ok("ip route replace default via 10.10.0.77 dev eth1 table rt2");
        keeper.until("told", || said("is in the way and not ours") == 1);
        for _ in 0..3 {
            lab.ok(
                "ip route append default via 10.10.0.78 dev eth1 table rt2; \
                    ip route del default via 10.10.0.78 dev eth1 table rt2",
            );
            keeper.quiet();
        }
        assert_eq!(said("is in the way and not ours"), 1, "{}", Keeper::log());
        assert_eq!(Keeper::repairs(), 0);
        lab.ok("ip route del default via 10.10.0.77 dev eth1 table rt2");
        keeper.until("back", || ours(lab) == before);
        lab.ok("ip rule del pref 32766");
        keeper.until("told", || said("looks up the main table") == 1);
        keeper.quiet();
        assert!(!lab.ok("ip rule").contains("lookup main"));
        lab.ok("ifdown eth1");
    });
}

#[test]
fn a_device_that_was_gone_gets_its_routes_back_with_its_address() {
    lab(|lab| {
        let file = "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n";
        let before = up(lab, file);
        let mut keeper = Keeper::start(lab);
        // A port that leaves a bridge is no device that is gone.
        lab.ok(
            "ip link add br0 type bridge; ip link set eth1 master br0; ip link set eth1 nomaster",
        );
        keeper.quiet();
        assert_eq!(
            (ours(lab), Keeper::repairs()),
            (before.clone(), 0),
            "{}",
            Keeper::log()
        );
        lab.ok("ip link del eth1");
        keeper.quiet();
        assert_eq!(
            said("waiting for the device: there is no eth1"),
            1,
            "{}",
            Keeper::log()
        );
        lab.device("eth1");
        lab.ok("ip link set eth1 up");
        keeper.quiet();
        lab.ok("ip addr add 10.10.0.10/24 dev eth1");
        keeper.until("back", || ours(lab) == before);
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn of_several_addresses_those_that_are_gone_lose_their_rules() {
    lab(|lab| {
        let before = up(
            lab,
            "iface eth1 inet static\n    address 10.10.0.10/24\n    up ip addr add 10.10.1.10/24 dev eth1\n    \
             policy-table rt2\n    policy-source all\n",
        );
        assert!(before.iter().any(|line| line.contains("from 10.10.1.10")));
        let mut keeper = Keeper::start(lab);
        assert_eq!((ours(lab), Keeper::repairs()), (before.clone(), 0));
        lab.ok("ip addr del 10.10.1.10/24 dev eth1");
        let without = || ours(lab).iter().all(|line| !line.contains("10.10.1."));
        keeper.until("gone", without);
        lab.ok("ip addr add 10.10.1.10/24 dev eth1; ip addr add 10.10.2.10/24 dev eth1");
        keeper.until("a third", || {
            let now = ours(lab);
            before.iter().all(|it| now.contains(it))
                && now.iter().any(|it| it.contains("from 10.10.2.10"))
        });
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
    });
}

#[test]
fn commands_beside_it_have_their_way() {
    lab(|lab| {
        let before = up(lab, BOTH);
        let mut keeper = Keeper::start(lab);
        // A change that nobody confirms goes back.
        lab.interfaces(&BOTH.replace(
            "policy-table rt2\n",
            "policy-table rt2\n    policy-priority 5000\n",
        ));
        lab.sh("policy-table apply --confirm 1 eth1");
        keeper.quiet();
        assert_eq!(ours(lab), before);
        // One that is made stays, and is kept.
        lab.ok("policy-table apply eth1");
        let changed = ours(lab);
        assert_ne!(changed, before);
        lab.ok("ip rule flush protocol 157; ip -6 rule flush protocol 157");
        keeper.until("as changed", || ours(lab) == changed);
        lab.ok("policy-table flush --all");
        keeper.quiet();
        assert!(ours(lab).is_empty());
        assert_eq!(keeper.ended(), 0);
    });
}
