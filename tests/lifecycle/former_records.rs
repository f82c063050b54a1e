//! Records that 0.1.0 wrote, and what 0.1.0 makes of those of today, should somebody go back to it.

use crate::support::lab::{lab, Lab};
use crate::support::needs::{have, STRACE};

const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    gateway 10.10.0.1
    policy-table rt2
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
";

const RECORD: &str = "/run/policy-table/eth1";

fn up(lab: &Lab) {
    lab.device("eth1");
    lab.interfaces(FILE);
    lab.ok("ifup eth1");
}

/// A record as 0.1.0 wrote it: with headings, routes and rules.
fn of_0_1_0(record: &str) -> String {
    let lines = record.split_inclusive('\n');
    lines.filter(|line| !line.starts_with("#:")).collect()
}

/// How many routes and rules a command takes out.
fn deletions(lab: &Lab, command: &str) -> usize {
    lab.ok(&format!(
        "strace -f -qq -o /run/calls -e trace=sendto,sendmsg {command}"
    ));
    let calls = lab.text("/run/calls");
    calls.matches("RTM_DELRULE").count() + calls.matches("RTM_DELROUTE").count()
}

#[test]
fn a_record_of_0_1_0_is_taken_over_with_nothing_taken_out_and_put_back() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        up(lab);
        let (before, written) = (lab.tagged(), lab.text(RECORD));
        for command in [
            "policy-table apply eth1",
            "policy-table apply --all",
            "ifup --force --ignore-errors eth1",
        ] {
            lab.write(RECORD, &of_0_1_0(&written));
            let said = lab.sh("policy-table status");
            let note = "note      an earlier version recorded it";
            assert_eq!(said.code, 0, "{said:?}");
            assert_eq!(said.out.matches(note).count(), 2, "{said:?}");
            // A hook asks for what is there already all the same, and is told that it exists.
            assert_eq!(deletions(lab, command), 0, "{command}");
            assert_eq!(lab.tagged(), before, "{command}");
            assert_eq!(lab.text(RECORD), written, "{command}");
            let said = lab.sh("policy-table status");
            assert!(!said.out.contains(note), "{said:?}");
        }
        assert!(deletions(lab, "ifdown eth1") >= before.len());
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// ifupdown2 and ifupdown-ng called a hook once for all stanzas of an interface, and 0.1.0 had one
/// part for them.
#[test]
fn a_part_for_all_stanzas_is_taken_over_with_nothing_taken_out_and_put_back() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        up(lab);
        let (before, written) = (lab.tagged(), lab.text(RECORD));
        let of_all = of_0_1_0(&written)
            .replace(
                "iface eth1 inet static 10.10.0.10",
                "iface eth1 - none 10.10.0.10",
            )
            .replace("iface eth1 inet6 static 2001:db8:10::10\n", "");
        assert_eq!(of_all.matches("iface ").count(), 1, "{of_all}");
        lab.write(RECORD, &of_all);
        assert_eq!(lab.sh("policy-table status").code, 0);
        assert_eq!(deletions(lab, "policy-table apply eth1"), 0);
        assert_eq!(lab.tagged(), before);
        assert_eq!(lab.text(RECORD), written);
        // What no stanza wants any more goes.
        let more = "\trule priority 900 fwmark 0x7 lookup 300 proto 157\n# end";
        lab.write(RECORD, &of_all.replace("# end", more));
        lab.ok("ip rule add fwmark 7 lookup 300 protocol 157 priority 900");
        lab.ok("policy-table apply eth1");
        assert_eq!(lab.tagged(), before);
        assert_eq!(lab.text(RECORD), written);
        lab.ok("ifdown eth1");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// Where its next ifup is not yet, its ifdown takes out what the record has.
#[test]
fn ifdown_goes_by_a_record_of_0_1_0() {
    lab(|lab| {
        up(lab);
        lab.write(RECORD, &of_0_1_0(&lab.text(RECORD)));
        lab.interfaces("iface eth1 inet manual\n");
        lab.ok("ifdown eth1");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(lab.ok("ls -A /run/policy-table"), "");
    });
}

/// What 0.1.0 made of each line of a record: a comment, the beginning of a part, or one of its
/// objects; and of the file names in the folder: those with a colon are no devices.
#[test]
fn a_record_of_today_has_no_line_that_0_1_0_does_not_read() {
    lab(|lab| {
        up(lab);
        let record = lab.text(RECORD);
        let (mut parts, mut objects) = (0, 0);
        for line in record.lines() {
            match line.as_bytes() {
                [b'#', ..] => {}
                [b'i', b'f', b'a', b'c', b'e', b' ', ..] => parts += 1,
                [b'\t', ..] => {
                    let line = line.trim_start();
                    let ours = ["route ", "rule ", "-6 route ", "-6 rule "];
                    assert!(ours.iter().any(|word| line.starts_with(word)), "{line}");
                    assert!(line.contains(" proto 157"), "{line}");
                    objects += 1;
                }
                _ => panic!("{line}"),
            }
        }
        assert_eq!((parts, objects), (2, lab.tagged().len()));
        assert!(record.ends_with("\n# end\n"), "{record}");
    });
}
