//! `migrate --write --now` where something is in its way, or has ended all that could go back.

use crate::support::lab::{lab, Lab};
use crate::support::terminal::InTerminal;

const FILE: &str = "\
auto eth1
iface eth1 inet static
    address 10.10.0.10/24
    up ip route add default via 10.10.0.1 dev eth1 table 102
    up ip rule add from 10.10.0.10 lookup 102
    up ip route add 10.77.0.0/16 via 10.10.0.1 dev eth1 proto static
source /etc/network/interfaces.d/*
";

const SECOND: &str = "\
auto eth2
iface eth2 inet static
    address 10.20.0.10/24
    up ip route add default via 10.20.0.1 dev eth2 table 103
    up ip rule add from 10.20.0.10 lookup 103 pref 900
";

const NOW: &str = "exec policy-table migrate --write --now --confirm 60";

fn kernel(lab: &Lab) -> Vec<String> {
    let all = lab.ok("ip rule; ip route show table all | grep -v 'table local\\|^fe80'");
    let mut lines: Vec<String> = all.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn up(lab: &Lab) {
    lab.device("eth1");
    lab.device("eth2");
    lab.write("/etc/network/interfaces.d/two", SECOND);
    lab.interfaces(FILE);
    lab.ok("ifup -a");
}

fn asked() -> InTerminal {
    let mut run = InTerminal::start(NOW);
    run.until("otherwise it goes back.");
    run
}

fn guard(lab: &Lab, run: &InTerminal) -> String {
    lab.ok(&format!("cat /proc/{0}/task/{0}/children", run.child.id()))
}

/// Ends the run and its guard at one instant.
fn kill_both(lab: &Lab) {
    let run = asked();
    let guard = guard(lab, &run);
    // Stopped, the guard does not go back in between.
    lab.ok(&format!(
        "kill -STOP {0}; kill -KILL {1}; kill -KILL {0}",
        guard.trim(),
        run.child.id()
    ));
    run.end();
    lab.ok(&format!(
        "while kill -0 {guard} 2>/dev/null; do sleep 0.02; done"
    ));
}

const TOLD: &str = "and so was what would have gone back for it";

#[test]
fn where_all_that_could_go_back_is_killed_status_tells_and_apply_goes_back() {
    lab(|lab| {
        up(lab);
        let was = kernel(lab);
        for apply in [
            "apply --all",
            "apply eth2",
            "migrate --write --now --confirm 1",
        ] {
            kill_both(lab);
            assert_ne!(kernel(lab), was);
            // Until then the options serve.
            let tagged = lab.tagged().join("\n");
            assert!(tagged.contains("from 10.10.0.10 lookup 102"), "{tagged}");
            for tells in ["status", "status --json", "confirm", "plan eth1"] {
                let said = lab.sh(&format!("policy-table {tells}"));
                assert!(said.code != 0, "{tells}: {said:?}");
                assert!(
                    (said.out.clone() + &said.err).contains(TOLD),
                    "{tells}: {said:?}"
                );
            }
            let said = lab.sh(&format!("policy-table {apply} </dev/null"));
            assert!(said.err.contains("is there again"), "{apply}: {said:?}");
            assert_eq!(kernel(lab), was, "{apply}: {said:?}");
            assert_eq!(lab.text("/etc/network/interfaces"), FILE);
            let said = lab.sh("policy-table status");
            assert_eq!((said.code, said.out.contains(TOLD)), (0, false), "{said:?}");
        }
        // The real ifdown and ifup take the same way, and there is nothing to tell then.
        kill_both(lab);
        lab.ok("ifdown eth1 eth2; ifup eth1 eth2");
        assert_eq!(kernel(lab), was);
        let said = lab.ok("policy-table status");
        assert!(!said.contains(TOLD), "{said}");
        let said = lab.sh("policy-table apply --all");
        assert_eq!((said.code, kernel(lab)), (0, was), "{said:?}");
        assert!(!said.err.contains("is there again"), "{said:?}");
    });
}

/// Killed between the yes and the last of the files: each stanza has what its file says.
#[test]
fn what_is_back_is_what_the_files_say() {
    lab(|lab| {
        up(lab);
        kill_both(lab);
        lab.ok(
            "cd /etc/network/interfaces.d; policy-table migrate two >/run/two 2>/dev/null
            mv /run/two two",
        );
        let said = lab.sh("policy-table apply --all");
        assert_eq!(said.code, 0, "{said:?}");
        let tagged = lab.tagged().join("\n");
        assert!(
            tagged.contains("10.20.0.10") && !tagged.contains("10.10.0"),
            "{tagged}"
        );
        let rules = lab.ok("ip rule");
        assert_eq!(rules.matches("from 10.20.0.10").count(), 1, "{rules}");
        assert_eq!(rules.matches("from 10.10.0.10").count(), 1, "{rules}");
        lab.ok("policy-table status");
        // All of them are new: nothing is back.
        lab.ok("ifdown -a; ifup -a");
        kill_both(lab);
        lab.ok("policy-table migrate --write 2>/dev/null; policy-table status");
        let now = kernel(lab);
        let said = lab.sh("policy-table apply --all");
        assert_eq!((said.err.as_str(), kernel(lab)), ("", now));
    });
}

/// As long as the guard of a run that was killed has not gone back, no other one begins.
#[test]
fn a_guard_that_goes_back_is_alone() {
    lab(|lab| {
        up(lab);
        let was = kernel(lab);
        let run = asked();
        let guard = guard(lab, &run);
        lab.ok(&format!(
            "kill -STOP {guard}; kill -KILL {}",
            run.child.id()
        ));
        for second in [
            &NOW["exec ".len()..],
            "policy-table apply --all --confirm 9",
        ] {
            let said = lab.sh(&format!("{second} </dev/null"));
            assert_eq!(said.code, 2, "{said:?}");
            assert!(
                said.err.contains("waits for a confirmation already"),
                "{said:?}"
            );
        }
        lab.ok(&format!("kill -CONT {guard}"));
        run.end();
        assert_eq!(kernel(lab), was);
        let said = lab.ok("policy-table status");
        assert!(!said.contains(TOLD), "{said}");
    });
}

/// A stanza that a mapping chooses is up under the interface's name.
#[test]
fn what_a_mapping_has_brought_up_moves_too() {
    lab(|lab| {
        lab.device("eth1");
        lab.script("/usr/local/sbin/where", "#!/bin/sh\necho office\n");
        let file = "\
auto eth1
mapping eth*
    script /usr/local/sbin/where
iface office inet static
    address 10.10.0.10/24
    up ip route add default via 10.10.0.1 dev $IFACE table 102
    up ip rule add from 10.10.0.10 lookup 102
";
        lab.interfaces(file);
        lab.ok("ifup -a");
        let was = kernel(lab);
        let mut run = asked();
        assert!(!lab.tagged().is_empty());
        run.typed("no\n");
        let (_, said) = run.end();
        assert_eq!(kernel(lab), was, "{said}");
        assert_eq!(lab.text("/etc/network/interfaces"), file);
        let mut run = asked();
        run.typed("\n");
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
        let now = kernel(lab);
        assert!(
            !now.iter().any(|line| line.starts_with("32765:")),
            "{now:?}"
        );
        lab.ok("policy-table status; ifdown eth1; ifup eth1");
        assert_eq!(kernel(lab), now);
        // The steps by hand name the interface, too.
        lab.interfaces(file);
        let said = lab.sh("policy-table migrate --write");
        assert!(
            said.err
                .contains("default via 10.10.0.1 dev eth1 table 102; policy-table apply eth1"),
            "{said:?}"
        );
        // Of a rule the option would name the stanza, and the kernel knows no such device.
        let iif = format!("{file}    up ip rule add pref 90 iif $IFACE lookup 102\n");
        lab.interfaces(&iif);
        let said = lab.sh("policy-table migrate");
        assert!(said.out.contains("iif $IFACE lookup 102"), "{said:?}");
        assert!(
            said.err
                .contains("it names office, which a mapping may make another"),
            "{said:?}"
        );
    });
}

/// What cannot be written is known before anything is changed.
#[test]
fn files_that_are_no_plain_ones() {
    lab(|lab| {
        up(lab);
        let was = kernel(lab);
        let refused = |told: &str| {
            let said = lab.sh(&format!("{} </dev/null", &NOW["exec ".len()..]));
            assert_eq!(said.code, 2, "{said:?}");
            assert!(said.err.contains(told), "{said:?}");
            assert!(!said.out.contains("otherwise it goes back"), "{said:?}");
            assert_eq!(kernel(lab), was);
        };
        lab.ok("cp /etc/network/interfaces /run/one
            mount --bind /run/one /etc/network/interfaces");
        refused("it is a mount of its own");
        lab.ok("umount /etc/network/interfaces; mkdir -p /run/policy-table-move/in");
        refused("/run/policy-table-move: ");
        lab.ok(
            "rm -r /run/policy-table-move; mkdir /var/net; mv /etc/network/interfaces /var/net/real
            ln -s /var/net/real /etc/network/interfaces",
        );
        refused("it is a link; name the file itself, /var/net/real");
        let mut run = InTerminal::start(&format!("{NOW} /var/net/real"));
        run.until("otherwise it goes back.");
        run.typed("\n");
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
        let file = lab.text("/var/net/real");
        assert!(
            file.contains("policy-table 102") || file.contains("policy-rule"),
            "{file}"
        );
        let link = lab.ok("readlink /etc/network/interfaces; policy-table status >&2");
        assert_eq!(link, "/var/net/real\n");
    });
}

/// Who says yes a second time hears that the change stays, as it does.
#[test]
fn two_who_say_yes_hear_the_same() {
    lab(|lab| {
        up(lab);
        let run = asked();
        let pid = run.child.id();
        let said = lab.ok(&format!(
            "kill -STOP {pid}
            policy-table confirm >/run/one 2>&1 & policy-table confirm >/run/two 2>&1 &
            until [ $(grep -c /run/policy-table-confirm /proc/self/net/unix) -eq 3 ]; do sleep 0.05; done
            kill -CONT {pid}; wait; cat /run/one /run/two"
        ));
        let (code, told) = run.end();
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(said.matches("keeps its change").count(), 2, "{said}");
    });
}
