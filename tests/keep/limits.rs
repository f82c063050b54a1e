//! How far the keeper goes: what it lets be, how often it acts, how it ends.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::keeper::{ours, signal, up, Keeper, TWO};
use crate::support::lab::{lab, Lab, KEEPER};
use crate::support::needs::{have, STRACE};

const FLUSH: &str = "ip rule flush protocol 157";

const DOCKER: &str = "ip link add docker0 up type bridge; ip address add 172.17.0.1/16 dev docker0";

fn has_rule_from(lab: &Lab, address: &str) -> bool {
    let from = format!("from {address} ");
    ours(lab).iter().any(|line| line.contains(&from))
}

/// Of what both have lost, eth1 gets nothing back.
fn eth2_alone_comes_back(lab: &Lab, keeper: &mut Keeper) {
    keeper.until("eth2", || has_rule_from(lab, "10.20.0.10"));
    keeper.quiet();
    let left = ours(lab);
    assert!(
        !left.iter().any(|line| line.contains("from 10.10.0.10")),
        "{left:?}"
    );
}

#[test]
fn a_fight_is_bounded_and_never_given_up() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        let said = Keeper::log().lines().count();
        // Somebody deletes for 33 seconds what is put back: five times at once, then once.
        let end = Instant::now() + Duration::from_secs(33);
        while Instant::now() < end {
            lab.sh("ip rule del pref 21000 from 10.10.0.10 lookup 20611 protocol 157");
            sleep(Duration::from_millis(40));
        }
        let repairs = Keeper::repairs();
        assert!((5..=7).contains(&repairs), "{repairs} repairs");
        let log = Keeper::log();
        let lines = log.lines().count() - said;
        assert!(lines <= 6, "{log}");
        // The other interface had none of it, and is repaired at once.
        lab.ok("ip rule del pref 21000 from 10.20.0.10");
        keeper.until("the other one", || has_rule_from(lab, "10.20.0.10"));
        // A last one comes back once the bound allows.
        let end = Instant::now() + Duration::from_secs(32);
        while ours(lab) != before {
            assert!(Instant::now() < end, "{:?}", ours(lab));
            sleep(Duration::from_millis(50));
        }
        lab.ok("ifdown eth1 eth2");
    });
}

#[test]
fn a_pause_stops_repairs_and_nothing_else_and_its_end_brings_all_back() {
    lab(|lab| {
        // More than the kernel is asked about: none of them is new.
        lab.ok("ip link add lan0 type bridge; ip link set lan0 up
            for n in $(seq 0 255); do
                echo address add 10.30.$n.1/24 dev lan0; echo address add 10.31.$n.1/24 dev lan0
            done | ip -batch -");
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        let said = lab.ok("policy-table pause --for 30m --reason 'works on it' eth1");
        assert!(said.contains("eth1: paused for 30 minutes by") && said.contains(": works on it"));
        lab.ok(&format!("{FLUSH}; {DOCKER}"));
        eth2_alone_comes_back(lab, &mut keeper);
        // status says so, and how often the other one was repaired; neither is drift of its own.
        let shown = lab.sh("policy-table status").out;
        for line in [
            "eth1: paused for 30 minutes by ",
            "eth2: repaired once since the keeper was started",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
        let shown = lab.sh("policy-table status --json eth2").out;
        assert!(
            shown.contains("\"pauses\":[],\"repairs\":{\"eth2\":1}"),
            "{shown}"
        );
        let shown = lab.sh("policy-table status --json").out;
        assert!(
            shown.contains("\"interface\":\"eth1\"")
                && shown.contains("\"reason\":\"works on it\"")
        );
        // apply acts as ever, and does not end it.
        lab.ok("policy-table apply eth1");
        assert_eq!(ours(lab), before);
        // Nor is a network named to it that comes.
        let named = ["172.17.0.0/16 (docker0)"];
        keeper.until("named to the other", || Keeper::named_to("eth2") == named);
        assert_eq!(Keeper::named_to("eth1"), [""; 0]);
        lab.ok("ip rule del pref 21000 from 10.10.0.10 lookup 20611 protocol 157");
        keeper.quiet();
        assert_ne!(ours(lab), before);
        assert!(lab
            .ok("policy-table resume eth1")
            .contains("eth1: no more paused"));
        keeper.until("all", || ours(lab) == before);
        keeper.until("named now", || Keeper::named_to("eth1") == named);
        assert_eq!(Keeper::named_to("eth2"), named);
        // All of them, for a second.
        lab.ok("policy-table pause --for 2s");
        lab.ok(FLUSH);
        keeper.until("the end of it", || ours(lab) == before);
        assert!(lab.ok("policy-table resume").contains("nothing was paused"));
        for (wrong, part) in [
            ("pause eth7", "eth7 has no record and is no device"),
            ("pause --for 25h eth1", "--for \"25h\": expected"),
            ("pause --for 5 eth1", "expected a number and s, m or h"),
        ] {
            let said = lab.sh(&format!("policy-table {wrong}"));
            assert_eq!(said.code, 2, "{wrong}");
            assert!(said.err.contains(part), "{wrong}: {}", said.err);
        }
        lab.ok("ifdown eth1 eth2");
    });
}

#[test]
fn a_stanza_says_that_it_is_not_to_be_kept() {
    lab(|lab| {
        let file = TWO.replace("table rt2\n", "table rt2\n    policy-keep no\n");
        up(lab, &file);
        let mut keeper = Keeper::start(lab);
        // Nor is it told of networks that come; nor is anybody where all is switched off.
        lab.ok(DOCKER);
        let named = ["172.17.0.0/16 (docker0)"];
        keeper.until("named to the other", || Keeper::named_to("eth2") == named);
        assert_eq!(Keeper::named_to("eth1"), [""; 0]);
        lab.ok(FLUSH);
        eth2_alone_comes_back(lab, &mut keeper);
        lab.write("/etc/default/ifupdown-policy-table", "ENABLED=no\n");
        lab.ok("ip address add 172.18.0.1/16 dev docker0");
        sleep(Duration::from_millis(2500));
        assert_eq!(Keeper::named_to("eth2"), named);
        lab.ok("rm /etc/default/ifupdown-policy-table; ip address add 172.19.0.1/16 dev docker0");
        keeper.until("switched on", || {
            let named = Keeper::named_to("eth2").concat();
            named.contains("172.18.0.0/16") && named.contains("172.19.0.0/16")
        });
        lab.ok("ifdown eth1 eth2");
        assert!(ours(lab).is_empty());
    });
}

#[test]
fn what_ifdown_and_flush_took_out_stays_out() {
    lab(|lab| {
        up(lab, TWO);
        let mut staying = Keeper::start_with(lab, &["--stay", "--dry-run"]);
        let mut keeper = Keeper::start(lab);
        lab.ok("policy-table flush eth1");
        keeper.quiet();
        assert!(!ours(lab).iter().any(|line| line.contains("10.10.0.")));
        lab.ok("ifdown eth2");
        keeper.quiet();
        assert!(ours(lab).is_empty(), "{:?}", ours(lab));
        // No interface has a record: there is nothing to keep.
        assert_eq!(keeper.ended(), 0);
        // Unless somebody wants it to stay.
        assert!(staying.runs());
        assert_eq!(staying.stop(), 0);
    });
}

#[test]
fn a_file_that_is_half_edited_is_not_read() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        for file in [
            "",
            "iface eth1 inet static\n    address 10.10.0.10/24\n",
            "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n    policy-gateway 10.10.0.2\n",
            "iface eth1 inet static\n    addr",
        ] {
            lab.interfaces(file);
            signal(keeper.id(), "HUP");
            keeper.quiet();
            assert_eq!(ours(lab), before, "{file}");
        }
        lab.ok(&format!("chmod 0 /etc/network/interfaces; {FLUSH}"));
        keeper.until("by the record", || ours(lab) == before);
        lab.interfaces(TWO);
        lab.ok("ifdown eth1 eth2");
    });
}

#[test]
fn there_is_one_keeper_and_it_says_who() {
    lab(|lab| {
        up(lab, TWO);
        let keeper = Keeper::start(lab);
        let said = lab.sh("policy-table keep");
        assert_eq!(said.code, 2);
        let who = format!(
            "another keeper runs: process {} (policy-table-keep)",
            keeper.id()
        );
        assert!(said.err.contains(&who), "{}", said.err);
        let id = keeper.id();
        assert_eq!(keeper.stop(), 0);
        // One that was killed is in nobody's way.
        let keeper = Keeper::start(lab);
        assert_ne!(keeper.id(), id);
        assert_eq!(keeper.killed_and_started(lab).stop(), 0);
        lab.ok("ifdown eth1 eth2");
        // Without a record it need not be started at all.
        let beside = "/usr/sbin/policy-table-keep";
        lab.ok(&format!("mv {KEEPER} {beside}"));
        assert_eq!(lab.sh("timeout 15 policy-table keep").code, 0);
        let said = lab.sh(&format!("{beside} --once"));
        let what = "unexpected argument \"--once\"; expected --dry-run or --stay";
        assert_eq!((said.code, said.ours()), (2, vec![what]));
        // What a full disk leaves of it is no script of a shell's.
        lab.ok(&format!("rm {beside}; install /dev/null {beside}"));
        let said = lab.sh("policy-table keep");
        let what = format!("{beside}: Exec format error (os error 8)");
        assert_eq!((said.code, said.ours()), (2, vec![what.as_str()]));
        lab.ok(&format!("rm {beside}"));
        let said = lab.sh("policy-table keep");
        let what =
            "policy-table-keep, which comes with this program, is neither in /usr/sbin nor in \
                    /usr/libexec/ifupdown-policy-table";
        assert_eq!((said.code, said.ours()), (2, vec![what]));
    });
}

#[test]
fn one_look_ends_as_status_does_and_a_dry_run_sends_nothing() {
    lab(|lab| {
        let before = up(lab, TWO);
        assert_eq!(lab.sh("policy-table keep --once").code, 0);
        lab.ok(FLUSH);
        let gone = ours(lab);
        let said = lab.sh("policy-table keep --once --dry-run");
        assert_eq!((said.code, ours(lab)), (1, gone.clone()), "{}", said.err);
        assert!(
            said.err.contains("eth1: would be put back: "),
            "{}",
            said.err
        );
        // Levels are for systemd's journal alone; what it names may be another output.
        for (named, lead) in [
            ("1:2", "policy-table: eth1"),
            ("$(stat -c %d:%i /run/j)", "<6>eth1"),
        ] {
            lab.sh(&format!(
                "touch /run/j; JOURNAL_STREAM={named} policy-table keep --once --dry-run 2>/run/j"
            ));
            let said = lab.text("/run/j");
            assert!(
                said.starts_with(&format!("{lead}: would be put back: ")),
                "{named}: {said}"
            );
        }
        if have(&[STRACE]) {
            lab.ok("strace -f -e trace=sendto,sendmsg -o /run/trace policy-table keep --once --dry-run; \
                    ! grep -E 'RTM_(NEW|DEL)' /run/trace");
            assert!(lab.text("/run/trace").contains("RTM_GETRULE"));
        }
        // A pause keeps it from acting, and is no difference.
        lab.ok("policy-table pause");
        assert_eq!(
            (lab.sh("policy-table keep --once").code, ours(lab)),
            (0, gone)
        );
        lab.ok("policy-table resume");
        assert_eq!(
            (lab.sh("policy-table keep --once").code, ours(lab)),
            (0, before)
        );
        lab.ok("ip link set eth1 down");
        assert_eq!(lab.sh("policy-table keep --once").code, 1);
        lab.ok("ifdown eth1 eth2");
        assert_eq!(lab.sh("policy-table keep --once").code, 0);
    });
}

#[test]
fn a_dry_run_beside_a_keeper_says_what_that_does() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start_with(lab, &["--dry-run"]);
        lab.ok("ip rule del pref 21000 from 10.10.0.10 lookup 20611 protocol 157");
        keeper.until("said", || {
            Keeper::log().contains("eth1: would be put back: ")
        });
        keeper.quiet();
        assert_ne!(ours(lab), before);
        lab.ok("ifdown eth1 eth2");
    });
}

#[test]
fn while_a_change_waits_to_be_confirmed_nothing_is_repaired() {
    lab(|lab| {
        let before = up(lab, TWO);
        let mut keeper = Keeper::start(lab);
        lab.interfaces(&TWO.replace("table rt2", "table rt9"));
        // Nobody answers: it goes back after three seconds.
        let mut apply = Command::new("/bin/sh")
            .args([
                "-c",
                "sleep 60 | policy-table apply --confirm 3 eth1 >/run/said 2>&1",
            ])
            .spawn()
            .unwrap();
        let is_paused = || {
            lab.sh("policy-table status")
                .out
                .contains("eth1: paused for ")
        };
        keeper.until("paused", is_paused);
        keeper.until("changed", || {
            ours(lab) != before && has_rule_from(lab, "10.10.0.10")
        });
        lab.ok(FLUSH);
        eth2_alone_comes_back(lab, &mut keeper);
        keeper.until("gone back", || ours(lab) == before);
        assert!(!is_paused());
        drop(apply.kill());
        drop(apply.wait());
        // Where the run is killed it is over once the guard has gone back.
        let mut killed = Command::new("/usr/sbin/policy-table")
            .args(["apply", "--confirm", "60", "eth1"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        keeper.until("paused", is_paused);
        killed.kill().unwrap();
        killed.wait().unwrap();
        keeper.until("no more paused", || !is_paused());
        assert_eq!(ours(lab), before);
        // A pause of somebody's own stays.
        lab.ok("policy-table pause --reason mine eth1");
        lab.sh("policy-table apply --confirm 1 eth1 </dev/null");
        let shown = lab.sh("policy-table status").out;
        assert!(
            shown.contains("eth1: paused for 60 minutes by ") && shown.contains(": mine"),
            "{shown}"
        );
        lab.interfaces(TWO);
        lab.ok("ifdown eth1 eth2");
    });
}
