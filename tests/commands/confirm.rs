//! `apply --confirm`: a change stays only where somebody said yes to it, and goes back to what was
//! before byte for byte.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::{Command, Stdio};

use crate::support::lab::{lab, Lab, Said};
use crate::support::terminal::InTerminal;

const PLAIN: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
";

const ASK: &str = "exec policy-table apply --confirm 60 eth1";

/// Waits for the question.
fn asked(run: &mut InTerminal) -> String {
    run.until("otherwise it goes back.")
}

/// What there is of ours, the rules in their order, and the record.
fn before(lab: &Lab) -> (Vec<String>, String, String) {
    (
        lab.tagged(),
        lab.ok("ip rule; ip -6 rule"),
        lab.text("/run/policy-table/eth1"),
    )
}

fn edited(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        lab.interfaces(&PLAIN.replace("rt2", "rt9"));
        test(lab);
    });
}

fn is_kept(lab: &Lab) -> bool {
    let now = lab.tagged().join("");
    assert!(now.contains("rt9") != now.contains("rt2"), "{now}");
    now.contains("rt9")
}

#[test]
fn an_empty_line_after_the_question_keeps() {
    edited(|lab| {
        let mut run = InTerminal::start(ASK);
        asked(&mut run);
        run.typed("\n");
        let (code, said) = run.end();
        assert_eq!((code, is_kept(lab)), (Some(0), true), "{said}");
        // Of nothing nobody is asked.
        let said = lab.ok("policy-table apply --confirm 60 eth1 </dev/null");
        assert!(said.contains("0 added, 0 removed"), "{said}");
        lab.ok("ifdown eth1");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    edited(|lab| {
        let was = before(lab);
        // While the run waits for the lock on the records.
        let hold = "exec 9</run/policy-table-records.lock; flock 9; sleep 1; echo typing; sleep 1";
        let shell = format!("({hold}) & sleep 0.3; policy-table apply --confirm 2 eth1 9<&-");
        let mut run = InTerminal::start(&shell);
        run.until("typing");
        run.typed("\nip rule\n\n");
        asked(&mut run);
        let (_, said) = run.end();
        assert!(said.contains("no confirmation: gone back"), "{said}");
        assert_eq!(before(lab), was);
    });
}

#[test]
fn everything_but_an_empty_line_alone_goes_back() {
    edited(|lab| {
        let was = before(lab);
        for text in [
            "no\n",
            "n\n",
            "yes\n",
            " \n",
            "ip rule\n\n",
            "\nip rule\n",
            "\x04",
        ] {
            let mut run = InTerminal::start(ASK);
            asked(&mut run);
            run.typed(text);
            let (code, said) = run.end();
            assert_eq!(code, Some(2), "{text:?}: {said}");
            assert_eq!(before(lab), was, "{text:?}");
        }
    });
}

#[test]
fn time_signals_and_a_lost_terminal_go_back() {
    edited(|lab| {
        let was = before(lab);
        let mut run = InTerminal::start("exec policy-table apply --confirm 1 eth1");
        asked(&mut run);
        assert_eq!(run.end().0, Some(2));
        assert_eq!(before(lab), was);
        for signal in ["HUP", "INT", "TERM", "KILL"] {
            let mut run = InTerminal::start(ASK);
            asked(&mut run);
            lab.ok(&format!("kill -{signal} {}", run.child.id()));
            // Whom this one ends the guard goes back for, and closes the terminal when it has.
            let code = (signal != "KILL").then_some(2);
            assert_eq!(run.end().0, code, "{signal}");
            assert_eq!(before(lab), was, "{signal}");
        }
        let mut run = InTerminal::start(ASK);
        asked(&mut run);
        let InTerminal {
            mut child,
            terminal,
        } = run;
        drop(terminal);
        child.wait().unwrap();
        assert_eq!(before(lab), was);
    });
}

#[test]
fn an_input_that_is_no_terminal_answers_nothing() {
    edited(|lab| {
        let was = before(lab);
        lab.write("/run/script", "\n\n");
        for input in ["</run/script", "<<EOF\n\nEOF"] {
            let said = lab.sh(&format!("policy-table apply --confirm 30 eth1 {input}"));
            assert_eq!(said.code, 2, "{said:?}");
            assert!(said
                .err
                .contains("--confirm: standard input is no terminal"));
            assert!(said.err.contains("expected a terminal"), "{said:?}");
            assert!(said.err.contains("nothing was done"), "{said:?}");
            assert_eq!(before(lab), was);
        }
        // Neither what comes later, nor the end of it.
        for input in ["(sleep 2; echo) |", "true |"] {
            let said = lab.sh(&format!("{input} policy-table apply --confirm 3 eth1"));
            assert!(said.err.contains("no confirmation: gone back"), "{said:?}");
            assert_eq!(before(lab), was);
        }
    });
}

#[test]
fn another_session_confirms() {
    edited(|lab| {
        let was = before(lab);
        let confirm = || -> Said { lab.sh("policy-table confirm </dev/null") };
        let nothing = |said: Said| {
            assert_eq!(said.code, 2, "{said:?}");
            assert!(said.err.contains("nothing waits"), "{said:?}");
        };
        nothing(confirm());
        let asking = || {
            let mut child = Command::new("policy-table")
                .args(["apply", "--confirm", "60", "eth1"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut some = [0; 1024];
            let length = child.stdout.as_mut().unwrap().read(&mut some).unwrap();
            let said = String::from_utf8_lossy(&some[..length]).into_owned();
            assert!(said.contains("Run 'policy-table confirm'"), "{said}");
            child
        };
        // One that was killed hears nothing any more, and the next one only what is meant for it.
        let mut child = asking();
        let socket = std::fs::metadata("/run/policy-table-confirm").unwrap();
        assert!(socket.file_type().is_socket());
        assert_eq!(socket.permissions().mode() & 0o7777, 0o600);
        let second = lab.sh("policy-table apply --confirm 60 eth1 </dev/null");
        assert_eq!(second.code, 2, "{second:?}");
        let waits = "waits for a confirmation already; nothing was done";
        assert!(second.err.contains(waits), "{second:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        nothing(confirm());
        lab.interfaces(PLAIN);
        lab.ok("policy-table apply eth1");
        assert_eq!(before(lab).0, was.0);
        lab.interfaces(&PLAIN.replace("rt2", "rt9"));
        let mut child = asking();
        let said = confirm();
        assert_eq!(said.code, 0, "{said:?}");
        let id = format!("process {} (", child.id());
        assert!(
            said.out.starts_with(&format!("confirmed: {id}")),
            "{said:?}"
        );
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(is_kept(lab));
        nothing(confirm());
        // One with a terminal can be confirmed from elsewhere, too.
        lab.interfaces(PLAIN);
        let mut run = InTerminal::start(ASK);
        asked(&mut run);
        lab.ok("policy-table confirm");
        assert_eq!(run.end().0, Some(0));
        assert!(!is_kept(lab));
    });
}

#[test]
fn in_the_background_of_a_terminal_only_another_session_confirms() {
    edited(|lab| {
        let was = before(lab);
        let shell = "set -m; policy-table apply --confirm 2 eth1 & wait $!";
        let mut run = InTerminal::start(shell);
        assert!(asked(&mut run).contains("Run 'policy-table confirm'"));
        run.typed("\n");
        let (_, said) = run.end();
        assert!(said.contains("no confirmation: gone back"), "{said}");
        assert_eq!(before(lab), was);
    });
}

#[test]
fn who_could_not_be_asked_has_not_agreed() {
    edited(|lab| {
        let was = before(lab);
        for shell in [
            "policy-table apply --confirm 8 eth1 </dev/null >/dev/full",
            "exec 3>&1; { sleep 1; policy-table apply --confirm 8 eth1 </dev/null; echo $? >&3; } | true",
        ] {
            let said = lab.sh(shell);
            assert!(said.code == 2 || said.out == "2\n", "{shell}: {}", said.out);
            assert!(said.err.contains("gone back to what was before"), "{said:?}");
            assert_eq!(before(lab), was, "{shell}");
        }
        // Without a question a change does not depend on who reads about it.
        let unread = "exec 3>&1; { sleep 1; policy-table apply eth1; echo $? >&3; } | true";
        assert_eq!(lab.ok(unread), "0\n");
        assert!(is_kept(lab));
    });
}

#[test]
fn going_back_restores_the_order_among_equal_priorities() {
    const FOREIGN: &str = "ip rule add pref 500 fwmark 1/1 lookup 9 protocol static";
    let file = |rules: &str| format!("{PLAIN}    policy-rule {rules}\n");
    let all = "to 192.0.2.0/25 prohibit priority 500; to 192.0.2.0/24 lookup 7 priority 500; \
               from 10.10.0.0/24 lookup 8 priority 500";
    let fewer = "to 192.0.2.0/24 lookup 7 priority 500; from 10.10.0.0/24 lookup 6 priority 500";
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&file(all));
        lab.ok(FOREIGN);
        lab.ok("ifup eth1");
        let was = before(lab);
        let go_back = || {
            lab.interfaces(&file(fewer));
            lab.sh("policy-table apply --confirm 1 eth1 </dev/null")
        };
        let said = go_back();
        assert!(
            said.err.contains("gone back to what was before"),
            "{said:?}"
        );
        assert_eq!(before(lab), was);
        // Also where only the order was changed.
        lab.interfaces(&file(all));
        lab.ok("ip rule del pref 500 to 192.0.2.0/25 protocol 157");
        lab.ok("ip rule add pref 500 to 192.0.2.0/25 prohibit protocol 157");
        let disordered = before(lab);
        let said = lab.sh("policy-table apply --confirm 1 eth1 </dev/null");
        assert!(
            said.err.contains("gone back to what was before"),
            "{said:?}"
        );
        assert_eq!(before(lab), disordered);
        // What is not ours is not moved, which is said.
        lab.ok("policy-table apply eth1");
        lab.ok("ip rule del pref 500 fwmark 1/1 protocol static");
        lab.ok(FOREIGN);
        let said = go_back();
        let told =
            "stands behind \"rule priority 500 from all fwmark 0x1/0x1 lookup 9 proto 4\" now";
        assert!(said.err.contains(told), "{said:?}");
        assert!(
            said.err
                .contains("gone back, but not to all that was before"),
            "{said:?}"
        );
        let sorted = |rules: &str| {
            let mut lines: Vec<String> = rules.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let now = before(lab);
        assert_eq!(sorted(&now.1), sorted(&was.1));
        let ours = |rules: &str| {
            let lines = rules
                .lines()
                .filter(|line| line.contains("proto policy-table"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ours(&now.1), ours(&was.1));
    });
}

#[test]
fn going_back_restores_which_of_two_routers_is_used() {
    const SECOND: &str = "\
iface eth2 inet static
    address 10.20.0.10/24
    policy-table rt2
";
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.interfaces(&format!("{PLAIN}{SECOND}"));
        lab.ok("ifup eth1 eth2");
        let routes = || lab.ok("ip route list table rt2");
        let was = (before(lab), routes());
        assert_eq!(was.1.matches("default").count(), 2, "{}", was.1);
        lab.interfaces(&format!("{}{SECOND}", PLAIN.replace("rt2", "rt9")));
        let said = lab.sh("policy-table apply --confirm 1 eth1 </dev/null");
        assert!(
            said.err.contains("gone back to what was before"),
            "{said:?}"
        );
        assert_eq!((before(lab), routes()), was);
    });
}

/// An ifup or ifdown of another session, or a hotplug event, wins over the way back.
#[test]
fn what_comes_up_or_goes_down_meanwhile_stays_so() {
    lab(|lab| {
        let stanza = |n: u8| {
            format!(
                "iface eth{n} inet static\n    address 10.{n}.0.10/24\n    policy-table rt{n}\n"
            )
        };
        let file = |table: &str| {
            PLAIN.replace("rt2", table) + &stanza(2).replace("rt2", "up2") + &stanza(3)
        };
        for n in 1..=3 {
            lab.device(&format!("eth{n}"));
        }
        lab.interfaces(&file("rt2"));
        lab.ok("ifup eth1 eth3");
        lab.interfaces(&file("rt9"));
        let mut run = InTerminal::start(ASK);
        asked(&mut run);
        lab.ok("ifup eth2; ifdown eth3");
        run.typed("no\n");
        let (code, said) = run.end();
        assert_eq!((code, is_kept(lab)), (Some(2), false), "{said}");
        let now = lab.tagged().join("\n");
        assert!(
            now.contains("10.2.0.10") && !now.contains("10.3.0.10"),
            "{now}"
        );
        for device in ["eth2", "eth3"] {
            let told =
                format!("{device} has been brought up or down meanwhile, and stays as it is");
            assert!(said.contains(&told), "{said}");
        }
        lab.ok("policy-table status eth2");
        lab.ok("ifdown eth1 eth2");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// A record has what the kernel has: no more, no less.
fn record_is_true(lab: &Lab, device: &str) {
    let record = lab.text(&format!("/run/policy-table/{device}"));
    let noted = record.lines().filter(|line| line.starts_with('\t')).count();
    assert_eq!(noted, lab.tagged().len(), "{record}{:?}", lab.tagged());
}

/// What has become impossible meanwhile keeps nothing else from going back, and comes with the next
/// `apply`.
#[test]
fn what_cannot_go_back_is_named_and_the_rest_does() {
    const BY_ETH2: &str = "    policy-route 192.0.2.0/24 via 10.20.0.1 dev eth2\n";
    let file = |table: &str| format!("{}{BY_ETH2}", PLAIN.replace("rt2", table));
    for (down, lost) in [
        ("eth1", "default via 10.10.0.1 dev eth1"),
        ("eth2", "192.0.2.0/24 via 10.20.0.1 dev eth2"),
    ] {
        lab(|lab| {
            lab.device("eth1");
            lab.device("eth2");
            lab.ok("ip addr add 10.20.0.10/24 dev eth2; ip link set eth2 up");
            lab.interfaces(&file("rt2"));
            lab.ok("ifup eth1");
            let was = before(lab);
            lab.interfaces(&file("rt9"));
            let mut run = InTerminal::start(ASK);
            asked(&mut run);
            lab.ok(&format!("ip link set {down} down"));
            // What the keeper notes of it, or another apply of the same file, is no ifup.
            lab.sh("policy-table keep --once; policy-table apply eth1");
            run.typed("no\n");
            let (code, said) = run.end();
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains(&format!("ip route add {lost}")), "{said}");
            assert!(said.contains("gone back, but not to all"), "{said}");
            assert!(!is_kept(lab));
            assert_eq!(lab.ok("ip rule; ip -6 rule"), was.1);
            let others = was.0.iter().filter(|line| !line.contains(down));
            for line in others.filter(|line| line.contains("dev")) {
                assert!(lab.tagged().contains(line), "{line}: {:?}", lab.tagged());
            }
            record_is_true(lab, "eth1");
            lab.ok(&format!("ip link set {down} up"));
            lab.interfaces(&file("rt2"));
            let said = lab.ok("policy-table apply eth1");
            assert!(!said.contains(" 0 added"), "{said}");
            let (mut now, mut was) = (before(lab).0, was.0);
            now.sort();
            was.sort();
            assert_eq!(now, was);
            record_is_true(lab, "eth1");
            lab.ok("ifdown eth1");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

/// The router that main has lost meanwhile is not forgotten: no guess takes its place.
#[test]
fn a_router_that_cannot_go_back_yet_is_known() {
    lab(|lab| {
        lab.device("eth1");
        let file = |table: &str| {
            format!(
                "iface eth1 inet manual\n    up ip addr add 10.10.0.10/24 dev eth1\n    \
                 up ip link set eth1 up\n    up ip route add default via 10.10.0.7 dev eth1\n    \
                 policy-table {table}\n    policy-gateway auto\n"
            )
        };
        lab.interfaces(&file("rt2"));
        lab.ok("ifup eth1");
        assert!(lab.tagged().join("").contains("via 10.10.0.7"));
        lab.interfaces(&file("rt9"));
        let mut run = InTerminal::start(ASK);
        asked(&mut run);
        lab.ok("ip link set eth1 down");
        run.typed("no\n");
        let (_, said) = run.end();
        assert!(said.contains("gone back, but not to all"), "{said}");
        lab.ok("ip link set eth1 up");
        lab.interfaces(&file("rt2"));
        lab.ok("policy-table apply eth1");
        assert!(lab.tagged().join("").contains("via 10.10.0.7"));
    });
}

/// What no record claims goes back piece by piece, too.
#[test]
fn what_apply_all_took_out_goes_back() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.ok("ip addr add 10.20.0.10/24 dev eth2; ip link set eth2 up");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        lab.ok("ip rule add pref 77 fwmark 7 lookup 99 protocol 157");
        lab.ok("ip route add 192.0.2.0/24 via 10.20.0.1 dev eth2 table 99 proto 157");
        let was = lab.ok("ip rule");
        let mut run = InTerminal::start("exec policy-table apply --confirm 60 --all");
        assert!(asked(&mut run).contains("orphaned: 2 routes and rules removed"));
        lab.ok("ip link set eth2 down");
        run.typed("no\n");
        let (_, said) = run.end();
        assert!(
            said.contains("ip route add 192.0.2.0/24 via 10.20.0.1"),
            "{said}"
        );
        assert!(said.contains("gone back, but not to all"), "{said}");
        assert_eq!(lab.ok("ip rule"), was);
    });
}
