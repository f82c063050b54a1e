//! Many messages, too many, and none.

use std::fs;
use std::time::{Duration, Instant};

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

/// Networks that come are named once to those that do not get there, however often they go.
fn networks_are_named_once(lab: &Lab, keeper: &mut Keeper) {
    let named = |network: &str| {
        let line =
            format!("eth1: policy-mode strict cuts off {network}; policy-mode main cuts off none");
        let all = Keeper::log().matches("strict cuts off").count();
        (Keeper::log().matches(&line).count(), all)
    };
    let flaps = "for _ in 1 2 3; do
        ip address del 172.17.0.1/16 dev docker0; ip address add 172.17.0.1/16 dev docker0
    done";
    lab.ok("ip link add docker0 type bridge; ip address add 172.17.0.1/16 dev docker0");
    lab.ok(&format!("ip link set docker0 up; {flaps}"));
    keeper.until("it is named", || named("172.17.0.0/16 (docker0)") == (1, 1));
    lab.ok(&format!("{flaps}; ifdown eth1; ifup eth1"));
    keeper.quiet();
    // What ifup has named the keeper does not, what comes then it does: while the link is down main
    // leads there.
    lab.ok("ip link set eth1 down; ip address add 172.18.0.1/16 dev docker0; sleep 2.5");
    assert_eq!(Keeper::named_to("eth1").len(), 1);
    lab.ok("ip link set eth1 up");
    keeper.until("so is one that comes then", || {
        named("172.18.0.0/16 (docker0)") == (1, 2)
    });
    // Of many at once the others are not named, nor are they in the way of what comes next.
    lab.ok(&format!(
        "ip address add 2001:db8::1/64 dev docker0 nodad; {flaps}
         for n in $(seq 20 29); do echo address add 172.$n.0.1/16 dev docker0; done | ip -batch -"
    ));
    keeper.until("the first of ten", || {
        Keeper::named_to("eth1").len() == 3 && Keeper::log().contains(" and others;")
    });
    lab.ok("ip address add 172.30.0.1/16 dev docker0");
    keeper.until("the next", || {
        Keeper::named_to("eth1").get(3).map(String::as_str) == Some("172.30.0.0/16 (docker0)")
    });
}

#[test]
fn what_it_cannot_hear_makes_it_look_at_everything() {
    lab(|lab| {
        lab.device("eth2");
        let other = [("eth1", "eth2"), ("10.10", "10.20"), ("rt2", "rt3")];
        let other = other
            .iter()
            .fold(FILE.to_owned(), |text, (from, to)| text.replace(from, to));
        up(lab);
        lab.interfaces(&format!("{FILE}{other}    policy-mode main\n"));
        lab.ok("ifup eth2");
        let before = ours(lab);
        let mut keeper = Keeper::start(lab);
        // A full look was just made, and the next is ten seconds later at the earliest.
        let next = Instant::now() + Duration::from_secs(10);
        networks_are_named_once(lab, &mut keeper);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
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
        // Neither that look nor that of a keeper that starts has named a network again.
        let keeper = keeper.killed_and_started(lab);
        let named = Keeper::named_to("eth1");
        assert_eq!(named.len(), 4, "{named:?}");
        drop(keeper);
        lab.ok("ifdown eth1 eth2");
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
