//! `migrate` on a host of ifupdown2's or ifupdown-ng's: these run the hooks for all stanzas of an
//! interface at once, when all their lines have run.

use crate::support::lab::{lab, Lab};
use crate::support::others::Ifupdown;

const OTHERS: [Ifupdown; 2] = [Ifupdown::Two, Ifupdown::Ng];

const PLAIN: &str = "\
auto eth2
iface eth2 inet static
    address 10.20.0.10/24
    up ip rule add from 10.20.0.10 lookup 103 pref 900
    up ip route add default via 10.20.0.1 table 103
";

/// What a stanza of several addresses has stays, and is tried with all of them.
const SEVERAL: &str = "\
iface eth2
    address 10.10.0.10/24
    address 10.10.0.11/24
    up ip rule add from 10.10.0.11 lookup 104 pref 901
";

/// The trial is of the program that the host has.
#[test]
fn verify_proves_it_with_the_program_of_the_host() {
    for program in OTHERS {
        lab(|lab| {
            if !program.install(lab) {
                return;
            }
            lab.interfaces(&format!("{PLAIN}{SEVERAL}"));
            let said = lab.sh("policy-table migrate --verify --diff");
            assert_eq!(said.code, 1, "{program:?}: {said:?}");
            assert!(said.err.contains("7 rules and"), "{program:?}: {said:?}");
            assert!(
                said.err
                    .contains("interfaces:9: the line stays: its stanza has several addresses"),
                "{said:?}"
            );
            assert!(said.err.contains("are equal before and after"), "{said:?}");
            assert!(said
                .out
                .contains("+    policy-route default via 10.20.0.1 table 103"));
        });
    }
}

/// A rule of the first stanza, and a program in the second that puts in one, too.
const PROGRAM_BELOW: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    up ip route add default via 10.10.0.1 dev eth1 table 102
    up ip rule add from 10.10.0.10 lookup 102
iface eth1 inet static
    address 10.20.0.10/24
    up /run/fence
";

/// What a packet goes by first, without numbers.
fn order(lab: &Lab) -> Vec<String> {
    let rules = lab.ok("ip rule");
    let rules = rules.lines().filter_map(|line| line.split_once('\t'));
    let rules = rules.map(|(_, rule)| rule.replace(" proto policy-table", ""));
    rules.collect()
}

#[test]
fn a_program_of_a_later_stanza_still_puts_its_rules_first() {
    for program in OTHERS {
        lab(|lab| {
            if !program.install(lab) {
                return;
            }
            lab.device("eth1");
            lab.script(
                "/run/fence",
                "#!/bin/sh\nip rule add from 10.10.0.10 to 10.99.0.0/16 unreachable\n",
            );
            lab.interfaces(PROGRAM_BELOW);
            lab.ok("ifup -a");
            let before = order(lab);
            assert_eq!(before.len(), 5, "{before:?}");
            lab.ok("ifdown -a");
            lab.ok("while ip rule del from 10.10.0.10; do :; done 2>/dev/null; true");
            let said = lab.sh("policy-table migrate --write");
            let why = "interfaces:5: the line stays: line 8 runs \"/run/fence\" behind it";
            assert!(
                said.code == 1 && said.err.contains(why),
                "{program:?}: {said:?}"
            );
            lab.ok("ifup -a");
            assert_eq!(order(lab), before, "{program:?}");
            let routes = lab.ok("ip route show table 102");
            assert!(routes.contains("proto policy-table"), "{routes}");
        });
    }
}
