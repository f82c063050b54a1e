//! What befalls the keeper itself: its folders, its lock, its disk, its program.

use std::process::Command;

use crate::keeper::{ours, up, Keeper, TWO};
use crate::support::lab::lab;

const FLUSH: &str = "ip rule flush protocol 157; ip route flush table rt2";

#[test]
fn the_folders_are_removed_beneath_it() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        // Of what has no record any more it knows nothing, and of what gets one it does.
        lab.ok("rm -r /run/policy-table");
        keeper.until("made anew", || {
            lab.sh("ls -d /run/policy-table/.keeper:").code == 0
        });
        keeper.quiet();
        assert_eq!(ours(lab), before);
        lab.ok("ifdown eth1; ifup eth1; ifdown eth2; ifup eth2");
        lab.ok(FLUSH);
        keeper.until("both again", || ours(lab) == before);
        // There is one still, and it hears of pauses.
        lab.ok("rm -r /run/policy-table-keep");
        keeper.until("made anew", || {
            lab.sh("ls /run/policy-table-keep/lock").code == 0
        });
        keeper.quiet();
        let said = lab.sh("policy-table keep");
        assert_eq!(said.code, 2);
        assert!(said.err.contains("another keeper runs: "), "{}", said.err);
        lab.ok("policy-table pause eth1");
        lab.ok(FLUSH);
        keeper.until("eth2", || {
            ours(lab)
                .iter()
                .any(|line| line.contains("from 10.20.0.10"))
        });
        keeper.quiet();
        assert!(!ours(lab).iter().any(|line| line.contains("10.10.0.10")));
        lab.ok("policy-table resume eth1");
        keeper.until("eth1", || ours(lab) == before);
        let log = Keeper::log();
        assert_eq!(log.matches("made anew").count(), 2, "{log}");
        lab.ok("ifdown eth1 eth2");
    });
}

#[test]
fn a_process_does_not_let_go_of_the_lock() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        let mut wedged = Command::new("flock")
            .args(["/run/policy-table-records.lock", "sleep", "60"])
            .spawn()
            .unwrap();
        let is_locked = || lab.sh("flock -n /run/policy-table-records.lock true").code != 0;
        keeper.until("locked", is_locked);
        lab.ok(FLUSH);
        let lost = ours(lab);
        let why = "what is lost cannot be put back now: process ";
        // It says so of both, having waited once.
        keeper.until("said", || Keeper::log().matches(why).count() == 2);
        assert_eq!(ours(lab), lost);
        let log = Keeper::log();
        assert!(
            log.contains("(flock) has held /run/policy-table-records.lock"),
            "{log}"
        );
        // flock(1) has given its lock to the sleep, too.
        lab.ok(&format!("pkill -P {}", wedged.id()));
        wedged.wait().unwrap();
        keeper.until("free again", || ours(lab) == before);
        assert_eq!(Keeper::log().matches(why).count(), 2, "{}", Keeper::log());
        lab.ok("ifdown eth1 eth2");
    });
}

#[test]
fn its_disk_is_full_and_its_program_is_gone() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        lab.ok("mount -o remount,size=$(($(df --output=used /run | tail -1) + 256))k /run");
        let filled = lab.sh("dd if=/dev/zero of=/run/fill bs=4k count=128");
        assert_ne!(filled.code, 0);
        lab.ok("mv /usr/sbin/policy-table /usr/sbin/elsewhere");
        lab.ok(FLUSH);
        keeper.until("all", || ours(lab) == before);
        // What it has to note, it notes when it can.
        lab.ok("rm /run/fill; mv /usr/sbin/elsewhere /usr/sbin/policy-table");
        lab.ok(FLUSH);
        keeper.until("all again", || ours(lab) == before);
        assert_eq!(keeper.stop(), 0);
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.ok("ifdown eth1 eth2");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn where_it_cannot_write_it_says_where() {
    lab(|lab| {
        let before = up(lab, TWO);
        lab.ok("mkdir /run/policy-table-keep");
        for folder in ["/run/policy-table-keep", "/run/policy-table"] {
            let read_only =
                format!("mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}");
            lab.ok(&read_only);
            let said = lab.sh("policy-table keep");
            let why = format!("the keeper's own files cannot be made: {folder}");
            assert_eq!(said.code, 2);
            assert!(said.err.contains(&why), "{}", said.err);
            assert!(said.err.contains("Read-only file system"), "{}", said.err);
            lab.ok(&format!("umount {folder}"));
            // What was in force it knows already; the record has nothing new to say.
            let mut keeper = Keeper::start(lab);
            lab.ok(&read_only);
            lab.ok(FLUSH);
            keeper.until("put back without a file", || ours(lab) == before);
            keeper.quiet();
            lab.ok(&format!("umount {folder}"));
            assert_eq!(keeper.stop(), 0);
            assert_eq!(lab.sh("policy-table status").code, 0);
        }
        lab.ok("ifdown eth1 eth2");
        assert!(ours(lab).is_empty());
    });
}
