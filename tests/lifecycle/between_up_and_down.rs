//! What changes between `ifup` and `ifdown`: the file, the record, both. Afterwards nothing of
//! ours is left, and nothing of others is gone.

use std::path::Path;

use crate::support::ip_json::{self, assert_same, foreign, ours};
use crate::support::lab::{lab, Lab};
use crate::support::needs::{have, STRACE};
use policy_table::converge::remove_orphans;
use policy_table::netlink::Kernel;

const RECORD: &str = "/run/policy-table/eth1";

/// Two families, an alias, and lines of the administrator's own.
const FILE: &str = "\
iface eth1 inet static
    address 10.10.0.10/24
    policy-table rt2
    policy-mode main
    policy-rule iif eth1 fwmark 5
    policy-route 192.0.2.0/24 via 10.10.0.254
    policy-route unreachable default metric 4294967295
iface eth1 inet6 static
    address 2001:db8:10::10/64
    gateway 2001:db8:10::1
    dad-attempts 0
    policy-table rt2
iface eth1:1 inet static
    address 10.10.1.10/24
    policy-table rt3
";

/// eth1 and its alias, among others' routes and rules; what is left is judged at the end.
fn host(test: impl FnOnce(&Lab) + Send) {
    lab(|lab| {
        lab.device("eth1");
        ip_json::place(lab);
        let before = foreign(lab, "eth1");
        lab.interfaces(FILE);
        up(lab);
        test(lab);
        assert_eq!(ours(lab), [""; 0]);
        assert_eq!(lab.sh("ls -A /run/policy-table 2>/dev/null").out, "");
        assert_same(&foreign(lab, "eth1"), &before);
    });
}

fn up(lab: &Lab) {
    let said = lab.sh("ifup eth1 eth1:1");
    assert_eq!((said.code, said.ours().len()), (0, 0), "{said:?}");
    assert_eq!(ours(lab).len(), 18, "{:?}", ours(lab));
}

/// A change to the file with which ifdown still runs our hooks.
fn with_file(name: &str, file: &str) {
    println!("1 case: {name}");
    host(|lab| {
        lab.interfaces(file);
        lab.ok("ifdown --force eth1 eth1:1");
    });
}

#[test]
fn a_table_is_renamed() {
    with_file("table renamed", &FILE.replace("rt2", "rt7"));
}

#[test]
fn addresses_are_changed() {
    let file = FILE
        .replace("10.10.0.10", "10.10.0.99")
        .replace("10::10", "10::99");
    with_file("addresses changed", &file);
}

#[test]
fn options_are_removed() {
    let lines = FILE.split_inclusive('\n');
    let file = lines.filter(|line| !line.contains("policy-"));
    with_file("options removed", &file.collect::<String>());
}

#[test]
fn options_become_wrong() {
    with_file(
        "options wrong",
        &FILE.replace("policy-table rt2", "policy-table main"),
    );
}

#[test]
fn the_alias_and_one_family_are_deleted() {
    let (inet, _) = FILE.split_once("iface eth1 inet6").unwrap();
    println!("1 case: stanzas of the alias and of IPv6 deleted");
    host(|lab| {
        lab.interfaces(inet);
        lab.ok("ifdown eth1");
    });
}

/// ifupdown runs no hook; when the stanza is back, its hook takes all out.
#[test]
fn a_file_that_cannot_be_read_costs_nothing() {
    println!("2 cases: interfaces file with an error, and missing");
    host(|lab| {
        let there = ours(lab);
        for damage in [
            "echo 'policy-table' >>/etc/network/interfaces",
            "rm /etc/network/interfaces",
        ] {
            lab.ok(damage);
            let said = lab.sh("ifdown eth1");
            assert!(said.err.contains("interfaces file"), "{said:?}");
            assert_eq!(ours(lab), there, "{damage}");
            lab.interfaces(FILE);
        }
        // Without the file ifdown took the interface for unknown, and off its list.
        lab.ok("ifdown --force eth1 eth1:1");
    });
}

/// The address of a deleted stanza is live, so that other interfaces' hooks leave it alone; when
/// the device is gone, it is an orphan.
#[test]
fn a_deleted_stanza_is_left_alone_until_its_device_is_gone() {
    println!("1 case: stanza deleted");
    host(|lab| {
        let there = ours(lab);
        lab.device("eth2");
        lab.interfaces("iface eth2 inet static\n address 10.20.0.10/24\n policy-table 300\n");
        lab.sh("ifdown eth1");
        lab.ok("ifup eth2; ifdown eth2");
        assert_eq!(ours(lab), there);
        lab.ok("ip link del eth2; ip link del eth1");
        let removed = remove_orphans(&mut Kernel::open().unwrap(), Path::new("/"));
        assert_eq!(removed.unwrap().1.warnings, [""; 0]);
    });
}

/// What becomes of the record, and whether a trace of it is left.
fn with_records(name: &str, damages: &[&str]) {
    println!("{} cases: {name}", damages.len());
    host(|lab| {
        for (place, damage) in damages.iter().enumerate() {
            if place > 0 {
                up(lab);
            }
            lab.ok(damage);
            let said = lab.sh("ifdown eth1 eth1:1");
            assert_eq!((said.code, ours(lab)), (0, Vec::new()), "{damage}");
        }
    });
}

#[test]
fn the_record_is_deleted() {
    with_records(
        "record deleted",
        &[
            &format!("rm {RECORD}"),
            "rm -r /run/policy-table",
            &format!(": >{RECORD}"),
        ],
    );
}

#[test]
fn the_record_becomes_garbage() {
    with_records(
        "record garbage",
        &[
            &format!("head -c 3000 /dev/urandom >{RECORD}"),
            &format!("head -c 3000 /dev/zero >{RECORD}"),
            &format!("sed -i 's/proto 157/proto 3/' {RECORD}"),
            &format!("sed -i 's/lookup/look/' {RECORD}"),
            &format!("tr '\\n' ' ' <{RECORD} >/run/x; cat /run/x >{RECORD}"),
        ],
    );
}

/// Cut anywhere: within a line, and behind each.
fn cut(part: usize) {
    let lines = 42;
    let cuts = (0..lines).filter(|line| line % 3 == part);
    let cuts: Vec<String> = cuts
        .map(|line| format!("head -n {line} {RECORD} >/run/x; cat /run/x >{RECORD}"))
        .chain(
            [17 + 333 * part]
                .map(|bytes| format!("head -c {bytes} {RECORD} >/run/x; cat /run/x >{RECORD}")),
        )
        .collect();
    let cuts: Vec<&str> = cuts.iter().map(String::as_str).collect();
    with_records("record truncated", &cuts);
}

#[test]
fn the_record_is_cut() {
    cut(0);
}

#[test]
fn the_record_is_cut_elsewhere() {
    cut(1);
}

#[test]
fn the_record_is_cut_in_more_places() {
    cut(2);
}

/// What an ifdown takes out while `apply` has begun, and looks no sooner than afterwards, nobody
/// would take out again.
#[test]
fn apply_lets_be_what_goes_down_meanwhile() {
    if !have(&[STRACE]) {
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces(
            "iface eth1 inet manual\n    up ip link set eth1 up\n    policy-table rt2\n    \
             policy-gateway 10.10.0.1\n",
        );
        lab.ok("ip addr add 10.10.0.10/24 dev eth1; ifup eth1");
        assert_eq!(lab.tagged().len(), 4);
        // It gives up rights once it knows what is up, and before it looks at anything.
        let slowly = "strace -qq -o /dev/null -e trace=capset \
             -e inject=capset:delay_exit=1500000 policy-table apply eth1";
        let said = lab.sh(&format!(
            "{slowly} & sleep 0.7
             ifdown eth1; ip addr replace 10.10.0.10/24 dev eth1; ip link set eth1 up; wait"
        ));
        assert_eq!(said.err, "");
        assert_eq!(lab.tagged(), [""; 0], "{said:?}");
        assert_eq!(lab.ok("ls /run/policy-table"), "");
    });
}
