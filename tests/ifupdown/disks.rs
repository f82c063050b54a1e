//! Disks that are full, read-only or not as they should be: policy routing comes up all the same
//! and says what is wrong, and `ifdown` cleans up. The real `ifup`, judged by `ip`; what becomes
//! of table names alone is in `table_names.rs`.

use crate::support::lab::{lab, Lab};

const RECORDS: &str = "/run/policy-table";
const RECORD: &str = "/run/policy-table/eth1";
const FIRST: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
";
/// Another stanza of the same interface, with other rules, routes and priorities.
const SECOND: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-gateway 10.10.0.3
    policy-priority 22000
    policy-rule from 10.1.0.0/16
    policy-route 198.51.100.0/24 via 10.10.0.4
";
const AGAIN: &str = "ifup --force --ignore-errors eth1";

fn prepared(lab: &Lab) {
    lab.device("eth1");
    lab.interfaces(FIRST);
}

/// Runs `ifup`, which must succeed with one warning that says this.
fn loud(lab: &Lab, command: &str, part: &str) {
    let said = lab.sh(command);
    let ours = said.ours();
    assert_eq!((said.code, ours.len()), (0, 1), "{said:?}");
    assert!(ours[0].contains(part), "{part}: {said:?}");
}

fn no_record(why: &str) -> String {
    format!("no record in {RECORDS}: {why}")
}

/// Runs `ifdown`, which leaves nothing of ours, whatever it says.
fn down(lab: &Lab) {
    assert_eq!(lab.sh("ifdown eth1").code, 0);
    assert_eq!(lab.tagged(), [""; 0]);
}

/// A small file system of its own for the records, so that the rest of `/run` works.
fn own_disk(lab: &Lab) {
    lab.ok(&format!(
        "mkdir -p {RECORDS}; mount -t tmpfs -o size=16k,mode=755 lab {RECORDS}"
    ));
}

fn fill(lab: &Lab) {
    lab.sh(&format!("cat /dev/zero >{RECORDS}/filling:x 2>/dev/null"));
    assert_ne!(lab.sh(&format!("echo x >{RECORDS}/one:x")).code, 0);
    lab.ok(&format!("rm -f {RECORDS}/one:x"));
}

#[test]
fn on_a_full_run_routing_comes_up_and_goes_by_the_stanza() {
    lab(|lab| {
        prepared(lab);
        own_disk(lab);
        fill(lab);
        loud(lab, "ifup eth1", &no_record("No space left on device"));
        assert_eq!(lab.tagged().len(), 4);
        assert_eq!(lab.ok(&format!("ls -A {RECORDS}")), "filling:x\n");
        down(lab);
        // Once there is room all is as ever.
        lab.ok(&format!("rm {RECORDS}/filling:x"));
        assert_eq!(lab.sh("ifup eth1").err, "");
        assert!(lab.text(RECORD).contains("lookup 20611"));
        down(lab);
        assert_eq!(lab.ok(&format!("ls -A {RECORDS}")), "");
    });
}

#[test]
fn a_stanza_that_changes_while_run_is_full_leaves_nothing_behind() {
    lab(|lab| {
        prepared(lab);
        own_disk(lab);
        lab.ok("ifup eth1");
        fill(lab);
        lab.interfaces(SECOND);
        loud(lab, AGAIN, &no_record("No space left on device"));
        assert_eq!(lab.tagged().len(), 6, "{:?}", lab.tagged());
        down(lab);
    });
}

#[test]
fn on_a_read_only_run_routing_comes_up_and_goes_by_the_stanza() {
    lab(|lab| {
        prepared(lab);
        own_disk(lab);
        lab.ok(&format!("mount -o remount,ro {RECORDS}"));
        loud(lab, "ifup eth1", &no_record("Read-only file system"));
        assert_eq!(lab.tagged().len(), 4);
        down(lab);
    });
}

/// The record of the first stanza cannot be replaced: it is there, and of no use.
#[test]
fn a_stanza_that_changes_while_run_is_read_only_leaves_nothing_behind() {
    lab(|lab| {
        prepared(lab);
        own_disk(lab);
        lab.ok("ifup eth1");
        let record = lab.text(RECORD);
        lab.ok(&format!("mount -o remount,ro {RECORDS}"));
        lab.interfaces(SECOND);
        loud(lab, AGAIN, &no_record("Read-only file system"));
        assert_eq!(lab.tagged().len(), 6, "{:?}", lab.tagged());
        assert_eq!(lab.text(RECORD), record);
        down(lab);
        // Nor does it mislead later runs.
        lab.ok(&format!("mount -o remount,rw {RECORDS}"));
        assert_eq!(lab.sh("ifup eth1").err, "");
        assert_eq!(lab.tagged().len(), 6, "{:?}", lab.tagged());
        down(lab);
        assert_eq!(lab.ok(&format!("ls -A {RECORDS}")), "");
    });
}

/// Going by the stanza is no leave to take what another interface needs.
#[test]
fn on_a_read_only_run_ifdown_leaves_what_another_interface_put_in() {
    lab(|lab| {
        prepared(lab);
        lab.device("eth2");
        own_disk(lab);
        lab.ok("ifup eth1");
        let shared = "policy-rule from 10.9.0.0/16 lookup 900 priority 700";
        let other = "iface eth2 inet static\n address 10.20.0.10/24\n";
        lab.interfaces(&format!("{FIRST}{other} {shared}\n"));
        lab.ok("ifup eth2");
        let of_other = "700: from 10.9.0.0/16 lookup 900 proto policy-table";
        assert_eq!(lab.rules("-4")[0], of_other);
        // The edited stanza of the first has the rule as well, and has never come up with it.
        lab.interfaces(&format!("{FIRST} {shared}\n{other} {shared}\n"));
        lab.ok(&format!("mount -o remount,ro {RECORDS}"));
        loud(lab, "ifdown eth1", &no_record("Read-only file system"));
        assert_eq!(lab.tagged(), [of_other]);
    });
}

/// The folder cannot even be made; ifupdown has its own on a file system that works.
#[test]
fn without_a_place_for_the_folder_routing_comes_up() {
    lab(|lab| {
        prepared(lab);
        lab.ok("mount -t tmpfs lab /run/network; mount -o remount,ro,bind /run");
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours().len()), (0, 2), "{said:?}");
        assert!(said.ours()[0].contains("no lock on table names: "));
        assert!(
            said.ours()[1].contains(&no_record("Read-only file system")),
            "{said:?}"
        );
        let names = lab.text("/etc/iproute2/rt_tables");
        assert!(names.contains("\trt2\t"), "{names}");
        assert_eq!(lab.tagged().len(), 4);
        down(lab);
    });
}

/// Nobody but this program makes the folder: what stands in its place is not used, not even by
/// way of a link, and not touched.
#[test]
fn what_is_no_folder_is_not_used_and_not_touched() {
    for (make, why) in [
        ("echo x >/run/policy-table", "Not a directory"),
        ("mkfifo /run/policy-table", "Not a directory"),
        ("ln -s /run/nowhere /run/policy-table", "Not a directory"),
        (
            "mkdir -p /run/elsewhere; ln -s /run/elsewhere /run/policy-table",
            "Not a directory",
        ),
    ] {
        lab(|lab| {
            prepared(lab);
            lab.ok(make);
            // Somebody's record of the same name: not read, and not written.
            lab.write(
                "/run/elsewhere/eth1",
                "iface eth1 inet static 10.10.0.10\n\trule x\n",
            );
            let there =
                || lab.ok("ls -lA /run/policy-table /run/elsewhere; ls -A /run/nowhere 2>&1 || :");
            let before = there();
            loud(lab, "ifup eth1", &no_record(why));
            assert_eq!(lab.tagged().len(), 4, "{make}");
            down(lab);
            assert_eq!(there(), before, "{make}");
        });
    }
}

/// A record that is a link, or no file, is not followed either.
#[test]
fn what_is_no_record_is_not_followed() {
    for make in [
        "ln -s /run/precious /run/policy-table/eth1",
        "mkdir /run/policy-table/eth1",
        "mkfifo /run/policy-table/eth1",
        "ln -s /run/precious /run/policy-table/.eth1:new",
    ] {
        lab(|lab| {
            prepared(lab);
            lab.write("/run/precious", "precious\n");
            lab.ok(&format!("mkdir {RECORDS}; {make}"));
            let said = lab.sh("timeout 20 ifup eth1");
            assert_eq!(said.code, 0, "{make}: {said:?}");
            assert_eq!(lab.tagged().len(), 4, "{make}: {said:?}");
            down(lab);
            assert_eq!(lab.text("/run/precious"), "precious\n", "{make}");
        });
    }
}

/// All of it at once: nothing can be written anywhere.
#[test]
fn with_etc_and_run_read_only_there_is_policy_routing() {
    lab(|lab| {
        prepared(lab);
        lab.ok("mount --bind /etc/iproute2 /etc/iproute2
                mount -o remount,ro,bind /etc/iproute2
                mount -t tmpfs lab /run/network; mount -o remount,ro,bind /run");
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours().len()), (0, 2), "{said:?}");
        assert!(said.ours()[0].contains("going on with its ID alone"));
        assert!(
            said.ours()[1].contains(&no_record("Read-only file system")),
            "{said:?}"
        );
        assert_eq!(lab.routes("-4", "20611").len(), 2);
        assert_eq!(lab.rules("-4").len(), 2);
        down(lab);
    });
}
