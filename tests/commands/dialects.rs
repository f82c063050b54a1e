//! The commands where ifupdown2 or ifupdown-ng is in charge: they read its file as it does, and know
//! what it has brought up.

use crate::support::lab::{lab, Lab};
use crate::support::others::Ifupdown;

/// A host with these devices, of which one of the two is in charge.
fn host(program: Ifupdown, test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        if !program.install(lab) {
            return;
        }
        lab.ok("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0");
        for name in ["eth1", "eth2", "eth3"] {
            lab.device(name);
        }
        test(lab);
    });
}

/// What all commands find right, and `apply` puts in force.
fn all_is_well(lab: &Lab, rules: [&[&str]; 2]) {
    let said = lab.sh("policy-table apply --all");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for (family, expected) in ["-4", "-6"].into_iter().zip(rules) {
        let found = lab.rules(family);
        // The order is of the hooks' making, and no concern of this.
        let mut found: Vec<&str> = found
            .iter()
            .map(|rule| rule.split(" proto ").next().unwrap())
            .collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", said.out);
    }
    for command in ["status", "check", "migrate"] {
        let said = lab.sh(&format!("policy-table {command}"));
        assert_eq!(said.code, 0, "{command}: {}{}", said.out, said.err);
    }
    let plan = lab.ok("policy-table plan eth1 eth3");
    assert!(plan.lines().all(|line| line.starts_with('#')), "{plan}");
    let said = lab.sh("policy-table apply --all");
    assert!(said.code == 0 && said.err.is_empty(), "{said:?}");
    // What was never up is no concern, not even where it is named.
    assert!(!lab.ok("policy-table status").contains("eth2"));
    let said = lab.sh("policy-table apply eth2");
    assert_eq!(
        (said.code, said.err.as_str()),
        (2, "policy-table: eth2 is not up\n")
    );
}

const TWO: &str = "\
auto lo
iface lo inet loopback

auto eth1
iface eth1
    address 10.10.0.10/24
    address 10.11.0.10/24
    address 2001:db8:1::10/64
    gateway 10.10.0.1
    policy_table rt1
    policy-gateway 10.10.0.1
    policy-gateway 2001:db8:1::1

iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt2
    policy-gateway none

source /etc/network/interfaces.d/*
";

/// As Proxmox writes it for its virtual networks.
const SDN: &str = "\
#version:9

auto eth3
iface eth3
\taddress 10.30.0.1/24
\tpost-up true
\tpolicy-table rt3
\tpolicy-gateway none
";

const RULES: [&[&str]; 2] = [
    &[
        "21000: from 10.10.0.10 lookup rt1",
        "21000: from all to 10.10.0.10 lookup rt1",
        "21000: from 10.11.0.10 lookup rt1",
        "21000: from all to 10.11.0.10 lookup rt1",
        "21000: from 10.30.0.1 lookup rt3",
        "21000: from all to 10.30.0.1 lookup rt3",
    ],
    &[
        "21000: from 2001:db8:1::10 lookup rt1",
        "21000: from all to 2001:db8:1::10 lookup rt1",
    ],
];

#[test]
fn all_commands_read_what_ifupdown2_reads() {
    host(Ifupdown::Two, |lab| {
        lab.interfaces(TWO);
        lab.write("/etc/network/interfaces.d/sdn", SDN);
        lab.ok("ifup -a");
        all_is_well(lab, RULES);
        // Debian's ifupdown would read none of it.
        for command in ["check", "status", "plan", "migrate"] {
            let said = lab.sh(&format!("policy-table {command} --as ifupdown"));
            assert_eq!(said.code, 2, "{command}: {}", said.out);
        }
        lab.ok("ifdown eth3");
        lab.sh("policy-table apply --all");
        assert!(!lab.ok("policy-table status").contains("eth3"));
        assert_eq!(lab.rules("-4").len(), 4);
    });
}

const NG: &str = "\
auto lo
template common # of all
    policy-gateway none

auto eth1
interface eth1 inherits common
    address 10.10.0.10/24 # the first
    address 10.11.0.10/24
    address 2001:db8:1::10/64
    gateway 10.10.0.1
    policy-table rt1

iface eth2
    address 10.20.0.10/24
    policy-table rt2
    inherit common

auto eth3
iface eth3
    requires eth1
    inherit common
    address 10.30.0.1/24
    policy-table rt3
";

#[test]
fn all_commands_read_what_ifupdown_ng_reads() {
    host(Ifupdown::Ng, |lab| {
        lab.interfaces(NG);
        lab.ok("ifup -a");
        all_is_well(lab, RULES);
        lab.ok("ifdown eth3");
        lab.sh("policy-table apply --all");
        assert!(!lab.ok("policy-table status").contains("eth3"));
    });
}

#[test]
fn a_template_of_ifupdown2_is_left_to_it() {
    host(Ifupdown::Two, |lab| {
        let eth1 = "auto eth1\niface eth1\n address 10.10.0.10/24\n policy-table rt1\n \
                    policy-gateway none\n";
        lab.interfaces(eth1);
        lab.ok("ifup -a");
        lab.ok("policy-table apply eth1");
        assert_eq!(lab.rules("-4").len(), 2);
        // Now the stanza is one that only a template says.
        lab.interfaces(&format!(
            "%for n in (1,):\n{}%endfor\n",
            eth1.replace("eth1", "eth${n}")
        ));
        for command in ["apply --all", "status", "plan"] {
            let said = lab.sh(&format!("policy-table {command}"));
            assert_eq!(said.code, 0, "{command}: {}{}", said.out, said.err);
        }
        assert_eq!(lab.rules("-4").len(), 2);
        let said = lab.sh("policy-table apply eth1");
        assert!(
            said.code == 2 && said.err.contains("a template"),
            "{said:?}"
        );
        assert!(lab.ok("policy-table status").contains("a template"));
    });
}
