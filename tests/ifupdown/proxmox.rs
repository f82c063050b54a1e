//! A host as Proxmox sets one up, with ifupdown2: guests behind a routed and behind a masqueraded
//! bridge use the second of two uplinks, as the README says; a guest namespace and two routers
//! that drop what is not theirs are the judges. And what its GUI makes of a file: each folder of
//! `proxmox/` has one before and after it is rewritten.

use std::fs;

use crate::same_on_all_three::{of_debian, reloaded, Network};
use crate::support::lab::{lab, Lab};
use crate::support::needs::have;
use crate::support::others::Ifupdown;
use crate::support::tree::{text, top};

/// The file of the README's section.
fn example() -> String {
    let readme = text("README.md");
    let section = readme
        .split("\n## ")
        .find(|section| section.starts_with("On Proxmox"));
    let blocks = section
        .expect("the section")
        .split("```\n")
        .skip(1)
        .step_by(2);
    let mut files = blocks.filter(|block| block.starts_with("auto lo\n"));
    files.next().expect("a file").to_owned()
}

/// The network around the host: a router behind each uplink, which has 192.0.2.77 for far away,
/// and forwards of the host's packets those of its own network alone, and a guest behind each
/// bridge that has no port of its own.
fn network(lab: &Lab) {
    lab.ok("echo 1 >/proc/sys/net/ipv4/ip_forward; mkdir -p /etc/iproute2/rt_tables.d");
    for (uplink, router, own) in [
        ("eno1", "192.0.2.1/24", "192.0.2.0/24"),
        ("eno2", "198.51.100.1/24", "198.51.100.0/24"),
    ] {
        lab.ok(&format!(
            "set -e; ip netns add {uplink}; ip link add {uplink} type veth peer name host netns {uplink}
            ip -n {uplink} link set lo up; ip -n {uplink} link set host up
            ip -n {uplink} addr add {router} dev host; ip -n {uplink} addr add 9.9.9.9/32 dev lo
            ip -n {uplink} rule add priority 1 iif host from {own} lookup local
            ip -n {uplink} rule add priority 2 iif host from {own} lookup main
            ip netns exec {uplink} sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'"
        ));
    }
    lab.ok(
        "set -e; ip -n eno2 rule add priority 3 iif host from 203.0.113.0/28 lookup local
        ip -n eno2 route add 203.0.113.0/28 via 198.51.100.10
        for uplink in eno1 eno2; do
            ip -n $uplink rule add priority 9 iif host blackhole
            ip -n $uplink rule del priority 0; ip -n $uplink rule add priority 10 lookup local
        done",
    );
    // What Proxmox' manual does with iptables, which need not be here.
    lab.script(
        "/usr/sbin/iptables",
        "#!/bin/sh\nset -e\n[ \"$1 $2 $3 $4 $5 $7 $9\" = '-t nat -A POSTROUTING -s -o -j' ] || [ \"$3\" = -D ] || exit 9\n\
         nft add table ip nat\n[ \"$3\" = -A ] || { nft delete table ip nat; exit; }\n\
         nft 'add chain ip nat out { type nat hook postrouting priority srcnat; }'\n\
         nft add rule ip nat out ip saddr $6 oifname $8 masquerade\n",
    );
}

/// Puts a guest behind a bridge.
fn guest(lab: &Lab, bridge: &str, address: &str, router: &str) {
    lab.ok(&format!(
        "set -e; ip netns add g{bridge}; ip link add tap{bridge} type veth peer name eth0 netns g{bridge}
        ip -n g{bridge} link set eth0 up; ip -n g{bridge} addr add {address} dev eth0
        ip -n g{bridge} route add default via {router}"
    ));
}

/// Reloads. Debian's ifupdown2 takes guests off a bridge, where Proxmox' has a patch against it.
fn reload(lab: &Lab) {
    let said = lab.sh("ifreload -a");
    assert_eq!(said.code, 0, "{said:?}");
    plug_in(lab);
}

fn plug_in(lab: &Lab) {
    lab.ok("for bridge in vmbr1 vmbr2; do ip link set tap$bridge master $bridge up; done");
    lab.ok("for try in $(seq 100); do ip link | grep -q 'vmbr[12]:.*NO-CARRIER' || exit 0; sleep 0.05; done; exit 1");
}

fn reaches(lab: &Lab, namespace: &str, address: &str) -> bool {
    let within = if namespace.is_empty() {
        String::new()
    } else {
        format!("ip netns exec {namespace} ")
    };
    lab.sh(&format!("{within}ping -n -c 2 -i 0.2 -W 1 {address}"))
        .code
        == 0
}

fn all_reach(lab: &Lab) {
    for (from, to) in [
        ("gvmbr1", "9.9.9.9"),
        ("eno2", "203.0.113.2"),
        ("gvmbr2", "9.9.9.9"),
        ("gvmbr1", "10.10.10.2"),
        ("gvmbr2", "203.0.113.2"),
        ("gvmbr1", "192.0.2.10"),
        ("gvmbr2", "198.51.100.10"),
        ("", "9.9.9.9"),
        ("-I 198.51.100.10", "9.9.9.9"),
    ] {
        let (namespace, option) = if from.starts_with('-') {
            ("", from)
        } else {
            (from, "")
        };
        assert!(
            reaches(lab, namespace, &format!("{option} {to}")),
            "{from} does not reach {to}\n{}",
            lab.routing()
        );
    }
}

#[test]
fn guests_behind_routed_and_masqueraded_bridges_use_the_second_uplink() {
    if !have(&["nft of nftables"]) {
        return;
    }
    let with = example();
    let is_ours = |line: &&str| line.trim_start().starts_with("policy-");
    let without = with
        .lines()
        .filter(|line| !is_ours(line))
        .collect::<Vec<_>>()
        .join("\n")
        + "\n";
    lab(|lab| {
        if !Ifupdown::Two.install(lab) {
            return;
        }
        network(lab);
        lab.interfaces(&without);
        let said = lab.sh("ifup -a");
        assert_eq!(said.code, 0, "{said:?}");
        guest(lab, "vmbr1", "203.0.113.2/28", "203.0.113.1");
        guest(lab, "vmbr2", "10.10.10.2/24", "10.10.10.1");
        plug_in(lab);
        assert!(reaches(lab, "", "9.9.9.9"));
        assert!(!reaches(lab, "gvmbr1", "9.9.9.9") && !reaches(lab, "gvmbr2", "9.9.9.9"));

        // As the GUI does it: a file beside, which is judged, put in place, and taken over.
        lab.write("/etc/network/interfaces.new", &with);
        let said = lab.sh("policy-table check /etc/network/interfaces.new");
        assert_eq!(said.code, 0, "{said:?}");
        lab.ok("mv /etc/network/interfaces.new /etc/network/interfaces");
        reload(lab);
        all_reach(lab);
        assert_eq!(lab.sh("policy-table status").code, 0);
        reload(lab);
        reload(lab);
        all_reach(lab);

        let said = lab.sh("ifdown -a");
        assert_eq!(said.code, 0, "{said:?}");
        assert!(lab.tagged().is_empty(), "{:?}", lab.tagged());
    });
}

#[test]
fn what_the_gui_makes_of_a_file_is_taken_over() {
    let mut names = Vec::new();
    for folder in fs::read_dir(top().join("tests/ifupdown/proxmox"))
        .unwrap()
        .flatten()
    {
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let (before, after) = (read("before"), read("after"));
        let name = folder.file_name().into_string().unwrap();
        let Some((had, now, said)) = reloaded(Ifupdown::Two, &before, &after) else {
            return;
        };
        assert!(had.contains("policy-table"), "{name}: {had}");
        let (expected, _) = of_debian(Network::Links, &after);
        assert_eq!(now, expected, "{name}: {said}");
        assert_eq!(had == now, name == "keeps", "{name}: {had}{now}");
        // As the log of the task shows it.
        let told = "warning: eth1: had policy-table rt2, its stanza has none now; taken out";
        let is_lost = ["blank-line", "cleared-address"].contains(&name.as_str());
        assert_eq!(said.contains(told), is_lost, "{name}: {said}");
        names.push(name);
    }
    names.sort();
    let all = [
        "blank-line",
        "cleared-address",
        "keeps",
        "several-addresses",
        "two-stanzas",
    ];
    assert_eq!(names, all);
}
