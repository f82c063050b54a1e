//! Files as people have them, brought up by hand and as `migrate` has them: what a person who
//! wrote the lines would notice, with the real `ifup` and the real kernel.

use crate::support::lab::{lab, Lab};

const SHARED: &str = "\
iface eth1 inet static
    address 10.1.0.3/16
    post-up ip rule add fwmark 0x1 table 42 pref 16000 || true
    post-up ip route add 10.1.0.0/16 dev eth1 table 42 || true
    post-down ip rule del fwmark 0x1 table 42 || true

iface eth2 inet static
    address 10.2.0.3/16
    post-up ip rule add fwmark 0x1 table 42 pref 16000 || true
    post-up ip route add 10.2.0.0/16 dev eth2 table 42 || true
    post-down ip rule del fwmark 0x1 table 42 || true
";

/// Whether `ip rule` has a text.
fn has_rule(lab: &Lab, text: &str) -> bool {
    lab.rules("-4").iter().any(|rule| rule.contains(text))
}

/// Writes a file and what `migrate` makes of it, for `ifup -i`.
fn by_hand_and_migrated(lab: &Lab, text: &str, code: i32) -> [&'static str; 2] {
    lab.write("/run/by-hand", text);
    let said = lab.sh("policy-table migrate /run/by-hand >/run/migrated");
    assert_eq!(said.code, code, "{said:?}");
    ["/run/by-hand", "/run/migrated"]
}

#[test]
fn a_rule_that_stanzas_share_is_there_for_each_and_goes_with_the_last() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        by_hand_and_migrated(lab, SHARED, 0);
        let text = lab.text("/run/migrated");
        assert!(!text.contains("post-"), "{text}");
        lab.ok("cp /run/migrated /etc/network/interfaces");
        for (first, last) in [("eth1", "eth2"), ("eth2", "eth1")] {
            // Alone, which by hand it has, too.
            lab.ok(&format!("ifup {last}"));
            assert!(has_rule(lab, "fwmark 0x1"), "{last} alone");
            lab.ok(&format!("ifup {first}"));
            lab.ok(&format!("ifdown {first}"));
            assert!(has_rule(lab, "fwmark 0x1"), "{last} without {first}");
            lab.ok(&format!("ifdown {last}"));
            assert!(!has_rule(lab, "fwmark 0x1"), "nobody");
        }
    });
}

#[test]
fn a_fence_that_a_program_puts_up_is_not_gone_round() {
    let text = "\
iface eth1 inet static
    address 198.51.100.10/24

iface eth2 inet static
    address 10.0.0.1/16
    post-up ip route add default via 198.51.100.1 dev eth1 table 107
    post-up ip rule add from 10.0.0.0/16 table 107
    post-up guest-net up
";
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.script(
            "/usr/local/sbin/guest-net",
            "#!/bin/sh\nip rule add from 10.0.9.0/24 blackhole\n\
             ip rule add from 10.0.9.0/24 to 10.0.0.0/16 lookup main\n",
        );
        lab.ok("echo 1 > /proc/sys/net/ipv4/ip_forward");
        for file in by_hand_and_migrated(lab, text, 1) {
            lab.ok(&format!(
                "cp {file} /etc/network/interfaces; ifup eth1 eth2"
            ));
            let fenced = lab.sh("ip route get 8.8.8.8 from 10.0.9.5 iif eth2");
            assert_ne!(fenced.code, 0, "{file}: {fenced:?} {:?}", lab.rules("-4"));
            let other = lab.ok("ip route get 8.8.8.8 from 10.0.8.5 iif eth2");
            assert!(
                other.contains("via 198.51.100.1 dev eth1"),
                "{file}: {other}"
            );
            lab.ok("ifdown eth2 eth1; ip rule flush; ip rule add pref 32766 lookup main");
            lab.ok("ip route flush table 107 2>/dev/null || true");
        }
    });
}

#[test]
fn a_default_that_two_lines_replace_in_turn_works_any_number_of_times() {
    let text = "\
iface eth0 inet static
    address 192.0.2.10/24

iface eth1 inet static
    address 198.51.100.10/24
    post-up ip route add default via 198.51.100.1 dev eth1 table 102
    post-up ip rule add from 198.51.100.10 table 102
    post-up ip route replace default nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 198.51.100.1 dev eth1 weight 1
    pre-down ip route replace default via 192.0.2.1 dev eth0
    pre-down ip rule del from 198.51.100.10 table 102
";
    lab(|lab| {
        lab.device("eth0");
        lab.device("eth1");
        for file in by_hand_and_migrated(lab, text, 1) {
            lab.ok(&format!(
                "cp {file} /etc/network/interfaces; ifup eth0 eth1"
            ));
            for n in 0..3 {
                let out = lab.ok("ip route get 8.8.8.8 from 198.51.100.10");
                assert!(
                    out.contains("via 198.51.100.1 dev eth1"),
                    "{file} {n}: {out}"
                );
                assert!(lab.ok("ip route").contains("weight 3"), "{file} {n}");
                lab.ok("ifdown eth1");
                assert!(
                    lab.ok("ip route").contains("default via 192.0.2.1"),
                    "{file} {n}"
                );
                let said = lab.sh("ifup eth1");
                assert_eq!((said.code, said.err.as_str()), (0, ""), "{file} {n}");
            }
            lab.ok("ifdown eth1 eth0; ip route flush table 102 2>/dev/null || true");
        }
    });
}

#[test]
fn a_stanza_without_hooks_keeps_its_lines() {
    let text = "\
no-scripts eth1
iface eth1 inet static
    address 10.1.0.3/16
    up ip route add default via 10.1.0.1 dev eth1 table 101
    up ip rule add from 10.1.0.3 table 101
    down ip rule del from 10.1.0.3 table 101
";
    lab(|lab| {
        lab.device("eth1");
        for file in by_hand_and_migrated(lab, text, 1) {
            lab.ok(&format!("cp {file} /etc/network/interfaces; ifup eth1"));
            assert!(has_rule(lab, "from 10.1.0.3"), "{file}");
            lab.ok("ifdown eth1");
            assert!(!has_rule(lab, "from 10.1.0.3"), "{file}");
        }
    });
}

#[test]
fn of_rules_of_two_stanzas_that_goes_first_which_auto_brings_up_last() {
    let text = "\
auto eth2 eth1
iface eth1 inet static
    address 10.1.0.3/16
    up ip route add default via 10.1.0.1 dev eth1 table 101
    up ip rule add from 10.1.0.3 table 101

iface eth2 inet static
    address 10.2.0.3/16
    up ip route add default via 10.2.0.1 dev eth2 table 102
    up ip rule add fwmark 1 table 102
";
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        for file in by_hand_and_migrated(lab, text, 0) {
            lab.ok(&format!("cp {file} /etc/network/interfaces; ifup -a"));
            let out = lab.ok("ip route get 8.8.8.8 from 10.1.0.3 mark 1");
            assert!(out.contains("dev eth1"), "{file}: {out}");
            lab.ok("ifdown -a; ip rule flush; ip rule add pref 32766 lookup main");
        }
    });
}

/// The steps that `migrate --write` tells: nobody is cut off, and nothing of the old lines is left.
#[test]
fn interfaces_that_are_up_move_over_without_going_down() {
    let text = "\
auto eth1 eth2
iface eth1 inet static
    address 10.1.0.3/16
    post-up ip route add 10.1.0.0/16 dev $IFACE src $IF_ADDRESS table 101
    post-up ip route add default via 10.1.0.1 dev $IFACE table 101
    post-up ip rule add to 10.96.0.0/12 lookup main priority 20000
    post-up ip rule add from 10.1.0.3 lookup 101 priority 21000

iface eth2 inet static
    address 10.2.0.3/16
    up ip route add default via 10.2.0.1 table 102
    up ip rule add from 10.2.0.3 table 102
    up ip -6 rule add fwmark 0x7 table 102
";
    lab(|lab| {
        for device in ["eth1", "eth2"] {
            lab.device(device);
        }
        lab.interfaces(text);
        lab.ok("ifup -a");
        // But for how far the kernel is with its own.
        let addresses = || lab.ok("ip -o address show").replace(" tentative", "");
        let before = addresses();
        let said = lab.sh("policy-table migrate --write");
        assert_eq!(said.code, 0, "{said:?}");
        let steps: Vec<&str> = said
            .err
            .lines()
            .filter_map(|line| line.strip_prefix("policy-table:   "))
            .collect();
        assert_eq!(steps.len(), 2, "{said:?}");
        assert!(!steps.concat().contains("ifdown"), "{steps:?}");
        for step in &steps {
            lab.ok(step);
        }
        assert_eq!(addresses(), before);
        let moved = lab.routing();
        assert_eq!(lab.sh("policy-table status").code, 0);
        // As after a boot.
        lab.ok("ifdown -a; ip rule flush; ip -6 rule flush");
        lab.ok("ip rule add pref 32766 lookup main; ip -6 rule add pref 32766 lookup main");
        lab.ok("ip rule add pref 32767 lookup default");
        lab.ok("ifup -a");
        // But for who has put the kernel's own rules in, after the flush.
        let plain = |routing: &str| routing.replace("proto unspec", "proto kernel");
        assert_eq!(plain(&moved), plain(&lab.routing()));
    });
}
