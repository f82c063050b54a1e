//! What the keeper takes of memory: its own, and the pages of programs and libraries that it maps, which
//! others may share.

use crate::is_release;
use crate::support::lab::lab;

/// The most of it in kB.
const MOST: u64 = 4096;

#[test]
fn the_keeper_takes_little_memory() {
    if !is_release() {
        return;
    }
    lab(|lab| {
        lab.device("eth1");
        lab.interfaces("iface eth1 inet static\n    address 10.10.0.10/24\n    policy-table rt2\n");
        let repaired =
            "for _ in $(seq 100); do ip rule | grep -q 'from 10.10.0.10' && break; sleep .1; done";
        let status = lab.ok(&format!(
            "ifup eth1
            policy-table keep >/run/said 2>&1 &
            for _ in $(seq 100); do [ -e /run/policy-table/.keeper:/stat ] && break; sleep .1; done
            sleep .3; ip rule flush protocol 157; {repaired}
            ip rule | grep 'from 10.10.0.10' && cat /run/policy-table/.keeper:/status; kill $!"
        ));
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let most = most.and_then(|line| line.trim().strip_suffix(" kB"));
        let most: u64 = most.expect("its memory").trim().parse().unwrap();
        println!("the keeper: {most} kB");
        assert!(most > 500 && most <= MOST, "{most} kB");
        lab.ok("ifdown eth1");
    });
}
