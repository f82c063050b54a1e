//! Devices that not every kernel has: VLAN, bond, dummy and VRF. Where this kernel cannot make one the
//! test is skipped, which is said; `tests/another-kernel` runs them where all of them are.

use crate::support::lab::{lab, Lab};

/// Makes a device, if this kernel can.
fn make(lab: &Lab, link: &str) -> bool {
    let said = lab.sh(&format!("ip link add {link}"));
    assert!(
        said.code == 0 || std::env::var_os("ANOTHER_KERNEL").is_none(),
        "{link}: {said:?}"
    );
    if said.code != 0 {
        eprintln!("skipped: this kernel has no {link}");
    }
    said.code == 0
}

/// A stanza of each family on a device comes up, is edited and applied, flushed, put in again, and
/// goes.
fn comes_and_goes(lab: &Lab, device: &str) {
    let stanzas = |gateway: &str| {
        format!(
            "iface {device} inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    \
             policy-gateway {gateway}\n\
             iface {device} inet6 static\n    address 2001:db8:10::10/64\n    dad-attempts 0\n    \
             policy-table rt2\n    policy-gateway 2001:db8:10::1\n"
        )
    };
    lab.interfaces(&stanzas("10.10.0.1"));
    let said = lab.sh(&format!("ifup {device}"));
    assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
    let way = |gateway: &str| {
        [
            format!("default via {gateway} dev {device} proto policy-table"),
            format!("10.10.0.0/24 dev {device} proto policy-table scope link src 10.10.0.10"),
        ]
    };
    assert_eq!(lab.routes("-4", "rt2"), way("10.10.0.1"));
    assert_eq!(lab.routes("-6", "rt2").len(), 2);
    let rules = [
        "21000: from 10.10.0.10 lookup rt2 proto policy-table",
        "21000: from all to 10.10.0.10 lookup rt2 proto policy-table",
    ];
    assert_eq!(lab.rules("-4"), rules);
    assert_eq!(lab.rules("-6").len(), 2);

    lab.interfaces(&stanzas("10.10.0.7"));
    assert_eq!(lab.sh("policy-table status").code, 1);
    lab.ok("policy-table apply --all");
    assert_eq!(lab.routes("-4", "rt2"), way("10.10.0.7"));
    lab.ok("policy-table status");
    loses_its_link(lab, device);
    assert_eq!(lab.routes("-4", "rt2"), way("10.10.0.7"));
    lab.ok(&format!("policy-table flush {device}"));
    assert_eq!(lab.tagged(), [""; 0]);
    lab.ok(&format!("policy-table apply {device}"));
    assert_eq!(lab.rules("-4"), rules);
    lab.ok(&format!("ifdown {device}"));
    assert_eq!(lab.tagged(), [""; 0]);
}

/// A device that is taken down is waited for, and is mended when it is up again with its addresses.
fn loses_its_link(lab: &Lab, device: &str) {
    lab.ok(&format!("ip link set {device} down"));
    let said = lab.sh("policy-table status");
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
    assert!(said.out.contains("2 stanzas waiting"), "{said:?}");
    assert_eq!(lab.sh("policy-table apply --all").code, 1);
    lab.ok(&format!("ip link set {device} up"));
    // The kernel has taken the static IPv6 address along.
    let said = lab.sh("policy-table status");
    assert_eq!(said.code, 1, "{said:?}");
    lab.ok(&format!(
        "ip -6 addr replace 2001:db8:10::10/64 dev {device} nodad; policy-table apply --all"
    ));
    lab.ok("policy-table status");
    assert_eq!(lab.routes("-6", "rt2").len(), 2);
}

/// What the kernel refuses when an interface comes up is not there, and nothing says later that it is.
#[test]
fn what_was_refused_leaves_no_ghost() {
    lab(|lab| {
        lab.device("eth1");
        let stanza = |more: &str| {
            lab.interfaces(&format!(
                "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    \
                 policy-gateway 10.10.0.1\n{more}"
            ));
        };
        stanza("    policy-route 192.0.2.0/24 via 203.0.113.1\n");
        let said = lab.sh("ifup eth1");
        let told = said.ours().join("\n");
        assert!(told.contains("192.0.2.0/24 via 203.0.113.1"), "{said:?}");
        assert_eq!(lab.tagged(), [""; 0]);
        let said = lab.sh("ifdown eth1");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        stanza("");
        for command in ["ifup eth1", "ifdown eth1"] {
            let said = lab.sh(command);
            assert_eq!((said.code, said.ours()), (0, vec![]), "{command}: {said:?}");
        }
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn a_vlan_has_policy_routing() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up");
        if make(lab, "link eth1 name eth1.5 type vlan id 5") {
            comes_and_goes(lab, "eth1.5");
        }
    });
}

#[test]
fn a_bond_has_policy_routing() {
    lab(|lab| {
        lab.device("eth1");
        if make(lab, "bond7 type bond mode active-backup") {
            lab.ok("ip link set eth1 master bond7; ip link set bond7 up");
            comes_and_goes(lab, "bond7");
        }
    });
}

#[test]
fn a_dummy_has_policy_routing() {
    lab(|lab| {
        if make(lab, "dummy7 type dummy") {
            comes_and_goes(lab, "dummy7");
        }
    });
}

#[test]
fn a_member_of_a_vrf_is_told_that_it_is_one() {
    lab(|lab| {
        lab.device("eth1");
        if !make(lab, "red type vrf table 10") {
            return;
        }
        lab.ok("ip link set red up; ip link set eth1 master red");
        let before = lab.routing();
        lab.interfaces(
            "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    \
             policy-gateway 10.10.0.1\n",
        );
        let said = lab.sh("ifup eth1");
        let ours = said.ours().join("\n");
        assert!(
            said.code == 0
                && ours.contains("eth1 belongs to the VRF red")
                && ours.contains("in its own table, 10")
                && !ours.contains("not on this host"),
            "{said:?}"
        );
        assert_eq!(lab.tagged(), [""; 0]);
        lab.ok("ifdown eth1");
        assert_eq!(lab.routing(), before);
    });
}
