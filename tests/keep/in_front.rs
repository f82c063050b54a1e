//! VPN software that comes and goes: what has to stand in front of its rules does so, whoever came
//! first, and goes with it.

use crate::keeper::{ours, Keeper};
use crate::support::lab::{lab, Lab};

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

const FAMILIES: [(&str, &str); 2] = [("-4", "0.0.0.0/0"), ("-6", "::/0")];

/// What wg-quick(8) does for all addresses, by its own commands; a veth stands in for the tunnel.
fn wg_up(lab: &Lab, name: &str, table: u32) {
    lab.device(name);
    lab.ok(&format!("ip link set {name} up"));
    for (family, all) in FAMILIES {
        lab.ok(&format!(
            "ip {family} route add {all} dev {name} table {table}
            ip {family} rule add not fwmark {table} table {table}
            ip {family} rule add table main suppress_prefixlength 0"
        ));
    }
}

/// How it takes that away: every rule that looks like its own.
fn wg_down(lab: &Lab, name: &str, table: u32) {
    for (family, _) in FAMILIES {
        lab.ok(&format!(
            "while ip {family} rule show | grep -q 'lookup {table}'
            do ip {family} rule delete table {table}; done
            while ip {family} rule show | grep -q 'from all lookup main suppress_prefixlength 0'
            do ip {family} rule delete table main suppress_prefixlength 0; done"
        ));
    }
    lab.ok(&format!("ip link del {name}"));
}

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
            wg_up(lab, "wg0", 51820);
            keeper.until("copies", || answers_by(lab, "eth1"));
            keeper.quiet();
            let with = ours(lab);
            assert!(before.iter().all(|line| with.contains(line)) && with.len() > before.len());
            // They are kept as all else, and survive the keeper.
            assert_eq!(keeper.stop(), 0);
            lab.ok("ip rule flush protocol 157; ip -6 rule flush protocol 157");
            let mut keeper = Keeper::start(lab);
            keeper.until("copies again", || ours(lab) == with);
            wg_down(lab, "wg0", 51820);
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
            wg_up(lab, "wg0", 51820);
            lab.device("eth1");
            let keep_once = || lab.sh("policy-table keep --once").code;
            lab.ok("ifup eth1");
            // Ours are behind the rules that were there: nothing has to be in front of them yet.
            let mut keeper = Keeper::start(lab);
            wg_down(lab, "wg0", 51820);
            wg_up(lab, "wg0", 51820);
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
