//! Stanzas that differ in their options alone: none of them takes another one's routing away, and
//! each is known again whatever stands beside it in the file.

use crate::support::lab::{lab, Lab};

const RECORD: &str = "/run/policy-table/eth1";

fn like(selectors: &[&str]) -> String {
    let stanza = |selector: &&str| {
        format!("iface eth1 inet manual\n policy-table rt2\n policy-source none\n policy-gateway none\n policy-rule {selector}\n")
    };
    selectors.iter().map(stanza).collect()
}

/// The selectors of the rules in force.
fn selectors(lab: &Lab) -> Vec<String> {
    let rules = lab.rules("-4");
    let selector = |rule: &String| {
        let rule = rule.split_once(' ').unwrap().1;
        let rule = rule.strip_prefix("from all ").unwrap_or(rule);
        rule.split(" lookup").next().unwrap().to_owned()
    };
    let mut found: Vec<String> = rules.iter().map(selector).collect();
    found.sort();
    found
}

fn device(lab: &Lab) {
    lab.device("eth1");
    lab.ok("ip link set eth1 up");
}

fn headings(lab: &Lab) -> usize {
    let record = lab.text(RECORD);
    record
        .lines()
        .filter(|line| line.starts_with("iface "))
        .count()
}

#[test]
fn none_ousts_another() {
    lab(|lab| {
        device(lab);
        let all = ["fwmark 0x1", "fwmark 0x2", "fwmark 0x3"];
        lab.interfaces(&like(&all));
        let said = lab.sh("ifup eth1");
        assert!(said.ours().is_empty(), "{said:?}");
        assert_eq!(
            (selectors(lab), headings(lab)),
            (all.map(str::to_owned).to_vec(), 3)
        );
        // Again, by the hook and by apply.
        for command in [
            "ifup --force --ignore-errors eth1",
            "policy-table apply eth1",
        ] {
            lab.ok(command);
            assert_eq!(
                (selectors(lab), headings(lab)),
                (all.map(str::to_owned).to_vec(), 3)
            );
            assert_eq!(lab.sh("policy-table status").code, 0);
        }
        lab.ok("ifdown eth1");
        assert_eq!(
            (lab.tagged(), lab.ok("ls -A /run/policy-table")),
            (vec![], String::new())
        );
    });
}

#[test]
fn an_edit_changes_nobody_elses() {
    lab(|lab| {
        device(lab);
        lab.interfaces(&like(&["fwmark 0x1", "fwmark 0x2"]));
        lab.ok("ifup eth1");
        for now in [
            // In the middle, at the end and in front; taken away; edited; turned round.
            &["fwmark 0x1", "fwmark 0x3", "fwmark 0x2"][..],
            &["fwmark 0x4", "fwmark 0x1", "fwmark 0x3", "fwmark 0x2"],
            &["fwmark 0x1", "fwmark 0x2"],
            &["fwmark 0x1", "fwmark 0x5"],
            &["fwmark 0x5", "fwmark 0x1"],
            &["fwmark 0x6", "fwmark 0x7"],
            &["fwmark 0x7"],
        ] {
            lab.ok("ip monitor rule >/run/seen 2>&1 </dev/null & echo $! >/run/pid; sleep 0.2");
            let before = selectors(lab);
            lab.interfaces(&like(now));
            lab.ok("policy-table apply eth1");
            let mut expected: Vec<String> = now.iter().map(ToString::to_string).collect();
            expected.sort();
            assert_eq!(
                (selectors(lab), headings(lab)),
                (expected.clone(), now.len())
            );
            assert_eq!(lab.sh("policy-table status").code, 0, "{now:?}");
            // What is wanted before and afterwards was there all the time.
            lab.ok("sleep 0.2; kill $(cat /run/pid)");
            let seen = lab.text("/run/seen");
            for kept in expected.iter().filter(|selector| before.contains(selector)) {
                assert!(!seen.contains(kept), "{now:?}: {seen}");
            }
        }
        lab.ok("ifdown eth1");
        assert_eq!(
            (lab.tagged(), lab.ok("ls -A /run/policy-table")),
            (vec![], String::new())
        );
    });
}

/// Debian's hook cannot know whether the stanza was edited or is another one.
#[test]
fn the_hook_leaves_what_apply_takes_away() {
    lab(|lab| {
        device(lab);
        lab.interfaces(&like(&["fwmark 0x1"]));
        lab.ok("ifup eth1");
        lab.interfaces(&like(&["fwmark 0x2"]));
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(selectors(lab), ["fwmark 0x1", "fwmark 0x2"]);
        assert_eq!(lab.sh("policy-table status").code, 1);
        lab.ok("policy-table apply eth1");
        assert_eq!(
            (selectors(lab), headings(lab)),
            (vec!["fwmark 0x2".to_owned()], 1)
        );
        // One without options says nothing against another one.
        lab.interfaces(&format!(
            "{}iface eth1 inet manual\n",
            like(&["fwmark 0x2"])
        ));
        for command in [
            "ifup --force --ignore-errors eth1",
            "policy-table apply eth1",
        ] {
            lab.ok(command);
            assert_eq!(selectors(lab), ["fwmark 0x2"], "{command}");
        }
        lab.interfaces("iface eth1 inet manual\n");
        lab.ok("policy-table apply eth1");
        assert_eq!(
            (lab.tagged(), lab.ok("ls -A /run/policy-table")),
            (vec![], String::new())
        );
    });
}

/// A record of 0.1.0 says no options; what it holds passes to the stanza, and is not put in anew.
#[test]
fn a_record_of_0_1_0_is_inherited() {
    for command in [
        "ifup --force --ignore-errors eth1",
        "policy-table apply eth1",
        "ifdown eth1",
    ] {
        lab(|lab| {
            device(lab);
            lab.interfaces(&like(&["fwmark 0x1"]));
            lab.ok("ifup eth1");
            lab.ok(&format!("sed -i '/^#: /d' {RECORD}"));
            lab.ok("ip monitor rule >/run/seen 2>&1 </dev/null & echo $! >/run/pid; sleep 0.2");
            lab.ok(command);
            lab.ok("sleep 0.2; kill $(cat /run/pid)");
            if command == "ifdown eth1" {
                assert_eq!(lab.tagged(), [""; 0]);
            } else {
                assert_eq!((lab.text("/run/seen"), headings(lab)), (String::new(), 1));
                assert!(lab
                    .text(RECORD)
                    .contains("#: option policy-rule fwmark 0x1"));
                assert_eq!(lab.sh("policy-table status").code, 0);
            }
        });
    }
}
