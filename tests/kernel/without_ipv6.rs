//! A host that was started with `ipv6.disable=1`: its kernel refuses to list IPv6 rules, and lists
//! the IPv4 routes when it is asked for those of IPv6. `tests/another-kernel` starts one; elsewhere
//! this is skipped, which is said.

use std::path::Path;

use crate::support::lab::{lab, lines, Lab};

const STANZA: &str =
    "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    \
                      policy-gateway 10.10.0.1\n";

fn without_ipv6(test: impl FnOnce(&Lab) + Send) {
    if Path::new("/proc/sys/net/ipv6").exists() {
        let wanted = std::env::var("ANOTHER_KERNEL").unwrap_or_default();
        assert_ne!(wanted, "without-ipv6", "this kernel has IPv6");
        eprintln!("skipped: this kernel has IPv6");
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(STANZA);
        test(lab);
    });
}

/// What is there of ours; IPv6 cannot be asked for.
fn ours(lab: &Lab) -> Vec<String> {
    let mut ours = lines(&lab.ok("ip -4 rule show"));
    ours.retain(|rule| rule.contains("policy-table"));
    let routes = lab.sh("ip -4 route list table all proto 157").out;
    ours.extend(lines(&routes));
    ours
}

#[test]
fn all_commands_serve_and_leave_what_is_in_force() {
    without_ipv6(|lab| {
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
        let up = ours(lab);
        assert_eq!(up.len(), 4, "{up:?}");
        for (command, expected) in [
            ("policy-table status", "in step"),
            ("policy-table plan", "nothing to do"),
            ("policy-table apply --all --dry-run", "nothing to do"),
            ("policy-table apply eth1", "0 added, 0 removed"),
            ("policy-table apply --all", "0 added, 0 removed"),
            (
                "SSH_CONNECTION='192.0.2.9 50000 10.10.0.10 22' policy-table apply eth1",
                "0 added, 0 removed",
            ),
            (
                "script -qec 'policy-table apply --all --confirm 9' /dev/null",
                "0 added, 0 removed",
            ),
            (
                "policy-table explain --from 10.10.0.10 192.0.2.1",
                "10.10.0.1",
            ),
        ] {
            let said = lab.sh(command);
            assert!(
                said.code == 0 && said.out.contains(expected),
                "{command}: {said:?}"
            );
            assert_eq!(ours(lab), up, "{command}");
        }

        // What is broken is mended, an orphan goes, and nothing else does.
        lab.ok("ip rule del pref 21000 from 10.10.0.10");
        lab.ok("ip route add 192.0.2.0/24 dev eth1 table 77 proto 157");
        let said = lab.sh("policy-table status");
        assert!(
            said.code == 1 && said.out.contains("192.0.2.0/24"),
            "{said:?}"
        );
        lab.ok("policy-table apply --all");
        let mut mended = ours(lab);
        mended.sort();
        let mut expected = up.clone();
        expected.sort();
        assert_eq!(mended, expected);

        lab.ok("policy-table flush --all");
        assert_eq!(ours(lab), [""; 0]);
        lab.ok("policy-table apply eth1");
        assert_eq!(ours(lab), up);
        lab.ok("ifdown eth1");
        assert_eq!(ours(lab), [""; 0]);
    });
}

#[test]
fn that_ipv6_is_off_is_said_where_a_stanza_needs_it_and_only_there() {
    without_ipv6(|lab| {
        let said = lab.sh("policy-table check");
        assert!(
            !said.out.contains("IPv6") && !said.out.contains("CONFIG_"),
            "{said:?}"
        );
        lab.interfaces(&format!(
            "{STANZA}iface eth1 inet6 static\n    address 2001:db8::10/64\n    policy-table rt2\n"
        ));
        let said = lab.sh("policy-table check");
        assert!(
            said.code == 2
                && said.out.contains("PT407")
                && said.out.contains("IPv6 is switched off")
                && !said.out.contains("CONFIG_"),
            "{said:?}"
        );
        let said = lab.sh("policy-table explain 2001:db8::1");
        assert!(
            said.code == 2 && said.err.contains("IPv6 is switched off"),
            "{said:?}"
        );
    });
}
