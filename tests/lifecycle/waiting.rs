//! What was there when a stanza came up and is not there now: the router, the address, the link.
//! What is missing is waited for, and is no reason to change what need not change.

use serde_json::Value;

use crate::support::lab::{lab, Lab, Said, NAMES};
use crate::support::needs::{have, STRACE};

const FLAP: &str = "ip link set eth1 down; ip link set eth1 up";

fn policy(lab: &Lab, command: &str) -> Said {
    lab.sh(&format!("policy-table {command}"))
}

/// What `status --json` says of the first stanza.
fn stanza(lab: &Lab) -> Value {
    let said = policy(lab, "status --json");
    let said: Value = serde_json::from_str(&said.out).unwrap();
    said["stanzas"][0].clone()
}

/// What the clock says, in seconds.
fn now(lab: &Lab) -> u64 {
    lab.ok("date +%s").trim().parse().unwrap()
}

fn router(lab: &Lab, family: &str, table: &str) -> String {
    let routes = lab.routes(family, table);
    let mut routes = routes.iter().filter(|route| route.starts_with("default"));
    routes.next().cloned().unwrap_or_default()
}

fn down(lab: &Lab) {
    lab.ok("ifdown eth1");
    assert_eq!(lab.tagged(), [""; 0]);
    assert_eq!(lab.ok("ls -A /run/policy-table"), "");
}

/// eth1 with an address and a default route in main, both from elsewhere.
fn leased(lab: &Lab, options: &str) {
    lab.device("eth1");
    lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
    lab.ok("ip route add default via 10.10.0.254 dev eth1 metric 100");
    lab.interfaces(&format!("iface eth1 inet manual\n {options}\n"));
    lab.ok("ifup eth1");
    assert_eq!(router(lab, "-4", "rt2"), VIA);
}

const VIA: &str = "default via 10.10.0.254 dev eth1 proto policy-table";
const GUESSED: &str = "default via 10.10.0.1 dev eth1 proto policy-table";

#[test]
fn a_router_that_main_has_lost_stays_in_force() {
    lab(|lab| {
        leased(lab, "policy-table rt2");
        let before = lab.tagged();
        // A VPN takes it out.
        lab.ok("ip route del default dev eth1");
        let said = policy(lab, "status");
        let note = "main has no default route by eth1; its table keeps the one it had, \
                    via 10.10.0.254";
        assert!(said.code == 0 && said.out.contains(note), "{said:?}");
        // No run has noticed it, and status writes nothing.
        assert!(said.out.contains("; since when is not known\n"), "{said:?}");
        assert_eq!(stanza(lab)["no_default_since"], Value::Null);
        let said = policy(lab, "apply eth1");
        assert!(said.code == 0 && said.out.contains(note), "{said:?}");
        assert_eq!(lab.tagged(), before);
        let record = lab.text("/run/policy-table/eth1");
        let since = stanza(lab)["no_default_since"].as_u64().unwrap();
        assert!(now(lab) - 60 <= since && since <= now(lab), "{since}");
        assert!(
            record.contains(&format!("\n#: no-default {since}\n")),
            "{record}"
        );
        let date = lab.ok(&format!("date -u -d @{since} '+%F %T UTC'"));
        let said = policy(lab, "status");
        assert!(said.out.contains(&format!("; since {date}")), "{said:?}");
        // The time of the first one stays.
        lab.ok("sleep 1; policy-table apply eth1");
        assert_eq!(lab.text("/run/policy-table/eth1"), record);
        // The hook as well.
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(lab.tagged(), before);
        // A flap empties the table, and main.
        lab.ok(FLAP);
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(router(lab, "-4", "rt2"), VIA);
        // What is said counts.
        for (gateway, expected) in [
            ("first", GUESSED),
            ("none", ""),
            (
                "10.10.0.7",
                "default via 10.10.0.7 dev eth1 proto policy-table",
            ),
        ] {
            lab.interfaces(&format!(
                "iface eth1 inet manual\n policy-table rt2\n policy-gateway {gateway}\n"
            ));
            assert_eq!(policy(lab, "apply eth1").code, 0);
            assert_eq!(router(lab, "-4", "rt2"), expected, "{gateway}");
        }
        // And main's, once it has one again.
        lab.interfaces("iface eth1 inet manual\n policy-table rt2\n");
        lab.ok("ip route add default via 10.10.0.253 dev eth1 metric 100");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert!(router(lab, "-4", "rt2").contains("10.10.0.253"));
        assert_eq!(stanza(lab)["no_default_since"], Value::Null);
        assert!(!lab.text("/run/policy-table/eth1").contains("#: no-default"));
        down(lab);
        // The first time nothing is known, and a guess is made.
        lab.ok("ip link set eth1 up; ip addr replace 10.10.0.10/24 dev eth1; ifup eth1");
        assert_eq!(router(lab, "-4", "rt2"), GUESSED);
        down(lab);
    });
}

/// The table was renamed, and the network changed, while main had no default route.
#[test]
fn a_router_is_kept_for_another_table_and_not_in_another_network() {
    lab(|lab| {
        leased(lab, "policy-table rt2");
        lab.ok("ip route del default dev eth1");
        lab.interfaces("iface eth1 inet manual\n policy-table rt3\n");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(router(lab, "-4", "rt3"), VIA);
        lab.ok("ip addr flush dev eth1; ip addr add 10.20.0.10/24 dev eth1");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        let first = "default via 10.20.0.1 dev eth1 proto policy-table";
        assert_eq!(router(lab, "-4", "rt3"), first);
        down(lab);
    });
}

#[test]
fn an_address_that_is_gone_is_waited_for_and_its_router_remembered() {
    lab(|lab| {
        leased(lab, "policy-table rt2");
        let before = lab.tagged();
        lab.ok("ip addr flush dev eth1");
        let waiting = "waiting for an IPv4 address";
        let said = policy(lab, "status");
        assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
        assert!(said.out.contains("; since when is not known\n"), "{said:?}");
        // Once, not as the word in front, too.
        let line = format!("\n  ! note      {waiting}");
        assert!(said.out.contains(&line), "{said:?}");
        assert_eq!(stanza(lab)["verdict"], "waiting");
        assert_eq!(stanza(lab)["waiting_since"], Value::Null);
        assert_eq!(stanza(lab)["errors"], serde_json::json!([]));
        let said = policy(lab, "apply eth1");
        assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
        assert_eq!((said.err.as_str(), lab.tagged()), ("", vec![]));
        let said = policy(lab, "status");
        assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
        let since = stanza(lab)["waiting_since"].as_u64().unwrap();
        assert!(now(lab) - 60 <= since && since <= now(lab), "{since}");
        let date = lab.ok(&format!("date -u -d @{since} '+%F %T UTC'"));
        assert!(
            said.out.contains(&format!("{waiting}; since {date}")),
            "{said:?}"
        );
        // Again, and the address comes back without a router.
        assert_eq!(policy(lab, "apply eth1").code, 1);
        lab.ok("ip addr add 10.10.0.10/24 dev eth1");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(lab.tagged(), before);
        lab.ok("ip addr flush dev eth1");
        assert_eq!(policy(lab, "apply eth1").code, 1);
        down(lab);
    });
}

const STATIC: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
";

#[test]
fn a_link_that_is_down_is_no_error() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(STATIC);
        lab.ok("ifup eth1");
        lab.ok("ip link set eth1 down");
        let rules = (lab.rules("-4"), lab.rules("-6"));
        for command in ["status", "apply eth1", "apply --dry-run eth1"] {
            let said = policy(lab, command);
            let waiting = "waiting for the link: eth1 is down";
            assert_eq!(
                (said.code, said.err.as_str()),
                (1, ""),
                "{command}: {said:?}"
            );
            assert_eq!(said.out.matches(waiting).count(), 2, "{command}: {said:?}");
        }
        assert_eq!((lab.rules("-4"), lab.rules("-6")), rules);
        down(lab);
    });
}

/// Without a device there is no answer to which addresses it has.
#[test]
fn a_device_that_is_gone_has_not_lost_its_addresses() {
    lab(|lab| {
        leased(lab, "policy-table rt2");
        lab.ok("ip link set eth1 down; ip link set eth1 name other");
        let rules = lab.rules("-4");
        assert_eq!(rules.len(), 2);
        for command in ["status eth1", "apply eth1"] {
            let said = policy(lab, command);
            let waiting = "waiting for the device: there is no eth1";
            assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
            assert_eq!(lab.rules("-4"), rules);
        }
        assert_eq!(policy(lab, "apply --all").code, 1);
        assert_eq!(lab.tagged(), [""; 0]);
    });
}

/// What does not leave by the interface does not wait for it.
#[test]
fn lines_about_other_interfaces_wait_for_nothing() {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.ok("ip link set eth2 up");
        lab.interfaces(
            "iface eth1 inet manual
                policy-rule fwmark 7 lookup 300
                policy-route 192.0.2.0/24 dev eth2 table 300",
        );
        let said = lab.sh("ifup eth1");
        assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
        assert_eq!(lab.tagged().len(), 2);
        for command in ["status", "apply eth1"] {
            assert_eq!(policy(lab, command).code, 0);
        }
        down(lab);
    });
}

/// The kernel checks for a moment whether an address is a duplicate; the network of one that nothing
/// else is asked about belongs into the table all the same.
#[test]
fn without_rules_on_addresses_one_that_is_checked_is_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("sysctl -qw net.ipv6.conf.eth1.accept_dad=1 net.ipv6.conf.eth1.dad_transmits=2");
        lab.interfaces(
            "iface eth1 inet6 manual\n    up ip link set eth1 up\n    \
             up ip addr add 2001:db8:32::20/64 dev eth1\n    policy-table rt4\n    \
             policy-source none\n    policy-mode main\n",
        );
        lab.ok("ifup eth1");
        let routes = lab.routes("-6", "rt4");
        let own = |route: &String| route.starts_with("2001:db8:32::/64 dev eth1 ");
        assert!(routes.iter().any(own), "{routes:?}");
    });
}

#[test]
fn a_static_address_that_is_gone_is_waited_for() {
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(STATIC);
        lab.ok("ifup eth1");
        let before = lab.tagged();
        // Of the two addresses the kernel gives the IPv4 one back.
        lab.ok(FLAP);
        let waiting = "waiting for its address 2001:db8:10::10, which is not on eth1";
        let said = policy(lab, "status");
        assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
        let said = policy(lab, "apply eth1");
        assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
        assert_eq!((said.err.as_str(), lab.rules("-6")), ("", vec![]));
        assert_eq!(lab.routes("-4", "rt2").len(), 2);
        let said = policy(lab, "status");
        assert!(said.code == 1 && said.out.contains(waiting), "{said:?}");
        lab.ok("ip addr add 2001:db8:10::10/64 dev eth1 nodad");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(lab.tagged(), before);
        assert_eq!(policy(lab, "status").code, 0);
        lab.ok("ip addr del 10.10.0.10/24 dev eth1");
        for command in ["status", "apply eth1", "status"] {
            let said = policy(lab, command);
            let waiting = "waiting for its address 10.10.0.10, which is not on eth1";
            assert_eq!(
                (said.code, said.err.as_str()),
                (1, ""),
                "{command}: {said:?}"
            );
            assert!(said.out.contains(waiting), "{command}: {said:?}");
        }
        assert_eq!(lab.rules("-4"), [""; 0]);
        lab.ok("ip addr add 10.10.0.10/24 dev eth1");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(lab.tagged().len(), before.len());
        down(lab);
    });
}

/// Renumbering: connections that began with the old address go on with it.
#[test]
fn a_deprecated_address_keeps_its_rules_and_gets_none_anew() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up; ip addr add 2001:db8:1::10/64 dev eth1 nodad");
        lab.interfaces(
            "iface eth1 inet6 manual\n policy-table rt2\n policy-gateway 2001:db8:1::1\n",
        );
        lab.ok("ifup eth1");
        let old = lab.rules("-6");
        lab.ok("ip addr change 2001:db8:1::10/64 dev eth1 preferred_lft 0 valid_lft 600");
        assert_eq!(policy(lab, "status").code, 0);
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(lab.rules("-6"), old);
        lab.ok("ip addr add 2001:db8:1::11/64 dev eth1 nodad");
        lab.ok("ip addr add 2001:db8:1::12/64 dev eth1 nodad preferred_lft 0 valid_lft 600");
        assert_eq!(policy(lab, "apply eth1").code, 0);
        let rules = lab.rules("-6");
        assert!(old.iter().all(|rule| rules.contains(rule)), "{rules:?}");
        let of = |address: &str| rules.iter().filter(|rule| rule.contains(address)).count();
        assert_eq!(
            (of("::11"), of("::12"), rules.len()),
            (2, 0, 4),
            "{rules:?}"
        );
        assert_eq!(policy(lab, "status").code, 0);
        lab.ok("ip addr del 2001:db8:1::10/64 dev eth1");
        assert_eq!(policy(lab, "status").code, 1);
        assert_eq!(policy(lab, "apply eth1").code, 0);
        assert_eq!(lab.rules("-6").len(), 2);
        down(lab);
    });
}

/// Whoever finishes it needs neither the file nor the files of names.
#[test]
fn what_waits_is_in_the_record_as_it_was_asked() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up");
        lab.interfaces(
            "iface eth1 inet manual\n policy-table rt2\n policy-rule fwmark 7 lookup rt3\n",
        );
        let said = lab.sh("ifup eth1");
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(lab.tagged(), [""; 0]);
        let id = |table: &str| {
            let names = lab.text(NAMES);
            let mut lines = names.lines().map(str::split_whitespace);
            let line = lines.find(|line| line.clone().nth(1) == Some(table));
            line.and_then(|mut line| line.next()).unwrap().to_owned()
        };
        let expected = format!(
            "iface eth1 inet manual - rt2\n\
             #: call ifupdown interface eth1 logical eth1 family inet method manual\n\
             #: option policy-rule fwmark 7 lookup rt3\n\
             #: option policy-table rt2\n\
             #: table rt2 {}\n#: table rt3 {}\n\
             #: waiting address ",
            id("rt2"),
            id("rt3")
        );
        let record = lab.text("/run/policy-table/eth1");
        let (_, rest) = record.split_once(&expected).expect(&record);
        let since: u64 = rest.lines().next().unwrap().parse().unwrap();
        assert!(now(lab) - 60 <= since && since <= now(lab), "{since}");
        assert_eq!(rest.lines().nth(1), Some("# end"));
        // Again: since then, not since now.
        assert_eq!(policy(lab, "apply eth1").code, 1);
        assert_eq!(lab.text("/run/policy-table/eth1"), record);
        down(lab);
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1; ifup eth1");
        assert!(!lab.text("/run/policy-table/eth1").contains("#: waiting"));
        down(lab);
    });
}

/// A command, and how often the hooks that it ran asked for the keeper's link.
fn beside_keeper(lab: &Lab, command: &str) -> (Said, usize) {
    let traced = format!("strace -f -qq -o /run/calls {command}");
    let said = lab.sh(&traced);
    let calls = lab.text("/run/calls");
    let asked = calls.lines().filter(|call| call.contains(".keeper:"));
    (said, asked.count())
}

/// With the keeper running a hook waits for two seconds at most, and whether it runs is one system
/// call, where there is something to wait for.
#[test]
fn beside_the_keeper_a_hook_does_not_wait_long() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip link set eth1 up");
        lab.interfaces("iface eth1 inet manual\n policy-table rt2\n");
        let longest_wait = |lab: &Lab| {
            let calls = lab.text("/run/calls");
            let waits = calls.lines().filter_map(|call| {
                let timeout = call.split(" poll(").nth(1)?.split(", 1, ").nth(1)?;
                timeout.split(')').next()?.parse::<u32>().ok()
            });
            waits.max().unwrap_or_default()
        };
        lab.ok("mkdir -p /run/policy-table; sleep 60 > /dev/null 2>&1 & echo $! > /run/sleeper");
        lab.ok("ln -s /proc/$(cat /run/sleeper) /run/policy-table/.keeper:");
        let (said, asked) = beside_keeper(lab, "ifup eth1");
        let expected = "eth1: waiting for an IPv4 address: none came in 2 seconds; policy routing \
                        is not in force until then; the keeper finishes it";
        assert_eq!((said.code, said.ours()), (0, vec![expected]));
        assert_eq!(asked, 1);
        assert!((1_500..=2_000).contains(&longest_wait(lab)));
        let record = lab.text("/run/policy-table/eth1");
        assert!(record.contains("#: waiting address"), "{record}");
        // Its link is no device's record.
        assert_eq!(policy(lab, "status").code, 1);
        assert_eq!(policy(lab, "apply --all").code, 1);
        lab.ok("ifdown eth1");
        assert_eq!(lab.ok("ls -A /run/policy-table"), ".keeper:\n");
        // Nothing to wait for: nothing is asked.
        lab.ok("ip link set eth1 up; ip addr add 10.10.0.10/24 dev eth1");
        lab.ok("ip route add default via 10.10.0.254 dev eth1");
        let (said, asked) = beside_keeper(lab, "ifup eth1");
        assert_eq!((said.code, asked, longest_wait(lab)), (0, 0, 0), "{said:?}");
        lab.ok("ifdown eth1");
        // One that was killed leaves its link.
        lab.ok("kill $(cat /run/sleeper); ip addr flush dev eth1; ip link set eth1 up");
        lab.ok("while test -e /run/policy-table/.keeper:/stat; do sleep 0.05; done");
        let (said, asked) = beside_keeper(lab, "ifup eth1");
        assert!(said.err.contains("none came in 6 seconds"), "{said:?}");
        assert!(
            said.err.contains("run: policy-table apply eth1"),
            "{said:?}"
        );
        assert_eq!(asked, 1);
        assert!((5_000..=6_000).contains(&longest_wait(lab)));
        lab.ok("ifdown eth1");
        lab.ok("policy-table flush --all");
    });
}
