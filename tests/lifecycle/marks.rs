//! The marks of connections where not all goes as it should: a change that nobody confirms, a device
//! that is gone, a run that is killed beside nft(8), runs side by side, and a record that is lost.

use crate::support::lab::{lab, lines, Lab, HOOK};
use crate::support::needs::have;
use crate::support::terminal::InTerminal;

/// Stanzas of devices, each with its option.
fn file(options: &[&str]) -> String {
    let stanza = |(n, option): (usize, &&str)| {
        format!(
            "iface eth{n} inet static\n    address 10.{n}.0.10/24\n    policy-table rt{n}\n    \
             policy-gateway 10.{n}.0.1\n    {option}\n"
        )
    };
    options.iter().enumerate().map(stanza).collect()
}

const AUTO: &str = "policy-connmark auto";
const OTHER: &str = "policy-connmark 0x100/0xff00";
const NONE: &str = "policy-connmark no";

/// What there is of ours: of nft(8), whatever the order of its chains, and of the kernel's routing.
fn ours(lab: &Lab) -> (Vec<String>, Vec<String>) {
    let mut table = lines(&lab.sh("nft -s list table inet policy-table").out);
    table.sort_unstable();
    let mut tagged = lab.tagged();
    tagged.sort_unstable();
    (table, tagged)
}

fn nothing() -> (Vec<String>, Vec<String>) {
    (vec![], vec![])
}

/// A lab with devices of that many stanzas.
fn with_devices(count: usize, test: impl FnOnce(&Lab) + Send) {
    if !have(&["nft of nftables"]) {
        return;
    }
    lab(|lab| {
        for n in 0..count {
            lab.device(&format!("eth{n}"));
        }
        test(lab);
    });
}

fn quiet(lab: &Lab, command: &str) {
    let said = lab.sh(command);
    assert_eq!((said.code, said.ours()), (0, vec![]), "{said:?}");
}

/// Put in, it is gone again; changed or taken out, it is what it was.
#[test]
fn a_change_that_nobody_confirms_goes_back() {
    with_devices(1, |lab| {
        for (before, after) in [(NONE, AUTO), (AUTO, OTHER), (OTHER, NONE)] {
            lab.interfaces(&file(&[before]));
            quiet(lab, "policy-table apply eth0; ifup eth0");
            let was = ours(lab);
            lab.interfaces(&file(&[after]));
            let mut run = InTerminal::start("exec policy-table apply --confirm 60 eth0");
            run.until("otherwise it goes back.");
            let meanwhile = ours(lab);
            assert!(meanwhile.0 != was.0, "{after}");
            run.typed("no\n");
            assert_eq!(run.end().0, Some(2));
            assert_eq!(ours(lab), was, "{before} after {after}");
        }
        lab.ok("ifdown eth0");
        assert_eq!(ours(lab), nothing());
    });
}

/// What a device that is gone leaves behind goes with `apply --all`; what is in use stays.
#[test]
fn what_a_device_leaves_behind_goes() {
    with_devices(2, |lab| {
        lab.interfaces(&file(&[AUTO, OTHER]));
        quiet(lab, "ifup eth1");
        let one = ours(lab);
        quiet(lab, "ifup eth0");
        lab.ok("ip link del eth0");
        let said = lab.sh("policy-table apply --all");
        assert_eq!(said.ours(), Vec::<&str>::new(), "{said:?}");
        assert_eq!(ours(lab), one);
    });
}

/// Chains of which no record says anything are told of, and go with `apply --all`; with the last of
/// them the table.
#[test]
fn what_is_in_no_record_goes() {
    with_devices(2, |lab| {
        lab.interfaces(&file(&[AUTO, OTHER]));
        quiet(lab, "ifup eth1");
        let one = ours(lab);
        quiet(lab, "ifup eth0");
        // Its program out of order, then its record lost.
        lab.ok(&format!(
            "mv {HOOK} /run/away; ifdown eth0; mv /run/away {HOOK}"
        ));
        lab.ok("rm /run/policy-table/eth0");
        // The rules may be gone, too: the chains alone are as good an orphan.
        lab.ok("ip rule flush protocol 157; policy-table apply eth1");
        let status = lab.sh("policy-table status");
        let told =
            "~ orphan    nft table inet policy-table: prerouting-eth0, replies-eth0, output-eth0";
        assert_eq!(status.code, 1, "{status:?}");
        assert!(status.out.contains(told), "{}", status.out);
        let json = lab.sh("policy-table status --json").out;
        assert!(
            json.contains("\"nft table inet policy-table: prerouting-eth0"),
            "{json}"
        );
        let plan = lab.ok("policy-table apply --dry-run --all");
        assert!(
            plan.contains("delete chain inet policy-table output-eth0"),
            "{plan}"
        );
        quiet(lab, "policy-table apply --all");
        assert_eq!(ours(lab), one);
        lab.ok("policy-table status");

        // All records lost, and nothing up: the table goes.
        lab.ok(&format!(
            "mv {HOOK} /run/away; ifdown eth1; mv /run/away {HOOK}"
        ));
        lab.ok("rm -r /run/policy-table");
        quiet(lab, "policy-table apply --all");
        assert_eq!(ours(lab), nothing());
    });
}

/// Nobody starts nft(8) where nothing has been marked since the boot. Where something has, with a mark
/// of one's own, too, what is left of it is found without any record.
#[test]
fn what_was_never_marked_costs_no_process() {
    with_devices(1, |lab| {
        lab.ok("cp /usr/sbin/nft /run/nft");
        lab.script(
            "/run/new",
            "#!/bin/sh\necho \"$@\" >>/run/asked; exec /run/nft \"$@\"\n",
        );
        lab.ok("mv /run/new /usr/sbin/nft");
        let asked = || lab.sh("cat /run/asked").out;
        let all = "policy-table status; policy-table plan eth0; policy-table apply --all";
        lab.interfaces(&file(&[NONE]));
        quiet(lab, &format!("ifup eth0; {all}"));
        assert_eq!(asked(), "");

        lab.interfaces(&file(&[OTHER]));
        quiet(lab, "policy-table apply eth0");
        lab.ok(&format!(
            "mv {HOOK} /run/away; ifdown eth0; mv /run/away {HOOK}; rm -r /run/policy-table"
        ));
        let status = lab.sh("policy-table status").out;
        assert!(status.contains("prerouting-eth0"), "{status}");
        quiet(lab, "policy-table apply --all");
        assert_eq!(ours(lab), nothing());
    });
}

/// Without nft(8) its rules stay: who wants them out is told so, and who asks again with it has them
/// out.
#[test]
fn what_nft_is_needed_for_on_the_way_down() {
    with_devices(2, |lab| {
        lab.interfaces(&file(&[AUTO, OTHER]));
        quiet(lab, "ifup eth0 eth1");
        lab.ok("mv /usr/sbin/nft /run/nft");
        for (command, told) in [
            ("ifdown eth0", "connections go on being marked until"),
            ("policy-table flush --all", "install the package nftables"),
        ] {
            let said = lab.sh(command);
            assert_eq!((said.code, said.ours().len()), (0, 1), "{said:?}");
            assert!(said.err.contains(told), "{said:?}");
        }
        lab.ok("mv /run/nft /usr/sbin/nft");
        assert!(!ours(lab).0.is_empty());
        quiet(lab, "ifdown eth1; policy-table apply --all");
        assert_eq!(ours(lab), nothing());
    });
}

/// Ends who called it, before or after it does what it is for.
const KILLS: [&str; 3] = [
    "[ \"$1\" = list ] && kill -9 $PPID; exec /run/nft \"$@\"",
    "[ \"$1\" = -f ] && kill -9 $PPID && exit 1; exec /run/nft \"$@\"",
    "/run/nft \"$@\"; code=$?; [ \"$1\" = -f ] && kill -9 $PPID; exit $code",
];

/// Wherever a run is killed beside nft(8), the next ifup and the next ifdown come to the right end.
#[test]
fn a_run_killed_beside_nft() {
    with_devices(2, |lab| {
        let again = "ifup --force --ignore-errors eth0 2>/dev/null";
        lab.interfaces(&file(&[AUTO, OTHER]));
        quiet(lab, "ifup eth1");
        let without = ours(lab);
        quiet(lab, "ifup eth0");
        let with = ours(lab);
        lab.ok("ifdown eth0; cp /usr/sbin/nft /run/nft");
        let nft = |program: &str| {
            // It may still be run by who outlived its caller.
            lab.script("/run/new", &format!("#!/bin/sh\n{program}\n"));
            lab.ok("mv /run/new /usr/sbin/nft");
        };
        let whole = || nft("exec /run/nft \"$@\"");
        for kill in KILLS {
            for next in [again, "ifdown --force eth0 2>/dev/null"] {
                nft(kill);
                let said = lab.sh("ifup --force eth0");
                assert!(said.err.contains("signal 9") || said.code != 0, "{said:?}");
                whole();
                lab.sh(next);
                let expected = if next == again { &with } else { &without };
                assert_eq!(ours(lab), *expected, "up, {kill}, {next}");
                // The same on the way down.
                lab.sh(again);
                assert_eq!(ours(lab), with, "up, {kill}, {next}");
                nft(kill);
                lab.sh("ifdown --force eth0");
                whole();
                lab.sh(next);
                assert_eq!(ours(lab), *expected, "down, {kill}, {next}");
                lab.sh("ifdown --force eth0 2>/dev/null");
                assert_eq!(ours(lab), without, "down, {kill}, {next}");
            }
        }
    });
}

/// None undoes what another does, in whatever order they come to nft(8).
#[test]
fn runs_side_by_side() {
    with_devices(4, |lab| {
        lab.interfaces(&file(&[AUTO, OTHER, AUTO, AUTO]));
        quiet(lab, "ifup eth0 eth1 eth2 eth3");
        let all = ours(lab);
        quiet(lab, "ifdown eth2 eth3");
        let first = ours(lab);
        for _ in 0..3 {
            let side_by_side = |commands: &[&str]| {
                let all = commands.join(" & ");
                quiet(lab, &format!("{all} & wait"));
            };
            side_by_side(&["ifdown eth0", "ifdown eth1", "ifup eth2", "ifup eth3"]);
            side_by_side(&["ifup eth0", "ifup eth1"]);
            assert_eq!(ours(lab), all);
            side_by_side(&["ifdown eth2", "ifdown eth3"]);
            assert_eq!(ours(lab), first);
        }
    });
}
