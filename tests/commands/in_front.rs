//! Copies of rules in front of those by which VPN software takes all packets: put in by `apply`,
//! gone with the last of those, whoever came first, and nobody else's packets sent another way.

use crate::support::lab::{lab, Lab};
use crate::support::wg_quick;

/// Two uplinks, IPv4 and IPv6 on the second.
const MAIN: &str = "\
iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1

iface eth1 inet static
    address 198.51.100.10/24
    policy-table isp2
    policy-gateway 198.51.100.1
    policy-mode main
    policy-rule to 203.0.113.128/25 lookup main

iface eth1 inet6 static
    address 2001:db8:2::10/64
    dad-attempts 0
    policy-table isp2
    policy-gateway 2001:db8:2::1
";

const FAMILIES: [&str; 2] = ["-4", "-6"];

fn up(lab: &Lab, interfaces: &str) {
    lab.device("eth0");
    lab.device("eth1");
    lab.interfaces(interfaces);
    lab.ok("ifup eth0 eth1");
}

fn rules(lab: &Lab) -> Vec<String> {
    let all = FAMILIES.map(|family| lab.ok(&format!("ip {family} -d -N rule show")));
    all.iter()
        .flat_map(|all| all.lines().map(str::to_owned))
        .collect()
}

/// The device that an answer from the policy address leaves by, for both families.
fn answers_by(lab: &Lab) -> [String; 2] {
    let way = |command: &str| {
        let way = lab.ok(command);
        let device = way.split(" dev ").nth(1).unwrap_or_default();
        device.split(' ').next().unwrap_or_default().to_owned()
    };
    [
        way("ip route get 203.0.113.9 from 198.51.100.10"),
        way("ip -6 route get 2001:db8:99::9 from 2001:db8:2::10"),
    ]
}

fn others_by(lab: &Lab) -> bool {
    let all = "ip route get 203.0.113.9; ip -6 route get 2001:db8:99::9; \
        ip route get 203.0.113.9 from 192.0.2.10; ip route get 203.0.113.9 mark 7";
    lab.ok(all)
        .lines()
        .filter(|line| line.contains(" dev "))
        .all(|way| way.contains(" dev wg0 "))
}

#[test]
fn apply_puts_what_answers_need_in_front_and_takes_it_away() {
    lab(|lab| {
        up(lab, MAIN);
        let before = rules(lab);
        wg_quick::up(lab, "wg0", 51820);
        let with_vpn = rules(lab);
        assert_eq!(answers_by(lab), ["wg0", "wg0"]);
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1, "{said:?}");
        assert!(
            said.out
                .contains("missing   rule priority 20699 from 198.51.100.10 to"),
            "{said:?}"
        );
        let planned = lab.ok("policy-table plan eth1");
        let said = lab.sh("policy-table apply eth1");
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        assert!(
            said.out
                .contains("in front of 20700 (not fwmark 0xca6c lookup 51820)"),
            "{said:?}"
        );
        assert_eq!(answers_by(lab), ["eth1", "eth1"]);
        assert!(others_by(lab));
        // What main knows better stays reachable, and a rule that sends elsewhere is obeyed.
        let main = lab.ok("ip route get 192.0.2.77 from 198.51.100.10; ip route get 203.0.113.200 from 198.51.100.10");
        assert_eq!(main.matches(" dev eth0 ").count(), 2, "{main}");
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(
            said.out
                .contains("copied to 20699, before 20700 (not fwmark 0xca6c lookup 51820)"),
            "{said:?}"
        );
        // A rule for the packets of all is still behind the tunnel's for others.
        assert!(
            !said.out.contains("from 198.51.100.10, and takes"),
            "{said:?}"
        );
        // Again there is nothing to do, and the plan was that.
        let applied = rules(lab);
        assert!(!lab.ok("policy-table apply --all").contains("copied"));
        assert_eq!(rules(lab), applied);
        let added = planned.lines().filter(|line| line.contains("rule add"));
        assert_eq!(added.count(), applied.len() - with_vpn.len(), "{planned}");
        wg_quick::down(lab, "wg0", 51820);
        assert_eq!(lab.sh("policy-table status").code, 1);
        lab.ok("policy-table apply --all");
        assert_eq!(rules(lab), before);
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

#[test]
fn ten_tunnels_later_nothing_has_moved() {
    lab(|lab| {
        up(lab, MAIN);
        let before = rules(lab);
        let mut first = Vec::new();
        for cycle in 0..10 {
            wg_quick::up(lab, "wg0", 51820);
            lab.ok("policy-table apply --all");
            assert_eq!(answers_by(lab), ["eth1", "eth1"]);
            if cycle == 0 {
                first = rules(lab);
            }
            assert_eq!(rules(lab), first, "cycle {cycle}");
            wg_quick::down(lab, "wg0", 51820);
            // Its loops take only its own.
            lab.ok("policy-table apply --all");
            assert_eq!(rules(lab), before, "cycle {cycle}");
        }
    });
}

#[test]
fn the_state_does_not_depend_on_who_came_first() {
    lab(|lab| {
        up(lab, MAIN);
        wg_quick::up(lab, "wg0", 51820);
        lab.ok("policy-table apply --all");
        let vpn_last = rules(lab);
        assert_eq!(answers_by(lab), ["eth1", "eth1"]);
        // The copies go with the interface, and its own rules come up behind the tunnel's.
        lab.ok("ifdown eth1; ifup eth1; policy-table apply --all");
        assert_eq!(rules(lab), vpn_last);
        // As if the tunnel had been there first of all.
        lab.ok("ifdown eth1 eth0; ifup eth0 eth1; policy-table apply eth1");
        assert_eq!(rules(lab), vpn_last);
        assert_eq!(answers_by(lab), ["eth1", "eth1"]);
    });
}

#[test]
fn two_tunnels_stand_behind_the_copies_and_the_last_takes_them_along() {
    lab(|lab| {
        up(lab, MAIN);
        let before = rules(lab);
        wg_quick::up(lab, "wg0", 51820);
        lab.ok("policy-table apply --all");
        wg_quick::up(lab, "wg1", 51821);
        lab.ok("policy-table apply --all");
        assert_eq!(answers_by(lab), ["eth1", "eth1"]);
        assert_eq!(lab.sh("policy-table status").code, 0);
        wg_quick::down(lab, "wg1", 51821);
        lab.ok("policy-table apply --all");
        assert_eq!(answers_by(lab), ["eth1", "eth1"]);
        // The loop of one takes the other's look-up of main along, and that is all of the other's.
        wg_quick::down(lab, "wg0", 51820);
        lab.ok("policy-table apply --all");
        assert_eq!(rules(lab), before);
    });
}

#[test]
fn copies_go_with_ifdown_and_with_flush() {
    for go in [
        "ifdown eth1",
        "policy-table flush eth1",
        "policy-table flush --all",
    ] {
        lab(|lab| {
            up(lab, MAIN);
            wg_quick::up(lab, "wg0", 51820);
            lab.ok("policy-table apply --all");
            assert!(lab.tagged().len() > 10);
            lab.ok(go);
            assert_eq!(lab.tagged(), [""; 0], "{go}");
            let left = lab.sh("ls -A /run/policy-table");
            assert_eq!(left.out, "", "{go}");
        });
    }
}

#[test]
fn intent_is_reported_and_not_passed() {
    lab(|lab| {
        up(lab, MAIN);
        lab.ok("ip rule add priority 20000 prohibit");
        wg_quick::up(lab, "wg0", 51820);
        let before = rules(lab);
        let said = lab.sh("policy-table apply --all");
        assert_eq!(said.code, 0, "{said:?}");
        // IPv6 has no fence.
        let ours = rules(lab);
        let added: Vec<_> = ours.iter().filter(|rule| !before.contains(rule)).collect();
        assert!(
            added.iter().all(|rule| rule.contains("2001:db8:2::10")),
            "{added:?}"
        );
        let said = lab.sh("policy-table status");
        let why =
            "nothing is put in front of it, since \"priority 20000 from all prohibit proto 0\" \
            stands behind it, and would be passed";
        assert!(said.out.contains(why), "{said:?}");
    });
}

#[test]
fn a_copy_that_somebody_deletes_is_missed_and_put_in_again() {
    lab(|lab| {
        up(lab, MAIN);
        wg_quick::up(lab, "wg0", 51820);
        lab.ok("policy-table apply --all");
        let applied = rules(lab);
        // The one with a suppressor beside it must stay.
        lab.ok(
            "ip rule delete priority 20699 from 198.51.100.10 lookup isp2 suppress_prefixlength 0",
        );
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1, "{said:?}");
        lab.ok("policy-table apply eth1");
        assert_eq!(rules(lab), applied);
    });
}
