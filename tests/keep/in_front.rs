//! VPN software that comes and goes: what has to stand in front of its rules does so, whoever came
//! first, and goes with it.

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};
use crate::support::wg_quick;

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-mode main
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
    policy-mode main
";

/// Whether the answers of both families leave by a device.
fn answers_by(lab: &Lab, device: &str) -> bool {
    let ways = [
        "ip route get 203.0.113.9 from 10.10.0.10",
        "ip -6 route get 2001:db8:99::9 from 2001:db8:10::10",
    ];
    ways.iter()
        .all(|way| lab.ok(way).contains(&format!(" dev {device} ")))
}

#[test]
fn a_vpn_that_comes_and_goes_leaves_the_answers_where_they_belong() {
    lab(|lab| {
        lab.interfaces(FILE);
        lab.device("eth1");
        lab.ok("ip link set eth1 addrgenmode none; ip link set eth1p addrgenmode none");
        lab.ok("ifup eth1");
        let before = ours(lab);
        for _ in 0..3 {
            let mut keeper = Keeper::start(lab);
            wg_quick::up(lab, "wg0", 51820);
            keeper.until("copies", || answers_by(lab, "eth1"));
            keeper.quiet();
            let with = ours(lab);
            assert!(before.iter().all(|line| with.contains(line)) && with.len() > before.len());
            // They are kept as all else, and survive the keeper.
            assert_eq!(keeper.stop(), 0);
            lab.ok("ip rule flush protocol 157; ip -6 rule flush protocol 157");
            let mut keeper = Keeper::start(lab);
            keeper.until("copies again", || ours(lab) == with);
            wg_quick::down(lab, "wg0", 51820);
            keeper.until("only the originals", || ours(lab) == before);
            keeper.quiet();
            assert_eq!(ours(lab), before);
            assert_eq!(keeper.stop(), 0);
        }
        lab.ok("ifdown eth1");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn one_that_was_there_before_is_passed_too_but_not_where_the_stanza_says_no() {
    for (keep, is_passed) in [("yes", true), ("in-place", false)] {
        lab(|lab| {
            let file = FILE.replace(
                "policy-mode main\n",
                &format!("policy-mode main\n    policy-keep {keep}\n"),
            );
            lab.interfaces(&file);
            wg_quick::up(lab, "wg0", 51820);
            lab.device("eth1");
            let keep_once = || lab.sh("policy-table keep --once").code;
            lab.ok("ifup eth1");
            // Ours are behind the rules that were there: nothing has to be in front of them yet.
            let mut keeper = Keeper::start(lab);
            wg_quick::down(lab, "wg0", 51820);
            wg_quick::up(lab, "wg0", 51820);
            if is_passed {
                keeper.until("copies", || answers_by(lab, "eth1"));
            }
            keeper.quiet();
            assert_eq!(answers_by(lab, "eth1"), is_passed, "{keep}");
            assert_eq!(keeper.stop(), 0);
            assert_eq!(keep_once(), 0);
            assert_eq!(answers_by(lab, "eth1"), is_passed, "{keep}");
            lab.ok("ifdown eth1");
            assert!(ours(lab).is_empty(), "{:?}", ours(lab));
        });
    }
}
