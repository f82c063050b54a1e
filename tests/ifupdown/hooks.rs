//! The hooks as hooks: broken ones that must cost nobody the network, calls that are not for
//! them, and what they say and where.

use crate::support::lab::{lab, lines, Lab, DOWN, HOOK, UP};
use crate::support::needs::{have, STRACE};

const ENVIRONMENT: &str = "IFACE=eth1 LOGICAL=eth1 ADDRFAM=inet METHOD=static \
                           IF_ADDRESS=10.10.0.10 IF_NETMASK=255.255.255.0";
const POLICY: &str = "auto eth1\niface eth1 inet static\naddress 10.10.0.10/24\npolicy-table rt2\n";
const THREE: &str = "auto lo\niface lo inet loopback\n\
                     auto eth1\niface eth1 inet static\naddress 10.10.0.10/24\npolicy-table rt2\n\
                     auto eth2\niface eth2 inet static\naddress 10.20.0.10/24\n\
                     auto eth3\niface eth3 inet static\naddress 10.30.0.10/24\npolicy-table rt3\n";
const ADDRESSES: [&str; 3] = ["10.10.0.10/24", "10.20.0.10/24", "10.30.0.10/24"];

const ALL: [&str; 4] = ["eth1=eth1", "eth2=eth2", "eth3=eth3", "lo=lo"];

/// Ways in which the binary, `$HOOK`, can be broken, and whether run-parts takes that for a failure;
/// `None` where its releases differ: a link to nothing is one to Debian 12's, none to 13's.
const BROKEN: [(&str, Option<bool>); 6] = [
    ("rm $HOOK", None),
    ("chmod 644 $HOOK", Some(false)),
    ("printf '#!/bin/sh\\nkill -SEGV $$\\n' > $HOOK", Some(true)),
    ("printf '#!/bin/sh\\nexit 1\\n' > $HOOK", Some(true)),
    ("printf '#!/nowhere\\n' > $HOOK", Some(true)),
    ("printf '' > $HOOK", Some(true)),
];

fn three(lab: &Lab) {
    for device in ["eth1", "eth2", "eth3"] {
        lab.device(device);
    }
    lab.interfaces(THREE);
}

fn up_addresses(lab: &Lab) -> Vec<String> {
    let shown = lab.ok("ip -o -4 addr show up scope global");
    let words = shown.split_whitespace();
    words
        .filter(|word| ADDRESSES.contains(word))
        .map(str::to_owned)
        .collect()
}

/// What ifupdown has noted as up.
fn recorded(lab: &Lab) -> Vec<String> {
    let mut names = lines(&lab.sh("ifquery --state").out);
    names.sort();
    names
}

#[test]
fn a_broken_binary_leaves_every_interface_up() {
    for (command, fails) in BROKEN {
        lab(|lab| {
            three(lab);
            lab.ok(&format!("HOOK={HOOK}; cp $HOOK /run/good; {command}"));
            let run_parts = lab
                .sh("run-parts --exit-on-error /etc/network/if-up.d")
                .code
                != 0;
            assert_eq!(fails.unwrap_or(run_parts), run_parts, "{command}");

            let said = lab.sh("ifup -a");
            assert_eq!(said.code, i32::from(run_parts), "{command}: {said:?}");
            assert_eq!(up_addresses(lab), ADDRESSES, "{command}");
            assert!(
                lab.ok("ip addr show dev lo up").contains("127.0.0.1/8"),
                "{command}"
            );
            // A failing hook only keeps ifupdown from noting that the interface is up.
            let expected: &[&str] = if run_parts { &[] } else { &ALL };
            assert_eq!(recorded(lab), expected, "{command}");
            assert_eq!(lab.tagged(), [""; 0], "{command}");
            repaired(lab, command);
        });
    }
}

/// With the binary back nothing of the accident remains.
fn repaired(lab: &Lab, command: &str) {
    lab.ok(&format!("rm -f {HOOK}; cp /run/good {HOOK}"));
    let said = lab.sh("ifup -a --ignore-errors --force");
    assert_eq!(
        (said.code, said.ours().len()),
        (0, 0),
        "{command}: {said:?}"
    );
    assert_eq!(lab.tagged().len(), 8, "{command}");
    assert_eq!(recorded(lab).len(), 4, "{command}");
    lab.ok("ifdown -a");
    assert_eq!(lab.tagged(), [""; 0], "{command}");
}

#[test]
fn a_binary_that_breaks_later_does_not_hold_ifdown_up() {
    for (command, _) in BROKEN {
        lab(|lab| {
            three(lab);
            lab.ok(&format!(
                "ifup -a; HOOK={HOOK}; cp $HOOK /run/good; {command}"
            ));
            assert_eq!(lab.tagged().len(), 8);
            let said = lab.sh("ifdown -a");
            assert_eq!(said.code, 0, "{command}: {said:?}");
            assert_eq!(up_addresses(lab), [""; 0], "{command}");
            assert_eq!(recorded(lab), [""; 0], "{command}");
            // Nobody took the rules out; the next run of the interface does.
            assert_eq!(lab.rules("-4").len(), 4, "{command}");
            lab.ok(&format!("rm -f {HOOK}; cp /run/good {HOOK}; ifup -a"));
            assert_eq!(lab.tagged().len(), 8, "{command}");
            lab.ok("ifdown -a");
            assert_eq!(lab.tagged(), [""; 0], "{command}");
        });
    }
}

#[test]
fn after_a_crash_ifdown_force_takes_the_interface_down() {
    lab(|lab| {
        three(lab);
        lab.ok(&format!("printf '#!/bin/sh\\nkill -SEGV $$\\n' > {HOOK}"));
        assert_eq!(lab.sh("ifup -a").code, 1);
        assert_eq!(lab.sh("ifdown --force eth1 eth2 eth3").code, 0);
        assert_eq!(up_addresses(lab), [""; 0]);
    });
}

/// A binary that fails for one interface alone takes no other's record.
#[test]
fn only_the_interface_whose_hook_fails_goes_unrecorded() {
    lab(|lab| {
        three(lab);
        lab.script(HOOK, "#!/bin/sh\n[ \"$IFACE\" != eth2 ]\n");
        assert_eq!(lab.sh("ifup -a").code, 1);
        assert_eq!(up_addresses(lab), ADDRESSES);
        assert_eq!(recorded(lab), ["eth1=eth1", "eth3=eth3", "lo=lo"]);
    });
}

#[test]
fn a_stanza_in_error_stops_no_other() {
    for (on_error, code, states) in [("warn", 0, 4), ("fail", 1, 3)] {
        lab(|lab| {
            three(lab);
            let bad = format!("policy-table main\npolicy-on-error {on_error}");
            lab.interfaces(&THREE.replace("policy-table rt2", &bad));
            let said = lab.sh("ifup -a");
            assert_eq!((said.code, said.out.as_str()), (code, ""), "{said:?}");
            assert_eq!(up_addresses(lab), ADDRESSES);
            assert_eq!(recorded(lab).len(), states);
            assert_eq!(lab.tagged().len(), 4, "eth3's");
        });
    }
}

#[test]
fn stanzas_without_our_options_and_the_call_for_all_are_silent() {
    lab(|lab| {
        three(lab);
        lab.interfaces(&THREE.replace("policy-table", "x-table"));
        for command in ["ifup -a", "ifup --force --ignore-errors --all", "ifdown -a"] {
            let said = lab.sh(command);
            assert!(!said.err.contains("policy"), "{said:?}");
            assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
        }
        assert_eq!(lab.sh("ls /run/policy-table").code, 2);
    });
}

#[test]
fn calls_of_another_mode_or_phase_are_not_ours() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(POLICY);
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        let nothing = lab.routing();
        for (hook, mode, phase) in [
            (UP, "start", "pre-up"),
            (UP, "stop", "post-up"),
            (UP, "stop", "pre-down"),
            (UP, "", "post-up"),
            (UP, "status", "post-up"),
            (DOWN, "start", "post-up"),
            (DOWN, "start", "pre-down"),
            (DOWN, "stop", "post-down"),
        ] {
            let said = lab.sh(&format!(
                "env -i {ENVIRONMENT} MODE={mode} PHASE={phase} IF_POLICY_TABLE=rt2 {hook}"
            ));
            assert_eq!(
                (said.code, said.out.as_str(), said.err.as_str()),
                (0, "", ""),
                "{hook} {mode} {phase}"
            );
            assert_eq!(lab.routing(), nothing, "{hook} {mode} {phase}");
        }
        // An interface that is up keeps what it has through calls of the wrong kind.
        let environment = format!("env -i {ENVIRONMENT} IF_POLICY_TABLE=rt2");
        lab.ok(&format!("{environment} MODE=start PHASE=post-up {UP}"));
        let there = lab.routing();
        lab.ok(&format!("{environment} MODE=stop PHASE=post-down {DOWN}"));
        assert_eq!((lab.routing(), lab.tagged().len()), (there, 4));
    });
}

/// Files opened and sockets made by a hook, as strace tells, without the loader's own.
fn traced(lab: &Lab, hook: &str, environment: &str) -> Option<Vec<String>> {
    if !have(&[STRACE]) {
        return None;
    }
    // Through a shell: strace would start the link's target under its own name.
    let said = lab.sh(&format!(
        "strace -f -qq -e trace=open,openat,openat2,socket,connect \
         env -i {ENVIRONMENT} {environment} {hook}"
    ));
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
    // Rust's runtime looks for the main thread's stack there, before any code of the program.
    let of_the_loader = |line: &&str| {
        [
            "/proc/self/maps",
            "/etc/ld.so",
            ".so",
            "/locale",
            "/gconv",
            "ENOENT",
            "+++",
        ]
        .iter()
        .any(|part| line.contains(part))
    };
    let calls = said.err.lines().filter(|line| !of_the_loader(line));
    Some(calls.map(str::to_owned).collect())
}

#[test]
fn calls_that_are_not_ours_open_no_file_and_no_socket() {
    lab(|lab| {
        for (hook, environment) in [
            (UP, "MODE=start PHASE=post-up"),
            (
                UP,
                "MODE=start PHASE=post-up IF_POLICY=x IF_GATEWAY=10.10.0.1",
            ),
            (UP, "MODE=start PHASE=pre-up IF_POLICY_TABLE=rt2"),
            (
                UP,
                "MODE=start PHASE=post-up IFACE=--all IF_POLICY_TABLE=rt2",
            ),
            (DOWN, "MODE=stop PHASE=pre-down"),
            (DOWN, "MODE=start PHASE=pre-down IF_POLICY_TABLE=rt2"),
            (DOWN, "MODE=stop PHASE=pre-down IFACE=--all"),
        ] {
            let Some(calls) = traced(lab, hook, environment) else {
                return;
            };
            assert_eq!(calls, [""; 0], "{hook} {environment}");
        }
        // The measure can see what it looks for.
        lab.device("eth1");
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        let calls = traced(lab, UP, "MODE=start PHASE=post-up IF_POLICY_TABLE=rt2").unwrap();
        for part in ["rt_tables", "AF_NETLINK"] {
            assert!(
                calls.iter().any(|call| call.contains(part)),
                "{part}: {calls:?}"
            );
        }
    });
}

const STEPS: [&str; 4] = [
    "ip route add 10.10.0.0/24 dev eth1 table 20611 proto 157 scope link src 10.10.0.10",
    "ip route add default via 10.10.0.1 dev eth1 table 20611 proto 157",
    "ip rule add priority 21000 from 10.10.0.10 lookup 20611 proto 157",
    "ip rule add priority 21000 to 10.10.0.10 lookup 20611 proto 157",
];

fn steps(err: &str) -> Vec<String> {
    let ours = err
        .lines()
        .filter_map(|line| line.strip_prefix("policy-table: "));
    ours.filter(|line| line.starts_with("ip "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn verbose_shows_the_steps_as_commands_that_do_the_same() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(POLICY);
        let said = lab.sh("ifup --verbose eth1");
        assert_eq!(said.code, 0);
        assert_eq!(steps(&said.err), STEPS);
        assert!(
            said.ours()
                .iter()
                .any(|line| line.contains("4 added, 0 removed")),
            "{said:?}"
        );
        assert!(
            !said.out.contains("policy-table:"),
            "nothing on standard output: {}",
            said.out
        );
        let routing = lab.routing();

        let said = lab.sh("ifdown --verbose eth1");
        let down = steps(&said.err);
        assert_eq!(down.len(), 4, "{said:?}");
        assert!(
            down[..2]
                .iter()
                .all(|step| step.starts_with("ip rule del ")),
            "{down:?}"
        );
        assert!(
            down[2..]
                .iter()
                .all(|step| step.starts_with("ip route del ")),
            "{down:?}"
        );

        // By hand, line by line, the same comes about and goes.
        lab.interfaces(&POLICY.replace("policy-table rt2", ""));
        lab.ok("ifup eth1");
        let before = lab.routing();
        lab.ok(&STEPS.join(" && "));
        assert_eq!(lab.routing(), routing);
        lab.ok(&down.join(" && "));
        assert_eq!(lab.routing(), before);
    });
}

#[test]
fn nothing_is_ever_said_on_standard_output() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        for verbose in ["0", "1"] {
            for table in [
                "rt2",
                "main",
                "rt2 IF_POLICY_GATEWAY=none",
                "rt2 IF_POLICY_X=1",
            ] {
                for (hook, mode, phase) in [(UP, "start", "post-up"), (DOWN, "stop", "pre-down")] {
                    let said = lab.sh(&format!(
                        "env -i {ENVIRONMENT} VERBOSITY={verbose} MODE={mode} PHASE={phase} \
                         IF_POLICY_TABLE={table} {hook}"
                    ));
                    assert_eq!((said.code, said.out.as_str()), (0, ""), "{table} {hook}");
                    assert_eq!(said.err.lines().count(), said.ours().len(), "{said:?}");
                }
            }
        }
    });
}

/// A closed or broken standard error is no reason to fail.
#[test]
fn nobody_need_listen() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        let environment = format!("env -i {ENVIRONMENT} VERBOSITY=1 IF_POLICY_TABLE=rt2");
        for end in ["2>&-", "2>/dev/full", ">&- 2>&- <&-"] {
            lab.ok(&format!(
                "{environment} MODE=start PHASE=post-up {UP} {end}"
            ));
            assert_eq!(lab.tagged().len(), 4, "{end}");
            lab.ok(&format!(
                "{environment} MODE=stop PHASE=pre-down {DOWN} {end}"
            ));
            assert_eq!(lab.tagged(), [""; 0], "{end}");
        }
    });
}

#[test]
fn ifdown_that_cannot_ask_the_kernel_says_what_takes_out_what_stays() {
    lab(|lab| {
        if !have(&[STRACE]) {
            return;
        }
        lab.device("eth1");
        lab.interfaces(POLICY);
        lab.ok("ifup eth1");
        let before = lab.tagged();
        let said = lab.sh(&format!(
            "strace -o /dev/null -e inject=socket:error=EMFILE:when=1 env -i {ENVIRONMENT} \
             IF_POLICY_TABLE=rt2 MODE=stop PHASE=pre-down {DOWN}"
        ));
        let ours = said.ours();
        assert_eq!((said.code, ours.len()), (0, 2), "{said:?}");
        assert!(ours[0].contains("cannot talk to the kernel"), "{said:?}");
        let remedy = "policy-table flush eth1";
        assert!(ours[1].ends_with(remedy), "{said:?}");
        assert_eq!(lab.tagged(), before);
        lab.ok(remedy);
        assert_eq!(lab.tagged(), [""; 0]);
    });
}
