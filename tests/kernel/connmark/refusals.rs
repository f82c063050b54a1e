//! What is said, and what stays in force, where connections cannot be marked; and that nothing of
//! others is taken for ours.

use super::net::marking_lab;
use crate::support::lab::{lab, Lab};

const FILE: &str = "iface eth1 inet static
    address 10.10.1.10/24
    policy-table rt1
    policy-connmark auto
";

fn up(lab: &Lab, file: &str, interface: &str) -> (i32, String) {
    lab.interfaces(file);
    let said = lab.sh(&format!("ifup {interface}"));
    (said.code, said.ours().join("\n"))
}

/// One error, and the rest of the stanza is in force; with `policy-on-error fail` ifup fails.
#[test]
fn without_nft_all_else_is_in_force() {
    // Gone, refusing, and hanging.
    let hangs = "#!/bin/sh\nexec sleep 60\n";
    let refuses =
        "#!/bin/sh\necho 'Error: Could not process rule: Operation not supported' >&2; exit 1\n";
    for (program, cause) in [
        (None, "install the package nftables"),
        (
            Some(refuses),
            "nft(8) refused: Error: Could not process rule: Operation not supported",
        ),
        (Some(hangs), "did not end within 5 seconds"),
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.ok("rm -f /usr/sbin/nft /sbin/nft /usr/local/sbin/nft");
            if let Some(program) = program {
                lab.script("/usr/sbin/nft", program);
            }
            let fails = program == Some(refuses);
            let more = if fails {
                "    policy-on-error fail\n"
            } else {
                ""
            };
            let (code, said) = up(lab, &format!("{FILE}{more}"), "eth1");
            assert_eq!(code, i32::from(fails), "{said}");
            let lines: Vec<&str> = said.lines().collect();
            assert_eq!(lines.len(), 2, "{said}");
            assert!(lines[0].contains(cause), "{said}");
            assert!(
                lines[1].contains("is in force but for policy-connmark"),
                "{said}"
            );
            assert_eq!(lab.rules("-4").len(), 5, "{said}");
            if program.is_none() {
                let status = lab.sh("policy-table status eth1");
                assert!(status.code == 2 && status.out.contains(cause), "{status:?}");
                let checked = lab.sh("policy-table check");
                assert!(checked.out.contains("[PT415]"), "{checked:?}");
                lab.ok("ifdown eth1");
                assert_eq!(lab.tagged(), Vec::<String>::new());
            }
        });
    }
}

/// A kernel that lacks nftables, or what it knows of connections, is as good as a missing program.
#[test]
fn a_kernel_that_cannot_mark() {
    if std::env::var_os("ANOTHER_KERNEL").is_none() {
        eprintln!("skipped: the kernels of tests/another-kernel are such");
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        let (code, said) = up(lab, FILE, "eth1");
        println!("{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((code, lines.len()), (0, 2), "{said}");
        assert!(lines[0].contains("nft(8) refused: "), "{said}");
        let in_force = "is in force but for policy-connmark";
        assert!(lines[1].contains(in_force), "{said}");
        assert_eq!(lab.rules("-4").len(), 5, "{said}");
        // Missing, or trouble, by what the kernel lacks.
        assert_ne!(lab.sh("policy-table status").code, 0);
        lab.ok("ifdown eth1");
        assert_eq!(lab.rules("-4"), Vec::<String>::new());
    });
}

/// A table of that name that says nothing of us is somebody else's.
#[test]
fn a_table_of_somebody_elses_stays() {
    marking_lab(|lab| {
        lab.device("eth1");
        lab.ok(
            "nft add table inet policy-table; nft add chain inet policy-table prerouting-eth1
            nft add rule inet policy-table prerouting-eth1 accept",
        );
        let theirs = lab.ok("nft list ruleset");
        let (code, said) = up(lab, FILE, "eth1");
        assert_eq!(code, 0);
        assert!(said.contains("that policy-table did not put in"), "{said}");
        assert_eq!(lab.rules("-4").len(), 5);
        lab.ok("policy-table apply --all 2>/dev/null; ifdown eth1 2>/dev/null; policy-table flush --all");
        assert_eq!((lab.ok("nft list ruleset"), lab.tagged()), (theirs, vec![]));
    });
}

/// Names that the kernel lets a device have, and marks that a slip leads to.
#[test]
fn names_and_values_are_taken_for_what_they_are() {
    marking_lab(|lab| {
        for name in ["e;flush", "$x{}", "a'b", "größe", "-f", "e@0.100+1"] {
            lab.ok(&format!(
                "ip link add name '{}' type veth peer name p",
                name.replace('\'', "'\\''")
            ));
            let file = FILE.replace("eth1", name);
            lab.interfaces(&file);
            let said = lab.sh(&format!(
                "ifup -- '{}' || ifup -a",
                name.replace('\'', "'\\''")
            ));
            if lab.tagged().is_empty() {
                // ifup itself takes no such name.
                assert!(said.ours().is_empty(), "{name}: {said:?}");
            } else {
                let table = lab.ok("nft list table inet policy-table");
                assert!(table.contains(&format!("iifname \"{name}\"")), "{table}");
                lab.ok("policy-table flush --all");
            }
            assert_eq!(lab.sh("nft list table inet policy-table").code, 1, "{name}");
            lab.ok("ip link del p");
        }
        lab.device("eth1");
        for (value, expected) in [
            (
                "0x1",
                "expected auto, no, or MARK/MASK such as 0x100/0xff00",
            ),
            ("0/0xff", "the mark is 0 in the bits of its mask"),
            ("0x1ff/0xff", "the mark has bits that its mask has not"),
            ("1/2; flush ruleset", "expected auto, no, or MARK/MASK"),
        ] {
            let (_, said) = up(lab, &FILE.replace("auto", value), "eth1");
            assert!(said.contains(expected), "{value}: {said}");
            lab.ok("ifdown eth1");
        }
        for name in ["a\"b", "a*", "a\\b"] {
            let call = format!(
                "env -i IFACE='{name}' LOGICAL=x ADDRFAM=inet METHOD=static MODE=start \
                PHASE=post-up IF_ADDRESS=10.0.0.1 IF_NETMASK=255.255.255.0 IF_POLICY_TABLE=rt2 \
                IF_POLICY_CONNMARK=auto /etc/network/if-up.d/00-policy-table"
            );
            let said = lab.sh(&call);
            assert!(
                said.err.contains("nft(8) cannot name interface"),
                "{said:?}"
            );
        }
    });
}

/// Two stanzas of one interface with tables of their own: the address that was asked decides, by the
/// rules that nft has; and a table's mark is that of no other.
#[test]
fn each_stanza_of_an_interface_has_its_own_mark() {
    marking_lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(&format!(
            "{FILE}iface eth1:1 inet static\n    address 10.10.2.10/24\n    policy-table rt2\n    \
             policy-connmark auto\niface eth2 inet static\n    address 10.10.3.10/24\n    \
             policy-table rt1\n    policy-gateway none\n    policy-connmark auto\n"
        ));
        let said = lab.sh("ifup eth1 eth1:1 eth2");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        let table = lab.ok("nft list table inet policy-table");
        assert!(table.contains("ct original ip daddr 10.10.1.10"), "{table}");
        assert!(table.contains("ct original ip daddr 10.10.2.10"), "{table}");
        lab.ok("policy-table status");
        let marks = lab.text("/run/policy-table-marks");
        assert_eq!(marks.lines().count(), 2, "{marks}");
        // What both tables' stanzas share stays until the last of them goes.
        lab.ok("ifdown eth1");
        assert!(
            lab.rules("-4").iter().any(|rule| rule.contains("20870")),
            "{:?}",
            lab.rules("-4")
        );
        lab.ok("ifdown eth2");
        assert_eq!(
            (
                lab.tagged(),
                lab.sh("nft list table inet policy-table").code
            ),
            (vec![], 1)
        );
        assert_eq!(
            lab.text("/run/policy-table-marks"),
            marks,
            "until the next boot"
        );
    });
}

/// A rule of somebody else's that goes by the same bits is named, by ifup and by check.
#[test]
fn a_mark_that_others_use_is_named() {
    marking_lab(|lab| {
        lab.device("eth1");
        lab.ok("ip rule add pref 100 fwmark 0x5 lookup 99; ip rule add pref 101 not fwmark 0xca6c lookup 98");
        let (_, said) = up(lab, FILE, "eth1");
        assert!(
            said.contains("goes by") && said.contains("fwmark 0x5"),
            "{said}"
        );
        let checked = lab.sh("policy-table check").out;
        assert_eq!(checked.matches("[PT414]").count(), 1, "{checked}");
        assert!(checked.contains("[PT213]"), "{checked}");
        lab.ok("ip rule del pref 100");
        assert!(!lab.sh("policy-table check").out.contains("PT414"));
        lab.interfaces(&format!(
            "{FILE}    policy-rule fwmark 0x1000000/0xf000000\n"
        ));
        assert!(lab.sh("policy-table check").out.contains("[PT314]"));
        let same = FILE
            .replace("eth1", "eth2")
            .replace("rt1", "rt2")
            .replace("10.10.1", "10.10.2");
        let both = format!("{FILE}{same}").replace("auto", "0x100/0xff00");
        lab.interfaces(&both);
        assert!(lab.sh("policy-table check").out.contains("[PT314]"));
        lab.interfaces(&both.replace("rt2", "rt1"));
        assert!(!lab.sh("policy-table check").out.contains("[PT314]"));
    });
}

/// The mark is that of both packets; without it the answer would leave elsewhere.
#[test]
fn explain_knows_the_mark_and_plan_the_commands() {
    marking_lab(|lab| {
        lab.device("eth0");
        lab.device("eth1");
        lab.device("docker0");
        lab.ok("ip link set eth0 up; ip address add 10.10.0.10/24 dev eth0
            ip route add default via 10.10.0.1; ip link set docker0 up
            ip address add 172.17.0.1/16 dev docker0; echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 2 >/proc/sys/net/ipv4/conf/eth1/rp_filter");
        lab.interfaces(FILE);
        lab.ok("ip link set eth1 up");
        let plan = lab.ok("policy-table plan eth1");
        assert!(plan.contains("nft -f - <<'EOF'\n"), "{plan}");
        lab.ok("ip link set eth1 down; ifup eth1");
        let before = lab.ok("nft list table inet policy-table");
        lab.ok("nft delete table inet policy-table");
        // What plan prints does what ifup did.
        lab.ok("policy-table plan eth1 >/run/plan; sh -e /run/plan");
        assert_eq!(lab.ok("nft list table inet policy-table"), before);
        assert!(lab.ok("policy-table plan eth1").contains("nothing to do"));
        let ask = "policy-table explain --reply --iif eth1 --from 192.0.2.1";
        let said = lab.ok(&format!("{ask} 172.17.0.2"));
        assert!(said.contains("answered by eth1"), "{said}");
        let without = lab.sh(&format!("{ask} --mark 0 172.17.0.2"));
        assert!(without.out.contains("leaves by eth0"), "{without:?}");
    });
}
