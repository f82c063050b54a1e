//! Many messages, too many, and none.

use std::fs;
use std::time::Duration;

use crate::keeper::{ours, signal, Keeper};
use crate::support::lab::{lab, Lab};
use crate::support::tree::top;

const FILE: &str = "iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n";

fn up(lab: &Lab) -> Vec<String> {
    lab.interfaces(FILE);
    lab.device("eth1");
    // A link-local address, which says nothing here, would come seconds later.
    lab.ok("ip link set eth1 addrgenmode none; ip link set eth1p addrgenmode none");
    lab.ok("ifup eth1");
    ours(lab)
}

/// Lines for `ip -batch` that put in or take out so many routes of others.
fn lines(verb: &str, count: u32, table: &str) -> String {
    let line = |n: u32| {
        let (a, b, c) = (n >> 16, (n >> 8) & 255, n & 255);
        format!("route {verb} 100.{a}.{b}.{c}/32 dev lo table {table}")
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

/// Pages that it holds in memory.
fn resident(keeper: &Keeper) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", keeper.id())).unwrap();
    let line = text.lines().find(|it| it.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn routes_of_others_do_not_wake_it() {
    lab(|lab| {
        let before = up(lab);
        let mut keeper = Keeper::start(lab);
        let (switches, resident_before) = (keeper.switches(), resident(&keeper));
        for verb in ["add", "del"] {
            lab.write("/run/batch", &lines(verb, 20_000, "main"));
            lab.ok("ip -batch /run/batch");
        }
        assert_eq!(keeper.switches(), switches, "it was woken");
        assert_eq!(resident(&keeper), resident_before);
        // Those of its own table among them are heard.
        lab.ok("ip route flush table 20611");
        keeper.until("its own", || ours(lab) == before);
        lab.ok("ifdown eth1");
    });
}

#[test]
fn what_it_cannot_hear_makes_it_look_at_everything() {
    lab(|lab| {
        let before = up(lab);
        let mut keeper = Keeper::start(lab);
        // A full look was just made, and the next is ten seconds later at the earliest.
        std::thread::sleep(Duration::from_secs(10));
        signal(keeper.id(), "STOP");
        // These pass the filter: they are in its table.
        lab.write("/run/batch", &lines("add", 20_000, "20611"));
        lab.ok("ip -batch /run/batch");
        // What nobody tells any more: the buffer is full.
        lab.ok("ip rule flush protocol 157; ip link set eth1 down; ip link set eth1 up");
        // The last column but one of this file counts what was dropped.
        let dropped = lab.ok("cat /proc/net/netlink");
        let dropped = dropped.lines().filter(|line| {
            line.split_whitespace()
                .nth(8)
                .is_some_and(|it| it != "0" && it != "Drops")
        });
        assert!(dropped.count() > 0);
        signal(keeper.id(), "CONT");
        keeper.until("back", || {
            let now = ours(lab);
            before.iter().all(|line| now.contains(line))
        });
        lab.write("/run/batch", &lines("del", 20_000, "20611"));
        lab.ok("ip -batch /run/batch");
        keeper.quiet();
        assert_eq!(ours(lab), before);
        lab.ok("ifdown eth1");
    });
}

#[test]
fn it_sleeps_while_nothing_happens_to_its_interfaces() {
    lab(|lab| {
        let before = up(lab);
        let keeper = Keeper::start(lab);
        let repairs = Keeper::repairs();
        // Containers come and go; a lease is renewed; a carrier is lost.
        for n in 0..20 {
            lab.ok(&format!(
                "ip link add v{n} type veth peer name w{n}; ip link set v{n} up; ip link del v{n}"
            ));
        }
        let thousand = |n| format!("link add v{n} group 5 type veth peer name w{n} group 5\n");
        let lines: Vec<String> = (0..1000).map(thousand).collect();
        lab.write("/run/batch", &lines.concat());
        lab.ok("ip -batch /run/batch; ip link del group 5");
        for _ in 0..5 {
            lab.ok("ip addr change 10.10.0.10/24 dev eth1 valid_lft 1000 preferred_lft 900");
        }
        lab.ok("ip link set eth1p down; ip link set eth1p up");
        keeper.quiet();
        assert_eq!((ours(lab), Keeper::repairs()), (before, repairs));
        lab.ok("ifdown eth1");
    });
}

/// The service is killed at its limit, and would be at each start again.
#[test]
fn ten_thousand_interfaces_fit_into_the_limit_of_the_unit() {
    const RECORDS: u64 = 1000;
    // An interface that is there takes not quite three times as much as its record alone.
    const FACTOR: u64 = 3;
    lab(|lab| {
        let before = up(lab);
        let mut keeper = Keeper::start(lab);
        let resident_before = resident(&keeper);
        let record = lab.text("/run/policy-table/eth1");
        for n in 0..RECORDS {
            let device = format!("gone{n}");
            let path = format!("/run/policy-table/{device}");
            lab.write(&path, &record.replace("eth1", &device));
        }
        let waiting = "there is no gone";
        keeper.until("all are known", || {
            Keeper::log().matches(waiting).count() as u64 == RECORDS
        });
        let growth = resident(&keeper) - resident_before;
        println!("{growth} kB for {RECORDS} records");
        let unit = "debian/ifupdown-policy-table.policy-table-keep.service";
        let unit = fs::read_to_string(top().join(unit)).unwrap();
        let limit = unit
            .lines()
            .find_map(|line| line.strip_prefix("MemoryMax="));
        let limit = limit
            .and_then(|it| it.strip_suffix('M'))
            .expect("MemoryMax");
        let limit: u64 = limit.parse().unwrap();
        let needed = growth * (10_000 / RECORDS) * FACTOR;
        assert!(growth > 500 && needed < limit * 1024, "{needed} kB");
        lab.ok("rm /run/policy-table/gone*; ip rule flush protocol 157");
        keeper.until("its own", || ours(lab) == before);
        lab.ok("ifdown eth1");
    });
}
