//! The commands on hosts that are up: what `plan` prints, pasted, is what `ifup` does; what
//! `status` sees, `apply` mends; `flush` leaves nothing.

use serde_json::Value;

use crate::support::lab::{lab, lab_of, lines, Lab, Release};
use crate::support::terminal::InTerminal;

const PLAIN: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
";

/// Stanzas of every kind that needs no lease.
const STANZAS: [&str; 7] = [
    PLAIN,
    "iface eth1 inet static
    address 10.10.0.10/24
    gateway 10.10.0.254
    policy-table rt2
    policy-mode main
    policy-rule fwmark 7; to 192.0.2.0/24 lookup main
    policy-route 198.51.100.0/24 via 10.10.0.3; unreachable default metric 4294967295
",
    "iface eth1 inet6 static
    address 2001:db8::10/64
    dad-attempts 0
    policy-table 500
    policy-gateway 2001:db8::1
",
    "iface eth1 inet static
    address 10.10.0.10/24
    policy-table auto
    policy-source subnet
    policy-priority 900
iface eth1 inet6 static
    address 2001:db8::10/64
    dad-attempts 0
    policy-table auto
    policy-gateway fe80::1
    policy-rule iif eth1p prohibit
",
    "iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-source none
    policy-gateway none
    policy-rule from 10.10.0.10 lookup rt2 priority 77; not fwmark 1 lookup other
    policy-route default via 10.10.0.9 table other
",
    "iface eth1 inet static
    address 10.10.0.10/31
    policy-table rt2
    policy-gateway 10.10.0.11
iface eth1:1 inet static
    address 10.30.0.10/24
    policy-table rt3
",
    "iface eth1 inet manual
    up ip address add 10.40.0.10/24 dev $IFACE; ip link set $IFACE up
    policy-table rt2
    policy-gateway 10.40.0.1
",
];

/// Rules, routes of all tables and names, as `ip` sees them. IPv6 routes of the kernel's own
/// come and go with the address checks, so only those of ours count there.
fn state(lab: &Lab) -> String {
    let names = "cat /etc/iproute2/rt_tables /etc/iproute2/rt_tables.d/* 2>/dev/null; true";
    let ours = "ip -6 -d route show table all proto 157";
    [lab.routing(), lab.ok(ours), lab.ok(names)].join("\n")
}

fn all_interfaces(stanzas: &str) -> &'static str {
    if stanzas.contains("eth1:1") {
        "eth1 eth1:1"
    } else {
        "eth1"
    }
}

#[test]
fn a_pasted_plan_is_what_ifup_does() {
    for release in [Release::Debian12, Release::Debian13] {
        for stanzas in STANZAS {
            let mut states = Vec::new();
            for pasted in [false, true] {
                lab_of(release, |lab| {
                    lab.device("eth1");
                    lab.interfaces(stanzas);
                    let interfaces = all_interfaces(stanzas);
                    if pasted {
                        lab.ok("mkdir /run/aside; mv /etc/network/if-up.d/* /run/aside");
                    }
                    lab.ok(&format!("ifup {interfaces}"));
                    if pasted {
                        let plan = lab.ok("policy-table plan eth1");
                        lab.write("/run/plan", &plan);
                        lab.ok("sh -e /run/plan");
                    }
                    assert!(!lab.tagged().is_empty());
                    states.push(state(lab));
                });
            }
            if let [done, pasted] = states.as_slice() {
                assert_eq!(done, pasted, "{stanzas}");
            }
        }
    }
}

#[test]
fn a_plan_of_what_is_in_step_is_empty_and_changes_nothing() {
    for stanzas in STANZAS {
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(stanzas);
            lab.ok(&format!("ifup {}", all_interfaces(stanzas)));
            let before = state(lab);
            let plan = lab.ok("policy-table plan");
            let commands = plan.lines().filter(|line| !line.starts_with('#'));
            assert_eq!(commands.count(), 0, "{plan}");
            assert_eq!(lab.sh("policy-table status").code, 0);
            assert_eq!(state(lab), before);
        });
    }
}

/// What goes wrong with an interface that is up, and how many objects are amiss then.
const DRIFT: [(&str, usize); 6] = [
    ("ip rule del priority 21000 from 10.10.0.10", 1),
    ("ip route flush table rt2", 2),
    ("ip link set eth1 down; ip link set eth1 up", 2),
    ("ip rule flush; ip rule add priority 32766 lookup main", 2),
    (
        "ip rule del priority 21000; ip rule del priority 21000; ip route del default table rt2",
        3,
    ),
    (
        "ip route replace default via 10.10.0.7 dev eth1 table rt2 proto 157",
        1,
    ),
];

fn objects(status: &Value, condition: &str) -> usize {
    let stanzas = status["stanzas"].as_array().unwrap();
    let objects = stanzas
        .iter()
        .flat_map(|stanza| stanza["objects"].as_array().unwrap());
    objects
        .filter(|object| object["condition"] == condition)
        .count()
}

#[test]
fn drift_is_seen_and_mended() {
    for (drift, missing) in DRIFT {
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(PLAIN);
            lab.ok("ifup eth1");
            let sorted = |mut lines: Vec<String>| {
                lines.sort();
                lines
            };
            let good = sorted(lab.tagged());
            lab.ok(drift);
            let said = lab.sh("policy-table status --json");
            assert_eq!(said.code, 1, "{drift}: {}", said.err);
            let status: Value = serde_json::from_str(&said.out).unwrap();
            assert_eq!(status["version"], 1);
            assert_eq!(status["stanzas"][0]["table"]["name"], "rt2");
            assert_eq!(status["stanzas"][0]["verdict"], "drift");
            assert_eq!(
                objects(&status, "missing"),
                missing,
                "{drift}: {}",
                said.out
            );
            let said = lab.sh("policy-table apply --all");
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{drift}");
            assert_eq!(lab.sh("policy-table status").code, 0, "{drift}");
            assert_eq!(sorted(lab.tagged()), good, "{drift}");
            lab.ok("ifdown eth1");
            assert_eq!(lab.tagged(), [""; 0]);
        });
    }
}

#[test]
fn an_edited_stanza_is_applied_and_nothing_of_the_old_one_stays() {
    for (from, to) in [
        ("rt2", "rt9"),
        ("policy-table rt2", "policy-table rt2\n    policy-mode main"),
        (
            "policy-table rt2",
            "policy-table rt2\n    policy-gateway 10.10.0.9",
        ),
        (
            "policy-table rt2",
            "policy-table rt2\n    policy-priority 5000\n    policy-rule fwmark 3",
        ),
        ("    policy-table rt2\n", ""),
    ] {
        let edited = PLAIN.replace(from, to);
        let mut fresh = String::new();
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(&edited);
            lab.ok("ifup eth1");
            fresh = lab.tagged().join("\n").replace("rt2", "");
        });
        lab(|lab| {
            lab.device("eth1");
            lab.interfaces(PLAIN);
            lab.ok("ifup eth1");
            lab.interfaces(&edited);
            let plan = lab.ok("policy-table plan eth1");
            let dry = lab.ok("policy-table apply --dry-run eth1");
            assert_eq!(plan, dry);
            assert_eq!(lab.sh("policy-table status").code, 1, "{edited}");
            lab.ok("policy-table apply eth1");
            assert_eq!(
                lab.tagged().join("\n").replace("rt2", ""),
                fresh,
                "{edited}"
            );
            assert_eq!(lab.sh("policy-table status").code, 0, "{edited}");
            lab.ok("ifdown eth1");
            assert_eq!(lab.tagged(), [""; 0], "{edited}");
            assert!(lab.sh("ls -A /run/policy-table").out.is_empty());
        });
    }
}

#[test]
fn an_edited_address_is_waited_for_and_then_taken_over() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        let before = lab.tagged();
        lab.interfaces(&PLAIN.replace("10.10.0.10", "10.10.0.20"));
        // The interface has the old one still, and with it its routing.
        for command in ["status", "apply --dry-run eth1", "apply eth1"] {
            let said = lab.sh(&format!("policy-table {command}"));
            let waiting = "waiting for its address 10.10.0.20, which is not on eth1";
            assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
            assert!(said.out.contains(waiting), "{said:?}");
            assert!(!said.out.contains("ip r"), "{said:?}");
            assert_eq!(lab.tagged(), before);
        }
        lab.ok("ip address add 10.10.0.20/24 dev eth1");
        lab.ok("policy-table apply eth1");
        let rules = lab.rules("-4").join("\n");
        assert!(
            rules.contains("from 10.10.0.20") && !rules.contains("10.10.0.10"),
            "{rules}"
        );
        assert_eq!(lab.tagged().len(), 4);
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

#[test]
fn a_deleted_stanza_keeps_what_it_has_until_it_is_flushed() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        let other = PLAIN.replace("eth1", "eth2").replace("10.10.", "10.20.");
        lab.interfaces(&[PLAIN, &other.replace("rt2", "rt3")].concat());
        lab.ok("ifup eth1 eth2");
        lab.interfaces(PLAIN);
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1);
        assert!(
            said.out
                .contains("eth2 inet static 10.20.0.10, in the file no more"),
            "{}",
            said.out
        );
        let said = lab.sh("policy-table apply --all");
        assert!(said.err.contains("policy-table flush eth2"), "{}", said.err);
        assert_eq!(lab.tagged().len(), 8);
        lab.ok("policy-table flush eth2");
        assert_eq!(lab.tagged().len(), 4);
        assert_eq!(lab.sh("policy-table status").code, 0);
    });
}

/// What a device that is gone has left is told once, as what `apply --all` makes of it.
#[test]
fn what_a_device_that_is_gone_left_is_an_orphan_and_nothing_else() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1; ip link del eth1");
        let left = lab.tagged();
        assert_eq!(left.len(), 2, "{left:?}");
        let said = lab.sh("policy-table status -v");
        assert_eq!(said.code, 1, "{}", said.out);
        let first = said.out.lines().next().unwrap();
        assert_eq!(first, "policy-table status: 1 stanza waiting, 1 orphan");
        assert_eq!(said.out.matches("rule priority").count(), 2, "{}", said.out);
        assert_eq!(
            said.out.matches("orphan    rule").count(),
            2,
            "{}",
            said.out
        );
        assert!(said
            .out
            .contains("waiting for the device: there is no eth1"));
        let json = lab.sh("policy-table status --json").out;
        assert_eq!(json.matches("rule priority").count(), 2, "{json}");
        // By itself apply does nothing about it.
        assert_eq!(lab.sh("policy-table apply eth1").code, 1);
        assert_eq!(lab.tagged(), left);
        let plan = lab.sh("policy-table apply --all --dry-run").out;
        assert_eq!(plan.matches("ip rule del").count(), 2, "{plan}");
        let said = lab.sh("policy-table apply --all");
        assert!(
            said.out.contains("orphaned: 2 routes and rules removed"),
            "{said:?}"
        );
        assert_eq!(lab.tagged(), [""; 0]);
        let status = lab.sh("policy-table status").out;
        assert!(
            status.starts_with("policy-table status: 1 stanza waiting\n"),
            "{status}"
        );
        let again = lab.sh("policy-table apply --all").out;
        assert!(!again.contains("orphaned"), "{again}");
    });
}

/// Of one that left nothing in the kernel there is nothing to tell.
#[test]
fn what_is_only_recorded_is_no_orphan() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1; ip link del eth1; ip rule flush; ip rule add pref 32766 lookup main");
        lab.write("/run/network/ifstate", "");
        let said = lab.sh("policy-table status");
        let nothing = "policy-table status: no interface that is up has policy routing\n";
        assert_eq!((said.code, said.out.as_str()), (0, nothing));
        assert_eq!(lab.ok("policy-table apply --all"), "");
        assert!(lab.sh("cat /run/policy-table/eth1").out.is_empty());
    });
}

#[test]
fn orphans_are_named_and_go_with_all() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        lab.ok("ip rule add priority 400 from 192.0.2.1 lookup 77 protocol 157");
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1, "{}", said.out);
        assert!(
            said.out
                .contains("orphan    rule priority 400 from 192.0.2.1"),
            "{}",
            said.out
        );
        lab.ok("policy-table apply eth1");
        assert_eq!(lab.tagged().len(), 5);
        assert!(lab
            .ok("policy-table apply --all --dry-run")
            .contains("ip rule del priority 400"));
        lab.ok("policy-table apply --all");
        assert_eq!(lab.tagged().len(), 4);
        // Without its record, an interface that is up is no orphan.
        lab.ok("rm /run/policy-table/eth1");
        assert_eq!(lab.sh("policy-table status").code, 0);
        lab.ok("policy-table apply --all");
        assert_eq!(lab.tagged().len(), 4);
        lab.ok("rm /run/network/ifstate; touch /run/network/ifstate");
        assert_eq!(lab.sh("policy-table status").code, 1);
        lab.ok("policy-table apply --all");
        assert_eq!(lab.tagged(), [""; 0]);
        assert_eq!(
            lab.sh("policy-table status").out,
            "policy-table status: no interface that is up has policy routing\n"
        );
    });
}

#[test]
fn flush_leaves_nothing_of_ours_and_all_of_others() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip rule add priority 21000 from 192.0.2.1 lookup 77; \
            ip route add blackhole 192.0.2.0/24 table 77 proto static");
        let before = state(lab);
        lab.interfaces(STANZAS[3]);
        lab.ok("ifup eth1");
        let count = lab.tagged().len();
        assert!(lab
            .ok("policy-table flush eth1")
            .starts_with(&format!("eth1: {count} routes")));
        assert_eq!(lab.tagged(), [""; 0]);
        lab.ok("policy-table apply eth1");
        assert_eq!(lab.tagged().len(), count);
        lab.ok(
            "ip rule add priority 400 from 192.0.2.1 lookup 77 protocol 157; \
            ip -6 route add blackhole 2001:db8:9::/48 table 9 proto 157; \
            printf 'gar\\377bage' >/run/policy-table/eth9",
        );
        lab.ok("policy-table flush --all");
        assert_eq!(lab.tagged(), [""; 0]);
        assert!(lab.sh("ls -A /run/policy-table").out.is_empty());
        lab.ok("ifdown eth1; sed -i /ifupdown-policy-table/d /etc/iproute2/rt_tables");
        assert_eq!(state(lab), before);
    });
}

#[test]
fn flush_goes_by_the_record_where_no_file_is_named_and_reads_one_that_is() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        let before = lab.tagged();
        let said = lab.sh("policy-table flush -i /nowhere eth1");
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains("cannot read /nowhere: "), "{said:?}");
        assert_eq!(lab.tagged(), before);
        lab.ok("rm /etc/network/interfaces; policy-table flush eth1");
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

#[test]
fn a_record_with_a_byte_that_is_no_text_says_the_rest() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&format!("{PLAIN}    policy-rule fwmark 7\n"));
        lab.ok("ifup eth1");
        lab.ok("sed -i '1s/$/ \\xff/' /run/policy-table/eth1");
        lab.interfaces(PLAIN);
        let said = lab.sh("policy-table status eth1");
        let stale = said.out.lines().filter(|line| line.contains("stale"));
        let stale: Vec<&str> = stale.collect();
        assert_eq!(stale.len(), 1, "{said:?}");
        assert!(stale[0].contains("fwmark 0x7"), "{said:?}");
    });
}

#[test]
fn bad_arguments_change_nothing() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        let before = state(lab);
        for (arguments, word) in [
            ("apply", "--all"),
            ("flush", "--all"),
            ("flush --all eth1", "beside --all"),
            (
                "apply eth9",
                "eth9 is not up; run: ifup eth9, or where that has failed: ifdown --force eth9; ifup eth9",
            ),
            ("status eth9", "eth9 is not up"),
            ("apply --confirm never eth1", "\"never\": expected seconds"),
            ("apply --confirm 0 eth1", "expected seconds"),
            (
                "apply a-name-that-is-far-too-long",
                "a-name-that-is-far-too-long",
            ),
            ("status --jsn", "did you mean \"--json\""),
            ("statsu", "did you mean \"status\""),
            ("plan eth9", "eth9 is neither up nor in the file"),
            ("status -i /no/such/file", "/no/such/file"),
            ("flush -i /no/such/file eth1", "/no/such/file"),
            ("plan -i /proc/self/mem", "/proc/self/mem"),
        ] {
            let said = lab.sh(&format!("policy-table {arguments}"));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments}");
            assert!(said.err.contains(word), "{arguments}: {}", said.err);
        }
        lab.write("/run/wrong", "iface eth1 inet static\n    address\n");
        let said = lab.sh("policy-table apply -i /run/wrong eth1");
        assert!(
            said.code == 2 && said.err.contains("/run/wrong:2:"),
            "{}",
            said.err
        );
        assert_eq!(state(lab), before);
    });
}

#[test]
fn what_only_reads_needs_no_root_and_minds_no_closed_pipe() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        for command in ["status", "status --json", "plan"] {
            let as_root = lab.ok(&format!("policy-table {command}"));
            let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
            assert_eq!(lab.ok(&format!("{nobody} policy-table {command}")), as_root);
            let said = lab.sh(&format!(
                "exec 3>&1; {{ policy-table {command}; echo $? >&3; }} | true"
            ));
            assert_eq!(
                (said.out.as_str(), said.err.as_str()),
                ("0\n", ""),
                "{command}"
            );
            assert!(!as_root.contains('\u{1b}'));
        }
        let coloured = "script -qec 'policy-table status' /dev/null";
        if lab.sh("command -v script").code == 0 {
            assert!(lab.ok(coloured).contains('\u{1b}'));
            assert!(!lab.ok(&format!("NO_COLOR=1 {coloured}")).contains('\u{1b}'));
        }
    });
}

#[test]
fn a_change_of_the_way_back_over_ssh_is_told_first() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        let edit = |gateway: &str| {
            lab.interfaces(&format!("{PLAIN}    policy-gateway {gateway}\n"));
        };
        edit("10.10.0.9");
        let from = |client: &str| format!("SSH_CONNECTION='{client} 50000 10.10.0.10 22'");
        // Not there, where the client is on the link, nor without a connection.
        for connection in [from("10.10.0.77"), "SSH_CONNECTION=".to_owned()] {
            let said = lab.sh(&format!("{connection} policy-table apply --dry-run eth1"));
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{connection}");
        }
        let said = lab.sh(&format!("{} policy-table apply eth1", from("192.0.2.7")));
        let told = "this moves the way back to you, 192.0.2.7: now it is via 10.10.0.1 dev eth1, \
            then via 10.10.0.9 dev eth1";
        assert_eq!(said.ours(), [told]);
        assert!(lab.routes("-4", "rt2")[0].starts_with("default via 10.10.0.9"));
        // sudo drops the variable; the shell above has it.
        edit("10.10.0.8");
        let above = format!(
            "{} sh -c 'env -u SSH_CONNECTION policy-table apply eth1; :'",
            from("192.0.2.7")
        );
        assert!(lab.sh(&above).err.contains("then via 10.10.0.8"));
        let said = lab.sh(&format!("{} policy-table apply eth1", from("192.0.2.7")));
        assert_eq!(said.err, "", "nothing changes");
        // On a terminal it asks, and no is an answer; what was typed before the question is none.
        edit("10.10.0.7");
        let ask = format!("{} exec policy-table apply eth1", from("192.0.2.7"));
        for (early, answer, code, gateway) in [
            ("", "n\n", 2, "10.10.0.8"),
            ("y\n", "\n", 2, "10.10.0.8"),
            ("", "y\n", 0, "10.10.0.7"),
        ] {
            let mut run = InTerminal::start(&format!("echo ready; sleep 0.5; {ask}"));
            run.until("ready");
            run.typed(early);
            run.until("Go on? [y/N]");
            run.typed(answer);
            let (ended, said) = run.end();
            assert_eq!(ended, Some(code), "{early:?}, {answer:?}: {said}");
            let default = &lab.routes("-4", "rt2")[0];
            assert!(
                default.contains(gateway),
                "{early:?}, {answer:?}: {default}"
            );
        }
    });
}

/// Two interfaces with a table in common, and an alias; one has two stanzas, not side by side.
const SHARED: &str = "\
iface eth1 inet static
    address 10.1.0.10/24
    policy-table rt2
    policy-gateway 10.1.0.1
iface eth2 inet static
    address 10.2.0.10/24
    policy-table rt2
    policy-gateway 10.2.0.1
iface eth1 inet6 static
    address 2001:db8::10/64
    dad-attempts 0
    policy-table rt2
    policy-gateway 2001:db8::1
iface eth1:1 inet static
    address 10.3.0.10/24
    policy-table rt3
    policy-gateway 10.3.0.1
";

fn two_devices(lab: &Lab) {
    lab.device("eth1");
    lab.device("eth2");
    lab.interfaces(SHARED);
}

#[test]
fn a_plan_sees_what_it_has_planned_for_the_stanzas_before() {
    let mut states = Vec::new();
    for pasted in [false, true] {
        lab(|lab| {
            two_devices(lab);
            lab.ok("printf '9 nine' >>/etc/iproute2/rt_tables");
            if pasted {
                lab.ok("mkdir /run/aside; mv /etc/network/if-up.d/* /run/aside");
            }
            lab.ok("ifup eth1 eth1:1 eth2");
            if pasted {
                lab.ok("policy-table plan >/run/plan; sh -e /run/plan");
                lab.ok("policy-table status");
            }
            states.push(lines(&state(lab)));
        });
    }
    if let [done, pasted] = states.as_slice() {
        assert_eq!(done, pasted);
    }
    lab(|lab| {
        two_devices(lab);
        lab.ok("ifup eth1 eth1:1 eth2");
        // A rule moves from one stanza to the next.
        let rule = "    policy-rule fwmark 5 priority 400 lookup 99\n";
        let first = "    policy-gateway 10.1.0.1\n";
        lab.interfaces(&SHARED.replace(first, &format!("{first}{rule}")));
        lab.ok("policy-table apply --all");
        lab.interfaces(&format!("{SHARED}{rule}"));
        lab.ok("policy-table plan >/run/plan; sh -e /run/plan");
        assert!(lab.ok("ip rule").contains("fwmark 0x5"));
    });
}

#[test]
fn a_plan_is_for_interfaces_and_not_for_models_of_them() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(&format!(
            "iface uplink inet static\n    policy-table rt2\n\nmapping eth1\n    script /bin/true\n    \
             map work\n\n{}\niface eth2 inet static inherits uplink\n    address 10.20.0.10/24\n",
            PLAIN.replace("iface eth1", "iface work")
        ));
        let planned = lab.sh("policy-table plan");
        let heads: Vec<&str> = planned
            .out
            .lines()
            .filter(|line| line.contains("inet"))
            .collect();
        assert_eq!(
            heads,
            ["# eth2 inet static 10.20.0.10, table rt2 (20611)"],
            "{planned:?}"
        );
        assert_eq!(planned.code, 0, "{planned:?}");
        // Who names one knows what for.
        let said = lab.ok("policy-table plan work");
        assert!(said.starts_with("# work inet static"), "{said}");
        lab.ok("ifup eth1=work");
        let said = lab.ok("policy-table plan");
        assert!(said.starts_with("# eth1=work inet static"), "{said}");
    });
}

#[test]
fn a_plan_is_quoted_for_the_shell() {
    lab(|lab| {
        lab.ok("ip link add 'e;$a' type veth peer name peer");
        lab.ok("ip link set peer up; ip link set 'e;$a' up; ip addr add 10.1.0.10/24 dev 'e;$a'");
        lab.interfaces("iface e;$a inet static\n address 10.1.0.10/24\n policy-table o'r$x\\n\n");
        lab.ok("policy-table plan >/run/plan; sh -e /run/plan");
        let names = lab.text("/etc/iproute2/rt_tables");
        assert!(names.contains("\to'r$x\\n\t#"), "{names}");
        assert_eq!(lab.tagged().len(), 4);
    });
}

#[test]
fn an_interface_counts_once_where_ifup_left_no_note() {
    lab(|lab| {
        lab.ok("mount -t sysfs sys /sys");
        two_devices(lab);
        lab.ok("ifup eth1 eth2 eth1:1");
        let stanzas = |said: String| {
            let said: Value = serde_json::from_str(&said).unwrap();
            let list = said["stanzas"].as_array().unwrap().iter();
            let mut list: Vec<String> = list.map(|part| part["stanza"].to_string()).collect();
            list.sort();
            list
        };
        let before = stanzas(lab.ok("policy-table status --json"));
        assert_eq!(before.len(), 4);
        lab.ok("rm /run/network/ifstate");
        assert_eq!(stanzas(lab.ok("policy-table status --json")), before);
    });
}

#[test]
fn flush_without_a_record_goes_by_all_stanzas() {
    lab(|lab| {
        two_devices(lab);
        lab.ok("ifup eth1 eth1:1 eth2");
        lab.ok("rm /run/policy-table/eth1; policy-table flush eth1");
        let left = lab.tagged().join("\n");
        assert!(left.contains("10.2.0.10"), "{left}");
        assert!(
            !left.contains("eth1") && !left.contains("10.3.0.10"),
            "{left}"
        );
        assert!(!left.contains("2001:db8"), "{left}");
    });
}

#[test]
fn a_plan_leaves_a_deleted_stanza_what_it_has_as_apply_does() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1");
        let before = state(lab);
        lab.interfaces("");
        for plan in ["plan", "plan eth1", "apply --all --dry-run"] {
            let said = lab.ok(&format!("policy-table {plan}"));
            assert!(said.contains("in the file no more"), "{said}");
            assert!(!said.contains("ip ro") && !said.contains("ip ru"), "{said}");
        }
        lab.ok("policy-table apply --all");
        assert_eq!(state(lab), before);
    });
}

#[test]
fn a_sourced_file_that_may_not_be_read_is_no_deleted_stanza() {
    lab(|lab| {
        lab.device("eth1");
        let folder = "/etc/network/more";
        lab.write(&format!("{folder}/eth1"), PLAIN);
        let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
        for (source, closed) in [("source", "eth1"), ("source-directory", ".")] {
            let path = if source == "source" { "/*" } else { "" };
            lab.interfaces(&format!("{source} {folder}{path}\n"));
            lab.ok(&format!("chmod 700 {folder}/{closed}; ifup eth1"));
            for command in ["status", "plan", "plan eth1"] {
                let said = lab.sh(&format!("{nobody} policy-table {command}"));
                assert_eq!((said.code, said.out.as_str()), (2, ""), "{command}");
                assert!(said.err.contains("Permission denied"), "{}", said.err);
                lab.ok(&format!("policy-table {command}"));
            }
            lab.ok("ifdown eth1");
        }
    });
}

#[test]
fn who_only_looks_does_not_claim_to_have_waited() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces("iface eth1 inet dhcp\n    policy-table rt2\n");
        let said = lab.sh("policy-table plan");
        assert_eq!(said.code, 1);
        assert!(
            said.out.contains("\n# waiting for an IPv4 address\n"),
            "{}",
            said.out
        );
    });
}

#[test]
fn a_damaged_record_is_told_with_its_way_out() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(PLAIN);
        lab.ok("ifup eth1; echo garbage >>/run/policy-table/eth1");
        let said = lab.sh("policy-table status");
        assert_eq!(said.code, 1, "{}", said.out);
        assert!(
            said.out.contains("eth1: the record is damaged"),
            "{}",
            said.out
        );
        let said = lab.sh("policy-table status --json");
        let said: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(said["damaged"], serde_json::json!(["eth1"]));
        lab.ok("policy-table flush eth1; policy-table apply eth1; policy-table status");
    });
}

/// The words of a plan are for a shell on this host, whose `ip` may be older than its kernel.
#[test]
fn a_plan_says_what_the_ip_of_this_host_does_not_know() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual\n policy-rule dscp 46 lookup 500; sport 0x10/0xf0 lookup 500; \
             dport 53 lookup 500\n",
        );
        let remark = "# not for the ip of this host, which does not know";
        for (word, knows) in [
            ("dscp 46", "ip rule show dscp 46"),
            ("sport 0x10/0xf0", "! ip rule show sport 1/x"),
        ] {
            let knows = lab.sh(knows).code == 0;
            let plan = lab.ok("policy-table plan eth1");
            assert_eq!(
                plan.contains(&format!("{remark} \"{word}\"")),
                !knows,
                "{plan}"
            );
        }
        // One that knows all of them.
        lab.script("/usr/local/sbin/ip", "#!/bin/sh\n[ \"$5\" != 1/x ]\n");
        let plan = lab.ok("PATH=/usr/local/sbin:$PATH policy-table plan eth1");
        assert!(plan.contains("dscp 46") && !plan.contains(remark), "{plan}");
        // And none at all.
        let plan = lab.ok("PATH=/nowhere /usr/sbin/policy-table plan eth1");
        assert!(plan.contains("dscp 46") && !plan.contains(remark), "{plan}");
    });
}

/// What is up is not given a new address by `apply`, and the plan for it does not pretend so.
#[test]
fn a_plan_for_what_is_up_is_what_apply_would_do() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet static\n    address 10.10.0.11/24\n    policy-table rt2\n    \
             policy-gateway 10.10.0.1\n",
        );
        lab.ok("ifup eth1");
        lab.interfaces(
            "iface eth1 inet static\n    address 10.10.0.12/24\n    policy-table rt2\n    \
             policy-gateway 10.10.0.1\n",
        );
        let plan = lab.sh("policy-table plan eth1");
        let trial = lab.sh("policy-table apply --dry-run eth1");
        assert_eq!((plan.code, &plan.out), (1, &trial.out));
        assert!(!plan.out.contains("ip rule del"), "{}", plan.out);
        lab.ok("ifdown eth1");
        assert!(lab.ok("policy-table plan eth1").contains("10.10.0.12"));
    });
}
