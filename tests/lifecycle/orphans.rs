//! What is left of ours and belongs to nothing that is up: found and removed on the real kernel
//! with the real `ifup`'s notes, and never by the hooks of other interfaces.

use std::path::Path;

use crate::support::lab::{lab, Lab, HOOK};
use policy_table::converge::{find_orphans, remove_orphans, Orphans, Why};
use policy_table::netlink::Kernel;

fn stanza(number: u8) -> String {
    format!(
        "iface eth{number} inet static\naddress 10.{number}0.0.10/24\npolicy-table rt{number}\n"
    )
}

/// eth1 and eth2 up, with rules and a route of others, which every test wants back as they were.
fn two(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        lab.device("eth1");
        lab.device("eth2");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 lookup 20611");
        lab.ok("ip rule add pref 700 from 192.0.2.1 lookup 500 protocol static");
        lab.ok("ip -6 rule add pref 700 from 2001:db8::/32 lookup 500 protocol static");
        lab.ok("ip route add blackhole 192.0.2.0/24 table 500");
        let foreign = foreign(lab);
        lab.interfaces(&[stanza(1), stanza(2)].concat());
        lab.ok("ifup eth1 eth2");
        test(lab);
        assert_eq!(self::foreign(lab), foreign);
    });
}

/// What others have, as `ip` tells it.
fn foreign(lab: &Lab) -> String {
    let rules = ["-4", "-6"].map(|family| {
        let mut rules = lab.rules(family);
        rules.retain(|rule| !rule.contains("proto policy-table"));
        rules.join("\n")
    });
    format!(
        "{}\n{}",
        rules.join("\n"),
        lab.sh("ip -d -j route list table 500").out
    )
}

/// How many routes and rules of ours there are.
fn ours(lab: &Lab) -> usize {
    let tagged = lab.tagged();
    tagged
        .iter()
        .filter(|line| !line.contains("proto static"))
        .count()
}

fn find() -> Orphans {
    find_orphans(&mut Kernel::open().unwrap(), Path::new("/")).unwrap()
}

/// Removes the orphans, and returns how many objects that took.
fn remove() -> usize {
    let removed = remove_orphans(&mut Kernel::open().unwrap(), Path::new("/"));
    let (found, outcome) = removed.unwrap();
    assert_eq!(outcome.warnings, [""; 0]);
    assert!(!found.is_empty());
    assert_eq!(find(), Orphans::default());
    outcome.removed
}

fn reasons(orphans: &Orphans) -> Vec<(String, Why)> {
    let stanzas = orphans.stanzas.iter();
    stanzas
        .map(|orphan| (orphan.device.to_string(), orphan.why))
        .collect()
}

#[test]
fn what_is_up_is_left_alone() {
    two(|lab| {
        assert_eq!(find(), Orphans::default());
        // Its stanza is gone, its address is live.
        lab.interfaces(&stanza(2));
        assert_eq!(find(), Orphans::default());
        let removed = remove_orphans(&mut Kernel::open().unwrap(), Path::new("/")).unwrap();
        assert_eq!((removed.1.removed, ours(lab)), (0, 8));
    });
}

#[test]
fn a_stanza_that_ifup_does_not_note_is_an_orphan_that_other_hooks_leave_alone() {
    two(|lab| {
        // As after `ifdown` with the hook's program out of order.
        lab.ok(&format!("mv {HOOK} /run/away; ifdown eth1"));
        lab.ok(&format!("mv /run/away {HOOK}; ifdown eth2; ifup eth2"));
        assert_eq!(ours(lab), 6, "two rules of eth1 are left");
        assert_eq!(reasons(&find()), [("eth1".to_owned(), Why::Down)]);
        assert_eq!(remove(), 2);
        assert_eq!(lab.ok("ls -A /run/policy-table"), "eth2\n");
        lab.ok("ifup eth1");
        assert_eq!((find(), ours(lab)), (Orphans::default(), 8));
    });
}

#[test]
fn a_device_that_was_pulled_out_leaves_orphans() {
    two(|lab| {
        lab.ok("ip link del eth1");
        assert_eq!(reasons(&find()), [("eth1".to_owned(), Why::DeviceGone)]);
        assert_eq!(remove(), 2);
        assert_eq!(ours(lab), 4, "{:?}", lab.tagged());
    });
}

#[test]
fn an_alias_goes_with_the_device_that_it_is_on() {
    two(|lab| {
        let alias = stanza(3).replace("eth3", "eth1:1");
        lab.interfaces(&[stanza(1), stanza(2), alias].concat());
        lab.ok("ifup eth1:1");
        assert_eq!((find(), ours(lab)), (Orphans::default(), 12));
        lab.ok("ip link del eth1");
        let reason = || ("eth1".to_owned(), Why::DeviceGone);
        assert_eq!(reasons(&find()), [reason(), reason()]);
        assert_eq!(remove(), 4);
        assert_eq!(ours(lab), 4, "{:?}", lab.tagged());
    });
}

#[test]
fn a_logical_interface_that_was_changed_for_another_leaves_orphans() {
    lab(|lab| {
        lab.device("eth1");
        let logical =
            |number: u8, name: &str| stanza(number).replace(&format!("eth{number}"), name);
        lab.interfaces(&[logical(1, "home"), logical(2, "away")].concat());
        lab.ok("ifup eth1=home");
        assert_eq!(find(), Orphans::default());
        lab.ok(&format!("mv {HOOK} /run/away; ifdown eth1"));
        lab.ok(&format!("mv /run/away {HOOK}; ifup eth1=away"));
        let [orphan] = &find().stanzas[..] else {
            unreachable!("one stanza: {:?}", find());
        };
        let heading = orphan.heading.to_string();
        assert!(heading.starts_with("eth1=home "), "{orphan:?}");
        assert_eq!(remove(), 2);
        assert_eq!(ours(lab), 4, "{:?}", lab.tagged());
    });
}

#[test]
fn what_no_record_claims_is_found_by_its_protocol_in_any_table() {
    two(|lab| {
        for command in [
            "ip route add default via 10.10.0.1 dev eth1 table 4294967000 proto 157",
            "ip route add unreachable 198.51.100.0/24 table 77 proto 157",
            "ip route add 203.0.113.0/24 via 10.20.0.1 dev eth2 proto 157",
            "ip -6 route add blackhole 2001:db8:9::/48 table 77 proto 157",
            "ip -6 rule add pref 5000 from 2001:db8:9::/48 lookup 77 protocol 157",
            "ip rule add pref 5000 from 198.51.100.7 fwmark 5 lookup 77 protocol 157",
        ] {
            lab.ok(command);
        }
        let found = find();
        assert_eq!(
            (found.stanzas.len(), found.unclaimed.len()),
            (0, 6),
            "{found:?}"
        );
        assert_eq!(remove(), 6);
        assert_eq!(ours(lab), 8, "{:?}", lab.tagged());
    });
}

/// As `ip rule restore` makes them.
#[test]
fn of_a_rule_that_is_there_twice_one_is_an_orphan() {
    lab(|lab| {
        lab.device("eth1");
        lab.ok("ip rule add pref 21000 from 10.10.0.10 lookup 20611");
        lab.interfaces(&stanza(1));
        lab.ok("ifup eth1");
        lab.ok("ip rule save >/run/rules; for i in 1 2; do ip rule restore </run/rules; done");
        let (foreign, found) = (foreign(lab), find());
        assert_eq!(
            (found.stanzas.len(), found.unclaimed.len()),
            (0, 4),
            "{found:?}"
        );
        assert_eq!((remove(), ours(lab)), (4, 4));
        assert_eq!(self::foreign(lab), foreign);
    });
}

#[test]
fn a_record_that_is_lost_makes_no_orphans_once_its_interface_converged() {
    two(|lab| {
        lab.ok("rm /run/policy-table/eth1");
        assert_eq!(find().unclaimed.len(), 4);
        lab.ok("ifup --force --ignore-errors eth1");
        assert_eq!(find(), Orphans::default());
    });
}

#[test]
fn a_damaged_record_keeps_what_it_may_have_said() {
    two(|lab| {
        let record = lab.text("/run/policy-table/eth1");
        lab.write("/run/policy-table/eth1", &record[..record.len() - 20]);
        lab.ok("ip rule add pref 5000 lookup 77 protocol 157");
        let found = find();
        assert!(found.is_empty() && found.damaged.len() == 1, "{found:?}");
        lab.ok("ip link del eth1");
        assert_eq!(remove(), 3);
        assert_eq!(ours(lab), 4, "{:?}", lab.tagged());
        assert_eq!(lab.ok("ls -A /run/policy-table"), "eth2\n");
    });
}

#[test]
fn an_interface_that_changes_right_now_is_no_orphan() {
    two(|lab| {
        // ifdown takes the interface off its list after the hooks of if-down.d.
        lab.ok("sed -i /eth1/d /run/network/ifstate");
        assert_eq!(reasons(&find()), [("eth1".to_owned(), Why::Down)]);
        lab.interfaces(&format!("{}down sleep 3\n", stanza(1)));
        lab.ok("ifdown --force eth1 >/run/said 2>&1 & echo $! >/run/pid");
        lab.ok(&format!("mv {HOOK} /run/away"));
        lab.ok("while ! test -s /run/network/ifdown-eth1.pid; do sleep 0.02; done");
        assert_eq!(find(), Orphans::default());
        lab.ok(&format!("kill $(cat /run/pid); mv /run/away {HOOK}"));
    });
}
